// The simulated inbox. It fetches everything about once a second, and shows what changed.
//
// Elements are kept and changed in place, so that focus, selection and scrolling stay where they are. Texts are set as
// text, never as HTML. The fragment of the URL names the chosen conversation; the session storage of the tab has what a
// reload needs: drafts, what was seen, and who the person plays.

const API = "/simulated/chat";
const CLOCK = "/simulated/clock";
// Seconds between two looks, and between two tries while the server does not answer.
const PAUSE = 1;
const LONGEST_PAUSE = 5;
const UNTIL_VISIBLE = 86_400;
const KEY = "simulated inbox";
// The private note by which patchbay returns a conversation to its bot, unless the bot's document has other words.
const GIVE_BACK = "/bot";
const GROUPS = ["waiting", "taken", "pending", "snoozed", "resolved"];
const NAMES = { customer: "Customer", bot: "Bot", platform: "Platform" };
const VOICES = {
  reply: { label: (customer) => `Reply to ${customer}`, send: "Send reply" },
  note: { label: () => "Private note, which the customer does not see", send: "Add note" },
  write: { label: (customer) => `Write as ${customer}`, send: "Send as customer" },
};

const find = (id) => document.getElementById(id);
const lines = find("log").firstElementChild;
const DIGITS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const time = new Intl.DateTimeFormat(undefined, DIGITS);

let memory = { agent: "", drafts: {}, seen: {} };
let inbox = null;
let chosen = null;
// The key of the conversation that the page shows.
let opened = "";
let entries = new Map();
let shown = new Map();
let waiting = null;
let looks = 0;
let newest = 0;
let failures = 0;
let lastAnswer = null;
let gone = "";
let refused = "";
let isSending = false;
let wake = () => {};

function recall() {
  try {
    memory = { ...memory, ...JSON.parse(sessionStorage.getItem(KEY)) };
  } catch {
    // Without storage the page works until the next reload.
  }
}

function remember() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // As above.
  }
}

// Sends a request. Without an answer the status is 0.
async function request(path, body) {
  const headers = { "content-type": "application/json" };
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : {};
  try {
    const signal = AbortSignal.timeout(5_000);
    const response = await fetch(path, { ...options, credentials: "omit", cache: "no-store", signal });
    return { status: response.status, json: await response.json().catch(() => ({})) };
  } catch {
    return { status: 0, json: {} };
  }
}

