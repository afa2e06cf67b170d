//! The queues.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use patchbay::queue::QueueError;
use serde_json::Value;

use super::finding::Finding;
use super::functions::Settings;
use super::mend::word;
use super::{Known, consumers, unknown};
use crate::aws::Clients;
use crate::output::counted;

/// A message that is being worked on must not come again. AWS advises six times the function's time-out, because of what
/// functions throttle; twice is enough where that costs nothing but a receive, and brings back sooner what a function that
/// died was at.
const TIMES_TIMEOUT: u32 = 2;
/// After fewer receives a dialer that is broken for hours would lose what is under way to the dead letters.
const MIN_RECEIVES: u64 = 1_000;
/// Dead letters keep the age that they had, so they need the longest life that there is.
const DEAD_SECONDS: u32 = 1_209_600;
/// More messages that are due than this are not a burst any more. Timers are delayed, and do not count.
const BACKLOG: u32 = 100;

/// Consumers at a time, as the template has it when nothing else is said.
pub(super) const DIALERS: u32 = 3;
pub(super) const NOTIFIERS: u32 = 2;

/// Messages that one is handed at a time.
pub(super) const DIALS_AT_ONCE: u32 = 1;
pub(super) const NOTICES_AT_ONCE: u32 = 10;

/// A queue and the function that works it off.
pub(super) struct Queue<'a> {
    name: &'static str,
    pub(super) consumer: &'static str,
    /// How many of them at a time, as the template has it.
    pub(super) concurrency: u32,
    /// Messages that each is handed at a time.
    pub(super) batch_size: u32,
    check: &'static str,
    pub(super) consumer_check: &'static str,
    backlog_check: &'static str,
    dead_check: &'static str,
    url: Known<'a>,
    timeout: Option<u32>,
}

type Attributes = HashMap<QueueAttributeName, String>;

pub(super) async fn check(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let queues = [
        Queue {
            name: "dialing",
            consumer: "dialer",
            concurrency: DIALERS,
            batch_size: DIALS_AT_ONCE,
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
            concurrency: NOTIFIERS,
            batch_size: NOTICES_AT_ONCE,
            check: "queue.notifications",
            consumer_check: "queue.notifications.consumer",
            backlog_check: "queue.notifications.backlog",
            dead_check: "queue.notifications.dead-letters",
            url: settings.notifications_queue.as_deref(),
            timeout: settings.notifier_timeout,
        },
    ];
    let [dialing, notifications] = &queues;
    let (mut findings, others) = tokio::join!(
        examine(clients, settings, dialing),
        examine(clients, settings, notifications)
    );
    findings.extend(others);
    findings
}

async fn examine(clients: &Clients, settings: &Settings, queue: &Queue<'_>) -> Vec<Finding> {
    let Some(url) = queue.url else {
        let what = format!("the URL of the {} queue", queue.name);
        return vec![unknown(queue.check, &what, settings)];
    };
    let attributes = match attributes(clients, url).await {
        Ok(attributes) => attributes,
        Err(error) => {
            let unreadable = Finding::fail(queue.check, error.to_string(), describe(settings, url));
            return vec![unreadable, consumers::check(clients, settings, queue, url, None).await];
        }
    };
    let arn = attributes.get(&QueueAttributeName::QueueArn).map(String::as_str);
    let consumer = consumers::check(clients, settings, queue, url, arn).await;
    let dead_letters = if let Some(policy) = policy(&attributes) {
        dead(clients, settings, queue, &policy).await
    } else {
        let what = "messages that always fail are tried for four days, and then lost";
        Finding::fail(queue.dead_check, what, settings.mends.deploy())
    };
    vec![
        timing(settings, queue, url, &attributes),
        consumer,
        backlog(settings, queue, &attributes),
        dead_letters,
    ]
}

fn describe(settings: &Settings, url: &str) -> String {
    settings.mends.aws(&format!(
        "sqs get-queue-attributes --queue-url {} --attribute-names All",
        word(url)
    ))
}

