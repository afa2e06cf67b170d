//! An answered call: documents are done verb by verb, the employee listens and presses keys, and actions are requested
//! (`twilio.md` 2.1, 2.3, 3).

use std::collections::VecDeque;
use std::time::Duration;

use patchbay::clock::Timestamp;

use super::super::{RequestRecord, Twilio};
use super::call::{Call, Ending};
use super::order::{Detection, Source};
use super::records::Status;
use super::state::Command;
use super::switches::{CallSwitches, MachineEnd, Verdict};
use super::verbs::{self, Gather, Verb};
use super::webhooks::Fields;
use crate::exchange::{EndedBy, Happening};
use crate::hand::{Act, Hand, PLAY_TIME, later_by, speaking_time};
use crate::phones::Answer;

/// The network's own limit: a call that nobody ends must end some time.
const LONGEST_CALL: Duration = Duration::from_hours(1);
/// Documents after which a call is taken for one that runs in circles.
const MAX_DOCUMENTS: usize = 100;
/// How much longer than to know a machine it takes to hear the end of its greeting.
const GREETING: Duration = Duration::from_secs(6);
/// What an application error sounds like.
const APPLICATION_ERROR: &str = "An application error has occurred.";

/// An answered call.
pub(super) struct Talk<'a> {
    call: &'a mut Call,
    hand: Hand,
    switches: CallSwitches,
    /// When the call is ended at the latest.
    limit: Timestamp,
    answered_at: Timestamp,
    /// When machine detection knows, and what.
    verdict: Option<(Timestamp, &'static str)>,
    /// Requests so far: an answer to an earlier one than the last is not wanted any more.
    asked: u64,
    /// Whether the fallback was tried: it is once.
    fell_back: bool,
}

/// What is done next.
enum Step {
    Begin(Source),
    Ask(String, Fields),
    Perform { verbs: VecDeque<Verb>, url: String },
    Over(Ending),
}

/// A stretch of a call in which one thing happens.
#[derive(Clone, Copy)]
struct Span {
    /// Its end; none when the call waits for a document.
    end: Option<Timestamp>,
    /// Whether a key is taken.
    gathers: bool,
    /// Whether the call is over with it.
    last: bool,
}

/// How a stretch ends.
enum Turn {
    Elapsed,
    Key(char),
    Reply(Box<RequestRecord>),
    Redirected(Source),
    Over(Ending),
}

impl<'a> Talk<'a> {
    pub(super) fn new(call: &'a mut Call, answer: Answer, now: Timestamp) -> Self {
        let switches = call.twilio.switches().calls;
        let asked = call
            .order
            .talk_seconds
            .map(|seconds| Duration::from_secs(seconds.into()));
        let longest = asked.map_or(LONGEST_CALL, |asked| asked.min(LONGEST_CALL));
        let verdict = call
            .order
            .detection
            .as_ref()
            .and_then(|detection| verdict(&call.twilio, detection, &switches, answer.machine));
        Self {
            hand: Hand::new(answer.deeds, now),
            switches,
            limit: later_by(now, longest),
            answered_at: now,
            verdict: verdict.map(|(after, who)| (later_by(now, after), who)),
            asked: 0,
            fell_back: false,
            call,
        }
    }

    /// Does the documents until the call is over.
    pub(super) async fn run(mut self) -> Ending {
        let ending = self.documents().await;
        if self.verdict.is_some() && self.switches.verdict_after_hang_up {
            let after = self.now().since(self.answered_at);
            self.call.twilio.tell_verdict(self.call.id, "unknown", after);
        }
        ending
    }

    async fn documents(&mut self) -> Ending {
        let mut step = self.wait_for_verdict().await;
        for _ in 0..MAX_DOCUMENTS * 2 {
            step = match step {
                Step::Begin(Source::At(url)) => Step::Ask(url, Vec::new()),
                Step::Begin(Source::Inline(twiml)) => {
                    let status_url = self.call.order.status_url.as_deref();
                    let document = verbs::inline(&twiml, status_url);
                    self.read(&document, true)
                }
                Step::Ask(url, fields) => self.ask(&url, fields).await,
                Step::Perform { verbs, url } => self.perform_all(verbs, &url).await,
                Step::Over(ending) => return ending,
            };
        }
        self.fail("the call runs in circles".to_owned());
        Ending::new(Status::Completed, EndedBy::InvalidReply)
    }

