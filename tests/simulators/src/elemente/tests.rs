use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use patchbay::http::HttpClient;
use patchbay::interaction::{Channel, EndReason, State as InteractionState};
use patchbay::providers::chat_api::ChatError;
use patchbay::providers::elemente::{
    Change, CreateRequest, Credentials, DateRangeStyle, Elemente as Client, ListQuery, Word,
};
use patchbay::secret::Secret;
use serde_json::json;

use super::*;

const EXAMPLE: &[u8] = include_bytes!("../../../../shared/src/providers/elemente/fixtures/create_example.json");

fn server(switches: Switches) -> Elemente {
    let clock = Clock::starting_at(Timestamp::parse("2026-11-30T11:00:00Z").expect("a time"), 1.0);
    Elemente::new(clock, "acct-demo:pass-demo", switches, Rng::new(7))
}

fn client(server: &Elemente) -> Client {
    let credentials = Credentials::parse("ELEMENTE", &Secret::new("acct-demo:pass-demo")).expect("credentials");
    Client::new(
        HttpClient::new(server.clone()),
        &credentials,
        "https://elemente.example.org",
    )
}

/// A client that is configured for the server's notation of date ranges.
fn configured(server: &Elemente, switches: &Switches) -> Client {
    client(server).with_date_range_style(match switches.date_range {
        DateRangeForm::Json => DateRangeStyle::Json,
        DateRangeForm::Brackets => DateRangeStyle::Brackets,
        DateRangeForm::Exploded => DateRangeStyle::Exploded,
    })
}

fn example() -> CreateRequest {
    let (mut request, _) = CreateRequest::parse(EXAMPLE).expect("a request");
    // The published example uses a variable that it does not define.
    request.agent_override.prompt = Some("Tell {{firstName}} about {{Order No}}.".to_owned());
    request
}

/// A request as it is, with its status and body.
async fn raw(server: &Elemente, method: Method, target: &str, body: &[u8]) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("https://elemente.example.org{target}"))
        .header(
            "authorization",
            format!("Basic {}", STANDARD.encode("acct-demo:pass-demo")),
        )
        .body(Bytes::copy_from_slice(body))
        .expect("a request");
    let response = server.send(request).await.expect("an answer");
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body)
}

#[tokio::test(start_paused = true)]
async fn published_example_is_answered_as_documented() {
    let server = server(Switches::default());
    let (status, body) = raw(&server, Method::POST, "/api/v1/calls", EXAMPLE).await;
    assert_eq!((status, &body["status"]), (200, &json!("in-progress")));
    let fields: BTreeSet<&str> = body
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "agentEmail",
        "agentId",
        "agentPhone",
        "customerEmail",
        "customerId",
        "customerName",
        "customerPhone",
        "duration",
        "id",
        "messages",
        "recordingUrl",
        "skillId",
        "status",
        "transcription",
    ];
    assert_eq!(fields, BTreeSet::from(expected));
    assert_eq!(
        (&body["customerName"], &body["duration"]),
        (&json!("Sam Roe"), &json!("0"))
    );
    let interaction = &server.interactions()[0];
    assert_eq!(interaction.prompt, "Tell Sam that the order of 19.5 arrives on .");
}

#[tokio::test(start_paused = true)]
async fn client_follows_an_interaction_to_its_end_under_every_answer() {
    for seed in 0..60 {
        let switches = Switches::random(&mut Rng::new(seed));
        let server = server(switches);
        let client = client(&server);
        let created = client.create(&example()).await.expect("created");
        assert!(
            created.state().is_some_and(|state| !state.is_terminal()),
            "{switches:?}"
        );
        let mut seen = Vec::new();
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let now = client.interaction(&created.id).await.expect("an interaction");
            seen.push((now.state(), now.duration, now.transcription));
        }
        let ended = Some(InteractionState::ended(EndReason::Completed));
        assert_eq!(
            seen.last(),
            Some(&(ended, 42, "agent: Hello".to_owned())),
            "{switches:?}"
        );
        assert!(
            seen.iter().any(|(state, ..)| *state == Some(InteractionState::Open)),
            "{switches:?}"
        );
        assert_eq!(server.interactions().len(), 1);
        assert_eq!(server.interactions()[0].prompt, "Tell Sam about O-1009.");
    }
}

