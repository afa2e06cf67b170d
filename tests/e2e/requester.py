"""The requester's side of webhooks: takes them, and checks that each is signed as Standard Webhooks says."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import checks


class Requester:
    """Listens on the loopback while the `with` block lasts."""

    def __init__(self, key):
        self.key = base64.b64decode(key.removeprefix("whsec_"))
        # By id, in order of arrival: a webhook may come twice, under the same id.
        self.got = {}
        # What arrived and was not right.
        self.wrong = []
        # Called before a webhook is answered.
        self.on_webhook = lambda: None

    def __enter__(self):
        requester = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                requester.take(self.headers, body)
                requester.on_webhook()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = checks.Server(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def take(self, headers, body):
        name, stamp = headers["webhook-id"] or "", headers["webhook-timestamp"] or "0"
        signed = hmac.digest(self.key, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
        signature = "v1," + base64.b64encode(signed).decode()
        if signature not in (headers["webhook-signature"] or "").split() or abs(time.time() - int(stamp)) > 300:
            self.wrong.append({"headers": dict(headers), "body": body.decode(errors="replace")})
            return
        webhook = json.loads(body)
        if self.got.setdefault(name, webhook) != webhook:
            self.wrong.append({"what": f"{name} came with two bodies", "body": webhook})

    def told(self, dispatch):
        """What was told of a dispatch, in the order in which it happened."""
        told = [webhook for webhook in self.got.values() if webhook["data"]["dispatch"] == dispatch]
        return sorted(told, key=lambda webhook: webhook["timestamp"])
