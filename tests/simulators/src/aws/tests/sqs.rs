//! The semantics of SQS, tested through the SDK.

use std::time::Duration;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityError;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    SendMessageBatchResultEntry,
};

use super::{World, world};
use crate::aws::sqs::{Disorder, MessageEnd, Queue, QueueSettings};

const MINUTE: Duration = Duration::from_mins(1);

fn queue(w: &World) -> Queue {
    w.aws.sqs().create_queue_with_dlq("dialing", MINUTE, 3)
}

async fn receive(w: &World, queue: &Queue) -> Vec<aws_sdk_sqs::types::Message> {
    let request = w
        .sqs
        .receive_message()
        .queue_url(queue.url())
        .max_number_of_messages(10);
    let request = request
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All");
    request.send().await.unwrap().messages.unwrap_or_default()
}

fn receive_count(message: &aws_sdk_sqs::types::Message) -> &str {
    &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount]
}

async fn advance(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_becomes_visible_at_the_end_of_its_delay() {
    let w = world(1);
    let queue = queue(&w);
    w.sqs
        .send_message()
        .queue_url(queue.url())
        .message_body("hello")
        .delay_seconds(900)
        .send()
        .await
        .unwrap();
    assert_eq!((queue.depth(), queue.delayed(), queue.in_flight()), (0, 1, 0));
    assert_eq!(queue.next_due(), Some(w.start.plus_seconds(900)));
    advance(899).await;
    assert!(receive(&w, &queue).await.is_empty());
    advance(1).await;
    let messages = receive(&w, &queue).await;
    assert_eq!(messages[0].body(), Some("hello"));
    assert_eq!(messages[0].md5_of_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    let sent_at = &messages[0].attributes().unwrap()[&MessageSystemAttributeName::SentTimestamp];
    assert_eq!(*sent_at, w.start.millis().to_string());
    assert_eq!((queue.depth(), queue.delayed(), queue.in_flight()), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn invalid_delays_bodies_and_queues_are_refused_with_the_errors_of_sqs() {
    let w = world(1);
    let queue = queue(&w);
    let send = w.sqs.send_message().queue_url(queue.url());
    let error = send
        .clone()
        .message_body("x")
        .delay_seconds(901)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let reason = "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
    assert_eq!(error.message(), Some(reason));
    let error = send
        .clone()
        .message_body("x".repeat(1_048_577))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let error = send
        .clone()
        .message_body("\u{1}")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_invalid_message_contents(), "{error:?}");
    assert!(queue.is_empty());
    send.message_body("x".repeat(1_048_576)).send().await.unwrap();
    let nowhere = format!("{}s", queue.url());
    let error = w
        .sqs
        .send_message()
        .queue_url(nowhere)
        .message_body("x")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_a_result_for_each_entry() {
    let w = world(1);
    let queue = queue(&w);
    let entry = |id: &str, delay| {
        SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(id)
            .delay_seconds(delay)
            .build()
            .unwrap()
    };
    let batch = w.sqs.send_message_batch().queue_url(queue.url());
    let sent = batch
        .clone()
        .entries(entry("a", 0))
        .entries(entry("b", 901))
        .entries(entry("c", 5))
        .send()
        .await
        .unwrap();
    assert_eq!(
        sent.successful()
            .iter()
            .map(SendMessageBatchResultEntry::id)
            .collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(
        (sent.failed()[0].id(), sent.failed()[0].code()),
        ("b", "InvalidParameterValue")
    );
    assert_eq!((queue.depth(), queue.delayed()), (1, 1));

    let eleven = (0..11).map(|n| entry(&n.to_string(), 0)).collect();
    let error = batch
        .clone()
        .set_entries(Some(eleven))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_too_many_entries_in_batch_request(), "{error:?}");
    let error = batch
        .clone()
        .entries(entry("a", 0))
        .entries(entry("a", 0))
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_batch_entry_ids_not_distinct());
    let error = batch.set_entries(Some(Vec::new())).send().await.unwrap_err();
    assert!(error.into_service_error().is_empty_batch_request());
}

#[tokio::test(start_paused = true)]
async fn an_undeleted_message_is_redelivered_until_it_is_dead_lettered() {
    let w = world(1);
    let queue = queue(&w);
    w.sqs
        .send_message()
        .queue_url(queue.url())
        .message_body("poison")
        .send()
        .await
        .unwrap();
    for count in ["1", "2", "3"] {
        let messages = receive(&w, &queue).await;
        assert_eq!(receive_count(&messages[0]), count);
        assert!(receive(&w, &queue).await.is_empty(), "hidden while in flight");
        advance(60).await;
    }
    let dlq = queue.dlq().unwrap();
    assert!(dlq.is_empty());
    assert!(receive(&w, &queue).await.is_empty());
    assert!(queue.is_empty());
    assert_eq!(dlq.messages()[0].body, "poison");
    let history = &queue.history()[0];
    assert_eq!(
        (history.deliveries.len(), history.end),
        (3, Some((MessageEnd::DeadLettered, w.start.plus_seconds(180))))
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_becomes_stale_when_the_message_is_received_again() {
    let w = world(1);
    let queue = queue(&w);
    w.sqs
        .send_message()
        .queue_url(queue.url())
        .message_body("m")
        .send()
        .await
        .unwrap();
    let first = receive(&w, &queue).await.remove(0).receipt_handle.unwrap();
    advance(60).await;
    let change = w
        .sqs
        .change_message_visibility()
        .queue_url(queue.url())
        .visibility_timeout(5);
    let error = change
        .clone()
        .receipt_handle(&first)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(
        matches!(error, ChangeMessageVisibilityError::MessageNotInflight(_)),
        "{error:?}"
    );

    let second = receive(&w, &queue).await.remove(0).receipt_handle.unwrap();
    assert_ne!(first, second);
    w.sqs
        .delete_message()
        .queue_url(queue.url())
        .receipt_handle(&first)
        .send()
        .await
        .unwrap();
    assert_eq!(queue.in_flight(), 1, "a stale receipt deletes nothing");
    let error = change.clone().receipt_handle(&first).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));

    change.clone().receipt_handle(&second).send().await.unwrap();
    assert_eq!(queue.next_due(), Some(w.start.plus_seconds(65)));
    w.sqs
        .delete_message()
        .queue_url(queue.url())
        .receipt_handle(&second)
        .send()
        .await
        .unwrap();
    assert!(queue.is_empty());
    let nonsense = w
        .sqs
        .delete_message()
        .queue_url(queue.url())
        .receipt_handle("nonsense")
        .send()
        .await
        .unwrap_err();
    assert!(nonsense.into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_first_message_or_at_its_wait_time() {
    let w = world(1);
    let queue = queue(&w);
    queue.put("later", Duration::from_secs(7));
    let request = w.sqs.receive_message().queue_url(queue.url()).wait_time_seconds(20);
    assert_eq!(request.clone().send().await.unwrap().messages().len(), 1);
    assert_eq!(w.aws.clock().now(), w.start.plus_seconds(7));
    assert!(request.send().await.unwrap().messages().is_empty());
    assert_eq!(w.aws.clock().now(), w.start.plus_seconds(27));
}

#[tokio::test(start_paused = true)]
async fn a_message_has_its_attributes_and_their_md5() {
    let w = world(1);
    let queue = queue(&w);
    let attribute = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("acme")
        .build()
        .unwrap();
    let request = w
        .sqs
        .send_message()
        .queue_url(queue.url())
        .message_body("m")
        .message_attributes("tenant", attribute);
    let sent = request.send().await.unwrap();
    let got = receive(&w, &queue).await.remove(0);
    assert_eq!(got.message_attributes().unwrap()["tenant"].string_value(), Some("acme"));
    assert_eq!(got.md5_of_message_attributes(), sent.md5_of_message_attributes());
    // Computed with another program, by the rule that SQS publishes.
    assert_eq!(
        sent.md5_of_message_attributes(),
        Some("c52f727da6769fcbc66f3f8555ce234a")
    );
}

#[tokio::test(start_paused = true)]
async fn queues_report_their_attributes_and_can_be_purged_once_a_minute() {
    let w = world(1);
    let queue = queue(&w);
    let found = w.sqs.get_queue_url().queue_name("dialing").send().await.unwrap();
    assert_eq!(found.queue_url(), Some(queue.url().as_str()));
    assert_eq!(w.sqs.list_queues().send().await.unwrap().queue_urls().len(), 2);
    for delay in [0, 0, 9] {
        queue.put("m", Duration::from_secs(delay));
    }
    let attributes = w
        .sqs
        .get_queue_attributes()
        .queue_url(queue.url())
        .attribute_names(QueueAttributeName::All);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessages], "2");
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessagesDelayed], "1");
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "60");
    assert!(attributes[&QueueAttributeName::RedrivePolicy].contains("dialing-dlq"));
    w.sqs.purge_queue().queue_url(queue.url()).send().await.unwrap();
    assert!(queue.is_empty());
    let error = w.sqs.purge_queue().queue_url(queue.url()).send().await.unwrap_err();
    assert!(error.into_service_error().is_purge_queue_in_progress());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_at_the_end_of_its_retention() {
    let w = world(1);
    let settings = QueueSettings {
        retention: MINUTE,
        ..QueueSettings::default()
    };
    let queue = w.aws.sqs().create_queue("short", settings);
    queue.put("m", Duration::ZERO);
    advance(59).await;
    assert_eq!(queue.depth(), 1);
    advance(1).await;
    assert!(queue.is_empty());
    assert_eq!(queue.history()[0].end.unwrap().0, MessageEnd::Expired);
}

#[tokio::test(start_paused = true)]
async fn disorder_depends_on_the_seed_only() {
    async fn run(seed: u64, disorder: Disorder) -> Vec<String> {
        let w = world(seed);
        let settings = QueueSettings {
            visibility_timeout: MINUTE,
            ..QueueSettings::default()
        };
        let queue = w.aws.sqs().create_queue("dialing", settings);
        w.aws.sqs().set_disorder(disorder);
        for n in 0..20 {
            queue.put(n.to_string(), Duration::ZERO);
        }
        let mut bodies = Vec::new();
        while let Some(due) = queue.next_due() {
            w.aws.clock().sleep_until(due).await;
            for message in receive(&w, &queue).await {
                bodies.push(message.body.unwrap());
                let receipt = message.receipt_handle.unwrap();
                w.sqs
                    .delete_message()
                    .queue_url(queue.url())
                    .receipt_handle(receipt)
                    .send()
                    .await
                    .unwrap();
            }
        }
        bodies
    }
    let in_order: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(run(1, Disorder::default()).await, in_order);
    let sorted = |mut seen: Vec<String>| {
        seen.sort_by_key(|n| n.parse::<u32>().unwrap());
        seen
    };
    let reordered = run(
        1,
        Disorder {
            reorder: 500,
            ..Disorder::default()
        },
    )
    .await;
    assert_ne!(reordered, in_order);
    assert_eq!(sorted(reordered), in_order);
    let late = Disorder {
        late: 500,
        late_by: Duration::from_secs(9),
        ..Disorder::default()
    };
    assert_eq!(sorted(run(1, late).await), in_order);
    assert!(
        run(
            1,
            Disorder {
                duplicate: 300,
                ..Disorder::default()
            }
        )
        .await
        .len()
            > 20
    );
    assert!(
        run(
            1,
            Disorder {
                undelete: 300,
                ..Disorder::default()
            }
        )
        .await
        .len()
            > 20
    );
    let all = Disorder {
        duplicate: 300,
        undelete: 300,
        reorder: 300,
        ..late
    };
    assert_eq!(run(1, all).await, run(1, all).await);
    assert_ne!(run(1, all).await, run(2, all).await);
}
