//! What comes to the local server's one port, and who answers it.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use http::{Request, Response, StatusCode};
use patchbay::http::{HttpClient, SendError};
use patchbay::providers::twilio::webhook::Form;
use patchbay::voice::Provider;
use patchbay_simulators::aws;
use patchbay_simulators::exchange::Outage;
use patchbay_simulators::twilio::{AtPay, Script};
use patchbay_simulators::world::World;
use serde_json::json;

use crate::account::{self, Account};
use crate::clock;

/// Largest request body that reaches a handler; the handlers refuse less themselves.
const MAX_BODY: usize = 1 << 20;

/// Where the simulated providers are told what is not in their contracts.
pub(super) const SIMULATED: &str = "/simulated/";
/// Where a call to our number at the simulated Twilio is asked for.
pub(super) const SIMULATED_CALL: &str = "/simulated/twilio/call";

/// What the server serves.
pub(super) struct Served {
    pub(super) world: World,
    pub(super) account: Account,
    pub(super) speed: f64,
}

/// The providers' own paths go to their simulators, AWS's protocols to the table, the queues and the account, and
/// everything else to the API.
pub(super) async fn answer(State(served): State<Arc<Served>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let request = Request::from_parts(parts, body);
    let world = &served.world;
    let path = request.uri().path();
    if path == SIMULATED_CALL {
        return simulated_call(world, request.uri().query().unwrap_or_default()).await;
    }
    if let Some(switch) = path.strip_prefix(SIMULATED).and_then(outage_switch) {
        if request.method() != http::Method::POST {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        return switch_outage(world, switch, request.uri().query().unwrap_or_default());
    }
    if path == clock::PATH {
        return json(StatusCode::OK, &clock::told(&world.clock, served.speed));
    }
    if let Some(action) = account::action(&request) {
        let (code, body) = served.account.answer(action, &request);
        return json(
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &body,
        );
    }
    if let Some(answer) = aws::answer(&world.aws, &request).await {
        return answer.map(Body::from);
    }
    // `/voice/api/` is where voice agents find us.
    let is_routee = !path.starts_with("/voice/api/")
        && ["/oauth/", "/voice/", "/accounts/"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
    let client = if is_routee {
        HttpClient::new(world.routee.clone())
    } else if path.starts_with("/2010-04-01/") {
        HttpClient::new(world.twilio.clone())
    } else {
        world.api()
    };
    match client.send(request).await {
        Ok(response) => response.map(Body::from),
        Err(SendError::NotSent(_) | SendError::Forbidden(_) | SendError::NoAnswer(_)) => {
            status(StatusCode::BAD_GATEWAY)
        }
    }
}

/// Which provider `path` switches, and whether it is up afterwards: `routee/down`, `twilio/up`.
fn outage_switch(path: &str) -> Option<(Provider, bool)> {
    let (provider, up) = match path.split_once('/')? {
        (provider, "up") => (provider, true),
        (provider, "down") => (provider, false),
        _ => return None,
    };
    Some((Provider::named(provider)?, up))
}

/// Switches a provider off, or on again: `how` is `errors` (every request gets 500, which is the default) or `hangs` (none
/// is answered). Calls under way go on.
fn switch_outage(world: &World, (provider, up): (Provider, bool), query: &str) -> Response<Body> {
    let fields = Form::parse(query.as_bytes());
    let outage = match fields.get("how").unwrap_or("errors") {
        _ if up => None,
        "errors" => Some(Outage::Errors),
        "hangs" => Some(Outage::Hangs),
        other => {
            let detail = format!("how={other} is not one of errors, hangs");
            return json(StatusCode::BAD_REQUEST, &json!({ "detail": detail }));
        }
    };
    match provider {
        Provider::Routee => world.routee.change_faults(|faults| faults.outage = outage),
        Provider::Twilio => world.twilio.change_faults(|faults| faults.outage = outage),
    }
    json(StatusCode::OK, &json!({ "provider": provider.as_str(), "up": up }))
}

/// A caller comes to a number at the simulated Twilio: ours, or one whose voice webhook is `url`. The answer, when the
/// call is over, is what was heard in it.
async fn simulated_call(world: &World, query: &str) -> Response<Body> {
    let fields = Form::parse(query.as_bytes());
    let pays = match fields.get("pays").unwrap_or("card") {
        "card" => AtPay::Card("4242424242424242"),
        "declined" => AtPay::Declined,
        "star" => AtPay::Star,
        "hangs-up" => AtPay::HangsUp,
        "nothing" => AtPay::Nothing,
        other => {
            let detail = format!("pays={other} is not one of card, declined, star, hangs-up, nothing");
            return json(StatusCode::BAD_REQUEST, &json!({ "detail": detail }));
        }
    };
    let url = fields
        .get("url")
        .map_or_else(|| world.transfer_url(), |url| Ok(url.to_owned()));
    let Ok(url) = url else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let script = Script::new(fields.get("from").unwrap_or("anonymous"), [pays]);
    let record = world.twilio.call(&url, script).await;
    let dialled = record.dialled.iter().map(|dialled| dialled.number.as_str());
    let body = json!({
        "call": record.sid,
        "heard": record.heard,
        "dialled": dialled.collect::<Vec<_>>(),
        "failures": record.failures,
    });
    json(StatusCode::OK, &body)
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
