//! CPU time of an answer. It is measured and not asserted, so a busy machine fails no test.
//!
//! `cargo test --release --workspace --test chain -- --ignored cost --nocapture`

use std::collections::BTreeMap;
use std::time::Instant;

use patchbay::chain::run::{RequestContext, Step, advance};
use patchbay::chain::{Chain, sample};
use patchbay::flow::{FetchResult, FetchResults};
use patchbay::providers::agent4::Request;
use serde_json::{Value, json};

const KEY: &str = "0b2f6c1e-0000-4000-8000-000000000001";
const RUNS: u32 = 2_000;

/// A link with 100 rules, of which only the last one applies.
fn hundred_rules() -> Value {
    let rule = |n: usize| {
        json!({
            "when": format!("context.number == '{n}' and (state.misses > {n} or caller.number == '+12025550{n:03}')"),
            "content": format!("Rule {n} says {{{{ context.number | spell }}}}."),
            "actions": [{ "name": "end_task" }],
        })
    };
    let mut rules: Vec<Value> = (0..99).map(rule).collect();
    rules.push(json!({
        "content": "{% for n in [1, 2, 3] %}{{ n }} {% endfor %}{{ context.number | spell }}",
        "state": { "misses": "{{ state.misses + 1 }}" },
        "actions": [{ "name": "switch_task", "context": { "name": "a" } }],
    }));
    json!({
        "state": { "misses": 0 },
        "links": [{
            "name": "a",
            "qualified_parameters": { "properties": { "number": { "type": "string", "pattern": "^[A-Z0-9-]+$" } }, "required": ["number"] },
            "initial": [{ "content": "Ask, then call qualified." }],
            "qualified": rules,
            "disqualified": [{ "actions": [{ "name": "end_call" }] }],
        }],
    })
}

/// Average milliseconds of a run.
fn average(runs: u32, mut run: impl FnMut()) -> f64 {
    run();
    let start = Instant::now();
    for _ in 0..runs {
        run();
    }
    start.elapsed().as_secs_f64() * 1_000.0 / f64::from(runs)
}

/// Parses a request, answers it, and serializes the answer, as the function does.
fn answer(chain: &Chain, body: &[u8], results: &FetchResults) -> String {
    let request = Request::parse(body).unwrap();
    let call = RequestContext {
        request: &request,
        key: KEY,
        code: "123456",
        state_kept: true,
    };
    match advance(chain, &call, results) {
        Step::Answer(done) => {
            assert_eq!(done.error, None);
            serde_json::to_string(&done.answer).unwrap()
        }
        Step::Fetch(request) => panic!("unexpected request: {request:?}"),
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_document_of_a_hundred_rules() {
    let document = hundred_rules();
    let text = document.to_string();
    let chain = Chain::from_value(&document).unwrap();
    let body =
        json!({ "name": "a", "action": "qualified", "call_from": "+12025550143", "context": { "number": "QX-1009" } })
            .to_string();
    let results = FetchResults::new();
    println!("document: {} bytes of JSON, 100 rules", text.len());
    println!(
        "upload (text, lines, check):   {:.3} ms",
        average(50, || drop(Chain::read(&text).unwrap()))
    );
    println!(
        "first use (check and compile): {:.3} ms",
        average(50, || drop(Chain::from_value(&document).unwrap()))
    );
    println!(
        "an answer of the last rule:    {:.3} ms",
        average(RUNS, || drop(answer(&chain, body.as_bytes(), &results)))
    );
}

#[test]
#[ignore = "a measurement"]
fn cost_of_the_order_link() {
    let chain = Chain::read(crate::SHIPSTATION).unwrap();
    let orders: Vec<Value> = (0..100)
        .map(|n| json!({ "orderNumber": format!("QX-{n}"), "orderStatus": "shipped", "billTo": { "phone": "2025550143" }, "items": ["x".repeat(1_000)] }))
        .collect();
    let results = FetchResult::from_response(200, Some(json!({ "orders": orders })), None);
    let all_results: FetchResults = [("links[0].qualified[1].fetch[0]".to_owned(), results)].into();
    let body = json!({ "name": "order_start", "action": "qualified", "call_from": "+12025550143", "context": { "order_number": "QX-99" } }).to_string();
    println!(
        "an answer out of 100 orders (100 KB): {:.3} ms",
        average(200, || drop(answer(&chain, body.as_bytes(), &all_results)))
    );
}

#[test]
fn the_measured_document_answers_with_the_last_rule() {
    let chain = Chain::from_value(&hundred_rules()).unwrap();
    let request = json!({ "name": "a", "action": "qualified", "context": { "number": "QX-1009" } });
    let result = sample::run(
        &chain,
        &sample::Sample {
            request,
            fetch: BTreeMap::new(),
        },
    )
    .unwrap();
    assert_eq!(result.answered_by, "links[0].qualified[99]");
    assert_eq!(result.answer.content.as_deref(), Some("1 2 3 Q, X, dash, 1, 0, 0, 9"));
}
