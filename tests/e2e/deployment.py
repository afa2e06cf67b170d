"""Checks of the deployment: settings, resources, permissions, routes, and the events that functions receive."""

import json
import re
import time
import tomllib

from samcli.cli.types import CfnParameterOverridesType
from samcli.lib.config.samconfig import SamConfig
from samcli.yamlhelper import yaml_parse

from aws import (FUNCTIONS, HOME, PARAMETERS, REGION, ROOT, STACK, TEMPLATE, evaluate, parameter_values, routes,
                 topic_is_elsewhere, wait_for)
from checks import Api, check, stage

# A sample value for each path parameter.
SAMPLES = {
    "id": "dsp_00000000000000000000000000000001", "webhook": "msg_0", "ref": "a.b.c.d", "chain": "orders",
    "bot": "support", "asset": "widget.js", "platform": "twilio", "caller": "+12025550143", "address": "+12025550143",
}
# One request path for every route of the template, and the function that must receive it.
ROUTES = [(method, path.format(**SAMPLES) + "?api_token=x&limit=20", function) for method, path, function in routes()]
# The methods whose requests have no body.
BODILESS = ("GET", "HEAD", "DELETE")
# The parameters that each voice provider requires. A provider that is not listed gets none.
REQUIRED = {
    "routee": {"RouteeFrom": "12025550100"},
    "twilio": {name: PARAMETERS[name] for name in ("TwilioFrom", "TwilioAuthTokensParam")},
}
# The parameters that each chat platform requires.
CHAT_REQUIRED = {
    "none": {},
    "sangoma": {"SangomaTenantDomain": "acme.cx.sangoma.com"},
    "chatwoot": {"ChatwootUrl": "https://chat.example.org", "ChatwootAccount": "1"},
}
# The actions that are checked. A function must be allowed exactly those that its role in the template lists.
# tests/tests/permissions.rs checks that the role lists the actions that the function uses.
ACTIONS = {
    "dynamodb": "GetItem BatchGetItem PutItem UpdateItem DeleteItem Query Scan BatchWriteItem DeleteTable",
    "sqs": "SendMessage ReceiveMessage DeleteMessage GetQueueAttributes PurgeQueue",
    "ssm": "GetParameters PutParameter",
}


def check_settings():
    """Checks samconfig.toml with the SAM CLI's own parser."""
    stage("The SAM CLI parses samconfig.toml")

    def read(*overrides):
        return CfnParameterOverridesType().convert(overrides, None, None)

    cut = read("RouteeFrom=My Shop")
    check("an unquoted value is still cut at a space, so every value needs quotes", cut == {"RouteeFrom": "My"}, cut)
    whole = {"RouteeFrom": "My Shop", "PrivateOrigins": "https://a.example, https://b.example"}
    seen = read(*(f'{name}="{value}"' for name, value in whole.items()))
    check("a quoted value is not cut", seen == whole, seen)
    # Including parameters that are commented out: operators will uncomment them.
    text = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
    lines = tomllib.loads(re.sub(r"^    # (?=')", "    ", text, flags=re.MULTILINE))
    for environment, commands in lines.items():
        if environment == "version":
            continue
        overrides = commands["global"]["parameters"]["parameter_overrides"]
        expected = {line.partition("=")[0]: line.partition("=")[2].strip('"') for line in overrides}
        seen = read(*overrides)
        check(f"{environment}: {len(expected)} parameters have the written values", seen == expected, (seen, expected))
        settings = SamConfig(str(ROOT))
        given = [settings.get_all([command], "parameters", environment)["parameter_overrides"]
                 for command in ("build", "deploy")]
        check(f"{environment}: sam build and sam deploy have the same parameters", given[0] == given[1] != [], given)

    arn = "arn:aws:sns:{}:123456789012:on-call".format
    for topic, region, elsewhere in (("", "eu-central-1", False), (arn("eu-central-1"), "eu-central-1", False),
                                     (arn("us-east-1"), "eu-central-1", True), (arn("us-gov-west-1"), "us-west-1", True)):
        check(f"a topic {topic!r} is {'rejected' if elsewhere else 'accepted'} in {region}",
              topic_is_elsewhere(TEMPLATE, topic, region) is elsewhere)

    stage("Required parameters of each provider")
    routee, twilio = REQUIRED["routee"], REQUIRED["twilio"]
    for providers, required in (*REQUIRED.items(), ("routee,twilio", routee | twilio), ("twilio,routee", twilio | routee)):
        given = {"VoiceProviders": providers} | required
        errors = failed_assertions(given)
        check(f"{providers}: requires {', '.join(required)}, and nothing else", not errors, errors)
        for name in required:
            errors = failed_assertions(given | {name: ""})
            check(f"{providers} without {name} is rejected with a reason", [name in text for text in errors] == [True],
                  errors)
    given = routee | {"CallsApi": "on", "CallsProviders": "routee,twilio"}
    errors = failed_assertions(given)
    check("Twilio's auth tokens are required if customers are contacted over it", ["CallsProviders" in text for text in errors]
          == [True], errors)
    errors = failed_assertions(given | {"TwilioAuthTokensParam": twilio["TwilioAuthTokensParam"]})
    check("and nothing else", not errors, errors)
    for platform, required in CHAT_REQUIRED.items():
        given = routee | {"ChatPlatform": platform} | required
        errors = failed_assertions(given)
        check(f"{platform}: requires {', '.join(required) or 'nothing'}, and nothing else", not errors, errors)
        for name in required:
            errors = failed_assertions(given | {name: ""})
            check(f"{platform} without {name} is rejected with a reason", [name in text for text in errors] == [True],
                  errors)


