//! `patchbay local` as a process: work in progress survives a `kill -9`, and operator commands work against it.
//!
//! No test asserts on time. A wait ends when its condition holds, or fails after minutes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATCHBAY: &str = env!("CARGO_BIN_EXE_patchbay");
const TOKEN: &str = "pb_0000000000000000000000000000000000000000000000000000000000000000";
/// Base64 of the printed application id and secret.
const ROUTEE_APPLICATION: &str = "bG9jYWwtYXBwbGljYXRpb246bG9jYWwtc2VjcmV0";
/// Maximum time of a wait: even on a slow machine the condition holds long before.
const MAX_WAIT: Duration = Duration::from_mins(5);
/// Turns minutes of ringing and waiting into seconds. On a busy machine the response to a key may then be late, and the
/// provider hangs up. As in production, the next attempt compensates for that; the tickets have five.
const SPEED: &str = "50";
const TICKETS: usize = 20;

/// A running `patchbay local`; killed on drop.
struct Local {
    process: Child,
    url: String,
}

impl Drop for Local {
    fn drop(&mut self) {
        // SIGKILL: the process cannot clean up.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Local {
    fn start(more: &[&str]) -> Self {
        let mut process = Command::new(PATCHBAY)
            .args(["local", "--port", "0", "--speed", SPEED])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first
            .split(' ')
            .find_map(|word| word.strip_suffix(',').filter(|word| word.starts_with("http")));
        let url = url.unwrap_or_else(|| panic!("no URL in {first}")).to_owned();
        // Drains the pipe, or the process would block once it is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }

    /// Sends a JSON request with the token; returns status and body.
    fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, path, &format!("Bearer {TOKEN}"), "application/json", &body)
    }

