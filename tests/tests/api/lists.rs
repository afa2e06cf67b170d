//! Lists of dispatches.

use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{change, create, dispatch_body, get, list, pass, text, world};

/// Creation time and id of every dispatch, read page by page.
async fn pages(world: &World, limit: usize) -> Vec<(String, String)> {
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    for _ in 0..500 {
        let answer = get(world, &format!("/v1/dispatches?limit={limit}{cursor}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = list(&answer.json, "/dispatches");
        assert!(page.len() <= limit, "{} of {limit}", page.len());
        let line = |summary| (text(summary, "/created_at").to_owned(), text(summary, "/id").to_owned());
        lines.extend(page.iter().map(line));
        match answer.json.pointer("/next_cursor") {
            Some(Value::String(next)) => cursor = format!("&cursor={next}"),
            _ => return lines,
        }
    }
    panic!("the list never ends")
}

#[tokio::test(start_paused = true)]
async fn a_list_is_newest_first_and_its_pages_neither_skip_nor_repeat_a_dispatch() {
    let world = world([]).await;
    let mut ids = Vec::new();
    // Created on days 0, 1 and 41, several within one millisecond.
    for (day, count) in [(0, 5), (1, 3), (41, 4)] {
        for ticket in 0..count {
            let mut dispatch_body = dispatch_body(1, &json!({}));
            dispatch_body["employees"][0]["opted_out"] = json!(true);
            dispatch_body["ticket"]["reference"] = json!(format!("{day}/{ticket}"));
            ids.push(create(&world, &dispatch_body).await.id.to_string());
            pass(&world, ticket % 2).await;
        }
        let next = if day == 0 { 1 } else { 40 };
        pass(&world, next * 86_400).await;
    }
    let all = pages(&world, 200).await;
    for limit in [1, 2, 3, 5] {
        assert_eq!(pages(&world, limit).await, all, "in pages of {limit}");
    }
    assert!(
        all.is_sorted_by(|(newer, _), (older, _)| newer >= older),
        "not newest first: {all:?}"
    );
    let mut listed: Vec<String> = all.into_iter().map(|(_, id)| id).collect();
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_created_between_two_pages_does_not_shift_the_second_page() {
    let world = world([]).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.insert(0, create(&world, &dispatch_body(1, &json!({}))).await.id.to_string());
        pass(&world, 1).await;
    }
    let first = get(&world, "/v1/dispatches?limit=2").await;
    create(&world, &dispatch_body(1, &json!({}))).await;
    let cursor = first.text("/next_cursor");
    let second = get(&world, &format!("/v1/dispatches?limit=2&cursor={cursor}")).await;
    let both = list(&first.json, "/dispatches")
        .iter()
        .chain(list(&second.json, "/dispatches"));
    let both: Vec<&str> = both.map(|summary| text(summary, "/id")).collect();
    assert_eq!(both, ids);
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_the_current_status_of_a_dispatch() {
    let world = world([]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    pass(&world, 1).await;
    change(&world, &key, "cancel").await;
    let answer = get(&world, "/v1/dispatches").await;
    let [line] = list(&answer.json, "/dispatches") else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (text(line, "/id"), text(line, "/status"), text(line, "/reference")),
        (key.id.to_string().as_str(), "Cancelled", "INC-4711")
    );
    assert!(text(line, "/created_at") < text(line, "/updated_at"), "{line}");
}
