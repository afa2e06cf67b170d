//! The events in `tests/events`, in the format of AWS.

use message_event::handle;
use patchbay::ids::{InteractionId, InteractionKey, Nonce, Tenant};
use patchbay::interaction::Channel;
use patchbay::providers::ses::EmailAddress;
use patchbay::voice::Provider;
use patchbay::web::gateway;
use serde_json::Value;

use crate::Line;
use crate::common::{our_callbacks, phone};

const EVENTS: [(&str, &str); 5] = [
    (
        "status of a message",
        include_str!("../../events/message-event-status.json"),
    ),
    (
        "message by Twilio",
        include_str!("../../events/message-event-twilio.json"),
    ),
    (
        "message by Routee",
        include_str!("../../events/message-event-routee.json"),
    ),
    ("event of SES", include_str!("../../events/message-event-email.json")),
    (
        "opt-out button",
        include_str!("../../events/message-event-one-click.json"),
    ),
];

fn tenant() -> Tenant {
    "example".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_event_is_answered() {
    let line = Line::new().await;
    for (name, event) in EVENTS {
        let response = handle(&line.deps, gateway::parse_event(event).unwrap()).await;
        assert_eq!(response.status().as_u16(), 200, "{name}");
    }
    let (store, phone) = (&line.world.store, phone("+12025550143"));
    assert!(store.is_opted_out(&tenant(), &phone).await.unwrap());
    let email = EmailAddress::parse("ana@example.net").unwrap();
    assert!(store.is_opted_out(&tenant(), &email).await.unwrap());
    let (ours, theirs) = (Some("+12025550100"), "+12025550143");
    let thread = store.thread(&tenant(), Channel::Sms, ours, theirs).await.unwrap();
    assert!(thread.unwrap().last_received_at.is_some());
}

#[test]
fn the_events_have_urls_of_ours() {
    let (urls, attempt) = (our_callbacks(), Nonce::new(0x9f8a_7b6c_5d4e_3f2a));
    let key = InteractionKey {
        tenant: tenant(),
        id: InteractionId::new(0x2a),
    };
    let email = EmailAddress::parse("ana@example.net").unwrap();
    let expected = [
        urls.message_status_url(Provider::Routee, &key, attempt),
        urls.incoming_message_url(Provider::Twilio, &key.tenant),
        urls.incoming_message_url(Provider::Routee, &key.tenant),
        urls.email_events_url(&key.tenant),
        urls.opt_out_url(&key, attempt, &email),
    ];
    for ((name, event), url) in EVENTS.into_iter().zip(expected) {
        let event: Value = serde_json::from_str(event).unwrap();
        let path = event.pointer("/rawPath").and_then(Value::as_str).unwrap();
        let url = url.split('#').next().unwrap_or_default();
        assert!(url.ends_with(path), "{name}: {url}");
    }
}
