// The page as its users meet it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connected, folder, hasRows, launch, start, until, visit, visitIn } from "./harness.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const place = folder();
let browser;
let monitor;

before(async () => {
  monitor = await start(place, "127.0.0.1:0", "demo", "--seed", "7");
  browser = await launch();
});

after(async () => {
  await browser.close();
  await monitor.stop();
  place.remove();
});

test("it connects, draws, loads nothing from elsewhere and keeps no token where others see it", async () => {
  const { page, heard, close } = await visit(browser, monitor.origin);
  await connected(page);
  await hasRows(page);
  await page.waitForFunction(() => /bit\/s/.test(document.getElementById("card-in").textContent));
  await page.waitForFunction(() => document.querySelector("#chart canvas").width > 100);
  assert.equal(new URL(page.url()).hash, "");
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.equal(await page.evaluate(() => localStorage.getItem("nettop.token")), null);
  assert.match(await page.textContent("#holds"), /adds up: received/);
  for (const span of ["600", "3600", "30"]) {
    await page.click(`[data-span="${span}"]`);
    assert.equal(await page.getAttribute(`[data-span="${span}"]`, "aria-pressed"), "true");
  }
  await page.click("#figures summary");
  await page.waitForSelector("#figures tbody tr");
  assert.deepEqual(heard, { console: [], foreign: [] });
  await close();
});

test("every view is there, by keyboard alone, with the columns that the monitor has", async () => {
  const { page, heard, close } = await visit(browser, monitor.origin);
  await connected(page);
  await hasRows(page);
  const views = await page.$$eval("#views a", (links) => links.map((link) => ({ name: link.dataset.view, key: link.querySelector("kbd").textContent })));
  assert.ok(views.length >= 15, String(views.length));
  for (const { name, key } of views) {
    await page.keyboard.press(key);
    await page.waitForFunction((wanted) => document.getElementById("view-title").textContent === wanted, name);
    await page.waitForFunction((wanted) => document.getElementById("rest").textContent.includes(` of `) && document.querySelector('#views a[aria-current="page"]').dataset.view === wanted, name);
  }
  await page.keyboard.press("1");
  await hasRows(page);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#detail:not([hidden]) #facts dd");
  await page.waitForSelector("#detail-chart canvas");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#detail", { state: "hidden" });
  await page.keyboard.press("?");
  await page.waitForSelector("#help[open]");
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  assert.deepEqual(heard.console, []);
  await close();
});

test("rows are sorted and filtered by the monitor", async () => {
  const { page, close } = await visit(browser, monitor.origin);
  await connected(page);
  await hasRows(page);
  await page.click('th:has-text("Bytes") button');
  await page.waitForSelector('th[aria-sort="descending"]:has-text("Bytes")');
  await page.click('th:has-text("Bytes") button');
  await page.waitForSelector('th[aria-sort="ascending"]:has-text("Bytes")');
  const first = await page.textContent("#rows tr td button.row");
  await page.fill("#filter", `ip:${first}`);
  await page.keyboard.press("Enter");
  await until("one row", async () => (await page.$$("#rows tr:not(.gone)")).length === 1);
  assert.match(new URL(page.url()).hash, /^#\/sources\?ip/);
  await page.fill("#filter", "packets>");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#filter-error:not([hidden])");
  await page.goBack();
  await page.waitForSelector("#filter-error", { state: "hidden" });
  await page.keyboard.press("Escape");
  await page.click('[data-form="cards"]');
  await page.waitForSelector(".tile");
  await close();
});

test("ten pulses come in a second, and what is sorted by the monitor is sorted", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  let pulses = 0;
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => { pulses += Number(String(payload).includes('"type":"pulse"')); }));
  await visitIn(page, monitor.origin);
  await connected(page);
  await hasRows(page);
  await until("twenty pulses", () => pulses >= 20);
  await page.click('th:has-text("Pkts") button');
  await page.waitForSelector('th[aria-sort="descending"]:has-text("Pkts")');
  const sorted = async () => {
    const shown = await page.evaluate(() => {
      const at = [...document.querySelectorAll("#heads th")].findIndex((head) => head.textContent === "Pkts");
      return [...document.querySelectorAll("#rows tr")].map((line) => Number(line.children[at].textContent.replaceAll(",", "")));
    });
    return shown.length > 10 && shown.every((value, at) => at === 0 || value <= shown[at - 1]);
  };
  await until("sorted by packets", sorted);
  await context.close();
});

