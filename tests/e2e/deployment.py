"""What was deployed: resources, rights, routes, the events that functions get."""

import json
import re
import time
import tomllib

from samcli.cli.types import CfnParameterOverridesType
from samcli.lib.config.samconfig import SamConfig
from samcli.yamlhelper import yaml_parse

from aws import (FUNCTIONS, HOME, PARAMETERS, REGION, ROOT, STACK, TEMPLATE, evaluate, routes, topic_is_elsewhere,
                 wait_for)
from checks import Api, check

# What stands in a path for each of its parameters.
SAMPLES = {
    "id": "dsp_00000000000000000000000000000001", "webhook": "msg_0", "ref": "a.b.c.d", "chain": "orders",
    "platform": "twilio", "caller": "+12025550143",
}
# One path for every route of the template, and the function that has to get it.
ROUTES = [(method, path.format(**SAMPLES) + "?api_token=x&limit=20", function) for method, path, function in routes()]
# The parameters that a provider needs when it phones; of one that does not, none is given.
NEEDED = {
    "routee": {"RouteeFrom": "12025550100"},
    "twilio": {name: PARAMETERS[name] for name in ("TwilioFrom", "TwilioAuthTokensParam")},
}
# What a function may be allowed. What its role in the template says of them it has to be, and nothing else; that the
# template says what the function asks for is held by tests/tests/rights.rs.
ACTIONS = {
    "dynamodb": "GetItem BatchGetItem PutItem UpdateItem DeleteItem Query Scan BatchWriteItem DeleteTable",
    "sqs": "SendMessage ReceiveMessage DeleteMessage GetQueueAttributes PurgeQueue",
    "ssm": "GetParameters PutParameter",
}


def check_settings():
    """samconfig.toml, as the SAM CLI itself reads it."""
    print("\n== What the SAM CLI makes of samconfig.toml")

    def read(*overrides):
        return CfnParameterOverridesType().convert(overrides, None, None)

    cut = read("RouteeFrom=My Shop")
    check("a value without quotes is still cut at a space, so all of them have some", cut == {"RouteeFrom": "My"}, cut)
    whole = {"RouteeFrom": "My Shop", "PrivateOrigins": "https://a.example, https://b.example"}
    seen = read(*(f'{name}="{value}"' for name, value in whole.items()))
    check("one in quotes is whole", seen == whole, seen)
    # What is commented out, too: somebody will take the sign away.
    text = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
    lines = tomllib.loads(re.sub(r"^    # (?=')", "    ", text, flags=re.MULTILINE))
    for environment, commands in lines.items():
        if environment == "version":
            continue
        overrides = commands["global"]["parameters"]["parameter_overrides"]
        expected = {line.partition("=")[0]: line.partition("=")[2].strip('"') for line in overrides}
        seen = read(*overrides)
        check(f"{environment}: {len(expected)} parameters are what they say", seen == expected, (seen, expected))
        settings = SamConfig(str(ROOT))
        given = [settings.get_all([command], "parameters", environment)["parameter_overrides"]
                 for command in ("build", "deploy")]
        check(f"{environment}: sam build and sam deploy have the same", given[0] == given[1] != [], given)

    arn = "arn:aws:sns:{}:123456789012:on-call".format
    for topic, region, elsewhere in (("", "eu-central-1", False), (arn("eu-central-1"), "eu-central-1", False),
                                     (arn("us-east-1"), "eu-central-1", True), (arn("us-gov-west-1"), "us-west-1", True)):
        check(f"a topic {topic!r} is {'refused' if elsewhere else 'taken'} in {region}",
              topic_is_elsewhere(TEMPLATE, topic, region) is elsewhere)

    print("\n== What CloudFormation asks for, of the parameters of each provider")
    routee, twilio = NEEDED["routee"], NEEDED["twilio"]
    for providers, needed in (*NEEDED.items(), ("routee,twilio", routee | twilio), ("twilio,routee", twilio | routee)):
        given = {"VoiceProviders": providers} | needed
        check(f"{providers}: {', '.join(needed)}, and nothing else", not unmet(given), unmet(given))
        for name in needed:
            told = unmet(given | {name: ""})
            check(f"{providers} without {name} is refused, and told why", [name in text for text in told] == [True], told)


def unmet(parameters):
    """What CloudFormation would say against these parameters: the template's rules, which the stand-in does not know."""
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    values = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()} | parameters
    return [one["AssertDescription"] for rule in template["Rules"].values()
            if evaluate(rule["RuleCondition"], values) for one in rule["Assertions"] if not evaluate(one["Assert"], values)]