def failed_assertions(parameters):
    """Failed assertions of the template's rules for these parameters. The emulator does not evaluate rules."""
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    values = parameter_values(template, parameters)
    return [one["AssertDescription"] for rule in template["Rules"].values()
            if evaluate(rule["RuleCondition"], values) for one in rule["Assertions"] if not evaluate(one["Assert"], values)]


def check_resources(aws, outputs):
    stage("Deployed resources")
    table = aws.client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    indexes = {index["IndexName"]: index["Projection"]["ProjectionType"] for index in table["GlobalSecondaryIndexes"]}
    check("the table has its indexes", indexes == {"by_day": "INCLUDE", "by_due": "KEYS_ONLY"}, table)
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=outputs["TableName"])["TimeToLiveDescription"]
    check("the table deletes expired items", ttl.get("AttributeName") == "expires", ttl)
    sqs, functions = aws.client("sqs"), aws.client("lambda")
    for queue, consumer, batch_size in (
            ("Dialing", "dialer", 1), ("Notifications", "notifier", 10), ("Conversations", "responder", 1),
            ("Interactions", "messenger", 1)):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[f"{queue}QueueUrl"], AttributeNames=["All"])["Attributes"]
        timeout = functions.get_function_configuration(FunctionName=f"{STACK}-{consumer}")["Timeout"]
        check(f"{queue}: hidden for twice the {timeout} s of {consumer}, and a dead letter after a thousand receives",
              int(attributes["VisibilityTimeout"]) == 2 * timeout <= 60
              and int(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]) == 1000, attributes)
        recursion = functions.get_function_recursion_config(FunctionName=f"{STACK}-{consumer}")["RecursiveLoop"]
        check(f"{queue}: {consumer} may send to itself more than 16 times", recursion == "Allow", recursion)
        sources = functions.list_event_source_mappings(FunctionName=f"{STACK}-{consumer}")["EventSourceMappings"]
        check(f"{queue}: {consumer} consumes it in batches of up to {batch_size}, and reports failed items",
              len(sources) == 1 and sources[0]["BatchSize"] == batch_size
              and sources[0]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], sources)
    # MiniStack does not store throttling limits, so this checks the output of SAM.
    default_stage = aws.processed_resources()["HttpApiApiGatewayDefaultStage"]["Properties"]
    routes = default_stage["RouteSettings"]
    (has_chat, new_chats, _), (has_calls, opt_out_pages, _) = (
        routes[route]["Fn::If"] for route in ("POST /chat/{ref}/conversations", "GET /ses/one-click/{ref}"))
    limits = [float(limits["ThrottlingRateLimit"]) for limits in (
        default_stage["DefaultRouteSettings"], routes["POST /agent4/{ref}/{chain}"], opt_out_pages, new_chats)]
    check("every route accepts 100 requests a second, the one that may wait for a back end and the page behind opt-out "
          "links 20, our own chat page 2 new chats",
          (has_chat, has_calls, limits) == ("HasChat", "HasCalls", [100, 20, 20, 2]), default_stage)
    rule = aws.client("events").describe_rule(Name=f"{STACK}-sentinel")
    check("the sentinel runs every minute", (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED"),
          rule)
    destinations = aws.client("sesv2").get_configuration_set_event_destinations(
        ConfigurationSetName=PARAMETERS["SesConfigurationSet"])["EventDestinations"]
    check("Amazon SES publishes to EventBridge what needs no change of the e-mails", [
        (set(one["MatchingEventTypes"]) & {"SEND", "DELIVERY", "BOUNCE", "COMPLAINT", "OPEN", "CLICK"},
         one["EventBridgeDestination"]["EventBusArn"].rpartition("/")[2]) for one in destinations if one["Enabled"]]
          == [({"SEND", "DELIVERY", "BOUNCE", "COMPLAINT"}, "default")], destinations)


def check_single_providers(aws):
    """Deploys each voice provider without the other, once without and once with a chat platform, and the API for calls the
    other way round. Checks the resources and the settings."""
    for (provider, required), platform, calls in zip(REQUIRED.items(), ("none", "chatwoot"), ("on", "off"), strict=True):
        stage(f"{provider} alone, chat platform {platform}, API for calls {calls}")
        parameters = {"VoiceProviders": provider, "ChatPlatform": platform, "CallsApi": calls} | required | CHAT_REQUIRED[platform]
        outputs = aws.deploy(True, parameters)
        client, api = aws.client("lambda"), Api(aws, outputs["ApiUrl"])
        settings = client.get_function_configuration(FunctionName=f"{STACK}-dialer")["Environment"]["Variables"]
        with_credentials = {name for name in REQUIRED if settings[f"PATCHBAY_{name.upper()}_CREDENTIALS_PARAM"]}
        check(f"the dialer phones over {provider}, and has no other credentials",
              (settings["PATCHBAY_PROVIDERS"], with_credentials) == (provider, {provider}), settings)
        functions = {function["FunctionName"].removeprefix(f"{STACK}-") for function in client.list_functions()["Functions"]}
        missing = set(FUNCTIONS) - functions
        check("transfer is deployed only with Twilio's auth tokens, bot and responder only with a chat platform, and the "
              "functions that contact customers only with CallsApi",
              missing == ({"transfer"} if provider == "routee" else set())
              | ({"bot", "responder"} if platform == "none" else set())
              | ({"calls", "messenger", "message-event"} if calls == "off" else set()), missing)
        for queue, is_deployed in (("conversations", platform != "none"), ("interactions", calls == "on")):
            queues = aws.client("sqs").list_queues(QueueNamePrefix=f"{STACK}-{queue}").get("QueueUrls", [])
            check(f"so are the queue {queue} and its dead-letter queue", len(queues) == (2 if is_deployed else 0), queues)
        if calls == "on":
            settings = client.get_function_configuration(FunctionName=f"{STACK}-messenger")["Environment"]["Variables"]
            secrets = {name for name in settings if name.endswith("_PARAM") and settings[name]}
            check("the messenger has no credentials of providers that CallsProviders does not list",
                  secrets == {"PATCHBAY_REFERENCE_KEYS_PARAM"}, settings)
        if platform != "none":
            settings = client.get_function_configuration(FunctionName=f"{STACK}-responder")["Environment"]["Variables"]
            secrets = {name for name in settings if name.startswith(("PATCHBAY_SANGOMA", "PATCHBAY_CHATWOOT"))
                       and name.endswith("_PARAM") and settings[name]}
            check(f"the responder has the secrets of {platform} only", secrets == {"PATCHBAY_CHATWOOT_TOKENS_PARAM"},
                  settings)
        for method, path, function in ROUTES:
            status, answer = api(method, path, None if method in BODILESS else {})
            expected = 404 if function in missing else 200
            if status != expected:
                check(f"{method} {path}", False, (status, answer))
        check("every route leads to an existing function", True)
        check_deletion(aws, outputs)


def check_deletion(aws, outputs):
    """Deletes the stack as the README describes."""
    stage("Deletion of the stack")
    started = time.time() * 1000
    aws.run("sam", "delete", "--stack-name", STACK, "--region", REGION, "--no-prompts")
    functions = [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]]
    check("deletes every function", not functions, functions)
    queues = aws.client("sqs").list_queues(QueueNamePrefix=STACK).get("QueueUrls", [])
    check("deletes every queue", not queues, queues)
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]
    # The emulator recreates the log group of a function that was still running. On AWS our roles may not create one.
    groups = [group for group in groups if group["creationTime"] < started]
    check("deletes every log group", not groups, groups)
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    check("keeps the table", outputs["TableName"] in tables, tables)


