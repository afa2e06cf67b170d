//! Steps: what is done on the platform, one after the other.

use super::builder::{Builder, ignored, not_yet};
use super::{Decision, IgnoreReason, StepResult};
use crate::conversation::limits::{
    MAX_BACKGROUND_STEPS, MAX_BACKOFF_SECONDS, MAX_POST_CHARS, MAX_RETRY_AFTER_SECONDS, MAX_STEPS, STEP_SECONDS,
};
use crate::conversation::session::Session;
use crate::conversation::state::{Holder, PlatformId, Speaker};
use crate::conversation::step::{PostKind, Step, StepAction, StepState};
use crate::conversation::texts::{detail, not_blank, shorten};
use crate::conversation::timeline::{ChangeReason, DropReason, Fact, HandOverReason};
use crate::conversation::turn::HandOverPlan;
use crate::ids::Nonce;

/// Seconds until the next try, after this many tries.
pub(super) fn backoff(tries: u16) -> u32 {
    let doublings = u32::from(tries).saturating_sub(1).min(6);
    (1 << doublings).min(MAX_BACKOFF_SECONDS)
}

/// Whether a step still makes sense for this holder.
fn is_wanted(action: &StepAction, holder: Holder) -> bool {
    let is_waiting = matches!(holder, Holder::HandingOff | Holder::Waiting);
    match action {
        StepAction::Post { kind, .. } => match kind {
            // What the bot answered before it handed over is still the answer.
            PostKind::Reply => holder != Holder::Human,
            PostKind::HandOver => is_waiting,
            // Nobody took over in time, and the bot may have the conversation again.
            PostKind::Wait => matches!(holder, Holder::Waiting | Holder::Bot),
            PostKind::Joined => holder == Holder::Human,
            PostKind::Ended => holder == Holder::Bot,
        },
        StepAction::Deliver => holder != Holder::Bot,
        StepAction::Finish => holder == Holder::Bot,
        StepAction::Dispatch { hand_over: Some(_), .. } => is_waiting,
        // Promised to the customer, or to be done in any case.
        StepAction::Remember { .. }
        | StepAction::QueueCall { .. }
        | StepAction::Dispatch { hand_over: None, .. }
        | StepAction::Resolve { .. } => true,
    }
}

/// One method for each event.
impl Builder<'_> {
    pub(super) fn step_begins(mut self, id: Nonce) -> Decision {
        let now = self.now();
        let Some(step) = self.next.steps.first_mut().filter(|step| step.id == id) else {
            return ignored(IgnoreReason::Stale);
        };
        match step.state {
            StepState::Begun(_) => return ignored(IgnoreReason::Stale),
            StepState::Ready if now < step.due_at => {
                let at = step.due_at;
                return not_yet(at);
            }
            StepState::Ready => step.state = StepState::Begun(now),
        }
        if step.action == StepAction::Finish {
            self.next.finished_at = Some(now);
        }
        self.commit()
    }

    pub(super) fn step_ends(mut self, id: Nonce, result: &StepResult) -> Decision {
        let step = self.next.steps.first();
        match step.filter(|step| step.id == id).map(|step| step.state) {
            Some(StepState::Begun(_)) => self.end_step(result),
            Some(StepState::Ready) | None => return ignored(IgnoreReason::Stale),
        }
        self.commit()
    }

    pub(super) fn step_watched(mut self, id: Nonce) -> Decision {
        let step = self.next.steps.first().filter(|step| step.id == id);
        let Some(StepState::Begun(at)) = step.map(|step| step.state) else {
            return ignored(IgnoreReason::Stale);
        };
        let over_at = at.plus_seconds(STEP_SECONDS);
        if self.now() < over_at {
            return not_yet(over_at);
        }
        self.end_step(&StepResult::Unclear {
            detail: "the function ended before the result was recorded".to_owned(),
        });
        self.commit()
    }
}