def check_resources(aws, outputs):
    print("\n== What was deployed")
    table = aws.client("dynamodb").describe_table(TableName=outputs["TableName"])["Table"]
    indexes = {index["IndexName"]: index["Projection"]["ProjectionType"] for index in table["GlobalSecondaryIndexes"]}
    check("the table has its indexes", indexes == {"by_day": "INCLUDE", "by_due": "KEYS_ONLY"}, table)
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=outputs["TableName"])["TimeToLiveDescription"]
    check("the table forgets what has expired", ttl.get("AttributeName") == "expires", ttl)
    sqs, functions = aws.client("sqs"), aws.client("lambda")
    for queue, consumer, at_once in (("Dialing", "dialer", 1), ("Notifications", "notifier", 10)):
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[f"{queue}QueueUrl"], AttributeNames=["All"])["Attributes"]
        timeout = functions.get_function_configuration(FunctionName=f"{STACK}-{consumer}")["Timeout"]
        check(f"{queue}: hidden for twice the {timeout} s of {consumer}, and given up only after a thousand receives",
              int(attributes["VisibilityTimeout"]) == 2 * timeout <= 60
              and int(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]) == 1000, attributes)
        recursion = functions.get_function_recursion_config(FunctionName=f"{STACK}-{consumer}")["RecursiveLoop"]
        check(f"{queue}: {consumer} may send to itself more than 16 times", recursion == "Allow", recursion)
        sources = functions.list_event_source_mappings(FunctionName=f"{STACK}-{consumer}")["EventSourceMappings"]
        check(f"{queue}: {consumer} works it off, up to {at_once} at once, and says which failed",
              len(sources) == 1 and sources[0]["BatchSize"] == at_once
              and sources[0]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], sources)
    # MiniStack keeps no limits, so this is what SAM made of the template.
    stage = aws.translated()["HttpApiApiGatewayDefaultStage"]["Properties"]
    limits = [float(limits["ThrottlingRateLimit"]) for limits in (
        stage["DefaultRouteSettings"], stage["RouteSettings"]["POST /agent4/{ref}/{chain}"])]
    check("every route takes 100 requests a second, the one that may wait for a back end 20", limits == [100, 20], stage)
    rule = aws.client("events").describe_rule(Name=f"{STACK}-sentinel")
    check("the sentinel looks every minute", (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED"),
          rule)


def check_alone(aws):
    """Each provider without the other: what is deployed, and what it is told of both."""
    for provider, needed in NEEDED.items():
        print(f"\n== {provider} alone", flush=True)
        outputs = aws.deploy(True, {"VoiceProviders": provider} | needed)
        client, api = aws.client("lambda"), Api(aws, outputs["ApiUrl"])
        settings = client.get_function_configuration(FunctionName=f"{STACK}-dialer")["Environment"]["Variables"]
        told = {name for name in NEEDED if settings[f"PATCHBAY_{name.upper()}_CREDENTIALS_PARAM"]}
        check(f"the dialer phones over {provider}, and has nobody else's credentials",
              (settings["PATCHBAY_PROVIDERS"], told) == (provider, {provider}), settings)
        functions = {function["FunctionName"] for function in client.list_functions()["Functions"]}
        has_twilio = f"{STACK}-transfer" in functions
        check("callers are transferred to us with Twilio's signatures only", has_twilio == (provider == "twilio"), functions)
        for method, path, function in ROUTES:
            status, answer = api(method, path, None if method in ("GET", "DELETE") else {})
            expected = 404 if function == "transfer" and not has_twilio else 200
            if status != expected:
                check(f"{method} {path}", False, (status, answer))
        check("every route leads to a function that there is", True)
        check_deletion(aws, outputs)


def check_deletion(aws, outputs):
    """Tears the stack down as README says."""
    print("\n== What a deletion leaves behind", flush=True)
    begun = time.time() * 1000
    aws.run("sam", "delete", "--stack-name", STACK, "--region", REGION, "--no-prompts")
    functions = [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]]
    check("no function", not functions, functions)
    queues = aws.client("sqs").list_queues(QueueNamePrefix=STACK).get("QueueUrls", [])
    check("no queue", not queues, queues)
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]
    # A function that was running then has its log made anew by the stand-in. On AWS no role of ours may make one.
    groups = [group for group in groups if group["creationTime"] < begun]
    check("no log", not groups, groups)
    tables = aws.client("dynamodb").list_tables()["TableNames"]
    check("but the table, with everything that was accepted", outputs["TableName"] in tables, tables)


def logical_id(function):
    return "".join(word.title() for word in function.split("-"))


