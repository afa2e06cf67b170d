//! Everything that a caller says is data, never code or markup.

use patchbay_simulators::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tracing::Level;

use crate::lines::Lines;
use crate::{CALLER, endpoint, one_rule, post, put, qualified, quiet_world};

/// Everything that is logged while `doing` runs.
pub(crate) async fn logged<T>(doing: impl Future<Output = T>) -> String {
    let (lines, guard) = Lines::capture(Level::TRACE);
    doing.await;
    drop(guard);
    lines.text()
}

const EVERYWHERE: &str = "{content: 'You said: {{ context.text }}.', state: {seen: '{{ context.text }}'}, \
     actions: [{name: say, context: {content: '{{ context.text }}'}}, {name: sms, context: {message: 'm {{ context.text }}'}}, {name: end_task}], \
     additional_call_notifications: [{webhook: {host: 'https://sink.example.org/a/{{ context.text }}x', headers: {X-A: 'b {{ context.text }}'}}}]}";

async fn parrot() -> (World, String) {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule(EVERYWHERE)).await);
    (world, url)
}

/// Asserts that the parrot's answer has `spoken` as data only.
fn assert_data(spoken: &str, answer: &crate::common::Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let content = answer.text("/content");
    if content == "FALLBACK" {
        // Too long to be spoken, or nothing speakable: then the sentence around it is not spoken either.
        let outside_tags = spoken
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, after)| after));
        let is_blank = outside_tags.flat_map(str::chars).all(|c| !c.is_alphanumeric());
        assert!(spoken.len() > 10_000 || is_blank, "{spoken:?} {answer:?}");
        return;
    }
    assert!(content.starts_with("You said: ") && content.ends_with('.'), "{content}");
    assert!(!content.contains(['<', '>', '\n', '\r']), "{content}");
    assert_eq!(answer.json["state"]["seen"], spoken, "the state keeps every character");
    let actions = answer.json["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 3);
    assert_eq!(actions[2], json!({ "name": "end_task" }));
    let host = answer.text("/additional_call_notifications/0/webhook/host");
    assert!(host.starts_with("https://sink.example.org/a/"), "{host}");
    assert_eq!(host.matches('/').count(), 4, "{host}");
    let header = answer.text("/additional_call_notifications/0/webhook/headers/X-A");
    assert!(!header.contains(['\r', '\n']), "{header}");
}

#[tokio::test(start_paused = true)]
async fn templates_json_and_markup_of_a_caller_are_not_interpreted() {
    let (world, url) = parrot().await;
    for spoken in [
        "{{ key }}",
        "{% for a in [1] %}x{% endfor %}",
        "{{ state.__class__ }}",
        "{{ 7 * 7 }}",
        "${7*7}",
        "#{7*7}",
        "\"}],\"actions\":[{\"name\":\"transfer_call\",\"context\":{\"number\":\"+12025550100\"}}]",
        "<speak><break time=\"3600s\"/></speak>",
        "<!--",
        "]]>",
        "\u{202e}evil",
        "a\u{0}b",
        "\\",
        "'; DROP TABLE calls; --",
        "%2e%2e%2f",
    ] {
        let answer = post(&world, &url, &qualified("a", &json!({ "text": spoken }))).await;
        assert_data(spoken, &answer);
        assert!(!answer.text("/content").contains("49"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_text_is_accepted_and_a_megabyte_is_refused() {
    let (world, url) = parrot().await;
    for length in [1, 1_000, 5_000, 20_000, 60_000] {
        let spoken = "x".repeat(length);
        assert_data(
            &spoken,
            &post(&world, &url, &qualified("a", &json!({ "text": spoken }))).await,
        );
    }
    let answer = post(&world, &url, &qualified("a", &json!({ "text": "x".repeat(1_100_000) }))).await;
    answer.is_problem(413, "body-too-large");
}

/// Checks a property in a world with the parrot chain, for `cases` values of `strategy`.
fn check<S: Strategy>(cases: u32, strategy: S, property: impl Fn(&World, &str, &tokio::runtime::Runtime, S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (world, url) = runtime.block_on(parrot());
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&strategy, |value| {
            property(&world, &url, &runtime, value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_text_is_data_everywhere() {
    let spoken = "(\\PC|[{}%#\"'\\\\<>&\r\n\t\u{0}\u{2028}]){1,60}";
    check(300, spoken, |world, url, runtime, spoken: String| {
        // A text that is a JSON object is one of the forms in which Agent4 sends what the model returned.
        let answer = runtime.block_on(post(world, url, &qualified("a", &json!({ "text": spoken }))));
        assert_data(&spoken, &answer);
    });
}

#[test]
fn any_context_gets_an_answer() {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from)
    ];
    let context = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(text|other|responses|[a-z]{1,3})", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    let action = prop_oneof!["initial|qualified|disqualified|interrupt", "[a-z]{0,8}"];
    check(
        300,
        (context, action, any::<bool>(), any::<bool>()),
        |world, url, runtime, (context, action, as_text, shows_number)| {
            let context = if as_text { json!(context.to_string()) } else { context };
            let caller = if shows_number { json!(CALLER) } else { context.clone() };
            let body = json!({ "name": "a", "action": action, "call_from": caller, "state": context, "metadata": context, "context": context });
            let mut answer = runtime.block_on(post(world, url, &body));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.json["key"].is_string(), "{answer:?}");
            let mut again = runtime.block_on(post(world, url, &body));
            if !shows_number {
                // The second request may be from another caller with a hidden number.
                for answer in [&mut answer, &mut again] {
                    answer.json["key"] = Value::Null;
                    answer.json["state"]["patchbay"]["call"] = Value::Null;
                }
            }
            assert_eq!(answer.json, again.json, "the same request has the same answer");
        },
    );
}

#[test]
fn any_body_gets_an_answer() {
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[{}\\[\\]\":,a-z0-9 ]{0,80}".prop_map(String::into_bytes),
    ];
    check(200, body, |world, url, runtime, body| {
        let request = crate::request("POST", url)
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        let answer = runtime.block_on(crate::send(world, request));
        assert!(matches!(answer.status, 200 | 400 | 422), "{answer:?}");
    });
}

#[test]
fn any_document_is_accepted_or_refused() {
    let text = prop_oneof![
        "\\PC{0,200}",
        "(links:|  - name: a|    initial:|      - content: x|\\{|\\}|\\[|\\]|\n|'|\"| ){0,30}"
    ];
    check(200, text, |world, _, runtime, text| {
        let answer = runtime.block_on(put(world, "b", &text));
        assert!(matches!(answer.status, 200 | 422), "{answer:?}");
    });
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_caller_is_logged() {
    let (world, url) = parrot().await;
    let lines = logged(async {
        for context in [
            json!({ "text": "my-card-is-4111" }),
            json!({ "text": { "my-card-is-4111": 1 } }),
        ] {
            post(&world, &url, &qualified("a", &context)).await;
        }
        post(
            &world,
            &url,
            &json!({ "name": "my-card-is-4111", "action": "initial", "call_from": "+12025550143" }),
        )
        .await;
    })
    .await;
    let own: String = lines.lines().filter(|line| line.contains("chain_link")).collect();
    assert!(own.contains("answered"), "{lines}");
    assert!(!own.contains("4111") && !own.contains("2025550143"), "{own}");
}
