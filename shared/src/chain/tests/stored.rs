//! A stored chain keeps answering although a newer check would refuse it.

use super::*;

#[test]
fn stored_chain_with_an_expensive_pattern_still_compiles() {
    let text = SMALL.replace(
        "{order: {type: string}}",
        "{order: {type: string, pattern: '(.{0,100}){0,50}x'}}",
    );
    assert_issue(
        &issues(&text),
        "links[0].qualified_parameters.properties.order.pattern: ",
    );
    assert!(Chain::from_stored(&Source::parse(&text).expect("YAML").value).is_ok());
}

#[test]
fn stored_chain_that_fails_newer_checks_still_compiles() {
    let long = vec!["1"; 1_100].join("+");
    let transfer = |number: &str| format!("{{name: transfer_call, context: {{number: '{number}'}}}}");
    for (old, new, expected) in [
        // No country has these numbers, but the numbers of a stored document are not checked again.
        (
            "{name: end_call}]\n  - name: talk",
            format!("{}]\n  - name: talk", transfer("+99912345678")),
            "calling code",
        ),
        (
            "{name: end_call}]\n  - name: talk",
            format!("{}]\n  - name: talk", transfer("+4402079460104")),
            "has a 0 after",
        ),
        (
            "{name: end_call}]\n  - name: talk",
            format!("{}]\n  - name: talk", transfer("+12025550")),
            "number of digits",
        ),
        (
            "context.order == 'X'",
            format!("{long} == 1100"),
            "has more than 1000 words",
        ),
        (
            "context.order == 'X'",
            "caller.number | same_number(context.order)".to_owned(),
            "needs the calling code",
        ),
    ] {
        assert_eq!(SMALL.matches(old).count(), 1, "{old}");
        let text = SMALL.replace(old, &new);
        assert_issue(&issues(&text), expected);
        let stored = Source::parse(&text).expect("YAML").value;
        assert!(Chain::from_value(&stored).is_err());
        if let Err(issues) = Chain::from_stored(&stored) {
            panic!("{new}: {issues:?}");
        }
    }
}
