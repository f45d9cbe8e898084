// The rows of a view, as a table or as cards. Columns, texts and what they mean come from the monitor: nothing here knows a view.

import { byId, make, press, text } from "./dom.js";

/** The column that never goes: it names the row, and opens it. */
const namesRow = (columns) => columns.findIndex((column) => column.rank === 0);

export class Rows {
  constructor({ sort, open }) {
    Object.assign(this, { sort, open, rows: new Map(), form: "table", view: null, opened: null, columns: [] });
    // Columns that there is no room for, unless all are wanted.
    Object.assign(this, { left: new Set(), isFitted: false, wantsAll: false });
    this.isOver = false;
    new ResizeObserver(() => this.fit()).observe(byId("scroll"));
    byId("columns").addEventListener("click", () => {
      this.wantsAll = !this.wantsAll;
      byId("columns").setAttribute("aria-pressed", String(this.wantsAll));
      this.fit();
    });
    byId("scroll").addEventListener("pointerenter", (event) => { this.isOver = event.pointerType === "mouse"; });
    byId("scroll").addEventListener("pointerleave", () => { this.isOver = false; });
    byId("scroll").addEventListener("click", (event) => {
      const key = event.target.closest("[data-key]")?.dataset.key;
      if (key && !getSelection().toString()) this.open(key);
    });
    byId("forms").addEventListener("click", (event) => this.become(event.target.dataset.form));
    byId("sort").addEventListener("change", (event) => this.sort(Number(event.target.value)));
  }

  become(form) {
    if (!form) return;
    this.form = form;
    press(byId("forms"), "form", form);
    byId("table").hidden = form !== "table";
    byId("tiles").hidden = form !== "cards";
    byId("sort-label").hidden = form !== "cards";
    this.clear();
    if (this.view) this.draw(this.view);
    this.fit();
  }

  /** Rows that move under the pointer or the focus annoy: for so long the order stays. */
  isHeld() {
    return this.isOver || byId("scroll").contains(document.activeElement) && document.activeElement !== byId("scroll");
  }

  show(view) {
    const isNew = view.name !== this.view?.name;
    if (isNew || JSON.stringify(view.columns) !== JSON.stringify(this.columns)) this.head(view);
    this.marks(view);
    const sameWish = !isNew && view.filter === this.view?.filter && JSON.stringify(view.order) === JSON.stringify(this.view?.order);
    this.view = view;
    this.draw(view, sameWish && this.isHeld());
    if (!this.isFitted || byId("table").offsetWidth > byId("scroll").clientWidth) this.fit();
    this.tell(view);
  }

  /** Leaves out columns until the others have room, as the screen does: those of the highest rank first. */
  fit() {
    byId("columns").hidden = true;
    if (this.form !== "table" || !this.rows.size) return;
    this.leave(new Set());
    const widths = [...byId("heads").children].map((head) => head.offsetWidth);
    let excess = byId("table").offsetWidth - byId("scroll").clientWidth;
    const left = new Set();
    const byRank = this.columns.map((_, at) => at).sort((one, other) => this.columns[other].rank - this.columns[one].rank || other - one);
    for (const at of this.wantsAll ? [] : byRank) {
      if (excess <= 0 || this.columns[at].rank === 0) break;
      left.add(at);
      excess -= widths[at];
    }
    this.leave(left);
    this.isFitted = true;
    const names = [...left].sort((one, other) => one - other).map((at) => this.columns[at].title);
    byId("columns").hidden = !left.size && !this.wantsAll;
    byId("columns").title = left.size ? `There is no room for ${names.join(", ")}` : "";
  }

  leave(left) {
    this.left = left;
    for (const line of [byId("heads"), ...byId("rows").children]) {
      [...line.children].forEach((cell, at) => { cell.hidden = left.has(at); });
    }
  }

  clear() {
    this.rows.clear();
    byId("rows").replaceChildren();
    byId("tiles").replaceChildren();
  }

  head(view) {
    this.clear();
    Object.assign(this, { left: new Set(), isFitted: false });
    byId("columns").hidden = true;
    this.columns = view.columns;
    text(byId("caption"), view.many);
    const heads = view.columns.map((column, at) => {
      const button = column.sorts ? make("button", { type: "button", title: `${column.help}; sorts` }, column.title) : make("span", { title: column.help }, column.title);
      if (column.sorts) button.addEventListener("click", () => this.sort(at));
      return make("th", { scope: "col", class: column.right ? "right" : null }, button);
    });
    byId("heads").replaceChildren(...heads);
    const choices = view.columns.map((column, at) => (column.sorts ? make("option", { value: at }, column.title) : null));
    byId("sort").replaceChildren(make("option", { value: -1 }, "as it comes"), ...choices.filter(Boolean));
  }

