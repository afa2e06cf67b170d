//! An answered call: executes documents verb by verb, performs the employee's script, and requests actions
//! (twilio/CONTRACT.md 2.1, 2.3, 3).

use std::collections::VecDeque;
use std::time::Duration;

use patchbay::clock::Timestamp;

use super::super::{RequestRecord, Twilio};
use super::call::{Call, Ending};
use super::order::{Detection, Source};
use super::records::Status;
use super::state::Command;
use super::switches::{CallSwitches, DetectionResult, MachineEnd};
use super::verbs::{self, Gather, Verb};
use super::webhooks::Fields;
use crate::exchange::{EndedBy, PhoneEventKind};
use crate::phones::Answer;
use crate::script_runner::{Input, PLAY_TIME, ScriptRunner, later_by, speaking_time};

/// The network's own limit, for calls without an end.
const LONGEST_CALL: Duration = Duration::from_hours(1);
/// Documents after which a call counts as an endless loop.
const MAX_DOCUMENTS: usize = 100;
/// Additional time until machine detection notices the end of the greeting.
const GREETING: Duration = Duration::from_secs(6);
/// What the employee hears after an application error.
const APPLICATION_ERROR: &str = "An application error has occurred.";

/// An answered call.
pub(super) struct AnsweredCall<'a> {
    call: &'a mut Call,
    script: ScriptRunner,
    switches: CallSwitches,
    /// The latest end of the call.
    limit: Timestamp,
    answered_at: Timestamp,
    /// The time and the result of machine detection, until it is reported.
    detection_result: Option<(Timestamp, &'static str)>,
    /// The number of requests so far. A response to any but the last one is ignored.
    requests: u64,
    /// Whether the fallback was requested: at most once.
    fallback_used: bool,
}

/// The next step of the call.
enum Step {
    Begin(Source),
    Fetch(String, Fields),
    Perform { verbs: VecDeque<Verb>, url: String },
    Over(Ending),
}

/// A period of a call in which one verb runs, or in which it waits for a document.
#[derive(Clone, Copy)]
struct Period {
    /// `None` while the call waits for a document.
    end: Option<Timestamp>,
    /// Whether keys are collected.
    gathers: bool,
    /// Whether the call ends with it.
    last: bool,
}

/// How a period ended.
enum PeriodEnd {
    Elapsed,
    Key(char),
    Reply(Box<RequestRecord>),
    Redirected(Source),
    Over(Ending),
}

impl<'a> AnsweredCall<'a> {
    pub(super) fn new(call: &'a mut Call, answer: Answer, now: Timestamp) -> Self {
        let switches = call.twilio.switches().calls;
        let asked = call
            .order
            .talk_seconds
            .map(|seconds| Duration::from_secs(seconds.into()));
        let longest = asked.map_or(LONGEST_CALL, |asked| asked.min(LONGEST_CALL));
        let detection_result = call
            .order
            .detection
            .as_ref()
            .and_then(|detection| detection_result(&call.twilio, detection, &switches, answer.machine));
        Self {
            script: ScriptRunner::new(answer.actions, now),
            switches,
            limit: later_by(now, longest),
            answered_at: now,
            detection_result: detection_result.map(|(after, who)| (later_by(now, after), who)),
            requests: 0,
            fallback_used: false,
            call,
        }
    }

    /// Executes documents until the call ends.
    pub(super) async fn run(mut self) -> Ending {
        let ending = self.documents().await;
        if self.detection_result.is_some() && self.switches.detection_after_hang_up {
            let after = self.now().since(self.answered_at);
            self.call.twilio.send_detection(self.call.id, "unknown", after);
        }
        ending
    }

    async fn documents(&mut self) -> Ending {
        let mut step = self.wait_for_detection().await;
        for _ in 0..MAX_DOCUMENTS * 2 {
            step = match step {
                Step::Begin(Source::At(url)) => Step::Fetch(url, Vec::new()),
                Step::Begin(Source::Inline(twiml)) => {
                    let status_url = self.call.order.status_url.as_deref();
                    let document = verbs::inline(&twiml, status_url);
                    self.read(&document, true)
                }
                Step::Fetch(url, fields) => self.fetch(&url, fields).await,
                Step::Perform { verbs, url } => self.perform_all(verbs, &url).await,
                Step::Over(ending) => return ending,
            };
        }
        self.fail("the call is an endless loop".to_owned());
        Ending::new(Status::Completed, EndedBy::InvalidReply)
    }

