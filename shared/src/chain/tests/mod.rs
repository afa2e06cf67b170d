mod stored;

use serde_json::json;

use super::*;
use crate::flow::MAX_DOCUMENT;
use crate::flow::source::Source;

const SMALL: &str = "\
state: {misses: 0}
links:
  - name: start
    qualified_parameters:
      properties: {order: {type: string}}
      required: [order]
    initial:
      - content: Ask for the order number, then call qualified.
    qualified:
      - when: context.order == 'X'
        content: 'Order {{ context.order | spell }}.'
        actions: [{name: switch_task, context: {name: talk}}]
      - content: Once more.
        state: {misses: '{{ state.misses + 1 }}'}
        actions: [{name: switch_task, context: {name: start}}]
    disqualified:
      - actions: [{name: end_call}]
  - name: talk
    initial:
      - content: Talk, then call qualified.
    qualified: [{actions: [{name: end_call}]}]
    disqualified: [{actions: [{name: end_call}]}]
";

fn issues(text: &str) -> Vec<String> {
    match Chain::read(text) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(ToString::to_string).collect(),
    }
}

/// Issues of the small chain with one replacement.
#[track_caller]
fn with(old: &str, new: &str) -> Vec<String> {
    assert_eq!(SMALL.matches(old).count(), 1, "{old}");
    issues(&SMALL.replace(old, new))
}

#[track_caller]
fn assert_issue(found: &[String], expected: &str) {
    assert!(
        found.iter().any(|issue| issue.contains(expected)),
        "{expected}\n{found:#?}"
    );
}

#[test]
fn valid_document_has_no_issues() {
    assert_eq!(issues(SMALL), Vec::<String>::new());
}

#[test]
fn unknown_link_is_reported_with_its_line() {
    let found = with("context: {name: talk}", "context: {name: tlak}");
    assert_issue(
        &found,
        "12:49: links[0].qualified[0].actions[0].context.name: is not the name of a link",
    );
    assert_issue(&found, "18:5: links[1].name: cannot be reached");
}

#[test]
fn undefined_name_is_reported_on_upload() {
    for (old, new, expected) in [
        (
            "context.order == 'X'",
            "context.ordr == 'X'",
            "10:9: links[0].qualified[0].when: `context.ordr` is undefined; the link's parameters are: order",
        ),
        (
            "state.misses + 1",
            "state.hits + 1",
            "`state.hits` is undefined; the chain's `state` declares: misses",
        ),
        (
            "Talk, then",
            "Talk to {{ context.order }}, then",
            "`context` is only defined",
        ),
        (
            "Talk, then",
            "Talk to {{ caller.name }}, then",
            "`caller.name` is undefined",
        ),
        ("Talk, then", "Talk to {{ customer }}, then", "`customer` is undefined"),
        (
            "Talk, then",
            "Talk of {{ fetch.orders.json }}, then",
            "`fetch.orders` is undefined",
        ),
        (
            "state: {misses: '{{",
            "state: {missed: '{{",
            "links[0].qualified[1].state.missed: is not declared",
        ),
    ] {
        assert_issue(&with(old, new), expected);
    }
}

#[test]
fn broken_template_is_reported_with_its_path() {
    for (old, new, expected) in [
        ("Talk, then", "Talk {{ link, then", "links[1].initial[0].content: "),
        (
            "context.order | spell",
            "context.order | shout",
            "unknown filter `shout`",
        ),
        (
            "context.order == 'X'",
            "context.order is strange",
            "unknown test `strange`",
        ),
        (
            "context.order == 'X'",
            "context.order ==",
            "links[0].qualified[0].when: ",
        ),
        (
            "context.order == 'X'",
            "context.order.upper() == 'X'",
            "values have no methods",
        ),
    ] {
        assert_issue(&with(old, new), expected);
    }
}

#[test]
fn rules_must_always_match_and_be_reachable() {
    assert_issue(
        &with("when: context.order == 'X'\n        ", ""),
        "links[0].qualified[0]: always matches",
    );
    assert_issue(
        &with("content: Once more.", "when: state.misses\n        content: Once more."),
        "the last rule must always match",
    );
    assert_issue(
        &with(
            "    qualified: [{actions",
            "    qualified: []\n    interrupt: [{actions",
        ),
        "links[1].qualified: must have at least one rule",
    );
}

