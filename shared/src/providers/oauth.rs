//! Access tokens by OAuth 2.0 client credentials: fetched once, cached until shortly before they expire.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use tokio::sync::Mutex;

use super::lenient::Fields;
use super::masked::redact;
use super::retry_after::retry_after;
use crate::clock::{Clock, Timestamp};
use crate::http::{HttpClient, Request, Response};
use crate::secret::Secret;

/// How long before its expiry a token is replaced, in seconds: longer than any request in flight and any drift of our
/// clock.
const EARLY_SECONDS: u32 = 60;
/// Lifetime of a token whose response does not state it. Routee documents it as its default (routee/CONTRACT.md 1);
/// elsewhere it is a guess that costs at most one rejected request.
const DEFAULT_LIFETIME_SECONDS: u64 = 3_600;

/// Why there is no token. In every case the request that needed the token had no effect.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The credentials are rejected. A retry does not help until an operator fixes them.
    #[error("the credentials are rejected (status {status}): {detail}")]
    Rejected {
        /// HTTP status of the token endpoint.
        status: u16,
        /// The endpoint's message, redacted for logs.
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

/// What a token is requested with.
pub(in crate::providers) struct TokenRequest {
    /// URL of the token endpoint.
    pub(in crate::providers) url: String,
    /// Sent as the user of HTTP basic authentication.
    pub(in crate::providers) client_id: String,
    /// Sent as its password.
    pub(in crate::providers) client_secret: Secret,
    /// What the token may do, where the provider wants to know. Scopes are separated by spaces.
    pub(in crate::providers) scope: Option<&'static str>,
}

/// A token as a header value, with the generation that identifies it.
#[derive(Clone)]
pub(in crate::providers) struct BearerToken {
    pub(in crate::providers) header: HeaderValue,
    generation: u64,
}

struct CachedToken {
    bearer: BearerToken,
    usable_until: Timestamp,
}

/// The current token for one set of credentials and scopes.
pub(in crate::providers) struct TokenCache {
    http: HttpClient,
    clock: Clock,
    basic: String,
    url: String,
    form: String,
    /// The newest generation and its token. Locked while a token is fetched, so that concurrent callers share one
    /// request. A token is identified by its generation, not by its text: the provider may issue the same text again
    /// (routee/CONTRACT.md 1, sangoma/CONTRACT.md 2).
    cache: Mutex<(u64, Option<CachedToken>)>,
}

impl TokenCache {
    pub(in crate::providers) fn new(http: HttpClient, clock: Clock, request: TokenRequest) -> Self {
        let TokenRequest {
            url,
            client_id,
            client_secret,
            scope,
        } = request;
        let pair = format!("{client_id}:{}", client_secret.expose());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        Self {
            http,
            clock,
            basic: format!("Basic {}", BASE64_STANDARD.encode(pair)),
            url,
            form: form.finish(),
            cache: Mutex::default(),
        }
    }

    /// The cached token, or a new one.
    pub(in crate::providers) async fn current(&self) -> Result<BearerToken, TokenError> {
        self.get_except(None).await
    }

    /// A token to use instead of a rejected one. Callers with the same rejected token share the new one.
    pub(in crate::providers) async fn replace(&self, rejected: &BearerToken) -> Result<BearerToken, TokenError> {
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
            .body(Bytes::from(self.form.clone()))
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
        let detail = error_detail(response.body());
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

/// The message of an error body, redacted for logs. OAuth's own form has `error_description` and `error`; servers add
/// forms of their own.
fn error_detail(body: &[u8]) -> String {
    let Some(fields) = Fields::from_json(body) else {
        return "the response is not a JSON object".to_owned();
    };
    let names = ["developerMessage", "error_description", "message", "error"];
    redact(&names.iter().find_map(|name| fields.text(name)).unwrap_or_default())
}
