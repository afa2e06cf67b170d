//! Placing the call of an attempt: route, slot, watch, claim, call, record. In this order: until the claim, which takes the
//! lease on the employee too, nothing is held and anything may be repeated; after it nothing is.

use patchbay::clock::Timestamp;
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::policy::OnMachine;
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{Attempt, Dispatch, Event, NewDispatch, NotPlaced, Phase, Urgency, Verdict};
use patchbay::ids::{AttemptId, ProviderName};
use patchbay::store::{Line, Priority, Slot};
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Account, Call, PlaceError};

use crate::route::Way;
use crate::{Deps, Failure};

/// A slot that is not further away than this is waited for in place.
const WAIT_IN_PLACE_MILLIS: i64 = 3_000;
/// A retry that has stood back for so long queues like a first attempt, in seconds.
const RETRY_PATIENCE_SECONDS: u32 = 60;
/// What a call takes beyond ringing and playing before it is worth asking after it, in seconds.
const WATCH_MARGIN_SECONDS: u32 = 10;
/// How long before its slot a call comes back, to wait for it in place: a message arrives up to a second late.
const EARLY_MILLIS: i64 = 2_000;

/// A slot that was reserved on an earlier hop, and whose it is.
pub(crate) type Reserved<'a> = (Option<Timestamp>, Option<&'a ProviderName>);

pub(crate) async fn dial(
    deps: &Deps,
    message: &Message,
    dispatch: Dispatch,
    id: AttemptId,
    reserved: Reserved<'_>,
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
    // The claim would find out too that somebody is on the phone. Asked before, so that no slot is wasted on them.
    let store = &deps.engine.store;
    let (line, limits) = tokio::join!(store.line(&dispatch, id, now), store.call_limits(&dispatch.key.tenant));
    let (line, limits) = (line?, limits?);
    if let Some(event) = not_now(id, &line, limits, now) {
        return deps.apply(dispatch, &event).await.map(drop);
    }
    let Some(way) = deps.way(&dispatch, reserved, now).await? else {
        return Err(Failure::NoAccount);
    };
    if let Some(later) = wait_for_slot(deps, &dispatch, &attempt, way.account, reserved).await? {
        return deps.later(message, id, later, way.account).await;
    }
    // Others have found out meanwhile how it goes with the provider, or are about to.
    if !way.may_be_gone(deps).await? {
        let later = Later {
            slot: None,
            due_at: deps.engine.clock.now(),
        };
        return deps.later(message, id, later, way.account).await;
    }
    let calls = (!limits.is_none()).then_some(line.calls);
    place(deps, dispatch, Offer { id, way, calls }).await
}

/// Why the employee is not called now, if so.
fn not_now(attempt: AttemptId, line: &Line, limits: CallLimits, now: Timestamp) -> Option<Event> {
    if let Some(until) = line.held_until {
        return Some(Event::EmployeeBusy { attempt, until });
    }
    let (limit, until) = limits.forbid(&line.calls, now)?;
    Some(Event::OverLimit { attempt, limit, until })
}

/// A call that has to come back for its slot.
struct Later {
    slot: Option<Timestamp>,
    due_at: Timestamp,
}

impl Deps {
    async fn later(&self, message: &Message, attempt: AttemptId, later: Later, over: &Account) -> Result<(), Failure> {
        let work = Work::Dial {
            attempt,
            slot: later.slot,
            over: later.slot.map(|_| over.provider().name()),
        };
        let message = Message {
            work,
            ..message.clone()
        };
        self.again(&message, later.due_at).await
    }
}

/// Waits for the moment at which the provider may be asked; says when to come back if that is far away.
async fn wait_for_slot(
    deps: &Deps,
    dispatch: &Dispatch,
    attempt: &Attempt,
    account: &Account,
    reserved: Reserved<'_>,
) -> Result<Option<Later>, Failure> {
    let (store, clock) = (&deps.engine.store, &deps.engine.clock);
    let now = clock.now();
    let (provider, interval) = (account.provider().as_str(), account.call_interval());
    let urgent = dispatch.brief.priority == Urgency::Urgent;
    let ours = reserved.1.is_none_or(|over| over.as_str() == provider);
    let (slot, new) = match reserved.0.filter(|_| ours) {
        // One that has long gone is no right to call now: after a disturbance many would use theirs at once.
        Some(at) if now < at.plus_millis(interval) => (Slot::At(at), false),
        _ => {
            let priority = priority(dispatch, attempt, now);
            (store.reserve_slot(provider, interval, priority, now).await?, true)
        }
    };
    let at = match slot {
        Slot::At(at) if at <= now.plus_millis(WAIT_IN_PLACE_MILLIS) => at,
        Slot::At(at) => {
            return Ok(Some(Later {
                slot: Some(at),
                due_at: at.plus_millis(-EARLY_MILLIS),
            }));
        }
        Slot::AskAgainAt(due_at) => return Ok(Some(Later { slot: None, due_at })),
    };
    clock.sleep_until(at).await;
    // Whoever waited may have been passed by an urgent call.
    if urgent || (new && at <= now) || !store.slot_is_taken(provider, at).await? {
        return Ok(None);
    }
    let due_at = clock.now();
    Ok(Some(Later { slot: None, due_at }))
}

