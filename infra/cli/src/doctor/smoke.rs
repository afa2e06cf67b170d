//! `doctor --smoke`: an end-to-end test of a deployment that phones nobody.
//!
//! It uses a new tenant of its own, a token that it writes into the table directly, and a fictional number. It creates
//! one ticket for an employee whose duty starts in an hour, and cancels it at once: no call is placed. The webhook of
//! that ticket goes to the deployment itself, to the collect route of a call that does not exist. Whatever the result,
//! everything is deleted at the end.

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
use patchbay::web::callbacks::CallbackUrls;
use serde_json::{Value, json};

use super::api::ApiResponse;
use super::finding::Finding;
use super::functions::{Settings, always_deployed};
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;

/// A fictional number.
const UNUSED_NUMBER: &str = "+12025550199";
/// Lifetime of the token in seconds, in case it is not deleted.
const TOKEN_SECONDS: u32 = 600;
/// Requests to each function whose latency is measured. After a deployment the first one measures a cold start.
const REQUESTS: usize = 5;
/// Maximum time for the end-to-end delivery of the webhook.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two polls of the webhook's status.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Usual delay of a log line on its way to `CloudWatch`.
const LOG_DELAY: Duration = Duration::from_secs(5);

/// Runs all steps, unless the URL or the table is unknown.
pub(super) async fn check(
    clients: &Clients,
    public_url: Option<&str>,
    settings: &Settings,
    secrets: &Secrets,
) -> Vec<Finding> {
    let check = "smoke";
    let Some(base) = public_url.or(settings.public_url.as_deref()) else {
        return vec![unknown(check, "the public URL", settings)];
    };
    let Some(table) = &settings.table else {
        return vec![unknown(check, "the table", settings)];
    };
    let test = match SmokeTest::start(clients, base.trim_end_matches('/'), clients.store(table)).await {
        Ok(test) => test,
        Err(error) => {
            let fix =
                "allow dynamodb:PutItem, Query and DeleteItem on the table to the identity that runs this command";
            return vec![Finding::fail(check, format!("cannot create a token: {error}"), fix)];
        }
    };
    let mut findings = test.run(settings, secrets).await;
    findings.push(test.clean_up().await);
    findings.push(test.logs(settings).await);
    findings
}

/// One run of the smoke test, with the data that it creates.
struct SmokeTest<'a> {
    clients: &'a Clients,
    base: &'a str,
    store: Store,
    key: DispatchKey,
    /// Idempotency key of the ticket; also the tenant's name.
    name: String,
    caller: ContextKey,
    token: Secret,
    hash: String,
    started_at: Timestamp,
}

/// The result of a step: what was found, or what is wrong.
type StepResult = Result<String, String>;

impl<'a> SmokeTest<'a> {
    async fn start(clients: &'a Clients, base: &'a str, store: Store) -> anyhow::Result<Self> {
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
        let number = PhoneNumber::parse(UNUSED_NUMBER)?;
        Ok(Self {
            clients,
            base,
            store,
            // The id that the API derives from the idempotency key.
            key: DispatchKey {
                id: DispatchId::for_idempotency_key(&tenant, &name),
                tenant: tenant.clone(),
            },
            name,
            caller: ContextKey { tenant, caller: number },
            token,
            hash,
            started_at: now,
        })
    }

