//! What a visitor experiences when everything works.

use serde_json::json;

use crate::common::{pass, settle};
use crate::{Page, Started, form, message_id};

#[tokio::test(start_paused = true)]
async fn a_visitor_is_answered_by_the_bot_and_then_by_a_person() {
    let page = Page::open().await;
    let chat = page.start("When are you open?").await;
    settle(&page.world).await;
    assert_eq!(
        page.reads(&chat).await,
        [
            "visitor: Orders",
            "visitor: When are you open?",
            "bot: We are open from 9 to 5.",
        ]
    );
    assert_eq!(page.world.chat.conversation(chat.id).unwrap().inbox, 9);
    let requests = page.world.chat.requests();
    let priorities: Vec<&serde_json::Value> = requests
        .iter()
        .filter_map(|request| request.body.get("priority"))
        .collect();
    assert_eq!(priorities, [&json!(2)]);

    let answer = page.say(&chat, &message_id(1), "I want to talk to a human").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    settle(&page.world).await;
    assert_eq!(
        page.reads(&chat).await.split_off(3),
        [
            "visitor: I want to talk to a human",
            "waiting -",
            "bot: A colleague will be with you shortly.",
        ]
    );
    assert_eq!(page.world.chat.delivered().len(), 1);

    page.world
        .chat
        .agent_replies(chat.id, "jane.doe", "Hello, this is Jane.")
        .unwrap();
    settle(&page.world).await;
    let read = page.reads(&chat).await.split_off(6);
    assert!(read.contains(&"person: Hello, this is Jane.".to_owned()), "{read:?}");
    assert!(read.iter().any(|line| line.starts_with("human ")), "{read:?}");

    page.say(&chat, &message_id(2), "When are you open?").await;
    settle(&page.world).await;
    assert_eq!(
        page.reads(&chat).await.last().unwrap(),
        "visitor: When are you open?",
        "the bot is silent"
    );
}

#[tokio::test(start_paused = true)]
async fn the_bot_answers_in_the_language_of_the_page() {
    let page = Page::open().await;
    let mut german = form("When are you open?");
    german["language"] = json!("de");
    let answer = page.post("/conversations", "", &german).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    settle(&page.world).await;
    let read = page.reads(&Started::new(&answer)).await;
    assert_eq!(read[0], "visitor: Bestellungen");
    assert!(
        read.contains(&"bot: Wir haben von 9 bis 17 Uhr geöffnet.".to_owned()),
        "{read:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_finished_conversation_is_shown_as_finished() {
    let page = Page::open().await;
    let chat = page.start("Thank you, that is all").await;
    settle(&page.world).await;
    let read = page.reads(&chat).await;
    assert_eq!(read[read.len() - 2..], ["bot: You are welcome.", "finished -"]);
}

#[tokio::test(start_paused = true)]
async fn every_topic_has_its_inbox_and_its_initial_message() {
    let page = Page::open().await;
    let mut returns = form("It does not fit");
    returns["topic"] = json!("returns");
    let answer = page.post("/conversations", "", &returns).await;
    assert_eq!(answer.text("/initial_message"), "A return");
    let chat = Started::new(&answer);
    assert_eq!(page.world.chat.conversation(chat.id).unwrap().inbox, 8);
    let [first, ..] = &page.world.chat.messages(chat.id)[..] else {
        unreachable!("a message")
    };
    assert_eq!(first.text, "A return");
}

#[tokio::test(start_paused = true)]
async fn a_poll_returns_what_is_new_and_304_while_it_is_nothing() {
    let page = Page::open().await;
    let chat = page.start("When are you open?").await;
    settle(&page.world).await;
    pass(&page.world, 30).await;
    let all = page.poll(&chat, "").await;
    let cursor = all.text("/cursor").to_owned();
    assert_eq!(all.header("etag"), format!("\"{cursor}\""));
    assert_eq!(all.header("cache-control"), "no-store");
    assert!(all.json["poll_after"].as_u64().unwrap() >= 3, "{all:?}");

    let authorization = format!("Bearer {}", chat.token);
    let etag = format!("\"{cursor}\"");
    let headers = [
        ("authorization", authorization.as_str()),
        ("if-none-match", etag.as_str()),
    ];
    let path = format!("/messages?after={cursor}");
    let unchanged = page.get(&path, &headers).await;
    assert_eq!((unchanged.status, &unchanged.json), (304, &json!(null)));
    assert!(!unchanged.header("retry-after").is_empty(), "{unchanged:?}");

    page.world.chat.agent_replies(chat.id, "jane.doe", "Hello").unwrap();
    settle(&page.world).await;
    let new = page.get(&path, &headers).await;
    assert_eq!(new.status, 200, "{new:?}");
    let ids = |answer: &crate::common::Answer| -> Vec<String> {
        let entries = answer.json["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(
        !ids(&new).is_empty() && ids(&new).iter().all(|id| *id > cursor),
        "{new:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_event_the_request_itself_is_the_trigger() {
    use patchbay_simulators::chat::EventName;
    use patchbay_simulators::webhook_faults::WebhookFault;

    let page = Page::open().await;
    let chat = page.start("hello").await;
    settle(&page.world).await;
    page.world
        .chat
        .fail_next_event(EventName::MessageCreated, WebhookFault::LoseForGood);
    page.say(&chat, &message_id(1), "When are you open?").await;
    pass(&page.world, 4).await;
    let before = page.reads(&chat).await;
    assert!(
        !before.contains(&"visitor: When are you open?".to_owned()),
        "{before:?}"
    );
    settle(&page.world).await;
    let after = page.reads(&chat).await.split_off(before.len());
    assert_eq!(after, ["visitor: When are you open?", "bot: We are open from 9 to 5."]);
}
