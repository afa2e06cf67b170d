//! Checks of the template and its settings that no simulator of AWS makes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[path = "common/template.rs"]
mod template;

use std::collections::BTreeSet;

use patchbay::telemetry::METRICS;
use serde_json::{Value, json};
use template::Function;

const SETTINGS: &str = include_str!("../../samconfig.toml");
const README: &str = include_str!("../../infra/README.md");
const SIZES: &str = include_str!("../e2e/sizes.json");
const COUNTS: &str = include_str!("../e2e/counts.json");

/// The most characters of a stack's name, as README documents.
const MAX_STACK_NAME_CHARACTERS: usize = 48;
/// The most lines of a function's block, with its role, log and alarms, besides one for each variable and route: it must
/// fit on a screen.
const MAX_BLOCK_LINES: usize = 75;

/// All fields below a value, at any depth, with their names.
fn fields<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                found.push((name, value));
                fields(value, found);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

/// The names that a resource refers to: resources, parameters and pseudo parameters of `CloudFormation`.
fn references(resource: &Value) -> BTreeSet<String> {
    let mut found = Vec::new();
    fields(resource, &mut found);
    let mut names = BTreeSet::new();
    for (name, value) in found {
        let Some(text) = value.as_str() else { continue };
        match name {
            "Ref" | "DependsOn" => {
                names.insert(text.to_owned());
            }
            "Fn::GetAtt" => {
                names.insert(text.split('.').next().unwrap().to_owned());
            }
            "Fn::Sub" => {
                let inside = text
                    .split("${")
                    .skip(1)
                    .filter_map(|rest| rest.split(['.', '}']).next());
                names.extend(inside.map(str::to_owned));
            }
            _ => {}
        }
    }
    names
}

#[test]
fn every_route_belongs_to_the_one_imported_api() {
    // A separate route resource would start a deployment of its own in a stage with automatic deployment. AWS refuses
    // two deployments at the same time.
    for (name, resource) in template::resources() {
        let kind = resource["Type"].as_str().unwrap();
        assert!(!kind.starts_with("AWS::ApiGateway"), "{name} is a {kind}");
    }
    let [(_, api)] = template::of_type("AWS::Serverless::HttpApi").try_into().unwrap();
    let (api, routes) = (&api["Properties"], template::routes());
    assert_eq!(api["FailOnWarnings"], "true");
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(api["DefaultRouteSettings"][limit].is_string(), "{api}");
    }
    // API Gateway refuses a limit for a route that the stack does not have.
    let resources = template::resources();
    let limited = api["RouteSettings"].as_object().unwrap();
    assert!(limited.contains_key("POST /agent4/{ref}/{chain}"), "{limited:?}");
    for (route, limits) in limited {
        let name = routes.get(route).unwrap_or_else(|| panic!("{route} is not a route"));
        let functions = template::functions();
        let function = functions.iter().find(|function| function.name == *name).unwrap();
        let limits = match &resources[&function.id]["Condition"] {
            Value::Null => limits,
            condition => {
                let chosen = &limits["Fn::If"];
                assert_eq!(
                    chosen[0], *condition,
                    "{route} has a limit in stacks that do not have it"
                );
                assert_eq!(chosen[2], json!({ "Ref": "AWS::NoValue" }), "{route}");
                &chosen[1]
            }
        };
        assert!(limits["ThrottlingRateLimit"].is_string(), "{route}: {limits}");
    }
}

