//! Customers are contacted end to end: the API, the messenger, the webhooks, simulated providers and customers with
//! habits.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod chance;
#[path = "../common/mod.rs"]
mod common;
mod outages;
mod schedule;
#[path = "../common/seeds.rs"]
mod seeds;
mod stories;
mod webchat;
mod webhooks;

use patchbay::ids::InteractionKey;
use patchbay::interaction::{AttemptOutcome, Interaction};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::world::{InteractionOptions, Options, World};
use serde_json::{Value, json};

use crate::common::{ask, phone};

/// The customer.
pub(crate) const ANA: &str = "+12025550143";
pub(crate) const MAIL: &str = "ana@example.net";

/// A world whose agent `leo` calls and writes over Twilio, and sends e-mails.
pub(crate) async fn world(interactions: InteractionOptions, phones: Phones) -> World {
    let options = Options {
        interactions,
        phones,
        sentinel: None,
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    put_agent(&world, "twilio").await;
    world
}

/// Writes the agent `leo`.
pub(crate) async fn put_agent(world: &World, over: &str) {
    let agent = json!({
        "name": "Leo",
        "prompt": { "initial_message": "Hi {{firstName}}, your order is on its way." },
        "channels": {
            "call": { "over": over, "from": "+12025550100" },
            "sms": { "over": over, "from": "+12025550100" },
            "whatsapp": { "over": "twilio", "from": "+12025550100" },
            "email": { "over": "ses", "from": "leo@example.org" },
        },
    });
    let answer = ask(world, "PUT", "/v1/agents/leo", &agent).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Writes the skill `delivery` with these fields.
pub(crate) async fn put_skill(world: &World, fields: Value) {
    let mut skill = json!({ "name": "Delivery", "subject": "Your order" });
    for (name, value) in fields.as_object().unwrap() {
        skill.as_object_mut().unwrap().insert(name.clone(), value.clone());
    }
    let answer = ask(world, "PUT", "/v1/skills/delivery", &skill).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Contacts a customer over a channel. Returns the id of the interaction.
pub(crate) async fn contact(world: &World, channel: &str, number: &str, mail: &str) -> String {
    let body = json!({
        "agentId": "leo", "channel": channel, "skillId": "delivery",
        "customerOverride": { "firstName": "Ana", "phoneNumber": number, "email": mail },
    });
    let answer = ask(world, "POST", "/api/v1/calls", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/id").to_owned()
}

pub(crate) async fn load(world: &World, id: &str) -> Interaction {
    let key = InteractionKey {
        tenant: "main".parse().unwrap(),
        id: id.parse().unwrap(),
    };
    world.store.load_subject(&key).await.unwrap().unwrap()
}

/// How each attempt ended, with its channel.
pub(crate) fn outcomes(interaction: &Interaction) -> Vec<(&'static str, &'static str)> {
    let name = |outcome: &AttemptOutcome| outcome.name();
    let past = interaction.past.iter();
    past.map(|past| {
        let channel = interaction.leg(past.leg).unwrap().channel;
        (channel.name(), name(&past.outcome))
    })
    .collect()
}

/// The published name of the state, or of the reason of an end.
pub(crate) fn state(interaction: &Interaction) -> &'static str {
    let reason = interaction.state.end_reason();
    reason.map_or(interaction.state.name(), |reason| reason.name())
}

/// Phones of which one has this behavior.
pub(crate) fn phones(number: &str, script: impl Into<patchbay_simulators::phones::Script>) -> Phones {
    let mut phones = Phones::new();
    phones.set(phone(number), script.into());
    phones
}
