"""Checks patchbay against Twilio's own libraries, for Python and for Node.

    cargo test --workspace --test transfer --test twilio_documents          # writes target/twiml
    cargo run -- local --port 8080 &
    python3 -m venv target/twilio-venv && target/twilio-venv/bin/pip install twilio
    npm install --prefix target/node twilio
    target/twilio-venv/bin/python tests/e2e/twilio_check.py --twiml target/twiml --node-modules target/node/node_modules \
        --api http://127.0.0.1:8080

Every TwiML document that patchbay makes is built again with the library's classes, and must be the same. Its voices,
languages and attributes must be in the lists of the Node library. Both libraries must validate our signatures. Requests
signed by the Python library must be accepted, and tampered ones rejected. For messages see twilio_messages.py.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

from twilio.request_validator import HMAC_SHA256, SIGNATURE_SETTINGS_HEADER, RequestValidator
from twilio.twiml import voice_response as twiml

from twilio_calls import signature
from twilio_messages import check_messages

# As `patchbay local` prints them.
AUTH_TOKEN = "made-up-auth-token-000001"
SHARED_KEY, SHARED_SECRET = "webhooks_sharedkey_madeup1", "made-up-secret-1"
REFERENCE_KEY = b"a key that is good enough for one machine"
# Suffix that is signed with a reference of Twilio, so that it is not valid for another provider.
TWILIO_SUFFIX = b"\ntwilio"

# Seconds after which a request counts as lost. Generous, because a busy machine is slow.
TIMEOUT = 600
# Prints the signatures for which the Node library gives the wrong result.
NODE = """
const { validateRequest } = require("twilio");
const { token, signed } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const failures = [];
for (const { url, form, signature } of signed) {
  for (const [at, fields, expected] of [[url, form, true], [url + "x", form, false], [url, { ...form, Digits: "2" }, false]]) {
    if (validateRequest(token, signature, at, fields) !== expected) {
      failures.push(`our signature for ${at}: the Node library says ${!expected}`);
    }
  }
}
console.log(JSON.stringify(failures));
"""
# Attributes whose name in the library differs from that in XML.
RENAMED = {"for": "for_"}
# For each verb, the library's method that adds it, and the argument for its text.
METHODS = {
    "Say": ("say", "message"),
    "Pause": ("pause", None),
    "Dial": ("dial", None),
    "Number": ("number", "phone_number"),
    "Redirect": ("redirect", "url"),
    "Hangup": ("hangup", None),
    "Pay": ("pay", None),
    "Prompt": ("prompt", None),
    "Parameter": ("parameter", None),
    "Gather": ("gather", None),
}


def snake(name):
    """The library's name of an attribute: chargeAmount -> charge_amount."""
    name = RENAMED.get(name, name)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def build(element, parent):
    """Adds `element` to `parent` with the library's own method, which must have a parameter for every attribute."""
    method, text_argument = METHODS[element.tag]
    method = getattr(parent, method)
    known = method.__code__.co_varnames[: method.__code__.co_argcount]
    arguments = {}
    for name, value in element.attrib.items():
        argument = snake(name)
        if argument not in known:
            raise ValueError(f"the Python library does not know the attribute {name} of <{element.tag}>")
        arguments[argument] = value
    if text_argument and (element.text or "").strip():
        arguments[text_argument] = element.text
    child = method(**arguments)
    for nested in element:
        build(nested, child)


def canonical(xml):
    return ElementTree.canonicalize(xml, strip_text=True)


def check_document(path):
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    if root.tag != "Response" or root.attrib:
        raise ValueError("the root is not a bare <Response>")
    response = twiml.VoiceResponse()
    for element in root:
        build(element, response)
    if canonical(str(response)) != canonical(text):
        raise ValueError(f"the library builds a different document:\n{response}\n{text}")


class NodeTypes:
    """The Node library's types: the attributes of each verb, and the values that some of them allow."""

    def __init__(self, modules):
        text = (modules / "twilio/lib/twiml/VoiceResponse.d.ts").read_text(encoding="utf-8")
        self.words = {name: set(re.findall(r'"([^"]+)"', words))
                      for name, words in re.findall(r"^    type (\w+) = ([^;]+);$", text, re.MULTILINE)}
        self.attributes = {
            verb: {name: kind for name, kind in re.findall(r"^\s+(?:'|\")?([\w.-]+)(?:'|\")?\?: ([^;]+);$", body, re.MULTILINE)}
            for verb, body in re.findall(r"interface (\w+)Attributes \{(.*?)\n    \}", text, re.DOTALL)}

    def check_response(self, path):
        for element in ElementTree.fromstring(path.read_text(encoding="utf-8")):
            self.check(element)

    def check(self, element):
        """Fails on an unknown attribute or value."""
        known = self.attributes.get(element.tag, {})
        for name, value in element.attrib.items():
            if name not in known:
                raise ValueError(f"the Node library does not know the attribute {name} of <{element.tag}>")
            # Values are checked for enumerated types and lists of them.
            words = self.words.get(known[name].removesuffix("[]"))
            if words and not set(value.split()) <= words:
                raise ValueError(f"the Node library does not allow {name}={value} of <{element.tag}>")
        for nested in element:
            self.check(nested)


