//! The lifecycle of a call to an employee, from the queue to its final status.

use std::time::Duration;

use patchbay::clock::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::Twilio;
use super::answered::AnsweredCall;
use super::order::Order;
use super::records::Status;
use super::state::Command;
use super::switches::LostCall;
use crate::exchange::{CallId, EndedBy, PhoneEventKind};
use crate::phones::{Answer, Behavior, NETWORK_NOTICES};
use crate::script_runner::{command_before, later_by};

/// From `initiated` to `ringing`.
const INITIATED: Duration = Duration::from_secs(1);
/// Time until a lost call gets its final status.
const LOST: Duration = Duration::from_secs(20);
/// Time until a call that never gets a final status ends nevertheless.
const NEVER: Duration = Duration::from_hours(1);

/// A call in progress.
pub(super) struct Call {
    pub(super) twilio: Twilio,
    pub(super) id: CallId,
    pub(super) order: Order,
    behavior: Behavior,
    commands: UnboundedReceiver<Command>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: Status,
    pub(super) by: EndedBy,
    /// Whether no callback is sent.
    pub(super) is_silent: bool,
}

impl Ending {
    pub(super) const fn new(status: Status, by: EndedBy) -> Self {
        Self {
            status,
            by,
            is_silent: false,
        }
    }
}

/// How ringing ended.
enum RingResult {
    Answered(Answer),
    Over(Ending),
}

impl Call {
    pub(super) const fn new(
        twilio: Twilio,
        id: CallId,
        order: Order,
        behavior: Behavior,
        commands: UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            twilio,
            id,
            order,
            behavior,
            commands,
        }
    }

    pub(super) async fn run(mut self, starts_at: Timestamp) {
        let ending = self.play(starts_at).await;
        self.end(ending);
        self.twilio.send_held(self.id);
    }

    /// Plays the call up to its final status.
    async fn play(&mut self, starts_at: Timestamp) -> Ending {
        if let Some(ending) = self.wait_or_end(starts_at).await {
            // A call that ends in the queue causes no callback.
            return Ending {
                is_silent: true,
                ..ending
            };
        }
        let now = self.set_status(Status::Initiated);
        if let Some(leg) = self.twilio.outbound().leg_mut(self.id) {
            leg.record.dialed_at = Some(now);
        }
        if let Some(ending) = self.wait_or_end(later_by(now, INITIATED)).await {
            return ending;
        }
        self.set_status(Status::Ringing);
        self.twilio.emit(self.id, PhoneEventKind::Ringing);
        match self.ring().await {
            RingResult::Over(ending) => ending,
            RingResult::Answered(answer) => self.answered(answer).await,
        }
    }

    async fn answered(&mut self, answer: Answer) -> Ending {
        let now = self.twilio.now();
        if let Some(leg) = self.twilio.outbound().leg_mut(self.id) {
            leg.record.answered_at = Some(now);
        }
        self.set_status(Status::InProgress);
        let machine = answer.machine;
        self.twilio.emit(self.id, PhoneEventKind::Answered { machine });
        AnsweredCall::new(self, answer, now).run().await
    }

    /// Waits until `until`. Returns early if the API ends the call.
    async fn wait_or_end(&mut self, until: Timestamp) -> Option<Ending> {
        while let Some(command) = self.wait(until).await {
            if let Command::Stop(status) = command {
                return Some(Ending::new(status, EndedBy::Api));
            }
        }
        None
    }

    async fn ring(&mut self) -> RingResult {
        let start = self.twilio.now();
        let switches = self.twilio.switches().calls;
        let asked = Duration::from_secs(self.order.ring_seconds.into()) + switches.extra_ring_time;
        let limit = switches.network_ring.min(asked);
        let happens_after = self.behavior.happens_after();
        // If both coincide, the provider gives up first.
        let happens = happens_after.is_some_and(|after| after < limit || after == NETWORK_NOTICES);
        let until = later_by(start, happens_after.filter(|_| happens).unwrap_or(limit));
        while let Some(command) = self.wait(until).await {
            match command {
                Command::PickUp => return RingResult::Answered(self.behavior.picked_up()),
                Command::HangUp => return RingResult::Over(self.rejected_on_the_phone()),
                Command::Stop(status) => return RingResult::Over(Ending::new(status, EndedBy::Api)),
                Command::Key(_) | Command::Redirect(_) | Command::Reply(..) => {}
            }
        }
        let nobody = Ending::new(Status::NoAnswer, EndedBy::RingTimeout);
        if !happens {
            return RingResult::Over(nobody);
        }
        RingResult::Over(match &self.behavior {
            Behavior::Answers(answer) => return RingResult::Answered(answer.clone()),
            Behavior::Busy => Ending::new(Status::Busy, EndedBy::Network),
            Behavior::Fails => Ending::new(Status::Failed, EndedBy::Network),
            Behavior::Rejects { .. } => self.rejected_on_the_phone(),
            Behavior::GetsLost => self.get_lost().await,
            Behavior::NeverPicksUp | Behavior::Interactive => nobody,
        })
    }

    async fn get_lost(&mut self) -> Ending {
        let ending = |status| Ending::new(status, EndedBy::Network);
        let (after, lost) = match self.twilio.switches().calls.lost_call {
            LostCall::Failed => (LOST, ending(Status::Failed)),
            LostCall::NoAnswer => (LOST, ending(Status::NoAnswer)),
            LostCall::NeverTerminal => {
                let silent = Ending {
                    is_silent: true,
                    ..ending(Status::Failed)
                };
                (NEVER, silent)
            }
        };
        let until = later_by(self.twilio.now(), after);
        self.wait_or_end(until).await.unwrap_or(lost)
    }

    fn rejected_on_the_phone(&self) -> Ending {
        Ending::new(self.twilio.switches().calls.after_phone_reject, EndedBy::Employee)
    }

    /// The next command, or `None` at `until`.
    pub(super) async fn wait(&mut self, until: Timestamp) -> Option<Command> {
        command_before(&mut self.commands, &self.twilio.0.clock, until).await
    }

    /// Sets a status that is not final, and returns its time.
    fn set_status(&self, status: Status) -> Timestamp {
        let now = self.twilio.now();
        if let Some(leg) = self.twilio.outbound().leg_mut(self.id) {
            leg.record.statuses.push((now, status));
        }
        self.twilio.send_status(self.id, status, EndedBy::Network);
        now
    }

    fn end(&self, ending: Ending) {
        let now = self.twilio.now();
        {
            let mut state = self.twilio.outbound();
            if let Some(leg) = state.leg_mut(self.id) {
                leg.record.statuses.push((now, ending.status));
                leg.record.ended_at = Some(now);
                leg.record.ended_by = Some(ending.by);
            }
            state.store(self.id);
        }
        self.twilio.0.exchange.end_call(&self.order.to);
        let (status, by) = (ending.status.as_str(), ending.by);
        self.twilio.emit(self.id, PhoneEventKind::Ended { status, by });
        if !ending.is_silent {
            self.twilio.send_status(self.id, ending.status, ending.by);
        }
    }
}
