"""Webhooks of `patchbay local`, verified by the libraries that receivers use, also when its clock runs ahead of theirs.

    webhook_check.py --patchbay target/debug/patchbay --node-modules DIR [--ahead-minutes 10]

Needs the PyPI packages `standardwebhooks` and `svix`, and the npm packages of the same names in DIR. Talks to the loopback
only, and ends by itself.
"""

import argparse
import http.server
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

# Minutes of the server's clock pass in seconds.
SPEED = 60
# After this long nothing comes any more, however slow the machine.
PATIENCE_SECONDS = 300
NODE = """
const fs = require("fs");
const { key, body, headers } = JSON.parse(fs.readFileSync(0, "utf8"));
for (const name of ["standardwebhooks", "svix"]) {
  const { Webhook } = require(name);
  new Webhook(key).verify(body, headers);
  let refused = false;
  try { new Webhook(key).verify(body + " ", headers); } catch { refused = true; }
  if (!refused) throw new Error(name + " takes a body that was changed");
}
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def wait_for(what, look, at_least_seconds=0):
    end = time.monotonic() + at_least_seconds + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise SystemExit(f"{what}: it did not come to that")


def ask(url, body=None, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def ahead_seconds(api):
    now = ask(f"{api}/simulated/clock")["now"]
    return time.mktime(time.strptime(now[:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())


def verify(key, headers, body, node_modules):
    for library in (standardwebhooks.Webhook, svix.webhooks.Webhook):
        # Each has names of its own for the headers of the same standard.
        library(key).verify(body, headers)
        try:
            library(key).verify(body + " ", headers)
        except Exception as refused:  # noqa: BLE001 - every library has an exception of its own
            assert "signature" in str(refused).lower(), refused
        else:
            raise SystemExit(f"{library} takes a body that was changed")
    given = json.dumps({"key": key, "body": body, "headers": {k.lower(): v for k, v in headers.items()}})
    subprocess.run(["node", "-e", NODE], input=given, text=True, check=True,
                   env=os.environ | {"NODE_PATH": node_modules})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patchbay", required=True)
    parser.add_argument("--node-modules", required=True)
    # Every library refuses what is more than five minutes away from its own clock.
    parser.add_argument("--ahead-minutes", type=float, default=10)
    arguments = parser.parse_args()

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    local = subprocess.Popen([arguments.patchbay, "local", "--port", "0", "--speed", str(SPEED)],
                             stdout=subprocess.PIPE, text=True)
    try:
        told = []
        while "phone" not in (line := local.stdout.readline()):
            told.append(line)
        threading.Thread(target=local.stdout.read, daemon=True).start()
        told = "".join(told)
        api = re.search(r"http://127\.0\.0\.1:\d+", told)[0]
        token, key = re.search(r"pb_[0-9a-f]{64}", told)[0], re.search(r"whsec_\S+", told)[0]
        ahead = arguments.ahead_minutes * 60
        wait_for("the clock is ahead", lambda: ahead_seconds(api) > ahead, ahead / (SPEED - 1))
        ask(f"{api}/v1/dispatches", {
            "ticket": {"text": "Pump four has stopped."}, "webhook": {"url": hook},
            "employees": [{"name": "Carla", "phone": "+12025550103"}, {"name": "Dimitri", "phone": "+12025550104"}],
        }, token)
        wait_for("the webhooks", lambda: len(Receiver.got) >= 2)
        ahead = ahead_seconds(api) / 60
        for headers, body in Receiver.got:
            verify(key, headers, body, arguments.node_modules)
        print(f"{len(Receiver.got)} webhooks, sent {ahead:.0f} min ahead of real time: standardwebhooks and svix, in Python "
              "and Node, take them, and none that was changed")
    finally:
        local.kill()
        local.wait()


if __name__ == "__main__":
    sys.exit(main())