/// Parts of these decisions.
impl Builder<'_> {
    /// Ends the step that has begun.
    fn end_step(&mut self, result: &StepResult) {
        let step = self.next.steps.remove(0);
        if let Some(echo) = step.echo.clone() {
            // The platform has reported the message, so it was posted, whatever the answer to the request was.
            let id = match result {
                StepResult::Done { id: Some(id) } if *id != echo => Some(id.clone()),
                _ => None,
            };
            self.step_done(&step, Some(echo));
            if let (Some(id), StepAction::Post { text, .. }) = (id, &step.action) {
                self.note_sent(Some(id), text);
            }
            return;
        }
        match result {
            StepResult::Done { id } => self.step_done(&step, id.clone()),
            StepResult::Failed { retry_after, .. } => self.try_again(step, *retry_after),
            StepResult::Unclear { .. } if step.action.is_repeatable() => self.try_again(step, None),
            StepResult::Refused { detail } => self.step_refused(&step, detail),
            StepResult::Unclear { detail } => self.step_unclear(&step, detail),
        }
    }

    fn step_done(&mut self, step: &Step, id: Option<PlatformId>) {
        if let (StepAction::Dispatch { hand_over, .. }, Some(dispatch)) = (&step.action, &id) {
            self.note_dispatch(*hand_over, dispatch.clone());
        }
        self.record(Fact::Done {
            step: step.action.name().to_owned(),
            id: id.as_ref().map(ToString::to_string),
            text: posted_text(step),
        });
        match &step.action {
            StepAction::Post { text, .. } => {
                self.note_sent(id, text);
                self.note_line(Speaker::Bot, text);
            }
            StepAction::Deliver => self.delivered(ChangeReason::Delivered),
            StepAction::Finish => self.next.session = Session::default(),
            StepAction::Remember { .. }
            | StepAction::QueueCall { .. }
            | StepAction::Dispatch { .. }
            | StepAction::Resolve { .. } => {}
        }
    }

    fn step_refused(&mut self, step: &Step, reason: &str) {
        self.record(Fact::NotDone {
            step: step.action.name().to_owned(),
            reason: detail(reason),
        });
        match &step.action {
            StepAction::Post { .. } if self.next.holder == Holder::Bot => {
                // The customer cannot be answered, not even with a message that says so.
                self.hand_over(HandOverReason::Error, &HandOverPlan::default());
            }
            StepAction::Deliver => self.delivered(ChangeReason::DeliveryRefused),
            StepAction::Post { .. }
            | StepAction::Finish
            | StepAction::Remember { .. }
            | StepAction::QueueCall { .. }
            | StepAction::Dispatch { .. }
            | StepAction::Resolve { .. } => {}
        }
    }

    fn step_unclear(&mut self, step: &Step, reason: &str) {
        self.record(Fact::Unclear {
            step: step.action.name().to_owned(),
            reason: detail(reason),
            text: posted_text(step),
        });
        if let StepAction::Post { text, .. } = &step.action {
            self.note_sent(None, text);
        }
    }

    /// People have the conversation in their inbox, or have to find it.
    fn delivered(&mut self, reason: ChangeReason) {
        // The step may belong to an earlier hand-over, which ended while it was on its way.
        let is_last = !self.next.steps.iter().any(|step| step.action == StepAction::Deliver);
        if self.next.holder == Holder::HandingOff && is_last {
            self.change_holder(Holder::Waiting, reason, None);
        }
    }

    /// Plans another try.
    fn try_again(&mut self, mut step: Step, retry_after: Option<u32>) {
        if !is_wanted(&step.action, self.next.holder) {
            self.record(Fact::Dropped {
                step: step.action.name().to_owned(),
                reason: self.drop_reason(),
            });
            return;
        }
        let stated = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS);
        step.tries = step.tries.saturating_add(1);
        step.state = StepState::Ready;
        step.due_at = self.now().plus_seconds(backoff(step.tries).max(stated));
        if !step.action.is_repeatable() {
            // A late report about this try must not be taken for one about the next.
            step.id = self.fresh_id();
        }
        if step.action.is_background() {
            self.next.steps.push(step);
        } else {
            self.next.steps.insert(0, step);
        }
    }

    /// Posts a text, unless it is blank.
    pub(super) fn post(&mut self, text: Option<&str>, kind: PostKind) {
        let Some(text) = not_blank(text) else { return };
        let shortened = shorten(text, MAX_POST_CHARS);
        if shortened != text {
            self.record(Fact::NotDone {
                step: "post".to_owned(),
                reason: format!("the message has more than {MAX_POST_CHARS} characters: it is shortened"),
            });
        }
        self.push_step(StepAction::Post { text: shortened, kind });
    }

    /// Adds a step after all others, except those that have failed and that nothing waits for.
    pub(super) fn push_step(&mut self, action: StepAction) {
        let steps = &self.next.steps;
        let background = steps.iter().filter(|step| step.action.is_background()).count();
        // The others always find room: they are few, because a turn waits for them.
        if steps.len() >= MAX_STEPS || action.is_background() && background >= MAX_BACKGROUND_STEPS {
            return self.record(Fact::NotDone {
                step: action.name().to_owned(),
                reason: "too many other steps wait".to_owned(),
            });
        }
        let step = Step {
            id: self.fresh_id(),
            action,
            state: StepState::Ready,
            due_at: self.now(),
            echo: None,
            tries: 0,
        };
        let steps = &mut self.next.steps;
        let holds_up = |step: &Step| {
            let is_idle = step.state == StepState::Ready && step.tries > 0;
            !(is_idle && step.action.is_background())
        };
        let place = steps.iter().rposition(holds_up).map_or(0, |last| last + 1);
        steps.insert(place, step);
    }

    /// Drops the steps that have not begun and that make no sense for the present holder.
    pub(super) fn drop_unwanted_steps(&mut self) {
        let holder = self.next.holder;
        self.drop_steps(|action| !is_wanted(action, holder));
    }

    /// Drops steps that have not begun.
    pub(super) fn drop_steps(&mut self, is_dropped: impl Fn(&StepAction) -> bool) {
        let reason = self.drop_reason();
        self.drop_steps_because(is_dropped, reason);
    }

    pub(super) fn drop_steps_because(&mut self, is_dropped: impl Fn(&StepAction) -> bool, reason: DropReason) {
        let steps = std::mem::take(&mut self.next.steps);
        let (dropped, kept): (Vec<Step>, Vec<Step>) = steps
            .into_iter()
            .partition(|step| step.state == StepState::Ready && is_dropped(&step.action));
        self.next.steps = kept;
        for step in dropped {
            self.record(Fact::Dropped {
                step: step.action.name().to_owned(),
                reason,
            });
        }
    }
}

/// The text that a step posts.
fn posted_text(step: &Step) -> Option<String> {
    match &step.action {
        StepAction::Post { text, .. } => Some(text.clone()),
        _ => None,
    }
}
