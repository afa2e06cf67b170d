//! Voice providers, as the main job sees them: one seam for all.
//!
//! - [`Provider`] is which one: it reads what came by webhook, and says a [`Script`] in that provider's language.
//! - [`Account`] is an account with one: it places, ends and looks at calls.
//!
//! Whoever works with these knows no provider. Nobody else names one but the providers' own modules.

pub mod callbacks;
#[cfg(feature = "outbound")]
mod config;
mod routee;
mod settings;
#[cfg(test)]
mod tests;
mod trace;
mod twilio;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};

#[cfg(feature = "outbound")]
pub use self::config::AccountsConfig;
pub use self::routee::RouteeAccount;
pub use self::settings::{Settings, voice_providers};
pub use self::trace::Trace;
pub use self::twilio::{BEGIN, TwilioAccount};
use crate::clock::Timestamp;
use crate::dispatch::script::Script;
use crate::dispatch::{CallReport, NotPlaced, Sighting};
use crate::ids::ProviderName;
use crate::phone::PhoneNumber;
pub use crate::providers::twilio::signature::Signatures;
use crate::web::media::answer;

/// Which voice provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// `routee.md`.
    Routee,
    /// `twilio.md`.
    Twilio,
}

/// The body of a webhook is not what its provider posts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// What a provider is answered, in its language: a script, or that a webhook was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    media_type: &'static str,
    body: String,
}

impl Spoken {
    /// The answer: always 200, which is what every provider takes for success.
    pub fn into_response(self) -> Response<Body> {
        answer(StatusCode::OK, self.media_type, self.body)
    }
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Routee, Self::Twilio];

    /// The name that it goes by in URLs, items and the timeline.
    pub const fn name(self) -> ProviderName {
        ProviderName::known(self.as_str())
    }

    /// The same as a text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routee => "routee",
            Self::Twilio => "twilio",
        }
    }

    /// The provider of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }

    /// The keys in the body of a webhook, as far as it tells them: they may repeat those of earlier events.
    ///
    /// # Errors
    /// When it is not what this provider posts.
    pub fn keys(self, body: &[u8]) -> Result<String, Unreadable> {
        match self {
            Self::Routee => routee::keys(body).map_err(|error| Unreadable(error.to_string())),
            Self::Twilio => Ok(twilio::keys(body)),
        }
    }

    /// What the body of a webhook says about a call.
    ///
    /// # Errors
    /// When it is not what this provider posts.
    pub fn report(self, body: &[u8]) -> Result<CallReport, Unreadable> {
        match self {
            Self::Routee => routee::report(body).map_err(|error| Unreadable(error.to_string())),
            Self::Twilio => twilio::report(body).map_err(|error| Unreadable(error.to_string())),
        }
    }

    /// The answer to a webhook that only tells something: that it was taken, in this provider's words.
    pub fn acknowledged(self) -> Spoken {
        match self {
            Self::Routee => routee::acknowledged(),
            Self::Twilio => twilio::acknowledged(),
        }
    }

    /// `script` as the answer to a webhook of this provider's. Keys are told at `keys_url`.
    pub fn says(self, script: Script, keys_url: &str, settings: &Settings) -> Spoken {
        match self {
            Self::Routee => routee::says(script, keys_url, &settings.routee),
            Self::Twilio => twilio::says(script, keys_url),
        }
    }
}

/// A call to one person.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Who is called.
    pub to: &'a PhoneNumber,
    /// What is heard.
    pub script: Script,
    /// Where keys are told.
    pub keys_url: String,
    /// Where the call's statuses are told.
    pub status_url: String,
    /// Seconds that it rings; none leaves it to the network.
    pub ring_timeout: Option<u32>,
    /// Seconds that it lasts at the longest; none sets no limit at the provider.
    pub max_duration: Option<u32>,
    /// Whether it is to end when a machine picks up, as far as the provider can tell one from a person.
    pub ends_on_machine: bool,
}

/// The accounts from which calls are made, at most one with each provider, the preferred first. Never empty.
#[derive(Clone, Debug)]
pub struct Accounts(Vec<Account>);

