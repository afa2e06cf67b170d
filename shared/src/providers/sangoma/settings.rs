//! Which tenant is served, where, and with which credentials.

use crate::config::ConfigError;
use crate::secret::Secret;

/// The credentials of a tenant (CONTRACT.md 2).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
}

impl Credentials {
    /// Parses the value of the parameter that the variable `name` names: `clientId:clientSecret`.
    ///
    /// # Errors
    /// The value does not have this form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let (id, secret) = value.expose().split_once(':').unwrap_or_default();
        let (id, secret) = (id.trim(), secret.trim());
        if id.is_empty() || secret.is_empty() {
            let expected = "must name a parameter of the form clientId:clientSecret";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self {
            client_id: id.to_owned(),
            client_secret: Secret::new(secret),
        })
    }
}

/// Base URLs of Sangoma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Base URL of the token endpoint.
    pub auth: String,
    /// Base URL of everything else, up to `/api/v1`.
    pub api: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            auth: "https://auth.sangoma.com".to_owned(),
            api: "https://cpaas.sangoma.com/cx".to_owned(),
        }
    }
}

/// The generation of paths and bodies that a tenant has (CONTRACT.md 5). They never mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// The newest documented one.
    #[default]
    New,
    /// The one before, in which a message does not say that a bot wrote it.
    Old,
}

impl Generation {
    pub(super) const fn bots(self) -> &'static str {
        match self {
            Self::New => "/agents-bot/",
            Self::Old => "/agent-bot/",
        }
    }

    pub(super) const fn assign(self) -> &'static str {
        match self {
            Self::New => "/agents-bot/assign/",
            Self::Old => "/assign-agent-bot/",
        }
    }
}

/// Which tenant is served, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant, such as `acme.cx.sangoma.com`.
    pub tenant_domain: String,
    /// The tenant's generation of paths and bodies.
    pub generation: Generation,
    /// Base URLs.
    pub endpoints: Endpoints,
}
