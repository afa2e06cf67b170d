use serde_json::json;

use super::*;
use crate::bot::window::Weekday;
use crate::clock::Timestamp;
use crate::flow::CompiledDocument;
use crate::phone::PhoneNumber;

const EXAMPLE: &str = include_str!("../../../../functions/calls/examples/skill.yaml");

fn issues(text: &str) -> Vec<(usize, String)> {
    let issues = CompiledDocument::<Document>::read(text).expect_err("it is wrong");
    let line = |issue: &Issue| issue.position.map_or(0, |position| position.line);
    issues.iter().map(|issue| (line(issue), issue.path.clone())).collect()
}

fn read(value: &Value) -> Result<Skill, Vec<Issue>> {
    let compiled = CompiledDocument::<Document>::from_value(value)?;
    Ok(compiled.prepared().clone())
}

fn hours(zone: &str, from: &str, until: &str) -> Result<Hours, Vec<Issue>> {
    let periods = json!([{ "days": ["mon", "sun"], "from": from, "until": until }]);
    let skill = read(&json!({ "name": "x", "hours": { "zone": zone, "periods": periods } }))?;
    Ok(skill.hours.expect("hours"))
}

fn at(utc: &str) -> Timestamp {
    Timestamp::parse(utc).expect(utc)
}

#[test]
fn example_says_what_it_means() {
    let document = CompiledDocument::<Document>::read(EXAMPLE).expect("a valid document");
    let skill = document.prepared();
    assert_eq!(skill.name, "Delivery reminder");
    assert_eq!(skill.subject.as_deref(), Some("Your order {{Order No}}"));
    let template = skill.whatsapp.as_ref().expect("a template");
    assert_eq!(template.template.as_str(), "HX00000000000000000000000000000000");
    assert_eq!(template.variables.get("2").map(String::as_str), Some("{{Order No}}"));
    let hours = skill.hours.as_ref().expect("hours");
    assert_eq!((&hours.zone, hours.periods.len()), (&HoursZone::Callee, 2));
    let saturday = hours.periods.last().expect("a period");
    assert_eq!(
        (saturday.days.as_slice(), saturday.from, saturday.until),
        ([Weekday::Saturday].as_slice(), 600, 960)
    );
    assert_eq!(skill.then, [Channel::Sms, Channel::Email]);
    assert_eq!(
        (skill.answer_minutes, skill.expires_minutes, skill.strict),
        (Some(60), 1_440, false)
    );
    let webhook = skill.webhook.as_ref().expect("a webhook");
    assert_eq!(
        (webhook.url.as_str(), webhook.strategy),
        ("https://bot.example.org/hook", Strategy::OnChange)
    );
    let stored = serde_json::to_value(document.document()).expect("JSON");
    assert_eq!(Skill::from_stored(&stored).as_ref(), Ok(skill));
}

#[test]
fn a_webhook_needs_a_url_and_may_name_its_strategy() {
    let webhook = |fields: Value| {
        let skill = read(&json!({ "name": "x", "webhook": fields }));
        let paths = |issues: Vec<Issue>| issues.into_iter().map(|issue| issue.path).collect::<Vec<_>>();
        skill.map(|skill| skill.webhook.expect("a webhook")).map_err(paths)
    };
    let url = "https://hooks.example.org/a?b=c";
    let with = |strategy| Webhook {
        url: url.to_owned(),
        strategy,
    };
    assert_eq!(webhook(json!({ "url": url })), Ok(with(Strategy::OnChange)));
    for strategy in [Strategy::OnChange, Strategy::OnCompletion, Strategy::OnStatus] {
        let name = serde_json::to_value(strategy).expect("a name");
        assert_eq!(webhook(json!({ "url": url, "strategy": name })), Ok(with(strategy)));
    }
    let long = format!("https://hooks.example.org/{}", "a".repeat(2_000));
    for (fields, path) in [
        (json!({}), "webhook.url"),
        (json!({ "url": "hooks.example.org" }), "webhook.url"),
        (json!({ "url": "ftp://hooks.example.org/" }), "webhook.url"),
        (json!({ "url": long }), "webhook.url"),
        (json!({ "url": url, "strategy": "onchange" }), "webhook.strategy"),
        (json!({ "url": url, "secret": "x" }), "webhook.secret"),
    ] {
        assert_eq!(webhook(fields), Err(vec![path.to_owned()]));
    }
}

