//! Answers: the published ones, and those that the contract leaves open and patchbay decides.
//!
//! - Errors have a status of 4xx or 5xx, so that `raise_for_status()` and the monitoring of every platform detect them,
//!   and the body `{"status":"error","message":{…}}`, the only published form of an error.
//! - Vapi ignores every response that is not 200. So the error of a tool call goes into its result, where the agent
//!   reads it and can ask the caller again. A result is a string on one line (the JSON that every other platform gets)
//!   and has the name of the function, as in both of Vapi's SDKs.
//! - The answer to a successful set also states its effect on the purchase: `purchase` is `new`, `same` (the outcome so
//!   far counts) or `none` (it was a note).
//! - A context without a purchase has empty strings for its fields, and `status: "no-payment"`.
//! - An unknown caller gets 200 and `status: "no-context"`, not 404. For a receiving agent this is not a failure: it
//!   greets a new caller. Platforms would treat a 404 as a broken tool, and retry.

use http::{Response, StatusCode};
use lambda_http::Body;
use serde_json::{Map, Value, json};

use super::Platform;
use super::request::{GET_FUNCTION, SET_FUNCTION};
use crate::clock::Timestamp;
use crate::context::draft::DEFAULT_PERSONA;
use crate::context::{Context, Purchase, PurchaseChange, TransactionType, Version};
use crate::phone::PhoneNumber;
use crate::web::body::json_response;
use crate::web::problem::Problem;

/// `status` of a caller without a context.
pub const NO_CONTEXT: &str = "no-context";

/// The body for a successful set.
pub fn set_success((caller, purchase): &(PhoneNumber, PurchaseChange)) -> Value {
    json!({ "status": "success", "message": { "caller": caller.as_str(), "purchase": purchase.name() } })
}

/// The body for `problem`.
pub fn error_body(problem: &Problem) -> Value {
    let mut message = Map::new();
    if let Some(first) = problem.errors.first() {
        message.insert("field".into(), first.field.as_str().into());
        message.insert("detail".into(), first.detail.as_str().into());
        message.insert("errors".into(), json!(problem.errors));
    } else {
        message.insert("detail".into(), detail(problem).into());
    }
    message.insert("type".into(), problem.kind.uri().into());
    json!({ "status": "error", "message": message })
}

/// `problem` in one line, for an agent.
pub fn error_line(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return format!("{}: {}", problem.kind.title(), detail(problem));
    }
    let lines: Vec<String> = problem
        .errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.detail))
        .collect();
    lines.join("; ").replace(char::is_control, " ")
}

fn detail(problem: &Problem) -> &str {
    if *problem == Problem::unauthorized() {
        return "send a valid token as api_token in the query, or in the header authorization: Bearer pb_...; not two different ones";
    }
    &problem.detail
}

