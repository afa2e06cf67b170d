//! Tests of the client against a platform with scripted answers: every request of CONTRACT.md 5, to the letter.

use super::*;
use crate::providers::chat_api::Priority;
use crate::providers::testing::{ScriptedProvider, ScriptedResponse, json_response, raw};

const ACCOUNT: &str = "https://chat.example.org/api/v1/accounts/1";

fn id(text: &str) -> PlatformId {
    text.parse().expect("an id")
}

fn client(provider: &ScriptedProvider, tokens: &str) -> Chatwoot {
    let settings = Settings {
        url: "https://chat.example.org/".to_owned(),
        account: id("1"),
    };
    let tokens = Tokens::parse("NAME", &Secret::new(tokens)).expect("tokens");
    Chatwoot::new(provider.http(), tokens, &settings)
}

fn answering(answer: ScriptedResponse) -> (ScriptedProvider, Chatwoot) {
    let provider = ScriptedProvider::new([answer]);
    let client = client(&provider, "b0t,us3r");
    (provider, client)
}

/// The only request: its token, its line and its body.
fn only_request(provider: &ScriptedProvider) -> (String, String, String) {
    assert!(provider.is_done());
    let (lines, bodies) = (provider.requests(), provider.body_texts());
    assert_eq!(lines.len(), 1);
    let token = provider.header_values("api_access_token").remove(0);
    (token, lines[0].clone(), bodies[0].clone())
}

fn expected(token: &str, line: &str, body: &str) -> (String, String, String) {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    (token.to_owned(), format!("{method} {ACCOUNT}{path}"), body.to_owned())
}

/// A message as Chatwoot answers it.
fn created_message() -> ScriptedResponse {
    let message = json!({
        "id": 9001, "content": "Hi!", "inbox_id": 7, "conversation_id": 1201, "message_type": 1, "content_type": "text",
        "status": "sent", "content_attributes": {}, "created_at": 1_725_969_600, "private": false, "source_id": null,
        "sender": { "id": 3, "name": "Acme bot", "type": "agent_bot" },
    });
    json_response(200, &message)
}

