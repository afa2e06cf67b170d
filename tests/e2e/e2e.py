"""Deploys patchbay to a stand-in for AWS and checks that it works there. See `run`."""

import argparse
import base64
import hashlib
import json
import secrets
import signal
import sys
import time
import urllib.parse

from agents import hand_over
from aws import FUNCTIONS, HOME, REGION, STACK, Aws, wait_for
from routee import PRESSES_1, PRESSES_2, RINGS_OUT, Routee

CREDENTIALS = "e2e-application:e2e-secret"
# The first build of the functions included.
LIMIT_SECONDS = 45 * 60
# One path for every route of the API, and the function that has to get it.
ROUTES = [
    ("POST", "/v1/dispatches", "dispatches"),
    ("GET", "/v1/dispatches?limit=20", "dispatches"),
    ("GET", "/v1/dispatches/dsp_00000000000000000000000000000001", "dispatches"),
    ("POST", "/v1/dispatches/dsp_00000000000000000000000000000001/cancel", "dispatches"),
    ("POST", "/v1/dispatches/dsp_00000000000000000000000000000001/resolve", "dispatches"),
    ("POST", "/v1/dispatches/preview", "dispatches"),
    ("POST", "/routee/collect/a.b.c.d", "collect-event"),
    ("POST", "/routee/status/a.b.c.d", "status-callback"),
    ("POST", "/voice/api/v1/twilio/set-context?api_token=x", "set-context"),
    ("DELETE", "/v1/contexts/+12025550143", "set-context"),
    ("POST", "/voice/api/v1/vapi/get-context?api_token=x", "get-context"),
    ("GET", "/v1/contexts/+12025550143", "get-context"),
]
# What each function may do, and to what. Everything else in ACTIONS it may not.
RIGHTS = {
    "dispatches": {"table": "GetItem PutItem UpdateItem Query", "index": "Query", "calls": "SendMessage"},
    "collect-event": {"table": "GetItem PutItem UpdateItem", "calls": "SendMessage", "reference-keys": "GetParameters"},
    "status-callback": {"table": "GetItem PutItem UpdateItem", "calls": "SendMessage",
                        "reference-keys": "GetParameters"},
    "dialer": {"table": "GetItem PutItem UpdateItem Query", "notifications": "SendMessage",
               "calls": "SendMessage ReceiveMessage DeleteMessage GetQueueAttributes",
               "reference-keys": "GetParameters", "routee-credentials": "GetParameters"},
    "notifier": {"table": "GetItem", "webhook-keys": "GetParameters",
                 "notifications": "SendMessage ReceiveMessage DeleteMessage GetQueueAttributes"},
    "set-context": {"table": "GetItem PutItem UpdateItem DeleteItem"},
    "get-context": {"table": "GetItem", "index": "Query"},
}
ACTIONS = {
    "dynamodb": "GetItem PutItem UpdateItem DeleteItem Query Scan BatchWriteItem DeleteTable",
    "sqs": "SendMessage ReceiveMessage DeleteMessage GetQueueAttributes PurgeQueue",
    "ssm": "GetParameters PutParameter",
}


class Api:
    """The deployed API, as the world sees it."""

    def __init__(self, aws, url, token=None):
        self.aws, self.host, self.token = aws, urllib.parse.urlsplit(url).netloc, token

    def __call__(self, method, path, body=None, **headers):
        authorization = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return self.aws.request(method, path, None if body is None else json.dumps(body),
                                {"content-type": "application/json", **authorization, **headers}, self.host)


def check(what, holds, seen=None):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        raise SystemExit(f"seen: {json.dumps(seen, indent=2, default=str)}" if seen is not None else 1)