#[test]
fn prompt_without_an_end_condition_is_refused() {
    assert_issue(
        &with("Talk, then call qualified.", "Talk."),
        "nothing else ends the conversation",
    );
    assert_issue(
        &with("content: Talk, then call qualified.", "state: {misses: 1}"),
        "needs `content`, the prompt",
    );
}

#[test]
fn unknown_field_is_reported() {
    assert_issue(
        &with("content: Once more.", "contents: Once more."),
        "13:9: links[0].qualified[1].contents: unknown field `contents`",
    );
    assert_issue(
        &with("name: end_call}]\n  - name", "name: hang_up}]\n  - name"),
        "links[0].disqualified[0].actions[0]",
    );
    assert_issue(&issues("links: 7"), "1:1: links: expected a list");
    assert_issue(&issues("- a"), "1:1: must be an object");
}

#[test]
fn unsupported_schema_is_refused() {
    assert_issue(
        &with("{type: string}", "{type: text}"),
        "5:28: links[0].qualified_parameters.properties.order.type: must be one or several of",
    );
    assert_issue(
        &with("required: [order]", "required: [number]"),
        "`number` is not one of the properties",
    );
}

fn with_fetch(fetch: &str) -> Vec<String> {
    let rule = format!("      - fetch:\n          - {fetch}\n        content: Once more.");
    with("      - content: Once more.", &rule)
}

#[test]
fn fetch_is_checked_on_upload() {
    let good = "{name: a, url: 'https://api.example.org/o/{{ context.order }}', on: {failed: {content: Sorry.}}}";
    assert_eq!(with_fetch(good), Vec::<String>::new());
    for (fetch, expected) in [
        (
            "{name: a, url: 'https://api.example.org/'}",
            "fetch[0]: does not handle a failure",
        ),
        (
            "{name: a, url: 'http://api.example.org/', on: {failed: {}}}",
            "fetch[0].url: must begin with https",
        ),
        (
            "{name: a, url: 'https://{{ context.order }}/', on: {failed: {}}}",
            "must have a literal host",
        ),
        (
            "{name: a, url: 'https://169.254.169.254/', on: {failed: {}}}",
            "must have a public address",
        ),
        (
            "{name: 'a b', url: 'https://api.example.org/', on: {failed: {}}}",
            "fetch[0].name: a name has",
        ),
        (
            "{name: a, url: 'https://api.example.org/', timeout_ms: 9000, on: {failed: {}}}",
            "must be from 100 to 3500",
        ),
        (
            "{name: a, url: 'https://api.example.org/', json: {}, on: {failed: {}}}",
            "a GET request has no body",
        ),
        (
            "{name: a, url: 'https://api.example.org/', auth: {basic: 'user:password'}, on: {failed: {}}}",
            "name of a secret",
        ),
        (
            "{name: a, url: 'https://api.example.org/', headers: {Authorization: x}, on: {failed: {}}}",
            "put secrets into `auth`",
        ),
        (
            "{name: a, url: 'https://api.example.org/', on: {failed: {content: '{{ fetch.a.body }}'}}}",
            "a request has: ok",
        ),
    ] {
        assert_issue(&with_fetch(fetch), expected);
    }
}

