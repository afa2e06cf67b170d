//! The installation in the journal.

use super::*;
use crate::journal::Journal;
use dynoxide::Database;

#[tokio::test(start_paused = true)]
async fn an_installation_continues_after_a_restart() {
    let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
    let desk = Desk::new(Switches::default()).await;
    desk.chat.restore(journal.clone()).expect("an empty journal");
    let token = desk.raw(token_request("cx.queue-calls")).await.expect("an answer").1;
    let bot = desk.chat.connect_bot("Returns bot", BOT_URL, &[8]);
    desk.chat.subscribe(WEBHOOK_URL, &[EventName::MessageCreated]);
    let conversation = desk.chat.customer_opens(8).expect("a conversation");
    desk.writes(conversation, "Hello");
    desk.chat.agent_takes(conversation, "jane.doe").expect("a conversation");
    desk.says(conversation, "Hi").await;
    desk.pass(5).await;
    let again = Desk::new(Switches::default()).await;
    // Its event is still under way when the process ends.
    let last = desk.writes(conversation, "Anybody here?");

    again.chat.restore(journal).expect("a journal");
    assert_eq!(again.chat.inboxes()[1].bot, Some(bot));
    assert_eq!(again.chat.webhooks(), desk.chat.webhooks());
    assert_eq!(again.chat.conversations(), desk.chat.conversations());
    let comparable = |chat: &Chat| {
        let messages = chat.messages(conversation).into_iter();
        messages
            .map(|message| (message.id, message.at, message.author, message.text))
            .collect::<Vec<_>>()
    };
    assert_eq!(comparable(&again.chat), comparable(&desk.chat));
    again.pass(2).await;
    let events = again.events("message_created");
    assert!(events.iter().all(|event| event.body["id"] == last));
    assert_eq!(events.len(), 2, "to the bot and to the webhook");
    let next = again.writes(conversation, "Still nobody?");
    assert_eq!(next, last + 1);
    let request = http::Request::post(format!("{SANGOMA_URL}api/v1/queues/call/"))
        .header(
            "authorization",
            format!("Bearer {}", token["access_token"].as_str().expect("a token")),
        )
        .header("content-type", "application/json")
        .body(Bytes::from(
            json!({ "queue_name": "support_en", "destination": "100", "tenant_domain": TENANT_DOMAIN }).to_string(),
        ))
        .expect("a request");
    assert_eq!(
        again.raw(request).await.expect("an answer").0,
        200,
        "the token is still valid"
    );
}
