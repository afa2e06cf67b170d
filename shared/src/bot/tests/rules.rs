//! Rules: evaluated before the FAQ, with requests to back ends.

use serde_json::json;

use super::*;

const BOT: &str = "\
time_zone: Europe/Berlin
hours: {monday: ['09:00-17:00']}
variables: {count: 0}
rules:
  - when: \"'refund' in message.words\"
    say: A refund takes a week.
    set: {count: '{{ session.count + 1 }}'}
  - when: message.text == 'where'
    fetch:
      - name: place
        url: https://api.example.org/{{ message.text }}
        timeout_ms: 15000
        on: {not_found: {say: Nowhere.}, failed: {pass: true}}
    say: [First., 'In {{ fetch.place.json.city }}.']
  - {when: message.attachments > 0, say: 'I got {{ message.attachments }}.'}
  - {when: faq.name == 'apples' and not open, say: 'Closed, but {{ faq.name }} score {{ faq.score }}.'}
  - when: message.text == 'state'
    say: '{{ now }} {{ open }} {{ language }} {{ session.count }} {{ history | length }} {{ (transcript | last).text }}'
  - {when: message.text == 'count', pass: true, set: {count: 7}}
  - when: message.text == 'deep'
    rules:
      - {when: session.count > 100, say: many}
faq:
  entries:
    - {name: apples, questions: [apples], answer: Red.}
    - {name: deep, questions: [deep], answer: Fell through.}
    - {name: count, questions: [count], answer: '{{ session.count }}'}
    - {name: where, questions: [where], answer: Somewhere.}
";

#[test]
fn first_matching_rule_answers() {
    let mut talk = Talk::with(BOT);
    let result = talk.say("I want a REFUND!");
    assert_eq!(
        (by(&result), result.posts[0].as_str()),
        ("rules[0]", "A refund takes a week.")
    );
    assert_eq!(result.session.variables["count"], 1);
    assert_eq!(talk.say("a refund").session.variables["count"], 2);
}

#[test]
fn faq_is_searched_when_no_rule_matches_or_one_passes() {
    let mut talk = Talk::with(BOT);
    assert_eq!(talk.answer("apples"), "Red.");
    assert_eq!(talk.answer("deep"), "Fell through.");
    assert_eq!(talk.answer("count"), "7");
}

#[test]
fn request_to_a_back_end_is_sent_first() {
    let mut talk = Talk::with(BOT);
    talk.responses = vec![("place", 200, json!({ "city": "Bonn\nam Rhein" }))];
    let result = talk.say("where");
    assert_eq!(result.posts, ["First.", "In Bonn\nam Rhein."]);
    assert_eq!(by(&result), "rules[1]");
    talk.responses = vec![("place", 404, json!(null))];
    assert_eq!(talk.answer("where"), "Nowhere.");
    talk.responses = vec![("place", 500, json!(null))];
    assert_eq!(talk.answer("where"), "Somewhere.");
}

#[test]
fn rules_see_hours_language_and_history() {
    let mut talk = Talk::with(BOT);
    assert_eq!(talk.answer("state"), "2026-01-05T13:00:15+01:00 true en 0 1 state");
    talk.after(5 * 3_600);
    assert_eq!(talk.answer("apples"), "Closed, but apples score 1.");
    let german = Talk::of(BOT, contact("de-AT")).answer("state");
    assert!(german.contains(" de-AT "), "{german}");
}

#[test]
fn history_ends_with_the_message_and_joins_successive_lines() {
    let mut talk = Talk::with(
        "rules: [{when: message.text == 'go', say: '{% for m in history %}{{ m.role }}: {{ m.content }} | {% endfor %}'}, {say: 'again {{ message.text }}'}]",
    );
    talk.say("one");
    talk.say_all(&["two", "three"]);
    assert_eq!(
        talk.answer("go"),
        "user: one | assistant: again one | user: two\nthree | assistant: again two\nthree | user: go |"
    );
}

#[test]
fn reply_without_a_text_for_this_message_is_an_error() {
    let mut talk = Talk::with("variables: {x: ''}\nrules: [{say: \"{{ session.x | default('') }}\"}]");
    let result = talk.say("x");
    assert_eq!(
        result.error.as_deref(),
        Some("rules[0].say: has no text for this message")
    );
    assert_eq!(by(&result), "fallback");
}

#[test]
fn variables_are_bounded() {
    let mut talk = Talk::with(
        "variables: {x: '', y: ''}\nrules: [{say: ok, set: {x: '{{ session.x }}{{ message.text }}', y: '{{ session.x }}'}}]",
    );
    let long = "a".repeat(4_000);
    assert_eq!([talk.answer(&long), talk.answer(&long)], ["ok", "ok"]);
    let result = talk.say(&long);
    assert_eq!(
        result.error.as_deref(),
        Some("rules[0].set: makes the variables larger than 16 KB")
    );
    assert_eq!(result.session.variables["x"].as_str().map(str::len), Some(8_000));
}

#[test]
fn conversation_may_be_finished() {
    let mut talk = Talk::with("rules: [{when: message.text == 'bye', say: Goodbye., finish: true}]");
    let result = talk.say("bye");
    assert_eq!(
        (result.action, result.posts.as_slice()),
        (TurnAction::Finish, &["Goodbye.".to_owned()][..])
    );
}
