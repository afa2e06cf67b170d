"""Checks responses to voice agents against the SDKs of their platforms: Vapi and Retell.

    cargo run -- local --port 8080 &
    python3 -m venv target/agents-venv && target/agents-venv/bin/pip install vapi_server_sdk retell-sdk
    target/agents-venv/bin/python tests/e2e/agents_check.py "$(printf 'pb_%064d' 0)" http://127.0.0.1:8080

Requests are built from the SDKs' types, and every response must be valid for these types.
"""

import json
import sys
import time
import urllib.error
import urllib.request

from retell.types import PhoneCallResponse
from vapi import types as vapi

# Seconds after which a request counts as lost. Generous, because a busy machine is slow.
TIMEOUT = 600
CALLER, LINE = "+12025550143", "+12025550188"
SET, GET = "SendContextToProtegee", "GetContextFromProtegee"
FIELDS = {
    "description": "Two theatre seats", "price": "42.00", "vendor": "acme-stage", "full_name": "Ana Ruiz",
    "memory": "wants row F,\nnot row G",
}
failures = []


def expect(what, holds, seen):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        failures.append(f"{what}: {seen}")


def wait_for(api):
    """Waits until the server listens, up to the time-out."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(api, timeout=TIMEOUT).close()
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return


def post(api, token, path, body):
    request = urllib.request.Request(f"{api}/voice/api/v1/{path}", data=body.encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def vapi_request(function, arguments, form):
    """A message built from the SDK's types, with the tool call in one of its lists, or in both."""
    call = vapi.ToolCall(id="call_1", type="function",
                         function=vapi.ToolCallFunction(name=function, arguments=json.dumps(arguments)))
    item = vapi.ServerMessageToolCallsToolWithToolCallListItem_Function(
        tool_call=call, function=vapi.OpenAiFunction(name=function))
    lists = {
        "toolCallList": {"tool_call_list": [call], "tool_with_tool_call_list": []},
        "toolWithToolCallList": {"tool_call_list": [], "tool_with_tool_call_list": [item]},
        "both": {"tool_call_list": [call], "tool_with_tool_call_list": [item]},
    }
    message = vapi.ServerMessageToolCalls(type="tool-calls", customer=vapi.CreateCustomerDto(number=CALLER),
                                          **lists[form])
    return json.dumps({"message": json.loads(message.json(by_alias=True, exclude_none=True))})


def vapi_result(what, function, status, answer):
    """The only result, as the SDK parses it. Its validation rejects a result that is not text, or has no name."""
    try:
        read = vapi.ServerMessageResponseToolCalls.model_validate(answer)
    except ValueError as error:
        expect(what, False, error)
        return None
    results = read.results or []
    holds = (status == 200 and len(results) == 1 and results[0].name == function
             and results[0].tool_call_id == "call_1" and "\n" not in (results[0].result or results[0].error or "\n"))
    expect(what, holds, answer)
    return results[0] if holds else None


def check_vapi(api, token):
    for form in ("toolCallList", "toolWithToolCallList", "both"):
        answer = post(api, token, "vapi/set-context", vapi_request(SET, FIELDS, form))
        vapi_result(f"Vapi's SDK parses the response to a set ({form})", SET, *answer)
        answer = post(api, token, "vapi/get-context", vapi_request(GET, {}, form))
        result = vapi_result(f"Vapi's SDK parses the response to a get ({form})", GET, *answer)
        context = json.loads(result.result) if result and result.result else {}
        expect("it has every field that was set", {name: context.get(name) for name in FIELDS} == FIELDS, context)
    answer = post(api, token, "vapi/set-context", vapi_request(SET, {**FIELDS, "price": 42.5}, "toolCallList"))
    result = vapi_result("Vapi's SDK parses an error", SET, *answer)
    expect("the error names the field", result is not None and "price" in (result.error or ""), result)


def check_retell(api, token):
    call = PhoneCallResponse.construct(call_id="call_2", direction="inbound", from_number=CALLER, to_number=LINE,
                                       call_type="phone_call", call_status="ongoing", agent_id="agent_1",
                                       agent_version=0)
    body = json.dumps({"name": "send_context", "call": call.to_dict(), "args": {**FIELDS, "vendor": "another"}})
    status, answer = post(api, token, "retell/set-context", body)
    expect("a request with Retell's call object sets a context", status == 200 and answer["status"] == "success",
           answer)
    status, answer = post(api, token, "retell/get-context", json.dumps({"name": "get_context", "call": call.to_dict(),
                                                                       "args": {}}))
    expect("a request with Retell's call object gets it", status == 200 and answer["vendor"] == "another", answer)


def main():
    token, api = sys.argv[1:]
    wait_for(api)
    check_vapi(api, token)
    check_retell(api, token)
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
