//! Answers: the published ones, and those that are decided here.
//!
//! - Errors have a status of 4xx or 5xx, so that `raise_for_status()` and every platform's own monitoring see them, and
//!   the body `{"status":"error","message":{…}}`, which is the one published form that says "error".
//! - But Vapi ignores everything that does not come with 200: as soon as there is a tool call to answer, its error goes
//!   into the tool's result, where the agent reads it and can ask the caller again. A result is a text on one line (the
//!   JSON of what every other platform gets) and bears the function's name, as both of Vapi's SDKs have it.
//! - A set that succeeded also says what it did to the purchase: `purchase` is `new`, `same` (what came of it so far
//!   counts) or `none` (it was a note).
//! - A context without a purchase has the texts of one empty and `status: "no-payment"`.
//! - An unknown caller gets 200 and `status: "no-context"`, not 404. To a receiving agent it is no failure: it greets a
//!   caller about whom nothing is known. Platforms would count a 404 as a broken tool, and repeat it.

use http::{Response, StatusCode};
use lambda_http::Body;
use serde_json::{Map, Value, json};

use super::Platform;
use super::request::{GET_FUNCTION, SET_FUNCTION};
use crate::clock::Timestamp;
use crate::context::draft::DEFAULT_PERSONA;
use crate::context::{Context, Purchase, PurchaseSet, TransactionType, Version};
use crate::phone::PhoneNumber;
use crate::web::body::json_response;
use crate::web::problem::Problem;

/// The `status` of a caller of whom nothing is known.
pub const NO_CONTEXT: &str = "no-context";

/// What is answered to a set that succeeded.
pub fn stored((caller, purchase): &(PhoneNumber, PurchaseSet)) -> Value {
    json!({ "status": "success", "message": { "caller": caller.as_str(), "purchase": purchase.name() } })
}

/// The body that tells of `problem`.
pub fn failed(problem: &Problem) -> Value {
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

/// What `problem` is, in one line: what an agent is told.
pub fn in_one_line(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return format!("{}: {}", problem.kind.title(), detail(problem));
    }
    let told: Vec<String> = problem
        .errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.detail))
        .collect();
    told.join("; ").replace(char::is_control, " ")
}

fn detail(problem: &Problem) -> &str {
    if *problem == Problem::unauthorized() {
        return "send a valid token as api_token in the query, or with the header authorization: Bearer pb_...; not two different ones";
    }
    &problem.detail
}