function sleep(seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function follow() {
  for (;;) {
    try {
      if (!document.hidden) await look();
    } catch (error) {
      // What cannot be shown must not end the looking.
      console.error(error);
      lose();
    }
    const pause = failures ? Math.min(PAUSE * failures, LONGEST_PAUSE) : PAUSE;
    await sleep(document.hidden ? UNTIL_VISIBLE : pause);
  }
}

// Fetches everything and shows it, unless a later look was faster.
async function look() {
  looks += 1;
  const ordinal = looks;
  const [chat, clock] = await Promise.all([request(API), request(CLOCK)]);
  if (ordinal < newest) return;
  newest = ordinal;
  if (chat.status !== 200 || clock.status !== 200) {
    lose();
    return;
  }
  if (failures) announce("Connected again.");
  [failures, gone, lastAnswer] = [0, "", new Date()];
  showClock(clock.json);
  show(chat.json);
  showNotes();
}

// The server does not answer: what the page shows stays, and says how old it is.
function lose() {
  failures += 1;
  // A single failure may be a restart.
  if (failures < 2) return;
  const since = lastAnswer ? ` This is how it was at ${time.format(lastAnswer)} on your clock.` : "";
  gone = `patchbay local does not answer.${since} This page keeps trying.`;
  showNotes();
}

function showNotes() {
  const text = gone || refused;
  setText(find("note").querySelector("p"), text);
  keepEnd(() => (find("note").hidden = !text));
}

function announce(text) {
  setText(find("news"), text);
}

// Does what a person can do on the platform. Whether it was done.
async function act(action, fields) {
  const { status, json } = await request(`${API}/${action}`, fields);
  const unknown = "patchbay local does not answer, so it is unknown whether this was done.";
  refused = status === 200 ? "" : status ? `This was not done: ${json.detail ?? `status ${status}`}.` : unknown;
  showNotes();
  if (status) await look();
  return status === 200 && json;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Puts the items of a list in this order, and moves only those that are elsewhere.
function arrange(list, items) {
  items.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
}

function copy(id) {
  return find(id).content.firstElementChild.cloneNode(true);
}

function setTime(element, at) {
  const date = new Date(at);
  element.dateTime = at;
  setText(element, time.format(date));
}

function showClock({ now, speed }) {
  setText(find("clock"), `${time.format(new Date(now))}, ${speed === 1 ? "real time" : `${speed} times real time`}`);
}

function show(next) {
  inbox = next;
  showChoices();
  showList();
  showPane();
  showTitle();
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const conversationOf = (id) => inbox?.conversations.find((one) => one.id === id);
const inboxOf = ({ inbox: id }) => inbox.inboxes.find((one) => one.id === id) ?? { name: `Inbox ${id}`, bot: null };
const nameOf = ({ customer, id }) => customer || `Customer ${id}`;
// Ids begin again when a server starts without its data, so a time is added.
const keyOf = ({ id, created_at: at }) => `${id} ${at}`;

function groupOf(one) {
  if (one.status !== "open") return one.status;
  return one.assignee || answeredBy(one) ? "taken" : "waiting";
}

// Who has answered since the conversation was opened. On some platforms an answer assigns nobody.
function answeredBy({ changes, messages, created_at: begin }) {
  const opened = changes.findLast(({ status }) => status === "open")?.at ?? begin;
  return messages.findLast(({ by, private: isPrivate, at }) => by === "agent" && !isPrivate && at >= opened)?.name;
}

// The people and the inboxes that can be chosen.
function showChoices() {
  const agents = inbox.agents.map(({ name, is_logged_in: isIn }) => [name, isIn ? name : `${name} (logged out)`]);
  fill(find("agent"), agents, memory.agent);
  const inboxes = inbox.inboxes.map(({ id, name, bot }) => [String(id), `${name} (${bot ? `bot: ${bot}` : "no bot"})`]);
  fill(find("inbox"), inboxes, String(inbox.inboxes.find(({ bot }) => bot)?.id));
}

function fill(select, options, preferred) {
  const isSame = JSON.stringify(options) === select.dataset.options;
  if (isSame) return;
  const before = select.value || preferred;
  select.dataset.options = JSON.stringify(options);
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => value === before)) select.value = before;
}

// The list.

function showList() {
  const focused = document.activeElement;
  const groups = new Map(GROUPS.map((name) => [name, []]));
  const ids = new Set();
  const all = inbox.conversations.map((one) => ({ one, at: lastAt(one) }));
  // Newest first.
  for (const { one, at } of all.sort((a, b) => compare(b.at, a.at))) {
    ids.add(one.id);
    groups.get(groupOf(one)).push(showEntry(one, at));
  }
  for (const [id, entry] of entries) {
    if (!ids.has(id)) {
      entry.remove();
      entries.delete(id);
    }
  }
  for (const [name, items] of groups) {
    arrange(find(`in-${name}`).querySelector("ol"), items);
    find(`in-${name}`).hidden = !items.length;
  }
  // A moved element loses the focus.
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  showEmpty();
}

function showEmpty() {
  const hasBot = inbox.inboxes.some(({ bot }) => bot);
  const connect = " No bot answers an inbox yet: see patchbay bot connect.";
  setText(find("empty"), `No conversation yet.${hasBot ? "" : connect}`);
  find("empty").hidden = inbox.conversations.length > 0;
}

function lastAt({ messages, changes, created_at: at }) {
  return [messages.at(-1)?.at, changes.at(-1)?.at, at].filter(Boolean).sort().at(-1);
}

function showEntry(one, at) {
  let entry = entries.get(one.id);
  if (!entry) {
    entry = copy("new-entry");
    entry.firstElementChild.href = `#${one.id}`;
    entries.set(one.id, entry);
  }
  const part = (selector) => entry.querySelector(selector);
  setText(part("strong"), nameOf(one));
  setTime(part("time"), at);
  const status = one.assignee ? `${one.status}, ${one.assignee}` : one.status;
  setText(part(".status"), `${inboxOf(one).name}: ${status}`);
  const last = one.messages.findLast(({ direction }) => direction !== "activity");
  setText(part(".last"), last ? `${authorOf(last)}: ${last.text || "a file"}` : "Nothing written yet");
  if (one.id === chosen) see(one);
  const count = unseen(one);
  setText(part(".unread"), `${count} new`);
  part(".unread").hidden = !count;
  entry.firstElementChild.ariaCurrent = one.id === chosen ? "true" : null;
  return entry;
}

function unseen(one) {
  const seen = memory.seen[keyOf(one)] ?? 0;
  return one.messages.filter(({ direction, id }) => direction === "incoming" && id > seen).length;
}

function see(one) {
  const last = one.messages.at(-1)?.id ?? 0;
  if (document.hidden || memory.seen[keyOf(one)] === last) return;
  memory.seen[keyOf(one)] = last;
  remember();
}

// The title of the tab says how many customers wait; a new one is announced.
function showTitle() {
  const now = inbox.conversations.filter((one) => groupOf(one) === "waiting");
  const added = now.filter(({ id }) => waiting && !waiting.has(id));
  if (added.length) announce(`${nameOf(added.at(-1))} waits for a person.`);
  waiting = new Set(now.map(({ id }) => id));
  const title = now.length ? `${now.length} waiting, simulated inbox` : "Simulated inbox";
  if (document.title !== title) document.title = title;
}

// The chosen conversation.

// Takes the conversation from the fragment. `isByUser`: then the focus goes where the next step is.
function choose(isByUser) {
  const before = chosen;
  chosen = Number(location.hash.slice(1)) || null;
  if (!inbox) return;
  show(inbox);
  showNotes();
  if (!isByUser) return;
  const isTouch = matchMedia("(pointer: coarse)").matches;
  if (conversationOf(chosen)) find(isTouch ? "customer" : "text").focus();
  else entries.get(before)?.firstElementChild.focus();
}

// Begins to show another conversation.
function open(one) {
  opened = keyOf(one);
  refused = "";
  shown = new Map();
  lines.replaceChildren();
  find("text").value = memory.drafts[opened] ?? "";
  // A whole conversation at once is not news.
  find("log").ariaLive = "off";
  setTimeout(() => (find("log").ariaLive = "polite"), 2_000);
}

function showPane() {
  const one = conversationOf(chosen);
  document.body.classList.toggle("has-chosen", Boolean(one));
  find("chosen").hidden = !one;
  find("nothing").hidden = Boolean(one);
  const missing = `There is no conversation ${chosen}. A server that is started without --data begins empty.`;
  const nothing = chosen ? missing : "Choose a conversation, or begin one as a customer.";
  setText(find("nothing").querySelector("p"), nothing);
  if (!one) {
    if (opened) refused = "";
    opened = "";
    return;
  }
  const isOther = keyOf(one) !== opened;
  if (isOther) open(one);
  const { name, bot } = inboxOf(one);
  setText(find("customer"), nameOf(one));
  setText(find("facts"), [`Conversation ${one.id}`, name, one.email, one.phone].filter(Boolean).join(", "));
  showState(one, bot);
  showVoice(one);
  showLog(one);
  if (isOther) find("log").scrollTop = find("log").scrollHeight;
}

function showState(one, bot) {
  const texts = {
    waiting: "Open: waits for a person.",
    taken: one.assignee ? `Open: assigned to ${one.assignee}.` : `Open: ${answeredBy(one)} wrote, nobody is assigned.`,
    pending: bot ? `Pending: ${bot} answers until a person writes.` : "Pending, but no bot answers this inbox.",
    snoozed: "Snoozed until the customer writes again.",
    resolved: "Resolved. A message of the customer opens it again.",
  };
  const group = groupOf(one);
  setText(find("state-text"), texts[group]);
  find("state").querySelector("use").setAttribute("href", `#c-${group}`);
  const isMine = group === "taken" && one.assignee === find("agent").value;
  setDone("take", isMine);
  setDone("resolve", group === "resolved");
  setDone("snooze", group === "snoozed");
  setDone("release", !bot);
  const hint = `Hand back sets it to pending and adds the private note ${GIVE_BACK}, which returns it to the bot.`;
  setText(find("release-hint"), bot ? hint : "No bot answers this inbox, so it cannot be handed back.");
}

// What needs no doing stays focusable, or the focus would be lost with the click.
function setDone(action, isDone) {
  const button = document.querySelector(`[data-action=${action}]`);
  button.ariaDisabled = isDone ? "true" : null;
}

const voice = () => find("say").elements.voice.value;

function showVoice(one) {
  const { label, send } = VOICES[voice()];
  const text = label(nameOf(one));
  setText(find("text-label"), text);
  find("text").placeholder = text;
  setText(find("send"), send);
  find("say").classList.toggle("note-mode", voice() === "note");
}

// The log: messages and changes by time; at the same time the message comes first, since it is the cause.
function showLog(one) {
  const messages = one.messages.map((message) => ({ key: `m${message.id}`, entry: message, make: newMessage }));
  const changes = one.changes.map((change, index) => ({ key: `c${index}`, entry: change, make: newChange }));
  const all = [...messages, ...changes].sort((a, b) => compare(a.entry.at, b.entry.at));
  for (const { key, entry, make } of all) if (!shown.has(key)) shown.set(key, make(entry));
  keepEnd(() => arrange(lines, all.map(({ key }) => shown.get(key))));
  const last = String(one.messages.findLast(({ direction }) => direction !== "activity")?.id);
  for (const choices of lines.querySelectorAll(".choices")) choices.hidden = choices.dataset.message !== last;
}

// Changes the page. If the end of the conversation is in view, it stays there.
function keepEnd(change) {
  const log = find("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  change();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function authorOf({ by, name, private: isPrivate }) {
  const author = name ?? NAMES[by] ?? by;
  return isPrivate ? `${author}, private note` : author;
}

function newMessage(message) {
  const { by, direction, private: isPrivate, text, attachments, choices } = message;
  if (direction === "activity") return newChange({ at: message.at, text });
  const line = copy("new-message");
  // A third party writes on either side.
  const side = by === "other" ? (direction === "incoming" ? "customer" : "platform") : by;
  line.classList.add(isPrivate ? "private" : side);
  line.querySelector("use").setAttribute("href", `#g-${isPrivate ? "note" : side}`);
  setText(line.querySelector(".who span"), authorOf(message));
  setTime(line.querySelector("time"), message.at);
  const paragraph = line.querySelector(".text p");
  setText(paragraph, text);
  paragraph.hidden = !text;
  if (attachments) line.querySelector(".text").append(newFiles(attachments));
  if (choices?.length) line.append(newChoices(message));
  return line;
}

function newFiles(count) {
  const text = count === 1 ? "1 file is attached." : `${count} files are attached.`;
  return Object.assign(document.createElement("p"), { className: "file", textContent: text });
}

function newChoices({ id, choices }) {
  const group = Object.assign(document.createElement("div"), { className: "choices", role: "group" });
  group.ariaLabel = "Choose as the customer";
  group.dataset.message = id;
  group.append("Choose as the customer:");
  for (const { title } of choices) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "key", textContent: title });
    button.onclick = () => act("click", { conversation: chosen, text: title });
    group.append(button);
  }
  return group;
}

