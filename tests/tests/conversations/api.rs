//! The API for bots, conversations and calls.

use patchbay::chat::Platform;
use patchbay::store::{OptOutChange, OptOutSource};
use patchbay_simulators::chat::{ApiFault, Endpoint};
use patchbay_simulators::world::{ChatOptions, Options, World};
use serde_json::{Value, json};

use crate::common::{Answer, ask, get, list, pass, phone, send, settle, text, with_token};
use crate::{BOT, chat_world, holder, opened};

async fn put(world: &World, name: &str, document: &str) -> Answer {
    let request = with_token("PUT", &format!("/v1/bots/{name}")).header("content-type", "application/yaml");
    send(world, request.body(document.to_owned().into()).unwrap()).await
}

async fn call(world: &World, kind: &str, body: &Value) -> Answer {
    ask(world, "POST", &format!("/v1/chat/{kind}-calls"), body).await
}

#[tokio::test(start_paused = true)]
async fn a_bot_document_is_written_listed_read_and_deleted() {
    let world = chat_world().await;
    let written = put(&world, "returns", BOT).await;
    assert_eq!((written.status, written.text("/bot")), (200, "returns"), "{written:?}");
    let listed = get(&world, "/v1/bots").await;
    let names: Vec<&str> = list(&listed.json, "/bots")
        .iter()
        .map(|bot| text(bot, "/bot"))
        .collect();
    assert_eq!(names, ["returns", "shop"]);
    let shown = get(&world, "/v1/bots/returns").await;
    assert_eq!(shown.header("etag"), written.header("etag"));
    assert_eq!(shown.json["warnings"], json!([]));
    assert!(shown.json["document"].is_object(), "{shown:?}");
    assert_eq!(
        ask(&world, "DELETE", "/v1/bots/returns", &Value::Null).await.status,
        204
    );
    get(&world, "/v1/bots/returns").await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_bot_document_is_refused_with_the_line_of_each_mistake() {
    let world = chat_world().await;
    let refused = put(&world, "returns", "surprise: 1\n").await;
    refused.is_problem(422, "invalid-field");
    get(&world, "/v1/bots/returns").await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_listed_and_shown_with_its_timeline() {
    let world = chat_world().await;
    let id = opened(&world, "opening hours").await;
    settle(&world).await;
    let listed = get(&world, "/v1/conversations").await;
    let [line] = list(&listed.json, "/conversations") else {
        panic!("not one: {listed:?}")
    };
    assert_eq!((text(line, "/id"), text(line, "/holder")), (&*id.to_string(), "bot"));
    let shown = get(&world, &format!("/v1/conversations/{id}")).await;
    let facts = list(&shown.json, "/timeline").iter().map(|entry| text(entry, "/fact"));
    let facts: Vec<&str> = facts.collect();
    assert_eq!(facts, ["customer_wrote", "answered", "done"], "{shown:?}");
    for missing in ["/v1/conversations/1", "/v1/conversations/%23"] {
        get(&world, missing).await.is_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn a_requester_hands_a_conversation_over_and_gives_it_back() {
    let world = chat_world().await;
    let id = opened(&world, "opening hours").await;
    settle(&world).await;
    let change = async |verb: &str| {
        let answer = ask(&world, "POST", &format!("/v1/conversations/{id}/{verb}"), &Value::Null).await;
        settle(&world).await;
        answer
    };
    assert_eq!(change("hand-over").await.text("/holder"), "handing_off");
    assert_eq!(holder(&world, id).await, "waiting");
    assert_eq!(world.chat.delivered().len(), 1);
    change("hand-over").await.is_problem(409, "conflict");
    assert_eq!(world.chat.delivered().len(), 1);
    assert_eq!(change("give-back").await.text("/holder"), "bot");
    change("give-back").await.is_problem(409, "conflict");
    ask(&world, "POST", "/v1/conversations/1/hand-over", &Value::Null)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn the_platform_phones_for_a_queue_and_for_an_agent() {
    let world = chat_world().await;
    let queue = json!({ "queue": "support_en", "destination": "+1 202-555-0143" });
    let agent = json!({ "agent": "jane.doe", "destination": "4711" });
    for (kind, body, dialed) in [("queue", &queue, "+12025550143"), ("agent", &agent, "4711")] {
        let answer = call(&world, kind, body).await;
        assert_eq!(
            (answer.status, answer.text("/destination")),
            (202, dialed),
            "{answer:?}"
        );
        assert_eq!(answer.json[kind], body[kind]);
    }
    let dialed: Vec<String> = world.chat.calls().into_iter().map(|call| call.destination).collect();
    assert_eq!(dialed, ["+12025550143", "4711"]);
}

#[tokio::test(start_paused = true)]
async fn all_invalid_fields_of_a_call_are_named_at_once() {
    let world = chat_world().await;
    let invalid = json!({ "queue": "support_en", "agent": " ", "destination": "2025550143" });
    let named = call(&world, "agent", &invalid).await.is_problem(422, "invalid-field");
    assert_eq!(named, ["agent", "destination", "queue"]);
    assert_eq!(world.chat.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_number_whose_owner_has_opted_out_is_not_called() {
    let world = chat_world().await;
    let (tenant, number) = ("main".parse().unwrap(), phone("+12025550143"));
    world
        .store
        .change_opt_out(
            &tenant,
            &number,
            &OptOutChange::opt_out(OptOutSource::Api, world.clock.now()),
        )
        .await
        .unwrap();
    let body = json!({ "queue": "support_en", "destination": "+12025550143" });
    call(&world, "queue", &body).await.is_problem(409, "opted-out");
    assert_eq!(world.chat.calls().len(), 0);
    world
        .store
        .change_opt_out(
            &tenant,
            &number,
            &OptOutChange::end(OptOutSource::Api, world.clock.now()),
        )
        .await
        .unwrap();
    assert_eq!(call(&world, "queue", &body).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_platform_refuses_is_refused() {
    let world = chat_world().await;
    let unknown = json!({ "queue": "no_such_queue", "destination": "4711" });
    call(&world, "queue", &unknown).await.is_problem(422, "refused");
    assert_eq!(world.chat.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unclear_call_is_reported_and_never_repeated() {
    let world = chat_world().await;
    let body = json!({ "queue": "support_en", "destination": "4711" });
    world
        .chat
        .fail_next(Endpoint::Calls, ApiFault::InternalError { done: true });
    call(&world, "queue", &body).await.is_problem(502, "unclear");
    pass(&world, 600).await;
    assert_eq!(world.chat.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn chatwoot_has_no_calls() {
    let options = Options {
        chat: ChatOptions {
            platform: Platform::Chatwoot,
            ..ChatOptions::default()
        },
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    let body = json!({ "queue": "support_en", "destination": "4711" });
    call(&world, "queue", &body).await.is_problem(422, "refused");
}
