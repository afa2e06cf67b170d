//! One provider-neutral interface over all voice providers, for the main job.
//!
//! - [`Provider`] identifies a provider: it parses the provider's webhooks and renders a [`Script`] in its format.
//! - [`Account`] is an account with a provider: it places, ends and looks up calls.
//!
//! Code that uses these types does not depend on a certain provider. Only the providers' own modules do.

mod call_history;
pub mod callbacks;
#[cfg(feature = "outbound")]
mod config;
mod routee;
mod settings;
#[cfg(test)]
mod tests;
mod twilio;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};

pub use self::call_history::CallHistory;
#[cfg(feature = "outbound")]
pub use self::config::{AccountsConfig, call_interval};
pub use self::routee::RouteeAccount;
pub use self::settings::{Settings, voice_providers};
pub use self::twilio::{BEGIN_PARAM, TwilioAccount};
use crate::clock::Timestamp;
use crate::dispatch::script::Script;
use crate::dispatch::{CallLookup, CallReport, NotPlaced};
use crate::ids::ProviderName;
use crate::phone::PhoneNumber;
pub use crate::providers::twilio::signature::SignatureVerifier;
use crate::web::media::response;

/// A voice provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Routee (routee/CONTRACT.md).
    Routee,
    /// Twilio (twilio/CONTRACT.md).
    Twilio,
}

/// The body of a webhook does not follow the provider's format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableWebhook(String);

/// The response to a provider's webhook in its own format: a script, or an acknowledgment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderResponse {
    media_type: &'static str,
    body: String,
}

impl ProviderResponse {
    /// The HTTP response. The status is always 200, which every provider accepts as success.
    pub fn into_response(self) -> Response<Body> {
        response(StatusCode::OK, self.media_type, self.body)
    }
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 2] = [Self::Routee, Self::Twilio];

    /// The name in URLs, DynamoDB items and the timeline.
    pub const fn name(self) -> ProviderName {
        ProviderName::known(self.as_str())
    }

    /// The same name as a string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routee => "routee",
            Self::Twilio => "twilio",
        }
    }

    /// The provider with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }

    /// The keys in the body of a webhook. They may repeat keys of earlier events.
    ///
    /// # Errors
    /// The body does not follow the provider's format.
    pub fn keys(self, body: &[u8]) -> Result<String, UnreadableWebhook> {
        match self {
            Self::Routee => routee::keys(body).map_err(|error| UnreadableWebhook(error.to_string())),
            Self::Twilio => Ok(twilio::keys(body)),
        }
    }

    /// Parses a status callback.
    ///
    /// # Errors
    /// The body does not follow the provider's format.
    pub fn report(self, body: &[u8]) -> Result<CallReport, UnreadableWebhook> {
        match self {
            Self::Routee => routee::report(body).map_err(|error| UnreadableWebhook(error.to_string())),
            Self::Twilio => twilio::report(body).map_err(|error| UnreadableWebhook(error.to_string())),
        }
    }

    /// The acknowledgment of a webhook that expects no script, in the provider's format.
    pub fn acknowledge(self) -> ProviderResponse {
        match self {
            Self::Routee => routee::acknowledge(),
            Self::Twilio => twilio::acknowledge(),
        }
    }

    /// Renders `script` as the response to a webhook. The provider posts keys to `keys_url`.
    pub fn render(self, script: Script, keys_url: &str, settings: &Settings) -> ProviderResponse {
        match self {
            Self::Routee => routee::render(script, keys_url, &settings.routee),
            Self::Twilio => twilio::render(script, keys_url),
        }
    }
}

/// A call to place.
#[derive(Clone, Debug)]
pub struct OutboundCall<'a> {
    /// The number to call.
    pub to: &'a PhoneNumber,
    /// What the call says and listens for.
    pub script: Script,
    /// URL to which the provider posts keys.
    pub keys_url: String,
    /// URL to which the provider posts statuses.
    pub status_url: String,
    /// Ring time-out in seconds; `None` leaves it to the network.
    pub ring_timeout: Option<u32>,
    /// Maximum duration in seconds; `None` sets no limit at the provider.
    pub max_duration: Option<u32>,
    /// Whether the call ends when a machine picks up, as far as the provider can detect one.
    pub hang_up_on_machine: bool,
}

