//! Our own chat page end to end: what a visitor's browser asks for, a simulated platform with its people, the deployed
//! handlers, and a bot document.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod limits;
mod page;
mod story;

use patchbay::conversation::widget::Widget;
use patchbay_simulators::world::{ChatOptions, Options, World};
use serde_json::{Value, json};

use crate::common::{Answer, request, send};

pub(crate) const BOT: &str = "
debounce_ms: 500
faq:
  entries:
    - name: hours
      questions: [When are you open?, opening hours]
      answer: { en: We are open from 9 to 5., de: Wir haben von 9 bis 17 Uhr geöffnet. }
    - name: thanks
      questions: [Thank you, that is all]
      answer: You are welcome.
      finish: true
hand_over:
  text: A colleague will be with you shortly.
";

/// The settings of the page.
pub(crate) fn widget() -> Widget {
    serde_json::from_value(json!({
        "title": { "en": "Questions?", "de": "Fragen?" },
        "topics": [
            { "name": "orders", "title": { "en": "Orders", "de": "Bestellungen" }, "inbox": "9", "priority": "high" },
            { "name": "returns", "title": "Returns", "inbox": "8", "initial_message": "A return" },
        ],
    }))
    .unwrap()
}

/// A visitor's browser.
pub(crate) struct Page {
    pub(crate) world: World,
    /// The path of the page.
    pub(crate) path: String,
}

impl Page {
    pub(crate) async fn open() -> Self {
        Self::open_in(ChatOptions::default()).await
    }

    pub(crate) async fn open_in(chat: ChatOptions) -> Self {
        let options = Options {
            sentinel: None,
            chat,
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        world.put_bot("shop", BOT).await.unwrap();
        let url = world.put_widget(widget()).await.unwrap();
        let path = url
            .strip_prefix(patchbay_simulators::world::PUBLIC_URL)
            .unwrap()
            .to_owned();
        Self { world, path }
    }

    /// Asks for a part of the page: nothing, or `/` and its name.
    pub(crate) async fn get(&self, part: &str, headers: &[(&str, &str)]) -> Answer {
        let mut builder = request("GET", &format!("{}{part}", self.path));
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        send(&self.world, builder.body(bytes::Bytes::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, part: &str, token: &str, body: &Value) -> Answer {
        let mut builder = request("POST", &format!("{}{part}", self.path)).header("content-type", "application/json");
        if !token.is_empty() {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        send(&self.world, builder.body(body.to_string().into()).unwrap()).await
    }

    /// Starts a conversation that begins with this text.
    pub(crate) async fn start(&self, text: &str) -> Started {
        let answer = self.post("/conversations", "", &form(text)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Started::new(&answer)
    }

    pub(crate) async fn say(&self, chat: &Started, id: &str, text: &str) -> Answer {
        self.post("/messages", &chat.token, &json!({ "id": id, "text": text }))
            .await
    }

    pub(crate) async fn poll(&self, chat: &Started, cursor: &str) -> Answer {
        let authorization = format!("Bearer {}", chat.token);
        let headers = [("authorization", authorization.as_str())];
        self.get(&format!("/messages?after={cursor}"), &headers).await
    }

    /// Everything that the visitor reads, a line for each entry.
    pub(crate) async fn reads(&self, chat: &Started) -> Vec<String> {
        let answer = self.poll(chat, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let entries = answer.json["entries"].as_array().unwrap().iter();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        entries
            .map(|entry| match entry["state"].as_str() {
                Some(state) => format!("{state} {}", text(entry, "name")),
                None => format!("{}: {}", text(entry, "from"), text(entry, "text")),
            })
            .collect()
    }
}

/// A conversation as the page knows it.
pub(crate) struct Started {
    pub(crate) token: String,
    /// The platform's id.
    pub(crate) id: u64,
}

impl Started {
    pub(crate) fn new(answer: &Answer) -> Self {
        Self {
            token: answer.text("/token").to_owned(),
            id: answer.text("/conversation").parse().unwrap(),
        }
    }
}

/// A valid form with this text.
pub(crate) fn form(text: &str) -> Value {
    json!({
        "id": "start-0123456789abcdef", "language": "en", "topic": "orders", "name": "Sam Roe",
        "email": "sam@example.org", "phone": "+1 202 555 0143", "text": text,
    })
}

/// The id of a message.
pub(crate) fn message_id(number: usize) -> String {
    format!("message-{number:016}")
}
