//! Keeps account of everything that happens, and says what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use patchbay_domain::conversation::{
    Conversation, CustomerMessage, Decision, Event, EventKind, EventOutcome, Fact, Holder, PlatformId, PostKind,
    StepAction, StepResult,
};
use patchbay_domain::ids::Nonce;
use patchbay_domain::timestamp::Timestamp;

use super::Check;
use crate::invariants;
use crate::story::{ENDED, JOINED, id};

/// What happened to a message of the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A turn answered it.
    Answered,
    /// It was recorded while the bot did not hold the conversation.
    Recorded,
    /// Somebody took the conversation before the bot answered.
    Dropped,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Audit {
    /// Ids of the bot's messages.
    own: BTreeSet<PlatformId>,
    rewritten: BTreeSet<PlatformId>,
    /// Texts that took effect on the platform.
    posted: BTreeSet<String>,
    /// Texts that were ever planned to be posted.
    planned: BTreeSet<String>,
    /// Posts that have begun.
    begun: BTreeSet<Nonce>,
    /// The messages that each run has read.
    read: BTreeMap<Nonce, Vec<PlatformId>>,
    /// The messages of the customer.
    ends: BTreeMap<PlatformId, Option<End>>,
    /// The public messages of people, and how often each was recorded.
    people: BTreeMap<PlatformId, usize>,
    last_entry: String,
    /// Every kind of fact that was recorded, with its reason.
    kinds: BTreeSet<String>,
}