/// The accounts that place calls: at most one per provider, the preferred first. Never empty.
#[derive(Clone, Debug)]
pub struct Accounts(Vec<Account>);

impl Accounts {
    /// `None` for an empty list, or for two accounts with the same provider.
    pub fn new(accounts: Vec<Account>) -> Option<Self> {
        let is_duplicate = |(at, account): (usize, &Account)| {
            let earlier = accounts.iter().take(at);
            earlier.into_iter().any(|other| other.provider() == account.provider())
        };
        let is_valid = !accounts.is_empty() && !accounts.iter().enumerate().any(is_duplicate);
        is_valid.then_some(Self(accounts))
    }

    /// The providers of the accounts, the preferred first.
    pub fn providers(&self) -> impl Iterator<Item = ProviderName> {
        self.0.iter().map(|account| account.provider().name())
    }

    /// The account with this provider.
    pub fn get(&self, provider: &ProviderName) -> Option<&Account> {
        self.0.iter().find(|account| account.provider().name() == *provider)
    }
}

/// Why a call was not placed, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There certainly is no call.
    #[error("{detail}")]
    NotPlaced {
        /// What the failure means for the next call.
        reason: NotPlaced,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// There may be a call: it must not be placed again.
    #[error("{detail}")]
    Unclear {
        /// Message for operators, redacted for logs.
        detail: String,
    },
}

/// The result of ending a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOutcome {
    /// The call is over.
    Over,
    /// The id that ending the call needs is not known yet.
    NoCallId,
}

/// A call was not ended, or may not have been. It may be retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndError(String);

/// A lookup or search of a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct LookupError {
    /// Whether a later retry may succeed: the cause is the provider or the credentials, not the request.
    pub is_transient: bool,
    /// Message for operators, redacted for logs.
    pub detail: String,
}

/// An account with a voice provider, which places calls.
#[derive(Clone, Debug)]
pub enum Account {
    /// An account with Routee.
    Routee(RouteeAccount),
    /// An account with Twilio.
    Twilio(TwilioAccount),
}

impl Account {
    /// The provider of the account.
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Routee(_) => Provider::Routee,
            Self::Twilio(_) => Provider::Twilio,
        }
    }

    /// Minimum interval between two calls of the account, in milliseconds.
    pub const fn call_interval(&self) -> i64 {
        match self {
            Self::Routee(account) => account.call_interval,
            Self::Twilio(account) => account.call_interval,
        }
    }

    /// Places a call and returns the provider's id of it. Must not be repeated for the same attempt unless the error is
    /// [`PlaceError::NotPlaced`].
    ///
    /// # Errors
    /// There is no call, or it is unclear whether there is one.
    pub async fn place(&self, call: OutboundCall<'_>) -> Result<String, PlaceError> {
        match self {
            Self::Routee(account) => account.place(call).await,
            Self::Twilio(account) => account.place(call).await,
        }
    }

    /// Ends the call with this `history`, whether it is ringing or answered.
    ///
    /// # Errors
    /// The call was not ended, or may not have been.
    pub async fn end(&self, history: &CallHistory) -> Result<EndOutcome, EndError> {
        if history.is_over {
            return Ok(EndOutcome::Over);
        }
        match self {
            Self::Routee(account) => account.end(history).await,
            Self::Twilio(account) => account.end(history).await,
        }
    }

    /// Looks up the call with the id `call_id`.
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn look_up(&self, call_id: &str) -> Result<CallLookup, LookupError> {
        match self {
            Self::Routee(account) => account.look_up(call_id).await,
            Self::Twilio(account) => account.look_up(call_id).await,
        }
    }

    /// Whether a call to `to` that was placed between two times is live. The call found may be another ticket's call to
    /// the same phone, whose keys and ending must not count for ours. So the result never says more than that a call is
    /// live.
    ///
    /// # Errors
    /// The search failed.
    pub async fn search(&self, to: &PhoneNumber, from: Timestamp, until: Timestamp) -> Result<CallLookup, LookupError> {
        let lookup = match self {
            Self::Routee(account) => account.search(to, from, until).await?,
            Self::Twilio(account) => account.search(to, from, until).await?,
        };
        Ok(match lookup {
            CallLookup::Live => CallLookup::Live,
            CallLookup::Over { .. } | CallLookup::Unknown => CallLookup::Unknown,
        })
    }
}
