//! Functions that run turns and take steps.

use patchbay_domain::conversation::{
    CallPlan, Conversation, Direction, Event, EventKind, HandOverPlan, StepAction, StepResult, TurnAction, TurnResult,
    WaitAction,
};
use patchbay_domain::ids::Nonce;
use patchbay_domain::timestamp::Timestamp;

use super::{Check, World};
use crate::story::{event, hands_over, id, plan, result};

/// How long a function runs, at most.
const FUNCTION_SECONDS: u32 = 29;

/// A function that has begun a turn or a step.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: Job,
    pub(super) deadline: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) enum Job {
    Turn {
        turn: Nonce,
        lease: Nonce,
    },
    /// The request is not sent yet.
    Step {
        step: Nonce,
        action: StepAction,
    },
    /// The request is sent, and its result is known.
    Report {
        step: Nonce,
        result: StepResult,
    },
}

/// What the platform does with a request, and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Done,
    DoneWithoutId,
    /// The platform changes the text of the message.
    Rewritten,
    Failed,
    Refused,
    UnclearAndDone,
    UnclearAndNotDone,
}

/// What a turn does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Posts(u8),
    /// It answers only the first message.
    First,
    HandsOver,
    HandsOverForAWhile,
    /// It only says so.
    HandsOverSimply,
    Finishes,
    Calls,
}

impl Run {
    /// The run that the event has begun in this conversation, if it has.
    pub(super) fn begin(begun: &Event, conversation: &Conversation, now: Timestamp) -> Option<Self> {
        let job = match begun {
            Event::TurnBegins { turn } => Job::Turn {
                turn: *turn,
                lease: conversation.turn?.running?.id,
            },
            Event::StepBegins { step } => Job::Step {
                step: *step,
                action: conversation.steps.first()?.action.clone(),
            },
            _ => return None,
        };
        let deadline = now.plus_seconds(FUNCTION_SECONDS);
        Some(Self { job, deadline })
    }
}

impl World {
    /// A function goes on.
    pub(super) fn progress(&mut self, index: usize, answer: Answer, reply: Reply) -> Check {
        let Run { job, deadline } = self.runs.remove(index);
        match job {
            Job::Turn { turn, lease } => {
                let result = Box::new(self.turn_result(answer));
                self.apply(&Event::TurnEnds { turn, lease, result })?;
            }
            Job::Step { step, action } => {
                let result = self.request(&action, reply)?;
                let job = Job::Report { step, result };
                self.runs.push(Run { job, deadline });
            }
            Job::Report { step, result } => {
                self.apply(&Event::StepEnds { step, result })?;
            }
        }
        Ok(())
    }

    /// A function dies. If the platform has changed the text of a message, its echo is recognized only by the answer to
    /// the request, so that function reports.
    pub(super) fn crash(&mut self, index: usize) -> Check {
        if let Job::Report { step, result } = &self.runs[index].job {
            if self.audit.is_rewritten(result) {
                return self.progress(index, Answer::Posts(0), Reply::Done);
            }
            // It may have sent the messages of its decision.
            let (step, result) = (*step, result.clone());
            let decision = self.decide(&Event::StepEnds { step, result });
            self.send(&decision);
        }
        self.runs.remove(index);
        Ok(())
    }

    fn turn_result(&mut self, answer: Answer) -> TurnResult {
        let (posts, action) = match answer {
            Answer::Posts(count) => (count, TurnAction::Continue),
            Answer::First => (1, TurnAction::Continue),
            Answer::HandsOver => (1, hands_over(self.unique_plan(plan()))),
            Answer::HandsOverForAWhile => {
                let plan = HandOverPlan {
                    then: WaitAction::GiveBack,
                    ..plan()
                };
                (0, hands_over(self.unique_plan(plan)))
            }
            Answer::HandsOverSimply => {
                let message = self.fresh_text("hand-over");
                let plan = HandOverPlan {
                    message,
                    ..HandOverPlan::default()
                };
                (0, hands_over(plan))
            }
            Answer::Finishes => (1, TurnAction::Finish),
            Answer::Calls => (1, TurnAction::Call(call())),
        };
        let posts: Vec<String> = (0..posts).map(|_| self.fresh_text("reply")).collect();
        let posts: Vec<&str> = posts.iter().map(String::as_str).collect();
        let answered = if answer == Answer::First { 1 } else { usize::MAX };
        TurnResult {
            answered,
            ..result(&posts, action)
        }
    }

    /// The plan, with texts that no other plan has.
    pub(super) fn unique_plan(&mut self, plan: HandOverPlan) -> HandOverPlan {
        HandOverPlan {
            message: self.fresh_text("hand-over"),
            wait_message: Some(self.fresh_text("wait")),
            call: Some(call()),
            ..plan
        }
    }

    /// The platform gets the request of a step.
    fn request(&mut self, action: &StepAction, reply: Reply) -> Result<StepResult, String> {
        let detail = String::new();
        let is_done = match reply {
            Reply::Done | Reply::DoneWithoutId | Reply::Rewritten | Reply::UnclearAndDone => true,
            Reply::Failed | Reply::Refused | Reply::UnclearAndNotDone => false,
        };
        let own = is_done.then(|| self.take_effect(action, reply)).transpose()?.flatten();
        Ok(match reply {
            Reply::Done | Reply::Rewritten => StepResult::Done {
                id: own.map(|own| id(&own)),
            },
            Reply::DoneWithoutId => StepResult::Done { id: None },
            Reply::Failed => StepResult::Failed {
                retry_after: None,
                detail,
            },
            Reply::Refused => StepResult::Refused { detail },
            Reply::UnclearAndDone | Reply::UnclearAndNotDone => StepResult::Unclear { detail },
        })
    }

    /// The request takes effect. The platform reports it, and returns the id of a message.
    fn take_effect(&mut self, action: &StepAction, reply: Reply) -> Result<Option<String>, String> {
        match action {
            StepAction::Post { text, .. } => {
                self.audit.posted(text)?;
                let id = self.fresh_id("own");
                let mut reported = text.clone();
                if reply == Reply::Rewritten {
                    reported.push_str(" (rewritten)");
                    self.audit.rewritten(&id);
                }
                self.audit.own(&id);
                if let Some(author) = self.echo_author.clone() {
                    self.report(&id, Direction::Outgoing, author, &reported);
                }
                Ok(Some(id))
            }
            StepAction::Finish => {
                self.report_event(event(EventKind::Resolved, None));
                Ok(None)
            }
            StepAction::Deliver
            | StepAction::Remember { .. }
            | StepAction::QueueCall { .. }
            | StepAction::Dispatch { .. }
            | StepAction::Resolve { .. } => Ok(None),
        }
    }
}

fn call() -> CallPlan {
    CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    }
}
