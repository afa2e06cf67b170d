//! Templates and expressions: minijinja, with everything taken out that a sentence does not need.
//!
//! A template comes from the document and never from a caller; what a caller says is a value, and a value is never
//! read as a template. Where it ends up decides how it is written ([`Kind`]): as one line without markup in speech,
//! percent-encoded in a URL, without line breaks in a header, as JSON in data.
//!
//! There are no loaders, no macros, no includes and no assignments. An undefined variable is an error, and so is a value
//! that cannot be said, such as null or a blank text: never a hole in a sentence. Where nothing may be said the template
//! says so, by an empty text of its own: `{{ x if y else '' }}`.
//!
//! What a template does is bounded by the engine's fuel: its instructions, and a 64th of every byte that it makes. What the
//! engine lets through without fuel is stopped before it, by the guards that `scan` puts around operators and by the
//! filters of our own: lists that are repeated a hundred million times, joined, or written out.

mod filters;
mod scan;

use std::collections::BTreeMap;
use std::io;

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use crate::number::by_value;
use crate::speech;

/// Instructions that one template may take; each also pays for 64 bytes. So a template makes at most 3 MB.
const FUEL: u64 = 50_000;
/// Bytes that one template may write.
const MAX_OUTPUT: usize = 16 * 1024;
/// Bytes that an expression's value may have as JSON: an answer of a back end is at most as long.
const MAX_VALUE: usize = 256 * 1024;
/// Longest template.
const MAX_SOURCE: usize = 16 * 1024;
/// Stands before a blank value in a URL until it is known where that is. No other part of a URL has such a character.
const BLANK: &str = "\0";
/// Bytes of stack on which a template is compiled that was taken before there was a limit for its operators. Only what is
/// used of it takes memory.
const STACK_OF_KEPT: usize = 256 * 1024 * 1024;
/// Nesting that one template may have.
const RECURSION: usize = 64;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text that a person hears or reads, or a model is told.
    Speech,
    /// A URL: every value is percent-encoded.
    Url,
    /// A header, an address, a number: a value is one line.
    Line,
    /// A text inside data.
    Plain,
    /// An expression; its value is written as JSON.
    Expression,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Url => "url",
            Self::Line => "line",
            Self::Plain => "plain",
            Self::Expression => "value",
        }
    }

    fn limit(self) -> usize {
        if self == Self::Expression {
            MAX_VALUE
        } else {
            MAX_OUTPUT
        }
    }
}

/// A template went wrong. Says where in the document, never with which value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// What templates see: the roots, by their names.
#[derive(Clone, Debug, Default)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    /// Adds a root.
    pub fn set(&mut self, name: &str, value: impl serde::Serialize) {
        self.0.insert(name.to_owned(), Value::from(Serde(value)));
    }

    /// Adds something inside a root that is an object, or becomes one.
    pub fn set_inside(&mut self, root: &str, name: &str, value: impl serde::Serialize) {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        if let Some(there) = self.0.get(root) {
            for key in there.try_iter().into_iter().flatten() {
                if let (Some(name), Ok(value)) = (key.as_str(), there.get_item(&key)) {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        fields.insert(name.to_owned(), Value::from(Serde(value)));
        self.0.insert(root.to_owned(), Value::from(fields));
    }
}

/// The compiled templates of a document.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::empty();
        filters::add(&mut environment);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        environment.set_auto_escape_callback(|name| {
            let kind = name.split(':').next().unwrap_or_default();
            let known = [Kind::Speech, Kind::Url, Kind::Line, Kind::Plain, Kind::Expression];
            let kind = known
                .into_iter()
                .find(|known| known.name() == kind)
                .unwrap_or(Kind::Speech);
            AutoEscape::Custom(kind.name().into())
        });
        environment.set_formatter(format);
        Self { environment }
    }
}