#[test]
fn text_of_a_web_chat_has_its_link_once() {
    let webchat = |fields: &Value| {
        let skill = read(&json!({ "name": "x", "webchat": fields }));
        let paths = |issues: Vec<Issue>| issues.into_iter().map(|issue| issue.path).collect::<Vec<_>>();
        skill.map(|skill| skill.webchat.expect("a web chat")).map_err(paths)
    };
    for by in [Channel::Sms, Channel::Whatsapp, Channel::Email] {
        let expected = ChatLink {
            by,
            before: "Hi {{firstName}}: ".to_owned(),
            after: " Leo".to_owned(),
        };
        let fields = json!({ "link_by": by.name(), "text": "Hi {{firstName}}: {{link}} Leo" });
        assert_eq!(webchat(&fields), Ok(expected));
    }
    let (by, text) = ("webchat.link_by", "webchat.text");
    for (fields, expected) in [
        (json!({}), vec![by, text]),
        (json!({ "link_by": "call", "text": "{{link}}" }), vec![by]),
        (json!({ "link_by": "webchat", "text": "{{link}}" }), vec![by]),
        (json!({ "link_by": "sms", "text": "Hi" }), vec![text]),
        (json!({ "link_by": "sms", "text": "{{link}} {{link}}" }), vec![text]),
        (
            json!({ "link_by": "sms", "text": format!("{{{{link}}}}{}", "a".repeat(500)) }),
            vec![text],
        ),
        (
            json!({ "link_by": "sms", "text": "{{link}}", "subject": "x" }),
            vec!["webchat.subject"],
        ),
    ] {
        let expected = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(webchat(&fields), Err(expected), "{fields}");
    }
}

#[test]
fn a_name_is_enough() {
    let expected = Skill {
        name: "Reminder".to_owned(),
        subject: None,
        whatsapp: None,
        webchat: None,
        calls: Calls::default(),
        hours: None,
        then: Vec::new(),
        answer_minutes: None,
        expires_minutes: 1_440,
        strict: false,
        remember: true,
        webhook: None,
    };
    assert_eq!(read(&json!({ "name": "Reminder" })), Ok(expected));
}

