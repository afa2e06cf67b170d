//! `DELETE /v1/customers/{id}`.

use std::collections::HashMap;

use patchbay::clock::Timestamp;
use patchbay::interaction::{Channel, Clearance, EndReason, Event, Interaction, Reply, SendResult, State};
use patchbay::store::{Address, OptOutChange, OptOutSource};
use patchbay_simulators::aws::{self, Fault, Rule, Service};
use serde_json::{Value, json};

use crate::{Api, sms, sms_with, tenant};

const PHONE: &str = "+12025550143";

/// An interaction in which the customer has answered, with its id and its customer's.
async fn answered(api: &Api) -> (String, String) {
    let fields = json!({ "customerName": "Ana Ruiz", "customerPhone": PHONE, "customerEmail": "ana@example.org" });
    let created = api.post_once("first", &sms_with(&fields)).await;
    let id = created.text("/id").to_owned();
    let attempt = |interaction: &Interaction| interaction.attempt.as_ref().unwrap().id;
    let clearance = Clearance::Granted;
    api.apply(&id, |interaction| Event::SendBegins {
        attempt: attempt(interaction),
        clearance: clearance.clone(),
    })
    .await;
    let now = api.world.clock.now();
    let store = &api.world.store;
    let key = crate::key(&id);
    let tenant = tenant();
    let thread = store.put_thread(&tenant, Channel::Sms, Some("+12025550100"), PHONE, &key, now);
    thread.await.unwrap();
    api.apply(&id, |interaction| Event::SendEnds {
        attempt: attempt(interaction),
        result: SendResult::Sent {
            provider_id: "SM1".to_owned(),
            progress: None,
        },
    })
    .await;
    api.apply(&id, |_| reply("Call me Anita", now)).await;
    (id, created.text("/customerId").to_owned())
}

fn reply(text: &str, at: Timestamp) -> Event {
    let reply = Reply {
        id: "SM2".to_owned(),
        channel: Channel::Sms,
        attempt: None,
        text: text.to_owned(),
        at,
        is_opt_out: false,
    };
    Event::Replied { reply }
}

async fn forget(api: &Api, customer: &str) -> crate::common::Answer {
    api.ask("DELETE", &format!("/v1/customers/{customer}"), &Value::Null)
        .await
}

