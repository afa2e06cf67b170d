//! Checks of the public URL: sends requests as a provider does, through any gateway or proxy in front of the functions.
//!
//! The requests name a dispatch, a chain and a caller that do not exist, so nothing is written and nobody is called.

use bytes::Bytes;
use http::{Method, StatusCode};
use patchbay::clock::Timestamp;
use patchbay::config::base_url;
use patchbay::http::{Request, Response};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, DocumentName, Nonce};
use patchbay::providers::twilio::signature;
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::{Randomness, Secret};
use patchbay::voice::Provider;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use serde_json::{Value, json};

use super::finding::Finding;
use super::fix::FixCommands;
use super::functions::Settings;
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;

const TENANT: &str = "doctor";
pub(super) const BAD_REFERENCE: &str = "urn:patchbay:problem:bad-reference";
pub(super) const BAD_SIGNATURE: &str = "urn:patchbay:problem:bad-signature";
const UNAUTHORIZED: &str = "urn:patchbay:problem:unauthorized";
const INVALID_FIELD: &str = "urn:patchbay:problem:invalid-field";

/// A route that requires a token.
struct AuthenticatedRoute {
    check: &'static str,
    method: Method,
    path: &'static str,
    function: &'static str,
}

const AUTHENTICATED_ROUTES: [AuthenticatedRoute; 6] = [
    AuthenticatedRoute {
        check: "api.dispatches",
        method: Method::GET,
        path: "/v1/dispatches",
        function: "dispatches",
    },
    AuthenticatedRoute {
        check: "api.set-context",
        method: Method::POST,
        path: "/voice/api/v1/twilio/set-context",
        function: "set-context",
    },
    AuthenticatedRoute {
        check: "api.get-context",
        method: Method::POST,
        path: "/voice/api/v1/twilio/get-context",
        function: "get-context",
    },
    AuthenticatedRoute {
        check: "api.links",
        method: Method::GET,
        path: "/v1/links",
        function: "chain-link",
    },
    AuthenticatedRoute {
        check: "api.bots",
        method: Method::GET,
        path: "/v1/bots",
        function: "bot",
    },
    AuthenticatedRoute {
        check: "api.calls",
        method: Method::GET,
        path: "/api/v1/calls",
        function: "calls",
    },
];

