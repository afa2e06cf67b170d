//! Placing a call and ending one (`routee.md` sections 2 and 3.1).

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use super::dialplan::DialPlan;
use super::errors::{ErrorBody, retry_after};
use super::token::TokenError;
use super::{Fault, Routee};
use crate::dispatch::Ending;
use crate::http::Response;
use crate::phone::PhoneNumber;
use crate::providers::lenient::Fields;
use crate::providers::lenient::segment;

/// The request for a call (`routee.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateConversation {
    /// Sender id.
    pub from: String,
    /// Who is called.
    pub to: Destination,
    /// What the call says.
    pub dial_plan: DialPlan,
    /// Where its states are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,
    /// How long it rings, 1 to 60 seconds; without it the network decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hangup_delay: Option<u32>,
    /// Longest that it may last, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// What happens when a machine picks up; without it nobody looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_detection: Option<MachineDetection>,
}

/// What happens when a machine picks up (`routee.md` 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MachineDetection {
    /// That.
    pub strategy: MachineStrategy,
}

/// What happens when a machine picks up. The other strategy, `Continue`, gives it a plan of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MachineStrategy {
    /// The call is ended.
    Hangup,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// A telephone number, with its `+`.
    pub phone: PhoneNumber,
}

/// Where the states of a call are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Callback {
    /// Posted to.
    pub url: String,
    /// How much is told.
    pub strategy: CallbackStrategy,
}

/// How much a callback tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CallbackStrategy {
    /// Every state. Only this tells the leg's id, which it takes to hang up, while the call goes on.
    OnChange,
    /// The last state.
    OnCompletion,
}

impl CreateConversation {
    /// The request for one call of a dispatch.
    pub fn call(from: &str, to: &PhoneNumber, dial_plan: DialPlan, status_url: String) -> Self {
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

    /// Ringing for so many seconds.
    #[must_use]
    pub fn ringing(self, seconds: Option<u32>) -> Self {
        Self {
            hangup_delay: seconds,
            ..self
        }
    }

    /// Ending when a machine picks up, if that is wanted.
    #[must_use]
    pub fn ending_on_machine(self, wanted: bool) -> Self {
        let strategy = MachineStrategy::Hangup;
        Self {
            machine_detection: wanted.then_some(MachineDetection { strategy }),
            ..self
        }
    }

    /// Lasting so many seconds at the longest.
    #[must_use]
    pub fn lasting(self, seconds: Option<u32>) -> Self {
        Self {
            max_duration: seconds,
            ..self
        }
    }
}

/// The call was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The provider's name for the conversation.
    pub tracking_id: String,
}

/// Why a call was not taken, or may not have been. Only after [`CreateError::Unclear`] may a phone ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Certainly no call, and the same request will be refused again.
    #[error("refused with status {status}, code {}: {detail}", code.as_deref().unwrap_or("none"))]
    Refused {
        /// HTTP status.
        status: u16,
        /// The provider's error code.
        code: Option<String>,
        /// Whether it is the number that is refused, as far as the provider says what it is.
        about_number: bool,
        /// For a person.
        detail: String,
    },
    /// Certainly no call; another time it may be taken.
    #[error("not now ({reason}): {detail}")]
    TryLater {
        /// What kept it.
        reason: Deferral,
        /// Seconds that the provider asks us to wait.
        retry_after: Option<u32>,
        /// For a person.
        detail: String,
    },
    /// The request may have arrived. It must not be sent again: there is no idempotency key (`routee.md` section 7).
    #[error("unclear whether there is a call: {detail}")]
    Unclear {
        /// For a person.
        detail: String,
    },
    /// Certainly no call: the account has no money.
    #[error("the account has no money: {detail}")]
    OutOfMoney {
        /// For a person.
        detail: String,
    },
}

/// What kept the provider from taking a request that says nothing against the request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Deferral {
    /// 429, or 409: in conflict with something that passes. The provider documents 409 without saying for what; as no
    /// request is ever sent twice, it cannot mean a call of ours that is already there.
    #[error("too fast or in conflict")]
    Busy,
    /// No connection was made, or the token endpoint did not answer.
    #[error("not reached")]
    Unreachable,
    /// The credentials, or two tokens one after the other, were turned away. It would befall every call alike, so it
    /// says nothing about this one; it lasts until somebody mends the credentials.
    #[error("unauthorised")]
    Unauthorised,
}

/// How a call is ended (`routee.md` 3.1).
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

/// A call was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it took.
    pub by: EndAction,
}

/// Why a call was not ended, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// There is no such call, or it is over: nothing is left to do.
    #[error("the call is over, or there is none")]
    Gone,
    /// Neither action fits the state of the call, and it is not known to be over. It may still be queued, when it
    /// cannot be ended (`routee.md` 3.1): try again, the phone may ring yet.
    #[error("the call cannot be ended now: {detail}")]
    NotYet {
        /// For a person.
        detail: String,
    },
    /// It may have been ended. Trying again does no harm.
    #[error("unclear whether the call was ended: {detail}")]
    Unclear {
        /// For a person.
        detail: String,
    },
    /// It was certainly not ended; another time it may be.
    #[error("the call was not ended ({reason}): {detail}")]
    TryLater {
        /// What kept it.
        reason: Deferral,
        /// Seconds that the provider asks us to wait.
        retry_after: Option<u32>,
        /// For a person.
        detail: String,
    },
    /// The leg's id is empty or too long to be one.
    #[error("not an id of a call")]
    BadId,
}

