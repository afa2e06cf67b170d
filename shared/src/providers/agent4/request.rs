//! What Agent4 posts.
//!
//! Its documentation and its own sample disagree about half of the request, so whatever either shows is read: see
//! the parser of each field.

use serde_json::{Map, Value};

use crate::context::caller::vouched;
use crate::foreign::{self, Keep, Unreadable};
use crate::phone::PhoneNumber;

/// The single argument of the older form of a context.
pub const RESPONSES: &str = "responses";
/// Most characters of a name that are read.
const MAX_NAME: usize = 200;
/// What is read of a request; a call of some minutes brings its whole talk along.
const KEPT: Keep = Keep::Only(&[
    ("name", Keep::Plain),
    ("action", Keep::Plain),
    ("call_from", Keep::Plain),
    ("call_forwarded_by", Keep::Plain),
    ("state", Keep::All),
    ("metadata", Keep::All),
    ("context", Keep::All),
]);

/// What is read of one whose context or metadata nobody can read; these are taken for missing then. The state is ours.
const WITHOUT_CONTEXT: Keep = Keep::Only(&[
    ("name", Keep::Plain),
    ("action", Keep::Plain),
    ("call_from", Keep::Plain),
    ("call_forwarded_by", Keep::Plain),
    ("state", Keep::All),
]);
/// And of one whose state nobody can read either.
const LEAST: Keep = Keep::Only(&[
    ("name", Keep::Plain),
    ("action", Keep::Plain),
    ("call_from", Keep::Plain),
    ("call_forwarded_by", Keep::Plain),
]);

/// Why Agent4 calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A link begins: the answer is its prompt.
    Initial,
    /// The model says that it has what it was to find out.
    Qualified,
    /// The model says that it will not get it.
    Disqualified,
    /// The caller has gone.
    Interrupt,
    /// Something that this version has not heard of.
    Unknown,
}

impl Moment {
    /// The published name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Qualified => "qualified",
            Self::Disqualified => "disqualified",
            Self::Interrupt => "interrupt",
            Self::Unknown => "unknown",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "initial" => Self::Initial,
            "qualified" => Self::Qualified,
            "disqualified" => Self::Disqualified,
            "interrupt" => Self::Interrupt,
            _ => Self::Unknown,
        }
    }
}

/// The body is no request of Agent4's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Not JSON, or none that is read.
    #[error("the body {0}")]
    Unreadable(Unreadable),
    /// JSON, but not an object.
    #[error("must be an object")]
    NotAnObject,
    /// Without the name of a link.
    #[error("`name` is missing, or no text of 1 to 200 characters")]
    Name,
}

/// A request of Agent4's.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The link.
    pub name: String,
    /// Why it calls.
    pub moment: Moment,
    /// The caller's number, where it is one.
    pub caller: Option<PhoneNumber>,
    /// The number through which the call came, where it is told.
    pub line: Option<PhoneNumber>,
    /// What the model returned, as it came: an object, a text that holds one, any other text, or null.
    pub context: Value,
    /// The state, as an earlier answer left it; empty where none is told.
    pub state: Map<String, Value>,
    /// Texts from the portal; empty where none are told.
    pub metadata: Map<String, Value>,
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is not an object, or does not name a link. Everything else may be missing or of another form.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        Self::read(|keep| foreign::envelope(body, keep))
    }

    /// As [`Request::parse`], for a body that is a value already.
    ///
    /// # Errors
    /// As there.
    pub fn of(body: &Value) -> Result<Self, BadRequest> {
        Self::read(|keep| foreign::part(body, keep))
    }

    fn read(body: impl Fn(Keep) -> Result<Value, Unreadable>) -> Result<Self, BadRequest> {
        // The state has gone through somebody else's JSON, the context through a model's.
        // Who and what it is about can be read even where the rest cannot: somebody is on the line.
        let read = body(KEPT).or_else(|why| without(why, || body(WITHOUT_CONTEXT)));
        let read = read.or_else(|why| without(why, || body(LEAST)));
        let Value::Object(mut fields) = read.map_err(BadRequest::Unreadable)? else {
            return Err(BadRequest::NotAnObject);
        };
        let text =
            |fields: &Map<String, Value>, name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text(&fields, "name").filter(|name| !name.is_empty() && name.chars().count() <= MAX_NAME);
        let moment = text(&fields, "action").map_or(Moment::Unknown, |name| Moment::named(&name));
        // Who withholds the number is nobody: callers who have nothing in common would be one.
        let number = |name: &str| text(&fields, name).and_then(|text| vouched(&text, None).ok());
        let (caller, line) = (number("call_from"), number("call_forwarded_by"));
        Ok(Self {
            name: name.ok_or(BadRequest::Name)?,
            moment,
            caller,
            line,
            state: object(fields.remove("state")),
            metadata: object(fields.remove("metadata")),
            context: fields.remove("context").unwrap_or_default(),
        })
    }

    /// What the model returned: named arguments. `names` are those that the link declares; `single` is the one that an
    /// argument without a name must be.
    ///
    /// Seen or shown: null, an object, an object inside `responses`, a text that holds either, and a bare text. Without
    /// arguments there may also be an empty text or the text `null`.
    pub fn arguments(&self, names: &[String], single: Option<&str>) -> Map<String, Value> {
        unwrapped(parsed(self.context.clone()), names, single.unwrap_or(RESPONSES))
    }
}

