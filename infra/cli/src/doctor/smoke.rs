//! `doctor --smoke`: a deployment does what it is for, all but phoning somebody.
//!
//! It works in the name of a tenant that nobody else has, with a token that it writes into the table itself and a number
//! that nobody has. The one ticket that it makes is for somebody who is not on duty for an hour, and is cancelled at once:
//! no call is placed. Its webhook goes to the deployment itself, to where keys of a call come in that does not exist.
//! Whatever comes of it, everything is deleted at the end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use patchbay::access::{Scope, TokenRecord};
use patchbay::clock::Timestamp;
use patchbay::context::ContextKey;
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, Tenant};
use patchbay::phone::PhoneNumber;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::voice::Provider;
use patchbay::web::auth::new_token;
use patchbay::web::callbacks::Callbacks;
use serde_json::{Value, json};

use super::api::Answer;
use super::finding::Finding;
use super::functions::{Settings, always_deployed};
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;

/// A number for fiction.
const NOBODY: &str = "+12025550199";
/// The token is worth nothing after so many seconds, should it not be deleted.
const TOKEN_SECONDS: u32 = 600;
/// Requests to each function whose latency is told: the first meets a cold function, after a deployment.
const REQUESTS: usize = 5;
/// Longest that a webhook may take from one end of the deployment to the other.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// What a line takes from a function to `CloudWatch`, mostly.
const LOG_DELAY: Duration = Duration::from_secs(5);

/// Does all of it, unless what it needs is not known.
pub(super) async fn check(
    clients: &Clients,
    given: Option<&str>,
    settings: &Settings,
    secrets: &Secrets,
) -> Vec<Finding> {
    let check = "smoke";
    let Some(base) = given.or(settings.public_url.as_deref()) else {
        return vec![unknown(check, "the public URL", settings)];
    };
    let Some(table) = &settings.table else {
        return vec![unknown(check, "the table", settings)];
    };
    let visit = match Visit::begin(clients, base.trim_end_matches('/'), clients.store(table)).await {
        Ok(visit) => visit,
        Err(error) => {
            let mend = "allow dynamodb:PutItem, Query and DeleteItem on the table to whoever runs this";
            return vec![Finding::fail(check, format!("no token could be made: {error}"), mend)];
        }
    };
    let mut findings = visit.look_around(settings, secrets).await;
    findings.push(visit.end().await);
    findings.push(visit.logs(settings).await);
    findings
}

/// A stay at a deployment.
struct Visit<'a> {
    clients: &'a Clients,
    base: &'a str,
    store: Store,
    key: DispatchKey,
    /// The idempotency key of the one ticket.
    name: String,
    caller: ContextKey,
    token: Secret,
    hash: String,
    began: Timestamp,
}

/// What a step came to: what was seen, or what is wrong with it.
type Step = Result<String, String>;

impl<'a> Visit<'a> {
    async fn begin(clients: &'a Clients, base: &'a str, store: Store) -> anyhow::Result<Self> {
        let (random, now) = (Randomness::default(), clients.clock.now());
        let name = format!("smoke-{}", Nonce::random(&random)?);
        let tenant: Tenant = name.parse()?;
        let (token, hash) = new_token()?;
        let record = TokenRecord {
            tenant: tenant.clone(),
            scopes: Scope::ALL.into(),
            expires_at: Some(now.plus_seconds(TOKEN_SECONDS)),
            revoked: false,
        };
        store.put_token(&hash, &record).await?;
        let number = PhoneNumber::parse(NOBODY)?;
        Ok(Self {
            clients,
            base,
            store,
            // As the API makes it of the idempotency key.
            key: DispatchKey {
                id: DispatchId::for_idempotency_key(&tenant, &name),
                tenant: tenant.clone(),
            },
            name,
            caller: ContextKey { tenant, caller: number },
            token,
            hash,
            began: now,
        })
    }

    async fn look_around(&self, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
        let latency = self.latency().await;
        let mut steps = vec![
            ("smoke.latency", latency),
            ("smoke.odd", self.odd_requests().await),
            ("smoke.context", self.context().await),
            ("smoke.preview", self.preview().await),
        ];
        let mut findings = Vec::new();
        match &secrets.references {
            Some(references) => {
                let callbacks = Callbacks::new(self.base, references.clone());
                steps.push(("smoke.forged", self.forged(&callbacks).await));
                steps.push(("smoke.webhook", self.webhook(&callbacks).await));
            }
            None => findings.push(Finding::warn(
                "smoke.webhook",
                "not checked: no key is known to sign a URL with",
                "mend secret.reference-keys, see above",
            )),
        }
        let mend = || format!("{}    # the log says why", settings.mends.logs());
        let told = steps.into_iter().map(|(check, step)| match step {
            Ok(seen) => Finding::ok(check, seen),
            Err(wrong) => Finding::fail(check, wrong, mend()),
        });
        findings.splice(0..0, told);
        findings
    }

