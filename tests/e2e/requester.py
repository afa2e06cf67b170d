"""Webhook receiver of the requester: records webhooks, and verifies their Standard Webhooks signatures."""

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
        # Webhooks by id, in order of arrival. A duplicate has the same id.
        self.received = {}
        # Requests with a wrong signature, and ids with two different bodies.
        self.wrong = []
        # Called before the response to a webhook is sent.
        self.on_webhook = lambda: None

    def __enter__(self):
        requester = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                requester.receive(self.headers, body)
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

    def receive(self, headers, body):
        name, stamp = headers["webhook-id"] or "", headers["webhook-timestamp"] or "0"
        signed = hmac.digest(self.key, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
        signature = "v1," + base64.b64encode(signed).decode()
        if signature not in (headers["webhook-signature"] or "").split() or abs(time.time() - int(stamp)) > 300:
            self.wrong.append({"headers": dict(headers), "body": body.decode(errors="replace")})
            return
        webhook = json.loads(body)
        if self.received.setdefault(name, webhook) != webhook:
            self.wrong.append({"what": f"{name} arrived with two different bodies", "body": webhook})

    def webhooks_of(self, dispatch):
        """Webhooks of a dispatch, in the order of their events."""
        webhooks = [webhook for webhook in self.received.values() if webhook["data"]["dispatch"] == dispatch]
        return sorted(webhooks, key=lambda webhook: webhook["timestamp"])
