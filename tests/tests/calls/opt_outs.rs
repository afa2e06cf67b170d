//! `/v1/opt-outs/{address}`.

use patchbay::store::Address;
use serde_json::{Value, json};

use crate::{Api, tenant};

#[tokio::test(start_paused = true)]
async fn an_opt_out_is_recorded_read_and_removed() {
    let api = Api::empty().await;
    for (address, same) in [
        ("+12025550143", "%2B12025550143"),
        ("Ana@Example.org", "ana%40example.org"),
    ] {
        let path = format!("/v1/opt-outs/{address}");
        api.get(&path).await.is_problem(404, "not-found");
        let first = api.ask("PUT", &path, &Value::Null).await;
        assert_eq!(
            (first.status, &first.json["opted_out"]),
            (200, &json!(true)),
            "{first:?}"
        );
        assert!(!first.json.to_string().contains("2025550143"), "{first:?}");
        let parsed = Address::parse(address).unwrap();
        assert!(api.world.store.is_opted_out(&tenant(), &parsed).await.unwrap());
        // It counts from the first time on.
        api.pass(60).await;
        let again = api.ask("PUT", &path, &Value::Null).await;
        assert_eq!(again.json, first.json);
        let shown = api.get(&format!("/v1/opt-outs/{same}")).await;
        assert_eq!((shown.status, shown.json), (200, first.json));
        for _ in 0..2 {
            assert_eq!(api.ask("DELETE", &path, &Value::Null).await.status, 204);
        }
        assert!(!api.world.store.is_opted_out(&tenant(), &parsed).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_address_is_refused() {
    let api = Api::empty().await;
    for address in ["2025550143", "ana", "%2B", "a%20b@example.org%0D%0A", "%40"] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = api.ask(method, &format!("/v1/opt-outs/{address}"), &Value::Null).await;
            assert_eq!(
                answer.is_problem(422, "invalid-field"),
                ["address"],
                "{method} {address}"
            );
        }
    }
}
