"""An emulator of AWS on this machine (MiniStack), and the stack deployed to it."""

import http.client
import json
import os
import pathlib
import platform
import re
import signal
import socket
import subprocess
import sys
import time

import boto3
from botocore.config import Config
from samcli.yamlhelper import yaml_dump, yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target/e2e"
# Cargo's target folder, shared with all other builds.
CARGO = pathlib.Path(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))
STACK = "patchbay-local"
REGION = "us-east-1"
# Seconds to wait for an event before the run fails. Generous, so that no check fails because the machine is busy.
TIMEOUT = 600
TEMPLATE = ROOT / "infra/template.yaml"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))
# Required parameters without a default, for a stack with both providers, a chat platform and the API for calls.
PARAMETERS = {
    "VoiceProviders": "routee,twilio", "TwilioFrom": "+12025550100", "TwilioAuthTokensParam": "/patchbay/twilio-auth-tokens",
    "ChatPlatform": "sangoma", "SangomaTenantDomain": "acme.cx.sangoma.com", "ChatSecretsParam": "/patchbay/chat-secrets",
    "CallsApi": "on", "CallsProviders": "routee,twilio", "SesConfigurationSet": "patchbay",
    "ElementeCredentialsParam": "/patchbay/elemente-credentials",
}
# The conditions within the API definition: each is that of a function that only some stacks have.
ROUTE_CONDITIONS = ("HasTwilio", "HasChat", "HasCalls")


def architecture():
    """Architecture of this machine, as the template spells it."""
    return {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, look, seconds=TIMEOUT):
    """Polls `look` until it returns a true value. Returns that value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := look():
            return answer
        time.sleep(0.1)
    raise SystemExit(f"gave up after {seconds} s waiting for {what}")


def stop_process(process):
    """Stops a process that leads its own session, with all its children."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(30)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def evaluate(expression, values):
    """Evaluates a CloudFormation condition; supports only the functions that the template uses."""
    if not isinstance(expression, dict):
        return expression
    (function, argument), = expression.items()
    if function == "Ref":
        return values[argument]
    if function == "Fn::Sub":
        return re.sub(r"\$\{([^}]+)\}", lambda match: values[match[1]], argument)
    arguments = [one if isinstance(one, list) else evaluate(one, values) for one in argument]
    match function:
        case "Fn::Select":
            return arguments[1][int(arguments[0])]
        case "Fn::Split":
            return arguments[1].split(arguments[0])
        case "Fn::Equals":
            return arguments[0] == arguments[1]
        case "Fn::Not":
            return not arguments[0]
        case "Fn::Contains":
            return arguments[1] in arguments[0]
    raise ValueError(f"{function} is not supported")


def routes():
    """Every route of the template: (method, path, folder of its function)."""
    for resource in yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"].values():
        properties = resource["Properties"]
        for event in properties.get("Events", {}).values():
            if event["Type"] == "HttpApi":
                route = event["Properties"]
                yield route["Method"], route["Path"], properties["CodeUri"].rpartition("/")[2]


def topic_is_elsewhere(template, topic, region=REGION):
    condition = yaml_parse(template.read_text(encoding="utf-8"))["Conditions"]["TopicIsElsewhere"]
    return evaluate(condition, {"AlarmTopicArn": topic, "AWS::Region": region})


def replace_condition(template, parameters):
    """Replaces the only condition that MiniStack cannot evaluate (it does not support Fn::Split in conditions)."""
    elsewhere = topic_is_elsewhere(template, parameters.get("AlarmTopicArn", ""))
    document = yaml_parse(template.read_text(encoding="utf-8"))
    document["Conditions"]["TopicIsElsewhere"] = {"Fn::Equals": ["elsewhere", "elsewhere" if elsewhere else "here"]}
    template.write_text(yaml_dump(document), encoding="utf-8")


def parameter_values(template, parameters):
    """The value of every parameter of the template, which is its default unless `parameters` has another."""
    return {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()} | parameters


def true_conditions(parameters):
    """Those of `ROUTE_CONDITIONS` that are true with these parameters."""
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    values = parameter_values(template, parameters)
    return {name for name in ROUTE_CONDITIONS if evaluate(template["Conditions"][name], values)}


