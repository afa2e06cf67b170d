//! Checks of the event source mappings, which deliver the messages of a queue to its consumer. Without one every other
//! check passes and still no phone rings.

use super::finding::Finding;
use super::fix::shell_word;
use super::functions::Settings;
use super::queues::Queue;
use crate::aws::Clients;
use crate::lookup::Mapping;

/// The response types that the template sets.
const RESPONSE_TYPES: &str = "--function-response-types ReportBatchItemFailures";

/// Checks whether the consumer receives the messages of the queue with this URL and ARN.
pub(super) async fn check(
    clients: &Clients,
    settings: &Settings,
    queue: &Queue<'_>,
    url: &str,
    arn: Option<&str>,
) -> Finding {
    let function = format!("{}-{}", settings.stack, queue.consumer);
    let mappings = match clients.lookup.mappings(&function).await {
        Ok(mappings) => mappings,
        Err(error) => return Finding::not_checked(queue.consumer_check, &error),
    };
    let name = url.rsplit('/').next().unwrap_or_default();
    let queue_mappings: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.is_for_queue(name)).collect();
    let is_enabled = |mapping: &&&Mapping| mapping.state == "Enabled";
    let Some(mapping) = queue_mappings.iter().find(is_enabled).or(queue_mappings.first()) else {
        let message = format!("no event source mapping from {name} to {function}: the function is never invoked");
        return Finding::fail(
            queue.consumer_check,
            message,
            create_command(settings, queue, &function, url, arn),
        );
    };
    evaluate(settings, queue, &function, mapping)
}

fn evaluate(settings: &Settings, queue: &Queue<'_>, function: &str, mapping: &Mapping) -> Finding {
    let check = queue.consumer_check;
    let state = match mapping.state_transition_reason.as_deref().unwrap_or_default() {
        "" => mapping.state.clone(),
        reason => format!("{} ({reason})", mapping.state),
    };
    match mapping.state.as_str() {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => {
            let fix = format!("wait a minute, then: {}", settings.fixes.patchbay("doctor"));
            return Finding::warn(
                check,
                format!("{function} receives no messages yet: its event source mapping is {state}"),
                fix,
            );
        }
        _ => {
            let fix = settings.fixes.aws(&format!(
                "lambda update-event-source-mapping --enabled --uuid {}",
                shell_word(&mapping.uuid)
            ));
            let message = format!("{function} receives no messages: its event source mapping is {state}");
            return Finding::fail(check, message, fix);
        }
    }
    if let Some(problem) = mapping.problem() {
        let message = format!("{function} receives messages; last result: {problem}");
        return Finding::warn(check, message, settings.fixes.logs());
    }
    Finding::ok(check, format!("{function} receives its messages"))
}

fn create_command(settings: &Settings, queue: &Queue<'_>, function: &str, url: &str, arn: Option<&str>) -> String {
    let arn = if let Some(arn) = arn {
        shell_word(arn).into_owned()
    } else {
        let query = settings.fixes.aws(&format!(
            "sqs get-queue-attributes --queue-url {} --attribute-names QueueArn --query Attributes.QueueArn --output \
             text",
            shell_word(url)
        ));
        format!("\"$({query})\"")
    };
    settings.fixes.aws(&format!(
        "lambda create-event-source-mapping --function-name {} --event-source-arn {arn} --batch-size {} \
         {RESPONSE_TYPES} --scaling-config MaximumConcurrency={}",
        shell_word(function),
        queue.batch_size,
        queue.concurrency
    ))
}

#[cfg(test)]
mod tests {
    use crate::doctor::queues::{
        DIALER_BATCH_SIZE, DIALER_CONCURRENCY, MESSENGER_BATCH_SIZE, MESSENGER_CONCURRENCY, NOTIFIER_BATCH_SIZE,
        NOTIFIER_CONCURRENCY, RESPONDER_BATCH_SIZE, RESPONDER_CONCURRENCY,
    };

    #[test]
    fn fix_command_creates_the_mapping_of_the_template() {
        let template = include_str!("../../../template.yaml");
        let line = "            FunctionResponseTypes: [ReportBatchItemFailures]\n";
        assert_eq!(template.matches(line).count(), 4);
        for (queue, batch_size) in [
            ("DialingQueue", DIALER_BATCH_SIZE),
            ("NotificationsQueue", NOTIFIER_BATCH_SIZE),
            ("ConversationsQueue", RESPONDER_BATCH_SIZE),
            ("InteractionsQueue", MESSENGER_BATCH_SIZE),
        ] {
            let (_, source) = template
                .split_once(&format!("Queue: !GetAtt {queue}.Arn\n"))
                .expect(queue);
            let (_, value) = source.split_once("            BatchSize: ").expect(queue);
            assert!(value.starts_with(&format!("{batch_size}\n")), "{queue}");
        }
        for (parameter, default) in [
            ("Dialer", DIALER_CONCURRENCY),
            ("Notifier", NOTIFIER_CONCURRENCY),
            ("Responder", RESPONDER_CONCURRENCY),
            ("Messenger", MESSENGER_CONCURRENCY),
        ] {
            let line = format!("  {parameter}Concurrency:\n    Type: Number\n    Default: {default}\n");
            assert!(template.contains(&line), "{line}");
        }
    }
}