impl Routee {
    /// Places a call.
    pub async fn create(&self, request: &CreateConversation) -> Result<Created, CreateError> {
        let body = json(request).map_err(not_created)?;
        let response = self
            .call(Method::POST, "/voice/conversation", Some(body))
            .await
            .map_err(not_created)?;
        if !response.status().is_success() {
            return Err(refused(&response));
        }
        // Any 2xx has placed a call. Without a readable name it can only be found by searching.
        let tracking_id = Fields::from_json(response.body()).and_then(|fields| fields.id("trackingId"));
        tracking_id
            .map(|tracking_id| Created { tracking_id })
            .ok_or_else(|| CreateError::Unclear {
                detail: format!("status {} without a trackingId", response.status().as_u16()),
            })
    }

    /// Ends the call leg `message_id`, by `first` or, if that does not fit the call's state, by the other action: the
    /// phone may be picked up while we decide.
    pub async fn end_call(&self, message_id: &str, first: EndAction) -> Result<Ended, EndError> {
        let path = format!("/voice/conversation/{}", segment(message_id).ok_or(EndError::BadId)?);
        let mut unknown = true;
        let mut last = String::new();
        for action in [first, first.other()] {
            match self.end_by(&path, action).await? {
                Try::Done => return Ok(Ended { by: action }),
                Try::WrongState { not_found, detail } => {
                    unknown &= not_found;
                    last = detail;
                }
            }
        }
        // How the provider refuses an action that does not fit is unknown, and over and queued are refused alike.
        if unknown || self.is_over(message_id).await {
            return Err(EndError::Gone);
        }
        Err(EndError::NotYet { detail: last })
    }

    async fn end_by(&self, path: &str, action: EndAction) -> Result<Try, EndError> {
        #[derive(Serialize)]
        struct Body {
            action: EndAction,
        }
        let body = json(&Body { action }).map_err(not_ended)?;
        let response = self.call(Method::PUT, path, Some(body)).await.map_err(not_ended)?;
        let status = response.status();
        if status.is_success() {
            return Ok(Try::Done);
        }
        let ErrorBody { detail, .. } = ErrorBody::parse(response.body());
        let detail = format!("status {}: {detail}", status.as_u16());
        match status.as_u16() {
            429 => Err(EndError::TryLater {
                reason: Deferral::Busy,
                retry_after: retry_after(&response),
                detail,
            }),
            408 => Err(EndError::Unclear { detail }),
            300..=499 => Ok(Try::WrongState {
                not_found: status.as_u16() == 404,
                detail,
            }),
            _ => Err(EndError::Unclear { detail }),
        }
    }

    /// Whether the provider's own record says that the leg is over.
    async fn is_over(&self, message_id: &str) -> bool {
        let Ok(Some(leg)) = self.leg(message_id).await else {
            return false;
        };
        leg.status
            .as_ref()
            .and_then(|status| status.meaning().ending())
            .is_some_and(|ending| ending != Ending::Unknown)
    }
}

/// What came of one action on a call.
enum Try {
    Done,
    WrongState { not_found: bool, detail: String },
}

/// A body as JSON. Our own types can always be written; a request that could not be was not sent.
pub(super) fn json<T: Serialize>(body: &T) -> Result<Bytes, Fault> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| Fault::NotSent(error.to_string()))
}

/// What a fault on the way means when nothing may be sent again unless it certainly did not arrive.
fn deferred(fault: Fault) -> Result<(Deferral, Option<u32>, String), String> {
    match fault {
        Fault::NoAnswer(detail) => Err(detail),
        Fault::NotSent(detail) => Ok((Deferral::Unreachable, None, detail)),
        Fault::Token(TokenError::Unavailable { retry_after, detail }) => {
            Ok((Deferral::Unreachable, retry_after, format!("no token: {detail}")))
        }
        Fault::Token(TokenError::Rejected { status, detail }) => {
            let detail = format!("no token, status {status}: {detail}");
            Ok((Deferral::Unauthorised, None, detail))
        }
        Fault::Unauthorised { status, detail } => {
            Ok((Deferral::Unauthorised, None, format!("status {status}: {detail}")))
        }
    }
}

fn not_created(fault: Fault) -> CreateError {
    match deferred(fault) {
        Ok((reason, retry_after, detail)) => CreateError::TryLater {
            reason,
            retry_after,
            detail,
        },
        Err(detail) => CreateError::Unclear { detail },
    }
}

fn not_ended(fault: Fault) -> EndError {
    match deferred(fault) {
        Ok((reason, retry_after, detail)) => EndError::TryLater {
            reason,
            retry_after,
            detail,
        },
        Err(detail) => EndError::Unclear { detail },
    }
}

/// What an answer other than 2xx says about the call.
fn refused(response: &Response) -> CreateError {
    let status = response.status().as_u16();
    let body = ErrorBody::parse(response.body());
    if body.is_out_of_money() || status == 402 {
        return CreateError::OutOfMoney { detail: body.detail };
    }
    let too_fast = matches!(status, 409 | 429) || (status < 500 && body.is_too_fast());
    match status {
        _ if too_fast => CreateError::TryLater {
            reason: Deferral::Busy,
            retry_after: retry_after(response),
            detail: format!("status {status}: {}", body.detail),
        },
        // 408 may come from a gateway that gave up on a server that did not.
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
