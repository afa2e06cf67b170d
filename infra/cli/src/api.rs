//! The API of a deployment, for commands that use an API token instead of AWS credentials.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use http::header::LINK;
use http::{Method, Uri};
use patchbay::http::{HttpClient, Response};
use patchbay::secret::Secret;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use serde_json::Value;

use crate::input::{self, STDIN};

/// Time-out of a request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Options that select the deployment.
#[derive(Args)]
pub(crate) struct ApiOptions {
    /// Base URL of the API (output `ApiUrl` of the stack)
    #[arg(long, env = "PATCHBAY_API", value_parser = parse_base_url)]
    api: String,
    /// A token with the scopes of the command, such as links:write or bots:read; - reads it from stdin
    #[arg(long, env = "PATCHBAY_TOKEN", hide_env_values = true)]
    token: String,
}

impl std::fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiOptions")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl ApiOptions {
    /// Whether the token is read from stdin, so that nothing else can be.
    pub(crate) fn reads_stdin(&self) -> bool {
        self.token == STDIN
    }

    /// A client for the API. Reads the token from stdin if the options say so.
    pub(crate) fn connect(&self) -> anyhow::Result<Api> {
        Ok(Api {
            base: self.api.clone(),
            token: input::read_secret(&self.token, io::stdin().lock())?,
            http: HttpClient::new(Outbound::new(Targets::any(), TIMEOUT)?),
        })
    }
}

/// Parses a base URL. The token must not travel in plain text, so `http://` is accepted only for this machine.
fn parse_base_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(host) => {}
        Some("http") => {
            return Err(format!(
                "the token would travel to {host} in plain text: use https:// (http:// is only for this machine)"
            ));
        }
        _ => return Err("must begin with https://".to_owned()),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a host name refers to this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// A client for the API.
#[derive(Debug)]
pub(crate) struct Api {
    base: String,
    token: Secret,
    http: HttpClient,
}

impl Api {
    /// The JSON at `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// The JSON at `path`, which is a page of a list, and the query of the next one, which a `Link` header has.
    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<(Value, Option<String>)> {
        let response = self.request(Method::GET, path, &[], Bytes::new()).await?;
        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
        let next = link.and_then(|link| link.strip_prefix('<')?.split_once(">; rel=\"next\""));
        let next = next.map(|(query, _)| query.to_owned());
        Ok((parse_response(&response)?, next.filter(|query| query.starts_with('?'))))
    }

    /// Posts JSON to `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let headers = [("content-type", "application/json".to_owned())];
        self.send(Method::POST, path, &headers, body.to_string().into()).await
    }

    /// Sends a request, and returns the JSON of the answer; null for an empty one. Prints the errors of a problem
    /// document to stderr.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> anyhow::Result<Value> {
        parse_response(&self.request(method, path, headers, body).await?)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.base);
        let mut request = http::Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {}", self.token.expose()));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).context("--api or the token is not valid")?;
        let response = self.http.send(request).await;
        response.with_context(|| format!("cannot reach {url}"))
    }
}

fn parse_response(response: &Response) -> anyhow::Result<Value> {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status().is_success() {
        return Ok(body);
    }
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        eprintln!("{}: {}", text(error, "field"), text(error, "detail"));
    }
    bail!(
        "{}: {} {}",
        response.status(),
        text(&body, "title"),
        text(&body, "detail")
    )
}

/// A field of an answer; null if it is missing.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A field of an answer as text; empty if it is missing or has another type.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A deployment that answers one request.
#[cfg(test)]
pub(crate) mod testing {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use patchbay_simulators::world::{PUBLIC_URL, TOKEN, World};

    use super::*;

    /// An API that answers one request, and that request.
    pub(crate) fn api(answer: &Value) -> (ApiOptions, JoinHandle<String>) {
        api_with("200 OK", answer)
    }

    /// An API that answers one request with this status, and that request.
    pub(crate) fn api_with(status: &'static str, answer: &Value) -> (ApiOptions, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let api = ApiOptions {
            api: parse_base_url(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("loopback"),
            token: "pb_1".to_owned(),
        };
        let body = answer.to_string();
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            // A request may arrive in several reads.
            while !is_whole(&request) {
                let mut piece = [0; 4_096];
                let length = stream.read(&mut piece).expect("a request");
                assert_ne!(length, 0, "the request ends too early");
                request.extend_from_slice(&piece[..length]);
            }
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .expect("an answer");
            String::from_utf8_lossy(&request).into_owned()
        });
        (api, answering)
    }

    /// Whether a request with its whole body has arrived.
    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
        request.len() >= head.len() + 4 + length
    }

    /// A client of the API of a simulated world.
    pub(crate) fn api_of(world: &World) -> Api {
        Api {
            base: PUBLIC_URL.to_owned(),
            token: Secret::new(TOKEN),
            http: world.api(),
        }
    }

    /// Options with the token from stdin.
    pub(crate) fn token_from_stdin() -> ApiOptions {
        ApiOptions {
            api: "https://api.example.org".to_owned(),
            token: STDIN.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn problem_document_becomes_an_error() {
        let mut response = Response::new(Bytes::from_static(br#"{"title":"No","detail":"not so"}"#));
        *response.status_mut() = StatusCode::CONFLICT;
        let error = parse_response(&response).expect_err("a problem").to_string();
        assert_eq!(error, "409 Conflict: No not so");
    }

    #[test]
    fn an_empty_answer_is_null() {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        assert_eq!(parse_response(&response).expect("an answer"), Value::Null);
    }

    #[test]
    fn plain_http_is_only_accepted_for_loopback() {
        for good in [
            "https://api.example.org",
            "https://api.example.org/prod/",
            "http://localhost:8080",
            "http://LOCALHOST",
            "http://127.0.0.1:8080/",
            "http://127.8.9.10",
            "http://[::1]:8080",
        ] {
            assert_eq!(parse_base_url(good), Ok(good.trim_end_matches('/').to_owned()));
        }
        for (bad, expected) in [
            ("http://api.example.org", "plain text"),
            ("http://localhost.example.org", "plain text"),
            ("http://127.0.0.1.example.org", "plain text"),
            ("http://127.0.0.1@api.example.org/", "plain text"),
            ("http://10.0.0.1", "plain text"),
            ("http://[::2]", "plain text"),
            ("http://0.0.0.0", "plain text"),
            ("ftp://api.example.org", "must begin with https://"),
            ("api.example.org", "must begin with https://"),
            ("", "not a URL"),
        ] {
            let error = parse_base_url(bad).expect_err(bad);
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
