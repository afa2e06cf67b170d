//! What the person at the terminal makes of a prompt: a line for each.

use std::io::BufRead;

use anyhow::{Context as _, bail};
use patchbay_simulators::agent4::Move;
use serde_json::{Map, Value, json};

/// How an answer is written.
pub(super) const FORMAT: &str =
    "answer with JSON or FIELD=VALUE ..., or with - for disqualified; the end of input hangs up";

/// Lines of answers, from a file or a terminal. Empty lines and lines that begin with `#` are skipped.
pub(super) struct Answers<'a> {
    reader: &'a mut dyn BufRead,
    /// What they are read from, for errors.
    name: String,
    line: usize,
    /// Whether somebody types them, who can be asked again.
    is_interactive: bool,
}

impl<'a> Answers<'a> {
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

    /// The next answer, to a prompt whose `qualified` takes `parameters`. Whoever types is told of a slip by `say`.
    ///
    /// # Errors
    /// When a line that nobody types cannot be read.
    pub(super) fn next(
        &mut self,
        parameters: &Value,
        say: &mut dyn FnMut(&str) -> anyhow::Result<()>,
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
            match answer(text, parameters) {
                Ok(answer) => return Ok(answer),
                Err(what) if self.is_interactive => say(&what)?,
                Err(what) => bail!("{}:{}: {what}", self.name, self.line),
            }
        }
    }
}

fn answer(text: &str, parameters: &Value) -> Result<Move, String> {
    let Some(rest) = text.strip_prefix('-') else {
        return arguments(text, parameters).map(Move::Qualified);
    };
    if rest.is_empty() {
        return Ok(Move::Disqualified(json!({})));
    }
    if rest.starts_with(char::is_whitespace) {
        return arguments(rest.trim(), &Value::Null).map(Move::Disqualified);
    }
    // A number below 0.
    arguments(text, parameters).map(Move::Qualified)
}

/// What the model returns.
fn arguments(text: &str, parameters: &Value) -> Result<Value, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() || parameters.get("properties").is_none() => Ok(value),
        Ok(_) => Err(format!(
            "expected an object, such as {{\"number\": 1}} or number=1; found `{text}`"
        )),
        Err(error) if text.starts_with(['{', '[', '"']) => Err(format!("invalid JSON: {error}")),
        Err(_) => fields(text, parameters),
    }
}

/// `field=value field="several words"`.
fn fields(text: &str, parameters: &Value) -> Result<Value, String> {
    let mut fields = Map::new();
    for word in words(text)? {
        let (name, value) = word
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("expected JSON, FIELD=VALUE or -; found `{word}`"))?;
        let kind = parameters.pointer(&format!("/properties/{name}/type"));
        if fields.insert(name.to_owned(), typed(value, kind)).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(Value::Object(fields))
}

/// A value as the schema has it; a string where that says nothing else.
fn typed(text: &str, kind: Option<&Value>) -> Value {
    let is_text = matches!(kind.and_then(Value::as_str), None | Some("string"));
    let parsed = if is_text { None } else { serde_json::from_str(text).ok() };
    parsed.unwrap_or_else(|| json!(text))
}

/// Words between spaces; quotes keep several together, and a backslash takes a quote for what it is.
fn words(text: &str) -> Result<Vec<String>, String> {
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
        return Err("a quote is not closed".to_owned());
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
    fn an_answer_is_json_or_fields_typed_by_the_schema() {
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
            assert_eq!(answer(text, &schema()), Ok(Move::Qualified(expected)), "{text}");
        }
        for (text, expected) in [
            ("-5", json!(-5)),
            ("\"QX-1009\"", json!("QX-1009")),
            ("[1]", json!([1])),
        ] {
            let qualified = Ok(Move::Qualified(expected));
            assert_eq!(answer(text, &Value::Null), qualified, "{text}, without a schema");
        }
    }

    #[test]
    fn a_dash_is_disqualified_with_or_without_a_reason() {
        for (text, expected) in [
            ("-", json!({})),
            ("- {\"reason\": \"none\"}", json!({ "reason": "none" })),
            ("-  reason=\"no number\"", json!({ "reason": "no number" })),
        ] {
            assert_eq!(answer(text, &schema()), Ok(Move::Disqualified(expected)), "{text}");
        }
    }

    #[test]
    fn a_slip_is_named() {
        for (text, says) in [
            ("4711", "expected an object"),
            ("hello", "expected JSON, FIELD=VALUE or -; found `hello`"),
            ("=x", "found `=x`"),
            ("{\"number\": ", "invalid JSON: EOF"),
            ("number=\"x", "a quote is not closed"),
            ("number=1 number=2", "`number` is there twice"),
            ("- why not", "found `why`"),
        ] {
            let error = answer(text, &schema()).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn whoever_types_is_asked_again_and_a_file_is_not() {
        let text = "# a call\n\nhello\nnumber=1\n";
        let mut said = Vec::new();
        let mut say = |line: &str| {
            said.push(line.to_owned());
            Ok(())
        };
        let mut reader = text.as_bytes();
        let mut typed = Answers::new(&mut reader, "stdin", true);
        let first = typed.next(&schema(), &mut say).expect("an answer");
        assert_eq!(first, Move::Qualified(json!({ "number": "1" })));
        assert_eq!(typed.next(&schema(), &mut say).expect("the end"), Move::HangUp);
        assert_eq!(said.len(), 1, "{said:?}");
        let mut reader = text.as_bytes();
        let mut file = Answers::new(&mut reader, "answers.txt", false);
        let error = file.next(&schema(), &mut |_| Ok(())).expect_err("a slip");
        assert!(
            error
                .to_string()
                .starts_with("answers.txt:3: expected JSON, FIELD=VALUE or -"),
            "{error}"
        );
    }
}