    /// Documents begin at once, unless they wait for machine detection.
    async fn wait_for_verdict(&mut self) -> Step {
        let waits = self
            .call
            .order
            .detection
            .as_ref()
            .is_some_and(|detection| !detection.is_async);
        while let Some((at, _)) = self.verdict.filter(|_| waits) {
            let span = Span {
                end: Some(at),
                gathers: false,
                last: false,
            };
            match self.pass(span).await {
                Turn::Over(ending) => return Step::Over(ending),
                Turn::Redirected(source) => return Step::Begin(source),
                Turn::Elapsed | Turn::Key(_) | Turn::Reply(_) => self.look_at_verdict(),
            }
        }
        Step::Begin(self.call.order.source.clone())
    }

    /// Takes a document, or what comes of one that is none.
    fn read(&mut self, answer: &RequestRecord, is_inline: bool) -> Step {
        match verbs::read(answer, is_inline) {
            Ok(verbs) => Step::Perform {
                verbs,
                url: answer.url.clone(),
            },
            Err(faults) => self.failed(answer, faults),
        }
    }

    fn failed(&mut self, answer: &RequestRecord, faults: Vec<String>) -> Step {
        for fault in faults {
            self.fail(fault);
        }
        let fallback = self.call.order.fallback_url.clone().filter(|_| !self.fell_back);
        if let Some(url) = fallback {
            self.fell_back = true;
            let code = if answer.status == 200 { "12100" } else { "11200" };
            let fields = [("ErrorCode", code), ("ErrorUrl", answer.url.as_str())];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return Step::Ask(url, fields.to_vec());
        }
        self.hears(APPLICATION_ERROR);
        Step::Over(Ending::new(Status::Completed, EndedBy::InvalidReply))
    }

    async fn ask(&mut self, url: &str, fields: Fields) -> Step {
        self.send(url, fields);
        loop {
            let waiting = Span {
                end: None,
                gathers: false,
                last: false,
            };
            match self.pass(waiting).await {
                Turn::Reply(answer) => return self.read(&answer, false),
                Turn::Redirected(source) => return Step::Begin(source),
                Turn::Over(ending) => return Step::Over(ending),
                Turn::Elapsed | Turn::Key(_) => {}
            }
        }
    }

    /// Requests a document; the answer comes back as a command.
    fn send(&mut self, url: &str, mut fields: Fields) {
        self.asked += 1;
        let waits = self
            .call
            .order
            .detection
            .as_ref()
            .is_some_and(|detection| !detection.is_async);
        let who = self.answered_by().filter(|_| waits);
        fields.extend(who.map(|who| ("AnsweredBy".to_owned(), who)));
        let (twilio, id, number) = (self.call.twilio.clone(), self.call.id, self.asked);
        let reply = twilio.ask(id, url, fields);
        tokio::spawn(async move {
            if let Ok(answer) = reply.await {
                twilio.command(id, Command::Reply(number, Box::new(answer)));
            }
        });
    }

    async fn perform_all(&mut self, mut verbs: VecDeque<Verb>, url: &str) -> Step {
        while let Some(verb) = verbs.pop_front() {
            let last = !verbs.iter().any(Verb::takes_time);
            let next = match verb {
                Verb::Hangup => break,
                Verb::Redirect(to) => Some(Step::Ask(to, Vec::new())),
                Verb::Gather(gather) => self.gather(gather, url, last).await,
                Verb::Other(name) => {
                    self.fail(format!("<{name}> is not simulated in calls to employees"));
                    None
                }
                audible => step_of(self.sound(&audible, false, last).await),
            };
            if let Some(step) = next {
                return step;
            }
        }
        Step::Over(Ending::new(Status::Completed, EndedBy::Plan))
    }

    /// Says, plays or pauses.
    async fn sound(&mut self, verb: &Verb, gathers: bool, last: bool) -> Turn {
        let times = match verb {
            Verb::Say { times, .. } | Verb::Play { times, .. } => *times,
            _ => 1,
        };
        for time in 1..=times {
            let duration = self.begin_sound(verb);
            let span = Span {
                end: Some(later_by(self.now(), duration)),
                gathers,
                last: last && time == times,
            };
            match self.pass(span).await {
                Turn::Elapsed => {}
                turn => return turn,
            }
        }
        Turn::Elapsed
    }

