//! A client for an Elemente server (CONTRACT.md 3 to 5).
//!
//! There is no webhook: a caller polls [`Elemente::interaction`] until the status is terminal.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::{Map, Value, json};

use super::answer::Feedback;
use super::query::{DateRangeStyle, ListQuery};
use super::request::CreateRequest;
use super::status::Word;
use crate::config::ConfigError;
use crate::http::{HttpClient, Request, Response, SendError};
use crate::lenient_json::{self, Selection};
use crate::providers::chat_answer::successful;
use crate::providers::chat_api::{ChatError, to_json};
use crate::providers::lenient::path_segment;
use crate::secret::Secret;

/// Base URL of Elemente.
pub const ENDPOINT: &str = "https://api.elemente.ai";
/// The path of every operation, below the base URL.
const CALLS: &str = "/api/v1/calls";

/// The credentials of an account (CONTRACT.md 1). What the two are at Elemente is not documented.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name. It has no colon.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// Parses the value of the parameter that the variable `name` names: `username:password`.
    ///
    /// # Errors
    /// The value does not have this form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let (username, password) = value.expose().trim().split_once(':').unwrap_or_default();
        if username.is_empty() || password.is_empty() {
            let expected = "must name a parameter of the form username:password";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self {
            username: username.to_owned(),
            password: Secret::new(password),
        })
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let text = format!("{}:{}", self.username, self.password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What an update changes, besides the note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// The new agent.
    pub agent_id: Option<&'a str>,
    /// The new status.
    pub status: Option<Word>,
}

/// A client for one account.
#[derive(Clone)]
pub struct Elemente {
    http: HttpClient,
    base: String,
    /// `None` if the credentials do not form a valid header: then no request is sent.
    authorization: Option<HeaderValue>,
    date_range: DateRangeStyle,
}

impl fmt::Debug for Elemente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elemente")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Elemente {
    /// Creates a client. Sends no request yet. `endpoint` is [`ENDPOINT`], or the base URL of another server with the
    /// same API.
    pub fn new(http: HttpClient, credentials: &Credentials, endpoint: &str) -> Self {
        Self {
            http,
            base: format!("{}{CALLS}", endpoint.trim_end_matches('/')),
            authorization: credentials.authorization(),
            date_range: DateRangeStyle::default(),
        }
    }

    /// The same client, which writes date ranges in this way.
    #[must_use]
    pub fn with_date_range_style(self, date_range: DateRangeStyle) -> Self {
        Self { date_range, ..self }
    }

    /// Creates an interaction: the customer is called or written to. Sends one request, and must not be repeated after
    /// [`ChatError::Unclear`]: there is no idempotency key, so the customer would be called twice.
    ///
    /// # Errors
    /// There is no interaction, or it is unclear whether there is one.
    pub async fn create(&self, request: &CreateRequest) -> Result<Feedback, ChatError> {
        let response = self.call(Method::POST, "", Some(&request.to_json())).await?;
        // Any 2xx has created it. Without an id its status cannot be polled.
        one(&response).ok_or_else(|| unreadable(&response, "no interaction with an id"))
    }

    /// The interaction `id`, as it is now.
    ///
    /// # Errors
    /// It could not be read. [`ChatError::Refused`] with status 404: it does not exist.
    pub async fn interaction(&self, id: &str) -> Result<Feedback, ChatError> {
        let response = self.call(Method::GET, &path(id)?, None).await?;
        one(&response).ok_or_else(|| unreadable(&response, "no interaction with an id").of_reading())
    }

    /// The interactions that a query selects. No paging is documented, and neither is the order.
    ///
    /// # Errors
    /// They could not be read.
    pub async fn interactions(&self, query: &ListQuery) -> Result<Vec<Feedback>, ChatError> {
        let query = query.to_query(self.date_range);
        let separator = if query.is_empty() { "" } else { "?" };
        let response = self.call(Method::GET, &format!("{separator}{query}"), None).await?;
        let list = body(&response).and_then(|body| Feedback::list_from_value(&body));
        list.ok_or_else(|| unreadable(&response, "no list of interactions").of_reading())
    }

    /// Changes the interaction `id`. A note is always sent, because Elemente seems to require one: an empty one may
    /// clear the note that is there. A repetition sets the same values again.
    ///
    /// # Errors
    /// It was not changed, or may not have been.
    pub async fn update(&self, id: &str, note: &str, change: Change<'_>) -> Result<Feedback, ChatError> {
        let mut fields = Map::from_iter([("note".to_owned(), json!(note))]);
        fields.extend(change.agent_id.map(|agent| ("agentId".to_owned(), json!(agent))));
        fields.extend(change.status.map(|word| ("status".to_owned(), json!(word.as_str()))));
        let response = self.call(Method::PUT, &path(id)?, Some(&Value::Object(fields))).await?;
        one(&response).ok_or_else(|| unreadable(&response, "no interaction with an id"))
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, ChatError> {
        let Some(authorization) = &self.authorization else {
            return Err(ChatError::failed("the credentials do not form a valid header"));
        };
        let mut request = http::Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or(Ok(Bytes::new()), to_json)?;
        let request: Request = request
            .body(body)
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        let response = self.http.send(request).await.map_err(ChatError::from);
        match response {
            Ok(response) => successful(&method, response),
            Err(error) if method == Method::GET => Err(error.of_reading()),
            Err(error) => Err(error),
        }
    }
}

