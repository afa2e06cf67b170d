//! Items that a whole world writes: calls, webhooks, chains, tokens, receivers and provider states.

use std::time::Duration;

use patchbay::access::{Scope, TokenRecord};
use patchbay::dispatch::health::FAILURES;
use patchbay::dispatch::limits::CallLimits;
use patchbay::ids::ProviderName;
use patchbay::secret::sha256_hex;
use patchbay::store::{Priority, TokenEntry};
use patchbay_simulators::exchange::Provider;
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::world::{Options, World};
use serde_json::json;

use super::stories::requests;
use super::{record_answer, record_items};
use crate::common::{create, get, pass, phones, request, send, text, with_token};
use crate::shape::WrittenValues;

/// Number of the caller.
pub(super) const CALLER: &str = "+12025550143";
/// Name of the stored chain.
pub(super) const CHAIN: &str = "orders";

pub(super) async fn run(items: &mut WrittenValues, answers: &mut WrittenValues) {
    calls(items, answers).await;
    let world = crate::common::world([]).await;
    chains(&world).await;
    tokens(&world).await;
    receivers(&world).await;
    slots(&world).await;
    record_items(&world, items).await;
}

/// A provider that is down, with reserved slots; and the call limits of a tenant.
async fn slots(world: &World) {
    let (store, now) = (&world.store, world.clock.now());
    for priority in [Priority::First, Priority::First, Priority::Urgent] {
        store.reserve_slot("routee", 1_000, priority, now).await.unwrap();
    }
    store.reserve_share("routee", 1_000, now).await.unwrap();
    let routee = ProviderName::known("routee");
    for _ in 0..FAILURES {
        let known = store.provider_state(&routee).await.unwrap();
        let health = known.value.health.with_failure(now);
        assert!(store.record_health(&known, &health).await.unwrap());
    }
    let limits = CallLimits {
        per_hour: Some(6),
        per_day: Some(20),
    };
    store.set_call_limits(&"main".parse().unwrap(), &limits).await.unwrap();
}

/// Anna does not pick up and then rejects; Ben presses a wrong key and then accepts.
async fn calls(items: &mut WrittenValues, answers: &mut WrittenValues) {
    let anna = Script::always(Behavior::NeverPicksUp).then(Behavior::presses("2", When::OptionsSay(1)));
    let ben = Behavior::presses("7", When::OptionsSay(1)).and(
        When::OptionsSay(2),
        patchbay_simulators::phones::Action::Press("1".to_owned()),
    );
    let options = Options {
        phones: phones([anna, Script::always(ben)]),
        sentinel: None,
        providers: Provider::ALL.to_vec(),
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    let limits = CallLimits {
        per_hour: Some(60),
        per_day: None,
    };
    let tenant = "main".parse().unwrap();
    world.store.set_call_limits(&tenant, &limits).await.unwrap();
    let [everything, _] = requests();
    let key = create(&world, &everything).await;
    for _ in 0..600 {
        pass(&world, 1).await;
        record_items(&world, items).await;
        let shown = get(&world, &format!("/v1/dispatches/{}", key.id)).await.json;
        let status = text(&shown, "/status").to_owned();
        record_answer(answers, shown);
        if status == "Accepted" && world.routee.live_calls().is_empty() {
            break;
        }
    }
    world.clock.sleep(Duration::from_secs(30)).await;
    record_items(&world, items).await;
}

/// A chain, and a call whose state is not returned.
async fn chains(world: &World) {
    let document = crate::fixtures::text("links/every-field.yaml");
    let put = with_token("PUT", &format!("/v1/links/{CHAIN}")).header("content-type", "application/yaml");
    let answer = send(world, put.body(document.into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = json!({ "name": "orders", "action": "initial", "call_from": CALLER });
    let post = request("POST", answer.text("/endpoint")).header("content-type", "application/json");
    let answer = send(world, post.body(body.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A token with every optional field and one with none. The world's own token is in no list.
async fn tokens(world: &World) {
    let now = world.clock.now();
    for (secret, is_full) in [("one", true), ("another", false)] {
        let entry = TokenEntry {
            hash: sha256_hex(secret.as_bytes()),
            name: is_full.then(|| "the help desk".to_owned()),
            created_at: is_full.then_some(now),
            record: TokenRecord {
                tenant: "main".parse().unwrap(),
                scopes: Scope::ALL.into_iter().collect(),
                expires_at: is_full.then(|| now.plus_seconds(86_400)),
                revoked: !is_full,
            },
        };
        assert!(world.store.create_token(&entry).await.unwrap());
    }
}

async fn receivers(world: &World) {
    let (tenant, now) = ("main".parse().unwrap(), world.clock.now());
    let host = "requester.example.org";
    let retry_at = now.plus_seconds(60);
    let recorded = world
        .store
        .record_no_answer(&tenant, host, "no answer in 10 s", now, retry_at);
    recorded.await.unwrap();
    world.store.acquire_probe_lock(now, retry_at).await.unwrap();
}