/// All items of the table, as text.
async fn items(api: &Api) -> Vec<String> {
    let (client, _) = aws::clients(&api.world.aws, &aws::retries());
    let page = client.scan().table_name("patchbay").send().await.unwrap();
    page.items()
        .iter()
        .map(|item: &HashMap<_, _>| format!("{item:?}"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_about_a_forgotten_customer_remains_but_the_opt_out() {
    let api = Api::start().await;
    let (id, customer) = answered(&api).await;
    let address = Address::parse(PHONE).unwrap();
    api.world
        .store
        .change_opt_out(
            &tenant(),
            &address,
            &OptOutChange::opt_out(OptOutSource::Api, api.world.clock.now()),
        )
        .await
        .unwrap();
    let private = ["Ana", "12025550143", "ana@example.org", "Anita"];
    for word in private {
        assert!(items(&api).await.iter().any(|item| item.contains(word)), "{word}");
    }
    assert_eq!(forget(&api, &customer).await.status, 204);
    for item in items(&api).await {
        assert!(private.iter().all(|word| !item.contains(word)), "{item}");
    }
    assert!(api.world.store.is_opted_out(&tenant(), &address).await.unwrap());
    assert_eq!(api.facts(&id).await, []);
    let tenant = tenant();
    let thread = api
        .world
        .store
        .thread(&tenant, Channel::Sms, Some("+12025550100"), PHONE);
    assert_eq!(thread.await.unwrap(), None);
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    assert_eq!((shown.text("/status"), shown.text("/customerPhone")), ("canceled", ""));
    assert_eq!(shown.json["messages"], json!([]));
    forget(&api, &customer).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_for_a_forgotten_customer_is_not_sent() {
    let api = Api::start().await;
    let created = api.post(&sms()).await;
    assert_eq!(forget(&api, created.text("/customerId")).await.status, 204);
    let interaction = api.load(created.text("/id")).await;
    assert_eq!(interaction.state, State::ended(EndReason::Canceled));
    assert_eq!((interaction.attempt, interaction.past.len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_contacts_a_forgotten_customer_no_second_time() {
    let api = Api::start().await;
    let fields = json!({ "customerName": "Ana Ruiz", "customerPhone": PHONE, "customerEmail": "ana@example.org" });
    let (id, customer) = answered(&api).await;
    assert_eq!(forget(&api, &customer).await.status, 204);
    let sent = api.queue().history().len();
    let again = api.post_once("first", &sms_with(&fields)).await;
    assert_eq!(
        (again.text("/id"), again.header("idempotent-replayed")),
        (id.as_str(), "true")
    );
    assert_eq!(api.queue().history().len(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_new_request_makes_a_new_customer() {
    let api = Api::start().await;
    let first = api.post(&sms()).await.text("/customerId").to_owned();
    assert_eq!(forget(&api, &first).await.status, 204);
    let second = api.post(&sms()).await;
    assert_eq!(
        (second.status, second.text("/customerPhone")),
        (200, PHONE),
        "{second:?}"
    );
    assert_ne!(second.text("/customerId"), first);
}

#[tokio::test(start_paused = true)]
async fn other_customers_and_tenants_are_left_alone() {
    let api = Api::start().await;
    let (_, customer) = answered(&api).await;
    let other = json!({ "customerOverride": { "firstName": "Ben", "phoneNumber": "+12025550144" } });
    let other = api.create(&sms_with(&other)).await;
    let token = format!("pb_{}", "1".repeat(64));
    api.put_token(&token, "other", &patchbay::access::Scope::ALL).await;
    let request = crate::anonymous("DELETE", &format!("/v1/customers/{customer}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer = api.send(crate::json_request(request, &Value::Null)).await;
    answer.is_problem(404, "not-found");
    assert_eq!(forget(&api, &customer).await.status, 204);
    let ben = api.load(&other).await;
    assert_eq!(
        (ben.state, ben.parties.customer.name.as_str()),
        (State::Scheduled, "Ben")
    );
}

#[tokio::test(start_paused = true)]
async fn an_interaction_that_is_just_being_created_is_waited_for() {
    let api = Api::start().await;
    let created = api.post(&sms()).await;
    let customer = created.text("/customerId");
    // A request of another function has linked its interaction, and has not created it yet.
    let id = customer.parse().unwrap();
    let pending = patchbay::ids::InteractionId::new(99);
    let store = &api.world.store;
    let linked = store
        .link_interaction(&tenant(), id, pending, api.world.clock.now())
        .await;
    assert!(linked.unwrap());
    let answer = forget(&api, customer).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    // No further interaction is added meanwhile.
    let linked = store
        .link_interaction(&tenant(), id, pending, api.world.clock.now())
        .await;
    assert!(!linked.unwrap());
    api.pass(121).await;
    assert_eq!(forget(&api, customer).await.status, 204);
    forget(&api, customer).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn forgetting_goes_on_where_it_failed() {
    let api = Api::start().await;
    let (_, customer) = answered(&api).await;
    for operation in ["DeleteItem", "PutItem", "Query"] {
        let outage = Rule::new(Fault::InternalError)
            .service(Service::DynamoDb)
            .operation(operation);
        api.world.aws.faults().plan(outage.times(u32::MAX));
        forget(&api, &customer).await.is_problem(503, "unavailable");
        api.world.aws.faults().clear();
    }
    assert_eq!(forget(&api, &customer).await.status, 204);
    for item in items(&api).await {
        assert!(!item.contains("12025550143") && !item.contains("Anita"), "{item}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_customer_is_not_found() {
    let api = Api::start().await;
    for id in ["6b1f0000-0000-4000-8000-0000000000cc", "x", "%00", "T%23main%23U"] {
        forget(&api, id).await.is_problem(404, "not-found");
    }
    let answer = api.get("/v1/customers/6b1f0000-0000-4000-8000-0000000000cc").await;
    answer.is_problem(405, "method-not-allowed");
}
