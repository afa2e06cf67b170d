//! A conversation that runs on this machine: the deployed rules, with the terminal in place of the platform.

use std::time::Instant;

use anyhow::Context as _;
use patchbay::bot::{self, Bot, TurnContext};
use patchbay::clock::Timestamp;
use patchbay::conversation::{
    Author, Contact, Conversation, ConversationKey, DecisionContext, Direction, Entry, Event, EventKind, EventOutcome,
    Heard, Message, PlatformEvent, PlatformId, PlatformMessage, PlatformStatus, Request, StepAction, StepResult,
    TurnResult, Work, decide,
};
use patchbay::flow::{FetchRequest, FetchResult, FetchResults};
use patchbay::ids::Nonce;
use patchbay::message::QueueMessage as _;
use patchbay::secret::Randomness;
use serde::Serialize;

/// Limit on lookups in one turn: more than one evaluation of a document can need.
const MAX_FETCHES: usize = 64;
/// Who the person at the terminal is as a person of the team.
const AGENT: &str = "the agent";

/// The back ends that a document asks.
pub(super) trait BackEnds {
    /// Answers a lookup.
    async fn answer(&mut self, fetch: &FetchRequest) -> anyhow::Result<FetchResult>;
}

/// The time of the conversation: real time with a person at the terminal, otherwise it passes only when something is
/// due, so that the same lines always have the same result.
#[derive(Debug)]
pub(super) struct Time {
    now: Timestamp,
    /// When the real time was last read.
    read_at: Option<Instant>,
}

impl Time {
    pub(super) fn new(start: Timestamp, is_real: bool) -> Self {
        Self {
            now: start,
            read_at: is_real.then(Instant::now),
        }
    }

    fn catch_up(&mut self) -> Timestamp {
        if let Some(read_at) = &mut self.read_at {
            let millis = i64::try_from(read_at.elapsed().as_millis()).unwrap_or(0);
            *read_at = Instant::now();
            self.now = self.now.plus_millis(millis);
        }
        self.now
    }
}

/// A conversation, and what is still to be done about it.
pub(super) struct Simulation<'a> {
    bot: &'a Bot,
    contact: Contact,
    conversation: Conversation,
    /// The queue of the deployment.
    queue: Vec<Message>,
    time: Time,
    random: Randomness,
    /// Number of ids that the platform has given out.
    ids: u64,
    /// What happened, in order.
    happened: Vec<Happened>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    /// An entry of the timeline.
    Entry(Entry),
    /// A step on the platform, other than a message, just before its entry.
    Step(StepAction),
    /// A lookup, before the entry of the turn that needed it.
    Lookup(Lookup),
}

