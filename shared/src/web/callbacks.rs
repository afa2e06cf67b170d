//! The URLs under which providers reach us: those of a job stand with the job, `voice` or [`super::transfer`].

use lambda_http::Request;

use crate::ids::{ChainName, Tenant};
use crate::web::gateway;
use crate::web::reference::{BadReference, Purpose, References};

/// Builds callback URLs from the one public base URL, and checks what comes back on them. A function behind the API that
/// was told no such URL has the one under which a request reached it: see [`Callbacks::reached_by`].
#[derive(Clone, Debug)]
pub struct Callbacks {
    pub(crate) base: String,
    pub(crate) references: References,
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

    /// The same below the URL under which `request` reached us by a route that begins with one of `roots`, when the public
    /// URL is not known: the API cannot be told to the functions that it is made of. The domain is the one that API Gateway
    /// names.
    #[must_use]
    pub fn reached_by(&self, request: &Request, roots: &[&str]) -> Self {
        let mut reached = self.clone();
        if reached.base.is_empty() {
            if let Some(base) = gateway::base(request, roots) {
                reached.base = base;
            } else {
                tracing::error!(
                    "the event names no domain: set PATCHBAY_PUBLIC_URL (the parameter PublicUrl), or providers get URLs without a host"
                );
            }
        }
        reached
    }

    /// Where Agent4 calls a task chain.
    pub fn chain_url(&self, tenant: &Tenant, chain: &ChainName) -> String {
        let reference = self
            .references
            .sign(Purpose::Chain, &tenant.to_string(), chain.as_str());
        format!("{}/agent4/{reference}/{chain}", self.base)
    }

    /// Whose chain a call of Agent4's is about.
    ///
    /// # Errors
    /// When the reference was not made with one of our keys, or for another chain.
    pub fn check_chain(&self, reference: &str, chain: &ChainName) -> Result<Tenant, BadReference> {
        let tenant = self.references.check(Purpose::Chain, reference, chain.as_str())?;
        tenant.parse().map_err(|_| BadReference)
    }

    /// Bits that nobody can guess, see [`References::derive`].
    pub fn derive(&self, what: &str, text: &str) -> [u8; 32] {
        self.references.derive(what, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn url(base: &str, event: &str) -> String {
        let request = gateway::request(event).expect("an event");
        let callbacks = Callbacks::new(base, References::new(Secret::new("k"), None));
        let tenant = "main".parse().expect("a tenant");
        let url = callbacks.reached_by(&request, &["here"]).transfer_url(&tenant);
        url.split_once("/twilio/")
            .map_or(url.clone(), |(base, _)| base.to_owned())
    }

    #[test]
    fn a_url_is_below_the_one_that_was_told_or_else_below_the_domain_of_the_request() {
        let event = include_str!("../../../tests/events/status-callback.json");
        let domain = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";
        assert_eq!(url("", event), domain);
        // What a domain of one's own maps to the API, or a stage with a name, stands before the route.
        let mapped = |path: &str| {
            let mut event: serde_json::Value = serde_json::from_str(event).expect("JSON");
            event["rawPath"] = path.into();
            url("", &event.to_string())
        };
        assert_eq!(mapped("/hooks/v2/here/x"), format!("{domain}/hooks/v2"));
        assert_eq!(mapped("/here/here/x"), domain);
        assert_eq!(mapped("/elsewhere/x"), domain);
        assert_eq!(url("https://hooks.example.org/", event), "https://hooks.example.org");
    }
}
