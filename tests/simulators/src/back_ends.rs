//! What task chains look things up at: `ShipStation`, and whoever a test puts under a host's name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use patchbay::http::{HttpClient, Request, SendError, SendHttp, Sending};

use crate::shipstation::{self, ShipStation};

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