fn priority(dispatch: &Dispatch, attempt: &Attempt, now: Timestamp) -> Priority {
    let patient = now < attempt.due_at.plus_seconds(RETRY_PATIENCE_SECONDS);
    match dispatch.brief.priority {
        Urgency::Urgent => Priority::Urgent,
        Urgency::Normal if attempt.number > 1 && patient => Priority::Retry,
        Urgency::Normal => Priority::First,
    }
}

/// A call that is about to be placed.
struct Offer<'a> {
    id: AttemptId,
    /// Over which provider.
    way: Way<'a>,
    /// When the employee was called before; none where nobody counts that.
    calls: Option<Vec<Timestamp>>,
}

impl Offer<'_> {
    /// What is heard; none when the attempt is for nobody in the dispatch.
    fn script(&self, dispatch: &Dispatch) -> Option<Script> {
        let NewDispatch { ticket, policy, .. } = &dispatch.brief;
        let employee = dispatch.employee(self.id.employee)?;
        Some(script::offer(ticket, employee, policy))
    }

    /// The call, once `dispatch` is the one that claims the attempt.
    fn call<'d>(&self, deps: &Deps, dispatch: &'d Dispatch) -> Option<Call<'d>> {
        let (key, provider, policy) = (&dispatch.key, self.way.account.provider(), &dispatch.brief.policy);
        let webhook = dispatch.brief.webhook.as_ref();
        let tells_all = webhook.is_some_and(|webhook| webhook.strategy == Strategy::OnStatus);
        let told_from = tells_all.then_some(dispatch.version);
        Some(Call {
            to: &dispatch.employee(self.id.employee)?.phone,
            script: self.script(dispatch)?,
            keys_url: deps.callbacks.keys_url(provider, key, self.id, 0),
            status_url: deps.callbacks.status_url(provider, key, self.id, told_from),
            ring_timeout: policy.ring_timeout,
            max_duration: policy.max_duration,
            ends_on_machine: policy.machine == OnMachine::HangUp,
        })
    }

    /// Seconds after which the call must have ended by itself.
    fn watch_after(&self, dispatch: &Dispatch) -> u32 {
        let policy = &dispatch.brief.policy;
        let said = self.script(dispatch).as_ref().map_or(0, Script::longest_seconds);
        // However much there is to say, the provider ends the call; a later look would find the sentinel there first.
        let longest = policy.longest_ring().saturating_add(said).min(policy.longest_call());
        longest + WATCH_MARGIN_SECONDS
    }
}

async fn place(deps: &Deps, dispatch: Dispatch, offer: Offer<'_>) -> Result<(), Failure> {
    let now = deps.engine.clock.now();
    let watch = Message {
        subject: dispatch.key.clone(),
        version: dispatch.version + 1,
        sent_at: now,
        due_at: now.plus_seconds(offer.watch_after(&dispatch)),
        work: Work::Watch {
            attempt: offer.id,
            looks: 0,
        },
    };
    deps.engine.dialing.send(&[watch], now).await?;
    let claim = Event::Claim {
        attempt: offer.id,
        route: offer.way.route.clone(),
    };
    let claimed = deps.apply(dispatch, &claim).await?;
    if claimed.verdict != Verdict::Dial {
        // Overtaken (cancelled, accepted late, claimed by another delivery), or the employee is on the phone.
        return Ok(());
    }
    let event = outcome(deps, &offer, &claimed.dispatch).await;
    let (dispatch, id) = (claimed.dispatch, offer.id);
    // Before the record, which may let go of the phone.
    if let (Some(calls), false) = (&offer.calls, matches!(event, Event::NotPlaced { .. })) {
        let calls = CallLimits::with_call(calls, deps.engine.clock.now());
        if let Err(error) = deps.engine.store.count_call(&dispatch, id, &calls).await {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %id, %error, "a call was not counted against the limits of its number");
        }
    }
    record(deps, dispatch, &event).await?;
    offer.way.learn(deps, &event).await;
    Ok(())
}

/// Places the call: what came of it.
async fn outcome(deps: &Deps, offer: &Offer<'_>, dispatch: &Dispatch) -> Event {
    let attempt = offer.id;
    let Some(call) = offer.call(deps, dispatch) else {
        let why = NotPlaced::Refused;
        return Event::NotPlaced { attempt, why };
    };
    let error = match offer.way.account.place(call).await {
        Ok(call_id) => return Event::Placed { attempt, call_id },
        Err(error) => error,
    };
    let provider = &offer.way.route.provider;
    tracing::warn!(attempt = %attempt, %provider, %error, "the provider did not take a call");
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
