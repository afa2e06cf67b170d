//! Payments: which call may pay, and the outcome.
//!
//! One conditional write admits a call to `<Pay>` ([`Store::begin_payment`]), if its purchase is not paid, no other
//! call of the caller is in `<Pay>` for any purchase, and the call has not ended. From then on the call holds the
//! payment lock, which ends
//!
//! - with the outcome of the payment, whatever it is ([`Store::put_outcome`]);
//! - [`LATE_RESULT_SECONDS`] after Twilio reported the end of the call ([`Store::end_call`]): a caller who has hung up
//!   may have been charged, and the result may still arrive. It then replaces `caller-hung-up`;
//! - [`PAYING_SECONDS`] after the caller was transferred, if Twilio reports nothing at all.
//!
//! The end of an unknown call is recorded too: its voice webhook may arrive late, when the caller has already hung up.
//!
//! Decisions ([`PaymentOutcome::replaces`]) are made here, on the item that a failed condition returns. The condition
//! of the next attempt only ensures that this item is unchanged. The first attempt assumes the most likely state, so
//! that usually one request suffices.

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::items::{Item, number, text};
use super::super::{Store, StoreError};
use super::update::{ConditionalUpdate, UpdateResult};
use super::{
    ENDED_CALLS, HOLD, MAX_ATTEMPTS, RETENTION_AFTER_END, end_in, ended_name, hold_in, outcome_in, outcome_name,
    purchase_in, purchase_name, read_outcome,
};
use crate::clock::Timestamp;
use crate::context::outcome::{LATE_RESULT_SECONDS, PAYING_SECONDS};
use crate::context::{Context, ContextKey, EARLIER_VERSIONS, LIFE_AFTER_OUTCOME, PaymentOutcome, PaymentStatus};
use crate::ids::Nonce;

/// Result of asking to admit a call to `<Pay>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentAdmission {
    /// The call may pay, and holds the payment lock. Also the result for a call that was already admitted and is still
    /// paying.
    Admitted,
    /// The purchase is paid.
    AlreadyPaid,
    /// This other call of the caller is paying.
    OtherCallPaying(String),
    /// The call was admitted before, and its payment has ended.
    AlreadyProcessed,
    /// The call has ended.
    CallEnded,
    /// The purchase was deleted, has expired, or is too many sets old.
    PurchaseGone,
}

/// Result of writing a payment's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomeWrite {
    /// The outcome was written, now or by an earlier attempt.
    Written {
        /// Successful payments of the same caller in other calls at the same time.
        overlapping: Vec<PaymentOutcome>,
    },
    /// There is this other outcome, which must not be replaced.
    Refused(Box<PaymentOutcome>),
    /// The purchase was deleted, has expired, or is too many sets old.
    PurchaseGone,
}

/// What a call was doing when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The caller was paying, and no outcome is known.
    WhilePaying,
    /// The caller was not paying, or the call is unknown.
    NotPaying,
}

impl Store {
    /// Admits a call to pay for the purchase of the newest set in `context`, which was just read. `outcome` is the one
    /// with the status in progress. Extends the life of the context to an hour at least, so that the next agent can
    /// read the outcome.
    ///
    /// Idempotent. One request, unless the context has changed since it was read.
    pub async fn begin_payment(
        &self,
        of: &ContextKey,
        context: &Context,
        outcome: &PaymentOutcome,
        now: Timestamp,
    ) -> Result<PaymentAdmission, StoreError> {
        let Some(purchase) = context.current.purchase else {
            return Ok(PaymentAdmission::PurchaseGone);
        };
        let mut expected = context.current.outcome.clone();
        let mut ends_soon = context.expires_at < min_end(now);
        for _ in 0..MAX_ATTEMPTS {
            match &expected {
                Some(stored) if stored.status.rank() >= PaymentStatus::FINAL => {
                    return Ok(PaymentAdmission::AlreadyPaid);
                }
                Some(stored) if stored.call == outcome.call && !outcome.replaces(stored) => {
                    return Ok(PaymentAdmission::AlreadyProcessed);
                }
                _ => {}
            }
            let mut update = update_of_known(purchase);
            write(&mut update, outcome)?;
            expect(&mut update, expected.as_ref());
            extend_life(&mut update, ends_soon, now);
            update.set("#hold = :hold");
            update.value(":hold", hold(outcome, purchase));
            update.value(":now", number(now.millis()));
            update.name("#until", "until");
            update.only_if("attribute_not_exists(#hold) OR #hold.#oc = :oc OR #hold.#until <= :now");
            not_ended(&mut update);
            let old = match self.update(of, update).await? {
                UpdateResult::Updated(_) => return Ok(PaymentAdmission::Admitted),
                UpdateResult::ConditionFailed(old) => old,
            };
            if let Some(refusal) = refusal(&old, purchase, outcome, now) {
                return Ok(refusal);
            }
            ends_soon = end_in(&old) < min_end(now);
            expected = outcome_in(&old, purchase)?;
        }
        Err(StoreError::item(
            "too many concurrent changes to a context while admitting a payment",
        ))
    }

