//! Places and ends calls (CONTRACT.md 2 and 3.1).

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use super::dialplan::DialPlan;
use super::errors::ErrorBody;
use super::{RequestError, Routee, TokenError};
use crate::dispatch::Ending;
use crate::http::Response;
use crate::phone::PhoneNumber;
use crate::providers::lenient::Fields;
use crate::providers::lenient::path_segment;
use crate::providers::retry_after::retry_after;

/// The request that places a call (CONTRACT.md 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateConversation {
    /// Sender id: a phone number or a name.
    pub from: String,
    /// The number to call.
    pub to: Destination,
    /// What the call says and listens for.
    pub dial_plan: DialPlan,
    /// The status callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
    /// Ring time-out, 1 to 60 seconds; `None` leaves it to the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_delay: Option<u32>,
    /// Maximum duration of the call in seconds; `None` sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// What Routee does when a machine picks up; `None` switches the detection off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection: Option<MachineDetection>,
}

/// Machine detection (CONTRACT.md 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MachineDetection {
    /// What Routee does when a machine picks up.
    pub strategy: MachineStrategy,
}

/// What Routee does when a machine picks up. We do not use the other strategy, `Continue`, which fetches a separate
/// plan for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MachineStrategy {
    /// Ends the call.
    Hangup,
}

/// The number to call, as Routee nests it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// A phone number, with its `+`.
    pub phone: PhoneNumber,
}

/// The status callback of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Callback {
    /// URL to which Routee posts.
    pub url: String,
    /// Which statuses Routee posts.
    pub strategy: CallbackStrategy,
}

/// Which statuses Routee posts to a callback URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CallbackStrategy {
    /// Every status. Only with this strategy do we get the leg id, which hanging up needs, during the call.
    OnChange,
    /// The final status only.
    OnCompletion,
}

impl CreateConversation {
    /// A request without ring time-out, duration limit and machine detection. Every status is posted to `status_url`.
    pub fn new(from: &str, to: &PhoneNumber, dial_plan: DialPlan, status_url: String) -> Self {
        Self {
            from: from.to_owned(),
            to: Destination { phone: to.clone() },
            dial_plan,
            callback: Some(Callback {
                url: status_url,
                strategy: CallbackStrategy::OnChange,
            }),
            hangup_delay: None,
            max_duration: None,
            machine_detection: None,
        }
    }

    /// Sets the ring time-out in seconds.
    #[must_use]
    pub fn with_ring_timeout(self, seconds: Option<u32>) -> Self {
        Self {
            hangup_delay: seconds,
            ..self
        }
    }

    /// Sets whether Routee hangs up when a machine picks up.
    #[must_use]
    pub fn with_hangup_on_machine(self, enabled: bool) -> Self {
        let strategy = MachineStrategy::Hangup;
        Self {
            machine_detection: enabled.then_some(MachineDetection { strategy }),
            ..self
        }
    }

    /// Sets the maximum duration in seconds.
    #[must_use]
    pub fn with_max_duration(self, seconds: Option<u32>) -> Self {
        Self {
            max_duration: seconds,
            ..self
        }
    }
}

/// The call was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedConversation {
    /// Routee's id of the conversation.
    pub tracking_id: String,
}

/// Why a call was not accepted, or may not have been. Only after [`CreateError::Unclear`] may a phone ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Certainly no call. The same request would be refused again.
    #[error("refused with status {status}, code {}: {detail}", code.as_deref().unwrap_or("none"))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Routee's error code.
        code: Option<String>,
        /// Whether Routee names the called number as the invalid field.
        about_number: bool,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// Certainly no call. A later retry may be accepted.
    #[error("not accepted now ({reason}): {detail}")]
    TryLater {
        /// What prevented the call.
        reason: DeferralReason,
        /// Seconds that Routee asks us to wait.
        retry_after: Option<u32>,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The request may have arrived. It must not be sent again: there is no idempotency key (CONTRACT.md 7).
    #[error("unclear whether the call was placed: {detail}")]
    Unclear {
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// Certainly no call: the account has insufficient balance.
    #[error("the account has insufficient balance: {detail}")]
    OutOfMoney {
        /// Message for operators, redacted for logs.
        detail: String,
    },
}

/// Why Routee could not accept a request now. None of the reasons is about the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeferralReason {
    /// Status 429, or 409 for a temporary conflict. Routee documents 409 without its cause. We never send a request
    /// twice, so it cannot mean a duplicate call of ours.
    #[error("rate limit or conflict")]
    Busy,
    /// No connection could be made, or the token endpoint did not respond.
    #[error("not reachable")]
    Unreachable,
    /// The credentials, or two tokens in a row, were rejected. This affects every call, not only this one, and lasts
    /// until an operator fixes the credentials.
    #[error("unauthorized")]
    Unauthorized,
}

