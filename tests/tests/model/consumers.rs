//! The consumers of the queues.

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::{GRACE_SECONDS, MAX_LIVE_LOOKUPS};
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{ProviderState, RouteChoice};
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{CallLookup, Event, Phase};
use patchbay::ids::{AttemptId, Nonce, ProviderName};
use patchbay::message::{CommitState, WRITER_LIFETIME_SECONDS};

use crate::steps::{DeliveryVariant, NOW, Protocol};
use crate::world::{CallEnd, Cause, Invocation, QueuedMessage, QueuedWork, STORED_VERSION, Step, World};

/// The voice providers.
const PROVIDERS: [ProviderName; 2] = [ProviderName::known("one"), ProviderName::known("other")];

impl Protocol {
    /// A message reaches its consumer. None if it is only delivered again later.
    pub(crate) fn deliver(&self, world: &mut World, message: QueuedMessage, variant: DeliveryVariant) -> Option<()> {
        match self.commit_state(world, message) {
            CommitState::Committed => {}
            CommitState::Abandoned => return Some(()),
            CommitState::Pending => return (!self.rules.redelivers_early_messages).then_some(()),
        }
        let cause = Cause::Message(message);
        let now = self.handling_time(cause);
        match message.work {
            QueuedWork::Dial(attempt) => self.dial(world, message, attempt, variant),
            QueuedWork::Watch { attempt, .. } => {
                if self.rules.delays_watches && is_sent_by_a_running_dialer(world, attempt) {
                    return None;
                }
                let (lookup, lookups) = look_up(world, attempt, variant);
                let event = Event::Watched {
                    attempt,
                    lookup,
                    lookups,
                };
                self.decide(world, cause, event, now);
            }
            QueuedWork::Resume(wait) => self.decide(world, cause, Event::Resume { wait }, now),
            QueuedWork::Remind(attempt) => {
                // The acceptor has hung up long before the time to resolve the ticket is over.
                if world.call(attempt).is_some_and(|call| call.end.is_none()) {
                    return None;
                }
                self.decide(world, cause, Event::Overdue { attempt }, now);
            }
            QueuedWork::HangUp(attempt) => {
                let wanted = self.load(&world.stored).wants_call(attempt);
                if wanted && self.rules.spares_wanted_calls {
                    return Some(());
                }
                if world.is_about_to_call(attempt) && world.call(attempt).is_none() {
                    // There is nothing to hang up yet: the message is delivered again.
                    return None;
                }
                if let Some(call) = world
                    .calls
                    .iter_mut()
                    .find(|call| call.id == attempt && call.end.is_none())
                {
                    call.end = Some(CallEnd::Completed);
                    world.record.cut_off |= wanted;
                }
            }
        }
        Some(())
    }

    fn dial(&self, world: &mut World, message: QueuedMessage, attempt: AttemptId, variant: DeliveryVariant) {
        let cause = Cause::Message(message);
        let phase = world
            .stored
            .attempt()
            .filter(|(id, _)| *id == attempt)
            .map(|(_, phase)| phase);
        let may_call = match phase {
            Some(Phase::Planned) => !self.rules.claims_attempts,
            Some(Phase::Claimed { .. }) => !self.rules.dials_once,
            _ => return,
        };
        if may_call {
            let step = Step::Call(attempt);
            return world.invocations.push(Invocation { cause, step });
        }
        if phase != Some(&Phase::Planned) {
            return;
        }
        if variant == DeliveryVariant::EmployeeBusy {
            let until = NOW.plus_seconds(90);
            return self.decide(world, cause, Event::EmployeeBusy { attempt, until }, NOW);
        }
        if self.rules.watches_calls {
            world.queue.push(QueuedMessage {
                work: QueuedWork::Watch { attempt, late: false },
                version: STORED_VERSION + 1,
            });
        }
        let provider_states = PROVIDERS.map(|provider| ProviderState {
            provider,
            health: Health::default(),
            free_at: NOW,
            urgent_free_at: NOW,
        });
        let Some(RouteChoice { route, .. }) = self.load(&world.stored).choose(&provider_states, NOW) else {
            return;
        };
        self.decide(world, cause, Event::Claim { attempt, route }, NOW);
    }

    /// The state of the message's commit, by the real rule. The model has no time: a commit counts as abandoned as soon
    /// as no function is left that could make it.
    fn commit_state(&self, world: &World, message: QueuedMessage) -> CommitState {
        let real = Message {
            subject: self.template.key.clone(),
            version: message.version,
            sent_at: NOW,
            due_at: NOW,
            work: Work::Resume { wait: Nonce::new(0) },
        };
        let may_be_committed = world.invocations.iter().any(|invocation| {
            matches!(
                invocation.step,
                Step::Commit {
                    base: STORED_VERSION,
                    ..
                }
            )
        });
        let now = if may_be_committed {
            NOW
        } else {
            NOW.plus_seconds(WRITER_LIFETIME_SECONDS)
        };
        real.commit_state(Some(self.template.version), now)
    }

    /// When a message or webhook is handled: a late watch after the grace period, everything else at once.
    #[expect(clippy::unused_self, reason = "a rule of the protocol")]
    pub(crate) fn handling_time(&self, cause: Cause) -> Timestamp {
        match cause {
            Cause::Message(QueuedMessage {
                work: QueuedWork::Watch { late: true, .. },
                ..
            }) => NOW.plus_seconds(GRACE_SECONDS),
            _ => NOW,
        }
    }
}

/// The result of the watch's lookup at the provider, and the number of lookups so far.
fn look_up(world: &World, attempt: AttemptId, variant: DeliveryVariant) -> (CallLookup, u8) {
    let lookup = match world.call(attempt) {
        _ if variant == DeliveryVariant::LastLookupFails => CallLookup::Unknown,
        None => CallLookup::Unknown,
        Some(call) => call.end.map_or(CallLookup::Live, |end| CallLookup::Over {
            ending: end.ending(),
            keys: call.key.map(String::from).unwrap_or_default(),
            machine: false,
        }),
    };
    let lookups = if variant == DeliveryVariant::Normal {
        1
    } else {
        MAX_LIVE_LOOKUPS
    };
    (lookup, lookups)
}

/// Whether the function that sent the watch of this attempt has yet to commit its claim.
fn is_sent_by_a_running_dialer(world: &World, attempt: AttemptId) -> bool {
    world.invocations.iter().any(|invocation| {
        let step = &invocation.step;
        matches!(step, Step::Commit { event: Event::Claim { attempt: id, .. }, .. } if *id == attempt)
    })
}