#[test]
fn every_error_is_reported_at_once_with_its_line() {
    let text = "\
subject: ''
whatsapp:
  template: HX1
  variables: {'1': 5, '2': ' '}
hours:
  zone: Europe/Atlantis
  periods:
    - {days: [mon, monday], from: '9', until: '20:00'}
    - {days: [], from: '24:00', until: '25:00'}
    - {from: '09:00', until: '09:00', zone: UTC}
then: [sms, smoke, sms]
answer_minutes: 0
expires_minutes: 10081
strict: maybe
color: red
";
    let expected = [
        (1, "name"),
        (1, "subject"),
        (3, "whatsapp.template"),
        (4, "whatsapp.variables.1"),
        (4, "whatsapp.variables.2"),
        (6, "hours.zone"),
        (8, "hours.periods[0].days[1]"),
        (8, "hours.periods[0].from"),
        (9, "hours.periods[1].days"),
        (9, "hours.periods[1].from"),
        (9, "hours.periods[1].until"),
        (10, "hours.periods[2].days"),
        (10, "hours.periods[2].until"),
        (10, "hours.periods[2].zone"),
        (11, "then[1]"),
        (11, "then[2]"),
        (12, "answer_minutes"),
        (13, "expires_minutes"),
        (14, "strict"),
        (15, "color"),
    ];
    let mut found = issues(text);
    found.sort();
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn hours_need_a_zone_and_periods_that_leave_no_doubt() {
    for (zone, from, until) in [
        ("callee", "09:00", "20:00"),
        ("Europe/Berlin", "00:00", "24:00"),
        ("callee", "22:00", "02:00"),
    ] {
        assert!(hours(zone, from, until).is_ok(), "{zone} {from} {until}");
    }
    for (zone, from, until) in [
        ("", "09:00", "20:00"),
        ("Callee", "09:00", "20:00"),
        ("Etc/Unknown", "09:00", "20:00"),
        ("callee", "09:00", "09:00"),
        ("callee", "24:00", "09:00"),
        ("callee", "09:60", "20:00"),
        ("callee", "", "20:00"),
    ] {
        assert!(hours(zone, from, until).is_err(), "{zone} {from} {until}");
    }
    let all = json!(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
    for (count, is_valid) in [(0, false), (4, true), (5, false)] {
        let periods = vec![json!({ "days": all, "from": "09:00", "until": "10:00" }); count];
        let skill = read(&json!({ "name": "x", "hours": { "zone": "callee", "periods": periods } }));
        assert_eq!(skill.is_ok(), is_valid, "{count}");
    }
    for hours in [json!({}), json!({ "zone": "callee" }), json!({ "periods": [] })] {
        assert!(read(&json!({ "name": "x", "hours": hours })).is_err(), "{hours}");
    }
}

#[test]
fn window_is_that_of_the_customers_number_or_of_the_named_zone() {
    // Monday, 2026-11-30: 09:00 in Washington is 14:00 UTC, 09:00 in Berlin 08:00 UTC.
    let customer = PhoneNumber::from_e164("+12025550143").expect("a number");
    let callee = hours("callee", "09:00", "20:00").expect("hours");
    let window = callee.window(Some(&customer), None).expect("a window");
    assert!(!window.is_open(at("2026-11-30T13:59:59Z")) && window.is_open(at("2026-11-30T14:00:00Z")));
    // 09:00 in Denver, where the requester says that the customer is.
    let window = callee
        .window(Some(&customer), Some("America/Denver"))
        .expect("a window");
    assert!(!window.is_open(at("2026-11-30T15:59:59Z")) && window.is_open(at("2026-11-30T16:00:00Z")));
    let named = hours("Europe/Berlin", "09:00", "20:00").expect("hours");
    for phone in [None, Some(&customer)] {
        let window = named.window(phone, Some("Asia/Tokyo")).expect("a window");
        assert!(!window.is_open(at("2026-11-30T07:59:59Z")) && window.is_open(at("2026-11-30T08:00:00Z")));
    }
}

#[test]
fn without_a_known_zone_there_is_no_window() {
    let callee = hours("callee", "00:00", "24:00").expect("hours");
    assert_eq!(callee.window(None, None).err(), Some(NoWindow::NoNumber));
    // International freephone: nobody has this number.
    let nowhere = PhoneNumber::from_e164("+80000000000").expect("a number");
    assert_eq!(callee.window(Some(&nowhere), None).err(), Some(NoWindow::NoZone));
    let named = hours("UTC", "00:00", "24:00").expect("hours");
    assert!(named.window(Some(&nowhere), None).is_ok());
}

#[test]
fn answers_leave_time_for_every_following_channel() {
    let skill = |answer: u32, expires: u32, then: &[&str]| {
        read(&json!({ "name": "x", "answer_minutes": answer, "expires_minutes": expires, "then": then })).is_ok()
    };
    assert!(skill(60, 60, &[]));
    assert!(skill(59, 60, &["sms"]) && !skill(60, 60, &["sms"]));
    assert!(skill(29, 60, &["sms", "email"]) && !skill(30, 60, &["sms", "email"]));
    assert!(skill(1, 10_080, &[]) && !skill(1, 10_081, &[]) && !skill(0, 60, &[]));
    assert!(!skill(u32::MAX, 60, &["sms"]));
}

/// Replaces each value of an example by others: the check reports them, and never fails otherwise.
#[test]
fn any_value_in_any_place_is_read_or_reported() {
    let example = CompiledDocument::<Document>::read(EXAMPLE).expect("a valid document");
    let example = serde_json::to_value(example.document()).expect("JSON");
    let replaced = super::super::document::testing::replacements(&example);
    assert!(replaced.len() > 150, "{}", replaced.len());
    let mut wrong = 0;
    for (pointer, document) in &replaced {
        if let Err(issues) = read(document) {
            wrong += 1;
            let is_named = issues.iter().all(|issue| !issue.detail.is_empty());
            assert!(is_named && issues.len() < 10, "{pointer}: {issues:?}");
        }
    }
    assert!(wrong > 100, "{wrong}");
}

/// To regenerate it: `PATCHBAY_RENEW=1 cargo test --workspace --lib schema`.
#[cfg(feature = "schema")]
#[test]
fn published_schema_matches_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/outreach/skill-document.schema.json");
    super::super::document::testing::check_schema::<Fields>(path);
}
