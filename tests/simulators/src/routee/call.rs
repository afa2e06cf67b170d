//! The lifecycle of a call, from its creation to its final status.

use std::time::Duration;

use patchbay::clock::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Routee;
use super::answered::AnsweredCall;
use super::create::Order;
use super::faults::OutOfMoney;
use super::records::Status;
use super::state::Command;
use super::switches::EndEventOrder;
use super::webhooks::OutgoingWebhook;
use crate::exchange::{CallId, EndedBy, PhoneEventKind};
use crate::phones::{Answer, Behavior, NETWORK_NOTICES};
use crate::script_runner::{command_before, later_by};

/// From `Queued` to `Initiated`.
const QUEUED: Duration = Duration::from_millis(300);
/// From `Initiated` to `Ringing`.
const INITIATED: Duration = Duration::from_secs(1);
/// From `Unknown` to the next status, if there is one.
const UNKNOWN: Duration = Duration::from_secs(20);
/// Between the final status and the COLLECT event after the call, in either order.
const END_EVENT_GAP: Duration = Duration::from_millis(200);

/// A call in progress.
pub(super) struct Call {
    pub(super) routee: Routee,
    pub(super) id: CallId,
    pub(super) order: Order,
    pub(super) money: Option<OutOfMoney>,
    behavior: Behavior,
    commands: UnboundedReceiver<Command>,
}

/// How a call ended.
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

/// How ringing ended.
enum RingResult {
    Answered(Answer),
    Over(Ending),
}

impl Call {
    pub(super) const fn new(
        routee: Routee,
        id: CallId,
        order: Order,
        behavior: Behavior,
        money: Option<OutOfMoney>,
        commands: UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            routee,
            id,
            order,
            money,
            behavior,
            commands,
        }
    }

    pub(super) async fn run(mut self, starts_after: Duration) {
        self.routee.0.clock.sleep(starts_after).await;
        let (ending, event) = self.play().await;
        let ended_at = self.end(ending);
        let clock = &self.routee.0.clock;
        match self.routee.0.switches.end_event_order {
            EndEventOrder::AfterStatus => {
                self.routee.send_status(self.id, ended_at, ending.status, true);
                if let Some(event) = event {
                    clock.sleep(END_EVENT_GAP).await;
                    self.routee.send_event(event);
                }
            }
            EndEventOrder::BeforeStatus => {
                if let Some(event) = event {
                    self.routee.send_event(event);
                    clock.sleep(END_EVENT_GAP).await;
                }
                self.routee.send_status(self.id, ended_at, ending.status, true);
            }
        }
        self.routee.send_held(self.id);
    }

    async fn play(&mut self) -> (Ending, Option<OutgoingWebhook>) {
        self.routee
            .send_status(self.id, self.routee.now(), Status::Queued, false);
        if let Some(ending) = self.wait_or_end(QUEUED).await {
            return (ending, None);
        }
        if self.money == Some(OutOfMoney::Unsent) {
            return (Ending::new(Status::Unsent, EndedBy::Money), None);
        }
        self.set_status(Status::Initiated);
        if let Some(ending) = self.wait_or_end(INITIATED).await {
            return (ending, None);
        }
        self.set_status(Status::Ringing);
        self.routee.emit(self.id, PhoneEventKind::Ringing);
        match self.ring().await {
            RingResult::Over(ending) => (ending, None),
            RingResult::Answered(answer) => {
                let now = self.set_status(Status::InProgress);
                if let Some(leg) = self.routee.lock().leg_mut(self.id) {
                    leg.record.answered_at = Some(now);
                    leg.machine = Some(answer.machine);
                }
                self.routee.emit(
                    self.id,
                    PhoneEventKind::Answered {
                        machine: answer.machine,
                    },
                );
                AnsweredCall::new(self, answer, now).run().await
            }
        }
    }

    /// Waits for `duration`. Returns early if the API rejects the call.
    async fn wait_or_end(&mut self, duration: Duration) -> Option<Ending> {
        let until = later_by(self.routee.now(), duration);
        while let Some(command) = self.wait(until).await {
            if let Command::ApiReject = command {
                return Some(self.rejected_by_api());
            }
        }
        None
    }

    async fn ring(&mut self) -> RingResult {
        let start = self.routee.now();
        let network = self.routee.0.switches.network_ring;
        let limit = self
            .order
            .ring_seconds
            .map_or(network, |s| network.min(Duration::from_secs(s.into())));
        let happens_after = self.behavior.happens_after();
        // If both coincide, the provider gives up first.
        let happens = happens_after.is_some_and(|after| after < limit || after == NETWORK_NOTICES);
        let until = later_by(start, happens_after.filter(|_| happens).unwrap_or(limit));
        while let Some(command) = self.wait(until).await {
            match command {
                Command::PickUp => return RingResult::Answered(self.behavior.picked_up()),
                Command::HangUp => return RingResult::Over(self.rejected_on_the_phone()),
                Command::ApiReject => return RingResult::Over(self.rejected_by_api()),
                Command::Key(_) | Command::ApiHangup | Command::Reply(_) => {}
            }
        }
        if !happens {
            return RingResult::Over(Ending::new(Status::NoAnswer, EndedBy::RingTimeout));
        }
        RingResult::Over(match &self.behavior {
            Behavior::Answers(answer) => return RingResult::Answered(answer.clone()),
            Behavior::Busy => Ending::new(Status::Busy, EndedBy::Network),
            Behavior::Fails => Ending::new(Status::Failed, EndedBy::Network),
            Behavior::Rejects { .. } => self.rejected_on_the_phone(),
            Behavior::GetsLost => self.get_lost().await,
            Behavior::NeverPicksUp | Behavior::Interactive => Ending::new(Status::NoAnswer, EndedBy::RingTimeout),
        })
    }

    async fn get_lost(&mut self) -> Ending {
        let Some(status) = self.routee.0.switches.after_unknown else {
            return Ending::new(Status::Unknown, EndedBy::Network);
        };
        self.set_status(Status::Unknown);
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

    /// The next command, or `None` at `until`.
    pub(super) async fn wait(&mut self, until: Timestamp) -> Option<Command> {
        command_before(&mut self.commands, &self.routee.0.clock, until).await
    }

    /// Sets a status that is not final, and returns its time.
    fn set_status(&self, status: Status) -> Timestamp {
        let now = self.routee.now();
        if let Some(leg) = self.routee.lock().leg_mut(self.id) {
            leg.record.statuses.push((now, status));
        }
        self.routee.send_status(self.id, now, status, false);
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
        state.store(self.id);
        drop(guard);
        self.routee.0.exchange.end_call(&self.order.to);
        self.routee.emit(
            self.id,
            PhoneEventKind::Ended {
                status: ending.status.as_str(),
                by: ending.by,
            },
        );
        now
    }
}
