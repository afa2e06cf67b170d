"""Deploys patchbay to an emulator of AWS, and checks that it works there. See `run`."""

import argparse
import base64
import secrets
import signal
import sys
import time
import urllib.parse

import accepted
from agents import check_handover
from aws import HOME, PARAMETERS, Aws
from chat import Sangoma, check_chat
from checks import check, stage
from cold import check_cold_starts
from deployment import (check_deletion, check_permissions, check_resources, check_settings, check_single_providers,
                        check_stubs)
from emails import check_email
from kills import check_kills
from main_job import check_main_job, put_token
from outages import check_outages
from requester import Requester
from routee import Routee
from sizes import arm64_build, check_sizes
from smoke import check_smoke
from twilio_calls import ACCOUNT, Twilio
from watch import check_routes, check_watch

CREDENTIALS = "e2e-application:e2e-secret"
TWILIO_CREDENTIALS = f"{ACCOUNT}:SK00000000000000000000000000000001:e2e-secret"
SANGOMA_CREDENTIALS = "e2e-client:e2e-secret"
# Includes the first build of the functions.
LIMIT_SECONDS = 60 * 60


def put_secrets(aws, webhook_key, auth_token, chat_secret):
    values = {
        "/patchbay/reference-keys": secrets.token_hex(32),
        "/patchbay/routee-credentials": CREDENTIALS,
        "/patchbay/webhook-keys": webhook_key,
        "/patchbay/twilio-auth-tokens": auth_token,
        "/patchbay/twilio-credentials": TWILIO_CREDENTIALS,
        "/patchbay/sangoma-credentials": SANGOMA_CREDENTIALS,
        "/patchbay/elemente-credentials": "e2e-user:e2e-secret",
        "/patchbay/chat-secrets": chat_secret,
    }
    for name, value in values.items():
        aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def check_agents(aws, outputs):
    stage("Voice agents pass the context of a caller to each other")
    token = "pb_" + secrets.token_hex(32)
    put_token(aws, outputs, token, "context:read", "context:write")
    # Names below localhost do not resolve, so the host is sent in the header.
    check_handover(aws.endpoint, token, check, {"Host": urllib.parse.urlsplit(outputs["ApiUrl"]).netloc})


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stubs", action="store_true", help="deploy stubs, and check the deployment only")
    arguments.add_argument("--keep", action="store_true", help="leave the stack running until Ctrl-C")
    arguments.add_argument("--accept", action="store_true", help="accept the measurements as the new baseline")
    arguments = arguments.parse_args()
    accepted.options["accept"] = arguments.accept
    began = time.monotonic()
    # Ends as an exception on a signal, so that every child process is stopped. The alarm ends a run that hangs.
    for sign in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(sign, lambda number, _: sys.exit(f"stopped by {signal.Signals(number).name}"))
    if not arguments.keep:
        signal.alarm(LIMIT_SECONDS)
    with Aws() as aws:
        print(f"== Emulator of AWS at {aws.endpoint}, log in {HOME / 'ministack.log'}", flush=True)
        webhook_key = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        auth_token = secrets.token_hex(16)
        chat_secret = secrets.token_hex(16)
        put_secrets(aws, webhook_key, auth_token, chat_secret)

        def call_back(url, body, headers):
            path = f"{url.path}?{url.query}" if url.query else url.path
            return aws.request("POST", path, body, headers, url.netloc)

        phones = {}
        with (Routee(call_back, CREDENTIALS, phones) as routee,
              Twilio(call_back, TWILIO_CREDENTIALS, auth_token, phones) as twilio, Requester(webhook_key) as requester,
              Sangoma(call_back, SANGOMA_CREDENTIALS, chat_secret) as sangoma):
            stage("Deploying infra/template.yaml")
            outputs = aws.deploy(arguments.stubs, {
                "RouteeFrom": "12025550100", "RouteeAuthUrl": routee.url, "RouteeConnectUrl": routee.url,
                "RouteeCallIntervalMs": "1000", "TwilioApiUrl": twilio.url,
                "PrivateOrigins": f"{requester.origin}, {aws.endpoint}", "DefaultCountry": "1",
                "SangomaApiUrl": f"{sangoma.url}/cx", "SangomaAuthUrl": sangoma.url,
            } | PARAMETERS)
            for name, value in outputs.items():
                print(f"   {name}: {value}")
            try:
                check_settings()
                check_resources(aws, outputs)
                check_permissions(aws)
                if arguments.stubs:
                    check_stubs(aws, outputs)
                    check_routes(aws)
                else:
                    check_sizes()
                    check_cold_starts()
                    # Not together with the cold starts: on a busy machine a count may be that of a function that had to wait.
                    with arm64_build(aws) as check_arm64_sizes:
                        check_smoke(aws, outputs)
                        api = check_main_job(aws, outputs, routee, requester)
                        check_agents(aws, outputs)
                        check_chat(aws, outputs, sangoma)
                        check_email(aws, outputs)
                        # After the voice agents, because its events use the same callers.
                        check_watch(aws, outputs, put_token)
                        check_outages(aws, outputs, api, routee, twilio, requester)
                        check_kills(aws, outputs, api, [routee, twilio], requester)
                        check_arm64_sizes()
            except BaseException:
                print("\n== Logs of the functions", *aws.logs(), sep="\n   ", flush=True)
                raise
            if not arguments.keep:
                check_deletion(aws, outputs)
                if arguments.stubs:
                    check_single_providers(aws)
            print(f"\n== All checks passed, {time.monotonic() - began:.0f} s", flush=True)
            if arguments.keep:
                print("Running until Ctrl-C.")
                try:
                    while True:
                        time.sleep(3600)
                except KeyboardInterrupt:
                    pass


if __name__ == "__main__":
    sys.exit(main())
