//! The public URL: requests as a provider would make them, through whatever stands before the functions.
//!
//! All of them are about a dispatch, a chain and a caller that do not exist, so nothing is written and nobody is called.

use bytes::Bytes;
use http::{Method, StatusCode};
use patchbay::clock::Timestamp;
use patchbay::config::base_url;
use patchbay::http::{Request, Response};
use patchbay::ids::{AttemptId, ChainName, DispatchId, DispatchKey, Nonce};
use patchbay::providers::twilio::signature;
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::{Randomness, Secret};
use patchbay::voice::Provider;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use serde_json::{Value, json};

use super::finding::Finding;
use super::functions::Settings;
use super::mend::Mends;
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;

const TENANT: &str = "doctor";
const BAD_REFERENCE: &str = "urn:patchbay:problem:bad-reference";
const BAD_SIGNATURE: &str = "urn:patchbay:problem:bad-signature";
const UNAUTHORIZED: &str = "urn:patchbay:problem:unauthorized";
const INVALID_FIELD: &str = "urn:patchbay:problem:invalid-field";

/// Something that wants a token.
struct Door {
    check: &'static str,
    method: Method,
    path: &'static str,
    function: &'static str,
}

const DOORS: [Door; 4] = [
    Door {
        check: "api.dispatches",
        method: Method::GET,
        path: "/v1/dispatches",
        function: "dispatches",
    },
    Door {
        check: "api.set-context",
        method: Method::POST,
        path: "/voice/api/v1/twilio/set-context",
        function: "set-context",
    },
    Door {
        check: "api.get-context",
        method: Method::POST,
        path: "/voice/api/v1/twilio/get-context",
        function: "get-context",
    },
    Door {
        check: "api.links",
        method: Method::GET,
        path: "/v1/links",
        function: "chain-link",
    },
];

