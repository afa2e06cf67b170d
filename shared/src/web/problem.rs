//! Answers for what went wrong: `application/problem+json`, RFC 9457.
//!
//! A caller may rely on `type` and `status`; `detail` is for people. Nothing internal is ever in an answer: whoever
//! makes a [`Problem`] out of an error logs the error itself.

use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;

use super::media::answer;
use crate::field::FieldError;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON.
    InvalidJson,
    /// The body is longer than what is read.
    BodyTooLarge,
    /// The body is not labelled as JSON.
    UnsupportedMediaType,
    /// Fields are missing, unknown, of a wrong type or out of their range.
    InvalidField,
    /// No valid token.
    Unauthorized,
    /// A valid token that may not do this.
    Forbidden,
    /// There is no such thing, or it is another tenant's.
    NotFound,
    /// The path is right, the method is not.
    MethodNotAllowed {
        /// The methods that are, separated by commas.
        allow: &'static str,
    },
    /// The thing is not in a state in which this can be done.
    Conflict,
    /// It has changed since the caller looked.
    PreconditionFailed,
    /// The key of an earlier, different request.
    IdempotencyKeyReused,
    /// Something that we need does not answer.
    Unavailable {
        /// Seconds after which another try is worth it.
        retry_after: u16,
    },
    /// A callback URL that is none of ours.
    BadReference,
    /// A webhook that its provider did not sign.
    BadSignature,
}

impl Kind {
    /// Name, status and title of the kind. Names are published and never change.
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidJson => ("invalid-json", StatusCode::BAD_REQUEST, "The body is not valid JSON"),
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
            ),
            Self::InvalidField => (
                "invalid-field",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Some fields are not valid",
            ),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "A valid API token is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The API token may not do this"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed { .. } => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not allowed here",
            ),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "This cannot be done now"),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "It has changed meanwhile",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key belongs to another request",
            ),
            Self::Unavailable { .. } => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service is not available at the moment",
            ),
            Self::BadReference => ("bad-reference", StatusCode::NOT_FOUND, "The reference is not valid"),
            Self::BadSignature => ("bad-signature", StatusCode::FORBIDDEN, "The signature is not valid"),
        }
    }

    /// The `type` of the problem document: a URN, because there is no page behind it that could disappear.
    pub fn uri(self) -> String {
        format!("urn:patchbay:problem:{}", self.parts().0)
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.parts().1
    }

    /// The title: the same for every problem of the kind.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

/// What went wrong, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: Kind,
    /// What it is this time, for people.
    pub detail: String,
    /// Each field that is not valid.
    pub errors: Vec<FieldError>,
}

/// A problem document.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    uri: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The body is not JSON, because of `detail`.
    pub fn invalid_json(detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidJson, detail)
    }

    /// The body has more than `limit` bytes.
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(Kind::BodyTooLarge, format!("at most {limit} bytes are read"))
    }

    /// The body is not labelled as JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            Kind::UnsupportedMediaType,
            "send JSON with the header `content-type: application/json`",
        )
    }

    /// `errors` says which fields are not valid and why.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let mut names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        names.dedup();
        let detail = format!("see errors: {}", names.join(", "));
        Self {
            kind: Kind::InvalidField,
            detail,
            errors,
        }
    }

    /// One field is not valid.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, detail)])
    }

    /// No valid token. Deliberately the same for a missing, unknown, expired and revoked one.
    pub fn unauthorized() -> Self {
        Self::new(
            Kind::Unauthorized,
            "send a valid token with the header `authorization: Bearer pb_...`",
        )
    }

    /// Nothing proves that the platform sent it: of `header` it is said why it does not.
    pub fn unproven(header: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Kind::Unauthorized, format!("the header {header} {why}"))
    }

    /// The token lacks `scope`.
    pub fn forbidden(scope: &str) -> Self {
        Self::new(Kind::Forbidden, format!("the token lacks the scope {scope}"))
    }

    /// There is no such thing, or it is another tenant's.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "nothing of this name exists here")
    }

    /// Only the methods `allow` (separated by commas) are allowed.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(Kind::MethodNotAllowed { allow }, format!("allowed here: {allow}"))
    }

    /// It cannot be done now, because of `detail`.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// It is not the version that `If-Match` or `If-None-Match` asks for, but what `detail` says.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(Kind::PreconditionFailed, detail)
    }

    /// The idempotency key was used with a different request.
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            Kind::IdempotencyKeyReused,
            "the key was used before with a different request; use a new key",
        )
    }

    /// Something that we need does not answer; another try is worth it after `retry_after` seconds.
    pub fn unavailable(retry_after: u16) -> Self {
        Self::new(
            Kind::Unavailable { retry_after },
            format!("try again in {retry_after} s"),
        )
    }

    /// A webhook that its provider did not sign.
    pub fn bad_signature() -> Self {
        Self::new(
            Kind::BadSignature,
            "this request was not signed by the provider, or not for this URL",
        )
    }

    /// The callback URL is none of ours.
    pub fn bad_reference() -> Self {
        Self::new(
            Kind::BadReference,
            "this callback URL was not made here, or its key is no longer in use",
        )
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        let document = Document {
            uri: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        // A document of texts and a number: there is nothing in it that cannot be written.
        let text = serde_json::to_string(&document).unwrap_or_default();
        let mut response = answer(self.kind.status(), "application/problem+json", text);
        let headers = response.headers_mut();
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Kind::Unavailable { retry_after } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
            }
            _ => {}
        }
        response
    }
}

