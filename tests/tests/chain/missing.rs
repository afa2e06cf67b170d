//! Empty is missing: what is blank is no answer, no place in a URL, and no word in a sentence.

use patchbay::chain::Chain;
use patchbay::chain::sample::{self, Sample, Tried};
use patchbay_simulators::agent4::{ContextForm, EarlyContext, Move, Switches};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    CALLER, PIN, SHIPSTATION, SMS, call, endpoint, one_rule, post, put, qualified, quiet_world, request, send,
};

/// What came of a request at a document, with these answers of back ends.
fn tried(document: &str, request: &Value, fetch: &Value) -> Tried {
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
fn a_required_text_that_is_blank_is_missing() {
    let required = with_parameters("{properties: {text: {type: string}}, required: [text]}");
    let allowed = with_parameters("{properties: {text: {type: string, minLength: 0}}, required: [text]}");
    let inside = with_parameters(
        "{properties: {whole: {type: object, properties: {text: {type: string}}, required: [text]}}, required: [whole]}",
    );
    for blank in BLANK {
        let said = qualified("a", &json!({ "text": blank }));
        let asked = tried(&required, &said, &json!({}));
        assert_eq!(asked.answered_by, "links[0].invalid.retry", "{blank:?}");
        let went_on = tried(&allowed, &said, &json!({}));
        assert_eq!(went_on.answer.content.as_deref(), Some("goes on"), "{blank:?}");
        let asked = tried(
            &inside,
            &qualified("a", &json!({ "whole": { "text": blank } })),
            &json!({}),
        );
        assert_eq!(asked.answered_by, "links[0].invalid.retry", "{blank:?}");
    }
}

#[test]
fn qualified_without_arguments_goes_on_however_it_is_written() {
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
            let came = tried(document, &qualified("a", context), &json!({}));
            assert_eq!(came.answer.content.as_deref(), Some("goes on"), "{context} {document}");
        }
    }
}

#[test]
fn a_url_with_an_empty_place_in_its_path_is_not_fetched() {
    let rule = |url: &str| {
        one_rule(&format!(
            "{{fetch: [{{name: f, url: '{url}', on: {{failed: {{content: failed, actions: [{{name: end_task}}]}}}}}}], content: x}}"
        ))
    };
    let looked_up = |url: &str, said: &Value| {
        let came = tried(&rule(url), &qualified("a", &json!({ "text": said })), &json!({}));
        assert_eq!(came.trouble.is_none(), !came.fetches.is_empty(), "{came:?}");
        came.fetches.first().map(|fetch| fetch.url.clone())
    };
    for blank in BLANK {
        for url in [
            "https://example.org/{{ context.text }}",
            "https://example.org/a/{{ context.text }}/b?c=d",
            "https://example.org/a/{{ context.text }}?c=/",
            "https://example.org/a/{{ context.text }}{{ context.text }}/",
        ] {
            assert_eq!(looked_up(url, &json!(blank)), None, "{url} {blank:?}");
            assert!(looked_up(url, &json!("x")).is_some(), "{url}");
        }
    }
    // What the document itself leaves empty stays so, and a query may have an empty value.
    for url in [
        "https://example.org/",
        "https://example.org//a/{{ context.text }}x/",
        "https://example.org/a-{{ context.text }}/b",
        "https://example.org/a?b={{ context.text }}",
        "https://example.org?b={{ context.text }}",
    ] {
        assert!(looked_up(url, &json!("")).is_some(), "{url}");
    }
}

#[test]
fn a_blank_value_is_no_hole_in_a_sentence() {
    for blank in ["", " ", "<>", "\u{2028}", "\r\n"] {
        let document = one_rule("{content: 'You said: {{ context.text }}.', actions: [{name: end_task}]}");
        let came = tried(&document, &qualified("a", &json!({ "text": blank })), &json!({}));
        assert_eq!(came.answer.content.as_deref(), Some("FALLBACK"), "{blank:?}");
        // Where the document has a word for it, that is said; and where it says that nothing will do, nothing.
        for (content, said) in [
            ("You said {{ context.text | default('nothing') }}.", "You said nothing."),
            ("Yes{{ ', ' ~ context.text if false else '' }}.", "Yes."),
        ] {
            let rule = format!("{{content: \"{content}\", actions: [{{name: end_task}}]}}");
            let blank = if blank.trim().is_empty() { blank } else { "" };
            let came = tried(&one_rule(&rule), &qualified("a", &json!({ "text": blank })), &json!({}));
            assert_eq!(came.answer.content.as_deref(), Some(said), "{blank:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_json_is_not_taken_for_a_request_without_a_name() {
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

/// Anything that a back end, a model or an echoed state may have where a text is expected.
fn word() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => prop::sample::select(vec!["", " ", "<>", "\u{202e}", "\u{2028}\t", "-", "?", "QX-1", "shipped", "2026-11-20", "true"])
            .prop_map(Value::from),
        // Without the signs by which a hole is known.
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

/// That nothing is missing where a sentence announces something.
fn has_no_hole(text: &str) -> Result<(), String> {
    let line = |line: &str| {
        let holes = [": .", ":.", " .", " ,", ", ,", ":,", "  "];
        holes.iter().any(|hole| line.contains(hole)) || line.trim_end().ends_with(':') || line.trim() == "."
    };
    if text.trim().is_empty() || text.lines().any(line) {
        return Err(format!("a hole in {text:?}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_shipped_document_says_a_sentence_with_a_hole(
        document in prop::sample::select(vec![SHIPSTATION, PIN, SMS]),
        moment in prop::sample::select(vec!["initial", "qualified", "disqualified", "interrupt"]),
        context in fields(&OF_CONTEXT),
        (order, parcel) in (fields(&OF_ORDER), fields(&OF_PARCEL)),
        (state_order, greeting, valid) in (word(), word(), word()),
    ) {
        let chain = Chain::read(document).unwrap();
        // One that fits, whatever else is odd about it.
        let named = |mut thing: Value| {
            thing["orderNumber"] = state_order.clone();
            thing["billTo"] = json!({ "phone": CALLER });
            thing
        };
        let (order, parcel) = (named(order), named(parcel));
        let found = json!({
            "orders": { "json": { "orders": [order] } },
            "shipments": { "json": { "shipments": [parcel] } },
            "fulfillments": { "json": { "fulfillments": [parcel] } },
            "check": { "json": { "valid": valid } },
        });
        for link in &chain.document().links {
            let request = json!({
                "name": link.name, "action": moment, "call_from": CALLER, "context": context,
                "state": { "order": state_order, "misses": 1 }, "metadata": { "greeting": greeting },
            });
            let sample: Sample = serde_json::from_value(json!({ "request": request, "fetch": found })).unwrap();
            let came = sample::run(&chain, &sample).unwrap();
            let mut texts: Vec<String> = came.answer.content.iter().cloned().collect();
            let actions = serde_json::to_value(&came.answer.actions).unwrap();
            for action in actions.as_array().unwrap() {
                let of = |name: &str| action.pointer(&format!("/context/{name}")).and_then(Value::as_str);
                texts.extend(["message", "content"].into_iter().filter_map(of).map(str::to_owned));
            }
            if let Some(remembered) = &came.remembered {
                texts.push(remembered.memory.clone());
            }
            for text in &texts {
                prop_assert_eq!(has_no_hole(text), Ok(()), "{:?}", came);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_at_interrupt_is_used_where_it_comes_and_null_where_it_does_not() {
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