impl Templates {
    /// Compiles a template, unless it is one that is compiled already; gives back the variables that it needs, such
    /// as `state.order`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        self.compile(kind, source, false)
    }

    /// As [`Templates::add`], for a template that was taken before: what has been refused only since then is let through.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn add_kept(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        // It may have as many operators as it has room for, and the engine takes a piece of the stack for each.
        if source.len() <= scan::MAX_TOKENS || guarded(kind, source, false).is_ok() {
            return self.compile(kind, source, true);
        }
        std::thread::scope(|scope| {
            let stack = std::thread::Builder::new().stack_size(STACK_OF_KEPT);
            let spawned = stack.spawn_scoped(scope, || self.compile(kind, source, true));
            let spawned = spawned.map_err(|_| TemplateError("cannot be compiled now".into()))?;
            spawned
                .join()
                .unwrap_or_else(|_| Err(TemplateError("cannot be compiled".into())))
        })
    }

    fn compile(&mut self, kind: Kind, source: &str, is_kept: bool) -> Result<Vec<String>, TemplateError> {
        if kind != Kind::Expression && is_literal(source) {
            return Ok(Vec::new());
        }
        if source.len() > MAX_SOURCE {
            return Err(TemplateError(format!("has more than {MAX_SOURCE} bytes")));
        }
        let text = guarded(kind, source, is_kept)?;
        let text = if kind == Kind::Expression {
            let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
            let inner = inner.unwrap_or_default().trim();
            // Compiled as an expression too, so that nothing else hides between the braces; and not without its guards, for
            // the engine works out while it compiles what has no variables.
            self.environment
                .compile_expression_owned(inner.to_owned())
                .map_err(|error| syntax(&error))?;
            as_template(inner)
        } else {
            text
        };
        let name = name(kind, source);
        self.environment
            .add_template_owned(name.clone(), text)
            .map_err(|error| syntax(&error))?;
        let template = self.environment.get_template(&name).map_err(|error| syntax(&error))?;
        let mut variables: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        variables.sort();
        Ok(variables)
    }

    /// Writes a template.
    ///
    /// # Errors
    /// When a value is missing or cannot be written there, or the bounds are passed.
    pub fn render(&self, kind: Kind, source: &str, scope: &Scope) -> Result<String, TemplateError> {
        if kind != Kind::Expression && is_literal(source) {
            return Ok(source.to_owned());
        }
        let template = self
            .environment
            .get_template(&name(kind, source))
            .map_err(|error| failed(&error))?;
        let mut output = Bounded {
            text: Vec::new(),
            limit: kind.limit(),
        };
        template
            .render_captured_to(Value::from(scope.0.clone()), &mut output)
            .map_err(|error| failed(&error))?;
        let text = String::from_utf8(output.text).map_err(|_| TemplateError("is not UTF-8".into()))?;
        if kind == Kind::Url { filled(&text) } else { Ok(text) }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn eval(&self, source: &str, scope: &Scope) -> Result<serde_json::Value, TemplateError> {
        let text = self.render(Kind::Expression, source, scope)?;
        let value = serde_json::from_str(&text).map_err(|_| TemplateError("has no value".into()))?;
        Ok(by_value(value))
    }

    /// Whether an expression is true: neither false, null, zero nor empty.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn holds(&self, source: &str, scope: &Scope) -> Result<bool, TemplateError> {
        Ok(match self.eval(source, scope)? {
            serde_json::Value::Null => false,
            serde_json::Value::Bool(holds) => holds,
            serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
            serde_json::Value::String(text) => !text.is_empty(),
            serde_json::Value::Array(list) => !list.is_empty(),
            serde_json::Value::Object(fields) => !fields.is_empty(),
        })
    }
}

/// The template with its guards; an expression in the braces of one.
fn guarded(kind: Kind, source: &str, is_kept: bool) -> Result<String, TemplateError> {
    let rules = scan::Rules {
        is_spoken: kind == Kind::Speech,
        is_kept,
    };
    let guarded = if kind == Kind::Expression {
        scan::guarded(&format!("{{{{ {source} }}}}"), rules)
    } else {
        scan::guarded(source, rules)
    };
    guarded.map_err(TemplateError)
}

/// Whether there is nothing to fill in.
pub fn is_literal(source: &str) -> bool {
    !source.contains("{{") && !source.contains("{%") && !source.contains("{#")
}

/// The expression, if the text is nothing but `{{ expression }}`: then its value keeps its type.
pub fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim();
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}

fn name(kind: Kind, source: &str) -> String {
    format!("{}:{source}", kind.name())
}

/// Undefined at the outermost level is null: answers of back ends leave out what they do not have.
fn as_template(expression: &str) -> String {
    format!("{{{{ ({expression}) | or_null }}}}")
}

/// What is wrong with a template that does not compile: the engine's words, and the line inside the template.
fn syntax(error: &Error) -> TemplateError {
    let detail = error.detail().unwrap_or("is no template");
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{detail} (line {line} of the template)")),
        _ => TemplateError(detail.to_owned()),
    }
}

