"""An e-mail that the deployed functions send over the emulator's Amazon SES, and the events about it.

The emulator keeps neither headers nor tags, so the requests of the messenger go through a recorder. The emulator checks
their signatures and the role of the function, and keeps what it accepted.
"""

import contextlib
import http.client
import http.server
import json
import secrets
import threading
import urllib.parse
import uuid

from aws import PARAMETERS, REGION, STACK, TIMEOUT, wait_for
from checks import Api, Server, check, stage
from main_job import check_queues_empty, put_token

SENDER, CUSTOMER = "leo@example.org", "ana@example.net"
SEND = "/v2/email/outbound-emails"
MINISTACK_HOST = b"@email.amazonses.com"
AGENT = {"name": "Leo Grün", "prompt": {"initial_message": "Hi {{firstName}}, your order {{Order No}} is ready."},
         "channels": {"email": {"over": "ses", "from": SENDER}}}
SKILL = {"name": "Pick-up", "subject": "Your order {{Order No}} – ready"}
REQUEST = {
    "agentId": "leo", "channel": "email", "skillId": "pick-up",
    "customerOverride": {"firstName": "Ana", "email": CUSTOMER, "customFields": [{"name": "Order No", "value": "Ä-17"}]},
}


class Recorder:
    """Passes requests on to the emulator as they are, and keeps those that send e-mails. Takes the host from the id in the
    answer: MiniStack appends one, and SES does not."""

    def __init__(self, port):
        self.sent = sent = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
                try:
                    # With the host that the signature covers.
                    connection.request(self.command, self.path, body, dict(self.headers.items()))
                    response = connection.getresponse()
                    answer = response.read()
                finally:
                    connection.close()
                if self.path == SEND:
                    answer = answer.replace(MINISTACK_HOST, b"")
                    sent.append((dict(self.headers.items()), json.loads(body), response.status, answer.decode()))
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_DELETE = do_POST

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


@contextlib.contextmanager
def recorded(aws, recorder, public_url):
    """The messenger sends e-mails through the recorder while the `with` block runs. They have an opt-out button, which must
    have an https URL; the emulator's is http."""
    client, name = aws.client("lambda"), f"{STACK}-messenger"
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    recording = {"AWS_ENDPOINT_URL_SESV2": recorder.url, "PATCHBAY_PUBLIC_URL": public_url}
    for changed in (variables | recording, variables):
        client.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
        if changed is not variables:
            yield


def ses_event(name, message, kind, tags, details):
    """An event as EventBridge passes it to a target."""
    mail = {"timestamp": "2026-11-26T09:00:00.120Z", "messageId": message, "destination": [CUSTOMER], "tags": tags}
    return {
        "version": "0", "id": str(uuid.uuid4()), "detail-type": f"Email {name}", "source": "aws.ses",
        "account": "000000000000", "time": "2026-11-26T09:00:04Z", "region": REGION, "resources": [],
        "detail": {"eventType": kind, "mail": mail, kind.lower(): details},
    }


def check_email(aws, outputs):
    stage("An e-mail over Amazon SES")
    token = "pb_" + secrets.token_hex(32)
    put_token(aws, outputs, token, "calls:read", "calls:write")
    api = Api(aws, outputs["ApiUrl"], token)
    for path, document in (("/v1/agents/leo", AGENT), ("/v1/skills/pick-up", SKILL)):
        status, answer = api("PUT", path, document)
        check(f"PUT {path}", 200 <= status < 300, (status, answer))
    aws.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    public_url = outputs["ApiUrl"].replace("http:", "https:")
    with Recorder(aws.port) as recorder, recorded(aws, recorder, public_url):
        status, created = api("POST", "/api/v1/calls", REQUEST, **{"idempotency-key": "E-1"})
        check("the interaction is created", status == 200, (status, created))
        wait_for("the e-mail", lambda: recorder.sent)
        check("SES accepts it", [status for _, _, status, _ in recorder.sent] == [200], recorder.sent)
        status, again = api("POST", "/api/v1/calls", REQUEST, **{"idempotency-key": "E-1"})
        check("a repeated request creates no second one", (status, again["id"]) == (200, created["id"]), again)
        path = f"/v1/interactions/{created['id']}"
        wait_for("the answer of SES to be stored", lambda: api("GET", path)[1]["state"] == "sent")
        check_queues_empty(aws, outputs)
    check_request(aws, public_url, created, recorder.sent)
    [record] = sent_to_customer(aws)
    message = record["MessageId"].removesuffix(MINISTACK_HOST.decode())
    check("SES keeps one e-mail, with its subject and both texts", (record["To"], record["Subject"]) == (
        [CUSTOMER], "Your order Ä-17 – ready") and "Hi Ana, your order Ä-17 is ready." in record["BodyText"]
        and "Hi Ana, your order Ä-17 is ready." in record["BodyHtml"], record)
    stored = api("GET", path)[1]["attempts"]
    check("the interaction has its id", [attempt["provider_id"] for attempt in stored] == [message], stored)
    tags = {tag["Name"]: [tag["Value"]] for tag in recorder.sent[0][1]["EmailTags"]}
    check_events(aws, api, path, message, tags)


