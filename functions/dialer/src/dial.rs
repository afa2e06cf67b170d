//! Places the call of an attempt, in this order: route, slot, watch, claim, call, record.
//!
//! The claim also takes the lease on the employee. Until the claim nothing is held and every step may be repeated;
//! after it no step may be.

use patchbay::clock::Timestamp;
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::policy::OnVoicemail;
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{Attempt, Dispatch, DispatchPriority, Event, EventOutcome, NewDispatch, NotPlaced, Phase};
use patchbay::ids::{AttemptId, ProviderName};
use patchbay::store::{PhoneStatus, Priority, SlotReservation};
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Account, OutboundCall, PlaceError};
use patchbay::webhook::Strategy;

use crate::route::ChosenRoute;
use crate::{Deps, Failure};

/// Longest wait for a pacing slot inside the invocation. A later slot sends the message back to the queue.
const WAIT_IN_PLACE_MILLIS: i64 = 3_000;
/// Seconds for which a retry yields to first attempts. After that it queues like a first attempt.
const RETRY_PATIENCE_SECONDS: u32 = 60;
/// Seconds between the longest possible end of a call and the first look at it.
const WATCH_MARGIN_SECONDS: u32 = 10;
/// How long before its slot a message is due again, to wait for the slot in place: SQS delivers up to a second late.
const EARLY_MILLIS: i64 = 2_000;

/// A slot that was reserved on an earlier hop, and the provider whose slot it is.
pub(crate) type Reserved<'a> = (Option<Timestamp>, Option<&'a ProviderName>);

pub(crate) async fn dial(
    deps: &Deps,
    message: &Message,
    dispatch: Dispatch,
    id: AttemptId,
    reserved: Reserved<'_>,
) -> Result<(), Failure> {
    let Some(attempt) = dispatch
        .attempt_with_id(id)
        .filter(|attempt| attempt.phase == Phase::Planned)
        .cloned()
    else {
        tracing::info!(dispatch = %dispatch.key.id, attempt = %id, "dropped a call: the attempt is no longer planned");
        return Ok(());
    };
    let now = deps.engine.clock.now();
    if attempt.due_at > now {
        return deps.resend(message, attempt.due_at).await;
    }
    // The claim also detects that the employee is on the phone. Checked before it, so that no slot is wasted.
    let store = &deps.engine.store;
    let (line, limits) = tokio::join!(
        store.phone_status(&dispatch, id, now),
        store.call_limits(&dispatch.key.tenant)
    );
    let (line, limits) = (line?, limits?);
    if let Some(event) = postponing_event(id, &line, limits, now) {
        return deps.apply(dispatch, &event).await.map(drop);
    }
    let Some(chosen) = deps.choose_route(&dispatch, reserved, now).await? else {
        return Err(Failure::NoAccount);
    };
    if let Some(requeue) = wait_for_slot(deps, &dispatch, &attempt, chosen.account, reserved).await? {
        return deps.requeue(message, id, requeue, chosen.account).await;
    }
    // Another call probes the provider, or has just done so: choose the route again.
    if !chosen.may_proceed(deps).await? {
        let requeue = Requeue {
            slot: None,
            due_at: deps.engine.clock.now(),
        };
        return deps.requeue(message, id, requeue, chosen.account).await;
    }
    let calls = (!limits.is_none()).then_some(line.calls);
    place(deps, dispatch, PlannedCall { id, chosen, calls }).await
}

/// The event that postpones the call: the employee's phone is held, or a call limit is reached.
fn postponing_event(attempt: AttemptId, line: &PhoneStatus, limits: CallLimits, now: Timestamp) -> Option<Event> {
    if let Some(until) = line.held_until {
        return Some(Event::EmployeeBusy { attempt, until });
    }
    let (limit, until) = limits.exceeded(&line.calls, now)?;
    Some(Event::OverLimit { attempt, limit, until })
}

/// When a message is due again, and the slot that it has reserved.
struct Requeue {
    slot: Option<Timestamp>,
    due_at: Timestamp,
}

