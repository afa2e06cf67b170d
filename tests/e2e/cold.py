"""What a cold start costs: CPU time and memory of every function, from its start to its first answer.

Each is run against a stand-in for Lambda's Runtime API and for the services, on the loopback and without TLS. CPU time,
not wall time: it is what Lambda's fraction of a CPU stretches, and it does not depend on what else this machine does.
"""

import http.server
import json

import pathlib
import statistics
import subprocess
import threading
import time

from aws import CARGO, FUNCTIONS, ROOT
from checks import check

RUNS = 15
# Each for itself. In a start nothing is asked, and no client is made that may not be needed: its time is what loading and
# wiring take. The first invocation makes the first request to SSM, where there are secrets, and the first one to the
# table, and the clients for them.
START_MS, FIRST_MS, RSS_MB = 2.0, 2.5, 10.0
# What the start of an empty function takes on the machine for which these limits hold. On a slower one they are longer by
# as much as an empty function is slower: a limit is there for what we do, not for what else the machine does.
REFERENCE_MS = 1.1
EMPTY = "empty-function"
# The first event of each; where nothing is said, the first of its events by name.
EVENTS = {EMPTY: "dispatches-get.json", "dispatches": "dispatches-get.json", "transfer": "transfer.json"}
TOKEN = {"tenant": "example", "scopes": ["dispatches:read"], "expires_at": None, "revoked": False}
SECRETS = {
    "reference-keys": "a key that is good enough for one machine",
    "webhook-keys": "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=",
    "routee-credentials": "application:secret",
    "twilio-auth-tokens": "made-up-auth-token-000001",
}


class StandIn:
    """Lambda's Runtime API for one function, and the services that it asks."""

    def __init__(self, event):
        self.event, self.marks = event, []
        self.started, self.done = threading.Event(), threading.Event()

    def __enter__(self):
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                # It may be faster than we learn its id.
                stand_in.started.wait()
                stand_in.marks.append(stand_in.cpu())
                if len(stand_in.marks) > 1:
                    stand_in.rss = stand_in.memory()
                    stand_in.done.set()
                    time.sleep(5)
                    return
                self.reply(stand_in.event, {
                    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 10_000),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:cold",
                })

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                target = self.headers.get("x-amz-target")
                if target:
                    self.reply(json.dumps(answer(target.split(".")[-1], json.loads(body))).encode(), {})
                else:
                    stand_in.answered = self.path.rpartition("/")[2], body
                    self.reply(b"", {})

            def reply(self, body, headers):
                self.send_response(200)
                for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))}
                                    | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def cpu(self):
        """Milliseconds of CPU time of the function so far, in all its threads."""
        # The kernel's name for the CPU clock of another process (clock_getcpuclockid(3)).
        return time.clock_gettime(((~self.process.pid) << 3) | 2) * 1000

    def memory(self):
        """Megabytes of memory that the function has in use."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def run(self, name):
        queue = f"http://{self.address}/000000000000"
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.address, "AWS_ENDPOINT_URL": f"http://{self.address}",
            "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "PATCHBAY_TABLE": "cold", "PATCHBAY_PUBLIC_URL": "https://hooks.example.org",
            "PATCHBAY_CALLS_QUEUE_URL": f"{queue}/calls", "PATCHBAY_NOTIFICATIONS_QUEUE_URL": f"{queue}/notifications",
            "PATCHBAY_ROUTEE_FROM": "12025550100", "PATCHBAY_LINK_SECRETS_PARAM": "/patchbay/link-secrets",
        } | {f"PATCHBAY_{name.upper().replace('-', '_')}_PARAM": f"/patchbay/{name}" for name in SECRETS}
        self.process = subprocess.Popen([CARGO / "lambda" / name / "bootstrap"], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.started.set()
        try:
            finished = self.done.wait(10)
        finally:
            self.process.kill()
            output = self.process.stdout.read().decode(errors="replace")
            self.process.wait()
        if not finished or self.answered[0] != "response":
            raise SystemExit(f"{name} did not answer: {output[-2000:]}")
        return self.marks[0], self.marks[1] - self.marks[0], self.rss


def answer(operation, request):
    """What a service says to a function: there are secrets and a token, and otherwise nothing."""
    if operation == "GetParameters":
        return {"Parameters": [{"Name": name, "Type": "SecureString", "Value": SECRETS[name.rpartition("/")[2]]}
                               for name in request["Names"]]}
    if operation == "GetItem" and request["Key"]["pk"]["S"].startswith("TOKEN#"):
        return {"Item": request["Key"] | {"doc": {"S": json.dumps(TOKEN)}}}
    if operation == "Query":
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    return {}


def measure(name):
    """Least CPU milliseconds of the start and of the first invocation, and the median megabytes after it."""
    events = ROOT / "tests/events"
    path = events / EVENTS[name] if name in EVENTS else min(events.glob(f"{name}*.json"))
    event = json.loads(path.read_text(encoding="utf-8"))
    if records := event.get("Records"):
        # One message, as the queues deliver them on most days.
        del records[1:]
    event = json.dumps(event).encode()
    runs = []
    for _ in range(RUNS):
        with StandIn(event) as stand_in:
            runs.append(stand_in.run(name))
    starts, invocations, memory = zip(*runs)
    return min(starts), min(invocations), statistics.median(memory)


def check_cold_starts():
    print(f"\n== Cold starts: the least CPU time of {RUNS}", flush=True)
    empty = measure(EMPTY)
    tell(EMPTY, empty, True)
    slower = max(1.0, empty[0] / REFERENCE_MS)
    print(f"   at most {START_MS * slower:.2f} ms, {FIRST_MS * slower:.2f} ms and {RSS_MB:.0f} MB here", flush=True)
    for name in FUNCTIONS:
        start, invocation, memory = figures = measure(name)
        tell(name, figures, start <= START_MS * slower and invocation <= FIRST_MS * slower and memory <= RSS_MB)


def tell(name, figures, holds):
    start, invocation, memory = figures
    check(f"{name:16} start {start:5.2f} ms, first invocation {invocation:5.2f} ms, {memory:4.1f} MB", holds)


if __name__ == "__main__":
    check_cold_starts()
