//! The rules of the platform: what a message, an assignment and a change of status do to a conversation, and which
//! events they cause (chatwoot 5.5).

use std::time::Duration;

use patchbay::clock::Timestamp;
use serde_json::{Value, json};

use super::Chat;
use super::people::ActionError;
use super::questions::{CreatedEvent, EchoOrder, EventName, Greeting, HumanReply};
use super::records::{Author, Cause, Change, ChangeKind, ConversationRecord, Message, MessageKind, Status};
use super::state::{Conversation, Effect, State};
use super::switches::Switches;

/// Messages per minute and conversation: the platform's own brake on loops of bots (chatwoot 5.4).
pub(super) const MESSAGES_PER_MINUTE: usize = 200;
/// The greeting of an inbox.
pub(super) const GREETING: &str = "Welcome! How can we help?";

/// A message to add.
pub(super) struct NewMessage {
    pub(super) conversation: u64,
    pub(super) author: Author,
    pub(super) kind: MessageKind,
    pub(super) private: bool,
    pub(super) text: String,
    pub(super) attachments: u16,
    pub(super) content_type: Option<String>,
    pub(super) attributes: Value,
    pub(super) request: Option<usize>,
    /// Whether it has an event, in addition to what the switches say.
    pub(super) is_reported: bool,
}

impl NewMessage {
    /// A public text.
    pub(super) fn text(conversation: u64, author: Author, kind: MessageKind, text: &str) -> Self {
        Self {
            conversation,
            author,
            kind,
            private: false,
            text: text.to_owned(),
            attachments: 0,
            content_type: None,
            attributes: json!({}),
            request: None,
            is_reported: true,
        }
    }
}

/// The state during one change, and what the change needs to know.
pub(super) struct Platform<'a> {
    pub(super) state: &'a mut State,
    pub(super) switches: &'a Switches,
    pub(super) now: Timestamp,
    /// Time from this change to its events.
    pub(super) delay: Duration,
}

