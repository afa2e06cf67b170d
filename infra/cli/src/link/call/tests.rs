//! Calls to servers of links: patchbay's own in process, others that keep to the contract or do not, and one over
//! loopback HTTP.

use bytes::Bytes;
use clap::Parser;
use patchbay::http::{Request, Response, SendError, SendHttp, Sending};
use patchbay_simulators::world::{PUBLIC_URL, TOKEN};

use super::*;
use crate::output::Format;
use crate::testing::world;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(line: &str) -> Options {
    let words = ["call"].into_iter().chain(line.split(' '));
    Line::try_parse_from(words).expect(line).options
}

/// What a call comes to: the exit code, and what is told.
async fn told(line: &str, http: HttpClient, lines: &str, format: Format) -> (ExitCode, String) {
    console::set_colors_enabled(false);
    let mut reader = lines.as_bytes();
    let mut answers = Answers::new(&mut reader, "answers.txt", false);
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, format);
    let code = call(&options(line), http, &mut answers, &mut output)
        .await
        .expect("a call");
    (code, String::from_utf8(buffer).expect("text"))
}

async fn fails(line: &str, http: HttpClient, lines: &str) -> String {
    let mut reader = lines.as_bytes();
    let mut answers = Answers::new(&mut reader, "answers.txt", false);
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Text);
    let result = call(&options(line), http, &mut answers, &mut output).await;
    result.expect_err("an error").to_string()
}

/// A server that answers what its function says to link and action.
struct Server(Box<dyn Fn(&Value) -> Value + Send + Sync>);

fn server(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> HttpClient {
    HttpClient::new(Server(Box::new(answer)))
}

impl SendHttp for Server {
    fn send(&self, request: Request) -> Sending<'_> {
        let body = serde_json::from_slice(request.body()).expect("JSON");
        let answer = (self.0)(&body).to_string();
        Box::pin(async { Ok(Response::new(answer.into())) })
    }
}

/// A chain of two links in the manner of any other: asks for a number, tells it, transfers.
fn tickets(request: &Value) -> Value {
    let number = &request["state"]["number"];
    match (request["name"].as_str(), request["action"].as_str()) {
        (Some("ask"), Some("initial")) => json!({
            "content": "Ask for the number.",
            "qualified_parameters": { "properties": { "number": { "type": "integer" } }, "required": ["number"] },
        }),
        (Some("ask"), Some("qualified")) => json!({
            "content": "One moment.", "state": { "number": request["context"]["number"] },
            "actions": [{ "name": "next_task" }],
        }),
        (Some("tell"), Some("initial")) => json!({
            "content": format!("Ticket {number} is open. \u{1b}[31mI connect you."),
            "actions": [
                { "name": "sms", "context": { "message": "Ticket" } },
                { "name": "transfer_call", "context": { "number": "+12025550177" } },
            ],
        }),
        (_, Some("disqualified")) => json!({ "content": "Goodbye.", "actions": [{ "name": "end_call" }] }),
        _ => Value::Null,
    }
}

const LINE: &str = "https://chain.example.org/ --links ask,tell";