/// A webhook whose URL is signed, and what an answer to it must look like.
struct Hook {
    check: &'static str,
    route: &'static str,
    function: &'static str,
    /// Who calls it, and for how many milliseconds they wait.
    caller: (&'static str, u128),
    /// The provider whose calls it is about, if it is about any.
    provider: Option<Provider>,
    url: fn(&Callbacks, &Nowhere) -> String,
    body: fn() -> Value,
    is_answer: fn(StatusCode, &Value) -> bool,
}

const HOOKS: [Hook; 3] = [
    Hook {
        check: "api.collect",
        route: "POST /routee/collect/{ref}",
        function: "collect-event",
        caller: ("Routee", 3_000),
        provider: Some(Provider::Routee),
        url: |callbacks, nowhere| callbacks.keys_url(Provider::Routee, &nowhere.dispatch, nowhere.attempt, 0),
        body: || json!({ "messageId": "doctor", "conversationTrackingId": "doctor", "collectedTones": "" }),
        // A dial plan, whatever it says.
        is_answer: |status, answer| status.is_success() && answer.get("verbs").is_some_and(Value::is_array),
    },
    Hook {
        check: "api.status",
        route: "POST /routee/status/{ref}",
        function: "status-callback",
        caller: ("Routee", 2_000),
        provider: Some(Provider::Routee),
        url: |callbacks, nowhere| callbacks.status_url(Provider::Routee, &nowhere.dispatch, nowhere.attempt, None),
        // A final status: of a dispatch that does not exist, an intermediate one would be written down.
        body: || {
            json!({
                "messageId": "doctor", "conversationTrackingId": "doctor",
                "status": { "name": "Completed", "updatedDate": Timestamp::from_millis(0).to_string() },
            })
        },
        is_answer: |status, answer| status.is_success() && answer.is_object(),
    },
    Hook {
        check: "api.chain",
        route: "POST /agent4/{ref}/{chain}",
        function: "chain-link",
        caller: ("a caller", 5_000),
        provider: None,
        url: |callbacks, nowhere| callbacks.chain_url(&nowhere.dispatch.tenant, &nowhere.chain),
        // Without the link's name: told after the reference was looked at, and before anything else.
        body: || json!({}),
        is_answer: |_, answer| is_problem(answer, INVALID_FIELD),
    },
];

/// What does not exist.
struct Nowhere {
    dispatch: DispatchKey,
    attempt: AttemptId,
    chain: ChainName,
}

pub(super) async fn check(
    clients: &Clients,
    given: Option<&str>,
    settings: &Settings,
    secrets: &Secrets,
) -> Vec<Finding> {
    let Some(base) = given.or(settings.public_url.as_deref()) else {
        return vec![unknown("api", "the public URL", settings)];
    };
    if let Err(error) = base_url(base) {
        return vec![Finding::fail(
            "api",
            error.to_string(),
            format!("{} --parameter-overrides PublicUrl=https://…", settings.mends.deploy()),
        )];
    }
    let base = base.trim_end_matches('/');
    let mut findings = Vec::new();
    for door in &DOORS {
        match door.examine(clients, base, &settings.mends).await {
            Ok(finding) => findings.push(finding),
            // Said once: the others would not get any further.
            Err(unreachable) => return vec![unreachable],
        }
    }
    let is_used = |hook: &&Hook| hook.provider.is_none_or(|provider| settings.phones_over(provider));
    for hook in HOOKS.iter().filter(is_used) {
        findings.push(hook.examine(clients, base, settings, secrets).await);
    }
    findings.extend(of_twilio(clients, base, settings, secrets).await);
    findings
}

impl Door {
    /// Somebody without a token is turned away, by us; an error when nobody is there to do it.
    async fn examine(&self, clients: &Clients, base: &str, mends: &Mends) -> Result<Finding, Finding> {
        let (check, path) = (self.check, self.path);
        let request = http::Request::builder()
            .method(&self.method)
            .uri(format!("{base}{path}"))
            .header("content-type", "application/json")
            .body(Bytes::new());
        let answer = Answer::to(clients, request).await;
        let answer = answer.map_err(|error| unreachable(check, base, &error))?;
        if answer.status == StatusCode::UNAUTHORIZED && answer.is(UNAUTHORIZED) {
            return Ok(Finding::ok(check, format!("{base}{path} answers, and wants a token")));
        }
        Ok(answer.not_ours(mends, check, &format!("{} {path}", self.method), self.function))
    }
}

impl Hook {
    async fn examine(&self, clients: &Clients, base: &str, settings: &Settings, secrets: &Secrets) -> Finding {
        let nowhere = match Nowhere::new(clients.clock.now()) {
            Ok(nowhere) => nowhere,
            Err(error) => return Finding::fail(self.check, error.to_string(), "this machine has no randomness"),
        };
        let url = |references: References| (self.url)(&Callbacks::new(base, references), &nowhere);
        // The id is random, and signed with itself: a key that nobody has.
        let forged = url(References::new(Secret::new(nowhere.dispatch.id.to_string()), None));
        match Answer::to(clients, self.request(&forged)).await {
            Err(error) => return unreachable(self.check, base, &error),
            Ok(answer) if (self.is_answer)(answer.status, &answer.body) => {
                let what = format!(
                    "{} takes a forged reference: anybody can send what they like",
                    self.route
                );
                return Finding::fail(self.check, what, settings.mends.deploy());
            }
            Ok(answer) if answer.is(BAD_REFERENCE) => {}
            Ok(answer) => return answer.not_ours(&settings.mends, self.check, self.route, self.function),
        }
        let Some(references) = &secrets.references else {
            let what = format!("{} refuses a forged reference; no key is known to sign one", self.route);
            return Finding::warn(self.check, what, "mend secret.reference-keys, see above");
        };
        let began = std::time::Instant::now();
        let answer = match Answer::to(clients, self.request(&url(references.clone()))).await {
            Ok(answer) => answer,
            Err(error) => return unreachable(self.check, base, &error),
        };
        self.judge(&answer, began.elapsed().as_millis(), settings)
    }

