//! What a request costs. `cargo test -p patchbay-simulators speed -- --ignored --nocapture`

use std::time::Instant;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

use super::dynamodb::create_table;
use super::world;

const ROUNDS: u32 = 2000;

#[tokio::test(start_paused = true)]
#[ignore = "prints figures and checks nothing"]
async fn the_price_of_a_request() {
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let started = Instant::now();
    let w = world(1);
    create_table(&w.dynamodb).await;
    w.aws
        .sqs()
        .create_queue_with_dlq("calls", std::time::Duration::from_mins(1), 3);
    println!("a world with a table: {:?}", started.elapsed());
    let put = |key: &str| {
        let state = "x".repeat(1500);
        Put::builder()
            .table_name("patchbay")
            .item("pk", s(key))
            .item("sk", s("state"))
            .item("version", AttributeValue::N("1".into()))
            .item("state", s(&state))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .unwrap()
    };
    let started = Instant::now();
    for n in 0..ROUNDS {
        let item = |prefix: &str| TransactWriteItem::builder().put(put(&format!("{prefix}{n}"))).build();
        let transaction = w
            .dynamodb
            .transact_write_items()
            .transact_items(item("a"))
            .transact_items(item("b"));
        transaction.send().await.unwrap();
    }
    println!("TransactWriteItems with two puts: {:?}", started.elapsed() / ROUNDS);
    let started = Instant::now();
    for n in 0..ROUNDS {
        let get = w.dynamodb.get_item().table_name("patchbay").consistent_read(true);
        let got = get
            .key("pk", s(&format!("a{n}")))
            .key("sk", s("state"))
            .send()
            .await
            .unwrap();
        assert!(got.item.is_some());
    }
    println!("GetItem: {:?}", started.elapsed() / ROUNDS);
    let started = Instant::now();
    let url = w.aws.sqs().queue("calls").unwrap().url();
    for _ in 0..ROUNDS {
        w.sqs
            .send_message()
            .queue_url(&url)
            .message_body("m")
            .delay_seconds(30)
            .send()
            .await
            .unwrap();
    }
    println!("SendMessage: {:?}", started.elapsed() / ROUNDS);
}
