use std::io::BufReader;

use serde_json::Value;

use super::*;
use crate::output::Format;

/// A bot with an answer, a lookup, and people who wait for nobody for long.
const DOCUMENT: &str = r#"
rules:
  - when: message.text == 'order'
    fetch:
      - name: order
        url: https://orders.example.org/last
        on: { failed: { say: The shop does not answer. } }
    say: "It is {{ fetch.order.json.state }}."
faq:
  entries:
    - name: hours
      questions: [When are you open?]
      answer: From nine to five.
hand_over:
  text: I am getting somebody.
  words: [human]
  wait_seconds: 60
  wait_text: Nobody is free yet.
"#;

/// Runs the lines of a script. Returns whether the bot did not fail, and the JSON output.
fn run_script(lines: &str) -> (bool, Value) {
    let bot = Bot::read(DOCUMENT)
        .map_err(|issues| format!("{issues:?}"))
        .expect("a document");
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Json);
    let mut reader = BufReader::new(lines.as_bytes());
    let mut terminal = Terminal::new(&mut reader, false, None, &mut output);
    let code = block_on(converse(&bot, &options(), &mut terminal)).expect(lines);
    let report = serde_json::from_slice(&buffer).expect("one document");
    (code == ExitCode::SUCCESS, report)
}

fn options() -> Options {
    Options {
        file: PathBuf::from("bot.yaml"),
        fetch: false,
        secrets: None,
        at: Some(parse_time("2026-11-23T12:00:00Z").expect("a time")),
        name: Some("Ana".to_owned()),
        email: None,
        phone: None,
        language: None,
    }
}

/// What the bot posted.
fn posts(report: &Value) -> Vec<&str> {
    let entries = report["timeline"].as_array().expect("a timeline").iter();
    let posts = entries.filter(|entry| entry["fact"] == "done" && entry["step"] == "post");
    posts.map(|entry| entry["text"].as_str().expect("a text")).collect()
}

fn text_of(lines: &str) -> String {
    console::set_colors_enabled(false);
    let bot = Bot::read(DOCUMENT)
        .map_err(|issues| format!("{issues:?}"))
        .expect("a document");
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Text);
    let mut reader = BufReader::new(lines.as_bytes());
    let mut terminal = Terminal::new(&mut reader, false, None, &mut output);
    block_on(converse(&bot, &options(), &mut terminal)).expect(lines);
    String::from_utf8(buffer).expect("text")
}

#[test]
fn the_bot_answers_what_the_customer_writes() {
    let (ok, report) = run_script("# a comment\n\nwhen are you open\n");
    assert!(ok);
    let posts = posts(&report);
    assert!(
        posts.iter().any(|text| text.contains("From nine to five.")),
        "{posts:?}"
    );
    assert_eq!(report["holder"], "bot");
}

#[test]
fn a_customer_who_wants_a_person_waits_until_one_writes_and_returns() {
    let (_, report) = run_script("human\n");
    assert_eq!(report["holder"], "waiting");
    assert_eq!(posts(&report), ["I am getting somebody."]);
    let steps = report["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 1, "{steps:?}");
    let (_, report) = run_script("human\n/agent I am Jo\nwhen are you open\n");
    assert_eq!(report["holder"], "human");
    assert_eq!(posts(&report), ["I am getting somebody."], "the bot is silent");
    let (_, report) = run_script("human\n/agent I am Jo\n/bot\nwhen are you open\n");
    assert_eq!(report["holder"], "bot");
    assert!(posts(&report).last().expect("a post").contains("nine to five"));
}

#[test]
fn time_passes_only_when_a_script_says_so() {
    let (_, report) = run_script("human\n/wait 59s\n");
    assert_eq!(posts(&report).len(), 1);
    let (_, report) = run_script("human\n/wait 2m\n");
    assert_eq!(posts(&report), ["I am getting somebody.", "Nobody is free yet."]);
}

#[test]
fn a_lookup_is_answered_by_the_script_or_fails() {
    let (ok, report) = run_script("/answer order {\"state\": \"on its way\"}\norder\n");
    assert!(ok, "{report}");
    assert!(posts(&report).last().expect("a post").contains("It is on its way."));
    assert_eq!(
        report["lookups"],
        json!([{ "name": "order", "url": "https://orders.example.org/last", "status": 200 }])
    );
    let (ok, report) = run_script("order\n");
    assert!(ok, "{report}");
    assert!(
        posts(&report)
            .last()
            .expect("a post")
            .contains("The shop does not answer.")
    );
    let (ok, report) = run_script("/answer order {}\norder\n");
    assert!(!ok, "a text without its value: {report}");
}

#[test]
fn a_resolved_conversation_and_a_new_one_are_with_the_bot() {
    let (_, report) = run_script("human\n/resolve\n");
    assert_eq!(report["holder"], "bot");
    let (_, report) = run_script("human\n/reset\n");
    assert_eq!(report["holder"], "bot");
}

#[test]
fn text_output_shows_both_sides_and_what_happens() {
    let shown = text_of("human\n/agent I am Jo\n");
    for line in [
        "customer  human",
        "bot       I am getting somebody.",
        "the agent I am Jo",
        "▶ a person has taken over (the agent): a person wrote",
    ] {
        assert!(shown.lines().any(|other| other == line), "{line}:\n{shown}");
    }
}

#[test]
fn an_invalid_line_of_a_script_is_an_error_with_its_number() {
    let bot = Bot::read(DOCUMENT).expect("a document");
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Text);
    let mut reader = BufReader::new("hello\n/fly\n".as_bytes());
    let mut terminal = Terminal::new(&mut reader, false, None, &mut output);
    let error = block_on(converse(&bot, &options(), &mut terminal)).expect_err("an invalid line");
    assert!(error.to_string().starts_with("stdin:2: no command /fly"), "{error}");
}
