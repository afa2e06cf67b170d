use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scope(name: &str, value: &serde_json::Value) -> Scope {
    let mut scope = Scope::default();
    scope.set(name, value);
    scope
}

fn render(kind: Kind, source: &str, scope: &Scope) -> Result<String, String> {
    let mut templates = Templates::default();
    templates.add(kind, source).map_err(|error| error.to_string())?;
    templates.render(kind, source, scope).map_err(|error| error.to_string())
}

#[test]
fn value_is_escaped_for_its_context() {
    let scope = scope("v", &json!("a/b ?<i>\r\nx"));
    let written = |kind| render(kind, "[{{ v }}]", &scope);
    assert_eq!(written(Kind::Speech).as_deref(), Ok("[a/b ? x]"));
    assert_eq!(written(Kind::Message).as_deref(), Ok("[a/b ?<i>\nx]"));
    assert_eq!(written(Kind::Url).as_deref(), Ok("[a%2Fb%20%3F%3Ci%3E%0D%0Ax]"));
    assert_eq!(written(Kind::Line).as_deref(), Ok("[a/b ?<i> x]"));
    assert_eq!(written(Kind::Plain).as_deref(), Ok("[a/b ?<i>\r\nx]"));
}

#[test]
fn escaped_text_of_a_back_end_is_unescaped_for_speech() {
    for (value, expected) in [
        ("J&ouml;rg&#039;s <b>pump</b>", "Jörg's pump"),
        ("It isn&amp;#8217;t<br>on", "It isn’t on"),
        ("A&B: 5 < 6", "A&B: 5 6"),
        ("https://a.example.org/x?y=1&z=2", "https://a.example.org/x?y=1&z=2"),
    ] {
        let spoken = render(Kind::Speech, "{{ v }}", &scope("v", &json!(value)));
        assert_eq!(spoken.as_deref(), Ok(expected), "{value}");
    }
}

#[test]
fn blank_value_must_not_leave_a_path_segment_empty() {
    let template = "https://example.org//a/{{ v.b | at('c') }}/{% if v.d %}d{% endif %}?x={{ v.b.c }}";
    for (b, d, url) in [
        ("b", false, Some("//a/b/?x=b")),
        ("b", true, Some("//a/b/d?x=b")),
        (" b", true, Some("//a/%20b/d?x=%20b")),
        ("", true, None),
        (" ", false, None),
        ("\u{a0}\t", true, None),
    ] {
        let actual = render(Kind::Url, template, &scope("v", &json!({ "b": { "c": b }, "d": d })));
        assert_eq!(
            actual.ok(),
            url.map(|url| format!("https://example.org{url}")),
            "{b:?} {d}"
        );
    }
    let render = |template: &str| render(Kind::Url, template, &scope("v", &json!(" ")));
    assert_eq!(
        render("https://a.org/b-{{ v }}?x={{ v }}").as_deref(),
        Ok("https://a.org/b-%20?x=%20")
    );
    assert!(render("https://a.org/%20{{ v }}{{ v }}").is_err());
}

#[test]
fn value_that_cannot_be_spoken_is_an_error() {
    for value in [json!(null), json!([]), json!({ "a": 1 })] {
        let why = render(Kind::Speech, "x {{ v }} y", &scope("v", &value)).expect_err("an error");
        assert!(why.contains("cannot be inserted here"), "{why}");
    }
    let why = render(Kind::Speech, "{{ v.a }}", &scope("v", &json!({}))).expect_err("an error");
    assert_eq!(why, "a variable is undefined");
    for (value, expected) in [
        (json!(7), "7"),
        (json!(1.5), "1.5"),
        (json!(3.0), "3"),
        (json!(-1e3), "-1000"),
        (json!(false), "false"),
    ] {
        assert_eq!(
            render(Kind::Speech, "{{ v }}", &scope("v", &value)).as_deref(),
            Ok(expected)
        );
    }
}

#[test]
fn blank_value_of_a_message_is_an_error_and_markup_is_not_blank() {
    for blank in ["", " \n", "\u{202e}\u{0}"] {
        let scope = scope("v", &json!(blank));
        let why = render(Kind::Message, "x {{ v }}", &scope).expect_err("a gap");
        assert!(why.contains("cannot be inserted here"), "{why}");
        let allowed = render(Kind::Message, "x{{ v | trim or '' }}", &scope).map(|text| text.replace('\u{0}', ""));
        assert!(allowed.is_ok_and(|text| text.starts_with('x')));
    }
    let scope = scope("v", &json!("\u{202e}<b>\n a & b "));
    assert_eq!(render(Kind::Message, "{{ v }}", &scope).as_deref(), Ok("<b>\n a & b"));
}