test("columns for which there is no room are left out, and are shown when they are wanted", async () => {
  const { page, close } = await visit(browser, monitor.origin, { viewport: { width: 820, height: 900 } });
  await connected(page);
  await hasRows(page);
  await page.waitForSelector("#columns:not([hidden])");
  const told = () => page.evaluate(() => ({
    overflow: document.getElementById("scroll").scrollWidth - document.getElementById("scroll").clientWidth,
    shown: [...document.querySelectorAll("#heads th:not([hidden])")].map((head) => head.textContent),
    all: document.querySelectorAll("#heads th").length,
    cells: [...document.querySelectorAll("#rows tr")].map((line) => line.querySelectorAll("td:not([hidden])").length),
  }));
  const narrow = await told();
  assert.ok(narrow.overflow <= 0, `${narrow.overflow} px too wide`);
  assert.ok(narrow.shown.includes("IP") && narrow.shown.includes("PPS") && narrow.shown.length < narrow.all, narrow.shown.join());
  assert.ok(narrow.cells.every((count) => count === narrow.shown.length), "rows have the columns of the head");
  await page.focus("#columns");
  await page.keyboard.press("Enter");
  await page.waitForSelector('#columns[aria-pressed="true"]');
  const whole = await told();
  assert.equal(whole.shown.length, whole.all);
  await page.click("#columns");
  await page.setViewportSize({ width: 1600, height: 900 });
  await until("more room", async () => (await told()).shown.length > narrow.shown.length);
  await page.click('[data-form="cards"]');
  await page.waitForSelector("#columns", { state: "hidden" });
  await close();
});

test("nothing moves for those who want no motion", async () => {
  for (const [reducedMotion, name] of [["reduce", "none"], ["no-preference", "pulse"]]) {
    const { page, close } = await visit(browser, monitor.origin, { reducedMotion });
    await connected(page);
    const animated = await page.evaluate(() => {
      const alarm = document.createElement("article");
      alarm.className = "alarm";
      alarm.dataset.severity = "critical";
      const word = document.createElement("span");
      word.className = "word";
      alarm.append(word);
      document.getElementById("alarms").append(alarm);
      return getComputedStyle(word, "::before").animationName;
    });
    assert.equal(animated, name, reducedMotion);
    await close();
  }
});

test("countries are on the map, and in the table", async () => {
  const { page, close } = await visit(browser, monitor.origin);
  await connected(page);
  await page.keyboard.press("5");
  await page.waitForSelector("#map path.has");
  const shown = await page.$$eval("#map path.has title", (titles) => titles.map((title) => title.textContent));
  assert.ok(shown.every((text) => /: (<0\.1|[\d.]+)% of all packets$/.test(text)), shown.join());
  await close();
});

test("holding stops the picture and not the counting", async () => {
  const { page, close } = await visit(browser, monitor.origin);
  await connected(page);
  await page.keyboard.press(" ");
  await page.waitForSelector('#pause[aria-pressed="true"]');
  const held = await page.textContent("#card-packets");
  await page.waitForTimeout(2500);
  assert.equal(await page.textContent("#card-packets"), held);
  await page.keyboard.press(" ");
  await page.waitForFunction((before) => document.getElementById("card-packets").textContent !== before, held);
  await close();
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1440, 820, 390]) {
    test(`axe finds nothing, ${colorScheme}, ${width} wide`, async () => {
      const { page, close } = await visit(browser, monitor.origin, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      await connected(page);
      await hasRows(page);
      await page.evaluate(AXE);
      for (const view of ["sources", "countries", "alerts"]) {
        await page.evaluate((name) => { location.hash = `#/${name}`; }, view);
        await page.waitForFunction((name) => document.getElementById("view-title").textContent.toLowerCase() === name, view);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => `${view} ${id}: ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`), []);
      }
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px wider than the screen`);
      await close();
    });
  }
}
