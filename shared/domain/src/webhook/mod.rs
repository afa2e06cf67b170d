//! Webhooks: where a requester receives the events of a dispatch or an interaction.
//!
//! - [`notice`]: queue messages to the notifier. [`delivery`]: the state of the delivery of an event.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::field::FieldError;
use crate::ids::{DispatchKey, InteractionKey, Tenant};
use crate::target::Targets;
use crate::timestamp::Timestamp;

pub mod delivery;
pub mod notice;

pub use delivery::{Delivery, DeliveryStatus, event_id};
pub use notice::Notice;

/// Maximum length of a webhook's URL, in characters.
const MAX_URL_CHARS: usize = 2_000;

/// Which events the requester's webhook receives. The subject of the events says which these are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Strategy {
    /// Every outcome of an attempt, and every change of the subject as a whole.
    #[default]
    OnChange,
    /// Only events about the subject as a whole.
    OnCompletion,
    /// As `OnChange`, and how far each attempt gets, such as that the phone rings.
    OnStatus,
}

impl Strategy {
    /// The strategy with this published name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "OnChange" => Some(Self::OnChange),
            "OnCompletion" => Some(Self::OnCompletion),
            "OnStatus" => Some(Self::OnStatus),
            _ => None,
        }
    }
}

/// The webhook that receives the events of a dispatch or an interaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Webhook {
    /// An https URL with a public address.
    pub url: String,
    /// Which events it receives.
    #[serde(default)]
    pub strategy: Strategy,
}

impl Webhook {
    /// Whether a request may have it as the field `webhook`, as far as the length of its URL tells.
    ///
    /// # Errors
    /// The URL is too long.
    pub fn check_length(&self) -> Result<(), FieldError> {
        if self.url.chars().count() <= MAX_URL_CHARS {
            return Ok(());
        }
        Err(url_error(format!("must have at most {MAX_URL_CHARS} characters")))
    }

    /// Whether events may be sent there, as far as the URL alone tells.
    ///
    /// # Errors
    /// It is no URL, or not an allowed target.
    pub fn check_target(&self, targets: &Targets) -> Result<(), FieldError> {
        let url = Url::parse(&self.url).map_err(|error| url_error(format!("must be a URL: {error}")))?;
        targets.check_url(&url).map_err(|error| url_error(error.to_string()))
    }
}

/// The key of what a requester is notified of. Its JSON is that of the key alone: the ids tell the kinds apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SubjectKey {
    /// The key of a dispatch.
    Dispatch(DispatchKey),
    /// The key of an interaction.
    Interaction(InteractionKey),
}

impl SubjectKey {
    /// The tenant that owns it.
    pub const fn tenant(&self) -> &Tenant {
        match self {
            Self::Dispatch(key) => &key.tenant,
            Self::Interaction(key) => &key.tenant,
        }
    }

    /// Its id.
    pub const fn id(&self) -> &dyn Display {
        match self {
            Self::Dispatch(key) => &key.id,
            Self::Interaction(key) => &key.id,
        }
    }
}

impl From<DispatchKey> for SubjectKey {
    fn from(key: DispatchKey) -> Self {
        Self::Dispatch(key)
    }
}

impl From<InteractionKey> for SubjectKey {
    fn from(key: InteractionKey) -> Self {
        Self::Interaction(key)
    }
}

/// An entry of a timeline that a requester is notified of, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id of the entry.
    pub entry: String,
    /// The type, such as `dispatch.accepted`.
    pub event_type: &'static str,
    /// The sequence number: the higher of two happened later. None for an entry of an earlier version.
    pub sequence: Option<u64>,
    /// When it happened.
    pub at: Timestamp,
}

fn url_error(detail: String) -> FieldError {
    FieldError::new("webhook.url", detail)
}
