//! Attempts, until the provider has them.

use super::builder::{Builder, bounded, detail, ignored, is_ended_by_us, not_yet};
use super::{Decision, IgnoreReason};
use crate::ids::Nonce;
use crate::interaction::limits::{MAX_BACKOFF_SECONDS, MAX_EARLIER, MAX_RETRY_AFTER_SECONDS, MAX_TRIES, SEND_SECONDS};
use crate::interaction::report::{AttemptOutcome, Clearance, Progress, SendResult};
use crate::interaction::state::{Phase, Sender, ThreadMessage};
use crate::interaction::status::{Channel, State};
use crate::interaction::timeline::Fact;
use crate::timestamp::Timestamp;

/// Seconds until the next try, after this many tries.
fn backoff(tries: u16) -> u32 {
    let doublings = u32::from(tries).saturating_sub(1).min(6);
    (5 << doublings).min(MAX_BACKOFF_SECONDS)
}

/// One method for each event.
impl Builder<'_> {
    pub(super) fn send_begins(mut self, id: Nonce, clearance: &Clearance) -> Decision {
        let now = self.now();
        let Some((attempt, leg)) = self.current(id) else {
            return ignored(IgnoreReason::Stale);
        };
        let Phase::Planned { due_at } = attempt.phase else {
            return ignored(IgnoreReason::Stale);
        };
        let (channel, back_end) = (leg.channel, leg.back_end.clone());
        if now >= self.next.plan.latest_at {
            self.end_attempt(&AttemptOutcome::Expired);
            return self.commit();
        }
        if now < due_at {
            return not_yet(due_at);
        }
        match clearance {
            Clearance::Granted => {
                self.change(|attempt| attempt.phase = Phase::Begun { at: now });
                self.advance(State::Sending);
                self.record(Fact::Sending {
                    attempt: id,
                    channel,
                    back_end,
                });
                return self.send();
            }
            Clearance::Later { at, reason } => {
                let otherwise = AttemptOutcome::OutsideHours { detail: detail(reason) };
                self.postpone(id, *at, reason, &otherwise);
            }
            Clearance::Held { at, reason } => self.postpone(id, *at, reason, &AttemptOutcome::Expired),
            Clearance::NoHour { reason } => self.end_attempt(&AttemptOutcome::OutsideHours { detail: detail(reason) }),
            Clearance::OptedOut => self.end_attempt(&AttemptOutcome::OptedOut),
            Clearance::Denied { reason } => self.end_attempt(&AttemptOutcome::Refused { detail: detail(reason) }),
        }
        self.commit()
    }

    pub(super) fn send_ends(mut self, id: Nonce, result: &SendResult) -> Decision {
        let Some((attempt, _)) = self.current(id) else {
            return self.send_ends_late(id, result);
        };
        match (attempt.phase, result) {
            (Phase::Begun { .. }, _) => self.end_send(id, result),
            // It ended after it had been given up, or a report was faster than the answer.
            (phase, SendResult::Sent { provider_id, progress }) if !matches!(phase, Phase::Planned { .. }) => {
                let is_known = attempt.provider_id.is_some();
                if is_known && !matches!(attempt.phase, Phase::Unclear { .. }) {
                    return ignored(IgnoreReason::Duplicate);
                }
                self.accept(id, Some(provider_id), *progress);
            }
            _ => return ignored(IgnoreReason::Stale),
        }
        self.commit()
    }

    pub(super) fn send_watched(mut self, id: Nonce) -> Decision {
        let Some((attempt, _)) = self.current(id) else {
            return ignored(IgnoreReason::Stale);
        };
        let Phase::Begun { at } = attempt.phase else {
            return ignored(IgnoreReason::Stale);
        };
        let over_at = at.plus_seconds(SEND_SECONDS);
        if self.now() < over_at {
            return not_yet(over_at);
        }
        self.unclear(id, "the function ended before the result was recorded");
        self.commit()
    }

    pub(super) fn hang_up_ended(mut self, provider_id: &str, failure: Option<&str>) -> Decision {
        let provider_id = bounded(provider_id);
        self.record(match failure.map(detail) {
            None => Fact::HungUp { provider_id },
            Some(reason) => Fact::HangUpFailed { provider_id, reason },
        });
        self.commit()
    }
}

