//! Placing the call of an attempt: slot, watch, claim, call, record. In this order: until the claim, which takes the
//! lease on the employee too, nothing is held and anything may be repeated; after it nothing is.

use patchbay::clock::Timestamp;
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{Attempt, Dispatch, Event, NewDispatch, NotPlaced, Phase, Verdict};
use patchbay::ids::AttemptId;
use patchbay::store::{Priority, Slot};
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Call, PlaceError};

use crate::{Deps, Failure};

/// A slot that is not further away than this is waited for in place.
const WAIT_IN_PLACE_MILLIS: i64 = 3_000;
/// A retry that has stood back for so long queues like a first attempt, in seconds.
const RETRY_PATIENCE_SECONDS: u32 = 60;
/// What a call takes beyond ringing and playing before it is worth asking after it, in seconds.
const WATCH_MARGIN_SECONDS: u32 = 10;
/// How long before its slot a call comes back, to wait for it in place: a message arrives up to a second late.
const EARLY_MILLIS: i64 = 2_000;

pub(crate) async fn dial(
    deps: &Deps,
    message: &Message,
    dispatch: Dispatch,
    id: AttemptId,
    slot: Option<Timestamp>,
) -> Result<(), Failure> {
    let Some(attempt) = dispatch
        .attempt_called(id)
        .filter(|attempt| attempt.phase == Phase::Planned)
        .cloned()
    else {
        tracing::info!(dispatch = %dispatch.key.id, attempt = %id, "dropped a call that is no longer wanted");
        return Ok(());
    };
    let now = deps.engine.clock.now();
    if attempt.due_at > now {
        return deps.again(message, attempt.due_at).await;
    }
    let offer = Offer::new(&dispatch, id);
    let watch_after = offer.watch_after(&dispatch);
    // The claim would find out too. Asked before, so that no slot is wasted on somebody who is on the phone.
    if let Some(until) = deps.engine.store.held_elsewhere(&dispatch, id, now).await? {
        return deps
            .apply(dispatch, &Event::EmployeeBusy { attempt: id, until })
            .await
            .map(drop);
    }
    if let Some(later) = wait_for_slot(deps, &attempt, slot).await? {
        let work = Work::Dial {
            attempt: id,
            slot: later.slot,
        };
        return deps
            .again(
                &Message {
                    work,
                    ..message.clone()
                },
                later.due_at,
            )
            .await;
    }
    place(deps, dispatch, offer, watch_after).await
}

/// A call that has to come back for its slot.
struct Later {
    slot: Option<Timestamp>,
    due_at: Timestamp,
}

/// Waits for the moment at which the provider may be asked; says when to come back if that is far away.
async fn wait_for_slot(deps: &Deps, attempt: &Attempt, slot: Option<Timestamp>) -> Result<Option<Later>, Failure> {
    let now = deps.engine.clock.now();
    let (provider, interval) = (deps.account.provider().as_str(), deps.account.call_interval());
    let patient = now < attempt.due_at.plus_seconds(RETRY_PATIENCE_SECONDS);
    let priority = if attempt.number > 1 && patient {
        Priority::Retry
    } else {
        Priority::First
    };
    let reserved = match slot {
        // One that has long gone is no right to call now: after a disturbance many would use theirs at once.
        Some(at) if now < at.plus_millis(interval) => Slot::At(at),
        _ => {
            deps.engine
                .store
                .reserve_slot(provider, interval, priority, now)
                .await?
        }
    };
    match reserved {
        Slot::At(at) if at <= now.plus_millis(WAIT_IN_PLACE_MILLIS) => {
            deps.engine.clock.sleep_until(at).await;
            Ok(None)
        }
        Slot::At(at) => Ok(Some(Later {
            slot: Some(at),
            due_at: at.plus_millis(-EARLY_MILLIS),
        })),
        Slot::AskAgainAt(at) => Ok(Some(Later { slot: None, due_at: at })),
    }
}

/// What somebody is to hear.
struct Offer {
    id: AttemptId,
    /// None when the attempt is for nobody in the dispatch.
    script: Option<Script>,
}

