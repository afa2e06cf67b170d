//! Over which provider a call is placed, and what is learned of the provider by it.

use patchbay::clock::Timestamp;
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{Choice, Route};
use patchbay::dispatch::{Dispatch, Event, NotPlaced};
use patchbay::store::KnownStanding;
use patchbay::voice::Account;

use crate::dial::Reserved;
use crate::{Deps, Failure};

/// Tries against others who write down at the same moment how it goes with a provider.
const TRIES: u8 = 3;

/// The way that a call takes.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    pub(crate) account: &'a Account,
    pub(crate) route: Route,
    /// How the provider stood; none where there is no other one, and so nothing to choose.
    known: Option<KnownStanding>,
    /// Whether the call is to find out whether the provider is back.
    probes: bool,
}

impl Deps {
    /// Over which provider the call is placed; none without an account. One request for each provider, none where there
    /// is only one.
    pub(crate) async fn way<'a>(
        &'a self,
        dispatch: &Dispatch,
        reserved: Reserved<'_>,
        now: Timestamp,
    ) -> Result<Option<Way<'a>>, Failure> {
        let accounts: Vec<_> = self.accounts.providers().collect();
        let providers = dispatch.providers(&accounts);
        if let [only] = providers.as_slice() {
            return Ok(self.accounts.with(only).map(|account| Way {
                account,
                route: Route::only(only.clone()),
                known: None,
                probes: false,
            }));
        }
        let store = &self.engine.store;
        let mut known = store.standings(&providers).await?;
        for one in &mut known {
            // Whoever has a slot there need not wait behind those who came later.
            if let (Some(slot), Some(over)) = reserved
                && *over == one.standing.provider
            {
                one.standing.free_at = slot;
            }
        }
        let standings: Vec<_> = known.iter().map(|known| known.standing.clone()).collect();
        let Some(Choice { route, probes }) = dispatch.choose(&standings, now) else {
            return Ok(None);
        };
        let known = known
            .into_iter()
            .find(|known| known.standing.provider == route.provider);
        Ok(self.accounts.with(&route.provider).map(|account| Way {
            account,
            route,
            known,
            probes,
        }))
    }
}

impl Way<'_> {
    /// Whether the call may still go this way: of those that would find out whether a provider is back only one may.
    pub(crate) async fn may_be_gone(&self, deps: &Deps) -> Result<bool, Failure> {
        let Some(known) = self.known.as_ref().filter(|_| self.probes) else {
            return Ok(true);
        };
        let probing = known.standing.health.probing(deps.engine.clock.now());
        let provider = &self.route.provider;
        tracing::info!(%provider, "a call finds out whether a provider is back");
        Ok(deps.engine.store.note_health(known, &probing).await?)
    }

    /// Writes down what a placing says about the provider. What is not written is learned by the next one.
    pub(crate) async fn learn(&self, deps: &Deps, event: &Event) {
        if self.known.is_none() {
            return;
        }
        let Some(answered) = answered(event) else { return };
        for _ in 0..TRIES {
            match self.learn_once(deps, answered).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    let provider = &self.route.provider;
                    tracing::warn!(%provider, %error, "how it goes with a provider was not written down");
                    return;
                }
            }
        }
    }

    async fn learn_once(&self, deps: &Deps, answered: bool) -> Result<bool, Failure> {
        let store = &deps.engine.store;
        // Most calls are taken by a provider of which nothing is written.
        if let Some(known) = &self.known
            && answered
            && known.standing.health == Health::default()
        {
            return Ok(true);
        }
        let known = store.standing(&self.route.provider).await?;
        let health = if answered {
            Health::answered()
        } else {
            known.standing.health.failed(deps.engine.clock.now())
        };
        if health.down.is_some() && known.standing.health.down.is_none() {
            let provider = &self.route.provider;
            tracing::error!(%provider, "a provider counts as down: calls are placed over another one, and one call in a while finds out whether it is back; see its status page");
        }
        Ok(store.note_health(&known, &health).await?)
    }
}

/// Whether the provider answered as one that takes calls; none when that cannot be told from it.
const fn answered(event: &Event) -> Option<bool> {
    match event {
        Event::Placed { .. }
        | Event::NotPlaced {
            why: NotPlaced::Refused,
            ..
        } => Some(true),
        // It was there, and said something about us. The call has gone elsewhere already.
        Event::NotPlaced {
            why: NotPlaced::NotAllowed,
            ..
        } => None,
        Event::NotPlaced { .. } | Event::Unclear { .. } => Some(false),
        _ => None,
    }
}
