//! A world around one interaction: a provider that reports in any order and more than once, a queue whose messages come
//! late and twice and are lost, functions that may die, a customer and a person.

use std::collections::BTreeMap;

use patchbay_domain::ids::Nonce;
use patchbay_domain::interaction::{
    AttemptOutcome, Channel, Clearance, Decision, DecisionContext, EndReason, Event, EventOutcome, Fact, Interaction,
    Leg, Progress, Report, Request, SendResult, Work, create, decide, pending_work,
};
use patchbay_domain::timestamp::Timestamp;
use proptest::prelude::*;

use crate::invariants;
use crate::story::{call, email, failed, key, new, notice, refused, reply, sms, start, undelivered};

/// A decision function: the real one, or one that breaks a rule.
type Decide = fn(&Interaction, &Event, DecisionContext) -> Decision;

/// What went wrong.
type Check = Result<(), String>;

/// Longest that a history may take: a day until the latest time, and a day after each reply.
const LONGEST_DAYS: u32 = 2 + MAX_REPLIES;
/// Replies and requests in a history.
const MAX_REPLIES: u32 = 12;

struct World {
    decide: Decide,
    now: Timestamp,
    interaction: Interaction,
    queue: Vec<(Work, Timestamp)>,
    /// Reports that are on their way.
    reports: Vec<(Nonce, Report)>,
    /// How often the provider got each attempt.
    sends: BTreeMap<Nonce, u32>,
    /// Attempts that have begun, have ended, and that certainly had no effect.
    begun: Vec<Nonce>,
    ended: Vec<Nonce>,
    failed: Vec<Nonce>,
    /// Attempts that were sent although the provider said that they were not.
    deceived: Vec<Nonce>,
    /// Those of them about which something has arrived since.
    known: Vec<Nonce>,
    /// The earlier try of an attempt.
    earlier: BTreeMap<Nonce, Nonce>,
    /// Calls that were hung up, by the id that the provider gave them.
    hung_up: Vec<String>,
    /// Attempts whose end the provider has reported.
    reported: Vec<Nonce>,
    /// Whether the customer opted out by a key: the call says goodbye by itself.
    is_out_by_key: bool,
    /// Whether the customer has answered or opted out, as they see it.
    is_reached: bool,
    decisions: u64,
    replies: u32,
    choices: Vec<u8>,
}

impl World {
    fn new(decide: Decide, legs: Vec<Leg>, mut choices: Vec<u8>) -> Self {
        choices.reverse();
        let nonce = Nonce::new(1);
        let mut new = new(legs);
        if choices.pop().unwrap_or(0) % 4 == 3 {
            // Scheduled for the last minutes in which it may be sent.
            new.plan.not_before = new.plan.latest_at.plus_millis(-600_000);
        }
        let created = create(key(), new, DecisionContext { now: start(), nonce });
        let created = created.expect("a small plan");
        let queue = created
            .messages
            .iter()
            .map(|message| (message.work.clone(), message.due_at));
        Self {
            decide,
            now: start(),
            queue: queue.collect(),
            interaction: created.next.expect("an interaction"),
            reports: Vec::new(),
            sends: BTreeMap::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            failed: Vec::new(),
            deceived: Vec::new(),
            known: Vec::new(),
            earlier: BTreeMap::new(),
            hung_up: Vec::new(),
            reported: Vec::new(),
            is_out_by_key: false,
            is_reached: false,
            decisions: 1,
            replies: 0,
            choices,
        }
    }

    /// The next choice below `limit`. When there are none left, everything goes well.
    fn choose(&mut self, limit: u8) -> u8 {
        self.choices.pop().unwrap_or(0) % limit
    }

    /// Plays until the interaction has ended and nothing is on its way.
    fn play(mut self) -> Result<Self, String> {
        let end = start().plus_seconds(LONGEST_DAYS * 86_400);
        while !(self.interaction.state.is_terminal() && self.reports.is_empty() && self.queue.is_empty()) {
            if self.now >= end {
                let Self { interaction, queue, .. } = self;
                return Err(format!("every interaction ends: {queue:?} in {interaction:#?}"));
            }
            match self.choose(8) {
                6 => self.customer_or_person()?,
                5 | 7 => self.provider_reports()?,
                _ => self.next_message()?,
            }
        }
        for begun in &self.begun {
            let count = |list: &[Nonce]| list.iter().filter(|id| *id == begun).count();
            let (ends, failures) = (count(&self.ended), count(&self.failed));
            let is_known = self.known.contains(begun);
            let has_one_end = ends + failures == 1 || (is_known && ends == 1 && failures == 1);
            expect(has_one_end, "every attempt has one end")?;
        }
        self.check_calls()?;
        Ok(self)
    }