/// The path of an interaction.
fn path(id: &str) -> Result<String, ChatError> {
    let segment = path_segment(id).ok_or_else(|| ChatError::invalid("the id cannot be part of a path"))?;
    Ok(format!("/{segment}"))
}

fn body(response: &Response) -> Option<Value> {
    lenient_json::select(response.body(), Selection::All).ok()
}

/// The one interaction of an answer.
fn one(response: &Response) -> Option<Feedback> {
    match Feedback::list_from_value(&body(response)?)?.as_mut_slice() {
        [only] => Some(std::mem::take(only)),
        _ => None,
    }
}

fn unreadable(response: &Response, what: &str) -> ChatError {
    ChatError::Unclear {
        detail: format!("the answer (status {}) has {what}", response.status().as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::customer::Customer;
    use super::super::request::AgentOverride;
    use super::*;
    use crate::interaction::{Channel, EndReason, State};
    use crate::providers::testing::{ScriptedProvider, ScriptedResponse, json_response, no_response, not_sent, raw};
    use http::StatusCode;

    const ID: &str = "6b1f0000-0000-4000-8000-0000000000aa";

    fn client(provider: &ScriptedProvider) -> Elemente {
        let credentials = Credentials::parse("ELEMENTE", &Secret::new("acct-demo:pass-demo")).expect("credentials");
        Elemente::new(provider.http(), &credentials, "https://elemente.example.org/")
    }

    fn request() -> CreateRequest {
        CreateRequest {
            agent_id: "agent-1".to_owned(),
            channel: Channel::Call,
            skill_id: "Appointment reminder".to_owned(),
            customer_override: Customer {
                first_name: Some("Ana".to_owned()),
                phone: Some("+12025550143".to_owned()),
                ..Customer::default()
            },
            given_customer: Customer::default(),
            agent_override: AgentOverride::default(),
        }
    }

    fn answer(status: &str) -> Value {
        json!({ "id": ID, "status": status, "duration": "7" })
    }

    async fn created(response: ScriptedResponse) -> (Result<Feedback, ChatError>, ScriptedProvider) {
        let provider = ScriptedProvider::new([response]);
        (client(&provider).create(&request()).await, provider)
    }

    #[tokio::test]
    async fn create_sends_the_documented_request_once() {
        let (result, provider) = created(json_response(200, &answer("in-progress"))).await;
        assert_eq!(result.map(|feedback| feedback.id), Ok(ID.to_owned()));
        assert_eq!(provider.requests(), ["POST https://elemente.example.org/api/v1/calls"]);
        assert_eq!(provider.authorizations(), ["Basic YWNjdC1kZW1vOnBhc3MtZGVtbw=="]);
        assert_eq!(provider.header_values("content-type"), ["application/json"]);
        let expected = json!({
            "agentId": "agent-1", "channel": "call", "skillId": "Appointment reminder",
            "customerOverride": { "firstName": "Ana", "phoneNumber": "+12025550143" },
        });
        assert_eq!(provider.bodies(), [expected]);
    }

    #[tokio::test]
    async fn any_2xx_with_an_id_has_created_it() {
        for (status, body) in [
            (201, answer("queued")),
            (200, json!([answer("queued")])),
            (200, json!({ "id": 4711 })),
        ] {
            let (result, _) = created(json_response(status, &body)).await;
            assert!(result.is_ok(), "{status} {body}: {result:?}");
        }
    }

    #[tokio::test]
    async fn create_is_unclear_after_anything_that_may_have_had_an_effect() {
        for response in [
            no_response(),
            raw(200, ""),
            raw(200, "<html>"),
            json_response(200, &json!({ "status": "queued" })),
            json_response(200, &json!([answer("queued"), answer("queued")])),
            raw(204, ""),
            raw(408, ""),
            json_response(500, &json!({ "statusCode": 500, "message": "no" })),
            raw(504, "late"),
            raw(302, ""),
        ] {
            let debug = format!("{response:?}");
            let (result, provider) = created(response).await;
            assert!(matches!(result, Err(ChatError::Unclear { .. })), "{debug}: {result:?}");
            assert!(provider.is_done(), "one attempt");
        }
    }

    #[tokio::test]
    async fn create_without_effect_may_be_tried_again() {
        for response in [not_sent(), raw(401, ""), raw(403, ""), raw(429, ""), raw(307, "")] {
            let debug = format!("{response:?}");
            let (result, _) = created(response).await;
            assert!(matches!(result, Err(ChatError::Failed { .. })), "{debug}: {result:?}");
        }
    }

    #[tokio::test]
    async fn refusal_is_final_and_shows_no_number() {
        let message = json!({ "statusCode": 400, "message": ["customerPhone +12025550143 is wrong"], "error": "x" });
        let (result, _) = created(json_response(400, &message)).await;
        let Err(ChatError::Refused { status, detail }) = result else {
            panic!("{result:?}");
        };
        assert_eq!(status, 400);
        assert!(!detail.contains("12025550143"), "{detail}");
    }

    #[tokio::test]
    async fn polling_reads_one_interaction() {
        let provider = ScriptedProvider::new([
            json_response(200, &answer("in-progress")),
            json_response(200, &answer("no-answer")),
        ]);
        let client = client(&provider);
        let first = client.interaction(ID).await.expect("an interaction");
        let second = client.interaction(ID).await.expect("an interaction");
        assert_eq!(first.state(), Some(State::Sent));
        assert_eq!(
            (second.state(), second.duration),
            (Some(State::ended(EndReason::NoAnswer)), 7)
        );
        let line = format!("GET https://elemente.example.org/api/v1/calls/{ID}");
        assert_eq!(provider.requests(), [line.clone(), line]);
        assert!(provider.header_values("content-type").is_empty());
    }

    #[tokio::test]
    async fn failed_poll_had_no_effect() {
        for response in [
            no_response(),
            raw(500, ""),
            raw(200, "[]"),
            raw(200, "no json"),
            not_sent(),
        ] {
            let provider = ScriptedProvider::new([response]);
            let result = client(&provider).interaction(ID).await;
            assert!(matches!(result, Err(ChatError::Failed { .. })), "{result:?}");
        }
        let provider = ScriptedProvider::new([raw(404, "")]);
        let result = client(&provider).interaction(ID).await;
        let not_found = StatusCode::NOT_FOUND.as_u16();
        assert!(matches!(result, Err(ChatError::Refused { status, .. }) if status == not_found));
    }

    #[tokio::test]
    async fn id_cannot_choose_another_path() {
        let provider = ScriptedProvider::new([json_response(200, &answer("open"))]);
        client(&provider).interaction("../agents?x#y").await.expect("an answer");
        let expected = "GET https://elemente.example.org/api/v1/calls/..%2Fagents%3Fx%23y";
        assert_eq!(provider.requests(), [expected]);
        for id in ["..", "", &"x".repeat(200)] {
            let result = client(&provider).interaction(id).await;
            assert!(matches!(result, Err(ChatError::Refused { .. })), "{id}");
        }
    }

    #[tokio::test]
    async fn list_is_read_in_both_shapes_and_asked_for_in_both_notations() {
        let query = ListQuery::parse("dateRange[to]=2026-11-30&status=open").expect("a query");
        let provider = ScriptedProvider::new([
            json_response(200, &json!([answer("open"), answer("open")])),
            json_response(200, &answer("open")),
            json_response(200, &json!({ "message": "x" })),
        ]);
        let json = client(&provider);
        let brackets = client(&provider).with_date_range_style(DateRangeStyle::Brackets);
        assert_eq!(json.interactions(&query).await.map(|list| list.len()), Ok(2));
        assert_eq!(brackets.interactions(&query).await.map(|list| list.len()), Ok(1));
        let unreadable = json.interactions(&ListQuery::default()).await;
        assert!(matches!(unreadable, Err(ChatError::Failed { .. })));
        let calls = "GET https://elemente.example.org/api/v1/calls";
        let expected = [
            format!("{calls}?dateRange=%7B%22to%22%3A%222026-11-30%22%7D&status=open"),
            format!("{calls}?dateRange%5Bto%5D=2026-11-30&status=open"),
            calls.to_owned(),
        ];
        assert_eq!(provider.requests(), expected);
    }

    #[tokio::test]
    async fn update_always_sends_a_note() {
        let provider = ScriptedProvider::new([json_response(200, &answer("resolved")), raw(500, "")]);
        let client = client(&provider);
        let change = Change {
            agent_id: Some("7"),
            status: Some(Word::Resolved),
        };
        let updated = client.update(ID, "done", change).await.expect("an interaction");
        assert_eq!(updated.state(), Some(State::ended(EndReason::Resolved)));
        let unclear = client.update(ID, "", Change::default()).await;
        assert!(matches!(unclear, Err(ChatError::Unclear { .. })));
        assert_eq!(
            provider.bodies(),
            [
                json!({ "note": "done", "agentId": "7", "status": "resolved" }),
                json!({ "note": "" })
            ]
        );
    }

    #[test]
    fn credentials_have_a_username_and_a_password() {
        let parse = |text: &str| Credentials::parse("ELEMENTE", &Secret::new(text));
        let credentials = parse("acct:pa:ss\n").expect("credentials");
        assert_eq!(
            (credentials.username.as_str(), credentials.password.expose()),
            ("acct", "pa:ss")
        );
        assert!(!format!("{credentials:?}").contains("pa:ss"));
        for text in ["", "acct", "acct:", ":pass"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
