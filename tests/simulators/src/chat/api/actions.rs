//! What requests of both APIs do.

use serde_json::{Value, json};

use super::super::Chat;
use super::super::people::ActionError;
use super::super::platform::NewMessage;
use super::super::records::{Cause, Status, StatusRequest};
use super::super::setup::{ContactRecord, WebhookSubscription};
use super::Reply;
use super::fields::{Fields, is_email, is_phone, is_url};

/// The longest message, in characters (chatwoot 5.4).
const MAX_CONTENT: usize = 150_000;

impl Chat {
    pub(super) fn add_webhook(&self, url: &str, names: &[&str], unique: bool) -> Result<WebhookSubscription, Reply> {
        let mut state = self.lock();
        if !is_url(url) {
            return Err(invalid("Url is invalid", "url"));
        }
        if unique && state.webhooks.iter().any(|webhook| webhook.url == url) {
            return Err(invalid("Url has already been taken", "url"));
        }
        let webhook = WebhookSubscription {
            id: state.next_webhook(),
            url: url.to_owned(),
            subscriptions: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        state.webhooks.push(webhook.clone());
        state.store_installation();
        Ok(webhook)
    }

    /// Adds a contact. An e-mail address or a phone number that another contact has is refused (chatwoot 5.4).
    pub(super) fn add_contact(&self, fields: &Fields) -> Result<ContactRecord, Reply> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let (email, phone) = (text("email"), text("phone_number"));
        if email.as_deref().is_some_and(|email| !is_email(email)) {
            return Err(invalid("Email is invalid", "email"));
        }
        if phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            return Err(invalid("Phone number should be in e164 format", "phone_number"));
        }
        let mut state = self.lock();
        if email.is_some() && state.contacts.iter().any(|contact| contact.email == email) {
            return Err(invalid("Email has already been taken", "email"));
        }
        if phone.is_some() && state.contacts.iter().any(|contact| contact.phone == phone) {
            return Err(invalid("Phone number has already been taken", "phone_number"));
        }
        let contact = ContactRecord {
            id: state.next_contact(),
            name: text("name").unwrap_or_default(),
            email,
            phone,
        };
        state.contacts.push(contact.clone());
        state.store_installation();
        Ok(contact)
    }

    /// Begins a conversation, with `first` as its first message unless that has no text.
    pub(super) fn begin_conversation(
        &self,
        inbox: u64,
        contact: u64,
        source_id: String,
        first: NewMessage,
    ) -> Result<u64, Reply> {
        let is_reported = self.0.switches.initial_message_event;
        self.change_by_request(|platform| {
            if platform.state.inbox(inbox).is_none() || platform.state.contact(contact).is_none() {
                return Err(Reply::not_found());
            }
            let conversation = platform.open(inbox, contact, source_id);
            if !first.text.is_empty() {
                let message = NewMessage {
                    conversation,
                    is_reported,
                    ..first
                };
                platform.add(&message).map_err(|error| refusal(&error))?;
            }
            Ok(conversation)
        })
    }

    /// Adds a message of an API request.
    pub(super) fn post_message(&self, message: &NewMessage) -> Result<u64, Reply> {
        if message.text.chars().count() > MAX_CONTENT {
            return Err(Reply::error(422, "Content is too long"));
        }
        let id = self
            .change_by_request(|platform| platform.add(message))
            .map_err(|error| refusal(&error))?;
        if let Some(request) = message.request {
            self.note(request, |record| record.message = Some(id));
        }
        Ok(id)
    }

    /// Delivers a conversation to people (`to` is open), or finishes it (`to` is resolved).
    pub(super) fn conclude_conversation(&self, conversation: u64, request: usize, to: Status) -> Result<(), Reply> {
        let refuses = self.0.switches.repetition_is_refused;
        self.change_by_request(|platform| {
            let found = platform.state.conversation(conversation).ok_or_else(Reply::not_found)?;
            if refuses && found.record.status == to {
                return Err(Reply::error(422, "the conversation has this status already"));
            }
            let done = StatusRequest {
                at: platform.now,
                conversation,
                request,
            };
            if to == Status::Open {
                platform.state.delivered.push(done);
                let mut agents = platform.state.agents.iter();
                let agent = agents.find(|agent| agent.is_logged_in).map(|agent| agent.name.clone());
                if let (true, Some(agent)) = (platform.switches.delivery_assigns, agent) {
                    platform.assign(conversation, Some(&agent));
                }
            } else {
                platform.state.finished.push(done);
            }
            platform.set_status(conversation, to, Cause::Request(request));
            Ok(())
        })
    }
}

/// The response to a validation error, as Chatwoot writes it.
pub(super) fn invalid(message: &str, field: &str) -> Reply {
    Reply::json(422, &json!({ "message": message, "attributes": [field] }))
}

fn refusal(error: &ActionError) -> Reply {
    match error {
        ActionError::TooManyMessages(_) => Reply::error(422, "Too many messages"),
        _ => Reply::not_found(),
    }
}
