"""Checks the bot and the simulated chat platform against code that others wrote for Chatwoot: a bot that the simulated
platform drives, a platform that drives our bot, and a receiver's check of signatures.

    chat_check.py --patchbay target/debug/patchbay

Needs the PyPI packages `celai-chatwoot`, `celai` and `vital-chatwoot-bridge` without what they require, and of that
only aiohttp, fastapi, filetype, httpx, loguru, pysbd, shortuuid and uvicorn. Talks to the loopback only, and stops its
servers at the end.
"""

import argparse
import contextlib
import hashlib
import hmac
import http.server
import json
import logging
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest.mock
import urllib.error
import urllib.request
import uuid

import loguru
import uvicorn
from vital_chatwoot_bridge.testing.mock_chatwoot import MockChatwootConfig, MockChatwootService
from vital_chatwoot_bridge.utils.webhook_security import verify_webhook_signature


def stand_in(name, **contents):
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


# celai imports everything that it can do. These packages are for what an answer does not use: traces of language
# models, which would be sent to a server, vectors, and links with a token.
stand_in("langsmith", tracing_context=lambda **_: contextlib.nullcontext())
stand_in("langsmith.run_trees", RunTree=unittest.mock.MagicMock)
stand_in("numpy", ndarray=object)
stand_in("jwt")
stand_in("cryptography")
stand_in("cryptography.fernet", Fernet=object)

from cel.assistants.base_assistant import BaseAssistant
from cel.assistants.stream_content_chunk import StreamContentChunk
from cel.gateway.message_gateway import MessageGateway
from celai_chatwoot.connector import WootConnector

# Seconds to wait for something before the run fails. Generous, because a busy machine is slow.
TIMEOUT = 300
# Seconds after the last expected event during which nobody may write anything more.
SILENCE = 2
# How old a signature may be, in seconds.
FRESH_SECONDS = 300
# The account and the administrator's token of the simulated Chatwoot.
ACCOUNT = "/api/v1/accounts/1"
ADMINISTRATOR = "local-user-token"
OUR_INBOX, THEIR_INBOX = 7, 8
SECRET = "s3cr3t"
HAND_OVER = "A person will take over."
DOCUMENT = json.dumps({
    "debounce_ms": 200,
    "faq": {"entries": [
        {"name": "hours", "questions": ["When are you open?"], "answer": "From nine to five."},
        {"name": "place", "questions": ["Where are you?"], "answer": "In Main Street 7."},
    ]},
    "hand_over": {"text": HAND_OVER},
})
failures = []


def expect(what, holds, seen):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        failures.append(f"{what}: {seen}")


def wait_for(what, look):
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise SystemExit(f"gave up waiting for {what}")