def check_our_signatures(path, modules):
    """Validates our signatures with both libraries, which must reject tampered requests."""
    signed = json.loads(path.read_text(encoding="utf-8"))
    failures, validator = [], RequestValidator(AUTH_TOKEN)
    for one in signed:
        one["form"] = dict(urllib.parse.parse_qsl(one["body"], keep_blank_values=True))
        for url, form, expected in ((one["url"], one["form"], True), (one["url"] + "x", one["form"], False),
                                    (one["url"], one["form"] | {"Digits": "2"}, False)):
            if validator.validate(url, form, one["signature"]) != expected:
                failures.append(f"our signature for {url}: the Python library says {not expected}")
        if signature(AUTH_TOKEN, one["url"], one["form"]) != one["signature"]:
            failures.append(f"the simulated Twilio (twilio_calls.py) signs {one['url']} differently")
    given = json.dumps({"token": AUTH_TOKEN, "signed": signed})
    output = subprocess.run(["node", "-e", NODE], input=given, text=True, capture_output=True, check=True,
                          env=os.environ | {"NODE_PATH": str(modules.resolve())})
    return len(signed), failures + json.loads(output.stdout)


def reference_path(kind):
    """Callback path for a key or a status of a call to an employee, of a dispatch that does not exist."""
    text = "main.dsp_00000000000000000000000000000001.000001-00-0000000000000001"
    tag = hmac.new(REFERENCE_KEY, f"patchbay callback v1\n{text}".encode() + TWILIO_SUFFIX, hashlib.sha256).hexdigest()[:32]
    return f"/twilio/{kind}/{text}.{tag}"


def transfer_path():
    """Path that `patchbay url twilio-transfer` prints for the key of `patchbay local`."""
    tag = hmac.new(REFERENCE_KEY, b"patchbay twilio transfer v1\nmain", hashlib.sha256).hexdigest()[:32]
    return f"/twilio/transfer/main.{tag}"


