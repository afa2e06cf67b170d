//! Secrets that change or become unavailable while a function runs.
//!
//! Every test installs a log subscriber: `tracing` caches whether a log line has a subscriber, so a test without one
//! could silence the line for the others.

use std::io;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::config::reference_signer;
use crate::config::variables::{REFERENCE_KEYS_PARAM, ROUTEE_CREDENTIALS_PARAM};
use crate::http::{HttpClient, Request, ResponseFuture, SendHttp};
use crate::parameters::testing::Source;
use crate::providers::routee::{Credentials, Endpoints, Routee};
use crate::web::reference::{Purpose, ReferenceSigner};

const OLD: &str = "old-old-old-old-old-old-old-old-old";
const NEW: &str = "new-new-new-new-new-new-new-new-new";
const KEYS: &str = "/patchbay/reference-keys";
const CREDENTIALS: &str = "/patchbay/routee-credentials";
const START: Timestamp = Timestamp::from_millis(1_795_402_800_000);

/// Captures the log.
#[derive(Clone, Default)]
struct Lines(Arc<StdMutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn listen() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
        (lines, tracing::subscriber::set_default(subscriber.finish()))
    }

    /// The lines that were logged since the last call.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(!text.contains(OLD) && !text.contains(NEW), "a secret in {text}");
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn only(&self, parts: &[&str]) {
        let lines = self.take();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        for part in parts {
            assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
        }
    }
}

/// A function whose only dependency is the callback references.
struct Function {
    source: Source,
    keyring: Keyring<ReferenceSigner, 1>,
    lines: Lines,
    _guard: DefaultGuard,
}

impl Function {
    fn new(keys: &str) -> Self {
        let (lines, guard) = Lines::listen();
        let source = Source::default();
        source.put(KEYS, keys);
        let keyring = Keyring::new(
            Arc::new(source.clone()),
            Clock::starting_at(START, 1.0),
            [(REFERENCE_KEYS_PARAM, KEYS.to_owned())],
            |[keys]| reference_signer(REFERENCE_KEYS_PARAM, keys),
        );
        Self {
            source,
            keyring,
            lines,
            _guard: guard,
        }
    }

    async fn references(&self) -> ReferenceSigner {
        let current = self.keyring.current().await;
        current.expect("secrets").as_ref().clone()
    }

    /// The key that it signs with, and the keys that it accepts.
    async fn keys_in_use(&self) -> (&'static str, Vec<&'static str>) {
        let used = self.references().await;
        let signs = [OLD, NEW]
            .into_iter()
            .find(|key| accepts(&only(key), &sign(&used)))
            .expect("a key");
        let accepted = [OLD, NEW].into_iter().filter(|key| accepts(&used, &sign(&only(key))));
        (signs, accepted.collect())
    }

    fn requests(&self) -> usize {
        self.source.requests().len()
    }
}

fn only(key: &str) -> ReferenceSigner {
    ReferenceSigner::new(Secret::new(key), None)
}

fn sign(references: &ReferenceSigner) -> String {
    references.sign(Purpose::Transfer, "acme", "")
}

