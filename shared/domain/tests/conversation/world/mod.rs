//! A world around one conversation: a platform that reports events in any order and more than once, a queue, and
//! functions that run turns and take steps, and that may die.

mod audit;
mod broken;
mod functions;
mod model;
mod ops;
mod print;
mod properties;
mod queue;

use std::collections::BTreeMap;

use patchbay_domain::conversation::{
    Author, Conversation, Decision, DecisionContext, Direction, Event, EventKind, PlatformEvent, Settings,
};
use patchbay_domain::ids::Nonce;
use patchbay_domain::timestamp::Timestamp;

use crate::story::{event, key, message, settings, start};
use audit::Audit;
use functions::Run;
use queue::Queued;

/// A decision function: the real one, or one that breaks a rule.
type Decide = fn(&Conversation, &Event, DecisionContext) -> Decision;

/// What went wrong.
type Check = Result<(), String>;

#[derive(Clone, Debug)]
struct World {
    decide: Decide,
    now: Timestamp,
    conversation: Conversation,
    queue: Vec<Queued>,
    runs: Vec<Run>,
    audit: Audit,
    /// Whom the platform names as the author of the bot's messages; none if it does not report them.
    echo_author: Option<Author>,
    settings: Settings,
    decisions: u64,
    /// Messages so far, of each kind.
    counts: BTreeMap<&'static str, u32>,
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
            settings: settings(),
            decisions: 0,
            counts: BTreeMap::new(),
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

    /// An id that no other message has.
    fn fresh_id(&mut self, of: &'static str) -> String {
        format!("{of}-{}", self.count(of))
    }

    /// A text that no other message has.
    fn fresh_text(&mut self, what: &'static str) -> String {
        format!("{what} {}", self.count(what))
    }

    fn count(&mut self, what: &'static str) -> u32 {
        let count = self.counts.entry(what).or_default();
        *count += 1;
        *count
    }

    /// The platform reports a message to the customer or from them.
    fn report(&mut self, id: &str, direction: Direction, author: Author, text: &str) {
        self.report_event(event(EventKind::Message, Some(message(id, direction, author, text))));
    }

    fn report_event(&mut self, event: PlatformEvent) {
        self.queue.push(Queued::event(event, self.now));
    }
}
