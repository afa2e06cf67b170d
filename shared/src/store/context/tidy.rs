//! Room in an item: agents may say something else at every set, and an item has 400 KB.

use std::collections::HashSet;

use super::super::items::{Item, number, text_of};
use super::super::{Store, StoreError};
use super::change::Change;
use super::{hold_in, purchase_in, read_outcome};
use crate::clock::Timestamp;
use crate::context::{ContextKey, EARLIER_VERSIONS, Outcome, Status};
use crate::ids::Nonce;

/// Most purchases of which is known what came of them, and most bytes of that. Half of it is left when there is more.
const MAX_OUTCOMES: usize = 50;
const MAX_OUTCOME_BYTES: usize = 64 * 1024;
/// Most likenesses by which a purchase is known: two for one with an order.
const MAX_LIKENESSES: usize = 100;

/// What is known of a purchase.
struct Known {
    name: String,
    purchase: Nonce,
    outcome: Outcome,
    bytes: usize,
}

/// By what a purchase is known.
struct Likeness {
    name: String,
    purchase: Nonce,
    at: Timestamp,
}

impl Store {
    /// Forgets what came of old purchases when there are too many, those first that nobody paid; never of those that a
    /// version is about, or that somebody is paying for. No request when there is room.
    pub(super) async fn tidy(&self, of: &ContextKey, item: &Item, now: Timestamp) -> Result<(), StoreError> {
        let Some(change) = tidied(item, now)? else {
            return Ok(());
        };
        // The set is made; what could not be tidied up now is by the next one.
        if let Err(error) = self.change(of, change).await {
            tracing::warn!(tenant = %of.tenant, %error, "old purchases of a caller are still in the table");
        }
        Ok(())
    }
}

fn tidied(item: &Item, now: Timestamp) -> Result<Option<Change>, StoreError> {
    let mut known = Vec::new();
    let mut likenesses = Vec::new();
    for (name, value) in item {
        let Ok(map) = value.as_m() else { continue };
        if let Some(purchase) = name.strip_prefix("o#") {
            let bytes = text_of(map, "doc")?.len();
            known.push(Known {
                name: name.clone(),
                purchase: purchase.parse().map_err(StoreError::item)?,
                outcome: read_outcome(map)?,
                bytes,
            });
        } else if name.starts_with("f#") {
            likenesses.push(Likeness {
                name: name.clone(),
                purchase: text_of(map, "id")?.parse().map_err(StoreError::item)?,
                at: super::super::items::millis_of(map, "at")?,
            });
        }
    }
    let bytes: usize = known.iter().map(|known| known.bytes).sum();
    if known.len() <= MAX_OUTCOMES && bytes <= MAX_OUTCOME_BYTES && likenesses.len() <= MAX_LIKENESSES {
        return Ok(None);
    }
    let mut needed: HashSet<Nonce> = (0..=EARLIER_VERSIONS)
        .filter_map(|back| purchase_in(item, back))
        .collect();
    needed.extend(hold_in(item).filter(|hold| hold.until > now).map(|hold| hold.purchase));
    let gone = outcomes_to_forget(&known, bytes, &needed);
    let forgotten: HashSet<Nonce> = gone.iter().map(|known| known.purchase).collect();
    // Of those that stay, only what somebody came to is worth remembering.
    needed.extend(
        known
            .iter()
            .map(|known| known.purchase)
            .filter(|purchase| !forgotten.contains(purchase)),
    );
    likenesses.retain(|likeness| !needed.contains(&likeness.purchase));
    likenesses.sort_unstable_by_key(|likeness| (!forgotten.contains(&likeness.purchase), likeness.at));
    likenesses.truncate(MAX_LIKENESSES / 2);
    Ok(removal(&gone, &likenesses))
}

/// As many as it takes, those first that nobody paid, then the oldest.
fn outcomes_to_forget<'a>(known: &'a [Known], bytes: usize, needed: &HashSet<Nonce>) -> Vec<&'a Known> {
    let (mut count, mut bytes) = (known.len(), bytes);
    if count <= MAX_OUTCOMES && bytes <= MAX_OUTCOME_BYTES {
        return Vec::new();
    }
    let mut rest: Vec<&Known> = known.iter().filter(|known| !needed.contains(&known.purchase)).collect();
    let is_paid = |known: &Known| known.outcome.status == Status::PaymentSuccess;
    rest.sort_unstable_by_key(|known| (is_paid(known), known.outcome.start_time));
    let mut gone = Vec::new();
    for known in rest {
        if count <= MAX_OUTCOMES / 2 && bytes <= MAX_OUTCOME_BYTES / 2 {
            break;
        }
        count -= 1;
        bytes -= known.bytes;
        gone.push(known);
    }
    gone
}

/// Removes them, as long as nothing more has come of any.
fn removal(gone: &[&Known], likenesses: &[Likeness]) -> Option<Change> {
    if gone.is_empty() && likenesses.is_empty() {
        return None;
    }
    let mut change = Change::default();
    for (index, known) in gone.iter().enumerate() {
        change.name("#rank", "rank");
        change.name(format!("#o{index}"), &known.name);
        change.value(&format!(":o{index}"), number(known.outcome.status.rank()));
        change.only_if(format!("#o{index}.#rank = :o{index}"));
        change.remove(format!("#o{index}"));
    }
    for (index, likeness) in likenesses.iter().enumerate() {
        change.name(format!("#f{index}"), &likeness.name);
        change.name("#id", "id");
        change.value(
            &format!(":f{index}"),
            super::super::items::text(likeness.purchase.to_string()),
        );
        change.only_if(format!("#f{index}.#id = :f{index}"));
        change.remove(format!("#f{index}"));
    }
    Some(change)
}
