//! A story: an interaction, the events that happen to it, and everything that was decided on the way.

use patchbay_domain::ids::{InteractionId, InteractionKey, Nonce};
use patchbay_domain::interaction::limits::GRACE_SECONDS;
use patchbay_domain::interaction::{
    Agent, AttemptOutcome, Channel, Clearance, Content, Customer, DecisionContext, EndReason, Entry, Event,
    EventOutcome, Fact, IgnoreReason, Interaction, Leg, NewInteraction, Parties, Phase, Plan, Progress, Reply, Report,
    Request, SendResult, State, Work, create, decide,
};
use patchbay_domain::timestamp::Timestamp;

use crate::invariants;

pub(crate) const OUTCOME_SECONDS: u32 = 3_600;
pub(crate) const ANSWER_SECONDS: u32 = 7_200;
pub(crate) const RETRY_SECONDS: u32 = 300;
/// Seconds from the start after which nothing is sent.
pub(crate) const LATEST_SECONDS: u32 = 86_400;

/// Start of every story: a Monday morning.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a moment")
}

pub(crate) fn key() -> InteractionKey {
    InteractionKey {
        tenant: "demo".parse().expect("a tenant"),
        id: InteractionId::new(0x6b1f),
    }
}

fn leg(channel: Channel, content: Content) -> Leg {
    Leg {
        channel,
        back_end: "twilio".to_owned(),
        from: "+12025550100".to_owned(),
        to: "+12025550143".to_owned(),
        content,
        attempts: 3,
        retry_seconds: RETRY_SECONDS,
        outcome_seconds: OUTCOME_SECONDS,
        answer_seconds: Some(ANSWER_SECONDS),
        is_polled: false,
    }
}

/// A text message that the customer is to answer.
pub(crate) fn sms() -> Leg {
    let text = "Can you confirm the delivery on Monday?".to_owned();
    leg(Channel::Sms, Content::Text { text })
}

/// A text message that needs no answer.
pub(crate) fn notice() -> Leg {
    Leg {
        answer_seconds: None,
        ..sms()
    }
}

/// An e-mail that the customer is to answer.
pub(crate) fn email() -> Leg {
    let content = Content::Email {
        subject: "Your delivery".to_owned(),
        text: "Can you confirm the delivery on Monday?".to_owned(),
    };
    leg(Channel::Email, content)
}

/// A call with keys: three attempts.
pub(crate) fn call() -> Leg {
    let content = Content::Announcement {
        text: "We deliver on Monday.".to_owned(),
        keys: Vec::new(),
        language: "en-US".to_owned(),
    };
    leg(Channel::Call, content)
}

pub(crate) fn new(legs: Vec<Leg>) -> NewInteraction {
    NewInteraction {
        parties: Parties {
            agent: Agent {
                id: "6b1f0000-0000-4000-8000-000000000001".to_owned(),
                name: "Leo".to_owned(),
                phone: "+12025550100".to_owned(),
                email: "leo@example.org".to_owned(),
            },
            skill: "6b1f0000-0000-4000-8000-000000000002".to_owned(),
            customer: Customer {
                id: "c1".to_owned(),
                name: "Ana Ruiz".to_owned(),
                phone: "+12025550143".to_owned(),
                email: "ana@example.org".to_owned(),
                language: "es-MX".to_owned(),
            },
        },
        plan: Plan {
            legs,
            not_before: start(),
            latest_at: start().plus_seconds(LATEST_SECONDS),
            remember: false,
            time_zone: None,
            hours_bypass: None,
        },
        note: String::new(),
        webhook: None,
        blank_variables: Vec::new(),
        unused_fields: Vec::new(),
    }
}

pub(crate) struct Story {
    pub(crate) interaction: Interaction,
    pub(crate) now: Timestamp,
    pub(crate) facts: Vec<Fact>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) works: Vec<(Work, Timestamp)>,
    decisions: u64,
}

impl Story {
    /// An interaction with these legs that was just created.
    pub(crate) fn of<const N: usize>(legs: [Leg; N]) -> Self {
        Self::created(new(legs.into()))
    }

    pub(crate) fn created(new: NewInteraction) -> Self {
        let context = DecisionContext {
            now: start(),
            nonce: Nonce::new(1),
        };
        let decision = create(key(), new, context).expect("a small plan");
        let entries = decision.entries;
        let facts = entries.iter().map(|entry| entry.fact.clone()).collect();
        let works = decision
            .messages
            .into_iter()
            .map(|message| (message.work, message.due_at));
        Self {
            interaction: decision.next.expect("a new interaction"),
            now: start(),
            facts,
            entries,
            works: works.collect(),
            decisions: 1,
        }
    }

    /// An interaction whose first attempt the provider has.
    pub(crate) fn sent<const N: usize>(legs: [Leg; N]) -> Self {
        let mut story = Self::of(legs);
        story.send();
        story
    }

