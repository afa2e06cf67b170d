//! What happens when the platform fails, and when a page repeats itself.

use patchbay_simulators::chat::{ApiFault, Endpoint, Message};
use serde_json::{Value, json};

use crate::common::{pass, settle};
use crate::{Page, Started, form, message_id};

/// Texts of the customer's messages on the platform.
fn written(page: &Page, conversation: u64) -> Vec<String> {
    let messages = page.world.chat.messages(conversation).into_iter();
    messages
        .filter(Message::is_of_customer)
        .map(|message| message.text)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_repeated_start_is_the_same_conversation() {
    let page = Page::open().await;
    let first = page.post("/conversations", "", &form("Hello")).await;
    pass(&page.world, 3).await;
    let again = page.post("/conversations", "", &form("Hello")).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(
        again.json, first.json,
        "with the same token, which expires at the same time"
    );
    let chat = Started::new(&first);
    assert_eq!(page.world.chat.conversations().len(), 1);
    assert_eq!(written(&page, chat.id), ["Orders", "Hello"]);
    let other = page.post("/conversations", "", &form("Something else")).await;
    other.is_problem(422, "idempotency-key-reused");
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_result_is_unclear_is_never_repeated() {
    for fault in [
        ApiFault::NoAnswer { done: true },
        ApiFault::InternalError { done: false },
        ApiFault::Malformed,
    ] {
        let page = Page::open().await;
        // The customer exists already, so the fault is that of the conversation.
        page.start("Hello").await;
        settle(&page.world).await;
        let asked = || {
            let requests = page.world.chat.requests().into_iter();
            requests
                .filter(|request| request.body.get("initial_message").is_some())
                .count()
        };
        page.world.chat.fail_next(Endpoint::Conversations, fault);
        let mut second = form("Hello again");
        second["id"] = json!("start-second-0123456789");
        for _ in 0..3 {
            page.post("/conversations", "", &second)
                .await
                .is_problem(502, "unclear");
            pass(&page.world, 40).await;
        }
        assert_eq!(asked(), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_certainly_failed_is_begun_again() {
    for fault in [ApiFault::NotSent, ApiFault::TooManyRequests { retry_after: Some(2) }] {
        let page = Page::open().await;
        page.world.chat.fail_next(Endpoint::Conversations, fault);
        let failed = page.post("/conversations", "", &form("Hello")).await;
        failed.is_problem(503, "unavailable");
        assert!(!failed.header("retry-after").is_empty());
        assert_eq!(page.world.chat.conversations().len(), 0);
        let again = page.post("/conversations", "", &form("Hello")).await;
        assert_eq!(again.status, 201, "{again:?}");
        assert_eq!(page.world.chat.contacts().len(), 1);
        assert_eq!(page.world.chat.conversations().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_returns_is_the_same_customer() {
    let page = Page::open().await;
    page.start("Hello").await;
    let mut second = form("Hello again");
    for (field, value) in [
        ("id", "start-second-0123456789"),
        ("email", "SAM@example.org"),
        ("topic", "returns"),
    ] {
        second[field] = json!(value);
    }
    let answer = page.post("/conversations", "", &second).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(page.world.chat.contacts().len(), 1);
    assert_eq!(page.world.chat.conversations().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_visitors_may_share_a_phone() {
    let page = Page::open().await;
    page.start("Hello").await;
    let mut second = form("Hello, too");
    second["id"] = json!("start-second-0123456789");
    second["email"] = json!("pat@example.org");
    let answer = page.post("/conversations", "", &second).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let contacts = page.world.chat.contacts();
    let phones: Vec<Option<&str>> = contacts.iter().map(|contact| contact.phone.as_deref()).collect();
    assert_eq!(phones, [Some("+12025550143"), None]);
}

#[tokio::test(start_paused = true)]
async fn details_that_the_platform_refuses_are_an_error_of_the_form() {
    let page = Page::open().await;
    // A customer whom the platform knows and we do not.
    let elsewhere = page.world.chat.customer_opens(7).unwrap();
    page.world
        .chat
        .customer_is(elsewhere, "Sam Roe", Some("sam@example.org"), None)
        .unwrap();
    let mut german = form("Hello");
    german["language"] = json!("de");
    let answer = page.post("/conversations", "", &german).await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["(details)"]);
    assert_eq!(
        answer.text("/errors/0/detail"),
        "Diese Angaben wurden nicht angenommen. Bitte prüfen Sie sie."
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_is_posted_once_however_often_it_is_sent() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    for _ in 0..3 {
        let answer = page.say(&chat, &message_id(1), "A question").await;
        assert_eq!(
            (answer.status, answer.json["id"].is_string()),
            (200, true),
            "{answer:?}"
        );
    }
    assert_eq!(written(&page, chat.id), ["Orders", "Hello", "A question"]);
    let other = page.say(&chat, &message_id(1), "Another question").await;
    other.is_problem(422, "idempotency-key-reused");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_result_is_unclear_is_not_posted_again_and_one_that_failed_is() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    settle(&page.world).await;
    page.world
        .chat
        .fail_next(Endpoint::Messages, ApiFault::NoAnswer { done: false });
    for _ in 0..2 {
        page.say(&chat, &message_id(1), "One").await.is_problem(502, "unclear");
    }
    page.world.chat.fail_next(Endpoint::Messages, ApiFault::NotSent);
    page.say(&chat, &message_id(2), "Two")
        .await
        .is_problem(503, "unavailable");
    assert_eq!(page.say(&chat, &message_id(2), "Two").await.status, 200);
    assert_eq!(written(&page, chat.id), ["Orders", "Hello", "Two"]);
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_was_not_sent_is_left_to_the_page() {
    let page = Page::open().await;
    page.world.chat.fail_next(Endpoint::Messages, ApiFault::NotSent);
    let answer = page.post("/conversations", "", &form("Hello")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json["message"], json!({ "status": "not_sent" }));
    let chat = Started::new(&answer);
    let id = form("")["id"].as_str().unwrap().to_owned();
    assert_eq!(page.say(&chat, &id, "Hello").await.status, 200);
    assert_eq!(written(&page, chat.id), ["Orders", "Hello"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_result_is_unclear_still_reaches_the_visitor() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    settle(&page.world).await;
    // The first message is the visitor's.
    page.say(&chat, &message_id(1), "When are you open?").await;
    page.world
        .chat
        .fail_next(Endpoint::Messages, ApiFault::NoAnswer { done: false });
    settle(&page.world).await;
    assert_eq!(page.reads(&chat).await.last().unwrap(), "bot: We are open from 9 to 5.");
}

#[tokio::test(start_paused = true)]
async fn all_wrong_fields_are_named_in_the_language_of_the_visitor() {
    let page = Page::open().await;
    let empty = json!({ "id": "start-0123456789abcdef", "language": "de", "email": "x" });
    let answer = page.post("/conversations", "", &empty).await;
    assert_eq!(
        answer.is_problem(422, "invalid-field"),
        ["topic", "name", "email", "text"]
    );
    assert_eq!(answer.text("/errors/0/detail"), "Bitte wählen Sie ein Thema.");
    assert_eq!(page.world.chat.requests(), []);

    let chat = page.start("Hello").await;
    let answer = page
        .post(
            "/messages",
            &chat.token,
            &json!({ "id": "short", "language": "de", "text": " " }),
        )
        .await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["id", "text"]);
    assert_eq!(answer.text("/errors/1/detail"), "Bitte füllen Sie dieses Feld aus.");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_form_is_refused() {
    let page = Page::open().await;
    for (body, status, kind) in [
        (json!([]), 422, "invalid-field"),
        (json!({ "topic": 7 }), 422, "invalid-field"),
        (json!({ "topics": "orders" }), 422, "invalid-field"),
        (Value::from("x".repeat(70_000)), 413, "body-too-large"),
    ] {
        page.post("/conversations", "", &body).await.is_problem(status, kind);
    }
}
