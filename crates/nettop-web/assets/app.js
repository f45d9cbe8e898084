// The page: what is open follows the address (#/view?filter), what is shown follows the WebSocket.

import { Act } from "./act.js";
import { Minute, Throughput } from "./chart.js";
import { byId, make, text } from "./dom.js";
import { Link, isWelcome, keepToken, takeToken } from "./link.js";
import { WorldMap } from "./map.js";
import { State } from "./state.js";
import { Rows } from "./table.js";

const ALERTS = "Alerts";
const THEMES = ["system", "light", "dark"];
const page = { views: [], view: null, filter: "", order: null, held: false, link: null, lost: null };

const throughput = new Throughput();
const minute = new Minute(byId("detail-chart"));
const rows = new Rows({ sort, open });
const act = new Act({ token: () => page.token });
const map = new WorldMap({ open });
const state = new State({ open: (key) => { go(ALERTS, ""); open(key, ALERTS); } });

/* What is open. */

const address = (view, filter) => `#/${view.toLowerCase()}${filter ? `?${encodeURIComponent(filter)}` : ""}`;
const go = (view, filter) => { location.hash = address(view, filter); follow(); };

function follow() {
  const [name, filter] = location.hash.replace(/^#\/?/, "").split("?");
  const view = page.views.find((one) => one.name.toLowerCase() === name) ?? page.views[0];
  if (!view) return;
  const wanted = filter === undefined ? view.filter : decodeURIComponent(filter);
  if (view !== page.view) {
    Object.assign(page, { view, order: null });
    closeDetail();
    text(byId("view-title"), view.name);
    text(byId("about"), view.about);
    for (const link of byId("views").children) {
      if (link.dataset.view === view.name) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest", inline: "nearest" }); } else link.removeAttribute("aria-current");
    }
  }
  page.filter = wanted;
  if (document.activeElement !== byId("filter")) byId("filter").value = wanted.trim();
  ask();
}

function ask() {
  if (!page.view || !page.link) return;
  const [column, reversed] = page.order ?? [null, false];
  page.link.wish("view", { type: "view", name: page.view.name, filter: page.filter, column, reversed, limit: 100, every_ms: 1000 });
}

function sort(column) {
  const head = rows.columns[column];
  if (!head) page.order = null;
  else if (page.order?.[0] === column) page.order = [column, !page.order[1]];
  else page.order = [column, head.falls];
  ask();
}

function sortNext() {
  const sorts = rows.columns.flatMap((column, at) => (column.sorts ? [at] : []));
  sort(sorts[(sorts.indexOf(page.order?.[0] ?? -1) + 1) % sorts.length]);
}

/* The row that is open. */

function open(key, view = page.view.name) {
  page.opened = { key, view };
  rows.mark(key);
  page.link.wish("detail", { type: "detail", view, key });
}

function closeDetail() {
  if (!page.opened) return;
  page.opened = null;
  rows.mark(null);
  byId("detail").hidden = true;
  page.link.wish("detail", null);
}

function showDetail(detail) {
  if (detail.key !== page.opened?.key) return;
  const isNew = byId("detail").hidden;
  byId("detail").hidden = false;
  byId("detail-gone").hidden = !detail.gone;
  if (!detail.gone) {
    text(byId("detail-title"), detail.id);
    const facts = detail.facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    byId("facts").replaceChildren(...facts);
    minute.show(detail.history);
    act.show(page.control ? detail.net : null);
    const leads = byId("detail-leads");
    leads.hidden = !detail.leads_to;
    if (detail.leads_to) {
      leads.href = address(detail.leads_to.view, detail.leads_to.filter);
      text(leads, `${detail.leads_to.view}: ${detail.leads_to.filter}`);
    }
  }
  if (isNew && matchMedia("(max-width: 900px)").matches) byId("detail").scrollIntoView({ block: "start" });
}

/* What is heard. */

function heard(message) {
  switch (message.type) {
    case "hello": return begin(message);
    case "pulse": return throughput.enter(message.counts);
    case "state":
      page.lost = message.lost;
      tellLink();
      return page.held ? undefined : state.show(message);
    case "view":
      if (page.held || message.name !== page.view?.name) return undefined;
      map.show(message);
      return rows.show(message);
    case "detail": return page.held ? undefined : showDetail(message);
    default: return undefined;
  }
}

function begin(hello) {
  throughput.begin(hello);
  page.control = hello.control;
  text(byId("version"), `nettop ${hello.version}`);
  if (JSON.stringify(hello.views) !== JSON.stringify(page.views)) {
    page.views = hello.views;
    page.view = null;
    byId("views").replaceChildren(...hello.views.map(({ name, key, about }) => make("a", { href: address(name, ""), "data-view": name, title: about }, name, make("kbd", { "aria-hidden": "true" }, key))));
    const keys = [["/", "filter"], ["j k", "next and previous row"], ["Enter", "all about a row"], ["Esc", "close"], ["o O", "sort by the next column; the other way round"], ["space", "hold the picture"], ["t", "theme"], ["?", "this"], ...hello.views.map(({ name, key }) => [key, name])];
    byId("keys").replaceChildren(...keys.flatMap(([key, what]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)]));
    follow();
  }
}

