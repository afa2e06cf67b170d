//! Who may do what, how often, and what it costs.

use serde_json::json;

use crate::common::{cost_of, pass, settle};
use crate::{Page, Started, form, message_id, widget};

#[tokio::test(start_paused = true)]
async fn a_token_is_for_one_conversation_and_one_day() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    settle(&page.world).await;
    assert_eq!(page.poll(&chat, "").await.status, 200);
    for token in [
        "",
        "x",
        &chat.token.replace('.', "0."),
        patchbay_simulators::world::TOKEN,
    ] {
        let stranger = Started {
            token: token.to_owned(),
            id: chat.id,
        };
        page.poll(&stranger, "").await.is_problem(401, "unauthorized");
        page.say(&stranger, &message_id(1), "Hello")
            .await
            .is_problem(401, "unauthorized");
    }
    pass(&page.world, 86_400).await;
    page.poll(&chat, "").await.is_problem(401, "unauthorized");
    page.say(&chat, &message_id(1), "Hello")
        .await
        .is_problem(401, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_one_of_ours() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    for cursor in ["x", "1-1", "E%230000000001-000", "0000000001"] {
        let answer = page.poll(&chat, cursor).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), ["after"], "{cursor}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_visitor_sends_a_limited_number_of_messages_in_a_minute() {
    let page = Page::open().await;
    let chat = page.start("Hello").await;
    let mut accepted = 1;
    let refused = loop {
        let answer = page.say(&chat, &message_id(accepted), "Hello?").await;
        if answer.status != 200 {
            break answer;
        }
        accepted += 1;
    };
    assert_eq!(accepted, 20);
    refused.is_problem(429, "too-many-requests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // A repeat is no further message.
    assert_eq!(page.say(&chat, &message_id(1), "Hello?").await.status, 200);
    pass(&page.world, wait).await;
    assert_eq!(page.say(&chat, &message_id(accepted), "Hello?").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn all_visitors_start_a_limited_number_of_conversations_in_a_minute() {
    let page = Page::open().await;
    let mut settings = widget();
    settings.starts_per_minute = 2;
    page.world.put_widget(settings).await.unwrap();
    let nth = |number: usize| {
        let mut form = form("Hello");
        form["id"] = json!(message_id(number));
        form["email"] = json!(format!("visitor{number}@example.org"));
        form["phone"] = json!("");
        form
    };
    for number in 0..2 {
        assert_eq!(page.post("/conversations", "", &nth(number)).await.status, 201);
    }
    let refused = page.post("/conversations", "", &nth(2)).await;
    refused.is_problem(429, "too-many-requests");
    assert_eq!(page.world.chat.contacts().len(), 2);
    pass(&page.world, refused.header("retry-after").parse().unwrap()).await;
    assert_eq!(page.post("/conversations", "", &nth(2)).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_stack_or_without_settings_does_not_exist() {
    let page = Page::open().await;
    let forged = Page {
        path: page.path.replace("main.", "other."),
        world: page.world,
    };
    for part in ["", "/widget.js", "/messages"] {
        forged.get(part, &[]).await.is_problem(404, "bad-reference");
    }
    let world = patchbay_simulators::world::World::start(patchbay_simulators::world::Options::default())
        .await
        .unwrap();
    let without = Page {
        path: forged.path.replace("other.", "main."),
        world,
    };
    without.get("", &[]).await.is_problem(404, "not-found");
    without
        .post("/conversations", "", &form("Hello"))
        .await
        .is_problem(404, "not-found");
}

/// What the page's own request cost since `before`: to DynamoDB, to SQS, and over HTTP. The platform's events come later.
fn cost(page: &Page, before: usize) -> (u32, u32, u32) {
    cost_of(&page.world.aws.recorder().runs()[before])
}

#[tokio::test(start_paused = true)]
async fn requests_cost_little() {
    let page = Page::open().await;
    let runs = || page.world.aws.recorder().runs().len();
    let before = runs();
    page.get("", &[]).await;
    assert_eq!(cost(&page, before), (1, 0, 0), "the page");
    let before = runs();
    page.get("/widget.js", &[]).await;
    assert_eq!(cost(&page, before), (0, 0, 0), "an asset");
    let before = runs();
    let chat = page.start("Hello").await;
    // A token, the customer, the conversation, and the message.
    assert_eq!(cost(&page, before), (7, 2, 4), "a start");
    settle(&page.world).await;
    let before = runs();
    page.say(&chat, &message_id(1), "Hello?").await;
    assert_eq!(cost(&page, before), (2, 1, 1), "a message");
    settle(&page.world).await;
    let before = runs();
    page.poll(&chat, "").await;
    assert_eq!(cost(&page, before), (1, 0, 0), "a poll");
}
