//! The events in `tests/events`, in the format of AWS, in the order in which they make sense.

use std::fs;
use std::path::PathBuf;

use patchbay::access::Scope;
use patchbay::ids::InteractionId;

use crate::Api;
use crate::common::Answer;

/// The token in the events.
const TOKEN: &str = "pb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

async fn invoke(api: &Api, name: &str) -> Answer {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events").join(name);
    api.invoke(&fs::read_to_string(path).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn events_contact_a_customer() {
    let api = Api::empty().await;
    api.put_token(TOKEN, "example", &Scope::ALL).await;
    for name in ["calls-agent.json", "calls-skill.json"] {
        let answer = invoke(&api, name).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    let id = InteractionId::for_idempotency_key(&"example".parse().unwrap(), "T-88");
    for replayed in ["", "true"] {
        let created = invoke(&api, "calls-create.json").await;
        assert_eq!(
            (created.status, created.text("/id"), created.text("/status")),
            (200, id.to_string().as_str(), "queued"),
            "{created:?}"
        );
        assert_eq!(created.header("idempotent-replayed"), replayed);
    }
    let listed = invoke(&api, "calls-list.json").await;
    assert_eq!(
        (listed.status, listed.text("/0/id")),
        (200, id.to_string().as_str()),
        "{listed:?}"
    );
}
