"""Checks messages against Twilio's library for Python: part of twilio_check.py.

The library sends messages through the simulated Twilio of `patchbay local`, and reads them back. Its `RequestValidator`
validates what the simulator posts, and signs webhooks that our function must accept, and reject when they were changed.
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

# As `patchbay local` prints them.
ACCOUNT = "AC00000000000000000000000000000001"
API_KEY, API_SECRET = "SK00000000000000000000000000000001", "made-up-key-secret-1"
TOKEN = "pb_" + "0" * 64
OURS = "+12025550100"
# Customers of `patchbay local`: one who gets messages, one who has opted out, and one of whom it knows nothing.
CUSTOMER, OPTED_OUT, STRANGER = "+12025550150", "+12025550153", "+12025550147"
TEMPLATE = "HX" + "0" * 31 + "1"
TEXT = "Grüße, „Ana“: 100 % + 20 € & mehr 💐"
TWILIO_API = "https://api.twilio.com"
# Seconds to wait for a callback before the run fails. Generous, because a busy machine is slow.
TIMEOUT = 120


class LocalHttpClient(TwilioHttpClient):
    """The library's own client, for another host."""

    def __init__(self, api):
        super().__init__()
        self.api = api

    def request(self, method, url, *arguments, **named):
        assert url.startswith(TWILIO_API + "/"), url
        return super().request(method, self.api + url.removeprefix(TWILIO_API), *arguments, **named)


class Callbacks:
    """A server of ours to which the simulated Twilio posts statuses. Keeps their path, form and signature."""

    def __enter__(self):
        self.posted = posted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
                posted.append((self.path, form, self.headers.get("x-twilio-signature", "")))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def of(self, sid):
        return [one for one in list(self.posted) if one[1].get("MessageSid") == sid]


class Checks:
    """Counts the checks, and keeps what failed."""

    def __init__(self):
        self.count, self.failures = 0, []

    def __call__(self, what, holds, seen=None):
        self.count += 1
        if not holds:
            self.failures.append(f"{what}: {seen}")

    def wait_for(self, what, look):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.1)
        self(what, False, f"not within {TIMEOUT} s")
        return None


def check_api(api, check):
    """The library sends and reads messages."""
    client = Client(API_KEY, API_SECRET, ACCOUNT, http_client=LocalHttpClient(api))
    with Callbacks() as callbacks:
        url = f"{callbacks.url}/status?b=1&a=%20+%C3%BC"
        sms = client.messages.create(to=CUSTOMER, from_=OURS, body=TEXT, status_callback=url, validity_period=3600)
        check("an SMS is queued", (sms.status, sms.to, sms.from_, sms.body, sms.direction, sms.account_sid) == (
            "queued", CUSTOMER, OURS, TEXT, "outbound-api", ACCOUNT), vars(sms))
        check("of one part", (sms.num_segments, sms.error_code, sms.date_sent) == ("1", None, None),
              vars(sms))
        variables = json.dumps({"1": "Zoë", "2": "3 PM"})
        whatsapp = client.messages.create(to=f"whatsapp:{CUSTOMER}", from_=f"whatsapp:{OURS}", content_sid=TEMPLATE,
                                          content_variables=variables, status_callback=url)
        check("a template for WhatsApp is queued", (whatsapp.status, whatsapp.to, whatsapp.from_) == (
            "queued", f"whatsapp:{CUSTOMER}", f"whatsapp:{OURS}"), vars(whatsapp))
        service = client.messages.create(to=CUSTOMER, messaging_service_sid="MG" + "0" * 31 + "1", body="Hello")
        check("a messaging service has accepted one, without a sender yet", (
            service.status, service.from_, service.messaging_service_sid) == ("accepted", None, "MG" + "0" * 31 + "1"),
              vars(service))
        for what, code, fields in (
                ("a customer who has opted out", 21610, {"to": OPTED_OUT, "from_": OURS, "body": "Hello"}),
                ("variables that are no JSON", 21656, {"to": f"whatsapp:{CUSTOMER}", "from_": f"whatsapp:{OURS}",
                                                       "content_sid": TEMPLATE, "content_variables": "{"}),
                ("no text", 21602, {"to": CUSTOMER, "from_": OURS}),
                ("another's number", 21606, {"to": CUSTOMER, "from_": "+12025550199", "body": "Hello"})):
            try:
                sent = client.messages.create(**fields)
                check(f"{what} is refused", False, vars(sent))
            except TwilioRestException as error:
                check(f"{what} is refused", (error.status, error.code) == (400, code), vars(error))
        for sent in (sms, whatsapp):
            last = check.wait_for(f"{sent.to} gets it", lambda sent=sent: [
                one for one in callbacks.of(sent.sid) if one[1]["MessageStatus"] == "delivered"])
            fetched = client.messages(sent.sid).fetch()
            check("its resource says so", last and fetched.status in ("delivered", "read") and fetched.date_sent, vars(fetched))
            check("and is otherwise the same", (fetched.to, fetched.from_, fetched.body, fetched.date_created) == (
                sent.to, sent.from_, sent.body, sent.date_created), vars(fetched))
            check_callbacks(callbacks, sent.sid, check)
    # The newest first, and over pages.
    listed = client.messages.list(to=CUSTOMER, from_=OURS, page_size=1)
    check("the list has both SMS, over pages", [one.sid for one in listed] == [service.sid, sms.sid], [
        vars(one) for one in listed])


