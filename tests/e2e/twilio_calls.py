"""A minimal simulated Twilio with phones: accepts calls, rings, reports statuses, and signs its requests.

It shares nothing with the functions but the provider's contract. `twilio_check.py` checks its signature against Twilio's
own library.
"""

import base64
import datetime
import email.utils
import hmac
import itertools
import json
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

from provider import RINGS_OUT, Provider

ACCOUNT = "AC00000000000000000000000000000001"
FROM = "+12025550100"


def signature(token, url, form):
    """The X-Twilio-Signature of a request."""
    signed = url + "".join(f"{name}{value}" for name, value in sorted(form.items()))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


class Twilio(Provider):
    def __init__(self, call_back, credentials, auth_token, phones):
        super().__init__(call_back, phones)
        self.auth_token = auth_token
        user = credentials.partition(":")[2]
        self.authorization = "Basic " + base64.b64encode(user.encode()).decode()
        self.calls, self.numbers = {}, itertools.count(1)

    def places_a_call(self, method, path):
        return method == "POST" and path.endswith("/Calls.json")

    def callback_urls(self):
        """The status callback URL of every call."""
        return [order["StatusCallback"][0] for order in self.orders]

    def route(self, method, path, headers, body):
        status, answer = self.answer_to(method, urllib.parse.urlsplit(path), headers, body.decode())
        return status, "application/json", json.dumps(answer)

    def answer_to(self, method, url, headers, body):
        if headers["authorization"] != self.authorization:
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        calls, form = f"/2010-04-01/Accounts/{ACCOUNT}/Calls", urllib.parse.parse_qs(body, keep_blank_values=True)
        if (method, url.path) == ("POST", f"{calls}.json"):
            return self.create(form)
        if (method, url.path) == ("GET", f"{calls}.json"):
            to = dict(urllib.parse.parse_qsl(url.query))["To"]
            return 200, {"calls": [call for call in self.calls.values() if call["to"] == to]}
        if call := self.calls.get(url.path.removeprefix(f"{calls}/").removesuffix(".json")):
            if method == "POST":
                call["status"] = form["Status"][0]
            return 200, call
        return 404, {"code": 20404, "message": "The requested resource was not found", "status": 404}

    def create(self, form):
        missing = [name for name in ("To", "From", "Twiml", "StatusCallback", "Timeout") if len(form.get(name, [])) != 1]
        if missing or form["From"] != [FROM] or len(form["Twiml"][0]) > 4_000:
            return 400, {"code": 21205, "message": f"wrong: {missing}", "status": 400}
        sid = f"CA{next(self.numbers):032x}"
        call = {"sid": sid, "status": "queued", "to": form["To"][0], "from": FROM, "answered_by": None,
                "date_created": email.utils.format_datetime(datetime.datetime.now(datetime.timezone.utc))}
        self.calls[sid] = call
        self.orders.append(form | {"placed at": time.time()})
        threading.Thread(target=self.ring, args=(form, call), daemon=True).start()
        self.on_order()
        return 201, dict(call)

    def ring(self, form, call):
        gather = ElementTree.fromstring(form["Twiml"][0]).find("Gather").attrib
        behavior = self.phones[call["to"]]
        for status in ("initiated", "ringing"):
            self.report(form, call, status)
        if behavior == RINGS_OUT:
            return self.report(form, call, "no-answer")
        self.report(form, call, "in-progress")
        time.sleep(0.5)
        self.send(gather["action"], call, {"Digits": behavior[-1], "msg": "Gather End"})
        return self.report(form, call, "completed")

    def report(self, form, call, status):
        call["status"] = status
        self.send(form["StatusCallback"][0], call, {"CallbackSource": "call-progress-events"})

    def send(self, url, call, fields):
        """Sends an event, and retries it on failure as many times as the fragment of the URL says."""
        url, _, fragment = url.partition("#")
        retries = int(dict(urllib.parse.parse_qsl(fragment)).get("rc", 1))
        form = {"AccountSid": ACCOUNT, "CallSid": call["sid"], "CallStatus": call["status"], "Direction": "outbound-api",
                "From": call["from"], "To": call["to"], "ApiVersion": "2010-04-01"} | fields
        parts = urllib.parse.urlsplit(url)
        # The emulator has no TLS. On AWS the API uses https, without a port. Twilio signs the URL with or without the
        # port.
        signed = urllib.parse.urlunsplit(("https", parts.hostname, parts.path, parts.query, ""))
        headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8",
                   "x-twilio-signature": signature(self.auth_token, signed, form)}
        for _ in range(1 + retries):
            began = time.monotonic()
            threading.Thread(target=self.on_event, daemon=True).start()
            status, answer = self.call_back(parts, urllib.parse.urlencode(form), headers)
            self.answers.append((url, form, status, answer, time.monotonic() - began))
            if status < 500:
                return
