//! Everything that can happen in the world, chosen by proptest.

use patchbay_domain::conversation::{Author, Direction, Event, EventKind, PlatformMessage, Request};
use patchbay_domain::timestamp::Timestamp;
use proptest::prelude::*;

use super::functions::{Answer, Reply};
use super::queue::{Fate, Item};
use super::{Check, World};
use crate::story::{CANCEL, GIVE_BACK, assigned, event, jo, message, plan};

/// Most messages of the customer in a history: more would be joined.
const MAX_CUSTOMER_MESSAGES: usize = 20;

/// How long the next operation waits for work.
const SOON_SECONDS: u32 = 20;

/// Something that happens. A number chooses among what is possible at the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Wait(u32),
    CustomerWrites { cancels: bool },
    PersonWrites { gives_back: bool },
    PersonNotes { gives_back: bool },
    OtherBotWrites,
    Greeting,
    Assigned,
    Resolved,
    RequestHandOver,
    RequestGiveBack,
    Consume(usize, Fate),
    Progress(usize, Answer, Reply),
    Crash(usize),
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..120)
}

/// Whom the platform names as the author of the bot's messages, if it reports them.
pub(super) fn echo_author() -> impl Strategy<Value = Option<Author>> {
    let author = prop_oneof![Just(Author::Bot), Just(Author::Human(None)), Just(Author::Unknown)];
    prop::option::weighted(0.8, author)
}

fn op() -> impl Strategy<Value = Op> {
    let choice = 0..8_usize;
    prop_oneof![
        2 => prop_oneof![3 => 0..3_000_u32, 1 => 0..100_000_u32].prop_map(Op::Wait),
        3 => prop::bool::weighted(0.2).prop_map(|cancels| Op::CustomerWrites { cancels }),
        1 => prop::bool::weighted(0.4).prop_map(|gives_back| Op::PersonWrites { gives_back }),
        1 => prop_oneof![
            any::<bool>().prop_map(|gives_back| Op::PersonNotes { gives_back }),
            Just(Op::OtherBotWrites),
            Just(Op::Greeting),
            Just(Op::Assigned),
            Just(Op::Resolved),
            Just(Op::RequestHandOver),
            Just(Op::RequestGiveBack),
        ],
        16 => (choice.clone(), fate()).prop_map(|(choice, fate)| Op::Consume(choice, fate)),
        14 => (choice.clone(), answer(), reply()).prop_map(|(choice, answer, reply)| Op::Progress(choice, answer, reply)),
        1 => choice.prop_map(Op::Crash),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Consumed),
        2 => Just(Fate::Duplicated),
        1 => Just(Fate::Uncommitted),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Answer::Posts),
        1 => Just(Answer::First),
        2 => Just(Answer::HandsOver),
        1 => Just(Answer::HandsOverForAWhile),
        1 => Just(Answer::Finishes),
        1 => Just(Answer::Calls),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        6 => Just(Reply::Done),
        1 => Just(Reply::DoneWithoutId),
        1 => Just(Reply::Rewritten),
        1 => Just(Reply::Failed),
        1 => Just(Reply::Refused),
        1 => Just(Reply::UnclearAndDone),
        1 => Just(Reply::UnclearAndNotDone),
    ]
}

impl World {
    pub(super) fn play(&mut self, ops: &[Op]) -> Check {
        for op in ops {
            self.happen(op)?;
            self.check_coverage()?;
        }
        Ok(())
    }

