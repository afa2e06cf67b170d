use proptest::prelude::*;
use serde_json::json;

use super::super::fields::{MAX_ERRORS, MAX_IGNORED};
use super::*;
use crate::interaction::template::{FieldValue, render};

const EXAMPLE: &[u8] = include_bytes!("../fixtures/create_example.json");

fn example() -> Value {
    serde_json::from_slice(EXAMPLE).expect("JSON")
}

/// The example with another value at a pointer; `Null` removes nothing, but counts as missing.
fn example_with(pointer: &str, value: Value) -> Value {
    let mut body = example();
    *body.pointer_mut(pointer).expect(pointer) = value;
    body
}

fn create(body: &Value) -> Result<(CreateRequest, IgnoredFields), BadRequest> {
    CreateRequest::parse(body.to_string().as_bytes())
}

fn created(body: &Value) -> CreateRequest {
    let (request, ignored) = create(body).expect("a request");
    assert_eq!(ignored, IgnoredFields::default());
    request
}

fn field_errors<T: fmt::Debug>(result: Result<T, BadRequest>) -> Vec<(String, String)> {
    match result {
        Err(BadRequest::Fields(errors)) => errors.into_iter().map(|error| (error.field, error.detail)).collect(),
        other => panic!("{other:?}"),
    }
}

fn fields<T: fmt::Debug>(result: Result<T, BadRequest>) -> Vec<String> {
    field_errors(result).into_iter().map(|(field, _)| field).collect()
}

#[test]
fn documented_example_is_accepted_unchanged() {
    let request = created(&example());
    assert_eq!(request.agent_id, "6b1f0000-0000-4000-8000-000000000001");
    assert_eq!(request.skill_id, "6b1f0000-0000-4000-8000-000000000002");
    assert_eq!(request.channel, Channel::Call);
    // Too short for a number of that country, and two addresses.
    let customer = request.customer(Customer::default());
    assert_eq!(customer.phone.as_deref(), Some("+1234567890"));
    assert_eq!(customer.email.as_deref(), Some("sam.roe@example.com"));
    // The names differ by a letter.
    assert_eq!(customer.full_name(), "Sam Roe");
    assert_eq!(request.given_customer.full_name(), "Sam Roes");
    let fields = &customer.custom_fields;
    assert_eq!(fields.len(), 4);
    assert!(fields["VIP"] == FieldValue::Flag(true));
    assert_eq!(fields["Amount Due"].to_string(), "19.5");
    let agent = &request.agent_override;
    assert_eq!((agent.voice_stability, agent.voice_speed), (Some(0.5), Some(1.5)));
    assert_eq!(agent.routing_conditions.as_ref().map(Map::len), Some(1));
}

#[test]
fn undefined_variable_of_the_example_is_blank_and_reported() {
    let request = created(&example());
    let agent = &request.agent_override;
    let variables = request.customer(Customer::default()).variables(agent.name.as_deref());
    let filled = |text: &Option<String>| render(text.as_deref().expect("a text"), &variables, 1_000).expect("short");
    let initial = filled(&agent.initial_message);
    assert_eq!(initial.text, "Hello Sam, this is Leo about your order O-1009.");
    assert!(initial.unknown.is_empty());
    let prompt = filled(&agent.prompt);
    assert_eq!(prompt.text, "Tell Sam that the order of 19.5 arrives on .");
    assert_eq!(prompt.unknown.iter().collect::<Vec<_>>(), ["Delivery Date"]);
}

#[test]
fn written_request_is_read_as_it_was() {
    let request = created(&example());
    assert!(created(&request.to_json()) == request);
    let sparse = CreateRequest {
        customer_override: Customer::default(),
        given_customer: Customer::default(),
        agent_override: AgentOverride::default(),
        ..request
    };
    assert_eq!(sparse.to_json()["customerOverride"], json!({}));
    assert!(created(&sparse.to_json()) == sparse);
}

