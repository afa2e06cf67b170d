//! Requests that a set and a get cost. A caller on the phone waits for them.

use serde_json::{Value, json};

use crate::common::{cost, world};
use crate::{CALLER, own, post, purchase, purchase_with};

#[tokio::test(start_paused = true)]
async fn a_warm_function_sets_with_one_request_and_gets_with_one() {
    let world = world([]).await;
    let by_number = json!({ "caller": CALLER });
    let vapi = |function: &str, arguments: Value| {
        json!({ "message": {
            "customer": { "number": CALLER },
            "call": { "id": "c" },
            "toolCalls": [{ "id": "t", "function": { "name": function, "arguments": arguments } }],
        } })
    };
    let retell = json!({ "call": { "from_number": CALLER, "call_id": "c" }, "args": purchase() });
    let mut costs = Vec::new();
    for (path, body) in [
        ("twilio/set-context", purchase()),
        ("twilio/get-context", by_number.clone()),
        ("twilio/set-context", purchase()),
        ("twilio/set-context?replace=true", purchase_with("call_id", "c")),
        ("vapi/set-context", vapi("SendContextToProtegee", purchase())),
        ("retell/set-context", retell),
        ("bland/set-context", purchase_with("ttl", 60)),
        ("twilio/get-context", by_number.clone()),
        ("vapi/get-context", vapi("GetContextFromProtegee", json!({}))),
        ("retell/get-context", json!({ "from_number": CALLER })),
        ("bland/get-context", json!({ "caller": CALLER, "call_id": "other" })),
        ("twilio/get-context", json!({ "caller": "+12025550199" })),
    ] {
        assert_eq!(post(&world, path, &body).await.status, 200);
        let function = if path.contains("set") {
            "set-context"
        } else {
            "get-context"
        };
        costs.push((path, cost(&world, function)));
    }
    let table = [
        // A cold function looks up the token.
        ("twilio/set-context", (2, 0, 0)),
        ("twilio/get-context", (2, 0, 0)),
        ("twilio/set-context", (1, 0, 0)),
        ("twilio/set-context?replace=true", (1, 0, 0)),
        ("vapi/set-context", (1, 0, 0)),
        ("retell/set-context", (1, 0, 0)),
        ("bland/set-context", (1, 0, 0)),
        ("twilio/get-context", (1, 0, 0)),
        ("vapi/get-context", (1, 0, 0)),
        ("retell/get-context", (1, 0, 0)),
        ("bland/get-context", (1, 0, 0)),
        ("twilio/get-context", (1, 0, 0)),
    ];
    assert_eq!(costs, table);

    // Over an expired context: making sure that none of it survives costs one more request.
    crate::common::pass(&world, 61).await;
    for (body, requests) in [(purchase(), 3), (purchase(), 1)] {
        assert_eq!(post(&world, "twilio/set-context", &body).await.status, 200);
        assert_eq!(cost(&world, "set-context"), (requests, 0, 0));
    }
    // By call id alone: the index, then the item. The token is not cached any more after its minute.
    let in_call = purchase_with("call_id", "c");
    assert_eq!(post(&world, "twilio/set-context", &in_call).await.status, 200);
    for requests in [3, 2] {
        assert_eq!(
            post(&world, "twilio/get-context", &json!({ "call_id": "c" }))
                .await
                .status,
            200
        );
        assert_eq!(cost(&world, "get-context"), (requests, 0, 0));
    }
    assert_eq!(own(&world, "GET", CALLER).await.status, 200);
    assert_eq!(cost(&world, "get-context"), (1, 0, 0));
    assert_eq!(own(&world, "DELETE", CALLER).await.status, 204);
    assert_eq!(cost(&world, "set-context"), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_costs_only_the_lookup_of_the_token() {
    let world = world([]).await;
    post(&world, "twilio/set-context", &purchase()).await;
    for body in [
        json!({}),
        json!([]),
        purchase_with("price", 1.5),
        purchase_with("caller", "anonymous"),
    ] {
        assert_eq!(post(&world, "twilio/set-context", &body).await.status, 422);
        assert_eq!(cost(&world, "set-context"), (0, 0, 0), "{body}");
    }
}