#[test]
fn blank_spoken_value_is_an_error_unless_the_template_allows_it() {
    for blank in ["", " ", "\t\n", "<>", "\u{a0}", "\u{2028}"] {
        let scope = scope("v", &json!(blank));
        for source in [
            "x {{ v }} y",
            "x {{- v -}} y",
            "{{ 'a' }}{{ v | upper }}",
            "{% if true %}{{ v }}{% endif %}",
            "{% for a in [v] %}{{ a }}{% endfor %}",
            // An empty string literal that is not the spoken value.
            "x {{ v | replace('-', '') }} y",
            "x {{ v if v != '' else v }} y",
            "x {{ v if '' != 'b' else '' ~ v }} y",
            "x {{ [v, ''] | first }} y",
            "x {{ v | at('') | default(v | replace('', '')) }} y",
            "x {{ '' or v -}} y",
        ] {
            let why = render(Kind::Speech, source, &scope).expect_err(source);
            assert!(why.contains("cannot be inserted here"), "{why}");
        }
        for source in [
            "x {{ v if false else '' }} y",
            "x {{- v if false else '' -}} y",
            "x {{ '' if true else v }} y",
            "x {{ (v | trim or '') }} y",
            "x {{ (v | trim or \"\") | upper }} y",
            "x {{ v | default(\"\") }} y",
        ] {
            assert_eq!(
                render(Kind::Speech, source, &scope)
                    .map(|rendered| rendered.replace(' ', ""))
                    .as_deref(),
                Ok("xy"),
                "{source}"
            );
        }
        for kind in [Kind::Plain, Kind::Line, Kind::Url] {
            assert!(render(kind, "x{{ v }}y", &scope).is_ok());
        }
    }
    // Operators inside the guarded expression keep their meaning.
    let scope = scope("v", &json!("a"));
    for (source, expected) in [
        ("{{ v if v == 'b' else 'c' }}", "c"),
        ("{{ v ~ 'b' | upper }}", "aB"),
        ("{{- v -}} b", "ab"),
        ("{{ v in ['a'] and not false }}", "true"),
    ] {
        assert_eq!(
            render(Kind::Speech, source, &scope).as_deref(),
            Ok(expected),
            "{source}"
        );
    }
}

#[test]
fn guards_do_not_change_the_result_of_operators() {
    let mut templates = Templates::default();
    let scope = scope("v", &json!({ "n": 3, "t": "ab", "list": [1, 2] }));
    for (source, value) in [
        ("v.n * 2 + 1", json!(7)),
        ("2 * v.n ** 2 * -1", json!(-18)),
        ("-v.n + -2", json!(-5)),
        ("(v.n + 1) * (v.n - 1)", json!(8)),
        ("v.n | float * 1.5", json!(4.5)),
        ("v.list | length * 10", json!(20)),
        ("v['n'] * v.list[1]", json!(6)),
        ("v.n * v.n is odd", json!(9)),
        ("'a' ~ v.n + 1 ~ v.t | upper", json!("a31AB")),
        ("'ab' * 2", json!("abab")),
        ("v.list + [3]", json!([1, 2, 3])),
        ("v.n + 1 if v.t == 'ab' else v.n * 2", json!(4)),
        ("[v.n + 1, v.n * 2] | join(', ')", json!("4, 6")),
        (
            "{'a': v.n * 2, 'b': {'c': -1 + v.n}}",
            json!({ "a": 6, "b": { "c": 2 } }),
        ),
        ("v.n in [1 + 2] and not v.n + 1 == 5", json!(true)),
        ("'1 * [2]' ~ '+'", json!("1 * [2]+")),
    ] {
        templates.add(Kind::Expression, source).expect(source);
        let actual = templates.eval(source, &scope);
        let expected = if source.ends_with("is odd") {
            actual.clone()
        } else {
            Ok(value)
        };
        assert_eq!(actual, expected, "{source}");
    }
}

