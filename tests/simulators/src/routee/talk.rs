//! An answered call: the plan runs, the employee listens and presses keys, and events are sent (sections 4 and 5.4).

use std::time::Duration;

use patchbay::clock::Timestamp;

use super::call::{Call, Ending};
use super::create::{OnMachine, PlanSource};
use super::faults::OutOfMoney;
use super::fields::Problems;
use super::plan::{self, Collect, Plan, Times, Verb, first_collect};
use super::records::{Status, WebhookKind};
use super::state::Command;
use super::switches::{Arms, InvalidReply, Switches};
use super::tones::Tones;
use super::webhooks::Envelope;
use crate::exchange::{EndedBy, Happening};
use crate::hand::{Act, Hand, PLAY_TIME, later_by, speaking_time};
use crate::phones::Answer;

/// The network's own limit: a call that nobody ends must end some time.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// An answered call.
pub(super) struct Talk<'a> {
    call: &'a mut Call,
    plan: Plan,
    hand: Hand,
    tones: Tones,
    /// What collects keys now.
    armed: Option<Collect>,
    /// What collected keys last.
    collected_by: Option<Collect>,
    /// Events whose reply has not come.
    asking: usize,
    /// When the call is ended at the latest, and how.
    limit: (Timestamp, Ending),
    /// When machine detection notices.
    machine_at: Option<Timestamp>,
}

/// A stretch of a call in which one thing happens.
#[derive(Clone, Copy)]
struct Span {
    /// Its end; none when the call waits for a reply.
    end: Option<Timestamp>,
    barge_in: bool,
    /// Whether the plan is over with it.
    last: bool,
}

/// How a stretch ends.
enum Turn {
    /// It is over, or was waited for long enough.
    Elapsed,
    /// A key interrupts it.
    Interrupted,
    /// Another plan takes over.
    Replaced,
    /// So does the call.
    Over(Ending),
}

/// What is said or played.
enum Sound {
    Text(String),
    File(String),
}

impl<'a> Talk<'a> {
    pub(super) fn new(call: &'a mut Call, answer: Answer, now: Timestamp) -> Self {
        let switches = &call.routee.0.switches;
        let asked = call
            .order
            .talk_seconds
            .map_or(LONGEST_CALL, |seconds| Duration::from_secs(seconds.into()));
        let mut limit = (
            asked.min(LONGEST_CALL),
            Ending::new(switches.after_max_duration, EndedBy::MaxDuration),
        );
        if let Some(OutOfMoney::Terminated { after }) = call.money
            && after < limit.0
        {
            limit = (after, Ending::new(Status::Terminated, EndedBy::Money));
        }
        let detects = answer.machine && call.order.machine.is_some() && switches.machine_detection;
        Self {
            machine_at: detects.then(|| later_by(now, switches.machine_detection_after)),
            plan: Plan::new(),
            hand: Hand::new(answer.deeds, now),
            tones: Tones::default(),
            armed: None,
            collected_by: None,
            asking: 0,
            limit: (later_by(now, limit.0), limit.1),
            call,
        }
    }

    /// Runs the plan until the call is over. Also gives the COLLECT event that follows, if one does.
    pub(super) async fn run(mut self) -> (Ending, Option<Envelope>) {
        let ending = match self.first_plan().await {
            Some(plan) => {
                self.begin(plan);
                self.run_plan().await
            }
            // As documented for inbound calls: an invalid plan drops the connection (5.6).
            None => Ending::new(Status::Completed, EndedBy::InvalidReply),
        };
        let event = self.end_event(ending);
        (ending, event)
    }

    async fn first_plan(&mut self) -> Option<Plan> {
        let url = match &self.call.order.plan {
            PlanSource::Given(plan) => return Some(plan.clone()),
            PlanSource::At(url) => url.clone(),
        };
        let question = self
            .call
            .routee
            .plan_question(self.call.id, WebhookKind::DialPlan, url)?;
        let reply = self.call.routee.ask(question).await;
        read_reply(reply.as_deref(), self.switches())
    }

    fn begin(&mut self, plan: Plan) {
        self.armed = None;
        if self.switches().arms == Arms::FromAnswer
            && let Some(collect) = first_collect(&plan)
        {
            self.arm(collect.clone());
        }
        self.plan = plan;
    }

    fn arm(&mut self, collect: Collect) {
        self.collected_by = Some(collect.clone());
        self.armed = Some(collect);
    }

