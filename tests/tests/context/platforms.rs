//! The request formats of the four platforms, as they are published.

use patchbay_simulators::twilio::{CallerScript, PaymentInput};
use serde_json::{Value, json};

use crate::common::world;
use crate::{CALLER, get, is_error, load, own, post, purchase, purchase_without, set};

/// The payload without the field that the platform itself sends.
fn arguments() -> Value {
    purchase_without("caller")
}

/// A message of Vapi in which the agent calls `function`, once for each of `ids`.
fn vapi(function: &str, ids: &[Option<&str>], arguments: &Value) -> Value {
    let call = |id: Option<&str>| {
        let mut call = json!({ "type": "function", "function": { "name": function, "arguments": arguments } });
        if let Some(id) = id {
            call["id"] = json!(id);
        }
        call
    };
    json!({
        "message": {
            "type": "tool-calls",
            "customer": { "number": CALLER },
            "call": { "id": "vapi-call-1" },
            "toolCalls": ids.iter().copied().map(call).collect::<Vec<_>>(),
        }
    })
}

fn retell(call: &Value, args: &Value) -> Value {
    json!({ "name": "send_context", "call": call, "args": args })
}

fn inbound() -> Value {
    json!({ "call_id": "retell-call-1", "direction": "inbound", "from_number": CALLER, "to_number": "+12025550188" })
}

fn stored() -> Value {
    json!({ "status": "success", "message": { "caller": CALLER, "purchase": "new" } })
}

/// The result of a tool call, as Vapi requires it: a text on one line.
fn tool_result(function: &str, id: &str, result: &Value) -> Value {
    let text = result.to_string();
    assert!(!text.contains('\n'), "{text}");
    json!({ "name": function, "toolCallId": id, "result": text })
}

/// What every platform except Retell reads after [`purchase`].
fn read_back() -> Value {
    let mut expected = purchase();
    expected["status"] = json!("pending");
    expected["start_time"] = json!("");
    expected["processor"] = json!({});
    expected["debug"] = json!("");
    expected
}

#[tokio::test(start_paused = true)]
async fn a_set_on_twilio_or_bland_is_read_on_both_and_on_vapi() {
    for platform in ["twilio", "bland"] {
        let world = world([]).await;
        let answer = post(&world, &format!("{platform}/set-context"), &purchase()).await;
        assert_eq!((answer.status, &answer.json), (200, &stored()));
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        for reader in ["twilio", "bland"] {
            let answer = post(&world, &format!("{reader}/get-context"), &json!({ "caller": CALLER })).await;
            assert_eq!((answer.status, &answer.json), (200, &read_back()), "{reader}");
        }
        let ask = vapi("GetContextFromProtegee", &[Some("call-9")], &json!({}));
        let answer = post(&world, "vapi/get-context", &ask).await;
        let expected = json!({ "results": [tool_result("GetContextFromProtegee", "call-9", &read_back())] });
        assert_eq!((answer.status, &answer.json), (200, &expected));
    }
}

