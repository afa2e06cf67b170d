//! To which call a request belongs, and what a chain counts per call, whether or not Agent4 returns the state.

use std::time::Duration;

use patchbay_simulators::agent4::{Ending, Move, StateRule, Switches, Turn};
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::{CALLER, SMS, STRANGER, call, endpoint, one_rule, post, put, quiet_world};

const STATES: [StateRule; 4] = [
    StateRule::Merge,
    StateRule::Replace,
    StateRule::Never,
    StateRule::AtInitial,
];
const LINKS: [&str; 3] = ["send_code", "ask_code", "inside"];

async fn code_chain() -> (World, String) {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "code", SMS).await);
    (world, url)
}

fn switches(state: StateRule) -> Switches {
    Switches {
        state,
        duplicates: true,
        ..Switches::default()
    }
}

/// Has the code sent, then guesses 000001, 000002, …: each guess is right with a chance of one in a million.
fn guesses() -> impl FnMut(&Turn<'_>) -> Move {
    let mut guess = 0;
    move |turn| match turn.link {
        "ask_code" => {
            guess += 1;
            Move::Qualified(json!({ "code": format!("{guess:06}") }))
        }
        _ => Move::Qualified(json!({})),
    }
}

#[tokio::test(start_paused = true)]
async fn three_wrong_codes_end_the_call_with_or_without_the_state() {
    let (world, url) = code_chain().await;
    for state in STATES {
        let record = call(&world, switches(state), &url, &LINKS, CALLER, guesses()).await;
        assert_eq!(record.violations, Vec::<String>::new(), "{state:?}");
        assert_eq!(
            record.links,
            ["send_code", "ask_code", "ask_code", "ask_code"],
            "{state:?}"
        );
        assert_eq!(record.ending, Ending::EndCall, "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_argument_is_asked_for_again_twice_with_or_without_the_state() {
    let (world, url) = code_chain().await;
    for state in STATES {
        let record = call(&world, switches(state), &url, &LINKS, CALLER, |turn| match turn.link {
            "ask_code" => Move::Qualified(json!({ "code": "please" })),
            _ => Move::Qualified(json!({})),
        })
        .await;
        assert_eq!(
            record.links,
            ["send_code", "ask_code", "ask_code", "ask_code"],
            "{state:?}"
        );
        assert_eq!(record.ending, Ending::EndTask, "{state:?}");
    }
}

/// Counts the requests of a call, if the state is kept.
const COUNTING: &str = "{when: not state_kept, content: cannot count, actions: [{name: end_call}]}, \
                        {content: '{{ state.seen | default(0) + 1 }}', state: {seen: '{{ state.seen | default(0) + 1 }}'}}";

async fn counting() -> (World, String) {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule(COUNTING)).await);
    (world, url)
}

fn from(caller: &str, action: &str) -> Value {
    json!({ "name": "a", "action": action, "call_from": caller, "context": {} })
}

