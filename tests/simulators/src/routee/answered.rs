//! An answered call: executes the plan, performs the employee's script, and sends COLLECT events (4, 5.4).

use std::time::Duration;

use patchbay::clock::Timestamp;

use super::call::{Call, Ending};
use super::create::{OnVoicemail, PlanSource};
use super::faults::OutOfMoney;
use super::fields::Problems;
use super::plan::{self, Collect, Plan, Times, Verb, first_collect};
use super::records::{Status, WebhookKind};
use super::state::Command;
use super::switches::{CollectStart, InvalidReply, Switches};
use super::tones::Tones;
use super::webhooks::OutgoingWebhook;
use crate::exchange::{EndedBy, PhoneEventKind};
use crate::phones::Answer;
use crate::script_runner::{Input, PLAY_TIME, ScriptRunner, later_by, speaking_time};

/// The network's own limit, for calls without an end.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// An answered call.
pub(super) struct AnsweredCall<'a> {
    call: &'a mut Call,
    plan: Plan,
    script: ScriptRunner,
    tones: Tones,
    /// The COLLECT that collects keys now.
    armed: Option<Collect>,
    /// The last COLLECT that collected keys.
    collected_by: Option<Collect>,
    /// The number of events whose reply is pending.
    pending_replies: usize,
    /// The latest end of the call, and how it would end then.
    limit: (Timestamp, Ending),
    /// When the machine is detected.
    machine_at: Option<Timestamp>,
}

/// A period of a call in which one verb runs, or in which it waits for a reply.
#[derive(Clone, Copy)]
struct Period {
    /// `None` while the call waits for a reply.
    end: Option<Timestamp>,
    barge_in: bool,
    /// Whether the plan ends with it.
    last: bool,
}

/// How a period ended.
enum PeriodEnd {
    /// Its time is over, or it waited long enough.
    Elapsed,
    /// A key interrupted it.
    Interrupted,
    /// Another plan replaced the running one.
    Replaced,
    /// The call ended.
    Over(Ending),
}

/// A text to speak or a file to play.
enum Sound {
    Text(String),
    File(String),
}