def logical_id(function):
    return "".join(word.title() for word in function.split("-"))


def resource_name(template, resource):
    """Name that `check_permissions` uses for the table, index, queue or parameter in a role of the template."""
    (function, value), = resource.items()
    if function == "Fn::If":
        # This stack has both providers for everything, and Sangoma with a secret for its webhooks, so all these conditions
        # are true.
        return resource_name(template, value[1])
    if function == "Fn::GetAtt":
        properties = template["Resources"][value[0]]["Properties"]
        return properties["QueueName"]["Fn::Sub"].partition("-")[2] if "QueueName" in properties else "table"
    if index := value.partition("/index/")[2]:
        return "index" if index == "by_day" else f"index-{index}"
    parameter = re.search(r":parameter\$\{(\w+)\}", value)[1]
    return (template["Parameters"][parameter]["Default"] or PARAMETERS[parameter]).rpartition("/")[2]


def allowed_actions(template, function):
    """Actions that the template allows a function, by the name of the resource."""
    rights = {}
    for policy in template["Resources"][f"{logical_id(function)}Role"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            # Statements that depend on parameters this stack does not set (other secrets, their KMS key) are not
            # deployed.
            if "Fn::If" in statement:
                continue
            for action in as_list(statement["Action"]):
                service, _, action = action.partition(":")
                if service in ACTIONS:
                    for resource in as_list(statement["Resource"]):
                        rights.setdefault(resource_name(template, resource), set()).add(action)
    return rights


def as_list(value):
    return value if isinstance(value, list) else [value]


def check_permissions(aws):
    stage("Every function has exactly the permissions in the template")
    stack = aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in stack}
    table = aws.client("dynamodb").describe_table(TableName=resources["Table"])["Table"]["TableArn"]
    account = table.split(":")[4]
    arns = {"table": ("dynamodb", table), "index": ("dynamodb", f"{table}/index/by_day"),
            "index-by_due": ("dynamodb", f"{table}/index/by_due")}
    for queue in ("dialing", "notifications", "conversations", "interactions"):
        for name in (queue, f"{queue}-dead-letters"):
            arns[name] = ("sqs", f"arn:aws:sqs:{REGION}:{account}:{STACK}-{name}")
    for parameter in ("reference-keys", "routee-credentials", "webhook-keys", "twilio-auth-tokens", "twilio-credentials",
                      "sangoma-credentials", "chatwoot-tokens", "chat-secrets", "elemente-credentials", "another"):
        arns[parameter] = ("ssm", f"arn:aws:ssm:{REGION}:{account}:parameter/patchbay/{parameter}")
    arns["link-secrets"] = ("ssm", f"arn:aws:ssm:{REGION}:{account}:parameter/patchbay/link-secrets/main/api.example.org/key")
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
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
        expected = allowed_actions(template, name)
        check(f"{name}: {', '.join(sorted(expected))}", allowed == expected, allowed)
        # MiniStack requires more than AWS: a request for several parameters needs access to all parameters, a batch of
        # messages needs a separate permission, and an e-mail one for every sender. Added after the check of what the
        # template allows.
        more = [("ssm:GetParameters", "*") for actions in expected.values() if "GetParameters" in actions]
        more += [("sqs:SendMessageBatch", arns[name][1]) for name in expected if "SendMessage" in expected[name]]
        more += [("ses:SendEmail", "*")] if name == "messenger" else []
        if not more:
            continue
        aws.client("iam").put_role_policy(RoleName=role, PolicyName="emulator", PolicyDocument=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in more]}))


