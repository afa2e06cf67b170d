//! Error responses: `application/problem+json`, RFC 9457.
//!
//! Clients may rely on `type` and `status`; `detail` is for people. A response never has internal details: code that
//! turns an error into a [`Problem`] logs the error itself.

use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;

use super::media::response;
use crate::field::FieldError;

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON.
    InvalidJson,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The content type of the body is not JSON.
    UnsupportedMediaType,
    /// Fields are missing, unknown, of the wrong type or out of range.
    InvalidField,
    /// There is no valid API token.
    Unauthorized,
    /// The API token is valid but does not permit this.
    Forbidden,
    /// The resource does not exist, or belongs to another tenant.
    NotFound,
    /// The path exists, but does not support the method.
    MethodNotAllowed {
        /// The supported methods, separated by commas.
        allow: &'static str,
    },
    /// The state of the resource does not allow this.
    Conflict,
    /// The owner of the number does not want to be called.
    OptedOut,
    /// The platform that should have done it refused.
    Refused,
    /// The platform that should have done it gave no usable answer: it may have done it.
    Unclear,
    /// The resource has changed since the client read it.
    PreconditionFailed,
    /// The idempotency key was used before for a different request.
    IdempotencyKeyReused,
    /// The same, for a resource that must not be created again under any key without a look at the first one.
    IdempotencyConflict,
    /// The client sends more requests than it may.
    TooManyRequests {
        /// Seconds to wait before a retry.
        retry_after: u16,
    },
    /// A service that we depend on does not respond.
    Unavailable {
        /// Seconds to wait before a retry.
        retry_after: u16,
    },
    /// The reference in the callback URL is invalid.
    BadReference,
    /// The provider's signature of the webhook is missing or invalid.
    BadSignature,
}

impl Kind {
    /// Name, HTTP status and title. Names are published and never change.
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
                "Some fields are invalid",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "A valid API token is required",
            ),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The API token does not permit this"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "The resource does not exist"),
            Self::MethodNotAllowed { .. } => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method is not allowed",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "The current state does not allow this",
            ),
            Self::OptedOut => (
                "opted-out",
                StatusCode::CONFLICT,
                "The owner of the number does not want to be called",
            ),
            Self::Refused => (
                "refused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The platform refused the request",
            ),
            Self::Unclear => ("unclear", StatusCode::BAD_GATEWAY, "The platform gave no usable answer"),
            Self::PreconditionFailed => (
                "precondition-failed",
                StatusCode::PRECONDITION_FAILED,
                "The resource has changed",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used for another request",
            ),
            Self::IdempotencyConflict => (
                "idempotency-conflict",
                StatusCode::CONFLICT,
                "The idempotency key was used for another request",
            ),
            Self::TooManyRequests { .. } => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "There are too many requests",
            ),
            Self::Unavailable { .. } => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service is temporarily unavailable",
            ),
            Self::BadReference => (
                "bad-reference",
                StatusCode::NOT_FOUND,
                "The callback reference is invalid",
            ),
            Self::BadSignature => ("bad-signature", StatusCode::FORBIDDEN, "The signature is invalid"),
        }
    }

    /// The `type` of the problem document. It is a URN, because there is no page that it could link to.
    pub fn uri(self) -> String {
        format!("urn:patchbay:problem:{}", self.parts().0)
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.parts().1
    }

    /// The title, the same for every problem of this kind.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

