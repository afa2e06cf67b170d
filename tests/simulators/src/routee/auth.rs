//! Access tokens: issues and checks them (1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use patchbay::http::Request;
use serde_json::json;
use url::form_urlencoded;

use super::Routee;
use super::api::Reply;
use super::faults::Endpoint;
use super::state::Token;

impl Routee {
    /// `POST /oauth/token`.
    pub(super) fn token(&self, request: &Request) -> Reply {
        let fault = self.lock().api_fault(Endpoint::Token);
        if let Some(fault) = fault {
            return self.failure(fault);
        }
        if !self.knows_credentials(request) {
            let body = json!({
                "timestamp": self.now().millis(),
                "status": 401,
                "error": "Unauthorized",
                "message": "Bad credentials",
                "path": "/oauth/token",
            });
            return Reply::Json(401, body);
        }
        if !has_content_type(request, "application/x-www-form-urlencoded") {
            return oauth_error("invalid_request", "Missing grant type");
        }
        let grant = form_urlencoded::parse(request.body()).find(|(key, _)| key == "grant_type");
        match grant {
            Some((_, grant)) if grant == "client_credentials" => self.issue(),
            Some((_, grant)) => oauth_error("unsupported_grant_type", &format!("Unsupported grant type: {grant}")),
            None => oauth_error("invalid_request", "Missing grant type"),
        }
    }

    fn knows_credentials(&self, request: &Request) -> bool {
        let Some(("Basic", encoded)) = authorization(request) else {
            return false;
        };
        let Ok(decoded) = STANDARD.decode(encoded) else {
            return false;
        };
        let state = self.lock();
        let (id, secret) = &state.credentials;
        decoded == format!("{id}:{secret}").into_bytes()
    }

    fn issue(&self) -> Reply {
        let now = self.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let reused = self.0.switches.token_is_reused;
        // In its last second, the remaining lifetime would be reported as 0.
        let valid = state
            .tokens
            .iter()
            .find(|token| reused && token.expires_at > now.plus_seconds(1));
        let (value, expires_at) = if let Some(token) = valid {
            (token.value.clone(), token.expires_at)
        } else {
            let (value, expires_at) = (state.rng.uuid(), now.plus_seconds(self.0.switches.token_lifetime));
            state.tokens.push(Token {
                value: value.clone(),
                expires_at,
            });
            (value, expires_at)
        };
        let body = json!({
            "access_token": value,
            "token_type": "bearer",
            // The provider's samples show 3599 right after the issue, because part of the first second has passed.
            "expires_in": expires_at.since(now).as_millis().saturating_sub(1) / 1000,
            "scope": "voice sms account report contact",
            "permissions": ["MT_ROLE_VOICE", "MT_ROLE_SMS", "MT_ROLE_ACCOUNT_FINANCE"],
        });
        Reply::Json(200, body)
    }

    /// The error response if the request has no valid token.
    pub(crate) fn bearer_problem(&self, request: &Request) -> Option<Reply> {
        let now = self.now();
        // Existing clients also send `bearer`.
        let is_valid = authorization(request).is_some_and(|(scheme, value)| {
            let state = self.lock();
            let known = state
                .tokens
                .iter()
                .any(|token| token.value == value && token.expires_at > now);
            known && scheme.eq_ignore_ascii_case("bearer")
        });
        (!is_valid).then(Self::invalid_token)
    }

    pub(super) fn invalid_token() -> Reply {
        Reply::Json(
            401,
            json!({ "error": "invalid_token", "error_description": "Invalid access token" }),
        )
    }
}

fn authorization(request: &Request) -> Option<(&str, &str)> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')
}

fn oauth_error(error: &str, description: &str) -> Reply {
    Reply::Json(400, json!({ "error": error, "error_description": description }))
}

/// Whether the request has this content type, regardless of its parameters.
pub(super) fn has_content_type(request: &Request, expected: &str) -> bool {
    let value = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}
