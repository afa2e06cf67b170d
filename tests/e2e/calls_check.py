"""Checks a server of the calls API as a client that was written from Elemente's published reference alone: against our
own API, and against the simulated Elemente.

    calls_check.py http://127.0.0.1:8080

Nothing of patchbay is used but URLs: of `patchbay local`, and of the Elemente that it simulates. Only the agent and the
skill that the requests name are stored first, in a way of our own: Elemente's reference has none for skills.
"""

import argparse
import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request

# Seconds to wait for an interaction to end before the run fails. Generous, because a busy machine is slow.
TIMEOUT = 120
AGENT = "6b1f0000-0000-4000-8000-000000000001"
SKILL = "6b1f0000-0000-4000-8000-000000000002"
# Calls go on to the simulated Elemente. Customers may be called at any hour.
AGENT_DOCUMENT = {"name": "Leo", "channels": {"call": {"over": "elemente", "agent_id": "1", "skill_id": "2"}}}
SKILL_DOCUMENT = {"name": "Delivery reminder"}
# As the published example: a number that is too short for its country, a variable that no field defines, and two
# different names and addresses.
REQUEST = {
    "agentId": AGENT,
    "channel": "call",
    "skillId": SKILL,
    "customerOverride": {
        "firstName": "Ana",
        "lastName": "Ruiz",
        "phoneNumber": "+1202555014",
        "email": "ana@example.org",
        "language": "en-US",
        "customFields": [
            {"name": "Ticket No", "value": "T-88"},
            {"name": "Amount Due", "value": 19.5},
            {"name": "VIP", "value": False},
        ],
    },
    "agentOverride": {
        "name": "Leo",
        "phone": "+12025550100",
        "imageURL": "https://example.org/leo.png",
        "language": "en-US",
        "voiceStability": 0.5,
        "voiceSpeed": 1.5,
        "prompt": {
            "initialMessage": "Hi {{firstName}}, {{aiName}} here about {{Ticket No}}",
            "prompt": "Remind {{firstName}} of {{Amount Due}}, due on {{Delivery Date}}.",
            "routingConditions": {"priority": "low"},
        },
    },
    "customerName": "Ana Ruis",
    "customerPhone": "+12025550143",
    "customerEmail": "ana.ruiz@example.com",
}
# The documented fields of an answer, with their types.
FIELDS = {
    "id": str, "status": str, "agentPhone": str, "agentEmail": str, "customerPhone": str, "customerEmail": str,
    "agentId": str, "customerId": str, "skillId": str, "customerName": str, "transcription": str, "recordingUrl": str,
    "messages": list, "duration": str,
}
WORDS = {
    "failed", "voicemail", "ringing", "answer", "completed", "busy", "open", "close", "closed", "resolved", "no-answer",
    "canceled", "in-progress", "ongoing", "pending", "stalled", "expired", "processing", "queued",
}
# Words of an interaction that is over.
FINAL = WORDS - {"ringing", "answer", "open", "in-progress", "ongoing", "pending", "stalled", "processing", "queued"}
failures = []


def expect(what, holds, seen):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        failures.append(f"{what}: {seen}")


class Server:
    def __init__(self, base, username, password):
        self.base = f"{base}/api/v1/calls"
        self.authorization = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    def request(self, method, path="", body=None, authorization=None):
        headers = {"Authorization": self.authorization if authorization is None else authorization}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()