/// How a call is ended (CONTRACT.md 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum EndAction {
    /// Ends an answered call.
    #[serde(rename = "hangup")]
    HangUp,
    /// Ends a call that has not been answered.
    #[serde(rename = "reject")]
    Reject,
}

impl EndAction {
    const fn other(self) -> Self {
        match self {
            Self::HangUp => Self::Reject,
            Self::Reject => Self::HangUp,
        }
    }
}

/// The call was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedCall {
    /// The action that Routee accepted.
    pub by: EndAction,
}

/// Why a call was not ended, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// The call does not exist or is over: there is nothing left to do.
    #[error("the call is over or does not exist")]
    Gone,
    /// Neither action fits the state of the call, and the call is not known to be over. It may still be queued, and a
    /// queued call cannot be ended (CONTRACT.md 3.1). Retry: the phone may ring later.
    #[error("the call cannot be ended now: {detail}")]
    NotYet {
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The call may have been ended. A retry does no harm.
    #[error("unclear whether the call was ended: {detail}")]
    Unclear {
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The call was certainly not ended. A later retry may succeed.
    #[error("the call was not ended ({reason}): {detail}")]
    TryLater {
        /// What prevented it.
        reason: DeferralReason,
        /// Seconds that Routee asks us to wait.
        retry_after: Option<u32>,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The leg id is empty, only dots, or too long.
    #[error("invalid call id")]
    BadId,
}

impl Routee {
    /// Places a call.
    ///
    /// # Errors
    /// There is no call, or it is unclear whether there is one.
    pub async fn create(&self, request: &CreateConversation) -> Result<CreatedConversation, CreateError> {
        let body = to_json(request).map_err(create_error)?;
        let response = self
            .call(Method::POST, "/voice/conversation", Some(body))
            .await
            .map_err(create_error)?;
        if !response.status().is_success() {
            return Err(create_error_of_response(&response));
        }
        // Any 2xx has placed a call. Without a readable id it can only be found by a search.
        let tracking_id = Fields::from_json(response.body()).and_then(|fields| fields.id("trackingId"));
        tracking_id
            .map(|tracking_id| CreatedConversation { tracking_id })
            .ok_or_else(|| CreateError::Unclear {
                detail: format!("status {} without a trackingId", response.status().as_u16()),
            })
    }

    /// Ends the call leg `message_id` with the action `first`. If that does not fit the state of the call, it tries the
    /// other action: the phone may be picked up in the meantime.
    ///
    /// # Errors
    /// The call was not ended, or may not have been.
    pub async fn end_call(&self, message_id: &str, first: EndAction) -> Result<EndedCall, EndError> {
        let path = format!(
            "/voice/conversation/{}",
            path_segment(message_id).ok_or(EndError::BadId)?
        );
        let mut not_found_by_both = true;
        let mut last = String::new();
        for action in [first, first.other()] {
            match self.try_action(&path, action).await? {
                EndAttempt::Accepted => return Ok(EndedCall { by: action }),
                EndAttempt::WrongState { not_found, detail } => {
                    not_found_by_both &= not_found;
                    last = detail;
                }
            }
        }
        // How Routee refuses an action that does not fit is undocumented; ended and queued calls may look the same.
        if not_found_by_both || self.is_over(message_id).await {
            return Err(EndError::Gone);
        }
        Err(EndError::NotYet { detail: last })
    }

    async fn try_action(&self, path: &str, action: EndAction) -> Result<EndAttempt, EndError> {
        #[derive(Serialize)]
        struct Body {
            action: EndAction,
        }
        let body = to_json(&Body { action }).map_err(end_error)?;
        let response = self.call(Method::PUT, path, Some(body)).await.map_err(end_error)?;
        let status = response.status();
        if status.is_success() {
            return Ok(EndAttempt::Accepted);
        }
        let ErrorBody { detail, .. } = ErrorBody::parse(response.body());
        let detail = format!("status {}: {detail}", status.as_u16());
        match status.as_u16() {
            429 => Err(EndError::TryLater {
                reason: DeferralReason::Busy,
                retry_after: retry_after(&response),
                detail,
            }),
            408 => Err(EndError::Unclear { detail }),
            300..=499 => Ok(EndAttempt::WrongState {
                not_found: status.as_u16() == 404,
                detail,
            }),
            _ => Err(EndError::Unclear { detail }),
        }
    }

    /// Whether Routee's tracking record says that the leg is over.
    async fn is_over(&self, message_id: &str) -> bool {
        let Ok(Some(leg)) = self.leg(message_id).await else {
            return false;
        };
        leg.status
            .as_ref()
            .and_then(|status| status.to_call_status().ending())
            .is_some_and(|ending| ending != Ending::Unknown)
    }
}

/// The result of one action on a call.
enum EndAttempt {
    Accepted,
    WrongState { not_found: bool, detail: String },
}

/// Serializes a request body. This cannot fail for our types; if it did, the request was not sent.
pub(super) fn to_json<T: Serialize>(body: &T) -> Result<Bytes, RequestError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| RequestError::NotSent(error.to_string()))
}

