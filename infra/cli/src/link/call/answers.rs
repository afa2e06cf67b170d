//! Reads the answers to prompts: one line each.

use std::io::BufRead;

use anyhow::{Context as _, bail};
use patchbay_simulators::agent4::Move;
use serde_json::{Map, Value, json};

/// Help for the format of an answer.
pub(super) const FORMAT: &str = "answer with JSON or FIELD=VALUE ..., or - for disqualified; the end of input hangs up";

/// Reads answers from a file or a terminal. Empty lines and lines that begin with `#` are skipped.
pub(super) struct AnswerReader<'a> {
    reader: &'a mut dyn BufRead,
    /// Name of the source, for errors.
    name: String,
    line: usize,
    /// Whether a person types the answers and can be asked again.
    is_interactive: bool,
}

impl<'a> AnswerReader<'a> {
    pub(super) fn new(reader: &'a mut dyn BufRead, name: &str, is_interactive: bool) -> Self {
        Self {
            reader,
            name: name.to_owned(),
            line: 0,
            is_interactive,
        }
    }

    pub(super) const fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// The next answer to a prompt whose `qualified` takes `parameters`. Errors of an interactive user are passed to
    /// `report`.
    ///
    /// # Errors
    /// When the source cannot be read, or a line of a file is invalid.
    pub(super) fn next(
        &mut self,
        parameters: &Value,
        report: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Move> {
        loop {
            let mut text = String::new();
            let read = self.reader.read_line(&mut text);
            if read.with_context(|| format!("cannot read {}", self.name))? == 0 {
                return Ok(Move::HangUp);
            }
            self.line += 1;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match parse_answer(text, parameters) {
                Ok(answer) => return Ok(answer),
                Err(error) if self.is_interactive => report(&error)?,
                Err(error) => bail!("{}:{}: {error}", self.name, self.line),
            }
        }
    }
}

fn parse_answer(text: &str, parameters: &Value) -> Result<Move, String> {
    let Some(rest) = text.strip_prefix('-') else {
        return parse_arguments(text, parameters).map(Move::Qualified);
    };
    if rest.is_empty() {
        return Ok(Move::Disqualified(json!({})));
    }
    if rest.starts_with(char::is_whitespace) {
        return parse_arguments(rest.trim(), &Value::Null).map(Move::Disqualified);
    }
    // A negative number.
    parse_arguments(text, parameters).map(Move::Qualified)
}

/// Parses the arguments that the model returns.
fn parse_arguments(text: &str, parameters: &Value) -> Result<Value, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || parameters.get("properties").is_none() => Ok(value),
        Ok(_) => Err(format!(
            "expected an object, such as {{\"number\": 1}} or number=1; found `{text}`"
        )),
        Err(error) if text.starts_with(['{', '[', '"']) => Err(format!("invalid JSON: {error}")),
        Err(_) => parse_fields(text, parameters),
    }
}

/// `field=value field="several words"`.
fn parse_fields(text: &str, parameters: &Value) -> Result<Value, String> {
    let mut fields = Map::new();
    for word in split_words(text)? {
        let (name, value) = word
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("expected JSON, FIELD=VALUE or -; found `{word}`"))?;
        let kind = parameters.pointer(&format!("/properties/{name}/type"));
        if fields.insert(name.to_owned(), coerce(value, kind)).is_some() {
            return Err(format!("duplicate field `{name}`"));
        }
    }
    Ok(Value::Object(fields))
}

/// A value with the type of the schema. A string if the schema states no type.
fn coerce(text: &str, kind: Option<&Value>) -> Value {
    let is_text = matches!(kind.and_then(Value::as_str), None | Some("string"));
    let parsed = if is_text { None } else { serde_json::from_str(text).ok() };
    parsed.unwrap_or_else(|| json!(text))
}

/// Splits words at white space. Quotes group several words, and a backslash escapes the next character.
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if is_quoted {
        return Err("unclosed quote".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({ "properties": { "number": { "type": "string" }, "count": { "type": "integer" }, "ok": { "type": "boolean" } } })
    }

    #[test]
    fn answer_is_json_or_fields_typed_by_the_schema() {
        for (text, expected) in [
            (r#"{"number": "QX-1009"}"#, json!({ "number": "QX-1009" })),
            ("{}", json!({})),
            ("number=4711", json!({ "number": "4711" })),
            (
                "count=3 ok=true other=5",
                json!({ "count": 3, "ok": true, "other": "5" }),
            ),
            ("count=three", json!({ "count": "three" })),
            (
                r#"number="two words" other=a\"b other2="""#,
                json!({ "number": "two words", "other": "a\"b", "other2": "" }),
            ),
            ("number=a=b", json!({ "number": "a=b" })),
        ] {
            assert_eq!(parse_answer(text, &schema()), Ok(Move::Qualified(expected)), "{text}");
        }
        for (text, expected) in [
            ("-5", json!(-5)),
            ("\"QX-1009\"", json!("QX-1009")),
            ("[1]", json!([1])),
        ] {
            let qualified = Ok(Move::Qualified(expected));
            assert_eq!(parse_answer(text, &Value::Null), qualified, "{text}, without a schema");
        }
    }

    #[test]
    fn dash_is_disqualified_with_or_without_arguments() {
        for (text, expected) in [
            ("-", json!({})),
            ("- {\"reason\": \"none\"}", json!({ "reason": "none" })),
            ("-  reason=\"no number\"", json!({ "reason": "no number" })),
        ] {
            assert_eq!(
                parse_answer(text, &schema()),
                Ok(Move::Disqualified(expected)),
                "{text}"
            );
        }
    }

    #[test]
    fn invalid_answer_is_reported() {
        for (text, expected) in [
            ("4711", "expected an object"),
            ("hello", "expected JSON, FIELD=VALUE or -; found `hello`"),
            ("=x", "found `=x`"),
            ("{\"number\": ", "invalid JSON: EOF"),
            ("number=\"x", "unclosed quote"),
            ("number=1 number=2", "duplicate field `number`"),
            ("- why not", "found `why`"),
        ] {
            let error = parse_answer(text, &schema()).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn invalid_line_is_retried_only_on_a_terminal() {
        let text = "# a call\n\nhello\nnumber=1\n";
        let mut reported = Vec::new();
        let mut report = |line: &str| {
            reported.push(line.to_owned());
            Ok(())
        };
        let mut reader = text.as_bytes();
        let mut terminal = AnswerReader::new(&mut reader, "stdin", true);
        let first = terminal.next(&schema(), &mut report).expect("an answer");
        assert_eq!(first, Move::Qualified(json!({ "number": "1" })));
        assert_eq!(terminal.next(&schema(), &mut report).expect("the end"), Move::HangUp);
        assert_eq!(reported.len(), 1, "{reported:?}");
        let mut reader = text.as_bytes();
        let mut file = AnswerReader::new(&mut reader, "answers.txt", false);
        let error = file.next(&schema(), &mut |_| Ok(())).expect_err("an invalid line");
        assert!(
            error
                .to_string()
                .starts_with("answers.txt:3: expected JSON, FIELD=VALUE or -"),
            "{error}"
        );
    }
}