def set_up(url, token):
    """Stores agent and skill at our API: the only step that is not Elemente's."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for path, document in ((f"agents/{AGENT}", AGENT_DOCUMENT), (f"skills/{SKILL}", SKILL_DOCUMENT)):
        data = json.dumps(document).encode()
        request = urllib.request.Request(f"{url}/v1/{path}", data, headers, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass


def is_documented(answer):
    return isinstance(answer, dict) and all(isinstance(answer.get(name), kind) for name, kind in FIELDS.items())


def as_list(answer):
    """The reference prints one object where a list is meant: a client has to accept both."""
    return answer if isinstance(answer, list) else [answer]


def ended(server, interaction):
    """The interaction when it is over, or after the time-out."""
    end = time.monotonic() + TIMEOUT
    while interaction["status"] not in FINAL and time.monotonic() < end:
        time.sleep(0.5)
        interaction = server.request("GET", "/" + urllib.parse.quote(interaction["id"]))[2]
    return interaction


def check(server):
    status, _, created = server.request("POST", body=REQUEST)
    expect("the published example is accepted with 200", status == 200, (status, created))
    if status != 200:
        return
    expect("the answer has every documented field", is_documented(created), created)
    expect("the status is a documented word", created["status"] in WORDS, created["status"])
    expect("agent and skill are those of the request", (created["agentId"], created["skillId"]) == (AGENT, SKILL), created)
    expect("the override has precedence", "Ruiz" in created["customerName"], created["customerName"])
    expect("the duration is a text of digits", created["duration"].isdigit(), created["duration"])

    path = "/" + urllib.parse.quote(created["id"])
    status, _, read = server.request("GET", path)
    expect("it can be read", status == 200 and read["id"] == created["id"], (status, read))
    status, _, _ = server.request("GET", "/6b1f0000-0000-4000-8000-00000000dead")
    expect("an unknown one is not found", status == 404, status)

    word = ended(server, created)["status"]
    expect("it ends with a documented word", word in FINAL, word)

    # The server's clock may run faster than ours.
    today = time.strftime("%Y-%m-%d", time.gmtime())
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 2 * 86_400))
    range_ = {"from": today, "to": later}
    for what, query in {
        "without filters": {},
        "of the last day": {"hrs": "24"},
        "of a date range as JSON": {"dateRange": json.dumps(range_)},
        "of a date range in brackets": {"dateRange[from]": today, "dateRange[to]": later},
        "of a channel": {"channel": "call"},
        "of a status": {"status": word},
        "sanitised": {"sanitised": "yes"},
    }.items():
        status, _, found = server.request("GET", "?" + urllib.parse.urlencode(query) if query else "")
        ids = [one["id"] for one in as_list(found)] if status == 200 else found
        expect(f"the list {what} has it", status == 200 and created["id"] in ids, (status, ids))
    status, _, found = server.request("GET", "?channel=email")
    ids = [one["id"] for one in as_list(found) if one] if status == 200 else found
    expect("the list of another channel does not have it", status == 200 and created["id"] not in ids, (status, ids))

    status, _, changed = server.request("PUT", path, {"note": "Called back."})
    expect("a note is accepted", status == 200 and is_documented(changed), (status, changed))

    reachable = REQUEST | {"customerOverride": REQUEST["customerOverride"] | {"phoneNumber": "+12025550143"}}
    status, _, call = server.request("POST", body=reachable)
    expect("a call to a complete number is accepted", status == 200, (status, call))
    if status == 200:
        call = ended(server, call)
        expect("it is answered", call["status"] == "completed", call)
        texts = [call[name] for name in ("transcription", "recordingUrl")]
        expect("it has transcription, recording and duration", all(texts) and int(call["duration"]) > 0, call)

    without = {key: value for key, value in REQUEST.items() if key != "channel"}
    status, _, _ = server.request("POST", body=without)
    expect("a request without a channel is refused", status in (400, 422), status)
    status, headers, _ = server.request("GET", authorization="Basic bm9ib2R5Om5vdGhpbmc=")
    expect("wrong credentials are refused with 401", status == 401, status)
    expect("and it is said how to authenticate", "basic" in headers.get("WWW-Authenticate", "").lower(), dict(headers))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="URL of `patchbay local`")
    parser.add_argument("--token", default="pb_" + "0" * 64, help="its API token")
    arguments = parser.parse_args()
    set_up(arguments.url, arguments.token)
    print("Our API", flush=True)
    check(Server(arguments.url, "patchbay", arguments.token))
    print("The simulated Elemente", flush=True)
    check(Server(f"{arguments.url}/simulated/elemente", "local", "local-password"))
    if failures:
        raise SystemExit("\n".join(failures))


if __name__ == "__main__":
    main()