#[test]
fn memory_and_time_of_a_template_are_bounded() {
    let scope = scope(
        "v",
        &json!({ "t": "x".repeat(200_000), "list": (0..40_000).collect::<Vec<_>>(), "n": 100_000_000 }),
    );
    let many = |one: &str, times: usize, between: &str| vec![one; times].join(between);
    // `compiling` must compile and fail when evaluated. `refused` must not compile.
    let compiling = [
        "v.t[::-1] | length".to_owned(),
        "v.t | replace('x', v.t)".to_owned(),
        "[1] * v.n".to_owned(),
        "v.n * v.list".to_owned(),
        "1 in [2] * v.n".to_owned(),
        "v.list ~ v.list".to_owned(),
        "[v.list, v.list] | map('string') | join".to_owned(),
        format!("[{}] | join", many("v.t", 240, ",")),
        format!("[{}]", many("v.t", 240, ",")),
        format!("[{}] | string", many("v.list", 240, ",")),
        format!("[{}] | map('join') | list", many("v.list", 240, ",")),
        format!("{} | length", many("v.t", 240, "~")),
        format!("({}) == ({0})", many("v.list", 110, "+")),
        format!("({}) | list | sort | first", many("v.list", 240, "+")),
        format!("({}) | last", many("v.list", 240, "+")),
    ];
    let refused = [
        // Too deep for the stack if it compiled.
        many("v.n", 4_000, "+"),
        many("v.t", 4_000, "~"),
        format!("v.t{}", many("|upper", 2_500, "")),
        format!("v{}", many(".t", 4_000, "")),
    ];
    // Constant, so the engine evaluates it while it compiles: it may fail at either time.
    let constant = [
        "''[::-1]".to_owned(),
        "(['x' * 100000] * 20000) | join".to_owned(),
        "'x' * 90000000".to_owned(),
        "('x' * 10000) | replace('', 'x' * 100000)".to_owned(),
        "([1] * 100000000) == ([1] * 100000000)".to_owned(),
        "([[1] * 100000] * 100000) | join".to_owned(),
        "[1] * 100000000 ~ ''".to_owned(),
    ];
    let all = [
        (&compiling[..], Some(true)),
        (&refused[..], Some(false)),
        (&constant[..], None),
    ];
    for (source, must_compile) in all
        .iter()
        .flat_map(|(list, must)| list.iter().map(move |one| (one, *must)))
    {
        let shown: String = source.chars().take(60).collect();
        let mut templates = Templates::default();
        let compiles = templates.add(Kind::Expression, source).is_ok();
        assert!(must_compile.is_none_or(|must| must == compiles), "{shown}: {compiles}");
        if compiles {
            let actual = templates.eval(source, &scope);
            assert!(
                actual.is_err() || shown.contains("::-1"),
                "{shown}: {:.60}",
                format!("{actual:?}")
            );
        }
    }
    assert!(peak_memory().is_none_or(|kilobytes| kilobytes < 512 * 1024));
}

/// Peak memory of this process in KB, where the operating system reports it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[test]
fn stored_template_compiles_at_any_length() {
    let long = vec!["v"; 8_000].join("+");
    let mut templates = Templates::default();
    assert!(templates.add(Kind::Expression, &long).is_err());
    assert_eq!(templates.add_stored(Kind::Expression, &long), Ok(vec!["v".to_owned()]));
    assert_eq!(templates.eval(&long, &scope("v", &json!(1))), Ok(json!(8_000)));
    let spoken = format!("{{{{ {} }}}}", vec!["v"; 5_000].join("~"));
    assert_eq!(templates.add_stored(Kind::Speech, &spoken), Ok(vec!["v".to_owned()]));
    // A template that never compiled still does not.
    assert!(templates.add_stored(Kind::Expression, &format!("{long} +")).is_err());
    assert!(templates.add_stored(Kind::Expression, "v | nothing").is_err());
}

#[test]
fn same_number_needs_a_calling_code() {
    for (source, compiles) in [
        ("v | same_number(w, '1')", true),
        ("v | same_number(w, v.country)", true),
        ("v | same_number([w, 1] | first, '+44')", true),
        ("v | same_number", false),
        ("v | same_number(w)", false),
        ("v | same_number([w, '1'] | first)", false),
        ("v | same_number(w | default('a', 'b'))", false),
        ("v | same_number(w, '')", false),
        ("v | same_number(w, 'US')", false),
        ("v | same_number(w, '999')", false),
        ("(v | same_number(w, '1')) or (v | same_number(w))", false),
        ("v | map('same_number', w, '1') | first", true),
        ("v | map('same_number', w) | first", false),
        ("v == 'same_number(w)'", true),
    ] {
        let mut templates = Templates::default();
        let actual = templates.add(Kind::Expression, source);
        assert_eq!(actual.is_ok(), compiles, "{source}: {actual:?}");
        assert!(
            actual.is_ok() || actual.is_err_and(|why| why.to_string().contains("calling code")),
            "{source}"
        );
        assert!(templates.add_stored(Kind::Expression, source).is_ok(), "{source}");
    }
}

