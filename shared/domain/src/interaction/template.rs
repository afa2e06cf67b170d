//! Fills in the variables of an agent's texts: `{{name}}`, where a name may contain spaces.
//!
//! A value is never expanded itself, so that a customer named `{{Amount Due}}` remains that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::json_number::as_integer;

/// Longest name of a variable, in characters. Longer text between double braces is no variable.
pub const MAX_NAME_CHARS: usize = 100;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// The value of a variable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// A text; dates are texts.
    Text(String),
    /// A number.
    Number(Number),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for FieldValue {
    /// Without quotes, exponents, groups of digits and superfluous zeros: `19.5`, `3`, `true`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => match (as_integer(number), number.as_f64()) {
                (Some(integer), _) => write!(f, "{integer}"),
                // Unlike the number of the JSON library, a float is written without an exponent.
                (None, Some(float)) => write!(f, "{float}"),
                (None, None) => write!(f, "{number}"),
            },
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl fmt::Debug for FieldValue {
    /// Only the type: the value belongs to a customer, and must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Number(_) => "Number(..)",
            Self::Flag(_) => "Flag(..)",
        })
    }
}

/// The variables that a text may use, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Sets a variable, in place of an earlier one with this name.
    pub fn set(&mut self, name: &str, value: impl fmt::Display) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    /// The variable with exactly this name, or else with this name without the spaces around it: `{{ firstName }}`.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).or_else(|| self.0.get(name.trim()));
        value.map(String::as_str)
    }
}

impl fmt::Debug for Variables {
    /// Only the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A text with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text. Unknown variables are left blank.
    pub text: String,
    /// The names of unknown variables, each once, in alphabetical order. They are no longer than the template.
    pub unknown: BTreeSet<String>,
}

impl Rendered {
    /// The text, if every variable is known.
    ///
    /// # Errors
    /// All unknown variables.
    pub fn strict(self) -> Result<String, UnknownVariables> {
        if self.unknown.is_empty() {
            return Ok(self.text);
        }
        Err(UnknownVariables(self.unknown))
    }
}

/// A text uses variables that nobody defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariables(pub BTreeSet<String>);

impl std::error::Error for UnknownVariables {}

impl fmt::Display for UnknownVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uses unknown variables:")?;
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator} {{{{{name}}}}}")?;
        }
        Ok(())
    }
}

/// A text is too long once its variables are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has more than {max_chars} characters when its variables are filled in")]
pub struct TooLong {
    /// The limit, in characters.
    pub max_chars: usize,
}

/// Fills in the variables of `template`.
///
/// A variable is the innermost pair of double braces around a name: at most [`MAX_NAME_CHARS`] characters, not blank,
/// on one line, without braces. Everything else is text, unbalanced braces too.
///
/// # Errors
/// The result would have more than `max_chars` characters.
pub fn render(template: &str, variables: &Variables, max_chars: usize) -> Result<Rendered, TooLong> {
    let mut output = Output::new(max_chars);
    let mut unknown = BTreeSet::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once(CLOSE) {
        rest = after;
        let Some((text, name)) = before.rsplit_once(OPEN).filter(|(_, name)| is_name(name)) else {
            output.push(before)?;
            output.push(CLOSE)?;
            continue;
        };
        output.push(text)?;
        match variables.get(name) {
            Some(value) => output.push(value)?,
            None => {
                unknown.insert(name.trim().to_owned());
            }
        }
    }
    output.push(rest)?;
    Ok(Rendered {
        text: output.text,
        unknown,
    })
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| !c.is_control() && !matches!(c, '{' | '}');
    !text.trim().is_empty() && text.chars().all(allowed) && text.chars().count() <= MAX_NAME_CHARS
}

/// A text that stops growing at a limit: a short template may repeat a long value thousands of times.
struct Output {
    text: String,
    chars_left: usize,
    max_chars: usize,
}

impl Output {
    const fn new(max_chars: usize) -> Self {
        Self {
            text: String::new(),
            chars_left: max_chars,
            max_chars,
        }
    }

    fn push(&mut self, text: &str) -> Result<(), TooLong> {
        let chars_left = self.chars_left.checked_sub(text.chars().count());
        self.chars_left = chars_left.ok_or(TooLong {
            max_chars: self.max_chars,
        })?;
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("firstName", "Ana");
        variables.set("Ticket No", "T-88");
        variables.set("empty", "");
        variables.set("tricky", "{{firstName}}");
        variables.set("half", "{{");
        variables
    }

    fn rendered(template: &str) -> String {
        render(template, &variables(), 1_000).expect("short").text
    }