    async fn run(&self, settings: &Settings, secrets: &Secrets) -> Vec<Finding> {
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
                let callbacks = CallbackUrls::new(self.base, references.clone());
                steps.push(("smoke.forged", self.forged(&callbacks).await));
                steps.push(("smoke.webhook", self.webhook(&callbacks).await));
            }
            None => findings.push(Finding::warn(
                "smoke.webhook",
                "not checked: no reference key to sign a URL with",
                "fix secret.reference-keys, see above",
            )),
        }
        let fix = || format!("{}    # the cause is in the log", settings.fixes.logs());
        let step_findings = steps.into_iter().map(|(check, step)| match step {
            Ok(message) => Finding::ok(check, message),
            Err(problem) => Finding::fail(check, problem, fix()),
        });
        findings.splice(0..0, step_findings);
        findings
    }

    /// Response times of three functions: of the first request, and the median of the others.
    async fn latency(&self) -> StepResult {
        let get_context = json!({ "caller": UNUSED_NUMBER });
        let mut latencies = Vec::new();
        for (function, method, path, body) in [
            ("dispatches", Method::GET, "/v1/dispatches?limit=1", None),
            ("chain-link", Method::GET, "/v1/links?limit=1", None),
            (
                "get-context",
                Method::POST,
                "/voice/api/v1/twilio/get-context",
                Some(&get_context),
            ),
        ] {
            let mut millis = Vec::with_capacity(REQUESTS);
            for _ in 0..REQUESTS {
                let started_at = Instant::now();
                let response = self.send(&method, path, &[], body).await?;
                millis.push(started_at.elapsed().as_millis());
                if response.status.is_server_error() || response.status == StatusCode::UNAUTHORIZED {
                    return Err(format!("{method} {path} returned {}", response.status.as_u16()));
                }
            }
            let first = millis.remove(0);
            millis.sort_unstable();
            let median = millis.get(millis.len() / 2).copied().unwrap_or_default();
            latencies.push(format!("{function} {first}, then {median} ms"));
        }
        Ok(latencies.join("; "))
    }

    /// Unusual paths, queries and headers, which a gateway or a library may mishandle, get the function's own response.
    async fn odd_requests(&self) -> StepResult {
        let expected = [
            ("/v1/dispatches?limit=1&=&&a=%22%3C%20%23", &[][..], 200),
            ("/v1/dispatches?limit=none", &[], 422),
            ("/v1/contexts/%2B12025550199", &[], 404),
            ("/v1/dispatches/a%20b%23c", &[], 404),
            // From the function, or from a gateway that decodes the path before routing.
            ("/v1/dispatches/a%2Fb%2Fc%2Fd", &[], 404),
            (
                "/v1/dispatches?limit=1",
                &[("x-forwarded-proto", "a b"), ("x-forwarded-host", "[")],
                200,
            ),
        ];
        for (path, headers, status) in &expected {
            let response = self.send(&Method::GET, path, headers, None).await?;
            if response.status.as_u16() != *status {
                let got = response.status.as_u16();
                return Err(format!("GET {path} returned {got}, expected {status}"));
            }
        }
        Ok(format!(
            "{} unusual paths, queries and headers are handled correctly",
            expected.len()
        ))
    }

    /// Sets a context, reads it back and deletes it.
    async fn context(&self) -> StepResult {
        let set = json!({ "caller": UNUSED_NUMBER, "description": "A smoke test", "price": "1.00", "vendor": "smoke" });
        for (method, path, body, pointer, expected) in [
            (Method::POST, "/voice/api/v1/twilio/set-context", Some(&set), "", None),
            (
                Method::POST,
                "/voice/api/v1/twilio/get-context",
                Some(&json!({ "caller": UNUSED_NUMBER })),
                "/vendor",
                Some("smoke"),
            ),
            (Method::DELETE, "/v1/contexts/+12025550199", None, "", None),
        ] {
            let response = self.send(&method, path, &[], body).await?;
            let status = response.status.as_u16();
            if !response.status.is_success() {
                return Err(format!("{method} {path} returned {status}"));
            }
            if response.body.pointer(pointer).and_then(Value::as_str) != expected {
                return Err(format!("{method} {path} does not return the value that was set"));
            }
        }
        let shown = self.send(&Method::GET, "/v1/contexts/+12025550199", &[], None).await?;
        if shown.status != StatusCode::NOT_FOUND {
            return Err("a deleted context is still returned".to_owned());
        }
        Ok("a context was set, read back and deleted".to_owned())
    }

    /// Previews a ticket, which creates nothing.
    async fn preview(&self) -> StepResult {
        let response = self
            .send(&Method::POST, "/v1/dispatches/preview", &[], Some(&self.ticket(None)))
            .await?;
        match response.status {
            StatusCode::OK => Ok("a preview shows who would be phoned; nobody was".to_owned()),
            status => Err(format!("the preview returned {}", status.as_u16())),
        }
    }

    /// A provider's webhook is accepted if we signed its URL, and rejected if any of it was changed.
    async fn forged(&self, callbacks: &CallbackUrls) -> StepResult {
        let signed = self.keys_url(callbacks);
        let path = signed.strip_prefix(self.base).unwrap_or_default();
        let other = if path.ends_with('0') { "1" } else { "0" };
        let forged = path.get(..path.len().saturating_sub(1)).unwrap_or_default().to_owned() + other;
        for (path, expected) in [(path, true), (&forged, false), ("/routee/collect/none", false)] {
            let response = self.send(&Method::POST, path, &[], Some(&json!({}))).await?;
            if response.status.is_success() != expected || response.status.is_server_error() {
                let kind = if expected { "signed" } else { "forged" };
                return Err(format!("a {kind} webhook returned {}", response.status.as_u16()));
            }
        }
        Ok("a signed webhook is accepted, forged ones are rejected".to_owned())
    }

    /// The collect URL of a call that does not exist: the response to any body is a dial plan.
    fn keys_url(&self, callbacks: &CallbackUrls) -> String {
        let attempt = AttemptId {
            ordinal: 1,
            employee: 0,
            nonce: Nonce::new(0),
        };
        let dispatch = DispatchKey {
            id: DispatchId::for_idempotency_key(&self.key.tenant, "elsewhere"),
            tenant: self.key.tenant.clone(),
        };
        callbacks.keys_url(Provider::Routee, &dispatch, attempt, 0)
    }

    /// Creates and cancels a ticket and waits for its webhook: this exercises both functions, both queues and the
    /// table.
    async fn webhook(&self, callbacks: &CallbackUrls) -> StepResult {
        let url = self.keys_url(callbacks);
        let key = [("idempotency-key", self.name.as_str())];
        let created = self
            .send(&Method::POST, "/v1/dispatches", &key, Some(&self.ticket(Some(&url))))
            .await?;
        if created.status != StatusCode::CREATED {
            return Err(format!("creating a ticket returned {}", created.status.as_u16()));
        }
        let path = format!("/v1/dispatches/{}", self.key.id);
        let cancelled = self.send(&Method::POST, &format!("{path}/cancel"), &[], None).await?;
        if !cancelled.status.is_success() {
            return Err(format!(
                "the request to cancel the ticket returned {}",
                cancelled.status.as_u16()
            ));
        }
        let started_at = self.clients.clock.now();
        let mut status = String::new();
        while self.clients.clock.now().since(started_at) < WEBHOOK_LIMIT {
            let webhooks = self.send(&Method::GET, &format!("{path}/webhooks"), &[], None).await?;
            status = text(&webhooks.body, "/webhooks/0/status").to_owned();
            if status == "Delivered" {
                let millis = self.clients.clock.now().since(started_at).as_millis();
                return Ok(format!(
                    "a ticket was created and cancelled, its webhook was delivered within {millis} ms"
                ));
            }
            self.clients.clock.sleep(POLL_INTERVAL).await;
        }
        Err(format!(
            "the webhook of a cancelled ticket is {status} after {} s",
            WEBHOOK_LIMIT.as_secs()
        ))
    }

    /// A ticket for an employee whose duty starts in an hour.
    fn ticket(&self, webhook: Option<&str>) -> Value {
        let at = |seconds| self.started_at.plus_seconds(seconds).to_string();
        let on_duty = json!([{ "from": at(3_600), "until": at(7_200) }]);
        let mut ticket = json!({
            "ticket": { "reference": "SMOKE", "text": "A smoke test. Nobody is phoned." },
            "employees": [{ "id": "nobody", "name": "Nobody", "phone": UNUSED_NUMBER, "on_duty": on_duty }],
        });
        if let Some(fields) = ticket.as_object_mut().filter(|_| webhook.is_some()) {
            fields.insert(
                "webhook".to_owned(),
                json!({ "url": webhook, "strategy": "OnCompletion" }),
            );
        }
        ticket
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<ApiResponse, String> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        let response = ApiResponse::fetch(self.clients, request.body(body.unwrap_or_default())).await;
        response.map_err(|error| format!("{method} {path}: {error}"))
    }

    /// Deletes everything that the test created.
    async fn clean_up(&self) -> Finding {
        let check = "smoke.traces";
        let deletions = [
            self.store.erase_dispatch(&self.key).await,
            self.store.delete_context(&self.caller, self.clients.clock.now()).await,
            self.store.erase_token(&self.hash).await,
        ];
        match deletions.into_iter().find_map(Result::err) {
            None => Finding::ok(check, format!("all data of {} is deleted", self.key.tenant)),
            Some(error) => {
                let message = format!("some data of {} is left in the table: {error}", self.key.tenant);
                let fix = "allow dynamodb:Query and DeleteItem on the table to the identity that runs this command; the \
                           token expires after 10 min";
                Finding::warn(check, message, fix)
            }
        }
    }

    /// Counts the errors that the functions logged during the test, for any tenant.
    async fn logs(&self, settings: &Settings) -> Finding {
        let check = "smoke.logs";
        self.clients.clock.sleep(LOG_DELAY).await;
        let mut errors = Vec::new();
        // The optional function got no request.
        for function in always_deployed() {
            let group = format!("/aws/lambda/{}-{function}", settings.stack);
            match self.clients.lookup.count_errors(&group, self.started_at).await {
                Ok(0) => {}
                Ok(count) => errors.push(format!("{function} {count}")),
                Err(error) => return Finding::not_checked(check, &error),
            }
        }
        if errors.is_empty() {
            return Finding::ok(check, "no errors, panics or time-outs in CloudWatch during the test");
        }
        let message = format!("errors, panics or time-outs during the test: {}", errors.join(", "));
        Finding::warn(check, message, settings.fixes.logs())
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or("unknown")
}
