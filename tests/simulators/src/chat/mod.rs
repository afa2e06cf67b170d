//! A simulated installation of a chat platform: its API, its events, its inboxes, and the people at both ends.
//!
//! It speaks Sangoma's API and, about the same inboxes and conversations, Chatwoot's. It follows the wire contracts
//! (sangoma/CONTRACT.md, chatwoot/CONTRACT.md). Where they are uncertain, [`Switches`] select the behavior. Everything
//! runs on one [`Clock`] and draws from one seeded [`Rng`](crate::rng::Rng): on a paused current-thread runtime, a seed
//! replays the same conversations to the millisecond.
//!
//! - [`Chat`] as [`SendHttp`]: the API. It posts events through the client of [`Chat::set_webhooks`].
//! - `customer_…`, `agent_…`: what people do. [`Customer`], [`Agent`], [`ThirdParty`]: people and bots with a script.
//! - [`Chat::messages`], [`Chat::requests`], [`Chat::events`]: the record, which [`audit()`] checks.

mod api;
pub mod audit;
mod console;
mod delivery;
mod events;
mod faults;
mod payload;
mod people;
mod personalities;
mod platform;
mod questions;
mod records;
mod setup;
pub(crate) mod signature;
mod state;
mod stored;
mod switches;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, ResponseFuture, SendHttp};

pub use self::audit::{Audit, Breach, Texts, audit};
pub use self::faults::{ApiFault, Endpoint, Faults};
pub use self::people::ActionError;
pub use self::personalities::{Agent, Customer, Habit, Responds, Says, ThirdParty};
pub use self::questions::{
    AnswerForm, ChatwootAnswers, CreatedEvent, CreatedStatus, EchoAuthor, EchoOrder, EventName, Greeting, HumanReply,
    HumanSender, IdForm, IncomingSender, LoggedOut, NestedMessage, Paths, PendingName, Routes, TextChange, TimeForm,
    UnknownTenant,
};
pub use self::records::{
    AcceptedCall, Api, Author, Cause, Change, ChangeKind, ConversationRecord, EventRecord, Message, MessageKind,
    OnBehalfOf, Recipient, RequestRecord, Status, StatusRequest, WebhookOutcome,
};
pub use self::setup::{AgentRecord, BotRecord, ContactRecord, InboxRecord, WebhookSubscription};
use self::state::State;
pub use self::switches::Switches;
use crate::webhook_faults::WebhookFault;

/// The host of Sangoma's token endpoint.
pub const SANGOMA_AUTH_HOST: &str = "auth.sangoma.com";
/// The host of Sangoma's API.
pub const SANGOMA_HOST: &str = "cpaas.sangoma.com";
/// The base URL of Sangoma's API.
pub const SANGOMA_URL: &str = "https://cpaas.sangoma.com/cx/";
/// The host of Chatwoot's API.
pub const CHATWOOT_HOST: &str = "chatwoot.example.org";
/// The base URL of Chatwoot's API.
pub const CHATWOOT_URL: &str = "https://chatwoot.example.org";
/// The client id and secret that Sangoma's token endpoint accepts.
pub const CREDENTIALS: (&str, &str) = ("local-client", "local-client-secret");
/// The tenant of Sangoma's API.
pub const TENANT_DOMAIN: &str = "acme.cx.sangoma.com";
/// The account of Chatwoot's API.
pub const CHATWOOT_ACCOUNT: u64 = 1;
/// The token of a person with all rights in Chatwoot's API.
pub const CHATWOOT_USER_TOKEN: &str = "local-user-token";
/// The token of the first bot in Chatwoot's API. It is valid once that bot exists.
pub const CHATWOOT_BOT_TOKEN: &str = "local-bot-token";
/// The inboxes of a new installation: id, name, kind.
pub const INBOXES: [(u64, &str, &str); 3] = [
    (7, "Shop chat", "Channel::WebWidget"),
    (8, "Returns chat", "Channel::WebWidget"),
    (9, "Own widget", "Channel::Api"),
];
/// The people of a new installation, and whether each is logged in.
pub const AGENTS: [(&str, bool); 3] = [("jane.doe", true), ("john.roe", true), ("kim.poe", false)];
/// The queues of a new installation.
pub const QUEUES: [&str; 2] = ["support_en", "support_de"];

/// A simulated installation. Clones share the same state.
///
/// As [`SendHttp`], it serves the hosts above, each with its own paths. Under any other host name it serves all paths,
/// so that it can listen on a local port.
#[derive(Clone)]
pub struct Chat(Arc<Core>);

struct Core {
    clock: Clock,
    switches: Switches,
    state: Mutex<State>,
}

impl Chat {
    /// An installation with [`INBOXES`], [`AGENTS`] and [`QUEUES`], without a bot. Deliveries and scripts are tasks of
    /// the tokio runtime in which they are started.
    pub fn new(clock: Clock, switches: Switches, seed: u64) -> Self {
        Self(Arc::new(Core {
            clock,
            switches,
            state: Mutex::new(State::new(seed)),
        }))
    }

    /// Sets the client that delivers events. Without one, no event arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Accepts these credentials instead of [`CREDENTIALS`].
    pub fn set_credentials(&self, client_id: impl Into<String>, client_secret: impl Into<String>) {
        self.lock().credentials = (client_id.into(), client_secret.into());
    }

    /// Changes the random faults and the state of outages.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// Makes the next request of this group fail. Several calls queue their faults.
    pub fn fail_next(&self, endpoint: Endpoint, fault: ApiFault) {
        self.lock().planned_api.push((endpoint, fault));
    }

    /// Runs `action` during the next request of this group: after its effect, and before its response. Several calls
    /// queue their actions.
    pub fn during_next(&self, endpoint: Endpoint, action: impl FnOnce(&Self) + Send + 'static) {
        self.lock().interjections.push((endpoint, Box::new(action)));
    }