#[test]
fn ses_reports_to_message_event_and_only_api_and_rule_invoke_it() {
    let resources = template::resources();
    let properties = |name: &str| {
        assert!(
            ["HearsOfEmail", "CreatesConfigurationSet"].contains(&resources[name]["Condition"].as_str().unwrap()),
            "{name}"
        );
        resources[name]["Properties"].clone()
    };
    let destination = properties("EmailEvents")["EventDestination"].clone();
    let bus = destination["EventBridgeDestination"]["EventBusArn"]["Fn::Sub"]
        .as_str()
        .unwrap();
    assert!(bus.ends_with(":event-bus/default"), "{bus}");
    let kinds = template::several(&destination["MatchingEventTypes"]);
    for kind in [
        "send",
        "delivery",
        "bounce",
        "complaint",
        "reject",
        "renderingFailure",
        "deliveryDelay",
    ] {
        assert!(kinds.contains(&json!(kind)), "{kind}");
    }
    // These two would change the e-mails.
    for kind in ["open", "click"] {
        assert!(!kinds.contains(&json!(kind)), "{kind}");
    }
    let rule = properties("EmailEventsRule");
    let pattern = json!({ "source": ["aws.ses"], "detail-type": [{ "prefix": "Email " }] });
    assert_eq!(rule["EventPattern"], pattern);
    let dead_letters = json!({ "Fn::GetAtt": "InteractionsDeadLetters.Arn" });
    assert_eq!(rule["Targets"][0]["Arn"], json!({ "Fn::GetAtt": "MessageEvent.Arn" }));
    assert_eq!(rule["Targets"][0]["DeadLetterConfig"]["Arn"], dead_letters);
    let function = &resources["MessageEvent"]["Properties"];
    assert_eq!(function["DeadLetterQueue"]["TargetArn"], dead_letters);

    // SAM adds those for the routes, each for the API of the stack.
    let permissions = template::of_type("AWS::Lambda::Permission");
    let [(name, _)] = &permissions[..] else {
        panic!("{permissions:?}")
    };
    let permission = properties(name);
    assert_eq!(permission["FunctionName"], json!({ "Ref": "MessageEvent" }));
    assert_eq!(permission["Principal"], "events.amazonaws.com");
    let source = json!({ "Fn::GetAtt": "EmailEventsRule.Arn" });
    assert_eq!(permission["SourceArn"], source);
    let [(name, _)] = &template::of_type("AWS::SQS::QueuePolicy")[..] else {
        panic!("policies of queues")
    };
    let statement = properties(name)["PolicyDocument"]["Statement"].clone();
    assert_eq!(statement.as_array().unwrap().len(), 1);
    assert_eq!(statement[0]["Condition"]["ArnEquals"]["aws:SourceArn"], source);
}

#[test]
fn a_topic_of_another_region_fails_the_deployment_at_its_start() {
    let resources = template::resources();
    let refused = resources
        .iter()
        .filter(|(_, resource)| resource["Condition"] == "TopicIsElsewhere");
    let refused: Vec<_> = refused.collect();
    let [(name, role)] = refused[..] else {
        panic!("{refused:?}")
    };
    // CloudFormation shows both the name and the reason.
    assert_eq!(name, "AlarmTopicIsInAnotherRegion");
    let policies = template::several(&role["Properties"]["ManagedPolicyArns"]);
    let [Value::String(text)] = &policies[..] else {
        panic!("{policies:?}")
    };
    assert!(
        text.starts_with("AlarmTopicArn names a topic of another region") && !text.starts_with("arn:"),
        "{text}"
    );
    assert_eq!(references(role), BTreeSet::new(), "{name} depends on another resource");
}

