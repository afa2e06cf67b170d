//! The life of a call to an employee, from the queue to its last status.

use std::time::Duration;

use patchbay::clock::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::Twilio;
use super::order::Order;
use super::records::Status;
use super::state::Command;
use super::switches::LostCall;
use super::talk::Talk;
use crate::exchange::{CallId, EndedBy, Happening};
use crate::hand::{command_before, later_by};
use crate::phones::{Answer, Behaviour, NETWORK_NOTICES};

/// From `initiated` to `ringing`.
const INITIATED: Duration = Duration::from_secs(1);
/// After which a lost call has its last status.
const LOST: Duration = Duration::from_secs(20);
/// After which one that never has any is over all the same: something must end it.
const NEVER: Duration = Duration::from_hours(1);

/// One call under way.
pub(super) struct Call {
    pub(super) twilio: Twilio,
    pub(super) id: CallId,
    pub(super) order: Order,
    behaviour: Behaviour,
    commands: UnboundedReceiver<Command>,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: Status,
    pub(super) by: EndedBy,
    /// Whether nobody is told.
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

/// How ringing ends.
enum Rung {
    Answered(Answer),
    Over(Ending),
}

impl Call {
    pub(super) const fn new(
        twilio: Twilio,
        id: CallId,
        order: Order,
        behaviour: Behaviour,
        commands: UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            twilio,
            id,
            order,
            behaviour,
            commands,
        }
    }

    pub(super) async fn run(mut self, starts_at: Timestamp) {
        let ending = self.live(starts_at).await;
        self.end(ending);
        self.twilio.release(self.id);
    }

    /// Everything before the last status.
    async fn live(&mut self, starts_at: Timestamp) -> Ending {
        if let Some(ending) = self.let_pass(starts_at).await {
            // A call that has not left the queue is never heard of again.
            return Ending {
                is_silent: true,
                ..ending
            };
        }
        let now = self.becomes(Status::Initiated);
        if let Some(leg) = self.twilio.out().leg_mut(self.id) {
            leg.record.dialled_at = Some(now);
        }
        if let Some(ending) = self.let_pass(later_by(now, INITIATED)).await {
            return ending;
        }
        self.becomes(Status::Ringing);
        self.twilio.emit(self.id, Happening::Ringing);
        match self.ring().await {
            Rung::Over(ending) => ending,
            Rung::Answered(answer) => self.answered(answer).await,
        }
    }

    async fn answered(&mut self, answer: Answer) -> Ending {
        let now = self.twilio.now();
        if let Some(leg) = self.twilio.out().leg_mut(self.id) {
            leg.record.answered_at = Some(now);
        }
        self.becomes(Status::InProgress);
        let machine = answer.machine;
        self.twilio.emit(self.id, Happening::Answered { machine });
        Talk::new(self, answer, now).run().await
    }

    /// Waits, unless the call is ended through the API meanwhile.
    async fn let_pass(&mut self, until: Timestamp) -> Option<Ending> {
        while let Some(command) = self.wait(until).await {
            if let Command::Stop(status) = command {
                return Some(Ending::new(status, EndedBy::Api));
            }
        }
        None
    }

    async fn ring(&mut self) -> Rung {
        let start = self.twilio.now();
        let switches = self.twilio.switches().calls;
        let asked = Duration::from_secs(self.order.ring_seconds.into()) + switches.rings_longer;
        let limit = switches.network_ring.min(asked);
        let happens_after = self.behaviour.happens_after();
        // At the very limit the provider gives up first.
        let happens = happens_after.is_some_and(|after| after < limit || after == NETWORK_NOTICES);
        let until = later_by(start, happens_after.filter(|_| happens).unwrap_or(limit));
        while let Some(command) = self.wait(until).await {
            match command {
                Command::PickUp => return Rung::Answered(self.behaviour.picked_up()),
                Command::HangUp => return Rung::Over(self.rejected_on_the_phone()),
                Command::Stop(status) => return Rung::Over(Ending::new(status, EndedBy::Api)),
                Command::Key(_) | Command::Redirect(_) | Command::Reply(..) => {}
            }
        }
        let nobody = Ending::new(Status::NoAnswer, EndedBy::RingTimeout);
        if !happens {
            return Rung::Over(nobody);
        }
        Rung::Over(match &self.behaviour {
            Behaviour::Answers(answer) => return Rung::Answered(answer.clone()),
            Behaviour::Busy => Ending::new(Status::Busy, EndedBy::Network),
            Behaviour::Fails => Ending::new(Status::Failed, EndedBy::Network),
            Behaviour::Rejects { .. } => self.rejected_on_the_phone(),
            Behaviour::GetsLost => self.get_lost().await,
            Behaviour::NeverPicksUp | Behaviour::Interactive => nobody,
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
        self.let_pass(until).await.unwrap_or(lost)
    }

    fn rejected_on_the_phone(&self) -> Ending {
        Ending::new(self.twilio.switches().calls.after_phone_reject, EndedBy::Employee)
    }

    /// The next command; none when `until` comes first.
    pub(super) async fn wait(&mut self, until: Timestamp) -> Option<Command> {
        command_before(&mut self.commands, &self.twilio.0.clock, until).await
    }

    /// Takes a status that another will follow.
    fn becomes(&self, status: Status) -> Timestamp {
        let now = self.twilio.now();
        if let Some(leg) = self.twilio.out().leg_mut(self.id) {
            leg.record.statuses.push((now, status));
        }
        self.twilio.call_back(self.id, status, EndedBy::Network);
        now
    }

    fn end(&self, ending: Ending) {
        let now = self.twilio.now();
        {
            let mut state = self.twilio.out();
            if let Some(leg) = state.leg_mut(self.id) {
                leg.record.statuses.push((now, ending.status));
                leg.record.ended_at = Some(now);
                leg.record.ended_by = Some(ending.by);
            }
            state.keep(self.id);
        }
        self.twilio.0.exchange.end(&self.order.to);
        let (status, by) = (ending.status.as_str(), ending.by);
        self.twilio.emit(self.id, Happening::Ended { status, by });
        if !ending.is_silent {
            self.twilio.call_back(self.id, ending.status, ending.by);
        }
    }
}
