//! A client for Routee's voice conversation API (CONTRACT.md).
//!
//! The most important part is how [`Routee::create`] reports a call that may have been placed: Routee has no
//! idempotency key, so a request that may have arrived is never sent again (CONTRACT.md 7).

mod conversation;
pub mod dialplan;
mod errors;
mod sms;
mod status;
mod tracking;
mod webhook;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

use self::errors::ErrorBody;
pub use self::{
    conversation::{
        Callback, CallbackStrategy, CreateConversation, CreateError, CreatedConversation, DeferralReason, Destination,
        EndAction, EndError, EndedCall,
    },
    sms::{parse_incoming_sms, parse_sms_report},
    status::CallStatus,
    tracking::{AnsweredBy, Leg, TrackingError},
    webhook::{CollectEvent, Direction, InvalidWebhook, StatusCallback},
};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::http::{HttpClient, Request, Response, SendError};
use crate::providers::masked::redact;
pub use crate::providers::oauth::TokenError;
use crate::providers::oauth::{TokenCache, TokenRequest};
use crate::secret::Secret;

/// The credentials of an application (CONTRACT.md 1).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Id of the application in Routee's console.
    pub application_id: String,
    /// Secret of that application.
    pub application_secret: Secret,
}

impl Credentials {
    /// Parses the value of the parameter that the variable `name` names: `applicationId:applicationSecret`.
    ///
    /// # Errors
    /// The value does not have this form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let (id, secret) = value.expose().split_once(':').unwrap_or_default();
        let (id, secret) = (id.trim(), secret.trim());
        if id.is_empty() || secret.is_empty() {
            let expected = "must name a parameter of the form applicationId:applicationSecret";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self {
            application_id: id.to_owned(),
            application_secret: Secret::new(secret),
        })
    }
}

/// Base URLs of Routee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Base URL of the token endpoint.
    pub auth: String,
    /// Base URL of everything else.
    pub connect: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            auth: "https://auth.routee.net".to_owned(),
            connect: "https://connect.routee.net".to_owned(),
        }
    }
}

/// A client of Routee's API for one application. Caches the application's access token; clones share the cache.
#[derive(Clone)]
pub struct Routee {
    http: HttpClient,
    connect: String,
    tokens: Arc<TokenCache>,
}

impl fmt::Debug for Routee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routee")
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

impl Routee {
    /// Creates a client. Sends no request yet.
    pub fn new(http: HttpClient, clock: Clock, credentials: Credentials, endpoints: Endpoints) -> Self {
        let Endpoints { auth, connect } = endpoints;
        let request = TokenRequest {
            url: format!("{}/oauth/token", auth.trim_end_matches('/')),
            client_id: credentials.application_id,
            client_secret: credentials.application_secret,
            // Without a scope the token has all of the application's (CONTRACT.md 1).
            scope: None,
        };
        let tokens = Arc::new(TokenCache::new(http.clone(), clock, request));
        Self {
            http,
            connect: connect.trim_end_matches('/').to_owned(),
            tokens,
        }
    }

    /// Checks that Routee accepts the credentials: fetches a token unless one is cached.
    ///
    /// # Errors
    /// Routee rejects the credentials, or the token endpoint is unavailable.
    pub async fn authenticate(&self) -> Result<(), TokenError> {
        self.tokens.current().await.map(drop)
    }

    /// Sends a request with the cached token. After 401 or 403 it sends the request once more with a new token
    /// (CONTRACT.md 1). That is safe for every request: one that was rejected as unauthorized had no effect.
    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Response, RequestError> {
        let bearer = self.tokens.current().await?;
        let response = self.attempt(&method, path, body.clone(), &bearer.header).await?;
        if !is_unauthorized(&response) {
            return Ok(response);
        }
        let bearer = self.tokens.replace(&bearer).await?;
        let response = self.attempt(&method, path, body, &bearer.header).await?;
        if is_unauthorized(&response) {
            let status = response.status().as_u16();
            let detail = ErrorBody::parse(response.body()).detail;
            return Err(RequestError::Unauthorized { status, detail });
        }
        Ok(response)
    }

    async fn attempt(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        bearer: &HeaderValue,
    ) -> Result<Response, SendError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.connect))
            .header(header::AUTHORIZATION, bearer);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request: Request = request
            .body(body.unwrap_or_default())
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        self.http.send(request).await
    }
}

/// Why a request got no response that its caller can interpret.
#[derive(Debug)]
enum RequestError {
    /// No token could be fetched: the request was never sent, or was sent with the old token and rejected.
    Token(TokenError),
    /// Two tokens in a row were rejected.
    Unauthorized { status: u16, detail: String },
    /// The request certainly did not arrive.
    NotSent(String),
    /// It is unknown whether the request arrived.
    NoResponse(String),
}

impl From<TokenError> for RequestError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<SendError> for RequestError {
    fn from(error: SendError) -> Self {
        let text = redact(&error.to_string());
        match error {
            SendError::NotSent(_) | SendError::Forbidden(_) => Self::NotSent(text),
            SendError::NoResponse(_) => Self::NoResponse(text),
        }
    }
}

fn is_unauthorized(response: &Response) -> bool {
    matches!(response.status().as_u16(), 401 | 403)
}

#[cfg(test)]
mod tests;
