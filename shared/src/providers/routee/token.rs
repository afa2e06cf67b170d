//! The application's token: fetched once, kept until shortly before it expires.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use tokio::sync::Mutex;

use super::Credentials;
use super::errors::{ErrorBody, retry_after};
use crate::clock::{Clock, Timestamp};
use crate::http::{HttpClient, Request, Response};
use crate::providers::lenient::Fields;
use crate::providers::masked::detail;

/// How long before its expiry a token is replaced: longer than any request under way and any drift of our clock.
const EARLY_SECONDS: u32 = 60;
/// Life of a token whose answer does not tell it: the documented default (`routee.md` section 1).
const DEFAULT_LIFE_SECONDS: u64 = 3_600;

/// Why there is no token. In every case the request that needed it did nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The credentials are turned away: trying again does not help until somebody mends them.
    #[error("the credentials are turned away (status {status}): {detail}")]
    Rejected {
        /// The status.
        status: u16,
        /// What Routee says.
        detail: String,
    },
    /// The endpoint cannot answer now.
    #[error("the token endpoint does not answer: {detail}")]
    Unavailable {
        /// Seconds after which to try again, when it told.
        retry_after: Option<u32>,
        /// What was seen.
        detail: String,
    },
}

/// A token as it is sent, and which one it is.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) header: HeaderValue,
    generation: u64,
}

struct Kept {
    bearer: Bearer,
    usable_until: Timestamp,
}

pub(super) struct Tokens {
    http: HttpClient,
    clock: Clock,
    basic: String,
    url: String,
    /// Held while a token is fetched, so that callers at the same time wait for the one request. A token is known by
    /// its number, not by its text: the provider may hand out the same text again (`routee.md` section 1).
    kept: Mutex<(u64, Option<Kept>)>,
}

impl Tokens {
    pub(super) fn new(http: HttpClient, clock: Clock, credentials: Credentials, auth: &str) -> Self {
        let Credentials {
            application_id,
            application_secret,
        } = credentials;
        let pair = format!("{application_id}:{}", application_secret.expose());
        Self {
            http,
            clock,
            basic: format!("Basic {}", BASE64_STANDARD.encode(pair)),
            url: format!("{}/oauth/token", auth.trim_end_matches('/')),
            kept: Mutex::default(),
        }
    }

    /// The kept token, or a new one.
    pub(super) async fn current(&self) -> Result<Bearer, TokenError> {
        self.other_than(None).await
    }

    /// A token in place of one that was turned away. Callers that were turned away with the same one share the new.
    pub(super) async fn instead_of(&self, rejected: &Bearer) -> Result<Bearer, TokenError> {
        self.other_than(Some(rejected.generation)).await
    }

    async fn other_than(&self, rejected: Option<u64>) -> Result<Bearer, TokenError> {
        let mut guard = self.kept.lock().await;
        let (generation, kept) = &mut *guard;
        let now = self.clock.now();
        if let Some(kept) = kept.as_ref()
            && now < kept.usable_until
            && rejected != Some(kept.bearer.generation)
        {
            return Ok(kept.bearer.clone());
        }
        // Whatever comes of the request, the old one is of no more use.
        *kept = None;
        let (header, life) = self.fetch().await?;
        *generation += 1;
        let bearer = Bearer {
            header,
            generation: *generation,
        };
        // A life within the margin is used for this one request and not kept.
        let usable_until = now.plus_seconds(life.saturating_sub(EARLY_SECONDS));
        *kept = Some(Kept {
            bearer: bearer.clone(),
            usable_until,
        });
        Ok(bearer)
    }

    async fn fetch(&self) -> Result<(HeaderValue, u32), TokenError> {
        let unavailable = |text: &str| TokenError::Unavailable {
            retry_after: None,
            detail: detail(text),
        };
        let mut basic = HeaderValue::from_str(&self.basic).map_err(|error| unavailable(&error.to_string()))?;
        basic.set_sensitive(true);
        let request: Request = http::Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::AUTHORIZATION, basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from_static(b"grant_type=client_credentials"))
            .map_err(|error| unavailable(&error.to_string()))?;
        let response = self
            .http
            .send(request)
            .await
            .map_err(|error| unavailable(&error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return read(&response).ok_or_else(|| unavailable("the token endpoint's answer has no token"));
        }
        let ErrorBody { detail, .. } = ErrorBody::parse(response.body());
        if matches!(status.as_u16(), 400 | 401 | 403) {
            return Err(TokenError::Rejected {
                status: status.as_u16(),
                detail,
            });
        }
        Err(TokenError::Unavailable {
            retry_after: retry_after(&response),
            detail: format!("status {} from the token endpoint: {detail}", status.as_u16()),
        })
    }
}

/// The token and its life in seconds.
fn read(response: &Response) -> Option<(HeaderValue, u32)> {
    let fields = Fields::from_json(response.body())?;
    let token = fields.text("access_token").filter(|token| !token.is_empty())?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    let life = fields.whole("expires_in").unwrap_or(DEFAULT_LIFE_SECONDS);
    Some((header, u32::try_from(life).unwrap_or(u32::MAX)))
}
