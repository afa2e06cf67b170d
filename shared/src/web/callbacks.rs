//! The URLs under which providers reach us: those of a job stand with the job, `voice` or [`super::transfer`].

use crate::ids::{ChainName, Tenant};
use crate::web::reference::{BadReference, Purpose, References};

/// Builds callback URLs from the one public base URL, and checks what comes back on them.
#[derive(Clone, Debug)]
pub struct Callbacks {
    pub(crate) base: String,
    pub(crate) references: References,
}

impl Callbacks {
    /// `base` is the public URL of the API, such as `https://hooks.example.org`; a slash at its end does not matter.
    pub fn new(base: &str, references: References) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            references,
        }
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