impl<'a> AnsweredCall<'a> {
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
            script: ScriptRunner::new(answer.actions, now),
            tones: Tones::default(),
            armed: None,
            collected_by: None,
            pending_replies: 0,
            limit: (later_by(now, limit.0), limit.1),
            call,
        }
    }

    /// Runs the plan until the call ends. Also returns the COLLECT event after the call, if there is one.
    pub(super) async fn run(mut self) -> (Ending, Option<OutgoingWebhook>) {
        let ending = match self.first_plan().await {
            Some(plan) => {
                self.begin(plan);
                self.run_plan().await
            }
            // Documented for inbound calls: an invalid plan drops the connection (5.6).
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
        let request = self
            .call
            .routee
            .plan_request(self.call.id, WebhookKind::DialPlan, url)?;
        let reply = self.call.routee.send_and_wait(request).await;
        read_reply(reply.as_deref(), self.switches())
    }

    fn begin(&mut self, plan: Plan) {
        self.armed = None;
        if self.switches().collect_start == CollectStart::FromAnswer
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
            let end = if self.pending_replies > 0 && self.switches().plan_waits_for_reply {
                self.pass(Period {
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
            if let PeriodEnd::Over(ending) = end {
                return ending;
            }
        }
    }

    async fn perform(&mut self, verb: Verb) -> PeriodEnd {
        match verb {
            Verb::Collect(collect) => {
                self.arm(collect);
                PeriodEnd::Elapsed
            }
            Verb::Pause { seconds } => {
                let (now, duration) = (self.now(), Duration::from_secs(seconds.into()));
                self.call.routee.emit(self.call.id, PhoneEventKind::Pauses { seconds });
                self.script.pause_started(now, duration);
                self.wait_silently(duration).await
            }
            Verb::Dial { seconds } => self.wait_silently(Duration::from_secs(seconds.into())).await,
            Verb::Say { text, times, barge_in } => self.sound(&Sound::Text(text), times, barge_in).await,
            Verb::Play { url, times, barge_in } => self.sound(&Sound::File(url), times, barge_in).await,
        }
    }

    async fn wait_silently(&mut self, duration: Duration) -> PeriodEnd {
        let end = Some(later_by(self.now(), duration));
        let last = self.is_last_verb();
        self.pass(Period {
            end,
            barge_in: false,
            last,
        })
        .await
    }

    async fn sound(&mut self, sound: &Sound, times: Times, barge_in: bool) -> PeriodEnd {
        let mut spoken = 0;
        loop {
            let duration = self.start_sound(sound);
            spoken += 1;
            let again = match times {
                Times::Number(number) => spoken < number,
                Times::Forever => true,
            };
            let end = Some(later_by(self.now(), duration));
            let last = !again && self.is_last_verb();
            match self.pass(Period { end, barge_in, last }).await {
                PeriodEnd::Elapsed if again => {}
                end => return end,
            }
        }
    }

    /// Plays a sound once, and returns how long it takes.
    fn start_sound(&mut self, sound: &Sound) -> Duration {
        let now = self.now();
        let (heard, duration, event) = match sound {
            Sound::Text(text) => {
                let duration = speaking_time(text);
                self.script.text_started(text, now, duration);
                (text.clone(), duration, PhoneEventKind::Says { text: text.clone() })
            }
            Sound::File(url) => (url.clone(), PLAY_TIME, PhoneEventKind::Plays { url: url.clone() }),
        };
        if let Some(leg) = self.call.routee.lock().leg_mut(self.call.id) {
            leg.record.heard.push((now, heard));
        }
        self.call.routee.emit(self.call.id, event);
        duration
    }

    fn is_last_verb(&self) -> bool {
        !self.plan.iter().any(Verb::takes_time)
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
            if now >= self.limit.0 {
                return PeriodEnd::Over(self.limit.1);
            }
            if self.machine_at.is_some_and(|at| at <= now) {
                self.machine_at = None;
                if let Some(end) = self.machine_detected() {
                    return end;
                }
                continue;
            }
            if period.end.is_some_and(|end| now >= end) {
                return PeriodEnd::Elapsed;
            }
            let moments = [period.end, near, self.script.next_due(), self.machine_at];
            let until = moments.into_iter().flatten().fold(self.limit.0, Timestamp::min);
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
            period_end.min(self.limit.0)
        } else {
            self.limit.0
        };
        self.script.wakes_before(end).filter(|_| end <= period_end)
    }

    fn apply_input(&mut self, input: Input, period: Period) -> Option<PeriodEnd> {
        match input {
            Input::Key(key) => self.press(key, period),
            Input::HangUp => Some(PeriodEnd::Over(Ending::new(Status::Completed, EndedBy::Employee))),
            Input::Beep => {
                self.call.routee.emit(self.call.id, PhoneEventKind::Beeps);
                None
            }
        }
    }

    fn handle_command(&mut self, command: Command, period: Period) -> Option<PeriodEnd> {
        match command {
            Command::PickUp | Command::ApiReject => None,
            Command::Key(key) => self.apply_input(Input::Key(key), period),
            Command::HangUp => self.apply_input(Input::HangUp, period),
            Command::ApiHangup => Some(PeriodEnd::Over(Ending::new(self.switches().after_hangup, EndedBy::Api))),
            Command::Reply(Some(plan)) => {
                self.pending_replies = self.pending_replies.saturating_sub(1);
                let switches = self.call.routee.0.switches.clone();
                self.tones.plan_replaced(&switches);
                self.begin(plan);
                self.call.routee.emit(self.call.id, PhoneEventKind::PlanReplaced);
                Some(PeriodEnd::Replaced)
            }
            Command::Reply(None) => {
                self.pending_replies = self.pending_replies.saturating_sub(1);
                match self.switches().invalid_reply {
                    InvalidReply::Drop => Some(PeriodEnd::Over(Ending::new(Status::Completed, EndedBy::InvalidReply))),
                    InvalidReply::Continue => period.end.is_none().then_some(PeriodEnd::Elapsed),
                }
            }
        }
    }

    fn press(&mut self, key: char, period: Period) -> Option<PeriodEnd> {
        let now = self.now();
        let routee = self.call.routee.clone();
        if let Some(leg) = routee.lock().leg_mut(self.call.id) {
            leg.record.keys.push((now, key));
        }
        routee.emit(self.call.id, PhoneEventKind::Key { key });
        if let Some(collect) = &self.armed {
            let is_reported = self.tones.press(key, !period.barge_in, collect, &routee.0.switches);
            let url = collect.event_url.clone().filter(|_| is_reported);
            if let Some(url) = url {
                let tones = self.tones.report(&routee.0.switches);
                routee.emit(self.call.id, PhoneEventKind::KeysReported { keys: tones.clone() });
                self.send_event(routee.collect_event(self.call.id, url, &tones, false));
            }
            if let Some(leg) = routee.lock().leg_mut(self.call.id) {
                leg.tones = self.tones.clone();
            }
        }
        period.barge_in.then_some(PeriodEnd::Interrupted)
    }

    /// Sends an event. Its reply arrives as a command.
    fn send_event(&mut self, request: Option<OutgoingWebhook>) {
        let Some(request) = request else { return };
        self.pending_replies += 1;
        let (routee, id) = (self.call.routee.clone(), self.call.id);
        tokio::spawn(async move {
            let reply = routee.send_and_wait(request).await;
            routee.command(id, Command::Reply(read_reply(reply.as_deref(), routee.switches())));
        });
    }

    fn machine_detected(&mut self) -> Option<PeriodEnd> {
        match self.call.order.machine.clone()? {
            OnVoicemail::HangUp => Some(PeriodEnd::Over(Ending::new(
                self.switches().after_machine_hangup,
                EndedBy::Machine,
            ))),
            OnVoicemail::Continue(url) => {
                self.send_event(self.call.routee.plan_request(self.call.id, WebhookKind::Machine, url));
                None
            }
        }
    }

    /// The COLLECT event after the call (5.4).
    fn end_event(&self, ending: Ending) -> Option<OutgoingWebhook> {
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

/// The plan in a reply, if it is valid.
fn read_reply(body: Option<&str>, switches: &Switches) -> Option<Plan> {
    let body = serde_json::from_str(body?).ok()?;
    let mut problems = Problems::new(switches.refuses_unknown_fields);
    plan::read("", &body, &mut problems).filter(|_| problems.is_empty())
}
