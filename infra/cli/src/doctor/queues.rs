//! Checks of the queues and their dead-letter queues.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use patchbay::queue::QueueError;
use serde_json::Value;

use super::finding::Finding;
use super::fix::shell_word;
use super::functions::Settings;
use super::{Setting, consumers, unknown};
use crate::aws::Clients;
use crate::output::counted;

/// Visibility time-out as a multiple of the consumer's time-out: a message being processed must not be delivered again.
/// AWS advises six times, to allow for throttled invocations. Twice is enough here: a further delivery costs only a
/// receive, and the work of a function that died is retried sooner.
const VISIBILITY_FACTOR: u32 = 2;
/// With a lower `maxReceiveCount`, the open work of a dialer that is broken for hours would become dead letters.
const MIN_MAX_RECEIVE_COUNT: u64 = 1_000;
/// Retention of a dead-letter queue in seconds: 14 days, the maximum of SQS. A dead letter keeps its original age.
const DEAD_LETTER_RETENTION_SECONDS: u32 = 1_209_600;
/// More visible messages than this are not just a burst. Timers are delayed messages and do not count.
const MAX_DUE_MESSAGES: u32 = 100;

/// Default concurrency of the dialer in the template.
pub(super) const DIALER_CONCURRENCY: u32 = 3;
/// Default concurrency of the notifier in the template.
pub(super) const NOTIFIER_CONCURRENCY: u32 = 2;
/// Default concurrency of the responder in the template.
pub(super) const RESPONDER_CONCURRENCY: u32 = 2;
/// Default concurrency of the messenger in the template.
pub(super) const MESSENGER_CONCURRENCY: u32 = 2;

/// Messages per invocation of the dialer in the template.
pub(super) const DIALER_BATCH_SIZE: u32 = 1;
/// Messages per invocation of the notifier in the template.
pub(super) const NOTIFIER_BATCH_SIZE: u32 = 10;
/// Messages per invocation of the responder in the template.
pub(super) const RESPONDER_BATCH_SIZE: u32 = 1;
/// Messages per invocation of the messenger in the template.
pub(super) const MESSENGER_BATCH_SIZE: u32 = 1;

/// A queue and its consumer.
pub(super) struct Queue<'a> {
    name: &'static str,
    pub(super) consumer: &'static str,
    /// Default concurrency of the consumer in the template.
    pub(super) concurrency: u32,
    /// Messages per invocation.
    pub(super) batch_size: u32,
    check: &'static str,
    pub(super) consumer_check: &'static str,
    backlog_check: &'static str,
    dead_check: &'static str,
    url: Setting<'a>,
    timeout: Option<u32>,
}

type Attributes = HashMap<QueueAttributeName, String>;

pub(super) async fn check(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let queues = [
        Queue {
            name: "dialing",
            consumer: "dialer",
            concurrency: DIALER_CONCURRENCY,
            batch_size: DIALER_BATCH_SIZE,
            check: "queue.dialing",
            consumer_check: "queue.dialing.consumer",
            backlog_check: "queue.dialing.backlog",
            dead_check: "queue.dialing.dead-letters",
            url: settings.dialing_queue.as_deref(),
            timeout: settings.dialer_timeout,
        },
        Queue {
            name: "notifications",
            consumer: "notifier",
            concurrency: NOTIFIER_CONCURRENCY,
            batch_size: NOTIFIER_BATCH_SIZE,
            check: "queue.notifications",
            consumer_check: "queue.notifications.consumer",
            backlog_check: "queue.notifications.backlog",
            dead_check: "queue.notifications.dead-letters",
            url: settings.notifications_queue.as_deref(),
            timeout: settings.notifier_timeout,
        },
    ];
    let conversations = settings.conversations_queue.as_deref().map(|url| Queue {
        name: "conversations",
        consumer: "responder",
        concurrency: RESPONDER_CONCURRENCY,
        batch_size: RESPONDER_BATCH_SIZE,
        check: "queue.conversations",
        consumer_check: "queue.conversations.consumer",
        backlog_check: "queue.conversations.backlog",
        dead_check: "queue.conversations.dead-letters",
        url: Some(url),
        timeout: settings.responder_timeout,
    });
    let interactions = settings.interactions_queue.as_deref().map(|url| Queue {
        name: "interactions",
        consumer: "messenger",
        concurrency: MESSENGER_CONCURRENCY,
        batch_size: MESSENGER_BATCH_SIZE,
        check: "queue.interactions",
        consumer_check: "queue.interactions.consumer",
        backlog_check: "queue.interactions.backlog",
        dead_check: "queue.interactions.dead-letters",
        url: Some(url),
        timeout: settings.messenger_timeout,
    });
    let queues = queues.into_iter().chain(conversations).chain(interactions);
    let findings = join_all(queues.map(|queue| async move { examine(clients, settings, &queue).await })).await;
    findings.concat()
}

