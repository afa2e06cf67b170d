//! Whether this stack can carry out a request for a dispatch, wherever the request comes from.

use crate::dispatch::{DispatchRequest, NewDispatch};
use crate::field::FieldError;
use crate::ids::ProviderName;
use crate::target::Targets;

/// What this stack can do for a dispatch.
#[derive(Clone, Debug)]
pub struct Abilities {
    /// Voice providers with an account, the preferred one first.
    pub providers: Vec<ProviderName>,
    /// Which webhook URLs are allowed.
    pub targets: Targets,
}

impl Abilities {
    /// Validates a request.
    ///
    /// # Errors
    /// The invalid fields, each with what is expected.
    pub fn check(&self, request: DispatchRequest) -> Result<NewDispatch, Vec<FieldError>> {
        let spec = request.check()?;
        self.check_providers(&spec)?;
        if let Some(webhook) = &spec.webhook {
            webhook.check_target(&self.targets).map_err(|error| vec![error])?;
        }
        Ok(spec)
    }

    /// Fails if the policy names a provider that this stack has no account with.
    fn check_providers(&self, spec: &NewDispatch) -> Result<(), Vec<FieldError>> {
        let requested = spec.policy.providers.iter().enumerate();
        let unknown = requested.filter(|(_, provider)| !self.providers.contains(provider));
        let names: Vec<&str> = self.providers.iter().map(ProviderName::as_str).collect();
        let error = |(index, _): (usize, &ProviderName)| {
            let field = format!("policy.providers[{index}]");
            FieldError::new(field, format!("must be one of: {}", names.join(", ")))
        };
        let errors: Vec<_> = unknown.map(error).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
