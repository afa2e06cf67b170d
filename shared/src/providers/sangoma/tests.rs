//! Tests of the client against a platform with scripted answers: every request of CONTRACT.md, to the letter.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::providers::chat_api::Priority;
use crate::providers::testing::{
    ScriptedProvider, ScriptedResponse, any_token, json_response, no_response, not_sent, raw, token,
};
use crate::secret::Secret;

const TOKEN: &str = "POST https://auth.sangoma.com/oauth/token";
const CHATS: &str = "https://cpaas.sangoma.com/cx/api/v1/digital-interactions";

fn id(text: &str) -> PlatformId {
    text.parse().expect("an id")
}

fn client(provider: &ScriptedProvider, generation: Generation) -> Sangoma {
    let credentials = Credentials::parse("NAME", &Secret::new("client:s3cret")).expect("credentials");
    let settings = Settings {
        tenant_domain: "acme.cx.sangoma.com".to_owned(),
        generation,
        endpoints: Endpoints::default(),
    };
    let clock = Clock::starting_at(Timestamp::from_millis(1_767_603_600_000), 1.0);
    Sangoma::new(provider.http(), &clock, &credentials, settings)
}

/// A platform that gives a token and then answers once.
fn answering(answer: ScriptedResponse) -> (ScriptedProvider, Sangoma) {
    let provider = ScriptedProvider::new([any_token(), answer]);
    let client = client(&provider, Generation::New);
    (provider, client)
}

/// The only request after the one for the token: its line and its body.
fn only_request(provider: &ScriptedProvider) -> (String, String) {
    assert!(provider.is_done());
    let (lines, bodies) = (provider.requests(), provider.body_texts());
    assert_eq!((lines.len(), lines[0].as_str()), (2, TOKEN));
    (lines[1].clone(), bodies[1].clone())
}

#[test]
fn credentials_are_an_id_and_a_secret() {
    let credentials = Credentials::parse("NAME", &Secret::new(" id : se:cret\n")).expect("good ones");
    assert_eq!(
        (credentials.client_id.as_str(), credentials.client_secret.expose()),
        ("id", "se:cret")
    );
    for text in ["", "id", "id:", ":secret", " : "] {
        assert!(Credentials::parse("NAME", &Secret::new(text)).is_err(), "{text}");
    }
}