/// What went wrong while a template was written. The engine's details may quote a value, so only the kind is told.
fn failed(error: &Error) -> TemplateError {
    let what = match error.kind() {
        ErrorKind::UndefinedError => "a variable is undefined",
        ErrorKind::OutOfFuel => "takes too many steps",
        ErrorKind::WriteFailure => "writes too much",
        ErrorKind::UnknownFilter => "a filter is not known",
        ErrorKind::UnknownTest => "a test is not known",
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => "a function is not known",
        ErrorKind::BadEscape => "a value cannot be written here: it is null or empty, or no text and no number",
        _ => "an operation is not possible with these values",
    };
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{what} (line {line} of the template)")),
        _ => TemplateError(what.to_owned()),
    }
}

/// Writes a value as the kind of template wants it. That a value calls itself safe changes nothing.
fn format(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let AutoEscape::Custom(kind) = state.auto_escape() else {
        return Err(ErrorKind::BadEscape.into());
    };
    if kind == Kind::Expression.name() {
        let mut text = Bounded {
            text: Vec::new(),
            limit: MAX_VALUE,
        };
        serde_json::to_writer(&mut text, value).map_err(|error| {
            let what = if error.is_io() {
                ErrorKind::WriteFailure
            } else {
                ErrorKind::BadEscape
            };
            Error::from(what)
        })?;
        let text = String::from_utf8(text.text).map_err(|_| Error::from(ErrorKind::BadEscape))?;
        return output.write_str(&text).map_err(|_| ErrorKind::WriteFailure.into());
    }
    let text = said(value).ok_or(ErrorKind::BadEscape)?;
    let written = if kind == Kind::Speech.name() {
        output.write_str(&spoken(&text))
    } else if kind == Kind::Url.name() {
        if text.trim().is_empty() {
            output
                .write_str(BLANK)
                .map_err(|_| Error::from(ErrorKind::WriteFailure))?;
        }
        output.write_str(&percent_encoded(&text))
    } else if kind == Kind::Line.name() {
        output.write_str(&one_line(&text, |_| false))
    } else {
        output.write_str(&text)
    };
    written.map_err(|_| ErrorKind::WriteFailure.into())
}

/// A text, a number or a truth value as text; nothing else can be said.
fn said(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    match value.kind() {
        // As JSON writes it, not as Python does.
        ValueKind::Bool => Some(value.is_true().to_string()),
        // `3.0`, and what a division makes of 6 and 2, is 3.
        ValueKind::Number => match serde_json::to_value(value).map(by_value) {
            Ok(number @ serde_json::Value::Number(_)) => Some(number.to_string()),
            _ => Some(value.to_string()),
        },
        _ => None,
    }
}

/// `text` as it is spoken.
fn spoken(text: &str) -> String {
    one_line(&speech::plain(text), |c| matches!(c, '<' | '>'))
}

/// `text` on one line, without what `unwanted` says: a caller's words must neither begin a new line of a prompt nor be
/// markup for a voice.
fn one_line(text: &str, unwanted: impl Fn(char) -> bool) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c.is_control() || c.is_whitespace() || unwanted(c) || is_separator(c)) {
            line.push(c);
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.trim().to_owned()
}

/// Line and paragraph separators, and the marks that turn the direction of a text around.
const fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with everything encoded that RFC 3986 does not call unreserved.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    encoded
}

/// A URL whose blank values are marked, without the marks.
///
/// # Errors
/// When one leaves its place in the path empty: that would be another URL.
fn filled(marked: &str) -> Result<String, TemplateError> {
    let path = marked.split(['?', '#']).next().unwrap_or_default();
    let is_empty = |segment: &str| segment.contains(BLANK) && is_blank(&segment.replace(BLANK, ""));
    if path.split('/').any(is_empty) {
        return Err(TemplateError("a value leaves its place in the URL empty".into()));
    }
    Ok(marked.replace(BLANK, ""))
}

/// Whether nothing but white space is in a segment of a path, percent-encoded.
fn is_blank(segment: &str) -> bool {
    let is_encoded = segment.bytes().all(|byte| byte == b'%' || byte.is_ascii_hexdigit());
    let pair = format!("x={segment}");
    is_encoded && url::form_urlencoded::parse(pair.as_bytes()).all(|(_, text)| text.trim().is_empty())
}