    async fn run_plan(&mut self) -> Ending {
        loop {
            let turn = if self.asking > 0 && self.switches().plan_waits_for_reply {
                self.pass(Span {
                    end: None,
                    barge_in: false,
                    last: false,
                })
                .await
            } else if let Some(verb) = self.plan.pop_front() {
                self.perform(verb).await
            } else {
                return Ending::new(Status::Completed, EndedBy::Plan);
            };
            if let Turn::Over(ending) = turn {
                return ending;
            }
        }
    }

    async fn perform(&mut self, verb: Verb) -> Turn {
        match verb {
            Verb::Collect(collect) => {
                self.arm(collect);
                Turn::Elapsed
            }
            Verb::Pause { seconds } => {
                let (now, duration) = (self.now(), Duration::from_secs(seconds.into()));
                self.call.routee.emit(self.call.id, Happening::Pauses { seconds });
                self.hand.hears_nothing(now, duration);
                self.quietly(duration).await
            }
            Verb::Dial { seconds } => self.quietly(Duration::from_secs(seconds.into())).await,
            Verb::Say { text, times, barge_in } => self.sound(&Sound::Text(text), times, barge_in).await,
            Verb::Play { url, times, barge_in } => self.sound(&Sound::File(url), times, barge_in).await,
        }
    }

    async fn quietly(&mut self, duration: Duration) -> Turn {
        let end = Some(later_by(self.now(), duration));
        let last = self.nothing_follows();
        self.pass(Span {
            end,
            barge_in: false,
            last,
        })
        .await
    }

    async fn sound(&mut self, sound: &Sound, times: Times, barge_in: bool) -> Turn {
        let mut spoken = 0;
        loop {
            let duration = self.hear(sound);
            spoken += 1;
            let again = match times {
                Times::Number(number) => spoken < number,
                Times::Forever => true,
            };
            let end = Some(later_by(self.now(), duration));
            let last = !again && self.nothing_follows();
            match self.pass(Span { end, barge_in, last }).await {
                Turn::Elapsed if again => {}
                turn => return turn,
            }
        }
    }

    /// The employee hears something; says how long it takes.
    fn hear(&mut self, sound: &Sound) -> Duration {
        let now = self.now();
        let (words, duration, happening) = match sound {
            Sound::Text(text) => {
                let duration = speaking_time(text);
                self.hand.hears(text, now, duration);
                (text.clone(), duration, Happening::Says { text: text.clone() })
            }
            Sound::File(url) => (url.clone(), PLAY_TIME, Happening::Plays { url: url.clone() }),
        };
        if let Some(leg) = self.call.routee.lock().leg_mut(self.call.id) {
            leg.record.heard.push((now, words));
        }
        self.call.routee.emit(self.call.id, happening);
        duration
    }

    fn nothing_follows(&self) -> bool {
        !self.plan.iter().any(Verb::takes_time)
    }

    /// Lets a stretch pass, with everything that happens in it.
    async fn pass(&mut self, span: Span) -> Turn {
        loop {
            let now = self.now();
            let near = self.near_the_end(span);
            if near.is_some_and(|near| near <= now) {
                self.hand.end_is_near(now);
            }
            if let Some(act) = self.hand.act(now) {
                if let Some(turn) = self.act(act, span) {
                    return turn;
                }
                continue;
            }
            if now >= self.limit.0 {
                return Turn::Over(self.limit.1);
            }
            if self.machine_at.is_some_and(|at| at <= now) {
                self.machine_at = None;
                if let Some(turn) = self.machine_noticed() {
                    return turn;
                }
                continue;
            }
            if span.end.is_some_and(|end| now >= end) {
                return Turn::Elapsed;
            }
            let moments = [span.end, near, self.hand.next(), self.machine_at];
            let until = moments.into_iter().flatten().fold(self.limit.0, Timestamp::min);
            let Some(command) = self.call.wait(until).await else {
                continue;
            };
            if let Some(turn) = self.obey(command, span) {
                return turn;
            }
        }
    }

    /// When the hand acts just before the end, if it means to and the end falls into this stretch.
    fn near_the_end(&self, span: Span) -> Option<Timestamp> {
        let stretch_end = span.end?;
        let end = if span.last {
            stretch_end.min(self.limit.0)
        } else {
            self.limit.0
        };
        self.hand.before(end).filter(|_| end <= stretch_end)
    }

