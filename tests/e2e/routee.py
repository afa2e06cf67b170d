"""Routee with phones, as small as the main job allows: takes orders, rings, reports what happens.

Shares nothing with the functions but the provider's contract. It comes back to the API the way Routee does: over HTTP, to
the URLs that it was given with the order.
"""

import base64
import datetime
import http.server
import json
import threading
import time
import urllib.parse
import uuid

import checks

# What a phone does when it rings.
RINGS_OUT, PRESSES_1, PRESSES_2 = "rings out", "presses 1", "presses 2"


class Routee:
    """Listens on the loopback while the `with` block lasts."""

    def __init__(self, call_back, credentials):
        self.call_back = call_back
        self.authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.token = str(uuid.uuid4())
        self.phones = {}
        # What was ordered, and what our API answered to each event: for the checks.
        self.orders, self.answers, self.legs = [], [], {}
        # Called when a call has been placed, before that is answered; and when an event has been sent off.
        self.on_order = self.on_event = lambda: None

    def __enter__(self):
        routee = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                routee.answer(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = checks.Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        status, answer = self.route(request.command, request.path, request.headers, body)
        text = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def route(self, method, path, headers, body):
        if path == "/oauth/token":
            if headers["authorization"] != self.authorization or b"client_credentials" not in body:
                return 401, {"status": 401, "error": "Unauthorized", "message": "Bad credentials"}
            return 200, {"access_token": self.token, "token_type": "bearer", "expires_in": 3599, "scope": "voice"}
        if headers["authorization"].split(" ")[-1] != self.token:
            return 401, {"error": "invalid_token", "error_description": "Invalid access token"}
        if (method, path) == ("POST", "/voice/conversation"):
            return self.order(json.loads(body))
        if path.startswith("/voice/tracking"):
            legs = list(self.legs.values())
            if path.startswith("/voice/tracking/conversation/"):
                legs = [leg for leg in legs if path.endswith(leg["conversationTrackingId"])]
            else:
                conditions = json.loads(body)
                if not isinstance(conditions, list):
                    return 400, {"code": "400000000", "developerMessage": "a list of conditions is expected"}
                legs = [leg for leg in legs if all(leg["to"].endswith(one["searchTerm"]) for one in conditions)]
            return 200, {"content": legs, "first": True, "last": True, "number": 0, "numberOfElements": len(legs),
                         "size": 20, "totalElements": len(legs), "totalPages": 1}
        if method == "PUT" and (leg := self.legs.get(path.rpartition("/")[2])):
            leg["hung up"] = True
            return 200, {"messageId": leg["messageId"], "message": "hangup", "createdAt": now()}
        return 404, {"code": "404013000", "developerMessage": "Not found"}

    def order(self, order):
        self.orders.append(order)
        leg = {
            "messageId": str(uuid.uuid4()), "conversationTrackingId": str(uuid.uuid4()),
            "from": order["from"], "to": order["to"]["phone"], "direction": "Outbound", "originatingService": "Voice",
        }
        self.legs[leg["messageId"]] = leg
        threading.Thread(target=self.ring, args=(order, leg), daemon=True).start()
        self.on_order()
        return 200, {"trackingId": leg["conversationTrackingId"], "direction": "Outbound", "from": order["from"],
                     "to": order["to"], "dialPlans": [order["dialPlan"]], "callback": order["callback"],
                     "createdAt": now()}

    def ring(self, order, leg):
        collect = next(verb for verb in order["dialPlan"]["verbs"] if verb["type"] == "COLLECT")["eventUrl"]
        behaviour = self.phones[leg["to"]]
        for status in ("Queued", "Initiated", "Ringing"):
            self.report(order, leg, status)
        if behaviour == RINGS_OUT:
            return self.report(order, leg, "NoAnswer")
        self.report(order, leg, "InProgress")
        time.sleep(0.5)
        ids = {name: leg[name] for name in ("messageId", "conversationTrackingId", "from", "to")}
        leg["collectedTones"] = behaviour[-1]
        self.send(collect, {**ids, "collectedTones": behaviour[-1]})
        self.report(order, leg, "Completed")
        # The event that comes once the call is over.
        return self.send(collect, {**ids, "collectedTones": ""})

    def report(self, order, leg, status):
        leg["status"] = {"status": status, "date": now()}
        self.send(order["callback"]["url"], {
            **{name: leg[name] for name in ("messageId", "conversationTrackingId", "to", "from", "direction",
                                            "originatingService")},
            "status": {"name": status, "updatedDate": now()}, "respectQuietHours": False, "duration": 0, "price": 0,
        })

    def send(self, url, event):
        """Sends once what Routee sends once: the keys. A status that is not answered with 200 comes again."""
        for _ in range(1 if "/collect/" in url else 12):
            began = time.monotonic()
            threading.Thread(target=self.on_event, daemon=True).start()
            status, answer = self.call_back(urllib.parse.urlsplit(url), json.dumps(event))
            self.answers.append((url, event, status, answer, time.monotonic() - began))
            if status == 200:
                return
            # 30 s at Routee.
            time.sleep(1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
