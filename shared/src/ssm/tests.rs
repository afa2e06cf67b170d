//! Requests to SSM and handling of its responses. The service is a closure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};

use super::*;
use crate::{partition, timeouts};

/// Number of clients created.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

type Respond = dyn Fn(usize) -> HttpResponse + Send + Sync;

/// Answers each request by its index, counted from 0, and records all requests.
#[derive(Clone)]
struct Service {
    respond: Arc<Respond>,
    requests: Arc<Mutex<Vec<HttpRequest>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut requests = self.requests.lock().expect("no panic");
        let response = (self.respond)(requests.len());
        requests.push(request);
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Service {
    fn new(respond: impl Fn(usize) -> HttpResponse + Send + Sync + 'static) -> Self {
        Self {
            respond: Arc::new(respond),
            requests: Arc::default(),
        }
    }

    fn ssm(&self) -> Ssm {
        let connector = SharedHttpConnector::new(self.clone());
        Ssm::new(Settings {
            region: "eu-central-1".to_owned(),
            endpoint: partition::endpoint("ssm", "eu-central-1", false, false),
            credentials: Credentials::new("AKIDEXAMPLE", "made-up", Some("session".to_owned()), None, "test"),
            http_client: http_client_fn(move |_, _| connector.clone()),
            retries: timeouts::secrets_retries(),
            timeouts: timeouts::secrets(),
            // Each client has its own retry budget, as each function has.
            retry_partition: format!("SSM {}", CLIENTS.fetch_add(1, Ordering::Relaxed)),
        })
    }

    fn request_count(&self) -> usize {
        self.requests.lock().expect("no panic").len()
    }
}

fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body))
}

fn found() -> HttpResponse {
    response(
        200,
        r#"{"InvalidParameters":["/gone"],"Parameters":[{"Name":"/key","Value":"top secret","Version":3}]}"#,
    )
}

async fn read(ssm: &Ssm) -> Result<HashMap<String, Secret>, ParameterError> {
    ssm.read(vec!["/key".to_owned(), "/gone".to_owned()]).await
}

#[tokio::test(start_paused = true)]
async fn one_signed_request_reads_all_names_and_returns_those_that_exist() {
    let service = Service::new(|_| found());
    let secrets = read(&service.ssm()).await.expect("a response");
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets["/key"].expose(), "top secret");

    let requests = service.requests.lock().expect("no panic");
    let [request] = requests.as_slice() else {
        panic!("{} requests", requests.len())
    };
    let header = |name| request.headers().get(name).unwrap_or_default();
    assert_eq!(
        (request.method(), request.uri()),
        ("POST", "https://ssm.eu-central-1.amazonaws.com/")
    );
    assert_eq!(header("x-amz-target"), "AmazonSSM.GetParameters");
    assert_eq!(header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(header("x-amz-security-token"), "session");
    let authorization = header("authorization");
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/eu-central-1/ssm/aws4_request"),
        "{authorization}"
    );
    for signed in [
        "content-type",
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
    ] {
        assert!(
            authorization.contains(signed),
            "{signed} is not signed: {authorization}"
        );
    }
    let body: serde_json::Value = serde_json::from_slice(request.body().bytes().expect("in memory")).expect("JSON");
    assert_eq!(body, json!({ "Names": ["/key", "/gone"], "WithDecryption": true }));
}

#[tokio::test(start_paused = true)]
async fn throttling_and_outages_are_retried_and_a_refusal_is_not() {
    let throttled = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    for (status, body) in [(400, throttled), (500, "{}"), (503, "not JSON")] {
        let service = Service::new(move |index| if index == 0 { response(status, body) } else { found() });
        assert!(read(&service.ssm()).await.is_ok(), "{status} {body}");
        assert_eq!(service.request_count(), 2, "{status} {body}");
    }
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"for arn:aws:iam::…"}"#;
    let service = Service::new(move |_| response(400, denied));
    let error = read(&service.ssm()).await.expect_err("a refusal").to_string();
    assert!(error.contains("400 AccessDeniedException"), "{error}");
    assert!(!error.contains("arn:"), "{error}");
    assert_eq!(service.request_count(), 1);
}

/// SSM's default quota for an account and region: 40 `GetParameters` a second (AWS General Reference, Systems Manager
/// quotas), modeled as a token bucket of that capacity and refill rate.
struct Quota {
    tokens: f64,
    refilled_at: tokio::time::Instant,
}

impl Quota {
    const PER_SECOND: f64 = 40.0;

    fn full() -> Self {
        Self {
            tokens: Self::PER_SECOND,
            refilled_at: tokio::time::Instant::now(),
        }
    }

    fn admit(&mut self) -> bool {
        let now = tokio::time::Instant::now();
        let refill = now.duration_since(self.refilled_at).as_secs_f64() * Self::PER_SECOND;
        (self.tokens, self.refilled_at) = ((self.tokens + refill).min(Self::PER_SECOND), now);
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_cold_starts_reads_its_secrets_within_the_ssm_quota() {
    const COLD_STARTS: usize = 80;
    // The SDK takes its jitter from this generator. Without a seed, one run in some hundreds would fail.
    fastrand::seed(80);
    let quota = Mutex::new(Quota::full());
    let service = Service::new(move |_| {
        if quota.lock().expect("no panic").admit() {
            found()
        } else {
            response(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#)
        }
    });
    let start = tokio::time::Instant::now();
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..COLD_STARTS {
        // Each function has its own client and shares nothing with the others.
        let ssm = service.ssm();
        reading.spawn(async move { (read(&ssm).await.is_ok(), start.elapsed()) });
    }
    let results = reading.join_all().await;
    let failed = results.iter().filter(|(succeeded, _)| !succeeded).count();
    assert_eq!(failed, 0, "of {COLD_STARTS}");
    let last = results.iter().map(|(_, elapsed)| *elapsed).max().expect("some");
    // The quota admits the last of 80 after one second.
    assert!(last < Duration::from_secs(2), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_response_leaks_no_secret() {
    for body in [
        "top secret",
        r#"{"Parameters":[{"Name":"/key","Value":["top secret"]}]}"#,
        "",
    ] {
        let service = Service::new(move |_| response(200, body));
        let error = read(&service.ssm()).await.expect_err(body).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
