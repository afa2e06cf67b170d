"""A developer's workflow: `cargo lambda watch`, and `cargo lambda invoke` with the events of tests/events."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import urllib.error
import urllib.request

from aws import CARGO, FUNCTIONS, HOME, ROOT, TIMEOUT, stop_process, free_port, wait_for
from checks import check, stage
from deployment import BODILESS, ROUTES

TOKEN = "pb_" + "0123456789abcdef" * 4
TOOLS = HOME / "tools/bin"
# The keys that the references and signatures in tests/events were made with.
SECRETS = {
    "reference-keys": "a key that is good enough for one machine",
    "twilio-auth-tokens": "made-up-auth-token-000001",
}
# Responses to events whose dispatch does not exist: a status for web functions, otherwise the whole response.
ANSWERS = {
    "collect-event.json": 200, "status-callback.json": 200, "dialer.json": {"batchItemFailures": []},
    "notifier.json": {"batchItemFailures": []}, "responder.json": {"batchItemFailures": []},
    "messenger.json": {"batchItemFailures": []}, "sentinel.json": {
        "well": True, "dispatches": {"stuck": 0, "sent_again": 0, "held": 0},
        "conversations": {"stuck": 0, "sent_again": 0, "held": 0},
        "interactions": {"stuck": 0, "sent_again": 0, "held": 0},
    },
}


def holds(answer, expected):
    return answer == expected if isinstance(expected, dict) else answer.get("statusCode") == expected


def invocations():
    """The lines of the README that invoke functions: (function, event, whole line)."""
    readme = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    pattern = r"^cargo lambda invoke ([a-z-]+) --data-file tests/events/([a-z-]+\.json)$"
    return [match.group(1, 2, 0) for match in re.finditer(pattern, readme, re.MULTILINE)]


class Watch:
    """`cargo lambda watch` for the whole workspace. Starts the functions itself, so that nothing is compiled."""

    def __init__(self, aws):
        self.port = free_port()
        self.environment = aws.environment | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
        self.where = ["--invoke-address", "127.0.0.1", "--invoke-port", str(self.port)]
        self.processes, self.log = [], HOME / "watch.log"
        self.log.unlink(missing_ok=True)

    def __enter__(self):
        try:
            self.spawn(["cargo", "lambda", "watch", "--only-lambda-apis", *self.where], self.environment)
            wait_for("cargo lambda watch", self.listens)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            stop_process(process)

    def spawn(self, command, environment):
        with open(self.log, "a", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log,
                                                   start_new_session=True))

    def listens(self):
        with contextlib.closing(socket.socket()) as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self, name, program, settings):
        """Starts a function as `watch` would after compiling it."""
        self.spawn([program], self.environment | settings | {
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.port}/.rt/{name}", "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1",
        })

    def invoke(self, line):
        """Runs a line of the README. Returns its output."""
        done = subprocess.run([*shlex.split(line), *self.where], cwd=ROOT, env=self.environment, capture_output=True,
                              text=True, timeout=TIMEOUT, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr}

    def request(self, method, path):
        """Body of the response to a request; none to HEAD."""
        url = f"http://127.0.0.1:{self.port}{path}"
        body = None if method in BODILESS else b"{}"
        request = urllib.request.Request(url, body, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return None if method == "HEAD" else json.load(response)
        except urllib.error.HTTPError as error:
            return {"failed": error.read().decode()}


def check_routes(aws):
    stage("cargo lambda watch routes every path to its function")
    with Watch(aws) as watch:
        for name in FUNCTIONS:
            watch.start(name, ROOT / "tests/e2e/stub", {"E2E_SEEN": str(HOME / "tmp")})
        for method, path, function in ROUTES:
            answer = watch.request(method, path)
            check(f"{method} {path}", answer == (None if method == "HEAD" else {"function": function}), answer)


def check_watch(aws, outputs, put_token):
    stage("cargo lambda watch, and every cargo lambda invoke of the README")
    lines = invocations()
    check("the README invokes every function", {name for name, *_ in lines} == set(FUNCTIONS), lines)
    put_token(aws, outputs, TOKEN, "dispatches:read", "context:read", "context:write", "links:read", "links:write",
              "bots:read", "bots:write", "calls:read", "calls:write")
    settings = {
        "PATCHBAY_TABLE": outputs["TableName"], "PATCHBAY_PUBLIC_URL": "https://hooks.example.org",
        "PATCHBAY_DIALING_QUEUE_URL": outputs["DialingQueueUrl"],
        "PATCHBAY_NOTIFICATIONS_QUEUE_URL": outputs["NotificationsQueueUrl"],
        "PATCHBAY_DIALING_DEAD_LETTERS_URL": outputs["DialingDeadLettersUrl"],
        "PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL": outputs["NotificationsDeadLettersUrl"],
        "PATCHBAY_PROVIDERS": "routee,twilio", "PATCHBAY_TWILIO_FROM": "+12025550100",
        "PATCHBAY_TWILIO_CREDENTIALS_PARAM": "/patchbay/twilio-credentials",
        "PATCHBAY_ROUTEE_FROM": "12025550100", "PATCHBAY_LINK_SECRETS_PARAM": "/patchbay/link-secrets",
        "PATCHBAY_ROUTEE_CREDENTIALS_PARAM": "/patchbay/routee-credentials",
        "PATCHBAY_WEBHOOK_KEYS_PARAM": "/patchbay/webhook-keys",
        "PATCHBAY_CONVERSATIONS_QUEUE_URL": outputs["ConversationsQueueUrl"],
        "PATCHBAY_CONVERSATIONS_DEAD_LETTERS_URL": outputs["ConversationsDeadLettersUrl"],
        "PATCHBAY_INTERACTIONS_QUEUE_URL": outputs["InteractionsQueueUrl"],
        "PATCHBAY_INTERACTIONS_DEAD_LETTERS_URL": outputs["InteractionsDeadLettersUrl"],
        "PATCHBAY_CHAT_PLATFORM": "sangoma", "PATCHBAY_SANGOMA_TENANT_DOMAIN": "acme.cx.sangoma.com",
        "PATCHBAY_SANGOMA_CREDENTIALS_PARAM": "/patchbay/sangoma-credentials",
    }
    for name, value in SECRETS.items():
        aws.client("ssm").put_parameter(Name=f"/patchbay/events/{name}", Value=value, Type="SecureString", Overwrite=True)
        settings[f"PATCHBAY_{name.upper().replace('-', '_')}_PARAM"] = f"/patchbay/events/{name}"
    with Watch(aws) as watch:
        for name in FUNCTIONS:
            watch.start(name, CARGO / "lambda" / name / "bootstrap", settings)
        for name, event, line in lines:
            answer = watch.invoke(line)
            check(line, holds(answer, ANSWERS.get(event, 200)), answer)
