//! Conversations with their timelines, the connection to a chat platform, a bot document, requests of a chat page's
//! visitors, and a number that must not be called.

use patchbay::chat::Platform;
use patchbay::conversation::PlatformId;
use patchbay::conversation::widget::Widget;
use patchbay::ids::Tenant;
use patchbay::secret::sha256_hex;
use patchbay::store::{
    ChatConnection, OptOutChange, OptOutSource, VersionCommit, VisitorContact, VisitorRequest, VisitorRequestBegin,
    VisitorRequestKey, VisitorRequestState,
};
use patchbay_simulators::world::World;
use serde_json::json;

use super::journeys::CALLER;
use super::record_items;
use crate::chats::{conversations, entries, id};
use crate::common::{phone, send, with_token, world};
use crate::fixtures::assert_all_seen;
use crate::kinds;
use crate::shape::WrittenValues;

/// E-mail address of the visitor.
pub(super) const EMAIL: &str = "sam@example.org";
/// Name of the stored bot.
pub(super) const BOT: &str = "support";

pub(super) async fn run(items: &mut WrittenValues) {
    for (number, conversation) in conversations().into_iter().enumerate() {
        let world = world([]).await;
        // The entries belong to one of them.
        let entries = if number == 0 { entries() } else { Vec::new() };
        let mut stored = conversation.clone();
        stored.version = 1;
        let committed = world.store.commit_version(&stored, &[], world.clock.now()).await;
        assert_eq!(committed.unwrap(), VersionCommit::Committed);
        stored.version = 2;
        let committed = world.store.commit_version(&stored, &entries, world.clock.now()).await;
        assert_eq!(committed.unwrap(), VersionCommit::Committed);
        record_items(&world, items).await;
    }
    let world = world([]).await;
    connections(&world, items).await;
    visitors(&world, items).await;
    bot(&world).await;
    let (tenant, now) = (tenant(), world.clock.now());
    world
        .store
        .change_opt_out(&tenant, &phone(CALLER), &OptOutChange::opt_out(OptOutSource::Api, now))
        .await
        .unwrap();
    record_items(&world, items).await;
}

fn tenant() -> Tenant {
    "main".parse().unwrap()
}

/// With every field, and with few.
async fn connections(world: &World, items: &mut WrittenValues) {
    for (platform, is_full) in Platform::ALL.into_iter().zip([true, false]) {
        let connection = ChatConnection {
            platform,
            bot_id: id("3"),
            name: "Acme bot".to_owned(),
            inboxes: [(id("7"), BOT.parse().unwrap())].into(),
            bot_url: "https://hooks.example.org/sangoma/bot/main.x".to_owned(),
            events_url: is_full.then(|| "https://hooks.example.org/sangoma/events/main.x".to_owned()),
            widget: is_full.then(widget),
            updated_at: world.clock.now(),
        };
        world.store.put_connection(&tenant(), &connection).await.unwrap();
        record_items(world, items).await;
    }
}

/// The settings of a chat page, with every field.
fn widget() -> Widget {
    serde_json::from_value(json!({
        "title": { "en": "Questions?", "de": "Fragen?" },
        "topics": [{
            "name": "orders", "title": "Orders", "inbox": "9", "priority": "high",
            "initial_message": { "en": "A question about an order" },
        }],
        "languages": ["en", "de"],
        "phone_required": true,
        "privacy_url": "https://www.example.org/privacy",
        "embedded_by": ["https://shop.example.org"],
        "starts_per_minute": 30,
    }))
    .unwrap()
}

/// The keys of the requests of a visitor: the start of the conversation, and a message in it.
pub(super) fn visitor_keys<'a>(tenant: &'a Tenant, conversation: &'a PlatformId) -> [VisitorRequestKey<'a>; 2] {
    [None, Some(conversation)].map(|conversation| VisitorRequestKey {
        tenant,
        conversation,
        id: "0123456789abcdef",
    })
}

/// Requests in every state, and customers, with every field and with few.
async fn visitors(world: &World, items: &mut WrittenValues) {
    let (tenant, conversation) = (tenant(), id("1201"));
    let [start, message] = visitor_keys(&tenant, &conversation);
    let states = [
        VisitorRequestState::Begun,
        VisitorRequestState::Failed,
        VisitorRequestState::Done {
            id: Some(conversation.clone()),
        },
        VisitorRequestState::Done { id: None },
        VisitorRequestState::Unclear,
    ];
    assert_all_seen(
        "VisitorRequestState",
        kinds::VISITOR_STATES,
        states.iter().map(kinds::visitor_state),
    );
    let request = |state| VisitorRequest {
        fingerprint: sha256_hex(b"form"),
        at: world.clock.now(),
        state,
    };
    for of in [start, message] {
        let begun = request(VisitorRequestState::Begun);
        let result = world.store.begin_visitor_request(&of, &begun, 10).await.unwrap();
        assert_eq!(result, VisitorRequestBegin::Begun);
        record_items(world, items).await;
        for state in states.clone() {
            world.store.put_visitor_request(&of, &request(state)).await.unwrap();
            record_items(world, items).await;
        }
    }
    for source in [Some("sam@example.org".to_owned()), None] {
        let (id, inbox) = (id("41"), id("7"));
        let contact = VisitorContact { id, inbox, source };
        let now = world.clock.now();
        world
            .store
            .put_visitor_contact(&tenant, EMAIL, &contact, now)
            .await
            .unwrap();
        record_items(world, items).await;
    }
}

async fn bot(world: &World) {
    let document = crate::fixtures::text("bots/every-field.yaml");
    let put = with_token("PUT", &format!("/v1/bots/{BOT}")).header("content-type", "application/yaml");
    let answer = send(world, put.body(document.into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
