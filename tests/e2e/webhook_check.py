"""Webhooks of `patchbay local`, verified by the libraries that receivers use, also when its clock runs ahead of theirs:
first deliveries, those after a failure, and those that somebody asks for. Also that a receiver whose answer never ends
is told once, and that `data.sequence` puts in order what happened.

    webhook_check.py --patchbay target/debug/patchbay --node-modules DIR [--ahead-minutes 6]

Needs the PyPI packages `standardwebhooks` and `svix`, and the npm packages of the same names in DIR. Talks to the
loopback only, and ends by itself.
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

# Minutes of the server's clock pass in seconds. What its queue has handed out it hands out again after a minute of that
# clock: at 60 times real time a busy machine would not be done by then, and post it twice.
SPEED = 20
# After this long nothing comes any more, however slow the machine.
PATIENCE_SECONDS = 300
# Seconds of the server's clock for which a receiver that fails wants to be left alone: two of real time, so that what
# is signed anew bears another second.
RETRY_AFTER = 40
# Seconds of the server's clock in which two retries of what has failed come.
RETRIES_COME = 60
# What becomes of one call each to three phones, by the end of their numbers: one without habits, and two with.
CALLS = {7: "Queued Initiated Ringing NoAnswer", 3: "Queued Initiated Ringing InProgress Rejected",
         4: "Queued Initiated Ringing InProgress Accepted"}
STORY = [(f"Phone {phone}", status) for phone, call in CALLS.items() for status in call.split()]
NODE = """
const fs = require("fs");
const { key, posts } = JSON.parse(fs.readFileSync(0, "utf8"));
for (const name of ["standardwebhooks", "svix"]) {
  const { Webhook } = require(name);
  for (const { headers, body } of posts) {
    new Webhook(key).verify(body, headers);
    let refused = false;
    try { new Webhook(key).verify(body + " ", headers); } catch { refused = true; }
    if (!refused) throw new Error(name + " takes a body that was changed");
  }
}
"""

Post = collections.namedtuple("Post", "headers body")


class Receiver(http.server.BaseHTTPRequestHandler):
    """At /takes it takes everything, at /fails-first what comes again, and at /never-ends it comes to no end."""

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
        """Says less than it has announced, if cut off, and otherwise talks on until nobody listens."""
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

    def ask(self, path, body=None):
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as answer:
            return json.load(answer)

    def ahead_seconds(self):
        return self.clock() - time.mktime(time.gmtime())

    def clock(self):
        return time.mktime(time.strptime(self.ask("/simulated/clock")["now"][:19], "%Y-%m-%dT%H:%M:%S"))

    def dispatch(self, hook, phones, strategy="OnChange"):
        return self.ask("/v1/dispatches", {
            "ticket": {"text": "Pump four has stopped."}, "webhook": {"url": hook, "strategy": strategy},
            "employees": [{"name": f"Phone {phone}", "phone": f"+120255501{phone:02}"} for phone in phones],
            "policy": {"attempts": 1, "max_rounds": 1},
        })["id"]

    def webhooks(self, dispatch, many, unsettled=("Pending", "Retrying")):
        """How they stand, once there are so many and nothing more comes of any."""
        def look():
            listed = self.ask(f"/v1/dispatches/{dispatch}/webhooks")["webhooks"]
            return listed if len(listed) >= many and all(one["status"] not in unsettled for one in listed) else None
        return wait_for(f"{many} webhooks are settled", look)


def wait_for(what, look, at_least_seconds=0):
    end = time.monotonic() + at_least_seconds + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise SystemExit(f"{what}: it did not come to that")


def posts_of(path):
    """What was posted there, by its name."""
    posts = collections.defaultdict(list)
    for post in list(Receiver.got[path]):
        posts[post.headers["webhook-id"]].append(post)
    return posts


def check_order(listed):
    told = [json.loads(post.body)["data"] for post in Receiver.got["/takes"]]
    steps = sorted((data["sequence"], data["employee"]["name"], data["status"]) for data in told)
    # How far a call is goes untold once it is further: the machine decides which.
    untold = {one["sequence"] for one in listed if one["status"] == "Overtaken"}
    story = [(one["sequence"], *step) for one, step in zip(listed, STORY, strict=True)]
    assert steps == [step for step in story if step[0] not in untold], (steps, listed)
    assert len({one["sequence"] for one in listed}) == len(listed), listed


def check_resent(api, dispatch):
    """The dispatch is over and every call further, and still each says what it said."""
    names = list(posts_of("/takes"))
    for name in names:
        api.ask(f"/v1/dispatches/{dispatch}/webhooks/{name}/resend", {})
    for name in names:
        wait_for(f"{name} is sent again", lambda: len(posts_of("/takes")[name]) > 1)
        first, again = posts_of("/takes")[name]
        assert first.body == again.body, (first, again)


def check_retried(listed):
    posts = posts_of("/fails-first")
    assert sorted(posts) == sorted(one["id"] for one in listed), (posts, listed)
    for one in listed:
        assert (one["status"], one["posts"], one["answer"]) == ("Delivered", 2, "204 No Content"), one
        first, again = posts[one["id"]]
        assert first.body == again.body, (first, again)
        assert int(first.headers["webhook-timestamp"]) < int(again.headers["webhook-timestamp"]), (first, again)


def check_told_once(listed):
    """The status line says all, however the body goes on."""
    for one in listed:
        assert (one["status"], one["posts"], one["answer"]) == ("Delivered", 1, "200 OK"), one
    times = {name: len(posts) for name, posts in posts_of("/never-ends").items()}
    assert times == {one["id"]: 1 for one in listed}, times


def verify(key, posts, node_modules):
    for library in (standardwebhooks.Webhook, svix.webhooks.Webhook):
        for headers, body in posts:
            # Each has names of its own for the headers of the same standard.
            library(key).verify(body, headers)
            try:
                library(key).verify(body + " ", headers)
            except Exception as refused:  # noqa: BLE001 - every library has an exception of its own
                assert "signature" in str(refused).lower(), refused
            else:
                raise SystemExit(f"{library} takes a body that was changed")
    given = json.dumps({"key": key, "posts": [post._asdict() for post in posts]})
    subprocess.run(["node", "-e", NODE], input=given, text=True, check=True,
                   env=os.environ | {"NODE_PATH": node_modules})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patchbay", required=True)
    parser.add_argument("--node-modules", required=True)
    # Every library refuses what is more than five minutes away from its own clock.
    parser.add_argument("--ahead-minutes", type=float, default=6)
    arguments = parser.parse_args()

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    hooks = f"http://127.0.0.1:{receiver.server_address[1]}"
    local = subprocess.Popen([arguments.patchbay, "local", "--port", "0", "--speed", str(SPEED)],
                             stdout=subprocess.PIPE, text=True)
    try:
        told = "".join(itertools.takewhile(lambda line: "phone" not in line, iter(local.stdout.readline, "")))
        threading.Thread(target=local.stdout.read, daemon=True).start()
        key = re.search(r"whsec_\S+", told)[0]
        api = Api(re.search(r"http://127\.0\.0\.1:\d+", told)[0], re.search(r"pb_[0-9a-f]{64}", told)[0])
        ahead = arguments.ahead_minutes * 60
        wait_for("the clock is ahead", lambda: api.ahead_seconds() > ahead, ahead / (SPEED - 1))

        # Nobody is phoned by two at a time, so each has phones of its own.
        taken = api.dispatch(f"{hooks}/takes", CALLS, "OnStatus")
        retried = api.dispatch(f"{hooks}/fails-first", [5, 6])
        endless = api.dispatch(f"{hooks}/never-ends", [1, 2])
        check_order(api.webhooks(taken, len(STORY)))
        check_resent(api, taken)
        check_retried(api.webhooks(retried, 2))
        listed = api.webhooks(endless, 3, unsettled=("Pending",))
        end = api.clock() + RETRIES_COME
        wait_for("the time of retries is over", lambda: api.clock() > end)
        check_told_once(listed)

        posts = [post for posts in Receiver.got.values() for post in posts]
        verify(key, posts, arguments.node_modules)
        print(f"{len(posts)} webhooks, retried and resent ones too, {arguments.ahead_minutes:g} min and more ahead of "
              "real time: standardwebhooks and svix, in Python and Node, take them, and none that was changed. Their "
              f"numbers are in order, and {len(listed)} that were answered without an end came once")
    finally:
        local.kill()
        local.wait()


if __name__ == "__main__":
    sys.exit(main())