    /// Writes the outcome of a payment, and releases the payment lock of its call. Extends the life of the context to
    /// an hour from now at least, so that the next agent can read the outcome.
    ///
    /// Idempotent: a repetition has the same result. One request; two if the context has changed since the call was
    /// admitted.
    pub async fn put_outcome(
        &self,
        of: &ContextKey,
        purchase: Nonce,
        outcome: &PaymentOutcome,
        now: Timestamp,
    ) -> Result<OutcomeWrite, StoreError> {
        let (outcome, _) = &outcome.clone().sanitized();
        // Most likely nothing has changed since the call was admitted.
        let mut expected = Some(PaymentOutcome {
            status: PaymentStatus::InProgress,
            ..outcome.clone()
        });
        let (mut is_holder, mut ends_soon) = (true, false);
        for _ in 0..MAX_ATTEMPTS {
            let mut update = update_of_known(purchase);
            write(&mut update, outcome)?;
            expect(&mut update, expected.as_ref());
            extend_life(&mut update, ends_soon, now);
            if is_holder {
                update.only_if("#hold.#oc = :oc");
                update.remove("#hold");
            } else {
                update.only_if("attribute_not_exists(#hold) OR #hold.#oc <> :oc");
            }
            let old = match self.update(of, update).await? {
                UpdateResult::Updated(item) => return written(&item, outcome),
                UpdateResult::ConditionFailed(old) => old,
            };
            if !is_known(&old, purchase) {
                self.release_hold(of, &outcome.call).await?;
                return Ok(OutcomeWrite::PurchaseGone);
            }
            expected = outcome_in(&old, purchase)?;
            is_holder = hold_in(&old).is_some_and(|hold| hold.call == outcome.call);
            match &expected {
                // An earlier attempt wrote it and released the lock. If the call still holds the lock, the status was
                // written when the call ended.
                Some(stored) if !is_holder && stored.call == outcome.call && stored.status == outcome.status => {
                    return written(&old, stored);
                }
                Some(stored) if !outcome.replaces(stored) => {
                    let stored = Box::new(stored.clone());
                    // Whichever outcome is stored, this call is no longer paying.
                    if is_holder {
                        self.release_hold(of, &outcome.call).await?;
                    }
                    return Ok(OutcomeWrite::Refused(stored));
                }
                _ => {}
            }
            ends_soon = end_in(&old) < min_end(now);
        }
        Err(StoreError::item(
            "too many concurrent changes to a context while writing an outcome",
        ))
    }