    fn request(&self, url: &str) -> Result<Request, http::Error> {
        let request = http::Request::post(url).header("content-type", "application/json");
        request.body(Bytes::from((self.body)().to_string()))
    }

    /// What a good reference was answered with.
    fn judge(&self, answer: &Answer, millis: u128, settings: &Settings) -> Finding {
        if answer.is(BAD_REFERENCE) {
            let what = format!("{} refuses references made with the present key", self.route);
            let mend = settings.wait_for(self.function);
            return Finding::fail(self.check, what, mend);
        }
        if !(self.is_answer)(answer.status, &answer.body) {
            return answer.not_ours(&settings.mends, self.check, self.route, self.function);
        }
        let what = format!("a forged reference is refused, a good one answered in {millis} ms");
        let (caller, limit_millis) = self.caller;
        if millis >= limit_millis {
            let what = format!("{what}; {caller} waits {limit_millis} ms");
            let mend = "run it again: the first request may have met a cold function, or a slow way from here";
            return Finding::warn(self.check, what, mend);
        }
        Finding::ok(self.check, what)
    }
}

impl Nowhere {
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

/// A webhook of Twilio's: what it did not sign is turned away, what it did is taken.
struct Signed {
    check: &'static str,
    route: &'static str,
    function: &'static str,
    url: String,
    body: &'static str,
    /// What anybody could do who need not sign.
    danger: &'static str,
}

/// Twilio's webhooks, as far as Twilio phones employees or transfers callers to us: of calls that nobody makes.
async fn of_twilio(clients: &Clients, base: &str, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
    let phones = settings.phones_over(Provider::Twilio);
    if settings.twilio_auth_tokens.is_none() {
        // That it is needed where Twilio phones has been said.
        return Vec::new();
    }
    let (Some(references), Some(token)) = (&secrets.references, &secrets.twilio) else {
        let check = if phones { "api.twilio" } else { "api.transfer" };
        let what = "not checked: a key that it needs is not known";
        let mend = "mend secret.reference-keys and secret.twilio-auth-tokens";
        return vec![Finding::warn(check, what, mend)];
    };
    let nowhere = match Nowhere::new(clients.clock.now()) {
        Ok(nowhere) => nowhere,
        Err(error) => {
            return vec![Finding::fail(
                "api.twilio",
                error.to_string(),
                "this machine has no randomness",
            )];
        }
    };
    let callbacks = Callbacks::new(base, references.clone());
    let mut webhooks = Vec::new();
    if phones {
        let (dispatch, attempt) = (&nowhere.dispatch, nowhere.attempt);
        webhooks.push(Signed {
            check: "api.twilio-collect",
            route: "POST /twilio/collect/{ref}",
            function: "collect-event",
            url: callbacks.keys_url(Provider::Twilio, dispatch, attempt, 0),
            body: "CallSid=CAdoctor&CallStatus=in-progress&Digits=",
            danger: "anybody who has seen a reference can accept a ticket",
        });
        webhooks.push(Signed {
            check: "api.twilio-status",
            route: "POST /twilio/status/{ref}",
            function: "status-callback",
            url: callbacks.status_url(Provider::Twilio, dispatch, attempt, None),
            // A final status: of a dispatch that does not exist, an intermediate one would be written down.
            body: "CallSid=CAdoctor&CallStatus=completed",
            danger: "anybody who has seen a reference can end a call",
        });
    }
    webhooks.push(Signed {
        check: "api.transfer",
        route: "POST /twilio/transfer/{ref}",
        function: "transfer",
        url: callbacks.transfer_url(&nowhere.dispatch.tenant),
        // Of whoever shows no number nothing is read or written.
        body: "CallSid=CAdoctor&CallStatus=ringing&From=anonymous",
        danger: "anybody can say that a caller has paid",
    });
    let mut findings = Vec::new();
    for webhook in &webhooks {
        findings.push(webhook.examine(clients, base, settings, token).await);
    }
    findings
}

impl Signed {
    async fn examine(&self, clients: &Clients, base: &str, settings: &Settings, token: &Secret) -> Finding {
        let Self {
            check, route, function, ..
        } = *self;
        // A token that Twilio does not have: the URL.
        let nobodys = Secret::new(self.url());
        for forger in [None, Some(&nobodys)] {
            match Answer::to(clients, self.request(forger)).await {
                Err(error) => return unreachable(check, base, &error),
                Ok(answer) if answer.status.is_success() => {
                    let what = format!("{route} takes what Twilio did not sign: {}", self.danger);
                    return Finding::fail(check, what, settings.mends.deploy());
                }
                Ok(answer) if answer.is(BAD_SIGNATURE) => {}
                Ok(answer) => return self.odd(&answer, settings),
            }
        }
        let answer = match Answer::to(clients, self.request(Some(token))).await {
            Ok(answer) => answer,
            Err(error) => return unreachable(check, base, &error),
        };
        if answer.status.is_success() {
            return Finding::ok(check, "what Twilio did not sign is refused, what it did is taken");
        }
        if answer.is(BAD_SIGNATURE) {
            let what = format!("{route} refuses what the present auth token signed, for {base}");
            return Finding::fail(check, what, settings.wait_for(function));
        }
        self.odd(&answer, settings)
    }