impl Deps {
    async fn requeue(
        &self,
        message: &Message,
        attempt: AttemptId,
        requeue: Requeue,
        over: &Account,
    ) -> Result<(), Failure> {
        let work = Work::Dial {
            attempt,
            slot: requeue.slot,
            provider: requeue.slot.map(|_| over.provider().name()),
        };
        let message = Message {
            work,
            ..message.clone()
        };
        self.resend(&message, requeue.due_at).await
    }
}

/// Waits until the provider's pace allows the call. Returns when the message is due again if that is too far away.
async fn wait_for_slot(
    deps: &Deps,
    dispatch: &Dispatch,
    attempt: &Attempt,
    account: &Account,
    reserved: Reserved<'_>,
) -> Result<Option<Requeue>, Failure> {
    let (store, clock) = (&deps.engine.store, &deps.engine.clock);
    let now = clock.now();
    let (provider, interval) = (account.provider().as_str(), account.call_interval());
    let urgent = dispatch.spec.priority == DispatchPriority::Urgent;
    let same_provider = reserved.1.is_none_or(|over| over.as_str() == provider);
    let (slot, new) = match reserved.0.filter(|_| same_provider) {
        // A slot that passed long ago gives no right to call now: after an outage many calls would use theirs at once.
        Some(at) if now < at.plus_millis(interval) => (SlotReservation::Reserved(at), false),
        _ => {
            let priority = priority(dispatch, attempt, now);
            (store.reserve_slot(provider, interval, priority, now).await?, true)
        }
    };
    let at = match slot {
        SlotReservation::Reserved(at) if at <= now.plus_millis(WAIT_IN_PLACE_MILLIS) => at,
        SlotReservation::Reserved(at) => {
            return Ok(Some(Requeue {
                slot: Some(at),
                due_at: at.plus_millis(-EARLY_MILLIS),
            }));
        }
        SlotReservation::RetryAt(due_at) => return Ok(Some(Requeue { slot: None, due_at })),
    };
    clock.sleep_until(at).await;
    // An urgent call may have taken the slot during the wait.
    if urgent || (new && at <= now) || !store.is_slot_taken(provider, at).await? {
        return Ok(None);
    }
    let due_at = clock.now();
    Ok(Some(Requeue { slot: None, due_at }))
}

fn priority(dispatch: &Dispatch, attempt: &Attempt, now: Timestamp) -> Priority {
    let yields = now < attempt.due_at.plus_seconds(RETRY_PATIENCE_SECONDS);
    match dispatch.spec.priority {
        DispatchPriority::Urgent => Priority::Urgent,
        DispatchPriority::Normal if attempt.number > 1 && yields => Priority::Retry,
        DispatchPriority::Normal => Priority::First,
    }
}

/// A call that is about to be placed.
struct PlannedCall<'a> {
    id: AttemptId,
    /// The provider that places it, and why.
    chosen: ChosenRoute<'a>,
    /// Earlier calls to the employee; none if the tenant has no call limits.
    calls: Option<Vec<Timestamp>>,
}

impl PlannedCall<'_> {
    /// The script that the employee hears; none if the dispatch has no such employee.
    fn script(&self, dispatch: &Dispatch) -> Option<Script> {
        let NewDispatch { ticket, policy, .. } = &dispatch.spec;
        let employee = dispatch.employee(self.id.employee)?;
        Some(script::offer(ticket, employee, policy))
    }

    /// The call to place. `dispatch` must hold the claim.
    fn call<'d>(&self, deps: &Deps, dispatch: &'d Dispatch) -> Option<OutboundCall<'d>> {
        let (key, provider, policy) = (&dispatch.key, self.chosen.account.provider(), &dispatch.spec.policy);
        let webhook = dispatch.spec.webhook.as_ref();
        let tells_all = webhook.is_some_and(|webhook| webhook.strategy == Strategy::OnStatus);
        let claimed_version = tells_all.then_some(dispatch.version);
        Some(OutboundCall {
            to: &dispatch.employee(self.id.employee)?.phone,
            script: self.script(dispatch)?,
            keys_url: deps.callbacks.keys_url(provider, key, self.id, 0),
            status_url: deps.callbacks.status_url(provider, key, self.id, claimed_version),
            ring_timeout: policy.ring_timeout,
            max_duration: policy.max_duration,
            hang_up_on_machine: policy.on_voicemail == OnVoicemail::HangUp,
        })
    }

    /// Seconds after which the call must have ended.
    fn watch_after(&self, dispatch: &Dispatch) -> u32 {
        let policy = &dispatch.spec.policy;
        let said = self.script(dispatch).as_ref().map_or(0, Script::longest_seconds);
        // The provider ends the call at its maximum duration, however long the script is. Before a later look the
        // sentinel would already have reported the dispatch as stuck.
        let longest = policy.longest_ring().saturating_add(said).min(policy.longest_call());
        longest + WATCH_MARGIN_SECONDS
    }
}

