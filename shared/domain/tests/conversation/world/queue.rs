//! The queue: events of the platform and messages between functions, in any order.

use patchbay_domain::conversation::{
    Event, EventOutcome, Heard, Message, PlatformEvent, Settings, Work, all_pending_work,
};
use patchbay_domain::message::{CommitState, recheck_at};
use patchbay_domain::timestamp::Timestamp;

use super::functions::Run;
use super::{Check, World};
use crate::story::{CANCEL, GIVE_BACK};

/// How long the platform and the queue take to deliver an event, at most. Much longer, and the text of a message without
/// an id no longer tells whose it is.
const EVENT_SECONDS: u32 = 600;

#[derive(Clone, Debug)]
pub(super) enum Item {
    Event(Box<PlatformEvent>),
    Work(Message),
}

#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) item: Item,
    pub(super) due_at: Timestamp,
    /// When an event is delivered at the latest.
    pub(super) deadline: Option<Timestamp>,
}

impl Queued {
    pub(super) fn work(message: Message) -> Self {
        Self {
            due_at: message.due_at,
            item: Item::Work(message),
            deadline: None,
        }
    }

    pub(super) fn event(event: PlatformEvent, now: Timestamp) -> Self {
        Self {
            item: Item::Event(Box::new(event)),
            due_at: now,
            deadline: Some(now.plus_seconds(EVENT_SECONDS)),
        }
    }
}

/// What happens while an item is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Consumed,
    /// The item is delivered again.
    Duplicated,
    /// The function dies after it has sent the messages of its decision, and before it commits. The item is delivered
    /// again.
    Uncommitted,
}

impl World {
    /// The places of the items that are due.
    pub(super) fn due(&self) -> Vec<usize> {
        let is_due = |index: &usize| self.queue[*index].due_at <= self.now;
        (0..self.queue.len()).filter(is_due).collect()
    }

    /// A function consumes an item.
    pub(super) fn consume(&mut self, index: usize, fate: Fate) -> Check {
        let queued = self.queue.remove(index);
        if fate != Fate::Consumed {
            self.queue.push(queued.clone());
        }
        let settings = &self.settings;
        let event = match &queued.item {
            Item::Event(event) => platform_event(event, settings),
            Item::Work(message) => match message.commit_state(Some(self.conversation.version), self.now) {
                CommitState::Committed => work_event(&message.work, settings),
                CommitState::Abandoned => return Ok(()),
                CommitState::Pending => {
                    self.requeue(queued, |message, now| recheck_at(message.sent_at, now));
                    return Ok(());
                }
            },
        };
        if fate == Fate::Uncommitted {
            let decision = self.decide(&event);
            self.send(&decision);
            return Ok(());
        }
        let decision = self.apply(&event)?;
        match decision.outcome {
            EventOutcome::Applied => self.runs.extend(Run::begin(&event, &self.conversation, self.now)),
            EventOutcome::NotYet(at) => self.requeue(queued, |_, _| at),
            EventOutcome::Ignored(_) => {}
        }
        Ok(())
    }

    fn requeue(&mut self, queued: Queued, at: impl Fn(&Message, Timestamp) -> Timestamp) {
        let queued = match queued.item {
            Item::Work(message) => {
                let due_at = at(&message, self.now);
                Queued::work(Message { due_at, ..message })
            }
            Item::Event(event) => {
                let due_at = self.now.plus_seconds(5);
                Queued {
                    item: Item::Event(event),
                    due_at,
                    deadline: Some(due_at.plus_seconds(5)),
                }
            }
        };
        self.queue.push(queued);
    }

    /// Whatever the conversation needs is on the queue.
    pub(super) fn check_coverage(&self) -> Check {
        for (work, _) in all_pending_work(&self.conversation) {
            let covers = |queued: &Queued| matches!(&queued.item, Item::Work(message) if message.work == work);
            if !self.queue.iter().any(covers) {
                return Err(format!("nothing is on the queue for {work:?}"));
            }
        }
        Ok(())
    }
}

fn platform_event(event: &PlatformEvent, settings: &Settings) -> Event {
    let text = event.message.as_ref().map_or("", |message| message.text.as_str());
    Event::Platform {
        event: Box::new(event.clone()),
        heard: Heard {
            cancels_wait: text.starts_with(CANCEL),
            gives_back: text.starts_with(GIVE_BACK),
        },
        settings: settings.clone(),
    }
}

fn work_event(work: &Work, settings: &Settings) -> Event {
    match work {
        Work::Receive { event } => platform_event(event, settings),
        Work::Turn { turn } => Event::TurnBegins { turn: *turn },
        Work::Step { step } => Event::StepBegins { step: *step },
        Work::Watch { step } => Event::StepWatched { step: *step },
        Work::WaitOver { hand_over } => Event::WaitOver { hand_over: *hand_over },
        Work::GiveBack { silence } => Event::Silence {
            silence: *silence,
            settings: settings.clone(),
        },
    }
}
