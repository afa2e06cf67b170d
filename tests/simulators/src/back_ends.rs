//! What task chains look things up at: `ShipStation`, and whoever a test puts under a host's name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use patchbay::clock::Clock;
use patchbay::engine::Engine;
use patchbay::fetch::{Cache, Fetcher, Limits};
use patchbay::http::{HttpClient, Request, SendError, SendHttp, Sending};
use patchbay::parameters::Parameters;
use patchbay::secret::Secret;
use patchbay::target::Targets;
use patchbay::web::callbacks::Callbacks;

use crate::aws::Aws;
use crate::shipstation::{self, ShipStation};
use crate::world::{SHIPSTATION_CREDENTIALS, TENANT};

/// Back ends, by host. Clones share them.
#[derive(Clone)]
pub struct BackEnds {
    hosts: Arc<Mutex<HashMap<String, HttpClient>>>,
    others: Option<HttpClient>,
}

impl fmt::Debug for BackEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackEnds")
    }
}

impl BackEnds {
    /// `ShipStation` under its name, and `others` for every other host; without them no other host is found.
    pub fn new(shop: &ShipStation, others: Option<HttpClient>) -> Self {
        let back_ends = Self {
            hosts: Arc::default(),
            others,
        };
        back_ends.set(shipstation::HOST, HttpClient::new(shop.clone()));
        back_ends
    }

    /// Puts a back end under a host's name.
    pub fn set(&self, host: &str, back_end: HttpClient) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.to_owned(), back_end);
    }
}

impl SendHttp for BackEnds {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let known = self
                .hosts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&host)
                .cloned();
            match known.or_else(|| self.others.clone()) {
                Some(back_end) => back_end.send(request).await,
                None => Err(SendError::NotSent("no such host".into())),
            }
        })
    }
}

/// What answers Agent4.
pub(crate) fn chains(
    engine: &Engine,
    callbacks: &Callbacks,
    aws: &Aws,
    back_ends: &BackEnds,
    given: HashMap<String, Secret>,
) -> chain_link::Deps {
    chain_link::Deps {
        store: engine.store.clone(),
        clock: aws.clock().clone(),
        random: engine.random.clone(),
        callbacks: callbacks.clone(),
        fetcher: Fetcher {
            http: aws.http(HttpClient::new(back_ends.clone())),
            targets: Targets::any(),
            secrets: secrets(given, aws.clock()),
            clock: aws.clock().clone(),
            limits: Limits::default(),
        },
        cache: Cache::default(),
    }
}

/// The secrets of a world.
fn secrets(mut secrets: HashMap<String, Secret>, clock: &Clock) -> Parameters {
    let name = format!("{TENANT}/{}/shipstation", shipstation::HOST);
    secrets
        .entry(name)
        .or_insert_with(|| Secret::new(SHIPSTATION_CREDENTIALS));
    Parameters::fixed(secrets, clock.clone())
}
