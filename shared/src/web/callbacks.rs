//! Callback URLs under which providers reach us. This module has the common part and the URLs of task chains; the other
//! URLs are in `voice::callbacks` and [`super::transfer`].

use lambda_http::Request;

use crate::ids::{DocumentName, Tenant};
use crate::web::gateway;
use crate::web::reference::{BadReference, Purpose, ReferenceSigner};

/// Builds callback URLs below the public base URL, and verifies the references of requests to them. A function behind
/// the API may have no configured base URL; then it uses the URL of the request: see
/// [`CallbackUrls::with_fallback_base`].
#[derive(Clone, Debug)]
pub struct CallbackUrls {
    pub(crate) base: String,
    pub(crate) references: ReferenceSigner,
}

impl CallbackUrls {
    /// `base` is the public URL of the API, such as `https://hooks.example.org`, with or without a final slash. It is
    /// empty if no URL is configured.
    pub fn new(base: &str, references: ReferenceSigner) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            references,
        }
    }

    /// Returns the same URLs with a base URL. If none is configured, it is taken from `request`, whose route begins
    /// with one of `roots`. (The template cannot pass the URL of an API to the functions behind this API.) The domain
    /// comes from API Gateway, never from a header.
    #[must_use]
    pub fn with_fallback_base(&self, request: &Request, roots: &[&str]) -> Self {
        let mut urls = self.clone();
        if urls.base.is_empty() {
            if let Some(base) = gateway::base_url(request, roots) {
                urls.base = base;
            } else {
                tracing::error!(
                    "the event has no domain name, so callback URLs have no host: set PATCHBAY_PUBLIC_URL (template parameter PublicUrl)"
                );
            }
        }
        urls
    }

    /// The URL under which Agent4 calls a task chain.
    pub fn chain_url(&self, tenant: &Tenant, chain: &DocumentName) -> String {
        let reference = self
            .references
            .sign(Purpose::Chain, &tenant.to_string(), chain.as_str());
        format!("{}/agent4/{reference}/{chain}", self.base)
    }

    /// Verifies the reference of a task chain's URL and returns its tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys, or was made for another chain.
    pub fn check_chain(&self, reference: &str, chain: &DocumentName) -> Result<Tenant, BadReference> {
        let tenant = self.references.check(Purpose::Chain, reference, chain.as_str())?;
        tenant.parse().map_err(|_| BadReference)
    }

    /// Unguessable bytes, see [`ReferenceSigner::derive`].
    pub fn derive(&self, what: &str, text: &str) -> [u8; 32] {
        self.references.derive(what, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn url(base: &str, event: &str) -> String {
        let request = gateway::parse_event(event).expect("an event");
        let callbacks = CallbackUrls::new(base, ReferenceSigner::new(Secret::new("k"), None));
        let tenant = "main".parse().expect("a tenant");
        let url = callbacks.with_fallback_base(&request, &["here"]).transfer_url(&tenant);
        url.split_once("/twilio/")
            .map_or(url.clone(), |(base, _)| base.to_owned())
    }

    #[test]
    fn base_url_is_the_configured_one_or_that_of_the_request() {
        let event = include_str!("../../../tests/events/status-callback.json");
        let domain = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";
        assert_eq!(url("", event), domain);
        // A named stage, or the base path of a custom domain, precedes the route.
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