class Local:
    """A `patchbay local` on a free port, and its simulated chat platform. Stopped at the end of the `with` block."""

    def __init__(self, patchbay, *options):
        self.patchbay = patchbay
        self.process = subprocess.Popen([patchbay, "local", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        banner = ""
        while "token" not in banner:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"patchbay local did not start: {banner}")
            banner += line
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.url = re.search(r"http://127\.0\.0\.1:\d+", banner)[0]
        self.token = re.search(r"pb_[0-9a-f]{64}", banner)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def run(self, *words):
        run = subprocess.run([self.patchbay, *words, "--output", "json"], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise SystemExit(f"patchbay {' '.join(words)}: {run.stderr}")
        return json.loads(run.stdout)

    def connect_bot(self):
        """Lets our bot answer its inbox, and returns its URL."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as document:
            document.write(DOCUMENT)
            document.flush()
            self.run("bot", "push", "shop", document.name, "--api", self.url, "--token", self.token)
        self.run("bot", "connect", "--inbox", f"{OUR_INBOX}=shop", "--local", self.url)
        return self.run("url", "bot", "--local", self.url)["url"]

    def act(self, action, **fields):
        """What a customer or a person of the team does."""
        return request("POST", f"{self.url}/simulated/chat/{action}", fields)[1]

    def chatwoot(self, method, path, body=None):
        """A request of an administrator."""
        return request(method, self.url + ACCOUNT + path, body, {"api_access_token": ADMINISTRATOR})[1]

    def conversation(self, number):
        """A conversation as the platform has it."""
        listed = request("GET", f"{self.url}/simulated/chat")[1]["conversations"]
        return next(one for one in listed if one["id"] == number)

    def texts(self, number, by=None):
        """The messages of a conversation."""
        messages = self.conversation(number)["messages"]
        return [message["text"].strip() for message in messages if by in (None, message["by"])]

    def shown(self, number):
        """A conversation as our API shows it."""
        headers = {"authorization": f"Bearer {self.token}"}
        return request("GET", f"{self.url}/v1/conversations/{number}", None, headers)[1]

    def heard(self, number):
        """The messages of the customer that our bot knows."""
        timeline = self.shown(number).get("timeline", [])
        return [entry["text"] for entry in timeline if entry["fact"] == "customer_wrote"]


def request(method, url, body=None, headers=None):
    """Sends JSON, or the bytes of a body, and returns the status and the JSON of the answer."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"content-type": "application/json"} | (headers or {})
    sent = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=TIMEOUT) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else None


class Serving:
    """Serves an application on a free port of the loopback during the `with` block, and records the bodies it gets."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.bodies = []

    def start(self, application):
        async def recorded(scope, receive, send):
            async def receive_and_record():
                message = await receive()
                if message.get("body"):
                    self.bodies.append(json.loads(message["body"]))
                return message
            await application(scope, receive_and_record, send)

        self.server = uvicorn.Server(uvicorn.Config(recorded, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()

    def count(self, event, direction):
        return sum((body["event"], body.get("message_type")) == (event, direction) for body in list(self.bodies))


class Parrot(BaseAssistant):
    """Answers every message with two sentences, which are two messages at the platform."""

    blend = process_client_command = append_message_to_history = None

    async def call_event(self, *_, **__):
        """Nobody listens to events inside this bot."""

    async def new_message(self, message, local_state=None):
        yield StreamContentChunk(f"You wrote: {message.text} Anything else?")


def parrot(local):
    """Starts celai's gateway with its connector to Chatwoot."""
    serving = Serving()
    # Chatwoot reaches a bot over TLS, and so the connector insists on such a URL. It only registers it.
    gateway = MessageGateway(assistant=Parrot(name="parrot"), webhook_url=f"https://{serving.address}")
    connector = WootConnector(bot_name="Parrot", account_id="1", access_key=ADMINISTRATOR, chatwoot_url=local.url,
                              inbox_id=str(THEIR_INBOX))
    gateway.register_connector(connector)
    return serving.start(gateway.app), f"https://{serving.address}/chatwoot/webhook/{connector.security_token}"


def registered(local, url):
    """The parrots that are registered, once one has this URL and the inbox."""
    def look():
        bots = [bot for bot in local.chatwoot("GET", "/agent_bots") if bot["name"] == "Parrot"]
        assigned = local.chatwoot("GET", f"/inboxes/{THEIR_INBOX}/agent_bot")["agent_bot"]
        return bots if assigned and assigned["outgoing_url"] == url else None
    return wait_for("the registration of celai's bot", look)


def check_celai(local):
    serving, url = parrot(local)
    with serving:
        bots = registered(local, url)
        expect("celai's bot registers itself at the platform", len(bots) == 1, bots)
    serving, url = parrot(local)
    with serving:
        again = registered(local, url)
        expect("celai's bot changes its registration when it starts again", [bot["id"] for bot in again] ==
               [bot["id"] for bot in bots], again)
        # What a proxy that terminates TLS does.
        local.chatwoot("PATCH", f"/agent_bots/{again[0]['id']}", {"outgoing_url": url.replace("https:", "http:")})
        check_parrot(local, serving)


def check_parrot(local, serving):
    """The bot answers two messages, and then a person answers."""
    conversation = local.act("open", inbox=THEIR_INBOX)["conversation"]
    said = []
    for text in ("Is this a shop?", "Is it open?"):
        local.act("write", conversation=conversation, text=text)
        said += [text, f"You wrote: {text}", "Anything else?"]
        wait_for("both answers", lambda: len(local.texts(conversation)) >= len(said))
    local.act("reply", conversation=conversation, agent="jane.doe", text="Hello, this is Jane.")
    said.append("Hello, this is Jane.")
    for event, direction, many in (("message_created", "incoming", 2), ("message_created", "outgoing", 5),
                                   ("message_updated", "outgoing", 5)):
        wait_for(f"{event}, {direction}", lambda: serving.count(event, direction) >= many)
    time.sleep(SILENCE)
    seen = local.texts(conversation)
    expect("it answers our events, each once, in order, and neither itself nor a person", seen == said, seen)


def check_mock(local, bot_url):
    """The mock sends events to our bot. Its answers go to the simulated platform, which has the same conversation."""
    conversation = local.act("open", inbox=OUR_INBOX)["conversation"]
    mock = MockChatwootService(MockChatwootConfig(bridge_webhook_url=bot_url))
    mock.conversation_counter = conversation
    with Serving().start(mock.app) as serving:
        def says(text):
            event = {"inbox_id": str(OUR_INBOX), "content": text}
            before = local.heard(conversation).count(text)
            request("POST", f"http://{serving.address}/mock/webhook/trigger/message_created", event)
            wait_for(f"our bot to hear: {text}", lambda: local.heard(conversation).count(text) > before)

        says("When are you open?")
        check_form(mock.webhook_history[0]["payload"], conversation)
        wait_for("the answer", lambda: local.texts(conversation))
        says("Where are you?")
        wait_for("the second answer", lambda: len(local.texts(conversation)) > 1)
        shown = local.shown(conversation)
        expect("our bot still holds the conversation", shown["holder"] == "bot", shown)
        says("I want to talk to a human")
        wait_for("the hand-over", lambda: local.conversation(conversation)["status"] == "open"
                 and HAND_OVER in local.texts(conversation))
        says("Where are you?")
        time.sleep(SILENCE)
    seen = local.texts(conversation)
    expect("our bot answers the mock's events, each once, and is silent after the hand-over",
           seen == ["From nine to five.", "In Main Street 7.", HAND_OVER], seen)
    answers = [sent[f"response_{bot_url}"]["status_code"] for sent in mock.webhook_history]
    expect("our bot accepts every event", answers == [200] * 4, answers)


def check_form(event, conversation):
    """The events of the mock differ from ours."""
    nested = event["conversation"]
    expect("the mock's event has texts as ids, a time without a zone, no message in the conversation",
           (type(event["id"]), nested["id"], nested["messages"], event["created_at"][-1].isdigit())
           == (str, str(conversation), [], True), event)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Refuses the first message, so that it is sent again, and accepts everything else."""

    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        is_message = json.loads(body)["event"] == "message_created"
        status = 500 if is_message and not self.got else 200
        if is_message:
            self.got.append((self.headers, body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def signature(secret, signed):
    """An HMAC as the header has it. A message is signed as its time, a full stop, and its body."""
    return "sha256=" + hmac.digest(secret.encode(), signed.encode(), hashlib.sha256).hex()


def check_signing(local):
    """The signatures of the simulated platform, by the check that the bridge's users rely on."""
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    bot = {"name": "Receiver", "outgoing_url": f"http://127.0.0.1:{receiver.server_address[1]}/events"}
    bot = local.chatwoot("POST", "/agent_bots", bot)["id"]
    local.chatwoot("POST", f"/inboxes/{THEIR_INBOX}/set_agent_bot", {"agent_bot": bot})
    conversation = local.act("open", inbox=THEIR_INBOX)["conversation"]
    local.act("write", conversation=conversation, text="Do you sign this, José?")
    wait_for("an event and its repetition", lambda: len(Receiver.got) > 1)
    for name, (headers, body) in zip(("first attempt", "repetition"), Receiver.got, strict=True):
        check_signature(name, headers["x-chatwoot-signature"], headers["x-chatwoot-timestamp"], body)
    first, second = (headers for headers, _ in Receiver.got)
    deliveries = {str(uuid.UUID(headers["x-chatwoot-delivery"])) for headers in (first, second)}
    expect("both have the same delivery id, and times of their own", len(deliveries) == 1
           and int(first["x-chatwoot-timestamp"]) < int(second["x-chatwoot-timestamp"]), (str(first), str(second)))
    receiver.shutdown()


def check_signature(name, given, at, body):
    def accepts(body, given, at):
        return verify_webhook_signature(body, given, at, SECRET)

    expect(f"the bridge accepts the signature of the {name}", accepts(body, given, at), (given, at, body))
    old = str(int(time.time()) - FRESH_SECONDS - 1)
    wrong = {
        "another body": (body + " ", given, at), "another time": (body, given, str(int(at) - 1)),
        "a signature of the body alone": (body, signature(SECRET, body), at),
        "an old signature": (body, signature(SECRET, f"{old}.{body}"), old),
    }
    accepted = [what for what, values in wrong.items() if accepts(*values)]
    expect(f"it refuses {', '.join(wrong)}", not accepted, accepted)


def check_signed(local, bot_url):
    """Our bot, with signatures that are computed here."""
    conversation = local.act("open", inbox=OUR_INBOX)["conversation"]
    ids = iter(range(2000, 3000))

    def post(text, **headers):
        event = {
            "event": "message_created", "id": next(ids), "content": text, "message_type": "incoming",
            "private": False, "sender": {"id": 41, "name": "Sam Roe"}, "inbox": {"id": OUR_INBOX, "name": "Shop chat"},
            "conversation": {"id": conversation, "inbox_id": OUR_INBOX, "status": "pending", "messages": []},
        }
        body = json.dumps(event)
        made = {f"x-chatwoot-{name}": value(body) for name, value in headers.items()}
        return request("POST", bot_url, body.encode(), made)[0]

    def at(seconds, secret=SECRET):
        when = str(int(time.time()) + seconds)
        return {"timestamp": lambda _: when, "signature": lambda body: signature(secret, f"{when}.{body}")}

    statuses = {
        "no signature": post("unsigned"), "another secret": post("forged", **at(0, "another")),
        "a signature of the body alone": post("plain", **at(0) | {"signature": lambda body: signature(SECRET, body)}),
        "an old signature": post("old", **at(-FRESH_SECONDS - 60)),
        "a signature of the future": post("early", **at(FRESH_SECONDS + 60)),
    }
    expect(f"our bot refuses {', '.join(statuses)}", set(statuses.values()) == {403}, statuses)
    status = post("When are you open?", **at(0))
    expect("our bot accepts an event that is signed here", status == 200, status)
    wait_for("the answer", lambda: local.texts(conversation))
    local.act("write", conversation=conversation, text="Where are you?")
    wait_for("the answer to the platform's event", lambda: len(local.texts(conversation, "bot")) > 1)
    time.sleep(SILENCE)
    heard, said = local.heard(conversation), local.texts(conversation, "bot")
    expect("it hears and answers these and those of the platform, each once",
           (heard, said) == (["When are you open?", "Where are you?"], ["From nine to five.", "In Main Street 7."]),
           (heard, said))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patchbay", required=True)
    patchbay = parser.parse_args().patchbay
    # What others log is only of interest if they fail; the bridge logs every signature that it refuses.
    loguru.logger.remove()
    loguru.logger.add(sys.stderr, level="ERROR")
    logging.getLogger(verify_webhook_signature.__module__).setLevel(logging.CRITICAL)

    with Local(patchbay) as local:
        check_celai(local)
        check_mock(local, local.connect_bot())
    with Local(patchbay, "--chat-secret", SECRET) as local:
        check_signing(local)
        check_signed(local, local.connect_bot())
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