    fn act(&mut self, act: Act, span: Span) -> Option<Turn> {
        match act {
            Act::Key(key) => self.press(key, span),
            Act::HangUp => Some(Turn::Over(Ending::new(Status::Completed, EndedBy::Employee))),
            Act::Beep => {
                self.call.routee.emit(self.call.id, Happening::Beeps);
                None
            }
        }
    }

    fn obey(&mut self, command: Command, span: Span) -> Option<Turn> {
        match command {
            Command::PickUp | Command::ApiReject => None,
            Command::Key(key) => self.act(Act::Key(key), span),
            Command::HangUp => self.act(Act::HangUp, span),
            Command::ApiHangup => Some(Turn::Over(Ending::new(self.switches().after_hangup, EndedBy::Api))),
            Command::Reply(Some(plan)) => {
                self.asking = self.asking.saturating_sub(1);
                let switches = self.call.routee.0.switches.clone();
                self.tones.plan_replaced(&switches);
                self.begin(plan);
                self.call.routee.emit(self.call.id, Happening::PlanReplaced);
                Some(Turn::Replaced)
            }
            Command::Reply(None) => {
                self.asking = self.asking.saturating_sub(1);
                match self.switches().invalid_reply {
                    InvalidReply::Drop => Some(Turn::Over(Ending::new(Status::Completed, EndedBy::InvalidReply))),
                    InvalidReply::Continue => span.end.is_none().then_some(Turn::Elapsed),
                }
            }
        }
    }

    fn press(&mut self, key: char, span: Span) -> Option<Turn> {
        let now = self.now();
        let routee = self.call.routee.clone();
        if let Some(leg) = routee.lock().leg_mut(self.call.id) {
            leg.record.keys.push((now, key));
        }
        routee.emit(self.call.id, Happening::Key { key });
        if let Some(collect) = &self.armed {
            let tells = self.tones.press(key, !span.barge_in, collect, &routee.0.switches);
            let url = collect.event_url.clone().filter(|_| tells);
            if let Some(url) = url {
                let tones = self.tones.tell(&routee.0.switches);
                routee.emit(self.call.id, Happening::Tells { tones: tones.clone() });
                self.ask(routee.collect_event(self.call.id, url, &tones, false));
            }
            if let Some(leg) = routee.lock().leg_mut(self.call.id) {
                leg.tones = self.tones.clone();
            }
        }
        span.barge_in.then_some(Turn::Interrupted)
    }

    /// Sends a question; the reply comes back as a command.
    fn ask(&mut self, question: Option<Envelope>) {
        let Some(question) = question else { return };
        self.asking += 1;
        let (routee, id) = (self.call.routee.clone(), self.call.id);
        tokio::spawn(async move {
            let reply = routee.ask(question).await;
            routee.command(id, Command::Reply(read_reply(reply.as_deref(), routee.switches())));
        });
    }

    fn machine_noticed(&mut self) -> Option<Turn> {
        match self.call.order.machine.clone()? {
            OnMachine::HangUp => Some(Turn::Over(Ending::new(
                self.switches().after_machine_hangup,
                EndedBy::Machine,
            ))),
            OnMachine::Continue(url) => {
                self.ask(self.call.routee.plan_question(self.call.id, WebhookKind::Machine, url));
                None
            }
        }
    }

    /// The COLLECT event of the ended call (5.4).
    fn end_event(&self, ending: Ending) -> Option<Envelope> {
        let switches = self.switches();
        let collect = self.collected_by.as_ref()?;
        let wanted = switches.end_event
            && (switches.end_event_without_keys || !self.tones.is_empty())
            && (switches.end_event_after_replacement || self.armed.is_some())
            && (switches.end_event_after_hang_up || ending.by != EndedBy::Employee);
        let url = collect.event_url.clone().filter(|_| wanted)?;
        let tones = self.tones.at_end(collect, switches);
        self.call
            .routee
            .collect_event(self.call.id, url, &tones, switches.end_event_is_retried)
    }

    fn now(&self) -> Timestamp {
        self.call.routee.now()
    }

    fn switches(&self) -> &Switches {
        &self.call.routee.0.switches
    }
}

/// The plan in a reply, if it is a valid one.
fn read_reply(body: Option<&str>, switches: &Switches) -> Option<Plan> {
    let body = serde_json::from_str(body?).ok()?;
    let mut problems = Problems::new(switches.refuses_unknown_fields);
    plan::read("", &body, &mut problems).filter(|_| problems.is_empty())
}
