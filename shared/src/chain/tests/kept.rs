//! A chain that was taken once goes on answering, whatever is refused today.

use super::*;

#[test]
fn a_chain_that_answers_is_not_silenced_by_a_pattern_that_is_refused_today() {
    let text = SMALL.replace(
        "{order: {type: string}}",
        "{order: {type: string, pattern: '(.{0,100}){0,50}x'}}",
    );
    says(
        &issues(&text),
        "links[0].qualified_parameters.properties.order.pattern: ",
    );
    assert!(Chain::from_kept(&Source::parse(&text).expect("YAML").value).is_ok());
}

#[test]
fn a_chain_that_answers_is_not_silenced_by_what_is_refused_only_today() {
    let long = vec!["1"; 1_100].join("+");
    let transfer = |number: &str| format!("{{name: transfer_call, context: {{number: '{number}'}}}}");
    for (old, new, expected) in [
        // No country's, and nobody's: another server's numbers are its own business.
        (
            "{name: end_call}]\n  - name: talk",
            format!("{}]\n  - name: talk", transfer("+99912345678")),
            "calling code",
        ),
        (
            "{name: end_call}]\n  - name: talk",
            format!("{}]\n  - name: talk", transfer("+4402079460104")),
            "has a 0 behind",
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
        says(&issues(&text), expected);
        let kept = Source::parse(&text).expect("YAML").value;
        assert!(Chain::from_value(&kept).is_err());
        if let Err(issues) = Chain::from_kept(&kept) {
            panic!("{new}: {issues:?}");
        }
    }
}
