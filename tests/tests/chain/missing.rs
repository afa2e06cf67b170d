//! Blank counts as missing: a blank value is neither an answer, nor a segment of a URL, nor a word of a sentence.

use patchbay::chain::Chain;
use patchbay::chain::sample::{self, Sample, SampleResult};
use patchbay_simulators::agent4::{ContextForm, EarlyContext, Move, Switches};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    CALLER, PIN, SHIPSTATION, SMS, call, endpoint, one_rule, post, put, qualified, quiet_world, request, send,
};

/// Result of a dry run of `request` against `document`, with the back-end responses `fetch`.
fn dry_run(document: &str, request: &Value, fetch: &Value) -> SampleResult {
    let chain = Chain::read(document).unwrap();
    let sample: Sample = serde_json::from_value(json!({ "request": request, "fetch": fetch })).unwrap();
    sample::run(&chain, &sample).unwrap()
}

fn with_parameters(parameters: &str) -> String {
    let document = one_rule("{content: goes on, actions: [{name: end_task}]}");
    let declared = "{properties: {text: {type: string, maxLength: 70000}, other: {}}}";
    assert!(document.contains(declared));
    document.replace(declared, parameters)
}

const BLANK: [&str; 5] = ["", " ", "\t\n", "\u{a0}", "\u{2003} "];

#[test]
fn a_blank_required_text_is_missing() {
    let required = with_parameters("{properties: {text: {type: string}}, required: [text]}");
    let allowed = with_parameters("{properties: {text: {type: string, minLength: 0}}, required: [text]}");
    let inside = with_parameters(
        "{properties: {whole: {type: object, properties: {text: {type: string}}, required: [text]}}, required: [whole]}",
    );
    for blank in BLANK {
        let said = qualified("a", &json!({ "text": blank }));
        let asked = dry_run(&required, &said, &json!({}));
        assert_eq!(asked.answered_by, "links[0].invalid.retry", "{blank:?}");
        let continued = dry_run(&allowed, &said, &json!({}));
        assert_eq!(continued.answer.content.as_deref(), Some("goes on"), "{blank:?}");
        let asked = dry_run(
            &inside,
            &qualified("a", &json!({ "whole": { "text": blank } })),
            &json!({}),
        );
        assert_eq!(asked.answered_by, "links[0].invalid.retry", "{blank:?}");
    }
}

#[test]
fn qualified_without_arguments_continues_in_every_form() {
    let documents = [
        with_parameters("{properties: {}}"),
        with_parameters("{properties: {another: {type: boolean}}}"),
        with_parameters("{properties: {n: {type: integer, minimum: 1}, t: {type: string, pattern: '^[0-9]+$'}}}"),
    ];
    let nothing = [
        json!(null),
        json!(""),
        json!("  "),
        json!("null"),
        json!("\"\""),
        json!("{}"),
        json!({}),
        json!([]),
        json!({ "responses": "" }),
        json!({ "responses": " " }),
        json!({ "responses": null }),
        json!({ "responses": "null" }),
        json!({ "responses": {} }),
        json!({ "responses": "{}" }),
        json!("{\"responses\": \"\"}"),
        json!("{\"responses\": null}"),
        json!({ "another": "" }),
        json!({ "n": "", "t": " " }),
    ];
    for document in &documents {
        for context in &nothing {
            let result = dry_run(document, &qualified("a", context), &json!({}));
            assert_eq!(
                result.answer.content.as_deref(),
                Some("goes on"),
                "{context} {document}"
            );
        }
    }
}

#[test]
fn a_url_with_an_empty_path_segment_is_not_fetched() {
    let rule = |url: &str| {
        one_rule(&format!(
            "{{fetch: [{{name: f, url: '{url}', on: {{failed: {{content: failed, actions: [{{name: end_task}}]}}}}}}], content: x}}"
        ))
    };
    let fetched = |url: &str, text: &Value| {
        let result = dry_run(&rule(url), &qualified("a", &json!({ "text": text })), &json!({}));
        assert_eq!(result.error.is_none(), !result.fetches.is_empty(), "{result:?}");
        result.fetches.first().map(|fetch| fetch.url.clone())
    };
    for blank in BLANK {
        for url in [
            "https://example.org/{{ context.text }}",
            "https://example.org/a/{{ context.text }}/b?c=d",
            "https://example.org/a/{{ context.text }}?c=/",
            "https://example.org/a/{{ context.text }}{{ context.text }}/",
        ] {
            assert_eq!(fetched(url, &json!(blank)), None, "{url} {blank:?}");
            assert!(fetched(url, &json!("x")).is_some(), "{url}");
        }
    }
    // A segment that the document itself leaves empty is allowed, and so is an empty value in a query.
    for url in [
        "https://example.org/",
        "https://example.org//a/{{ context.text }}x/",
        "https://example.org/a-{{ context.text }}/b",
        "https://example.org/a?b={{ context.text }}",
        "https://example.org?b={{ context.text }}",
    ] {
        assert!(fetched(url, &json!("")).is_some(), "{url}");
    }
}