    /// Injects a fault into the next event of this name. Several calls queue their faults.
    pub fn fail_next_event(&self, name: EventName, fault: WebhookFault) {
        self.lock().planned_events.push((name, fault));
    }

    /// Revokes all tokens of Sangoma's API that were issued so far.
    pub fn revoke_tokens(&self) {
        self.lock().forget_tokens();
    }

    /// Adds an inbox and returns its id.
    pub fn add_inbox(&self, name: &str, channel: &str) -> u64 {
        let mut state = self.lock();
        let id = state.inboxes.iter().map(|inbox| inbox.id + 1).max().unwrap_or(1);
        state.inboxes.push(InboxRecord {
            id,
            name: name.to_owned(),
            channel: channel.to_owned(),
            bot: None,
        });
        state.store_installation();
        id
    }

    /// Adds a bot with this URL, assigns it to these inboxes, and returns its id: what a client does through the API.
    pub fn connect_bot(&self, name: &str, outgoing_url: &str, inboxes: &[u64]) -> u64 {
        let mut state = self.lock();
        let bot = state.add_bot(name, "", outgoing_url).id;
        drop(state);
        self.assign_bot(bot, inboxes);
        bot
    }

    /// Assigns a bot to these inboxes: what a client does through the API.
    pub fn assign_bot(&self, bot: u64, inboxes: &[u64]) {
        let mut state = self.lock();
        for inbox in state.inboxes.iter_mut().filter(|inbox| inboxes.contains(&inbox.id)) {
            inbox.bot = Some(bot);
        }
        state.store_installation();
    }

    /// Adds an account webhook for these events and returns its id: what a client does through the API.
    pub fn subscribe(&self, url: &str, events: &[EventName]) -> u64 {
        let mut state = self.lock();
        let id = state.next_webhook();
        state.webhooks.push(WebhookSubscription {
            id,
            url: url.to_owned(),
            subscriptions: events.iter().map(|event| event.as_str().to_owned()).collect(),
        });
        state.store_installation();
        id
    }

    /// Adds a queue for calls.
    pub fn add_queue(&self, name: &str) {
        let mut state = self.lock();
        state.queues.push(name.to_owned());
        state.store_installation();
    }

    /// Logs a person in or out, and adds them if they are new.
    pub fn set_logged_in(&self, agent: &str, is_logged_in: bool) {
        let mut state = self.lock();
        let id = state.next_agent();
        match state.agents.iter_mut().find(|known| known.name == agent) {
            Some(known) => known.is_logged_in = is_logged_in,
            None => state.agents.push(AgentRecord {
                id,
                name: agent.to_owned(),
                is_logged_in,
            }),
        }
        state.store_installation();
    }

    /// All inboxes.
    pub fn inboxes(&self) -> Vec<InboxRecord> {
        self.lock().inboxes.clone()
    }

    /// All bots.
    pub fn bots(&self) -> Vec<BotRecord> {
        self.lock().bots.clone()
    }

    /// All account webhooks.
    pub fn webhooks(&self) -> Vec<WebhookSubscription> {
        self.lock().webhooks.clone()
    }

    /// All contacts.
    pub fn contacts(&self) -> Vec<ContactRecord> {
        self.lock().contacts.clone()
    }

    /// All people of the team.
    pub fn agents(&self) -> Vec<AgentRecord> {
        self.lock().agents.clone()
    }

    /// All conversations, in order of creation.
    pub fn conversations(&self) -> Vec<ConversationRecord> {
        let state = self.lock();
        let records = state.conversations.iter();
        records.map(|conversation| conversation.record.clone()).collect()
    }

    /// One conversation.
    pub fn conversation(&self, id: u64) -> Option<ConversationRecord> {
        self.lock()
            .conversation(id)
            .map(|conversation| conversation.record.clone())
    }

    /// The messages of a conversation, in order.
    pub fn messages(&self, conversation: u64) -> Vec<Message> {
        let state = self.lock();
        let found = state.conversation(conversation);
        found.map(|found| found.messages.clone()).unwrap_or_default()
    }

    /// All messages that bots posted to customers through the API, in order.
    pub fn posts_of_bot(&self) -> Vec<Message> {
        let state = self.lock();
        let all = state.conversations.iter().flat_map(|found| &found.messages);
        let mut posts: Vec<Message> = all.filter(|message| message.is_of_bot()).cloned().collect();
        posts.sort_by_key(|message| message.id);
        posts
    }

    /// The requests that delivered a conversation to people, in order.
    pub fn delivered(&self) -> Vec<StatusRequest> {
        self.lock().delivered.clone()
    }

    /// The requests that finished a conversation, in order.
    pub fn finished(&self) -> Vec<StatusRequest> {
        self.lock().finished.clone()
    }

    /// The calls that were accepted, in order.
    pub fn calls(&self) -> Vec<AcceptedCall> {
        self.lock().calls.clone()
    }

    /// All requests to the API, in order.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().requests.clone()
    }

    /// The requests that match no path.
    pub fn unexpected(&self) -> Vec<RequestRecord> {
        let state = self.lock();
        let unknown = state.requests.iter().filter(|request| request.api == Api::None);
        unknown.cloned().collect()
    }

    /// All attempts to deliver an event.
    pub fn events(&self) -> Vec<EventRecord> {
        self.lock().events.clone()
    }

    /// Whether nothing more happens by itself: no event is under way, and no person or third party is going to act.
    pub fn is_idle(&self) -> bool {
        self.lock().running == 0
    }

    /// The switches that select its behavior.
    pub fn switches(&self) -> &Switches {
        &self.0.switches
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendHttp for Chat {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.handle(request))
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chat")
    }
}