def put_secrets(aws):
    values = {
        "/patchbay/reference-keys": secrets.token_hex(32),
        "/patchbay/routee-credentials": CREDENTIALS,
        "/patchbay/webhook-keys": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    for name, value in values.items():
        aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def check_resources(aws, outputs):
    print("\n== What was deployed")
    table = aws.client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    index = table["GlobalSecondaryIndexes"][0]
    check("the table has its index", (index["IndexName"], index["Projection"]["ProjectionType"]) ==
          ("by_day", "INCLUDE"), table)
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=outputs["TableName"])["TimeToLiveDescription"]
    check("the table forgets what has expired", ttl.get("AttributeName") == "expires", ttl)
    sqs, functions = aws.client("sqs"), aws.client("lambda")
    for queue, consumer in (("Calls", "dialer"), ("Notifications", "notifier")):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[f"{queue}QueueUrl"], AttributeNames=["All"])["Attributes"]
        timeout = functions.get_function_configuration(FunctionName=f"{STACK}-{consumer}")["Timeout"]
        check(f"{queue}: hidden for six times the {timeout} s of {consumer}, then given up after five receives",
              int(attributes["VisibilityTimeout"]) == 6 * timeout < 6 * 60
              and int(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]) == 5, attributes)
        recursion = functions.get_function_recursion_config(FunctionName=f"{STACK}-{consumer}")["RecursiveLoop"]
        check(f"{queue}: {consumer} may send to itself more than 16 times", recursion == "Allow", recursion)
        sources = functions.list_event_source_mappings(FunctionName=f"{STACK}-{consumer}")["EventSourceMappings"]
        check(f"{queue}: {consumer} works it off, message by message",
              len(sources) == 1 and sources[0]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], sources)


def logical_id(function):
    return "".join(word.title() for word in function.split("-"))


def check_rights(aws):
    print("\n== Every function may do what it needs, and nothing else")
    stack = aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in stack}
    table = aws.client("dynamodb").describe_table(TableName=resources["Table"])["Table"]["TableArn"]
    account = table.split(":")[4]
    arns = {"table": ("dynamodb", table), "index": ("dynamodb", f"{table}/index/by_day")}
    for queue in ("calls", "notifications", "calls-dead-letters", "notifications-dead-letters"):
        arns[queue] = ("sqs", f"arn:aws:sqs:{REGION}:{account}:{STACK}-{queue}")
    for parameter in ("reference-keys", "routee-credentials", "webhook-keys", "another"):
        arns[parameter] = ("ssm", f"arn:aws:ssm:{REGION}:{account}:parameter/patchbay/{parameter}")
    for name in FUNCTIONS:
        role = resources[logical_id(name) + "Role"]
        allowed = {}
        for resource, (service, arn) in arns.items():
            results = aws.client("iam").simulate_principal_policy(
                PolicySourceArn=f"arn:aws:iam::{account}:role/{role}", ResourceArns=[arn],
                ActionNames=[f"{service}:{action}" for action in ACTIONS[service].split()])["EvaluationResults"]
            actions = {result["EvalActionName"].partition(":")[2] for result in results
                       if result["EvalDecision"] == "allowed"}
            if actions:
                allowed[resource] = actions
        expected = {resource: set(actions.split()) for resource, actions in RIGHTS[name].items()}
        check(f"{name}: {', '.join(sorted(expected))}", allowed == expected, allowed)
        # Where MiniStack asks for more than AWS: it takes a request for several parameters for one about all there are,
        # and a batch of messages for a right of its own. Only from here on; what the template allows has been checked.
        more = [("ssm:GetParameters", "*") for actions in expected.values() if "GetParameters" in actions]
        more += [("sqs:SendMessageBatch", arns[name][1]) for name in expected if "SendMessage" in expected[name]]
        if not more:
            continue
        aws.client("iam").put_role_policy(RoleName=role, PolicyName="stand-in", PolicyDocument=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in more]}))