#[test]
fn expression_keeps_its_type_and_undefined_is_null() {
    let mut templates = Templates::default();
    let scope = scope(
        "v",
        &json!({ "n": 3, "f": 3.0, "list": [{ "k": "a" }, { "k": "b" }], "none": null }),
    );
    for (source, value) in [
        ("v.n + 1", json!(4)),
        ("v.list | selectattr('k', 'eq', 'b') | first", json!({ "k": "b" })),
        ("v.list | selectattr('k', 'eq', 'z') | first", json!(null)),
        ("v.none.deeper", json!(null)),
        ("v.missing", json!(null)),
        ("v.n > 2 and 'b' in ['a', 'b']", json!(true)),
        ("'x' ~ v.n", json!("x3")),
        ("v.f", json!(3)),
        ("[v.f, v.n / 2]", json!([3, 1.5])),
        ("v.f == v.n and v.f in [3]", json!(true)),
        ("v.f ~ v.n * 2 ~ 1.5", json!("361.5")),
        ("(v.n / 3) | string", json!("1")),
        ("[v.f, 6 / 4] | join('-')", json!("3-1.5")),
        ("v.f | digits", json!("3")),
        ("v.f | spell", json!("3")),
    ] {
        templates.add(Kind::Expression, source).expect(source);
        assert_eq!(templates.eval(source, &scope), Ok(value), "{source}");
    }
}

#[test]
fn loops_and_output_are_bounded() {
    let many = scope("v", &json!((0..1_000).collect::<Vec<_>>()));
    let nested = "{% for a in v %}{% for b in v %}{% endfor %}{% endfor %}";
    assert_eq!(render(Kind::Speech, nested, &many), Err("takes too many steps".into()));
    let long = scope("v", &json!("x".repeat(20_000)));
    assert_eq!(
        render(Kind::Speech, "a {{ v }}", &long),
        Err("produces too much output".into())
    );
}

#[test]
fn disallowed_syntax_is_refused_when_compiling() {
    for source in [
        "{% set a = 1 %}",
        "{% include 'x' %}",
        "{% macro a() %}{% endmacro %}",
        "{% extends 'x' %}",
        "{% raw %}{% endraw %}",
        "{% filter upper %}{% endfilter %}",
        "{{ v | tojson }}",
        "{{ v | safe }}",
        "{{ v is filter }}",
        "{{ 'a",
        "{% if v %}",
        "{{ v.a() }}",
    ] {
        assert!(Templates::default().add(Kind::Speech, source).is_err(), "{source}");
    }
    for source in ["a }} b {{ c", "", "v) + (v", "v |", "v | nothing", "v is nothing"] {
        assert!(Templates::default().add(Kind::Expression, source).is_err(), "{source}");
    }
}

#[test]
fn variables_are_known_after_compiling() {
    let mut templates = Templates::default();
    let source = "{% for item in fetch.orders.json.orders %}{{ item.name }} {{ state.a }}{% endfor %}";
    assert_eq!(
        templates.add(Kind::Speech, source),
        Ok(vec!["fetch.orders.json.orders".to_owned(), "state.a".to_owned()])
    );
}

proptest! {
    #[test]
    fn value_is_never_parsed_as_markup_or_template(text in "(\\PC|[{}%#\"'\\\\<>\r\n]){0,60}") {
        let scope = scope("v", &json!(text));
        let spoken = render(Kind::Speech, "say: {{ v or '' }}.", &scope).expect("speech");
        prop_assert!(spoken.starts_with("say: ") && spoken.ends_with('.'));
        prop_assert!(!spoken.contains(['<', '>', '\n', '\r']), "{}", spoken);
        let url = render(Kind::Url, "https://example.org/a/x{{ v }}?b={{ v }}#c", &scope).expect("a URL");
        let rest = url.strip_prefix("https://example.org/a/x").expect("the host");
        prop_assert_eq!(rest.matches(['/', '#', '&', '@', '\\', ' ']).count(), 1, "{}", url);
        prop_assert_eq!(rest.matches('?').count(), 1, "{}", url);
        let mut templates = Templates::default();
        templates.add(Kind::Expression, "v").expect("an expression");
        prop_assert_eq!(templates.eval("v", &scope), Ok(json!(text)));
    }

    #[test]
    fn any_template_compiles_or_is_refused(text in "\\PC{0,60}", like in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-c.|() '~+0-9]|if |endif|for |in |endfor|is ){0,20}") {
        for source in [text, like] {
            for kind in [Kind::Speech, Kind::Expression] {
                let mut templates = Templates::default();
                if templates.add(kind, &source).is_ok() {
                    let _ = templates.render(kind, &source, &scope("a", &json!([1, 2])));
                }
            }
        }
    }
}
