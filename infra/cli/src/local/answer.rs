//! Routes the requests to the local server's single port.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use patchbay::http::{HttpClient, SendError};
use patchbay::providers::twilio::webhook::Form;
use patchbay::voice::Provider;
use patchbay_simulators::aws;
use patchbay_simulators::exchange::Outage;
use patchbay_simulators::messages::Messages;
use patchbay_simulators::twilio::{CallerScript, PaymentInput};
use patchbay_simulators::world::World;
use patchbay_simulators::world::chat::is_for_chat;
use serde_json::json;

use super::{inbox, origin};
use crate::account::{self, Account};
use crate::clock;

/// Maximum size of a request body in bytes; the handlers have lower limits.
const MAX_BODY: usize = 1 << 20;

/// Path prefix of the controls of the simulation; they are not part of any provider's contract.
pub(super) const SIMULATED: &str = "/simulated/";
/// Path that simulates a call to our Twilio number.
pub(super) const SIMULATED_CALL: &str = "/simulated/twilio/call";

/// Path of what people do on the simulated chat platform.
pub(super) const SIMULATED_CHAT: &str = "/simulated/chat";

/// Path below which the simulated Elemente answers. Its paths are those of our API for calls.
pub(super) const SIMULATED_ELEMENTE: &str = "/simulated/elemente";

/// State shared by all requests.
pub(super) struct ServerState {
    pub(super) world: World,
    pub(super) account: Account,
    pub(super) speed: f64,
}

