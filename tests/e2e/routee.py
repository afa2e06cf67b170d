"""A minimal simulated Routee with phones: accepts calls, rings, and reports statuses.

It shares nothing with the functions but the provider's contract. Like Routee it calls back over HTTP, to the URLs that
came with the call.
"""

import base64
import datetime
import json
import threading
import time
import urllib.parse
import uuid

from provider import RINGS_OUT, Provider

class Routee(Provider):
    def __init__(self, call_back, credentials, phones):
        super().__init__(call_back, phones)
        self.authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.token = str(uuid.uuid4())
        self.legs = {}

    def places_a_call(self, method, path):
        return (method, path) == ("POST", "/voice/conversation")

    def route(self, method, path, headers, body):
        status, answer = self.answer_to(method, path, headers, body)
        return status, "application/json", json.dumps(answer)

    def callback_urls(self):
        """The status callback URL of every call."""
        return [order["callback"]["url"] for order in self.orders]

    def answer_to(self, method, path, headers, body):
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
        behavior = self.phones[leg["to"]]
        for status in ("Queued", "Initiated", "Ringing"):
            self.report(order, leg, status)
        if behavior == RINGS_OUT:
            return self.report(order, leg, "NoAnswer")
        self.report(order, leg, "InProgress")
        time.sleep(0.5)
        ids = {name: leg[name] for name in ("messageId", "conversationTrackingId", "from", "to")}
        leg["collectedTones"] = behavior[-1]
        self.send(collect, {**ids, "collectedTones": behavior[-1]})
        self.report(order, leg, "Completed")
        # Routee sends one more event after the end of the call.
        return self.send(collect, {**ids, "collectedTones": ""})

    def report(self, order, leg, status):
        leg["status"] = {"status": status, "date": now()}
        self.send(order["callback"]["url"], {
            **{name: leg[name] for name in ("messageId", "conversationTrackingId", "to", "from", "direction",
                                            "originatingService")},
            "status": {"name": status, "updatedDate": now()}, "respectQuietHours": False, "duration": 0, "price": 0,
        })

    def send(self, url, event):
        """Sends an event. Like Routee it sends a key once, and retries a status until it gets 200."""
        for _ in range(1 if "/collect/" in url else 12):
            began = time.monotonic()
            threading.Thread(target=self.on_event, daemon=True).start()
            status, answer = self.call_back(
                urllib.parse.urlsplit(url), json.dumps(event), {"content-type": "application/json"})
            self.answers.append((url, event, status, answer, time.monotonic() - began))
            if status == 200:
                return
            # 30 s at Routee.
            time.sleep(1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
