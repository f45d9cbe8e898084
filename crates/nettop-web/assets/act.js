// Blocking what a row is about, where the dashboard may change things: first what that would drop, then, by another button, the block.

import { byId, make, packets, text } from "./dom.js";

const TIMES = [["10 min", 600], ["1 h", 3600], ["1 d", 86_400]];

export class Act {
  constructor({ token }) {
    this.token = token;
    this.subject = null;
    byId("act").addEventListener("submit", (event) => event.preventDefault());
  }

  async ask(request) {
    const answer = await fetch("/api/v1/control", {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token()}`, "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
    return answer.json().catch(() => ({ ok: false, error: `the dashboard answers ${answer.status}` }));
  }

  /** Offers what can be done about a row; nothing where it is none that can be blocked, or only shown. */
  show(subject) {
    const is = JSON.stringify(subject);
    if (is === this.subject) return;
    this.subject = is;
    byId("act").hidden = !subject;
    if (!subject) return;
    const { net, blocked } = subject;
    const first = blocked
      ? this.button("Unblock", () => this.tell(this.ask({ cmd: "unblock", net }), () => `${net} is blocked no more`))
      : this.button("Block …", () => this.plan(net));
    byId("act-buttons").replaceChildren(first);
    text(byId("act-says"), "");
  }

  button(label, act) {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", act);
    return button;
  }

  async tell(asked, told) {
    const answer = await asked;
    text(byId("act-says"), answer.ok ? told(answer) : answer.error);
    return answer.ok ? answer : null;
  }

  /** What a block would drop now; whoever wants that presses another button. */
  async plan(net) {
    const answer = await this.tell(this.ask({ cmd: "block", net, with: "print" }), ({ plan }) => {
      const parts = [`Blocking ${net} would drop ${packets(plan.pps)} now, of ${plan.sources} source(s), and ${plan.connections} connection(s)`];
      if (plan.refused) parts.push(`a guard refuses: ${plan.refused}`);
      return parts.join("; ");
    });
    if (!answer) return;
    const time = make("select", { "aria-label": "For how long" }, ...TIMES.map(([name, seconds]) => make("option", { value: seconds }, name)));
    const confirm = answer.plan.refused ? make("input", { placeholder: net, "aria-label": "The address once more, to override the guard" }) : null;
    const block = this.button("Block it", () => {
      const request = { cmd: "block", net, with: "xdp", seconds: Number(time.value), reason: "dashboard" };
      if (confirm?.value) request.confirm = confirm.value.trim();
      this.tell(this.ask(request), () => `${net} is blocked`);
    });
    block.className = "danger";
    byId("act-buttons").replaceChildren(...[time, confirm, block].filter(Boolean));
  }
}
