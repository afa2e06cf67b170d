//! Employees who are skipped, and the reasons.

use patchbay_simulators::phones::{Behavior, Script, When};
use serde_json::{Value, json};

use crate::common::{call_to, calls_to, create, dispatch_body, list, rings, settle, show, story, text, world};

/// Runs a dispatch to Anna, with the fields of `change`, and to Ben, who accepts. Returns the story and Anna's
/// `skipped` line of the timeline.
async fn with_anna(change: Value) -> (Vec<String>, Value) {
    let accepts = || Script::always(Behavior::presses("1", When::OptionsSay(1)));
    let world = world([accepts(), accepts()]).await;
    let mut body = dispatch_body(2, &json!({}));
    let anna = body["employees"][0].as_object_mut().unwrap();
    anna.extend(change.as_object().unwrap().clone());
    let key = create(&world, &body).await;
    settle(&world).await;
    let shown = show(&world, &key).await;
    assert_eq!(text(&shown, "/accepted/employee/name"), "Ben");
    assert!(calls_to(&world, 0).is_empty());
    let skip = list(&shown, "/timeline")
        .iter()
        .find(|line| text(line, "/event") == "skipped")
        .cloned();
    (story(&world, &key).await, skip.unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_employee_is_skipped_and_the_timeline_has_the_reason() {
    // It is 03:00 UTC on 23 November 2026.
    let duty = |from: &str, until: &str| json!({ "on_duty": [{ "from": from, "until": until }] });
    let quiet = |from, until, offset| json!({ "quiet_hours": { "from": from, "until": until, "utc_offset": offset } });
    let cases = [
        (json!({ "opted_out": true }), "wants no calls", "opted_out"),
        (json!({ "verified": false }), "the number is not verified", "unverified"),
        (
            duty("2026-11-23T09:00:00Z", "2026-11-23T17:00:00Z"),
            "off duty until 09:00:00",
            "off_duty",
        ),
        (
            duty("2026-11-22T09:00:00Z", "2026-11-23T03:00:00Z"),
            "off duty",
            "off_duty",
        ),
        (
            quiet("22:00", "06:30", "+00:00"),
            "in quiet hours until 06:30:00",
            "quiet_hours",
        ),
        (
            quiet("22:00", "07:00", "+01:00"),
            "in quiet hours until 06:00:00",
            "quiet_hours",
        ),
        (
            quiet("02:00", "04:00", "+00:00"),
            "in quiet hours until 04:00:00",
            "quiet_hours",
        ),
    ];
    for (change, words, reason) in cases {
        let (timeline, skip) = with_anna(change.clone()).await;
        assert!(
            timeline.contains(&format!("Anna is skipped: {words}")),
            "{change}: {timeline:?}"
        );
        assert_eq!(
            (text(&skip, "/reason"), text(&skip, "/employee/name")),
            (reason, "Anna"),
            "{change}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_employee_on_duty_and_outside_quiet_hours_is_phoned_first() {
    for change in [
        json!({ "on_duty": [{ "from": "2026-11-23T03:00:00Z", "until": "2026-11-23T03:05:00Z" }] }),
        json!({ "quiet_hours": { "from": "03:01", "until": "03:00" } }),
        json!({ "quiet_hours": { "from": "22:00", "until": "07:00", "utc_offset": "+05:00" } }),
    ] {
        let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
        let mut body = dispatch_body(1, &json!({}));
        body["employees"][0]
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let key = create(&world, &body).await;
        settle(&world).await;
        assert_eq!(
            text(&show(&world, &key).await, "/accepted/employee/name"),
            "Anna",
            "{change}"
        );
        assert!(
            call_to(&world, 0)
                .created_at
                .since(world.store.load(&key).await.unwrap().unwrap().created_at)
                .as_secs()
                < 5
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_waits_for_the_first_employee_to_become_available() {
    let accepts = || Script::always(Behavior::presses("1", When::OptionsSay(1)));
    let world = world([accepts(), accepts()]).await;
    let mut body = dispatch_body(2, &json!({ "max_rounds": 1 }));
    body["employees"][0]["on_duty"] = json!([{ "from": "2026-11-23T09:00:00Z", "until": "2026-11-23T17:00:00Z" }]);
    body["employees"][1]["quiet_hours"] = json!({ "from": "22:00", "until": "06:00" });
    let key = create(&world, &body).await;
    settle(&world).await;
    let timeline = story(&world, &key).await;
    assert!(
        timeline.contains(&"Waiting until 06:00:00: nobody is available before then".to_owned()),
        "{timeline:?}"
    );
    assert_eq!(text(&show(&world, &key).await, "/accepted/employee/name"), "Ben");
    assert_eq!(call_to(&world, 1).created_at.time_of_day().get(..5), Some("06:00"));
    assert!(calls_to(&world, 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_is_exhausted_at_once_if_no_employee_will_ever_be_available() {
    let world = world([]).await;
    let mut body = dispatch_body(2, &json!({}));
    body["employees"][0]["opted_out"] = json!(true);
    body["employees"][1]["verified"] = json!(false);
    let key = create(&world, &body).await;
    assert_eq!(text(&show(&world, &key).await, "/status"), "Exhausted");
    settle(&world).await;
    let statuses: Vec<String> = world
        .notifications()
        .iter()
        .map(|notification| text(&notification.json(), "/data/status").to_owned())
        .collect();
    assert_eq!(statuses, ["Exhausted"]);
}

#[tokio::test(start_paused = true)]
async fn forty_unavailable_employees_fit_into_one_commit() {
    let world = world([]).await;
    let employee = |n: usize| {
        json!({
            "id": format!("p{n}"),
            "name": format!("P{n}"),
            "phone": format!("+120255501{n:02}"),
            "quiet_hours": { "from": "22:00", "until": "06:00" },
        })
    };
    let mut body = dispatch_body(1, &json!({ "attempts": 1, "max_rounds": 1 }));
    body["employees"] = json!((10..50).map(employee).collect::<Vec<_>>());
    body["employees"][39]["quiet_hours"] = json!({ "from": "22:00", "until": "05:00" });
    let key = create(&world, &body).await;
    settle(&world).await;
    let timeline = story(&world, &key).await;
    let phoned = timeline.iter().filter(|line| line.starts_with("Phoning")).count();
    assert!(phoned >= 1, "{timeline:?}");
    assert!(world.store.load(&key).await.unwrap().unwrap().state.is_over());
}

#[tokio::test(start_paused = true)]
async fn an_employee_on_the_phone_for_another_ticket_is_skipped() {
    let world = world([
        Behavior::NeverPicksUp.then(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    create(&world, &dispatch_body(1, &json!({ "attempts": 1, "max_rounds": 1 }))).await;
    rings(&world, 0, 0).await;
    let second = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    let timeline = story(&world, &second).await;
    let busy = |line: &String| line.starts_with("Anna is skipped: on the phone for another ticket");
    assert!(timeline.iter().any(busy), "{timeline:?}");
    assert_eq!(text(&show(&world, &second).await, "/accepted/employee/name"), "Ben");
    assert_eq!(world.routee.most_live_calls_to_one_number(), 1);
}