    fn happen(&mut self, op: &Op) -> Check {
        match op {
            Op::Wait(millis) => return self.wait_until(self.now.plus_millis(i64::from(*millis))),
            Op::CustomerWrites { cancels } if self.audit.customers() < MAX_CUSTOMER_MESSAGES => {
                let id = self.fresh_id("customer");
                let text = self.fresh_text(if *cancels { CANCEL } else { "question" });
                self.audit.customer(&id);
                self.report(&id, Direction::Incoming, Author::Customer, &text);
            }
            Op::CustomerWrites { .. } => {}
            Op::PersonWrites { gives_back } => {
                let id = self.fresh_id("colleague");
                let text = self.fresh_text(if *gives_back { GIVE_BACK } else { "person" });
                self.audit.person(&id);
                self.report(&id, Direction::Outgoing, jo(), &text);
            }
            Op::PersonNotes { gives_back } => {
                let id = self.fresh_id("internal");
                let text = self.fresh_text(if *gives_back { GIVE_BACK } else { "note" });
                let note = PlatformMessage {
                    private: true,
                    ..message(&id, Direction::Outgoing, jo(), &text)
                };
                self.report_event(event(EventKind::Message, Some(note)));
            }
            Op::OtherBotWrites => {
                let id = self.fresh_id("other-bot");
                self.report(&id, Direction::Outgoing, Author::Bot, "I am another bot.");
            }
            Op::Greeting => {
                let id = self.fresh_id("greeting");
                self.report(&id, Direction::Template, Author::Unknown, "Welcome!");
            }
            Op::Assigned => self.report_event(assigned()),
            Op::Resolved => self.report_event(event(EventKind::Resolved, None)),
            Op::RequestHandOver => {
                let plan = self.unique_plan(plan());
                return self.request_of_api(Request::HandOver(Box::new(plan)));
            }
            Op::RequestGiveBack => return self.request_of_api(Request::GiveBack),
            Op::Consume(choice, fate) => {
                self.wait_for_work()?;
                let due = self.due();
                if !due.is_empty() {
                    return self.consume(due[choice % due.len()], *fate);
                }
            }
            Op::Progress(choice, answer, reply) => {
                if !self.runs.is_empty() {
                    return self.progress(choice % self.runs.len(), *answer, *reply);
                }
            }
            Op::Crash(choice) => {
                if !self.runs.is_empty() {
                    return self.crash(choice % self.runs.len());
                }
            }
        }
        Ok(())
    }

    fn request_of_api(&mut self, request: Request) -> Check {
        let settings = self.settings.clone();
        self.apply(&Event::Requested { request, settings }).map(drop)
    }

    /// Lets time pass until something is due, if that is soon.
    fn wait_for_work(&mut self) -> Check {
        let next = self.queue.iter().map(|queued| queued.due_at).min();
        match next.filter(|at| *at > self.now && *at < self.now.plus_seconds(SOON_SECONDS)) {
            Some(at) => self.wait_until(at),
            None => Ok(()),
        }
    }

    /// Lets time pass. Functions that run too long die, and events that are late are delivered.
    fn wait_until(&mut self, until: Timestamp) -> Check {
        loop {
            let run = (0..self.runs.len()).min_by_key(|index| self.runs[*index].deadline);
            let events = self.queue.iter().enumerate();
            let event = events
                .filter_map(|(index, queued)| Some((queued.deadline?, index)))
                .min();
            let run = run.map(|index| (self.runs[index].deadline, index));
            match (run, event) {
                (Some((at, index)), _) if at <= until && event.is_none_or(|(other, _)| at <= other) => {
                    self.now = self.now.max(at);
                    self.crash(index)?;
                }
                (_, Some((at, index))) if at <= until => {
                    self.now = self.now.max(at);
                    self.consume(index, Fate::Consumed)?;
                }
                _ => break,
            }
        }
        self.now = until;
        Ok(())
    }

    /// Lets everything happen that is still to happen, without further faults.
    pub(super) fn settle(&mut self) -> Check {
        for _ in 0..10_000 {
            if !self.runs.is_empty() {
                self.progress(0, Answer::Posts(1), Reply::Done)?;
            } else if let Some(index) = self.due().first() {
                self.consume(*index, Fate::Consumed)?;
            } else if let Some(at) = self.queue.iter().map(|queued| queued.due_at).min() {
                self.now = at;
            } else {
                return self.audit.is_settled(&self.conversation);
            }
            self.check_coverage()?;
        }
        let work = self.queue.iter().filter_map(|queued| match &queued.item {
            Item::Work(message) => Some(&message.work),
            Item::Event(_) => None,
        });
        Err(format!("it never ends: {:?}", work.collect::<Vec<_>>()))
    }
}
