//! Logs and metrics, as `CloudWatch` reads them: one JSON document a line on standard output.

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
/// The crate that every function shares: beside the function's own, the one whose debug and trace events are let through.
/// At those levels the libraries below us write whole requests and responses: phone numbers, tokens, tickets.
const SHARED: &str = "patchbay";

/// Tells the metrics of two stacks in one account apart. Alarms and the dashboard ask for it by this name.
const STACK: &str = "Stack";

/// By which dimensions all metrics are counted: the stack's name, where there is one. Set by [`init`]; without that no
/// metric is written, so that tests stay quiet.
static EVERYWHERE: OnceLock<Option<String>> = OnceLock::new();

/// Starts logging, panics included, at the level in `AWS_LAMBDA_LOG_LEVEL`, else in `RUST_LOG` (a level's name, no directives), else at
/// `info`; and starts writing metrics, each with the dimension `Stack` when `PATCHBAY_STACK` names one. Of all crates only
/// `function`, the caller's own (`env!("CARGO_CRATE_NAME")`), and the one that it shares log below `info`. Call it once,
/// first.
pub fn init(function: &'static str) {
    let named = |name| env::var(name).ok();
    let level = level(named("AWS_LAMBDA_LOG_LEVEL").as_deref(), named("RUST_LOG").as_deref());
    // The only error is that somebody has started logging before us.
    let _ = tracing::subscriber::set_global_default(subscriber(level, function, io::stdout));
    panic::set_hook(Box::new(log_panic));
    // Set before only if somebody has called this before.
    let _ = EVERYWHERE.set(named("PATCHBAY_STACK").filter(|stack| !stack.is_empty()));
}

/// Says where a function panicked. Not what was said of it: a message may quote what it met, and that may be somebody's
/// number. Without this the standard library says it in a line without a level, which Lambda takes for `INFO` and no alarm
/// or filter finds.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let function = env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    tracing::error!(place, function, "a function panicked");
}

fn level(lambda: Option<&str>, rust_log: Option<&str>) -> LevelFilter {
    let parse = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        // Lambda has a level that tracing has not.
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

/// What a metric counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "CloudWatch's own words")]
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

/// Every metric that there is, and what it is counted by besides the stack. Alarms and dashboard go by these names: one
/// that asks for another dimension hears nothing, and says so to nobody.
pub const METRICS: [(&str, &[&str]); 13] = [
    ("MessageFailures", &[]),
    ("NoAnswer", &[]),
    ("OutOfMoney", &[]),
    ("ProviderErrors", &[]),
    ("Rejected", &[]),
    ("Stuck", &[]),
    ("TimeToAccept", &[]),
    ("TimeToFirstDial", &[]),
    ("TimerLag", &[]),
    ("Transfers", &["outcome"]),
    ("Unaccepted", &[]),
    ("Unproven", &["Platform"]),
    ("WebhooksGivenUp", &["Host"]),
];

/// A metric's name, unit and value.
pub type Metric<'a> = (&'a str, Unit, f64);

/// Writes metrics. `dimensions` are what they are counted by (every combination is a metric of its own, and is paid
/// for), `properties` are only for reading and searching.
pub fn emf(now: Timestamp, dimensions: &[(&str, &str)], metrics: &[Metric<'_>], properties: &[(&str, Value)]) {
    debug_assert!(
        metrics.iter().all(|(name, ..)| is_known(name, dimensions)),
        "not in METRICS: {metrics:?} by {dimensions:?}"
    );
    if let Some(stack) = EVERYWHERE.get() {
        let line = emf_line(now, &with_stack(stack.as_deref(), dimensions), metrics, properties);
        // One write a line, so that lines of other threads cannot end up inside it. A metric that cannot be written is
        // not worth failing for.
        let _ = io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

fn is_known(name: &str, dimensions: &[(&str, &str)]) -> bool {
    let counted_by = dimensions.iter().map(|(name, _)| *name);
    let known = METRICS.iter().find(|(known, _)| *known == name);
    known.is_some_and(|(_, names)| counted_by.eq(names.iter().copied()))
}

/// The dimensions of a metric and, before them, the stack.
fn with_stack<'a>(stack: Option<&'a str>, dimensions: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    stack
        .map(|stack| (STACK, stack))
        .into_iter()
        .chain(dimensions.iter().copied())
        .collect()
}

/// The line that `CloudWatch` makes metrics of: Embedded Metric Format.
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
    // Dimensions and metrics come last: a property of the same name must not take their place.
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
    fn a_line_of_metrics_has_the_embedded_format() {
        let line = emf_line(
            Timestamp::from_millis(1_800_000_000_123),
            &[("outcome", "accepted")],
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
                        "Dimensions": [["outcome"]],
                        "Metrics": [
                            { "Name": "TimeToAccept", "Unit": "Milliseconds" },
                            { "Name": "Attempts", "Unit": "Count" },
                        ],
                    }],
                },
                "outcome": "accepted",
                "TimeToAccept": 1234.5,
                "Attempts": 2.0,
                "dispatch": "dsp_1",
            })
        );
    }

    #[test]
    fn a_stack_with_a_name_tells_its_metrics_from_anothers() {
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
    fn a_property_takes_neither_a_metrics_nor_a_dimensions_place() {
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
    fn the_level_is_lambdas_else_rusts_else_info() {
        for (lambda, rust_log, expected) in [
            (None, None, LevelFilter::INFO),
            (Some("DEBUG"), Some("error"), LevelFilter::DEBUG),
            (None, Some("warn"), LevelFilter::WARN),
            (Some("FATAL"), None, LevelFilter::ERROR),
            (Some("loud"), Some("trace"), LevelFilter::TRACE),
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
    fn an_event_is_one_flat_line_of_json_with_the_ids_of_its_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(LevelFilter::INFO, "dialer", move || writer.clone()), || {
            let span = tracing::info_span!("request", request_id = "r-1");
            let _entered = span.enter();
            tracing::info!(dispatch = "dsp_1", "an \u{1b}[31mevent");
            tracing::debug!("too fine");
            tracing::debug!(target: "hyper", "far too fine");
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
    fn a_metric_that_nobody_knows_or_that_is_counted_by_something_else_is_found_out() {
        assert!(is_known("Unaccepted", &[]) && is_known("Transfers", &[("outcome", "asked")]));
        assert!(!is_known("Unacepted", &[]));
        assert!(!is_known("Unaccepted", &[("tenant", "main")]));
        assert!(!is_known("Transfers", &[]));
    }
}
