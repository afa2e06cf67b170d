"""Two voice agents that pass the context of a caller to each other, with the requests that they would send to Protegee.

Part of the end-to-end run. To run it by hand against `patchbay local`:

    python3 tests/e2e/agents.py http://127.0.0.1:8080 pb_0000000000000000000000000000000000000000000000000000000000000000
"""

import json
import sys

import requests

# Seconds after which a request counts as lost. Generous, because a busy machine is slow.
TIMEOUT = 600
CALLER, CALLBACK = "+12025550143", "+12025550177"


def check_handover(host, token, check, headers=None):
    """Agent A sets a context, agent B gets it; then the agents of the other platforms; then the context is deleted."""

    def post(path, body, **more):
        return requests.post(f"{host}/voice/api/v1/{path}", params={"api_token": token, **more.pop("params", {})},
                             json=body, headers={**(headers or {}), **more.pop("headers", {})}, timeout=TIMEOUT, **more)

    context_fields = {
        "caller": CALLER, "description": "Two theatre seats", "price": "42.00", "vendor": "acme-stage",
        "callback": CALLBACK, "email": "c@example.org", "full_name": "Ana Ruiz", "memory": "wants row F",
    }
    response = post("twilio/set-context", context_fields)
    check("agent A sets a context", response.status_code == 200 and response.json() ==
          {"status": "success", "message": {"caller": CALLER, "purchase": "new"}}, response.text)
    response = post("twilio/get-context", {"caller": "+1 (202) 555-0143"})
    response.raise_for_status()
    context = response.json()
    check("agent B gets the context", {name: context.get(name) for name in context_fields} == context_fields, context)
    check("it has the published default values", (context["persona"], context["transaction_type"],
          context["customer_id"], context["processor"], context["debug"]) ==
          ("english-jessica", "once", "", {}, ""), context)

    arguments = {name: value for name, value in context_fields.items() if name not in ("caller", "memory")}
    retell = {"call": {"call_id": "call_1", "direction": "inbound", "from_number": CALLER,
                       "to_number": "+12025550188"}, "args": arguments}
    check("an agent on Retell sets a context", post("retell/set-context", retell).json()["status"] == "success")
    flat = post("retell/get-context", {"from_number": CALLER, "llm_id": "llm_1", "to_number": "+12025550188"}).json()
    check("an agent on Retell gets it, in Retell's types", "persona" not in flat and flat["processor"] == ""
          and flat["debug"] == {} and flat["memory"] == "wants row F", flat)

    def vapi(function, arguments):
        return {"message": {"customer": {"number": CALLER}, "toolCalls": [
            {"id": "call_2", "function": {"name": function, "arguments": arguments}}]}}

    check("an agent on Vapi sets a context", post("vapi/set-context", vapi("SendContextToProtegee", arguments)).json()
          ["status"] == "success")
    result = post("vapi/get-context", vapi("GetContextFromProtegee", {})).json()["results"][0]
    check("an agent on Vapi gets it as the result of its tool call", result["toolCallId"] == "call_2"
          and json.loads(result["result"])["full_name"] == "Ana Ruiz", result)
    check("an agent on Bland sets a context", post("bland/set-context", context_fields).json()["status"] == "success")

    response = post("twilio/set-context", {**context_fields, "price": 42.5})
    check("a price with a fraction must be a string: 422 with the field", response.status_code == 422
          and response.json()["message"]["field"] == "price", response.text)
    response = post("twilio/get-context", {"caller": "anonymous"})
    check("a caller without a number is rejected: 422", response.status_code == 422, response.text)
    response = post("twilio/set-context", context_fields, params={"api_token": "test_ABCDEFGHIJKLMNOPQRSTUVWX"})
    check("an unknown token is rejected: 401", response.status_code == 401
          and response.json()["status"] == "error", response.text)

    own = {"authorization": f"Bearer {token}", **(headers or {})}
    shown = requests.get(f"{host}/v1/contexts/{CALLER}", headers=own, timeout=TIMEOUT).json()
    check("four versions are stored", [version["version"] for version in shown["versions"]] == [4, 3, 2, 1], shown)
    response = requests.delete(f"{host}/v1/contexts/{CALLER}", headers=own, timeout=TIMEOUT)
    check("the context is deleted on request", response.status_code == 204, response.text)
    unknown = post("twilio/get-context", {"caller": CALLER})
    check("an unknown caller has no context", unknown.status_code == 200
          and unknown.json()["status"] == "no-context", unknown.text)


def main():
    def check(what, holds, seen=None):
        print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
        if not holds:
            raise SystemExit(f"seen: {seen}")

    host, token = sys.argv[1:]
    check_handover(host, token, check)


if __name__ == "__main__":
    sys.exit(main())