impl Chat {
    /// Changes the state, then starts what follows from the change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Platform<'_>) -> T) -> T {
        self.change_with(self.0.switches.event_delay, change)
    }

    /// Changes the state because of an API request, whose response takes its time.
    pub(super) fn change_by_request<T>(&self, change: impl FnOnce(&mut Platform<'_>) -> T) -> T {
        let switches = &self.0.switches;
        let delay = match switches.echo_order {
            EchoOrder::AfterAnswer => switches.response_time + switches.event_delay,
            EchoOrder::BeforeAnswer => switches.response_time / 4,
        };
        self.change_with(delay, change)
    }

    fn change_with<T>(&self, delay: Duration, change: impl FnOnce(&mut Platform<'_>) -> T) -> T {
        let (result, effects) = {
            let mut guard = self.lock();
            let mut platform = Platform {
                state: &mut guard,
                switches: &self.0.switches,
                now: self.now(),
                delay,
            };
            let result = change(&mut platform);
            guard.store_changes();
            (result, std::mem::take(&mut guard.effects))
        };
        for effect in effects {
            self.follow(effect);
        }
        result
    }
}

impl Platform<'_> {
    /// Creates a conversation: pending if a bot has its inbox, else open.
    pub(super) fn open(&mut self, inbox: u64, contact: u64, source_id: String) -> u64 {
        let id = self.state.next_conversation();
        let status = self.status_of_new(inbox);
        self.state.conversations.push(Conversation {
            record: ConversationRecord {
                id,
                inbox,
                contact,
                source_id,
                created_at: self.now,
                status,
                assignee: None,
                changes: Vec::new(),
                labels: Vec::new(),
            },
            messages: Vec::new(),
        });
        self.state.changed.insert(id);
        match self.switches.created_event {
            CreatedEvent::AtOnce | CreatedEvent::WithoutMessage => {
                self.report(EventName::ConversationCreated, id, None, &Value::Null);
            }
            CreatedEvent::Late => self.state.effects.push(Effect::ReportLate { conversation: id }),
        }
        if self.switches.greeting == Greeting::AtOpening {
            self.greet(id);
        }
        if status == Status::Open {
            self.find_agent(id);
        }
        id
    }

    /// The status of a new conversation, and of a resolved one to which the customer writes.
    fn status_of_new(&self, inbox: u64) -> Status {
        match self.state.bot_of_inbox(inbox) {
            Some(_) => Status::Pending,
            None => Status::Open,
        }
    }

    fn greet(&mut self, conversation: u64) {
        let greeting = NewMessage::text(conversation, Author::Template, MessageKind::Template, GREETING);
        // The brake cannot apply to the first messages of a conversation.
        let _ = self.add(&greeting);
    }

    /// Adds a message and returns its id.
    pub(super) fn add(&mut self, new: &NewMessage) -> Result<u64, ActionError> {
        let id = self.insert(new)?;
        let conversation = new.conversation;
        if new.kind == MessageKind::Incoming {
            self.reopen(conversation);
        }
        let is_reported = new.is_reported && self.is_reported(new);
        if is_reported {
            self.report_message(EventName::MessageCreated, conversation, id);
            if self.switches.automation_events && new.kind != MessageKind::Activity {
                self.report(EventName::Automation, conversation, Some(id), &Value::Null);
            }
        }
        let is_outgoing = new.kind == MessageKind::Outgoing && !new.private;
        if is_outgoing && self.switches.read_receipts && (is_reported || !matches!(new.author, Author::Bot { .. })) {
            self.state.effects.push(Effect::Read {
                conversation,
                message: id,
            });
        }
        if let (true, Author::Human(name)) = (is_outgoing, &new.author)
            && self.switches.human_reply == HumanReply::OpensAndAssigns
        {
            self.assign(conversation, Some(name));
            self.set_status(conversation, Status::Open, Cause::Human(name.clone()));
        }
        if new.kind == MessageKind::Incoming && self.is_first_incoming(conversation) {
            self.welcome(conversation);
        }
        self.find_third_parties(new);
        Ok(id)
    }

    fn insert(&mut self, new: &NewMessage) -> Result<u64, ActionError> {
        let (now, id) = (self.now, self.state.next_message);
        let found = self.state.conversation_mut(new.conversation);
        let conversation = found.ok_or(ActionError::NoConversation(new.conversation))?;
        let minute_ago = now.plus_millis(-60_000);
        let recent = conversation
            .messages
            .iter()
            .rev()
            .take_while(|message| message.at > minute_ago);
        if recent.count() >= MESSAGES_PER_MINUTE {
            return Err(ActionError::TooManyMessages(new.conversation));
        }
        conversation.messages.push(Message {
            id,
            conversation: new.conversation,
            at: now,
            author: new.author.clone(),
            kind: new.kind,
            private: new.private,
            text: new.text.clone(),
            attachments: new.attachments,
            content_type: new.content_type.clone(),
            attributes: new.attributes.clone(),
            request: new.request,
            is_read: false,
        });
        self.state.next_message += 1;
        self.state.changed.insert(new.conversation);
        self.state.store_message(new.conversation, id);
        Ok(id)
    }

    /// Whether the switches allow an event about this message.
    fn is_reported(&self, new: &NewMessage) -> bool {
        match (new.kind, &new.author) {
            (MessageKind::Activity, _) => self.switches.activity_events,
            (MessageKind::Outgoing, Author::Bot { .. }) => self.switches.echo,
            (MessageKind::Incoming, _) => new.request.is_none() || self.switches.own_incoming_event,
            _ => true,
        }
    }

    /// A customer who writes to a conversation that was resolved or snoozed reopens it.
    fn reopen(&mut self, conversation: u64) {
        let Some(found) = self.state.conversation(conversation) else {
            return;
        };
        let to = match found.record.status {
            Status::Resolved => self.status_of_new(found.record.inbox),
            Status::Snoozed => Status::Open,
            Status::Pending | Status::Open => return,
        };
        self.set_status(conversation, to, Cause::Customer);
    }

    fn is_first_incoming(&self, conversation: u64) -> bool {
        let found = self.state.conversation(conversation);
        found.is_some_and(|found| {
            let incoming = found
                .messages
                .iter()
                .filter(|message| message.kind == MessageKind::Incoming);
            incoming.count() == 1
        })
    }

    fn welcome(&mut self, conversation: u64) {
        if self.switches.greeting == Greeting::AfterFirstMessage {
            self.greet(conversation);
        }
    }

    /// Changes the status. False if the conversation has it already, or does not exist.
    pub(super) fn set_status(&mut self, conversation: u64, to: Status, by: Cause) -> bool {
        let now = self.now;
        let Some(found) = self.state.conversation_mut(conversation) else {
            return false;
        };
        let from = found.record.status;
        if from == to {
            return false;
        }
        let is_by_human = matches!(by, Cause::Human(_));
        found.record.status = to;
        found.record.changes.push(Change {
            at: now,
            kind: ChangeKind::Status { to, by },
        });
        if to == Status::Resolved && !self.switches.assignee_stays && found.record.assignee.take().is_some() {
            found.record.changes.push(Change {
                at: now,
                kind: ChangeKind::Unassigned,
            });
        }
        let is_waiting = to == Status::Open && found.record.assignee.is_none();
        self.state.changed.insert(conversation);
        self.report_status(conversation, from, to);
        if is_waiting && !is_by_human {
            self.find_agent(conversation);
        }
        true
    }

    fn report_status(&mut self, conversation: u64, from: Status, to: Status) {
        let changed = json!([{ "status": {
            "previous_value": self.switches.status_name(from), "current_value": self.switches.status_name(to),
        } }]);
        let named = match to {
            Status::Open => Some(EventName::ConversationOpened),
            Status::Resolved => Some(EventName::ConversationResolved),
            Status::Pending | Status::Snoozed => None,
        };
        if let (Some(name), true) = (named, self.switches.opened_and_resolved) {
            self.report(name, conversation, None, &Value::Null);
        }
        if self.switches.status_changed {
            self.report(EventName::ConversationStatusChanged, conversation, None, &changed);
        }
        if self.switches.conversation_updated {
            self.report(EventName::ConversationUpdated, conversation, None, &changed);
        }
        if self.switches.activity_events {
            let text = format!("The conversation is {}", to.name());
            let activity = NewMessage::text(conversation, Author::Activity, MessageKind::Activity, &text);
            let _ = self.add(&activity);
        }
    }

    /// Assigns a person, or nobody.
    pub(super) fn assign(&mut self, conversation: u64, agent: Option<&str>) {
        let now = self.now;
        let Some(found) = self.state.conversation_mut(conversation) else {
            return;
        };
        if found.record.assignee.as_deref() == agent {
            return;
        }
        found.record.assignee = agent.map(str::to_owned);
        let kind = match agent {
            Some(agent) => ChangeKind::Assigned(agent.to_owned()),
            None => ChangeKind::Unassigned,
        };
        found.record.changes.push(Change { at: now, kind });
        self.state.changed.insert(conversation);
        if self.switches.conversation_updated {
            let id = agent.and_then(|name| self.state.agent(name)).map(|agent| agent.id);
            let changed = json!([{ "assignee_id": { "previous_value": null, "current_value": id } }]);
            self.report(EventName::ConversationUpdated, conversation, None, &changed);
        }
    }

    /// Marks a message as read by the customer.
    pub(super) fn read(&mut self, conversation: u64, message: u64) {
        let messages = self
            .state
            .conversation_mut(conversation)
            .map(|found| &mut found.messages);
        let Some(found) = messages.and_then(|messages| messages.iter_mut().find(|found| found.id == message)) else {
            return;
        };
        found.is_read = true;
        self.state.store_message(conversation, message);
        self.report_message(EventName::MessageUpdated, conversation, message);
    }

    /// Gives a conversation that waits for a person to the next agent at work.
    fn find_agent(&mut self, conversation: u64) {
        let agents = self.state.agents_at_work.len();
        if agents == 0 {
            return;
        }
        let next = self.state.agents_at_work.get(self.state.served % agents).cloned();
        self.state.served += 1;
        let serve = next.map(|agent| Effect::Serve { conversation, agent });
        self.state.effects.extend(serve);
    }

    fn find_third_parties(&mut self, new: &NewMessage) {
        let responding = self.state.third_parties.iter().filter(|party| party.responds_to(new));
        let effects: Vec<Effect> = responding
            .map(|party| Effect::Respond {
                conversation: new.conversation,
                party: party.clone(),
            })
            .collect();
        self.state.effects.extend(effects);
    }
}
