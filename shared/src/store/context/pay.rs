//! Paying: who may, and what came of it.
//!
//! A call is let into `<Pay>` by one conditional write ([`Store::begin_payment`]): its purchase is not paid, no other call
//! of the caller is in there, whatever they pay for, and the call is not over. From then on it holds the place. The hold
//! ends
//!
//! - with the result of the payment, whatever it is ([`Store::put_outcome`]);
//! - [`LATE_RESULT_SECONDS`] after Twilio said that the call is over ([`Store::end_call`]): somebody may have been charged
//!   who has hung up, and the result may still come. It takes the place of `caller-hung-up`;
//! - [`PAYING_SECONDS`] after the caller came, when Twilio says nothing at all.
//!
//! The end of a call that we have not heard of is remembered: its voice webhook may be late, and nobody is on the line then.
//!
//! What is decided ([`Outcome::replaces`]) is decided here, about what a failed condition shows; the condition of the next
//! try says only that this is still so. The first try of each takes what is most likely for granted, so that it is one
//! request.

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::items::{Item, number, text};
use super::super::{Store, StoreError};
use super::change::{Change, Changed};
use super::{
    ENDED_CALLS, HOLD, KEPT_AFTER_END, TRIES, end_in, ended_name, hold_in, outcome_in, outcome_name, purchase_in,
    purchase_name, read_outcome,
};
use crate::clock::Timestamp;
use crate::context::outcome::{LATE_RESULT_SECONDS, PAYING_SECONDS};
use crate::context::{Context, ContextKey, EARLIER_VERSIONS, LIFE_AFTER_OUTCOME, Outcome, Status};
use crate::ids::Nonce;

/// Whether a call may pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may, and holds the place; also when it was let in before.
    Yes,
    /// It has been paid for.
    Paid,
    /// Another call of the caller is paying: this one.
    Elsewhere(String),
    /// It was let in before, and its payment is over.
    Further,
    /// The call is over.
    Over,
    /// The purchase was forgotten, has expired, or lies too many sets back.
    Gone,
}

/// What came of writing an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomePut {
    /// It is written, now or by an earlier try.
    Written {
        /// Payments of the same caller in other calls, at the same time.
        overlapping: Vec<Outcome>,
    },
    /// There is one that it must not replace: this.
    Refused(Box<Outcome>),
    /// The purchase that it belongs to was forgotten, has expired, or lies too many sets back.
    Gone,
}

/// What was known of a call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The caller was paying, as far as anybody knew.
    WhilePaying,
    /// Anything else, or nothing.
    Otherwise,
}

impl Store {
    /// Lets a call pay for the purchase of the newest set in `context`, which was read a moment ago, if it may. `outcome`
    /// is the one that says that the call is under way. The context lives for an hour at least, for the next agent to ask.
    ///
    /// May be repeated. One request, as long as what was read is still so.
    pub async fn begin_payment(
        &self,
        of: &ContextKey,
        context: &Context,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let Some(purchase) = context.current.purchase else {
            return Ok(Begun::Gone);
        };
        let mut seen = context.current.outcome.clone();
        let mut ends_soon = context.expires_at < least_end(now);
        for _ in 0..TRIES {
            match &seen {
                Some(there) if there.status.rank() >= Status::FINAL => return Ok(Begun::Paid),
                Some(there) if there.call == outcome.call && !outcome.replaces(there) => return Ok(Begun::Further),
                _ => {}
            }
            let mut change = known(purchase);
            write(&mut change, outcome)?;
            expect(&mut change, seen.as_ref());
            live_on(&mut change, ends_soon, now);
            change.set("#hold = :hold");
            change.value(":hold", hold(outcome, purchase));
            change.value(":now", number(now.millis()));
            change.name("#until", "until");
            change.only_if("attribute_not_exists(#hold) OR #hold.#oc = :oc OR #hold.#until <= :now");
            not_ended(&mut change);
            let old = match self.change(of, change).await? {
                Changed::Yes(_) => return Ok(Begun::Yes),
                Changed::No(old) => old,
            };
            if let Some(why_not) = why_not(&old, purchase, outcome, now) {
                return Ok(why_not);
            }
            ends_soon = end_in(&old) < least_end(now);
            seen = outcome_in(&old, purchase)?;
        }
        Err(StoreError::item("a context was changed at every try to let a call pay"))
    }

