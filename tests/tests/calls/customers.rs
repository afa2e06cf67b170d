//! Which customer a request is about.

use std::collections::HashMap;

use patchbay::store::StoredCustomer;
use patchbay_simulators::aws::{self, Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::Answer;
use crate::{Api, sms, sms_with, tenant};

async fn stored(api: &Api, answer: &Answer) -> StoredCustomer {
    let id = answer.text("/customerId").parse().unwrap();
    api.world.store.customer(&tenant(), id).await.unwrap().unwrap()
}

async fn customer_of(api: &Api, fields: &Value) -> String {
    let answer = api.post(&sms_with(fields)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/customerId").to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_customer_is_found_by_phone_number_and_then_by_email_address() {
    let api = Api::start().await;
    let ana =
        json!({ "customerName": "Ana Ruiz", "customerPhone": "+12025550143", "customerEmail": "Ana@Example.org" });
    let ana = customer_of(&api, &ana).await;
    let ben = json!({ "customerPhone": "+12025550144", "customerEmail": "ben@example.org", "customerOverride": null });
    let ben = customer_of(&api, &ben).await;
    assert_ne!(ana, ben);
    for (phone, email, expected) in [
        ("+12025550143", "", &ana),
        // The phone number counts first.
        ("+12025550143", "ben@example.org", &ana),
        ("+12025550144", "ana@example.org", &ben),
        ("+12025550145", "ana@example.org", &ana),
    ] {
        let fields = json!({ "customerPhone": phone, "customerEmail": email, "customerOverride": null });
        assert_eq!(&customer_of(&api, &fields).await, expected, "{phone} {email}");
    }
    let other = json!({ "customerPhone": "+12025550146", "customerOverride": null });
    assert!(![ana, ben].contains(&customer_of(&api, &other).await));
}

#[tokio::test(start_paused = true)]
async fn the_override_alone_names_the_customer_too() {
    let api = Api::start().await;
    let first = customer_of(&api, &json!({})).await;
    assert_eq!(customer_of(&api, &json!({})).await, first);
}

#[tokio::test(start_paused = true)]
async fn an_override_never_changes_the_stored_customer() {
    let api = Api::start().await;
    let first = json!({
        "customerName": "Ana Ruiz", "customerPhone": "+12025550143",
        "customerOverride": { "firstName": "Anita", "phoneNumber": "+12025550147", "email": "anita@example.org" },
    });
    let first = api.post(&sms_with(&first)).await;
    let before = stored(&api, &first).await;
    assert_eq!(
        (before.name.as_deref(), before.phone.as_deref()),
        (Some("Ana Ruiz"), Some("+12025550143"))
    );
    // The interaction has the override.
    assert_eq!(
        (first.text("/customerName"), first.text("/customerPhone")),
        ("Anita", "+12025550147")
    );
    let second = json!({
        "customerName": "A. R.", "customerPhone": "+12025550143", "customerEmail": "new@example.org",
        "customerOverride": { "language": "es-MX", "lastName": "Ruiz" },
    });
    let second = api.post(&sms_with(&second)).await;
    assert_eq!(stored(&api, &second).await, before);
    let interaction = api.load(second.text("/id")).await;
    let customer = interaction.parties.customer;
    assert_eq!(
        (
            customer.name.as_str(),
            customer.email.as_str(),
            customer.language.as_str()
        ),
        ("Ruiz", "new@example.org", "es-MX")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_request_does_not_say_is_taken_from_the_stored_customer() {
    let api = Api::start().await;
    let full = json!({ "customerOverride": {
        "firstName": "Ana", "lastName": "Ruiz", "phoneNumber": "+12025550143", "email": "ana@example.org",
        "customFields": [{ "name": "Order", "value": "O-1" }],
    } });
    customer_of(&api, &full).await;
    let by_email = json!({ "channel": "email", "customerPhone": "+12025550143", "customerOverride": null });
    let answer = api.post(&sms_with(&by_email)).await;
    assert_eq!(answer.text("/customerEmail"), "ana@example.org", "{answer:?}");
    let interaction = api.load(answer.text("/id")).await;
    let leg = &interaction.plan.legs[0];
    assert_eq!(
        (leg.to.as_str(), leg.content.text()),
        ("ana@example.org", "Hi Ana, Leo here.")
    );
    let stored = stored(&api, &answer).await;
    assert!(!serde_json::to_string(&stored).unwrap().contains("O-1"), "{stored:?}");
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_make_one_customer() {
    let api = Api::start().await;
    let (one, two) = (
        sms_with(&json!({ "customerPhone": "+12025550143", "customerEmail": "one@example.org" })),
        sms_with(&json!({ "customerPhone": "+12025550143", "customerEmail": "two@example.org" })),
    );
    let answers = tokio::join!(api.post(&one), api.post(&two), api.post(&one), api.post(&two));
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let ids: Vec<&str> = answers.iter().map(|answer| answer.text("/customerId")).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_customer() {
    let api = Api::start().await;
    let lost = Rule::new(Fault::LostAnswer)
        .service(Service::DynamoDb)
        .operation("TransactWriteItems");
    api.world.aws.faults().plan(lost);
    let first = api.post(&sms()).await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = api.post(&sms()).await;
    assert_eq!(first.text("/customerId"), second.text("/customerId"));
}

#[tokio::test(start_paused = true)]
async fn tenants_have_their_own_customers() {
    let api = Api::start().await;
    let id = api.post(&sms()).await.text("/customerId").parse().unwrap();
    let other = "other".parse().unwrap();
    assert_eq!(api.world.store.customer(&other, id).await.unwrap(), None);
    let phone = Some("+12025550143");
    assert_eq!(api.world.store.find_customer(&other, phone, None).await.unwrap(), None);
    assert!(
        api.world
            .store
            .find_customer(&tenant(), phone, None)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn no_key_has_an_address() {
    let api = Api::start().await;
    api.post(&sms_with(&json!({ "customerEmail": "ana@example.org" })))
        .await;
    let (client, _) = aws::clients(&api.world.aws, &aws::retries());
    let page = client.scan().table_name("patchbay").send().await.unwrap();
    let key = |item: &HashMap<_, _>| format!("{:?}", (&item["pk"], &item["sk"]));
    let keys: Vec<String> = page.items().iter().map(key).collect();
    assert!(keys.len() > 5, "{keys:?}");
    for private in ["12025550143", "example.org"] {
        assert!(keys.iter().all(|key| !key.contains(private)), "{keys:?}");
    }
}
