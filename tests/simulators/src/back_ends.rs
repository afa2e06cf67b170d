//! The back ends that task chains and bots query: `ShipStation`, and the clients that a test registers for other hosts.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use patchbay::clock::Clock;
use patchbay::engine::Engine;
use patchbay::fetch::{DocumentCache, Fetcher, RateLimits};
use patchbay::http::{HttpClient, Request, ResponseFuture, SendError, SendHttp};
use patchbay::parameters::Parameters;
use patchbay::secret::Secret;
use patchbay::target::Targets;
use patchbay::web::callbacks::CallbackUrls;

use crate::aws::Aws;
use crate::shipstation::{self, ShipStation};
use crate::world::{SHIPSTATION_CREDENTIALS, TENANT};

/// The registered back ends, by host. Clones share them.
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
    /// Registers `shipstation` under its host name. `others` answers for every other host; without it, a request to
    /// another host fails as one to an unknown host does.
    pub fn new(shipstation: &ShipStation, others: Option<HttpClient>) -> Self {
        let back_ends = Self {
            hosts: Arc::default(),
            others,
        };
        back_ends.set(shipstation::HOST, HttpClient::new(shipstation.clone()));
        back_ends
    }

    /// Registers a back end for a host.
    pub fn set(&self, host: &str, back_end: HttpClient) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host.to_owned(), back_end);
    }
}

impl SendHttp for BackEnds {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let registered = self
                .hosts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&host)
                .cloned();
            match registered.or_else(|| self.others.clone()) {
                Some(back_end) => back_end.send(request).await,
                None => Err(SendError::NotSent("no such host".into())),
            }
        })
    }
}

/// The dependencies of the function that answers Agent4.
pub(crate) fn chain_link_deps(
    engine: &Engine,
    callbacks: &CallbackUrls,
    aws: &Aws,
    back_ends: &BackEnds,
    secrets: HashMap<String, Secret>,
) -> chain_link::Deps {
    chain_link::Deps {
        store: engine.store.clone(),
        clock: aws.clock().clone(),
        random: engine.random.clone(),
        callbacks: callbacks.clone(),
        fetcher: fetcher(aws, back_ends, secrets),
        cache: DocumentCache::default(),
    }
}

/// What sends the requests of documents to the back ends.
pub(crate) fn fetcher(aws: &Aws, back_ends: &BackEnds, secrets: HashMap<String, Secret>) -> Fetcher {
    Fetcher {
        http: aws.http(HttpClient::new(back_ends.clone())),
        targets: Targets::any(),
        secrets: parameters(secrets, aws.clock()),
        clock: aws.clock().clone(),
        limits: RateLimits::default(),
    }
}

/// The secrets of a world: `secrets`, and `ShipStation`'s credentials unless it has them.
fn parameters(mut secrets: HashMap<String, Secret>, clock: &Clock) -> Parameters {
    let name = format!("{TENANT}/{}/shipstation", shipstation::HOST);
    secrets
        .entry(name)
        .or_insert_with(|| Secret::new(SHIPSTATION_CREDENTIALS));
    Parameters::fixed(secrets, clock.clone())
}