/// Handles a request, whether or not its client waits for the response: a function, too, goes on when its client has
/// gone away.
pub(super) async fn handle(State(state): State<Arc<ServerState>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return empty_response(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let request = Request::from_parts(parts, body);
    let answering = tokio::spawn(async move { answer(&state, request).await });
    let answer = answering.await;
    answer.unwrap_or_else(|_| empty_response(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Provider paths go to the simulators, AWS protocols to the table, the queues and the account, and everything else to
/// the API.
async fn answer(state: &ServerState, request: Request<Bytes>) -> Response<Body> {
    let world = &state.world;
    let path = request.uri().path();
    if origin::is_foreign(request.headers()) {
        let detail =
            "a web page of another host sent this request; patchbay local serves programs, and pages of this machine";
        return json_response(StatusCode::FORBIDDEN, &json!({ "detail": detail }));
    }
    if path == SIMULATED_CALL {
        return simulated_call(world, request.uri().query().unwrap_or_default()).await;
    }
    if let Some(target) = path.strip_prefix(SIMULATED).and_then(parse_outage_path) {
        if request.method() != http::Method::POST {
            return empty_response(StatusCode::METHOD_NOT_ALLOWED);
        }
        return switch_outage(world, target, request.uri().query().unwrap_or_default());
    }
    if let Some(answer) = inbox::answer(request.method(), path) {
        return answer;
    }
    if let Some(action) = path.strip_prefix(SIMULATED_CHAT) {
        return simulated_chat(world, action.trim_start_matches('/'), request.method(), request.body());
    }
    if let Some(request) = without_prefix(&request, SIMULATED_ELEMENTE) {
        return sent(&HttpClient::new(world.elemente.clone()), request).await;
    }
    if path == clock::PATH {
        return json_response(StatusCode::OK, &clock::report(&world.clock, state.speed));
    }
    if let Some(action) = account::action(&request) {
        let (code, body) = state.account.answer(action, &request);
        return json_response(
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &body,
        );
    }
    if let Some(answer) = aws::answer(&world.aws, &request).await {
        return answer.map(Body::from);
    }
    // `/voice/api/` is the API for voice agents, not Routee's.
    let is_routee = !path.starts_with("/voice/api/")
        && ["/oauth/", "/voice/", "/accounts/"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
    let client = if is_for_chat(&request) {
        HttpClient::new(world.chat.clone())
    } else if is_routee {
        HttpClient::new(world.routee.clone())
    } else if Messages::serves(&request) {
        HttpClient::new(world.messages.clone())
    } else if path.starts_with("/2010-04-01/") {
        HttpClient::new(world.twilio.clone())
    } else {
        world.api()
    };
    sent(&client, request).await
}

/// The answer of a simulator or a function.
async fn sent(client: &HttpClient, request: Request<Bytes>) -> Response<Body> {
    match client.send(request).await {
        Ok(response) => response.map(Body::from),
        Err(SendError::NotSent(_) | SendError::Forbidden(_) | SendError::NoResponse(_)) => {
            empty_response(StatusCode::BAD_GATEWAY)
        }
    }
}

/// The same request for the rest of its path. None if its path does not begin with `prefix`.
fn without_prefix(request: &Request<Bytes>, prefix: &str) -> Option<Request<Bytes>> {
    let target = request.uri().path_and_query()?.as_str().strip_prefix(prefix)?;
    let uri = target.starts_with('/').then(|| target.parse().ok())??;
    let mut request = request.clone();
    *request.uri_mut() = uri;
    Some(request)
}

/// The provider that `path` switches, and whether it is up afterwards: `routee/down`, `twilio/up`.
fn parse_outage_path(path: &str) -> Option<(Provider, bool)> {
    let (provider, up) = match path.split_once('/')? {
        (provider, "up") => (provider, true),
        (provider, "down") => (provider, false),
        _ => return None,
    };
    Some((Provider::from_name(provider)?, up))
}

/// Starts or ends an outage of a provider. The query parameter `how` is `errors` (every request gets 500; the default)
/// or `hangs` (no request is answered). Calls in progress continue.
fn switch_outage(world: &World, (provider, up): (Provider, bool), query: &str) -> Response<Body> {
    let fields = Form::parse(query.as_bytes());
    let outage = match fields.get("how").unwrap_or("errors") {
        _ if up => None,
        "errors" => Some(Outage::Errors),
        "hangs" => Some(Outage::Hangs),
        other => {
            let detail = format!("how={other} is not one of errors, hangs");
            return json_response(StatusCode::BAD_REQUEST, &json!({ "detail": detail }));
        }
    };
    match provider {
        Provider::Routee => world.routee.change_faults(|faults| faults.outage = outage),
        Provider::Twilio => world.twilio.change_faults(|faults| faults.outage = outage),
    }
    json_response(StatusCode::OK, &json!({ "provider": provider.as_str(), "up": up }))
}

/// Shows the simulated chat platform, or does what a customer or a person of the team can do there: the name of the
/// action is the end of the path, its fields are the JSON body.
fn simulated_chat(world: &World, action: &str, method: &http::Method, body: &[u8]) -> Response<Body> {
    match (action, method) {
        ("", &http::Method::GET) => json_response(StatusCode::OK, &world.chat.inbox_json()),
        (action, &http::Method::POST) => {
            let fields = serde_json::from_slice(body).unwrap_or_default();
            match world.chat.act(action, &fields) {
                Ok(done) => json_response(StatusCode::OK, &done),
                Err(error) => json_response(StatusCode::BAD_REQUEST, &json!({ "detail": error.to_string() })),
            }
        }
        _ => empty_response(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Simulates a call to a Twilio number: ours, or one whose voice webhook is the query parameter `url`. Responds when
/// the call is over, with everything that the caller heard.
async fn simulated_call(world: &World, query: &str) -> Response<Body> {
    let fields = Form::parse(query.as_bytes());
    let pays = match fields.get("pays").unwrap_or("card") {
        "card" => PaymentInput::Card("4242424242424242"),
        "declined" => PaymentInput::Declined,
        "star" => PaymentInput::Star,
        "hangs-up" => PaymentInput::HangsUp,
        "nothing" => PaymentInput::Nothing,
        other => {
            let detail = format!("pays={other} is not one of card, declined, star, hangs-up, nothing");
            return json_response(StatusCode::BAD_REQUEST, &json!({ "detail": detail }));
        }
    };
    let url = fields
        .get("url")
        .map_or_else(|| world.transfer_url(), |url| Ok(url.to_owned()));
    let Ok(url) = url else {
        return empty_response(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let script = CallerScript::new(fields.get("from").unwrap_or("anonymous"), [pays]);
    let record = world.twilio.call(&url, script).await;
    let dialed = record.dials.iter().map(|dial| dial.number.as_str());
    let body = json!({
        "call": record.sid,
        "heard": record.heard,
        "dialed": dialed.collect::<Vec<_>>(),
        "failures": record.failures,
    });
    json_response(StatusCode::OK, &body)
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn empty_response(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
