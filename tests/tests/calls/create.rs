//! `POST /api/v1/calls`.

use patchbay::interaction::{Channel, Fact, State};
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::with_token;
use crate::{AGENT, Api, SKILL, json_request, sms, sms_with};

/// Every field that Elemente documents for an answer.
const FIELDS: [&str; 14] = [
    "id",
    "status",
    "agentPhone",
    "agentEmail",
    "customerPhone",
    "customerEmail",
    "agentId",
    "customerId",
    "skillId",
    "customerName",
    "transcription",
    "recordingUrl",
    "messages",
    "duration",
];

/// A request with every field, as hard as the published example: a number that no numbering plan knows, a variable that no
/// field defines, two names and two e-mail addresses, a sender that is not the agent's.
fn hard_example() -> Value {
    json!({
        "agentId": AGENT, "channel": "sms", "skillId": SKILL,
        "customerOverride": {
            "firstName": "Ana", "lastName": "Doe", "phoneNumber": "+1234567890", "email": "ana@example.org",
            "language": "es-MX",
            "customFields": [
                { "name": "Ticket No", "value": "T-88" }, { "name": "Amount Due", "value": 19.5 },
                { "name": "VIP", "value": false }, { "name": "Delivery Date", "value": "2026-12-01" },
            ],
        },
        "agentOverride": {
            "name": "Mia", "phone": "+12025550199", "imageURL": "https://example.org/mia.png", "language": "es-MX",
            "voiceStability": 0.5, "voiceSpeed": 1.5,
            "prompt": {
                "initialMessage": "Hi {{firstName}}, {{aiName}} here about {{Ticket No}} on {{Arrival}}.",
                "prompt": "Remind {{firstName}} of {{Amount Due}}.",
                "routingConditions": { "priority": "low" },
            },
        },
        "customerName": "Ana Does", "customerPhone": "+1234567890", "customerEmail": "other@example.org",
    })
}

#[tokio::test(start_paused = true)]
async fn a_hard_example_is_accepted_unchanged() {
    let api = Api::start().await;
    let answer = api.post(&hard_example()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let names: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    let mut expected = FIELDS;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (pointer, expected) in [
        ("/status", "queued"),
        ("/agentPhone", "+12025550100"),
        ("/agentEmail", "leo@example.org"),
        ("/customerPhone", "+1234567890"),
        ("/customerEmail", "ana@example.org"),
        ("/agentId", AGENT),
        ("/skillId", SKILL),
        ("/customerName", "Ana Doe"),
        ("/transcription", ""),
        ("/recordingUrl", ""),
        ("/duration", "0"),
    ] {
        assert_eq!(answer.json.pointer(pointer), Some(&json!(expected)), "{answer:?}");
    }
    assert_eq!(answer.json["messages"], json!([]));

    let id = answer.text("/id");
    let interaction = api.load(id).await;
    let leg = &interaction.plan.legs[0];
    assert_eq!(leg.content.text(), "Hi Ana, Mia here about T-88 on .");
    // A sender of somebody else is not used.
    assert_eq!((leg.from.as_str(), leg.to.as_str()), ("+12025550100", "+1234567890"));
    let facts = api.facts(id).await;
    let Some(Fact::Created {
        blank_variables,
        unused_fields,
        channels,
        ..
    }) = facts.first()
    else {
        unreachable!("{facts:?}")
    };
    assert_eq!(
        (blank_variables, channels),
        (&vec!["Arrival".to_owned()], &vec![Channel::Sms])
    );
    assert!(
        unused_fields.contains(&"agentOverride.phone".to_owned()),
        "{unused_fields:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_answer() {
    let api = Api::start().await;
    api.world.aws.recorder().clear();
    let id = api.create(&sms()).await;
    let run = api.world.aws.recorder().last("calls").unwrap();
    // Token, two documents, an unknown address; customer, link, interaction.
    assert_eq!((run.dynamodb, run.sqs, run.http), (7, 1, 0));
    let interaction = api.load(&id).await;
    assert_eq!((interaction.state, interaction.version), (State::Scheduled, 1));
    let messages = api.queue().messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body.contains(r#""work":"send""#), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_with_the_same_key_creates_and_enqueues_nothing() {
    let api = Api::start().await;
    let first = api.post_once("order-88", &sms()).await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (200, ""),
        "{first:?}"
    );
    api.world.aws.recorder().clear();
    let sent = api.queue().history().len();
    // The order of fields and white space do not count.
    let reordered = r#" { "skillId" : "SKILL", "channel":"sms", "agentId":"AGENT", "customerOverride":
        { "phoneNumber":"+12025550143","lastName":"Ruiz","firstName":"Ana" } } "#;
    let reordered = reordered.replace("SKILL", SKILL).replace("AGENT", AGENT);
    let request = with_token("POST", "/api/v1/calls").header("idempotency-key", "order-88");
    let request = request
        .header("content-type", "application/json")
        .body(reordered.into());
    for again in [
        api.post_once("order-88", &sms()).await,
        api.send(request.unwrap()).await,
    ] {
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (200, "true"),
            "{again:?}"
        );
        assert_eq!(again.json, first.json);
    }
    assert_eq!((api.writes(), api.queue().history().len()), (0, sent));
    assert_ne!(api.post_once("order-89", &sms()).await.text("/id"), first.text("/id"));
}

