//! Creating, previewing and reading a dispatch.

use patchbay_simulators::phones::{Behaviour, Script, When};
use serde_json::{Value, json};

use crate::common::{TICKET, ask, brief, calls_to, create, get, list, settle, show, story, text, world};

#[tokio::test(start_paused = true)]
async fn the_timeline_tells_the_whole_story_in_order_and_with_names() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::silent(6)),
        Script::always(Behaviour::presses("2", When::OptionsSay(1))),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &brief(4, &json!({ "attempts": 2 }))).await;
    settle(&world).await;
    assert_eq!(
        story(&world, &key).await,
        [
            "Created, 4 people to phone",
            "Phoning Anna over routee",
            "No answer from Anna: not picked up (call 1)",
            "Phoning Anna over routee",
            "No answer from Anna: not picked up (call 2)",
            "Phoning Ben over routee",
            "No answer from Ben: picked up, but no key (call 1)",
            "Phoning Ben over routee",
            "No answer from Ben: picked up, but no key (call 2)",
            "Phoning Carla over routee",
            "Carla pressed 2: rejected",
            "Phoning Dora over routee",
            "Dora pressed 1: accepted",
        ]
    );
    let shown = show(&world, &key).await;
    assert_eq!(text(&shown, "/status"), "Accepted");
    assert_eq!(
        shown.pointer("/accepted/by"),
        Some(&json!({ "id": "dora", "name": "Dora" }))
    );
    assert_eq!(
        (shown.pointer("/attempts"), shown.pointer("/plan")),
        (Some(&json!(6)), None)
    );
    let timeline = list(&shown, "/timeline");
    let times: Vec<&str> = timeline.iter().map(|line| text(line, "/at")).collect();
    assert!(times.is_sorted(), "{times:?}");
    // Each status of each call, once, about the right person.
    let statuses = |name: &str| -> Vec<&str> {
        let of = |line: &&Value| text(line, "/event") == "status" && text(line, "/person/name") == name;
        timeline.iter().filter(of).map(|line| text(line, "/name")).collect()
    };
    let rung_out = ["Queued", "Initiated", "Ringing", "NoAnswer"];
    assert_eq!(statuses("Anna"), [rung_out, rung_out].concat());
    assert_eq!(
        statuses("Dora"),
        ["Queued", "Initiated", "Ringing", "InProgress", "Completed"]
    );
    // In pages it is the same story.
    let mut whole: Vec<Value> = timeline.to_vec();
    whole.sort_by_key(|line| text(line, "/id").to_owned());
    let after = text(&whole[4], "/id");
    let rest = get(&world, &format!("/v1/dispatches/{}?timeline_after={after}", key.id)).await;
    assert_eq!(list(&rest.json, "/timeline").len(), whole.len() - 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_shows_what_was_asked_for_and_what_comes_next() {
    let world = world([Script::always(Behaviour::NeverPicksUp)]).await;
    let policy = json!({ "attempts": 2, "max_rounds": 1, "language": "de-DE" });
    let body = brief(2, &policy);
    let answer = ask(&world, "POST", "/v1/dispatches", &body).await;
    assert_eq!((answer.status, answer.text("/status")), (201, "Calling"));
    assert_eq!(answer.text("/ticket/text"), TICKET);
    assert_eq!(answer.text("/employees/1/phone"), "+12025550102");
    assert_eq!(answer.text("/webhook/strategy"), "OnChange");
    for (field, value) in policy.as_object().unwrap() {
        assert_eq!(answer.json.pointer(&format!("/policy/{field}")), Some(value));
    }
    assert_eq!(
        answer.json.pointer("/policy/ring_timeout"),
        Some(&json!(25)),
        "the default"
    );
    assert_eq!(
        answer.text("/plan/summary"),
        "Anna ×2, then Ben ×2, ends 03:02:40 UTC, then exhausted"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test(start_paused = true)]
async fn a_preview_tells_what_would_happen_and_lets_nothing_happen() {
    let world = world([Script::always(Behaviour::NeverPicksUp)]).await;
    let mut body = brief(3, &json!({ "attempts": 1, "max_rounds": 1 }));
    body["employees"][0]["opted_out"] = json!(true);
    body["employees"][2]["language"] = json!("de-DE");
    let answer = ask(&world, "POST", "/v1/dispatches/preview", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.text("/plan/summary"),
        "Ben ×1, then Carla ×1, ends 03:00:50 UTC, then exhausted"
    );
    let told: Vec<&str> = list(&answer.json, "/timeline")
        .iter()
        .map(|line| text(line, "/text"))
        .collect();
    assert!(told.contains(&"Anna is passed over: wants no calls"), "{told:?}");
    let plans = list(&answer.json, "/scripts");
    let said = |plan: usize| plans[plan].pointer("/steps").unwrap().to_string();
    assert!(said(1).contains(TICKET) && said(1).contains("Press 1"), "{}", said(1));
    assert!(said(2).contains("de-DE") && !said(2).contains("Press 1"), "{}", said(2));
    settle(&world).await;
    assert!(world.routee.calls().is_empty() && world.notifications().is_empty());
    assert_eq!(
        get(&world, "/v1/dispatches").await.json.pointer("/dispatches"),
        Some(&json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn rounds_follow_each_other_until_nobody_is_left() {
    let world = world([Script::always(Behaviour::Busy), Script::always(Behaviour::Fails)]).await;
    let policy = json!({ "attempts": 1, "max_rounds": 3, "round_pause": 600 });
    let key = create(&world, &brief(2, &policy)).await;
    settle(&world).await;
    let told = story(&world, &key).await;
    let round = [
        "Phoning Anna over routee",
        "No answer from Anna: busy (call 1)",
        "Phoning Ben over routee",
        "No answer from Ben: the call failed (call 1)",
    ];
    let without_waits: Vec<&str> = told
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with("Waiting"))
        .collect();
    let expected = [
        &["Created, 2 people to phone"][..],
        &round,
        &round,
        &round,
        &["Nobody is left to phone: exhausted"],
    ]
    .concat();
    assert_eq!(without_waits, expected);
    assert_eq!(told.len() - without_waits.len(), 2, "{told:?}");
    let shown = show(&world, &key).await;
    assert_eq!(
        (text(&shown, "/status"), shown.pointer("/round")),
        ("Exhausted", Some(&json!(3)))
    );
    let calls = calls_to(&world, 0);
    for pair in calls.windows(2) {
        let pause = pair[1].created_at.since(pair[0].created_at).as_secs();
        assert!((600..660).contains(&pause), "{pause} s from round to round");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_rejected_is_asked_again_only_if_the_policy_says_so() {
    for (ask_again, calls) in [(true, 2), (false, 1)] {
        let world = world([
            Script::always(Behaviour::presses("2", When::OptionsSay(1))),
            Script::always(Behaviour::Busy),
        ])
        .await;
        let policy = json!({ "attempts": 1, "max_rounds": 2, "ask_again": ask_again });
        let key = create(&world, &brief(2, &policy)).await;
        settle(&world).await;
        assert_eq!((calls_to(&world, 0).len(), calls_to(&world, 1).len()), (calls, 2));
        let told = story(&world, &key).await;
        let passed_over = told.contains(&"Anna is passed over: rejected before".to_owned());
        assert_eq!(passed_over, !ask_again, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_answered_with_the_options_a_few_times() {
    let presses = Behaviour::silent(5);
    let presses = (1..=3).fold(presses, |phone, nth| {
        phone.and(
            When::OptionsSay(nth),
            patchbay_simulators::phones::Deed::Press("7".to_owned()),
        )
    });
    let world = world([Script::always(presses)]).await;
    let key = create(
        &world,
        &brief(1, &json!({ "attempts": 1, "max_rounds": 1, "wrong_keys": 2 })),
    )
    .await;
    settle(&world).await;
    let call = crate::common::call_to(&world, 0);
    let options = call.texts().iter().filter(|text| text.starts_with("Press 1")).count();
    assert_eq!((call.keys.len(), options), (3, 3), "{:?}", call.texts());
    let told = story(&world, &key).await;
    let noted = told
        .iter()
        .filter(|line| *line == "Anna pressed 7, to no effect")
        .count();
    // Routee repeats the keys when the call ends, and nothing tells that from a fourth one.
    assert_eq!(noted, 4, "{told:?}");
    assert_eq!(text(&show(&world, &key).await, "/status"), "Exhausted");
}
