// Plays a visitor of the chat page in Chromium, by keyboard alone and at phone width, against `patchbay local`: asks, is
// answered by the bot, asks for a person, gets one, loses the connection, reloads, and comes back after a day. Checks
// every state with axe-core, that nothing is fetched from elsewhere, and the size of the page. Then a person answers
// such a visitor on the page of the simulated inbox.
//
//     widget_check.mjs --patchbay target/debug/patchbay --node-modules DIR [--screens DIR] URL
//
// Needs the npm packages `playwright-core` and `axe-core` in DIR, and Chromium as /usr/bin/chromium.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { playInbox } from "./inbox_check.mjs";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
// The token of `patchbay local`.
const TOKEN = `pb_${"0".repeat(64)}`;
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 800 };
// Largest page with its script and style, compressed, in bytes.
const MAX_BYTES = 15 * 1024;
const AGENT = "jane.doe";
const BOT = `
debounce_ms: 300
greeting: Hello, I am the assistant of the shop.
faq:
  entries:
    - name: hours
      questions: [When are you open?]
      answer: "We are open from 9 to 5, see https://shop.example.org/hours."
      quick_replies: [Where are you?, I want to talk to a person]
    - name: place
      questions: [Where are you?]
      answer: In Main Street 7.
    - name: thanks
      questions: [Thank you, that is all]
      answer: You are welcome.
      finish: true
hand_over:
  text: A colleague will be with you shortly.
`;
const PAGE = `
title: { en: Questions? We help., de: Fragen? Wir helfen. }
privacy_url: https://shop.example.org/privacy
topics:
  - { name: orders, title: { en: Orders and delivery, de: Bestellung und Lieferung }, inbox: "9", priority: high }
  - { name: returns, title: { en: Returns, de: Rücksendung }, inbox: "8" }
  - { name: other, title: { en: Something else, de: Etwas anderes }, inbox: "9" }
`;