#[test]
fn override_may_be_left_out_for_a_customer_with_an_address() {
    for address in [
        json!({ "customerPhone": "+12025550143" }),
        json!({ "customerEmail": "ana@example.org", "customerOverride": null }),
    ] {
        let mut body = json!({ "agentId": "7", "channel": "sms", "skillId": "Reminder" });
        body.as_object_mut()
            .expect("an object")
            .extend(address.as_object().expect("an object").clone());
        assert!(created(&body).customer_override == Customer::default());
    }
    for address in [
        json!({}),
        json!({ "customerName": "Ana" }),
        json!({ "customerPhone": " " }),
    ] {
        let mut body = json!({ "agentId": "7", "channel": "sms", "skillId": "Reminder" });
        body.as_object_mut()
            .expect("an object")
            .extend(address.as_object().expect("an object").clone());
        assert_eq!(fields(create(&body)), ["customerOverride"], "{address}");
    }
}

#[test]
fn all_errors_are_in_one_answer_with_what_was_expected_and_found() {
    let body = json!({
        "agentId": 7,
        "channel": "fax",
        "customerOverride": {
            "firstName": ["Ana"], "phoneNumber": "2025550143", "email": "ana",
            "customFields": [
                { "name": "A", "value": null }, { "value": 1 }, "x", { "name": "B", "value": {} },
                { "name": 1, "value": 2 },
            ],
        },
        "agentOverride": { "voiceSpeed": "1.5", "prompt": { "prompt": true, "routingConditions": [] } },
        "customerPhone": 12_025_550_143_u64,
    });
    let found = field_errors(create(&body));
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(field, detail)| (field.as_str(), detail.as_str()))
        .collect();
    let expected = [
        ("agentId", "expected a string, found a number"),
        (
            "channel",
            "expected one of call, sms, whatsapp, email and webchat, found \"fax\"",
        ),
        ("skillId", "is missing"),
        ("customerPhone", "expected a string, found a number"),
        ("customerOverride.firstName", "expected a string, found a list"),
        (
            "customerOverride.phoneNumber",
            "expected + and 7 to 15 digits, such as +12025550123",
        ),
        ("customerOverride.email", "expected an e-mail address"),
        (
            "customerOverride.customFields[0].value",
            "is missing: expected a string, a number or a boolean",
        ),
        ("customerOverride.customFields[1].name", "is missing"),
        ("customerOverride.customFields[2]", "expected an object, found a string"),
        (
            "customerOverride.customFields[3].value",
            "expected a string, a number or a boolean, found an object",
        ),
        (
            "customerOverride.customFields[4].name",
            "expected a string, found a number",
        ),
        ("agentOverride.voiceSpeed", "expected a number, found a string"),
        ("agentOverride.prompt.prompt", "expected a string, found a boolean"),
        (
            "agentOverride.prompt.routingConditions",
            "expected an object, found a list",
        ),
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_required_field_is_reported_as_missing() {
    for body in [json!({}), json!({ "agentId": null, "channel": null, "skillId": "  " })] {
        assert_eq!(
            fields(create(&body)),
            ["agentId", "channel", "skillId", "customerOverride"]
        );
    }
}

#[test]
fn unknown_fields_are_accepted_and_listed() {
    let mut body = example();
    body["schedule"] = json!({ "at": "2026-12-01" });
    body["customerOverride"]["vip"] = json!(true);
    body["customerOverride"]["customFields"][1]["type"] = json!("date");
    body["agentOverride"]["prompt"]["a\nb"] = json!(1);
    body["agentOverride"]["prompt"]["routingConditions"]["free"] = json!({ "x": 1 });
    let (_, ignored) = create(&body).expect("a request");
    let expected = [
        "schedule",
        "customerOverride.vip",
        "customerOverride.customFields[1].type",
        "agentOverride.prompt.a\u{fffd}b",
    ];
    assert_eq!(
        (ignored.paths, ignored.omitted),
        (expected.map(str::to_owned).to_vec(), 0)
    );
}

#[test]
fn hostile_body_has_a_bounded_answer() {
    let mut body = example();
    for n in 0..MAX_IGNORED + 3 {
        body[format!("{n}{}", "x".repeat(1_000))] = json!(n);
    }
    let (_, ignored) = create(&body).expect("a request");
    assert_eq!((ignored.paths.len(), ignored.omitted), (MAX_IGNORED, 3));
    assert!(ignored.paths.iter().all(|path| path.chars().count() <= 200));

    let wrong = vec![json!({ "name": 1, "value": null }); 100];
    let errors = fields(create(&example_with("/customerOverride/customFields", json!(wrong))));
    assert_eq!(errors.len(), MAX_ERRORS);
    let many = vec![json!({ "name": "a", "value": 1 }); 101];
    let errors = field_errors(create(&example_with("/customerOverride/customFields", json!(many))));
    let detail = "must have at most 100 entries, has 101";
    assert_eq!(
        errors,
        [("customerOverride.customFields".to_owned(), detail.to_owned())]
    );
}

#[test]
fn found_word_is_cut_and_shows_no_number() {
    let error = |word: &str| field_errors(create(&example_with("/channel", json!(word)))).remove(0).1;
    assert!(error("+12025550143").ends_with("found \"[number]\""));
    assert!(error(&"ab ".repeat(10_000)).chars().count() < 120);
    assert!(error("a\r\nb").ends_with("found \"a b\""));
    assert!(error("Call").ends_with("found \"Call\""));
}

#[test]
fn texts_are_limited_in_characters() {
    for (pointer, path, max) in [
        ("/agentId", "agentId", MAX_ID_CHARS),
        ("/customerOverride/firstName", "customerOverride.firstName", 200),
        ("/customerOverride/language", "customerOverride.language", 35),
        (
            "/customerOverride/customFields/0/name",
            "customerOverride.customFields[0].name",
            100,
        ),
        (
            "/customerOverride/customFields/0/value",
            "customerOverride.customFields[0].value",
            2_000,
        ),
        ("/agentOverride/imageURL", "agentOverride.imageURL", 2_000),
        (
            "/agentOverride/prompt/initialMessage",
            "agentOverride.prompt.initialMessage",
            MAX_INITIAL_MESSAGE_CHARS,
        ),
        (
            "/agentOverride/prompt/prompt",
            "agentOverride.prompt.prompt",
            MAX_PROMPT_CHARS,
        ),
    ] {
        created(&example_with(pointer, json!("\u{e9}".repeat(max))));
        let errors = field_errors(create(&example_with(pointer, json!("\u{e9}".repeat(max + 1)))));
        let detail = format!("must have at most {max} characters, has {}", max + 1);
        assert_eq!(errors, [(path.to_owned(), detail)]);
    }
    let conditions = json!({ "a": "x".repeat(5_000) });
    let errors = fields(create(&example_with(
        "/agentOverride/prompt/routingConditions",
        conditions,
    )));
    assert_eq!(errors, ["agentOverride.prompt.routingConditions"]);
}

#[test]
fn what_identifies_must_be_readable_and_on_one_line() {
    for pointer in ["/agentId", "/skillId", "/customerOverride/customFields/0/name"] {
        for text in ["a\u{fffd}", "a\nb", "a\u{0}b"] {
            assert_eq!(
                fields(create(&example_with(pointer, json!(text)))).len(),
                1,
                "{pointer}"
            );
        }
        created(&example_with(pointer, json!("Order reminder / \u{e9}")));
    }
    // Half an emoji, which a platform cut, is read as a character that cannot be read.
    let body = example().to_string().replace("\"O-1009\"", "\"\\ud83d\"");
    let (request, _) = CreateRequest::parse(body.as_bytes()).expect("a request");
    let value = &request.customer_override.custom_fields["Order No"];
    assert_eq!(value.to_string(), "\u{fffd}");
}

#[test]
fn last_of_duplicate_custom_fields_counts() {
    let twice = json!([{ "name": "A", "value": 1 }, { "name": "A", "value": "two" }]);
    let request = created(&example_with("/customerOverride/customFields", twice));
    assert_eq!(request.customer_override.custom_fields["A"].to_string(), "two");
}

#[test]
fn blank_optional_field_counts_as_missing() {
    for (pointer, value) in [
        ("/customerEmail", json!("")),
        ("/agentOverride/phone", json!(" ")),
        ("/agentOverride", json!(null)),
    ] {
        created(&example_with(pointer, value));
    }
    let request = created(&example_with("/customerOverride/phoneNumber", json!("")));
    assert_eq!(request.customer_override.phone, None);
    assert_eq!(
        request.customer(Customer::default()).phone.as_deref(),
        Some("+1234567890")
    );
}

#[test]
fn body_that_is_no_object_is_refused() {
    for body in ["[]", "null", "\"x\"", "7"] {
        assert_eq!(fields(CreateRequest::parse(body.as_bytes())), ["(body)"], "{body}");
        assert_eq!(fields(UpdateRequest::parse(body.as_bytes())), ["(body)"], "{body}");
    }
    for body in ["", "{", "{}x", "a=b"] {
        let error = CreateRequest::parse(body.as_bytes()).expect_err(body);
        assert!(matches!(error, BadRequest::Unreadable(_)), "{body}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let error = CreateRequest::parse(deep.as_bytes()).expect_err("deep");
    assert_eq!(error, BadRequest::Unreadable(UnreadableJson::Deep));
}

#[test]
fn debug_shows_no_personal_data() {
    let debug = format!("{:?}", created(&example()));
    for private in ["Sam", "1234567890", "example", "O-1009", "Tell"] {
        assert!(!debug.contains(private), "{debug}");
    }
    let update = UpdateRequest::parse(br#"{"note":"Ana called"}"#).expect("a request");
    assert!(!format!("{update:?}").contains("Ana"));
}

#[test]
fn update_has_at_least_one_field() {
    let parse = |body: Value| UpdateRequest::parse(body.to_string().as_bytes());
    let (update, ignored) =
        parse(json!({ "note": "", "agentId": "7", "status": "resolved", "reason": "x" })).expect("a request");
    let expected = UpdateRequest {
        note: Some(String::new()),
        agent_id: Some("7".to_owned()),
        status: Some(Word::Resolved),
    };
    assert_eq!((update, ignored.paths), (expected, vec!["reason".to_owned()]));
    for one in [
        json!({ "note": "x" }),
        json!({ "agentId": "7" }),
        json!({ "status": "close" }),
    ] {
        assert!(parse(one).is_ok());
    }
    for none in [json!({}), json!({ "note": null, "reason": "x" })] {
        assert_eq!(fields(parse(none)), ["(body)"]);
    }
}

#[test]
fn update_reports_all_errors_at_once() {
    let body = json!({ "note": 1, "agentId": " ", "status": "solved" }).to_string();
    let errors = field_errors(UpdateRequest::parse(body.as_bytes()));
    let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["note", "agentId", "status"]);
    assert!(
        errors[2].1.starts_with("expected one of failed, voicemail"),
        "{}",
        errors[2].1
    );
    assert!(errors[2].1.ends_with("queued, found \"solved\""), "{}", errors[2].1);
    let long = json!({ "note": "x".repeat(MAX_NOTE_CHARS + 1), "status": 5 }).to_string();
    assert_eq!(field_errors(UpdateRequest::parse(long.as_bytes())).len(), 2);
}

proptest! {
    #[test]
    fn no_body_panics(text in "[{}\\[\\]\",:a-c0-9e. -]{0,60}", field in 0_usize..8, value in "\\PC{0,20}") {
        let _ = CreateRequest::parse(text.as_bytes());
        let _ = UpdateRequest::parse(text.as_bytes());
        let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
        for value in [json!(value), parsed, json!([value]), json!({ value: 1 })] {
            let mut body = example();
            body[CREATE[field]] = value;
            let _ = create(&body);
        }
    }
}
