//! A story: a conversation, the events that happen to it, and everything that was decided on the way.

use patchbay_domain::conversation::{
    Author, ChangeReason, Contact, Conversation, ConversationKey, CustomerMessage, Decision, DecisionContext,
    Direction, DropReason, Entry, Event, EventKind, EventOutcome, Fact, HandOverPlan, HandOverReason, Heard, Holder,
    Message, PlatformEvent, PlatformId, PlatformMessage, PlatformStatus, PostKind, Session, Settings, Step, StepAction,
    StepResult, TurnAction, TurnResult, Work, decide,
};
use patchbay_domain::ids::Nonce;
use patchbay_domain::timestamp::Timestamp;

use crate::invariants;

/// The customer's text that no longer wants a person.
pub(crate) const CANCEL: &str = "never mind";
/// The text with which a person returns the conversation to the bot.
pub(crate) const GIVE_BACK: &str = "/bot";
pub(crate) const JOINED: &str = "A colleague has joined.";
pub(crate) const ENDED: &str = "I am back.";
pub(crate) const HAND_OVER: &str = "A colleague will take over.";
pub(crate) const DEBOUNCE_MILLIS: u32 = 1_500;
pub(crate) const SILENCE_SECONDS: u32 = 1_800;
pub(crate) const WAIT_SECONDS: u32 = 300;

/// Start of every story: a Monday morning.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a moment")
}

pub(crate) fn key() -> ConversationKey {
    ConversationKey {
        tenant: "demo".parse().expect("a tenant"),
        id: id("1201"),
    }
}

pub(crate) fn id(text: &str) -> PlatformId {
    text.parse().expect("an id")
}

pub(crate) fn settings() -> Settings {
    Settings {
        has_bot: true,
        debounce_millis: DEBOUNCE_MILLIS,
        joined: Some(JOINED.into()),
        ended: Some(ENDED.into()),
        give_back_after: Some(SILENCE_SECONDS),
    }
}

pub(crate) fn message(id: &str, direction: Direction, author: Author, text: &str) -> PlatformMessage {
    PlatformMessage {
        id: id.parse().expect("an id"),
        direction,
        private: false,
        text: text.into(),
        attachments: 0,
        author,
    }
}

pub(crate) fn jo() -> Author {
    Author::Human(Some("Jo".into()))
}

pub(crate) fn event(kind: EventKind, message: Option<PlatformMessage>) -> PlatformEvent {
    PlatformEvent {
        kind,
        inbox: None,
        message,
        contact: Contact::default(),
        status: None,
        is_human_assigned: false,
        initial_message: None,
    }
}

/// A person is assigned to the open conversation.
pub(crate) fn assigned() -> PlatformEvent {
    PlatformEvent {
        status: Some(PlatformStatus::Open),
        is_human_assigned: true,
        ..event(EventKind::Updated, None)
    }
}

/// A plan that says something at every opportunity.
pub(crate) fn plan() -> HandOverPlan {
    HandOverPlan {
        message: HAND_OVER.into(),
        summary: Some("Asks for a parcel.".into()),
        wait_seconds: Some(WAIT_SECONDS),
        wait_message: Some("Nobody is free yet.".into()),
        ..HandOverPlan::default()
    }
}

pub(crate) fn hands_over(plan: HandOverPlan) -> TurnAction {
    TurnAction::HandOver {
        reason: HandOverReason::Word,
        plan: Box::new(plan),
    }
}

/// The result of a turn that answers everything.
pub(crate) fn result(posts: &[&str], action: TurnAction) -> TurnResult {
    TurnResult {
        answered: usize::MAX,
        session: Session::default(),
        posts: posts.iter().map(|&text| text.to_owned()).collect(),
        action,
        answered_by: "topics/parcel".into(),
        error: None,
    }
}

pub(crate) fn done(id: &str) -> StepResult {
    StepResult::Done {
        id: Some(id.parse().expect("an id")),
    }
}

