//! The URLs under which providers reach us.

use http::Method;
use lambda_http::Request;

use crate::ids::{AttemptId, ChainName, DispatchKey, Tenant};
use crate::web::body;
use crate::web::gateway;
use crate::web::problem::Problem;
use crate::web::reference::{BadReference, Purpose, Reference, References};

/// Builds callback URLs from the one public base URL, and checks what comes back on them. A function behind the API that
/// was told no such URL has the one under which a request reached it: see [`Callbacks::reached_by`].
#[derive(Clone, Debug)]
pub struct Callbacks {
    pub(super) base: String,
    pub(super) references: References,
}

impl Callbacks {
    /// `base` is the public URL of the API, such as `https://hooks.example.org`; a slash at its end does not matter. Empty
    /// when nobody was told it.
    pub fn new(base: &str, references: References) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            references,
        }
    }

    /// The same below the URL under which `request` reached us, when the public URL is not known: the API cannot be told to
    /// the functions that it is made of. The domain is the one that API Gateway names.
    #[must_use]
    pub fn reached_by(&self, request: &Request) -> Self {
        let mut reached = self.clone();
        if reached.base.is_empty() {
            if let Some(domain) = gateway::domain(request) {
                reached.base = format!("https://{domain}");
            } else {
                tracing::error!("neither a public URL is set nor does the event name a domain");
            }
        }
        reached
    }

    /// Where Routee sends the keys of an attempt. `asked_again` counts the wrong keys that were answered with the
    /// options again: the provider may repeat earlier keys of a call, so the count travels in the URL.
    pub fn collect_url(&self, dispatch: &DispatchKey, attempt: AttemptId, asked_again: u8) -> String {
        let reference = self.references.sign(&Reference {
            dispatch: dispatch.clone(),
            attempt,
            told_from: None,
        });
        let url = format!("{}/routee/collect/{reference}", self.base);
        if asked_again == 0 {
            url
        } else {
            format!("{url}?{AGAIN}={asked_again}")
        }
    }

    /// Where Routee sends the statuses of an attempt. `told_from` is the version with which it was claimed, when the
    /// requester is to hear of them.
    pub fn status_url(&self, dispatch: &DispatchKey, attempt: AttemptId, told_from: Option<u64>) -> String {
        let reference = self.references.sign(&Reference {
            dispatch: dispatch.clone(),
            attempt,
            told_from,
        });
        format!("{}/routee/status/{reference}", self.base)
    }

    /// Where Agent4 calls a task chain.
    pub fn chain_url(&self, tenant: &Tenant, chain: &ChainName) -> String {
        let reference = self.references.sign_named(Purpose::Agent4, tenant, chain.as_str());
        format!("{}/agent4/{reference}/{chain}", self.base)
    }

    /// Whose chain a call of Agent4's is about.
    ///
    /// # Errors
    /// When the reference was not made with one of our keys, or for another chain.
    pub fn check_chain(&self, reference: &str, chain: &ChainName) -> Result<Tenant, BadReference> {
        self.references.check_named(Purpose::Agent4, reference, chain.as_str())
    }

    /// Bits that nobody can guess, see [`References::derive`].
    pub fn derive(&self, what: &str, text: &str) -> [u8; 32] {
        self.references.derive(what, text)
    }

    /// Which attempt a callback is about, by the reference at the end of its path, and its body.
    ///
    /// # Errors
    /// 405 for another method than POST, 404 for a reference that was not made with one of our keys, 413 for a body
    /// that is too large.
    pub fn open<'a>(&self, request: &'a Request) -> Result<(Reference, &'a [u8]), Problem> {
        if request.method() != Method::POST {
            return Err(Problem::method_not_allowed("POST"));
        }
        let path = body::path_segments(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // A slash that was decoded may have brought other segments between them.
        let reference = match path.as_slice() {
            [.., "routee", "collect" | "status", reference] => *reference,
            _ => "",
        };
        let reference = self.check(reference).map_err(|_| Problem::bad_reference())?;
        Ok((reference, body::bytes(request)?))
    }

    /// Which attempt a reference names.
    ///
    /// # Errors
    /// When it was not made with one of our keys.
    pub fn check(&self, reference: &str) -> Result<Reference, BadReference> {
        self.references.check(reference)
    }
}

/// Name of the query parameter that counts wrong keys.
pub const AGAIN: &str = "again";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn url(base: &str, event: &str) -> String {
        let request = gateway::request(event).expect("an event");
        let callbacks = Callbacks::new(base, References::new(Secret::new("k"), None));
        let tenant = "main".parse().expect("a tenant");
        let url = callbacks.reached_by(&request).transfer_url(&tenant);
        url.split_once("/twilio/")
            .map_or(url.clone(), |(base, _)| base.to_owned())
    }

    #[test]
    fn a_url_is_below_the_one_that_was_told_or_else_below_the_domain_of_the_request() {
        let event = include_str!("../../../tests/events/status-callback.json");
        let domain = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";
        assert_eq!(url("", event), domain);
        assert_eq!(url("https://hooks.example.org/", event), "https://hooks.example.org");
    }
}