fn expect(holds: bool, what: &str) -> Check {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Audit {
    // What happens outside of the conversation.

    pub(super) fn own(&mut self, text: &str) {
        self.own.insert(id(text));
    }

    pub(super) fn rewritten(&mut self, text: &str) {
        self.rewritten.insert(id(text));
    }

    pub(super) fn is_rewritten(&self, result: &StepResult) -> bool {
        matches!(result, StepResult::Done { id: Some(id) } if self.rewritten.contains(id))
    }

    pub(super) fn customer(&mut self, text: &str) {
        self.ends.insert(id(text), None);
    }

    pub(super) fn person(&mut self, text: &str) {
        self.people.insert(id(text), 0);
    }

    pub(super) fn customers(&self) -> usize {
        self.ends.len()
    }

    /// A message appears on the platform.
    pub(super) fn posted(&mut self, text: &str) -> Check {
        let is_new = is_said_again(text) || self.posted.insert(text.to_owned());
        expect(is_new, "no message is posted twice")
    }

    // Decisions.

    pub(super) fn decision(
        &mut self,
        before: &Conversation,
        event: &Event,
        decision: &Decision,
        now: Timestamp,
    ) -> Check {
        invariants::check(before, decision, now)?;
        for entry in &decision.entries {
            expect(entry.id > self.last_entry, "ids of entries increase")?;
            self.last_entry.clone_from(&entry.id);
        }
        self.own_messages(before, event, decision)?;
        self.begin(before, event, decision)?;
        self.plans(before, decision)?;
        self.facts(decision)?;
        self.messages(before, event, decision)
    }

    /// The bot's own messages and its own finish cause nothing.
    fn own_messages(&self, before: &Conversation, event: &Event, decision: &Decision) -> Check {
        let Event::Platform { event, .. } = event else {
            return Ok(());
        };
        let message = event.message.as_ref();
        if event.kind != EventKind::Message || !message.is_some_and(|message| self.own.contains(&message.id)) {
            return Ok(());
        }
        let Some(next) = &decision.next else { return Ok(()) };
        let is_same = next.holder == before.holder && next.turn == before.turn && decision.entries.is_empty();
        expect(is_same, "the bot's own message causes nothing")
    }

    fn begin(&mut self, before: &Conversation, event: &Event, decision: &Decision) -> Check {
        if decision.outcome != EventOutcome::Applied {
            return Ok(());
        }
        let Some(next) = &decision.next else { return Ok(()) };
        match event {
            Event::TurnBegins { .. } => {
                expect(before.holder == Holder::Bot, "only the bot answers")?;
                let read = before.pending.iter().map(|message| message.id.clone()).collect();
                if let Some(lease) = next.turn.and_then(|turn| turn.running) {
                    self.read.insert(lease.id, read);
                }
            }
            Event::StepBegins { step } => {
                let action = before.steps.first().map(|step| &step.action);
                if let Some(StepAction::Post { kind, .. }) = action {
                    expect(self.begun.insert(*step), "a post does not begin twice")?;
                    let is_reply = *kind == PostKind::Reply;
                    expect(
                        !is_reply || before.holder != Holder::Human,
                        "no reply begins while a person holds the conversation",
                    )?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every text is planned once: hand-over messages too.
    fn plans(&mut self, before: &Conversation, decision: &Decision) -> Check {
        let Some(next) = &decision.next else { return Ok(()) };
        let old = texts(before);
        let mut new = texts(next);
        for text in &old {
            if let Some(index) = new.iter().position(|other| other == text) {
                new.remove(index);
            }
        }
        new.retain(|text| !is_said_again(text));
        for text in new {
            expect(self.planned.insert(text.to_owned()), "no message is planned twice")?;
        }
        Ok(())
    }

    fn facts(&mut self, decision: &Decision) -> Check {
        for entry in &decision.entries {
            self.kinds.insert(kind(&entry.fact));
            match &entry.fact {
                Fact::CustomerWrote { message, holder, .. } => {
                    let is_pending = decision
                        .next
                        .as_ref()
                        .is_some_and(|next| next.pending.iter().any(|pending| pending.id == *message));
                    let is_new = self.ends.get(message) == Some(&None);
                    expect(is_new, "a message of the customer is recorded once")?;
                    expect(is_pending == (*holder == Holder::Bot), "the bot answers what it holds")?;
                    if !is_pending {
                        self.ends.insert(message.clone(), Some(End::Recorded));
                    }
                }
                Fact::PersonWrote { message, .. } => {
                    let count = self.people.get_mut(message).ok_or("a person wrote it")?;
                    *count += 1;
                    expect(*count == 1, "a message of a person is recorded once")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Messages that no longer wait were answered by a turn that has read them, or somebody took the conversation.
    fn messages(&mut self, before: &Conversation, event: &Event, decision: &Decision) -> Check {
        let Some(next) = &decision.next else { return Ok(()) };
        let waits = |message: &CustomerMessage| next.pending.iter().any(|pending| pending.id == message.id);
        let facts = || decision.entries.iter().map(|entry| &entry.fact);
        let answered = facts().find_map(|fact| match fact {
            Fact::Answered { messages, .. } => Some(*messages),
            _ => None,
        });
        let is_taken = facts().any(|fact| matches!(fact, Fact::HolderChanged(_)));
        for (index, message) in before.pending.iter().enumerate().filter(|(_, message)| !waits(message)) {
            let end = self.ends.entry(message.id.clone()).or_default();
            expect(end.is_none(), "a message has one end")?;
            *end = Some(if answered.is_some_and(|answered| index < answered) {
                let Event::TurnEnds { lease, .. } = event else {
                    return Err("only turns answer".to_owned());
                };
                let read = self.read.get(lease).ok_or("a turn that began")?;
                expect(read.contains(&message.id), "a turn answers only what it has read")?;
                End::Answered
            } else {
                expect(is_taken, "a message is not lost")?;
                End::Dropped
            });
        }
        Ok(())
    }

    /// Nothing is left to do.
    pub(super) fn is_settled(&self, conversation: &Conversation) -> Check {
        let is_idle = conversation.turn.is_none() && conversation.steps.is_empty();
        expect(is_idle, "nothing is left to do")?;
        expect(
            self.ends.values().all(Option::is_some),
            "every message of the customer was answered, recorded or taken by somebody",
        )?;
        expect(
            self.people.values().all(|count| *count == 1),
            "every message of a person is recorded",
        )
    }

    /// What makes a difference for what can still go wrong.
    pub(super) fn account(&self, conversation: &Conversation) -> String {
        let posted = texts(conversation)
            .into_iter()
            .filter(|text| self.posted.contains(*text));
        format!("{:?} {:?} {:?}", self.ends, self.people, posted.collect::<Vec<_>>())
    }

    /// Every kind of fact that was recorded, with its reason.
    pub(super) const fn kinds(&self) -> &BTreeSet<String> {
        &self.kinds
    }
}

fn kind(fact: &Fact) -> String {
    match fact {
        Fact::CustomerWrote { holder, .. } => format!("customer wrote to {}", holder.name()),
        Fact::PersonWrote { .. } => "person wrote".to_owned(),
        Fact::Answered { .. } => "answered".to_owned(),
        Fact::TurnDropped { reason } => format!("turn dropped: {reason:?}"),
        Fact::Done { step, .. } => format!("done: {step}"),
        Fact::NotDone { step, .. } => format!("not done: {step}"),
        Fact::Unclear { step, .. } => format!("unclear: {step}"),
        Fact::Dropped { step, reason } => format!("dropped: {step}, {reason:?}"),
        Fact::HolderChanged(change) => format!("{}: {:?}", change.to.name(), change.reason),
        Fact::WaitedTooLong => "waited too long".to_owned(),
    }
}

/// Whether the text is said at every arrival or return.
fn is_said_again(text: &str) -> bool {
    [JOINED, ENDED].contains(&text)
}

fn texts(conversation: &Conversation) -> Vec<&str> {
    let steps = conversation.steps.iter();
    let texts = steps.filter_map(|step| match &step.action {
        StepAction::Post { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
