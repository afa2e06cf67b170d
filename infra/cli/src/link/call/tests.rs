//! Calls to link servers: patchbay itself in process, other servers that follow the contract or deviate from it, and
//! one over loopback HTTP.

use bytes::Bytes;
use clap::Parser;
use patchbay::http::{Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay_simulators::world::{PUBLIC_URL, TOKEN};

use super::*;
use crate::output::Format;
use crate::testing::world;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

fn options(line: &str) -> Options {
    let words = ["call"].into_iter().chain(line.split(' '));
    CommandLine::try_parse_from(words).expect(line).options
}

/// Runs a call. Returns the exit code and the output.
async fn run_call(line: &str, http: HttpClient, lines: &str, format: Format) -> (ExitCode, String) {
    console::set_colors_enabled(false);
    let mut reader = lines.as_bytes();
    let mut answers = AnswerReader::new(&mut reader, "answers.txt", false);
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, format);
    let code = call(&options(line), http, &mut answers, &mut output)
        .await
        .expect("a call");
    (code, String::from_utf8(buffer).expect("text"))
}

async fn run_failing_call(line: &str, http: HttpClient, lines: &str) -> String {
    let mut reader = lines.as_bytes();
    let mut answers = AnswerReader::new(&mut reader, "answers.txt", false);
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Text);
    let result = call(&options(line), http, &mut answers, &mut output).await;
    result.expect_err("an error").to_string()
}

/// A server that answers with the result of its function for the request.
struct Server(Box<dyn Fn(&Value) -> Value + Send + Sync>);

fn server(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> HttpClient {
    HttpClient::new(Server(Box::new(answer)))
}

impl SendHttp for Server {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let body = serde_json::from_slice(request.body()).expect("JSON");
        let answer = (self.0)(&body).to_string();
        Box::pin(async { Ok(Response::new(answer.into())) })
    }
}

