//! SQS's protocol: AWS JSON 1.0, with the error codes of the older query protocol in a header.

use std::pin::pin;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::attributes::{Attributes, md5_of_attributes, md5_of_body, size, with};
use super::errors::SqsError;
use super::store::VisibilityError;
use super::{Delivery, Sqs, url};
use crate::aws::faults::Fault;
use crate::aws::recorder::Service;
use crate::aws::sdk::{Backend, PreparedRequest, ServiceResponse};

const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
const MAX_BATCH_ENTRIES: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    /// Only in batches.
    #[serde(default)]
    id: String,
    #[serde(rename = "MessageBody")]
    body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default, rename = "MessageAttributes")]
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    /// Only in batches.
    #[serde(default)]
    id: String,
    #[serde(default, rename = "ReceiptHandle")]
    handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveRequest {
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributesRequest {
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
struct QueueRef {
    #[serde(default, rename = "QueueUrl")]
    url: String,
    #[serde(default, rename = "QueueName")]
    name: String,
    #[serde(default, rename = "QueueNamePrefix")]
    prefix: String,
    #[serde(default, rename = "SourceArn")]
    arn: String,
    #[serde(default, rename = "DestinationArn")]
    destination: Option<String>,
}

impl Backend for Sqs {
    const SERVICE: Service = Service::Sqs;
    const TARGET_PREFIX: &'static str = "AmazonSQS.";

    fn prepare(&self, operation: &str, body: &[u8]) -> Result<PreparedRequest, ServiceResponse> {
        let queue_ref: QueueRef = parse(body)?;
        let by_url = queue_ref.url.rsplit('/').next().unwrap_or_default();
        let by_arn = queue_ref.arn.rsplit(':').next().unwrap_or_default();
        let names = [by_url, by_arn, &queue_ref.name];
        let target = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let target = target.to_owned();
        let (sqs, queue) = (self.clone(), target.clone());
        let prepared = |effect| {
            Ok(PreparedRequest {
                target,
                parts: Vec::new(),
                keys: Vec::new(),
                effect,
            })
        };
        // An operation that does not wait, as a future.
        macro_rules! immediate {
            ($request:ident: $kind:ty => $effect:expr) => {{
                let $request: $kind = parse(body)?;
                prepared(Box::pin(async move {
                    answer(sqs.exists(&queue).and_then(|()| $effect(&sqs, &queue, $request)))
                }))
            }};
        }
        match operation {
            "SendMessage" => immediate!(message: Message => Sqs::send),
            "SendMessageBatch" => immediate!(batch: Batch<Message> => Sqs::send_batch),
            "DeleteMessage" => immediate!(receipt: Receipt => Sqs::delete),
            "DeleteMessageBatch" => immediate!(batch: Batch<Receipt> => Sqs::delete_batch),
            "ChangeMessageVisibility" => immediate!(receipt: Receipt => Sqs::change_visibility),
            "GetQueueAttributes" => {
                immediate!(request: AttributesRequest => |sqs: &Sqs, queue: &str, request| {
                    sqs.attributes(queue, &request)
                })
            }
            "GetQueueUrl" => {
                immediate!(_queue_ref: QueueRef => |_: &Sqs, queue: &str, _| Ok(json!({ "QueueUrl": url(queue) })))
            }
            "PurgeQueue" => immediate!(_queue_ref: QueueRef => |sqs: &Sqs, queue: &str, _| sqs.purge(queue)),
            "StartMessageMoveTask" => immediate!(queue_ref: QueueRef => |sqs: &Sqs, queue: &str, queue_ref: QueueRef| {
                Ok(sqs.move_back(queue, queue_ref.destination.as_deref()))
            }),
            "ListMessageMoveTasks" => {
                immediate!(_queue_ref: QueueRef => |sqs: &Sqs, queue: &str, _| Ok(sqs.moves(queue)))
            }
            "ListQueues" => prepared(Box::pin(async move { answer(Ok(sqs.list(&queue_ref.prefix))) })),
            "ReceiveMessage" => {
                let request: ReceiveRequest = parse(body)?;
                prepared(Box::pin(
                    async move { answer(sqs.receive_message(&queue, request).await) },
                ))
            }
            _ => Err(SqsError::unknown_operation(operation).answer()),
        }
    }

    fn fault(fault: Fault, _operation: &str) -> ServiceResponse {
        if fault == Fault::Throttled {
            SqsError::throttled().answer()
        } else {
            SqsError::internal().answer()
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceResponse> {
    serde_json::from_slice(body).map_err(|error| SqsError::unreadable(&error.to_string()).answer())
}

fn answer(result: Result<Value, SqsError>) -> ServiceResponse {
    result.map_or_else(
        |refusal| refusal.answer(),
        |body| ServiceResponse::ok(body.to_string().into_bytes()),
    )
}

impl Sqs {
    fn exists(&self, queue: &str) -> Result<(), SqsError> {
        self.lock().queue(queue).map(|_| ()).ok_or_else(SqsError::no_queue)
    }

    fn send(&self, queue: &str, message: Message) -> Result<Value, SqsError> {
        let body = message.body.unwrap_or_default();
        let delay = check_message(&body, message.delay_seconds, &message.attributes)?;
        let (md5, attributes_md5) = (md5_of_body(&body), md5_of_attributes(&message.attributes));
        let id = self.change(|store, now| store.send(queue, body, message.attributes, delay, now));
        let sent = json!({ "MessageId": id.ok_or_else(SqsError::no_queue)?, "MD5OfMessageBody": md5 });
        Ok(with(sent, "MD5OfMessageAttributes", attributes_md5))
    }

    fn send_batch(&self, queue: &str, batch: Batch<Message>) -> Result<Value, SqsError> {
        check_ids(batch.entries.iter().map(|entry| entry.id.as_str()))?;
        let sizes = batch
            .entries
            .iter()
            .map(|e| size(e.body.as_deref().unwrap_or_default(), &e.attributes));
        let total = sizes.sum::<usize>();
        if total > MAX_MESSAGE_BYTES {
            return Err(SqsError::batch_too_long(total));
        }
        Ok(process_entries(batch.entries, |entry| {
            (entry.id.clone(), self.send(queue, entry))
        }))
    }

    fn delete(&self, queue: &str, receipt: Receipt) -> Result<Value, SqsError> {
        let handle = receipt.handle;
        if self.change(|store, now| store.delete(queue, &handle, now)) {
            Ok(json!({}))
        } else {
            Err(SqsError::invalid_receipt(&handle))
        }
    }

    fn delete_batch(&self, queue: &str, batch: Batch<Receipt>) -> Result<Value, SqsError> {
        check_ids(batch.entries.iter().map(|entry| entry.id.as_str()))?;
        Ok(process_entries(batch.entries, |entry| {
            (entry.id.clone(), self.delete(queue, entry))
        }))
    }

    fn change_visibility(&self, queue: &str, receipt: Receipt) -> Result<Value, SqsError> {
        let seconds = receipt
            .visibility_timeout
            .ok_or_else(|| SqsError::missing("VisibilityTimeout"))?;
        let visibility = seconds_within("VisibilityTimeout", seconds, 43_200)?;
        let handle = receipt.handle;
        self.change(|store, now| store.change_visibility(queue, &handle, visibility, now))
            .map_err(|error| match error {
                VisibilityError::InvalidReceipt => SqsError::invalid_receipt(&handle),
                VisibilityError::Gone => SqsError::message_gone(&handle),
                VisibilityError::Stale => SqsError::receipt_expired(&handle),
                VisibilityError::NotInFlight => SqsError::not_in_flight(),
            })?;
        Ok(json!({}))
    }

    async fn receive_message(&self, queue: &str, request: ReceiveRequest) -> Result<Value, SqsError> {
        self.exists(queue)?;
        let most = request.max_number_of_messages.unwrap_or(1);
        let most = usize::try_from(most)
            .ok()
            .filter(|most| (1..=MAX_BATCH_ENTRIES).contains(most));
        let most = most.ok_or_else(|| {
            let value = request.max_number_of_messages.unwrap_or_default();
            SqsError::value("MaxNumberOfMessages", value, "Must be between 1 and 10, if provided.")
        })?;
        let visibility = request
            .visibility_timeout
            .map(|s| seconds_within("VisibilityTimeout", s, 43_200))
            .transpose()?;
        let wait = seconds_within("WaitTimeSeconds", request.wait_time_seconds.unwrap_or(0), 20)?;
        let deadline = self
            .clock
            .now()
            .plus_millis(i64::try_from(wait.as_millis()).unwrap_or(0));
        loop {
            // Listen before receiving, or a message that is sent in between would not wake this task.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let deliveries = self.receive(queue, most, visibility);
            if !deliveries.is_empty() || self.clock.now() >= deadline {
                let messages: Vec<Value> = deliveries
                    .iter()
                    .map(|delivery| message_json(delivery, &request))
                    .collect();
                return Ok(if messages.is_empty() {
                    json!({})
                } else {
                    json!({ "Messages": messages })
                });
            }
            let next = self.lock().queue(queue).and_then(super::store::Queue::next_due);
            tokio::select! {
                biased;
                () = changed => {}
                () = self.sleep_until(Some(next.map_or(deadline, |next| next.min(deadline)))) => {}
            }
        }
    }

    fn attributes(&self, queue: &str, request: &AttributesRequest) -> Result<Value, SqsError> {
        let now = self.clock.now();
        let store = self.lock();
        let state = store.queue(queue).ok_or_else(SqsError::no_queue)?;
        let (visible, delayed, in_flight) = state.counts(now);
        let settings = &state.settings;
        let mut all = vec![
            ("QueueArn", super::arn(queue)),
            ("ApproximateNumberOfMessages", visible.to_string()),
            ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
            ("VisibilityTimeout", settings.visibility_timeout.as_secs().to_string()),
            ("DelaySeconds", settings.delay.as_secs().to_string()),
            ("MessageRetentionPeriod", settings.retention.as_secs().to_string()),
            ("MaximumMessageSize", MAX_MESSAGE_BYTES.to_string()),
            ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ];
        if let Some(redrive) = &settings.redrive {
            let target = super::arn(&redrive.queue);
            let policy = json!({ "deadLetterTargetArn": target, "maxReceiveCount": redrive.max_receive_count });
            all.push(("RedrivePolicy", policy.to_string()));
        }
        let is_wanted = |name: &str| is_requested(&request.attribute_names, name);
        let attributes: Map<String, Value> = all
            .into_iter()
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Ok(json!({ "Attributes": attributes }))
    }

    fn purge(&self, queue: &str) -> Result<Value, SqsError> {
        if self.change(|store, now| store.purge(queue, now)) {
            Ok(json!({}))
        } else {
            Err(SqsError::purging(queue))
        }
    }

    /// A move task. It ends at once; a task of SQS takes some time. See [`Sqs::keep_move_tasks_running`].
    fn move_back(&self, queue: &str, destination: Option<&str>) -> Value {
        let destination = destination.and_then(|arn| arn.rsplit(':').next());
        self.change(|store, now| store.move_back(queue, destination, now));
        json!({ "TaskHandle": queue })
    }

    fn moves(&self, queue: &str) -> Value {
        let status = if self.lock().keeps_move_tasks_running {
            "RUNNING"
        } else {
            "COMPLETED"
        };
        let task = |moved| {
            json!({
                "Status": status,
                "SourceArn": super::arn(queue),
                "ApproximateNumberOfMessagesMoved": moved,
                "ApproximateNumberOfMessagesToMove": moved,
            })
        };
        json!({ "Results": self.lock().moved_from(queue).map(task).into_iter().collect::<Vec<_>>() })
    }

    fn list(&self, prefix: &str) -> Value {
        let store = self.lock();
        json!({ "QueueUrls": store.names().filter(|name| name.starts_with(prefix)).map(url).collect::<Vec<_>>() })
    }
}

/// Processes the entries of a batch one by one, and collects their results.
fn process_entries<T>(entries: Vec<T>, act: impl Fn(T) -> (String, Result<Value, SqsError>)) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match act(entry) {
            (id, Ok(result)) => successful.push(with(result, "Id", Some(id))),
            (id, Err(refusal)) => failed.push(refusal.entry(&id)),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn check_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), SqsError> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Err(SqsError::empty_batch());
    }
    if ids.len() > MAX_BATCH_ENTRIES {
        return Err(SqsError::too_many_entries(ids.len()));
    }
    for (index, id) in ids.iter().enumerate() {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 80 || !id.chars().all(allowed) {
            return Err(SqsError::bad_entry_id());
        }
        if ids.iter().take(index).any(|before| before == id) {
            return Err(SqsError::repeated_entry_id(id));
        }
    }
    Ok(())
}

fn check_message(
    body: &str,
    delay_seconds: Option<i64>,
    attributes: &Attributes,
) -> Result<Option<Duration>, SqsError> {
    if body.is_empty() {
        return Err(SqsError::missing("MessageBody"));
    }
    if size(body, attributes) > MAX_MESSAGE_BYTES {
        return Err(SqsError::too_long(MAX_MESSAGE_BYTES));
    }
    // SQS accepts the characters of XML 1.0.
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    if !body.chars().all(allowed) {
        return Err(SqsError::bad_characters());
    }
    let delay = |seconds: i64| match u64::try_from(seconds) {
        Ok(seconds @ 0..=900) => Ok(Duration::from_secs(seconds)),
        _ => Err(SqsError::value(
            "DelaySeconds",
            seconds,
            "DelaySeconds must be >= 0 and <= 900.",
        )),
    };
    delay_seconds.map(delay).transpose()
}

fn seconds_within(parameter: &str, seconds: i64, most: u64) -> Result<Duration, SqsError> {
    match u64::try_from(seconds) {
        Ok(seconds) if seconds <= most => Ok(Duration::from_secs(seconds)),
        _ => Err(SqsError::value(
            parameter,
            seconds,
            &format!("Must be >= 0 and <= {most}, if provided."),
        )),
    }
}

fn is_requested(names: &[String], name: &str) -> bool {
    names
        .iter()
        .any(|requested| requested == "All" || requested == ".*" || requested == name)
}

fn message_json(delivery: &Delivery, request: &ReceiveRequest) -> Value {
    let system: Map<String, Value> = delivery
        .system
        .iter()
        .filter(|(name, _)| {
            is_requested(&request.attribute_names, name) || is_requested(&request.message_system_attribute_names, name)
        })
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let attributes: Attributes = delivery
        .attributes
        .iter()
        .filter(|(name, _)| is_requested(&request.message_attribute_names, name))
        .map(|(name, attribute)| (name.clone(), attribute.clone()))
        .collect();
    let message = json!({
        "MessageId": delivery.id,
        "ReceiptHandle": delivery.receipt_handle,
        "MD5OfBody": delivery.md5_of_body,
        "Body": delivery.body,
    });
    let message = with(message, "Attributes", (!system.is_empty()).then_some(system));
    let message = with(message, "MD5OfMessageAttributes", md5_of_attributes(&attributes));
    with(
        message,
        "MessageAttributes",
        (!attributes.is_empty()).then(|| json!(attributes)),
    )
}