async fn examine(clients: &Clients, settings: &Settings, queue: &Queue<'_>) -> Vec<Finding> {
    let Some(url) = queue.url else {
        let message = format!("the URL of the {} queue", queue.name);
        return vec![unknown(queue.check, &message, settings)];
    };
    let attributes = match attributes(clients, url).await {
        Ok(attributes) => attributes,
        Err(error) => {
            let unreadable = Finding::fail(queue.check, error.to_string(), describe_queue(settings, url));
            return vec![unreadable, consumers::check(clients, settings, queue, url, None).await];
        }
    };
    let arn = attributes.get(&QueueAttributeName::QueueArn).map(String::as_str);
    let consumer = consumers::check(clients, settings, queue, url, arn).await;
    let dead_letters = if let Some(policy) = redrive_policy(&attributes) {
        check_dead_letters(clients, settings, queue, &policy).await
    } else {
        let message = "no dead-letter queue: messages that always fail are retried for four days and then lost";
        Finding::fail(queue.dead_check, message, settings.fixes.deploy())
    };
    vec![
        check_timing(settings, queue, url, &attributes),
        consumer,
        check_backlog(settings, queue, &attributes),
        dead_letters,
    ]
}

fn describe_queue(settings: &Settings, url: &str) -> String {
    settings.fixes.aws(&format!(
        "sqs get-queue-attributes --queue-url {} --attribute-names All",
        shell_word(url)
    ))
}

/// The fix command that sets an attribute of a queue.
fn set_attribute(settings: &Settings, url: &str, attribute: &str) -> String {
    settings.fixes.aws(&format!(
        "sqs set-queue-attributes --queue-url {} --attributes {attribute}",
        shell_word(url)
    ))
}

async fn attributes(clients: &Clients, url: &str) -> Result<Attributes, QueueError> {
    let request = clients.sqs.get_queue_attributes().queue_url(url);
    let output = request.attribute_names(QueueAttributeName::All).send().await;
    let output = output.map_err(|error| QueueError::request(&error))?;
    Ok(output.attributes.unwrap_or_default())
}

fn number(attributes: &Attributes, name: &QueueAttributeName) -> Option<u32> {
    attributes.get(name)?.parse().ok()
}

/// Checks the delay, and the visibility time-out against the consumer's time-out.
fn check_timing(settings: &Settings, queue: &Queue<'_>, url: &str, attributes: &Attributes) -> Finding {
    let delay = number(attributes, &QueueAttributeName::DelaySeconds).unwrap_or(0);
    if delay > 0 {
        let message = format!("the queue delays every message by {delay} s, and so every call, webhook or answer");
        return Finding::fail(queue.check, message, set_attribute(settings, url, "DelaySeconds=0"));
    }
    let Some(visibility) = number(attributes, &QueueAttributeName::VisibilityTimeout) else {
        return Finding::fail(queue.check, "no visibility time-out", describe_queue(settings, url));
    };
    let Some(timeout) = queue.timeout else {
        let message = format!(
            "visibility time-out {visibility} s; the time-out of {} is unknown",
            queue.consumer
        );
        return Finding::warn(queue.check, message, "make the function readable, see above");
    };
    let expected = VISIBILITY_FACTOR * timeout;
    let message = format!(
        "visibility time-out {visibility} s, time-out of {} {timeout} s",
        queue.consumer
    );
    let fix = set_attribute(settings, url, &format!("VisibilityTimeout={expected}"));
    if visibility < timeout {
        return Finding::fail(
            queue.check,
            format!("{message}: messages are delivered again while they are processed"),
            fix,
        );
    }
    if visibility < expected {
        return Finding::warn(
            queue.check,
            format!("{message}: it should be {VISIBILITY_FACTOR} times as long"),
            fix,
        );
    }
    Finding::ok(queue.check, message)
}