function newChange(change) {
  const line = copy("new-change");
  setText(line.querySelector("span"), change.text ?? describe(change));
  setTime(line.querySelector("time"), change.at);
  return line;
}

function describe({ status, assignee, by, name }) {
  if (!status) return assignee ? `Assigned to ${assignee}` : "Assigned to nobody";
  const causes = {
    bot: "by the bot",
    agent: `by ${name}`,
    customer: "since the customer wrote",
    platform: "since the bot could not be reached",
  };
  return `Set to ${status} ${causes[by]}`;
}

// What the person does.

async function say() {
  const one = conversationOf(chosen);
  const text = find("text").value;
  if (!one || !text.trim() || isSending) return;
  isSending = true;
  let isDone = false;
  try {
    isDone = await act(voice(), { conversation: one.id, agent: find("agent").value, text });
  } finally {
    isSending = false;
  }
  // What was typed in the meantime stays.
  if (!isDone || find("text").value !== text || chosen !== one.id) return;
  find("text").value = "";
  keepDraft();
  find("log").scrollTop = find("log").scrollHeight;
}

function keepDraft() {
  const one = conversationOf(chosen);
  if (!one) return;
  memory.drafts[keyOf(one)] = find("text").value || undefined;
  remember();
}

async function press(button) {
  if (button.ariaDisabled === "true") return;
  const { action } = button.dataset;
  const fields = { conversation: chosen, agent: find("agent").value };
  const isDone = await act(action, fields);
  if (isDone && action === "release") await act("note", { ...fields, text: GIVE_BACK });
  if (isDone) announce(find("state-text").textContent);
}