def sent_to_customer(aws):
    """What the emulator keeps of the e-mails to the customer, in all accounts."""
    status, answer = aws.request("GET", "/_ministack/ses/messages")
    check("the emulator lists what it sent", status == 200, answer)
    return [message for messages in answer["messages"].values() for message in messages if message["To"] == [CUSTOMER]]


def check_request(aws, public_url, created, sent):
    check("one request was sent, and accepted", len(sent) == 1 and sent[0][2] == 200, sent)
    headers, body, *_ = sent[0]
    authorization = {name.lower(): value for name, value in headers.items()}["authorization"]
    check("it is signed for SES in this region", authorization.startswith("AWS4-HMAC-SHA256 ")
          and f"/{REGION}/ses/aws4_request" in authorization, authorization)
    check("from the agent to the customer alone", body["Destination"] == {"ToAddresses": [CUSTOMER]}
          and body["FromEmailAddress"].endswith(f"<{SENDER}>") and body["FromEmailAddress"].isascii(), body)
    check("through the configuration set", body["ConfigurationSetName"] == PARAMETERS["SesConfigurationSet"], body)
    given = {header["Name"]: header["Value"] for header in body["Content"]["Simple"]["Headers"]}
    url = given.get("List-Unsubscribe", "").strip("<>")
    check("the opt-out button has a URL of the API", url.startswith(f"{public_url}/ses/one-click/")
          and given.get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click", given)
    host, at = urllib.parse.urlsplit(url).netloc, urllib.parse.urlsplit(url).path
    for method in ("GET", "HEAD"):
        check(f"{method} there changes nothing", aws.request(method, at, host=host)[0] == 200)
    tags = {tag["Name"]: tag["Value"] for tag in body["EmailTags"]}
    check("the tags name the interaction", tags["interaction"].split("_")[:2] == ["example", created["id"]], tags)


def check_events(aws, api, path, message, tags):
    """The emulator publishes no events of SES. So this sends one to the function, as EventBridge does."""
    delivered = ses_event("Delivered", message, "Delivery", tags, {"recipients": [CUSTOMER]})
    function = f"{STACK}-message-event"
    rule = aws.client("events").describe_rule(Name=f"{STACK}-email-events")
    matches = aws.client("events").test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(delivered))
    check("the rule matches an event of SES", rule["State"] == "ENABLED" and matches["Result"], rule)
    statements = json.loads(aws.client("lambda").get_policy(FunctionName=function)["Policy"])["Statement"]
    sources = {(statement["Principal"]["Service"], statement["Condition"]["ArnLike"]["AWS:SourceArn"])
               for statement in statements if statement["Principal"]["Service"] != "apigateway.amazonaws.com"}
    check("only the rule and the API may invoke the function", sources == {("events.amazonaws.com", rule["Arn"])}, statements)
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(delivered))
    check("the function takes it", "FunctionError" not in answer, answer["Payload"].read())
    wait_for("the delivery", lambda: api("GET", path)[1]["state"] == "ended")
    seen = api("GET", path)[1]
    check("the interaction is completed, because the e-mail was delivered", (
        seen["reason"], [attempt["outcome"]["is"] for attempt in seen["attempts"]]) == ("completed", ["delivered"]), seen)
