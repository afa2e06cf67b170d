//! The event source mappings: what hands the messages of a queue to the function that works it off. Without one
//! everything else is as it should be, and no phone rings.

use super::finding::Finding;
use super::functions::Settings;
use super::mend::word;
use super::queues::Queue;
use crate::aws::Clients;
use crate::lookup::Mapping;

/// As the template has it.
const AS_DEPLOYED: &str = "--function-response-types ReportBatchItemFailures";

/// Whether the function is handed what is in the queue whose URL and ARN these are.
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
    let of_queue: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.is_of(name)).collect();
    let is_enabled = |mapping: &&&Mapping| mapping.state == "Enabled";
    let Some(mapping) = of_queue.iter().find(is_enabled).or(of_queue.first()) else {
        let what = format!("nothing hands the messages of {name} to {function}: it is never called");
        return Finding::fail(queue.consumer_check, what, create(settings, queue, &function, url, arn));
    };
    judge(settings, queue, &function, mapping)
}

fn judge(settings: &Settings, queue: &Queue<'_>, function: &str, mapping: &Mapping) -> Finding {
    let check = queue.consumer_check;
    let state = match mapping.state_transition_reason.as_deref().unwrap_or_default() {
        "" => mapping.state.clone(),
        reason => format!("{} ({reason})", mapping.state),
    };
    match mapping.state.as_str() {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => {
            let mend = format!("wait a minute, then: {}", settings.mends.patchbay("doctor"));
            return Finding::warn(
                check,
                format!("{function} is about to be handed messages: {state}"),
                mend,
            );
        }
        _ => {
            let mend = settings.mends.aws(&format!(
                "lambda update-event-source-mapping --enabled --uuid {}",
                word(&mapping.uuid)
            ));
            let what = format!("{function} is handed no messages: its event source mapping is {state}");
            return Finding::fail(check, what, mend);
        }
    }
    if let Some(problem) = mapping.problem() {
        let what = format!("{function} is handed messages, the last time with a {problem}");
        return Finding::warn(check, what, settings.mends.logs());
    }
    Finding::ok(check, format!("{function} is handed its messages"))
}

fn create(settings: &Settings, queue: &Queue<'_>, function: &str, url: &str, arn: Option<&str>) -> String {
    let arn = if let Some(arn) = arn {
        word(arn).into_owned()
    } else {
        let ask = settings.mends.aws(&format!(
            "sqs get-queue-attributes --queue-url {} --attribute-names QueueArn --query Attributes.QueueArn --output text",
            word(url)
        ));
        format!("\"$({ask})\"")
    };
    settings.mends.aws(&format!(
        "lambda create-event-source-mapping --function-name {} --event-source-arn {arn} --batch-size {} {AS_DEPLOYED} \
         --scaling-config MaximumConcurrency={}",
        word(function),
        queue.batch_size,
        queue.concurrency
    ))
}

#[cfg(test)]
mod tests {
    use crate::doctor::queues::{DIALERS, DIALS_AT_ONCE, NOTICES_AT_ONCE, NOTIFIERS};

    #[test]
    fn a_mapping_is_made_as_the_template_makes_it() {
        let template = include_str!("../../../template.yaml");
        let line = "            FunctionResponseTypes: [ReportBatchItemFailures]\n";
        assert_eq!(template.matches(line).count(), 2);
        for batch_size in [DIALS_AT_ONCE, NOTICES_AT_ONCE] {
            let line = format!("            BatchSize: {batch_size}\n");
            assert_eq!(template.matches(&line).count(), 1, "{line}");
        }
        for (parameter, default) in [("Dialer", DIALERS), ("Notifier", NOTIFIERS)] {
            let line = format!("  {parameter}Concurrency:\n    Type: Number\n    Default: {default}\n");
            assert!(template.contains(&line), "{line}");
        }
    }
}