fn accepts(references: &ReferenceSigner, signed: &str) -> bool {
    references.check(Purpose::Transfer, signed, "").is_ok()
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_signs_with_the_first_key_and_accepts_both_without_a_restart() {
    let function = Function::new(OLD);
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    assert_eq!(function.lines.take(), Vec::<String>::new());
    for (value, expected) in [
        (format!("{OLD},{NEW}"), (OLD, vec![OLD, NEW])),
        (format!("{NEW},{OLD}"), (NEW, vec![OLD, NEW])),
        (NEW.to_owned(), (NEW, vec![NEW])),
    ] {
        let before = function.keys_in_use().await;
        function.source.put(KEYS, &value);
        pass(299).await;
        assert_eq!(function.keys_in_use().await, before);
        pass(1).await;
        assert_eq!(function.keys_in_use().await, expected);
        function.lines.only(&[
            "\"INFO\"",
            "secrets have changed: now using the new ones",
            "\"parameters\":\"/patchbay/reference-keys\"",
        ]);
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_on_first_use_and_then_every_five_minutes() {
    let function = Function::new(OLD);
    assert_eq!(function.requests(), 0);
    let first = function.keyring.current().await.expect("secrets");
    for _ in 0..10 {
        function.keys_in_use().await;
        pass(29).await;
    }
    assert_eq!(function.source.requests(), [[KEYS]]);
    pass(10).await;
    let later = function.keyring.current().await.expect("secrets");
    assert_eq!(function.requests(), 2);
    // Nothing has changed, so nothing is rebuilt.
    assert!(Arc::ptr_eq(&first, &later));
    function.keys_in_use().await;
    assert_eq!(function.requests(), 2);
    assert_eq!(function.lines.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn during_an_ssm_outage_the_old_keys_stay_and_reads_are_retried_every_30_seconds() {
    let function = Function::new(OLD);
    function.keys_in_use().await;
    function.source.put(KEYS, NEW);
    function.source.fail("throttled");
    pass(300).await;
    for round in 1..=3 {
        for _ in 0..3 {
            assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
            pass(9).await;
        }
        assert_eq!(function.requests(), 1 + round);
        function.lines.only(&[
            "\"ERROR\"",
            "stay in use",
            "the SSM parameter /patchbay/reference-keys (named by PATCHBAY_REFERENCE_KEYS_PARAM) cannot be read: throttled",
        ]);
        pass(3).await;
    }
    function.source.recover();
    assert_eq!(function.keys_in_use().await, (NEW, vec![NEW]));
}

#[tokio::test(start_paused = true)]
async fn an_invocation_does_not_wait_for_a_slow_renewal() {
    let function = Function::new(OLD);
    function.source.delay(Duration::from_secs(2));
    // Without any keys it has to wait.
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    function.source.put(KEYS, NEW);
    pass(300).await;
    let began = tokio::time::Instant::now();
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    assert_eq!(began.elapsed(), RENEWAL_LIMIT);
    function.lines.only(&["\"ERROR\"", "time-out"]);
    function.keys_in_use().await;
    assert_eq!(began.elapsed(), RENEWAL_LIMIT);
    function.source.delay(Duration::from_millis(50));
    pass(30).await;
    assert_eq!(function.keys_in_use().await, (NEW, vec![NEW]));
}

#[tokio::test(start_paused = true)]
async fn malformed_or_deleted_keys_leave_the_old_ones_in_use() {
    let function = Function::new(OLD);
    function.keys_in_use().await;
    pass(300).await;
    for value in ["too short", &format!("{NEW},"), &format!("{NEW},{OLD},{NEW}")] {
        function.source.put(KEYS, value);
        assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]), "{value}");
        function.lines.only(&[
            "\"ERROR\"",
            "stay in use",
            "PATCHBAY_REFERENCE_KEYS_PARAM must name a parameter with one",
            "\"parameters\":\"/patchbay/reference-keys\"",
        ]);
        pass(30).await;
    }
    function.source.delete(KEYS);
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    function.lines.only(&["\"ERROR\"", "the parameter does not exist"]);
    function.source.put(KEYS, NEW);
    pass(29).await;
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    pass(1).await;
    assert_eq!(function.keys_in_use().await, (NEW, vec![NEW]));
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_every_invocation_logs_an_error_and_tries_again() {
    let function = Function::new(OLD);
    function.source.fail("AccessDeniedException");
    for requests in 1..=2 {
        let error = function.keyring.current().await.expect_err("no secrets").to_string();
        let expected = "the SSM parameter /patchbay/reference-keys (named by PATCHBAY_REFERENCE_KEYS_PARAM) cannot be \
                        read: AccessDeniedException";
        assert_eq!(error, expected);
        function
            .lines
            .only(&["\"ERROR\"", "the function cannot work", expected]);
        assert_eq!(function.requests(), requests);
    }
    function.source.recover();
    function.source.delete(KEYS);
    for expected in [
        "the parameter does not exist",
        "must name a parameter with one or two keys of at least 32 characters",
    ] {
        let error = function.keyring.current().await.expect_err("no secrets").to_string();
        assert!(error.contains(expected), "{error}");
        function
            .lines
            .only(&["\"ERROR\"", expected, "\"parameters\":\"/patchbay/reference-keys\""]);
        function.source.put(KEYS, "too short");
    }
    function.source.put(KEYS, OLD);
    assert_eq!(function.keys_in_use().await, (OLD, vec![OLD]));
    // Five minutes count from the successful read, not from the first attempt.
    pass(299).await;
    function.keys_in_use().await;
    assert_eq!(function.requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn concurrent_invocations_share_one_request() {
    let function = Function::new(OLD);
    function.source.delay(Duration::from_millis(100));
    tokio::join!(function.keys_in_use(), function.keys_in_use());
    pass(300).await;
    tokio::join!(function.keys_in_use(), function.keys_in_use());
    assert_eq!(function.requests(), 2);
}

/// A provider that issues tokens and records the credentials of each request.
#[derive(Clone, Default)]
struct Provider(Arc<StdMutex<Vec<String>>>);

impl SendHttp for Provider {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let by = request.headers()[AUTHORIZATION].to_str().expect("text").to_owned();
        self.0.lock().expect("no panic").push(by);
        Box::pin(async {
            Ok(http::Response::new(Bytes::from(
                r#"{"access_token":"t-1","expires_in":86400}"#,
            )))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn all_secrets_are_read_with_one_request_and_new_credentials_discard_the_cached_token() {
    let (lines, _guard) = Lines::listen();
    let (source, provider, clock) = (Source::default(), Provider::default(), Clock::starting_at(START, 1.0));
    let http = HttpClient::new(provider.clone());
    source.put(CREDENTIALS, "app:old");
    source.put(KEYS, OLD);
    let parameters = [(ROUTEE_CREDENTIALS_PARAM, CREDENTIALS), (REFERENCE_KEYS_PARAM, KEYS)];
    let keyring = Keyring::new(
        Arc::new(source.clone()),
        clock.clone(),
        parameters.map(|(variable, name)| (variable, name.to_owned())),
        move |[credentials, keys]| {
            let credentials = Credentials::parse(ROUTEE_CREDENTIALS_PARAM, credentials)?;
            let routee = Routee::new(http.clone(), clock.clone(), credentials, Endpoints::default());
            Ok((routee, reference_signer(REFERENCE_KEYS_PARAM, keys)?))
        },
    );
    for _ in 0..3 {
        let (routee, _) = &*keyring.current().await.expect("secrets");
        routee.authenticate().await.expect("a token");
        pass(300).await;
    }
    source.put(CREDENTIALS, "app:new");
    let (routee, _) = &*keyring.current().await.expect("secrets");
    routee.authenticate().await.expect("a token");
    // base64 of app:old and app:new
    assert_eq!(
        *provider.0.lock().expect("no panic"),
        ["Basic YXBwOm9sZA==", "Basic YXBwOm5ldw=="]
    );
    assert_eq!(source.requests(), [[CREDENTIALS, KEYS]; 4]);
    lines.only(&[
        "secrets have changed: now using the new ones",
        "\"parameters\":\"/patchbay/routee-credentials\"",
    ]);
    // If one of them is malformed, none takes effect.
    source.put(CREDENTIALS, "app:newer");
    source.put(KEYS, "too short");
    pass(300).await;
    let (routee, references) = &*keyring.current().await.expect("secrets");
    routee.authenticate().await.expect("a token");
    assert_eq!(provider.0.lock().expect("no panic").len(), 2);
    assert!(accepts(references, &sign(&only(OLD))));
}

#[tokio::test(start_paused = true)]
async fn an_unconfigured_parameter_is_empty_and_never_requested() {
    let _lines = Lines::listen();
    let source = Source::default();
    source.put(KEYS, OLD);
    let with = |names: [&'static str; 2]| {
        let parameters = names.map(|name| (REFERENCE_KEYS_PARAM, name.to_owned()));
        Keyring::new(Arc::new(source.clone()), Clock::system(), parameters, |secrets| {
            Ok(secrets.clone())
        })
    };
    let deps = with(["", KEYS]).current().await.expect("one of two");
    assert_eq!(*deps, [Secret::new(""), Secret::new(OLD)]);
    assert_eq!(source.requests(), [[KEYS]]);
    source.fail("down");
    let deps = with(["", ""]).current().await.expect("nothing to read");
    assert_eq!(*deps, [Secret::new(""), Secret::new("")]);
    assert_eq!(source.requests().len(), 1);
    assert!(
        with(["", KEYS]).current().await.is_err(),
        "a configured parameter is required"
    );
}