    /// A call that we ended, not the customer, is hung up as soon as its id is known.
    fn check_calls(&self) -> Check {
        for past in &self.interaction.past {
            let is_call = self
                .interaction
                .leg(past.leg)
                .is_some_and(|leg| leg.channel == Channel::Call);
            let is_ended_by_us = matches!(
                past.outcome,
                AttemptOutcome::Canceled | AttemptOutcome::Superseded | AttemptOutcome::OptedOut
            );
            let Some(id) = past.provider_id.as_ref().filter(|_| is_call && is_ended_by_us) else {
                continue;
            };
            let is_over = self.reported.contains(&past.id) || self.is_out_by_key;
            expect(
                is_over || self.hung_up.contains(id),
                "a call that nobody wants is hung up",
            )?;
        }
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> Result<EventOutcome, String> {
        self.decisions += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.decisions << 8),
        };
        let decision = (self.decide)(&self.interaction, event, context);
        invariants::check(&self.interaction, &decision, self.now)?;
        for entry in &decision.entries {
            match &entry.fact {
                Fact::Sending { attempt, .. } => self.begun.push(*attempt),
                Fact::AttemptEnded { attempt, .. } => self.ended.push(*attempt),
                Fact::NotSent { attempt, next, .. } => {
                    let had_effect = self.sends.contains_key(attempt) && !self.deceived.contains(attempt);
                    if !self.sends.contains_key(next) {
                        self.earlier.insert(*next, *attempt);
                    }
                    expect(!had_effect, "nothing is sent twice, also not under another id")?;
                    self.failed.push(*attempt);
                }
                _ => {}
            }
        }
        for message in decision.messages {
            if let Work::HangUp { provider_id, .. } = &message.work {
                self.hung_up.push(provider_id.clone());
                continue;
            }
            // One in sixteen is lost.
            if self.choose(16) != 15 {
                self.queue.push((message.work, message.due_at));
            }
        }
        if let Some(next) = decision.next {
            self.interaction = next;
        }
        Ok(decision.outcome)
    }

    /// The message that is due first is delivered; sometimes late, sometimes twice, sometimes another one.
    fn next_message(&mut self) -> Check {
        self.sentinel();
        if self.queue.is_empty() {
            return self.provider_reports();
        }
        self.queue.sort_by_key(|(_, due_at)| *due_at);
        let index = if self.choose(8) == 7 {
            usize::from(self.choose(8))
        } else {
            0
        };
        let index = index.min(self.queue.len() - 1);
        let (work, due_at) = self.queue.remove(index);
        let late = if self.choose(8) == 7 { 700 } else { 0 };
        self.now = self.now.max(due_at.plus_seconds(late)).plus_millis(250);
        if self.choose(8) == 7 {
            self.queue.push((work.clone(), self.now));
        }
        self.work(work)
    }

    /// What is due and not on its way is found in the index.
    fn sentinel(&mut self) {
        let Some((work, due_at)) = pending_work(&self.interaction) else {
            return;
        };
        let found_at = due_at.plus_seconds(600);
        let is_lost = !self.queue.iter().any(|(queued, _)| *queued == work);
        if is_lost && (found_at <= self.now || self.queue.is_empty()) {
            self.queue.push((work, found_at));
        }
    }

    fn work(&mut self, work: Work) -> Check {
        let event = match work.clone() {
            Work::Send { attempt } => return self.send(attempt),
            Work::Watch { attempt } => Event::SendWatched { attempt },
            Work::Poll { attempt, polls } => {
                let knows = self.sends.contains_key(&attempt) && self.choose(3) == 2;
                let report = knows.then(|| self.some_report(attempt));
                Event::Polled { attempt, polls, report }
            }
            Work::OutcomeDue { attempt } => Event::OutcomeDue { attempt },
            Work::AnswerDue { attempt } => Event::AnswerDue { attempt },
            Work::Close { closing } => Event::Closed { closing },
            Work::HangUp { .. }
            | Work::Report { .. }
            | Work::Receive { .. }
            | Work::Incoming { .. }
            | Work::Notify { .. }
            | Work::Remember => return Ok(()),
        };
        if let EventOutcome::NotYet(at) = self.apply(&event)? {
            self.queue.push((work, at));
        }
        Ok(())
    }

    fn send(&mut self, attempt: Nonce) -> Check {
        let clearance = self.clearance();
        let was_stopped = self.is_reached || self.interaction.state.is_terminal();
        match self.apply(&Event::SendBegins { attempt, clearance })? {
            EventOutcome::NotYet(at) => {
                self.queue.push((Work::Send { attempt }, at));
                return Ok(());
            }
            EventOutcome::Ignored(_) | EventOutcome::Applied => return Ok(()),
            EventOutcome::Send => {}
        }
        expect(!was_stopped, "nothing is sent after an answer or the end")?;
        let mut tries = std::iter::successors(Some(attempt), |id| self.earlier.get(id).copied());
        expect(
            !tries.any(|id| self.known.contains(&id)),
            "what was sent after all is not sent again",
        )?;
        expect(self.now < self.interaction.plan.latest_at, "nothing is sent too late")?;
        // Between the commit and the request other things happen.
        if self.choose(6) == 5 {
            self.customer_or_person()?;
        }
        let result = match self.choose(8) {
            5 => {
                if self.choose(2) == 1 {
                    self.effect(attempt);
                    self.deceived.push(attempt);
                }
                failed(None)
            }
            6 => refused(),
            7 => return self.send_unclear(attempt),
            _ => {
                self.effect(attempt);
                SendResult::Sent {
                    provider_id: format!("id-{attempt}"),
                    progress: None,
                }
            }
        };
        if self.choose(4) == 3 {
            self.provider_reports()?;
        }
        self.apply(&Event::SendEnds { attempt, result }).map(drop)
    }

    /// The provider's answer is lost, or the function dies before it has recorded it.
    fn send_unclear(&mut self, attempt: Nonce) -> Check {
        if self.choose(2) == 1 {
            self.effect(attempt);
        }
        if self.choose(2) == 1 {
            return Ok(());
        }
        let result = crate::story::unclear();
        self.apply(&Event::SendEnds { attempt, result }).map(drop)
    }

    /// The provider gets an attempt, and will report: forward, but in any order, and more than once.
    fn effect(&mut self, attempt: Nonce) {
        *self.sends.entry(attempt).or_default() += 1;
        for _ in 0..self.choose(5) {
            let report = self.some_report(attempt);
            self.reports.push((attempt, report));
        }
    }

    fn some_report(&mut self, attempt: Nonce) -> Report {
        let progress = match self.choose(6) {
            1 => Some(Progress::Underway),
            2 => Some(Progress::Delivered),
            3 => Some(Progress::Read),
            4 => Some(Progress::Answered),
            _ => None,
        };
        let complains = self.choose(4) == 3;
        let outcome = match self.choose(10) {
            1 => Some(AttemptOutcome::Delivered),
            2 => Some(AttemptOutcome::TalkedTo),
            3 => Some(AttemptOutcome::NoAnswer),
            4 => Some(AttemptOutcome::Busy),
            5 => Some(AttemptOutcome::Voicemail),
            6 => Some(undelivered()),
            7 if complains => Some(AttemptOutcome::OptedOut),
            _ => None,
        };
        Report {
            provider_id: (self.choose(2) == 0).then(|| format!("id-{attempt}")),
            progress,
            outcome,
            talk_seconds: Some(42),
            recording: (self.choose(8) == 7).then(|| format!("recording-{attempt}")),
            transcript: (self.choose(8) == 7).then(|| "Hello.".to_owned()),
        }
    }

    fn provider_reports(&mut self) -> Check {
        if self.reports.is_empty() {
            return Ok(());
        }
        let count = u8::try_from(self.reports.len()).unwrap_or(u8::MAX);
        let index = usize::from(self.choose(count));
        let (attempt, report) = self.reports.swap_remove(index);
        if self.choose(6) == 5 {
            self.reports.push((attempt, report.clone()));
        }
        if let Some(outcome) = &report.outcome {
            self.reported.push(attempt);
            self.is_reached |= *outcome == AttemptOutcome::OptedOut;
        }
        let is_deceived = self.deceived.contains(&attempt) && self.failed.contains(&attempt);
        self.apply(&Event::Reported { attempt, report })?;
        if is_deceived {
            self.known.push(attempt);
        }
        let current = self.interaction.attempt.iter().map(|attempt| attempt.id);
        let mut all = current.chain(self.interaction.past.iter().map(|past| past.id));
        expect(all.any(|id| id == attempt), "every report finds its attempt")
    }

    fn customer_or_person(&mut self) -> Check {
        self.replies += 1;
        if self.replies > MAX_REPLIES {
            return Ok(());
        }
        let channel = if self.choose(2) == 0 {
            Channel::Sms
        } else {
            Channel::Call
        };
        let event = match self.choose(8) {
            5 => Event::Requested {
                request: Request::End(EndReason::Canceled),
            },
            6 => Event::Requested {
                request: Request::Note(format!("note {}", self.replies)),
            },
            other => {
                let number = if other == 4 { 1 } else { self.replies };
                let mut reply = reply(&format!("IN{number}"), channel, "Yes", self.now);
                reply.is_opt_out = other == 7;
                self.is_reached = true;
                self.is_out_by_key |= reply.is_opt_out && channel == Channel::Call;
                Event::Replied { reply }
            }
        };
        self.apply(&event).map(drop)
    }

    fn clearance(&mut self) -> Clearance {
        let reason = String::new();
        match self.choose(13) {
            8 => Clearance::Later {
                at: self.now.plus_seconds(7_200),
                reason,
            },
            9 => Clearance::NoHour { reason },
            12 => Clearance::Held {
                at: self.now.plus_seconds(300),
                reason,
            },
            10 => Clearance::Denied { reason },
            11 => Clearance::OptedOut,
            _ => Clearance::Granted,
        }
    }
}

