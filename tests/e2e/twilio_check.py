"""Checks patchbay against Twilio's own Python library.

    cargo test --workspace --test transfer          # writes target/twiml/*.xml
    cargo run -- local --port 8080 &
    python3 -m venv target/twilio-venv && target/twilio-venv/bin/pip install twilio
    target/twilio-venv/bin/python tests/e2e/twilio_check.py --twiml target/twiml --api http://127.0.0.1:8080

Every document that we make is built again with the library's classes and must come out the same, and requests that the
library signs are accepted while tampered ones are refused.
"""

import argparse
import base64
import hashlib
import hmac
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

from twilio.request_validator import HMAC_SHA256, SIGNATURE_SETTINGS_HEADER, RequestValidator
from twilio.twiml import voice_response as twiml

# As `patchbay local` prints them.
AUTH_TOKEN = "made-up-auth-token-000001"
SHARED_KEY, SHARED_SECRET = "webhooks_sharedkey_madeup1", "made-up-secret-1"
REFERENCE_KEY = b"a key that is good enough for one machine"

# Seconds after which a request is taken for lost; a busy machine may be slow.
PATIENCE = 600
# How the library calls what is an attribute of another name in XML.
RENAMED = {"for": "for_"}
# The method of the library that adds a verb, and the argument that takes its text.
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
    """chargeAmount -> charge_amount: the library's name of an attribute."""
    name = RENAMED.get(name, name)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def build(element, parent):
    """Adds `element` to `parent` by the library's own method, which must know every attribute by name."""
    method, text_argument = METHODS[element.tag]
    method = getattr(parent, method)
    known = method.__code__.co_varnames[: method.__code__.co_argcount]
    arguments = {}
    for name, value in element.attrib.items():
        argument = snake(name)
        if argument not in known:
            raise ValueError(f"the library knows no {name} of <{element.tag}>")
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
        raise ValueError(f"comes out differently:\n{response}\n{text}")


def transfer_path():
    """As `patchbay url twilio-transfer` makes it, for the local world's key."""
    tag = hmac.new(REFERENCE_KEY, b"patchbay twilio transfer v1\nmain", hashlib.sha256).hexdigest()[:32]
    return f"/twilio/transfer/main.{tag}"


def wait_for(api):
    """Until the server listens, however long it takes to start."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(api, timeout=PATIENCE).close()
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
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Form(dict):
    """A form as web frameworks hand it to the library: a name may have several values."""

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

    # Twilio signs with the port or without it.
    portless = api.rpartition(":")[0]
    for url in (api + path, portless + path, api + path + "?b=1&a=%20+"):
        signature = validator.compute_signature(url, form)
        to = path + ("?b=1&a=%20+" if "?" in url else "")
        expect(f"signed {url}", 200, to, form, signature)
        expect("a changed field", 403, to, {**form, "From": "+12025550143"}, signature)
        expect("a further field", 403, to, {**form, "Digits": "1"}, signature)
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
        expect("the auth token in its place", 403, to, form, signature, settings)
        expect("a shared key of another's", 403, to, form, shared, settings.replace("madeup1", "madeup2"))
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--twiml", type=pathlib.Path, default=pathlib.Path("target/twiml"))
    parser.add_argument("--api", default="http://127.0.0.1:8080")
    options = parser.parse_args()
    documents = sorted(options.twiml.glob("*.xml"))
    failures = [] if documents else [f"no documents in {options.twiml}"]
    for path in documents:
        try:
            check_document(path)
        except (ValueError, KeyError, TypeError, ElementTree.ParseError) as error:
            failures.append(f"{path.name}: {error}")
    wait_for(options.api)
    failures += check_signatures(options.api)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{len(documents)} documents and 39 requests checked, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