    /// How long answers take, of functions that were cold and then are not.
    async fn latency(&self) -> Step {
        let ask_context = json!({ "caller": NOBODY });
        let mut told = Vec::new();
        for (function, method, path, body) in [
            ("dispatches", Method::GET, "/v1/dispatches?limit=1", None),
            ("chain-link", Method::GET, "/v1/links?limit=1", None),
            (
                "get-context",
                Method::POST,
                "/voice/api/v1/twilio/get-context",
                Some(&ask_context),
            ),
        ] {
            let mut millis = Vec::with_capacity(REQUESTS);
            for _ in 0..REQUESTS {
                let began = Instant::now();
                let answer = self.ask(&method, path, &[], body).await?;
                millis.push(began.elapsed().as_millis());
                if answer.status.is_server_error() || answer.status == StatusCode::UNAUTHORIZED {
                    return Err(format!("{method} {path} is answered with {}", answer.status.as_u16()));
                }
            }
            let first = millis.remove(0);
            millis.sort_unstable();
            let median = millis.get(millis.len() / 2).copied().unwrap_or_default();
            told.push(format!("{function} {first}, then {median} ms"));
        }
        Ok(told.join("; "))
    }

    /// What a gateway or a library may stumble over is answered as what it is, by the function.
    async fn odd_requests(&self) -> Step {
        let expected = [
            ("/v1/dispatches?limit=1&=&&a=%22%3C%20%23", &[][..], 200),
            ("/v1/dispatches?limit=none", &[], 422),
            ("/v1/contexts/%2B12025550199", &[], 404),
            ("/v1/dispatches/a%20b%23c", &[], 404),
            // By the function, or by a gateway that decodes before it looks for a route.
            ("/v1/dispatches/a%2Fb%2Fc%2Fd", &[], 404),
            (
                "/v1/dispatches?limit=1",
                &[("x-forwarded-proto", "a b"), ("x-forwarded-host", "[")],
                200,
            ),
        ];
        for (path, headers, status) in &expected {
            let answer = self.ask(&Method::GET, path, headers, None).await?;
            if answer.status.as_u16() != *status {
                let got = answer.status.as_u16();
                return Err(format!("GET {path} is answered with {got}, and not with {status}"));
            }
        }
        Ok(format!(
            "{} odd paths, queries and headers are answered as they should be",
            expected.len()
        ))
    }

    /// One agent sets, another one gets, and the caller is forgotten.
    async fn context(&self) -> Step {
        let set = json!({ "caller": NOBODY, "description": "A smoke test", "price": "1.00", "vendor": "smoke" });
        for (method, path, body, pointer, expected) in [
            (Method::POST, "/voice/api/v1/twilio/set-context", Some(&set), "", None),
            (
                Method::POST,
                "/voice/api/v1/twilio/get-context",
                Some(&json!({ "caller": NOBODY })),
                "/vendor",
                Some("smoke"),
            ),
            (Method::DELETE, "/v1/contexts/+12025550199", None, "", None),
        ] {
            let answer = self.ask(&method, path, &[], body).await?;
            let status = answer.status.as_u16();
            if !answer.status.is_success() {
                return Err(format!("{method} {path} is answered with {status}"));
            }
            if answer.body.pointer(pointer).and_then(Value::as_str) != expected {
                return Err(format!("{method} {path} gives something else back than was set"));
            }
        }
        let shown = self.ask(&Method::GET, "/v1/contexts/+12025550199", &[], None).await?;
        if shown.status != StatusCode::NOT_FOUND {
            return Err("a caller that was forgotten is still known".to_owned());
        }
        Ok("set by one agent, got by another, and forgotten".to_owned())
    }

    /// Who would be phoned: the plan of a ticket that is not made.
    async fn preview(&self) -> Step {
        let answer = self
            .ask(&Method::POST, "/v1/dispatches/preview", &[], Some(&self.ticket(None)))
            .await?;
        match answer.status {
            StatusCode::OK => Ok("who would be phoned, and nobody was".to_owned()),
            status => Err(format!("a preview is answered with {}", status.as_u16())),
        }
    }

    /// A provider's webhook is taken when its URL is signed by us, and refused when anything of it is another's.
    async fn forged(&self, callbacks: &Callbacks) -> Step {
        let signed = self.nowhere(callbacks);
        let path = signed.strip_prefix(self.base).unwrap_or_default();
        let other = if path.ends_with('0') { "1" } else { "0" };
        let forged = path.get(..path.len().saturating_sub(1)).unwrap_or_default().to_owned() + other;
        for (path, taken) in [(path, true), (&forged, false), ("/routee/collect/none", false)] {
            let answer = self.ask(&Method::POST, path, &[], Some(&json!({}))).await?;
            if answer.status.is_success() != taken || answer.status.is_server_error() {
                let kind = if taken { "signed" } else { "forged" };
                return Err(format!("a {kind} webhook is answered with {}", answer.status.as_u16()));
            }
        }
        Ok("a signed webhook is taken, forged ones are refused".to_owned())
    }

