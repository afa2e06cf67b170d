// The chat page. A form starts a conversation; then one loop sends what the visitor writes and fetches what was said.
//
// Every request that changes something carries an id that the page chose, so that repeating it has no further effect.
// The session storage of the tab has what a reload needs. Texts are set as text, never as HTML.

const settings = JSON.parse(document.body.dataset.settings);
const { texts, language } = settings;
const base = new URL(".", import.meta.url);
const KEY = `chat ${base.pathname}`;
const FIELDS = ["topic", "name", "email", "phone", "text"];
// A numbered line of the bot, which can be chosen instead of typed.
const CHOICE = /^\s*(\d{1,2})[.)]\s+(\S.{0,79})$/;
const LINK = /(https:\/\/[^\s<>"]*[^\s<>".,;:!?)\]'])/;
const LONGEST_PAUSE = 60;
// A day: longer than a visitor's token is valid.
const UNTIL_VISIBLE = 86_400;

const find = (id) => document.getElementById(id);
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
const list = find("log").firstElementChild;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });

// `start`: the request that is to start a conversation. `outbox`: messages that the conversation does not confirm yet.
// `initial`: what the conversation begins with, before the visitor's own first message.
const NOTHING = { start: null, token: null, initial: "", outbox: [] };
let memory = NOTHING;
let state = "bot";
let shown = new Set();
let lines = new Map();
let cursor = "";
let failures = 0;
let unansweredSince = null;
let isStarting = false;
// The token of the link in a message, and whether the page shows what that began with.
const invitation = location.hash.slice(1);
let isGreeted = false;
let wake = () => {};

function recall() {
  try {
    memory = { ...NOTHING, ...JSON.parse(sessionStorage.getItem(KEY)) };
  } catch {
    // Without storage the chat works until the next reload.
  }
}

function remember(changes) {
  memory = { ...memory, ...changes };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // As above.
  }
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Sends a request. Without an answer the status is 0.
async function request(path, body, headers = {}) {
  if (memory.token) headers.authorization = `Bearer ${memory.token}`;
  if (body) headers["content-type"] = "application/json";
  const options = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) };
  try {
    const signal = AbortSignal.timeout(30_000);
    const response = await fetch(new URL(path, base), { ...options, credentials: "omit", cache: "no-store", signal });
    const json = await response.json().catch(() => ({}));
    const problem = json.type?.split(":").pop();
    return { status: response.status, json, problem, retryAfter: Number(response.headers.get("retry-after")) };
  } catch {
    return { status: 0, json: {}, retryAfter: 0 };
  }
}

function isTransient({ status, problem }) {
  return status === 0 || status === 429 || (status >= 500 && problem !== "unclear");
}

