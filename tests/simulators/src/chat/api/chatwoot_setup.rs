//! Chatwoot's API (chatwoot 5): bots, inboxes, webhooks, contacts and agents. A person's token is required.

use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::Chat;
use super::super::questions::ChatwootAnswers;
use super::super::setup::ContactRecord;
use super::actions::invalid;
use super::answers::{self, Subject, chatwoot_answer};
use super::fields::{Fields, is_url};
use super::{Received, Reply};
use crate::chat::payload::ids_as;

/// The names to which a webhook can subscribe.
const SUBSCRIPTIONS: [&str; 8] = [
    "conversation_created",
    "conversation_status_changed",
    "conversation_updated",
    "message_created",
    "message_updated",
    "contact_created",
    "contact_updated",
    "webwidget_triggered",
];

impl Chat {
    pub(super) fn chatwoot_setup(&self, received: Received<'_>, path: &[&str]) -> Result<Reply, Reply> {
        let id = |text: &str| text.parse::<u64>().map_err(|_| Reply::not_found());
        match (received.request.method(), path) {
            (&Method::GET, ["agent_bots"]) => Ok(self.chatwoot_object(self.bots().iter().map(answers::bot).collect())),
            (&Method::POST, ["agent_bots"]) => self.chatwoot_creates_bot(received),
            (&Method::GET, ["agent_bots", bot]) => self.shown_bot(id(bot)?),
            (&Method::PATCH | &Method::PUT, ["agent_bots", bot]) => self.change_bot(received, id(bot)?),
            (&Method::DELETE, ["agent_bots", bot]) => self.delete_bot(id(bot)?),
            (&Method::GET, ["inboxes"]) => Ok(self.inbox_list()),
            (&Method::GET, ["inboxes", inbox]) => self.shown_inbox(id(inbox)?),
            (&Method::GET, ["inboxes", inbox, "agent_bot"]) => self.bot_of(id(inbox)?),
            (&Method::POST, ["inboxes", inbox, "set_agent_bot"]) => self.set_bot(received, id(inbox)?),
            (&Method::GET, ["webhooks"]) => Ok(self.webhook_list()),
            (&Method::POST, ["webhooks"]) => self.chatwoot_subscribes(received, None),
            (&Method::PATCH | &Method::PUT, ["webhooks", webhook]) => {
                self.chatwoot_subscribes(received, Some(id(webhook)?))
            }
            (&Method::DELETE, ["webhooks", webhook]) => self.delete_webhook(id(webhook)?),
            (&Method::GET, ["contacts"]) => Ok(self.contact_list("")),
            (&Method::GET, ["contacts", "search"]) => Ok(self.contact_list(&query(received, "q"))),
            (&Method::POST, ["contacts"]) => self.chatwoot_creates_contact(received),
            (&Method::GET, ["contacts", contact]) => self.shown_contact(id(contact)?),
            (&Method::GET, ["agents"]) => Ok(self.agent_list()),
            _ => Err(Reply::not_found()),
        }
    }

    fn chatwoot_creates_bot(&self, received: Received<'_>) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, url) = (fields.text("name")?, text("outgoing_url"));
        if !url.is_empty() && !is_url(url) {
            return Err(invalid("Outgoing url is invalid", "outgoing_url"));
        }
        let mut state = self.lock();
        let bot = state.add_bot(name, text("description"), url);
        state.store_installation();
        drop(state);
        Ok(self.chatwoot_object(answers::bot(&bot)))
    }

    fn shown_bot(&self, id: u64) -> Result<Reply, Reply> {
        let bot = self.lock().bot(id).map(answers::bot).ok_or_else(Reply::not_found)?;
        Ok(self.chatwoot_object(bot))
    }

    fn change_bot(&self, received: Received<'_>, id: u64) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let mut state = self.lock();
        let mut bots = state.bots.iter_mut();
        let bot = bots.find(|bot| bot.id == id).ok_or_else(Reply::not_found)?;
        for (field, value) in [
            (&mut bot.name, text("name")),
            (&mut bot.description, text("description")),
            (&mut bot.outgoing_url, text("outgoing_url")),
        ] {
            if let Some(value) = value {
                value.clone_into(field);
            }
        }
        state.store_installation();
        drop(state);
        self.shown_bot(id)
    }

    fn delete_bot(&self, id: u64) -> Result<Reply, Reply> {
        let mut state = self.lock();
        state.bot(id).ok_or_else(Reply::not_found)?;
        state.bots.retain(|bot| bot.id != id);
        for inbox in state.inboxes.iter_mut().filter(|inbox| inbox.bot == Some(id)) {
            inbox.bot = None;
        }
        state.store_installation();
        Ok(Reply::empty(200))
    }

    /// A list, inside `payload` or bare.
    fn list(&self, subject: Subject, objects: Value) -> Reply {
        let objects = ids_as(self.0.switches.answer_ids, objects);
        match self.0.switches.chatwoot_answers {
            ChatwootAnswers::Server => chatwoot_answer(200, subject, objects),
            ChatwootAnswers::Description => Reply::json(200, &objects),
        }
    }

    fn inbox_list(&self) -> Reply {
        self.list(Subject::Inboxes, self.inboxes().iter().map(answers::inbox).collect())
    }

    fn shown_inbox(&self, id: u64) -> Result<Reply, Reply> {
        let inbox = self.lock().inbox(id).map(answers::inbox).ok_or_else(Reply::not_found)?;
        Ok(self.chatwoot_object(inbox))
    }