/// The answer to a request of which nothing could be done.
pub fn refusal(problem: &Problem) -> Response<Body> {
    let mut response = json_response(problem.kind.status(), &failed(problem));
    // What tells a client what to do (`www-authenticate`, `retry-after`, `allow`) is the same as everywhere.
    let like = problem.clone().into_response();
    for (name, value) in like.headers() {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// What was asked for and what came of it: for each tool call its id, for other platforms none.
pub type Done<T> = (Option<String>, Result<T, Problem>);

/// The answer to a request to set contexts.
pub fn to_set(done: &[Done<(PhoneNumber, PurchaseSet)>]) -> Response<Body> {
    let whole = done
        .iter()
        .find_map(|(_, result)| result.as_ref().err())
        .map_or(Ok(()), Err);
    let body = match (whole, done.first()) {
        (Err(problem), _) => failed(problem),
        (Ok(()), Some((_, Ok(set)))) => stored(set),
        // Nothing was asked for; the reader of requests does not let that pass.
        _ => failed(&Problem::not_found()),
    };
    let has_tool_calls = done.iter().any(|(tool_call, _)| tool_call.is_some());
    match whole {
        Err(problem) if !has_tool_calls => refusal(problem),
        _ if !has_tool_calls => json_response(StatusCode::OK, &body),
        _ => {
            // The published form, and beside it what Vapi gives to the agent.
            let mut body = body;
            let results = done.iter().map(|(tool_call, result)| {
                tool_result(
                    SET_FUNCTION,
                    tool_call.as_deref(),
                    result.as_ref().map(|set| stored(set).to_string()),
                )
            });
            if let Some(body) = body.as_object_mut() {
                body.insert("results".into(), results.collect());
            }
            json_response(StatusCode::OK, &body)
        }
    }
}

/// The answer to a request to get contexts.
pub fn to_get(platform: Platform, done: &[Done<Value>]) -> Response<Body> {
    if platform != Platform::Vapi {
        return match done.first() {
            Some((_, Ok(context))) => json_response(StatusCode::OK, context),
            Some((_, Err(problem))) => refusal(problem),
            None => refusal(&Problem::not_found()),
        };
    }
    let results: Vec<Value> = done
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

/// What came of a tool call, as Vapi takes it: a text on one line, with the name of the function. A result that is an
/// object is "no result returned" to it.
fn tool_result(function: &str, tool_call: Option<&str>, result: Result<String, &Problem>) -> Value {
    let (kind, text) = match result {
        // JSON without white space has no line break: those inside texts are escaped.
        Ok(text) => ("result", text),
        Err(problem) => ("error", in_one_line(problem)),
    };
    json!({ "name": function, "toolCallId": tool_call, kind: text })
}

/// A context as a platform reads it.
pub fn shown(platform: Platform, caller: &PhoneNumber, version: &Version) -> Value {
    let brief = &version.brief;
    let purchase = brief.purchase.as_ref();
    let text = |of: fn(&Purchase) -> &str| purchase.map_or("", of);
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
        "persona": brief.persona,
        "callback": brief.callback.as_ref().map_or("", PhoneNumber::as_str),
        "email": brief.email,
        "full_name": brief.full_name,
        // One of three words, whatever there is to pay.
        "transaction_type": purchase.map(|purchase| purchase.transaction_type).unwrap_or_default().name(),
        "memory": version.memory,
        "status": version.status().name(),
        "start_time": start_time,
        "processor": outcome.map_or_else(|| json!({}), |outcome| json!(outcome.processor)),
        "debug": outcome.map_or("", |outcome| outcome.debug.as_str()),
    });
    in_form_of(platform, context)
}

/// What is said of a caller of whom nothing is known: every field is there, so that nobody stumbles over a missing one.
pub fn unknown(platform: Platform, caller: &str) -> Value {
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
        // One of three words, whatever is known.
        "transaction_type": TransactionType::default().name(),
        "memory": "",
        "status": NO_CONTEXT,
        "start_time": "",
        "processor": {},
        "debug": "",
    });
    in_form_of(platform, context)
}

/// Retell gets two fields less, and two of the types swapped: `processor` a text, `debug` an object.
fn in_form_of(platform: Platform, mut context: Value) -> Value {
    let (Platform::Retell, Some(fields)) = (platform, context.as_object_mut()) else {
        return context;
    };
    fields.remove("persona");
    fields.remove("transaction_type");
    let processor = fields.remove("processor").unwrap_or_default();
    let text = match &processor {
        Value::Object(said) if said.is_empty() => String::new(),
        said => said.to_string(),
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

/// ISO 8601 with microseconds and `+00:00`, as it is published.
fn start_time(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}000+00:00", text.trim_end_matches('Z'))
}

/// Everything that is kept of a caller, newest first, for whoever runs the agents.
pub fn whole(context: &Context) -> Value {
    let versions = std::iter::once(&context.current)
        .chain(&context.earlier)
        .map(|version| {
            let mut shown = shown(Platform::Twilio, &context.caller, version);
            if let Some(fields) = shown.as_object_mut() {
                fields.remove("caller");
                fields.insert("version".into(), version.number.into());
                fields.insert("set_at".into(), json!(version.set_at));
                let order_id = version
                    .brief
                    .purchase
                    .as_ref()
                    .map(|purchase| purchase.order_id.as_str());
                fields.insert("order_id".into(), order_id.unwrap_or_default().into());
            }
            shown
        });
    json!({
        "caller": context.caller.as_str(),
        "expires_at": context.expires_at,
        "versions": versions.collect::<Vec<_>>(),
    })
}
