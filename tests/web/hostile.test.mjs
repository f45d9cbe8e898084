// Pages that mean harm, and a monitor that ends.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TOKEN, connected, folder, launch, start, visit } from "./harness.mjs";

const place = folder();
let browser;
let monitor;
let evil;

before(async () => {
  monitor = await start(place, "127.0.0.1:0", "demo", "--seed", "7");
  browser = await launch();
  evil = createServer((_, answer) => { answer.setHeader("content-type", "text/html"); answer.end("<!doctype html><title>evil</title>"); });
  await new Promise((resolve) => { evil.listen(0, "127.0.0.1", resolve); });
});

after(async () => {
  await browser.close();
  await monitor.stop();
  evil.close();
  place.remove();
});

/** What a hostile page gets, which even knows the token. */
const attack = async ([origin, token]) => {
  const outcomes = {};
  outcomes.fetch = await fetch(`${origin}/api/stats`, { headers: { Authorization: `Bearer ${token}` } }).then(() => "read", () => "refused");
  outcomes.simple = await fetch(`${origin}/api/stats`, { mode: "no-cors" }).then((answer) => answer.type, () => "refused");
  outcomes.post = await fetch(`${origin}/api/v1/control`, { method: "POST", body: '{"cmd":"stop"}' }).then(() => "read", () => "refused");
  outcomes.socket = await new Promise((resolve) => {
    const word = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const socket = new WebSocket(`${origin.replace("http", "ws")}/api/v1/stream`, ["nettop.v1", `nettop.token.${word}`]);
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
  });
  outcomes.script = await new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = `${origin}/api/stats`;
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("refused");
    document.head.append(script);
  });
  return outcomes;
};

test("pages of another port, another site and a name pointed here get nothing", async () => {
  const { port } = evil.address();
  const refused = { fetch: "refused", post: "refused", socket: "refused", script: "refused" };
  for (const host of ["127.0.0.1", "localhost", "evil.example"]) {
    const page = await browser.newPage();
    await page.goto(`http://${host}:${port}/`);
    const { simple, ...outcomes } = await page.evaluate(attack, [monitor.origin, TOKEN]);
    assert.deepEqual(outcomes, refused, host);
    // What cannot be read is no harm; what is refused is none either.
    assert.ok(["opaque", "refused"].includes(simple), `${host}: ${simple}`);
    await page.close();
  }
  const page = await browser.newPage();
  const rebound = await page.goto(monitor.origin.replace("127.0.0.1", "evil.example"));
  assert.equal(rebound.status(), 421);
  await page.close();
});

test("it cannot be framed, and nothing but its own files runs in it", async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${evil.address().port}/`);
  const framed = await page.evaluate((origin) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.src = `${origin}/`;
    frame.onload = () => { try { resolve(frame.contentDocument ? "readable" : "opaque"); } catch { resolve("opaque"); } };
    document.body.append(frame);
  }), monitor.origin);
  assert.equal(framed, "opaque");
  assert.ok(!page.frames().some((frame) => frame.url().startsWith(monitor.origin) && frame.childFrames().length), "no frame");
  await page.close();
  const { page: own, close } = await visit(browser, monitor.origin);
  await connected(own);
  const ran = await own.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = true";
    document.head.append(script);
    return globalThis.ran === true;
  });
  assert.equal(ran, false);
  await close();
});

test("it says that the monitor has gone, and comes back by itself", async () => {
  const own = folder();
  let first = await start(own, "127.0.0.1:0", "demo", "--seed", "7");
  const { page, close } = await visit(browser, first.origin);
  await connected(page);
  await first.stop();
  await page.waitForFunction(() => /^(Reconnecting in|STALE since|Connecting)/.test(document.getElementById("link").textContent), null, { timeout: 10_000 });
  await page.waitForSelector("body.stale");
  first = await start(own, new URL(first.origin).host, "demo", "--seed", "7");
  await connected(page);
  await close();
  await first.stop();
  own.remove();
});

test("without the token it asks for it", async () => {
  const page = await browser.newPage();
  await page.goto(monitor.origin);
  await page.waitForSelector("#login:not([hidden])");
  await page.fill("#login-token", "wrong-wrong-wrong-wrong");
  await page.click("#login button");
  await page.waitForFunction(() => document.getElementById("login-why").textContent.includes("not the one"));
  await page.fill("#login-token", TOKEN);
  await page.click("#login button");
  await connected(page);
  await page.close();
});

test("names from anywhere are shown as text", async () => {
  const own = folder();
  const name = '<img src=x onerror="globalThis.ran=true"><script>globalThis.ran=true</script>';
  const csv = join(own.path, "location.csv");
  writeFileSync(csv, `cidr,country_code,country,city,asn,org\n0.0.0.0/0,DE,"${name.replaceAll('"', '""')}",,64496,"${name.replaceAll('"', '""')}"\n`);
  const hostile = await start(own, "127.0.0.1:0", "demo", "--seed", "7", "--location-db", csv);
  const { page, heard, close } = await visit(browser, hostile.origin);
  await connected(page);
  for (const view of ["networks", "countries", "sources", "self"]) {
    await page.evaluate((wanted) => { location.hash = `#/${wanted}`; }, view);
    await page.waitForFunction((wanted) => document.getElementById("view-title").textContent.toLowerCase() === wanted, view);
    await page.waitForSelector("#rows tr");
    if (view !== "self") await page.waitForFunction(() => document.getElementById("rows").textContent.includes("<img src=x"));
    await page.click("#rows button.row");
    await page.waitForSelector("#detail:not([hidden]) #facts dd");
    assert.equal(await page.$$eval("main img, main script", (found) => found.length), 0, view);
  }
  assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  assert.deepEqual(heard.console, []);
  await close();
  await hostile.stop();
  own.remove();
});
