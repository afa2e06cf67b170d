//! Over which provider a call is placed, and over which it is not, and why.

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::state::{Dispatch, Urgency};
use crate::ids::ProviderName;
use crate::timestamp::Timestamp;

/// How long a provider may put off the calls of a dispatch, in seconds, and how often, before they are placed elsewhere.
pub const PATIENCE_SECONDS: u32 = 10;
/// See [`PATIENCE_SECONDS`].
pub const PATIENT_DEFERRALS: u8 = 2;
/// A call is placed elsewhere when it would have to wait for so much longer here, in milliseconds.
const LONGER_QUEUE_MILLIS: i64 = 10_000;

/// Why a provider is passed over, the least reason first: when all are, the one with the least is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detour {
    /// So many calls wait for it that another one is faster.
    Queue,
    /// It put off the calls of this dispatch.
    PutOff,
    /// The last call over it failed on its way.
    Failed,
    /// It counts as down, see [`Health`].
    Down,
    /// What became of the last call over it could not be found out.
    Unknown,
    /// It may not place this call for us.
    NotAllowed,
    /// The account with it has no money.
    OutOfMoney,
}

/// A provider that a dispatch passes over for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Avoided {
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub why: Detour,
}

/// A provider that keeps putting off the calls of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deferring {
    /// Which.
    pub provider: ProviderName,
    /// Since when.
    pub since: Timestamp,
    /// How many.
    pub times: u8,
}

/// The provider that would have been preferred.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instead {
    /// Which.
    pub provider: ProviderName,
    /// Why it is not taken.
    pub why: Detour,
}

/// How a provider's account stands, for all dispatches alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The provider.
    pub provider: ProviderName,
    /// Whether it takes calls.
    pub health: Health,
    /// The moment from which on it has room for another call.
    pub free_at: Timestamp,
    /// The same for an urgent one, which goes before those that wait.
    pub urgent_free_at: Timestamp,
}

/// Over which provider a call is placed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// That one.
    pub provider: ProviderName,
    /// The provider that would have been preferred, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Instead>,
    /// Whether the call could be placed over another one at once, should this one not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

impl Route {
    /// Over `provider`, and no other.
    pub const fn only(provider: ProviderName) -> Self {
        Self {
            provider,
            instead_of: None,
            elsewhere: false,
        }
    }
}

/// A route, and whether the call on it finds out whether a provider is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The route.
    pub route: Route,
    /// Whether the provider counts as down, and one call is due to find out whether it is back: this one may be it.
    pub probes: bool,
}

impl Dispatch {
    /// The providers over which calls of this dispatch are placed, of those that we have an account with, the preferred
    /// first. Those that the policy names; when we have no account with any of them any more, all.
    pub fn providers(&self, accounts: &[ProviderName]) -> Vec<ProviderName> {
        let wanted = self.brief.policy.providers.iter();
        let wanted: Vec<_> = wanted.filter(|name| accounts.contains(name)).cloned().collect();
        if wanted.is_empty() { accounts.to_vec() } else { wanted }
    }

    /// Over which of the providers `standings`, the preferred first, the next call is placed. None of none.
    pub fn choose(&self, standings: &[Standing], now: Timestamp) -> Option<Choice> {
        let takes_calls = |standing: &&Standing| self.detour(standing, now).is_none();
        let free_at = |standing: &Standing| match self.brief.priority {
            Urgency::Normal => standing.free_at,
            Urgency::Urgent => standing.urgent_free_at,
        };
        let soonest = standings.iter().filter(takes_calls).map(free_at).min();
        let detour = |standing: &Standing| {
            let waits =
                soonest.is_some_and(|soonest| free_at(standing) > soonest.max(now).plus_millis(LONGER_QUEUE_MILLIS));
            self.detour(standing, now).or_else(|| waits.then_some(Detour::Queue))
        };
        let detours: Vec<(&Standing, Option<Detour>)> = standings.iter().map(|one| (one, detour(one))).collect();
        // Of those with the same reason the first.
        let (chosen, reason) = detours.iter().min_by_key(|(_, why)| *why)?;
        let preferred = detours.first().filter(|(first, _)| first.provider != chosen.provider);
        let instead_of = preferred.and_then(|(first, why)| {
            Some(Instead {
                provider: first.provider.clone(),
                why: (*why)?,
            })
        });
        let takes_it = |(other, why): &(&Standing, Option<Detour>)| {
            other.provider != chosen.provider && why.is_none_or(|why| why == Detour::Queue)
        };
        Some(Choice {
            route: Route {
                provider: chosen.provider.clone(),
                instead_of,
                elsewhere: detours.iter().any(takes_it),
            },
            probes: reason.is_none() && chosen.health.wants_probe(now),
        })
    }

    /// Why `standing` is passed over at `now`, whatever the others are like.
    fn detour(&self, standing: &Standing, now: Timestamp) -> Option<Detour> {
        let progress = &self.progress;
        let avoided = progress.avoided.get(&standing.provider);
        let avoided = avoided.filter(|avoided| avoided.until > now).map(|avoided| avoided.why);
        let deferring = progress.deferring.as_ref();
        let put_off = deferring.is_some_and(|deferring| {
            deferring.provider == standing.provider && deferring.since.plus_seconds(PATIENCE_SECONDS) <= now
        });
        let down = standing.health.down.is_some() && !standing.health.wants_probe(now);
        let reasons = [avoided, put_off.then_some(Detour::PutOff), down.then_some(Detour::Down)];
        reasons.into_iter().flatten().max()
    }
}

#[cfg(test)]
mod tests;
