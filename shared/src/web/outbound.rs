//! The HTTP client of the deployed functions.
//!
//! One client a sandbox, made for its first request: many invocations make none. Redirects are not followed, the
//! environment's proxies are not used (a proxy would resolve names by itself, past our policy), and nothing is sent
//! twice: whether a request may be repeated is the caller's decision.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;

use super::target::{BadTarget, Targets, is_public};
use crate::http::{Request, Response, SendError, SendHttp, Sending};

/// Longest time that a connection may take to be made: name, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of a response that are read.
pub const MAX_RESPONSE: usize = 256 * 1024;

/// Most bytes of a body of which only the opening is read.
pub const MAX_OPENING: usize = 1024;
/// Longest that such a body is waited for.
const OPENING_TIMEOUT: Duration = Duration::from_millis(500);

/// The client could not be made: its configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made")]
pub enum CannotBuild {
    /// By its own account.
    Client(#[from] reqwest::Error),
    /// For want of TLS.
    Tls(#[from] rustls::Error),
}

/// Sends requests over the network. Clones share the client.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Arc<OnceLock<reqwest::Client>>,
    targets: Targets,
    timeout: Duration,
    reading: Reading,
}

/// How much of an answer is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// All, or the answer is none.
    Whole,
    /// What comes at once: the status says everything.
    Opening,
}

impl Outbound {
    /// A client for `targets` that gives a request up after `timeout`, answer included.
    ///
    /// # Errors
    /// When the TLS configuration is refused.
    pub fn new(targets: Targets, timeout: Duration) -> Result<Self, CannotBuild> {
        let outbound = Self::on_demand(targets, timeout);
        outbound.client()?;
        Ok(outbound)
    }

    /// The same, made when the first request is sent. Should it not be possible then, no request is sent.
    pub fn on_demand(targets: Targets, timeout: Duration) -> Self {
        Self {
            client: Arc::default(),
            targets,
            timeout,
            reading: Reading::Whole,
        }
    }

    /// The same for those who want the status only: of the body up to [`MAX_OPENING`] bytes are read, and however it ends,
    /// there is an answer.
    #[must_use]
    pub fn opening_only(self) -> Self {
        Self {
            reading: Reading::Opening,
            ..self
        }
    }

    fn client(&self) -> Result<&reqwest::Client, CannotBuild> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout)
            // A sandbox is frozen between two invocations, and connections die meanwhile. A request written to a dead
            // one looks like a call that may have been placed; a handshake more is the lesser evil.
            .pool_max_idle_per_host(0);
        let client = builder.dns_resolver(Resolver(self.targets.clone())).build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn exchange(&self, request: Request) -> Result<Response, SendError> {
        let request = reqwest::Request::try_from(request).map_err(|error| SendError::NotSent(told(error)))?;
        self.targets
            .check_url(request.url())
            .map_err(|bad| SendError::Forbidden(bad.to_string()))?;
        let client = self.client().map_err(|error| SendError::NotSent(error.to_string()))?;
        let mut answer = client.execute(request).await.map_err(send_error)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        *response.body_mut() = match self.reading {
            Reading::Whole => whole(&mut answer).await?,
            Reading::Opening => opening(&mut answer).await,
        };
        Ok(response)
    }
}

