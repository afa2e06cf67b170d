//! What SSM is asked, and what is made of its answers; the service is a closure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};

use super::*;
use crate::{partition, patience};

/// Clients that were made.
static SSMS: AtomicUsize = AtomicUsize::new(0);

type Respond = dyn Fn(usize) -> HttpResponse + Send + Sync;

/// Answers the n-th request, from 0, and remembers all of them.
#[derive(Clone)]
struct Service {
    respond: Arc<Respond>,
    asked: Arc<Mutex<Vec<HttpRequest>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut asked = self.asked.lock().expect("no panic");
        let response = (self.respond)(asked.len());
        asked.push(request);
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Service {
    fn new(respond: impl Fn(usize) -> HttpResponse + Send + Sync + 'static) -> Self {
        Self {
            respond: Arc::new(respond),
            asked: Arc::default(),
        }
    }

    fn ssm(&self) -> Ssm {
        let connector = SharedHttpConnector::new(self.clone());
        Ssm::new(Settings {
            region: "eu-central-1".to_owned(),
            endpoint: partition::endpoint("ssm", "eu-central-1", false, false),
            credentials: Credentials::new("AKIDEXAMPLE", "made-up", Some("session".to_owned()), None, "test"),
            http_client: http_client_fn(move |_, _| connector.clone()),
            retries: patience::retries_for_secrets(),
            timeouts: patience::of_secrets(),
            // Each as if it were alone in its process, as a function is.
            quota: format!("SSM {}", SSMS.fetch_add(1, Ordering::Relaxed)),
        })
    }

    fn requests(&self) -> usize {
        self.asked.lock().expect("no panic").len()
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
async fn one_signed_request_asks_for_all_names_and_those_that_exist_come_back() {
    let service = Service::new(|_| found());
    let secrets = read(&service.ssm()).await.expect("an answer");
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets["/key"].expose(), "top secret");

    let asked = service.asked.lock().expect("no panic");
    let [request] = asked.as_slice() else {
        panic!("{} requests", asked.len())
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
async fn throttling_and_outages_are_tried_again_and_a_refusal_is_not() {
    let throttled = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    for (status, body) in [(400, throttled), (500, "{}"), (503, "not JSON")] {
        let service = Service::new(move |nth| if nth == 0 { response(status, body) } else { found() });
        assert!(read(&service.ssm()).await.is_ok(), "{status} {body}");
        assert_eq!(service.requests(), 2, "{status} {body}");
    }
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"for arn:aws:iam::…"}"#;
    let service = Service::new(move |_| response(400, denied));
    let error = read(&service.ssm()).await.expect_err("a refusal").to_string();
    assert!(error.contains("400 AccessDeniedException"), "{error}");
    assert!(!error.contains("arn:"), "{error}");
    assert_eq!(service.requests(), 1);
}

/// What SSM allows an account in a region, by default: 40 `GetParameters` a second (AWS General Reference, quotas of
/// Systems Manager), as a bucket of so many tokens that are made good at that rate.
struct Quota {
    tokens: f64,
    at: tokio::time::Instant,
}

impl Quota {
    const PER_SECOND: f64 = 40.0;

    fn full() -> Self {
        Self {
            tokens: Self::PER_SECOND,
            at: tokio::time::Instant::now(),
        }
    }

    fn takes(&mut self) -> bool {
        let now = tokio::time::Instant::now();
        let made_good = now.duration_since(self.at).as_secs_f64() * Self::PER_SECOND;
        (self.tokens, self.at) = ((self.tokens + made_good).min(Self::PER_SECOND), now);
        let takes = self.tokens >= 1.0;
        if takes {
            self.tokens -= 1.0;
        }
        takes
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_cold_starts_has_its_secrets_as_soon_as_ssms_quota_allows() {
    const COLD_STARTS: usize = 80;
    // The SDK draws its pauses from this generator: one run in some hundreds would be unlucky.
    fastrand::seed(80);
    let quota = Mutex::new(Quota::full());
    let service = Service::new(move |_| {
        if quota.lock().expect("no panic").takes() {
            found()
        } else {
            response(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#)
        }
    });
    let start = tokio::time::Instant::now();
    let mut reading = tokio::task::JoinSet::new();
    for _ in 0..COLD_STARTS {
        // Each function has a client of its own, and shares nothing with the others.
        let ssm = service.ssm();
        reading.spawn(async move { (read(&ssm).await.is_ok(), start.elapsed()) });
    }
    let had = reading.join_all().await;
    let failed = had.iter().filter(|(had, _)| !had).count();
    assert_eq!(failed, 0, "of {COLD_STARTS}");
    let last = had.iter().map(|(_, after)| *after).max().expect("some");
    // The last of 80 is allowed after one second.
    assert!(last < Duration::from_secs(2), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_shows_no_secret() {
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
