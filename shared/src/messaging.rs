//! One provider-neutral interface over the providers of text messages, SMS and `WhatsApp`.
//!
//! - [`Account`] sends messages and looks them up.
//! - [`status_report`] and [`incoming_message`] parse what a provider posts to us; [`overall`] is the status of a
//!   message after all its reports.
//! - [`segments`](segments::segments) counts the SMS parts of a text before it is sent.
//!
//! **A message is sent once.** No provider has an idempotency key, so after [`MessageError::Unclear`] it is never sent
//! again. What proves that it was sent is a status callback to its own URL; [`Account::find_unclear`] may find it
//! earlier. Nothing proves that it was not sent.

pub mod segments;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::phone::PhoneNumber;
pub use crate::providers::message_api::{
    Channel, Content, Failure, FailureReason, IncomingMessage, InvalidMessageWebhook, InvalidSender, MessageError,
    MessageStatus, OutgoingMessage, Sender, SenderName, SentMessage, ServiceId, StatusReport, TemplateId, overall,
};
use crate::providers::routee::{self, Routee, TrackingError};
use crate::providers::twilio::calls::{ApiError, Twilio};
use crate::providers::twilio::messages as twilio;
use crate::providers::twilio::messages::MessageRecord;
use crate::providers::twilio::webhook::Form;
use crate::voice::Provider;

/// How Twilio requests our status URLs (twilio/CONTRACT.md 6): two retries if the connection fails or times out and if
/// we respond with 5xx. By default it retries once, and only if the connection fails.
const RETRY_FRAGMENT: &str = "#ct=1000&rt=3500&rc=2&rp=ct,rt,5xx";
/// How far Twilio's clock may be behind ours, in milliseconds. Its times have no fractions.
const SKEW_MILLIS: i64 = 15_000;

/// An account with a provider, which sends messages.
#[derive(Clone, Debug)]
pub enum Account {
    /// An account with Routee: SMS from numbers and names.
    Routee(Routee),
    /// An account with Twilio: SMS from numbers and messaging services, and `WhatsApp`.
    Twilio(Twilio),
}

/// A lookup or search of a message failed. It may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct LookupError {
    /// Whether a later retry may succeed: the cause is the provider or the credentials, not the request.
    pub is_transient: bool,
    /// Message for operators, redacted for logs.
    pub detail: String,
}

impl Account {
    /// The provider of the account.
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Routee(_) => Provider::Routee,
            Self::Twilio(_) => Provider::Twilio,
        }
    }

    /// Sends a message. Must not be repeated for the same message unless the error is [`MessageError::TryLater`].
    ///
    /// # Errors
    /// There is no message, or it is unclear whether there is one.
    pub async fn send(&self, message: &OutgoingMessage<'_>) -> Result<SentMessage, MessageError> {
        match self {
            Self::Routee(client) => client.send_sms(message).await,
            Self::Twilio(client) => {
                let status_url = format!("{}{RETRY_FRAGMENT}", message.status_url);
                let message = OutgoingMessage {
                    status_url,
                    ..message.clone()
                };
                client.send_message(&message).await
            }
        }
    }

    /// The status of the message with the id `id`; `None` if the provider does not know it (yet).
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn look_up(&self, id: &str) -> Result<Option<MessageStatus>, LookupError> {
        match self {
            Self::Routee(client) => client.sms_status(id).await.map_err(|error| tracking_error(&error)),
            Self::Twilio(client) => match client.message(id).await {
                Ok(record) => Ok(Some(record.status)),
                Err(error) if error.not_found => Ok(None),
                Err(error) => Err(api_error(error)),
            },
        }
    }

    /// Looks for a message whose send was [`MessageError::Unclear`] and happened between two times. `is_known` tells
    /// whether an id belongs to another message of ours.
    ///
    /// A result is evidence, not proof: another message with the same text to the same number, whose id we do not know
    /// yet, looks the same. Therefore several candidates are no result. **No result is no evidence at all**: the
    /// message may appear later, and only Twilio can be searched, for texts (twilio/CONTRACT.md 5.6,
    /// routee/CONTRACT.md 6.3).
    ///
    /// # Errors
    /// The search failed.
    pub async fn find_unclear(
        &self,
        message: &OutgoingMessage<'_>,
        from: Timestamp,
        until: Timestamp,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Option<SentMessage>, LookupError> {
        let (Self::Twilio(client), Content::Text(text)) = (self, message.content) else {
            return Ok(None);
        };
        let to = twilio::address(message.to, message.from.channel());
        let records = client.messages_to(&to).await.map_err(api_error)?;
        let between = from.plus_millis(-SKEW_MILLIS)..=until.plus_millis(SKEW_MILLIS);
        let mut candidates = records.into_iter().filter(|record| {
            let is_in_time = record.created_at.is_some_and(|at| between.contains(&at));
            is_in_time && is_copy_of(record, message, text) && !is_known(&record.sid)
        });
        let (first, second) = (candidates.next(), candidates.next());
        Ok(first.filter(|_| second.is_none()).map(|record| SentMessage {
            id: record.sid,
            status: record.status,
            parts: None,
        }))
    }
}

/// Whether `record` has the sender and the receiver of `message`, and its `text`.
fn is_copy_of(record: &MessageRecord, message: &OutgoingMessage<'_>, text: &str) -> bool {
    let channel = message.from.channel();
    let is = |address: &Option<String>, number: &PhoneNumber| {
        address.as_deref() == Some(twilio::address(number, channel).as_str())
    };
    let is_from_us = match message.from {
        Sender::Number(number) | Sender::WhatsApp(number) => is(&record.from, number),
        // The number that the service picks is unknown.
        Sender::Service(_) => true,
        Sender::Name(_) => false,
    };
    record.is_outbound && is_from_us && is(&record.to, message.to) && record.body.as_deref() == Some(text)
}

fn tracking_error(error: &TrackingError) -> LookupError {
    LookupError {
        is_transient: error.is_transient(),
        detail: error.to_string(),
    }
}

fn api_error(error: ApiError) -> LookupError {
    LookupError {
        is_transient: error.is_transient,
        detail: error.detail,
    }
}

/// Parses a status callback of a message. Its sender must have been verified before.
///
/// # Errors
/// The body does not follow the provider's format.
pub fn status_report(provider: Provider, body: &[u8]) -> Result<StatusReport, InvalidMessageWebhook> {
    match provider {
        Provider::Routee => routee::parse_sms_report(body),
        Provider::Twilio => twilio::parse_report(&Form::parse(body)),
    }
}

/// Parses a message from a customer. Its sender must have been verified before: Routee signs nothing, so its URL must
/// have a reference of ours (routee/CONTRACT.md 5.7).
///
/// # Errors
/// The body does not follow the provider's format, or the sender is not a phone number.
pub fn incoming_message(provider: Provider, body: &[u8]) -> Result<IncomingMessage, InvalidMessageWebhook> {
    match provider {
        Provider::Routee => routee::parse_incoming_sms(body),
        Provider::Twilio => twilio::parse_incoming(&Form::parse(body)),
    }
}