/// A problem to respond with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of the problem.
    pub kind: Kind,
    /// What went wrong in this request, for people.
    pub detail: String,
    /// The invalid fields.
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

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The body is not JSON.
    pub fn invalid_json(detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidJson, detail)
    }

    /// The body has more than `limit` bytes.
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(Kind::BodyTooLarge, format!("send at most {limit} bytes"))
    }

    /// The content type of the body is not JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            Kind::UnsupportedMediaType,
            "send JSON with the header `content-type: application/json`",
        )
    }

    /// Fields are invalid, as listed in `errors`.
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

    /// One field is invalid.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, detail)])
    }

    /// There is no valid token. Deliberately the same for a missing, unknown, expired or revoked token.
    pub fn unauthorized() -> Self {
        Self::new(
            Kind::Unauthorized,
            "send a valid token with the header `authorization: Bearer pb_...`",
        )
    }

    /// The voice-agent platform's proof in `header` is missing or invalid. `reason` completes the sentence "the header
    /// …".
    pub fn unverified(header: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(Kind::Unauthorized, format!("the header {header} {reason}"))
    }

    /// The token lacks `scope`.
    pub fn forbidden(scope: &str) -> Self {
        Self::new(Kind::Forbidden, format!("the token lacks the scope {scope}"))
    }

    /// The resource does not exist, or belongs to another tenant.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "no resource exists at this path")
    }

    /// The path supports only the methods in `allow`, separated by commas.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(Kind::MethodNotAllowed { allow }, format!("allowed methods: {allow}"))
    }

    /// The state of the resource does not allow this, as explained in `detail`.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, detail)
    }

    /// The owner of a number has asked not to be called.
    pub fn opted_out() -> Self {
        Self::new(
            Kind::OptedOut,
            "the owner of this number has asked not to be called; nothing was requested",
        )
    }

    /// The platform refused a request of ours, as explained in `detail`. It had no effect.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(Kind::Refused, detail)
    }

    /// The platform gave no usable answer to a request of ours, as explained in `detail`. It may have had an effect.
    pub fn unclear(detail: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::Unclear,
            format!("it is unknown whether the platform has done it, so do not simply repeat the request: {detail}"),
        )
    }

    /// The resource does not have the version that `If-Match` or `If-None-Match` requires; `detail` tells its state.
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(Kind::PreconditionFailed, detail)
    }

    /// The idempotency key was used for a different request.
    pub fn idempotency_key_reused() -> Self {
        Self::new(
            Kind::IdempotencyKeyReused,
            "this idempotency key was used before for a different request; use a new key",
        )
    }

    /// The idempotency key was used for a different request, which created the resource `id`.
    pub fn idempotency_conflict(id: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::IdempotencyConflict,
            format!("this idempotency key was used before for a different request, which created {id}; use a new key"),
        )
    }

    /// The client sends more requests than it may. A retry may succeed after `retry_after` seconds.
    pub fn too_many_requests(retry_after: u16) -> Self {
        let detail = format!("retry in {retry_after} s");
        Self::new(Kind::TooManyRequests { retry_after }, detail)
    }

    /// A service that we depend on does not respond. A retry may succeed after `retry_after` seconds.
    pub fn unavailable(retry_after: u16) -> Self {
        Self::new(Kind::Unavailable { retry_after }, format!("retry in {retry_after} s"))
    }

    /// The provider's signature of a webhook is missing or invalid.
    pub fn bad_signature() -> Self {
        Self::new(
            Kind::BadSignature,
            "the provider did not sign this request, or signed it for another URL",
        )
    }

    /// The reference in a callback URL is invalid.
    pub fn bad_reference() -> Self {
        Self::new(
            Kind::BadReference,
            "this deployment did not issue this callback URL, or its signing key has been rotated out",
        )
    }

    /// The HTTP response of a route that also accepts HTTP Basic. Other routes do not offer it: a browser would ask the
    /// visitor of a page for a password.
    pub fn into_response_with_basic(mut self) -> Response<Body> {
        if self.kind != Kind::Unauthorized {
            return self.into_response();
        }
        "send a valid token with the header `authorization: Bearer pb_...`, or as the password of HTTP Basic"
            .clone_into(&mut self.detail);
        let mut response = self.into_response();
        let challenges = HeaderValue::from_static(r#"Basic realm="patchbay", Bearer"#);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenges);
        response
    }

    /// The HTTP response.
    pub fn into_response(self) -> Response<Body> {
        let document = Document {
            uri: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        // Serialization cannot fail: the document consists of texts and a number.
        let text = serde_json::to_string(&document).unwrap_or_default();
        let mut response = response(self.kind.status(), "application/problem+json", text);
        let headers = response.headers_mut();
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Kind::TooManyRequests { retry_after } | Kind::Unavailable { retry_after } => {
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
    fn problem_names_every_invalid_field() {
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
                r#"{"type":"urn:patchbay:problem:invalid-field","title":"Some fields are invalid","status":422,"#,
                r#""detail":"see errors: policy.attempts, ticket.text","errors":["#,
                r#"{"field":"policy.attempts","detail":"must be from 1 to 10"},"#,
                r#"{"field":"ticket.text","detail":"must not be empty"}]}"#
            )
        );
    }

    #[test]
    fn every_kind_has_its_status_and_type() {
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
            (Problem::opted_out(), "opted-out", 409),
            (Problem::refused("x"), "refused", 422),
            (Problem::unclear("x"), "unclear", 502),
            (Problem::precondition_failed("x"), "precondition-failed", 412),
            (Problem::idempotency_key_reused(), "idempotency-key-reused", 422),
            (Problem::idempotency_conflict("x"), "idempotency-conflict", 409),
            (Problem::too_many_requests(5), "too-many-requests", 429),
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
    fn problem_has_the_header_that_its_status_requires() {
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

    #[test]
    fn only_a_401_offers_http_basic() {
        let header = |problem: Problem| {
            problem
                .into_response_with_basic()
                .headers()
                .get(WWW_AUTHENTICATE)
                .cloned()
        };
        let expected = HeaderValue::from_static(r#"Basic realm="patchbay", Bearer"#);
        assert_eq!(header(Problem::unauthorized()), Some(expected));
        for other in [Problem::forbidden("x"), Problem::not_found()] {
            let plain = other.clone().into_response();
            let response = other.into_response_with_basic();
            assert_eq!(response.headers().get(WWW_AUTHENTICATE), None);
            assert_eq!(text(&response), text(&plain));
        }
    }
}