#[test]
fn a_blank_value_leaves_no_gap_in_a_sentence() {
    for blank in ["", " ", "<>", "\u{2028}", "\r\n"] {
        let document = one_rule("{content: 'You said: {{ context.text }}.', actions: [{name: end_task}]}");
        let result = dry_run(&document, &qualified("a", &json!({ "text": blank })), &json!({}));
        assert_eq!(result.answer.content.as_deref(), Some("FALLBACK"), "{blank:?}");
        // A default is spoken instead; a text that the document itself leaves empty is allowed.
        for (content, said) in [
            ("You said {{ context.text | default('nothing') }}.", "You said nothing."),
            ("Yes{{ ', ' ~ context.text if false else '' }}.", "Yes."),
        ] {
            let rule = format!("{{content: \"{content}\", actions: [{{name: end_task}}]}}");
            let blank = if blank.trim().is_empty() { blank } else { "" };
            let result = dry_run(&one_rule(&rule), &qualified("a", &json!({ "text": blank })), &json!({}));
            assert_eq!(result.answer.content.as_deref(), Some(said), "{blank:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_body_is_refused_as_such_and_not_as_a_missing_name() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: x}")).await);
    for body in ["", "{", "nonsense", "name=a", "{\"name\":\"a\"} x"] {
        let builder = request("POST", &url).header("content-type", "application/json");
        let answer = send(&world, builder.body(body.into()).unwrap()).await;
        answer.is_problem(400, "invalid-json");
    }
    for (body, field) in [
        (json!([]), "(body)"),
        (json!("a"), "(body)"),
        (json!({}), "name"),
        (json!({ "name": 7 }), "name"),
    ] {
        let answer = post(&world, &url, &body).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), [field], "{body}");
    }
}

/// A value that a back end, a model or a returned state may have in the place of a text.
fn word() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => prop::sample::select(vec!["", " ", "<>", "\u{202e}", "\u{2028}\t", "-", "?", "QX-1", "shipped", "2026-11-20", "true"])
            .prop_map(Value::from),
        // Without the characters by which a gap is detected.
        1 => "\\PC{0,8}".prop_map(|word| Value::from(word.replace(['.', ',', ':', ' '], "x"))),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(json!([])),
    ]
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(names.to_vec()), word(), 0..names.len() + 1)
        .prop_map(|fields| json!(fields))
}

const OF_ORDER: [&str; 4] = ["orderNumber", "orderStatus", "orderDate", "customerEmail"];
const OF_PARCEL: [&str; 5] = ["orderNumber", "trackingNumber", "carrierCode", "shipDate", "voided"];
const OF_CONTEXT: [&str; 6] = ["order_number", "email", "another", "pin", "code", "reason"];

/// Checks that nothing is missing where a sentence announces something.
fn check_no_gap(text: &str) -> Result<(), String> {
    let line = |line: &str| {
        let gaps = [": .", ":.", " .", " ,", ", ,", ":,", "  "];
        gaps.iter().any(|gap| line.contains(gap)) || line.trim_end().ends_with(':') || line.trim() == "."
    };
    if text.trim().is_empty() || text.lines().any(line) {
        return Err(format!("a gap in {text:?}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sentence_of_a_shipped_document_has_a_gap(
        document in prop::sample::select(vec![SHIPSTATION, PIN, SMS]),
        action in prop::sample::select(vec!["initial", "qualified", "disqualified", "interrupt"]),
        context in fields(&OF_CONTEXT),
        (order, parcel) in (fields(&OF_ORDER), fields(&OF_PARCEL)),
        (state_order, greeting, valid) in (word(), word(), word()),
    ) {
        let chain = Chain::read(document).unwrap();
        // It matches the caller and the order number; its other fields are arbitrary.
        let matching = |mut found: Value| {
            found["orderNumber"] = state_order.clone();
            found["billTo"] = json!({ "phone": CALLER });
            found
        };
        let (order, parcel) = (matching(order), matching(parcel));
        let found = json!({
            "orders": { "json": { "orders": [order] } },
            "shipments": { "json": { "shipments": [parcel] } },
            "fulfillments": { "json": { "fulfillments": [parcel] } },
            "check": { "json": { "valid": valid } },
        });
        for link in &chain.document().links {
            let request = json!({
                "name": link.name, "action": action, "call_from": CALLER, "context": context,
                "state": { "order": state_order, "misses": 1 }, "metadata": { "greeting": greeting },
            });
            let sample: Sample = serde_json::from_value(json!({ "request": request, "fetch": found })).unwrap();
            let result = sample::run(&chain, &sample).unwrap();
            let mut texts: Vec<String> = result.answer.content.iter().cloned().collect();
            let actions = serde_json::to_value(&result.answer.actions).unwrap();
            for action in actions.as_array().unwrap() {
                let of = |name: &str| action.pointer(&format!("/context/{name}")).and_then(Value::as_str);
                texts.extend(["message", "content"].into_iter().filter_map(of).map(str::to_owned));
            }
            if let Some(remembered) = &result.remembered {
                texts.push(remembered.memory.clone());
            }
            for text in &texts {
                prop_assert_eq!(check_no_gap(text), Ok(()), "{:?}", result);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_at_interrupt_is_used_if_it_is_sent_and_null_otherwise() {
    const LEFT: &str = "\
state: {left: ''}
links:
  - name: a
    interrupt_parameters: {properties: {reason: {type: string}}}
    initial: [{content: 'Ask why, then call qualified.'}]
    qualified: [{actions: [{name: end_call}]}]
    disqualified: [{actions: [{name: end_call}]}]
    interrupt: [{state: {left: '{{ context.reason }}'}}]
";
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", LEFT).await);
    for context in ContextForm::ALL {
        for (early, left) in [
            (EarlyContext::Missing, json!(null)),
            (EarlyContext::Null, json!(null)),
            (EarlyContext::Empty, json!(null)),
            (EarlyContext::Given, json!("some reason")),
        ] {
            let switches = Switches {
                context,
                context_at_interrupt: early,
                ..Switches::default()
            };
            let record = call(&world, switches, &url, &["a"], CALLER, |_| Move::HangUp).await;
            assert_eq!(record.violations, Vec::<String>::new());
            assert_eq!(record.state["left"], left, "{context:?} {early:?}");
        }
    }
}