#[tokio::test(start_paused = true)]
async fn client_updates_and_lists_under_every_answer() {
    for seed in 0..60 {
        let switches = Switches::random(&mut Rng::new(seed));
        let server = server(switches);
        let client = configured(&server, &switches);
        let id = client.create(&example()).await.expect("created").id;
        server.add_message(&id, "agent", "Hello");
        let change = Change {
            agent_id: Some("7"),
            status: Some(Word::Resolved),
        };
        let updated = client.update(&id, "done", change).await.expect("updated");
        assert_eq!(updated.state(), Some(InteractionState::ended(EndReason::Resolved)));
        assert_eq!(
            (updated.agent_id.as_str(), updated.messages.len()),
            ("7", 1),
            "{switches:?}"
        );
        assert_eq!(server.interactions()[0].note, "done");
        for (query, found) in [
            ("status=resolved&channel=call&hrs=1", 1),
            ("dateRange[from]=2026-11-30&dateRange[to]=2026-11-30", 1),
            ("dateRange[from]=2026-12-01", 0),
            ("status=open", 0),
            ("channel=sms", 0),
        ] {
            let query = ListQuery::parse(query).expect("a query");
            let list = client.interactions(&query).await.expect("a list");
            assert_eq!(list.len(), found, "{query:?} {switches:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn date_range_is_read_in_the_configured_notation_only() {
    let brackets = server(Switches {
        date_range: DateRangeForm::Brackets,
        ..Switches::default()
    });
    client(&brackets).create(&example()).await.expect("created");
    let tomorrow = ListQuery::parse("dateRange[from]=2026-12-01").expect("a query");
    let ignored = client(&brackets).interactions(&tomorrow).await.expect("a list");
    let read = client(&brackets).with_date_range_style(DateRangeStyle::Brackets);
    let read = read.interactions(&tomorrow).await.expect("a list");
    assert_eq!((ignored.len(), read.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn fault_with_an_effect_is_unclear_and_is_not_repeated() {
    for (fault, is_unclear, created) in [
        (Fault::NotSent, false, 0),
        (Fault::NoAnswer { done: false }, true, 0),
        (Fault::NoAnswer { done: true }, true, 1),
        (
            Fault::Status {
                status: 500,
                done: true,
            },
            true,
            1,
        ),
        (
            Fault::Status {
                status: 503,
                done: false,
            },
            true,
            0,
        ),
        (
            Fault::Status {
                status: 429,
                done: false,
            },
            false,
            0,
        ),
        (Fault::Malformed, true, 1),
        (Fault::NoId, true, 1),
    ] {
        let server = server(Switches::default());
        server.plan_fault(fault);
        let error = client(&server).create(&example()).await.expect_err("a fault");
        assert_eq!(matches!(error, ChatError::Unclear { .. }), is_unclear, "{fault:?}");
        assert_eq!(server.interactions().len(), created, "{fault:?}");
        assert!(server.requests().len() <= 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_end_is_read_as_its_reason() {
    let server = server(Switches::default());
    for (word, reason) in [
        ("busy", EndReason::Busy),
        ("no-answer", EndReason::NoAnswer),
        ("voicemail", EndReason::Voicemail),
        ("failed", EndReason::Failed),
        ("close", EndReason::Closed),
    ] {
        server.plan(Script::ending(word));
        let id = client(&server).create(&example()).await.expect("created").id;
        tokio::time::sleep(Duration::from_secs(31)).await;
        let state = client(&server).interaction(&id).await.expect("an interaction").state();
        assert_eq!(state, Some(InteractionState::ended(reason)));
    }
}

#[tokio::test(start_paused = true)]
async fn strict_server_refuses_what_others_accept() {
    let without_override = json!({
        "agentId": "7", "channel": "sms", "skillId": "8", "customerPhone": "+12025550143",
    });
    let unknown_field = json!({
        "agentId": "7", "channel": "sms", "skillId": "8", "customerOverride": {}, "schedule": "now",
    });
    let strict = server(Switches {
        unknown_variable: UnknownVariable::Refused,
        unknown_fields_are_refused: true,
        ..Switches::default()
    });
    let lax = server(Switches {
        unknown_variable: UnknownVariable::Kept,
        override_is_optional: true,
        ..Switches::default()
    });
    let (without_override, unknown_field) = (without_override.to_string(), unknown_field.to_string());
    for body in [EXAMPLE, without_override.as_bytes(), unknown_field.as_bytes()] {
        assert_eq!(raw(&strict, Method::POST, "/api/v1/calls", body).await.0, 400);
        assert_eq!(raw(&lax, Method::POST, "/api/v1/calls", body).await.0, 200);
    }
    assert_eq!(
        lax.interactions()[0].prompt,
        "Tell Sam that the order of 19.5 arrives on {{Delivery Date}}."
    );
    let id = lax.interactions()[0].id.clone();
    let path = format!("/api/v1/calls/{id}");
    assert_eq!(raw(&lax, Method::PUT, &path, br#"{"status":"closed"}"#).await.0, 400);
    assert_eq!(raw(&lax, Method::PUT, &path, br#"{"note":""}"#).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn customer_is_reused_by_switch() {
    for (is_reused, customers) in [(false, 2), (true, 1)] {
        let server = server(Switches {
            customers_are_reused: is_reused,
            ..Switches::default()
        });
        for _ in 0..2 {
            client(&server).create(&example()).await.expect("created");
        }
        let all = server.interactions();
        let ids: BTreeSet<&str> = all.iter().map(|interaction| interaction.customer_id.as_str()).collect();
        assert_eq!(ids.len(), customers);
    }
}

#[tokio::test(start_paused = true)]
async fn other_credentials_and_paths_are_rejected() {
    let server = server(Switches::default());
    let credentials = Credentials::parse("ELEMENTE", &Secret::new("acct-demo:wrong")).expect("credentials");
    let stranger = Client::new(
        HttpClient::new(server.clone()),
        &credentials,
        "https://elemente.example.org",
    );
    let error = stranger.create(&example()).await.expect_err("unauthorized");
    assert!(matches!(error, ChatError::Failed { .. }), "{error:?}");
    let missing = client(&server).interaction("none").await.expect_err("missing");
    assert!(matches!(missing, ChatError::Refused { status: 404, .. }), "{missing:?}");
    assert_eq!(raw(&server, Method::GET, "/api/v1/agents", b"").await.0, 404);
    assert_eq!(raw(&server, Method::DELETE, "/api/v1/calls/x", b"").await.0, 404);
    assert!(server.interactions().is_empty());
    assert_eq!(example().channel, Channel::Call);
}
