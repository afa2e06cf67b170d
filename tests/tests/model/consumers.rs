//! How a message fares with its consumer.

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::{GRACE_SECONDS, MAX_LIVE_LOOKS};
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{Choice, Standing};
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{Event, Phase, Sighting};
use patchbay::ids::{AttemptId, Nonce, ProviderName};
use patchbay::mail::{Arrival, WRITER_LIFETIME_SECONDS};

use crate::steps::{How, Laws, NOW};
use crate::world::{Cause, End, Errand, Letter, Run, STORED, Step, World};

/// Who places the calls.
const PROVIDERS: [ProviderName; 2] = [ProviderName::known("one"), ProviderName::known("other")];

impl Laws {
    /// A message reaches its consumer. None when it only comes again.
    pub(crate) fn deliver(&self, world: &mut World, letter: Letter, how: How) -> Option<()> {
        match self.arrival(world, letter) {
            Arrival::Committed => {}
            Arrival::Abandoned => return Some(()),
            Arrival::TooEarly => return (!self.rules.returns_early_messages).then_some(()),
        }
        let cause = Cause::Letter(letter);
        let now = self.moment_of(cause);
        match letter.errand {
            Errand::Dial(attempt) => self.dial(world, letter, attempt, how),
            Errand::Watch { attempt, .. } => {
                if self.rules.watches_late && is_sent_by_a_running_dialer(world, attempt) {
                    return None;
                }
                let (sighting, looks) = look(world, attempt, how);
                let event = Event::Watched {
                    attempt,
                    sighting,
                    looks,
                };
                self.decide(world, cause, event, now);
            }
            Errand::Resume(wait) => self.decide(world, cause, Event::Resume { wait }, now),
            Errand::Remind(attempt) => {
                // An acceptor has hung up long before the time to resolve the ticket is over.
                if world.call(attempt).is_some_and(|call| call.end.is_none()) {
                    return None;
                }
                self.decide(world, cause, Event::Overdue { attempt }, now);
            }
            Errand::HangUp(attempt) => {
                let wanted = self.load(&world.kept).wants_call(attempt);
                if wanted && self.rules.spares_wanted_calls {
                    return Some(());
                }
                if world.is_about_to_ring(attempt) && world.call(attempt).is_none() {
                    // There is nothing to hang up yet: it comes again.
                    return None;
                }
                if let Some(call) = world
                    .calls
                    .iter_mut()
                    .find(|call| call.id == attempt && call.end.is_none())
                {
                    call.end = Some(End::Completed);
                    world.record.cut_off |= wanted;
                }
            }
        }
        Some(())
    }

    fn dial(&self, world: &mut World, letter: Letter, attempt: AttemptId, how: How) {
        let cause = Cause::Letter(letter);
        let phase = world
            .kept
            .attempt()
            .filter(|(id, _)| *id == attempt)
            .map(|(_, phase)| phase);
        let may_call = match phase {
            Some(Phase::Planned) => !self.rules.claims,
            Some(Phase::Claimed { .. }) => !self.rules.dials_once,
            _ => return,
        };
        if may_call {
            let step = Step::Call(attempt);
            return world.runs.push(Run { cause, step });
        }
        if phase != Some(&Phase::Planned) {
            return;
        }
        if how == How::Busy {
            let until = NOW.plus_seconds(90);
            return self.decide(world, cause, Event::EmployeeBusy { attempt, until }, NOW);
        }
        if self.rules.watches {
            world.mail.push(Letter {
                errand: Errand::Watch { attempt, late: false },
                version: STORED + 1,
            });
        }
        let standings = PROVIDERS.map(|provider| Standing {
            provider,
            health: Health::default(),
            free_at: NOW,
            urgent_free_at: NOW,
        });
        let Some(Choice { route, .. }) = self.load(&world.kept).choose(&standings, NOW) else {
            return;
        };
        self.decide(world, cause, Event::Claim { attempt, route }, NOW);
    }

    /// How the message stands to what is stored; the real rule, with "so long that no writer is left" for a time.
    fn arrival(&self, world: &World, letter: Letter) -> Arrival {
        let message = Message {
            subject: self.template.key.clone(),
            version: letter.version,
            sent_at: NOW,
            due_at: NOW,
            work: Work::Resume { wait: Nonce::new(0) },
        };
        let a_writer_is_left = world
            .runs
            .iter()
            .any(|run| matches!(run.step, Step::Commit { base: STORED, .. }));
        let now = if a_writer_is_left {
            NOW
        } else {
            NOW.plus_seconds(WRITER_LIFETIME_SECONDS)
        };
        message.arrival(Some(self.template.version), now)
    }

    /// When a cause is seen to: a late watch comes after the grace, everything else may come at once.
    #[expect(clippy::unused_self, reason = "reads as one of the laws")]
    pub(crate) fn moment_of(&self, cause: Cause) -> Timestamp {
        match cause {
            Cause::Letter(Letter {
                errand: Errand::Watch { late: true, .. },
                ..
            }) => NOW.plus_seconds(GRACE_SECONDS),
            _ => NOW,
        }
    }
}

/// What the watch of an attempt finds at the provider, and the how manieth look it is.
fn look(world: &World, attempt: AttemptId, how: How) -> (Sighting, u8) {
    let sighting = match world.call(attempt) {
        _ if how == How::Blindly => Sighting::Nothing,
        None => Sighting::Nothing,
        Some(call) => call.end.map_or(Sighting::Live, |end| Sighting::Over {
            ending: end.ending(),
            keys: call.key.map(String::from).unwrap_or_default(),
            machine: false,
        }),
    };
    let looks = if how == How::Plainly { 1 } else { MAX_LIVE_LOOKS };
    (sighting, looks)
}

/// Whether the function that sent the watch of this attempt has not yet committed its claim.
fn is_sent_by_a_running_dialer(world: &World, attempt: AttemptId) -> bool {
    world
        .runs
        .iter()
        .any(|run| matches!(&run.step, Step::Commit { event: Event::Claim { attempt: id, .. }, .. } if *id == attempt))
}
