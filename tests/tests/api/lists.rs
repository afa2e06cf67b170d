//! Lists of dispatches.

use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{brief, change, create, get, list, pass, text, world};

/// When each was created, and its id, page by page.
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
    panic!("the list has no end")
}

#[tokio::test(start_paused = true)]
async fn a_list_is_newest_first_and_its_pages_across_days_lose_and_repeat_nothing() {
    let world = world([]).await;
    let mut ids = Vec::new();
    // From three days with a gap of forty between them, several within one millisecond.
    for (day, count) in [(0, 5), (1, 3), (41, 4)] {
        for ticket in 0..count {
            let mut brief = brief(1, &json!({}));
            brief["employees"][0]["opted_out"] = json!(true);
            brief["ticket"]["reference"] = json!(format!("{day}/{ticket}"));
            ids.push(create(&world, &brief).await.id.to_string());
            pass(&world, ticket % 2).await;
        }
        let next = if day == 0 { 1 } else { 40 };
        pass(&world, next * 86_400).await;
    }
    let whole = pages(&world, 200).await;
    for limit in [1, 2, 3, 5] {
        assert_eq!(pages(&world, limit).await, whole, "in pages of {limit}");
    }
    assert!(
        whole.is_sorted_by(|(newer, _), (older, _)| newer >= older),
        "not newest first: {whole:?}"
    );
    let mut listed: Vec<String> = whole.into_iter().map(|(_, id)| id).collect();
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
}

#[tokio::test(start_paused = true)]
async fn what_is_created_meanwhile_does_not_disturb_the_pages_that_follow() {
    let world = world([]).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.insert(0, create(&world, &brief(1, &json!({}))).await.id.to_string());
        pass(&world, 1).await;
    }
    let first = get(&world, "/v1/dispatches?limit=2").await;
    create(&world, &brief(1, &json!({}))).await;
    let cursor = first.text("/next_cursor");
    let second = get(&world, &format!("/v1/dispatches?limit=2&cursor={cursor}")).await;
    let both = list(&first.json, "/dispatches")
        .iter()
        .chain(list(&second.json, "/dispatches"));
    let both: Vec<&str> = both.map(|summary| text(summary, "/id")).collect();
    assert_eq!(both, ids);
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_list_says_how_the_dispatch_stands_now() {
    let world = world([]).await;
    let key = create(&world, &brief(1, &json!({}))).await;
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