    /// Where the keys of a call come in that never is: whatever comes there is answered with a dial plan.
    fn nowhere(&self, callbacks: &Callbacks) -> String {
        let nobody = AttemptId {
            ordinal: 1,
            employee: 0,
            nonce: Nonce::new(0),
        };
        let dispatch = DispatchKey {
            id: DispatchId::for_idempotency_key(&self.key.tenant, "elsewhere"),
            tenant: self.key.tenant.clone(),
        };
        callbacks.keys_url(Provider::Routee, &dispatch, nobody, 0)
    }

    /// A ticket comes, is cancelled, and its requester hears of it: through both functions, both queues and the table.
    async fn webhook(&self, callbacks: &Callbacks) -> Step {
        let url = self.nowhere(callbacks);
        let key = [("idempotency-key", self.name.as_str())];
        let made = self
            .ask(&Method::POST, "/v1/dispatches", &key, Some(&self.ticket(Some(&url))))
            .await?;
        if made.status != StatusCode::CREATED {
            return Err(format!("a ticket is answered with {}", made.status.as_u16()));
        }
        let path = format!("/v1/dispatches/{}", self.key.id);
        let cancelled = self.ask(&Method::POST, &format!("{path}/cancel"), &[], None).await?;
        if !cancelled.status.is_success() {
            return Err(format!("a cancellation is answered with {}", cancelled.status.as_u16()));
        }
        let began = self.clients.clock.now();
        let mut stands = String::new();
        while self.clients.clock.now().since(began) < WEBHOOK_LIMIT {
            let told = self.ask(&Method::GET, &format!("{path}/webhooks"), &[], None).await?;
            stands = text(&told.body, "/webhooks/0/status").to_owned();
            if stands == "Delivered" {
                let millis = self.clients.clock.now().since(began).as_millis();
                return Ok(format!(
                    "a ticket was made and cancelled, and its webhook delivered within {millis} ms"
                ));
            }
            self.clients.clock.sleep(LOOK).await;
        }
        Err(format!(
            "the webhook of a cancelled ticket is {stands} after {} s",
            WEBHOOK_LIMIT.as_secs()
        ))
    }

    /// For somebody who is on duty in an hour.
    fn ticket(&self, webhook: Option<&str>) -> Value {
        let at = |seconds| self.began.plus_seconds(seconds).to_string();
        let on_duty = json!([{ "from": at(3_600), "until": at(7_200) }]);
        let mut ticket = json!({
            "ticket": { "reference": "SMOKE", "text": "A smoke test. Nobody is phoned." },
            "employees": [{ "id": "nobody", "name": "Nobody", "phone": NOBODY, "on_duty": on_duty }],
        });
        if let Some(fields) = ticket.as_object_mut().filter(|_| webhook.is_some()) {
            fields.insert(
                "webhook".to_owned(),
                json!({ "url": webhook, "strategy": "OnCompletion" }),
            );
        }
        ticket
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        let answer = Answer::to(self.clients, request.body(body.unwrap_or_default())).await;
        answer.map_err(|error| format!("{method} {path}: {error}"))
    }

    /// Deletes all of it.
    async fn end(&self) -> Finding {
        let check = "smoke.traces";
        let erased = [
            self.store.erase_dispatch(&self.key).await,
            self.store.delete_context(&self.caller, self.clients.clock.now()).await,
            self.store.erase_token(&self.hash).await,
        ];
        match erased.into_iter().find_map(Result::err) {
            None => Finding::ok(check, format!("everything of {} is deleted", self.key.tenant)),
            Some(error) => {
                let what = format!("something of {} is left in the table: {error}", self.key.tenant);
                let mend =
                    "allow dynamodb:Query and DeleteItem on the table to whoever runs this; its token ends by itself";
                Finding::warn(check, what, mend)
            }
        }
    }

    /// What the functions complained of meanwhile, whoever they worked for.
    async fn logs(&self, settings: &Settings) -> Finding {
        let check = "smoke.logs";
        self.clients.clock.sleep(LOG_DELAY).await;
        let mut complaining = Vec::new();
        // Of the one that need not be there nothing was asked.
        for function in always_deployed() {
            let group = format!("/aws/lambda/{}-{function}", settings.stack);
            match self.clients.lookup.complaints(&group, self.began).await {
                Ok(0) => {}
                Ok(count) => complaining.push(format!("{function} {count}")),
                Err(error) => return Finding::not_checked(check, &error),
            }
        }
        if complaining.is_empty() {
            return Finding::ok(check, "CloudWatch has no error, panic or time-out of this time");
        }
        let what = format!("errors, panics or time-outs in this time: {}", complaining.join(", "));
        Finding::warn(check, what, settings.mends.logs())
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or("not known")
}
