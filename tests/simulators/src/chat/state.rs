//! The state of an installation, behind its lock.

use std::collections::BTreeSet;
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::HttpClient;
use serde::{Deserialize, Serialize};

use super::delivery::OutgoingEvent;
use super::faults::{ApiFault, Endpoint, Faults};
use super::personalities::{Agent, ThirdParty};
use super::questions::EventName;
use super::records::{AcceptedCall, ConversationRecord, EventRecord, Message, RequestRecord, StatusRequest};
use super::setup::{AgentRecord, BotRecord, ContactRecord, InboxRecord, WebhookSubscription};
use super::{AGENTS, CHATWOOT_BOT_TOKEN, CREDENTIALS, Chat, INBOXES, QUEUES};
use crate::journal::Journal;
use crate::rng::Rng;
use crate::webhook_faults::{WebhookFault, take_planned};

/// Ids of each kind begin here, so that ids of different kinds never coincide in a test.
const FIRST_BOT: u64 = 3;
const FIRST_AGENT: u64 = 15;
const FIRST_CONTACT: u64 = 41;
const FIRST_WEBHOOK: u64 = 61;
const FIRST_CONVERSATION: u64 = 1_201;
const FIRST_MESSAGE: u64 = 9_001;

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) client: Option<HttpClient>,
    pub(super) credentials: (String, String),
    pub(super) tokens: Vec<Token>,
    pub(super) faults: Faults,
    pub(super) planned_api: Vec<(Endpoint, ApiFault)>,
    pub(super) planned_events: Vec<(EventName, WebhookFault)>,
    pub(super) interjections: Vec<(Endpoint, Interjection)>,
    pub(super) inboxes: Vec<InboxRecord>,
    pub(super) bots: Vec<BotRecord>,
    pub(super) webhooks: Vec<WebhookSubscription>,
    pub(super) contacts: Vec<ContactRecord>,
    pub(super) agents: Vec<AgentRecord>,
    pub(super) queues: Vec<String>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) next_message: u64,
    pub(super) agents_at_work: Vec<Agent>,
    /// How many waiting conversations were given to agents at work.
    pub(super) served: usize,
    pub(super) third_parties: Vec<ThirdParty>,
    /// Events that wait until the next one of their conversation has overtaken them.
    pub(super) held: Vec<OutgoingEvent>,
    pub(super) requests: Vec<RequestRecord>,
    pub(super) events: Vec<EventRecord>,
    pub(super) delivered: Vec<StatusRequest>,
    pub(super) finished: Vec<StatusRequest>,
    pub(super) calls: Vec<AcceptedCall>,
    /// What follows from the current change, once the lock is released.
    pub(super) effects: Vec<Effect>,
    /// Tasks that are still going to change something or send an event.
    pub(super) running: usize,
    pub(super) journal: Journal,
    /// The number of events whose delivery was started.
    pub(super) posted: u64,
    /// Conversations that are not yet in the journal in their current state.
    pub(super) changed: BTreeSet<u64>,
}

/// What happens while a request is under way.
pub(super) type Interjection = Box<dyn FnOnce(&Chat) + Send>;

/// A conversation with its messages.
pub(super) struct Conversation {
    pub(super) record: ConversationRecord,
    pub(super) messages: Vec<Message>,
}

/// An access token of Sangoma's API.
#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) value: String,
    pub(super) scope: String,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// What follows from a change.
