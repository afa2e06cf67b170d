//! Chooses the provider for a call, and records the provider's health from the result.

use patchbay::clock::Timestamp;
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{Route, RouteChoice};
use patchbay::dispatch::{Dispatch, Event, NotPlaced};
use patchbay::store::VersionedProviderState;
use patchbay::voice::Account;

use crate::dial::Reserved;
use crate::{Deps, Failure};

/// Attempts to write a provider's health while other dialers write it at the same moment.
const TRIES: u8 = 3;

/// The provider chosen for a call.
#[derive(Debug)]
pub(crate) struct ChosenRoute<'a> {
    pub(crate) account: &'a Account,
    pub(crate) route: Route,
    /// State of the provider when it was chosen; none if it is the only one, so that there is nothing to choose.
    state: Option<VersionedProviderState>,
    /// Whether this call probes a provider that is down.
    probes: bool,
}

impl Deps {
    /// Chooses the provider for the call; none without an account. Costs one request to DynamoDB for each provider,
    /// none if there is only one.
    pub(crate) async fn choose_route<'a>(
        &'a self,
        dispatch: &Dispatch,
        reserved: Reserved<'_>,
        now: Timestamp,
    ) -> Result<Option<ChosenRoute<'a>>, Failure> {
        let accounts: Vec<_> = self.accounts.providers().collect();
        let providers = dispatch.providers(&accounts);
        if let [only] = providers.as_slice() {
            return Ok(self.accounts.get(only).map(|account| ChosenRoute {
                account,
                route: Route::only(only.clone()),
                state: None,
                probes: false,
            }));
        }
        let store = &self.engine.store;
        let mut states = store.provider_states(&providers).await?;
        for one in &mut states {
            // A call with a reserved slot does not queue behind later ones.
            if let (Some(slot), Some(over)) = reserved
                && *over == one.value.provider
            {
                one.value.free_at = slot;
            }
        }
        let provider_states: Vec<_> = states.iter().map(|state| state.value.clone()).collect();
        let Some(RouteChoice { route, probes }) = dispatch.choose(&provider_states, now) else {
            return Ok(None);
        };
        let state = states.into_iter().find(|state| state.value.provider == route.provider);
        Ok(self.accounts.get(&route.provider).map(|account| ChosenRoute {
            account,
            route,
            state,
            probes,
        }))
    }
}

impl ChosenRoute<'_> {
    /// Whether the call may still use this provider: of several calls that would probe it, only one may.
    pub(crate) async fn may_proceed(&self, deps: &Deps) -> Result<bool, Failure> {
        let Some(state) = self.state.as_ref().filter(|_| self.probes) else {
            return Ok(true);
        };
        let probing = state.value.health.with_probe_started(deps.engine.clock.now());
        let provider = &self.route.provider;
        tracing::info!(%provider, "a call probes a provider that is down");
        Ok(deps.engine.store.record_health(state, &probing).await?)
    }

    /// Records what the outcome says about the provider's health. If that fails, the next call records it.
    pub(crate) async fn record_health(&self, deps: &Deps, event: &Event) {
        if self.state.is_none() {
            return;
        }
        let Some(answered) = answered(event) else { return };
        for _ in 0..TRIES {
            match self.try_record_health(deps, answered).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    let provider = &self.route.provider;
                    tracing::warn!(%provider, %error, "cannot record the health of a provider");
                    return;
                }
            }
        }
    }

    async fn try_record_health(&self, deps: &Deps, answered: bool) -> Result<bool, Failure> {
        let store = &deps.engine.store;
        // The usual case: a healthy provider accepted the call, and there is nothing to write.
        if let Some(state) = &self.state
            && answered
            && state.value.health == Health::default()
        {
            return Ok(true);
        }
        let state = store.provider_state(&self.route.provider).await?;
        let health = if answered {
            Health::healthy()
        } else {
            state.value.health.with_failure(deps.engine.clock.now())
        };
        if health.down.is_some() && state.value.health.down.is_none() {
            let provider = &self.route.provider;
            tracing::error!(%provider, "a provider is down: calls go over another one, and a single call probes it from time to time; see its status page");
        }
        Ok(store.record_health(&state, &health).await?)
    }
}

/// Whether the provider answered and accepts calls in general; none if the outcome does not tell.
const fn answered(event: &Event) -> Option<bool> {
    match event {
        Event::Placed { .. }
        | Event::NotPlaced {
            reason: NotPlaced::Refused,
            ..
        } => Some(true),
        // The provider is up and refuses our account. The call has already gone to another provider.
        Event::NotPlaced {
            reason: NotPlaced::NotAllowed,
            ..
        } => None,
        Event::NotPlaced { .. } | Event::Unclear { .. } => Some(false),
        _ => None,
    }
}
