//! `GET /api/v1/calls`.

use patchbay::interaction::{Interaction, Transcript};
use serde_json::{Value, json};

use crate::common::Answer;
use crate::{Api, sms, sms_with};

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.json.as_array().unwrap();
    list.iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn list(api: &Api, query: &str) -> Vec<String> {
    let answer = api.get(&format!("/api/v1/calls{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    ids(&answer)
}

/// The query of the next page, if there is one.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link");
    let query = link.strip_prefix('<')?.strip_suffix(r#">; rel="next""#)?;
    Some(query.to_owned())
}

/// All pages of a list.
async fn pages(api: &Api, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut query) = (Vec::new(), query.to_owned());
    loop {
        let answer = api.get(&format!("/api/v1/calls{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        pages.push(ids(&answer));
        match next(&answer) {
            Some(next) => query = next,
            None => return pages,
        }
        assert!(pages.len() < 20, "{pages:?}");
    }
}

async fn end(api: &Api, id: &str, word: &str) {
    let answer = api
        .ask("PUT", &format!("/api/v1/calls/{id}"), &json!({ "status": word }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

const DAY: u64 = 86_400;

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_an_empty_array() {
    let api = Api::start().await;
    let answer = api.get("/api/v1/calls").await;
    assert_eq!((answer.status, &answer.json), (200, &json!([])));
    assert_eq!(answer.header("link"), "");
}

#[tokio::test(start_paused = true)]
async fn the_newest_comes_first_over_all_days() {
    let api = Api::start().await;
    let mut created = Vec::new();
    for pause in [1, 1, 3 * DAY, 40 * DAY, 1] {
        created.push(api.create(&sms()).await);
        api.pass(pause).await;
    }
    created.reverse();
    assert_eq!(list(&api, "").await, created);
    assert_eq!(list(&api, "?sanitised=yes").await, created);
}

#[tokio::test(start_paused = true)]
async fn both_notations_of_a_date_range_select_the_same() {
    let api = Api::start().await;
    let mut days = Vec::new();
    for _ in 0..4 {
        let now = api.world.clock.now().to_string();
        days.push((now[..10].to_owned(), api.create(&sms()).await));
        api.pass(DAY).await;
    }
    let (from, to) = (&days[1].0, &days[2].0);
    let expected = vec![days[2].1.clone(), days[1].1.clone()];
    let json = format!(r#"{{"from":"{from}","to":"{to}"}}"#);
    let json: String = url::form_urlencoded::byte_serialize(json.as_bytes()).collect();
    for query in [
        format!("?dateRange={json}"),
        format!("?dateRange[from]={from}&dateRange[to]={to}"),
        format!("?dateRange%5Bfrom%5D={from}&dateRange%5Bto%5D={to}"),
        format!("?from={from}&to={to}"),
    ] {
        assert_eq!(list(&api, &query).await, expected, "{query}");
    }
    assert_eq!(list(&api, &format!("?dateRange[to]={from}")).await.len(), 2);
    assert_eq!(list(&api, &format!("?dateRange[from]={to}")).await.len(), 2);
    assert_eq!(list(&api, "?dateRange[from]=2030-01-01").await, [""; 0]);
    assert_eq!(list(&api, "?dateRange[to]=1970-01-01").await, [""; 0]);
    assert_eq!(list(&api, "?dateRange[to]=9999-12-31").await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn hours_are_counted_back_from_now() {
    let api = Api::start().await;
    let mut created = Vec::new();
    for _ in 0..4 {
        created.push(api.create(&sms()).await);
        api.pass(3_600 * 10).await;
    }
    for (hours, expected) in [("5", 0), ("10.5", 1), ("24", 2), ("30.5", 3), ("8784", 4)] {
        assert_eq!(list(&api, &format!("?hrs={hours}")).await.len(), expected, "{hours}");
    }
}

#[tokio::test(start_paused = true)]
async fn status_and_channel_select_by_meaning() {
    let api = Api::start().await;
    let queued = api.create(&sms()).await;
    api.pass(1).await;
    let closed = api.create(&sms()).await;
    end(&api, &closed, "closed").await;
    api.pass(1).await;
    let email = json!({ "channel": "email", "customerOverride": { "email": "ana@example.org" } });
    let email = api.create(&sms_with(&email)).await;
    end(&api, &email, "canceled").await;
    for (query, expected) in [
        ("?status=queued", vec![&queued]),
        ("?status=pending", vec![&queued]),
        ("?status=close", vec![&closed]),
        ("?status=closed&channel=sms", vec![&closed]),
        ("?status=closed&channel=email", vec![]),
        ("?channel=email", vec![&email]),
        ("?channel=sms", vec![&closed, &queued]),
        ("?status=canceled", vec![&email]),
        ("?status=completed", vec![]),
        ("?status=&channel=", vec![&email, &closed, &queued]),
    ] {
        assert_eq!(list(&api, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_have_at_most_200_and_follow_each_other_without_gaps() {
    let api = Api::start().await;
    let mut created = Vec::new();
    for number in 0..205 {
        created.push(api.create(&sms()).await);
        api.pass(if number == 100 { DAY } else { 1 }).await;
    }
    created.reverse();
    let pages = pages(&api, "?channel=sms").await;
    let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [200, 5]);
    assert_eq!(pages.concat(), created);
}

#[tokio::test(start_paused = true)]
async fn a_page_fits_into_an_answer_of_lambda() {
    let api = Api::start().await;
    let mut created = Vec::new();
    for _ in 0..70 {
        let id = api.create(&sms()).await;
        let interaction = api.load(&id).await;
        // Each character takes six bytes in an answer.
        let long = Interaction {
            version: interaction.version + 1,
            transcript: Some(Transcript {
                attempt: 0,
                text: "\u{1}".repeat(20_000),
            }),
            ..interaction
        };
        api.world
            .store
            .commit_version(&long, &[], api.world.clock.now())
            .await
            .unwrap();
        created.push(id);
        api.pass(1).await;
    }
    created.reverse();
    let answer = api.get("/api/v1/calls").await;
    assert!(answer.json.to_string().len() < 6_000_000 && ids(&answer).len() < 70);
    assert_eq!(pages(&api, "").await.concat(), created);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_filter_is_refused() {
    let api = Api::start().await;
    for (query, field) in [
        ("?status=done", "status"),
        ("?channel=fax", "channel"),
        ("?hrs=-1", "hrs"),
        ("?dateRange=x", "dateRange"),
        ("?dateRange[from]=2026-02-30", "dateRange[from]"),
        ("?limit=5", "limit"),
        ("?cursor=x", "cursor"),
        ("?cursor=", "cursor"),
        ("?%63ursor=x", "cursor"),
    ] {
        let answer = api.get(&format!("/api/v1/calls{query}")).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), [field], "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interaction_that_was_deleted_is_left_out() {
    let api = Api::start().await;
    let (gone, stays) = (api.create(&sms()).await, api.create(&sms()).await);
    let (client, _) = patchbay_simulators::aws::clients(&api.world.aws, &patchbay_simulators::aws::retries());
    let deleted = client
        .delete_item()
        .table_name("patchbay")
        .key(
            "pk",
            aws_sdk_dynamodb::types::AttributeValue::S(format!("T#main#I#{gone}")),
        )
        .key("sk", aws_sdk_dynamodb::types::AttributeValue::S("I".to_owned()));
    deleted.send().await.unwrap();
    assert_eq!(list(&api, "").await, [stays]);
    let shown = api.ask("GET", &format!("/api/v1/calls/{gone}"), &Value::Null).await;
    shown.is_problem(404, "not-found");
}