/// A webhook with a signed URL, and what a correct response looks like.
struct ReferenceWebhook {
    check: &'static str,
    route: &'static str,
    function: &'static str,
    /// The caller, and its time-out in milliseconds.
    caller: (&'static str, u128),
    /// The provider whose calls it belongs to, if any.
    provider: Option<Provider>,
    url: fn(&CallbackUrls, &NonexistentTarget) -> String,
    body: fn() -> Value,
    is_valid: fn(StatusCode, &Value) -> bool,
}

const REFERENCE_WEBHOOKS: [ReferenceWebhook; 3] = [
    ReferenceWebhook {
        check: "api.collect",
        route: "POST /routee/collect/{ref}",
        function: "collect-event",
        caller: ("Routee", 3_000),
        provider: Some(Provider::Routee),
        url: |callbacks, target| callbacks.keys_url(Provider::Routee, &target.dispatch, target.attempt, 0),
        body: || json!({ "messageId": "doctor", "conversationTrackingId": "doctor", "collectedTones": "" }),
        // Any dial plan.
        is_valid: |status, response| status.is_success() && response.get("verbs").is_some_and(Value::is_array),
    },
    ReferenceWebhook {
        check: "api.status",
        route: "POST /routee/status/{ref}",
        function: "status-callback",
        caller: ("Routee", 2_000),
        provider: Some(Provider::Routee),
        url: |callbacks, target| callbacks.status_url(Provider::Routee, &target.dispatch, target.attempt, None),
        // A final status: an intermediate one is stored even if the dispatch does not exist.
        body: || {
            json!({
                "messageId": "doctor", "conversationTrackingId": "doctor",
                "status": { "name": "Completed", "updatedDate": Timestamp::from_millis(0).to_string() },
            })
        },
        is_valid: |status, response| status.is_success() && response.is_object(),
    },
    ReferenceWebhook {
        check: "api.chain",
        route: "POST /agent4/{ref}/{chain}",
        function: "chain-link",
        caller: ("a caller", 5_000),
        provider: None,
        url: |callbacks, target| callbacks.chain_url(&target.dispatch.tenant, &target.chain),
        // The link's name is missing: reported after the reference is verified and before anything else happens.
        body: || json!({}),
        is_valid: |_, response| is_problem(response, INVALID_FIELD),
    },
];

/// A dispatch, an attempt and a chain that do not exist.
struct NonexistentTarget {
    dispatch: DispatchKey,
    attempt: AttemptId,
    chain: DocumentName,
}

pub(super) async fn check(
    clients: &Clients,
    public_url: Option<&str>,
    settings: &Settings,
    secrets: &Secrets,
) -> Vec<Finding> {
    let Some(base) = public_url.or(settings.public_url.as_deref()) else {
        return vec![unknown("api", "the public URL", settings)];
    };
    if let Err(error) = base_url(base) {
        return vec![Finding::fail(
            "api",
            error.to_string(),
            format!("{} --parameter-overrides PublicUrl=https://…", settings.fixes.deploy()),
        )];
    }
    let base = base.trim_end_matches('/');
    let mut findings = Vec::new();
    let is_deployed = |route: &&AuthenticatedRoute| match route.function {
        "bot" => settings.chat.is_some(),
        "calls" => settings.has_calls,
        _ => true,
    };
    for route in AUTHENTICATED_ROUTES.iter().filter(is_deployed) {
        match route.run(clients, base, &settings.fixes).await {
            Ok(finding) => findings.push(finding),
            // Reported once: the other requests would fail in the same way.
            Err(unreachable) => return vec![unreachable],
        }
    }
    let is_used = |webhook: &&ReferenceWebhook| webhook.provider.is_none_or(|provider| settings.phones_over(provider));
    for webhook in REFERENCE_WEBHOOKS.iter().filter(is_used) {
        findings.push(webhook.run(clients, base, settings, secrets).await);
    }
    findings.extend(check_twilio(clients, base, settings, secrets).await);
    findings
}

impl AuthenticatedRoute {
    /// Checks that a request without a token is rejected by our function. Fails if the URL is unreachable.
    async fn run(&self, clients: &Clients, base: &str, fixes: &FixCommands) -> Result<Finding, Finding> {
        let (check, path) = (self.check, self.path);
        let request = http::Request::builder()
            .method(&self.method)
            .uri(format!("{base}{path}"))
            .header("content-type", "application/json")
            .body(Bytes::new());
        let response = ApiResponse::fetch(clients, request).await;
        let response = response.map_err(|error| unreachable(check, base, &error))?;
        if response.status == StatusCode::UNAUTHORIZED && response.is_problem(UNAUTHORIZED) {
            return Ok(Finding::ok(
                check,
                format!("{base}{path} responds and requires a token"),
            ));
        }
        Ok(response.unexpected(fixes, check, &format!("{} {path}", self.method), self.function))
    }
}

impl ReferenceWebhook {
    async fn run(&self, clients: &Clients, base: &str, settings: &Settings, secrets: &Secrets) -> Finding {
        let target = match NonexistentTarget::new(clients.clock.now()) {
            Ok(target) => target,
            Err(error) => {
                return Finding::fail(
                    self.check,
                    error.to_string(),
                    "fix the random number generator of this machine",
                );
            }
        };
        let url = |references: ReferenceSigner| (self.url)(&CallbackUrls::new(base, references), &target);
        // Signed with a random key: the dispatch id.
        let forged = url(ReferenceSigner::new(Secret::new(target.dispatch.id.to_string()), None));
        match ApiResponse::fetch(clients, self.request(&forged)).await {
            Err(error) => return unreachable(self.check, base, &error),
            Ok(response) if (self.is_valid)(response.status, &response.body) => {
                let message = format!("{} accepts a forged reference: anyone can send anything", self.route);
                return Finding::fail(self.check, message, settings.fixes.deploy());
            }
            Ok(response) if response.is_problem(BAD_REFERENCE) => {}
            Ok(response) => return response.unexpected(&settings.fixes, self.check, self.route, self.function),
        }
        let Some(references) = &secrets.references else {
            let message = format!(
                "{} rejects a forged reference; no reference key to sign a valid one with",
                self.route
            );
            return Finding::warn(self.check, message, "fix secret.reference-keys, see above");
        };
        let started_at = std::time::Instant::now();
        let response = match ApiResponse::fetch(clients, self.request(&url(references.clone()))).await {
            Ok(response) => response,
            Err(error) => return unreachable(self.check, base, &error),
        };
        self.evaluate(&response, started_at.elapsed().as_millis(), settings)
    }