    fn send(&self, method: &str, path: &str, authorization: &str, form: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {authorization}\r\n\
             content-type: {form}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    fn dispatch(&self, id: &str) -> Value {
        let (status, dispatch) = self.request("GET", &format!("/v1/dispatches/{id}"), &Value::Null);
        assert_eq!(status, 200, "{dispatch}");
        dispatch
    }

    /// The JSON output of an operator command.
    fn run_command(&self, arguments: &[&str]) -> Value {
        Self::output_of(arguments, &["--local", &self.url])
    }

    /// The JSON output of a command that uses the API.
    fn run_api_command(&self, arguments: &[&str]) -> Value {
        Self::output_of(arguments, &["--api", &self.url, "--token", TOKEN])
    }

    fn output_of(arguments: &[&str], deployment: &[&str]) -> Value {
        let output = Command::new(PATCHBAY)
            .args(arguments)
            .args(deployment)
            .args(["--output", "json"])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        // `doctor` exits with 1 if a check failed.
        assert!(
            output.status.success() || arguments == ["doctor"],
            "{arguments:?}: {errors}"
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }
}

/// A data file of one test; deleted on drop.
struct DataFile(PathBuf);

impl DataFile {
    fn new(name: &str) -> Self {
        let data = Self(std::env::temp_dir().join(format!("patchbay-{name}-{}.db", std::process::id())));
        data.remove();
        data
    }

    fn remove(&self) {
        for more in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{more}", self.0.display()));
        }
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < MAX_WAIT, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The n-th ticket: its request, its final status, and the id of the employee who accepts.
fn ticket(number: usize) -> (Value, &'static str, Option<&'static str>) {
    let person = |name: &str, phone: &str| json!({ "id": name, "name": name, "phone": phone });
    let never = person("anna", "+12025550101");
    let silent = person("ben", "+12025550102");
    let rejects = person("carla", "+12025550103");
    let accepts = person("dimitri", "+12025550104");
    let busy = person("eva", "+12025550105");
    let late = person("finn", "+12025550106");
    let (employees, state, by) = match number % 4 {
        0 => (json!([never, accepts]), "Accepted", Some("dimitri")),
        1 => (json!([rejects, busy, late]), "Accepted", Some("finn")),
        2 => (json!([silent, rejects]), "Exhausted", None),
        _ => (json!([accepts]), "Accepted", Some("dimitri")),
    };
    let body = json!({
        "ticket": { "reference": format!("INC-{number}"), "text": "Pump four has stopped." },
        "employees": employees,
        "policy": { "attempts": 5, "retry_delay": 5, "max_rounds": 1 },
    });
    (body, state, by)
}

fn state(dispatch: &Value) -> &str {
    dispatch.get("status").and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn kills_while_phones_ring_do_not_change_how_dispatches_end() {
    let data = DataFile::new("kill");
    let path = data.path().to_str().unwrap();
    let local = Local::start(&["--data", path]);
    let ids: Vec<String> = (0..TICKETS)
        .map(|number| {
            let (status, created) = local.request("POST", "/v1/dispatches", &ticket(number).0);
            assert_eq!(status, 201, "{created}");
            created["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let rung = |local: &Local| {
        ids.iter()
            .filter(|id| local.dispatch(id)["attempts"].as_u64() > Some(0))
            .count()
    };
    wait_until("some phones ring", || rung(&local) >= 3);
    // Killed twice, at whatever point each dispatch has reached.
    drop(local);
    let local = Local::start(&["--data", path]);
    wait_until("more phones ring", || rung(&local) >= 6);
    drop(local);
    let local = Local::start(&["--data", path]);
    wait_until("all dispatches end", || {
        ids.iter()
            .all(|id| !matches!(state(&local.dispatch(id)), "Calling" | "Waiting"))
    });
    for (number, id) in ids.iter().enumerate() {
        let (_, expected, by) = ticket(number);
        let dispatch = local.dispatch(id);
        assert_eq!(state(&dispatch), expected, "ticket {number}: {dispatch:#}");
        if let Some(by) = by {
            let acceptor = dispatch.pointer("/accepted/employee/id").and_then(Value::as_str);
            assert_eq!(acceptor, Some(by), "ticket {number}: {dispatch:#}");
        }
    }
}

#[test]
fn a_context_set_after_a_restart_with_the_same_seed_is_stored() {
    let data = DataFile::new("context");
    let arguments = ["--data", data.path().to_str().unwrap(), "--seed", "7"];
    for memory in ["first", "second", "third"] {
        let local = Local::start(&arguments);
        let fields = json!({
            "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme", "memory": memory,
        });
        let (status, answer) = local.request("POST", "/voice/api/v1/twilio/set-context", &fields);
        assert_eq!(status, 200, "{answer}");
        let (_, context) = local.request(
            "POST",
            "/voice/api/v1/twilio/get-context",
            &json!({ "caller": "+12025550143" }),
        );
        assert_eq!(context["memory"], memory, "{context}");
    }
}

#[test]
fn a_purchase_set_again_after_the_payment_is_not_charged_again() {
    let local = Local::start(&[]);
    let set = |price: &str| {
        let fields = json!({
            "caller": "+12025550143", "description": " Two  seats", "price": price, "vendor": "acme",
        });
        let (status, answer) = local.request("POST", "/voice/api/v1/twilio/set-context", &fields);
        assert_eq!(status, 200, "{answer}");
        answer["message"]["purchase"].as_str().unwrap().to_owned()
    };
    let call = || {
        let path = "/simulated/twilio/call?from=%2B12025550143&pays=card";
        local.request("POST", path, &Value::Null).1
    };
    assert_eq!(set("42"), "new");
    let first = call();
    assert_eq!(first["failures"], json!([]), "{first}");
    assert_eq!(set("42.00"), "same");
    let again = call();
    assert_eq!(again["failures"], json!([]), "{again}");
    assert!(again["heard"].to_string().contains("has been paid already"), "{again}");
}

#[test]
fn operator_commands_work_against_local() {
    let local = Local::start(&[]);
    let (_, created) = local.request("POST", "/v1/dispatches", &ticket(0).0);
    let id = created["id"].as_str().unwrap();

    let listed = local.run_command(&["dispatch", "list"]);
    assert_eq!(
        listed.pointer("/dispatches/0/id").and_then(Value::as_str),
        Some(id),
        "{listed}"
    );
    assert!(local.run_command(&["dispatch", "show", id]).to_string().contains(id));
    assert_eq!(
        local.run_command(&["dlq", "list"]).pointer("/dead_letters"),
        Some(&json!([]))
    );
    let token = local.run_command(&["token", "create", "--name", "reader", "--scopes", "dispatches:read"]);
    let secret = token["token"].as_str().unwrap();
    let output = Command::new(PATCHBAY)
        .args(["dispatch", "cancel", id, "--local", &local.url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(state(&local.dispatch(id)), "Cancelled");
    let revoked = local.run_command(&["token", "revoke", secret]);
    assert!(!revoked.is_null());
    let report = local.run_command(&["doctor"]);
    assert_eq!(report["healthy"], true, "{report:#}");
    let url = local.run_command(&["url", "twilio-transfer"]);
    assert!(url["url"].as_str().unwrap().starts_with(&local.url), "{url}");
}

#[test]
fn a_bot_is_pushed_connected_and_answers_until_a_person_takes_over() {
    let local = Local::start(&[]);
    let file = DataFile::new("bot");
    let document = "faq: {entries: [{name: hours, questions: [When are you open?], answer: From nine to five.}]}";
    std::fs::write(file.path(), document).unwrap();
    local.run_api_command(&["bot", "push", "shop", file.path().to_str().unwrap()]);
    for _ in 0..2 {
        let report = local.run_command(&["bot", "connect", "--inbox", "7=shop"]);
        assert_eq!(report["connection"]["inboxes"], json!({ "7": "shop" }), "{report}");
    }
    let inboxes = local.run_command(&["bot", "inboxes"]);
    assert_eq!(inboxes["inboxes"][0]["bot"], "shop", "{inboxes}");

    let act = |action: &str, fields: &Value| local.request("POST", &format!("/simulated/chat/{action}"), fields).1;
    let conversation = act("open", &json!({ "inbox": 7 }))["conversation"].clone();
    let id = conversation.to_string();
    act(
        "write",
        &json!({ "conversation": conversation, "text": "When are you open?" }),
    );
    let path = format!("/v1/conversations/{id}");
    // The conversation exists only once its first event has been received.
    wait_until("the bot answers", || {
        let (_, shown) = local.request("GET", &path, &Value::Null);
        shown.to_string().contains("From nine to five.")
    });
    let shown = || local.run_api_command(&["bot", "conversations", "show", &id]);
    act(
        "reply",
        &json!({ "conversation": conversation, "agent": "jane.doe", "text": "Hello!" }),
    );
    wait_until("a person holds the conversation", || shown()["holder"] == "human");
    local.run_api_command(&["bot", "conversations", "give-back", &id]);
    assert_eq!(shown()["holder"], "bot");
    let listed = local.run_api_command(&["bot", "conversations", "list"]);
    assert_eq!(listed["conversations"][0]["id"], id.as_str(), "{listed}");
    let number = "+12025550143";
    local.run_command(&["opt-out", "add", number]);
    assert_eq!(local.run_command(&["opt-out", "check", number])["opted_out"], true);
}

#[test]
fn with_a_secret_the_chat_platform_signs_its_events_and_unsigned_ones_are_refused() {
    let local = Local::start(&["--chat-secret", "s3cr3t"]);
    local.request(
        "PUT",
        "/v1/bots/shop",
        &json!({ "faq": { "entries": [
            { "name": "hours", "questions": ["When are you open?"], "answer": "From nine to five." },
        ] } }),
    );
    local.run_command(&["bot", "connect", "--inbox", "7=shop"]);
    let url = local.run_command(&["url", "bot"])["url"].clone();
    let path = url.as_str().unwrap().trim_start_matches(&local.url);
    let (status, answer) = local.request("POST", path, &json!({ "event": "message_created" }));
    assert_eq!(status, 403, "{answer}");
    assert!(answer.to_string().contains("bad-signature"), "{answer}");

    let act = |action: &str, fields: &Value| local.request("POST", &format!("/simulated/chat/{action}"), fields).1;
    let conversation = act("open", &json!({ "inbox": 7 }))["conversation"].clone();
    let text = "When are you open?";
    act("write", &json!({ "conversation": conversation, "text": text }));
    let shown = || local.request("GET", "/simulated/chat", &Value::Null).1.to_string();
    wait_until("the bot answers", || shown().contains("From nine to five."));
    let report = local.run_command(&["doctor"]);
    assert_eq!(report["healthy"], true, "{report:#}");
}

#[test]
fn a_web_page_of_another_host_can_do_nothing() {
    let local = Local::start(&[]);
    let open = |origin: &str| {
        let form = format!("text/plain\r\norigin: {origin}");
        local.send("POST", "/simulated/chat/open", "", &form, r#"{ "inbox": 7 }"#)
    };
    let (status, answer) = open("https://www.example.org");
    assert_eq!(status, 403);
    assert!(answer["detail"].to_string().contains("another host"), "{answer}");
    assert_eq!(open(&local.url).0, 200);
}

#[test]
fn calls_fail_over_to_the_other_provider_during_an_outage() {
    let local = Local::start(&["--provider", "both"]);
    let switch = |path: &str| local.request("POST", path, &Value::Null);
    let (status, answer) = switch("/simulated/routee/down");
    assert_eq!((status, answer["up"].as_bool()), (200, Some(false)), "{answer}");
    assert_eq!(switch("/simulated/routee/down?how=slowly").0, 400);
    let (_, created) = local.request("POST", "/v1/dispatches", &ticket(3).0);
    let id = created["id"].as_str().unwrap();
    wait_until("the ticket is accepted", || state(&local.dispatch(id)) == "Accepted");
    let shown = local.dispatch(id).to_string();
    assert!(shown.contains("over twilio, because routee "), "{shown}");
    let report = local.run_command(&["doctor"]).to_string();
    assert!(
        report.contains("employees are phoned over routee, then over twilio"),
        "{report}"
    );

    assert_eq!(switch("/simulated/routee/up").1["up"], true);
    assert_eq!(switch("/simulated/twilio/down?how=hangs").0, 200);
    let mut only = ticket(3).0;
    only["policy"]["providers"] = json!(["routee"]);
    let (_, created) = local.request("POST", "/v1/dispatches", &only);
    let id = created["id"].as_str().unwrap();
    wait_until("the ticket is accepted over Routee", || {
        state(&local.dispatch(id)) == "Accepted"
    });
    assert!(local.dispatch(id).to_string().contains("over routee"));
}

/// Accepts `count` requests, answers each with 200, and returns their bodies.
fn receive(listener: &TcpListener, count: usize) -> Vec<Value> {
    let mut bodies = Vec::new();
    for stream in listener.incoming().take(count) {
        let mut reader = BufReader::new(stream.unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        bodies.push(serde_json::from_slice(&body).unwrap());
    }
    bodies
}

#[test]
fn simulated_routee_sends_webhooks_to_other_servers_on_this_machine() {
    let local = Local::start(&[]);
    let bot = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = format!("http://{}/status", bot.local_addr().unwrap());
    let basic = format!("Basic {ROUTEE_APPLICATION}");
    let form = "application/x-www-form-urlencoded";
    let (_, token) = local.send("POST", "/oauth/token", &basic, form, "grant_type=client_credentials");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let call = json!({
        "from": "12025550100", "to": { "phone": "+12025550105" },
        "dialPlan": { "verbs": [{ "type": "SAY", "message": { "text": "Hello", "language": "en-US" } }] },
        "callback": { "url": hook, "strategy": "OnCompletion" },
    });
    let (status, placed) = local.send(
        "POST",
        "/voice/conversation",
        &bearer,
        "application/json",
        &call.to_string(),
    );
    assert_eq!(status, 200, "{placed}");
    let [ended] = receive(&bot, 1).try_into().unwrap();
    assert_eq!(ended.pointer("/status/name"), Some(&json!("Busy")), "{ended}");
    assert_eq!(ended["conversationTrackingId"], placed["trackingId"]);
}

#[test]
fn a_second_server_cannot_open_the_same_data_file() {
    let data = DataFile::new("twice");
    let path = data.path().to_str().unwrap();
    let _first = Local::start(&["--data", path]);
    let second = Command::new(PATCHBAY)
        .args(["local", "--port", "0", "--data", path])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(errors.contains("another patchbay local is using"), "{errors}");
}
