//! Which call a request belongs to, and what a chain counts in it, whether or not Agent4 sends the state back.

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

async fn door() -> (World, String) {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "door", SMS).await);
    (world, url)
}

fn switches(state: StateRule) -> Switches {
    Switches {
        state,
        duplicates: true,
        ..Switches::default()
    }
}

/// Has the code sent, then guesses: never right, unless by chance of one in a million.
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
async fn three_wrong_codes_end_the_call_whatever_becomes_of_the_state() {
    let (world, url) = door().await;
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
async fn what_does_not_fit_is_asked_for_twice_more_whatever_becomes_of_the_state() {
    let (world, url) = door().await;
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

/// Counts what it is asked, where anything is counted.
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

/// With a state that comes back it is counted; without one, nobody can tell them apart, and so nothing is shared.
#[tokio::test(start_paused = true)]
async fn who_hides_their_number_shares_nothing_with_others_who_do() {
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
async fn who_hides_their_number_is_not_asked_in_circles_and_does_not_guess() {
    let (world, url) = door().await;
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
async fn the_next_call_begins_anew() {
    let (world, url) = counting().await;
    let begin = || from(CALLER, "initial");
    let says = |text: &str| {
        let mut request = from(CALLER, "qualified");
        request["context"] = json!({ "text": text });
        request
    };
    // Without a state that comes back: within a quarter of an hour it is one call.
    let first = post(&world, &url, &begin()).await;
    for (text, seen) in [("a", "1"), ("b", "2"), ("b", "2"), ("a", "3")] {
        let answer = post(&world, &url, &says(text)).await;
        assert_eq!(
            (answer.text("/content"), answer.text("/key")),
            (seen, first.text("/key")),
            "{text}"
        );
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(899)).await;
    assert_ne!(post(&world, &url, &says("late")).await.text("/key"), first.text("/key"));
    // The caller has gone.
    let second = post(&world, &url, &begin()).await;
    post(&world, &url, &from(CALLER, "interrupt")).await;
    let third = post(&world, &url, &begin()).await;
    assert_ne!(third.text("/key"), second.text("/key"));
    // It was the chain that ended it.
    post(&world, &url, &from(CALLER, "disqualified")).await;
    let fourth = post(&world, &url, &begin()).await;
    assert_ne!(fourth.text("/key"), third.text("/key"));
    // With a state that comes back: who begins without one begins a call, although the last one just broke off.
    let mut with_state = says("x");
    with_state["state"] = fourth.json["state"].clone();
    let counted = post(&world, &url, &with_state).await;
    assert_eq!(
        (counted.text("/content"), counted.text("/key")),
        ("1", fourth.text("/key"))
    );
    let fifth = post(&world, &url, &begin()).await;
    assert_ne!(fifth.text("/key"), fourth.text("/key"));
    assert_eq!(fifth.json["state"].get("seen"), Some(&Value::Null));
    // Somebody else's call, and one with another chain, is another one anyway.
    assert_ne!(
        post(&world, &url, &from(STRANGER, "initial")).await.text("/key"),
        fifth.text("/key")
    );
    let other = endpoint(&put(&world, "b", &one_rule(COUNTING)).await);
    assert_ne!(post(&world, &other, &begin()).await.text("/key"), fifth.text("/key"));
}

/// More of somebody else's than an item of the table has room for, and something else where our id was.
#[tokio::test(start_paused = true)]
async fn what_is_counted_holds_beside_whatever_state_comes_without_our_id() {
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
            "the same once more"
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
async fn without_the_table_the_caller_hears_an_answer_and_nothing_is_counted() {
    let (world, url) = counting().await;
    post(&world, &url, &from(CALLER, "qualified")).await;
    for fault in [Fault::InternalError, Fault::LostRequest] {
        let outage = Rule::new(fault).service(Service::DynamoDb);
        world.aws.faults().plan(outage.times(u32::MAX));
        let start = tokio::time::Instant::now();
        let answer = post(&world, &url, &from(CALLER, "qualified")).await;
        assert_eq!(answer.text("/content"), "cannot count");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        world.aws.faults().calm();
    }
}