    /// Records the end of a call, because its voice webhook may still arrive. If the caller was paying, the outcome
    /// becomes `caller-hung-up` until the result arrives. One request; two if the caller was paying.
    pub async fn end_call(&self, of: &ContextKey, call: &str, now: Timestamp) -> Result<CallEnd, StoreError> {
        let mut update = ConditionalUpdate::default();
        update.name("#ends", "ends");
        update.name("#expires", "expires");
        update.value(":oc", text(call));
        update.value(":none", AttributeValue::Null(true));
        update.value(":end", number(min_end(now).seconds()));
        update.value(":deleted", number(min_end(now).seconds() + RETENTION_AFTER_END));
        // For a caller without a context.
        update.set("#ends = if_not_exists(#ends, :end), #expires = if_not_exists(#expires, :deleted)");
        not_ended(&mut update);
        update.set("#e1 = :oc");
        for index in 2..=ENDED_CALLS {
            update.set(format!("#e{index} = if_not_exists(#e{}, :none)", index - 1));
        }
        let item = match self.update(of, update).await? {
            UpdateResult::Updated(item) | UpdateResult::ConditionFailed(item) => item,
        };
        self.record_hang_up(of, &item, call, now).await
    }

    /// If `item` shows that `call` holds the payment lock, records that its caller has hung up and shortens the lock to
    /// [`LATE_RESULT_SECONDS`], even if the purchase is unknown.
    async fn record_hang_up(
        &self,
        of: &ContextKey,
        item: &Item,
        call: &str,
        now: Timestamp,
    ) -> Result<CallEnd, StoreError> {
        let Some(hold) = hold_in(item).filter(|hold| hold.call == call) else {
            return Ok(CallEnd::NotPaying);
        };
        let stored = outcome_in(item, hold.purchase)?;
        let paying = stored.filter(|stored| stored.call == call && stored.status == PaymentStatus::InProgress);
        let was_paying = paying.is_some();
        let mut update = ConditionalUpdate::default();
        update.name("#hold", HOLD);
        update.name("#until", "until");
        update.name("#oc", "oc");
        update.value(":oc", text(call));
        if let Some(stored) = paying {
            update.name("#o", outcome_name(hold.purchase));
            let hung_up = PaymentOutcome {
                status: PaymentStatus::CallerHungUp,
                ..stored.clone()
            };
            write(&mut update, &hung_up)?;
            expect(&mut update, Some(&stored));
        }
        let until = hold.until.min(now.plus_seconds(LATE_RESULT_SECONDS));
        update.value(":until", number(until.millis()));
        update.set("#hold.#until = :until");
        update.only_if("#hold.#oc = :oc");
        Ok(match self.update(of, update).await? {
            UpdateResult::Updated(_) if was_paying => CallEnd::WhilePaying,
            // The result has arrived, or the purchase was deleted.
            UpdateResult::Updated(_) | UpdateResult::ConditionFailed(_) => CallEnd::NotPaying,
        })
    }

    /// Releases the payment lock, if `call` holds it.
    async fn release_hold(&self, of: &ContextKey, call: &str) -> Result<(), StoreError> {
        let mut update = ConditionalUpdate::default();
        update.name("#hold", HOLD);
        update.name("#oc", "oc");
        update.value(":oc", text(call));
        update.remove("#hold");
        update.only_if("#hold.#oc = :oc");
        self.update(of, update).await.map(drop)
    }
}

/// An update that requires the purchase to be known.
fn update_of_known(purchase: Nonce) -> ConditionalUpdate {
    let mut update = ConditionalUpdate::default();
    update.name("#o", outcome_name(purchase));
    update.name("#hold", HOLD);
    update.name("#id", "id");
    update.value(":purchase", text(purchase.to_string()));
    let mut conditions = vec!["attribute_exists(#o)".to_owned()];
    for back in 0..=EARLIER_VERSIONS {
        update.name(format!("#b{back}"), purchase_name(back));
        conditions.push(format!("#b{back}.#id = :purchase"));
    }
    update.only_if(conditions.join(" OR "));
    update
}

fn is_known(item: &Item, purchase: Nonce) -> bool {
    let mut purchases = (0..=EARLIER_VERSIONS).filter_map(|back| purchase_in(item, back));
    item.contains_key(&outcome_name(purchase)) || purchases.any(|known| known == purchase)
}