def named(template, resource):
    """What `check_rights` calls the table, index, queue or parameter that a role of the template names."""
    (function, value), = resource.items()
    if function == "Fn::If":
        # Here both providers phone, so every condition of theirs holds.
        return named(template, value[1])
    if function == "Fn::GetAtt":
        properties = template["Resources"][value[0]]["Properties"]
        return properties["QueueName"]["Fn::Sub"].partition("-")[2] if "QueueName" in properties else "table"
    if index := value.partition("/index/")[2]:
        return "index" if index == "by_day" else f"index-{index}"
    parameter = re.search(r":parameter\$\{(\w+)\}", value)[1]
    return (template["Parameters"][parameter]["Default"] or PARAMETERS[parameter]).rpartition("/")[2]


def rights_of(template, function):
    """What the template allows a function: actions, by the name of the resource."""
    rights = {}
    for policy in template["Resources"][f"{logical_id(function)}Role"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            # What hangs on a parameter that this stack has not is not deployed: other secrets, and a key for them.
            if "Fn::If" in statement:
                continue
            for action in several(statement["Action"]):
                service, _, action = action.partition(":")
                if service in ACTIONS:
                    for resource in several(statement["Resource"]):
                        rights.setdefault(named(template, resource), set()).add(action)
    return rights


def several(value):
    return value if isinstance(value, list) else [value]


def check_rights(aws):
    print("\n== Every function may do what it needs, and nothing else")
    stack = aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    resources = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in stack}
    table = aws.client("dynamodb").describe_table(TableName=resources["Table"])["Table"]["TableArn"]
    account = table.split(":")[4]
    arns = {"table": ("dynamodb", table), "index": ("dynamodb", f"{table}/index/by_day"),
            "index-by_due": ("dynamodb", f"{table}/index/by_due")}
    for queue in ("dialing", "notifications", "dialing-dead-letters", "notifications-dead-letters"):
        arns[queue] = ("sqs", f"arn:aws:sqs:{REGION}:{account}:{STACK}-{queue}")
    for parameter in ("reference-keys", "routee-credentials", "webhook-keys", "twilio-auth-tokens", "twilio-credentials",
                      "another"):
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
        expected = rights_of(template, name)
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
    print("\n== Every queue leads to its function, and the schedule to the sentinel")
    for queue in ("Dialing", "Notifications"):
        aws.client("sqs").send_message(QueueUrl=outputs[f"{queue}QueueUrl"], MessageBody="{}")
    for name in FUNCTIONS:
        seen = HOME / f"seen/{STACK}-{name}.jsonl"
        wait_for(f"an event at {name}", seen.exists)
        calls = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
        settings = calls[0]["settings"]
        # What may be left out, and is.
        optional = ("_URL", "_ORIGINS", "VAPI_SECRETS_PARAM", "RETELL_KEYS_PARAM")
        empty = [key for key, value in settings.items() if not value and not key.endswith(optional)]
        check(f"{name} was called and has {len(settings)} settings", "PATCHBAY_TABLE" in settings and not empty, settings)
        if name == "dialer":
            check("dialer, whom no request reaches, is told the URL", settings["PATCHBAY_PUBLIC_URL"] == outputs["ApiUrl"])
        fixture = min((ROOT / "tests/events").glob(f"{name}*.json"))
        expected = json.loads(fixture.read_text(encoding="utf-8"))
        # The call on the fixture's own route; a queue and a schedule have none.
        event = next(call["event"] for call in calls if call["event"].get("routeKey") == expected.get("routeKey"))
        differences = list(differing(expected, event))
        check(f"{name} got an event of the form of {fixture.name}", not differences, differences)


# What AWS sends and the stand-in does not, nor does any function read it; and what depends on the request.
LEFT_OUT = {"domainPrefix", "AWSTraceHeader", "body", "queryStringParameters", "rawQueryString"}


def differing(fixture, event, path="event"):
    """Where an event is not of the form that a fixture has: which fields there are, and of which types."""
    if isinstance(fixture, dict) and isinstance(event, dict):
        if path.endswith("headers"):
            yield from (f"{path}.{name} is not in lower case" for name in event if name != name.lower())
            return
        for name in fixture.keys() - event.keys() - LEFT_OUT:
            yield f"{path}.{name} is missing"
        for name in fixture.keys() & event.keys():
            yield from differing(fixture[name], event[name], f"{path}.{name}")
    elif isinstance(fixture, list) and isinstance(event, list):
        yield from differing(fixture[0], event[0], f"{path}[0]")
    elif type(fixture) is not type(event):
        yield f"{path} is a {type(event).__name__}, not a {type(fixture).__name__}"