/// A returned state identifies the call. Without one, calls with a hidden number are indistinguishable, so nothing is
/// counted.
#[tokio::test(start_paused = true)]
async fn callers_with_a_hidden_number_share_no_state() {
    let (world, url) = counting().await;
    for hidden in ["anonymous", "", "Restricted", "+266696687"] {
        let first = post(&world, &url, &from(hidden, "initial")).await;
        let other = post(&world, &url, &from(hidden, "initial")).await;
        assert_ne!(first.text("/key"), other.text("/key"), "{hidden}");
        for answer in [&first, &other] {
            let mut with_state = from(hidden, "qualified");
            with_state["state"] = answer.json["state"].clone();
            let counted = post(&world, &url, &with_state).await;
            assert_eq!(
                (counted.text("/content"), counted.text("/key")),
                ("1", answer.text("/key"))
            );
        }
        let alone = post(&world, &url, &from(hidden, "qualified")).await;
        assert_eq!(alone.text("/content"), "cannot count");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_hidden_number_gets_neither_a_loop_nor_guesses() {
    let (world, url) = code_chain().await;
    let record = call(&world, switches(StateRule::Merge), &url, &LINKS, "anonymous", guesses()).await;
    assert!(record.heard("Your number is hidden"), "{record:#?}");
    for (code, answered_by) in [("please", "I am sorry"), ("000000", "Goodbye")] {
        let mut request = from("anonymous", "qualified");
        request["name"] = json!("ask_code");
        request["context"] = json!({ "code": code });
        let answer = post(&world, &url, &request).await;
        assert!(answer.text("/content").contains(answered_by), "{answer:?}");
        assert_ne!(answer.json["actions"][0]["name"], "switch_task", "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_call_starts_with_a_new_state() {
    let (world, url) = counting().await;
    let initial = || from(CALLER, "initial");
    let qualified = |text: &str| {
        let mut request = from(CALLER, "qualified");
        request["context"] = json!({ "text": text });
        request
    };
    // Without a returned state, requests within 15 minutes are one call.
    let first = post(&world, &url, &initial()).await;
    for (text, seen) in [("a", "1"), ("b", "2"), ("b", "2"), ("a", "3")] {
        let answer = post(&world, &url, &qualified(text)).await;
        assert_eq!(
            (answer.text("/content"), answer.text("/key")),
            (seen, first.text("/key")),
            "{text}"
        );
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(899)).await;
    assert_ne!(
        post(&world, &url, &qualified("late")).await.text("/key"),
        first.text("/key")
    );
    // The caller has hung up.
    let second = post(&world, &url, &initial()).await;
    post(&world, &url, &from(CALLER, "interrupt")).await;
    let third = post(&world, &url, &initial()).await;
    assert_ne!(third.text("/key"), second.text("/key"));
    // The chain has ended the call.
    post(&world, &url, &from(CALLER, "disqualified")).await;
    let fourth = post(&world, &url, &initial()).await;
    assert_ne!(fourth.text("/key"), third.text("/key"));
    // With a returned state, an `initial` without one starts a new call, although the last call was just interrupted.
    let mut with_state = qualified("x");
    with_state["state"] = fourth.json["state"].clone();
    let counted = post(&world, &url, &with_state).await;
    assert_eq!(
        (counted.text("/content"), counted.text("/key")),
        ("1", fourth.text("/key"))
    );
    let fifth = post(&world, &url, &initial()).await;
    assert_ne!(fifth.text("/key"), fourth.text("/key"));
    assert_eq!(fifth.json["state"].get("seen"), Some(&Value::Null));
    // Another caller, or another chain, is always another call.
    assert_ne!(
        post(&world, &url, &from(STRANGER, "initial")).await.text("/key"),
        fifth.text("/key")
    );
    let other = endpoint(&put(&world, "b", &one_rule(COUNTING)).await);
    assert_ne!(post(&world, &other, &initial()).await.text("/key"), fifth.text("/key"));
}

/// Foreign state that is larger than an item of the table may be, and foreign values in the place of our id.
#[tokio::test(start_paused = true)]
async fn counting_works_with_any_foreign_state_without_our_id() {
    let states = [
        json!({ "theirs": "x".repeat(500_000) }),
        json!({ "patchbay": null }),
        json!({ "patchbay": "{\"call\":\"1\",\"tries\":{}}" }),
    ];
    for state in states {
        let (world, url) = counting().await;
        let mut request = from(CALLER, "qualified");
        request["state"] = state;
        let first = post(&world, &url, &request).await;
        assert_eq!(first.text("/content"), "1");
        assert_eq!(
            post(&world, &url, &request).await.json,
            first.json,
            "a repeated request has the same answer"
        );
        for seen in ["2", "3"] {
            request["context"] = json!({ "text": seen });
            let answer = post(&world, &url, &request).await;
            assert_eq!(
                (answer.text("/content"), answer.text("/key")),
                (seen, first.text("/key"))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_dynamodb_is_unavailable_the_chain_answers_without_counting() {
    let (world, url) = counting().await;
    post(&world, &url, &from(CALLER, "qualified")).await;
    for fault in [Fault::InternalError, Fault::LostRequest] {
        let outage = Rule::new(fault).service(Service::DynamoDb);
        world.aws.faults().plan(outage.times(u32::MAX));
        let start = tokio::time::Instant::now();
        let answer = post(&world, &url, &from(CALLER, "qualified")).await;
        assert_eq!(answer.text("/content"), "cannot count");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        world.aws.faults().clear();
    }
}