/// A command that sets an attribute of a queue.
fn set(settings: &Settings, url: &str, attribute: &str) -> String {
    settings.mends.aws(&format!(
        "sqs set-queue-attributes --queue-url {} --attributes {attribute}",
        word(url)
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

/// Visibility against the function's time-out, and delay.
fn timing(settings: &Settings, queue: &Queue<'_>, url: &str, attributes: &Attributes) -> Finding {
    let delay = number(attributes, &QueueAttributeName::DelaySeconds).unwrap_or(0);
    if delay > 0 {
        let what = format!("every message waits for {delay} s, and so does every first call");
        return Finding::fail(queue.check, what, set(settings, url, "DelaySeconds=0"));
    }
    let Some(hidden) = number(attributes, &QueueAttributeName::VisibilityTimeout) else {
        return Finding::fail(queue.check, "has no visibility time-out", describe(settings, url));
    };
    let Some(timeout) = queue.timeout else {
        let what = format!(
            "hides messages for {hidden} s; how long {} may run is not known",
            queue.consumer
        );
        return Finding::warn(queue.check, what, "make the function readable, see above");
    };
    let wanted = TIMES_TIMEOUT * timeout;
    let what = format!("hides messages for {hidden} s, {} may run {timeout} s", queue.consumer);
    let mend = set(settings, url, &format!("VisibilityTimeout={wanted}"));
    if hidden < timeout {
        return Finding::fail(
            queue.check,
            format!("{what}: they come again while they are worked on"),
            mend,
        );
    }
    if hidden < wanted {
        return Finding::warn(
            queue.check,
            format!("{what}: it should be {TIMES_TIMEOUT} times as long"),
            mend,
        );
    }
    Finding::ok(queue.check, what)
}

/// Whether what is due is consumed.
fn backlog(settings: &Settings, queue: &Queue<'_>, attributes: &Attributes) -> Finding {
    let check = queue.backlog_check;
    let due = number(attributes, &QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0);
    if due > BACKLOG {
        let what = format!("{due} messages are due: {} does not keep up", queue.consumer);
        let mend = format!("{}    # is it throttled, or does it fail?", settings.mends.logs());
        return Finding::warn(check, what, mend);
    }
    let due = usize::try_from(due).unwrap_or(usize::MAX);
    Finding::ok(check, format!("{} due", counted(due, "message is", "messages are")))
}

/// Where messages go that always fail: the queue's name, and after how many receives.
struct DeadLetters {
    name: String,
    receives: u64,
}

fn policy(attributes: &Attributes) -> Option<DeadLetters> {
    let policy: Value = serde_json::from_str(attributes.get(&QueueAttributeName::RedrivePolicy)?).ok()?;
    let arn = policy.get("deadLetterTargetArn")?.as_str()?;
    let receives = policy.get("maxReceiveCount")?;
    // CloudFormation writes a number, some consoles a text.
    let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok())?;
    Some(DeadLetters {
        name: arn.rsplit(':').next()?.to_owned(),
        receives,
    })
}

async fn dead(clients: &Clients, settings: &Settings, queue: &Queue<'_>, dead: &DeadLetters) -> Finding {
    let check = queue.dead_check;
    let url = clients.sqs.get_queue_url().queue_name(&dead.name).send().await;
    let url = match url {
        Ok(output) => output.queue_url.unwrap_or_default(),
        Err(error) => {
            let mend = settings
                .mends
                .aws(&format!("sqs get-queue-url --queue-name {}", word(&dead.name)));
            return Finding::fail(check, QueueError::request(&error).to_string(), mend);
        }
    };
    let attributes = match attributes(clients, &url).await {
        Ok(attributes) => attributes,
        Err(error) => return Finding::fail(check, error.to_string(), describe(settings, &url)),
    };
    let count = number(&attributes, &QueueAttributeName::ApproximateNumberOfMessages).unwrap_or(0);
    if count > 0 {
        let count = counted(
            usize::try_from(count).unwrap_or(usize::MAX),
            "dead letter",
            "dead letters",
        );
        let command = |verb: &str| settings.mends.patchbay(&format!("dlq {verb} --queue {}", queue.name));
        let mend = format!("{}; {}", command("list"), command("redrive"));
        return Finding::warn(check, format!("{count} in {}", dead.name), mend);
    }
    let kept = number(&attributes, &QueueAttributeName::MessageRetentionPeriod).unwrap_or(0);
    if kept < DEAD_SECONDS {
        let what = format!(
            "{} forgets after {} days, counted from the first sending",
            dead.name,
            kept / 86_400
        );
        let mend = set(settings, &url, &format!("MessageRetentionPeriod={DEAD_SECONDS}"));
        return Finding::warn(check, what, mend);
    }
    if dead.receives < MIN_RECEIVES {
        let what = format!(
            "{} receives lead to {}: a {} that fails for some minutes ends what is under way",
            dead.receives, dead.name, queue.consumer
        );
        return Finding::warn(check, what, settings.mends.deploy());
    }
    Finding::ok(check, format!("empty; {} receives lead there", dead.receives))
}