#[tokio::test(start_paused = true)]
async fn another_body_with_the_same_key_is_a_conflict() {
    let api = Api::start().await;
    let first = api.post_once("order-88", &sms()).await;
    let other = sms_with(&json!({ "customerOverride": { "phoneNumber": "+12025550144" } }));
    api.world.aws.recorder().clear();
    let answer = api.post_once("order-88", &other).await;
    answer.is_problem(409, "idempotency-conflict");
    assert!(answer.text("/detail").contains(first.text("/id")), "{answer:?}");
    assert_eq!(api.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_with_one_key_create_one_interaction() {
    let api = Api::start().await;
    let body = sms();
    let (one, two, three) = tokio::join!(
        api.post_once("k", &body),
        api.post_once("k", &body),
        api.post_once("k", &body)
    );
    let answers = [one, two, three];
    let ids: Vec<&str> = answers.iter().map(|answer| answer.text("/id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{answers:?}");
    let new = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_empty());
    assert_eq!(new.count(), 1, "{answers:?}");
    let list = api.get("/api/v1/calls").await;
    assert_eq!(list.json.as_array().unwrap().len(), 1, "{list:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_creates_a_new_interaction_each_time() {
    let api = Api::start().await;
    assert_ne!(api.create(&sms()).await, api.create(&sms()).await);
}

#[tokio::test(start_paused = true)]
async fn unknown_agent_and_skill_are_both_named() {
    let api = Api::start().await;
    api.world.aws.recorder().clear();
    for unknown in ["6b1f0000-0000-4000-8000-00000000000f", "../x", "a b", "T#main#G"] {
        let body = sms_with(&json!({ "agentId": unknown, "skillId": unknown }));
        let answer = api.post(&body).await;
        assert_eq!(
            answer.is_problem(422, "invalid-field"),
            ["agentId", "skillId"],
            "{unknown}"
        );
    }
    assert_eq!((api.writes(), api.queue().history().len()), (0, 0));
    // A UUID may be written in capitals.
    let capitals = sms_with(&json!({ "agentId": AGENT.to_uppercase() }));
    assert_eq!(api.post(&capitals).await.text("/agentId"), AGENT);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_changes_nothing() {
    let api = Api::start().await;
    api.put("/v1/skills/strict", &json!({ "name": "Strict", "strict": true }))
        .await;
    api.world.aws.recorder().clear();
    let unknown_variable = json!({ "prompt": { "initialMessage": "Hi {{Nobody}}" } });
    for (fields, expected) in [
        (json!({ "channel": "webchat" }), "channel"),
        (json!({ "channel": "whatsapp" }), "channel"),
        (json!({ "channel": "email" }), "customerOverride.email"),
        (json!({ "channel": "fax" }), "channel"),
        (json!({ "agentId": 7 }), "agentId"),
        (
            json!({ "customerOverride": { "phoneNumber": "2025550143" } }),
            "customerOverride.phoneNumber",
        ),
        (
            json!({ "skillId": "strict", "agentOverride": unknown_variable }),
            "agentOverride.prompt.initialMessage",
        ),
    ] {
        let answer = api.post(&sms_with(&fields)).await;
        let named = answer.is_problem(422, "invalid-field");
        assert!(named.contains(&expected.to_owned()), "{fields}: {answer:?}");
    }
    assert_eq!((api.writes(), api.queue().history().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_a_back_end_is_refused_by_its_name() {
    let api = Api::start().await;
    let answer = api.post(&sms_with(&json!({ "channel": "whatsapp" }))).await;
    let detail = answer.text("/errors/0/detail");
    assert_eq!(
        detail, "the agent has no back end for the channel whatsapp",
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn hostile_bodies_get_a_problem() {
    let api = Api::start().await;
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = json!({ "agentId": "x".repeat(70_000) }).to_string();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("\u{0}", 400),
        ("[]", 422),
        ("null", 422),
        ("{}", 422),
        (r#"{"agentId":"\ud800"}"#, 422),
        (r#"{"customerOverride":{"customFields":[[]]}}"#, 422),
        (deep.as_str(), 422),
        (long.as_str(), 413),
    ] {
        let request = with_token("POST", "/api/v1/calls").header("content-type", "application/json");
        let answer = api.send(request.body(body.to_owned().into()).unwrap()).await;
        assert_eq!(
            answer.status,
            status,
            "{}: {answer:?}",
            body.chars().take(40).collect::<String>()
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    // What a page of another host can send without asking.
    let form = with_token("POST", "/api/v1/calls").header("content-type", "text/plain");
    let answer = api.send(form.body(sms().to_string().into()).unwrap()).await;
    answer.is_problem(415, "unsupported-media-type");
    assert_eq!(api.queue().history().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unusable_idempotency_key_is_refused() {
    let api = Api::start().await;
    for key in ["", &"k".repeat(256), "a\tb"] {
        let answer = api.post_once(key, &sms()).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), ["Idempotency-Key"], "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_kept_in_the_timeline_and_have_no_effect() {
    let api = Api::start().await;
    let id = api
        .create(&sms_with(&json!({ "mood": "good", "agentOverride": { "shoe": 43 } })))
        .await;
    let facts = api.facts(&id).await;
    let Some(Fact::Created { unused_fields, .. }) = facts.first() else {
        unreachable!("{facts:?}")
    };
    for field in ["mood", "agentOverride.shoe"] {
        assert!(unused_fields.contains(&field.to_owned()), "{unused_fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_fields_of_ours_are_named_with_those_of_elemente() {
    let api = Api::start().await;
    let body = sms_with(&json!({
        "channel": "fax", "scheduleAt": "soon", "latestAt": "2020-01-01T00:00:00Z", "timeZone": "Mars/Olympus",
        "bypassHours": { "reason": " " }, "webhook": { "url": "ftp://example.org", "strategy": "Never" },
    }));
    let answer = api.post(&body).await;
    let fields = [
        "channel",
        "scheduleAt",
        "timeZone",
        "bypassHours.reason",
        "webhook.strategy",
        "webhook.url",
        "latestAt",
    ];
    assert_eq!(answer.is_problem(422, "invalid-field"), fields, "{answer:?}");
    assert_eq!(api.queue().history().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn fields_of_ours_are_in_the_plan() {
    let api = Api::start().await;
    let at = api.world.clock.now().plus_seconds(7_200);
    let fields = json!({
        "scheduleAt": at, "latestAt": at.plus_seconds(60), "timeZone": "America/Denver",
        "bypassHours": { "reason": "agreed" }, "webhook": { "url": "https://example.org/hook" },
    });
    let id = api.create(&sms_with(&fields)).await;
    let interaction = api.load(&id).await;
    assert_eq!(
        (interaction.plan.not_before, interaction.plan.latest_at),
        (at, at.plus_seconds(60))
    );
    assert_eq!(
        interaction.webhook.map(|webhook| webhook.url),
        Some("https://example.org/hook".to_owned())
    );
    let facts = api.facts(&id).await;
    let Some(Fact::Created { unused_fields, .. }) = facts.first() else {
        unreachable!("{facts:?}")
    };
    assert_eq!(unused_fields, &Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_the_latest_time_is_a_repeat() {
    let api = Api::start().await;
    let latest = api.world.clock.now().plus_seconds(60);
    let body = sms_with(&json!({ "latestAt": latest }));
    let first = api.post_once("T-1", &body).await;
    assert_eq!(first.status, 200, "{first:?}");
    api.pass(120).await;
    let again = api.post_once("T-1", &body).await;
    assert_eq!((again.status, again.text("/id")), (200, first.text("/id")), "{again:?}");
    api.post_once("T-2", &body).await.is_problem(422, "invalid-field");
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_the_plan_names_what_would_be_blank_and_changes_nothing() {
    let api = Api::start().await;
    let before = api.world.store.clone();
    let path = "/v1/interactions/preview";
    let answer = api.ask("POST", path, &sms()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text("/plan/legs/0/channel"), "sms");
    let blank = sms_with(&json!({ "agentOverride": { "prompt": { "initialMessage": "Hi {{Nobody}}" } } }));
    let refused = api.ask("POST", path, &blank).await;
    assert_eq!(
        refused.is_problem(422, "invalid-field"),
        ["agentOverride.prompt.initialMessage"]
    );
    assert!(refused.text("/errors/0/detail").contains("Nobody"), "{refused:?}");
    api.ask("GET", path, &Value::Null)
        .await
        .is_problem(405, "method-not-allowed");
    assert_eq!(api.queue().history().len(), 0);
    let customer = before.find_customer(&crate::tenant(), Some("+12025550143"), None).await;
    assert_eq!(customer.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn fall_back_channels_follow_in_the_order_of_the_skill() {
    let api = Api::start().await;
    let skill = json!({ "name": "Plan", "subject": "Hello", "then": ["webchat", "email"], "answer_minutes": 5 });
    api.put("/v1/skills/plan", &skill).await;
    let customer = json!({ "phoneNumber": "+12025550143", "email": "ana@example.org" });
    let id = api
        .create(&sms_with(&json!({ "skillId": "plan", "customerOverride": customer })))
        .await;
    let legs: Vec<(Channel, String)> = {
        let plan = api.load(&id).await.plan;
        plan.legs.into_iter().map(|leg| (leg.channel, leg.back_end)).collect()
    };
    assert_eq!(
        legs,
        [(Channel::Sms, "twilio".to_owned()), (Channel::Email, "ses".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_answered_with_503_and_the_repeat_succeeds() {
    let api = Api::start().await;
    for service in [Service::Sqs, Service::DynamoDb] {
        let outage = Rule::new(Fault::InternalError).service(service);
        api.world.aws.faults().plan(outage.times(u32::MAX));
        let request = json_request(with_token("POST", "/api/v1/calls"), &sms());
        let answer = api.send(request).await;
        answer.is_problem(503, "unavailable");
        api.world.aws.faults().clear();
    }
    let answer = api.post_once("k", &sms()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
