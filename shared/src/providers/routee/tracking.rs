//! Looks up and searches calls (CONTRACT.md 3.2).

use http::Method;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use super::conversation::to_json;
use super::errors::ErrorBody;
use super::status::CallStatus;
use super::webhook::{Direction, keys, parse_status};
use super::{RequestError, Routee, TokenError};
use crate::clock::Timestamp;
use crate::http::Response;
use crate::lenient_json;
use crate::phone::PhoneNumber;
use crate::providers::lenient::Fields;
use crate::providers::lenient::path_segment;

/// Legs per page. Our conversations have one leg, and a search covers minutes, so one page is enough.
const PAGE_SIZE: &str = "20";

/// One call to one phone, as Routee records it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// Id of the leg, which hanging up needs.
    pub message_id: String,
    /// Id of the conversation that the leg belongs to.
    pub tracking_id: Option<String>,
    /// The called number.
    pub to: Option<PhoneNumber>,
    /// Our sender id, if it is a phone number.
    pub from: Option<PhoneNumber>,
    /// Country of the called number, such as `GR`.
    pub country: Option<String>,
    /// Current status.
    pub status: Option<CallStatus>,
    /// Time of the last status change.
    pub status_at: Option<Timestamp>,
    /// Routee's service that placed the call.
    pub originating_service: Option<String>,
    /// Inbound or outbound.
    pub direction: Option<Direction>,
    /// Duration in seconds.
    pub duration: Option<f64>,
    /// Price in the account's currency.
    pub price: Option<f64>,
    /// Billing increment in seconds.
    pub charge_interval: Option<f64>,
    /// All keys of the call, exactly as Routee reports them.
    pub collected_tones: Option<String>,
    /// Who answered, if Routee detected it.
    pub answered_by: Option<AnsweredBy>,
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Routee's three values")]
pub enum AnsweredBy {
    Human,
    Machine,
    Unknown,
}

impl Leg {
    /// The keys of the call without separators.
    pub fn keys(&self) -> String {
        self.collected_tones.as_deref().map(keys).unwrap_or_default()
    }

    fn parse(value: Value) -> Option<Self> {
        let fields = Fields::from_value(value)?;
        let (status, status_at) = parse_status(&fields);
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

/// Why a lookup or search failed. Lookups change nothing, so each of them may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    /// The credentials, or two tokens in a row, were rejected.
    #[error("unauthorized, status {status}: {detail}")]
    Unauthorized {
        /// HTTP status.
        status: u16,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The request is refused.
    #[error("refused with status {status}, code {}: {detail}", code.as_deref().unwrap_or("none"))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Routee's error code.
        code: Option<String>,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// Routee failed or could not be reached.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The response does not follow the contract.
    #[error("the response cannot be parsed")]
    Unreadable,
    /// The id is empty, only dots, or too long.
    #[error("invalid call id")]
    BadId,
}

impl TrackingError {
    /// Whether a later retry may succeed: the cause is the credentials or Routee itself, not the request.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Unavailable { .. })
    }
}

/// A search condition.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    field_name: &'a str,
    search_operator: &'a str,
    search_term: &'a str,
}

impl Routee {
    /// The legs of a conversation; empty if Routee does not know the conversation (yet).
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn legs(&self, tracking_id: &str) -> Result<Vec<Leg>, TrackingError> {
        let id = path_segment(tracking_id).ok_or(TrackingError::BadId)?;
        let path = format!("/voice/tracking/conversation/{id}");
        let response = self.call(Method::GET, &path, None).await?;
        if response.status().as_u16() == 404 {
            return Ok(Vec::new());
        }
        parse_page(&response)
    }

    /// One leg; `None` if Routee does not know it (yet).
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn leg(&self, message_id: &str) -> Result<Option<Leg>, TrackingError> {
        let id = path_segment(message_id).ok_or(TrackingError::BadId)?;
        let response = self.call(Method::GET, &format!("/voice/tracking/{id}"), None).await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        let leg = lenient_json::parse(success_body(&response)?).ok().and_then(Leg::parse);
        leg.map(Some).ok_or(TrackingError::Unreadable)
    }

    /// The calls to `to` between two times. Finds a call whose create request got no response.
    ///
    /// # Errors
    /// The search failed.
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
            // It is unknown whether Routee stores recipients with their plus; this finds them either way.
            search_operator: "ends_with",
            search_term: to.as_str().trim_start_matches('+'),
        };
        // The documentation does not say whether the body is an array or an object. The similar search of numbers takes
        // an array, so we try that first.
        let response = self.call(Method::POST, &path, Some(to_json(&[&filter])?)).await?;
        let mut legs = match parse_page(&response) {
            Err(TrackingError::Refused { status: 400, .. }) => {
                let response = self.call(Method::POST, &path, Some(to_json(&filter)?)).await?;
                parse_page(&response)?
            }
            other => other?,
        };
        legs.retain(|leg| leg.to.as_ref().is_none_or(|called| called == to));
        Ok(legs)
    }
}

/// The legs on a page. One that cannot be parsed is skipped.
fn parse_page(response: &Response) -> Result<Vec<Leg>, TrackingError> {
    let fields = Fields::from_json(success_body(response)?).ok_or(TrackingError::Unreadable)?;
    let Some(Value::Array(content)) = fields.value("content") else {
        return Err(TrackingError::Unreadable);
    };
    Ok(content.iter().cloned().filter_map(Leg::parse).collect())
}

/// The body of a successful response.
pub(super) fn success_body(response: &Response) -> Result<&[u8], TrackingError> {
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

impl From<RequestError> for TrackingError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Unauthorized { status, detail }
            | RequestError::Token(TokenError::Rejected { status, detail }) => Self::Unauthorized { status, detail },
            RequestError::Token(TokenError::Unavailable { detail, .. })
            | RequestError::NotSent(detail)
            | RequestError::NoResponse(detail) => Self::Unavailable { detail },
        }
    }
}
