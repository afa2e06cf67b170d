use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_796_000_000_000);

fn parse(body: &Value) -> Result<Extensions, Vec<FieldError>> {
    let targets = Targets::public_and("").expect("targets");
    Extensions::parse(body.to_string().as_bytes(), &targets, NOW)
}

/// The names of the fields that are refused.
fn refused(body: &Value) -> Vec<String> {
    let errors = parse(body).expect_err(&body.to_string());
    errors.into_iter().map(|error| error.field).collect()
}

fn after(seconds: u32) -> String {
    NOW.plus_seconds(seconds).to_string()
}

#[test]
fn every_field_is_read() {
    let body = json!({
        "agentId": "leo", "scheduleAt": after(60), "latestAt": after(120), "timeZone": " America/Denver ",
        "bypassHours": { "reason": " the customer asked for it " },
        "webhook": { "url": "https://example.org/hook", "strategy": "OnCompletion" },
    });
    let expected = Extensions {
        schedule_at: Some(NOW.plus_seconds(60)),
        latest_at: Some(NOW.plus_seconds(120)),
        time_zone: Some("America/Denver".to_owned()),
        hours_bypass: Some("the customer asked for it".to_owned()),
        webhook: Some(Webhook {
            url: "https://example.org/hook".to_owned(),
            strategy: Strategy::OnCompletion,
        }),
    };
    assert_eq!(parse(&body), Ok(expected));
    assert_eq!(parse(&json!({})), Ok(Extensions::default()));
    let nothing = json!({ "scheduleAt": null, "latestAt": "", "timeZone": " ", "bypassHours": null, "webhook": null });
    assert_eq!(parse(&nothing), Ok(Extensions::default()));
}

#[test]
fn time_with_an_offset_is_that_time_and_the_past_is_now() {
    let body = json!({ "scheduleAt": "2026-11-30T09:00:00+01:00" });
    let read = parse(&body).expect("a time");
    assert_eq!(read.schedule_at, Timestamp::parse("2026-11-30T08:00:00Z"));
    let past = parse(&json!({ "scheduleAt": "2020-01-01T00:00:00Z" })).expect("a time");
    assert_eq!(past.not_before(NOW), NOW);
}

#[test]
fn all_wrong_fields_are_named_at_once() {
    let body = json!({
        "scheduleAt": 5, "latestAt": "tomorrow", "timeZone": "Mars/Olympus", "bypassHours": {},
        "webhook": { "url": "http://10.0.0.1/", "strategy": "Always", "secret": "x" },
    });
    assert_eq!(
        refused(&body),
        [
            "scheduleAt",
            "latestAt",
            "timeZone",
            "bypassHours.reason",
            "webhook.secret",
            "webhook.strategy",
            "webhook.url"
        ]
    );
    for wrong in [json!(true), json!([]), json!("yes")] {
        let body = json!({ "bypassHours": wrong, "webhook": wrong });
        assert_eq!(refused(&body), ["bypassHours", "webhook"], "{body}");
    }
    let long = json!({ "bypassHours": { "reason": "x".repeat(201) }, "webhook": { "url": "" } });
    assert_eq!(refused(&long), ["bypassHours.reason", "webhook.url"]);
    assert_eq!(
        refused(&json!({ "bypassHours": { "reason": "a\nb" } })),
        ["bypassHours.reason"]
    );
}

#[test]
fn times_are_bounded_and_in_order() {
    let month = 30 * 86_400;
    let week = 7 * 86_400;
    for (schedule, latest, expected) in [
        (month, month + week, None),
        (month + 1, month + 2, Some("scheduleAt")),
        (0, 0, Some("latestAt")),
        (60, 60, Some("latestAt")),
        (60, 59, Some("latestAt")),
        (0, week, None),
        (0, week + 1, Some("latestAt")),
    ] {
        let body = json!({ "scheduleAt": after(schedule), "latestAt": after(latest) });
        let fields = parse(&body).err().map(|errors| errors[0].field.clone());
        assert_eq!(fields.as_deref(), expected, "{schedule} {latest}");
    }
    assert_eq!(refused(&json!({ "latestAt": "2020-01-01T00:00:00Z" })), ["latestAt"]);
}

#[test]
fn a_body_that_is_no_object_is_for_others_to_refuse() {
    for body in ["", "x", "[]", "\u{0}", "{\"scheduleAt\":"] {
        let read = Extensions::parse(body.as_bytes(), &Targets::any(), NOW);
        assert_eq!(read, Ok(Extensions::default()), "{body:?}");
    }
}
