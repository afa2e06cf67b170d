//! The webhooks of a chat platform: what is accepted, what is refused, and what that costs.

use patchbay::chat::Platform;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::chat::Switches;
use patchbay_simulators::world::{ChatOptions, Options, World};
use serde_json::json;

use crate::common::{Answer, cost, our_callbacks, send, settle, webhook};
use crate::{BOT, chat_world, holder, opened, posts};

/// The URLs of the bot and of the account.
fn urls(platform: Platform) -> [String; 2] {
    let (urls, tenant) = (our_callbacks(), "main".parse().unwrap());
    [urls.bot_url(platform, &tenant), urls.events_url(platform, &tenant)]
}

async fn post(world: &World, url: &str, body: &str) -> Answer {
    send(world, webhook(url, body.to_owned())).await
}

/// A customer's message as Chatwoot reports it.
fn message(id: u64, text: &str) -> String {
    let event = json!({
        "event": "message_created", "id": id, "content": text, "message_type": "incoming", "private": false,
        "sender": { "id": 41, "name": "Sam", "type": "contact" },
        "inbox": { "id": 7, "name": "Shop chat" },
        "conversation": { "id": 1201, "inbox_id": 7, "status": "pending", "meta": { "assignee": null } },
    });
    event.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_event_costs_one_message_and_no_request_to_dynamodb() {
    let world = chat_world().await;
    for (number, url) in urls(Platform::Sangoma).into_iter().enumerate() {
        let answer = post(&world, &url, &message(9_000 + number as u64, "hi")).await;
        assert_eq!((answer.status, answer.json), (200, json!({})));
        assert_eq!(cost(&world, "bot"), (0, 1, 0));
    }
    // What needs no reaction costs nothing.
    let typing = json!({ "event": "conversation_typing_on", "conversation": { "id": 1201 } });
    assert_eq!(
        post(&world, &urls(Platform::Sangoma)[0], &typing.to_string())
            .await
            .status,
        200
    );
    assert_eq!(cost(&world, "bot"), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn whatever_cannot_be_read_is_acknowledged() {
    let world = chat_world().await;
    let long = message(9_001, &"x".repeat(1_100_000));
    for body in ["", "nonsense", "[]", "{}", "7", &long] {
        for url in urls(Platform::Sangoma) {
            let answer = post(&world, &url, body).await;
            assert_eq!((answer.status, answer.json), (200, json!({})), "{body:.20}");
            assert_eq!(cost(&world, "bot"), (0, 0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reference_is_valid_for_its_own_url_only() {
    let world = chat_world().await;
    let [bot, events] = urls(Platform::Sangoma);
    for url in [
        bot.replace("/sangoma/", "/chatwoot/"),
        bot.replace("/bot/", "/events/"),
        events.replace("/events/", "/bot/"),
        bot.replace("/main.", "/other."),
        format!("{bot}0"),
    ] {
        let answer = post(&world, &url, &message(9_001, "hi")).await;
        answer.is_problem(404, "bad-reference");
    }
    assert!(world.is_idle());
}

#[tokio::test(start_paused = true)]
async fn events_of_a_platform_that_is_not_in_use_are_acknowledged_and_ignored() {
    let world = chat_world().await;
    for url in urls(Platform::Chatwoot) {
        assert_eq!(post(&world, &url, &message(9_001, "hi")).await.status, 200);
        assert_eq!(cost(&world, "bot"), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_saved_is_answered_with_500_which_the_platform_repeats() {
    let world = chat_world().await;
    let outage = Rule::new(Fault::InternalError).service(Service::Sqs).function("bot");
    world.aws.faults().plan(outage.times(u32::MAX));
    let [bot, _] = urls(Platform::Sangoma);
    assert_eq!(post(&world, &bot, &message(9_001, "hi")).await.status, 500);
    world.aws.faults().clear();
    let id = opened(&world, "opening hours").await;
    settle(&world).await;
    assert_eq!(posts(&world, id).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_configured_secret_must_sign_every_event() {
    for (signs, holders) in [(Some("s3cr3t"), Some("bot")), (Some("other"), None), (None, None)] {
        let switches = Switches {
            secret: signs.map(str::to_owned),
            ..Switches::default()
        };
        let options = Options {
            chat: ChatOptions {
                switches,
                secret: Some("s3cr3t".to_owned()),
                ..ChatOptions::default()
            },
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        world.put_bot("shop", BOT).await.unwrap();
        let id = opened(&world, "opening hours").await;
        settle(&world).await;
        match holders {
            Some(expected) => assert_eq!(holder(&world, id).await, expected),
            None => assert_eq!(posts(&world, id), [""; 0]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_post_is_an_event() {
    let world = chat_world().await;
    let [bot, _] = urls(Platform::Sangoma);
    let request = crate::common::request("GET", &bot).body(bytes::Bytes::new()).unwrap();
    send(&world, request).await.is_problem(405, "method-not-allowed");
}