/// A chain of two links on another server: asks for a ticket number, reports the ticket, transfers the call.
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
async fn call_is_printed_exchange_by_exchange() {
    let (code, text) = run_call(LINE, server(tickets), "number=7\n", Format::Text).await;
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
end: the call was transferred to +12025550177
no deviation from the contract
"
    );
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn dash_is_disqualified_and_the_end_of_input_hangs_up() {
    let (code, text) = run_call(LINE, server(tickets), "- reason=none\n", Format::Text).await;
    assert!(text.contains("ask disqualified {\"reason\":\"none\"}"), "{text}");
    assert!(text.contains("end: the chain ended the call"), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    let (code, text) = run_call(LINE, server(tickets), "", Format::Text).await;
    assert!(text.contains("ask interrupt  200"), "{text}");
    assert!(text.contains("end: the caller hung up\n"), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn json_output_has_the_complete_record() {
    let (_, text) = run_call(LINE, server(tickets), "{\"number\": 7}\n", Format::Json).await;
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
    assert_eq!(record["variants"], Value::Null);
    let exchange = &record["exchanges"][1];
    assert_eq!((&exchange["status"], &exchange["millis"]), (&json!(200), &json!(0)));
    assert_eq!(exchange["request"]["context"], json!({ "number": 7 }));
    assert_eq!(exchange["request"]["call_from"], "+12025550143");
    assert_eq!(exchange["request"]["call_forwarded_by"], "+12025550100");
    assert_eq!(exchange["answer"]["content"], "One moment.");
}

#[tokio::test(start_paused = true)]
async fn caller_line_and_metadata_can_be_set() {
    let line = "https://chain.example.org/ --links a --caller anonymous --line +1-202-555-0199 --metadata k=v --metadata \
                x=a=b --variant replace-state,no-empty-state";
    let http = server(|request| {
        assert_eq!(request["call_from"], "anonymous");
        assert_eq!(request["call_forwarded_by"], "+12025550199");
        assert_eq!(request["metadata"], json!({ "k": "v", "x": "a=b" }));
        assert_eq!(request.get("state"), None);
        json!({ "actions": [{ "name": "end_task" }] })
    });
    let (code, text) = run_call(line, http, "", Format::Text).await;
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
}

#[tokio::test(start_paused = true)]
async fn link_may_have_its_own_url() {
    struct Paths;
    impl SendHttp for Paths {
        fn send(&self, request: Request) -> ResponseFuture<'_> {
            let answer = match request.uri().to_string().as_str() {
                "https://chain.example.org/" => json!({ "content": "Hello.", "actions": [{ "name": "next_task" }] }),
                "http://127.0.0.1:9/b?key=1" => json!({ "content": "Bye.", "actions": [{ "name": "end_call" }] }),
                other => panic!("{other}"),
            };
            Box::pin(async move { Ok(Response::new(answer.to_string().into())) })
        }
    }
    let line = "https://chain.example.org/ --links a,b=http://127.0.0.1:9/b?key=1";
    let (code, text) = run_call(line, HttpClient::new(Paths), "", Format::Text).await;
    assert!(text.contains("Hello.") && text.contains("Bye."), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

/// A server with a delay and a fixed answer.
struct FixedAnswer(Duration, Result<(u16, &'static str), &'static str>);

impl SendHttp for FixedAnswer {
    fn send(&self, _: Request) -> ResponseFuture<'_> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            let (status, body) = self.1.map_err(|why| SendError::NoResponse(why.to_owned()))?;
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = status.try_into().expect("a status");
            Ok(response)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn deviation_from_the_contract_is_reported_and_fails() {
    let end = r#"{"actions": [{"name": "end_call"}]}"#;
    for (millis, answer, expected) in [
        (
            5_100,
            Ok((200, end)),
            "a initial: answered after 5.1 s, the limit is 5 s",
        ),
        (
            0,
            Ok((500, end)),
            "a initial: answered with 500 Internal Server Error, not 200 OK",
        ),
        (0, Ok((201, end)), "a initial: answered with 201 Created, not 200 OK"),
        (0, Ok((200, "<html>")), "a initial: the answer is not JSON"),
        (0, Ok((200, "")), "a initial: the answer is not JSON"),
        (0, Ok((200, r#""hello""#)), "a initial: the response is not an object"),
        (
            0,
            Ok((200, r#"{"actions": [{"name": "hang_up"}]}"#)),
            "a initial: unknown action: hang_up",
        ),
        (
            0,
            Ok((
                200,
                r#"{"actions": [{"name": "switch_task", "context": {"name": "a"}}]}"#,
            )),
            "the chain loops forever",
        ),
        (10, Err("connection lost"), "a initial: no answer: connection lost"),
        (40_000, Ok((200, end)), "a initial: no answer: none within 30 s"),
    ] {
        let http = HttpClient::new(FixedAnswer(Duration::from_millis(millis), answer));
        let (code, text) = run_call("https://chain.example.org/ --links a", http, "", Format::Text).await;
        assert!(text.contains(&format!("deviation: {expected}")), "{expected}:\n{text}");
        assert!(text.contains("from the contract\n"), "{text}");
        assert_eq!(code, ExitCode::FAILURE, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn answer_at_the_time_limit_is_accepted() {
    let answer = Ok((200, r#"{"actions": [{"name": "end_call"}]}"#));
    let http = HttpClient::new(FixedAnswer(Duration::from_secs(5), answer));
    let (code, text) = run_call("https://chain.example.org/ --links a", http, "", Format::Text).await;
    assert_eq!(code, ExitCode::SUCCESS, "{text}");
    assert!(text.contains("a initial  200 in 5000 ms\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn every_variant_is_tried_and_differences_are_reported() {
    let line = format!("{LINE} --all-variants");
    let (code, text) = run_call(&line, server(tickets), "number=7\n", Format::Text).await;
    // The server accepts only an object.
    for variant in ["context-in-responses", "context-string", "context-single"] {
        let expected = format!("diff  {variant}: speech: “Ticket null is open.");
        assert!(text.contains(&expected), "{text}");
    }
    for variant in ["replace-state", "early-context-last", "duplicates", "no-line", "retry"] {
        assert!(text.contains(&format!("ok    {variant}\n")), "{variant}: {text}");
    }
    assert_eq!(code, ExitCode::FAILURE);
    let robust = server(|_| json!({ "content": "Bye.", "actions": [{ "name": "end_call" }] }));
    let (code, text) = run_call(&line, robust, "", Format::Json).await;
    let record: Value = serde_json::from_str(&text).expect("one document");
    let variants = record["variants"].as_object().expect("variants");
    assert_eq!(variants.len(), ContractVariant::value_variants().len());
    assert!(variants.values().all(|found| found["difference"].is_null()), "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test(start_paused = true)]
async fn patchbay_follows_the_contract_under_every_variant() {
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
    let line = format!("{url} --links ask_pin,inside --all-variants");
    for (answers, ending) in [
        ("pin=12\npin=no\n-\n", "the chain ended the call"),
        ("pin=12\n", "the caller hung up"),
        ("", "the caller hung up"),
    ] {
        let (code, text) = run_call(&line, world.api(), answers, Format::Text).await;
        assert!(text.contains(&format!("end: {ending}")), "{text}");
        assert_eq!(code, ExitCode::SUCCESS, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_line_of_an_answer_file_is_reported_with_its_number() {
    let error = run_failing_call(LINE, server(tickets), "# a comment\nseven\n").await;
    assert!(
        error.starts_with("answers.txt:2: expected JSON, FIELD=VALUE or -; found `seven`"),
        "{error}"
    );
}

#[tokio::test]
async fn call_works_over_loopback_http() {
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
    let http = || HttpClient::new(Outbound::new(Targets::any(), WAIT_LIMIT).expect("a client"));
    let line = format!("http://{address}/links/ --links ask,tell");
    let (code, text) = run_call(&line, http(), "number=7\n", Format::Json).await;
    let record: Value = serde_json::from_str(&text).expect("one document");
    assert_eq!(record["ending"], "transfer_call", "{text}");
    assert_eq!(code, ExitCode::SUCCESS);
    let line = format!("http://{address}/elsewhere --links ask");
    let (code, text) = run_call(&line, http(), "", Format::Text).await;
    assert!(
        text.contains("deviation: ask initial: answered with 404 Not Found"),
        "{text}"
    );
    assert_eq!(code, ExitCode::FAILURE);
    serving.abort();
}

#[tokio::test]
async fn unreachable_server_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let http = HttpClient::new(Outbound::new(Targets::any(), WAIT_LIMIT).expect("a client"));
    let error = run_failing_call(&format!("http://{address}/secret --links ask"), http, "").await;
    assert!(error.starts_with(&format!("cannot connect to {address}: ")), "{error}");
    assert!(!error.contains("secret"), "the URL is a secret: {error}");
}

#[test]
fn invalid_options_are_refused() {
    for (line, expected) in [
        (
            "http://chain.example.org/ --links a",
            "http:// is only for this machine",
        ),
        ("http://127.0.0.1@chain.example.org/ --links a", "only for this machine"),
        ("chain.example.org --links a", "must begin with https://"),
        ("https://chain.example.org/ --links a,,b", "a link must have a name"),
        (
            "https://chain.example.org/ --links a=http://10.0.0.1/",
            "only for this machine",
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
            "https://chain.example.org/ --links a --variant whether",
            "possible values: replace-state",
        ),
        (
            "https://chain.example.org/ --links a --all-variants --variant retry",
            "cannot be used with",
        ),
    ] {
        let words = ["call"].into_iter().chain(line.split(' '));
        let Err(error) = CommandLine::try_parse_from(words) else {
            panic!("{line}")
        };
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}