    fn request(&self, url: &str) -> Result<Request, http::Error> {
        let request = http::Request::post(url).header("content-type", "application/json");
        request.body(Bytes::from((self.body)().to_string()))
    }

    /// Evaluates the response to a valid reference.
    fn evaluate(&self, response: &ApiResponse, millis: u128, settings: &Settings) -> Finding {
        if response.is_problem(BAD_REFERENCE) {
            let message = format!("{} rejects references signed with the current key", self.route);
            let fix = settings.wait_for_secret(self.function);
            return Finding::fail(self.check, message, fix);
        }
        if !(self.is_valid)(response.status, &response.body) {
            return response.unexpected(&settings.fixes, self.check, self.route, self.function);
        }
        let message = format!("a forged reference is rejected, a valid one is answered in {millis} ms");
        let (caller, limit_millis) = self.caller;
        if millis >= limit_millis {
            let message = format!("{message}; {caller} waits only {limit_millis} ms");
            let fix = "run the command again: the cause may be a cold start, or a slow network from here";
            return Finding::warn(self.check, message, fix);
        }
        Finding::ok(self.check, message)
    }
}

impl NonexistentTarget {
    fn new(now: Timestamp) -> anyhow::Result<Self> {
        let random = Randomness::default();
        Ok(Self {
            dispatch: DispatchKey {
                tenant: TENANT.parse()?,
                id: DispatchId::random(&random, now)?,
            },
            attempt: AttemptId {
                ordinal: 1,
                employee: 0,
                nonce: Nonce::random(&random)?,
            },
            chain: TENANT.parse()?,
        })
    }
}

/// A webhook of Twilio: it must be rejected without a valid signature, and accepted with one.
struct TwilioWebhook {
    check: &'static str,
    route: &'static str,
    function: &'static str,
    url: String,
    body: &'static str,
    /// What anyone could do if unsigned requests were accepted.
    risk: &'static str,
}

/// Checks Twilio's webhooks, as far as Twilio phones employees or transfers callers to us, with calls that do not
/// exist.
async fn check_twilio(clients: &Clients, base: &str, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
    let phones = settings.phones_over(Provider::Twilio);
    if settings.twilio_auth_tokens.is_none() {
        // If Twilio phones employees, the check settings.providers has reported that the token is missing.
        return Vec::new();
    }
    let (Some(references), Some(token)) = (&secrets.references, &secrets.twilio) else {
        let check = if phones { "api.twilio" } else { "api.transfer" };
        let message = "not checked: a secret that it needs is unknown";
        let fix = "fix secret.reference-keys and secret.twilio-auth-tokens, see above";
        return vec![Finding::warn(check, message, fix)];
    };
    let target = match NonexistentTarget::new(clients.clock.now()) {
        Ok(target) => target,
        Err(error) => {
            return vec![Finding::fail(
                "api.twilio",
                error.to_string(),
                "fix the random number generator of this machine",
            )];
        }
    };
    let callbacks = CallbackUrls::new(base, references.clone());
    let mut webhooks = Vec::new();
    if phones {
        let (dispatch, attempt) = (&target.dispatch, target.attempt);
        webhooks.push(TwilioWebhook {
            check: "api.twilio-collect",
            route: "POST /twilio/collect/{ref}",
            function: "collect-event",
            url: callbacks.keys_url(Provider::Twilio, dispatch, attempt, 0),
            body: "CallSid=CAdoctor&CallStatus=in-progress&Digits=",
            risk: "anyone who has seen a reference can accept a ticket",
        });
        webhooks.push(TwilioWebhook {
            check: "api.twilio-status",
            route: "POST /twilio/status/{ref}",
            function: "status-callback",
            url: callbacks.status_url(Provider::Twilio, dispatch, attempt, None),
            // A final status: an intermediate one is stored even if the dispatch does not exist.
            body: "CallSid=CAdoctor&CallStatus=completed",
            risk: "anyone who has seen a reference can end a call",
        });
    }
    webhooks.push(TwilioWebhook {
        check: "api.transfer",
        route: "POST /twilio/transfer/{ref}",
        function: "transfer",
        url: callbacks.transfer_url(&target.dispatch.tenant),
        // Nothing is read or written for an anonymous caller.
        body: "CallSid=CAdoctor&CallStatus=ringing&From=anonymous",
        risk: "anyone can claim that a caller has paid",
    });
    let mut findings = Vec::new();
    for webhook in &webhooks {
        findings.push(webhook.run(clients, base, settings, token).await);
    }
    findings
}

impl TwilioWebhook {
    async fn run(&self, clients: &Clients, base: &str, settings: &Settings, token: &Secret) -> Finding {
        let Self {
            check, route, function, ..
        } = *self;
        // A token that is not Twilio's: the URL.
        let unknown_token = Secret::new(self.url());
        for token_used in [None, Some(&unknown_token)] {
            match ApiResponse::fetch(clients, self.request(token_used)).await {
                Err(error) => return unreachable(check, base, &error),
                Ok(response) if response.status.is_success() => {
                    let message = format!("{route} accepts requests that Twilio did not sign: {}", self.risk);
                    return Finding::fail(check, message, settings.fixes.deploy());
                }
                Ok(response) if response.is_problem(BAD_SIGNATURE) => {}
                Ok(response) => return self.unexpected(&response, settings),
            }
        }
        let response = match ApiResponse::fetch(clients, self.request(Some(token))).await {
            Ok(response) => response,
            Err(error) => return unreachable(check, base, &error),
        };
        if response.status.is_success() {
            return Finding::ok(
                check,
                "requests that Twilio did not sign are rejected, signed ones are accepted",
            );
        }
        if response.is_problem(BAD_SIGNATURE) {
            let message = format!("{route} rejects a signature with the current auth token for {base}");
            return Finding::fail(check, message, settings.wait_for_secret(function));
        }
        self.unexpected(&response, settings)
    }