#[tokio::test]
async fn debug_output_hides_the_secret() {
    let credentials = Credentials::parse("NAME", &Secret::new("client:s3cret")).expect("credentials");
    let printed = format!(
        "{credentials:?} {:?}",
        client(&ScriptedProvider::new([]), Generation::New)
    );
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[tokio::test]
async fn message_of_a_known_bot_says_so() {
    let (provider, client) = answering(json_response(200, &json!({ "id": 9001, "conversation_id": 1201 })));
    let posted = client.with_bot(Some(id("3"))).post(&id("1201"), "Hi!").await;
    assert_eq!(posted, Ok(Some(id("9001"))));
    let body = r#"{"tenant_domain":"acme.cx.sangoma.com","is_bot":true,"agent_bot_id":3,"content":"Hi!","message_type":"outgoing","conversation_id":1201}"#;
    assert_eq!(
        only_request(&provider),
        (format!("POST {CHATS}/messages/"), body.to_owned())
    );
    let headers = ["authorization", "content-type", "accept"];
    assert_eq!(provider.header_names()[1], headers);
    assert_eq!(provider.authorizations()[1], "Bearer t-1");
}

#[tokio::test]
async fn message_without_a_bot_has_the_older_form() {
    let body =
        r#"{"tenant_domain":"acme.cx.sangoma.com","content":"Hi!","message_type":"outgoing","conversation_id":1201}"#;
    for (generation, bot) in [
        (Generation::New, None),
        (Generation::Old, None),
        (Generation::Old, Some(id("3"))),
    ] {
        let provider = ScriptedProvider::new([any_token(), raw(200, "")]);
        let client = client(&provider, generation).with_bot(bot);
        assert_eq!(client.post(&id("1201"), "Hi!").await, Ok(None));
        assert_eq!(
            only_request(&provider),
            (format!("POST {CHATS}/messages/"), body.to_owned())
        );
    }
}

#[tokio::test]
async fn message_of_the_customer_names_no_bot() {
    let (provider, client) = answering(json_response(201, &json!({ "message": { "id": "9001" } })));
    let posted = client.with_bot(Some(id("3"))).post_incoming(&id("1201"), "Hello").await;
    assert_eq!(posted, Ok(Some(id("9001"))));
    let body =
        r#"{"tenant_domain":"acme.cx.sangoma.com","content":"Hello","message_type":"incoming","conversation_id":1201}"#;
    assert_eq!(
        only_request(&provider),
        (format!("POST {CHATS}/messages/"), body.to_owned())
    );
}

#[tokio::test]
async fn conversation_is_delivered_and_finished_by_its_number() {
    let body = r#"{"tenant_domain":"acme.cx.sangoma.com","conversation_id":1201}"#;
    for answer in [raw(204, ""), raw(200, ""), raw(200, "null"), raw(201, "<html>")] {
        let (provider, client) = answering(answer);
        assert_eq!(client.deliver(&id("1201")).await, Ok(()));
        let expected = format!("POST {CHATS}/conversations/deliver-to-agent/");
        assert_eq!(only_request(&provider), (expected, body.to_owned()));
    }
    let (provider, client) = answering(raw(204, ""));
    assert_eq!(client.finish(&id("1201")).await, Ok(()));
    assert_eq!(
        only_request(&provider),
        (format!("POST {CHATS}/conversations/finish/"), body.to_owned())
    );
}

#[tokio::test]
async fn id_that_is_no_number_is_sent_as_a_text() {
    let (provider, client) = answering(raw(204, ""));
    assert_eq!(client.finish(&id("c-1")).await, Ok(()));
    let body = r#"{"tenant_domain":"acme.cx.sangoma.com","conversation_id":"c-1"}"#;
    assert_eq!(only_request(&provider).1, body);
}

#[tokio::test]
async fn queue_call_and_agent_call_have_scopes_of_their_own() {
    let provider = ScriptedProvider::new([
        token("q", 3_600),
        raw(200, ""),
        token("a", 3_600),
        raw(200, ""),
        token("c", 3_600),
        raw(200, "[]"),
        raw(200, ""),
    ]);
    let client = client(&provider, Generation::New);
    assert_eq!(client.queue_call("support_en", "+12025550143").await, Ok(()));
    assert_eq!(client.agent_call("jane.doe", "1001").await, Ok(()));
    assert_eq!(client.inboxes().await, Ok(vec![]));
    assert_eq!(client.queue_call("support_en", "1002").await, Ok(()));
    assert!(provider.is_done());
    let api = "https://cpaas.sangoma.com/cx/api/v1";
    let (queues, agents) = (format!("POST {api}/queues/call/"), format!("POST {api}/agents/call/"));
    let inboxes = format!("GET {CHATS}/inboxes/");
    assert_eq!(
        provider.requests(),
        [TOKEN, &queues, TOKEN, &agents, TOKEN, &inboxes, &queues]
    );
    assert_eq!(
        provider.body_texts(),
        [
            "grant_type=client_credentials&scope=cx.queue-calls",
            r#"{"tenant_domain":"acme.cx.sangoma.com","queue_name":"support_en","destination":"+12025550143"}"#,
            "grant_type=client_credentials&scope=cx.agent-calls",
            r#"{"tenant_domain":"acme.cx.sangoma.com","agent_name":"jane.doe","destination":"1001"}"#,
            "grant_type=client_credentials&scope=cx.digital-interactions",
            "",
            r#"{"tenant_domain":"acme.cx.sangoma.com","queue_name":"support_en","destination":"1002"}"#,
        ]
    );
    // base64 of client:s3cret
    let basic = "Basic Y2xpZW50OnMzY3JldA==";
    assert_eq!(
        provider.authorizations(),
        [basic, "Bearer q", basic, "Bearer a", basic, "Bearer c", "Bearer q"]
    );
}

#[tokio::test]
async fn bot_is_created_and_assigned_by_the_paths_of_its_generation() {
    let new = r#"{"tenant_domain":"acme.cx.sangoma.com","outgoing_url":"https://bot.example.net/in","description":"FAQ","name":"Acme bot"}"#;
    let old =
        r#"{"tenant_domain":"acme.cx.sangoma.com","outgoing_url":"https://bot.example.net/in","name":"Acme bot"}"#;
    let assigned = r#"{"tenant_domain":"acme.cx.sangoma.com","inbox_id":"7","agent_bot_id":"3"}"#;
    for (generation, bots, assign, body) in [
        (Generation::New, "agents-bot", "agents-bot/assign", new),
        (Generation::Old, "agent-bot", "assign-agent-bot", old),
    ] {
        let provider = ScriptedProvider::new([any_token(), json_response(201, &json!({ "id": 3 })), raw(200, "")]);
        let client = client(&provider, generation);
        let bot = client.create_bot("Acme bot", "FAQ", "https://bot.example.net/in").await;
        assert_eq!(bot, Ok(id("3")));
        assert_eq!(client.assign_bot(&id("7"), &id("3")).await, Ok(()));
        let expected = [format!("POST {CHATS}/{bots}/"), format!("POST {CHATS}/{assign}/")];
        assert_eq!(provider.requests()[1..], expected);
        assert_eq!(provider.body_texts()[1..], [body, assigned]);
    }
}

#[tokio::test]
async fn subscription_names_both_events() {
    let (provider, client) = answering(raw(201, "{}"));
    assert_eq!(client.subscribe("https://bot.example.net/events").await, Ok(()));
    let body = r#"{"tenant_domain":"acme.cx.sangoma.com","url":"https://bot.example.net/events","subscriptions":["conversation_created","message_created"]}"#;
    assert_eq!(
        only_request(&provider),
        (format!("POST {CHATS}/webhooks/"), body.to_owned())
    );
}

#[tokio::test]
async fn contact_and_conversation_are_created_for_a_widget() {
    let contact = json!({ "contact": { "id": 41, "email": "sam@example.org" } });
    let provider = ScriptedProvider::new([
        any_token(),
        json_response(201, &contact),
        json_response(201, &json!({ "payload": { "conversation": { "id": 1201 } } })),
    ]);
    let client = client(&provider, Generation::New);
    let inbox = id("7");
    let new = NewContact {
        inbox: &inbox,
        name: "Sam Roe",
        email: "Sam@example.org",
        phone: Some("+12025550143"),
    };
    let contact = client.create_contact(new).await.expect("a contact");
    assert_eq!(
        (contact.id.as_str(), contact.source.as_deref()),
        ("41", Some("sam@example.org"))
    );
    let new = NewConversation {
        inbox: &inbox,
        contact: &contact.id,
        source: contact.source.as_deref(),
        priority: Priority::default(),
        initial_message: "Hello",
    };
    assert_eq!(client.create_conversation(new).await, Ok(id("1201")));
    let expected = [
        format!("POST {CHATS}/contacts/"),
        format!("POST {CHATS}/conversations/"),
    ];
    assert_eq!(provider.requests()[1..], expected);
    assert_eq!(
        provider.body_texts()[1..],
        [
            r#"{"tenant_domain":"acme.cx.sangoma.com","name":"Sam Roe","email":"Sam@example.org","inbox_id":7,"phone_number":"+12025550143"}"#,
            r#"{"tenant_domain":"acme.cx.sangoma.com","source_id":"sam@example.org","contact_id":41,"inbox_id":7,"priority":1,"initial_message":"Hello"}"#,
        ]
    );
}

#[tokio::test]
async fn source_of_a_contact_is_its_address_even_without_one_in_the_answer() {
    let (provider, client) = answering(json_response(200, &json!({ "id": "41" })));
    let inbox = id("7");
    let new = NewContact {
        inbox: &inbox,
        name: "Sam Roe",
        email: "sam@example.org",
        phone: None,
    };
    let contact = client.create_contact(new).await.expect("a contact");
    assert_eq!(contact.source.as_deref(), Some("sam@example.org"));
    let body = r#"{"tenant_domain":"acme.cx.sangoma.com","name":"Sam Roe","email":"sam@example.org","inbox_id":7}"#;
    assert_eq!(only_request(&provider).1, body);
}

#[tokio::test]
async fn what_was_created_without_an_id_is_unclear() {
    for answer in [
        raw(201, ""),
        raw(200, "{}"),
        raw(200, r#"[{"id":1},{"id":2}]"#),
        raw(200, r#"{"id":null}"#),
    ] {
        let (_, client) = answering(answer);
        let bot = client.create_bot("Acme bot", "", "https://bot.example.net/in").await;
        assert!(matches!(bot, Err(ChatError::Unclear { .. })), "{bot:?}");
    }
}

#[tokio::test]
async fn rejected_token_is_replaced_once() {
    let rejected = || json_response(401, &json!({ "error": "invalid_token" }));
    let provider = ScriptedProvider::new([
        token("t-1", 3_600),
        rejected(),
        token("t-2", 3_600),
        raw(200, r#"{"id":9}"#),
    ]);
    assert_eq!(
        client(&provider, Generation::New).post(&id("1"), "Hi!").await,
        Ok(Some(id("9")))
    );
    let line = format!("POST {CHATS}/messages/");
    assert_eq!(provider.requests(), [TOKEN, &line, TOKEN, &line]);
    assert_eq!(provider.authorizations()[3], "Bearer t-2");
    assert_eq!(provider.body_texts()[1], provider.body_texts()[3]);

    // The platform may issue the same token again. The message had no effect, so it is not lost.
    let provider = ScriptedProvider::new([any_token(), rejected(), any_token(), rejected()]);
    let posted = client(&provider, Generation::New).post(&id("1"), "Hi!").await;
    assert_eq!(
        posted,
        Err(ChatError::failed(
            "the credentials are rejected (status 401): invalid_token"
        ))
    );
    assert!(provider.is_done());
}

#[tokio::test(start_paused = true)]
async fn stated_lifetime_of_a_token_counts() {
    let answer = || raw(200, "");
    let provider = ScriptedProvider::new([
        token("t-1", 24_304_413),
        answer(),
        answer(),
        token("t-2", 120),
        answer(),
    ]);
    let client = client(&provider, Generation::New);
    for seconds in [0, 24_304_413 - 61, 2] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert_eq!(client.deliver(&id("1")).await, Ok(()));
    }
    assert!(provider.is_done());
    assert_eq!(provider.requests().iter().filter(|line| *line == TOKEN).count(), 2);
}

#[tokio::test]
async fn without_a_token_a_request_certainly_had_no_effect() {
    let invalid = json!({ "error": "invalid_client", "error_description": "Unknown client" });
    for (answer, detail) in [
        (
            json_response(401, &invalid),
            "the credentials are rejected (status 401): Unknown client",
        ),
        (
            json_response(400, &json!({ "error": "invalid_scope" })),
            "the credentials are rejected (status 400): invalid_scope",
        ),
        (
            no_response(),
            "the token endpoint is unavailable: no response: timed out",
        ),
        (
            not_sent(),
            "the token endpoint is unavailable: could not connect: connection refused",
        ),
    ] {
        let provider = ScriptedProvider::new([answer]);
        let posted = client(&provider, Generation::New).post(&id("1"), "Hi!").await;
        assert_eq!(posted, Err(ChatError::failed(detail)));
        assert!(provider.is_done());
    }
}

#[tokio::test]
async fn other_base_urls_may_be_configured() {
    let provider = ScriptedProvider::new([any_token(), raw(204, "")]);
    let credentials = Credentials::parse("NAME", &Secret::new("client:s3cret")).expect("credentials");
    let settings = Settings {
        tenant_domain: "acme.cx.sangoma.com".to_owned(),
        generation: Generation::New,
        endpoints: Endpoints {
            auth: "http://localhost:1/".to_owned(),
            api: "http://localhost:2/cx/".to_owned(),
        },
    };
    let client = Sangoma::new(provider.http(), &Clock::system(), &credentials, settings);
    assert_eq!(client.deliver(&id("1")).await, Ok(()));
    let deliver = "POST http://localhost:2/cx/api/v1/digital-interactions/conversations/deliver-to-agent/";
    assert_eq!(provider.requests(), ["POST http://localhost:1/oauth/token", deliver]);
}