// Sleeps until the time is over or something calls `wake`.
function sleep(seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

// Waits before the next try: longer each time, and not all pages for the same time.
async function backOff({ status, retryAfter }) {
  failures += 1;
  const pause = Math.min(2 ** failures, LONGEST_PAUSE) * (0.75 + Math.random() / 4);
  const seconds = Math.ceil(Math.max(retryAfter, pause));
  // A single failure is not worth a notice: mobile connections have them all the time.
  if (failures > 1) {
    const text = status === 0 ? texts.offline : texts.busy;
    notify(text.replace("{seconds}", seconds), texts.now, () => wake());
  }
  await sleep(seconds);
}

function notify(text, action, act) {
  const note = find("note");
  const [paragraph, button] = [note.querySelector("p"), note.querySelector("button")];
  const hadFocus = note.contains(document.activeElement);
  if (paragraph.textContent !== text) paragraph.textContent = text;
  keepEnd(() => (note.hidden = !text));
  button.hidden = !action;
  button.textContent = action ?? "";
  button.onclick = act;
  if (hadFocus && button.hidden) (find("chat").hidden ? find("begin") : find("text")).focus();
}

// The form.

function prepareForm() {
  const { topics, languages, phone_required: isPhoneRequired, privacy_url: privacy } = settings;
  for (const { name, title } of topics) {
    const input = element("input", { type: "radio", name: "topic", value: name, checked: topics.length === 1 });
    const label = element("label", {});
    label.append(input, element("span", { textContent: title, dir: "auto" }));
    find("topics").append(label);
  }
  find("topic").hidden = topics.length === 1;
  find("phone").required = isPhoneRequired;
  find("optional").hidden = isPhoneRequired;
  if (privacy) Object.assign(find("privacy"), { href: privacy, hidden: false });
  for (const [tag, name] of Object.entries(languages)) {
    if (tag === language) continue;
    find("languages").append(element("a", { href: `?language=${tag}`, lang: tag, hreflang: tag, textContent: name }));
    find("languages").hidden = false;
  }
  find("start").onsubmit = (event) => {
    event.preventDefault();
    if (isStarting) return;
    const form = new FormData(find("start"));
    const fields = Object.fromEntries(FIELDS.map((name) => [name, form.get(name) ?? ""]));
    start({ id: newId(), language, ...fields });
  };
}

function showForm() {
  find("chat").hidden = true;
  find("start").hidden = false;
}

// Starts a conversation, however long it takes.
async function start(wanted) {
  remember({ start: wanted });
  setStarting(true);
  showErrors([]);
  notify("");
  failures = 0;
  while (memory.start) {
    const answer = await request("conversations", wanted);
    if (answer.status === 200 || answer.status === 201) enter(answer.json);
    else if (isTransient(answer)) await backOff(answer);
    else refuse(answer);
  }
  setStarting(false);
}

function setStarting(value) {
  isStarting = value;
  find("begin").textContent = value ? texts.starting : texts.start;
  find("begin").setAttribute("aria-disabled", value);
}

function refuse({ problem, json }) {
  const refused = memory.start;
  remember({ start: null });
  if (problem === "unclear") {
    notify(texts.start_unclear, texts.start_again, () => start({ ...refused, id: newId() }));
  } else if (json.errors) {
    showErrors(json.errors);
  } else notify(texts.unavailable);
}

function showErrors(errors) {
  let first = null;
  for (const name of FIELDS) {
    const error = errors.find(({ field }) => field === name);
    Object.assign(find(`${name}-error`), { textContent: error?.detail ?? "", hidden: !error });
    const input = name === "topic" ? find("topic") : find("start").elements[name];
    input.ariaInvalid = error ? "true" : null;
    if (error) first ??= name === "topic" ? input.querySelector("input") : input;
  }
  if (!errors.length) return;
  notify(first ? texts.invalid : errors[0].detail);
  (first ?? find("begin")).focus();
}

// The conversation has begun. Its first message may still have to be sent.
function enter({ token, initial_message: initial, message }) {
  const { id, text } = memory.start;
  const status = message.status === "not_sent" ? "waiting" : message.status;
  remember({ start: null, token, initial, outbox: [{ id, text, status, message: message.id }] });
  notify("");
  find("start").reset();
  showChat();
  find("text").focus();
}

// The conversation.

function showChat() {
  find("start").hidden = true;
  find("chat").hidden = false;
  list.replaceChildren();
  [shown, lines, cursor, failures, unansweredSince] = [new Set(), new Map(), "", 0, null];
  showState("bot");
  for (const item of memory.outbox) showItem(item);
  converse(memory.token);
}

// Sends what waits and fetches what was said, until the token expires or another conversation begins.
async function converse(token) {
  while (memory.token === token) {
    const sent = await send();
    const received = document.hidden ? { status: 304, retryAfter: UNTIL_VISIBLE } : await receive();
    if (memory.token !== token) return;
    const failed = [received, sent].find(isTransient);
    if ([received, sent].some(({ status }) => status === 401)) expire();
    else if (failed) await backOff(failed);
    else {
      if (failures) notify("");
      failures = 0;
      await sleep(received.json?.poll_after ?? (received.retryAfter || LONGEST_PAUSE));
    }
  }
}

// Sends the waiting messages in their order, until one cannot be sent now. Returns the last answer.
async function send() {
  let answer = { status: 200 };
  for (const item of memory.outbox.filter(({ status }) => status === "waiting")) {
    answer = await request("messages", { id: item.id, language, text: item.text });
    if (answer.status === 401) return answer;
    if (isTransient(answer)) {
      showItem(item, texts.retrying);
      return answer;
    }
    item.status = answer.problem === "unclear" ? "unclear" : answer.status === 200 ? "sent" : "refused";
    item.message = answer.json.id;
    remember();
    showItem(item);
  }
  return answer;
}

// Fetches what was said since the last time.
async function receive() {
  const answer = await request(`messages?after=${cursor}`, null, { "if-none-match": `"${cursor}"` });
  if (answer.status === 200) {
    greet(answer.json.initial_message);
    for (const entry of answer.json.entries.filter(({ id }) => !shown.has(id))) {
      shown.add(entry.id);
      if (entry.state) changeState(entry);
      else showMessage(entry);
    }
    cursor = answer.json.cursor;
    remember();
  }
  // After half a minute something is wrong, and nobody is writing.
  const isWriting = state === "bot" && unansweredSince && Date.now() - unansweredSince < 30_000;
  find("writing").hidden = !isWriting;
  return answer;
}

// Shows what the agent wrote whose link led here.
function greet(text) {
  if (!text || isGreeted) return;
  isGreeted = true;
  remember({ initial: text });
  place(newLine("bot", texts.bot, text), list.firstChild);
}

function expire() {
  for (const item of memory.outbox.filter(({ status }) => status === "waiting")) showItem(item, texts.refused);
  remember(NOTHING);
  find("say").hidden = true;
  find("state").hidden = true;
  find("log").hidden = !list.hasChildNodes();
  notify(texts.expired, texts.new, restart);
  find("note").querySelector("button").focus();
}

function restart() {
  remember(NOTHING);
  notify("");
  for (const id of ["say", "state", "log"]) find(id).hidden = false;
  showForm();
  wake();
  find("start").querySelector("input").focus();
}

// Who answers: the bot, a person by name, nobody yet, or nobody any more.
function showState(next, name) {
  state = next;
  const key = next === "human" && !name ? "state_person" : `state_${next}`;
  find("state").querySelector("use").setAttribute("href", `#c-${next}`);
  find("state-text").textContent = texts[key].replace("{name}", name);
  find("new").hidden = next !== "finished";
}

function changeState({ state: next, name }) {
  const key = next === "human" && !name ? "event_person" : `event_${next}`;
  place(element("li", { className: "event", textContent: texts[key].replace("{name}", name) }));
  showState(next, name);
}

function showMessage({ from, name, text, at, message }) {
  retire();
  if (from !== "visitor") {
    unansweredSince = null;
    place(newLine(from, from === "bot" ? texts.bot : (name ?? texts.person), text || texts.attachment, at));
    return;
  }
  // The platform has it as the first message of the chat.
  if (isGreeted && text.trim() === memory.initial) return;
  unansweredSince = Date.now();
  if (state === "finished") showState("bot");
  const isSame = (item) => (item.message ? item.message === message : item.text.trim() === text.trim());
  const item = memory.outbox.find(isSame);
  if (item) confirm(item, at);
  else if (text === memory.initial) place(element("li", { className: "event", textContent: text, dir: "auto" }));
  else place(newLine(from, texts.you, text, at));
}

// Shows a message of the outbox and its status.
function showItem(item, status) {
  let line = lines.get(item.id);
  if (!line) {
    retire();
    line = newLine("visitor", texts.you, item.text);
    line.dataset.outbox = item.id;
    line.append(element("p", { className: "status" }));
    lines.set(item.id, line);
    place(line, null);
  }
  const words = { waiting: texts.sending, sent: "", unclear: texts.unclear, refused: texts.refused };
  line.lastChild.textContent = status ?? words[item.status];
  if (line === list.lastChild) find("log").scrollTop = find("log").scrollHeight;
  if (item.status !== "unclear" && item.status !== "refused") return;
  const again = element("button", { type: "button", className: "key", textContent: texts.again });
  again.onclick = () => {
    remember({ outbox: memory.outbox.filter((one) => one !== item) });
    line.remove();
    say(item.text);
    find("text").focus();
  };
  line.lastChild.append(" ", again);
}

// The conversation has the message, so it is no longer on its way.
function confirm(item, at) {
  const line = lines.get(item.id);
  remember({ outbox: memory.outbox.filter((one) => one !== item) });
  delete line.dataset.outbox;
  line.querySelector(".status").remove();
  setTime(line, at);
  const next = list.querySelector("[data-outbox]");
  if (next && next.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_FOLLOWING) place(line, next);
}

// Inserts a line: unless told otherwise, before the messages that are still on their way.
function place(line, before = list.querySelector("[data-outbox]")) {
  keepEnd(() => list.insertBefore(line, before), line.dataset.outbox);
}

// Changes the page. If the end of the conversation is in view, it stays there.
function keepEnd(change, isWanted = false) {
  const log = find("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  change();
  if (isAtEnd || isWanted) log.scrollTop = log.scrollHeight;
}

function newLine(from, name, text, at) {
  const who = element("p", { className: "who" });
  who.append(element("span", { textContent: name, dir: "auto" }), element("time", {}));
  const said = element("div", { className: "text" });
  const parts = text.split("\n").map((part) => ({ part, choice: from === "bot" && part.match(CHOICE) }));
  const choices = parts.filter(({ choice }) => choice);
  const areChoices = choices.length > 1 && choices.every(({ choice }, index) => Number(choice[1]) === index + 1);
  for (const { part, choice } of parts) {
    said.append(areChoices && choice ? newChoice(part.trim(), choice[2].trim()) : newParagraph(part));
  }
  const line = element("li", { className: `said ${from}` });
  line.append(who, said);
  if (at) setTime(line, at);
  return line;
}

function setTime(line, at) {
  Object.assign(line.querySelector("time"), { dateTime: at, textContent: clock.format(new Date(at)) });
}

function newParagraph(text) {
  const paragraph = element("p", { dir: "auto" });
  // The pattern has one group, so every second part is a link.
  for (const [index, part] of text.split(LINK).entries()) {
    const link = { href: part, textContent: part, target: "_blank", rel: "noopener noreferrer" };
    paragraph.append(index % 2 ? element("a", link) : part);
  }
  return paragraph;
}

function newChoice(line, title) {
  const button = element("button", { type: "button", className: "key choice", textContent: line, dir: "auto" });
  button.onclick = () => {
    say(title);
    find("text").focus();
  };
  return button;
}

// Turns the choices of earlier messages into plain lines.
function retire() {
  for (const button of list.querySelectorAll(".choice")) button.replaceWith(newParagraph(button.textContent));
}

function say(text) {
  if (!text.trim()) return;
  const item = { id: newId(), text, status: "waiting" };
  remember({ outbox: [...memory.outbox, item] });
  showItem(item);
  wake();
}

find("say").onsubmit = (event) => {
  event.preventDefault();
  say(find("text").value);
  find("text").value = "";
  find("text").focus();
};
// On a touch keyboard Enter starts a new line, as everywhere.
find("text").onkeydown = (event) => {
  const isTouch = matchMedia("(pointer: coarse)").matches;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || isTouch) return;
  event.preventDefault();
  find("say").requestSubmit();
};
find("new").onclick = restart;
addEventListener("online", () => wake());
document.addEventListener("visibilitychange", () => document.hidden || wake());

prepareForm();
recall();
if (invitation && memory.token !== invitation) remember({ ...NOTHING, token: invitation });
addEventListener("hashchange", () => location.reload());
if (memory.token) showChat();
else {
  showForm();
  if (memory.start) {
    for (const name of FIELDS) find("start").elements[name].value = memory.start[name];
    start(memory.start);
  }
}
