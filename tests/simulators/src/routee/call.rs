//! The life of a call, from the order to its last status.

use std::time::Duration;

use patchbay::clock::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Routee;
use super::create::Order;
use super::faults::OutOfMoney;
use super::records::Status;
use super::state::Command;
use super::switches::EndEventOrder;
use super::talk::Talk;
use super::webhooks::Envelope;
use crate::exchange::{CallId, EndedBy, Happening};
use crate::hand::{command_before, later_by};
use crate::phones::{Answer, Behaviour, NETWORK_NOTICES};

/// From `Queued` to `Initiated`.
const QUEUED: Duration = Duration::from_millis(300);
/// From `Initiated` to `Ringing`.
const INITIATED: Duration = Duration::from_secs(1);
/// From `Unknown` to the status that follows it, if one does.
const UNKNOWN: Duration = Duration::from_secs(20);
/// Between the final status and the COLLECT event of the ended call, whichever is first.
const END_EVENT_GAP: Duration = Duration::from_millis(200);

/// One call under way.
pub(super) struct Call {
    pub(super) routee: Routee,
    pub(super) id: CallId,
    pub(super) order: Order,
    pub(super) money: Option<OutOfMoney>,
    behaviour: Behaviour,
    commands: UnboundedReceiver<Command>,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) status: Status,
    pub(super) by: EndedBy,
}

impl Ending {
    pub(super) const fn new(status: Status, by: EndedBy) -> Self {
        Self { status, by }
    }
}

/// How ringing ends.
enum Rung {
    Answered(Answer),
    Over(Ending),
}

impl Call {
    pub(super) const fn new(
        routee: Routee,
        id: CallId,
        order: Order,
        behaviour: Behaviour,
        money: Option<OutOfMoney>,
        commands: UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            routee,
            id,
            order,
            money,
            behaviour,
            commands,
        }
    }

    pub(super) async fn run(mut self, starts_after: Duration) {
        self.routee.0.clock.sleep(starts_after).await;
        let (ending, event) = self.live().await;
        let ended_at = self.end(ending);
        let clock = &self.routee.0.clock;
        match self.routee.0.switches.end_event_order {
            EndEventOrder::AfterStatus => {
                self.routee.call_back(self.id, ended_at, ending.status, true);
                if let Some(event) = event {
                    clock.sleep(END_EVENT_GAP).await;
                    self.routee.tell(event);
                }
            }
            EndEventOrder::BeforeStatus => {
                if let Some(event) = event {
                    self.routee.tell(event);
                    clock.sleep(END_EVENT_GAP).await;
                }
                self.routee.call_back(self.id, ended_at, ending.status, true);
            }
        }
        self.routee.release(self.id);
    }

    async fn live(&mut self) -> (Ending, Option<Envelope>) {
        self.routee.call_back(self.id, self.routee.now(), Status::Queued, false);
        if let Some(ending) = self.let_pass(QUEUED).await {
            return (ending, None);
        }
        if self.money == Some(OutOfMoney::Unsent) {
            return (Ending::new(Status::Unsent, EndedBy::Money), None);
        }
        self.becomes(Status::Initiated);
        if let Some(ending) = self.let_pass(INITIATED).await {
            return (ending, None);
        }
        self.becomes(Status::Ringing);
        self.routee.emit(self.id, Happening::Ringing);
        match self.ring().await {
            Rung::Over(ending) => (ending, None),
            Rung::Answered(answer) => {
                let now = self.becomes(Status::InProgress);
                if let Some(leg) = self.routee.lock().leg_mut(self.id) {
                    leg.record.answered_at = Some(now);
                    leg.machine = Some(answer.machine);
                }
                self.routee.emit(
                    self.id,
                    Happening::Answered {
                        machine: answer.machine,
                    },
                );
                Talk::new(self, answer, now).run().await
            }
        }
    }

    /// Waits, unless the call is rejected through the API meanwhile.
    async fn let_pass(&mut self, duration: Duration) -> Option<Ending> {
        let until = later_by(self.routee.now(), duration);
        while let Some(command) = self.wait(until).await {
            if let Command::ApiReject = command {
                return Some(self.rejected_by_api());
            }
        }
        None
    }

    async fn ring(&mut self) -> Rung {
        let start = self.routee.now();
        let network = self.routee.0.switches.network_ring;
        let limit = self
            .order
            .ring_seconds
            .map_or(network, |s| network.min(Duration::from_secs(s.into())));
        let happens_after = self.behaviour.happens_after();
        // At the very limit the provider gives up first.
        let happens = happens_after.is_some_and(|after| after < limit || after == NETWORK_NOTICES);
        let until = later_by(start, happens_after.filter(|_| happens).unwrap_or(limit));
        while let Some(command) = self.wait(until).await {
            match command {
                Command::PickUp => return Rung::Answered(self.behaviour.picked_up()),
                Command::HangUp => return Rung::Over(self.rejected_on_the_phone()),
                Command::ApiReject => return Rung::Over(self.rejected_by_api()),
                Command::Key(_) | Command::ApiHangup | Command::Reply(_) => {}
            }
        }
        if !happens {
            return Rung::Over(Ending::new(Status::NoAnswer, EndedBy::RingTimeout));
        }
        Rung::Over(match &self.behaviour {
            Behaviour::Answers(answer) => return Rung::Answered(answer.clone()),
            Behaviour::Busy => Ending::new(Status::Busy, EndedBy::Network),
            Behaviour::Fails => Ending::new(Status::Failed, EndedBy::Network),
            Behaviour::Rejects { .. } => self.rejected_on_the_phone(),
            Behaviour::GetsLost => self.get_lost().await,
            Behaviour::NeverPicksUp | Behaviour::Interactive => Ending::new(Status::NoAnswer, EndedBy::RingTimeout),
        })
    }

    async fn get_lost(&mut self) -> Ending {
        let Some(status) = self.routee.0.switches.after_unknown else {
            return Ending::new(Status::Unknown, EndedBy::Network);
        };
        self.becomes(Status::Unknown);
        let until = later_by(self.routee.now(), UNKNOWN);
        while self.wait(until).await.is_some() {}
        Ending::new(status, EndedBy::Network)
    }

    fn rejected_on_the_phone(&self) -> Ending {
        Ending::new(self.routee.0.switches.after_phone_reject, EndedBy::Employee)
    }

    fn rejected_by_api(&self) -> Ending {
        Ending::new(self.routee.0.switches.after_reject, EndedBy::Api)
    }

    /// The next command; none when `until` comes first.
    pub(super) async fn wait(&mut self, until: Timestamp) -> Option<Command> {
        command_before(&mut self.commands, &self.routee.0.clock, until).await
    }

    /// Takes a status that another will follow.
    fn becomes(&self, status: Status) -> Timestamp {
        let now = self.routee.now();
        if let Some(leg) = self.routee.lock().leg_mut(self.id) {
            leg.record.statuses.push((now, status));
        }
        self.routee.call_back(self.id, now, status, false);
        now
    }

    fn end(&self, ending: Ending) -> Timestamp {
        let now = self.routee.now();
        let mut guard = self.routee.lock();
        let state = &mut *guard;
        if let Some(leg) = state.leg_mut(self.id) {
            leg.record.statuses.push((now, ending.status));
            leg.record.ended_at = Some(now);
            leg.record.ended_by = Some(ending.by);
        }
        state.keep(self.id);
        drop(guard);
        self.routee.0.exchange.end(&self.order.to);
        self.routee.emit(
            self.id,
            Happening::Ended {
                status: ending.status.as_str(),
                by: ending.by,
            },
        );
        now
    }
}