/// Checks whether the consumer keeps up with the messages that are due.
fn check_backlog(settings: &Settings, queue: &Queue<'_>, attributes: &Attributes) -> Finding {
    let check = queue.backlog_check;
    let due = number(attributes, &QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0);
    if due > MAX_DUE_MESSAGES {
        let message = format!("{due} messages are due: {} does not keep up", queue.consumer);
        let fix = format!("{}    # is it throttled, or does it fail?", settings.fixes.logs());
        return Finding::warn(check, message, fix);
    }
    let due = usize::try_from(due).unwrap_or(usize::MAX);
    Finding::ok(check, format!("{} due", counted(due, "message is", "messages are")))
}

/// The redrive policy of a queue: the name of its dead-letter queue, and its `maxReceiveCount`.
struct RedrivePolicy {
    name: String,
    max_receives: u64,
}

fn redrive_policy(attributes: &Attributes) -> Option<RedrivePolicy> {
    let policy: Value = serde_json::from_str(attributes.get(&QueueAttributeName::RedrivePolicy)?).ok()?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?;
    let max_receives = policy.get("maxReceiveCount")?;
    // CloudFormation writes a number, some consoles a string.
    let max_receives = max_receives.as_u64().or_else(|| max_receives.as_str()?.parse().ok())?;
    Some(RedrivePolicy {
        name: arn.rsplit(':').next()?.to_owned(),
        max_receives,
    })
}

async fn check_dead_letters(
    clients: &Clients,
    settings: &Settings,
    queue: &Queue<'_>,
    policy: &RedrivePolicy,
) -> Finding {
    let check = queue.dead_check;
    let url = clients.sqs.get_queue_url().queue_name(&policy.name).send().await;
    let url = match url {
        Ok(output) => output.queue_url.unwrap_or_default(),
        Err(error) => {
            let fix = settings
                .fixes
                .aws(&format!("sqs get-queue-url --queue-name {}", shell_word(&policy.name)));
            return Finding::fail(check, QueueError::request(&error).to_string(), fix);
        }
    };
    let attributes = match attributes(clients, &url).await {
        Ok(attributes) => attributes,
        Err(error) => return Finding::fail(check, error.to_string(), describe_queue(settings, &url)),
    };
    let count = number(&attributes, &QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0);
    if count > 0 {
        let count = counted(
            usize::try_from(count).unwrap_or(usize::MAX),
            "dead letter",
            "dead letters",
        );
        let command = |verb: &str| settings.fixes.patchbay(&format!("dlq {verb} --queue {}", queue.name));
        let fix = format!("{}; {}", command("list"), command("redrive"));
        return Finding::warn(check, format!("{count} in {}", policy.name), fix);
    }
    let retention = number(&attributes, &QueueAttributeName::MessageRetentionPeriod).unwrap_or(0);
    if retention < DEAD_LETTER_RETENTION_SECONDS {
        let message = format!(
            "{} deletes messages {} days after they were first sent; dead letters should stay 14 days",
            policy.name,
            retention / 86_400
        );
        let fix = set_attribute(
            settings,
            &url,
            &format!("MessageRetentionPeriod={DEAD_LETTER_RETENTION_SECONDS}"),
        );
        return Finding::warn(check, message, fix);
    }
    if policy.max_receives < MIN_MAX_RECEIVE_COUNT {
        let message = format!(
            "maxReceiveCount is only {}: if {} fails for some minutes, open work ends up in {}",
            policy.max_receives, queue.consumer, policy.name
        );
        return Finding::warn(check, message, settings.fixes.deploy());
    }
    Finding::ok(check, format!("empty; maxReceiveCount is {}", policy.max_receives))
}