    /// Lets something happen, and checks what holds for every decision.
    pub(crate) fn apply(&mut self, event: &Event) -> EventOutcome {
        self.decisions += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.decisions << 8),
        };
        let decision = decide(&self.interaction, event, context);
        if let Err(error) = invariants::check(&self.interaction, &decision, self.now) {
            panic!("{error}: {event:?} in {:#?}", self.interaction);
        }
        self.facts
            .extend(decision.entries.iter().map(|entry| entry.fact.clone()));
        self.entries.extend(decision.entries);
        let works = decision
            .messages
            .into_iter()
            .map(|message| (message.work, message.due_at));
        self.works.extend(works);
        if let Some(next) = decision.next {
            self.interaction = next;
        }
        decision.outcome
    }

    /// As [`Self::apply`], for an event that must change something.
    #[track_caller]
    pub(crate) fn applies(&mut self, event: &Event) {
        assert_eq!(self.apply(event), EventOutcome::Applied, "{event:?}");
    }

    /// As [`Self::apply`], for an event that must change nothing.
    #[track_caller]
    pub(crate) fn ignores(&mut self, event: &Event, reason: IgnoreReason) {
        assert_eq!(self.apply(event), EventOutcome::Ignored(reason), "{event:?}");
    }

    pub(crate) fn pass(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// The id of the attempt in progress.
    #[track_caller]
    pub(crate) fn attempt(&self) -> Nonce {
        self.interaction.attempt.as_ref().expect("an attempt").id
    }

    #[track_caller]
    pub(crate) fn phase(&self) -> Phase {
        self.interaction.attempt.as_ref().expect("an attempt").phase
    }

    /// The channel of the attempt in progress.
    #[track_caller]
    pub(crate) fn channel(&self) -> Channel {
        let attempt = self.interaction.attempt.as_ref().expect("an attempt");
        self.interaction.leg(attempt.leg).expect("a leg").channel
    }

    /// Why the interaction has ended.
    #[track_caller]
    pub(crate) fn end(&self) -> EndReason {
        let reason = self.interaction.state.end_reason();
        reason.unwrap_or_else(|| panic!("not over: {:#?}", self.interaction))
    }

    /// How the attempts ended, in order.
    pub(crate) fn outcomes(&self) -> Vec<&'static str> {
        let past = self.interaction.past.iter();
        past.map(|past| past.outcome.name()).collect()
    }

    /// A function begins to send.
    #[track_caller]
    pub(crate) fn begin(&mut self) -> Nonce {
        let attempt = self.attempt();
        let clearance = Clearance::Granted;
        let outcome = self.apply(&Event::SendBegins { attempt, clearance });
        assert_eq!(outcome, EventOutcome::Send);
        attempt
    }

    /// A function wants to send, and may not.
    #[track_caller]
    pub(crate) fn begins(&mut self, clearance: Clearance) {
        let attempt = self.attempt();
        self.applies(&Event::SendBegins { attempt, clearance });
    }

    /// Sending ends.
    #[track_caller]
    pub(crate) fn ends(&mut self, result: SendResult) {
        let attempt = self.attempt();
        self.applies(&Event::SendEnds { attempt, result });
    }

    /// A function sends, and the provider accepts.
    #[track_caller]
    pub(crate) fn send(&mut self) -> Nonce {
        let attempt = self.begin();
        self.ends(accepted("SM1"));
        attempt
    }

    /// A report about the attempt in progress.
    #[track_caller]
    pub(crate) fn reports(&mut self, report: Report) {
        let attempt = self.attempt();
        self.applies(&Event::Reported { attempt, report });
    }

    /// After the end of a call, nothing more arrives about it.
    #[track_caller]
    pub(crate) fn grace(&mut self) {
        let attempt = self.attempt();
        self.pass(GRACE_SECONDS);
        self.applies(&Event::AnswerDue { attempt });
    }

    #[track_caller]
    pub(crate) fn replies(&mut self, id: &str, text: &str) {
        let channel = Channel::Sms;
        let reply = reply(id, channel, text, self.now);
        self.applies(&Event::Replied { reply });
    }

    #[track_caller]
    pub(crate) fn requests(&mut self, request: Request) {
        self.applies(&Event::Requested { request });
    }

    pub(crate) fn state(&self) -> State {
        self.interaction.state
    }
}

pub(crate) fn accepted(id: &str) -> SendResult {
    SendResult::Sent {
        provider_id: id.to_owned(),
        progress: Some(Progress::Accepted),
    }
}

pub(crate) fn unclear() -> SendResult {
    let detail = "no answer".to_owned();
    SendResult::Unclear { detail }
}

pub(crate) fn failed(retry_after: Option<u32>) -> SendResult {
    let detail = "503".to_owned();
    SendResult::Failed { retry_after, detail }
}

pub(crate) fn refused() -> SendResult {
    let detail = "not a mobile number".to_owned();
    SendResult::Refused { detail }
}

pub(crate) fn progress(progress: Progress) -> Report {
    Report {
        progress: Some(progress),
        ..Report::default()
    }
}

pub(crate) fn outcome(outcome: AttemptOutcome) -> Report {
    Report {
        outcome: Some(outcome),
        ..Report::default()
    }
}

/// The end of a call in which somebody picked up.
pub(crate) fn talked_to() -> Report {
    Report {
        talk_seconds: Some(42),
        ..outcome(AttemptOutcome::TalkedTo)
    }
}

/// A message that arrived.
pub(crate) fn delivered() -> Report {
    Report {
        progress: Some(Progress::Delivered),
        ..outcome(AttemptOutcome::Delivered)
    }
}

pub(crate) fn undelivered() -> AttemptOutcome {
    let detail = "handset unreachable".to_owned();
    AttemptOutcome::Failed { detail }
}

pub(crate) fn reply(id: &str, channel: Channel, text: &str, at: Timestamp) -> Reply {
    Reply {
        id: id.to_owned(),
        channel,
        text: text.to_owned(),
        attempt: None,
        at,
        is_opt_out: false,
    }
}