#[test]
fn one_or_two_tokens_are_accepted() {
    let with = |text: &str| Tokens::parse("NAME", &Secret::new(text));
    let pair = |bot: &str, user: &str| Tokens {
        bot: Secret::new(bot),
        user: Secret::new(user),
    };
    assert_eq!(with(" b , u\n").expect("two"), pair("b", "u"));
    assert_eq!(with("only").expect("one"), pair("only", "only"));
    for text in ["", ",", "b,", ",u", "a,b,c", "a b", "b,ü"] {
        assert!(with(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn debug_output_hides_the_tokens() {
    let client = client(&ScriptedProvider::new([]), "b0t,us3r");
    let printed = format!("{client:?} {:?}", client.tokens);
    assert!(!printed.contains("b0t") && !printed.contains("us3r"), "{printed}");
}

#[tokio::test]
async fn message_is_posted_with_the_token_of_the_bot() {
    let (provider, client) = answering(created_message());
    assert_eq!(client.post(&id("1201"), "Hi!").await, Ok(Some(id("9001"))));
    let body = r#"{"content":"Hi!","message_type":"outgoing"}"#;
    assert_eq!(
        only_request(&provider),
        expected("b0t", "POST /conversations/1201/messages", body)
    );
    assert_eq!(
        provider.header_names(),
        [["api_access_token", "accept", "content-type"]]
    );
}

#[tokio::test]
async fn message_names_the_bot_if_it_is_known() {
    let (provider, client) = answering(created_message());
    let client = client.with_bot(Some(id("3")));
    assert_eq!(client.post(&id("1201"), "Hi!").await, Ok(Some(id("9001"))));
    let body = r#"{"content":"Hi!","message_type":"outgoing","sender_type":"AgentBot","sender_id":3}"#;
    assert_eq!(only_request(&provider).2, body);

    let (provider, client) = answering(created_message());
    let client = client.with_bot(Some(id("3")));
    assert_eq!(client.post_incoming(&id("1201"), "Hello").await, Ok(Some(id("9001"))));
    let body = r#"{"content":"Hello","message_type":"incoming"}"#;
    assert_eq!(
        only_request(&provider),
        expected("b0t", "POST /conversations/1201/messages", body)
    );
}

#[tokio::test]
async fn status_of_a_conversation_hands_it_over_or_finishes_it() {
    let toggled =
        json!({ "meta": {}, "payload": { "success": true, "current_status": "open", "conversation_id": 1201 } });
    let (provider, client) = answering(json_response(200, &toggled));
    assert_eq!(client.deliver(&id("1201")).await, Ok(()));
    let path = "POST /conversations/1201/toggle_status";
    assert_eq!(only_request(&provider), expected("b0t", path, r#"{"status":"open"}"#));
    let (provider, client) = answering(raw(200, ""));
    assert_eq!(client.finish(&id("1201")).await, Ok(()));
    assert_eq!(
        only_request(&provider),
        expected("b0t", path, r#"{"status":"resolved"}"#)
    );
}

#[tokio::test]
async fn id_in_a_path_is_escaped_and_cannot_choose_another() {
    let (provider, client) = answering(raw(200, ""));
    assert_eq!(client.finish(&id("a&b")).await, Ok(()));
    assert_eq!(
        only_request(&provider).1,
        format!("POST {ACCOUNT}/conversations/a%26b/toggle_status")
    );
    let provider = ScriptedProvider::new([]);
    let refused = self::client(&provider, "b0t").finish(&id("..")).await;
    assert!(
        matches!(refused, Err(ChatError::Refused { status: 400, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn bot_is_set_up_with_the_token_of_a_user() {
    let bot = json!({ "id": 3, "name": "Acme bot", "description": "FAQ", "outgoing_url": "https://b.example.net", "account_id": 1 });
    let provider = ScriptedProvider::new([json_response(200, &bot), raw(200, ""), raw(204, ""), raw(200, "{}")]);
    let client = client(&provider, "b0t,us3r");
    assert_eq!(
        client.create_bot("Acme bot", "FAQ", "https://b.example.net").await,
        Ok(id("3"))
    );
    assert_eq!(client.assign_bot(&id("7"), &id("3")).await, Ok(()));
    assert_eq!(client.assign_bot(&id("8"), &id("3")).await, Ok(()));
    assert_eq!(client.subscribe("https://b.example.net/events").await, Ok(()));
    let paths = [
        "/agent_bots",
        "/inboxes/7/set_agent_bot",
        "/inboxes/8/set_agent_bot",
        "/webhooks",
    ];
    assert_eq!(provider.requests(), paths.map(|path| format!("POST {ACCOUNT}{path}")));
    let bodies = [
        json!({ "name": "Acme bot", "description": "FAQ", "outgoing_url": "https://b.example.net" }),
        json!({ "agent_bot": 3 }),
        json!({ "agent_bot": 3 }),
        json!({ "url": "https://b.example.net/events", "subscriptions": ["conversation_created", "message_created"] }),
    ];
    assert_eq!(provider.bodies(), bodies);
    assert_eq!(provider.header_values("api_access_token"), ["us3r"; 4]);
}

#[tokio::test]
async fn inboxes_are_listed_bare_or_wrapped() {
    let inbox = json!({ "id": 7, "name": "Shop chat", "channel_id": 4, "channel_type": "Channel::WebWidget" });
    let expected = vec![Inbox {
        id: id("7"),
        name: Some("Shop chat".to_owned()),
        channel: Some("Channel::WebWidget".to_owned()),
    }];
    for body in [json!({ "payload": [inbox] }), json!([inbox])] {
        let (provider, client) = answering(json_response(200, &body));
        assert_eq!(client.inboxes().await.as_deref(), Ok(expected.as_slice()));
        assert_eq!(only_request(&provider).1, format!("GET {ACCOUNT}/inboxes"));
        assert_eq!(provider.header_names(), [["api_access_token", "accept"]]);
    }
}

#[tokio::test]
async fn contact_and_conversation_are_created_for_a_widget() {
    let contact =
        json!({ "id": 41, "name": "Sam Roe", "email": "sam@example.org", "phone_number": null, "contact_inboxes": [] });
    let contact = json!({ "payload": { "contact": contact, "contact_inbox": { "inbox": {}, "source_id": "0c1f" } } });
    let conversation =
        json!({ "id": 1201, "account_id": 1, "uuid": "u", "inbox_id": 7, "status": "pending", "messages": [] });
    let provider = ScriptedProvider::new([json_response(200, &contact), json_response(200, &conversation)]);
    let client = client(&provider, "b0t,us3r");
    let inbox = id("7");
    let new = NewContact {
        inbox: &inbox,
        name: "Sam Roe",
        email: "sam@example.org",
        phone: Some("+12025550143"),
    };
    let contact = client.create_contact(new).await.expect("a contact");
    assert_eq!((contact.id.as_str(), contact.source.as_deref()), ("41", Some("0c1f")));
    let new = NewConversation {
        inbox: &inbox,
        contact: &contact.id,
        source: contact.source.as_deref(),
        priority: Priority::High,
        initial_message: "Hello",
    };
    assert_eq!(client.create_conversation(new).await, Ok(id("1201")));
    let paths = ["/contacts", "/conversations"];
    assert_eq!(provider.requests(), paths.map(|path| format!("POST {ACCOUNT}{path}")));
    assert_eq!(
        provider.body_texts(),
        [
            r#"{"inbox_id":7,"name":"Sam Roe","email":"sam@example.org","phone_number":"+12025550143"}"#,
            r#"{"source_id":"0c1f","inbox_id":7,"contact_id":41,"message":{"content":"Hello","message_type":"incoming"}}"#,
        ]
    );
    assert_eq!(provider.header_values("api_access_token"), ["us3r", "b0t"]);
}

#[tokio::test]
async fn source_of_a_contact_may_be_missing_or_in_its_list() {
    for (body, source) in [
        (
            json!({ "id": 41, "contact_inboxes": [{ "source_id": "0c1f", "inbox": {} }] }),
            Some("0c1f"),
        ),
        (
            json!({ "payload": { "contact": { "id": 41 }, "contact_inbox": { "source_id": "" } } }),
            None,
        ),
        (json!({ "contact": { "id": 41 } }), None),
    ] {
        let (_, client) = answering(json_response(200, &body));
        let inbox = id("7");
        let new = NewContact {
            inbox: &inbox,
            name: "Sam Roe",
            email: "sam@example.org",
            phone: None,
        };
        let contact = client.create_contact(new).await.expect("a contact");
        assert_eq!(contact.source.as_deref(), source, "{body}");
    }
}

#[tokio::test]
async fn rejected_token_loses_no_message() {
    let (provider, client) = answering(json_response(401, &json!({ "error": "Invalid Access Token" })));
    let posted = client.post(&id("1201"), "Hi!").await;
    assert_eq!(
        posted,
        Err(ChatError::failed(
            "the credentials are rejected (status 401): Invalid Access Token"
        ))
    );
    assert!(provider.is_done());
}
