//! What the timeline records about the call of an attempt: the provider's ids of the call, and whether it is over.

use crate::dispatch::{CallStatus, Ending, Entry, Fact};
use crate::ids::ProviderName;

/// The recorded history of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallHistory {
    /// The provider that was to place the call. `None` if the attempt was never claimed, or if it was recorded before
    /// timelines stored providers.
    pub provider: Option<ProviderName>,
    /// Whether the provider reported that the call is over. [`Ending::Unknown`], a network error, does not count: the
    /// call may still be live.
    pub is_over: bool,
    /// The provider's ids of the call, oldest first.
    pub call_ids: Vec<String>,
    /// The provider's ids of the call's legs, each with the status of its callback, oldest first.
    pub legs: Vec<(String, CallStatus)>,
}

impl CallHistory {
    /// Collects the history from `entries`, all of which must belong to one attempt.
    pub fn from_entries(entries: &[Entry]) -> Self {
        let mut history = Self::default();
        for entry in entries {
            match &entry.fact {
                Fact::Dialing { provider, .. } => history.provider = Some(provider.clone()),
                Fact::Status {
                    provider,
                    status,
                    call_id,
                    leg_id,
                    ..
                } => {
                    history.provider.get_or_insert_with(|| provider.clone());
                    history.is_over |= status.ending().is_some_and(|ending| ending != Ending::Unknown);
                    if !leg_id.is_empty() {
                        history.legs.push((leg_id.clone(), *status));
                    }
                    history.add_call_id(call_id);
                }
                Fact::Placed { call_id, .. } => history.add_call_id(call_id),
                _ => {}
            }
        }
        history
    }

    fn add_call_id(&mut self, call_id: &str) {
        if !call_id.is_empty() && !self.call_ids.iter().any(|known| known == call_id) {
            self.call_ids.push(call_id.to_owned());
        }
    }
}