async function begin() {
  const { conversation } = (await act("open", { inbox: find("inbox").value })) || {};
  if (!conversation) return;
  find("say").elements.voice.value = "write";
  location.hash = conversation;
}

find("say").onsubmit = (event) => {
  event.preventDefault();
  say();
};
find("text").oninput = keepDraft;
find("text").onkeydown = (event) => {
  if (event.isComposing) return;
  // On a touch keyboard Enter starts a new line, as everywhere.
  const isTouch = matchMedia("(pointer: coarse)").matches;
  if (event.key === "Enter" && !event.shiftKey && !isTouch) {
    event.preventDefault();
    find("say").requestSubmit();
  } else if (event.key === "Escape") location.hash = "";
};
find("voices").onchange = () => showVoice(conversationOf(chosen));
find("agent").onchange = () => {
  memory.agent = find("agent").value;
  remember();
  show(inbox);
};
for (const button of document.querySelectorAll("[data-action]")) button.onclick = () => press(button);
find("begin").onsubmit = (event) => {
  event.preventDefault();
  begin();
};
// The fragment is the chosen conversation, so the link must not change it.
find("skip").onclick = (event) => {
  event.preventDefault();
  const target = find("chosen").hidden ? find("inbox") : find("customer");
  target.focus();
};
addEventListener("hashchange", () => choose(true));
addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => document.hidden || wake());

recall();
choose(false);
follow();