    #[test]
    fn variables_are_filled_in_by_their_exact_name() {
        for (template, expected) in [
            ("Hi {{firstName}}, about {{Ticket No}}.", "Hi Ana, about T-88."),
            ("{{firstName}}{{firstName}}", "AnaAna"),
            ("{{ firstName }}", "Ana"),
            ("[{{empty}}]", "[]"),
            ("{{firstname}}|{{TicketNo}}|{{Ticket  No}}", "||"),
            ("", ""),
            ("nothing", "nothing"),
        ] {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }

    #[test]
    fn name_with_spaces_around_it_wins_over_the_trimmed_one() {
        let mut variables = variables();
        variables.set(" firstName ", "exact");
        assert_eq!(render("{{ firstName }}", &variables, 99).expect("short").text, "exact");
    }

    #[test]
    fn unknown_variable_is_blank_and_reported_once() {
        let rendered = render("{{b x}}, {{a}}{{ a }} {{firstName}} {{b x}}", &variables(), 99).expect("short");
        assert_eq!(rendered.text, ",  Ana ");
        assert_eq!(rendered.unknown.iter().collect::<Vec<_>>(), ["a", "b x"]);
        let error = rendered.strict().expect_err("unknown variables");
        assert_eq!(error.to_string(), "uses unknown variables: {{a}}, {{b x}}");
    }

    #[test]
    fn strict_text_has_only_known_variables() {
        let rendered = render("{{firstName}}{{empty}}", &variables(), 99).expect("short");
        assert_eq!(rendered.strict().as_deref(), Ok("Ana"));
    }

    #[test]
    fn value_is_not_expanded_again() {
        assert_eq!(rendered("{{tricky}}"), "{{firstName}}");
        assert_eq!(rendered("{{half}}firstName}}"), "{{firstName}}");
        assert_eq!(rendered("{{{{tricky}}}}"), "{{{{firstName}}}}");
    }

    #[test]
    fn unbalanced_braces_are_text() {
        for text in [
            "{{",
            "}}",
            "{{firstName",
            "{{firstName}",
            "{firstName}}",
            "firstName}}",
            "}}{{",
            "{{}}",
            "{{  }}",
            "{{first\nName}}",
            "{{a}b}}",
            "{{a{b}}",
            r#"{"a":{"b":1}}"#,
        ] {
            assert_eq!(rendered(text), text);
            assert!(
                render(text, &variables(), 99).expect("short").unknown.is_empty(),
                "{text}"
            );
        }
        for (template, expected) in [
            ("{{{firstName}}}", "{Ana}"),
            ("{{x {{firstName}} y}}", "{{x Ana y}}"),
            ("{{firstName}}}}", "Ana}}"),
            ("}} {{firstName}}", "}} Ana"),
        ] {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }

    #[test]
    fn too_long_name_is_text() {
        let long = format!("{{{{{}}}}}", "x".repeat(MAX_NAME_CHARS + 1));
        assert_eq!(rendered(&long), long);
        let longest = format!("{{{{{}}}}}", "\u{e9}".repeat(MAX_NAME_CHARS));
        assert_eq!(rendered(&longest), "");
    }

    #[test]
    fn numbers_and_booleans_are_written_plainly() {
        for (value, expected) in [
            (json!("2026-12-01"), "2026-12-01"),
            (json!(19.5), "19.5"),
            (json!(3.0), "3"),
            (json!(-0.0), "0"),
            (json!(0.1), "0.1"),
            (json!(1e21), "1000000000000000000000"),
            (json!(1e-7), "0.0000001"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(false), "false"),
        ] {
            let field: FieldValue = serde_json::from_value(value.clone()).expect("a value");
            assert_eq!(field.to_string(), expected);
            assert_eq!(serde_json::to_value(&field).ok(), Some(value));
        }
        for other in [json!(null), json!([]), json!({})] {
            assert!(serde_json::from_value::<FieldValue>(other).is_err());
        }
    }

    #[test]
    fn result_is_limited_in_characters() {
        let mut variables = Variables::default();
        variables.set("x", "\u{e9}".repeat(10));
        let template = "{{x}}".repeat(3);
        assert_eq!(
            render(&template, &variables, 30).map(|done| done.text.chars().count()),
            Ok(30)
        );
        assert_eq!(render(&template, &variables, 29), Err(TooLong { max_chars: 29 }));
        // The template itself may be longer than the result.
        assert_eq!(
            render(&"{{y}}".repeat(1_000), &variables, 0).map(|done| done.text),
            Ok(String::new())
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let debug = format!("{:?}", variables());
        assert!(debug.contains("Ticket No") && !debug.contains("T-88"), "{debug}");
        assert_eq!(format!("{:?}", FieldValue::Text("T-88".to_owned())), "Text(..)");
    }

    proptest! {
        #[test]
        fn any_text_without_closing_braces_is_unchanged(text in "[^}]{0,60}") {
            prop_assert_eq!(rendered(&text), text);
        }

        #[test]
        fn no_template_panics_or_exceeds_the_limit(template in "[{} a\\n\u{e9}]{0,60}", max in 0_usize..80) {
            if let Ok(done) = render(&template, &variables(), max) {
                prop_assert!(done.text.chars().count() <= max);
            }
        }
    }
}
