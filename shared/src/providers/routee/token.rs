//! The application's access token: fetched once, cached until shortly before it expires.

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
use crate::providers::masked::redact;

/// How long before its expiry a token is replaced, in seconds: longer than any request in flight and any drift of our
/// clock.
const EARLY_SECONDS: u32 = 60;
/// Lifetime of a token whose response does not state it: the documented default (CONTRACT.md 1).
const DEFAULT_LIFETIME_SECONDS: u64 = 3_600;

/// Why there is no token. In every case the request that needed the token had no effect.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The credentials are rejected. A retry does not help until an operator fixes them.
    #[error("the credentials are rejected (status {status}): {detail}")]
    Rejected {
        /// HTTP status of the token endpoint.
        status: u16,
        /// Routee's message, redacted for logs.
        detail: String,
    },
    /// The token endpoint failed or could not be reached. A later retry may succeed.
    #[error("the token endpoint is unavailable: {detail}")]
    Unavailable {
        /// Seconds to wait before a retry, if the endpoint stated them.
        retry_after: Option<u32>,
        /// Error or response, redacted for logs.
        detail: String,
    },
}

/// A token as a header value, with the generation that identifies it.
#[derive(Clone)]
pub(super) struct BearerToken {
    pub(super) header: HeaderValue,
    generation: u64,
}

struct CachedToken {
    bearer: BearerToken,
    usable_until: Timestamp,
}

pub(super) struct TokenCache {
    http: HttpClient,
    clock: Clock,
    basic: String,
    url: String,
    /// The newest generation and its token. Locked while a token is fetched, so that concurrent callers share one
    /// request. A token is identified by its generation, not by its text: the provider may issue the same text again
    /// (CONTRACT.md 1).
    cache: Mutex<(u64, Option<CachedToken>)>,
}

impl TokenCache {
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
            cache: Mutex::default(),
        }
    }

    /// The cached token, or a new one.
    pub(super) async fn current(&self) -> Result<BearerToken, TokenError> {
        self.get_except(None).await
    }

    /// A token to use instead of a rejected one. Callers with the same rejected token share the new one.
    pub(super) async fn replace(&self, rejected: &BearerToken) -> Result<BearerToken, TokenError> {
        self.get_except(Some(rejected.generation)).await
    }

    async fn get_except(&self, rejected: Option<u64>) -> Result<BearerToken, TokenError> {
        let mut guard = self.cache.lock().await;
        let (generation, cached) = &mut *guard;
        let now = self.clock.now();
        if let Some(cached) = cached.as_ref()
            && now < cached.usable_until
            && rejected != Some(cached.bearer.generation)
        {
            return Ok(cached.bearer.clone());
        }
        // The old token is useless, even if the fetch fails.
        *cached = None;
        let (header, lifetime) = self.fetch().await?;
        *generation += 1;
        let bearer = BearerToken {
            header,
            generation: *generation,
        };
        // A token whose lifetime is within the margin serves this one request and is not reused.
        let usable_until = now.plus_seconds(lifetime.saturating_sub(EARLY_SECONDS));
        *cached = Some(CachedToken {
            bearer: bearer.clone(),
            usable_until,
        });
        Ok(bearer)
    }

    async fn fetch(&self) -> Result<(HeaderValue, u32), TokenError> {
        let unavailable = |text: &str| TokenError::Unavailable {
            retry_after: None,
            detail: redact(text),
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
            return parse_token(&response)
                .ok_or_else(|| unavailable("the response of the token endpoint has no token"));
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

/// The token and its lifetime in seconds.
fn parse_token(response: &Response) -> Option<(HeaderValue, u32)> {
    let fields = Fields::from_json(response.body())?;
    let token = fields.text("access_token").filter(|token| !token.is_empty())?;
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    let lifetime = fields.integer("expires_in").unwrap_or(DEFAULT_LIFETIME_SECONDS);
    Some((header, u32::try_from(lifetime).unwrap_or(u32::MAX)))
}