/// The body once more, read for less, if it is JSON at all.
fn without(why: Unreadable, again: impl FnOnce() -> Result<Value, Unreadable>) -> Result<Value, Unreadable> {
    match why {
        Unreadable::Large | Unreadable::Number { .. } | Unreadable::Deep => again(),
        Unreadable::Empty | Unreadable::NotJson { .. } => Err(why),
    }
}

/// An object, also one that came as text.
fn object(value: Option<Value>) -> Map<String, Value> {
    match value.map(parsed) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// `value`, or what it holds if it is the text of an object.
fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) => match foreign::inner(&text, Keep::All) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        },
        other => other,
    }
}

fn unwrapped(value: Value, names: &[String], single: &str) -> Map<String, Value> {
    match value {
        Value::Object(mut fields) => {
            let declared = names.iter().any(|name| fields.contains_key(name));
            match fields.remove(RESPONSES) {
                // The link's own name, or one that the older form wraps around everything.
                Some(inner) if declared => {
                    fields.insert(RESPONSES.into(), inner);
                    fields
                }
                Some(inner) => match parsed(inner) {
                    Value::Object(fields) => fields,
                    bare => named(single, bare),
                },
                None => fields,
            }
        }
        bare => named(single, bare),
    }
}

/// Whether a value without a name says that there is none: a model that has no arguments to give writes one of these.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => matches!(text.trim(), "" | "null" | "\"\"" | "''" | "[]"),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn named(name: &str, value: Value) -> Map<String, Value> {
    let mut fields = Map::new();
    if !is_nothing(&value) {
        fields.insert(name.into(), value);
    }
    fields
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn arguments(context: &Value, names: &[&str]) -> Value {
        let body = json!({ "name": "a", "action": "qualified", "context": context }).to_string();
        let single = match names {
            [only] => Some(*only),
            _ => None,
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Value::Object(
            Request::parse(body.as_bytes())
                .expect("a request")
                .arguments(&names, single),
        )
    }

    #[test]
    fn a_context_is_read_in_every_form_that_was_ever_shown() {
        let expected = json!({ "number": "QX-1009" });
        for context in [
            json!({ "number": "QX-1009" }),
            json!({ "responses": "QX-1009" }),
            json!({ "responses": { "number": "QX-1009" } }),
            json!({ "responses": "{\"number\": \"QX-1009\"}" }),
            json!("{\"responses\": \"QX-1009\"}"),
            json!("{\"number\": \"QX-1009\"}"),
            json!("QX-1009"),
        ] {
            assert_eq!(arguments(&context, &["number"]), expected, "{context}");
        }
        for nothing in [
            json!(null),
            json!({}),
            json!("{}"),
            json!(""),
            json!("null"),
            json!([]),
            json!({ "responses": " " }),
            json!("{\"responses\": null}"),
        ] {
            assert_eq!(arguments(&nothing, &["number"]), json!({}), "{nothing}");
        }
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let whole = json!({ "number": 3, "list": [3, 2.5], "text": "3.0" });
        let written = json!({ "number": 3.0, "list": [3.0, 2.5], "text": "3.0" });
        for context in [
            written.clone(),
            json!(written.to_string()),
            json!({ "responses": written.to_string() }),
        ] {
            assert_eq!(arguments(&context, &["number"]), whole, "{context}");
        }
        let body = br#"{"name":"a","state":{"n":1.0,"tries":{"a":2.0}}}"#;
        let state = json!({ "n": 1, "tries": { "a": 2 } });
        assert_eq!(Value::Object(Request::parse(body).expect("a request").state), state);
    }

    #[test]
    fn a_single_argument_of_a_link_with_several_is_kept_under_its_old_name() {
        let context = json!({ "responses": "both" });
        assert_eq!(arguments(&context, &["a", "b"]), json!({ "responses": "both" }));
        assert_eq!(arguments(&context, &[]), json!({ "responses": "both" }));
    }

    #[test]
    fn half_an_emoji_in_arguments_that_are_a_text_is_the_character_for_what_cannot_be_read() {
        let context = json!({ "responses": r#"{"x": "cut \ud83d"}"# });
        assert_eq!(arguments(&context, &["x"]), json!({ "x": "cut \u{fffd}" }));
    }

    #[test]
    fn a_link_may_declare_the_name_of_the_older_form_itself() {
        let context = json!({ "responses": "{\"x\": 1}" });
        assert_eq!(arguments(&context, &["responses", "y"]), context);
    }

    #[test]
    fn a_request_needs_no_more_than_a_name() {
        let request = Request::parse(br#"{"name":"a"}"#).expect("a request");
        assert_eq!(
            (request.moment, request.caller, request.line),
            (Moment::Unknown, None, None)
        );
        let odd = br#"{"name":"a","action":"resumed","call_from":"anonymous","call_forwarded_by":null,"state":[1],"metadata":"x"}"#;
        let request = Request::parse(odd).expect("a request");
        assert_eq!(
            (request.moment, request.caller, request.line),
            (Moment::Unknown, None, None)
        );
        assert!(request.state.is_empty() && request.metadata.is_empty());
        assert_eq!(Request::parse(b"[]"), Err(BadRequest::NotAnObject));
        assert!(matches!(
            Request::parse(b"name=a"),
            Err(BadRequest::Unreadable(Unreadable::NotJson { .. }))
        ));
        assert_eq!(Request::parse(b""), Err(BadRequest::Unreadable(Unreadable::Empty)));
        assert_eq!(Request::parse(b"{}"), Err(BadRequest::Name));
        assert_eq!(Request::parse(br#"{"name":7}"#), Err(BadRequest::Name));
    }

    #[test]
    fn what_nobody_can_read_is_missing_and_the_call_goes_on() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let many = format!("[{}0]", "{},".repeat(300_000));
        for odd in ["1e999", &deep, &many] {
            for field in ["state", "metadata", "context"] {
                let body = format!("{{\"name\":\"a\",\"action\":\"qualified\",\"{field}\":{{\"x\":{odd}}}}}");
                let request = Request::parse(body.as_bytes()).expect("a request");
                assert_eq!((request.name.as_str(), request.moment), ("a", Moment::Qualified));
                assert!(request.state.is_empty() && request.metadata.is_empty() && request.context.is_null());
            }
            let body = format!("{{\"name\":\"a\",\"context\":{odd},\"state\":{{\"x\":1}}}}");
            let request = Request::parse(body.as_bytes()).expect("a request");
            assert_eq!(Value::Object(request.state), json!({ "x": 1 }));
            let odd = format!("{{\"name\":{odd}}}");
            assert!(Request::parse(odd.as_bytes()).is_err());
            let body = json!({ "name": "a", "context": odd });
            let request = Request::parse(body.to_string().as_bytes()).expect("a request");
            assert_eq!(request.context, body["context"]);
            let _ = request.arguments(&[], None);
        }
    }

    #[test]
    fn a_body_that_is_a_value_is_read_as_its_text_is() {
        let deep = (0..200).fold(json!(1e300), |inner, _| json!([inner]));
        let many = vec![json!({}); 300_000];
        for body in [
            json!({ "name": "a", "action": "initial", "state": { "n": 3.0 }, "context": { "x": [2.0, u64::MAX] } }),
            json!({ "name": "a", "context": "{\"x\": 3.0}", "metadata": { "m": "x" }, "transcript": [1] }),
            json!({ "name": "a", "call_from": ["+12025550143"], "context": many }),
            json!({ "name": "" }),
            json!([1]),
            json!(null),
        ] {
            assert_eq!(Request::of(&body), Request::parse(body.to_string().as_bytes()));
        }
        assert!(Request::of(&json!({ "name": "a", "context": deep })).is_ok());
    }

    proptest! {
        #[test]
        fn any_body_gets_a_verdict(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9 ]{0,80}") {
            let _ = Request::parse(&body);
            let _ = Request::parse(text.as_bytes());
        }

        #[test]
        fn any_text_as_context_is_data(text in "\\PC{0,200}") {
            let read = arguments(&json!(text), &["a"]);
            prop_assert!(read.is_object());
        }
    }
}