/// Takes so many bytes and no more.
struct Bounded {
    text: Vec<u8>,
    limit: usize,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.limit {
            return Err(io::Error::other("too much"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
    fn a_value_is_written_as_the_place_wants_it() {
        let scope = scope("v", &json!("a/b ?<i>\r\nx"));
        let written = |kind| render(kind, "[{{ v }}]", &scope);
        assert_eq!(written(Kind::Speech).as_deref(), Ok("[a/b ? x]"));
        assert_eq!(written(Kind::Url).as_deref(), Ok("[a%2Fb%20%3F%3Ci%3E%0D%0Ax]"));
        assert_eq!(written(Kind::Line).as_deref(), Ok("[a/b ?<i> x]"));
        assert_eq!(written(Kind::Plain).as_deref(), Ok("[a/b ?<i>\r\nx]"));
    }

    #[test]
    fn what_a_back_end_has_escaped_is_said_as_it_was_meant() {
        for (value, said) in [
            ("J&ouml;rg&#039;s <b>pump</b>", "Jörg's pump"),
            ("It isn&amp;#8217;t<br>on", "It isn’t on"),
            ("A&B: 5 < 6", "A&B: 5 6"),
            ("https://a.example.org/x?y=1&z=2", "https://a.example.org/x?y=1&z=2"),
        ] {
            let spoken = render(Kind::Speech, "{{ v }}", &scope("v", &json!(value)));
            assert_eq!(spoken.as_deref(), Ok(said), "{value}");
        }
    }

    #[test]
    fn a_blank_value_leaves_no_place_in_a_url_empty() {
        let template = "https://example.org//a/{{ v.b | at('c') }}/{% if v.d %}d{% endif %}?x={{ v.b.c }}";
        for (b, d, url) in [
            ("b", false, Some("//a/b/?x=b")),
            ("b", true, Some("//a/b/d?x=b")),
            (" b", true, Some("//a/%20b/d?x=%20b")),
            ("", true, None),
            (" ", false, None),
            ("\u{a0}\t", true, None),
        ] {
            let came = render(Kind::Url, template, &scope("v", &json!({ "b": { "c": b }, "d": d })));
            assert_eq!(
                came.ok(),
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
    fn what_cannot_be_said_is_an_error_and_not_a_hole() {
        for value in [json!(null), json!([]), json!({ "a": 1 })] {
            let why = render(Kind::Speech, "x {{ v }} y", &scope("v", &value)).expect_err("no hole");
            assert!(why.contains("cannot be written here"), "{why}");
        }
        let why = render(Kind::Speech, "{{ v.a }}", &scope("v", &json!({}))).expect_err("no hole");
        assert_eq!(why, "a variable is undefined");
        for (value, said) in [
            (json!(7), "7"),
            (json!(1.5), "1.5"),
            (json!(3.0), "3"),
            (json!(-1e3), "-1000"),
            (json!(false), "false"),
        ] {
            assert_eq!(
                render(Kind::Speech, "{{ v }}", &scope("v", &value)).as_deref(),
                Ok(said)
            );
        }
    }

    #[test]
    fn a_blank_value_is_a_hole_too_unless_the_template_says_that_nothing_will_do() {
        for blank in ["", " ", "\t\n", "<>", "\u{a0}", "\u{2028}"] {
            let scope = scope("v", &json!(blank));
            for source in [
                "x {{ v }} y",
                "x {{- v -}} y",
                "{{ 'a' }}{{ v | upper }}",
                "{% if true %}{{ v }}{% endif %}",
                "{% for a in [v] %}{{ a }}{% endfor %}",
                // An empty text that is no value of what is said.
                "x {{ v | replace('-', '') }} y",
                "x {{ v if v != '' else v }} y",
                "x {{ v if '' != 'b' else '' ~ v }} y",
                "x {{ [v, ''] | first }} y",
                "x {{ v | at('') | default(v | replace('', '')) }} y",
                "x {{ '' or v -}} y",
            ] {
                let why = render(Kind::Speech, source, &scope).expect_err(source);
                assert!(why.contains("cannot be written here"), "{why}");
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
                        .map(|said| said.replace(' ', ""))
                        .as_deref(),
                    Ok("xy"),
                    "{source}"
                );
            }
            for kind in [Kind::Plain, Kind::Line, Kind::Url] {
                assert!(render(kind, "x{{ v }}y", &scope).is_ok());
            }
        }
        // What stands in an expression is one expression still.
        let scope = scope("v", &json!("a"));
        for (source, said) in [
            ("{{ v if v == 'b' else 'c' }}", "c"),
            ("{{ v ~ 'b' | upper }}", "aB"),
            ("{{- v -}} b", "ab"),
            ("{{ v in ['a'] and not false }}", "true"),
        ] {
            assert_eq!(render(Kind::Speech, source, &scope).as_deref(), Ok(said), "{source}");
        }
    }

    #[test]
    fn operators_do_with_texts_and_numbers_what_they_always_did() {
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
            let came = templates.eval(source, &scope);
            let expected = if source.ends_with("is odd") {
                came.clone()
            } else {
                Ok(value)
            };
            assert_eq!(came, expected, "{source}");
        }
    }

    #[test]
    fn a_short_template_does_not_fill_the_memory_or_the_time() {
        let scope = scope(
            "v",
            &json!({ "t": "x".repeat(200_000), "list": (0..40_000).collect::<Vec<_>>(), "n": 100_000_000 }),
        );
        let many = |one: &str, times: usize, between: &str| vec![one; times].join(between);
        // What is compiled must be stopped when it is worked out; what is refused must be refused, and nothing else.
        let taken = [
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
            // Too deep for the stack, if it were let through.
            many("v.n", 4_000, "+"),
            many("v.t", 4_000, "~"),
            format!("v.t{}", many("|upper", 2_500, "")),
            format!("v{}", many(".t", 4_000, "")),
        ];
        // Worked out while it is compiled, where all of it is constant: either will do.
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
            (&taken[..], Some(true)),
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
                let came = templates.eval(source, &scope);
                assert!(
                    came.is_err() || shown.contains("::-1"),
                    "{shown}: {:.60}",
                    format!("{came:?}")
                );
            }
        }
        assert!(peak_memory().is_none_or(|kilobytes| kilobytes < 512 * 1024));
    }

    /// The most memory that this process ever had, in KB, where the system tells.
    fn peak_memory() -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    #[test]
    fn what_was_taken_before_is_compiled_however_long_it_is() {
        let long = vec!["v"; 8_000].join("+");
        let mut templates = Templates::default();
        assert!(templates.add(Kind::Expression, &long).is_err());
        assert_eq!(templates.add_kept(Kind::Expression, &long), Ok(vec!["v".to_owned()]));
        assert_eq!(templates.eval(&long, &scope("v", &json!(1))), Ok(json!(8_000)));
        let spoken = format!("{{{{ {} }}}}", vec!["v"; 5_000].join("~"));
        assert_eq!(templates.add_kept(Kind::Speech, &spoken), Ok(vec!["v".to_owned()]));
        // What never could be compiled cannot be now.
        assert!(templates.add_kept(Kind::Expression, &format!("{long} +")).is_err());
        assert!(templates.add_kept(Kind::Expression, "v | nothing").is_err());
    }

    #[test]
    fn a_number_is_compared_in_a_country() {
        for (source, is_taken) in [
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
            let came = templates.add(Kind::Expression, source);
            assert_eq!(came.is_ok(), is_taken, "{source}: {came:?}");
            assert!(
                came.is_ok() || came.is_err_and(|why| why.to_string().contains("calling code")),
                "{source}"
            );
            assert!(templates.add_kept(Kind::Expression, source).is_ok(), "{source}");
        }
    }

    #[test]
    fn an_expression_keeps_its_type_and_nothing_is_null() {
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
    fn a_template_that_loops_or_grows_is_stopped() {
        let many = scope("v", &json!((0..1_000).collect::<Vec<_>>()));
        let nested = "{% for a in v %}{% for b in v %}{% endfor %}{% endfor %}";
        assert_eq!(render(Kind::Speech, nested, &many), Err("takes too many steps".into()));
        let long = scope("v", &json!("x".repeat(20_000)));
        assert_eq!(render(Kind::Speech, "a {{ v }}", &long), Err("writes too much".into()));
    }

    #[test]
    fn what_could_do_more_than_fill_in_is_refused_when_it_is_compiled() {
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
    fn the_variables_of_a_template_are_known_before_it_is_written() {
        let mut templates = Templates::default();
        let source = "{% for item in fetch.orders.json.orders %}{{ item.name }} {{ state.a }}{% endfor %}";
        assert_eq!(
            templates.add(Kind::Speech, source),
            Ok(vec!["fetch.orders.json.orders".to_owned(), "state.a".to_owned()])
        );
    }

    proptest! {
        #[test]
        fn a_value_is_data_in_every_place(text in "(\\PC|[{}%#\"'\\\\<>\r\n]){0,60}") {
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
        fn any_template_is_compiled_or_refused(text in "\\PC{0,60}", like in "(\\{\\{|\\}\\}|\\{%|%\\}|[a-c.|() '~+0-9]|if |endif|for |in |endfor|is ){0,20}") {
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
}
