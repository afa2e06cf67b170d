//! The events in `tests/events`, as API Gateway delivers them.

use patchbay::access::{Scope, TokenRecord};
use patchbay::phone::CallingCode;
use patchbay::providers::protegee::verify::{PlatformVerifier, RETELL_HEADER, VAPI_HEADER, sign_as_retell};
use patchbay::secret::{Randomness, Secret};
use patchbay::tokens::Tokens;
use patchbay::web::auth::token_hash;
use patchbay_simulators::gateway::from_function;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{Answer, world};
use crate::{CALLER, is_error};

/// The token in the events.
const EVENT_TOKEN: &str = "pb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn set_deps(world: &World, home: Option<CallingCode>) -> set_context::Deps {
    set_context::Deps {
        tokens: Tokens::new(world.store.clone(), world.clock.clone()),
        store: world.store.clone(),
        clock: world.clock.clone(),
        random: Randomness::seeded(7),
        home,
        verifier: PlatformVerifier::default(),
    }
}

fn get_deps(world: &World, home: Option<CallingCode>) -> get_context::Deps {
    get_context::Deps {
        tokens: Tokens::new(world.store.clone(), world.clock.clone()),
        store: world.store.clone(),
        clock: world.clock.clone(),
        home,
        verifier: PlatformVerifier::default(),
    }
}

async fn with_event_token() -> World {
    let world = world([]).await;
    let record = TokenRecord {
        tenant: "main".parse().unwrap(),
        scopes: [Scope::ContextRead, Scope::ContextWrite].into(),
        expires_at: None,
        revoked: false,
    };
    world.store.put_token(&token_hash(EVENT_TOKEN), &record).await.unwrap();
    world
}

/// Passes the event to `set-context`.
async fn set(world: &World, event: &str, home: Option<CallingCode>) -> Answer {
    let request = patchbay::web::gateway::parse_event(event).unwrap();
    from_function(set_context::handle(&set_deps(world, home), request).await).into()
}

/// Passes the event to `get-context`.
async fn get(world: &World, event: &str, home: Option<CallingCode>) -> Answer {
    let request = patchbay::web::gateway::parse_event(event).unwrap();
    from_function(get_context::handle(&get_deps(world, home), request).await).into()
}

#[tokio::test(start_paused = true)]
async fn every_event_does_what_its_name_says() {
    let gets = [
        (include_str!("../../events/get-context.json"), "/memory"),
        (include_str!("../../events/get-context-vapi.json"), "/results/0/result"),
        (include_str!("../../events/get-context-retell.json"), "/memory"),
        (include_str!("../../events/get-context-show.json"), "/versions/0/memory"),
    ];
    for event in [
        include_str!("../../events/set-context.json"),
        include_str!("../../events/set-context-vapi.json"),
        include_str!("../../events/set-context-retell.json"),
    ] {
        let world = with_event_token().await;
        let answer = set(&world, event, None).await;
        assert_eq!(
            (answer.status, answer.text("/message/caller")),
            (200, CALLER),
            "{answer:?}"
        );
        for (event, memory) in gets {
            let answer = get(&world, event, None).await;
            // Vapi's result is the JSON text of what the other platforms get.
            let text = answer.text(memory);
            let inner: Option<Value> = serde_json::from_str(text).ok();
            let read = inner
                .as_ref()
                .map_or(text, |inner| inner["memory"].as_str().unwrap_or_default());
            assert_eq!((answer.status, read), (200, "wants row F"), "{answer:?}");
        }
        let answer = set(&world, include_str!("../../events/set-context-forget.json"), None).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let answer = get(&world, include_str!("../../events/get-context.json"), None).await;
        assert_eq!(answer.text("/status"), "no-context");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_default_country_national_numbers_are_accepted() {
    let world = with_event_token().await;
    let with_number = |event: &str, number: &str| {
        let mut event: Value = serde_json::from_str(event).unwrap();
        let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        body["caller"] = json!(number);
        event["body"] = json!(body.to_string());
        event.to_string()
    };
    let home: CallingCode = "1".parse().unwrap();
    let set_event = with_number(include_str!("../../events/set-context.json"), "(202) 555-0143");
    assert_eq!(is_error(&set(&world, &set_event, None).await, 422), ["caller"]);
    let answer = set(&world, &set_event, Some(home.clone())).await;
    assert_eq!(
        (answer.status, answer.text("/message/caller")),
        (200, CALLER),
        "{answer:?}"
    );
    let get_event = with_number(include_str!("../../events/get-context.json"), "1-202-555-0143");
    let answer = get(&world, &get_event, Some(home)).await;
    assert_eq!(
        (answer.text("/caller"), answer.text("/memory")),
        (CALLER, "wants row F")
    );
}

/// Events with and without the platform's proof that it sent them: Vapi's secret, Retell's signature.
#[tokio::test(start_paused = true)]
async fn with_a_configured_secret_a_token_alone_is_not_enough() {
    let world = with_event_token().await;
    let secret = || Some((Secret::new("made-up"), None));
    let verifier = PlatformVerifier::new(secret(), secret());
    let set_deps = set_context::Deps {
        verifier: verifier.clone(),
        ..set_deps(&world, None)
    };
    let get_deps = get_context::Deps {
        verifier,
        ..get_deps(&world, None)
    };
    let send = async |event: &str, header: Option<(&'static str, String)>, is_set: bool| -> Answer {
        let mut request = lambda_http::request::from_str(event).unwrap();
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = if is_set {
            set_context::handle(&set_deps, request).await
        } else {
            get_context::handle(&get_deps, request).await
        };
        from_function(response).into()
    };
    let vapi = |secret: &str| Some((VAPI_HEADER, secret.to_owned()));
    for (event, is_set) in [
        (include_str!("../../events/set-context-vapi.json"), true),
        (include_str!("../../events/get-context-vapi.json"), false),
    ] {
        for (header, status) in [(None, 401), (vapi("another"), 401), (vapi("made-up"), 200)] {
            assert_eq!(send(event, header, is_set).await.status, status);
        }
    }
    let retell = include_str!("../../events/set-context-retell.json");
    let body: Value = serde_json::from_str(retell).unwrap();
    let signature = |body: &str| {
        let key = Secret::new("made-up");
        Some((RETELL_HEADER, sign_as_retell(&key, body.as_bytes(), world.clock.now())))
    };
    let right = signature(body["body"].as_str().unwrap());
    for (header, status) in [(None, 401), (signature("{}"), 401), (right, 200)] {
        let answer = send(retell, header, true).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // The other platforms have only the token.
    assert_eq!(
        send(include_str!("../../events/set-context.json"), None, true)
            .await
            .status,
        200
    );
}