    /// The employee hears something, or nothing; says how long it takes.
    fn begin_sound(&mut self, verb: &Verb) -> Duration {
        let now = self.now();
        match verb {
            Verb::Say { text, .. } => {
                let duration = speaking_time(text);
                self.hand.hears(text, now, duration);
                self.hears(text);
                self.emit(Happening::Says { text: text.clone() });
                duration
            }
            Verb::Play { url, .. } => {
                self.hears(url);
                self.emit(Happening::Plays { url: url.clone() });
                PLAY_TIME
            }
            Verb::Pause { seconds } => {
                let duration = Duration::from_secs((*seconds).into());
                self.hand.hears_nothing(now, duration);
                self.emit(Happening::Pauses { seconds: *seconds });
                duration
            }
            _ => Duration::ZERO,
        }
    }

    /// None when it fell through to the next verb.
    async fn gather(&mut self, gather: Gather, url: &str, last: bool) -> Option<Step> {
        let mut key = None;
        for verb in &gather.nested {
            match self.sound(verb, true, false).await {
                Turn::Elapsed => {}
                Turn::Key(pressed) => {
                    key = Some(pressed);
                    break;
                }
                turn => return step_of(turn),
            }
        }
        let mut digits = String::new();
        let mut finished_on = None;
        loop {
            if let Some(pressed) = key.take() {
                if gather.finish_on == Some(pressed) {
                    finished_on = Some(pressed);
                    break;
                }
                digits.push(pressed);
                if gather.digits.is_some_and(|most| digits.len() >= most) {
                    break;
                }
            }
            let span = Span {
                end: Some(later_by(self.now(), gather.timeout)),
                gathers: true,
                last: last && digits.is_empty() && !gather.on_empty,
            };
            match self.pass(span).await {
                Turn::Elapsed => break,
                Turn::Key(pressed) => key = Some(pressed),
                Turn::Over(ending) => {
                    self.gone_in_the_middle(ending, &digits, &gather, url);
                    return Some(Step::Over(ending));
                }
                turn => return step_of(turn),
            }
        }
        if digits.is_empty() && !gather.on_empty {
            return None;
        }
        Some(self.submit(digits, finished_on, &gather, url))
    }

    fn submit(&self, digits: String, finished_on: Option<char>, gather: &Gather, url: &str) -> Step {
        self.told(&digits);
        let mut fields = vec![("Digits".to_owned(), digits)];
        if self.switches.gather_says_more {
            let key = finished_on.map(String::from).unwrap_or_default();
            fields.push(("FinishedOnKey".to_owned(), key));
            fields.push(("msg".to_owned(), "Gather End".to_owned()));
        }
        Step::Ask(gather.action.clone().unwrap_or_else(|| url.to_owned()), fields)
    }