def check_stubs(aws, outputs):
    print("\n== Every route leads to its function")
    api = Api(aws, outputs["ApiUrl"])
    for method, path, function in ROUTES:
        status, answer = api(method, path, None if method in ("GET", "DELETE") else {})
        check(f"{method} {path}", (status, answer) == (200, {"function": f"{STACK}-{function}"}), (status, answer))
    for method, path in (("DELETE", "/v1/dispatches"), ("POST", "/v1/other"), ("GET", "/routee/status/a.b.c.d")):
        check(f"{method} {path} leads nowhere", api(method, path)[0] == 404)
    print("\n== Every queue leads to its function")
    for queue in ("Calls", "Notifications"):
        aws.client("sqs").send_message(QueueUrl=outputs[f"{queue}QueueUrl"], MessageBody="{}")
    for name in FUNCTIONS:
        seen = HOME / f"seen/{STACK}-{name}.jsonl"
        wait_for(f"an event at {name}", seen.exists, 30)
        settings = json.loads(seen.read_text(encoding="utf-8").splitlines()[0])["settings"]
        empty = [key for key, value in settings.items() if not value and not key.endswith("_URL")]
        check(f"{name} was called and has {len(settings)} settings", "PATCHBAY_TABLE" in settings and not empty, settings)


def make_token(aws, outputs, *scopes):
    """What `patchbay token` does: of a token, only its hash is kept."""
    token = "pb_" + secrets.token_hex(32)
    record = {"tenant": "example", "scopes": scopes, "expires_at": None, "revoked": False}
    aws.client("dynamodb").put_item(TableName=outputs["TableName"], Item={
        "pk": {"S": "TOKEN#" + hashlib.sha256(token.encode()).hexdigest()}, "sk": {"S": "T"},
        "doc": {"S": json.dumps(record)},
    })
    return token


def ticket(reference, *employees):
    return {
        "ticket": {"reference": reference, "text": "Cold store 3 reports minus 9 degrees and rising."},
        "employees": [{"id": name.lower(), "name": name, "phone": phone} for name, phone in employees],
        "policy": {"attempts": 1, "retry_delay": 5, "ring_timeout": 5, "max_rounds": 1, "round_pause": 0},
    }


