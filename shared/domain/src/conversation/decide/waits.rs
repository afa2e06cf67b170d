//! Hand-overs, returns to the bot, and what happens when time has passed.

use super::builder::{Builder, ignored, not_yet};
use super::{Decision, IgnoreReason, Request};
use crate::conversation::limits::{MAX_POST_CHARS, MAX_REQUEST_BYTES};
use crate::conversation::state::{HandOver, Holder, PlatformId, Speaker, TranscriptLine};
use crate::conversation::step::{PostKind, StepAction};
use crate::conversation::texts::{detail, shorten};
use crate::conversation::timeline::{ChangeReason, Fact, HandOverReason};
use crate::conversation::turn::{CallPlan, HandOverPlan, Settings, WaitAction};
use crate::ids::Nonce;

/// How long before a session the message that began it may have been written, in milliseconds: a turn waits for the end
/// of a burst.
const SESSION_LEAD_MILLIS: i64 = 15_000;

/// One method for each event.
impl Builder<'_> {
    pub(super) fn wait_over(mut self, id: Nonce) -> Decision {
        let hand_over = self.before.hand_over.as_ref().filter(|hand_over| hand_over.id == id);
        let is_waiting = self.before.holder == Holder::Waiting;
        let Some((plan, seconds)) = hand_over
            .filter(|_| is_waiting)
            .and_then(|hand_over| Some((&hand_over.plan, hand_over.plan.wait_seconds?)))
        else {
            return ignored(IgnoreReason::Stale);
        };
        let over_at = self.before.holder_since.plus_seconds(seconds);
        if self.now() < over_at {
            return not_yet(over_at);
        }
        self.record(Fact::WaitedTooLong);
        if let Some(hand_over) = &mut self.next.hand_over {
            hand_over.plan.wait_seconds = None;
        }
        match &plan.then {
            WaitAction::KeepWaiting => self.post(plan.wait_message.as_deref(), PostKind::Wait),
            WaitAction::GiveBack => {
                self.return_to_bot(ChangeReason::WaitedTooLong, None);
                self.post(plan.wait_message.as_deref(), PostKind::Wait);
            }
            WaitAction::Call(call) => {
                self.post(plan.wait_message.as_deref(), PostKind::Wait);
                self.call(call, Some(id));
            }
        }
        self.commit()
    }

    pub(super) fn silence_over(mut self, id: Nonce, settings: &Settings) -> Decision {
        let is_current = self.before.silence == Some(id) && self.before.holder == Holder::Human;
        let Some(over_at) = self.before.gives_back_at.filter(|_| is_current) else {
            return ignored(IgnoreReason::Stale);
        };
        if self.now() < over_at {
            return not_yet(over_at);
        }
        self.give_back(ChangeReason::Silence, None, settings);
        self.commit()
    }

    pub(super) fn requested(mut self, request: &Request, settings: &Settings) -> Decision {
        match (request, self.before.holder) {
            (Request::HandOver(plan), Holder::Bot) => self.hand_over(HandOverReason::Requested, plan),
            (Request::GiveBack, Holder::HandingOff | Holder::Waiting | Holder::Human) => {
                self.give_back(ChangeReason::Requested, None, settings);
            }
            (Request::HandOver(_), Holder::HandingOff | Holder::Waiting | Holder::Human)
            | (Request::GiveBack, Holder::Bot) => return ignored(IgnoreReason::Irrelevant),
        }
        self.commit()
    }
}

