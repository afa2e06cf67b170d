"""Verifies webhooks of `patchbay local` with the libraries that receivers use, while its clock runs ahead of theirs:
first deliveries, retries, and resent webhooks. Also checks that a receiver whose response never ends gets a webhook once,
and that `data.sequence` has the order of the events.

    webhook_check.py --patchbay target/debug/patchbay --node-modules DIR [--ahead-minutes 6]

Needs the PyPI packages `standardwebhooks` and `svix`, and the npm packages of the same names in DIR. Talks to the
loopback only, and stops its server at the end.
"""

import argparse
import collections
import http.server
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request

import standardwebhooks
import svix.webhooks

# Factor by which the server's clock is faster than real time. Its queue delivers a message again after a minute of that
# clock: at a factor of 60 a busy machine would not be done within a second, and would post a webhook twice.
SPEED = 20
# Seconds to wait for an event before the run fails. Generous, because a busy machine is slow.
TIMEOUT_SECONDS = 300
# `Retry-After` of a failing receiver, in seconds of the server's clock: two seconds of real time, so that the signature
# of the retry has another timestamp.
RETRY_AFTER = 40
# Seconds of the server's clock within which two retries of a failed webhook arrive.
RETRY_PERIOD = 60
# Expected events of one call to each of three phones, by the last digits of their numbers: one phone without a script,
# and two with one.
CALLS = {7: "Queued Initiated Ringing NoAnswer", 3: "Queued Initiated Ringing InProgress Rejected",
         4: "Queued Initiated Ringing InProgress Accepted"}
EVENTS = [(f"Phone {phone}", status) for phone, call in CALLS.items() for status in call.split()]
NODE = """
const fs = require("fs");
const { key, posts } = JSON.parse(fs.readFileSync(0, "utf8"));
for (const name of ["standardwebhooks", "svix"]) {
  const { Webhook } = require(name);
  for (const { headers, body } of posts) {
    new Webhook(key).verify(body, headers);
    let rejected = false;
    try { new Webhook(key).verify(body + " ", headers); } catch { rejected = true; }
    if (!rejected) throw new Error(name + " accepts a tampered body");
  }
}
"""

Post = collections.namedtuple("Post", "headers body")


