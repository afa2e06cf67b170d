//! Logs and metrics in the format of `CloudWatch`: one JSON document per line on standard output.

use std::env;
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock::Timestamp;

/// The namespace of every metric.
const NAMESPACE: &str = "patchbay";
/// This crate. Only it and the function's own crate may log below `info`: at debug and trace, the libraries that we use
/// log whole requests and responses, with phone numbers, tokens and tickets.
const SHARED: &str = "patchbay";

/// The dimension that separates the metrics of several stacks in one account. Alarms and the dashboard use this name.
const STACK: &str = "Stack";

/// The name of the stack, a dimension of every metric, if configured. Set by [`init`]; until then no metric is written,
/// so tests write none.
static STACK_NAME: OnceLock<Option<String>> = OnceLock::new();

/// Starts logging, including panics, and writing metrics. Call it once, before anything else.
///
/// The level is that of `AWS_LAMBDA_LOG_LEVEL`, else of `RUST_LOG` (the name of a level, not directives), else `info`.
/// Only the crate `function`, which is the caller's own (`env!("CARGO_CRATE_NAME")`), and this crate log below `info`.
/// Each metric has the dimension `Stack` if `PATCHBAY_STACK` is set.
pub fn init(function: &'static str) {
    let variable = |name| env::var(name).ok();
    let level = level(
        variable("AWS_LAMBDA_LOG_LEVEL").as_deref(),
        variable("RUST_LOG").as_deref(),
    );
    // Fails only if a subscriber is already set.
    let _ = tracing::subscriber::set_global_default(subscriber(level, function, io::stdout));
    panic::set_hook(Box::new(log_panic));
    // Fails only if this was called before.
    let _ = STACK_NAME.set(variable("PATCHBAY_STACK").filter(|stack| !stack.is_empty()));
}

/// Logs where a function panicked, but not the panic's message, which may quote data such as a phone number. Without
/// this hook, the standard library prints a line without a level. Lambda logs that as `INFO`, where no alarm or filter
/// finds it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let function = env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    tracing::error!(location, function, "a function panicked");
}

fn level(lambda: Option<&str>, rust_log: Option<&str>) -> LevelFilter {
    let parse = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        // A level of Lambda that `tracing` does not have.
        "fatal" => Some(LevelFilter::ERROR),
        name => name.parse().ok(),
    };
    lambda
        .and_then(parse)
        .or_else(|| rust_log.and_then(parse))
        .unwrap_or(LevelFilter::INFO)
}

fn subscriber<W>(level: LevelFilter, function: &'static str, writer: W) -> impl Subscriber
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(writer);
    let admitted = filter_fn(move |metadata| admits(level, function, metadata.target(), *metadata.level()));
    tracing_subscriber::registry().with(lines.with_filter(admitted.with_max_level_hint(level)))
}

fn admits(level: LevelFilter, function: &str, target: &str, of_event: Level) -> bool {
    let is_own = [SHARED, function].contains(&target.split("::").next().unwrap_or_default());
    of_event <= level && (is_own || of_event <= Level::INFO)
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of CloudWatch's units")]
pub enum Unit {
    Count,
    Milliseconds,
    Seconds,
    Bytes,
    None,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::None => "None",
        }
    }
}

/// Every metric and its dimensions besides the stack. Alarms and the dashboard use these names; an alarm on other
/// dimensions would silently receive no data.
pub const METRICS: [(&str, &[&str]); 27] = [
    ("MessageFailures", &[]),
    ("CallsNotAnswered", &[]),
    ("OutOfMoney", &[]),
    ("ProviderErrors", &[]),
    ("CallsRejected", &[]),
    ("StuckDispatches", &[]),
    ("StuckConversations", &[]),
    ("StuckInteractions", &[]),
    ("TimeToAccept", &[]),
    ("TimeToFirstDial", &[]),
    ("TimerLag", &[]),
    ("Transfers", &["Outcome"]),
    ("UnacceptedDispatches", &[]),
    ("UnverifiedRequests", &["Platform"]),
    ("FailedWebhooks", &["Host"]),
    ("BotErrors", &[]),
    ("ConversationsHandedOver", &[]),
    ("InteractionsCompleted", &[]),
    ("InteractionsFailed", &[]),
    ("InteractionsUnclear", &[]),
    ("MessagesRefused", &[]),
    ("MessagesWithoutReport", &[]),
    ("OptOuts", &[]),
    ("RefusedSteps", &[]),
    ("UnclearSteps", &[]),
    ("TurnLag", &[]),
    ("WaitedTooLong", &[]),
];

/// A metric's name, unit and value.
pub type Metric<'a> = (&'a str, Unit, f64);

