//! Routee's conversation API (`routee.md`).
//!
//! What matters most is what [`Routee::create`] says about a call that was perhaps placed: Routee has no idempotency
//! key, so a request that may have arrived is never sent again (`routee.md` section 7).

mod conversation;
pub mod dialplan;
mod errors;
mod status;
mod token;
mod tracking;
mod webhook;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

pub use self::{
    conversation::{
        Callback, CallbackStrategy, CreateConversation, CreateError, Created, Deferral, Destination, EndAction,
        EndError, Ended,
    },
    status::CallStatus,
    token::TokenError,
    tracking::{AnsweredBy, Leg, TrackingError},
    webhook::{CollectEvent, Direction, StatusCallback, Unreadable},
};
use self::{errors::ErrorBody, token::Tokens};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::http::{HttpClient, Request, Response, SendError};
use crate::providers::masked::detail;
use crate::secret::Secret;

/// What proves who we are (`routee.md` section 1).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Id of the application in Routee's console.
    pub application_id: String,
    /// Its secret.
    pub application_secret: Secret,
}

impl Credentials {
    /// The credentials in the value of the parameter that the variable `name` names: `applicationId:applicationSecret`.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let (id, secret) = value.expose().split_once(':').unwrap_or_default();
        let (id, secret) = (id.trim(), secret.trim());
        if id.is_empty() || secret.is_empty() {
            let expected = "must name a parameter of the form applicationId:applicationSecret";
            return Err(ConfigError::Wrong { name, expected });
        }
        Ok(Self {
            application_id: id.to_owned(),
            application_secret: Secret::new(secret),
        })
    }
}

/// Where Routee is.
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

/// A client of Routee's API for one application. Keeps the application's token, which its clones share.
#[derive(Clone)]
pub struct Routee {
    http: HttpClient,
    connect: String,
    tokens: Arc<Tokens>,
}

impl fmt::Debug for Routee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routee")
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

impl Routee {
    /// A client; asks for nothing yet.
    pub fn new(http: HttpClient, clock: Clock, credentials: Credentials, endpoints: Endpoints) -> Self {
        let Endpoints { auth, connect } = endpoints;
        let tokens = Arc::new(Tokens::new(http.clone(), clock, credentials, &auth));
        Self {
            http,
            connect: connect.trim_end_matches('/').to_owned(),
            tokens,
        }
    }

    /// Gets a token, unless one is kept, and does nothing with it: whether Routee takes the credentials.
    ///
    /// # Errors
    /// It does not, or cannot be asked.
    pub async fn authenticate(&self) -> Result<(), TokenError> {
        self.tokens.current().await.map(drop)
    }

    /// Sends a request with the token; on 401 or 403 once more with a new one (`routee.md` section 1). That is safe
    /// for every request: one that was turned away at the door did nothing.
    async fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Response, Fault> {
        let bearer = self.tokens.current().await?;
        let response = self.attempt(&method, path, body.clone(), &bearer.header).await?;
        if !is_unauthorised(&response) {
            return Ok(response);
        }
        let bearer = self.tokens.instead_of(&bearer).await?;
        let response = self.attempt(&method, path, body, &bearer.header).await?;
        if is_unauthorised(&response) {
            let status = response.status().as_u16();
            let detail = ErrorBody::parse(response.body()).detail;
            return Err(Fault::Unauthorised { status, detail });
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

/// Why a request has no answer of its own.
#[derive(Debug)]
enum Fault {
    /// No token: the request was never sent, or was turned away before.
    Token(TokenError),
    /// Two tokens were turned away.
    Unauthorised { status: u16, detail: String },
    /// The request certainly did not arrive.
    NotSent(String),
    /// Whether the request arrived is unknown.
    NoAnswer(String),
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        let text = detail(&error.to_string());
        match error {
            SendError::NotSent(_) | SendError::Forbidden(_) => Self::NotSent(text),
            SendError::NoAnswer(_) => Self::NoAnswer(text),
        }
    }
}

fn is_unauthorised(response: &Response) -> bool {
    matches!(response.status().as_u16(), 401 | 403)
}

#[cfg(test)]
mod tests;
