//! That every call reaches the configured platform.

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::providers::testing::{ScriptedProvider, any_token, raw};
use crate::providers::{chatwoot, sangoma};
use crate::secret::Secret;

fn id(text: &str) -> PlatformId {
    text.parse().expect("an id")
}

fn sangoma(provider: &ScriptedProvider) -> ChatClient {
    let credentials = sangoma::Credentials::parse("NAME", &Secret::new("client:secret")).expect("credentials");
    let settings = sangoma::Settings {
        tenant_domain: "acme.cx.sangoma.com".to_owned(),
        generation: sangoma::Generation::New,
        endpoints: sangoma::Endpoints::default(),
    };
    let clock = Clock::starting_at(Timestamp::from_millis(1_767_603_600_000), 1.0);
    ChatClient::Sangoma(Sangoma::new(provider.http(), &clock, &credentials, settings))
}

fn chatwoot(provider: &ScriptedProvider) -> ChatClient {
    let settings = chatwoot::Settings {
        url: "https://chat.example.org".to_owned(),
        account: id("1"),
    };
    let tokens = chatwoot::Tokens::parse("NAME", &Secret::new("token")).expect("a token");
    ChatClient::Chatwoot(Chatwoot::new(provider.http(), tokens, &settings))
}

/// Does every call once.
async fn use_all(client: ChatClient) {
    let (conversation, inbox, bot) = (id("1201"), id("7"), id("3"));
    let client = client.with_bot(Some(bot.clone()));
    assert_eq!(client.post(&conversation, "Hi!").await, Ok(Some(id("5"))));
    assert_eq!(client.post_incoming(&conversation, "Hello").await, Ok(Some(id("5"))));
    assert_eq!(client.deliver(&conversation).await, Ok(()));
    assert_eq!(client.finish(&conversation).await, Ok(()));
    assert_eq!(
        client.create_bot("bot", "", "https://bot.example.net").await,
        Ok(id("5"))
    );
    assert!(client.inboxes().await.is_err());
    assert_eq!(client.assign_bot(&inbox, &bot).await, Ok(()));
    assert_eq!(client.subscribe("https://bot.example.net").await, Ok(()));
    let contact = NewContact {
        inbox: &inbox,
        name: "Sam",
        email: "sam@example.org",
        phone: None,
    };
    let contact = client.create_contact(contact).await.expect("a contact");
    let conversation = NewConversation {
        inbox: &inbox,
        contact: &contact.id,
        source: contact.source.as_deref(),
        priority: super::super::Priority::Medium,
        initial_message: "Hello",
    };
    assert_eq!(client.create_conversation(conversation).await, Ok(id("5")));
}

#[tokio::test]
async fn every_call_reaches_either_platform() {
    let answers = || (0..10).map(|_| raw(200, r#"{"id":5}"#));
    let provider = ScriptedProvider::new(std::iter::once(any_token()).chain(answers()));
    let client = sangoma(&provider);
    assert_eq!(client.platform(), Platform::Sangoma);
    use_all(client).await;
    assert!(provider.is_done());
    let provider = ScriptedProvider::new(answers());
    let client = chatwoot(&provider);
    assert_eq!(client.platform(), Platform::Chatwoot);
    use_all(client).await;
    assert!(provider.is_done());
}

#[tokio::test]
async fn one_platform_has_phone_calls_and_the_other_refuses_them() {
    let provider = ScriptedProvider::new([any_token(), raw(200, ""), any_token(), raw(200, "")]);
    let client = sangoma(&provider);
    assert_eq!(client.queue_call("support", "1001").await, Ok(()));
    assert_eq!(client.agent_call("jane", "1001").await, Ok(()));
    let provider = ScriptedProvider::new([]);
    let client = chatwoot(&provider);
    for refused in [
        client.queue_call("support", "1001").await,
        client.agent_call("jane", "1001").await,
    ] {
        assert!(
            matches!(refused, Err(ChatError::Refused { status: 501, .. })),
            "{refused:?}"
        );
    }
}
