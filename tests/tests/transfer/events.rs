//! Replays the events in `tests/events`, and writes every `TwiML` document for a check with Twilio's library
//! (`tests/e2e/twilio_check.py`).

use std::fs;
use std::path::Path;

use patchbay::providers::twilio::signature::SignatureVerifier;
use patchbay::secret::Secret;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay_simulators::gateway::from_function;
use patchbay_simulators::twilio::{AUTH_TOKEN, PaymentInput};
use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY, World};
use serde_json::Value;

use crate::common::{send, world};
use crate::{CARD, pays, purchase, purchase_with, world_with};

/// Status and body of the function's response to the event.
async fn replay(world: &World, event: &str) -> (u16, String) {
    replay_with_url(world, PUBLIC_URL, event).await
}

/// The same for a function with this public URL in its settings.
async fn replay_with_url(world: &World, url: &str, event: &str) -> (u16, String) {
    let deps = transfer::Deps {
        store: world.store.clone(),
        clock: world.clock.clone(),
        callbacks: CallbackUrls::new(url, ReferenceSigner::new(Secret::new(REFERENCE_KEY), None)),
        signatures: SignatureVerifier::new(Secret::new("new-token"), Some(Secret::new(AUTH_TOKEN))),
        pay: transfer::PaySettings::default(),
    };
    let request = patchbay::web::gateway::parse_event(event).unwrap();
    let response = from_function(transfer::handle(&deps, request).await);
    let body = String::from_utf8_lossy(response.body()).into_owned();
    (response.status().as_u16(), body)
}

#[tokio::test(start_paused = true)]
async fn the_signed_event_is_answered_and_the_unsigned_one_refused() {
    let world = world_with(&purchase()).await;
    let (status, body) = replay(&world, include_str!("../../events/transfer.json")).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Pay "), "{body}");
    let unsigned = include_str!("../../events/transfer-unsigned.json");
    assert_eq!(replay(&world, unsigned).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn without_a_configured_url_the_domain_of_the_gateway_counts_and_the_host_header_does_not() {
    let world = world_with(&purchase()).await;
    let event = include_str!("../../events/transfer.json");
    let host = PUBLIC_URL.trim_start_matches("https://");
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["headers"]["host"] = host.into();
    event["requestContext"]["domainName"] = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com".into();
    // The signature is for another domain.
    assert_eq!(replay_with_url(&world, "", &event.to_string()).await.0, 403);
    event["headers"]["host"] = "nobody.example.org".into();
    event["requestContext"]["domainName"] = host.into();
    let (status, body) = replay_with_url(&world, "", &event.to_string()).await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body.contains(&format!("action=\"{PUBLIC_URL}/twilio/payment/")),
        "{body}"
    );
    // A configured URL takes precedence.
    event["requestContext"]["domainName"] = "nobody.example.org".into();
    assert_eq!(replay(&world, &event.to_string()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn every_document_is_written_for_the_check_with_the_official_library() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../twiml");
    fs::create_dir_all(&folder).unwrap();
    let mut count = 0;
    for (name, purchase, at_pay) in [
        ("once", purchase(), CARD),
        ("declined", purchase(), PaymentInput::Declined),
        ("cancelled", purchase_with("callback", ""), PaymentInput::Star),
        ("token", purchase_with("transaction_type", "authorize"), CARD),
        (
            "customer",
            purchase_with("customer_id", "c & <1>"),
            PaymentInput::HangsUp,
        ),
    ] {
        let world = world_with(&purchase).await;
        let record = pays(&world, [at_pay]).await;
        for (step, request) in record.requests.iter().enumerate() {
            fs::write(folder.join(format!("{name}-{step}.xml")), &request.body).unwrap();
            count += 1;
        }
    }
    let record = pays(&world([]).await, [CARD]).await;
    fs::write(folder.join("no-context.xml"), &record.requests[0].body).unwrap();
    assert_eq!(count, 13);
}

#[tokio::test(start_paused = true)]
async fn only_post_is_answered() {
    let world = world_with(&purchase()).await;
    let url = world.transfer_url().unwrap();
    for method in ["GET", "PUT", "DELETE"] {
        let request = http::Request::builder().method(method).uri(&url);
        let answer = send(&world, request.body(bytes::Bytes::new()).unwrap()).await;
        answer.is_problem(405, "method-not-allowed");
    }
}