    /// The finding for a response that is not about the signature.
    fn unexpected(&self, response: &ApiResponse, settings: &Settings) -> Finding {
        if response.is_problem(BAD_REFERENCE) {
            let message = format!("{} rejects references signed with the current key", self.route);
            return Finding::fail(self.check, message, settings.wait_for_secret(self.function));
        }
        response.unexpected(&settings.fixes, self.check, self.route, self.function)
    }

    /// The URL without its fragment: that is addressed to Twilio itself, which neither sends nor signs it.
    fn url(&self) -> &str {
        self.url.split_once('#').map_or(self.url.as_str(), |(sent, _)| sent)
    }

    /// A request signed with `token`, or an unsigned one.
    fn request(&self, token: Option<&Secret>) -> Result<Request, http::Error> {
        let mut request = http::Request::post(self.url()).header("content-type", "application/x-www-form-urlencoded");
        if let Some(token) = token {
            let form = Form::parse(self.body.as_bytes());
            request = request.header(signature::HEADER, signature::sign(token, self.url(), &form));
        }
        request.body(Bytes::from_static(self.body.as_bytes()))
    }
}

pub(super) fn unreachable(check: &'static str, base: &str, error: &str) -> Finding {
    let fix = format!("curl -i {base}/v1/dispatches    # DNS, certificate, firewall; or is PublicUrl wrong?");
    Finding::fail(check, format!("{base} cannot be reached: {error}"), fix)
}

/// Whether a response reports this problem, in our own format or in Protegee's.
fn is_problem(response: &Value, problem: &str) -> bool {
    let kind = response.get("type").or_else(|| response.pointer("/message/type"));
    kind.and_then(Value::as_str) == Some(problem)
}

/// A response of the API.
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl ApiResponse {
    pub(super) async fn fetch(clients: &Clients, request: Result<Request, http::Error>) -> Result<Self, String> {
        let request = request.map_err(|error| error.to_string())?;
        let response: Response = clients.http.send(request).await.map_err(|error| error.to_string())?;
        Ok(Self {
            status: response.status(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        })
    }

    pub(super) fn is_problem(&self, problem: &str) -> bool {
        is_problem(&self.body, problem)
    }

    /// The finding for a response that did not come from the function.
    pub(super) fn unexpected(&self, fixes: &FixCommands, check: &'static str, route: &str, function: &str) -> Finding {
        let status = self.status.as_u16();
        let message = format!("{route} returned {status}, not a response of the function {function}");
        let fix = match status {
            404 => &format!(
                "does PublicUrl point to the API, and does the route exist? {}",
                fixes.deploy()
            ),
            403 => "a firewall or an authorizer blocks the route: allow it",
            429 => "the API is throttled: try again, then find out who sends so many requests",
            500..=599 => &format!("{}    # the function fails: the cause is in its log", fixes.logs()),
            _ => "check what is in front of the API: a redirect, a proxy, another service?",
        };
        Finding::fail(check, message, fix)
    }
}
