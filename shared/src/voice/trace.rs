//! What the timeline says about the call of an attempt: by which ids a provider knows it, and whether it is over.

use crate::dispatch::{CallStatus, Ending, Entry, Fact};
use crate::ids::ProviderName;

/// The traces of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Who was to place it; none when it was never claimed, or before providers were written down.
    pub provider: Option<ProviderName>,
    /// Whether it was reported over. What the network lost may go on all the same.
    pub is_over: bool,
    /// The provider's ids of the call, oldest first.
    pub call_ids: Vec<String>,
    /// The provider's ids of its legs, and how each stood when it was told, oldest first.
    pub legs: Vec<(String, CallStatus)>,
}

impl Trace {
    /// What `entries`, all of one attempt, say about its call.
    pub fn of(entries: &[Entry]) -> Self {
        let mut trace = Self::default();
        for entry in entries {
            match &entry.fact {
                Fact::Dialling { provider, .. } => trace.provider = Some(provider.clone()),
                Fact::Status {
                    provider,
                    status,
                    call_id,
                    leg_id,
                    ..
                } => {
                    trace.provider.get_or_insert_with(|| provider.clone());
                    trace.is_over |= status.ending().is_some_and(|ending| ending != Ending::Unknown);
                    if !leg_id.is_empty() {
                        trace.legs.push((leg_id.clone(), *status));
                    }
                    trace.is_called(call_id);
                }
                Fact::Placed { call_id, .. } => trace.is_called(call_id),
                _ => {}
            }
        }
        trace
    }

    fn is_called(&mut self, call_id: &str) {
        if !call_id.is_empty() && !self.call_ids.iter().any(|known| known == call_id) {
            self.call_ids.push(call_id.to_owned());
        }
    }
}