impl Offer {
    fn new(dispatch: &Dispatch, id: AttemptId) -> Self {
        let NewDispatch { ticket, policy, .. } = &dispatch.brief;
        let employee = dispatch.employee(id.employee);
        let script = employee.map(|employee| script::offer(ticket, employee, policy));
        Self { id, script }
    }

    /// The call, once `dispatch` is the one that claims the attempt.
    fn call<'a>(self, deps: &Deps, dispatch: &'a Dispatch) -> Option<Call<'a>> {
        let (key, provider, policy) = (&dispatch.key, deps.account.provider(), &dispatch.brief.policy);
        let webhook = dispatch.brief.webhook.as_ref();
        let tells_all = webhook.is_some_and(|webhook| webhook.strategy == Strategy::OnStatus);
        let told_from = tells_all.then_some(dispatch.version);
        Some(Call {
            to: &dispatch.employee(self.id.employee)?.phone,
            script: self.script?,
            keys_url: deps.callbacks.keys_url(provider, key, self.id, 0),
            status_url: deps.callbacks.status_url(provider, key, self.id, told_from),
            ring_timeout: policy.ring_timeout,
            max_duration: policy.max_duration,
            ends_on_machine: false,
        })
    }

    /// Seconds after which the call must have ended by itself.
    fn watch_after(&self, dispatch: &Dispatch) -> u32 {
        let longest = self.script.as_ref().map_or(0, Script::longest_seconds);
        dispatch.brief.policy.longest_ring() + longest + WATCH_MARGIN_SECONDS
    }
}

async fn place(deps: &Deps, dispatch: Dispatch, offer: Offer, watch_after: u32) -> Result<(), Failure> {
    let now = deps.engine.clock.now();
    let watch = Message {
        subject: dispatch.key.clone(),
        version: dispatch.version + 1,
        sent_at: now,
        due_at: now.plus_seconds(watch_after),
        work: Work::Watch {
            attempt: offer.id,
            looks: 0,
        },
    };
    deps.engine.dialing.send(&[watch], now).await?;
    let claim = Event::Claim {
        attempt: offer.id,
        provider: deps.account.provider().name(),
    };
    let claimed = deps.apply(dispatch, &claim).await?;
    if claimed.verdict != Verdict::Dial {
        // Overtaken (cancelled, accepted late, claimed by another delivery), or the employee is on the phone.
        return Ok(());
    }
    let event = outcome(deps, offer, &claimed.dispatch).await;
    record(deps, claimed.dispatch, &event).await
}

/// Places the call: what came of it.
async fn outcome(deps: &Deps, offer: Offer, dispatch: &Dispatch) -> Event {
    let attempt = offer.id;
    let Some(call) = offer.call(deps, dispatch) else {
        let why = NotPlaced::Refused;
        return Event::NotPlaced { attempt, why };
    };
    let error = match deps.account.place(call).await {
        Ok(call_id) => return Event::Placed { attempt, call_id },
        Err(error) => error,
    };
    tracing::warn!(attempt = %attempt, %error, "the provider did not take a call");
    telemetry::emf(
        deps.engine.clock.now(),
        &[],
        &[("ProviderErrors", Unit::Count, 1.0)],
        &[],
    );
    match error {
        PlaceError::NotPlaced { why, .. } => Event::NotPlaced { attempt, why },
        PlaceError::Unclear { .. } => Event::Unclear { attempt },
    }
}

/// Records what came of the call. Nothing here may lead to a second call: when the table cannot be had, the record
/// goes to the queue, and when that fails too the watch finds out.
async fn record(deps: &Deps, dispatch: Dispatch, event: &Event) -> Result<(), Failure> {
    let key = dispatch.key.clone();
    let Err(error) = deps.apply(dispatch, event).await else {
        return Ok(());
    };
    tracing::error!(dispatch = %key.id, %error, "what came of a call could not be recorded");
    Ok(deps.engine.keep(&key, event.clone()).await?)
}