#[tokio::test(start_paused = true)]
async fn retell_reads_two_fields_less_and_two_with_swapped_types() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    let mut expected = read_back();
    let fields = expected.as_object_mut().unwrap();
    fields.remove("persona");
    fields.remove("transaction_type");
    fields.insert("processor".into(), json!(""));
    fields.insert("debug".into(), json!({}));
    // As published, and as a custom function actually sends it.
    let published = json!({ "from_number": CALLER, "llm_id": "llm_1", "to_number": "+12025550188" });
    for ask in [published, retell(&inbound(), &json!({}))] {
        let answer = post(&world, "retell/get-context", &ask).await;
        assert_eq!((answer.status, &answer.json), (200, &expected), "{ask}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_on_retell_or_vapi_is_read_on_twilio() {
    let of_vapi = |arguments: &Value| vapi("SendContextToProtegee", &[None], arguments);
    let as_text = Value::String(arguments().to_string());
    let mut second_form = of_vapi(&Value::Null);
    second_form["message"].as_object_mut().unwrap().remove("toolCalls");
    second_form["message"]["toolCallList"] = json!([{ "name": "SendContextToProtegee", "arguments": arguments() }]);
    for (platform, body) in [
        ("retell", retell(&inbound(), &arguments())),
        ("vapi", of_vapi(&arguments())),
        ("vapi", of_vapi(&as_text)),
        ("vapi", second_form),
    ] {
        let world = world([]).await;
        let answer = post(&world, &format!("{platform}/set-context"), &body).await;
        assert_eq!((answer.status, &answer.json), (200, &stored()), "{body}");
        assert_eq!(get(&world).await, read_back(), "{body}");
    }
}

/// The lists as in Vapi's SDK and as in its documentation, also next to empty lists.
#[tokio::test(start_paused = true)]
async fn a_tool_call_of_vapi_is_found_in_every_published_form() {
    let (name, text) = ("SendContextToProtegee", Value::String(arguments().to_string()));
    let schema = json!({ "type": "object", "properties": {} });
    let other = json!({ "id": "x", "function": { "name": "bookTable", "arguments": {} } });
    for lists in [
        json!({ "toolCallList": [{ "id": "a", "name": name, "parameters": arguments() }] }),
        json!({ "toolCallList": [{ "id": "a", "name": name, "parameters": text }] }),
        json!({ "toolCallList": [{ "id": "a", "type": "function", "function": { "name": name, "parameters": arguments() } }] }),
        json!({ "toolCallList": [{ "id": "a", "function": { "name": name, "arguments": {} }, "parameters": arguments() }] }),
        json!({ "toolCalls": [], "toolCallList": [{ "id": "a", "name": name, "arguments": arguments() }] }),
        json!({ "toolCalls": null, "toolCallList": [],
            "toolWithToolCallList": [{ "type": "function", "name": name, "parameters": schema,
                "toolCall": { "id": "a", "type": "function", "function": { "name": name, "parameters": arguments() } } }] }),
        json!({ "toolWithToolCallList": [{ "type": "function", "function": { "name": name, "parameters": schema },
            "toolCall": { "id": "a", "type": "function", "function": { "name": name, "arguments": text } } }] }),
        json!({ "toolWithToolCallList": [{ "name": name, "toolCall": { "id": "a", "parameters": arguments() } }] }),
        json!({ "toolCalls": [other], "toolCallList": [{ "id": "a", "name": name, "parameters": arguments() }] }),
    ] {
        let world = world([]).await;
        let mut message = lists.clone();
        message["customer"] = json!({ "number": CALLER });
        let answer = post(&world, "vapi/set-context", &json!({ "message": message })).await;
        assert_eq!(
            answer.json.pointer("/results"),
            Some(&json!([tool_result(name, "a", &stored())])),
            "{lists}"
        );
        assert_eq!(get(&world).await, read_back(), "{lists}");
    }
    for (lists, field) in [
        (json!({ "toolCalls": [], "toolCallList": [] }), "message.toolCalls"),
        (json!({ "toolCallList": [] }), "message.toolCallList"),
        (json!({ "toolCalls": [], "toolCallList": 1 }), "message.toolCallList"),
        (
            json!({ "toolCallList": [{ "name": name, "parameters": { "price": "1", "description": "x" } }] }),
            "message.toolCallList[0].parameters.vendor",
        ),
        (
            json!({ "toolWithToolCallList": [{ "toolCall": { "function": { "name": name, "arguments": 1 } } }] }),
            "message.toolWithToolCallList[0].toolCall.function.arguments",
        ),
        (
            json!({ "toolCallList": [{ "name": name }] }),
            "message.toolCallList[0].arguments",
        ),
    ] {
        let world = world([]).await;
        let mut message = lists.clone();
        message["customer"] = json!({ "number": CALLER });
        let answer = post(&world, "vapi/set-context", &json!({ "message": message })).await;
        assert_eq!(is_error(&answer, 422), [field], "{lists}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_callee_is_the_customer_of_an_outbound_call() {
    let world = world([]).await;
    let outbound = json!({ "direction": "outbound", "from_number": "+12025550188", "to_number": CALLER });
    let answer = post(&world, "retell/set-context", &retell(&outbound, &arguments())).await;
    assert_eq!((answer.status, &answer.json), (200, &stored()));
}

#[tokio::test(start_paused = true)]
async fn vapi_gets_a_result_for_each_of_our_tool_calls_and_none_for_others() {
    let world = world([]).await;
    let mut body = vapi("SendContextToProtegee", &[Some("a"), Some("b")], &arguments());
    let calls = body["message"]["toolCalls"].as_array_mut().unwrap();
    calls.insert(
        0,
        json!({ "id": "other", "function": { "name": "bookTable", "arguments": {} } }),
    );
    let answer = post(&world, "vapi/set-context", &body).await;
    let mut again = stored();
    again["message"]["purchase"] = json!("same");
    let mut expected = stored();
    expected["results"] = json!([
        tool_result("SendContextToProtegee", "a", &stored()),
        tool_result("SendContextToProtegee", "b", &again),
    ]);
    assert_eq!((answer.status, &answer.json), (200, &expected));
    assert_eq!(load(&world).await.unwrap().current.number, 2);

    let ask = vapi("GetContextFromProtegee", &[Some("c"), Some("d")], &json!({}));
    let answer = post(&world, "vapi/get-context", &ask).await;
    let expected = ["c", "d"].map(|id| tool_result("GetContextFromProtegee", id, &read_back()));
    assert_eq!((answer.status, &answer.json), (200, &json!({ "results": expected })));
}

/// Vapi hides the body of every other status from the agent.
#[tokio::test(start_paused = true)]
async fn an_error_of_a_vapi_tool_call_has_status_200() {
    let world = world([]).await;
    let mut wrong = arguments();
    wrong["price"] = json!(42.5);
    let answer = post(
        &world,
        "vapi/set-context",
        &vapi("SendContextToProtegee", &[Some("a")], &wrong),
    )
    .await;
    let field = "message.toolCalls[0].function.arguments.price";
    assert_eq!(is_error(&answer, 200), [field]);
    let error = answer.text("/results/0/error");
    assert!(
        error.starts_with(field) && error.contains("\"10.50\", not a number"),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
    assert_eq!(answer.text("/results/0/toolCallId"), "a");
    assert_eq!(answer.text("/results/0/name"), "SendContextToProtegee");
    assert_eq!(load(&world).await, None);
    // Without the id of a tool call, it is an error like any other.
    let answer = post(
        &world,
        "vapi/set-context",
        &vapi("SendContextToProtegee", &[None], &wrong),
    )
    .await;
    assert_eq!(is_error(&answer, 422), [field]);
    let mut ask = vapi("GetContextFromProtegee", &[Some("b")], &json!({}));
    ask["message"]["customer"]["number"] = json!("12025550143");
    ask["message"]["call"] = json!({});
    let answer = post(&world, "vapi/get-context", &ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .text("/results/0/error")
            .starts_with("message.customer.number has no country code"),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invalid_tool_call_does_not_affect_another() {
    let world = world([]).await;
    let mut body = vapi("SendContextToProtegee", &[Some("a"), Some("b")], &arguments());
    body["message"]["toolCalls"][0]["function"]["arguments"]["vendor"] = json!("");
    let answer = post(&world, "vapi/set-context", &body).await;
    assert_eq!(
        is_error(&answer, 200),
        ["message.toolCalls[0].function.arguments.vendor"]
    );
    assert!(
        answer.text("/results/0/error").contains("vendor is missing"),
        "{answer:?}"
    );
    assert_eq!(
        answer.json.pointer("/results/1"),
        Some(&tool_result("SendContextToProtegee", "b", &stored()))
    );
    assert_eq!(load(&world).await.unwrap().current.number, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_field_by_its_path_in_the_request() {
    let world = world([]).await;
    let no_vendor = json!({ "description": "x", "price": "1", "transaction_type": 7 });
    for (platform, body, fields) in [
        ("twilio", json!({}), vec!["description", "vendor", "caller", "price"]),
        ("twilio", json!([]), vec!["(body)"]),
        ("twilio", json!({ "caller": 12_025_550_143_u64 }), vec!["caller"]),
        ("bland", json!({ "caller": CALLER, "price": 1.5 }), vec!["price"]),
        ("retell", json!({ "args": arguments() }), vec!["call"]),
        ("retell", json!({ "call": inbound() }), vec!["args"]),
        ("retell", json!({ "call": 1, "args": {} }), vec!["call"]),
        (
            "retell",
            retell(&json!({ "from_number": 1 }), &arguments()),
            vec!["call.from_number"],
        ),
        ("retell", retell(&json!({}), &arguments()), vec!["call.from_number"]),
        (
            "retell",
            retell(
                &json!({ "direction": "outbound", "to_number": "anonymous" }),
                &arguments(),
            ),
            vec!["call.to_number"],
        ),
        ("retell", retell(&inbound(), &no_vendor), vec!["args.transaction_type"]),
        ("vapi", json!({}), vec!["message"]),
        ("vapi", json!({ "message": {} }), vec!["message.toolCalls"]),
        (
            "vapi",
            json!({ "message": { "toolCalls": {} } }),
            vec!["message.toolCalls"],
        ),
        (
            "vapi",
            json!({ "message": { "toolCalls": [] } }),
            vec!["message.toolCalls"],
        ),
        (
            "vapi",
            vapi("somethingElse", &[None], &arguments()),
            vec!["message.toolCalls"],
        ),
        (
            "vapi",
            vapi("SendContextToProtegee", &[None; 9], &arguments()),
            vec!["message.toolCalls"],
        ),
        (
            "vapi",
            vapi("SendContextToProtegee", &[None], &json!("not JSON")),
            vec!["message.toolCalls[0].function.arguments"],
        ),
    ] {
        let answer = post(&world, &format!("{platform}/set-context"), &body).await;
        assert_eq!(is_error(&answer, 422), fields, "{platform} {body}");
    }
    for (platform, body, fields) in [
        ("twilio", json!({}), vec!["caller"]),
        ("twilio", json!({ "caller": "x" }), vec!["caller"]),
        ("retell", json!({}), vec!["from_number"]),
        ("retell", json!({ "call": {} }), vec!["call.from_number"]),
        (
            "vapi",
            vapi("GetContextFromProtegee", &[None], &json!({})),
            vec!["message.toolCalls[0].id"],
        ),
    ] {
        let answer = post(&world, &format!("{platform}/get-context"), &body).await;
        assert_eq!(is_error(&answer, 422), fields, "{platform} {body}");
    }
    assert_eq!(load(&world).await, None);
}

/// A caller must not reach another caller's context by saying that number to the agent.
#[tokio::test(start_paused = true)]
async fn the_number_comes_from_the_platform_and_never_from_the_language_model() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    let other = "+12025550199";
    let mut args = arguments();
    args["caller"] = json!(CALLER);
    args["call_id"] = json!("mine");
    let call = json!({ "from_number": other });
    let answer = post(&world, "retell/set-context", &retell(&call, &args)).await;
    assert_eq!(answer.text("/message/caller"), other);
    let answer = post(
        &world,
        "retell/get-context",
        &retell(&call, &json!({ "caller": CALLER })),
    )
    .await;
    assert_eq!(answer.text("/caller"), other);
    let mut ask = vapi("GetContextFromProtegee", &[Some("a")], &json!({ "caller": CALLER }));
    ask["message"]["customer"]["number"] = json!(other);
    let answer = post(&world, "vapi/get-context", &ask).await;
    let result: Value = serde_json::from_str(answer.text("/results/0/result")).unwrap();
    assert_eq!(result["caller"], json!(other));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_caller_gets_an_answer_with_every_field() {
    let world = world([]).await;
    let mut nothing = json!({
        "caller": CALLER, "description": "", "price": "", "vendor": "", "customer_id": "", "persona": "english-jessica",
        "callback": "", "email": "", "full_name": "", "transaction_type": "once", "memory": "",
        "status": "no-context", "start_time": "", "processor": {}, "debug": "",
    });
    assert_eq!(get(&world).await, nothing);
    let answer = post(
        &world,
        "vapi/get-context",
        &vapi("GetContextFromProtegee", &[Some("a")], &json!({})),
    )
    .await;
    assert_eq!(answer.text("/results/0/result"), nothing.to_string());
    let fields = nothing.as_object_mut().unwrap();
    fields.remove("persona");
    fields.remove("transaction_type");
    fields.insert("processor".into(), json!(""));
    fields.insert("debug".into(), json!({}));
    let answer = post(&world, "retell/get-context", &json!({ "from_number": CALLER })).await;
    assert_eq!((answer.status, &answer.json), (200, &nothing));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_platform_or_method_is_refused() {
    let world = world([]).await;
    for path in ["twillio/set-context", "TWILIO/get-context", "%20/set-context"] {
        let answer = post(&world, path, &purchase()).await;
        assert_eq!(is_error(&answer, 404), Vec::<String>::new(), "{path}");
    }
    let request = crate::common::request("GET", "/voice/api/v1/twilio/set-context");
    let answer = crate::common::send(&world, request.body(bytes::Bytes::new()).unwrap()).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test(start_paused = true)]
async fn a_platforms_number_is_accepted_with_an_unknown_calling_code() {
    const UNKNOWN_CODE: &str = "+99912345678";
    let world = world([]).await;
    let mut body = vapi("SendContextToProtegee", &[Some("t-1")], &arguments());
    body["message"]["customer"]["number"] = json!(UNKNOWN_CODE);
    let answer = post(&world, "vapi/set-context", &body).await;
    assert!(answer.json.to_string().contains("success"), "{answer:?}");
    let mut call = inbound();
    call["from_number"] = json!(UNKNOWN_CODE);
    let answer = post(&world, "retell/get-context", &json!({ "call": call })).await;
    assert!(answer.json.to_string().contains("theatre"), "{answer:?}");
    let shown = own(&world, "GET", UNKNOWN_CODE).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    // A number that an agent sends is refused.
    is_error(
        &post(&world, "twilio/get-context", &json!({ "caller": UNKNOWN_CODE })).await,
        422,
    );
    // The number of the payment's call is accepted, too.
    let record = world
        .twilio
        .call(
            &world.transfer_url().unwrap(),
            CallerScript::new(UNKNOWN_CODE, [PaymentInput::HangsUp]),
        )
        .await;
    assert!(
        record.requests.iter().any(|request| request.body.contains("<Pay")),
        "{record:#?}"
    );
    assert_eq!(own(&world, "DELETE", UNKNOWN_CODE).await.status, 204);
    assert_eq!(own(&world, "GET", UNKNOWN_CODE).await.status, 404);
}
