//! The plan ahead of a dispatch: "Anna ×3, then Ben ×3, ends 14:32".
//!
//! It is computed by running the real rules against phones that nobody picks up, so it never differs from what happens.

use serde::Serialize;

use super::decide::{DecisionContext, decide};
use super::event::{Ending, Event};
use super::route::Route;
use super::state::{Dispatch, Phase, State, WaitReason};
use crate::ids::{Nonce, ProviderName};
use crate::timestamp::Timestamp;

/// Maximum number of simulated steps: more than enough for the longest list with the most attempts.
const MAX_STEPS: u32 = 1_500;

/// The provider of the simulated calls: a phone that nobody picks up is the same at every provider.
const ANY: ProviderName = ProviderName::known("any");

/// One employee's turn, if nobody picks up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// Index of the employee.
    #[serde(skip)]
    pub employee: u8,
    /// Id of the employee.
    pub id: String,
    /// Name of the employee.
    pub name: String,
    /// Number of calls in the turn.
    pub calls: u32,
    /// When the first call is placed.
    pub from: Timestamp,
    /// When the last call has rung out.
    pub until: Timestamp,
}

/// What will happen if nobody picks up, up to the end of the round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The employees' turns, in order.
    pub turns: Vec<Turn>,
    /// The plan in words.
    pub summary: String,
    /// When the round ends.
    pub round_ends_at: Timestamp,
    /// Name of the state after the round.
    pub next_status: &'static str,
    /// When calls resume after the round, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes_at: Option<Timestamp>,
    /// When the dispatch expires.
    pub expires_at: Timestamp,
}

impl Dispatch {
    /// What will happen from `now` on if nobody picks up; none when no further call will be placed.
    pub fn plan_ahead(&self, now: Timestamp) -> Option<Plan> {
        let ring = self.spec.policy.longest_ring();
        let mut dispatch = self.clone();
        let mut now = now;
        let mut turns: Vec<Turn> = Vec::new();
        if let State::Waiting(wait) = &dispatch.state {
            now = now.max(wait.until);
        } else if dispatch.attempt().is_none() {
            return None;
        }
        let round = dispatch.progress.round;
        for step in 0..MAX_STEPS {
            if dispatch.progress.round != round {
                break;
            }
            let (event, at) = match &dispatch.state {
                State::Calling(attempt) => match &attempt.phase {
                    Phase::Planned => {
                        now = now.max(attempt.due_at);
                        let event = Event::Claim {
                            attempt: attempt.id,
                            route: Route::only(ANY),
                        };
                        (event, now)
                    }
                    Phase::Claimed { at } | Phase::Placed { at, .. } | Phase::Ended { at, .. } => {
                        let rung_out = now.max(at.plus_seconds(ring));
                        dispatch.count_call(&mut turns, *at, rung_out);
                        now = rung_out;
                        let Some(next) = dispatch.nobody_picks_up(now, step) else {
                            break;
                        };
                        dispatch = next;
                        continue;
                    }
                },
                State::Waiting(wait) if turns.is_empty() && step == 0 => (Event::Resume { wait: wait.id }, now),
                _ => break,
            };
            let Some(next) = decide(&dispatch, &event, hypothetical(at, step)).next else {
                break;
            };
            dispatch = next;
        }
        let resumes_at = match &dispatch.state {
            State::Waiting(wait) if wait.until < dispatch.expires_at => Some(wait.until),
            // The next round may follow without a pause.
            State::Calling(attempt) => Some(attempt.due_at),
            _ => None,
        };
        let summary = summary(&turns, now, &dispatch);
        let next_status = dispatch.state.name();
        Some(Plan {
            turns,
            summary,
            round_ends_at: now,
            next_status,
            resumes_at,
            expires_at: dispatch.expires_at,
        })
    }

    /// The dispatch after its current call has rung out at `now`.
    fn nobody_picks_up(&self, now: Timestamp, step: u32) -> Option<Self> {
        let attempt = self.attempt()?.clone();
        let mut ringing = self.clone();
        // An answered call is treated as one that still rings: without a key the result is the same.
        ringing.state = State::Calling(super::state::Attempt {
            phase: Phase::Claimed { at: now },
            ..attempt.clone()
        });
        let event = Event::CallEnded {
            attempt: attempt.id,
            ending: Ending::NoAnswer,
            call_id: None,
        };
        decide(&ringing, &event, hypothetical(now, step)).next
    }

    fn count_call(&self, turns: &mut Vec<Turn>, from: Timestamp, until: Timestamp) {
        let Some(attempt) = self.attempt() else { return };
        let index = attempt.id.employee;
        match turns.last_mut() {
            Some(turn) if turn.employee == index => {
                turn.calls += 1;
                turn.until = until;
            }
            _ => {
                let Some(employee) = self.employee(index) else { return };
                let (id, name) = (employee.id.clone(), employee.name.clone());
                turns.push(Turn {
                    employee: index,
                    id,
                    name,
                    calls: 1,
                    from,
                    until,
                });
            }
        }
    }
}

/// The context of a decision that is never committed.
fn hypothetical(now: Timestamp, step: u32) -> DecisionContext {
    DecisionContext {
        now,
        nonce: Nonce::new(u64::from(step)),
    }
}

fn summary(turns: &[Turn], end: Timestamp, after: &Dispatch) -> String {
    let people: Vec<String> = turns
        .iter()
        .map(|turn| format!("{} ×{}", turn.name, turn.calls))
        .collect();
    let people = if people.is_empty() {
        "Nobody".to_owned()
    } else {
        people.join(", then ")
    };
    let then = match &after.state {
        State::Waiting(wait) if wait.until >= after.expires_at => {
            format!("expires at {} UTC", after.expires_at.time_of_day())
        }
        State::Waiting(wait) => {
            let reason = match wait.reason {
                WaitReason::RoundPause => "again from the top",
                WaitReason::NobodyAvailable => "with the next available employee",
                WaitReason::Expiry => "no more calls",
                WaitReason::OutOfMoney => "another try at the provider that is out of money",
            };
            format!("{reason} at {} UTC", wait.until.time_of_day())
        }
        State::Calling(attempt) => format!("again from the top at {} UTC", attempt.due_at.time_of_day()),
        state => state.name().to_lowercase(),
    };
    format!("{people}, ends {} UTC, then {then}", end.time_of_day())
}