/// Adds the write of an outcome to an update.
fn write(update: &mut ConditionalUpdate, outcome: &PaymentOutcome) -> Result<(), StoreError> {
    let doc = serde_json::to_string(outcome).map_err(StoreError::item)?;
    let item = Item::from([
        ("doc".to_owned(), text(doc)),
        ("rank".to_owned(), number(outcome.status.rank())),
        ("oc".to_owned(), text(&outcome.call)),
    ]);
    update.set("#o = :o");
    update.value(":o", AttributeValue::M(item));
    update.name("#oc", "oc");
    update.value(":oc", text(&outcome.call));
    Ok(())
}

/// Adds the condition that `stored` is still the stored outcome.
fn expect(update: &mut ConditionalUpdate, stored: Option<&PaymentOutcome>) {
    let Some(stored) = stored else {
        update.only_if("attribute_not_exists(#o)");
        return;
    };
    update.name("#rank", "rank");
    update.value(":stored", text(&stored.call));
    update.value(":rank", number(stored.status.rank()));
    update.only_if("#o.#oc = :stored AND #o.#rank = :rank");
}

fn hold(outcome: &PaymentOutcome, purchase: Nonce) -> AttributeValue {
    // Counted from the start of the call, so a repeated webhook does not extend the lock.
    let until = outcome.start_time.plus_seconds(PAYING_SECONDS);
    AttributeValue::M(Item::from([
        ("oc".to_owned(), text(&outcome.call)),
        ("id".to_owned(), text(purchase.to_string())),
        ("until".to_owned(), number(until.millis())),
    ]))
}

/// The earliest permitted end of a context whose outcome is written now.
fn min_end(now: Timestamp) -> Timestamp {
    let end = now.plus_seconds(LIFE_AFTER_OUTCOME).plus_millis(999);
    Timestamp::from_millis(end.seconds().saturating_mul(1_000))
}

/// Ensures that the context lives long enough; `ends_soon` says that it has to be extended.
fn extend_life(update: &mut ConditionalUpdate, ends_soon: bool, now: Timestamp) {
    let end = min_end(now).seconds();
    update.name("#ends", "ends");
    update.value(":end", number(end));
    if !ends_soon {
        update.only_if("#ends >= :end");
        return;
    }
    update.only_if("#ends < :end");
    update.name("#expires", "expires");
    update.value(":deleted", number(end + RETENTION_AFTER_END));
    update.set("#ends = :end, #expires = :deleted");
}

/// Adds the condition that the call `:oc` has not ended.
fn not_ended(update: &mut ConditionalUpdate) {
    for index in 1..=ENDED_CALLS {
        update.name(format!("#e{index}"), ended_name(index));
        update.only_if(format!("attribute_not_exists(#e{index}) OR #e{index} <> :oc"));
    }
}

fn has_ended(item: &Item, call: &str) -> bool {
    let mut ended = (1..=ENDED_CALLS).filter_map(|index| item.get(&ended_name(index))?.as_s().ok());
    ended.any(|ended| ended == call)
}

/// Why a call may not pay according to `item`, if so.
fn refusal(item: &Item, purchase: Nonce, outcome: &PaymentOutcome, now: Timestamp) -> Option<PaymentAdmission> {
    if !is_known(item, purchase) {
        return Some(PaymentAdmission::PurchaseGone);
    }
    if has_ended(item, &outcome.call) {
        return Some(PaymentAdmission::CallEnded);
    }
    let hold = hold_in(item).filter(|hold| hold.call != outcome.call && hold.until > now)?;
    Some(PaymentAdmission::OtherCallPaying(hold.call))
}

/// The result for an outcome that is in `item`.
fn written(item: &Item, outcome: &PaymentOutcome) -> Result<OutcomeWrite, StoreError> {
    let others = item.iter().filter(|(name, _)| name.starts_with("o#"));
    let others = others.filter_map(|(_, value)| value.as_m().ok());
    let mut overlapping = others.map(read_outcome).collect::<Result<Vec<_>, _>>()?;
    overlapping.retain(|other| other.overlaps(outcome));
    Ok(OutcomeWrite::Written { overlapping })
}
