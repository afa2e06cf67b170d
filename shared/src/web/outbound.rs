//! The HTTP client of the deployed functions.
//!
//! Each sandbox builds one client, at its first request, because many invocations send none. The client does not follow
//! redirects. It ignores proxies of the environment: a proxy would resolve names itself and bypass our policy. It never
//! retries: whether a request may be repeated is the caller's decision.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;

use super::target::{TargetError, Targets, is_public};
use crate::http::{Request, Response, ResponseFuture, SendError, SendHttp};

/// Time-out for a connection: name resolution, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest response body, in bytes.
pub const MAX_RESPONSE: usize = 256 * 1024;

/// Most bytes of the body that are read with [`Outbound::prefix_only`].
pub const MAX_PREFIX: usize = 1024;
/// How long we wait for the body with [`Outbound::prefix_only`].
const PREFIX_TIMEOUT: Duration = Duration::from_millis(500);

/// The client could not be built because its configuration is invalid.
#[derive(Debug, thiserror::Error)]
#[error("could not build the HTTP client")]
pub enum ClientBuildError {
    /// The HTTP client rejected its configuration.
    Client(#[from] reqwest::Error),
    /// The TLS configuration was rejected.
    Tls(#[from] rustls::Error),
}

/// Sends requests over the network. Clones share the client.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Arc<OnceLock<reqwest::Client>>,
    targets: Targets,
    timeout: Duration,
    body_reading: BodyReading,
}

/// How much of a response body is read.
#[derive(Clone, Copy, Debug)]
enum BodyReading {
    /// The full body; a body that is too large or incomplete is an error.
    Full,
    /// What arrives at once; only the status matters.
    Prefix,
}

impl Outbound {
    /// Builds a client for `targets`. `timeout` limits a whole request including its response.
    ///
    /// # Errors
    /// The TLS configuration was rejected.
    pub fn new(targets: Targets, timeout: Duration) -> Result<Self, ClientBuildError> {
        let outbound = Self::lazy(targets, timeout);
        outbound.client()?;
        Ok(outbound)
    }

    /// As [`Outbound::new`], but builds the client at the first request. If that fails, requests fail with
    /// [`SendError::NotSent`].
    pub fn lazy(targets: Targets, timeout: Duration) -> Self {
        Self {
            client: Arc::default(),
            targets,
            timeout,
            body_reading: BodyReading::Full,
        }
    }

    /// Changes the client for callers that need only the status: it reads at most [`MAX_PREFIX`] bytes of a body, and
    /// returns a response even if the body is incomplete.
    #[must_use]
    pub fn prefix_only(self) -> Self {
        Self {
            body_reading: BodyReading::Prefix,
            ..self
        }
    }