async fn whole(answer: &mut reqwest::Response) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| SendError::NoAnswer(told(error)))? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(SendError::NoAnswer(format!(
                "the response has more than {MAX_RESPONSE} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn opening(answer: &mut reqwest::Response) -> Bytes {
    let mut body = BytesMut::new();
    let reading = async {
        while body.len() < MAX_OPENING
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    // Whatever has come by then will do.
    let _ = tokio::time::timeout(OPENING_TIMEOUT, reading).await;
    body.truncate(MAX_OPENING);
    body.freeze()
}

/// Trusts whom browsers trust. The roots are compiled in as what is needed of them: reqwest would parse 140 certificates
/// at every cold start.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl SendHttp for Outbound {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Resolves names that are not trusted to public addresses only. The connection is made to what is returned here, so
/// that a name cannot stand for one address when it is checked and for another when it is connected to.
struct Resolver(Targets);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.0.is_trusted(name.as_str());
        Box::pin(async move {
            let mut found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !trusted {
                found = only_public(found)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Those of `addresses` that are public.
fn only_public(mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, BadTarget> {
    addresses.retain(|address| is_public(address.ip()));
    if addresses.is_empty() {
        Err(BadTarget::NotPublic)
    } else {
        Ok(addresses)
    }
}

/// What a failure means to somebody who must not do things twice. Only a failure to connect is sure to have sent
/// nothing; whatever else there is counts as a request that may have arrived.
fn send_error(error: reqwest::Error) -> SendError {
    if let Some(bad) = causes(&error).find_map(|cause| cause.downcast_ref::<BadTarget>()) {
        return SendError::Forbidden(bad.to_string());
    }
    if error.is_connect() || error.is_builder() {
        SendError::NotSent(told(error))
    } else {
        SendError::NoAnswer(told(error))
    }
}

/// The error and its causes in one line, without the URL: that may hold a secret of the requester's.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    causes(&error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads a request, waits for `delay`, writes `answer` and closes; and how often it was visited.
    async fn server(answer: Vec<u8>, delay: Duration) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut read = [0; 4096];
                    let _ = socket.read(&mut read).await;
                    tokio::time::sleep(delay).await;
                    let _ = socket.write_all(&answer).await;
                });
            }
        });
        (port, visits)
    }

    fn answer(head: &str, body: &[u8]) -> Vec<u8> {
        [
            format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(),
            body,
        ]
        .concat()
    }

    fn get(url: &str) -> Request {
        http::Request::get(url).body(Bytes::new()).expect(url)
    }

    fn client(targets: Targets, timeout: Duration) -> Outbound {
        Outbound::new(targets, timeout).expect("a client")
    }

    /// Longer than this machine could be busy with something else.
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn an_answer_comes_back_whole() {
        let (port, _) = server(answer("201 Created\r\nx-seen: yes", b"hello"), Duration::ZERO).await;
        let request = http::Request::post(format!("http://127.0.0.1:{port}/hook"))
            .body(Bytes::from("{}"))
            .expect("valid");
        let response = client(Targets::any(), LONG).send(request).await.expect("an answer");
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-seen"], "yes");
        assert_eq!(response.body(), "hello");
    }

    #[tokio::test]
    async fn a_refused_connection_has_sent_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let error = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/secret")))
            .await;
        let Err(SendError::NotSent(text)) = error else {
            panic!("{error:?}")
        };
        assert!(!text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_has_sent_nothing() {
        for targets in [Targets::any(), Targets::public_only()] {
            let error = client(targets, LONG).send(get("https://nobody.invalid/")).await;
            assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_handshake_that_never_ends_has_sent_nothing() {
        let (port, _) = server(Vec::new(), Duration::from_mins(1)).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("https://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
    }

    #[tokio::test]
    async fn a_server_without_a_certificate_has_been_sent_nothing() {
        let (port, _) = server(answer("200 OK", b""), Duration::ZERO).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("https://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
    }

    #[tokio::test]
    async fn a_slow_server_may_have_been_reached_and_is_given_up_in_time() {
        let (port, visits) = server(answer("200 OK", b""), Duration::from_mins(1)).await;
        let error = client(Targets::any(), Duration::from_secs(2))
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NoAnswer(_))), "{error:?}");
        assert_eq!(visits.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_connection_lost_before_or_within_the_answer_may_have_been_reached() {
        for broken in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
            let (port, visits) = server(broken.to_vec(), Duration::ZERO).await;
            let error = client(Targets::any(), LONG)
                .send(get(&format!("http://127.0.0.1:{port}/")))
                .await;
            assert!(matches!(error, Err(SendError::NoAnswer(_))), "{error:?}");
            assert_eq!(visits.load(Ordering::SeqCst), 1, "nothing is sent twice");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (elsewhere, visits) = server(answer("200 OK", b""), Duration::ZERO).await;
        let head = format!("302 Found\r\nlocation: http://127.0.0.1:{elsewhere}/");
        let (port, _) = server(answer(&head, b""), Duration::ZERO).await;
        let response = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert_eq!(response.expect("an answer").status(), 302);
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_limit() {
        let (port, _) = server(answer("200 OK", &vec![b'x'; MAX_RESPONSE]), Duration::ZERO).await;
        let response = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert_eq!(response.expect("an answer").body().len(), MAX_RESPONSE);
        let (port, _) = server(answer("200 OK", &vec![b'x'; MAX_RESPONSE + 1]), Duration::ZERO).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NoAnswer(_))), "{error:?}");
    }

    #[tokio::test]
    async fn a_name_that_stands_for_loopback_is_never_connected_to() {
        let (port, visits) = server(answer("200 OK", b""), Duration::ZERO).await;
        let public_only = client(Targets::public_only(), LONG);
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let error = public_only.send(get(&format!("https://{host}:{port}/"))).await;
            assert!(matches!(error, Err(SendError::Forbidden(_))), "{host}: {error:?}");
        }
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn of_a_names_addresses_only_the_public_ones_are_tried() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|t| t.parse().expect(t)).collect() };
        let mixed = addresses(&["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1]:0"]);
        assert_eq!(only_public(mixed), Ok(addresses(&["8.8.8.8:0", "[2606:4700::1]:0"])));
        assert_eq!(
            only_public(addresses(&["169.254.169.254:0"])),
            Err(BadTarget::NotPublic)
        );
    }
}