impl From<Problem> for Response<Body> {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CACHE_CONTROL, CONTENT_TYPE};

    fn text(response: &Response<Body>) -> &str {
        match response.body() {
            Body::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    #[test]
    fn a_problem_names_every_field_that_is_not_valid() {
        let response = Problem::invalid_fields(vec![
            FieldError::new("policy.attempts", "must be from 1 to 10"),
            FieldError::new("ticket.text", "must not be empty"),
        ])
        .into_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(
            text(&response),
            concat!(
                r#"{"type":"urn:patchbay:problem:invalid-field","title":"Some fields are not valid","status":422,"#,
                r#""detail":"see errors: policy.attempts, ticket.text","errors":["#,
                r#"{"field":"policy.attempts","detail":"must be from 1 to 10"},"#,
                r#"{"field":"ticket.text","detail":"must not be empty"}]}"#
            )
        );
    }

    #[test]
    fn every_kind_has_its_status_and_its_own_type() {
        let table = [
            (Problem::invalid_json("x"), "invalid-json", 400),
            (Problem::body_too_large(1), "body-too-large", 413),
            (Problem::unsupported_media_type(), "unsupported-media-type", 415),
            (Problem::invalid_field("a", "b"), "invalid-field", 422),
            (Problem::unauthorized(), "unauthorized", 401),
            (Problem::forbidden("x"), "forbidden", 403),
            (Problem::not_found(), "not-found", 404),
            (Problem::method_not_allowed("GET"), "method-not-allowed", 405),
            (Problem::conflict("x"), "conflict", 409),
            (Problem::precondition_failed("x"), "precondition-failed", 412),
            (Problem::idempotency_key_reused(), "idempotency-key-reused", 422),
            (Problem::unavailable(5), "unavailable", 503),
            (Problem::bad_reference(), "bad-reference", 404),
        ];
        for (problem, name, status) in table {
            let response = problem.into_response();
            assert_eq!(response.status(), status, "{name}");
            let document: serde_json::Value = serde_json::from_str(text(&response)).expect(name);
            assert_eq!(document["type"], format!("urn:patchbay:problem:{name}"));
            assert_eq!(document["status"], status, "{name}");
        }
    }

    #[test]
    fn a_problem_brings_the_header_that_tells_the_caller_what_to_do() {
        let header = |problem: Problem, name| problem.into_response().headers().get(name).cloned();
        assert_eq!(
            header(Problem::unauthorized(), WWW_AUTHENTICATE),
            Some(HeaderValue::from_static("Bearer"))
        );
        assert_eq!(
            header(Problem::method_not_allowed("GET, POST"), ALLOW),
            Some(HeaderValue::from_static("GET, POST"))
        );
        assert_eq!(
            header(Problem::unavailable(7), RETRY_AFTER),
            Some(HeaderValue::from_static("7"))
        );
        assert_eq!(header(Problem::not_found(), WWW_AUTHENTICATE), None);
    }
}
