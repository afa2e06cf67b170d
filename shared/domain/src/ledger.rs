//! What the rules of conversations and of interactions have in common: a pure function makes a [`Decision`] from a state
//! and an event, which the ledger commits.

use serde::{Deserialize, Serialize};

use crate::ids::Nonce;
use crate::message::Envelope;
use crate::timestamp::Timestamp;

/// What a decision needs besides the event.
#[derive(Clone, Copy, Debug)]
pub struct DecisionContext {
    /// The current time.
    pub now: Timestamp,
    /// Random bits from which all ids of the decision are made.
    pub nonce: Nonce,
}

/// The result of an event for a subject `S` with messages `M` and facts `F`, and the answer `O` to the event's sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<S, M, F, O> {
    /// The new state, to be committed; none if nothing changes. An event that is ignored can still leave something to
    /// remember.
    pub next: Option<S>,
    /// Messages to be sent before the commit.
    pub messages: Vec<M>,
    /// Entries to be written with the commit.
    pub entries: Vec<Entry<F>>,
    /// The answer to the sender of the event.
    pub outcome: O,
}

impl<S, M, F, O> Decision<S, M, F, O> {
    /// A decision that changes nothing.
    pub(crate) const fn unchanged(outcome: O) -> Self {
        Self {
            next: None,
            messages: Vec::new(),
            entries: Vec::new(),
            outcome,
        }
    }
}

/// An entry of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<F> {
    /// Its id: the version of its commit and its position in that commit, so that entries sort in order.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: F,
}

/// Sequence numbers for each version: more than a commit has entries, because a transaction has at most 100 writes.
const SEQUENCES_PER_VERSION: u64 = 1_000;

impl<F> Entry<F> {
    /// Its sequence number: the higher of two entries of one timeline happened later. `None` if its id is none that
    /// this program makes.
    pub fn sequence(&self) -> Option<u64> {
        let (version, index) = self.id.split_once('-')?;
        let (version, index): (u64, u64) = (version.parse().ok()?, index.parse().ok()?);
        version.checked_mul(SEQUENCES_PER_VERSION)?.checked_add(index)
    }
}

/// The entries of the commit that creates `version`.
pub(crate) fn entries<F>(version: u64, at: Timestamp, facts: Vec<F>) -> Vec<Entry<F>> {
    let facts = facts.into_iter().enumerate();
    let entry = |(index, fact)| Entry {
        id: format!("{version:010}-{index:03}"),
        at,
        fact,
    };
    facts.map(entry).collect()
}

/// The messages of the commit that creates `version`: about the work that the new state needs, except what is on its way
/// already because the old state needed it, and about the work in `extra`, which is due at once.
pub(crate) fn messages<K: Clone, W: PartialEq>(
    subject: &K,
    version: u64,
    now: Timestamp,
    before: &[(W, Timestamp)],
    needed: Vec<(W, Timestamp)>,
    extra: Vec<W>,
) -> Vec<Envelope<K, W>> {
    let new = needed.into_iter().filter(|work| !before.contains(work));
    let extra = extra.into_iter().map(|work| (work, now));
    let message = |(work, due_at)| Envelope {
        subject: subject.clone(),
        version,
        sent_at: now,
        due_at,
        work,
    };
    new.chain(extra).map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_entries_have_higher_sequence_numbers() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let sequences = |version| {
            let all = entries(version, at, vec![(); 100]);
            all.iter().map(Entry::sequence).collect::<Vec<_>>()
        };
        let all: Vec<_> = [1, 2, 10_000_000_000].into_iter().flat_map(sequences).collect();
        assert_eq!((all.first(), all.get(101)), (Some(&Some(1_000)), Some(&Some(2_001))));
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
    }

    #[test]
    fn a_foreign_id_has_no_sequence_number() {
        for id in ["", "7", "a-1", "1-", "1-b", "18446744073709551615-000"] {
            let entry = Entry {
                id: id.to_owned(),
                at: Timestamp::from_millis(0),
                fact: (),
            };
            assert_eq!(entry.sequence(), None, "{id}");
        }
    }
}
