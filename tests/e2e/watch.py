"""The way of a developer: `cargo lambda watch` and `cargo lambda invoke` with the events of tests/events."""

import json
import os
import socket
import subprocess
import time

from aws import CARGO, HOME, ROOT, end, free_port
from checks import check

TOKEN = "pb_" + "0123456789abcdef" * 4
TOOLS = HOME / "tools/bin"


def check_watch(aws, outputs, put_token):
    print("\n== cargo lambda watch and invoke", flush=True)
    put_token(aws, outputs, TOKEN, "dispatches:read")
    settings = {
        "PATCHBAY_TABLE": outputs["TableName"], "PATCHBAY_PUBLIC_URL": outputs["ApiUrl"],
        "PATCHBAY_CALLS_QUEUE_URL": outputs["CallsQueueUrl"],
        "PATCHBAY_NOTIFICATIONS_QUEUE_URL": outputs["NotificationsQueueUrl"],
        "PATCHBAY_ROUTEE_FROM": "12025550100",
        "PATCHBAY_REFERENCE_KEYS_PARAM": "/patchbay/reference-keys",
        "PATCHBAY_ROUTEE_CREDENTIALS_PARAM": "/patchbay/routee-credentials",
        # What cargo-lambda calls a function that is started by hand.
        "AWS_LAMBDA_FUNCTION_NAME": "_", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1",
    }
    preview = invoke(aws, settings, "dispatches", "dispatches-preview.json")
    check("dispatches previews a ticket", preview.get("statusCode") == 200 and "plan" in preview["body"], preview)
    dialled = invoke(aws, settings, "dialer", "dialer.json")
    check("dialer works its messages off", dialled == {"batchItemFailures": []}, dialled)


def invoke(aws, settings, name, event):
    """What `name` answers to an event, through the tools' own stand-in for Lambda."""
    port = free_port()
    environment = aws.environment | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    runtime = {"AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt"}
    where = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    processes = []
    try:
        processes.append(subprocess.Popen(
            ["cargo", "lambda", "watch", "--only-lambda-apis", *where], cwd=ROOT / "functions" / name, env=environment,
            **quiet))
        wait_for_port(port)
        processes.append(subprocess.Popen(
            [CARGO / "lambda" / name / "bootstrap"], env=environment | settings | runtime, **quiet))
        answer = subprocess.run(
            ["cargo", "lambda", "invoke", *where, "_", "--data-file", ROOT / "tests/events" / event], cwd=ROOT,
            env=environment, capture_output=True, text=True, timeout=60, check=False)
    finally:
        for process in processes:
            end(process)
    return json.loads(answer.stdout) if answer.returncode == 0 else {"failed": answer.stderr}


def wait_for_port(port):
    for _ in range(100):
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("cargo lambda watch does not listen")
