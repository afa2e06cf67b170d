"""The main job (a ticket, calls, an acceptance), over HTTP and in real time."""

import hashlib
import itertools
import json
import secrets
import time

from aws import wait_for
from checks import Api, check, stage
from provider import PRESSES_1, PRESSES_2, RINGS_OUT


def put_token(aws, outputs, token, *scopes):
    """Stores a token as `patchbay token` does: only its hash."""
    record = {"tenant": "example", "scopes": scopes, "expires_at": None,
              "revoked": False}
    aws.client("dynamodb").put_item(TableName=outputs["TableName"], Item={
        "pk": {"S": "TOKEN#" + hashlib.sha256(token.encode()).hexdigest()}, "sk": {"S": "T"},
        "doc": {"S": json.dumps(record)},
    })


def ticket(reference, requester, *employees, **policy):
    return {
        "ticket": {"reference": reference, "text": "Cold store 3 reports minus 9 degrees and rising."},
        "employees": [{"id": name.lower(), "name": name, "phone": phone} for name, phone in employees],
        "policy": {"attempts": 1, "retry_delay": 5, "ring_timeout": 5, "max_rounds": 1, "round_pause": 0} | policy,
        "webhook": {"url": f"{requester.origin}/hook"},
    }


def check_main_job(aws, outputs, routee, requester):
    anna, ben, cleo = ("Anna", "+12025550101"), ("Ben", "+12025550102"), ("Cleo", "+12025550103")
    routee.phones |= {anna[1]: RINGS_OUT, ben[1]: PRESSES_2, cleo[1]: PRESSES_1}
    token = "pb_" + secrets.token_hex(32)
    put_token(aws, outputs, token, "dispatches:read", "dispatches:write")
    api = Api(aws, outputs["ApiUrl"], token)

    stage("Unauthorized requests are rejected")
    stranger = Api(aws, outputs["ApiUrl"], "pb_" + "0" * 64)
    check("a ticket with an unknown token", stranger("POST", "/v1/dispatches", ticket("X", requester, anna))[0] == 401)
    for provider, kind in itertools.product(("routee", "twilio"), ("collect", "status")):
        status, answer = stranger("POST", f"/{provider}/{kind}/example.dsp_{1:032x}.000001-00-{1:016x}.{'0' * 32}", {})
        check(f"a {kind} callback of {provider} with a forged reference", 400 <= status < 500, (status, answer))

    stage("A ticket: Anna does not pick up, Ben rejects, Cleo accepts")
    status, preview = api("POST", "/v1/dispatches/preview", ticket("INC-1", requester, anna, ben, cleo))
    check("the preview places no call", status == 200 and not routee.orders, preview)
    status, created = api("POST", "/v1/dispatches", ticket("INC-1", requester, anna, ben, cleo), **{"idempotency-key": "INC-1"})
    check("the ticket is created", status == 201, (status, created))
    status, again = api("POST", "/v1/dispatches", ticket("INC-1", requester, anna, ben, cleo), **{"idempotency-key": "INC-1"})
    check("a repeated request creates no second one", status == 200 and again["id"] == created["id"], (status, again))
    path = f"/v1/dispatches/{created['id']}"
    final = wait_for("an acceptance by Cleo", lambda: (seen := api("GET", path)[1])["status"] == "Accepted" and seen)
    check("Cleo has accepted it", final["accepted"]["employee"]["id"] == "cleo", final)
    check("three calls, in order", [order["to"]["phone"] for order in routee.orders] ==
          [anna[1], ben[1], cleo[1]], routee.orders)
    wait_for("the end of both calls with keys", lambda: 2 == sum(
        event.get("collectedTones") == "" for _, event, *_ in routee.answers))
    # Routee waits 2 s for the response to a status and 3 s for that to a key. The times are printed and not checked,
    # because they depend on the load of this machine.
    slowest = {kind: max(took for url, *_, took in routee.answers if f"/{kind}/" in url) for kind in ("status", "collect")}
    check(f"every key callback got 200, after {slowest['collect']:.2f} s at most", all(
        status == 200 for url, _, status, *_ in routee.answers if "/collect/" in url), routee.answers)
    wait_for("every status callback to get 200, at once or when it is retried", lambda: not (
        {(url, str(event)) for url, event, *_ in routee.answers}
        - {(url, str(event)) for url, event, status, *_ in routee.answers if status == 200}))
    check(f"every status callback got 200, after {slowest['status']:.2f} s at most", True)
    check("every key callback got a dial plan", all(
        answer.get("verbs") for url, _, _, answer, _ in routee.answers if "/collect/" in url), routee.answers)
    check("later events did not undo the acceptance", api("GET", path)[1]["status"] == "Accepted")
    status, listed = api("GET", "/v1/dispatches?limit=20")
    check("the list contains it", [line["id"] for line in listed["dispatches"]] == [created["id"]], listed)
    status, resolved = api("POST", f"{path}/resolve")
    check("it is resolved", (status, resolved["status"]) == (200, "Resolved"), resolved)

    stage("A ticket that is cancelled")
    status, second = api("POST", "/v1/dispatches", ticket(
        "INC-2", requester, anna, attempts=2, retry_delay=600))
    check("the ticket is created", status == 201, second)
    status, cancelled = api("POST", f"/v1/dispatches/{second['id']}/cancel")
    check("it is cancelled", (status, cancelled["status"]) == (200, "Cancelled"), cancelled)

    stage("The requester received signed webhooks")
    webhooks = wait_for("four webhooks", lambda: (
        len(found := requester.webhooks_of(created["id"])) == 4 and found))
    check("no answer, rejected, accepted and resolved, each with its employee", [
        (one["data"]["status"], one["data"].get("employee", {}).get("id")) for one in webhooks] == [
        ("NoAnswer", "anna"), ("Rejected", "ben"), ("Accepted", "cleo"), ("Resolved", None)], webhooks)
    wait_for("the webhook of the other ticket", lambda: requester.webhooks_of(second["id"]))
    check("every webhook is signed, and duplicates have the same body", not requester.wrong, requester.wrong)

    stage("The queues are empty")
    check_queues_empty(aws, outputs)
    return api


def check_queues_empty(aws, outputs):
    sqs = aws.client("sqs")

    def count(output, *names):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[name]) for name in names)

    time.sleep(2)
    for queue in ("Dialing", "Notifications", "Conversations", "Interactions"):
        check(f"{queue}: no dead letters", count(f"{queue}DeadLettersUrl", "ApproximateNumberOfMessages") == 0)
        wait_for(f"an empty {queue} queue", lambda q=queue: count(
            f"{q}QueueUrl", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible") == 0)
        check(f"{queue}: nothing is due", True)