/// Separates requests that certainly did not arrive (`Ok`: reason, seconds to wait, detail) from those that may have
/// arrived (`Err`: detail). Only the former may be sent again.
fn deferral(error: RequestError) -> Result<(DeferralReason, Option<u32>, String), String> {
    match error {
        RequestError::NoResponse(detail) => Err(detail),
        RequestError::NotSent(detail) => Ok((DeferralReason::Unreachable, None, detail)),
        RequestError::Token(TokenError::Unavailable { retry_after, detail }) => {
            Ok((DeferralReason::Unreachable, retry_after, format!("no token: {detail}")))
        }
        RequestError::Token(TokenError::Rejected { status, detail }) => {
            let detail = format!("no token, status {status}: {detail}");
            Ok((DeferralReason::Unauthorized, None, detail))
        }
        RequestError::Unauthorized { status, detail } => {
            Ok((DeferralReason::Unauthorized, None, format!("status {status}: {detail}")))
        }
    }
}

fn create_error(error: RequestError) -> CreateError {
    match deferral(error) {
        Ok((reason, retry_after, detail)) => CreateError::TryLater {
            reason,
            retry_after,
            detail,
        },
        Err(detail) => CreateError::Unclear { detail },
    }
}

fn end_error(error: RequestError) -> EndError {
    match deferral(error) {
        Ok((reason, retry_after, detail)) => EndError::TryLater {
            reason,
            retry_after,
            detail,
        },
        Err(detail) => EndError::Unclear { detail },
    }
}

/// What a response other than 2xx says about the call.
fn create_error_of_response(response: &Response) -> CreateError {
    let status = response.status().as_u16();
    let body = ErrorBody::parse(response.body());
    if body.is_out_of_money() || status == 402 {
        return CreateError::OutOfMoney { detail: body.detail };
    }
    let rate_limited = matches!(status, 409 | 429) || (status < 500 && body.is_rate_limited());
    match status {
        _ if rate_limited => CreateError::TryLater {
            reason: DeferralReason::Busy,
            retry_after: retry_after(response),
            detail: format!("status {status}: {}", body.detail),
        },
        // 408 may come from a gateway that timed out while the server behind it placed the call.
        300..=499 if status != 408 => CreateError::Refused {
            status,
            code: body.code,
            about_number: body.about_number,
            detail: body.detail,
        },
        _ => CreateError::Unclear {
            detail: format!("status {status}: {}", body.detail),
        },
    }
}