class Receiver(http.server.BaseHTTPRequestHandler):
    """/accepts accepts everything, /fails-first accepts retries only, and the response of /never-ends never ends."""

    got = collections.defaultdict(list)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        known = headers["webhook-id"] in posts_of(self.path)
        self.got[self.path].append(Post(headers, body))
        if self.path == "/never-ends":
            self.never_end(cut_off=len(self.got[self.path]) % 2 == 0)
        elif self.path == "/fails-first" and not known:
            self.answer(500, b"The disk is full.", ("retry-after", RETRY_AFTER))
        else:
            self.answer(204)

    def answer(self, status, body=b"", *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def never_end(self, cut_off):
        """Sends a body shorter than announced (`cut_off`), or one that continues until the client disconnects."""
        try:
            self.answer(200, b"so far", ("content-length", 10**12))
            while not cut_off:
                self.wfile.write(b"and on " * 100)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Api:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def request(self, path, body=None):
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
            return json.load(answer)

    def ahead_seconds(self):
        return self.clock() - time.mktime(time.gmtime())

    def clock(self):
        return time.mktime(time.strptime(self.request("/simulated/clock")["now"][:19], "%Y-%m-%dT%H:%M:%S"))

    def dispatch(self, hook, phones, strategy="OnChange"):
        return self.request("/v1/dispatches", {
            "ticket": {"text": "Pump four has stopped."}, "webhook": {"url": hook, "strategy": strategy},
            "employees": [{"name": f"Phone {phone}", "phone": f"+120255501{phone:02}"} for phone in phones],
            "policy": {"attempts": 1, "max_rounds": 1},
        })["id"]

    def webhooks(self, dispatch, many, unsettled=("Pending", "Retrying")):
        """The list of webhooks, once there are `many` and all are settled."""
        def settled():
            listed = self.request(f"/v1/dispatches/{dispatch}/webhooks")["webhooks"]
            return listed if len(listed) >= many and all(one["status"] not in unsettled for one in listed) else None
        return wait_for(f"{many} settled webhooks", settled)


def wait_for(what, look, at_least_seconds=0):
    end = time.monotonic() + at_least_seconds + TIMEOUT_SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise SystemExit(f"gave up waiting for {what}")


def posts_of(path):
    """The requests to a path, by webhook id."""
    posts = collections.defaultdict(list)
    for post in list(Receiver.got[path]):
        posts[post.headers["webhook-id"]].append(post)
    return posts


def check_order(listed):
    delivered = [json.loads(post.body)["data"] for post in Receiver.got["/accepts"]]
    steps = sorted((data["sequence"], data["employee"]["name"], data["status"]) for data in delivered)
    # Superseded call statuses are not delivered. Which ones are superseded depends on the speed of the machine.
    superseded = {one["sequence"] for one in listed if one["status"] == "Superseded"}
    events = [(one["sequence"], *step) for one, step in zip(listed, EVENTS, strict=True)]
    assert steps == [step for step in events if step[0] not in superseded], (steps, listed)
    assert len({one["sequence"] for one in listed}) == len(listed), listed


def check_resent(api, dispatch):
    """A resent webhook has the same body, although the dispatch is over."""
    names = list(posts_of("/accepts"))
    for name in names:
        api.request(f"/v1/dispatches/{dispatch}/webhooks/{name}/resend", {})
    for name in names:
        wait_for(f"{name} to be resent", lambda: len(posts_of("/accepts")[name]) > 1)
        first, again = posts_of("/accepts")[name]
        assert first.body == again.body, (first, again)


def check_retried(listed):
    posts = posts_of("/fails-first")
    assert sorted(posts) == sorted(one["id"] for one in listed), (posts, listed)
    for one in listed:
        assert (one["status"], one["posts"], one["answer"]) == ("Delivered", 2, "204 No Content"), one
        first, again = posts[one["id"]]
        assert first.body == again.body, (first, again)
        assert int(first.headers["webhook-timestamp"]) < int(again.headers["webhook-timestamp"]), (first, again)


def check_delivered_once(listed):
    """The status line decides, whatever follows in the body."""
    for one in listed:
        assert (one["status"], one["posts"], one["answer"]) == ("Delivered", 1, "200 OK"), one
    times = {name: len(posts) for name, posts in posts_of("/never-ends").items()}
    assert times == {one["id"]: 1 for one in listed}, times


def verify(key, posts, node_modules):
    for library in (standardwebhooks.Webhook, svix.webhooks.Webhook):
        for headers, body in posts:
            # Both libraries accept the header names of the standard.
            library(key).verify(body, headers)
            try:
                library(key).verify(body + " ", headers)
            except Exception as rejected:  # noqa: BLE001 - each library has its own exception type
                assert "signature" in str(rejected).lower(), rejected
            else:
                raise SystemExit(f"{library} accepts a tampered body")
    given = json.dumps({"key": key, "posts": [post._asdict() for post in posts]})
    subprocess.run(["node", "-e", NODE], input=given, text=True, check=True,
                   env=os.environ | {"NODE_PATH": node_modules})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patchbay", required=True)
    parser.add_argument("--node-modules", required=True)
    # More than five minutes: the libraries reject a timestamp that is further from their own clock.
    parser.add_argument("--ahead-minutes", type=float, default=6)
    arguments = parser.parse_args()

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    hooks = f"http://127.0.0.1:{receiver.server_address[1]}"
    local = subprocess.Popen([arguments.patchbay, "local", "--port", "0", "--speed", str(SPEED)],
                             stdout=subprocess.PIPE, text=True)
    try:
        output = "".join(itertools.takewhile(lambda line: "phone" not in line, iter(local.stdout.readline, "")))
        threading.Thread(target=local.stdout.read, daemon=True).start()
        key = re.search(r"whsec_\S+", output)[0]
        api = Api(re.search(r"http://127\.0\.0\.1:\d+", output)[0], re.search(r"pb_[0-9a-f]{64}", output)[0])
        ahead = arguments.ahead_minutes * 60
        wait_for("the clock to be ahead", lambda: api.ahead_seconds() > ahead, ahead / (SPEED - 1))

        # A phone is called by one dispatch at a time, so each dispatch has its own phones.
        accepted = api.dispatch(f"{hooks}/accepts", CALLS, "OnStatus")
        retried = api.dispatch(f"{hooks}/fails-first", [5, 6])
        endless = api.dispatch(f"{hooks}/never-ends", [1, 2])
        check_order(api.webhooks(accepted, len(EVENTS)))
        check_resent(api, accepted)
        check_retried(api.webhooks(retried, 2))
        listed = api.webhooks(endless, 3, unsettled=("Pending",))
        end = api.clock() + RETRY_PERIOD
        wait_for("the end of the retry period", lambda: api.clock() > end)
        check_delivered_once(listed)

        posts = [post for posts in Receiver.got.values() for post in posts]
        verify(key, posts, arguments.node_modules)
        print(f"{len(posts)} webhooks, including retries and resent ones, at least {arguments.ahead_minutes:g} min ahead "
              "of real time: standardwebhooks and svix, in Python and Node, accept all of them, and no tampered one. Their "
              f"sequence numbers are in order, and the {len(listed)} with an endless response were delivered once")
    finally:
        local.kill()
        local.wait()


if __name__ == "__main__":
    sys.exit(main())