/// Writes metrics. `CloudWatch` bills each combination of `dimensions` as a separate metric; `properties` are only for
/// reading and searching the log.
pub fn emf(now: Timestamp, dimensions: &[(&str, &str)], metrics: &[Metric<'_>], properties: &[(&str, Value)]) {
    debug_assert!(
        metrics.iter().all(|(name, ..)| is_known(name, dimensions)),
        "not in METRICS: {metrics:?} by {dimensions:?}"
    );
    if let Some(stack) = STACK_NAME.get() {
        let line = emf_line(now, &with_stack(stack.as_deref(), dimensions), metrics, properties);
        // One write per line, so that lines of other threads cannot interleave. A metric that cannot be written is not
        // worth an error.
        let _ = io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

fn is_known(name: &str, dimensions: &[(&str, &str)]) -> bool {
    let counted_by = dimensions.iter().map(|(name, _)| *name);
    let known = METRICS.iter().find(|(known, _)| *known == name);
    known.is_some_and(|(_, names)| counted_by.eq(names.iter().copied()))
}

/// The dimensions of a metric, preceded by the stack.
fn with_stack<'a>(stack: Option<&'a str>, dimensions: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    stack
        .map(|stack| (STACK, stack))
        .into_iter()
        .chain(dimensions.iter().copied())
        .collect()
}

/// One line in `CloudWatch`'s Embedded Metric Format.
pub fn emf_line(
    now: Timestamp,
    dimensions: &[(&str, &str)],
    metrics: &[Metric<'_>],
    properties: &[(&str, Value)],
) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let definitions: Vec<Value> = metrics
        .iter()
        .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit.name() }))
        .collect();
    let mut line = Map::new();
    // Dimensions and metrics come last, so a property with the same name cannot replace them.
    line.extend(
        properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    line.extend(
        dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value))),
    );
    line.extend(
        metrics
            .iter()
            .map(|(name, _, value)| ((*name).to_owned(), Value::from(*value))),
    );
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.millis(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions }],
        }),
    );
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_metrics_line_has_the_embedded_metric_format() {
        let line = emf_line(
            Timestamp::from_millis(1_800_000_000_123),
            &[("Outcome", "accepted")],
            &[
                ("TimeToAccept", Unit::Milliseconds, 1234.5),
                ("Attempts", Unit::Count, 2.0),
            ],
            &[("dispatch", json!("dsp_1"))],
        );
        assert!(!line.contains('\n'));
        assert_eq!(
            serde_json::from_str::<Value>(&line).expect("JSON"),
            json!({
                "_aws": {
                    "Timestamp": 1_800_000_000_123_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "patchbay",
                        "Dimensions": [["Outcome"]],
                        "Metrics": [
                            { "Name": "TimeToAccept", "Unit": "Milliseconds" },
                            { "Name": "Attempts", "Unit": "Count" },
                        ],
                    }],
                },
                "Outcome": "accepted",
                "TimeToAccept": 1234.5,
                "Attempts": 2.0,
                "dispatch": "dsp_1",
            })
        );
    }

    #[test]
    fn a_named_stack_is_the_first_dimension() {
        let dimensions = [("provider", "voice")];
        let line = |stack| {
            let dimensions = with_stack(stack, &dimensions);
            let line = emf_line(
                Timestamp::from_millis(1),
                &dimensions,
                &[("Calls", Unit::Count, 1.0)],
                &[],
            );
            serde_json::from_str::<Value>(&line).expect("JSON")
        };
        let with = line(Some("patchbay-prod"));
        assert_eq!(
            with["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Stack", "provider"]])
        );
        assert_eq!(
            (&with["Stack"], &with["provider"]),
            (&json!("patchbay-prod"), &json!("voice"))
        );
        let without = line(None);
        assert_eq!(
            without["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["provider"]])
        );
        assert_eq!(without.get("Stack"), None);
    }

    #[test]
    fn a_property_cannot_replace_a_metric_or_a_dimension() {
        let line = emf_line(
            Timestamp::from_millis(1),
            &[("kind", "real")],
            &[("Count", Unit::Count, 1.0)],
            &[("kind", json!("forged")), ("Count", json!("text")), ("_aws", json!(1))],
        );
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["kind"], &line["Count"]), (&json!("real"), &json!(1.0)));
        assert_eq!(line["_aws"]["Timestamp"], 1);
    }

    #[test]
    fn the_log_level_is_that_of_lambda_or_rust_log_or_info() {
        for (lambda, rust_log, expected) in [
            (None, None, LevelFilter::INFO),
            (Some("DEBUG"), Some("error"), LevelFilter::DEBUG),
            (None, Some("warn"), LevelFilter::WARN),
            (Some("FATAL"), None, LevelFilter::ERROR),
            (Some("unknown"), Some("trace"), LevelFilter::TRACE),
            (None, Some("patchbay=debug,hyper=off"), LevelFilter::INFO),
        ] {
            assert_eq!(level(lambda, rust_log), expected, "{lambda:?} {rust_log:?}");
        }
    }

    #[test]
    fn libraries_never_log_below_info() {
        for (level, target, of_event, admitted) in [
            (LevelFilter::TRACE, "patchbay::web", Level::TRACE, true),
            (LevelFilter::TRACE, "chain_link::answer", Level::TRACE, true),
            (LevelFilter::TRACE, "hyper::client", Level::INFO, true),
            (LevelFilter::TRACE, "hyper::client", Level::DEBUG, false),
            (LevelFilter::TRACE, "patchbay_like::web", Level::DEBUG, false),
            (LevelFilter::TRACE, "chain_link_like", Level::DEBUG, false),
            (LevelFilter::WARN, "patchbay::web", Level::INFO, false),
        ] {
            assert_eq!(
                admits(level, "chain_link", target, of_event),
                admitted,
                "{target} {of_event}"
            );
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_event_is_one_flat_json_line_with_the_fields_of_its_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(LevelFilter::INFO, "dialer", move || writer.clone()), || {
            let span = tracing::info_span!("request", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(dispatch = "dsp_1", "an \u{1b}[31mevent");
            tracing::debug!("below the level");
            tracing::debug!(target: "hyper", "a library, below the level");
        });
        let text = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("UTF-8");
        let [line] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("not one line: {text}")
        };
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["dispatch"], "dsp_1");
        assert_eq!(event["span"]["request_id"], "r-1");
        assert!(event["timestamp"].is_string());
        assert_eq!(event.get("spans"), None);
        assert!(!line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn unknown_metrics_and_dimensions_are_detected() {
        assert!(is_known("UnacceptedDispatches", &[]) && is_known("Transfers", &[("Outcome", "asked")]));
        assert!(!is_known("UnaceptedDispatches", &[]));
        assert!(!is_known("UnacceptedDispatches", &[("tenant", "main")]));
        assert!(!is_known("Transfers", &[]));
    }
}
