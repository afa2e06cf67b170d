//! The audit finds violations at either provider.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use patchbay::http::SendHttp as _;
use patchbay::ids::DispatchKey;
use patchbay::phone::PhoneNumber;
use serde_json::{Value, json};

use super::*;
use crate::phones::{Behavior, Phones};
use crate::twilio::outbound::OUR_NUMBERS;
use crate::twilio::{ACCOUNT, AUTH_TOKEN};
use crate::world::{Options, PUBLIC_URL, TENANT, TOKEN};

const ANN: &str = "+12025550101";
const BOB: &str = "+12025550102";

/// A world in which every employee listens without pressing a key, a dispatch for Ann whose call was placed, and the
/// URL for the statuses of that call.
async fn world_with_call() -> (World, DispatchKey, String) {
    let mut phones = Phones::new();
    for number in [ANN, BOB] {
        phones.set(PhoneNumber::parse(number).expect("a number"), Behavior::silent(5));
    }
    let options = Options {
        phones,
        ..Options::default()
    };
    let world = World::start(options).await.expect("a world");
    let key = ticket(&world, "INC-1").await;
    let url = status_url(&world).await;
    (world, key, url)
}

async fn ticket(world: &World, reference: &str) -> DispatchKey {
    let body = json!({
        "ticket": { "reference": reference, "text": "Pump four has stopped." },
        "employees": [{ "id": "ann", "name": "Ann", "phone": ANN }],
        "policy": { "attempts": 1, "max_rounds": 1 },
    });
    let request = http::Request::post(format!("{PUBLIC_URL}/v1/dispatches"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()));
    let response = world.send(request.expect("a request")).await.expect("an answer");
    let shown: Value = serde_json::from_slice(response.body()).expect("JSON");
    DispatchKey {
        tenant: TENANT.parse().expect("a tenant"),
        id: shown["id"].as_str().expect("an id").parse().expect("an id"),
    }
}

/// Waits until a call was placed, and returns the URL for the statuses of the newest one.
async fn status_url(world: &World) -> String {
    loop {
        if let Some(url) = world.calls().pop().and_then(|call| call.status_url) {
            return url;
        }
        world.clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Places a call at Twilio, with this URL for its statuses, without patchbay.
async fn call_by_twilio(world: &World, to: &str, status_url: &str) {
    let fields = [
        ("To", to),
        ("From", OUR_NUMBERS[0]),
        ("Twiml", "<Response><Pause length=\"20\"/></Response>"),
        ("StatusCallback", status_url),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let credentials = STANDARD.encode(format!("{ACCOUNT}:{AUTH_TOKEN}"));
    let request = http::Request::post(format!(
        "https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    ))
    .header("authorization", format!("Basic {credentials}"))
    .body(Bytes::from(body));
    let response = world.twilio.send(request.expect("a request")).await.expect("an answer");
    assert_eq!(response.status(), 201);
}

/// The violations when the world is idle.
async fn breaches(world: &World, keys: &[DispatchKey]) -> Vec<Breach> {
    assert!(
        world.settle(Duration::from_hours(48)).await,
        "the world never became idle"
    );
    audit(world, keys).await.expect("an audit").breaches
}

#[tokio::test(start_paused = true)]
async fn one_call_at_one_provider_is_no_breach() {
    let (world, key, _) = world_with_call().await;
    assert_eq!(breaches(&world, &[key]).await, []);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_with_a_call_at_each_provider_is_found() {
    let (world, key, url) = world_with_call().await;
    let at_twilio = url.replace("/routee/", "/twilio/");
    call_by_twilio(&world, ANN, &format!("{at_twilio}?x=a/b#rc=3&rp=all")).await;
    assert!(!world.is_idle());
    let found = breaches(&world, &[key]).await;
    assert!(matches!(found.as_slice(), [Breach::DialedTwice(_)]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_is_found_at_either_provider() {
    let (world, key, url) = world_with_call().await;
    call_by_twilio(&world, BOB, &url).await;
    let found = breaches(&world, std::slice::from_ref(&key)).await;
    assert!(
        found.iter().any(|breach| matches!(breach, Breach::WrongNumber(_))),
        "{found:?}"
    );
    let (world, key, _) = world_with_call().await;
    call_by_twilio(&world, ANN, "https://elsewhere.example.org/status/unknown").await;
    let found = breaches(&world, &[key]).await;
    assert!(matches!(found.as_slice(), [Breach::WrongNumber(_)]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn overlapping_calls_to_one_employee_are_found_across_providers() {
    let (world, first, url) = world_with_call().await;
    // Another dispatch for the same employee: patchbay lets it wait, so the test places its call.
    let second = ticket(&world, "INC-2").await;
    let mut attempt = attempt_of(&url).expect("an attempt").1;
    attempt.ordinal = 1;
    let second_status_url = format!("{PUBLIC_URL}/twilio/status/{TENANT}.{}.{attempt}.tag", second.id);
    call_by_twilio(&world, ANN, &second_status_url).await;
    let found = breaches(&world, &[first, second]).await;
    assert!(
        found
            .iter()
            .any(|breach| matches!(breach, Breach::OverlappingCallsToEmployee(..))),
        "{found:?}"
    );
}

#[test]
fn an_attempt_is_read_from_the_status_url_of_any_provider() {
    let (id, attempt) = ("dsp_0000000000000000000000000000000a", "000007-02-9f8a7b6c5d4e3f2a");
    let plain = attempt_of(&format!("https://x.example.org/routee/status/main.{id}.{attempt}.tag"));
    assert!(plain.is_some());
    for rest in [".2.tag", ".tag?a=b/c.d", ".tag#rc=3", ".2.tag?a=b#rc=3&rp=all"] {
        let url = format!("https://x.example.org/mapped/twilio/status/main.{id}.{attempt}{rest}");
        assert_eq!(attempt_of(&url), plain, "{url}");
    }
    assert_eq!(attempt_of("https://x.example.org/twilio/status/main.x"), None);
}
