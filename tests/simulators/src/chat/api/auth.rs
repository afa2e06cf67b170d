//! Sangoma's tokens (sangoma 2), and the check of credentials in both APIs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay::clock::Timestamp;
use serde_json::json;
use url::form_urlencoded;

use super::super::state::{State, Token};
use super::super::{CHATWOOT_USER_TOKEN, Chat, Switches};
use super::{Received, Reply};
use crate::script_runner::later_by;

/// The scopes of the API.
pub(super) const SCOPES: [&str; 3] = ["cx.agent-calls", "cx.queue-calls", "cx.digital-interactions"];

/// Who sends a request to Chatwoot's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A person with all rights.
    User,
    /// The bot with this id.
    Bot(u64),
}

impl Caller {
    pub(super) const fn bot(self) -> Option<u64> {
        match self {
            Self::User => None,
            Self::Bot(bot) => Some(bot),
        }
    }
}

impl Token {
    fn is_valid(&self, now: Timestamp, switches: &Switches) -> bool {
        let revoked_at = switches
            .token_revoked_after
            .map(|after| later_by(self.issued_at, after));
        now < self.expires_at && revoked_at.is_none_or(|revoked_at| now < revoked_at)
    }
}

impl Chat {
    /// `POST /oauth/token`.
    pub(super) fn token(&self, received: Received<'_>) -> Reply {
        if received.request.method() != http::Method::POST {
            return Reply::error(405, "method_not_allowed");
        }
        if !self.knows_credentials(received) {
            return Reply::error(401, "invalid_client");
        }
        let content_type = received.header("content-type").unwrap_or_default();
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return Reply::error(400, "invalid_request");
        }
        let field = |name: &str| {
            let mut fields = form_urlencoded::parse(received.request.body());
            fields.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
        };
        if field("grant_type").as_deref() != Some("client_credentials") {
            return Reply::error(400, "unsupported_grant_type");
        }
        let scope = field("scope").unwrap_or_default();
        let mut scopes = scope.split_whitespace();
        if scope.trim().is_empty() || !scopes.all(|scope| SCOPES.contains(&scope)) {
            return Reply::error(400, "invalid_scope");
        }
        self.issue(&scope)
    }

    fn knows_credentials(&self, received: Received<'_>) -> bool {
        let Some(("Basic", encoded)) = received.header("authorization").and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let Ok(decoded) = STANDARD.decode(encoded) else {
            return false;
        };
        let state = self.lock();
        let (id, secret) = &state.credentials;
        decoded == format!("{id}:{secret}").into_bytes()
    }

    fn issue(&self, scope: &str) -> Reply {
        let (now, switches) = (self.now(), &self.0.switches);
        let mut guard = self.lock();
        let state = &mut *guard;
        let reusable = |token: &&Token| {
            // In its last second, the remaining lifetime would be reported as 0.
            let is_alive = token.expires_at > now.plus_seconds(1) && token.is_valid(now, switches);
            switches.token_is_reused && token.scope == scope && is_alive
        };
        let (value, expires_at) = match state.tokens.iter().find(reusable) {
            Some(token) => (token.value.clone(), token.expires_at),
            None => state.new_token(scope, now, switches),
        };
        let body = json!({
            "access_token": value,
            "scope": scope,
            "token_type": "bearer",
            "expires_in": expires_at.since(now).as_secs(),
        });
        Reply::json(200, &body)
    }

    /// The error response if a request to Sangoma's API has no valid token with this scope.
    pub(super) fn bearer_problem(&self, received: Received<'_>, scope: &str) -> Option<Reply> {
        let now = self.now();
        let (scheme, value) = received
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .unwrap_or_default();
        let state = self.lock();
        let mut tokens = state.tokens.iter();
        let token = tokens.find(|token| token.value == value && token.is_valid(now, &self.0.switches));
        match token.filter(|_| scheme.eq_ignore_ascii_case("bearer")) {
            None => Some(Reply::error(401, "Unauthorized")),
            Some(token) if token.scope.split_whitespace().any(|granted| granted == scope) => None,
            Some(_) => Some(Reply::error(403, "insufficient_scope")),
        }
    }

    /// Who sends a request to Chatwoot's API, if they are known.
    pub(super) fn caller(&self, received: Received<'_>) -> Option<Caller> {
        let token = received.header("api_access_token")?;
        if token == CHATWOOT_USER_TOKEN {
            return Some(Caller::User);
        }
        let state = self.lock();
        let bot = state.bots.iter().find(|bot| bot.token == token)?;
        Some(Caller::Bot(bot.id))
    }
}

impl State {
    fn new_token(&mut self, scope: &str, now: Timestamp, switches: &Switches) -> (String, Timestamp) {
        if switches.one_token {
            self.forget_tokens();
        }
        let token = Token {
            value: self.rng.uuid(),
            scope: scope.to_owned(),
            issued_at: now,
            expires_at: now.plus_seconds(switches.token_lifetime),
        };
        self.store_token(&token);
        let issued = (token.value.clone(), token.expires_at);
        self.tokens.push(token);
        issued
    }
}