  marks({ order }) {
    [...byId("heads").children].forEach((head, at) => {
      if (order?.[0] === at) head.setAttribute("aria-sort", order[1] ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    byId("sort").value = String(order?.[0] ?? -1);
  }

  draw(view, held = false) {
    const incoming = new Map(view.rows.map((row) => [row.key, row]));
    for (const [key, drawn] of this.rows) {
      const row = incoming.get(key);
      drawn.element.classList.toggle("gone", !row);
      if (!row && !held) { drawn.element.remove(); this.rows.delete(key); }
    }
    const list = byId(this.form === "table" ? "rows" : "tiles");
    let before = null;
    for (const row of view.rows) {
      let drawn = this.rows.get(row.key);
      if (!drawn) {
        drawn = this.form === "table" ? this.line(row) : this.tile(row);
        this.rows.set(row.key, drawn);
        if (held) list.append(drawn.element);
      }
      this.fill(drawn, row);
      if (!held) {
        const place = before ? before.nextSibling : list.firstChild;
        if (place !== drawn.element) list.insertBefore(drawn.element, place);
        before = drawn.element;
      }
    }
  }

  line(row) {
    const name = namesRow(this.columns);
    const cells = this.columns.map((column, at) => {
      const cell = make("td", { class: column.right ? "right" : null, hidden: this.left.has(at) });
      const shown = at === name ? make("button", { type: "button", class: "row" }) : make("span");
      cell.append(shown);
      if (column.meaning === "bar") cell.append(make("span", { class: "meter", "aria-hidden": "true" }, make("i")));
      return { cell, shown };
    });
    const element = make("tr", { "data-key": row.key }, ...cells.map(({ cell }) => cell));
    return { element, cells };
  }

  tile(row) {
    const name = namesRow(this.columns);
    const title = make("button", { type: "button" });
    const state = make("span", { class: "state" });
    const facts = make("dl");
    const cells = this.columns.map((column, at) => {
      if (at === name) return { shown: title };
      if (column.title === "State") return { shown: state };
      const shown = make("dd");
      facts.append(make("div", { title: column.help }, make("dt", {}, column.title), shown));
      return { shown };
    });
    const element = make("li", { class: "tile", "data-key": row.key }, make("div", { class: "top" }, title, this.columns.some((column) => column.title === "State") ? state : null), facts);
    return { element, cells, state };
  }

  fill({ element, cells, state }, row) {
    const means = new Map(row.means ?? []);
    this.columns.forEach((column, at) => {
      const { cell, shown } = cells[at];
      text(shown, row.cells[at]);
      if (row.cells[at].length > 24) shown.title = row.cells[at];
      if (shown.tagName === "DD") shown.parentElement.classList.toggle("wide", row.cells[at].length > 14);
      const meaning = means.get(at) ?? column.meaning;
      if (shown.dataset.means !== meaning) shown.dataset.means = meaning;
      if (cell && column.meaning === "bar") cell.lastChild.firstChild.style.width = `${Number.parseFloat(row.cells[at]) || 0}%`;
      if (state && shown === state) {
        state.dataset.stateOf = row.cells[at];
        element.dataset.stateOf = row.cells[at];
      }
    });
    element.classList.toggle("open", row.key === this.opened);
  }

  tell(view) {
    const parts = [`${view.rows.length} of ${view.passing} ${view.many}`];
    if (view.hidden) parts.push(`the filter hides ${view.hidden}`);
    if (view.unjudged) parts.push(`${view.unjudged} of them because what it asks is not known of them`);
    if (view.unlisted) parts.push(`${view.unlisted} more are only in the sums`);
    text(byId("rest"), parts.join("; "));
    text(byId("filter-error"), view.error ?? "");
    byId("filter-error").hidden = !view.error;
  }

  mark(key) {
    this.opened = key;
    for (const [one, { element }] of this.rows) element.classList.toggle("open", one === key);
  }

  /** Moves the focus by so many rows. */
  move(by) {
    const buttons = [...byId("scroll").querySelectorAll("td button.row, .tile .top button")];
    const at = buttons.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : buttons.length - 1) : Math.min(buttons.length - 1, Math.max(0, at + by));
    buttons[next]?.focus();
    buttons[next]?.scrollIntoView({ block: "nearest" });
  }
}