def resolve_condition(value, conditions):
    """Resolves a condition within the API definition. None if it is not one of the true `conditions`."""
    if isinstance(value, dict) and "Fn::If" in value:
        condition, chosen, _ = value["Fn::If"]
        assert condition in ROUTE_CONDITIONS, condition
        return chosen if condition in conditions else None
    return value


class Running:
    """A command that runs until it ends by itself or the `with` block ends."""

    def __init__(self, command, environment, path):
        self.name, self.path = command[0], path
        with open(path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log,
                                            start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop_process(self.process)

    def wait(self):
        """Waits for its end. Fails if it has failed."""
        if self.process.wait():
            sys.stderr.write("\n".join(self.path.read_text(encoding="utf-8").splitlines()[-60:]) + "\n")
            raise SystemExit(f"{self.name} failed, see {self.path}")


class Aws:
    """MiniStack as a child process. It and its functions stop at the end of the `with` block."""

    def __enter__(self):
        self.port = free_port()
        self.endpoint = f"http://localhost:{self.port}"
        for name in ("tmp", "seen"):
            (HOME / name).mkdir(parents=True, exist_ok=True)
            for old in (HOME / name).glob("*.jsonl"):
                old.unlink()
        credentials = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            # Inherited by the functions, so that they use this emulator.
            "AWS_ENDPOINT_URL": self.endpoint,
            # Keeps the developer's own AWS profile out of this.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = inherited | credentials
        os.environ.update(credentials)
        os.environ.pop("AWS_PROFILE", None)
        os.environ.pop("AWS_SESSION_TOKEN", None)
        server = self.environment | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            # Enforces roles: a function without a permission fails here as it would on AWS.
            "AUTH": "true",
            # No check needs containers.
            "DOCKER_HOST": "unix:///nonexistent",
            "TMPDIR": str(HOME / "tmp"),
            "E2E_SEEN": str(HOME / "seen"),
        }
        self.log = open(HOME / "ministack.log", "w", encoding="utf-8")
        # In its own session: the functions are its children, and are stopped with it.
        self.server = subprocess.Popen(
            [HOME / "ministack/bin/ministack"],
            env=server, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            wait_for("MiniStack", self.is_up)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stop_process(self.server)
        self.log.close()

    def is_up(self):
        if self.server.poll() is not None:
            raise SystemExit(f"MiniStack stopped during its start, see {self.log.name}")
        try:
            return self.request("GET", "/_ministack/health")[0] == 200
        except OSError:
            return False

    def client(self, service):
        return boto3.client(service, config=Config(retries={"max_attempts": 2}, read_timeout=TIMEOUT))

    def request(self, method, path, body=None, headers=None, host=None):
        """Sends an HTTP request to the emulator, with the host in the header: names below localhost do not resolve."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, {**({"Host": host} if host else {}), **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text
        finally:
            connection.close()

    def run(self, *command):
        with self.start(HOME / "sam.log", *command) as running:
            running.wait()

    def start(self, log, *command):
        """Starts a command, which ends with the `with` block at the latest. Its output is appended to the log."""
        print("   $", *command, flush=True)
        tools = str(HOME / "tools/bin")
        environment = self.environment | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
        environment |= {"CARGO_TARGET_DIR": str(CARGO)}
        return Running(command, environment, log)

    def deploy(self, stubs, parameters):
        """Runs `sam build` and `sam deploy` with the real template. Returns the outputs of the stack."""
        overrides = {"Architecture": architecture(), "DeletionProtection": "false", "LogLevel": "DEBUG"} | parameters
        # In quotes, as in samconfig.toml: the SAM CLI cuts an unquoted value at a space.
        overrides = [f'{name}="{value}"' for name, value in overrides.items()]
        config = ("--config-file", ROOT / "samconfig.toml", "--config-env", "local")
        (HOME / "sam.log").unlink(missing_ok=True)
        if stubs:
            template = self.with_stubs()
        else:
            build = HOME / "build"
            # Not deployed: the baseline of the cold-start measurements.
            self.run("cargo", "lambda", "build", "--release", "--package", "empty-function")
            # Its first call of cargo builds all functions, see Cargo.toml.
            self.run("sam", "build", *config, "--build-dir", build, "--parameter-overrides", *overrides)
            template = build / "template.yaml"
        replace_condition(template, parameters)
        self.run("sam", "deploy", *config, "--template-file", template, "--parameter-overrides", *overrides)
        self.apply_ignored_settings(true_conditions(parameters))
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def apply_ignored_settings(self, conditions):
        """Applies the parts of the template that MiniStack ignores."""
        template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
        deployed = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        self.import_routes(
            {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in deployed}, conditions)
        for resource in deployed:
            properties = template.get(resource["LogicalResourceId"], {}).get("Properties", {})
            if loop := properties.get("RecursiveLoop"):
                self.client("lambda").put_function_recursion_config(
                    FunctionName=resource["PhysicalResourceId"], RecursiveLoop=loop)
            if ttl := properties.get("TimeToLiveSpecification"):
                self.client("dynamodb").update_time_to_live(
                    TableName=resource["PhysicalResourceId"], TimeToLiveSpecification=ttl)

        # MiniStack passes a number from a parameter as text, which its pollers cannot use.
        functions = self.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            scaling = {"MaximumConcurrency": int(mapping["ScalingConfig"]["MaximumConcurrency"])}
            functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=scaling)

    def processed_resources(self):
        """The resources of the template after SAM's transformation."""
        template = self.client("cloudformation").get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
        return (template if isinstance(template, dict) else yaml_parse(template))["Resources"]

    def import_routes(self, physical, conditions):
        """Creates the routes and integrations of the API definition that SAM generated, as API Gateway would."""
        body, integrations = self.processed_resources()["HttpApi"]["Properties"]["Body"], {}
        gateway, api = self.client("apigatewayv2"), physical["HttpApi"]
        operations = [
            (method, path, resolve_condition(operation, conditions)) for path, operations in body["paths"].items()
            for method, operation in (resolve_condition(operations, conditions) or {}).items()]
        for method, path, operation in operations:
            if operation is None:
                continue
            integration = resolve_condition(operation["x-amazon-apigateway-integration"], conditions)
            uri = resolve_condition(integration["uri"], conditions)["Fn::Sub"]
            function = re.search(r"\$\{(\w+)\.Arn\}/invocations$", uri)[1]
            if function not in integrations:
                arn = self.client("lambda").get_function_configuration(FunctionName=physical[function])["FunctionArn"]
                integrations[function] = gateway.create_integration(
                    ApiId=api, IntegrationType=integration["type"].upper(), IntegrationUri=arn,
                    PayloadFormatVersion=integration["payloadFormatVersion"])["IntegrationId"]
            gateway.create_route(ApiId=api, RouteKey=f"{method.upper()} {path}",
                                 Target=f"integrations/{integrations[function]}")

    def logs(self):
        """Log lines of each function, newest last: its last warnings and errors, then its last lines."""
        client = self.client("logs")
        for group in client.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}")["logGroups"]:
            events = client.filter_log_events(logGroupName=group["logGroupName"], limit=1000)["events"]
            lines = [event["message"].rstrip() for event in events]
            problems = [line for line in lines if '"level":"WARN"' in line or '"level":"ERROR"' in line]
            for line in problems[-10:] + ["-- last lines"] + lines[-5:]:
                yield f"{group['logGroupName']}: {line[:1000]}"

    def with_stubs(self):
        """Writes the template as `sam build` would, with a stub for every function. Returns its path."""
        stubs = HOME / "stubs"
        stubs.mkdir(parents=True, exist_ok=True)
        template = TEMPLATE.read_text(encoding="utf-8")
        for name in FUNCTIONS:
            (stubs / name).mkdir(exist_ok=True)
            bootstrap = stubs / name / "bootstrap"
            bootstrap.write_bytes((ROOT / "tests/e2e/stub").read_bytes())
            bootstrap.chmod(0o755)
            source = f"CodeUri: ../functions/{name}\n"
            if source not in template:
                raise SystemExit(f"the template does not deploy functions/{name}")
            template = template.replace(source, f"CodeUri: {name}\n")
        path = stubs / "template.yaml"
        path.write_text(template, encoding="utf-8")
        return path