pub(super) enum Effect {
    /// Send an event after this delay.
    Send(OutgoingEvent, Duration),
    /// The customer reads a message.
    Read { conversation: u64, message: u64 },
    /// Report the new conversation, with its last message of that time.
    ReportLate { conversation: u64 },
    /// An agent at work takes care of a conversation.
    Serve { conversation: u64, agent: Agent },
    /// A third party responds to a message.
    Respond { conversation: u64, party: ThirdParty },
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let inbox = |(id, name, channel): (u64, &str, &str)| InboxRecord {
            id,
            name: name.to_owned(),
            channel: channel.to_owned(),
            bot: None,
        };
        let agent = |(index, (name, is_logged_in)): (u64, (&str, bool))| AgentRecord {
            id: FIRST_AGENT + index,
            name: name.to_owned(),
            is_logged_in,
        };
        Self {
            rng: Rng::new(seed ^ 0x0000_c4a7),
            client: None,
            credentials: (CREDENTIALS.0.to_owned(), CREDENTIALS.1.to_owned()),
            tokens: Vec::new(),
            faults: Faults::default(),
            planned_api: Vec::new(),
            planned_events: Vec::new(),
            interjections: Vec::new(),
            inboxes: INBOXES.into_iter().map(inbox).collect(),
            bots: Vec::new(),
            webhooks: Vec::new(),
            contacts: Vec::new(),
            agents: (0..).zip(AGENTS).map(agent).collect(),
            queues: QUEUES.map(str::to_owned).to_vec(),
            conversations: Vec::new(),
            next_message: FIRST_MESSAGE,
            agents_at_work: Vec::new(),
            served: 0,
            third_parties: Vec::new(),
            held: Vec::new(),
            requests: Vec::new(),
            events: Vec::new(),
            delivered: Vec::new(),
            finished: Vec::new(),
            calls: Vec::new(),
            effects: Vec::new(),
            running: 0,
            journal: Journal::default(),
            posted: 0,
            changed: BTreeSet::new(),
        }
    }

    pub(super) fn conversation(&self, id: u64) -> Option<&Conversation> {
        self.conversations
            .iter()
            .find(|conversation| conversation.record.id == id)
    }

    pub(super) fn conversation_mut(&mut self, id: u64) -> Option<&mut Conversation> {
        self.conversations
            .iter_mut()
            .find(|conversation| conversation.record.id == id)
    }

    pub(super) fn inbox(&self, id: u64) -> Option<&InboxRecord> {
        self.inboxes.iter().find(|inbox| inbox.id == id)
    }

    pub(super) fn bot(&self, id: u64) -> Option<&BotRecord> {
        self.bots.iter().find(|bot| bot.id == id)
    }

    pub(super) fn contact(&self, id: u64) -> Option<&ContactRecord> {
        self.contacts.iter().find(|contact| contact.id == id)
    }

    pub(super) fn agent(&self, name: &str) -> Option<&AgentRecord> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    /// The bot that gets the events of an inbox.
    pub(super) fn bot_of_inbox(&self, inbox: u64) -> Option<&BotRecord> {
        self.bot(self.inbox(inbox)?.bot?)
    }

    pub(super) fn next_bot(&self) -> u64 {
        self.bots.iter().map(|bot| bot.id + 1).max().unwrap_or(FIRST_BOT)
    }

    pub(super) fn next_webhook(&self) -> u64 {
        let ids = self.webhooks.iter().map(|webhook| webhook.id + 1);
        ids.max().unwrap_or(FIRST_WEBHOOK)
    }

    pub(super) fn next_contact(&self) -> u64 {
        let ids = self.contacts.iter().map(|contact| contact.id + 1);
        ids.max().unwrap_or(FIRST_CONTACT)
    }

    pub(super) fn next_agent(&self) -> u64 {
        self.agents
            .iter()
            .map(|agent| agent.id + 1)
            .max()
            .unwrap_or(FIRST_AGENT)
    }

    pub(super) fn next_conversation(&self) -> u64 {
        let ids = self.conversations.iter().map(|conversation| conversation.record.id + 1);
        ids.max().unwrap_or(FIRST_CONVERSATION)
    }

    /// Adds a bot. The first one has the token that clients are configured with.
    pub(super) fn add_bot(&mut self, name: &str, description: &str, outgoing_url: &str) -> BotRecord {
        let token = if self.bots.is_empty() {
            CHATWOOT_BOT_TOKEN.to_owned()
        } else {
            self.rng.uuid()
        };
        let bot = BotRecord {
            id: self.next_bot(),
            name: name.to_owned(),
            description: description.to_owned(),
            outgoing_url: outgoing_url.to_owned(),
            token,
        };
        self.bots.push(bot.clone());
        bot
    }

    /// The planned or random fault of the current request, if any.
    pub(super) fn api_fault(&mut self, endpoint: Endpoint) -> Option<ApiFault> {
        if let Some(fault) = take_planned(&mut self.planned_api, |planned| planned.includes(endpoint)) {
            return Some(fault);
        }
        let rates = match endpoint {
            Endpoint::Token => &self.faults.token,
            _ => &self.faults.api,
        };
        let rng = &mut self.rng;
        let drawn = rates.iter().find(|(probability, _)| rng.chance(*probability));
        drawn.map(|(_, fault)| *fault)
    }
}
