"""A chat through the deployed stack: a bot answers a customer, hands the chat to people, and is silent from then on.

The stand-in for Sangoma CX shares nothing with the functions but the platform's contract.
"""

import base64
import hashlib
import hmac
import http.server
import itertools
import json
import secrets
import subprocess
import threading
import time
import urllib.parse

from aws import CARGO, ROOT, STACK, TIMEOUT, wait_for
from checks import Api, Server, check, stage
from main_job import check_queues_empty, put_token

PREFIX = "/cx/api/v1/digital-interactions/"
INBOX, BOT, CONVERSATION = 7, 3, 1201
DOCUMENT = {
    "greeting": "Hello, this is the bot.",
    "debounce_ms": 200,
    "faq": {"entries": [{"name": "hours", "questions": ["When are you open?"], "answer": "From nine to five."}]},
    "hand_over": {"text": "A person will take over.", "joined": "You are talking to a person now."},
}


class Sangoma:
    """Listens on the loopback during the `with` block. Reports every message to the bot's URL, also the bot's own."""

    def __init__(self, call_back, credentials, secret):
        self.call_back, self.secret = call_back, secret
        self.authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.token, self.bot_url = secrets.token_hex(16), None
        self.ids = itertools.count(9001)
        # For the checks: the bot's messages, conversations that were handed to people, and answers to our events.
        self.posted, self.delivered, self.answers, self.refused = [], [], [], []

    def __enter__(self):
        sangoma = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, answer = sangoma.answer_to(self.command, self.path, self.headers, body)
                if status >= 400:
                    sangoma.refused.append((self.command, self.path, body))
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer_to(self, method, path, headers, body):
        if path == "/oauth/token":
            if headers["authorization"] != self.authorization or b"client_credentials" not in body:
                return 401, {"error": "invalid_client"}
            return 200, {"access_token": self.token, "token_type": "bearer", "expires_in": 3600, "scope": "cx"}
        if headers["authorization"] != f"Bearer {self.token}":
            return 401, {"error": "invalid_token"}
        request = json.loads(body) if body else {}
        if method == "POST" and request.get("tenant_domain") != "acme.cx.sangoma.com":
            return 400, {"error": "unknown tenant_domain"}
        match method, path.removeprefix(PREFIX):
            case "GET", "inboxes/":
                return 200, [{"id": INBOX, "name": "Shop chat", "channel_type": "Channel::WebWidget"}]
            case "POST", "agents-bot/":
                self.bot_url = urllib.parse.urlsplit(request["outgoing_url"])
                return 200, {"id": BOT, "name": request["name"]}
            case "POST", "agents-bot/assign/":
                known = (str(request["inbox_id"]), str(request["agent_bot_id"])) == (str(INBOX), str(BOT))
                return (200, {}) if known else (404, {})
            case "POST", "messages/":
                return self.post(request)
            case "POST", "conversations/deliver-to-agent/":
                self.delivered.append(request["conversation_id"])
                return 200, {}
        return 404, {"error": "no such path"}

    def post(self, request):
        number = next(self.ids)
        self.posted.append(request["content"])
        sender = {"id": BOT, "name": "e2e", "type": "agent_bot"}
        threading.Thread(target=self.report, args=(number, request["content"], "outgoing", sender), daemon=True).start()
        return 200, {"id": number, "content": request["content"]}

    def says(self, text):
        """The customer writes."""
        self.report(next(self.ids), text, "incoming", {"id": 41, "name": "Sam Roe", "type": "contact"})

    def replies(self, text):
        """A person of the team writes."""
        self.report(next(self.ids), text, "outgoing", {"id": 5, "name": "Jo", "type": "user"})

    def report(self, number, text, kind, sender):
        """Posts the event about a message, signed."""
        event = {
            "event": "message_created", "id": number, "content": text, "message_type": kind, "content_type": "text",
            "private": False, "sender": sender, "inbox": {"id": INBOX, "name": "Shop chat"},
            "conversation": {"id": CONVERSATION, "inbox_id": INBOX, "status": "pending", "messages": [],
                             "meta": {"sender": {"id": 41, "name": "Sam Roe", "type": "contact"}, "assignee": None}},
        }
        body, now = json.dumps(event), str(int(time.time()))
        signature = hmac.digest(self.secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hex()
        headers = {"content-type": "application/json", "x-chatwoot-timestamp": now,
                   "x-chatwoot-signature": f"sha256={signature}"}
        status, answer = self.call_back(self.bot_url, body, headers)
        self.answers.append((status, answer))


def check_chat(aws, outputs, sangoma):
    stage("A chat: a bot answers, and hands over to a person")
    token = "pb_" + secrets.token_hex(32)
    put_token(aws, outputs, token, "bots:read", "bots:write")
    api = Api(aws, outputs["ApiUrl"], token)
    status, answer = api("PUT", "/v1/bots/support", DOCUMENT)
    check("the bot is stored", status == 200, (status, answer))
    connect(aws, "--tenant", "example", "--inbox", f"{INBOX}=support")
    check("patchbay bot connect has entered the URL of the deployment", sangoma.bot_url is not None
          and sangoma.bot_url.path.startswith("/sangoma/bot/example."), sangoma.bot_url)

    sangoma.says("When are you open?")
    wait_for("an answer", lambda: "From nine to five." in "\n".join(sangoma.posted))
    check("the bot answers", True)
    sangoma.says("I want to talk to a human")
    wait_for("the hand-over", lambda: sangoma.delivered)
    check("it says that a person takes over, once, and hands the chat over",
          (sangoma.posted.count("A person will take over."), sangoma.delivered) == (1, [CONVERSATION]),
          (sangoma.posted, sangoma.delivered))
    sangoma.replies("Hello, this is Jo.")
    wait_for("the message that a person has joined", lambda: "You are talking to a person now." in sangoma.posted)
    before = len(sangoma.posted)
    sangoma.says("When are you open?")
    path = f"/v1/conversations/{CONVERSATION}"
    shown = wait_for("the last message", lambda: (
        shown := api("GET", path)[1]) and str(shown["timeline"]).count("When are you open?") == 2 and shown)
    check("a person holds the chat", shown["holder"] == "human", shown)
    check("every event got 200", all(status == 200 for status, _ in sangoma.answers), sangoma.answers)
    forged = aws.request("POST", sangoma.bot_url.path, "{}", {"content-type": "application/json"},
                         sangoma.bot_url.netloc)
    check("an unsigned event is rejected", 400 <= forged[0] < 500, forged)
    check_queues_empty(aws, outputs)
    check("the bot is silent since then", len(sangoma.posted) == before, sangoma.posted)
    check("the platform refused no request", not sangoma.refused, sangoma.refused)


def connect(aws, *arguments):
    """Runs `patchbay bot connect`, as operators do."""
    command = [CARGO / "debug/patchbay", "bot", "connect", "--stack", STACK, "--endpoint-url", aws.endpoint,
               "--name", "e2e", *arguments]
    run = subprocess.run(command, cwd=ROOT, env=aws.environment, capture_output=True, text=True, timeout=TIMEOUT,
                         stdin=subprocess.DEVNULL, check=False)
    check(" ".join(["patchbay bot connect", *arguments]), run.returncode == 0, (run.stdout, run.stderr))
