//! Tests against a server that is independent of patchbay and resembles the published sample.

use std::sync::{Arc, Mutex};

use super::*;
use patchbay::http::{Request, Response, ResponseFuture, SendHttp};
use serde_json::json;

/// A hand-written chain: asks for a name and greets. It has no `key` and no parameters, and responds to an interrupt
/// with null.
#[derive(Clone, Default)]
struct Sample(Arc<Mutex<Vec<Value>>>);

impl SendHttp for Sample {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let body: Value = serde_json::from_slice(request.body()).expect("JSON");
            self.0.lock().expect("not poisoned").push(body.clone());
            let answer = match (body["name"].as_str(), body["action"].as_str()) {
                (Some("ask"), Some("initial")) => json!({ "content": "Ask for the name and call qualified." }),
                (Some("ask"), Some("qualified")) => {
                    let context = body["context"].as_str().expect("the older form");
                    let context: Value = serde_json::from_str(context).expect("JSON");
                    json!({
                        "content": "One moment.", "state": { "name": context["responses"] },
                        "actions": [{ "name": "switch_task", "context": { "name": "greet" } }],
                    })
                }
                (Some("greet"), Some("initial")) if body["state"]["name"] == "nobody" => {
                    json!({ "content": "Who?", "actions": [{ "name": "switch_task", "context": { "name": "ask" } }] })
                }
                (Some("greet"), Some("initial")) => json!({ "content": "Greet, then call qualified." }),
                (Some("greet"), Some("qualified")) => json!({ "content": "Bye.", "actions": [{ "name": "end_task" }] }),
                _ => Value::Null,
            };
            Ok(Response::new(answer.to_string().into()))
        })
    }
}

fn agent(server: Sample) -> Agent4 {
    let switches = Switches {
        context: ContextForm::Single,
        ..Switches::default()
    };
    Agent4::new(
        HttpClient::new(server),
        switches,
        "https://chain.example.org/",
        &["ask", "greet"],
    )
}

#[tokio::test]
async fn a_chain_of_another_server_runs_to_its_end() {
    let mut names = ["nobody", "Ada"].into_iter();
    let record = agent(Sample::default())
        .call("+12025550143", |turn| match turn.link {
            "ask" => Move::Qualified(json!({ "name": names.next().expect("a name") })),
            _ => Move::Qualified(json!({})),
        })
        .await;
    assert_eq!(record.ending, Ending::EndTask, "{record:#?}");
    assert_eq!(record.links, ["ask", "greet", "ask", "greet"]);
    let heard: Vec<&str> = record.heard.iter().map(|heard| heard.text.as_str()).collect();
    assert_eq!(heard, ["One moment.", "Who?", "One moment.", "Bye."]);
    assert_eq!(record.state["name"], "Ada");
    assert_eq!(record.violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_null_response_to_an_interrupt_is_accepted() {
    let record = agent(Sample::default()).call("+12025550143", |_| Move::HangUp).await;
    assert_eq!(record.ending, Ending::HungUp);
    assert_eq!(record.exchanges.len(), 2);
}

/// Responds to every request with the same body.
struct Always(Value);

impl SendHttp for Always {
    fn send(&self, _: Request) -> ResponseFuture<'_> {
        Box::pin(async { Ok(Response::new(self.0.to_string().into())) })
    }
}

#[tokio::test]
async fn violations_of_the_contract_are_recorded() {
    for (answer, expected) in [
        (json!({ "content": "x", "prompt": "y" }), "unknown field: prompt"),
        (
            json!({ "content": "x", "actions": [{ "name": "hang_up" }] }),
            "unknown action: hang_up",
        ),
        (
            json!({ "actions": [{ "name": "switch_task", "context": { "name": "z" } }] }),
            "an unknown link: z",
        ),
        (
            json!({}),
            "a initial: the response to `initial` has neither a prompt nor an action that moves on",
        ),
        (json!("x"), "a initial: the response is not an object"),
        (json!({ "content": ["x"] }), "a initial: `content` is not a string"),
        (json!({ "content": "x", "actions": {} }), "`actions` is not an array"),
        (json!({ "content": "x", "state": "y" }), "`state` is not an object"),
        (
            json!({ "content": "x", "actions": [{ "name": "sms" }] }),
            "the action `sms` has no string `message`",
        ),
        (
            json!({ "actions": [{ "name": "transfer_call", "context": { "number": "the office" } }] }),
            "`transfer_call` to an invalid phone number",
        ),
        (
            json!({ "content": "x", "qualified_parameters": {} }),
            "`qualified_parameters` in the response to `qualified`",
        ),
    ] {
        let agent = Agent4::new(
            HttpClient::new(Always(answer.clone())),
            Switches::default(),
            "https://chain.example.org/",
            &["a"],
        );
        let record = agent.call("+12025550143", |_| Move::Qualified(json!({}))).await;
        assert!(
            record.violations.iter().any(|violation| violation.contains(expected)),
            "{answer}: {:?}",
            record.violations
        );
    }
}
