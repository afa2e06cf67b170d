//! What must hold of the template and its settings before AWS sees them, and what no stand-in for AWS refuses.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const SETTINGS: &str = include_str!("../../samconfig.toml");
const README: &str = include_str!("../../README.md");

/// The longest name that a stack may have, as README says.
const STACK_NAME: usize = 48;

/// The lines of each resource, by its logical name.
fn resources() -> BTreeMap<&'static str, Vec<&'static str>> {
    let (_, resources) = TEMPLATE.split_once("\nResources:\n").unwrap();
    let (resources, _) = resources.split_once("\nOutputs:\n").unwrap();
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in resources.lines() {
        match line
            .strip_prefix("  ")
            .filter(|rest| rest.starts_with(char::is_alphabetic))
        {
            Some(begins) => name = begins.trim_end_matches(':'),
            None => named.entry(name).or_default().push(line.trim()),
        }
    }
    named
}

/// What a resource waits for, besides what it refers to.
fn waits_for(lines: &[&'static str]) -> Vec<&'static str> {
    let mut lines = lines.iter().skip_while(|line| !line.starts_with("DependsOn:"));
    match lines.next().and_then(|line| line.strip_prefix("DependsOn: ")) {
        Some(one) => vec![one],
        None => lines.map_while(|line| line.strip_prefix("- ")).collect(),
    }
}

#[test]
fn no_two_routes_are_deployed_at_the_same_time_by_a_stage_that_deploys_by_itself() {
    let resources = resources();
    let routes = || {
        resources
            .iter()
            .filter(|(_, lines)| lines.contains(&"Type: AWS::ApiGatewayV2::Route"))
    };
    let is_conditional = |lines: &[&str]| lines.iter().any(|line| line.starts_with("Condition:"));
    let stage = waits_for(&resources["DefaultStage"]);
    let (mut always, mut before) = (0, Vec::new());
    for (name, lines) in routes() {
        if is_conditional(lines) {
            before.extend(waits_for(lines));
        } else {
            always += 1;
            assert!(stage.contains(name), "the stage does not wait for {name}");
        }
    }
    assert_eq!(stage.len(), always, "{stage:?}");
    // One waits for the stage, and each of the others for another one: a chain.
    let conditional = routes().filter(|(_, lines)| is_conditional(lines)).count();
    before.sort_unstable();
    before.dedup();
    assert!(
        before.contains(&"DefaultStage") && before.len() == conditional,
        "{before:?}"
    );
}

#[test]
fn every_name_that_a_stack_gives_is_short_enough_for_its_service() {
    // The limits are those of the services' own references.
    let limits = [
        ("FunctionName: ", 64),
        ("QueueName: ", 80),
        ("Name: ", 64),
        ("LogGroupName: ", 512),
        ("AlarmName: ", 255),
        ("DashboardName: ", 255),
    ];
    let mut checked = 0;
    for line in resources().values().flatten() {
        for (property, limit) in limits {
            let Some(name) = line
                .strip_prefix(property)
                .filter(|name| name.contains("AWS::StackName"))
            else {
                continue;
            };
            let name = name.trim_start_matches("!Sub ").trim_start_matches("!Ref ");
            let own = name
                .replace("${AWS::StackName}", "")
                .replace("AWS::StackName", "")
                .len();
            assert!(own + STACK_NAME <= limit, "{line}");
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
    assert!(README.contains(&format!("has {STACK_NAME} characters at most")));
}

/// The lines of a list in the settings, with those that are commented out.
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
fn every_parameter_in_the_settings_is_quoted_and_known_to_the_build_too() {
    let lists = overrides();
    assert_eq!(lists.len(), 3);
    for line in lists.concat() {
        let value = line.split_once('=').unwrap().1;
        assert!(
            line.starts_with('\'') && value.starts_with('"') && value.ends_with("\"',"),
            "{line}"
        );
    }
    // Not below one command: the other would not see it.
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

#[test]
fn a_table_that_a_failed_first_deployment_made_goes_with_it() {
    let table = &resources()["Table"];
    assert!(table.contains(&"DeletionPolicy: RetainExceptOnCreate"), "{table:?}");
    assert!(table.contains(&"UpdateReplacePolicy: Retain"), "{table:?}");
}
