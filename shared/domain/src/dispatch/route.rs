//! Routing: which provider a call is placed over, and why others are avoided.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::state::{Dispatch, DispatchPriority};
use crate::ids::ProviderName;
use crate::timestamp::Timestamp;

/// How long, in seconds, a provider may postpone the calls of a dispatch before they go to another provider.
pub const PATIENCE_SECONDS: u32 = 10;
/// How often in a row a provider may postpone the calls of a dispatch before they go to another provider.
pub const PATIENT_DEFERRALS: u8 = 2;
/// A call goes to another provider if it would have to wait this much longer for the preferred one, in milliseconds.
const LONGER_QUEUE_MILLIS: i64 = 10_000;

/// Why a provider is avoided, the weakest reason first. If every provider is avoided, the one with the weakest reason
/// is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AvoidReason {
    /// So many calls wait for this provider that another one is faster.
    Queue,
    /// The provider postponed the calls of this dispatch.
    #[serde(alias = "put_off")]
    Postponed,
    /// The last call over this provider failed in the network.
    Failed,
    /// The provider counts as down, see [`Health`].
    Down,
    /// The outcome of the last call over this provider is unknown.
    Unknown,
    /// Our account with the provider is not allowed to place this call.
    NotAllowed,
    /// Our account with the provider has no money.
    OutOfMoney,
}

/// How long and why a dispatch avoids a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Avoidance {
    /// When the provider may be used again.
    pub until: Timestamp,
    /// Why the provider is avoided.
    #[serde(alias = "why")]
    pub reason: AvoidReason,
}

/// A provider that keeps postponing the calls of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deferrals {
    /// The provider that postponed the calls.
    pub provider: ProviderName,
    /// When it first postponed one of them.
    pub since: Timestamp,
    /// Number of postponed calls in a row.
    pub times: u8,
}

/// The provider that would have been preferred.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BypassedProvider {
    /// The preferred provider.
    pub provider: ProviderName,
    /// Why it is not used.
    #[serde(alias = "why")]
    pub reason: AvoidReason,
}

/// State of a provider's account, shared by all dispatches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderState {
    /// The provider's name.
    pub provider: ProviderName,
    /// Whether the provider takes calls.
    pub health: Health,
    /// When the provider's pace allows another call.
    pub free_at: Timestamp,
    /// When the provider's pace allows another urgent call, which is placed before the calls that wait.
    pub urgent_free_at: Timestamp,
}

/// The provider that a call is placed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The provider that places the call.
    pub provider: ProviderName,
    /// The preferred provider, if another one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<BypassedProvider>,
    /// Whether the call can fail over to another provider at once if this one does not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

impl Route {
    /// A route over `provider` without an alternative.
    pub const fn only(provider: ProviderName) -> Self {
        Self {
            provider,
            instead_of: None,
            elsewhere: false,
        }
    }
}

/// A route, and whether its call probes a provider that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteChoice {
    /// The route of the call.
    pub route: Route,
    /// Whether the provider counts as down and a probe is due: this call may be the probe.
    pub probes: bool,
}

impl Dispatch {
    /// The providers of `accounts` that calls of this dispatch are placed over, the preferred one first: those that the
    /// policy names, or all of `accounts` if we no longer have an account with any of them.
    pub fn providers(&self, accounts: &[ProviderName]) -> Vec<ProviderName> {
        let wanted = self.spec.policy.providers.iter();
        let wanted: Vec<_> = wanted.filter(|name| accounts.contains(name)).cloned().collect();
        if wanted.is_empty() { accounts.to_vec() } else { wanted }
    }

    /// Chooses one of the `providers`, the preferred one first, for the next call; none if `providers` is empty.
    pub fn choose(&self, providers: &[ProviderState], now: Timestamp) -> Option<RouteChoice> {
        let takes_calls = |provider: &&ProviderState| self.avoid_reason(provider, now).is_none();
        let free_at = |provider: &ProviderState| match self.spec.priority {
            DispatchPriority::Normal => provider.free_at,
            DispatchPriority::Urgent => provider.urgent_free_at,
        };
        let soonest = providers.iter().filter(takes_calls).map(free_at).min();
        let reason_to_avoid = |provider: &ProviderState| {
            let waits =
                soonest.is_some_and(|soonest| free_at(provider) > soonest.max(now).plus_millis(LONGER_QUEUE_MILLIS));
            self.avoid_reason(provider, now)
                .or_else(|| waits.then_some(AvoidReason::Queue))
        };
        let candidates: Vec<(&ProviderState, Option<AvoidReason>)> = providers
            .iter()
            .map(|provider| (provider, reason_to_avoid(provider)))
            .collect();
        // Of several with the same reason the first is chosen.
        let (chosen, reason) = candidates.iter().min_by_key(|(_, reason)| *reason)?;
        let preferred = candidates
            .first()
            .filter(|(first, _)| first.provider != chosen.provider);
        let instead_of = preferred.and_then(|(first, reason)| {
            Some(BypassedProvider {
                provider: first.provider.clone(),
                reason: (*reason)?,
            })
        });
        let can_take_it = |(other, reason): &(&ProviderState, Option<AvoidReason>)| {
            other.provider != chosen.provider && reason.is_none_or(|reason| reason == AvoidReason::Queue)
        };
        Some(RouteChoice {
            route: Route {
                provider: chosen.provider.clone(),
                instead_of,
                elsewhere: candidates.iter().any(can_take_it),
            },
            probes: reason.is_none() && chosen.health.is_probe_due(now),
        })
    }

    /// Why `provider` is avoided at `now`, regardless of the other providers.
    fn avoid_reason(&self, provider: &ProviderState, now: Timestamp) -> Option<AvoidReason> {
        let progress = &self.progress;
        let avoided = progress.avoided.get(&provider.provider);
        let avoided = avoided
            .filter(|avoided| avoided.until > now)
            .map(|avoided| avoided.reason);
        let deferring = progress.deferring.as_ref();
        let postponed = deferring.is_some_and(|deferring| {
            deferring.provider == provider.provider && deferring.since.plus_seconds(PATIENCE_SECONDS) <= now
        });
        let down = provider.health.down.is_some() && !provider.health.is_probe_due(now);
        let reasons = [
            avoided,
            postponed.then_some(AvoidReason::Postponed),
            down.then_some(AvoidReason::Down),
        ];
        reasons.into_iter().flatten().max()
    }
}

#[cfg(test)]
mod tests;
