// How things are, in words: attacks that go on, badges, accounting, and where all of it comes from.

import { byId, make, text, whenChanged } from "./dom.js";

const fact = (name, value) => (value ? make("div", {}, make("dt", {}, name), make("dd", {}, value)) : null);

/** Attacks that go on now, worst first: what, whom, since when, how hard, who. */
function alarm(alert, open) {
  const button = make("button", { type: "button" }, "All about it");
  button.addEventListener("click", () => open(alert.key));
  return make("article", { class: "alarm", "data-severity": alert.severity },
    make("span", { class: "word" }, alert.severity),
    make("h2", {}, alert.whom ? `${alert.what} on ${alert.whom}` : alert.what),
    button,
    make("dl", {},
      fact("since", alert.since.join(", ")),
      fact("how hard", alert.how_hard.join(", ")),
      fact("from", alert.who.join(", ") || "not known"),
      fact("what to do", alert.advice)));
}

/** What else lasts, in a line each: logins that are guessed, scans, a source that sends much. */
function notice(alert, open) {
  const button = make("button", { type: "button" }, "All about it");
  button.addEventListener("click", () => open(alert.key));
  const who = alert.who.filter((one) => !alert.what.includes(one));
  const told = [alert.whom ? `on ${alert.whom}` : "", who.length ? `from ${who.join(", ")}` : "", `since ${alert.since.join(", ")}`].filter(Boolean).join(" · ");
  return make("article", { class: "alarm notice", "data-severity": alert.severity },
    make("span", { class: "word" }, alert.severity), make("h2", {}, alert.what, " ", make("small", {}, told)), button);
}

const badge = ({ badge: name, what, reason, remedy }) => make("details", { class: "badge" },
  make("summary", {}, name), make("p", {}, `${what}: ${reason}`), make("p", {}, `What to do: ${remedy}`));

export class State {
  constructor({ open }) {
    this.alarms = whenChanged((alerts) => byId("alarms").replaceChildren(...alerts.map((alert) => (alert.flooding ? alarm : notice)(alert, open))));
    this.badges = whenChanged((badges) => byId("badges").replaceChildren(...badges.map(badge)));
    this.announced = new Set();
    this.parts = whenChanged((parts) => byId("accounting").replaceChildren(...parts.map(({ name, packets, bytes }) => make("div", {},
      make("dt", {}, name), make("dd", {}, packets, " ", make("small", {}, bytes))))));
  }

  show(state) {
    const flooding = state.alerts.filter((alert) => alert.flooding).slice(0, 4);
    const others = state.alerts.filter((alert) => !alert.flooding && alert.state !== "over" && alert.severity !== "info").slice(0, 4);
    this.alarms([...flooding, ...others]);
    this.announce(flooding);
    this.badges(state.badges);
    const { cards, accounting, accounts } = state;
    text(byId("card-sources"), cards.sources);
    text(byId("card-connections"), cards.connections ?? "–");
    text(byId("card-of-host"), cards.connections === null ? "not listed here" : "of this host");
    text(byId("card-packets"), `${cards.packets} in all`);
    text(byId("card-bytes"), `${cards.bytes} in all`);
    text(byId("card-sent"), cards.sent === null ? "not counted here" : `${cards.sent} in all`);
    if (cards.sent === null) text(byId("card-out"), "–");
    this.parts(accounting.parts);
    const broken = accounts.filter((account) => !account.holds).map((account) => account.name);
    byId("holds").dataset.state = broken.length ? "stale" : "live";
    text(byId("holds"), broken.length ? `does not add up: ${broken.join(", ")}` : `adds up: ${accounts.map((account) => account.name).join(", ")}`);
    byId("mode").hidden = state.mode === "live" && !state.paused;
    text(byId("mode"), state.paused ? `${state.mode}, paused` : state.mode);
    text(byId("where"), [state.filter.iface, state.monitor].filter(Boolean).join(" · "));
    text(byId("interfaces"), state.interfaces.map((one) => `${one.name} ${one.state}`).join(", "));
  }

  /** Tells a screen reader of critical alerts, each once. */
  announce(flooding) {
    const critical = flooding.filter((alert) => alert.severity === "critical");
    const fresh = critical.find((alert) => !this.announced.has(alert.key));
    this.announced = new Set(critical.map((alert) => alert.key));
    if (fresh) text(byId("announce"), `${fresh.title} ${fresh.whom ? `on ${fresh.whom}` : ""}, ${fresh.how_hard.join(", ")}`);
  }
}