fn expect(holds: bool, what: &str) -> Check {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn legs() -> impl Strategy<Value = Vec<Leg>> {
    let polled = Leg {
        is_polled: true,
        ..notice()
    };
    let leg = prop::sample::select(vec![sms(), notice(), email(), call(), polled]);
    prop::collection::vec(leg, 1..4)
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_ends_and_nothing_is_sent_twice_or_too_late(legs in legs(), choices in choices()) {
        if let Err(error) = World::new(decide, legs, choices).play() {
            return Err(TestCaseError::fail(error));
        }
    }
}

/// A decision function that breaks one rule, by its name.
const BROKEN: [(&str, Decide); 8] = [
    (
        "an unclear attempt is sent again",
        |interaction, event, context| match event {
            Event::SendEnds {
                attempt,
                result: SendResult::Unclear { .. },
            } => {
                let (attempt, result) = (*attempt, failed(None));
                decide(interaction, &Event::SendEnds { attempt, result }, context)
            }
            _ => decide(interaction, event, context),
        },
    ),
    (
        "a death while sending is no reason to give up",
        |interaction, event, context| match event {
            Event::SendWatched { attempt } => {
                let (attempt, result) = (*attempt, failed(None));
                decide(interaction, &Event::SendEnds { attempt, result }, context)
            }
            _ => decide(interaction, event, context),
        },
    ),
    ("an answer is forgotten", |interaction, event, context| {
        let mut decision = decide(interaction, event, context);
        if let (Event::Replied { reply }, Some(next)) = (event, &mut decision.next)
            && !reply.is_opt_out
            && !next.state.is_terminal()
        {
            next.is_reached = false;
            next.attempt.clone_from(&interaction.attempt);
        }
        decision
    }),
    ("nobody hangs up", |interaction, event, context| {
        let mut decision = decide(interaction, event, context);
        decision
            .messages
            .retain(|message| !matches!(message.work, Work::HangUp { .. }));
        decision
    }),
    ("a reply does not stop the plan", |interaction, event, context| {
        let mut decision = decide(interaction, event, context);
        if let (Event::Replied { .. }, Some(next)) = (event, &mut decision.next)
            && !next.state.is_terminal()
        {
            next.attempt.clone_from(&interaction.attempt);
        }
        decision
    }),
    ("the latest time is no limit", |interaction, event, context| {
        let mut endless = interaction.clone();
        endless.plan.latest_at = start().plus_seconds(365 * 86_400);
        let mut decision = decide(&endless, event, context);
        if let Some(next) = &mut decision.next {
            next.plan.latest_at = interaction.plan.latest_at;
        }
        decision
    }),
    (
        "the messages of a commit are not sent",
        |interaction, event, context| {
            let mut decision = decide(interaction, event, context);
            decision.messages.clear();
            decision
        },
    ),
    ("an end can be taken back", |interaction, event, context| {
        let mut decision = decide(interaction, event, context);
        if let (Event::Replied { .. }, Some(next)) = (event, &mut decision.next) {
            next.state = patchbay_domain::interaction::State::Open;
        }
        decision
    }),
];

#[test]
fn broken_rules_are_noticed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    for (rule, broken) in BROKEN {
        let mut runner = TestRunner::deterministic();
        let is_noticed = (0..500).any(|_| {
            let legs = legs().new_tree(&mut runner).expect("legs").current();
            let choices = choices().new_tree(&mut runner).expect("choices").current();
            World::new(broken, legs, choices).play().is_err()
        });
        assert!(is_noticed, "{rule}");
    }
}