async fn place(deps: &Deps, dispatch: Dispatch, planned: PlannedCall<'_>) -> Result<(), Failure> {
    let now = deps.engine.clock.now();
    let watch = Message {
        subject: dispatch.key.clone(),
        version: dispatch.version + 1,
        sent_at: now,
        due_at: now.plus_seconds(planned.watch_after(&dispatch)),
        work: Work::Watch {
            attempt: planned.id,
            lookups: 0,
        },
    };
    deps.engine.dialing.send(&[watch], now).await?;
    let claim = Event::Claim {
        attempt: planned.id,
        route: planned.chosen.route.clone(),
    };
    let claimed = deps.apply(dispatch, &claim).await?;
    if claimed.outcome != EventOutcome::Dial {
        // Superseded (cancelled, accepted late, claimed by a duplicate message), or the employee is on the phone.
        return Ok(());
    }
    let event = place_call(deps, &planned, &claimed.dispatch).await;
    let (dispatch, id) = (claimed.dispatch, planned.id);
    // Counted before the outcome is recorded, because the record may release the lease on the phone.
    if let (Some(calls), false) = (&planned.calls, matches!(event, Event::NotPlaced { .. })) {
        let calls = CallLimits::with_call(calls, deps.engine.clock.now());
        if let Err(error) = deps.engine.store.record_calls(&dispatch, id, &calls).await {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %id, %error, "cannot count a call against the call limits of its number");
        }
    }
    record(deps, dispatch, &event).await?;
    planned.chosen.record_health(deps, &event).await;
    Ok(())
}

/// Places the call. Returns its outcome as an event.
async fn place_call(deps: &Deps, planned: &PlannedCall<'_>, dispatch: &Dispatch) -> Event {
    let attempt = planned.id;
    let Some(call) = planned.call(deps, dispatch) else {
        let why = NotPlaced::Refused;
        return Event::NotPlaced { attempt, reason: why };
    };
    let error = match planned.chosen.account.place(call).await {
        Ok(call_id) => return Event::Placed { attempt, call_id },
        Err(error) => error,
    };
    let provider = &planned.chosen.route.provider;
    tracing::warn!(attempt = %attempt, %provider, %error, "a request to place a call failed");
    telemetry::emf(
        deps.engine.clock.now(),
        &[],
        &[("ProviderErrors", Unit::Count, 1.0)],
        &[],
    );
    match error {
        PlaceError::NotPlaced { reason, .. } => Event::NotPlaced { attempt, reason },
        PlaceError::Unclear { .. } => Event::Unclear { attempt },
    }
}

/// Records the outcome of the call. Nothing here may lead to a second call. If DynamoDB is unavailable, the record goes
/// to the queue. If that fails too, the watch finds the outcome.
async fn record(deps: &Deps, dispatch: Dispatch, event: &Event) -> Result<(), Failure> {
    let key = dispatch.key.clone();
    let Err(error) = deps.apply(dispatch, event).await else {
        return Ok(());
    };
    tracing::error!(dispatch = %key.id, %error, "cannot record the outcome of a call: sending it to the queue");
    Ok(deps.engine.enqueue_event(&key, event.clone()).await?)
}
