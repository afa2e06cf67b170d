//! The URLs under which providers reach us.

use crate::ids::{AttemptId, DispatchKey};
use crate::web::reference::{BadReference, Reference, References};

/// Builds callback URLs from the one public base URL, and checks what comes back on them.
#[derive(Clone, Debug)]
pub struct Callbacks {
    pub(super) base: String,
    pub(super) references: References,
}

impl Callbacks {
    /// `base` is the public URL of the API, such as `https://hooks.example.org`; a slash at its end does not matter.
    pub fn new(base: &str, references: References) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            references,
        }
    }

    /// Where Routee sends the keys of an attempt. `asked_again` counts the wrong keys that were answered with the
    /// options again: the provider may repeat earlier keys of a call, so the count travels in the URL.
    pub fn collect_url(&self, dispatch: &DispatchKey, attempt: AttemptId, asked_again: u8) -> String {
        let url = format!(
            "{}/routee/collect/{}",
            self.base,
            self.references.sign(dispatch, attempt)
        );
        if asked_again == 0 {
            url
        } else {
            format!("{url}?{AGAIN}={asked_again}")
        }
    }

    /// Where Routee sends the statuses of an attempt.
    pub fn status_url(&self, dispatch: &DispatchKey, attempt: AttemptId) -> String {
        format!(
            "{}/routee/status/{}",
            self.base,
            self.references.sign(dispatch, attempt)
        )
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