def wait_for(api):
    """Waits until the server listens, up to the time-out."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(api, timeout=TIMEOUT).close()
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return


def post(api, path, form, signature, settings=None):
    body = urllib.parse.urlencode(form, doseq=True).encode()
    request = urllib.request.Request(api + path, data=body, method="POST")
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    if signature is not None:
        request.add_header("X-Twilio-Signature", signature)
    if settings is not None:
        request.add_header(SIGNATURE_SETTINGS_HEADER, settings)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Form(dict):
    """A form as web frameworks pass it to the library: a name may have several values."""

    def getall(self, name):
        value = self[name]
        return value if isinstance(value, list) else [value]


def check_signatures(api):
    path = transfer_path()
    form = Form({
        "AccountSid": "AC00000000000000000000000000000001",
        "CallSid": "CA00000000000000000000000000000001",
        "CallStatus": "ringing",
        "CallerName": "",
        "From": "+12025550199",
        "FromCity": "K\u00f6ln & +",
        "To": "+12025550190",
        "Twice": ["b", "a", "b"],
    })
    validator = RequestValidator(AUTH_TOKEN)
    failures = []

    def expect(what, status, *arguments):
        got, body = post(api, *arguments)
        if got != status or (status == 200) != body.startswith("<?xml"):
            failures.append(f"{what}: {got} instead of {status}: {body[:200]}")

    # Twilio signs the URL with or without the port.
    portless = api.rpartition(":")[0]
    for url in (api + path, portless + path, api + path + "?b=1&a=%20+"):
        signature = validator.compute_signature(url, form)
        to = path + ("?b=1&a=%20+" if "?" in url else "")
        expect(f"signed {url}", 200, to, form, signature)
        expect("a changed field", 403, to, {**form, "From": "+12025550143"}, signature)
        expect("an additional field", 403, to, {**form, "Digits": "1"}, signature)
        without = {name: value for name, value in form.items() if name != "CallerName"}
        expect("a blank field left out", 403, to, without, signature)
        expect("another path", 403, to.replace("/transfer/", "/payment/"), form, signature)
        expect("another query", 403, path + "?a=%20+&b=1", form, signature)
        expect("no signature", 403, to, form, None)
        forged = base64.b64encode(bytes(20)).decode()
        expect("a forged signature", 403, to, form, forged)
        other = RequestValidator("another-token").compute_signature(url, form)
        expect("another token", 403, to, form, other)
        settings = f"key={SHARED_KEY},algorithm={HMAC_SHA256}"
        shared = RequestValidator(SHARED_SECRET).compute_signature(url, form, HMAC_SHA256)
        expect(f"signed with a shared key {url}", 200, to, form, shared, settings)
        expect("a shared key that is not named", 403, to, form, shared)
        expect("the auth token in place of the shared key", 403, to, form, signature, settings)
        expect("an unknown shared key", 403, to, form, shared, settings.replace("madeup1", "madeup2"))
    return failures


def check_callbacks(api):
    """Checks the callbacks of calls to employees, whose URLs we gave to Twilio. Returns the request count and failures."""
    form = Form({
        "AccountSid": "AC00000000000000000000000000000001", "CallSid": "CA00000000000000000000000000000001",
        "CallStatus": "in-progress", "Digits": "1", "FinishedOnKey": "", "From": "+12025550100", "To": "+12025550101",
        "msg": "Gather End",
    })
    failures, count = [], 0

    def expect(what, status, *arguments):
        nonlocal count
        count += 1
        got, body = post(api, *arguments)
        if got != status:
            failures.append(f"{what} at {arguments[0]}: {got} instead of {status}: {body[:200]}")
        return body

    portless, validator = api.rpartition(":")[0], RequestValidator(AUTH_TOKEN)
    for kind, query in (("collect", ""), ("collect", "?again=1"), ("status", "")):
        path = reference_path(kind) + query
        for base in (api, portless):
            # We give Twilio the URL with a fragment of retry options, which is not part of the signed URL.
            url = f"{base}{path}#ct=1000&rt=4000&rc=2&rp=ct,rt,5xx".partition("#")[0]
            signature = validator.compute_signature(url, form)
            body = expect(f"signed {url}", 200, path, form, signature)
            if kind == "collect" and not body.startswith("<?xml"):
                failures.append(f"{path} gets no TwiML: {body[:200]}")
            expect("another key", 403, path, form | {"Digits": "2"}, signature)
            expect("a blank field left out", 403, path, {n: v for n, v in form.items() if v}, signature)
            expect("another query", 403, f"{path}{'&' if query else '?'}again=3", form, signature)
            expect("no signature", 403, path, form, None)
            other = RequestValidator("another-token").compute_signature(url, form)
            expect("another token", 403, path, form, other)
            elsewhere = "status" if kind == "collect" else "collect"
            expect("a signature for the other path", 403, path.replace(f"/{kind}/", f"/{elsewhere}/"), form, signature)
            # Routee does not sign. So a callback of Twilio must not be accepted without a signature as one of Routee.
            expect("Twilio's reference as Routee's", 404, path.replace("/twilio/", "/routee/"), form, signature)
    return count, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--twiml", type=pathlib.Path, default=pathlib.Path("target/twiml"))
    parser.add_argument("--node-modules", type=pathlib.Path, default=pathlib.Path("target/node/node_modules"))
    parser.add_argument("--api", default="http://127.0.0.1:8080")
    options = parser.parse_args()
    documents = sorted(options.twiml.glob("*.xml"))
    employees = [path for path in documents if path.name.startswith("employee-")]
    # Eight scripts in two voices of 14 languages, and the documents for callers.
    failures = [] if len(employees) == 8 * 2 * 14 < len(documents) else [f"{len(documents)} documents in {options.twiml}"]
    types = NodeTypes(options.node_modules)
    for path in documents:
        try:
            check_document(path)
            types.check_response(path)
        except (ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
            failures.append(f"{path.name}: {error}")
    signed, wrong = check_our_signatures(options.twiml / "signed.json", options.node_modules)
    wait_for(options.api)
    count, refused = check_callbacks(options.api)
    messages, wrong_messages = check_messages(options.api, REFERENCE_KEY, AUTH_TOKEN, post)
    failures += wrong + check_signatures(options.api) + refused + wrong_messages
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{len(documents)} documents, {signed} of our signatures, {39 + count} requests and {messages} facts about messages "
          f"checked: {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