    /// The employee hung up before the keys were told.
    fn gone_in_the_middle(&mut self, ending: Ending, digits: &str, gather: &Gather, url: &str) {
        let by_employee = ending.by == EndedBy::Employee;
        if digits.is_empty() || !by_employee || !self.switches.hang_up_submits {
            return;
        }
        if let Step::Ask(url, fields) = self.submit(digits.to_owned(), None, gather, url) {
            self.send(&url, fields);
        }
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
            if now >= self.limit {
                return Turn::Over(Ending::new(Status::Completed, EndedBy::MaxDuration));
            }
            self.look_at_verdict();
            if span.end.is_some_and(|end| now >= end) {
                return Turn::Elapsed;
            }
            let verdict_at = self.verdict.map(|(at, _)| at);
            let moments = [span.end, near, self.hand.next(), verdict_at];
            let until = moments.into_iter().flatten().fold(self.limit, Timestamp::min);
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
            stretch_end.min(self.limit)
        } else {
            self.limit
        };
        self.hand.before(end).filter(|_| end <= stretch_end)
    }

    fn act(&mut self, act: Act, span: Span) -> Option<Turn> {
        match act {
            Act::Key(key) => self.press(key, span),
            Act::HangUp => Some(Turn::Over(Ending::new(Status::Completed, EndedBy::Employee))),
            Act::Beep => {
                self.emit(Happening::Beeps);
                None
            }
        }
    }

    fn obey(&mut self, command: Command, span: Span) -> Option<Turn> {
        match command {
            Command::PickUp => None,
            Command::Key(key) => self.press(key, span),
            Command::HangUp => self.act(Act::HangUp, span),
            Command::Stop(status) => Some(Turn::Over(Ending::new(status, EndedBy::Api))),
            Command::Redirect(source) => {
                // What is on its way is not wanted any more.
                self.asked += 1;
                self.emit(Happening::PlanReplaced);
                Some(Turn::Redirected(source))
            }
            Command::Reply(number, answer) => (number == self.asked).then(|| {
                self.emit(Happening::PlanReplaced);
                Turn::Reply(answer)
            }),
        }
    }

    /// A key outside a `<Gather>` is heard by nobody.
    fn press(&self, key: char, span: Span) -> Option<Turn> {
        let now = self.now();
        if let Some(leg) = self.call.twilio.out().leg_mut(self.call.id) {
            leg.record.keys.push((now, key));
        }
        self.emit(Happening::Key { key });
        span.gathers.then_some(Turn::Key(key))
    }

    /// Machine detection says what it knows, when it is time.
    fn look_at_verdict(&mut self) {
        let Some((at, who)) = self.verdict.filter(|(at, _)| *at <= self.now()) else {
            return;
        };
        self.verdict = None;
        if let Some(leg) = self.call.twilio.out().leg_mut(self.call.id) {
            leg.record.answered_by = Some(who.to_owned());
        }
        let after = at.since(self.answered_at);
        self.call.twilio.tell_verdict(self.call.id, who, after);
    }

    fn answered_by(&self) -> Option<String> {
        let state = self.call.twilio.out();
        state.leg(self.call.id).and_then(|leg| leg.record.answered_by.clone())
    }

    fn hears(&self, words: &str) {
        let now = self.now();
        if let Some(leg) = self.call.twilio.out().leg_mut(self.call.id) {
            leg.record.heard.push((now, words.to_owned()));
        }
    }

    fn told(&self, digits: &str) {
        let now = self.now();
        if let Some(leg) = self.call.twilio.out().leg_mut(self.call.id) {
            leg.record.told.push((now, digits.to_owned()));
        }
        self.emit(Happening::Tells {
            tones: digits.to_owned(),
        });
    }

    fn fail(&self, fault: String) {
        if let Some(leg) = self.call.twilio.out().leg_mut(self.call.id) {
            leg.record.failures.push(fault);
        }
    }

    fn emit(&self, what: Happening) {
        self.call.twilio.emit(self.call.id, what);
    }

    fn now(&self) -> Timestamp {
        self.call.twilio.now()
    }
}

/// What follows a stretch that was not over by itself.
fn step_of(turn: Turn) -> Option<Step> {
    match turn {
        Turn::Redirected(source) => Some(Step::Begin(source)),
        Turn::Over(ending) => Some(Step::Over(ending)),
        Turn::Elapsed | Turn::Key(_) | Turn::Reply(_) => None,
    }
}

/// How long after the answer machine detection knows, and what; none when it never does.
fn verdict(
    twilio: &Twilio,
    detection: &Detection,
    switches: &CallSwitches,
    is_machine: bool,
) -> Option<(Duration, &'static str)> {
    let longest = Duration::from_secs(detection.seconds.into());
    let mistaken = {
        let mut guard = twilio.out();
        let state = &mut *guard;
        state.rng.chance(state.faults.mistaken)
    };
    let machine = match switches.machine_end {
        MachineEnd::Beep => "machine_end_beep",
        MachineEnd::Silence => "machine_end_silence",
        MachineEnd::Other => "machine_end_other",
    };
    let known = |after: Duration, who| (after.min(longest), who);
    match (switches.verdict, is_machine != mistaken) {
        (Verdict::Never, _) if detection.is_async => None,
        (Verdict::Never, _) => Some((longest, "unknown")),
        (Verdict::AlwaysUnknown, _) => Some(known(switches.verdict_after, "unknown")),
        (Verdict::Truth, false) => Some(known(switches.verdict_after, "human")),
        (Verdict::Truth, true) if detection.at_message_end => Some(known(switches.verdict_after + GREETING, machine)),
        (Verdict::Truth, true) => Some(known(switches.verdict_after, "machine_start")),
    }
}
