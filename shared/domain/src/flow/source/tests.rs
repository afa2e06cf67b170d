use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn yaml_and_json_have_the_same_values_and_every_value_has_a_position() {
    let yaml = "# a chain\nlinks:\n  - name: start\n    when: a < 1\n    text: |\n      two\n      lines\n  - name: 'two'\n    n: [1, -2.5, ~, true, no, '3', +12025550100, 007]\n";
    let from_yaml = Source::parse(yaml).expect("YAML");
    let json = "{\"links\": [\n  {\"name\": \"start\", \"when\": \"a < 1\",\n   \"text\": \"two\\nlines\\n\"},\n  {\"name\": \"two\", \"n\": [1, -2.5, null, true, \"no\", \"3\", \"+12025550100\", \"007\"]}]}";
    let from_json = Source::parse(json).expect("JSON");
    assert_eq!(from_yaml.value, from_json.value);
    let at = |source: &Source, path: &str| source.position(path).map(|position| (position.line, position.column));
    assert_eq!(at(&from_yaml, "links[0].when"), Some((4, 5)));
    assert_eq!(at(&from_yaml, "links[1].n[1]"), Some((9, 12)));
    assert_eq!(at(&from_yaml, "links[1].missing.deeper"), Some((8, 5)));
    assert_eq!(at(&from_yaml, ""), Some((2, 1)));
    assert_eq!(at(&from_json, "links[0].when"), Some((2, 21)));
    assert_eq!(at(&from_json, "links[1].n[3]"), Some((4, 40)));
}

#[test]
fn syntax_error_has_a_position() {
    let issue = |text: &str| Source::parse(text).expect_err(text).to_string();
    assert_eq!(issue("a: 1\na: 2\n"), "2:1: a: duplicate key");
    assert_eq!(issue("a: &x 1\nb: *x\n"), "1:4: anchors are not allowed");
    assert_eq!(issue("a: !!str 1\n"), "1:4: tags are not allowed");
    assert_eq!(
        issue("{\"a\": 1,\n \"b\": }"),
        "2:7: not JSON: expected value at line 2 column 7"
    );
    assert!(issue("a: [1, 2\nb: 3\n").contains("not YAML"));
    assert!(issue("a: 1\n---\nb: 2\n").contains("single YAML document"));
    let deep = format!(
        "a:\n{}",
        (1..80).fold(String::new(), |text, depth| text
            + &format!("{}- \n", " ".repeat(depth)))
    );
    assert!(issue(&deep).contains("nested too deeply") || issue(&deep).contains("not YAML"));
    assert!(Source::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn empty_text_is_null() {
    assert_eq!(Source::parse("").expect("nothing").value, json!(null));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,120}", yaml in "[-a: \\n\\[\\]{}|>'\"#&*!,0-9]{0,80}") {
        let _ = Source::parse(&text);
        let _ = Source::parse(&yaml);
    }
}
