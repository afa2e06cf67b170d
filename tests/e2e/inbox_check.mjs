// Plays a person of the team on the page of the simulated inbox, by keyboard alone: a visitor of the chat page asks for
// a person, is answered there, and is handed back to the bot. Then one person plays both sides at phone width.
//
// Part of widget_check.mjs, whose windows check every state.

import assert from "node:assert/strict";

const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 800 };
const PATIENCE = { timeout: 30_000 };

// The state of the newest conversation on the simulated platform.
async function newest(server) {
  const { conversations } = await (await fetch(`${server}/simulated/chat`)).json();
  return conversations.at(-1);
}

// Checks a state in the light and in the dark.
async function check(window, state) {
  for (const colorScheme of ["light", "dark"]) {
    await window.page.emulateMedia({ colorScheme });
    await window.check(`${state}-${colorScheme}`);
  }
}

async function ask(visitor, text) {
  await visitor.focus("#text");
  await visitor.type(text);
  await visitor.press("Enter");
}

// A visitor who waits for a person.
async function visit(open, url) {
  const visitor = await open("visitor", PHONE, { colorScheme: "light", locale: "en-US" }, url);
  await visitor.fillForm("I want to talk to a person");
  await visitor.focus("#begin");
  await visitor.press("Enter");
  await visitor.reads("A person has been asked to join.");
  return visitor;
}

// Finds the waiting conversation in the list and opens it.
async function choose(desk, id) {
  const entry = `#in-waiting a[href="#${id}"]`;
  await desk.page.locator(entry).waitFor(PATIENCE);
  assert.match(await desk.page.locator(`${entry} .unread`).textContent(), /^\d new$/);
  assert.match(await desk.page.title(), /^\d waiting, simulated inbox$/);
  await check(desk, "list");
  await desk.focus(`a[href="#${id}"]`);
  assert.ok((await desk.focused()).isVisible);
  await desk.press("Enter");
  await desk.reads("I want to talk to a person");
  assert.equal((await desk.focused()).id, "text");
  assert.equal(await desk.page.locator(`${entry} .unread:visible`).count(), 0);
}

// Takes the conversation as another person, and answers.
async function answer(desk, visitor, server) {
  await desk.focus("#agent", "Shift+Tab");
  await desk.press("ArrowDown");
  await desk.focus("[data-action=take]");
  assert.ok((await desk.focused()).isVisible);
  await desk.press("Enter");
  await desk.page.locator("#state-text").getByText("Open: assigned to john.roe.").waitFor(PATIENCE);
  assert.equal((await newest(server)).assignee, "john.roe");
  assert.ok(await desk.page.evaluate(() => document.activeElement.dataset.action === "take"), "the focus is lost");
  await desk.focus("#text");
  await desk.type("Hello, this is John.");
  await desk.press("Enter");
  await visitor.reads("Hello, this is John.");
  await check(desk, "answered");
}

// What the visitor writes appears while the person types, and disturbs neither draft nor focus.
async function interrupt(desk, visitor) {
  await desk.focus("#text");
  await desk.type("Let me lo");
  await ask(visitor, "My order is <b>late</b>.");
  await desk.reads("My order is <b>late</b>.");
  assert.equal((await desk.focused()).id, "text");
  await desk.type("ok.");
  assert.equal(await desk.page.locator("#text").inputValue(), "Let me look.");
  await desk.page.reload();
  await desk.reads("My order is <b>late</b>.");
  assert.equal(await desk.page.locator("#text").inputValue(), "Let me look.");
  await desk.focus("#text");
  await desk.press("Enter");
  await visitor.reads("Let me look.");
}

// A private note reaches nobody but the team.
async function note(desk, visitor) {
  await desk.focus("[value=reply]", "Shift+Tab");
  await desk.press("ArrowRight");
  await desk.focus("#text");
  await desk.type("A difficult one.");
  await check(desk, "note");
  await desk.press("Enter");
  await desk.reads("A difficult one.");
  assert.match(await desk.page.locator(".said.private .who").last().textContent(), /private note/);
  await visitor.page.waitForTimeout(3_000);
  assert.equal(await visitor.page.getByText("A difficult one.").count(), 0);
}

// The server is gone: the page says so, keeps what was typed, and recovers.
async function lose(desk) {
  await desk.focus("#text");
  await desk.type("Kept");
  await desk.page.context().setOffline(true);
  await desk.page.getByText("patchbay local does not answer.").waitFor(PATIENCE);
  await check(desk, "gone");
  await desk.press("Enter");
  await desk.page.context().setOffline(false);
  await desk.page.getByText("patchbay local does not answer. This is").waitFor({ state: "hidden", ...PATIENCE });
  assert.equal(await desk.page.locator("#text").inputValue(), "Kept");
}

// The bot answers again.
async function handBack(desk, visitor, server) {
  await desk.focus("[data-action=release]", "Shift+Tab");
  await desk.press("Enter");
  await visitor.reads("The assistant is back.");
  const { status, assignee } = await newest(server);
  assert.deepEqual({ status, assignee }, { status: "pending", assignee: null });
  await ask(visitor, "When are you open?");
  await visitor.reads("We are open from 9 to 5");
  await desk.reads("We are open from 9 to 5");
  await check(desk, "handed-back");
}

// One person plays both sides, at the width of a phone.
async function playBoth(open, server) {
  const window = await open("inbox-phone", PHONE, {}, `${server}/simulated/chat/inbox`);
  const { page } = window;
  await page.locator("#list a").first().waitFor(PATIENCE);
  await check(window, "list");
  await window.focus("#inbox");
  await window.type("Own");
  await window.focus("#begin button");
  await window.press("Enter");
  await page.locator("#text:focus").waitFor(PATIENCE);
  await window.type("When are you open?");
  await check(window, "customer");
  await window.press("Enter");
  await window.reads("We are open from 9 to 5");
  await window.focus("[data-action=resolve]", "Shift+Tab");
  await window.press("Enter");
  await window.reads("Set to resolved by jane.doe");
  assert.equal((await newest(server)).status, "resolved");
  await check(window, "resolved");
  await window.focus("#text");
  await window.press("Escape");
  await page.locator("#in-resolved a:focus").waitFor(PATIENCE);
  await page.context().close();
}

// `open(name, viewport, settings, url)` opens a window; `url` is the chat page.
export async function playInbox(open, server, url) {
  const visitor = await visit(open, url);
  const { id } = await newest(server);
  const desk = await open("inbox-desk", DESK, {}, `${server}/simulated/chat/inbox`);
  await choose(desk, id);
  await answer(desk, visitor, server);
  await interrupt(desk, visitor);
  await note(desk, visitor);
  await lose(desk);
  await handBack(desk, visitor, server);
  await Promise.all([desk, visitor].map(({ page }) => page.context().close()));
  await playBoth(open, server);
}
