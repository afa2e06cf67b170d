//! The public URL: requests as a provider would make them, through whatever stands before the functions.
//!
//! All of them are about a dispatch that does not exist, so nothing is written and nobody is called.

use bytes::Bytes;
use http::StatusCode;
use patchbay::clock::Timestamp;
use patchbay::config::base_url;
use patchbay::http::{Request, Response};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce};
use patchbay::secret::{Randomness, Secret};
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use serde_json::{Value, json};

use super::finding::Finding;
use super::functions::Settings;
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;

const TENANT: &str = "doctor";
const BAD_REFERENCE: &str = "urn:patchbay:problem:bad-reference";
const UNAUTHORIZED: &str = "urn:patchbay:problem:unauthorized";
/// What Routee waits for a key's answer, and for a status's, in milliseconds.
const COLLECT_MILLIS: u128 = 3_000;
const STATUS_MILLIS: u128 = 2_000;

/// A webhook of Routee's, and what an answer to it must look like.
struct Hook {
    check: &'static str,
    route: &'static str,
    function: &'static str,
    limit_millis: u128,
    url: fn(&Callbacks, &DispatchKey, AttemptId) -> String,
    body: fn() -> Value,
    is_answer: fn(&Value) -> bool,
}

const HOOKS: [Hook; 2] = [
    Hook {
        check: "api.collect",
        route: "POST /routee/collect/{ref}",
        function: "collect-event",
        limit_millis: COLLECT_MILLIS,
        url: |callbacks, dispatch, attempt| callbacks.collect_url(dispatch, attempt, 0),
        body: || json!({ "messageId": "doctor", "conversationTrackingId": "doctor", "collectedTones": "" }),
        // A dial plan, whatever it says.
        is_answer: |answer| answer.get("verbs").is_some_and(Value::is_array),
    },
    Hook {
        check: "api.status",
        route: "POST /routee/status/{ref}",
        function: "status-callback",
        limit_millis: STATUS_MILLIS,
        url: Callbacks::status_url,
        // A final status: of a dispatch that does not exist, an intermediate one would be written down.
        body: || {
            json!({
                "messageId": "doctor", "conversationTrackingId": "doctor",
                "status": { "name": "Completed", "updatedDate": Timestamp::from_millis(0).to_string() },
            })
        },
        is_answer: Value::is_object,
    },
];

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
            "sam deploy with PublicUrl=https://…",
        )];
    }
    let base = base.trim_end_matches('/');
    let mut findings = match without_token(clients, base).await {
        Ok(finding) => vec![finding],
        // Said once: the others would not get any further.
        Err(unreachable) => return vec![unreachable],
    };
    for hook in &HOOKS {
        findings.push(hook.examine(clients, base, settings, secrets).await);
    }
    findings
}

/// Somebody without a token is turned away, by us; an error when nobody is there to do it.
async fn without_token(clients: &Clients, base: &str) -> Result<Finding, Finding> {
    let check = "api.dispatches";
    let route = "GET /v1/dispatches";
    let request = http::Request::get(format!("{base}/v1/dispatches")).body(Bytes::new());
    let answer = Answer::to(clients, request).await;
    let answer = answer.map_err(|error| unreachable(check, base, &error))?;
    if answer.status == StatusCode::UNAUTHORIZED && answer.is(UNAUTHORIZED) {
        return Ok(Finding::ok(check, format!("{base} answers, and wants a token")));
    }
    Ok(answer.not_ours(check, route, "dispatches"))
}

impl Hook {
    async fn examine(&self, clients: &Clients, base: &str, settings: &Settings, secrets: &Secrets) -> Finding {
        let (dispatch, attempt) = match nowhere(clients.clock.now()) {
            Ok(nowhere) => nowhere,
            Err(error) => return Finding::fail(self.check, error.to_string(), "this machine has no randomness"),
        };
        let url = |references: References| (self.url)(&Callbacks::new(base, references), &dispatch, attempt);
        // The id is random, and signed with itself: a key that nobody has.
        let forged = url(References::new(Secret::new(dispatch.id.to_string()), None));
        match Answer::to(clients, self.request(&forged)).await {
            Err(error) => return unreachable(self.check, base, &error),
            Ok(answer) if answer.status.is_success() => {
                let what = format!("{} takes a forged reference: anybody can press keys", self.route);
                return Finding::fail(self.check, what, "sam build && sam deploy");
            }
            Ok(answer) if answer.is(BAD_REFERENCE) => {}
            Ok(answer) => return answer.not_ours(self.check, self.route, self.function),
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
            let mend = settings.start_afresh(self.function);
            return Finding::fail(self.check, what, mend);
        }
        if answer.status != StatusCode::OK || !(self.is_answer)(&answer.body) {
            return answer.not_ours(self.check, self.route, self.function);
        }
        let what = format!("a forged reference is refused, a good one answered in {millis} ms");
        if millis >= self.limit_millis {
            let what = format!("{what}; Routee waits {} ms", self.limit_millis);
            let mend = "run it again: the first request may have met a cold function, or a slow way from here";
            return Finding::warn(self.check, what, mend);
        }
        Finding::ok(self.check, what)
    }
}

/// A dispatch that does not exist.
fn nowhere(now: Timestamp) -> anyhow::Result<(DispatchKey, AttemptId)> {
    let random = Randomness::default();
    let dispatch = DispatchKey {
        tenant: TENANT.parse()?,
        id: DispatchId::random(&random, now)?,
    };
    let attempt = AttemptId {
        ordinal: 1,
        employee: 0,
        nonce: Nonce::random(&random)?,
    };
    Ok((dispatch, attempt))
}

fn unreachable(check: &'static str, base: &str, error: &str) -> Finding {
    let mend = format!("curl -i {base}/v1/dispatches    # name, certificate, firewall; or is PublicUrl wrong?");
    Finding::fail(check, format!("{base} cannot be reached: {error}"), mend)
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    async fn to(clients: &Clients, request: Result<Request, http::Error>) -> Result<Self, String> {
        let request = request.map_err(|error| error.to_string())?;
        let response: Response = clients.http.send(request).await.map_err(|error| error.to_string())?;
        Ok(Self {
            status: response.status(),
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        })
    }

    fn is(&self, problem: &str) -> bool {
        self.body.get("type").and_then(Value::as_str) == Some(problem)
    }

    /// An answer that the function does not give.
    fn not_ours(&self, check: &'static str, route: &str, function: &str) -> Finding {
        let status = self.status.as_u16();
        let what = format!("{route} is answered with {status}, and not by the function {function}");
        let mend = match status {
            404 => "is PublicUrl the API's address, and does the route exist? sam build && sam deploy",
            403 => "let the route through: a firewall, or an authorizer, stands before it",
            429 => "the API is throttled: try again, then look for who sends so much",
            500..=599 => "sam logs --tail    # the function fails: its log says why",
            _ => "look at what stands before the API: a redirect, a proxy, another service?",
        };
        Finding::fail(check, what, mend)
    }
}