def check_stubs(aws, outputs):
    stage("Every route leads to its function")
    api = Api(aws, outputs["ApiUrl"])
    for method, path, function in ROUTES:
        status, answer = api(method, path, None if method in BODILESS else {})
        # The answer to HEAD has no body.
        expected = "" if method == "HEAD" else {"function": f"{STACK}-{function}"}
        check(f"{method} {path}", (status, answer) == (200, expected), (status, answer))
    for method, path in (("DELETE", "/v1/dispatches"), ("POST", "/v1/other"), ("GET", "/routee/status/a.b.c.d")):
        check(f"{method} {path} leads nowhere", api(method, path)[0] == 404)
    stage("Every queue invokes its function, and the schedule invokes the sentinel")
    for queue in ("Dialing", "Notifications", "Conversations", "Interactions"):
        aws.client("sqs").send_message(QueueUrl=outputs[f"{queue}QueueUrl"], MessageBody="{}")
    for name in FUNCTIONS:
        seen = HOME / f"seen/{STACK}-{name}.jsonl"
        wait_for(f"an event at {name}", seen.exists)
        calls = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
        settings = calls[0]["settings"]
        # Optional settings, which this stack leaves empty.
        optional = ("_URL", "_ORIGINS", "VAPI_SECRETS_PARAM", "RETELL_KEYS_PARAM", "CHATWOOT_ACCOUNT",
                    "CHATWOOT_TOKENS_PARAM")
        empty = [key for key, value in settings.items() if not value and not key.endswith(optional)]
        check(f"{name} was invoked with {len(settings)} settings", "PATCHBAY_TABLE" in settings and not empty, settings)
        if name in ("dialer", "messenger"):
            check(f"{name}, which no request reaches, has the URL as a setting",
                  settings["PATCHBAY_PUBLIC_URL"] == outputs["ApiUrl"])
        fixture = min((ROOT / "tests/events").glob(f"{name}*.json"))
        expected = json.loads(fixture.read_text(encoding="utf-8"))
        # The event of the same route as the fixture's; a queue and a schedule have no route.
        event = next(call["event"] for call in calls if call["event"].get("routeKey") == expected.get("routeKey"))
        found = list(differences(expected, event))
        check(f"{name} received an event of the form of {fixture.name}", not found, found)


# Fields that the emulator omits and no function reads, and fields that depend on the request.
LEFT_OUT = {"domainPrefix", "AWSTraceHeader", "body", "queryStringParameters", "rawQueryString"}


def differences(fixture, event, path="event"):
    """Differences in form between an event and a fixture: missing fields and other types."""
    if isinstance(fixture, dict) and isinstance(event, dict):
        if path.endswith("headers"):
            yield from (f"{path}.{name} is not in lower case" for name in event if name != name.lower())
            return
        for name in fixture.keys() - event.keys() - LEFT_OUT:
            yield f"{path}.{name} is missing"
        for name in fixture.keys() & event.keys():
            yield from differences(fixture[name], event[name], f"{path}.{name}")
    elif isinstance(fixture, list) and isinstance(event, list):
        yield from differences(fixture[0], event[0], f"{path}[0]")
    elif type(fixture) is not type(event):
        yield f"{path} is a {type(event).__name__}, not a {type(fixture).__name__}"