    /// An answer that says nothing of the signature.
    fn odd(&self, answer: &Answer, settings: &Settings) -> Finding {
        if answer.is(BAD_REFERENCE) {
            let what = format!("{} refuses references made with the present key", self.route);
            return Finding::fail(self.check, what, settings.wait_for(self.function));
        }
        answer.not_ours(&settings.mends, self.check, self.route, self.function)
    }

    /// As it is asked for: Twilio neither sends nor signs the fragment, which is meant for itself.
    fn url(&self) -> &str {
        self.url.split_once('#').map_or(self.url.as_str(), |(sent, _)| sent)
    }

    /// A request that the owner of `token` makes, or one that nobody signed.
    fn request(&self, token: Option<&Secret>) -> Result<Request, http::Error> {
        let mut request = http::Request::post(self.url()).header("content-type", "application/x-www-form-urlencoded");
        if let Some(token) = token {
            let form = Form::parse(self.body.as_bytes());
            request = request.header(signature::HEADER, signature::sign(token, self.url(), &form));
        }
        request.body(Bytes::from_static(self.body.as_bytes()))
    }
}

fn unreachable(check: &'static str, base: &str, error: &str) -> Finding {
    let mend = format!("curl -i {base}/v1/dispatches    # name, certificate, firewall; or is PublicUrl wrong?");
    Finding::fail(check, format!("{base} cannot be reached: {error}"), mend)
}

/// Whether an answer tells of this problem, in our own form or in Protegee's.
fn is_problem(answer: &Value, problem: &str) -> bool {
    let kind = answer.get("type").or_else(|| answer.pointer("/message/type"));
    kind.and_then(Value::as_str) == Some(problem)
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Answer {
    pub(super) async fn to(clients: &Clients, request: Result<Request, http::Error>) -> Result<Self, String> {
        let request = request.map_err(|error| error.to_string())?;
        let response: Response = clients.http.send(request).await.map_err(|error| error.to_string())?;
        Ok(Self {
            status: response.status(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        })
    }

    fn is(&self, problem: &str) -> bool {
        is_problem(&self.body, problem)
    }

    /// An answer that the function does not give.
    fn not_ours(&self, mends: &Mends, check: &'static str, route: &str, function: &str) -> Finding {
        let status = self.status.as_u16();
        let what = format!("{route} is answered with {status}, and not by the function {function}");
        let mend = match status {
            404 => &format!(
                "is PublicUrl the API's address, and does the route exist? {}",
                mends.deploy()
            ),
            403 => "let the route through: a firewall, or an authorizer, stands before it",
            429 => "the API is throttled: try again, then look for who sends so much",
            500..=599 => &format!("{}    # the function fails: its log says why", mends.logs()),
            _ => "look at what stands before the API: a redirect, a proxy, another service?",
        };
        Finding::fail(check, what, mend)
    }
}
