//! Sample files.

use super::*;
use crate::bot::sample::{self, Sample};

const BOT: &str = "\
rules:
  - {when: message.text == 'go', fetch: [{name: look, url: 'https://api.example.org/{{ message.text }}', on: {failed: {say: Down.}}}], say: 'It is {{ fetch.look.json.x }}.'}
";

#[track_caller]
fn run(text: &str) -> Vec<sample::ExchangeResult> {
    let sample = Sample::read(text).expect("a sample");
    sample::run(&bot(BOT), &sample)
}

#[test]
fn unmet_expectations_are_reported() {
    let results = run(
        "exchanges: [{say: blue, expect: {contains: [x], lacks: [sorry], posts: 2, answered_by: rules, hand_over: true, finish: true, call: queue, error: true}}]",
    );
    assert_eq!(
        results[0].failures,
        [
            "expected `x` in what the bot posts",
            "expected no `sorry` in what the bot posts",
            "expected posts 2, not 1",
            "expected answered_by rules, not unknown",
            "expected hand_over true, not false",
            "expected finish true, not false",
            "expected call queue, not none",
            "expected error true, not false",
        ]
    );
}

#[test]
fn responses_of_an_exchange_replace_those_of_the_sample() {
    let results = run("\
fetch: {look: {json: {x: 1}}}
exchanges:
  - say: go
  - {say: go, fetch: {look: {json: {x: 2}}}}
  - {say: go, fetch: {look: {status: 500}}}");
    let posts: Vec<&str> = results.iter().map(|result| result.posts[0].as_str()).collect();
    assert_eq!(posts, ["It is 1.", "It is 2.", "Down."]);
    assert_eq!(results[0].fetches[0].url, "https://api.example.org/go");
}

#[test]
fn request_without_a_response_times_out() {
    assert_eq!(run("exchanges: [{say: go}]")[0].posts, ["Down."]);
}

#[test]
fn time_passes_between_exchanges() {
    let sample = "now: 2026-01-05T16:59:50Z\nexchanges: [{say: x}, {say: x}, {say: x, after_seconds: 7200}]";
    let document = "time_zone: UTC\nhours: {monday: ['09:00-17:00']}\nrules: [{say: '{{ open }}'}]";
    let sample = Sample::read(sample).expect("a sample");
    let results = sample::run(&bot(document), &sample);
    let posts: Vec<&str> = results.iter().map(|result| result.posts[0].as_str()).collect();
    assert_eq!(posts, ["false", "false", "false"]);
}

#[test]
fn wrong_sample_is_reported_with_its_line() {
    let many = format!("exchanges: [{}]", "{say: x}, ".repeat(201));
    for (text, expected) in [
        ("exchanges:\n  - {sey: x}", "2:6: exchanges[0].sey: unknown field `sey`"),
        (
            "exchanges:\n  - {say: 7}",
            "2:6: exchanges[0].say: has none of the documented forms",
        ),
        ("now: today\nexchanges: []", "1:1: now: expected an RFC 3339 time"),
        (many.as_str(), "1:1: exchanges: has more than 200 exchanges"),
        ("{}", "missing field `exchanges`"),
        ("{", "not JSON"),
    ] {
        let issues = Sample::read(text).expect_err(text);
        assert!(issues[0].to_string().contains(expected), "{expected} {issues:?}");
    }
}
