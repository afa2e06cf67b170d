//! A world around one conversation: a platform that reports events in any order and more than once, a queue, and
//! functions that run turns and take steps, and that may die.

mod audit;
mod broken;
mod functions;
mod ops;
mod properties;
mod queue;

use patchbay_domain::conversation::{
    Author, Conversation, Decision, DecisionContext, Direction, Event, EventKind, PlatformEvent,
};
use patchbay_domain::ids::Nonce;
use patchbay_domain::timestamp::Timestamp;

use crate::story::{event, key, message, start};
use audit::Audit;
use functions::Run;
use queue::Queued;

/// A decision function: the real one, or one that breaks a rule.
type Decide = fn(&Conversation, &Event, DecisionContext) -> Decision;

/// What went wrong.
type Check = Result<(), String>;

struct World {
    decide: Decide,
    now: Timestamp,
    conversation: Conversation,
    queue: Vec<Queued>,
    runs: Vec<Run>,
    audit: Audit,
    /// Whom the platform names as the author of the bot's messages; none if it does not report them.
    echo_author: Option<Author>,
    decisions: u64,
    ids: u32,
    texts: u32,
}

impl World {
    fn new(decide: Decide, echo_author: Option<Author>) -> Self {
        Self {
            decide,
            now: start(),
            conversation: Conversation::new(key(), start()),
            queue: Vec::new(),
            runs: Vec::new(),
            audit: Audit::default(),
            echo_author,
            decisions: 0,
            ids: 0,
            texts: 0,
        }
    }

    /// Decides on an event. The decision is not committed.
    fn decide(&mut self, event: &Event) -> Decision {
        self.decisions += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.decisions * 1_000),
        };
        (self.decide)(&self.conversation, event, context)
    }

    /// Sends the messages of a decision.
    fn send(&mut self, decision: &Decision) {
        let messages = decision.messages.iter().cloned();
        self.queue.extend(messages.map(Queued::work));
    }

    /// Decides on an event, sends and commits.
    fn apply(&mut self, event: &Event) -> Result<Decision, String> {
        let decision = self.decide(event);
        self.audit.decision(&self.conversation, event, &decision, self.now)?;
        self.send(&decision);
        if let Some(next) = &decision.next {
            self.conversation = next.clone();
        }
        Ok(decision)
    }

    fn fresh_id(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    fn fresh_text(&mut self, what: &str) -> String {
        self.texts += 1;
        format!("{what} {}", self.texts)
    }

    /// The platform reports a message to the customer or from them.
    fn report(&mut self, id: &str, direction: Direction, author: Author, text: &str) {
        self.report_event(event(EventKind::Message, Some(message(id, direction, author, text))));
    }

    fn report_event(&mut self, event: PlatformEvent) {
        self.queue.push(Queued::event(event, self.now));
    }
}