function tellLink(told = page.told) {
  page.told = told;
  const pill = byId("link");
  const isLost = told.state !== "open";
  document.body.classList.toggle("stale", isLost || Boolean(page.lost));
  if (told.state === "connecting") { pill.dataset.state = "connecting"; text(pill, "Connecting"); }
  else if (told.state === "lost") { pill.dataset.state = "stale"; text(pill, `Reconnecting in ${told.seconds} s`); }
  else if (page.lost) { pill.dataset.state = "stale"; text(pill, `STALE since ${page.lost.since}`); pill.title = page.lost.why; }
  else { pill.dataset.state = "live"; text(pill, page.held ? "Connected, held" : "Connected"); pill.title = ""; }
}

/* Buttons and keys. */

function hold() {
  page.held = !page.held;
  throughput.held = page.held;
  byId("pause").setAttribute("aria-pressed", String(page.held));
  tellLink();
}

function wear(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  localStorage.setItem("nettop.theme", theme);
  byId("theme").setAttribute("aria-label", `Theme: ${theme}`);
  dispatchEvent(new Event("nettop-theme"));
}

const nextTheme = () => wear(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length]);

const KEYS = {
  "/": () => { byId("filter").focus(); byId("filter").select(); },
  j: () => rows.move(1),
  k: () => rows.move(-1),
  ArrowDown: () => rows.move(1),
  ArrowUp: () => rows.move(-1),
  o: sortNext,
  O: () => page.order && sort(page.order[0]),
  " ": hold,
  t: nextTheme,
  "?": () => byId("help").showModal(),
  Escape: closeDetail,
};

addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const onButton = event.target.closest?.("button, a, summary") && event.key === " ";
  const inRows = byId("scroll").contains(event.target);
  if (event.key.startsWith("Arrow") && !inRows || onButton) return;
  const view = page.views.find((one) => one.key === event.key);
  const action = KEYS[event.key] ?? (view && (() => go(view.name, "")));
  if (!action) return;
  event.preventDefault();
  action();
});

byId("pause").addEventListener("click", hold);
byId("theme").addEventListener("click", nextTheme);
byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("detail-close").addEventListener("click", closeDetail);
byId("filter-form").addEventListener("submit", (event) => { event.preventDefault(); go(page.view.name, byId("filter").value || " "); });
byId("filter").addEventListener("search", () => go(page.view.name, byId("filter").value || " "));
byId("export").addEventListener("click", async () => {
  const query = new URLSearchParams({ view: page.view.name, filter: page.filter });
  const answer = await fetch(`/api/v1/export.csv?${query}`, { headers: { Authorization: `Bearer ${page.token}` } });
  const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: `nettop-${page.view.name.toLowerCase()}.csv` });
  link.click();
  URL.revokeObjectURL(link.href);
});
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#t=")) { takeToken(); location.reload(); } else follow();
});
document.addEventListener("visibilitychange", () => {
  if (!page.link) return;
  if (document.hidden) page.link.say({ type: "close", all: true });
  else { page.link.retry(); ask(); if (page.opened) open(page.opened.key, page.opened.view); }
});

/* The beginning. */

function connect(token) {
  page.token = token;
  byId("login").hidden = true;
  page.link = new Link(token, {
    heard: (message) => { if (page.told?.state !== "open") tellLink({ state: "open" }); heard(message); },
    told: async (told) => {
      tellLink(told);
      // Another monitor with another token may have taken the place.
      if (told.state === "lost" && (await isWelcome(token)) === false) login("This token is not the one of the monitor that runs now.");
    },
  });
}

function login(why) {
  byId("login").hidden = false;
  if (why) text(byId("login-why"), why);
}

byId("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(byId("login-token").value.trim());
  location.reload();
});

wear(localStorage.getItem("nettop.theme") ?? "system");
const token = takeToken();
if (token) connect(token);
else { login(); tellLink({ state: "connecting" }); text(byId("link"), "No token"); }