def check_main_job(aws, outputs, routee):
    anna, ben, cleo = ("Anna", "+12025550101"), ("Ben", "+12025550102"), ("Cleo", "+12025550103")
    routee.phones = {anna[1]: RINGS_OUT, ben[1]: PRESSES_2, cleo[1]: PRESSES_1}
    api = Api(aws, outputs["ApiUrl"], make_token(aws, outputs, "dispatches:read", "dispatches:write"))

    print("\n== Who may not, may not")
    stranger = Api(aws, outputs["ApiUrl"], "pb_" + "0" * 64)
    check("a ticket with a token that nobody made", stranger("POST", "/v1/dispatches", ticket("X", anna))[0] == 401)
    for kind in ("collect", "status"):
        status, answer = stranger("POST", f"/routee/{kind}/example.dsp_{1:032x}.000001-00-{1:016x}.{'0' * 32}", {})
        check(f"a {kind} with a reference that nobody signed", 400 <= status < 500, (status, answer))

    print("\n== A ticket: Anna does not pick up, Ben rejects, Cleo accepts")
    status, preview = api("POST", "/v1/dispatches/preview", ticket("INC-1", anna, ben, cleo))
    check("the preview calls nobody", status == 200 and not routee.orders, preview)
    status, created = api("POST", "/v1/dispatches", ticket("INC-1", anna, ben, cleo), **{"idempotency-key": "INC-1"})
    check("the ticket is taken", status == 201, (status, created))
    status, again = api("POST", "/v1/dispatches", ticket("INC-1", anna, ben, cleo), **{"idempotency-key": "INC-1"})
    check("taken once, however often it is sent", status == 200 and again["id"] == created["id"], (status, again))
    path = f"/v1/dispatches/{created['id']}"
    final = wait_for("Cleo", lambda: (seen := api("GET", path)[1])["status"] == "Accepted" and seen, 120)
    check("Cleo has it", final["accepted"]["by"]["id"] == "cleo", final)
    check("three calls, in order", [order["to"]["phone"] for order in routee.orders] ==
          [anna[1], ben[1], cleo[1]], routee.orders)
    wait_for("the end of the call", lambda: routee.answers and routee.answers[-1][1].get("collectedTones") == "", 30)
    check("every webhook was answered 200 in time", all(
        status == 200 and took < (3 if "/collect/" in url else 2) for url, _, status, _, took in routee.answers),
        routee.answers)
    check("every key was answered with a dial plan", all(
        answer.get("verbs") for url, _, _, answer, _ in routee.answers if "/collect/" in url), routee.answers)
    check("what came after the acceptance undid nothing", api("GET", path)[1]["status"] == "Accepted")
    status, listed = api("GET", "/v1/dispatches?limit=20")
    check("it is in the list", [line["id"] for line in listed["dispatches"]] == [created["id"]], listed)
    status, resolved = api("POST", f"{path}/resolve")
    check("and resolved", (status, resolved["status"]) == (200, "Resolved"), resolved)

    print("\n== A ticket that is withdrawn")
    status, second = api("POST", "/v1/dispatches", ticket("INC-2", anna, anna_again := ("Anna too", "+12025550104")))
    routee.phones[anna_again[1]] = RINGS_OUT
    check("the ticket is taken", status == 201, second)
    status, cancelled = api("POST", f"/v1/dispatches/{second['id']}/cancel")
    check("and cancelled", (status, cancelled["status"]) == (200, "Cancelled"), cancelled)

    print("\n== Nothing is left behind")
    sqs = aws.client("sqs")

    def count(output, *names):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[name]) for name in names)

    time.sleep(2)
    for queue in ("Calls", "Notifications"):
        check(f"{queue}: no dead letters", count(f"{queue}DeadLettersUrl", "ApproximateNumberOfMessages") == 0)
        wait_for(f"an empty {queue} queue", lambda q=queue: count(
            f"{q}QueueUrl", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible") == 0, 60)
        check(f"{queue}: nothing is due", True)


def check_agents(aws, outputs):
    print("\n== Voice agents hand a caller to each other")
    token = make_token(aws, outputs, "context:read", "context:write")
    # A name below localhost resolves nowhere, so the host goes into the header.
    hand_over(aws.endpoint, token, check, {"Host": urllib.parse.urlsplit(outputs["ApiUrl"]).netloc})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stubs", action="store_true", help="check the deployment alone")
    arguments.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    arguments = arguments.parse_args()
    began = time.monotonic()
    # However it ends, it takes along what it started. It ends by itself, too.
    for sign in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(sign, lambda number, _: sys.exit(f"ended by {signal.Signals(number).name}"))
    if not arguments.keep:
        signal.alarm(LIMIT_SECONDS)
    with Aws() as aws:
        print(f"== A stand-in for AWS at {aws.endpoint}, log in {HOME / 'ministack.log'}", flush=True)
        put_secrets(aws)

        def call_back(url, body):
            path = f"{url.path}?{url.query}" if url.query else url.path
            return aws.request("POST", path, body, {"content-type": "application/json"}, url.netloc)

        with Routee(call_back, CREDENTIALS) as routee:
            print("\n== Deploying infra/template.yaml", flush=True)
            outputs = aws.deploy(arguments.stubs, {
                "RouteeFrom": "12025550100", "RouteeAuthUrl": routee.url, "RouteeConnectUrl": routee.url,
                "RouteeCallIntervalMs": "1000", "DefaultCountry": "1",
            })
            for name, value in outputs.items():
                print(f"   {name}: {value}")
            try:
                check_resources(aws, outputs)
                check_rights(aws)
                if arguments.stubs:
                    check_stubs(aws, outputs)
                else:
                    check_main_job(aws, outputs, routee)
                    check_agents(aws, outputs)
            except BaseException:
                print("\n== What the functions wrote", *aws.logs(), sep="\n   ", flush=True)
                raise
            print(f"\n== All of it holds, {time.monotonic() - began:.0f} s", flush=True)
            if arguments.keep:
                print("Ctrl-C ends it.")
                try:
                    while True:
                        time.sleep(3600)
                except KeyboardInterrupt:
                    pass


if __name__ == "__main__":
    sys.exit(main())
