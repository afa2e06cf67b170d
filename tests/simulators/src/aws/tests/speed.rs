//! Measures how long a simulated request takes. `cargo test -p patchbay-simulators speed -- --ignored --nocapture`

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde_json::json;

use super::dynamodb::create_table;
use super::world;

/// About as many requests as a simulated day makes, so that costs that grow with their number are realistic.
const ROUNDS: usize = 200;

/// The durations of one operation. Prints the median: on a busy machine, other load distorts the mean.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn record_since(&mut self, start: Instant) {
        self.0.push(start.elapsed());
    }

    fn print(mut self, what: &str) {
        self.0.sort();
        println!("{what}: {:?}", self.0[self.0.len() / 2]);
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "prints figures and checks nothing"]
async fn measure_requests() {
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let mut worlds = Times::default();
    for seed in 0..20 {
        let started = Instant::now();
        create_table(&world(seed).dynamodb).await;
        worlds.record_since(started);
    }
    worlds.print("a world with a table");

    let w = world(1);
    create_table(&w.dynamodb).await;
    w.aws.sqs().create_queue_with_dlq("dialing", Duration::from_mins(1), 3);
    let state = "x".repeat(1500);
    let put = |key: &str| {
        let put = Put::builder()
            .table_name("patchbay")
            .item("pk", s(key))
            .item("sk", s("state"))
            .item("state", s(&state));
        let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let (mut writes, mut reads, mut sends) = <(Times, Times, Times)>::default();
    let url = w.aws.sqs().queue("dialing").unwrap().url();
    for n in 0..ROUNDS {
        let started = Instant::now();
        let write = w.dynamodb.transact_write_items();
        let write = write
            .transact_items(put(&format!("a{n}")))
            .transact_items(put(&format!("b{n}")));
        write.send().await.unwrap();
        writes.record_since(started);

        let started = Instant::now();
        let read = w.dynamodb.get_item().table_name("patchbay").consistent_read(true);
        let read = read
            .key("pk", s(&format!("a{n}")))
            .key("sk", s("state"))
            .send()
            .await
            .unwrap();
        reads.record_since(started);
        assert!(read.item.is_some());

        let started = Instant::now();
        w.sqs
            .send_message()
            .queue_url(&url)
            .message_body("m")
            .delay_seconds(30)
            .send()
            .await
            .unwrap();
        sends.record_since(started);
    }
    writes.print("TransactWriteItems with two puts of 1.5 kB");
    reads.print("GetItem of 1.5 kB");
    sends.print("SendMessage");

    let engine = w.aws.dynamodb().engine();
    let (mut writes, mut reads) = <(Times, Times)>::default();
    for n in 0..ROUNDS {
        let put = |prefix: &str| {
            json!({ "Put": {
                "TableName": "patchbay",
                "Item": { "pk": { "S": format!("{prefix}{n}") }, "sk": { "S": "state" }, "state": { "S": state } },
                "ConditionExpression": "attribute_not_exists(pk)",
            }})
        };
        let request = json!({ "TransactItems": [put("c"), put("d")], "ClientRequestToken": format!("engine{n}") });
        let request = serde_json::from_value(request).unwrap();
        let started = Instant::now();
        engine.transact_write_items(request).unwrap();
        writes.record_since(started);

        let key = json!({ "pk": { "S": format!("c{n}") }, "sk": { "S": "state" } });
        let request = serde_json::from_value(json!({ "TableName": "patchbay", "Key": key })).unwrap();
        let started = Instant::now();
        engine.get_item(request).unwrap();
        reads.record_since(started);
    }
    writes.print("TransactWriteItems, the engine alone");
    reads.print("GetItem, the engine alone");
}