const { values: options, positionals: [server] } = parseArgs({
  allowPositionals: true,
  options: {
    patchbay: { type: "string" },
    "node-modules": { type: "string" },
    screens: { type: "string", default: "target/chat-page" },
  },
});
const require = createRequire(join(resolve(options["node-modules"]), "x.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(options.screens, { recursive: true });

// Connects a bot to the simulated platform, and returns the URL of the page.
function setUp() {
  const folder = mkdtempSync(join(tmpdir(), "patchbay-widget-"));
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const patchbay = (...words) => execFileSync(options.patchbay, ["bot", ...words], { encoding: "utf8" });
  try {
    patchbay("push", "shop", file("bot.yaml", BOT), "--api", server, "--token", TOKEN);
    patchbay("connect", "--inbox", "9=shop", "--inbox", "8=shop", "--local", server);
    const set = patchbay("page", "set", file("page.yaml", PAGE), "--local", server, "--output", "json");
    return JSON.parse(set).url;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// What a person of the team does on the simulated platform.
async function agent(action, text) {
  const { conversations } = await (await fetch(`${server}/simulated/chat`)).json();
  const conversation = conversations.at(-1).id;
  const body = JSON.stringify({ conversation, agent: AGENT, text });
  const response = await fetch(`${server}/simulated/chat/${action}`, { method: "POST", body });
  assert.ok(response.ok, `${action}: ${await response.text()}`);
}

// A browser window, and what is wrong with it.
class Window {
  constructor(page, name) {
    Object.assign(this, { page, name, faults: [], hosts: new Set() });
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      // A failed request is also a line on the console; the page shows it in its own words.
      if (message.type() === "error" && !message.text().startsWith("Failed to load")) this.faults.push(message.text());
    });
    page.on("request", (request) => this.hosts.add(new URL(request.url()).origin));
  }

  // Checks a state: accessibility, width, and no error so far. Keeps a picture of it.
  async check(state) {
    await this.page.screenshot({ path: join(options.screens, `${this.name}-${state}.png`) });
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    assert.deepEqual(found, [], `axe-core in the state ${state}`);
    const { width } = this.page.viewportSize();
    const needed = await this.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(needed <= width, `${state} needs ${needed} of ${width} pixels`);
    assert.deepEqual(this.faults, [], state);
    assert.deepEqual([...this.hosts], [new URL(server).origin]);
    console.log(`   ${this.name} ${state}: ok`);
  }

  press(...keys) {
    return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  // Presses a key until the focus is on an element of this selector.
  async focus(selector, key = "Tab") {
    for (let presses = 0; presses < 30; presses += 1) {
      if (await this.page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
      await this.press(key);
    }
    assert.fail(`${selector} is not reached with ${key}`);
  }

  // The focused element, and whether its focus is visible.
  focused() {
    return this.page.evaluate(() => {
      const { outlineStyle } = getComputedStyle(document.activeElement.closest("label") ?? document.activeElement);
      return { id: document.activeElement.id, isVisible: outlineStyle !== "none" };
    });
  }

  // Waits until the conversation has this text.
  reads(text) {
    return this.page.locator("#log").getByText(text, { exact: false }).last().waitFor({ timeout: 30_000 });
  }

  async fillForm(first) {
    await this.focus("[name=topic]");
    await this.press("Space");
    await this.focus("#name");
    await this.type("Sam Roe");
    await this.focus("#email");
    await this.type("sam@example.org");
    await this.focus("#first");
    await this.type(first);
  }
}

async function open(browser, name, viewport, settings, url) {
  const context = await browser.newContext({ viewport, ...settings });
  const window = new Window(await context.newPage(), name);
  await window.page.goto(url);
  return window;
}

async function checkSize(url) {
  const page = await (await fetch(url)).text();
  const parts = [page];
  for (const [, path] of page.matchAll(/(?:src|href)="([^"]*widget\.(?:js|css)[^"]*)"/g)) {
    parts.push(await (await fetch(new URL(path, url))).text());
  }
  assert.equal(parts.length, 3);
  const bytes = parts.map((part) => gzipSync(part).length).reduce((sum, length) => sum + length);
  assert.ok(bytes <= MAX_BYTES, `${bytes} bytes`);
  console.log(`   size of page, script and style, compressed: ${bytes} of ${MAX_BYTES} bytes`);
}

// The whole story by keyboard, at the width of a phone.
async function story(browser, url) {
  const window = await open(browser, "phone", PHONE, { colorScheme: "light", locale: "en-US" }, url);
  const { page } = window;
  await window.check("form");

  await window.focus("#begin");
  await window.press("Enter");
  await page.locator("#email-error").waitFor();
  await window.check("errors");
  assert.deepEqual(await page.locator(".is-bad:visible").count(), 4);
  assert.ok((await window.focused()).isVisible);

  await window.fillForm("When are you open?");
  await window.focus("#begin");
  await window.press("Enter");
  await window.reads("We are open from 9 to 5");
  assert.equal((await window.focused()).id, "text");
  assert.equal(await page.locator("#log .text a").getAttribute("href"), "https://shop.example.org/hours");
  await window.check("bot");

  await window.focus(".choice", "Shift+Tab");
  assert.ok((await window.focused()).isVisible);
  await window.press("Enter");
  await window.reads("A colleague will be with you shortly.");
  await window.reads("A person has been asked to join.");
  assert.equal(await page.locator(".choice").count(), 0);
  assert.equal((await window.focused()).id, "text");
  await window.check("waiting");

  await agent("reply", "Hello, this is Jane.");
  await window.reads("Hello, this is Jane.");
  await window.check("human");
  await window.type("Hi Jane");
  await window.press("Shift+Enter");
  await window.type("My order is late.");
  await window.press("Enter");
  await window.reads("My order is late.");
  await page.reload();
  await window.reads("My order is late.");
  await window.reads("Hello, this is Jane.");
  assert.equal(await page.locator(".said.visitor").count(), 3);

  await page.context().setOffline(true);
  await window.focus("#text");
  await window.type("Are you there?");
  await window.press("Enter");
  await page.locator("#note:visible").waitFor({ timeout: 30_000 });
  await window.check("offline");
  await page.context().setOffline(false);
  await page.locator("#note").waitFor({ state: "hidden", timeout: 30_000 });
  await page.locator("[data-outbox]").waitFor({ state: "detached", timeout: 30_000 });
  assert.equal(await page.locator(".said.visitor").count(), 4);

  await agent("resolve");
  await window.reads("The assistant is back.");
  await window.focus("#text");
  await window.type("Thank you, that is all");
  await window.press("Enter");
  await page.locator("#new:visible").waitFor({ timeout: 30_000 });
  await window.check("finished");

  // After a day the token is no longer valid.
  await page.evaluate(() => {
    const key = Object.keys(sessionStorage)[0];
    sessionStorage.setItem(key, sessionStorage.getItem(key).replace(/"token":"[^"]*/, '"token":"expired'));
  });
  await page.reload();
  await page.locator("#note button:visible").waitFor();
  await window.check("expired");
  assert.ok((await window.focused()).isVisible);
  await window.press("Enter");
  await page.locator("#start:visible").waitFor();
  assert.deepEqual(await page.context().cookies(), []);
  await page.context().close();
}

// The states that look different elsewhere: German, in the dark, at a desk.
async function german(browser, url) {
  const window = await open(browser, "german", DESK, { colorScheme: "dark", locale: "de-DE" }, url);
  const { page } = window;
  assert.equal(await page.title(), "Fragen? Wir helfen.");
  await window.check("form");
  await window.focus("#begin");
  await window.press("Enter");
  await page.getByText("Bitte wählen Sie ein Thema.").waitFor();
  await window.check("errors");
  await window.fillForm("Ich möchte mit einem Menschen sprechen");
  await window.focus("#begin");
  await window.press("Enter");
  await window.reads("Ich möchte mit einem Menschen sprechen");
  await page.locator(".said.bot").waitFor({ timeout: 30_000 });
  await window.check("bot");
  await agent("reply", "Guten Tag, hier ist Jane.");
  await window.reads("Guten Tag, hier ist Jane.");
  await window.check("human");
  await page.context().close();
}

const url = setUp();
await checkSize(url);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  await story(browser, url);
  await german(browser, url);
  await playInbox((name, viewport, settings, path) => open(browser, name, viewport, settings, path), server, url);
} finally {
  await browser.close();
}
console.log(`the chat page and the inbox work; pictures are in ${options.screens}`);
