//! Limits the size of a context's item: every set may bring a different purchase, and DynamoDB limits an item to 400
//! KB.

use std::collections::HashSet;

use super::super::items::{Item, number, text_of};
use super::super::{Store, StoreError};
use super::update::ConditionalUpdate;
use super::{hold_in, purchase_in, read_outcome};
use crate::clock::Timestamp;
use crate::context::{ContextKey, EARLIER_VERSIONS, PaymentOutcome, PaymentStatus};
use crate::ids::Nonce;

/// Maximum number of stored outcomes, and of their bytes. When either is exceeded, old outcomes are deleted down to
/// half.
const MAX_OUTCOMES: usize = 50;
const MAX_OUTCOME_BYTES: usize = 64 * 1024;
/// Maximum number of stored fingerprints. A purchase has one, or two if it has an order.
const MAX_FINGERPRINTS: usize = 100;

/// The stored outcome of a purchase.
struct StoredOutcome {
    name: String,
    purchase: Nonce,
    outcome: PaymentOutcome,
    bytes: usize,
}

/// A fingerprint that identifies a purchase.
struct Fingerprint {
    name: String,
    purchase: Nonce,
    at: Timestamp,
}

impl Store {
    /// Deletes outcomes of old purchases if there are too many, unpaid ones first; never those of a stored version, or
    /// of a purchase that is being paid. No request while the limits are met.
    pub(super) async fn delete_old_purchases(
        &self,
        of: &ContextKey,
        item: &Item,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(update) = cleanup(item, now)? else {
            return Ok(());
        };
        // The set has succeeded; if this fails, the next set cleans up.
        if let Err(error) = self.update(of, update).await {
            tracing::warn!(tenant = %of.tenant, %error, "cannot delete old purchases of a caller");
        }
        Ok(())
    }
}

fn cleanup(item: &Item, now: Timestamp) -> Result<Option<ConditionalUpdate>, StoreError> {
    let mut outcomes = Vec::new();
    let mut fingerprints = Vec::new();
    for (name, value) in item {
        let Ok(map) = value.as_m() else { continue };
        if let Some(purchase) = name.strip_prefix("o#") {
            let bytes = text_of(map, "doc")?.len();
            outcomes.push(StoredOutcome {
                name: name.clone(),
                purchase: purchase.parse().map_err(StoreError::item)?,
                outcome: read_outcome(map)?,
                bytes,
            });
        } else if name.starts_with("f#") {
            fingerprints.push(Fingerprint {
                name: name.clone(),
                purchase: text_of(map, "id")?.parse().map_err(StoreError::item)?,
                at: super::super::items::millis_of(map, "at")?,
            });
        }
    }
    let bytes: usize = outcomes.iter().map(|outcome| outcome.bytes).sum();
    if outcomes.len() <= MAX_OUTCOMES && bytes <= MAX_OUTCOME_BYTES && fingerprints.len() <= MAX_FINGERPRINTS {
        return Ok(None);
    }
    let mut needed: HashSet<Nonce> = (0..=EARLIER_VERSIONS)
        .filter_map(|back| purchase_in(item, back))
        .collect();
    needed.extend(hold_in(item).filter(|hold| hold.until > now).map(|hold| hold.purchase));
    let obsolete = obsolete_outcomes(&outcomes, bytes, &needed);
    let deleted: HashSet<Nonce> = obsolete.iter().map(|outcome| outcome.purchase).collect();
    // Keep the fingerprints of purchases whose outcome is kept.
    needed.extend(
        outcomes
            .iter()
            .map(|outcome| outcome.purchase)
            .filter(|purchase| !deleted.contains(purchase)),
    );
    fingerprints.retain(|fingerprint| !needed.contains(&fingerprint.purchase));
    fingerprints.sort_unstable_by_key(|fingerprint| (!deleted.contains(&fingerprint.purchase), fingerprint.at));
    fingerprints.truncate(MAX_FINGERPRINTS / 2);
    Ok(removal(&obsolete, &fingerprints))
}

/// The outcomes to delete to reach half of the limits: unpaid ones first, then the oldest.
fn obsolete_outcomes<'a>(
    outcomes: &'a [StoredOutcome],
    bytes: usize,
    needed: &HashSet<Nonce>,
) -> Vec<&'a StoredOutcome> {
    let (mut count, mut bytes) = (outcomes.len(), bytes);
    if count <= MAX_OUTCOMES && bytes <= MAX_OUTCOME_BYTES {
        return Vec::new();
    }
    let mut candidates: Vec<&StoredOutcome> = outcomes
        .iter()
        .filter(|stored| !needed.contains(&stored.purchase))
        .collect();
    let is_paid = |stored: &StoredOutcome| stored.outcome.status == PaymentStatus::PaymentSuccess;
    candidates.sort_unstable_by_key(|stored| (is_paid(stored), stored.outcome.start_time));
    let mut obsolete = Vec::new();
    for stored in candidates {
        if count <= MAX_OUTCOMES / 2 && bytes <= MAX_OUTCOME_BYTES / 2 {
            break;
        }
        count -= 1;
        bytes -= stored.bytes;
        obsolete.push(stored);
    }
    obsolete
}

/// Removes these attributes, on condition that none of them has changed.
fn removal(outcomes: &[&StoredOutcome], fingerprints: &[Fingerprint]) -> Option<ConditionalUpdate> {
    if outcomes.is_empty() && fingerprints.is_empty() {
        return None;
    }
    let mut update = ConditionalUpdate::default();
    for (index, stored) in outcomes.iter().enumerate() {
        update.name("#rank", "rank");
        update.name(format!("#o{index}"), &stored.name);
        update.value(&format!(":o{index}"), number(stored.outcome.status.rank()));
        update.only_if(format!("#o{index}.#rank = :o{index}"));
        update.remove(format!("#o{index}"));
    }
    for (index, fingerprint) in fingerprints.iter().enumerate() {
        update.name(format!("#f{index}"), &fingerprint.name);
        update.name("#id", "id");
        update.value(
            &format!(":f{index}"),
            super::super::items::text(fingerprint.purchase.to_string()),
        );
        update.only_if(format!("#f{index}.#id = :f{index}"));
        update.remove(format!("#f{index}"));
    }
    Some(update)
}