/// Parts of these and other decisions.
impl Builder<'_> {
    /// Hands the conversation to people: tells the customer, then the platform.
    pub(super) fn hand_over(&mut self, reason: HandOverReason, plan: &HandOverPlan) {
        self.change_holder(Holder::HandingOff, ChangeReason::HandOver(reason), None);
        self.post(Some(&plan.message), PostKind::HandOver);
        let plan = self.bounded(plan);
        self.push_step(StepAction::Deliver);
        if let (Some(phone), Some(memory)) = (self.next.contact.phone.clone(), plan.summary.clone()) {
            let description = self.first_words();
            self.push_step(StepAction::Remember {
                phone,
                description,
                memory,
            });
        }
        let id = self.fresh_id();
        if let Some(call) = &plan.call {
            self.call(call, Some(id));
        }
        self.next.hand_over = Some(HandOver {
            id,
            reason,
            at: self.now(),
            // The call is a step now.
            plan: HandOverPlan { call: None, ..plan },
            dispatches: Vec::new(),
        });
    }

    /// What the customer wrote first in this session.
    fn first_words(&self) -> String {
        let begins = self
            .next
            .session
            .started_at
            .map(|at| at.plus_millis(-SESSION_LEAD_MILLIS));
        let is_first = |line: &&TranscriptLine| line.by == Speaker::Customer && begins.is_none_or(|at| line.at >= at);
        let line = self.next.transcript.iter().find(is_first);
        line.map(|line| detail(&line.text)).unwrap_or_default()
    }

    /// Places a call on behalf of the customer, perhaps as a part of a hand-over.
    pub(super) fn call(&mut self, plan: &CallPlan, hand_over: Option<Nonce>) {
        let action = match plan.clone() {
            CallPlan::Queue { queue, destination } => StepAction::QueueCall { queue, destination },
            CallPlan::Dispatch { request } => StepAction::Dispatch { request, hand_over },
        };
        if self.fits(plan) {
            self.push_step(action);
        }
    }

    /// Whether the request for a call is short enough to be stored. If not, the timeline says so.
    fn fits(&mut self, plan: &CallPlan) -> bool {
        let (step, bytes) = match plan {
            CallPlan::Queue { queue, destination } => ("queue_call", queue.len() + destination.len()),
            CallPlan::Dispatch { request } => ("dispatch", request.to_string().len()),
        };
        if bytes > MAX_REQUEST_BYTES {
            self.record(Fact::NotDone {
                step: step.to_owned(),
                reason: format!("the request has more than {MAX_REQUEST_BYTES} bytes"),
            });
        }
        bytes <= MAX_REQUEST_BYTES
    }

    /// The plan, as far as it can be stored.
    fn bounded(&mut self, plan: &HandOverPlan) -> HandOverPlan {
        let bounded = |text: &String| shorten(text, MAX_POST_CHARS);
        let then = match &plan.then {
            WaitAction::Call(call) if !self.fits(call) => WaitAction::KeepWaiting,
            then => then.clone(),
        };
        HandOverPlan {
            message: bounded(&plan.message),
            summary: plan.summary.as_ref().map(bounded),
            wait_message: plan.wait_message.as_ref().map(bounded),
            then,
            ..plan.clone()
        }
    }

    /// The bot holds the conversation again. What was planned for people and has not begun is dropped.
    pub(super) fn return_to_bot(&mut self, reason: ChangeReason, by: Option<String>) {
        self.change_holder(Holder::Bot, reason, by);
        self.drop_steps(|action| !action.is_reply() && !action.is_cleanup());
        self.end_hand_over();
        self.next.session.misses = 0;
        self.next.session.errors = 0;
    }

    /// Remembers a dispatch that was created. If nobody waits any more, it is resolved at once.
    pub(super) fn note_dispatch(&mut self, hand_over: Option<Nonce>, dispatch: PlatformId) {
        let Some(id) = hand_over else { return };
        let is_waiting = matches!(self.next.holder, Holder::HandingOff | Holder::Waiting);
        match &mut self.next.hand_over {
            Some(current) if current.id == id && is_waiting => current.dispatches.push(dispatch),
            _ => self.push_step(StepAction::Resolve { dispatch }),
        }
    }

    /// Nobody is phoned any more: a person has the chat, or nobody is needed.
    pub(super) fn resolve_dispatches(&mut self) {
        let hand_over = self.next.hand_over.as_mut();
        let dispatches = hand_over.map(|hand_over| std::mem::take(&mut hand_over.dispatches));
        for dispatch in dispatches.unwrap_or_default() {
            self.push_step(StepAction::Resolve { dispatch });
        }
    }

    /// Forgets the hand-over and the person.
    pub(super) fn end_hand_over(&mut self) {
        self.resolve_dispatches();
        self.next.hand_over = None;
        self.next.silence = None;
        self.next.gives_back_at = None;
    }
}