#[tokio::test(start_paused = true)]
async fn a_call_is_told_exchange_by_exchange() {
    let (code, text) = told(LINE, server(tickets), "number=7\n", Format::Text).await;
    assert_eq!(
        text,
        "\
ask initial  200 in 0 ms
  prompt    Ask for the number.
  takes     {\"properties\":{\"number\":{\"type\":\"integer\"}},\"required\":[\"number\"]}
ask qualified {\"number\":7}  200 in 0 ms
  says      One moment.
  action    next_task
  state     {\"number\":7}
tell initial  200 in 0 ms
  says      Ticket 7 is open.  [31mI connect you.
  action    sms {\"message\":\"Ticket\"}
  action    transfer_call {\"number\":\"+12025550177\"}
end: the call is transferred to +12025550177
no deviation from the contract
"
    );
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn a_dash_is_disqualified_and_the_end_of_input_hangs_up() {
    let (code, text) = told(LINE, server(tickets), "- reason=none\n", Format::Text).await;
    assert!(text.contains("ask disqualified {\"reason\":\"none\"}"), "{text}");
    assert!(text.contains("end: the chain ended the call"), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    let (code, text) = told(LINE, server(tickets), "", Format::Text).await;
    assert!(text.contains("ask interrupt  200"), "{text}");
    assert!(text.contains("end: the caller hung up\n"), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn programs_get_the_whole_record() {
    let (_, text) = told(LINE, server(tickets), "{\"number\": 7}\n", Format::Json).await;
    let record: Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(record["ending"], "transfer_call");
    assert_eq!(record["links"], json!(["ask", "tell"]));
    assert_eq!(
        record["prompts"],
        json!([{ "link": "ask", "text": "Ask for the number." }])
    );
    assert_eq!(record["heard"][0], json!({ "link": "ask", "text": "One moment." }));
    assert_eq!(record["texts"], json!(["Ticket"]));
    assert_eq!(record["state"], json!({ "number": 7 }));
    assert_eq!(record["deviations"], json!([]));
    assert_eq!(record["doubts"], Value::Null);
    let exchange = &record["exchanges"][1];
    assert_eq!((&exchange["status"], &exchange["millis"]), (&json!(200), &json!(0)));
    assert_eq!(exchange["request"]["context"], json!({ "number": 7 }));
    assert_eq!(exchange["request"]["call_from"], "+12025550143");
    assert_eq!(exchange["request"]["call_forwarded_by"], "+12025550100");
    assert_eq!(exchange["answer"]["content"], "One moment.");
}

#[tokio::test(start_paused = true)]
async fn who_calls_whom_with_what_metadata_can_be_said() {
    let line = "https://chain.example.org/ --links a --caller anonymous --line +1-202-555-0199 --metadata k=v --metadata \
                x=a=b --doubt replace-state,no-empty-state";
    let http = server(|request| {
        assert_eq!(request["call_from"], "anonymous");
        assert_eq!(request["call_forwarded_by"], "+12025550199");
        assert_eq!(request["metadata"], json!({ "k": "v", "x": "a=b" }));
        assert_eq!(request.get("state"), None);
        json!({ "actions": [{ "name": "end_task" }] })
    });
    let (code, text) = told(line, http, "", Format::Text).await;
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_link_may_have_a_url_of_its_own() {
    struct Paths;
    impl SendHttp for Paths {
        fn send(&self, request: Request) -> Sending<'_> {
            let answer = match request.uri().to_string().as_str() {
                "https://chain.example.org/" => json!({ "content": "Hello.", "actions": [{ "name": "next_task" }] }),
                "http://127.0.0.1:9/b?key=1" => json!({ "content": "Bye.", "actions": [{ "name": "end_call" }] }),
                other => panic!("{other}"),
            };
            Box::pin(async move { Ok(Response::new(answer.to_string().into())) })
        }
    }
    let line = "https://chain.example.org/ --links a,b=http://127.0.0.1:9/b?key=1";
    let (code, text) = told(line, HttpClient::new(Paths), "", Format::Text).await;
    assert!(text.contains("Hello.") && text.contains("Bye."), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

/// A server that takes its time and answers with anything.
struct Odd(Duration, Result<(u16, &'static str), &'static str>);

impl SendHttp for Odd {
    fn send(&self, _: Request) -> Sending<'_> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            let (status, body) = self.1.map_err(|why| SendError::NoAnswer(why.to_owned()))?;
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = status.try_into().expect("a status");
            Ok(response)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_deviates_from_the_contract_is_named_and_fails() {
    let end = r#"{"actions": [{"name": "end_call"}]}"#;
    for (millis, answer, says) in [
        (5_100, Ok((200, end)), "a initial: answered after 5.1 s, later than 5 s"),
        (
            0,
            Ok((500, end)),
            "a initial: answered with 500 Internal Server Error, not 200 OK",
        ),
        (0, Ok((201, end)), "a initial: answered with 201 Created, not 200 OK"),
        (0, Ok((200, "<html>")), "a initial: the answer is not JSON"),
        (0, Ok((200, "")), "a initial: the answer is not JSON"),
        (0, Ok((200, r#""hello""#)), "a initial: an answer that is not an object"),
        (
            0,
            Ok((200, r#"{"actions": [{"name": "hang_up"}]}"#)),
            "a initial: an action that does not exist: hang_up",
        ),
        (
            0,
            Ok((
                200,
                r#"{"actions": [{"name": "switch_task", "context": {"name": "a"}}]}"#,
            )),
            "the chain runs in circles",
        ),
        (10, Err("connection lost"), "a initial: no answer: connection lost"),
        (40_000, Ok((200, end)), "a initial: no answer: none within 30 s"),
    ] {
        let http = HttpClient::new(Odd(Duration::from_millis(millis), answer));
        let (code, text) = told("https://chain.example.org/ --links a", http, "", Format::Text).await;
        assert!(text.contains(&format!("deviation: {says}")), "{says}:\n{text}");
        assert!(text.contains("from the contract\n"), "{text}");
        assert_eq!(code, ExitCode::FAILURE, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_last_moment_is_in_time() {
    let answer = Ok((200, r#"{"actions": [{"name": "end_call"}]}"#));
    let http = HttpClient::new(Odd(Duration::from_secs(5), answer));
    let (code, text) = told("https://chain.example.org/ --links a", http, "", Format::Text).await;
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    assert!(text.contains("a initial  200 in 5000 ms\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn every_doubt_is_tried_and_what_comes_out_differently_is_told() {
    let line = format!("{LINE} --every-doubt");
    let (code, text) = told(&line, server(tickets), "number=7\n", Format::Text).await;
    // It reads an object and nothing else.
    for doubt in ["context-in-responses", "context-string", "context-single"] {
        let told = format!("other {doubt}: speech: “Ticket null is open.");
        assert!(text.contains(&told), "{text}");
    }
    for doubt in ["replace-state", "early-context-last", "duplicates", "no-line", "retry"] {
        assert!(text.contains(&format!("ok    {doubt}\n")), "{doubt}: {text}");
    }
    assert_eq!(code, ExitCode::FAILURE);
    let robust = server(|_| json!({ "content": "Bye.", "actions": [{ "name": "end_call" }] }));
    let (code, text) = told(&line, robust, "", Format::Json).await;
    let record: Value = serde_json::from_str(&text).expect("one document");
    let doubts = record["doubts"].as_object().expect("doubts");
    assert_eq!(doubts.len(), Doubt::value_variants().len());
    assert!(doubts.values().all(|found| found["difference"].is_null()), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn the_links_of_patchbay_keep_to_the_contract_under_every_doubt() {
    let world = world().await;
    let document = include_bytes!("../../../../../functions/chain-link/examples/pin.yaml");
    let put = http::Request::put(format!("{PUBLIC_URL}/v1/links/pin"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/yaml")
        .body(Bytes::from_static(document))
        .expect("a request");
    let answer = world.send(put).await.expect("an answer");
    let answer: Value = serde_json::from_slice(answer.body()).expect("JSON");
    let url = answer["endpoint"].as_str().expect("a URL");
    let line = format!("{url} --links ask_pin,inside --every-doubt");
    for (answers, ending) in [
        ("pin=12\npin=no\n-\n", "the chain ended the call"),
        ("pin=12\n", "the caller hung up"),
        ("", "the caller hung up"),
    ] {
        let (code, text) = told(&line, world.api(), answers, Format::Text).await;
        assert!(text.contains(&format!("end: {ending}")), "{text}");
        assert_eq!(code, ExitCode::SUCCESS, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slip_in_a_file_of_answers_is_named_with_its_line() {
    let error = fails(LINE, server(tickets), "# a comment\nseven\n").await;
    assert!(
        error.starts_with("answers.txt:2: expected JSON, FIELD=VALUE or -; found `seven`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_call_goes_over_loopback_http() {
    let router = axum::Router::new().route(
        "/links/",
        axum::routing::post(|body: Bytes| async move {
            let request: Value = serde_json::from_slice(&body).expect("JSON");
            tickets(&request).to_string()
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let http = || HttpClient::new(Outbound::new(Targets::any(), PATIENCE).expect("a client"));
    let line = format!("http://{address}/links/ --links ask,tell");
    let (code, text) = told(&line, http(), "number=7\n", Format::Json).await;
    let record: Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(record["ending"], "transfer_call", "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    let line = format!("http://{address}/elsewhere --links ask");
    let (code, text) = told(&line, http(), "", Format::Text).await;
    assert!(
        text.contains("deviation: ask initial: answered with 404 Not Found"),
        "{text}"
    );
    assert_eq!(code, ExitCode::FAILURE);
    serving.abort();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_plainly() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let http = HttpClient::new(Outbound::new(Targets::any(), PATIENCE).expect("a client"));
    let error = fails(&format!("http://{address}/secret --links ask"), http, "").await;
    assert!(error.starts_with(&format!("cannot connect to {address}: ")), "{error}");
    assert!(!error.contains("secret"), "a URL of links is a password: {error}");
}

#[test]
fn what_cannot_be_called_is_refused() {
    for (line, says) in [
        (
            "http://chain.example.org/ --links a",
            "http:// is for this machine only",
        ),
        ("http://127.0.0.1@chain.example.org/ --links a", "for this machine only"),
        ("chain.example.org --links a", "must begin with https://"),
        ("https://chain.example.org/ --links a,,b", "a link must have a name"),
        (
            "https://chain.example.org/ --links a=http://10.0.0.1/",
            "for this machine only",
        ),
        ("https://chain.example.org/", "--links"),
        (
            "https://chain.example.org/ --links a --caller 5550143",
            "expected an E.164 number",
        ),
        (
            "https://chain.example.org/ --links a --metadata k",
            "expected NAME=VALUE",
        ),
        (
            "https://chain.example.org/ --links a --doubt whether",
            "possible values: replace-state",
        ),
        (
            "https://chain.example.org/ --links a --every-doubt --doubt retry",
            "cannot be used with",
        ),
    ] {
        let words = ["call"].into_iter().chain(line.split(' '));
        let Err(error) = Line::try_parse_from(words) else {
            panic!("{line}")
        };
        assert!(error.to_string().contains(says), "{line}: {error}");
    }
}