    /// Waits for machine detection, unless it is async, then starts the first document.
    async fn wait_for_detection(&mut self) -> Step {
        let waits = self
            .call
            .order
            .detection
            .as_ref()
            .is_some_and(|detection| !detection.is_async);
        while let Some((at, _)) = self.detection_result.filter(|_| waits) {
            let period = Period {
                end: Some(at),
                gathers: false,
                last: false,
            };
            match self.pass(period).await {
                PeriodEnd::Over(ending) => return Step::Over(ending),
                PeriodEnd::Redirected(source) => return Step::Begin(source),
                PeriodEnd::Elapsed | PeriodEnd::Key(_) | PeriodEnd::Reply(_) => self.report_detection(),
            }
        }
        Step::Begin(self.call.order.source.clone())
    }

    /// Parses a document. An invalid one leads to the fallback or ends the call.
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
        let fallback = self.call.order.fallback_url.clone().filter(|_| !self.fallback_used);
        if let Some(url) = fallback {
            self.fallback_used = true;
            let code = if answer.status == 200 { "12100" } else { "11200" };
            let fields = [("ErrorCode", code), ("ErrorUrl", answer.url.as_str())];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return Step::Fetch(url, fields.to_vec());
        }
        self.record_heard(APPLICATION_ERROR);
        Step::Over(Ending::new(Status::Completed, EndedBy::InvalidReply))
    }

    async fn fetch(&mut self, url: &str, fields: Fields) -> Step {
        self.send(url, fields);
        loop {
            let waiting = Period {
                end: None,
                gathers: false,
                last: false,
            };
            match self.pass(waiting).await {
                PeriodEnd::Reply(answer) => return self.read(&answer, false),
                PeriodEnd::Redirected(source) => return Step::Begin(source),
                PeriodEnd::Over(ending) => return Step::Over(ending),
                PeriodEnd::Elapsed | PeriodEnd::Key(_) => {}
            }
        }
    }

    /// Requests a document. The response arrives as a command.
    fn send(&mut self, url: &str, mut fields: Fields) {
        self.requests += 1;
        let waits = self
            .call
            .order
            .detection
            .as_ref()
            .is_some_and(|detection| !detection.is_async);
        let who = self.answered_by().filter(|_| waits);
        fields.extend(who.map(|who| ("AnsweredBy".to_owned(), who)));
        let (twilio, id, number) = (self.call.twilio.clone(), self.call.id, self.requests);
        let reply = twilio.request_document(id, url, fields);
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
                Verb::Redirect(to) => Some(Step::Fetch(to, Vec::new())),
                Verb::Gather(gather) => self.gather(gather, url, last).await,
                Verb::Other(name) => {
                    self.fail(format!("<{name}> is not supported in simulated calls to employees"));
                    None
                }
                audible => next_step(self.sound(&audible, false, last).await),
            };
            if let Some(step) = next {
                return step;
            }
        }
        Step::Over(Ending::new(Status::Completed, EndedBy::Plan))
    }

    /// Executes a `<Say>`, `<Play>` or `<Pause>`.
    async fn sound(&mut self, verb: &Verb, gathers: bool, last: bool) -> PeriodEnd {
        let times = match verb {
            Verb::Say { times, .. } | Verb::Play { times, .. } => *times,
            _ => 1,
        };
        for time in 1..=times {
            let duration = self.start_sound(verb);
            let period = Period {
                end: Some(later_by(self.now(), duration)),
                gathers,
                last: last && time == times,
            };
            match self.pass(period).await {
                PeriodEnd::Elapsed => {}
                end => return end,
            }
        }
        PeriodEnd::Elapsed
    }

    /// Starts a `<Say>`, `<Play>` or `<Pause>`, and returns how long it takes.
    fn start_sound(&mut self, verb: &Verb) -> Duration {
        let now = self.now();
        match verb {
            Verb::Say { text, .. } => {
                let duration = speaking_time(text);
                self.script.text_started(text, now, duration);
                self.record_heard(text);
                self.emit(PhoneEventKind::Says { text: text.clone() });
                duration
            }
            Verb::Play { url, .. } => {
                self.record_heard(url);
                self.emit(PhoneEventKind::Plays { url: url.clone() });
                PLAY_TIME
            }
            Verb::Pause { seconds } => {
                let duration = Duration::from_secs((*seconds).into());
                self.script.pause_started(now, duration);
                self.emit(PhoneEventKind::Pauses { seconds: *seconds });
                duration
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns `None` if the call continues with the next verb.
    async fn gather(&mut self, gather: Gather, url: &str, last: bool) -> Option<Step> {
        let mut key = None;
        for verb in &gather.nested {
            match self.sound(verb, true, false).await {
                PeriodEnd::Elapsed => {}
                PeriodEnd::Key(pressed) => {
                    key = Some(pressed);
                    break;
                }
                end => return next_step(end),
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
            let period = Period {
                end: Some(later_by(self.now(), gather.timeout)),
                gathers: true,
                last: last && digits.is_empty() && !gather.on_empty,
            };
            match self.pass(period).await {
                PeriodEnd::Elapsed => break,
                PeriodEnd::Key(pressed) => key = Some(pressed),
                PeriodEnd::Over(ending) => {
                    self.submit_on_hang_up(ending, &digits, &gather, url);
                    return Some(Step::Over(ending));
                }
                end => return next_step(end),
            }
        }
        if digits.is_empty() && !gather.on_empty {
            return None;
        }
        Some(self.submit(digits, finished_on, &gather, url))
    }

    fn submit(&self, digits: String, finished_on: Option<char>, gather: &Gather, url: &str) -> Step {
        self.record_digits(&digits);
        let mut fields = vec![("Digits".to_owned(), digits)];
        if self.switches.gather_sends_more_fields {
            let key = finished_on.map(String::from).unwrap_or_default();
            fields.push(("FinishedOnKey".to_owned(), key));
            fields.push(("msg".to_owned(), "Gather End".to_owned()));
        }
        Step::Fetch(gather.action.clone().unwrap_or_else(|| url.to_owned()), fields)
    }

    /// Submits incomplete keys when the employee hung up, if the switch says so.
    fn submit_on_hang_up(&mut self, ending: Ending, digits: &str, gather: &Gather, url: &str) {
        let by_employee = ending.by == EndedBy::Employee;
        if digits.is_empty() || !by_employee || !self.switches.hang_up_submits {
            return;
        }
        if let Step::Fetch(url, fields) = self.submit(digits.to_owned(), None, gather, url) {
            self.send(&url, fields);
        }
    }

    /// Waits until a period ends, and handles everything that happens in it.
    async fn pass(&mut self, period: Period) -> PeriodEnd {
        loop {
            let now = self.now();
            let near = self.script_wakes_at(period);
            if near.is_some_and(|near| near <= now) {
                self.script.end_is_near(now);
            }
            if let Some(input) = self.script.take_due(now) {
                if let Some(end) = self.apply_input(input, period) {
                    return end;
                }
                continue;
            }
            if now >= self.limit {
                return PeriodEnd::Over(Ending::new(Status::Completed, EndedBy::MaxDuration));
            }
            self.report_detection();
            if period.end.is_some_and(|end| now >= end) {
                return PeriodEnd::Elapsed;
            }
            let detection_at = self.detection_result.map(|(at, _)| at);
            let moments = [period.end, near, self.script.next_due(), detection_at];
            let until = moments.into_iter().flatten().fold(self.limit, Timestamp::min);
            let Some(command) = self.call.wait(until).await else {
                continue;
            };
            if let Some(end) = self.handle_command(command, period) {
                return end;
            }
        }
    }

    /// When the script acts just before the end, if it does and the end lies in this period.
    fn script_wakes_at(&self, period: Period) -> Option<Timestamp> {
        let period_end = period.end?;
        let end = if period.last {
            period_end.min(self.limit)
        } else {
            self.limit
        };
        self.script.wakes_before(end).filter(|_| end <= period_end)
    }

    fn apply_input(&mut self, input: Input, period: Period) -> Option<PeriodEnd> {
        match input {
            Input::Key(key) => self.press(key, period),
            Input::HangUp => Some(PeriodEnd::Over(Ending::new(Status::Completed, EndedBy::Employee))),
            Input::Beep => {
                self.emit(PhoneEventKind::Beeps);
                None
            }
        }
    }

    fn handle_command(&mut self, command: Command, period: Period) -> Option<PeriodEnd> {
        match command {
            Command::PickUp => None,
            Command::Key(key) => self.press(key, period),
            Command::HangUp => self.apply_input(Input::HangUp, period),
            Command::Stop(status) => Some(PeriodEnd::Over(Ending::new(status, EndedBy::Api))),
            Command::Redirect(source) => {
                // The response to a pending request is obsolete.
                self.requests += 1;
                self.emit(PhoneEventKind::PlanReplaced);
                Some(PeriodEnd::Redirected(source))
            }
            Command::Reply(number, answer) => (number == self.requests).then(|| {
                self.emit(PhoneEventKind::PlanReplaced);
                PeriodEnd::Reply(answer)
            }),
        }
    }

    /// Presses a key. Outside of a `<Gather>`, it is ignored.
    fn press(&self, key: char, period: Period) -> Option<PeriodEnd> {
        let now = self.now();
        if let Some(leg) = self.call.twilio.outbound().leg_mut(self.call.id) {
            leg.record.keys.push((now, key));
        }
        self.emit(PhoneEventKind::Key { key });
        period.gathers.then_some(PeriodEnd::Key(key))
    }

    /// Reports the result of machine detection when it is due.
    fn report_detection(&mut self) {
        let Some((at, who)) = self.detection_result.filter(|(at, _)| *at <= self.now()) else {
            return;
        };
        self.detection_result = None;
        if let Some(leg) = self.call.twilio.outbound().leg_mut(self.call.id) {
            leg.record.answered_by = Some(who.to_owned());
        }
        let after = at.since(self.answered_at);
        self.call.twilio.send_detection(self.call.id, who, after);
    }

    fn answered_by(&self) -> Option<String> {
        let state = self.call.twilio.outbound();
        state.leg(self.call.id).and_then(|leg| leg.record.answered_by.clone())
    }

    fn record_heard(&self, words: &str) {
        let now = self.now();
        if let Some(leg) = self.call.twilio.outbound().leg_mut(self.call.id) {
            leg.record.heard.push((now, words.to_owned()));
        }
    }

    fn record_digits(&self, digits: &str) {
        let now = self.now();
        if let Some(leg) = self.call.twilio.outbound().leg_mut(self.call.id) {
            leg.record.submitted_digits.push((now, digits.to_owned()));
        }
        self.emit(PhoneEventKind::KeysReported {
            keys: digits.to_owned(),
        });
    }

    fn fail(&self, fault: String) {
        if let Some(leg) = self.call.twilio.outbound().leg_mut(self.call.id) {
            leg.record.failures.push(fault);
        }
    }

    fn emit(&self, kind: PhoneEventKind) {
        self.call.twilio.emit(self.call.id, kind);
    }

    fn now(&self) -> Timestamp {
        self.call.twilio.now()
    }
}

/// The next step after a period that was cut short; `None` if the verb or the document continues.
fn next_step(end: PeriodEnd) -> Option<Step> {
    match end {
        PeriodEnd::Redirected(source) => Some(Step::Begin(source)),
        PeriodEnd::Over(ending) => Some(Step::Over(ending)),
        PeriodEnd::Elapsed | PeriodEnd::Key(_) | PeriodEnd::Reply(_) => None,
    }
}

/// The result of machine detection and how long after the answer it is known; `None` if there never is one.
fn detection_result(
    twilio: &Twilio,
    detection: &Detection,
    switches: &CallSwitches,
    is_machine: bool,
) -> Option<(Duration, &'static str)> {
    let longest = Duration::from_secs(detection.seconds.into());
    let mistaken = {
        let mut guard = twilio.outbound();
        let state = &mut *guard;
        state.rng.chance(state.faults.mistaken)
    };
    let machine = match switches.machine_end {
        MachineEnd::Beep => "machine_end_beep",
        MachineEnd::Silence => "machine_end_silence",
        MachineEnd::Other => "machine_end_other",
    };
    let known = |after: Duration, who| (after.min(longest), who);
    match (switches.detection_result, is_machine != mistaken) {
        (DetectionResult::Never, _) if detection.is_async => None,
        (DetectionResult::Never, _) => Some((longest, "unknown")),
        (DetectionResult::AlwaysUnknown, _) => Some(known(switches.detection_after, "unknown")),
        (DetectionResult::Truth, false) => Some(known(switches.detection_after, "human")),
        (DetectionResult::Truth, true) if detection.at_message_end => {
            Some(known(switches.detection_after + GREETING, machine))
        }
        (DetectionResult::Truth, true) => Some(known(switches.detection_after, "machine_start")),
    }
}