#[test]
fn actions_and_notifications_are_checked() {
    let with_action = |action: &str| {
        with(
            "    qualified: [{actions: [{name: end_call}]}]",
            &format!("    qualified: [{{actions: [{action}]}}]"),
        )
    };
    for good in [
        "{name: next_task}",
        "{name: sms, context: {message: hi}}",
        "{name: transfer_call, context: {number: '+12025550100'}}",
        "{name: transfer_call, context: {number: '{{ caller.line }}'}}",
        "{name: email, context: {email: ops@example.org}}",
        "{name: set_trigger, context: {trigger: x}}",
        "{name: say, context: {content: x}}",
        "{name: end_task}",
    ] {
        assert_eq!(with_action(good), Vec::<String>::new(), "{good}");
    }
    for (bad, expected) in [
        (
            "{name: transfer_call, context: {number: '555'}}",
            "context.number: expected an E.164 number",
        ),
        ("{name: email, context: {email: nobody}}", "is not an email address"),
        ("{name: sms, context: {text: hi}}", "actions[0]"),
        (
            "{name: end_call}, {name: next_task}",
            "more than one action ends the link",
        ),
    ] {
        assert_issue(&with_action(bad), expected);
    }
    let notify = |value: &str| {
        with(
            "    qualified: [{actions",
            &format!("    qualified: [{{additional_call_notifications: [{value}], actions"),
        )
    };
    assert_eq!(
        notify("{webhook: {host: 'https://sink.example.org/a', headers: {Authorization: 'Token x'}}}"),
        Vec::<String>::new()
    );
    assert_issue(&notify("{}"), "must have either `email` or `webhook`");
    assert_issue(
        &notify("{webhook: {host: 'http://sink.example.org/a'}}"),
        "must begin with https",
    );
}

#[test]
fn all_issues_are_reported_in_line_order() {
    let text = SMALL
        .replace("context.order ==", "context.ordr ==")
        .replace("state.misses +", "state.hits +");
    let found = issues(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("10:9: ") && found[1].starts_with("14:17: "),
        "{found:#?}"
    );
}

#[test]
fn document_survives_a_round_trip_as_json() {
    let chain = Chain::read(SMALL).expect("valid");
    let stored = serde_json::to_value(chain.document()).expect("JSON");
    let again = Chain::from_value(&stored).expect("still valid");
    assert_eq!(again.document(), chain.document());
}

#[test]
fn interrupt_has_a_context_only_with_declared_parameters() {
    let interrupt = "interrupt: [{remember: {memory: 'Left at {{ context.reason or context.responses }}.'}}]";
    let text = |extra: &str| SMALL.replace("  - name: talk\n", &format!("  - name: talk\n    {extra}\n"));
    let without = text(&interrupt.replace("context.reason or ", ""));
    assert_issue(
        &issues(&without),
        "links[1].interrupt[0].remember.memory: `context` may be missing: by its documentation Agent4 sends none",
    );
    let stored = Source::parse(&without).expect("YAML").value;
    assert!(Chain::from_value(&stored).is_err() && Chain::from_stored(&stored).is_ok());
    let declared = format!("{interrupt}\n    interrupt_parameters: {{properties: {{reason: {{}}, responses: {{}}}}}}");
    assert_eq!(issues(&text(&declared)), Vec::<String>::new());
    assert_issue(
        &issues(&text(&declared.replace("{reason: {}, ", "{"))),
        "`context.reason` is undefined; the link's parameters are: responses",
    );
    assert_eq!(
        issues(&text(
            &interrupt.replace("context.reason or context.responses", "state.misses")
        )),
        Vec::<String>::new()
    );
}

#[test]
fn size_and_rule_limits_are_enforced() {
    let long = format!("description: {}\n{SMALL}", "x".repeat(MAX_DOCUMENT));
    assert_issue(&issues(&long), "has more than");
    let mut rules = vec![json!({ "when": "1", "content": "call qualified" }); 1_000];
    rules.push(json!({ "content": "call qualified" }));
    let document = json!({ "links": [{ "name": "a", "initial": rules, "qualified": [{}], "disqualified": [{}] }] });
    assert_issue(&issues(&document.to_string()), "the maximum is 1000");
}

/// The published schema is generated from the types. To regenerate it: `PATCHBAY_RENEW=1 cargo test --workspace --lib
/// schema`.
#[cfg(feature = "schema")]
#[test]
fn published_schema_matches_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chain/link-document.schema.json");
    let generated = format!("{:#}\n", schemars::schema_for!(Document).to_value());
    if std::env::var_os("PATCHBAY_RENEW").is_some() {
        std::fs::write(path, &generated).expect("the schema is written");
    }
    let published = std::fs::read_to_string(path).expect("the schema");
    assert_eq!(published, generated, "see the comment above this test");
}
