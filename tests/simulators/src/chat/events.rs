//! Which events a change causes, and who gets them (chatwoot 1).

use serde_json::{Value, json};

use super::delivery::OutgoingEvent;
use super::payload::{self, Payload};
use super::platform::Platform;
use super::questions::{EventName, Routes};
use super::records::Recipient;
use super::state::Effect;

impl EventName {
    /// Whether a bot gets events of this kind. A switch may still suppress them.
    const fn is_for_bots(self) -> bool {
        !matches!(self, Self::ConversationCreated)
    }

    /// Whether every webhook gets events of this kind, whatever its subscriptions: another part of the platform sends
    /// them.
    const fn needs_no_subscription(self) -> bool {
        matches!(self, Self::Automation | Self::Unknown)
    }
}

impl Platform<'_> {
    /// Sends an event about a conversation. `changed` are its `changed_attributes`.
    pub(super) fn report(&mut self, name: EventName, conversation: u64, message: Option<u64>, changed: &Value) {
        let Some((inbox, body)) = self.payload().conversation_event(conversation, name, changed) else {
            return;
        };
        self.precede(conversation, inbox);
        self.send(name, Some(conversation), message, inbox, body);
    }

    /// Sends an event about a message.
    pub(super) fn report_message(&mut self, name: EventName, conversation: u64, message: u64) {
        let Some((inbox, body)) = self.payload().message_event(conversation, message, name) else {
            return;
        };
        self.precede(conversation, inbox);
        self.send(name, Some(conversation), Some(message), inbox, body);
    }

    /// Sends an event about a visitor who opened the widget of an inbox.
    pub(super) fn report_widget(&mut self, inbox: u64, contact: u64, source_id: &str) {
        let body = self.payload().widget_event(inbox, contact, source_id);
        self.send(EventName::WidgetTriggered, None, None, inbox, body);
    }

    fn payload(&self) -> Payload<'_> {
        Payload {
            state: self.state,
            switches: self.switches,
        }
    }

    /// Sends the events that no contract mentions, if the switch says so.
    fn precede(&mut self, conversation: u64, inbox: u64) {
        if !self.switches.unknown_events {
            return;
        }
        let name = EventName::Unknown;
        let with_id = json!({ "id": conversation, "action": "viewed", "event": name.as_str() });
        self.send(name, Some(conversation), None, inbox, with_id);
        self.send(name, None, None, inbox, json!({ "event": "integration.disconnected" }));
    }

    fn send(&mut self, name: EventName, conversation: Option<u64>, message: Option<u64>, inbox: u64, body: Value) {
        let body = payload::ids_as(self.switches.event_ids, body).to_string();
        for (to, url) in self.recipients(name, inbox) {
            let event = OutgoingEvent {
                name,
                to,
                url,
                conversation,
                message,
                body: body.clone(),
                delivery: self.state.rng.uuid(),
            };
            self.state.effects.push(Effect::Send(event, self.delay));
        }
    }

    /// The receivers of an event about a conversation of this inbox.
    fn recipients(&self, name: EventName, inbox: u64) -> Vec<(Recipient, String)> {
        let routes = self.switches.routes;
        let bot = self
            .state
            .bot_of_inbox(inbox)
            .filter(|bot| routes != Routes::WebhooksOnly && name.is_for_bots() && !bot.outgoing_url.is_empty());
        let webhooks = self.state.webhooks.iter().filter(|webhook| {
            let mut names = webhook.subscriptions.iter();
            let is_subscribed = name.needs_no_subscription() || names.any(|wanted| wanted == name.as_str());
            routes != Routes::BotsOnly && is_subscribed
        });
        let bot = bot.map(|bot| (Recipient::Bot(bot.id), bot.outgoing_url.clone()));
        let webhooks = webhooks.map(|webhook| (Recipient::Webhook(webhook.id), webhook.url.clone()));
        bot.into_iter().chain(webhooks).collect()
    }
}
