//! Turns: the bot's answers.

use super::builder::{Builder, ignored, not_yet};
use super::steps::backoff;
use super::{Decision, IgnoreReason};
use crate::conversation::limits::{LEASE_SECONDS, MAX_ANSWER_CHARS, MAX_POST_CHARS, MAX_POSTS, MAX_SESSION_BYTES};
use crate::conversation::session::Session;
use crate::conversation::state::{Holder, Lease, Turn};
use crate::conversation::step::{PostKind, StepAction};
use crate::conversation::texts::{beginning, detail, not_blank, pieces};
use crate::conversation::timeline::{DropReason, Fact};
use crate::conversation::turn::{TurnAction, TurnResult};
use crate::ids::Nonce;
use crate::timestamp::Timestamp;

impl Builder<'_> {
    pub(super) fn turn_begins(mut self, id: Nonce) -> Decision {
        let Some(turn) = self.before.turn.filter(|turn| turn.id == id) else {
            return ignored(IgnoreReason::Stale);
        };
        if self.before.holder != Holder::Bot {
            return ignored(IgnoreReason::Stale);
        }
        if let Some(at) = self.turn_waits_until(turn) {
            return not_yet(at);
        }
        let lease = Lease {
            id: self.fresh_id(),
            until: self.now().plus_seconds(LEASE_SECONDS),
            messages: self.before.pending.len(),
        };
        self.next.turn = Some(Turn {
            running: Some(lease),
            ..turn
        });
        self.commit()
    }

    /// When a turn can begin, if it cannot now.
    fn turn_waits_until(&self, turn: Turn) -> Option<Timestamp> {
        let free_at = turn.running.map_or(turn.due_at, |lease| lease.until);
        if self.now() < free_at {
            return Some(free_at);
        }
        // What the customer is still to read comes first. The pause grows while that fails.
        let mut steps = self.before.steps.iter();
        let step = steps.find(|step| !step.action.is_background())?;
        Some(self.now().plus_seconds(backoff(step.tries)))
    }

    pub(super) fn turn_ends(mut self, id: Nonce, lease: Nonce, result: &TurnResult) -> Decision {
        let turn = self.before.turn.filter(|turn| turn.id == id);
        let lease = turn.and_then(|turn| turn.running).filter(|running| running.id == lease);
        let Some(lease) = lease.filter(|_| self.before.holder == Holder::Bot) else {
            let reason = match self.before.turn {
                Some(_) => DropReason::Overtaken,
                None => self.drop_reason(),
            };
            self.record(Fact::TurnDropped { reason });
            return self.commit();
        };
        // An answer to nothing would be repeated without end.
        let answered = result.answered.clamp(1, lease.messages.max(1));
        let answered = answered.min(self.next.pending.len());
        self.next.pending.drain(..answered);
        self.next.turn = None;
        self.record(Fact::Answered {
            by: result.answered_by.clone(),
            messages: answered,
            error: result.error.as_deref().map(detail),
        });
        self.set_session(&result.session);
        self.post_answer(&result.posts);
        self.act(&result.action);
        if self.next.holder == Holder::Bot {
            self.plan_turn(0);
        }
        self.commit()
    }

    fn set_session(&mut self, session: &Session) {
        let is_small = serde_json::to_vec(session).is_ok_and(|json| json.len() <= MAX_SESSION_BYTES);
        if is_small {
            self.next.session = session.clone();
            return;
        }
        self.next.session = Session {
            started_at: session.started_at,
            last_at: session.last_at,
            ..Session::default()
        };
        self.record(Fact::NotDone {
            step: "session".to_owned(),
            reason: format!("the session has more than {MAX_SESSION_BYTES} bytes"),
        });
    }

    /// Posts the texts of an answer, in order. A text that is too long for one message becomes several.
    fn post_answer(&mut self, texts: &[String]) {
        let texts = texts.iter().map(String::as_str);
        let texts: Vec<&str> = texts.filter(|text| not_blank(Some(text)).is_some()).collect();
        let (separate, joined) = texts.split_at(texts.len().min(MAX_POSTS - 1));
        let joined = joined.join("\n\n");
        let mut room = MAX_ANSWER_CHARS;
        for text in separate.iter().copied().chain([joined.as_str()]) {
            let part = beginning(text, room);
            room -= part.chars().count();
            if part.len() < text.len() {
                self.record(Fact::NotDone {
                    step: "post".to_owned(),
                    reason: format!("the answer has more than {MAX_ANSWER_CHARS} characters"),
                });
            }
            for piece in pieces(part, MAX_POST_CHARS) {
                self.post(Some(piece), PostKind::Reply);
            }
        }
    }

    fn act(&mut self, action: &TurnAction) {
        match action {
            TurnAction::Continue => {}
            TurnAction::HandOver { reason, plan } => self.hand_over(*reason, plan),
            TurnAction::Finish if !self.next.pending.is_empty() => {
                self.record(Fact::Dropped {
                    step: StepAction::Finish.name().to_owned(),
                    reason: DropReason::Overtaken,
                });
            }
            TurnAction::Finish => self.push_step(StepAction::Finish),
            TurnAction::Call(plan) => self.call(plan, None),
        }
    }
}
