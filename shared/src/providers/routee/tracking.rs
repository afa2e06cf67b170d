//! Asking what became of calls (`routee.md` 3.2).

use http::Method;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use super::conversation::json;
use super::errors::ErrorBody;
use super::status::CallStatus;
use super::token::TokenError;
use super::webhook::{Direction, keys, status};
use super::{Fault, Routee};
use crate::clock::Timestamp;
use crate::foreign;
use crate::http::Response;
use crate::phone::PhoneNumber;
use crate::providers::lenient::Fields;
use crate::providers::lenient::segment;

/// Legs on a page. A conversation of ours has one, and a search covers minutes: one page is enough.
const PAGE_SIZE: &str = "20";

/// One call to one telephone, as the provider records it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// Its id, which is what can be hung up.
    pub message_id: String,
    /// The conversation that it is part of.
    pub tracking_id: Option<String>,
    /// Who was called.
    pub to: Option<PhoneNumber>,
    /// Our sender id, when it is a telephone number.
    pub from: Option<PhoneNumber>,
    /// Where it was called.
    pub country: Option<String>,
    /// Its state.
    pub status: Option<CallStatus>,
    /// When the state became so.
    pub status_at: Option<Timestamp>,
    /// What it was part of.
    pub originating_service: Option<String>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// Length in seconds.
    pub duration: Option<f64>,
    /// In the account's currency.
    pub price: Option<f64>,
    /// Seconds that are charged at once.
    pub charge_interval: Option<f64>,
    /// All keys of the call, as they came.
    pub collected_tones: Option<String>,
    /// Who answered.
    pub answered_by: Option<AnsweredBy>,
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the provider's three words")]
pub enum AnsweredBy {
    Human,
    Machine,
    Unknown,
}

impl Leg {
    /// The keys of the call, without what may stand between them.
    pub fn keys(&self) -> String {
        self.collected_tones.as_deref().map(keys).unwrap_or_default()
    }

    fn read(value: Value) -> Option<Self> {
        let fields = Fields::from_value(value)?;
        let (status, status_at) = status(&fields);
        Some(Self {
            message_id: fields.id("messageId")?,
            tracking_id: fields.id("conversationTrackingId"),
            to: fields.phone("to"),
            from: fields.phone("from"),
            country: fields.text("country"),
            status,
            status_at,
            originating_service: fields.text("originatingService"),
            direction: fields.text("direction").and_then(|name| Direction::from_name(&name)),
            duration: fields.number("duration"),
            price: fields.number("price"),
            charge_interval: fields.number("chargeInterval"),
            collected_tones: fields.text("collectedTones"),
            answered_by: fields.text("answeredBy").and_then(|name| {
                let known = [
                    ("HUMAN", AnsweredBy::Human),
                    ("MACHINE", AnsweredBy::Machine),
                    ("UNKNOWN", AnsweredBy::Unknown),
                ];
                known
                    .into_iter()
                    .find_map(|(known, by)| known.eq_ignore_ascii_case(&name).then_some(by))
            }),
        })
    }
}

/// Why the provider did not say what became of a call. All of it may be asked again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    /// The credentials, or two tokens one after the other, were turned away.
    #[error("unauthorised, status {status}: {detail}")]
    Unauthorised {
        /// HTTP status.
        status: u16,
        /// For a person.
        detail: String,
    },
    /// The question is refused.
    #[error("refused with status {status}, code {}: {detail}", code.as_deref().unwrap_or("none"))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The provider's error code.
        code: Option<String>,
        /// For a person.
        detail: String,
    },
    /// The provider cannot answer now.
    #[error("no answer: {detail}")]
    Unavailable {
        /// For a person.
        detail: String,
    },
    /// The answer is not what the contract says.
    #[error("the answer cannot be read")]
    Unreadable,
    /// The id is empty or too long to be one.
    #[error("not an id of a call")]
    BadId,
}

impl TrackingError {
    /// Whether it may be answered another time: what stands in the way are credentials or the provider itself, not the
    /// question.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Unauthorised { .. } | Self::Unavailable { .. })
    }
}

/// A condition of a search.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    field_name: &'a str,
    search_operator: &'a str,
    search_term: &'a str,
}

impl Routee {
    /// The legs of a conversation; none when the provider does not know it (yet).
    pub async fn legs(&self, tracking_id: &str) -> Result<Vec<Leg>, TrackingError> {
        let id = segment(tracking_id).ok_or(TrackingError::BadId)?;
        let path = format!("/voice/tracking/conversation/{id}");
        let response = self.call(Method::GET, &path, None).await?;
        if response.status().as_u16() == 404 {
            return Ok(Vec::new());
        }
        page(&response)
    }

    /// One leg; none when the provider does not know it (yet).
    pub async fn leg(&self, message_id: &str) -> Result<Option<Leg>, TrackingError> {
        let id = segment(message_id).ok_or(TrackingError::BadId)?;
        let response = self.call(Method::GET, &format!("/voice/tracking/{id}"), None).await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        let leg = foreign::read(answer(&response)?).ok().and_then(Leg::read);
        leg.map(Some).ok_or(TrackingError::Unreadable)
    }

    /// The calls to `to` between two moments: how to find a call whose create request had no answer.
    pub async fn search(
        &self,
        to: &PhoneNumber,
        from_time: Timestamp,
        to_time: Timestamp,
    ) -> Result<Vec<Leg>, TrackingError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("from", &from_time.to_string())
            .append_pair("to", &to_time.to_string())
            .append_pair("page", "0")
            .append_pair("size", PAGE_SIZE)
            .finish();
        let path = format!("/voice/tracking?{query}");
        let filter = Filter {
            field_name: "recipient",
            // Whether recipients are kept with their plus is unknown; so it finds them either way.
            search_operator: "ends_with",
            search_term: to.as_str().trim_start_matches('+'),
        };
        // An array or an object? The contract does not know; the sibling search of numbers takes an array.
        let response = self.call(Method::POST, &path, Some(json(&[&filter])?)).await?;
        let mut legs = match page(&response) {
            Err(TrackingError::Refused { status: 400, .. }) => {
                let response = self.call(Method::POST, &path, Some(json(&filter)?)).await?;
                page(&response)?
            }
            other => other?,
        };
        legs.retain(|leg| leg.to.as_ref().is_none_or(|called| called == to));
        Ok(legs)
    }
}

/// The legs on a page. One that cannot be read does not hide the others.
fn page(response: &Response) -> Result<Vec<Leg>, TrackingError> {
    let fields = Fields::from_json(answer(response)?).ok_or(TrackingError::Unreadable)?;
    let Some(Value::Array(content)) = fields.value("content") else {
        return Err(TrackingError::Unreadable);
    };
    Ok(content.iter().cloned().filter_map(Leg::read).collect())
}

/// The body of a successful answer.
fn answer(response: &Response) -> Result<&[u8], TrackingError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response.body());
    }
    let ErrorBody { code, detail, .. } = ErrorBody::parse(response.body());
    let status = status.as_u16();
    match status {
        300..=499 if !matches!(status, 408 | 429) => Err(TrackingError::Refused { status, code, detail }),
        _ => Err(TrackingError::Unavailable {
            detail: format!("status {status}: {detail}"),
        }),
    }
}

impl From<Fault> for TrackingError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unauthorised { status, detail } | Fault::Token(TokenError::Rejected { status, detail }) => {
                Self::Unauthorised { status, detail }
            }
            Fault::Token(TokenError::Unavailable { detail, .. }) | Fault::NotSent(detail) | Fault::NoAnswer(detail) => {
                Self::Unavailable { detail }
            }
        }
    }
}
