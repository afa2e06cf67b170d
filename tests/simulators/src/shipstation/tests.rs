use super::*;

fn shop() -> ShipStation {
    let clock = Clock::starting_at(Timestamp::parse("2026-11-21T11:00:00Z").expect("a time"), 1.0);
    ShipStation::new(clock, "key:secret")
}

async fn get(shop: &ShipStation, target: &str) -> (u16, Value, Response) {
    let request = http::Request::get(format!("https://{HOST}{target}"))
        .header("authorization", format!("Basic {}", STANDARD.encode("key:secret")))
        .body(Bytes::new())
        .expect("a request");
    let response = shop.send(request).await.expect("an answer");
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body, response)
}

#[tokio::test(start_paused = true)]
async fn a_search_matches_a_prefix_and_is_paged() {
    let shop = shop();
    for number in ["QX-10", "QX-100", "qx-1009", "ZZ-1"] {
        shop.add_order(number, "shipped", &json!({}));
    }
    let (_, body, _) = get(&shop, "/orders?orderNumber=QX-10&pageSize=2").await;
    assert_eq!((body["total"].as_u64(), body["pages"].as_u64()), (Some(3), Some(2)));
    assert_eq!(body["orders"].as_array().map(Vec::len), Some(2));
    let (_, body, _) = get(&shop, "/orders?orderNumber=QX-10&pageSize=2&page=2").await;
    assert_eq!(body["orders"][0]["orderNumber"], "qx-1009");
    assert_eq!(body["orders"][0]["orderDate"], "2026-11-21T03:00:00.0000000");
    assert_eq!(body["orders"][0]["customerEmail"], Value::Null);
    let (status, body, _) = get(&shop, "/orders?orderNumber=none").await;
    assert_eq!((status, body["orders"].clone()), (200, json!([])));
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_is_40_requests_per_minute_and_is_in_every_response() {
    let shop = shop();
    let header = |response: &Response, name: &str| response.headers()[name].to_str().expect("text").to_owned();
    for left in (0..40).rev() {
        let (status, _, response) = get(&shop, "/orders").await;
        assert_eq!(status, 200);
        assert_eq!(header(&response, "x-rate-limit-remaining"), left.to_string());
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (status, body, response) = get(&shop, "/orders").await;
    assert_eq!((status, body), (429, json!({ "message": "Too Many Requests" })));
    assert_eq!(header(&response, "x-rate-limit-reset"), "40");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(get(&shop, "/orders").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn other_credentials_are_rejected() {
    let shop = shop();
    let request = http::Request::get(format!("https://{HOST}/orders"))
        .body(Bytes::new())
        .expect("a request");
    assert_eq!(shop.send(request).await.expect("an answer").status(), 401);
    assert_eq!(get(&shop, "/stores").await.0, 404);
}
