//! Creating, previewing and reading a dispatch.

use patchbay_simulators::phones::{Behavior, Script, When};
use serde_json::{Value, json};

use crate::common::{TICKET, ask, calls_to, create, dispatch_body, get, list, settle, show, story, text, world};

#[tokio::test(start_paused = true)]
async fn the_timeline_has_every_event_in_order_and_with_names() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::silent(6)),
        Script::always(Behavior::presses("2", When::OptionsSay(1))),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &dispatch_body(4, &json!({ "attempts": 2 }))).await;
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
            "No answer from Ben: picked up, but no key pressed (call 1)",
            "Phoning Ben over routee",
            "No answer from Ben: picked up, but no key pressed (call 2)",
            "Phoning Carla over routee",
            "Carla pressed 2: rejected",
            "Phoning Dora over routee",
            "Dora pressed 1: accepted",
        ]
    );
    let shown = show(&world, &key).await;
    assert_eq!(text(&shown, "/status"), "Accepted");
    assert_eq!(
        shown.pointer("/accepted/employee"),
        Some(&json!({ "id": "dora", "name": "Dora" }))
    );
    assert_eq!(
        (shown.pointer("/attempts"), shown.pointer("/plan")),
        (Some(&json!(6)), None)
    );
    let timeline = list(&shown, "/timeline");
    let times: Vec<&str> = timeline.iter().map(|line| text(line, "/at")).collect();
    assert!(times.is_sorted(), "{times:?}");
    // Each status of each call once, with the right employee.
    let statuses = |name: &str| -> Vec<&str> {
        let of = |line: &&Value| text(line, "/event") == "status" && text(line, "/employee/name") == name;
        timeline.iter().filter(of).map(|line| text(line, "/name")).collect()
    };
    let rung_out = ["Queued", "Initiated", "Ringing", "NoAnswer"];
    assert_eq!(statuses("Anna"), [rung_out, rung_out].concat());
    assert_eq!(
        statuses("Dora"),
        ["Queued", "Initiated", "Ringing", "InProgress", "Completed"]
    );
    // The next page starts after the cursor.
    let mut all: Vec<Value> = timeline.to_vec();
    all.sort_by_key(|line| text(line, "/id").to_owned());
    let after = text(&all[4], "/id");
    let rest = get(&world, &format!("/v1/dispatches/{}?timeline_cursor={after}", key.id)).await;
    assert_eq!(list(&rest.json, "/timeline").len(), all.len() - 5);
}

#[tokio::test(start_paused = true)]
async fn the_response_shows_the_request_and_the_plan() {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    let policy = json!({ "attempts": 2, "max_rounds": 1, "language": "de-DE" });
    let body = dispatch_body(2, &policy);
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
async fn a_preview_shows_the_plan_and_has_no_effect() {
    let world = world([Script::always(Behavior::NeverPicksUp)]).await;
    let mut body = dispatch_body(3, &json!({ "attempts": 1, "max_rounds": 1 }));
    body["employees"][0]["opted_out"] = json!(true);
    body["employees"][2]["language"] = json!("de-DE");
    let answer = ask(&world, "POST", "/v1/dispatches/preview", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.text("/plan/summary"),
        "Ben ×1, then Carla ×1, ends 03:00:50 UTC, then exhausted"
    );
    let timeline: Vec<&str> = list(&answer.json, "/timeline")
        .iter()
        .map(|line| text(line, "/text"))
        .collect();
    assert!(timeline.contains(&"Anna is skipped: wants no calls"), "{timeline:?}");
    let plans = list(&answer.json, "/scripts");
    let steps = |plan: usize| plans[plan].pointer("/steps").unwrap().to_string();
    assert!(
        steps(1).contains(TICKET) && steps(1).contains("Press 1"),
        "{}",
        steps(1)
    );
    assert!(
        steps(2).contains("de-DE") && !steps(2).contains("Press 1"),
        "{}",
        steps(2)
    );
    settle(&world).await;
    assert!(world.routee.calls().is_empty() && world.notifications().is_empty());
    assert_eq!(
        get(&world, "/v1/dispatches").await.json.pointer("/dispatches"),
        Some(&json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn rounds_repeat_until_max_rounds_is_reached() {
    let world = world([Script::always(Behavior::Busy), Script::always(Behavior::Fails)]).await;
    let policy = json!({ "attempts": 1, "max_rounds": 3, "round_pause": 600 });
    let key = create(&world, &dispatch_body(2, &policy)).await;
    settle(&world).await;
    let timeline = story(&world, &key).await;
    let round = [
        "Phoning Anna over routee",
        "No answer from Anna: busy (call 1)",
        "Phoning Ben over routee",
        "No answer from Ben: the call failed (call 1)",
    ];
    let without_waits: Vec<&str> = timeline
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
    assert_eq!(timeline.len() - without_waits.len(), 2, "{timeline:?}");
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
async fn an_employee_who_rejected_is_phoned_again_only_with_retry_rejected() {
    for (retry_rejected, calls) in [(true, 2), (false, 1)] {
        let world = world([
            Script::always(Behavior::presses("2", When::OptionsSay(1))),
            Script::always(Behavior::Busy),
        ])
        .await;
        let policy = json!({ "attempts": 1, "max_rounds": 2, "retry_rejected": retry_rejected });
        let key = create(&world, &dispatch_body(2, &policy)).await;
        settle(&world).await;
        assert_eq!((calls_to(&world, 0).len(), calls_to(&world, 1).len()), (calls, 2));
        let timeline = story(&world, &key).await;
        let is_skipped = timeline.contains(&"Anna is skipped: rejected before".to_owned());
        assert_eq!(is_skipped, !retry_rejected, "{timeline:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_repeats_the_options_up_to_wrong_keys_times() {
    let presses = Behavior::silent(5);
    let presses = (1..=3).fold(presses, |phone, nth| {
        phone.and(
            When::OptionsSay(nth),
            patchbay_simulators::phones::Action::Press("7".to_owned()),
        )
    });
    let world = world([Script::always(presses)]).await;
    let key = create(
        &world,
        &dispatch_body(1, &json!({ "attempts": 1, "max_rounds": 1, "wrong_keys": 2 })),
    )
    .await;
    settle(&world).await;
    let call = crate::common::call_to(&world, 0);
    let options = call.texts().iter().filter(|text| text.starts_with("Press 1")).count();
    assert_eq!((call.keys.len(), options), (3, 3), "{:?}", call.texts());
    let timeline = story(&world, &key).await;
    let without_effect = timeline
        .iter()
        .filter(|line| *line == "Anna pressed 7, without effect")
        .count();
    // Routee repeats the keys when the call ends, which looks exactly like a fourth key.
    assert_eq!(without_effect, 4, "{timeline:?}");
    assert_eq!(text(&show(&world, &key).await, "/status"), "Exhausted");
}
