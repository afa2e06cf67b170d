"""Measures the cost of a cold start: the work of every function from its start to its first response.

Each function runs against an emulator of Lambda's Runtime API and of the AWS services, on the loopback and without TLS.
The limits apply to counts that do not depend on the load of this machine: instructions (by valgrind's callgrind), page
faults, memory, and the relocations of the file. CPU time is printed too, but has no limit.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import struct
import subprocess
import threading
import time

from accepted import Accepted
from aws import CARGO, FUNCTIONS, HOME, TIMEOUT, ROOT, architecture, wait_for
from checks import check, report, stage

RUNS = 15
# Allowed growth. Callgrind counts the same number for the start in every run, and varies by 0.4 % for the first
# invocation, even on a busy machine. The rest allows for other versions of the C library and of valgrind.
INSTRUCTIONS = 1.03
# Exact: relocations are read from the file.
RELOCATIONS = 1.03
# The minimum of all runs varies by a page or two of several hundred, memory by 1 %, even on a busy machine. The rest
# allows for other kernels, which map more or fewer pages at a time.
PAGES = 1.10
EMPTY = "empty-function"
# The event of the first invocation. The default is the first event file of the function by name.
EVENTS = {
    EMPTY: "dispatches-get.json", "dispatches": "dispatches-get.json", "transfer": "transfer.json", "bot": "bot-webhook.json",
}
TOKEN = {"tenant": "example", "scopes": ["dispatches:read", "calls:read"], "expires_at": None, "revoked": False}
SECRETS = {
    "reference-keys": "a key that is good enough for one machine",
    "webhook-keys": "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=",
    "routee-credentials": "application:secret",
    "twilio-auth-tokens": "made-up-auth-token-000001",
    "twilio-credentials": "AC00000000000000000000000000000001:SK00000000000000000000000000000001:secret",
    "sangoma-credentials": "client:secret",
    "elemente-credentials": "user:secret",
}


class Emulator:
    """Lambda's Runtime API for one run of a function, and the AWS services that it calls."""

    def __init__(self, event, invocations):
        # The function gets the event `invocations` times. When it asks for another one, the run is over.
        self.event, self.invocations = event, invocations
        self.marks, self.requests, self.answers = [], [], []
        self.started, self.done, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __enter__(self):
        emulator = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Buffered, so that a response is sent in one piece: the number of reads must not depend on timing.
            wbufsize = -1

            def do_GET(self):
                # The function may ask before its process id is known here.
                emulator.started.wait()
                emulator.marks.append(emulator.mark())
                if len(emulator.marks) > emulator.invocations:
                    emulator.done.set()
                    emulator.ended.wait()
                    return
                self.reply(emulator.event, {
                    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                    "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 600_000),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:cold",
                })

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                target = self.headers.get("x-amz-target")
                if target:
                    emulator.requests.append(target)
                    self.reply(json.dumps(aws_response(target.split(".")[-1], json.loads(body))).encode(), {})
                else:
                    emulator.answers.append((self.path.rpartition("/")[2], body))
                    self.reply(b"", {})

            def reply(self, body, headers):
                self.send_response(200)
                for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))}
                                    | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def mark(self):
        """CPU time of the function so far in milliseconds, of all its threads, and its page faults."""
        # Id of the CPU clock of another process (clock_getcpuclockid(3)).
        return time.clock_gettime(((~self.process.pid) << 3) | 2) * 1000, int(self.stat()[7])

    def stat(self):
        """Fields of /proc/PID/stat, from the third one (the state) on; see proc(5)."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        return text.rpartition(")")[2].split()

    def memory(self):
        """Resident memory of the function in KiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0])

    def run(self, name, tool=()):
        """Runs the function until its invocations are done. Returns its output, and that of the tool."""
        queue = f"http://{self.address}/000000000000"
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.address, "AWS_ENDPOINT_URL": f"http://{self.address}",
            "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "PATCHBAY_TABLE": "cold", "PATCHBAY_PUBLIC_URL": "https://hooks.example.org",
            "PATCHBAY_DIALING_QUEUE_URL": f"{queue}/dialing", "PATCHBAY_NOTIFICATIONS_QUEUE_URL": f"{queue}/notifications",
            "PATCHBAY_DIALING_DEAD_LETTERS_URL": f"{queue}/dialing-dead-letters",
            "PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL": f"{queue}/notifications-dead-letters",
            # Both providers: the largest configuration.
            "PATCHBAY_PROVIDERS": "routee,twilio", "PATCHBAY_TWILIO_FROM": "+12025550100",
            "PATCHBAY_ROUTEE_FROM": "12025550100", "PATCHBAY_LINK_SECRETS_PARAM": "/patchbay/link-secrets",
            "PATCHBAY_CONVERSATIONS_QUEUE_URL": f"{queue}/conversations",
            "PATCHBAY_CONVERSATIONS_DEAD_LETTERS_URL": f"{queue}/conversations-dead-letters",
            "PATCHBAY_INTERACTIONS_QUEUE_URL": f"{queue}/interactions",
            "PATCHBAY_INTERACTIONS_DEAD_LETTERS_URL": f"{queue}/interactions-dead-letters",
            "PATCHBAY_SES_CONFIGURATION_SET": "patchbay",
            "PATCHBAY_CHAT_PLATFORM": "sangoma", "PATCHBAY_SANGOMA_TENANT_DOMAIN": "acme.cx.sangoma.com",
        } | {f"PATCHBAY_{name.upper().replace('-', '_')}_PARAM": f"/patchbay/{name}" for name in SECRETS}
        self.process = subprocess.Popen([*tool, CARGO / "lambda" / name / "bootstrap"], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.started.set()
        try:
            finished = self.done.wait(TIMEOUT)
            if finished:
                # The request for the next event has arrived, but the process may still be busy.
                wait_for(f"{name} to wait", lambda: self.stat()[0] == "S")
                self.rss = self.memory()
                self.process.send_signal(signal.SIGTERM)
        finally:
            if not finished:
                self.process.kill()
            output = self.process.stdout.read().decode(errors="replace")
            self.process.wait()
        if not finished or any(kind != "response" for kind, _ in self.answers):
            raise SystemExit(f"{name} did not respond: {output[-2000:]}")
        return output


def aws_response(operation, request):
    """Response of an AWS service: the secrets and a token exist, the table is otherwise empty."""
    if operation == "GetParameters":
        return {"Parameters": [{"Name": name, "Type": "SecureString", "Value": SECRETS[name.rpartition("/")[2]]}
                               for name in request["Names"]]}
    if operation == "GetItem" and request["Key"]["pk"]["S"].startswith("TOKEN#"):
        return {"Item": request["Key"] | {"doc": {"S": json.dumps(TOKEN)}}}
    if operation == "Query":
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    return {}


def first_event(name):
    events = ROOT / "tests/events"
    path = events / EVENTS[name] if name in EVENTS else min(events.glob(f"{name}*.json"))
    event = json.loads(path.read_text(encoding="utf-8"))
    if records := event.get("Records"):
        # One message: the usual batch.
        del records[1:]
    return json.dumps(event).encode()


def measure_live(name):
    """Minimum CPU milliseconds of the start and of the first invocation, minimum page faults until the first response,
    median KiB after it; and the requests of the function to AWS."""
    starts, firsts, faults, memory = [], [], [], []
    for _ in range(RUNS):
        with Emulator(first_event(name), 1) as emulator:
            emulator.run(name)
        (start, _), (end, pages) = emulator.marks
        for figures, figure in ((starts, start), (firsts, end - start), (faults, pages), (memory, emulator.rss)):
            figures.append(figure)
    return min(starts), min(firsts), min(faults), statistics.median_low(memory), emulator.requests


def count_instructions(name, invocations, requests):
    """Instructions counted by callgrind until the function has handled `invocations` events and asks for the next."""
    # Valgrind slows the function down fifty times. As root the run gets the highest priority, for busy machines.
    priority = [shutil.which("nice"), "-n", "-20"] if os.geteuid() == 0 else []
    tool = [*priority, shutil.which("valgrind"), "--tool=callgrind", f"--callgrind-out-file={HOME / 'callgrind.out'}"]
    for _ in range(10):
        with Emulator(first_event(name), invocations) as emulator:
            output = emulator.run(name, tool)
        # A function that exceeded its own time limits has retried or given up: such a run does not count.
        if emulator.requests == requests:
            return int(re.search(r"Collected : (\d+)", output)[1])
    raise SystemExit(f"{name} made other requests under valgrind: {emulator.requests} instead of {requests}")


def count_relocations(path):
    """Relocations that the loader has to apply before the file runs: entries of its DT_RELA, DT_JMPREL and DT_RELR."""
    file = path.read_bytes()
    start, size, count = struct.unpack_from("<Q", file, 32)[0], *struct.unpack_from("<HH", file, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", file, start + size * number) for number in range(count)]
    dynamic = {}
    for kind, _, offset, _, _, length, _, _ in segments:
        if kind == 2:  # PT_DYNAMIC
            dynamic |= dict(struct.iter_unpack("<QQ", file[offset:offset + length]))
    total = (dynamic.get(8, 0) + dynamic.get(2, 0)) // 24  # DT_RELASZ, DT_PLTRELSZ
    if packed := dynamic.get(36):  # DT_RELR: an address, then bitmaps of the words behind it
        offset = next(packed - address + offset for kind, _, offset, address, _, length, _, _ in segments
                      if kind == 1 and address <= packed < address + length)  # PT_LOAD
        for (entry,) in struct.iter_unpack("<Q", file[offset:offset + dynamic[35]]):  # DT_RELRSZ
            total += entry.bit_count() - 1 if entry & 1 else 1
    return total


def check_cold_starts():
    stage(f"Cold starts: counts, and the minimum CPU time of {RUNS} runs")
    check("valgrind is installed (apt-get install valgrind)", shutil.which("valgrind"))
    tables = [Accepted("counts.json", architecture(), what, slack=slack) for what, slack in (
        ("instructions of the start", INSTRUCTIONS), ("instructions of the first invocation", INSTRUCTIONS),
        ("relocations", RELOCATIONS), ("page faults", PAGES), ("KiB of memory", PAGES))]
    print(f"        {'thousand instructions:':16} start, first invocation; relocations; page faults; KiB; CPU ms", flush=True)
    for name in [EMPTY, *FUNCTIONS]:
        start_ms, first_ms, faults, memory, requests = measure_live(name)
        start = count_instructions(name, 0, [])
        figures = [start, count_instructions(name, 1, requests) - start,
                   count_relocations(CARGO / "lambda" / name / "bootstrap"), faults, memory]
        holds = all([table.measure(name, figure) for table, figure in zip(tables, figures)])
        report(f"{name:16} {figures[0] / 1e3:7,.0f} {figures[1] / 1e3:7,.0f} {figures[2]:8,} {faults:6,} {memory:7,} "
             f"  {start_ms:5.2f} {first_ms:5.2f}", holds)
    for table in tables:
        table.finish()


if __name__ == "__main__":
    check_cold_starts()
