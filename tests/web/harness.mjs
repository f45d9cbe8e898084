// A monitor with a dashboard, and a browser; both end with the tests.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const NETTOP = process.env.NETTOP ?? "../../target/debug/nettop";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP evil.example 127.0.0.1"];

export const TOKEN = "0123456789abcdef-web-test";

/** A folder for sockets and tokens, with the token in a file. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "nettop-web-"));
  writeFileSync(join(path, "token"), `${TOKEN}\n`, { mode: 0o600 });
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Starts nettop with these arguments; resolves with its dashboard's origin once that answers. */
export async function start(place, listen, ...args) {
  const child = spawn(NETTOP, [...args, "--quiet", "--control-socket", join(place.path, "s"), "--web", listen, "--web-token", join(place.path, "token")],
    { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (piece) => { said += piece; });
  const origin = await until("an address", () => /http:\/\/[^ ]+/.exec(said)?.[0]);
  await until("an answer", async () => (await fetch(`${origin}/health`).catch(() => null))?.ok);
  const ended = new Promise((resolve) => { child.on("exit", resolve); });
  return { origin, stop: async () => { child.kill("SIGTERM"); await ended; } };
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** Goes where the printed address leads. */
export const visitIn = (page, origin) => page.goto(`${origin}/#t=${TOKEN}`);

/** Opens the page as the printed address does, and notes what it says and asks for. */
export async function visit(browser, origin, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const heard = { console: [], foreign: [] };
  page.on("console", (message) => { if (message.type() !== "info") heard.console.push(message.text()); });
  page.on("pageerror", (error) => heard.console.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) heard.foreign.push(request.url()); });
  await visitIn(page, origin);
  return { page, heard, close: () => context.close() };
}

export const connected = (page) => page.waitForFunction(() => document.getElementById("link").textContent === "Connected", null, { timeout: 15_000 });
export const hasRows = (page) => page.waitForSelector("#rows tr", { timeout: 15_000 });

/** Asks until there is an answer. */
export async function until(what, question) {
  for (let times = 0; times < 200; times += 1) {
    const answer = await question();
    if (answer) return answer;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  throw new Error(`never ${what}`);
}
