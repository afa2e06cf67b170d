"""Runs `patchbay doctor --smoke`, as operators do after a deployment."""

import json
import subprocess
import urllib.parse

from aws import CARGO, TIMEOUT, ROOT, STACK
from checks import check, stage


def check_smoke(aws, outputs):
    stage("patchbay doctor --smoke")
    aws.run("cargo", "build", "--workspace", "--bin", "patchbay")
    api = urllib.parse.urlsplit(outputs["ApiUrl"]).netloc.partition(".")[0]
    # Names below localhost do not resolve; MiniStack serves the same API at this URL too.
    url = f"{aws.endpoint}/_aws/execute-api/{api}/$default"
    before = keys(aws, outputs)
    command = [CARGO / "debug/patchbay", "doctor", "--smoke", "--stack", STACK, "--endpoint-url", aws.endpoint,
               "--public-url", url, "--output", "json"]
    run = subprocess.run(command, cwd=ROOT, env=aws.environment, capture_output=True, text=True, timeout=TIMEOUT,
                         check=False)
    findings = {finding["check"]: finding for finding in json.loads(run.stdout or '{"checks":[]}')["checks"]}
    for name in ("latency", "odd", "context", "preview", "forged", "webhook", "traces", "logs"):
        finding = findings.get(f"smoke.{name}", {})
        check(f"{name}: {finding.get('message')}", finding.get("level") == "ok", finding or (run.stdout, run.stderr))
    left = keys(aws, outputs) - before
    check("it leaves nothing in the table", not left, sorted(left))


def keys(aws, outputs):
    """The partition keys of all items in the table."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=outputs["TableName"])
    return {item["pk"]["S"] for page in pages for item in page["Items"]}