/// Parts of these decisions.
impl Builder<'_> {
    /// Waits until then, if that is in time, and ends with this outcome otherwise.
    fn postpone(&mut self, attempt: Nonce, at: Timestamp, reason: &str, otherwise: &AttemptOutcome) {
        let reason = detail(reason);
        // A hint that is not in the future would make a loop.
        let due_at = at.max(self.now().plus_seconds(1));
        if due_at >= self.next.plan.latest_at {
            return self.end_attempt(otherwise);
        }
        self.change(|attempt| attempt.phase = Phase::Planned { due_at });
        self.record(Fact::Postponed {
            attempt,
            due_at,
            reason,
        });
    }

    fn end_send(&mut self, id: Nonce, result: &SendResult) {
        if let (Some(why), Some(index)) = (result.failure(), self.sent_before()) {
            return self.resume(id, index, detail(why));
        }
        match result {
            SendResult::Sent { provider_id, progress } => self.accept(id, Some(provider_id), *progress),
            SendResult::Failed {
                retry_after,
                detail: why,
            } => self.send_again(id, *retry_after, why),
            SendResult::OutOfMoney { detail: why } => self.send_again(id, None, why),
            SendResult::Refused { detail: why } => {
                self.end_attempt(&AttemptOutcome::Refused { detail: detail(why) });
            }
            SendResult::OptedOut => self.end_attempt(&AttemptOutcome::OptedOut),
            SendResult::Unclear { detail: why } => self.unclear(id, why),
        }
    }

    /// Where the earlier try of the attempt in progress is that was sent after all, if it still matters.
    fn sent_before(&self) -> Option<usize> {
        let sent = self.next.attempt.as_ref()?.sent_before;
        let sent = sent.filter(|_| !self.next.is_reached)?;
        self.next.past.iter().position(|past| past.id == sent)
    }

    /// The provider has the attempt in progress. One that nobody wants any more is a call to hang up: the customer
    /// answered over another channel while it was placed.
    pub(super) fn accept(&mut self, id: Nonce, provider_id: Option<&str>, progress: Option<Progress>) {
        let now = self.now();
        let provider_id = provider_id.map(bounded);
        let Some((attempt, leg)) = self.current(id) else {
            return;
        };
        let (index, is_call) = (attempt.leg, leg.channel == Channel::Call);
        let is_new = !matches!(
            attempt.phase,
            Phase::Sent { .. } | Phase::Delivered { .. } | Phase::Over { .. }
        );
        self.change(|attempt| {
            attempt.provider_id = provider_id.clone().or(attempt.provider_id.take());
            attempt.progress = attempt.progress.max(progress);
            if is_new {
                attempt.phase = Phase::Sent { at: now };
            }
        });
        self.record(Fact::Sent {
            attempt: id,
            provider_id: provider_id.clone(),
        });
        self.note_in_thread(id, index, provider_id, progress);
        self.advance(State::Sent);
        if is_call && is_new && self.next.is_reached {
            self.end_attempt(&AttemptOutcome::Superseded);
        }
    }

    /// The provider has the attempt in progress: the customer has answered it.
    pub(super) fn accept_answered(&mut self, id: Nonce) {
        let now = self.now();
        let leg = self.current(id).map(|(attempt, _)| attempt.leg);
        self.change(|attempt| attempt.phase = Phase::Sent { at: now });
        self.record(Fact::Sent {
            attempt: id,
            provider_id: None,
        });
        if let Some(leg) = leg {
            self.note_in_thread(id, leg, None, None);
        }
    }

    /// The thread has a message that the provider has, once, with its id.
    fn note_in_thread(&mut self, id: Nonce, leg: usize, provider_id: Option<String>, progress: Option<Progress>) {
        let mut thread = self.next.thread.iter_mut();
        if let Some(message) = thread.find(|message| message.attempt == Some(id)) {
            message.id = provider_id.unwrap_or_else(|| std::mem::take(&mut message.id));
            return;
        }
        let Some(leg) = self.next.leg(leg) else { return };
        let message = ThreadMessage {
            id: provider_id.unwrap_or_default(),
            at: self.now(),
            channel: leg.channel,
            by: Sender::Agent,
            text: leg.content.text().to_owned(),
            progress,
            attempt: Some(id),
        };
        self.add_to_thread(message);
    }

    /// Plans another try of the same attempt, if it is wanted and in time. It gets a new id: a late report about this
    /// try must not be taken for one about the next.
    ///
    /// A provider that is down must not hold up another channel. Without one, what is not sent now is tried for as long
    /// as it may be sent: an outage of hours loses nothing.
    fn send_again(&mut self, id: Nonce, retry_after: Option<u32>, why: &str) {
        let Some((attempt, _)) = self.current(id) else { return };
        let tries = attempt.tries.saturating_add(1);
        let goes_on = tries >= MAX_TRIES && self.next.leg(attempt.leg + 1).is_some();
        let stated = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS);
        let due_at = self.now().plus_seconds(backoff(tries).max(stated));
        if self.next.is_reached || goes_on || due_at >= self.next.plan.latest_at {
            return self.end_attempt(&AttemptOutcome::NotAccepted { detail: detail(why) });
        }
        let next = self.fresh_id();
        self.record(Fact::NotSent {
            attempt: id,
            next,
            due_at,
            reason: detail(why),
        });
        self.change(|attempt| {
            attempt.earlier.push(id);
            let excess = attempt.earlier.len().saturating_sub(MAX_EARLIER);
            attempt.earlier.drain(..excess);
            attempt.id = next;
            attempt.tries = tries;
            attempt.phase = Phase::Planned { due_at };
        });
    }

    fn unclear(&mut self, id: Nonce, why: &str) {
        let at = self.now();
        self.change(|attempt| attempt.phase = Phase::Unclear { at });
        self.record(Fact::Unclear {
            attempt: id,
            reason: detail(why),
        });
        self.advance(State::Unknown);
    }

    /// The attempt had ended while it was being sent: it was canceled, or a report was faster.
    fn send_ends_late(mut self, id: Nonce, result: &SendResult) -> Decision {
        let Some(index) = self.next.past.iter().position(|past| past.id == id) else {
            return ignored(IgnoreReason::Stale);
        };
        let has_changed = match result {
            SendResult::Sent { provider_id, progress } => self.identify_past(index, Some(provider_id), *progress, true),
            SendResult::Unclear { detail: why } => {
                self.record(Fact::Unclear {
                    attempt: id,
                    reason: detail(why),
                });
                true
            }
            SendResult::Failed { .. }
            | SendResult::OutOfMoney { .. }
            | SendResult::Refused { .. }
            | SendResult::OptedOut => false,
        };
        if has_changed {
            self.commit()
        } else {
            ignored(IgnoreReason::Stale)
        }
    }

    /// The provider has an attempt that has ended for us. A call that still rings is hung up. Returns whether that is
    /// new.
    pub(super) fn identify_past(
        &mut self,
        index: usize,
        provider_id: Option<&str>,
        progress: Option<Progress>,
        may_ring: bool,
    ) -> bool {
        let Some(provider_id) = provider_id.map(bounded) else {
            return false;
        };
        let past = self.next.past.get_mut(index);
        let Some(past) = past.filter(|past| past.provider_id.is_none()) else {
            return false;
        };
        past.provider_id = Some(provider_id.clone());
        let (id, leg, is_unwanted) = (past.id, past.leg, is_ended_by_us(&past.outcome));
        self.record(Fact::Sent {
            attempt: id,
            provider_id: Some(provider_id.clone()),
        });
        if is_unwanted && may_ring {
            self.hang_up(leg, Some(&provider_id));
        }
        self.note_in_thread(id, leg, Some(provider_id), progress);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_five_minutes() {
        let pauses: Vec<u32> = [1, 2, 3, 6, 7, 8, u16::MAX].into_iter().map(backoff).collect();
        assert_eq!(pauses, [5, 10, 20, 160, 300, 300, 300]);
    }
}