pub(crate) fn failed(retry_after: Option<u32>) -> StepResult {
    let detail = "HTTP 503".into();
    StepResult::Failed { retry_after, detail }
}

pub(crate) fn refused() -> StepResult {
    let detail = "HTTP 422".into();
    StepResult::Refused { detail }
}

pub(crate) fn unclear() -> StepResult {
    let detail = "time-out".into();
    StepResult::Unclear { detail }
}

pub(crate) struct Story {
    pub(crate) conversation: Conversation,
    pub(crate) now: Timestamp,
    pub(crate) settings: Settings,
    pub(crate) last: Decision,
    pub(crate) entries: Vec<Entry>,
    decisions: u64,
    ids: u32,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self {
            conversation: Conversation::new(key(), start()),
            now: start(),
            settings: settings(),
            last: Decision {
                next: None,
                messages: Vec::new(),
                entries: Vec::new(),
                outcome: EventOutcome::Applied,
            },
            entries: Vec::new(),
            decisions: 0,
            ids: 9_000,
        }
    }

    /// A story in which the bot has handed over, and the platform has the conversation in people's inbox.
    pub(crate) fn waiting(plan: HandOverPlan) -> Self {
        let mut story = Self::handing_off(plan);
        story.takes_all_steps();
        assert_eq!(story.conversation.holder, Holder::Waiting);
        story
    }

    /// A story in which the bot has decided to hand over, and nothing is done yet.
    pub(crate) fn handing_off(plan: HandOverPlan) -> Self {
        let mut story = Self::new();
        story.customer("a person, please");
        story.answers(&[], hands_over(plan));
        assert_eq!(story.conversation.holder, Holder::HandingOff);
        story
    }

    /// A story in which a person has the conversation.
    pub(crate) fn with_person() -> Self {
        let mut story = Self::new();
        story.customer("hello");
        story.person("I take this.");
        assert_eq!(story.conversation.holder, Holder::Human);
        story
    }

    // When.

    pub(crate) fn apply(&mut self, event: &Event) -> EventOutcome {
        self.decisions += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.decisions * 1_000),
        };
        let decision = decide(&self.conversation, event, context);
        if let Err(what) = invariants::check(&self.conversation, &decision, self.now) {
            panic!("{what}: {decision:#?}");
        }
        if let Some(next) = &decision.next {
            self.conversation = next.clone();
        }
        self.entries.extend(decision.entries.iter().cloned());
        self.last = decision;
        self.last.outcome
    }

    pub(crate) fn advance(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
    }

    pub(crate) fn fresh_id(&mut self) -> String {
        self.ids += 1;
        self.ids.to_string()
    }

    /// The platform reports an event.
    pub(crate) fn reports(&mut self, event: PlatformEvent) -> EventOutcome {
        let text = event.message.as_ref().map_or("", |message| message.text.as_str());
        let heard = Heard {
            cancels_wait: text == CANCEL,
            gives_back: text == GIVE_BACK,
        };
        let settings = self.settings.clone();
        self.apply(&Event::Platform {
            event: Box::new(event),
            heard,
            settings,
        })
    }

    pub(crate) fn reports_message(&mut self, message: PlatformMessage) -> EventOutcome {
        self.reports(event(EventKind::Message, Some(message)))
    }

    pub(crate) fn customer(&mut self, text: &str) -> EventOutcome {
        let id = self.fresh_id();
        self.reports_message(message(&id, Direction::Incoming, Author::Customer, text))
    }

    /// A person writes to the customer.
    pub(crate) fn person(&mut self, text: &str) -> EventOutcome {
        let id = self.fresh_id();
        self.outgoing(&id, jo(), text)
    }

    pub(crate) fn outgoing(&mut self, id: &str, author: Author, text: &str) -> EventOutcome {
        self.reports_message(message(id, Direction::Outgoing, author, text))
    }

    pub(crate) fn private_note(&mut self, author: Author, text: &str) -> EventOutcome {
        let id = self.fresh_id();
        let note = message(&id, Direction::Outgoing, author, text);
        self.reports_message(PlatformMessage { private: true, ..note })
    }

    /// A function begins the planned turn once it is due. Returns the turn and the lease.
    pub(crate) fn begins_turn(&mut self) -> (Nonce, Nonce) {
        let turn = self.conversation.turn.expect("a turn");
        self.now = self.now.max(turn.due_at);
        assert_eq!(self.apply(&Event::TurnBegins { turn: turn.id }), EventOutcome::Applied);
        (turn.id, self.lease())
    }

    pub(crate) fn lease(&self) -> Nonce {
        self.conversation.turn.and_then(|turn| turn.running).expect("a run").id
    }

    pub(crate) fn ends_turn(&mut self, (turn, lease): (Nonce, Nonce), result: TurnResult) -> EventOutcome {
        let result = Box::new(result);
        self.apply(&Event::TurnEnds { turn, lease, result })
    }

    /// A function runs the planned turn.
    pub(crate) fn answers(&mut self, posts: &[&str], action: TurnAction) {
        let run = self.begins_turn();
        assert_eq!(self.ends_turn(run, result(posts, action)), EventOutcome::Applied);
    }

    pub(crate) fn step(&self) -> &Step {
        self.conversation.steps.first().expect("a step")
    }

    /// A function begins the first step once it is due.
    pub(crate) fn begins_step(&mut self) -> Nonce {
        let step = self.step();
        let (step, due_at) = (step.id, step.due_at);
        self.now = self.now.max(due_at);
        assert_eq!(self.apply(&Event::StepBegins { step }), EventOutcome::Applied);
        step
    }

    pub(crate) fn ends_step(&mut self, step: Nonce, result: StepResult) -> EventOutcome {
        self.apply(&Event::StepEnds { step, result })
    }

    /// A function takes the first step.
    pub(crate) fn takes_step(&mut self, result: StepResult) {
        let step = self.begins_step();
        assert_eq!(self.ends_step(step, result), EventOutcome::Applied);
    }

    pub(crate) fn takes_all_steps(&mut self) {
        while !self.conversation.steps.is_empty() {
            let id = self.fresh_id();
            self.takes_step(done(&id));
        }
    }

    // Then.

    pub(crate) fn steps(&self) -> Vec<&'static str> {
        self.conversation.steps.iter().map(|step| step.action.name()).collect()
    }

    /// The texts that are still to be posted, and why.
    pub(crate) fn posts(&self) -> Vec<(&str, PostKind)> {
        let steps = self.conversation.steps.iter();
        let posts = steps.filter_map(|step| match &step.action {
            StepAction::Post { text, kind } => Some((text.as_str(), *kind)),
            _ => None,
        });
        posts.collect()
    }

    pub(crate) fn pending(&self) -> Vec<&str> {
        let texts = self
            .conversation
            .pending
            .iter()
            .map(|CustomerMessage { text, .. }| text.as_str());
        texts.collect()
    }

    pub(crate) fn last_facts(&self) -> Vec<&Fact> {
        self.last.entries.iter().map(|entry| &entry.fact).collect()
    }

    /// The edges so far: who held the conversation next, and why.
    pub(crate) fn edges(&self) -> Vec<(Holder, ChangeReason)> {
        let edges = self.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::HolderChanged(change) => Some((change.to, change.reason)),
            _ => None,
        });
        edges.collect()
    }

    /// The steps that were dropped by the last decision, and why.
    pub(crate) fn dropped(&self) -> Vec<(&str, DropReason)> {
        let dropped = self.last.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::Dropped { step, reason } => Some((step.as_str(), *reason)),
            _ => None,
        });
        dropped.collect()
    }

    /// What the last decision sent, and when it is due.
    pub(crate) fn sent_work(&self) -> Vec<(Work, Timestamp)> {
        let messages = self.last.messages.iter();
        let work = messages.map(|Message { work, due_at, .. }| (work.clone(), *due_at));
        work.collect()
    }

    pub(crate) fn nothing_happened(&self) -> bool {
        self.last.next.is_none()
    }
}