    fn bot_of(&self, inbox: u64) -> Result<Reply, Reply> {
        let state = self.lock();
        state.inbox(inbox).ok_or_else(Reply::not_found)?;
        let bot = state.bot_of_inbox(inbox).map(answers::bot);
        drop(state);
        Ok(self.chatwoot_object(json!({ "agent_bot": bot })))
    }

    fn set_bot(&self, received: Received<'_>, inbox: u64) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let bot = match fields.get("agent_bot") {
            None => None,
            Some(_) => Some(fields.number("agent_bot")?),
        };
        let mut state = self.lock();
        if bot.is_some_and(|bot| state.bot(bot).is_none()) {
            return Err(Reply::not_found());
        }
        let mut inboxes = state.inboxes.iter_mut();
        inboxes
            .find(|known| known.id == inbox)
            .ok_or_else(Reply::not_found)?
            .bot = bot;
        state.store_installation();
        Ok(match self.0.switches.chatwoot_answers {
            ChatwootAnswers::Server => Reply::empty(200),
            ChatwootAnswers::Description => Reply::empty(204),
        })
    }

    fn webhook_list(&self) -> Reply {
        let webhooks = self.webhooks();
        let objects = webhooks
            .iter()
            .map(|webhook| json!({ "id": webhook.id, "url": webhook.url, "subscriptions": webhook.subscriptions }));
        let objects = ids_as(self.0.switches.answer_ids, objects.collect());
        Reply::json(200, &json!({ "payload": { "webhooks": objects } }))
    }

    /// Creates or changes a webhook.
    fn chatwoot_subscribes(&self, received: Received<'_>, existing: Option<u64>) -> Result<Reply, Reply> {
        let body = received.json();
        // Both forms are in use: the fields themselves, and the fields inside `webhook`.
        let fields = Fields::read(body.get("webhook").cloned().unwrap_or(body))?;
        let (url, names) = (
            fields.text("url")?,
            fields.get("subscriptions").and_then(Value::as_array),
        );
        let names: Option<Vec<&str>> = names.and_then(|names| names.iter().map(Value::as_str).collect());
        let names = names.filter(|names| !names.is_empty() && names.iter().all(|name| SUBSCRIPTIONS.contains(name)));
        let names = names.ok_or_else(|| invalid("Subscriptions is invalid", "subscriptions"))?;
        let webhook = match existing {
            None => self.add_webhook(url, &names, true)?,
            Some(id) => {
                let mut state = self.lock();
                let mut webhooks = state.webhooks.iter_mut();
                let webhook = webhooks.find(|webhook| webhook.id == id).ok_or_else(Reply::not_found)?;
                url.clone_into(&mut webhook.url);
                webhook.subscriptions = names.iter().map(|name| (*name).to_owned()).collect();
                let webhook = webhook.clone();
                state.store_installation();
                webhook
            }
        };
        let object = json!({
            "id": webhook.id, "url": webhook.url, "account_id": super::super::CHATWOOT_ACCOUNT,
            "subscriptions": webhook.subscriptions,
        });
        let object = ids_as(self.0.switches.answer_ids, object);
        Ok(chatwoot_answer(200, Subject::Webhook, object))
    }

    fn delete_webhook(&self, id: u64) -> Result<Reply, Reply> {
        let mut state = self.lock();
        let before = state.webhooks.len();
        state.webhooks.retain(|webhook| webhook.id != id);
        if state.webhooks.len() == before {
            return Err(Reply::not_found());
        }
        state.store_installation();
        Ok(Reply::empty(200))
    }

    /// The contacts one of whose details contains `text`.
    fn contact_list(&self, text: &str) -> Reply {
        let contacts = self.contacts();
        let fits = |contact: &&ContactRecord| {
            let details = [Some(&contact.name), contact.email.as_ref(), contact.phone.as_ref()];
            details.into_iter().flatten().any(|detail| detail.contains(text))
        };
        let found: Vec<Value> = contacts.iter().filter(fits).map(answers::contact).collect();
        self.chatwoot_object(json!({ "meta": { "count": found.len(), "current_page": 1 }, "payload": found }))
    }

    fn chatwoot_creates_contact(&self, received: Received<'_>) -> Result<Reply, Reply> {
        let contact = self.add_contact(&Fields::read(received.json())?)?;
        let source_id = self.lock().rng.uuid();
        let object = ids_as(self.0.switches.answer_ids, answers::contact(&contact));
        let contact_inbox = json!({ "inbox": {}, "source_id": source_id });
        Ok(Reply::json(
            200,
            &json!({ "payload": { "contact": object, "contact_inbox": contact_inbox } }),
        ))
    }

    fn shown_contact(&self, id: u64) -> Result<Reply, Reply> {
        let contact = self
            .lock()
            .contact(id)
            .map(answers::contact)
            .ok_or_else(Reply::not_found)?;
        Ok(self.chatwoot_object(json!({ "payload": contact })))
    }

    fn agent_list(&self) -> Reply {
        let agents = self.agents();
        let objects = agents.iter().map(|agent| {
            let availability = if agent.is_logged_in { "online" } else { "offline" };
            json!({ "id": agent.id, "name": agent.name, "role": "agent", "availability_status": availability })
        });
        self.chatwoot_object(objects.collect())
    }
}

/// A parameter of the query.
fn query(received: Received<'_>, name: &str) -> String {
    let query = received.request.uri().query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let found = parameters.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