    fn client(&self) -> Result<&reqwest::Client, ClientBuildError> {
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
            // A sandbox is frozen between two invocations, and idle connections die in the meantime. A request on a
            // dead connection looks like a call that may have been placed. An extra handshake is the lesser evil.
            .pool_max_idle_per_host(0);
        let client = builder.dns_resolver(Resolver(self.targets.clone())).build()?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn exchange(&self, request: Request) -> Result<Response, SendError> {
        let request = reqwest::Request::try_from(request).map_err(|error| SendError::NotSent(describe(error)))?;
        self.targets
            .check_url(request.url())
            .map_err(|error| SendError::Forbidden(error.to_string()))?;
        let client = self.client().map_err(|error| SendError::NotSent(error.to_string()))?;
        let mut received = client.execute(request).await.map_err(send_error)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = received.status();
        *response.headers_mut() = std::mem::take(received.headers_mut());
        *response.body_mut() = match self.body_reading {
            BodyReading::Full => read_full(&mut received).await?,
            BodyReading::Prefix => read_prefix(&mut received).await,
        };
        Ok(response)
    }
}

async fn read_full(response: &mut reqwest::Response) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| SendError::NoResponse(describe(error)))?
    {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(SendError::NoResponse(format!(
                "the response has more than {MAX_RESPONSE} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn read_prefix(response: &mut reqwest::Response) -> Bytes {
    let mut body = BytesMut::new();
    let body_reading = async {
        while body.len() < MAX_PREFIX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
    };
    // Use what has arrived by then.
    let _ = tokio::time::timeout(PREFIX_TIMEOUT, body_reading).await;
    body.truncate(MAX_PREFIX);
    body.freeze()
}

/// Trusts the same root certificates as browsers. They are compiled in, already parsed: reqwest would parse 140
/// certificates at every cold start.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl SendHttp for Outbound {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Resolves untrusted names to public addresses only. The client connects to the addresses returned here, so a name
/// cannot resolve to one address for the check and to another for the connection.
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

/// The public ones of `addresses`.
fn only_public(mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, TargetError> {
    addresses.retain(|address| is_public(address.ip()));
    if addresses.is_empty() {
        Err(TargetError::NotPublic)
    } else {
        Ok(addresses)
    }
}

/// Classifies a failure for callers that must not repeat a request. Only after a failure to connect was certainly
/// nothing sent; after any other failure the request may have arrived.
fn send_error(error: reqwest::Error) -> SendError {
    if let Some(error) = causes(&error).find_map(|cause| cause.downcast_ref::<TargetError>()) {
        return SendError::Forbidden(error.to_string());
    }
    if error.is_connect() || error.is_builder() {
        SendError::NotSent(describe(error))
    } else {
        SendError::NoResponse(describe(error))
    }
}

/// The error and its causes in one line, without the URL, which may contain a secret of the requester.
fn describe(error: reqwest::Error) -> String {
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

    /// Starts a server that reads a request, waits for `delay`, writes `answer` and closes. Returns its port and the
    /// number of its connections.
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

    /// Long enough for a machine that is busy with something else.
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn response_is_returned_complete() {
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
    async fn refused_connection_is_not_sent() {
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
    async fn unknown_name_is_not_sent() {
        for targets in [Targets::any(), Targets::public_only()] {
            let error = client(targets, LONG).send(get("https://nobody.invalid/")).await;
            assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
        }
    }

    #[tokio::test]
    async fn hanging_handshake_is_not_sent() {
        let (port, _) = server(Vec::new(), Duration::from_mins(1)).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("https://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
    }

    #[tokio::test]
    async fn server_without_certificate_is_not_sent() {
        let (port, _) = server(answer("200 OK", b""), Duration::ZERO).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("https://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NotSent(_))), "{error:?}");
    }

    #[tokio::test]
    async fn slow_server_times_out_without_a_response() {
        let (port, visits) = server(answer("200 OK", b""), Duration::from_mins(1)).await;
        let error = client(Targets::any(), Duration::from_secs(2))
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NoResponse(_))), "{error:?}");
        assert_eq!(visits.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn connection_lost_during_the_response_is_no_response() {
        for broken in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
            let (port, visits) = server(broken.to_vec(), Duration::ZERO).await;
            let error = client(Targets::any(), LONG)
                .send(get(&format!("http://127.0.0.1:{port}/")))
                .await;
            assert!(matches!(error, Err(SendError::NoResponse(_))), "{error:?}");
            assert_eq!(visits.load(Ordering::SeqCst), 1, "no retry");
        }
    }

    #[tokio::test]
    async fn redirect_is_not_followed() {
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
    async fn response_is_read_up_to_the_limit() {
        let (port, _) = server(answer("200 OK", &vec![b'x'; MAX_RESPONSE]), Duration::ZERO).await;
        let response = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert_eq!(response.expect("an answer").body().len(), MAX_RESPONSE);
        let (port, _) = server(answer("200 OK", &vec![b'x'; MAX_RESPONSE + 1]), Duration::ZERO).await;
        let error = client(Targets::any(), LONG)
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await;
        assert!(matches!(error, Err(SendError::NoResponse(_))), "{error:?}");
    }

    #[tokio::test]
    async fn loopback_is_never_connected_to() {
        let (port, visits) = server(answer("200 OK", b""), Duration::ZERO).await;
        let public_only = client(Targets::public_only(), LONG);
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let error = public_only.send(get(&format!("https://{host}:{port}/"))).await;
            assert!(matches!(error, Err(SendError::Forbidden(_))), "{host}: {error:?}");
        }
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn only_public_addresses_of_a_name_are_used() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|t| t.parse().expect(t)).collect() };
        let mixed = addresses(&["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1]:0"]);
        assert_eq!(only_public(mixed), Ok(addresses(&["8.8.8.8:0", "[2606:4700::1]:0"])));
        assert_eq!(
            only_public(addresses(&["169.254.169.254:0"])),
            Err(TargetError::NotPublic)
        );
    }
}