/// The response for a request that failed as a whole.
pub fn error_response(problem: &Problem) -> Response<Body> {
    let mut response = json_response(problem.kind.status(), &error_body(problem));
    // Headers that instruct the client (`www-authenticate`, `retry-after`, `allow`) are the same as for every other
    // problem.
    let template = problem.clone().into_response();
    for (name, value) in template.headers() {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Result of an operation, with the id of its tool call; none for platforms without tool calls.
pub type OperationResult<T> = (Option<String>, Result<T, Problem>);

/// The response to a request that sets contexts.
pub fn set_response(results: &[OperationResult<(PhoneNumber, PurchaseChange)>]) -> Response<Body> {
    let outcome = results
        .iter()
        .find_map(|(_, result)| result.as_ref().err())
        .map_or(Ok(()), Err);
    let body = match (outcome, results.first()) {
        (Err(problem), _) => error_body(problem),
        (Ok(()), Some((_, Ok(set)))) => set_success(set),
        // A request without operations: the parser refuses it before.
        _ => error_body(&Problem::not_found()),
    };
    let has_tool_calls = results.iter().any(|(tool_call, _)| tool_call.is_some());
    match outcome {
        Err(problem) if !has_tool_calls => error_response(problem),
        _ if !has_tool_calls => json_response(StatusCode::OK, &body),
        _ => {
            // The published form, and next to it what Vapi passes to the agent.
            let mut body = body;
            let tool_results = results.iter().map(|(tool_call, result)| {
                tool_result(
                    SET_FUNCTION,
                    tool_call.as_deref(),
                    result.as_ref().map(|set| set_success(set).to_string()),
                )
            });
            if let Some(body) = body.as_object_mut() {
                body.insert("results".into(), tool_results.collect());
            }
            json_response(StatusCode::OK, &body)
        }
    }
}

/// The response to a request that gets contexts.
pub fn get_response(platform: Platform, results: &[OperationResult<Value>]) -> Response<Body> {
    if platform != Platform::Vapi {
        return match results.first() {
            Some((_, Ok(context))) => json_response(StatusCode::OK, context),
            Some((_, Err(problem))) => error_response(problem),
            None => error_response(&Problem::not_found()),
        };
    }
    let results: Vec<Value> = results
        .iter()
        .map(|(tool_call, result)| {
            tool_result(
                GET_FUNCTION,
                tool_call.as_deref(),
                result.as_ref().map(Value::to_string),
            )
        })
        .collect();
    json_response(StatusCode::OK, &json!({ "results": results }))
}

/// The result of a tool call in the form that Vapi accepts: a string on one line, with the name of the function. Vapi
/// treats an object as "no result returned".
fn tool_result(function: &str, tool_call: Option<&str>, result: Result<String, &Problem>) -> Value {
    let (kind, text) = match result {
        // Compact JSON has no line break: those inside strings are escaped.
        Ok(text) => ("result", text),
        Err(problem) => ("error", error_line(problem)),
    };
    json!({ "name": function, "toolCallId": tool_call, kind: text })
}

/// A context in the form of a platform.
pub fn context_json(platform: Platform, caller: &PhoneNumber, version: &Version) -> Value {
    let data = &version.data;
    let purchase = data.purchase.as_ref();
    let text = |field: fn(&Purchase) -> &str| purchase.map_or("", field);
    let outcome = version.outcome.as_ref();
    let start_time = outcome
        .map(|outcome| start_time(outcome.start_time))
        .unwrap_or_default();
    let context = json!({
        "caller": caller.as_str(),
        "description": text(|purchase| &purchase.description),
        "price": purchase.map(|purchase| purchase.price.to_string()).unwrap_or_default(),
        "vendor": text(|purchase| &purchase.vendor),
        "customer_id": text(|purchase| &purchase.customer_id),
        "persona": data.persona,
        "callback": data.callback.as_ref().map_or("", PhoneNumber::as_str),
        "email": data.email,
        "full_name": data.full_name,
        // One of the three published values, with or without a purchase.
        "transaction_type": purchase.map(|purchase| purchase.transaction_type).unwrap_or_default().name(),
        "memory": version.memory,
        "status": version.status().name(),
        "start_time": start_time,
        "processor": outcome.map_or_else(|| json!({}), |outcome| json!(outcome.processor)),
        "debug": outcome.map_or("", |outcome| outcome.debug.as_str()),
    });
    in_platform_form(platform, context)
}

/// The context of an unknown caller. Every field is present, so that no client fails on a missing one.
pub fn unknown_caller_json(platform: Platform, caller: &str) -> Value {
    let context = json!({
        "caller": caller,
        "description": "",
        "price": "",
        "vendor": "",
        "customer_id": "",
        "persona": DEFAULT_PERSONA,
        "callback": "",
        "email": "",
        "full_name": "",
        // One of the three published values, although nothing is known.
        "transaction_type": TransactionType::default().name(),
        "memory": "",
        "status": NO_CONTEXT,
        "start_time": "",
        "processor": {},
        "debug": "",
    });
    in_platform_form(platform, context)
}

/// Retell gets no `persona` and `transaction_type`, and two fields of the other type: `processor` is a string, `debug`
/// an object (CONTRACT.md 4).
fn in_platform_form(platform: Platform, mut context: Value) -> Value {
    let (Platform::Retell, Some(fields)) = (platform, context.as_object_mut()) else {
        return context;
    };
    fields.remove("persona");
    fields.remove("transaction_type");
    let processor = fields.remove("processor").unwrap_or_default();
    let text = match &processor {
        Value::Object(fields) if fields.is_empty() => String::new(),
        value => value.to_string(),
    };
    fields.insert("processor".into(), text.into());
    let debug = fields.remove("debug").unwrap_or_default();
    let debug = if debug == json!("") {
        json!({})
    } else {
        json!({ "message": debug })
    };
    fields.insert("debug".into(), debug);
    context
}

/// ISO 8601 with microseconds and `+00:00`, as published.
fn start_time(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}000+00:00", text.trim_end_matches('Z'))
}

/// Everything that is stored about a caller, newest first, for the operator of the agents.
pub fn history_json(context: &Context) -> Value {
    let versions = std::iter::once(&context.current)
        .chain(&context.earlier)
        .map(|version| {
            let mut context_json = context_json(Platform::Twilio, &context.caller, version);
            if let Some(fields) = context_json.as_object_mut() {
                fields.remove("caller");
                fields.insert("version".into(), version.number.into());
                fields.insert("set_at".into(), json!(version.set_at));
                let order_id = version
                    .data
                    .purchase
                    .as_ref()
                    .map(|purchase| purchase.order_id.as_str());
                fields.insert("order_id".into(), order_id.unwrap_or_default().into());
            }
            context_json
        });
    json!({
        "caller": context.caller.as_str(),
        "expires_at": context.expires_at,
        "versions": versions.collect::<Vec<_>>(),
    })
}