/// A lookup of a back end.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lookup {
    pub(super) name: String,
    pub(super) url: String,
    /// 0 if there was no answer.
    pub(super) status: u16,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(bot: &'a Bot, contact: Contact, mut time: Time) -> anyhow::Result<Self> {
        let now = time.catch_up();
        Ok(Self {
            bot,
            contact,
            conversation: Conversation::new(key(1)?, now),
            queue: Vec::new(),
            time,
            random: Randomness::default(),
            ids: 1,
            happened: Vec::new(),
        })
    }

    /// The conversation as it is now.
    pub(super) const fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Everything that has happened.
    pub(super) fn happened(&self) -> &[Happened] {
        &self.happened
    }

    /// Begins a new conversation of the same customer.
    pub(super) fn reset(&mut self) -> anyhow::Result<()> {
        let now = self.time.catch_up();
        self.ids += 1;
        self.conversation = Conversation::new(key(self.ids)?, now);
        self.queue.clear();
        Ok(())
    }

    /// Lets time pass. What becomes due meanwhile is done at its time.
    pub(super) async fn pass(&mut self, seconds: u32, back_ends: &mut impl BackEnds) -> anyhow::Result<()> {
        let end = self.time.catch_up().plus_seconds(seconds);
        while let Some(message) = self.take_next(end) {
            self.work_on(message, back_ends).await?;
        }
        self.time.now = self.time.now.max(end);
        Ok(())
    }

    /// The customer writes.
    pub(super) fn customer_writes(&mut self, text: &str, attachments: u16) -> anyhow::Result<()> {
        let message = self.message(Direction::Incoming, Author::Customer, text, attachments)?;
        self.report(EventKind::Message, Some(message), false);
        Ok(())
    }

    /// A person of the team writes: to the customer, or a note.
    pub(super) fn agent_writes(&mut self, text: &str, private: bool) -> anyhow::Result<()> {
        let author = Author::Human(Some(AGENT.to_owned()));
        let message = self.message(Direction::Outgoing, author, text, 0)?;
        self.report(EventKind::Message, Some(PlatformMessage { private, ..message }), false);
        Ok(())
    }

    /// A person is assigned on the platform.
    pub(super) fn assign(&mut self) {
        self.report(EventKind::Updated, None, true);
    }

    /// The conversation is resolved on the platform.
    pub(super) fn resolve(&mut self) {
        self.report(EventKind::Resolved, None, false);
    }

    /// The API hands the conversation to people, or returns it to the bot.
    pub(super) fn request(&mut self, is_hand_over: bool) -> anyhow::Result<()> {
        let now = self.time.catch_up();
        let request = if is_hand_over {
            Request::HandOver(Box::new(bot::hand_over_plan(Some(self.bot), &self.context(now))))
        } else {
            Request::GiveBack
        };
        let settings = bot::settings(self.bot, &self.conversation.contact);
        self.apply(&Event::Requested { request, settings })?;
        Ok(())
    }

    /// Does everything that the deployment would do now, and what it does a moment later.
    pub(super) async fn settle(&mut self, back_ends: &mut impl BackEnds) -> anyhow::Result<()> {
        loop {
            let now = self.time.catch_up();
            let Some(message) = self.take_next(now) else {
                return Ok(());
            };
            self.work_on(message, back_ends).await?;
        }
    }

    /// The next message that is due until `end`, or that needs only a moment: nobody wants to wait for it here.
    fn take_next(&mut self, end: Timestamp) -> Option<Message> {
        let is_next = |message: &&Message| message.due_at <= end || self.is_expected(message);
        let next = self
            .queue
            .iter()
            .filter(is_next)
            .min_by_key(|message| message.due_at)?
            .clone();
        let index = self.queue.iter().position(|message| *message == next)?;
        Some(self.queue.remove(index))
    }

    /// Whether a message is about the present turn or step, or is an event that had to wait. Others, such as limits on a
    /// wait, only count when their time has come.
    fn is_expected(&self, message: &Message) -> bool {
        match &message.work {
            Work::Receive { .. } => true,
            Work::Turn { turn } => self.conversation.turn.is_some_and(|current| current.id == *turn),
            Work::Step { step } => self
                .conversation
                .steps
                .first()
                .is_some_and(|current| current.id == *step),
            Work::Watch { .. } | Work::WaitOver { .. } | Work::GiveBack { .. } => false,
        }
    }

    /// Handles a message as the deployed responder does.
    async fn work_on(&mut self, message: Message, back_ends: &mut impl BackEnds) -> anyhow::Result<()> {
        self.time.now = self.time.now.max(message.due_at);
        let event = match message.work.clone() {
            Work::Receive { event } => self.platform_event(event),
            Work::Turn { turn } => Event::TurnBegins { turn },
            Work::Step { step } => Event::StepBegins { step },
            Work::Watch { step } => Event::StepWatched { step },
            Work::WaitOver { hand_over } => Event::WaitOver { hand_over },
            Work::GiveBack { silence } => Event::Silence {
                silence,
                settings: bot::settings(self.bot, &self.conversation.contact),
            },
        };
        match (self.apply(&event)?, event) {
            (EventOutcome::NotYet(at), _) => self.queue.push(message.with_due_at(at)),
            (EventOutcome::Applied, Event::TurnBegins { turn }) => self.run_turn(turn, back_ends).await?,
            (EventOutcome::Applied, Event::StepBegins { step }) => self.take_step(step)?,
            _ => {}
        }
        Ok(())
    }

    async fn run_turn(&mut self, turn: Nonce, back_ends: &mut impl BackEnds) -> anyhow::Result<()> {
        let lease = self.conversation.turn.and_then(|turn| turn.running);
        let lease = lease.context("a turn runs without a lease")?.id;
        let now = self.time.now;
        let result = Box::new(self.answer(now, back_ends).await?);
        self.time.catch_up();
        self.apply(&Event::TurnEnds { turn, lease, result })?;
        Ok(())
    }

    async fn answer(&mut self, now: Timestamp, back_ends: &mut impl BackEnds) -> anyhow::Result<TurnResult> {
        let mut results = FetchResults::new();
        for _ in 0..MAX_FETCHES {
            match bot::advance(self.bot, &self.context(now), &results) {
                bot::Step::Done(result) => return Ok(*result),
                bot::Step::Fetch(fetch) => {
                    let result = back_ends.answer(&fetch).await?;
                    self.happened.push(Happened::Lookup(Lookup {
                        name: fetch.name,
                        url: fetch.url,
                        status: result.status,
                    }));
                    results.insert(fetch.path, result);
                }
            }
        }
        let reason = "too many requests to back ends";
        Ok(bot::fallback(Some(self.bot), &self.context(now), reason))
    }

    const fn context(&self, now: Timestamp) -> TurnContext<'_> {
        TurnContext {
            conversation: &self.conversation,
            now,
        }
    }

    /// Takes a step. On this platform every step succeeds.
    fn take_step(&mut self, step: Nonce) -> anyhow::Result<()> {
        let steps = &self.conversation.steps;
        let action = steps
            .iter()
            .find(|other| other.id == step)
            .map(|step| step.action.clone());
        let action = action.context("a step that began is unknown")?;
        let is_finish = matches!(action, StepAction::Finish);
        let id = match action {
            StepAction::Post { .. } => Some(self.new_id()?),
            action => {
                self.happened.push(Happened::Step(action));
                None
            }
        };
        let result = StepResult::Done { id };
        self.apply(&Event::StepEnds { step, result })?;
        if is_finish {
            // The platform reports the new status.
            self.resolve();
        }
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> anyhow::Result<EventOutcome> {
        let context = DecisionContext {
            now: self.time.now,
            nonce: Nonce::random(&self.random).context("the system's random number generator failed")?,
        };
        let decision = decide(&self.conversation, event, context);
        self.queue.extend(decision.messages);
        self.happened.extend(decision.entries.into_iter().map(Happened::Entry));
        if let Some(next) = decision.next {
            self.conversation = next;
        }
        Ok(decision.outcome)
    }

    /// Reports an event of the platform, as if it had been received.
    fn report(&mut self, kind: EventKind, message: Option<PlatformMessage>, is_human_assigned: bool) {
        let now = self.time.catch_up();
        let event = PlatformEvent {
            kind,
            inbox: None,
            message,
            contact: self.contact.clone(),
            status: is_human_assigned.then_some(PlatformStatus::Open),
            is_human_assigned,
            initial_message: None,
        };
        let work = Work::Receive { event: Box::new(event) };
        self.queue
            .push(Message::at_once(self.conversation.key.clone(), work, now));
    }

    fn platform_event(&self, event: Box<PlatformEvent>) -> Event {
        let message = event.message.as_ref();
        let heard = message.map_or_else(Heard::default, |message| bot::heard(self.bot, message));
        let settings = bot::settings(self.bot, &event.contact);
        Event::Platform { event, heard, settings }
    }

    fn message(
        &mut self,
        direction: Direction,
        author: Author,
        text: &str,
        attachments: u16,
    ) -> anyhow::Result<PlatformMessage> {
        Ok(PlatformMessage {
            id: self.new_id()?,
            direction,
            private: false,
            text: text.to_owned(),
            attachments,
            author,
        })
    }

    fn new_id(&mut self) -> anyhow::Result<PlatformId> {
        self.ids += 1;
        Ok(self.ids.to_string().parse()?)
    }
}

fn key(id: u64) -> anyhow::Result<ConversationKey> {
    Ok(ConversationKey {
        tenant: "main".parse()?,
        id: id.to_string().parse()?,
    })
}