    /// Writes what came of a payment, and frees the place that its call held. The context lives for an hour from now at
    /// least, for the next agent to ask.
    ///
    /// May be repeated, and says the same again. One request; two when something unlikely has come in between.
    pub async fn put_outcome(
        &self,
        of: &ContextKey,
        purchase: Nonce,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<OutcomePut, StoreError> {
        let (outcome, _) = &outcome.clone().kept();
        // Most likely nothing has happened since the call was let in.
        let mut expected = Some(Outcome {
            status: Status::InProgress,
            ..outcome.clone()
        });
        let (mut holds, mut ends_soon) = (true, false);
        for _ in 0..TRIES {
            let mut change = known(purchase);
            write(&mut change, outcome)?;
            expect(&mut change, expected.as_ref());
            live_on(&mut change, ends_soon, now);
            if holds {
                change.only_if("#hold.#oc = :oc");
                change.remove("#hold");
            } else {
                change.only_if("attribute_not_exists(#hold) OR #hold.#oc <> :oc");
            }
            let old = match self.change(of, change).await? {
                Changed::Yes(item) => return written(&item, outcome),
                Changed::No(old) => old,
            };
            if !knows(&old, purchase) {
                self.free(of, &outcome.call).await?;
                return Ok(OutcomePut::Gone);
            }
            expected = outcome_in(&old, purchase)?;
            holds = hold_in(&old).is_some_and(|hold| hold.call == outcome.call);
            match &expected {
                // By an earlier try. While the call still holds the place it was not: the end of the call was told first.
                Some(there) if !holds && there.call == outcome.call && there.status == outcome.status => {
                    return written(&old, there);
                }
                Some(there) if !outcome.replaces(there) => {
                    let there = Box::new(there.clone());
                    // Whatever came of it, nobody is paying in this call any more.
                    if holds {
                        self.free(of, &outcome.call).await?;
                    }
                    return Ok(OutcomePut::Refused(there));
                }
                _ => {}
            }
            ends_soon = end_in(&old) < least_end(now);
        }
        Err(StoreError::item(
            "a context was changed at every try to write an outcome",
        ))
    }

    /// Remembers that a call is over, for its voice webhook may be late. Whoever was paying in it has hung up; what the
    /// result is may still be told. One request; two when somebody was paying.
    pub async fn end_call(&self, of: &ContextKey, call: &str, now: Timestamp) -> Result<Ended, StoreError> {
        let mut change = Change::default();
        change.name("#ends", "ends");
        change.name("#expires", "expires");
        change.value(":oc", text(call));
        change.value(":none", AttributeValue::Null(true));
        change.value(":end", number(least_end(now).seconds()));
        change.value(":deleted", number(least_end(now).seconds() + KEPT_AFTER_END));
        // For a caller of whom nothing else is known.
        change.set("#ends = if_not_exists(#ends, :end), #expires = if_not_exists(#expires, :deleted)");
        not_ended(&mut change);
        change.set("#e1 = :oc");
        for place in 2..=ENDED_CALLS {
            change.set(format!("#e{place} = if_not_exists(#e{}, :none)", place - 1));
        }
        let item = match self.change(of, change).await? {
            Changed::Yes(item) | Changed::No(item) => item,
        };
        self.hang_up(of, &item, call, now).await
    }

    /// Puts down that whoever was paying in `call` has hung up, if `item` says that somebody was. The place that the call
    /// holds is free soon then, whatever is known of what was paid for.
    async fn hang_up(&self, of: &ContextKey, item: &Item, call: &str, now: Timestamp) -> Result<Ended, StoreError> {
        let Some(held) = hold_in(item).filter(|hold| hold.call == call) else {
            return Ok(Ended::Otherwise);
        };
        let there = outcome_in(item, held.purchase)?;
        let paying = there.filter(|there| there.call == call && there.status == Status::InProgress);
        let was_paying = paying.is_some();
        let mut change = Change::default();
        change.name("#hold", HOLD);
        change.name("#until", "until");
        change.name("#oc", "oc");
        change.value(":oc", text(call));
        if let Some(there) = paying {
            change.name("#o", outcome_name(held.purchase));
            let hung_up = Outcome {
                status: Status::CallerHungUp,
                ..there.clone()
            };
            write(&mut change, &hung_up)?;
            expect(&mut change, Some(&there));
        }
        let until = held.until.min(now.plus_seconds(LATE_RESULT_SECONDS));
        change.value(":until", number(until.millis()));
        change.set("#hold.#until = :until");
        change.only_if("#hold.#oc = :oc");
        Ok(match self.change(of, change).await? {
            Changed::Yes(_) if was_paying => Ended::WhilePaying,
            // The result has come, or the purchase was forgotten.
            Changed::Yes(_) | Changed::No(_) => Ended::Otherwise,
        })
    }

    /// Frees the place that `call` holds, if it does.
    async fn free(&self, of: &ContextKey, call: &str) -> Result<(), StoreError> {
        let mut change = Change::default();
        change.name("#hold", HOLD);
        change.name("#oc", "oc");
        change.value(":oc", text(call));
        change.remove("#hold");
        change.only_if("#hold.#oc = :oc");
        self.change(of, change).await.map(drop)
    }
}

/// A change of what is known of a purchase, as long as it is known.
fn known(purchase: Nonce) -> Change {
    let mut change = Change::default();
    change.name("#o", outcome_name(purchase));
    change.name("#hold", HOLD);
    change.name("#id", "id");
    change.value(":purchase", text(purchase.to_string()));
    let mut conditions = vec!["attribute_exists(#o)".to_owned()];
    for back in 0..=EARLIER_VERSIONS {
        change.name(format!("#b{back}"), purchase_name(back));
        conditions.push(format!("#b{back}.#id = :purchase"));
    }
    change.only_if(conditions.join(" OR "));
    change
}

fn knows(item: &Item, purchase: Nonce) -> bool {
    let mut said = (0..=EARLIER_VERSIONS).filter_map(|back| purchase_in(item, back));
    item.contains_key(&outcome_name(purchase)) || said.any(|said| said == purchase)
}

/// Writes an outcome.
fn write(change: &mut Change, outcome: &Outcome) -> Result<(), StoreError> {
    let doc = serde_json::to_string(outcome).map_err(StoreError::item)?;
    let item = Item::from([
        ("doc".to_owned(), text(doc)),
        ("rank".to_owned(), number(outcome.status.rank())),
        ("oc".to_owned(), text(&outcome.call)),
    ]);
    change.set("#o = :o");
    change.value(":o", AttributeValue::M(item));
    change.name("#oc", "oc");
    change.value(":oc", text(&outcome.call));
    Ok(())
}

/// As long as this is still what is known.
fn expect(change: &mut Change, there: Option<&Outcome>) {
    let Some(there) = there else {
        change.only_if("attribute_not_exists(#o)");
        return;
    };
    change.name("#rank", "rank");
    change.value(":there", text(&there.call));
    change.value(":rank", number(there.status.rank()));
    change.only_if("#o.#oc = :there AND #o.#rank = :rank");
}

fn hold(outcome: &Outcome, purchase: Nonce) -> AttributeValue {
    // A repeated webhook begins nothing anew.
    let until = outcome.start_time.plus_seconds(PAYING_SECONDS);
    AttributeValue::M(Item::from([
        ("oc".to_owned(), text(&outcome.call)),
        ("id".to_owned(), text(purchase.to_string())),
        ("until".to_owned(), number(until.millis())),
    ]))
}

/// The earliest end of a context to which something is written now.
fn least_end(now: Timestamp) -> Timestamp {
    let end = now.plus_seconds(LIFE_AFTER_OUTCOME).plus_millis(999);
    Timestamp::from_millis(end.seconds().saturating_mul(1_000))
}

/// Lets the context live long enough; `ends_soon` says that it would not.
fn live_on(change: &mut Change, ends_soon: bool, now: Timestamp) {
    let end = least_end(now).seconds();
    change.name("#ends", "ends");
    change.value(":end", number(end));
    if !ends_soon {
        change.only_if("#ends >= :end");
        return;
    }
    change.only_if("#ends < :end");
    change.name("#expires", "expires");
    change.value(":deleted", number(end + KEPT_AFTER_END));
    change.set("#ends = :end, #expires = :deleted");
}

/// As long as the call `:oc` is not over.
fn not_ended(change: &mut Change) {
    for place in 1..=ENDED_CALLS {
        change.name(format!("#e{place}"), ended_name(place));
        change.only_if(format!("attribute_not_exists(#e{place}) OR #e{place} <> :oc"));
    }
}

fn has_ended(item: &Item, call: &str) -> bool {
    let mut ended = (1..=ENDED_CALLS).filter_map(|place| item.get(&ended_name(place))?.as_s().ok());
    ended.any(|ended| ended == call)
}

/// Why a call may not pay, if that is what `item` says.
fn why_not(item: &Item, purchase: Nonce, outcome: &Outcome, now: Timestamp) -> Option<Begun> {
    if !knows(item, purchase) {
        return Some(Begun::Gone);
    }
    if has_ended(item, &outcome.call) {
        return Some(Begun::Over);
    }
    let hold = hold_in(item).filter(|hold| hold.call != outcome.call && hold.until > now)?;
    Some(Begun::Elsewhere(hold.call))
}

/// What `item` says of an outcome that is in it.
fn written(item: &Item, outcome: &Outcome) -> Result<OutcomePut, StoreError> {
    let others = item.iter().filter(|(name, _)| name.starts_with("o#"));
    let others = others.filter_map(|(_, value)| value.as_m().ok());
    let mut overlapping = others.map(read_outcome).collect::<Result<Vec<_>, _>>()?;
    overlapping.retain(|other| other.overlaps(outcome));
    Ok(OutcomePut::Written { overlapping })
}