def check_callbacks(callbacks, sid, check):
    validator = RequestValidator("made-up-auth-token-000001")
    for path, form, signature in callbacks.of(sid):
        url = callbacks.url + path
        check(f"the simulated Twilio signs {form['MessageStatus']}", validator.validate(url, form, signature), (url, form))
        for changed in ({"MessageStatus": form["MessageStatus"] + "x"}, {"SomethingNew": form["SomethingNew"] + " "}):
            check("a changed field", not validator.validate(url, form | changed, signature), (url, form | changed))
        check("another query", not validator.validate(url.replace("b=1", "b=2"), form, signature), url)


def reference(domain, text, key):
    """The end of a URL of ours at Twilio."""
    tag = hmac.new(key, f"{domain}\n{text}\ntwilio".encode(), hashlib.sha256).hexdigest()[:32]
    return f"{text}.{tag}"


def is_opted_out(api, address):
    request = urllib.request.Request(f"{api}/v1/opt-outs/{urllib.parse.quote(address)}", headers={
        "authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.status == 200
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return False


def flipped(path):
    """The path with another last byte of its reference."""
    path, mark, query = path.partition("?")
    return path[:-1] + ("0" if path[-1] != "0" else "1") + mark + query


def check_webhooks(api, key, auth_token, post, check):
    """Webhooks that the library signs. `post` sends a form with a signature."""
    interaction = "main.00000000-0000-8000-8000-000000000001.0000000000000001"
    status_path = f"/twilio/message-status/{reference('patchbay message v1', interaction, key)}"
    message_path = f"/twilio/messages/{reference('patchbay incoming message v1', 'main', key)}"
    status = {"AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "From": OURS, "To": STRANGER, "MessageSid": "SM" + "0" * 32,
              "SmsSid": "SM" + "0" * 32, "MessageStatus": "delivered", "SmsStatus": "delivered", "RawDlrDoneDate": "2612010230",
              "FromCity": TEXT, "Blank": ""}
    incoming = {"AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "From": STRANGER, "To": OURS, "MessageSid": "SM" + "1" * 32,
                "SmsSid": "SM" + "1" * 32, "NumMedia": "0", "NumSegments": "1", "FromCity": TEXT, "Blank": ""}
    validator, portless = RequestValidator(auth_token), api.rpartition(":")[0]

    def expect(what, expected, *arguments):
        got, body = post(api, *arguments)
        check(f"{what} at {arguments[0]}", got == expected, f"{got} instead of {expected}: {body[:200]}")

    def rejected(path, form, signature):
        """The same request with one byte changed, somewhere."""
        name, text = next((name, value) for name, value in form.items() if name in ("MessageStatus", "Body"))
        expect("one byte of a field", 403, path, form | {name: text[:-1] + chr(ord(text[-1]) ^ 1)}, signature)
        expect("one byte in another alphabet", 403, path, form | {"FromCity": TEXT.replace("ü", "u")}, signature)
        expect("a blank field left out", 403, path, {n: v for n, v in form.items() if v}, signature)
        expect("an additional field", 403, path, form | {"Body2": "1"}, signature)
        swapped = "A" if signature[0] != "A" else "B"
        expect("one byte of the signature", 403, path, form, swapped + signature[1:])
        expect("no signature", 403, path, form, None)
        expect("a signature of nothing", 403, path, form, base64.b64encode(bytes(20)).decode())
        expect("one byte of the reference", 404, flipped(path), form, signature)

    for query in ("", "?b=1&a=%20+%C3%BC"):
        for base in (api, portless):
            path = status_path + query
            signature = validator.compute_signature(base + path, status)
            rejected(path, status, signature)
            expect("a signed status", 200, path, status, signature)
            if query:
                expect("another query", 403, path.replace("b=1", "b=2"), status, signature)
            other = RequestValidator(auth_token + "x").compute_signature(base + path, status)
            expect("another token", 403, path, status, other)
            elsewhere = path.replace("/message-status/", "/announcement-status/")
            expect("a signature for another path", 403, elsewhere, status, signature)
    # In another alphabet, and each message with an id of its own: a repeated START undoes nothing.
    for number, (text, opted_out) in enumerate((("стоп", True), ("start", False), ("Größe 42, bitte", False), ("Stopp!", True),
                                                ("UNSTOP", False))):
        path, form = message_path, incoming | {"Body": text, "MessageSid": f"SM{number + 2:032x}"}
        signature = validator.compute_signature(api + path, form)
        before = is_opted_out(api, STRANGER)
        rejected(path, form, signature)
        check(f"a changed {text} has no effect", is_opted_out(api, STRANGER) == before)
        expect(f"a signed {text}", 200, path, form, signature)
        check(f"{text} has its effect", is_opted_out(api, STRANGER) == opted_out, opted_out)


def check_messages(api, key, auth_token, post):
    """Returns the number of checks, and what failed."""
    check = Checks()
    check_api(api, check)
    check_webhooks(api, key, auth_token, post, check)
    return check.count, check.failures