#[test]
fn every_name_with_the_stacks_name_fits_the_limit_of_its_service() {
    // The limits are those of the services' API references.
    let limits = [
        ("FunctionName", 64),
        ("QueueName", 80),
        ("Name", 64),
        ("LogGroupName", 512),
        ("AlarmName", 255),
        ("DashboardName", 255),
    ];
    let resources = Value::from(template::resources());
    let mut found = Vec::new();
    fields(&resources, &mut found);
    let mut checked = 0;
    for (property, value) in found {
        let Some((_, limit)) = limits.iter().find(|(name, _)| *name == property) else {
            continue;
        };
        let name = [&value["Fn::Sub"], &value["Ref"]].into_iter().find_map(Value::as_str);
        let Some(name) = name.filter(|name| name.contains("AWS::StackName")) else {
            continue;
        };
        let own = name
            .replace("${AWS::StackName}", "")
            .replace("AWS::StackName", "")
            .len();
        assert!(own + MAX_STACK_NAME_CHARACTERS <= *limit, "{property} {name}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
    assert!(README.contains(&format!("has {MAX_STACK_NAME_CHARACTERS} characters at most")));
}

/// The text of a function's block: all resources that are named after it, from its first line to the next function's.
fn block(function: &Function) -> &'static str {
    let (_, rest) = template::TEXT.split_once(&format!("\n  {}:\n", function.id)).unwrap();
    rest.split("\n\n").next().unwrap()
}

fn sub(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

#[test]
fn every_function_has_log_alarms_and_dashboard_and_fits_on_a_screen() {
    let resources = template::resources();
    let dashboard = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    let [(_, function_metrics)] = [dashboard.split_once("Functions: errors").unwrap()];
    for function in template::functions() {
        let Function { id, name, properties } = &function;
        assert_eq!(properties["FunctionName"], sub(&format!("${{AWS::StackName}}-{name}")));
        let build = &resources[id]["Metadata"];
        assert_eq!(build["BuildProperties"]["Binary"], **name, "{id}");
        assert!(
            properties["Timeout"].as_str().unwrap().parse::<u32>().unwrap() < 60,
            "{id}"
        );
        let logs = format!("{id}Logs");
        assert_eq!(properties["LoggingConfig"]["LogGroup"], json!({ "Ref": logs }), "{id}");
        let group = &resources[&logs]["Properties"]["LogGroupName"];
        assert_eq!(*group, sub(&format!("/aws/lambda/${{AWS::StackName}}-{name}")));
        let is_own = |line: &&str| !line.contains("Type: HttpApi") && !line.trim_start().starts_with("PATCHBAY_");
        let lines = block(&function).lines().filter(is_own).count() + 1;
        assert!(lines <= MAX_BLOCK_LINES, "the block of {id} has {lines} lines");

        for (metric, word) in [("Errors", "fails"), ("Throttles", "throttled")] {
            let alarm = &resources[&format!("{id}{metric}Alarm")];
            let alarms = &alarm["Properties"];
            assert_eq!(alarms["AlarmName"], sub(&format!("${{AWS::StackName}} {name} {word}")));
            assert_eq!(alarms["MetricName"], metric);
            let dimensions = json!([{ "Name": "FunctionName", "Value": { "Ref": id } }]);
            assert_eq!(alarms["Dimensions"], dimensions, "{id}");
            let condition = match resources[id]["Condition"].as_str() {
                Some(condition) => format!("{condition}Alarms"),
                None => "HasAlarmTopic".to_owned(),
            };
            assert_eq!(alarm["Condition"], condition, "{id}");
        }
        assert!(dashboard.contains(&format!("SOURCE '${{{logs}}}'")), "{id}");
        for metric in ["Errors", "Throttles", "Duration"] {
            let by_ref = format!(r#"["AWS/Lambda", "{metric}", "FunctionName", "${{{id}}}""#);
            let by_name = format!(r#"["AWS/Lambda", "{metric}", "FunctionName", "${{AWS::StackName}}-{name}""#);
            let shown = function_metrics.contains(&by_ref) || function_metrics.contains(&by_name);
            assert!(shown, "the dashboard does not show {metric} of {name}");
        }
    }
}

/// All alarms, with their logical names.
fn alarms() -> Vec<(String, Value)> {
    let alarms = template::of_type("AWS::CloudWatch::Alarm").into_iter();
    alarms
        .map(|(name, alarm)| (name, alarm["Properties"].clone()))
        .collect()
}

#[test]
fn every_alarm_uses_a_metric_with_its_dimensions() {
    let ours = || {
        alarms()
            .into_iter()
            .filter(|(_, alarm)| alarm["Namespace"] == "patchbay")
    };
    assert_eq!(ours().count(), 20);
    for (name, alarm) in ours() {
        let metric = alarm["MetricName"].as_str().unwrap();
        let (_, by) = METRICS.iter().find(|(known, _)| *known == metric).expect(metric);
        let written: Vec<&str> = ["Stack"].into_iter().chain(by.iter().copied()).collect();
        let dimensions = alarm["Dimensions"].as_array().unwrap().iter();
        let dimensions: Vec<&str> = dimensions
            .map(|dimension| dimension["Name"].as_str().unwrap())
            .collect();
        assert_eq!(dimensions, written, "{name}");
    }
}

#[test]
fn a_section_that_an_alarm_names_exists() {
    let mut named = 0;
    for (name, alarm) in alarms() {
        let text = alarm["AlarmDescription"].as_str().unwrap();
        for rest in text.split("See \"").skip(1) {
            let (section, _) = rest.split_once("\" in infra/README.md").expect(&name);
            assert!(README.contains(&format!("\n### {section}\n")), "{name}: {section}");
            named += 1;
        }
    }
    assert!(named >= 4, "{named}");
}

#[test]
fn alarms_and_dashboard_name_the_log_lines_of_a_failed_function() {
    for function in template::functions() {
        let name = format!("{}ErrorsAlarm", function.id);
        let (_, alarm) = alarms().into_iter().find(|(alarm, _)| *alarm == name).unwrap();
        let text = alarm["AlarmDescription"].as_str().unwrap();
        // The function's own log line, which also reports a panic, and Lambda's report when it ended in another way.
        assert!(
            text.contains(r#""ERROR""#) && text.contains("platform.report"),
            "{text}"
        );
    }
    let (_, query) = template::TEXT.split_once("Newest warnings").expect("a dashboard");
    for part in [
        "level in ['WARN', 'ERROR']",
        "type like 'platform.'",
        "record.status in ['failure', 'error', 'timeout']",
    ] {
        assert!(query.contains(part), "{part}");
    }
}

#[test]
fn alarms_on_hosts_and_platforms_query_the_metric_by_them() {
    let queries: Vec<&str> = template::TEXT.split("SELECT SUM(").skip(1).collect();
    assert_eq!(queries.len(), 2);
    for query in queries {
        let (metric, rest) = query.split_once(") FROM SCHEMA(").expect("a metric");
        let (schema, rest) = rest.split_once(')').expect("a schema");
        let (_, by) = METRICS.iter().find(|(known, _)| *known == metric).expect(metric);
        let written: Vec<&str> = ["patchbay", "Stack"].into_iter().chain(by.iter().copied()).collect();
        assert_eq!(schema.split(", ").collect::<Vec<_>>(), written);
        let group = format!("GROUP BY {} ORDER BY SUM() DESC", by.join(", "));
        assert!(rest.contains(&group), "{rest}");
    }
}

/// The lines of each list of parameters in the settings, including those that are commented out.
fn overrides() -> Vec<Vec<&'static str>> {
    let lists = SETTINGS.split("parameter_overrides = [\n").skip(1);
    let lists = lists.map(|rest| rest.split_once("\n]").unwrap().0);
    lists
        .map(|list| {
            let lines = list.lines().map(|line| line.trim().trim_start_matches("# "));
            lines.filter(|line| line.contains('=')).collect()
        })
        .collect()
}

#[test]
fn every_parameter_in_the_settings_is_quoted_and_in_a_section_for_all_commands() {
    let lists = overrides();
    assert_eq!(lists.len(), 3);
    for line in lists.concat() {
        let value = line.split_once('=').unwrap().1;
        assert!(
            line.starts_with('\'') && value.starts_with('"') && value.ends_with("\"',"),
            "{line}"
        );
    }
    // Not in the section of one command: the other commands would not see it.
    let (mut section, mut found) = ("", 0);
    for line in SETTINGS.lines() {
        if line.starts_with('[') {
            section = line;
        } else if line.starts_with("parameter_overrides") {
            assert!(section.ends_with(".global.parameters]"), "{section}");
            found += 1;
        }
    }
    assert_eq!(found, lists.len());
    assert!(
        !README.contains("--guided\n") && !README.contains("--guided "),
        "README deploys with --guided"
    );
}

/// A number in a table of the page, with or without a unit.
fn number(cell: &str) -> f64 {
    let digits: String = cell.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().unwrap()
}

#[test]
fn the_page_has_the_accepted_size_and_cost_of_every_function() {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap()["x86_64"].clone();
    let (sizes, counts) = (read(SIZES), read(COUNTS));
    let (_, table) = README.split_once("| | zipped | instructions to start").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut listed = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].split(',').next().unwrap();
        let name = if name == "an empty function" {
            "empty-function"
        } else {
            name
        };
        let zipped = (cells[2], sizes[name].as_f64().map(|bytes| bytes / 1e6));
        let count =
            |cell: usize, what: &str, unit: f64| (cells[cell], Some(counts[what][name].as_f64().unwrap() / unit));
        for (written, accepted) in [
            zipped,
            count(3, "instructions of the start", 1e3),
            count(4, "instructions of the first invocation", 1e3),
            count(5, "page faults", 1.0),
            count(6, "KiB of memory", 1024.0),
        ] {
            // Not to the digit, so that a small change of what is accepted needs no change of the page.
            let Some(accepted) = accepted else {
                assert_eq!((name, written), ("empty-function", ""));
                continue;
            };
            let written = number(written);
            assert!(
                (written / accepted - 1.0).abs() <= 0.1,
                "{name}: {written} instead of {accepted}"
            );
        }
        listed.insert(name.to_owned());
    }
    let mut all = template::names();
    all.insert("empty-function".to_owned());
    assert_eq!(listed, all);
}

#[test]
fn the_table_is_deleted_only_if_the_first_deployment_fails() {
    let table = &template::resources()["Table"];
    assert_eq!(table["DeletionPolicy"], "RetainExceptOnCreate");
    assert_eq!(table["UpdateReplacePolicy"], "Retain");
}