impl Accounts {
    /// None of no account, or of two with one provider.
    pub fn new(accounts: Vec<Account>) -> Option<Self> {
        let is_double = |(at, account): (usize, &Account)| {
            let earlier = accounts.iter().take(at);
            earlier.into_iter().any(|other| other.provider() == account.provider())
        };
        let sound = !accounts.is_empty() && !accounts.iter().enumerate().any(is_double);
        sound.then_some(Self(accounts))
    }

    /// With whom they are, the preferred first.
    pub fn providers(&self) -> impl Iterator<Item = ProviderName> {
        self.0.iter().map(|account| account.provider().name())
    }

    /// The account with a provider, if there is one.
    pub fn with(&self, provider: &ProviderName) -> Option<&Account> {
        self.0.iter().find(|account| account.provider().name() == *provider)
    }
}

/// Why there is no call, or perhaps none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There certainly is none.
    #[error("{detail}")]
    NotPlaced {
        /// What it means for the next one.
        why: NotPlaced,
        /// For a person.
        detail: String,
    },
    /// There may be one: it must not be placed again.
    #[error("{detail}")]
    Unclear {
        /// For a person.
        detail: String,
    },
}

/// What has become of a call that was to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is over.
    Over,
    /// Nobody knows yet by which id it could be ended.
    NotYet,
}

/// A call was not ended, or perhaps not. It may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndError(String);

/// A provider did not say what became of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct LookError {
    /// Whether it may say so another time: what stands in the way is the provider or the credentials, not the question.
    pub passes: bool,
    /// For a person.
    pub detail: String,
}

/// An account with a voice provider, from which calls are made.
#[derive(Clone, Debug)]
pub enum Account {
    /// With Routee.
    Routee(RouteeAccount),
    /// With Twilio.
    Twilio(TwilioAccount),
}

impl Account {
    /// With whom it is.
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Routee(_) => Provider::Routee,
            Self::Twilio(_) => Provider::Twilio,
        }
    }

    /// Milliseconds from one call to the next that the account allows.
    pub const fn call_interval(&self) -> i64 {
        match self {
            Self::Routee(account) => account.call_interval,
            Self::Twilio(account) => account.call_interval,
        }
    }

    /// Places a call: the provider's id of it. Never to be repeated for one attempt, whatever comes of it but
    /// [`PlaceError::NotPlaced`].
    ///
    /// # Errors
    /// There is no call, or perhaps none.
    pub async fn place(&self, call: Call<'_>) -> Result<String, PlaceError> {
        match self {
            Self::Routee(account) => account.place(call).await,
            Self::Twilio(account) => account.place(call).await,
        }
    }

    /// Ends the call behind `trace`, whether it rings or speaks.
    ///
    /// # Errors
    /// The provider did not do it.
    pub async fn end(&self, trace: &Trace) -> Result<Ended, EndError> {
        if trace.is_over {
            return Ok(Ended::Over);
        }
        match self {
            Self::Routee(account) => account.end(trace).await,
            Self::Twilio(account) => account.end(trace).await,
        }
    }

    /// What became of the call with the id `call_id`.
    ///
    /// # Errors
    /// The provider does not say.
    pub async fn look(&self, call_id: &str) -> Result<Sighting, LookError> {
        match self {
            Self::Routee(account) => account.look(call_id).await,
            Self::Twilio(account) => account.look(call_id).await,
        }
    }

    /// Whether a call to `to` that was placed between two moments goes on. It may be another ticket's call to the same
    /// phone, whose keys and end are not ours: so more than that it is live is never said.
    ///
    /// # Errors
    /// The provider does not say.
    pub async fn search(&self, to: &PhoneNumber, from: Timestamp, until: Timestamp) -> Result<Sighting, LookError> {
        let sighting = match self {
            Self::Routee(account) => account.search(to, from, until).await?,
            Self::Twilio(account) => account.search(to, from, until).await?,
        };
        Ok(match sighting {
            Sighting::Live => Sighting::Live,
            Sighting::Over { .. } | Sighting::Nothing => Sighting::Nothing,
        })
    }
}
