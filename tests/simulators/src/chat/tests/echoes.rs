//! The events about messages that a bot posted.

use super::*;

/// The event about the bot's own message under these switches.
async fn echo(switches: Switches, text: &str) -> Option<Value> {
    let desk = Desk::new(switches).await;
    let conversation = desk.opens();
    assert_eq!(desk.says(conversation, text).await.0, 200);
    desk.pass(1).await;
    desk.events("message_created").pop().map(|arrived| arrived.body)
}

#[tokio::test(start_paused = true)]
async fn a_bots_message_comes_back_or_not() {
    let body = echo(Switches::default(), "Hello").await.expect("an event");
    assert_eq!(
        (&body["message_type"], &body["sender"]["type"]),
        (&json!("outgoing"), &json!("agent_bot"))
    );
    assert_eq!(body["conversation"]["messages"][0]["sender_type"], "AgentBot");
    assert_eq!(echo(with(|switches| switches.echo = false), "Hello").await, None);
}

#[tokio::test(start_paused = true)]
async fn the_author_of_an_echo_is_the_bot_a_user_or_nobody() {
    for (author, kind) in [
        (EchoAuthor::AgentBot, json!("agent_bot")),
        (EchoAuthor::User, json!("user")),
        (EchoAuthor::Nobody, Value::Null),
    ] {
        let body = echo(with(|switches| switches.echo_author = author), "Hello")
            .await
            .expect("an event");
        assert_eq!(body["sender"]["type"], kind, "{author:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_is_bot_has_a_user_as_author() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let message = json!({ "content": "Hello", "message_type": "outgoing", "conversation_id": conversation });
    desk.post("digital-interactions/messages/", message).await;
    desk.pass(1).await;
    assert_eq!(desk.last_message()["sender"]["type"], "user");
}

#[tokio::test(start_paused = true)]
async fn the_text_of_an_echo_may_be_changed() {
    for (change, expected) in [
        (TextChange::Unchanged, " Fish & <chips> "),
        (TextChange::LineFeed, " Fish & <chips> \n"),
        (TextChange::Trimmed, "Fish & <chips>"),
        (TextChange::Escaped, " Fish &amp; &lt;chips&gt; "),
    ] {
        let body = echo(with(|switches| switches.echo_text = change), " Fish & <chips> ")
            .await
            .expect("an event");
        assert_eq!(body["content"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_echo_arrives_after_or_before_the_answer() {
    for (order, is_earlier) in [(EchoOrder::AfterAnswer, false), (EchoOrder::BeforeAnswer, true)] {
        let desk = Desk::new(with(|switches| switches.echo_order = order)).await;
        let conversation = desk.opens();
        desk.says(conversation, "Hello").await;
        let answered_at = desk.clock.now();
        desk.pass(1).await;
        let [event] = desk.events("message_created").try_into().expect("one event");
        assert_eq!(event.at < answered_at, is_earlier, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_customer_reads_every_message_to_them_or_there_are_no_receipts() {
    for receipts in [true, false] {
        let desk = Desk::new(with(|switches| switches.read_receipts = receipts)).await;
        let conversation = desk.opens();
        desk.says(conversation, "Hello").await;
        desk.chat
            .agent_replies(conversation, "jane.doe", "I am here")
            .expect("a message");
        desk.chat
            .agent_notes(conversation, "jane.doe", "nothing to read")
            .expect("a note");
        desk.pass(5).await;
        let updates = desk.events("message_updated");
        let read: Vec<&str> = updates
            .iter()
            .filter_map(|update| update.body["content"].as_str())
            .collect();
        assert_eq!(read, if receipts { vec!["Hello", "I am here"] } else { vec![] });
        for update in &updates {
            let nested = &update.body["conversation"]["messages"][0];
            // The nested message is the last one, whichever was read.
            assert_eq!(
                nested["status"] == "read",
                nested["id"] == update.body["id"],
                "{nested}"
            );
        }
    }
}
