//! Requests of Agent4.
//!
//! Agent4's documentation and its sample disagree about half of the request, so every form that either of them shows is
//! accepted: see the parser of each field.

use serde_json::{Map, Value};

use crate::context::caller::trusted;
use crate::lenient_json::{self, Selection, UnreadableJson};
use crate::phone::PhoneNumber;

/// Name of the single argument in the older form of a context.
pub const RESPONSES: &str = "responses";
/// Maximum length of a link name, in characters.
const MAX_NAME: usize = 200;
/// The parts of a request that are read. After some minutes a request carries the whole transcript of the call.
const FULL_BODY: Selection = Selection::Fields(&[
    ("name", Selection::Scalar),
    ("action", Selection::Scalar),
    ("call_from", Selection::Scalar),
    ("call_forwarded_by", Selection::Scalar),
    ("state", Selection::All),
    ("metadata", Selection::All),
    ("context", Selection::All),
]);

/// The parts that are read when context or metadata cannot be parsed; these then count as missing. The state is written
/// by patchbay.
const WITHOUT_CONTEXT: Selection = Selection::Fields(&[
    ("name", Selection::Scalar),
    ("action", Selection::Scalar),
    ("call_from", Selection::Scalar),
    ("call_forwarded_by", Selection::Scalar),
    ("state", Selection::All),
]);
/// The parts that are read when the state cannot be parsed either.
const WITHOUT_STATE: Selection = Selection::Fields(&[
    ("name", Selection::Scalar),
    ("action", Selection::Scalar),
    ("call_from", Selection::Scalar),
    ("call_forwarded_by", Selection::Scalar),
]);

/// The event that Agent4 reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The link begins. The answer is its prompt.
    Initial,
    /// The model has what it was asked to find out.
    Qualified,
    /// The model will not get it.
    Disqualified,
    /// The caller has hung up.
    Interrupt,
    /// An event that this version does not know.
    Unknown,
}

impl LinkEvent {
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

    fn from_name(name: &str) -> Self {
        match name {
            "initial" => Self::Initial,
            "qualified" => Self::Qualified,
            "disqualified" => Self::Disqualified,
            "interrupt" => Self::Interrupt,
            _ => Self::Unknown,
        }
    }
}

/// The body is not a valid request of Agent4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Not JSON, or JSON that exceeds a limit.
    #[error("the body {0}")]
    Unreadable(UnreadableJson),
    /// JSON, but not an object.
    #[error("must be an object")]
    NotAnObject,
    /// Without the name of a link.
    #[error("`name` is missing or is not a string of 1 to 200 characters")]
    Name,
}

/// A request of Agent4.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Name of the link.
    pub name: String,
    /// The reported event.
    pub event: LinkEvent,
    /// The number of the caller. None if it is withheld or not a phone number.
    pub caller: Option<PhoneNumber>,
    /// The number that was called. None if it is missing or not a phone number.
    pub line: Option<PhoneNumber>,
    /// The arguments of the model, as received: an object, a string that contains one, any other string, or null.
    pub context: Value,
    /// The state that an earlier answer left. Empty if the request has none.
    pub state: Map<String, Value>,
    /// Metadata of the portal. Empty if the request has none.
    pub metadata: Map<String, Value>,
}

impl Request {
    /// Parses the body of a request.
    ///
    /// # Errors
    /// When the body is not an object or does not name a link. Every other field may be missing or malformed.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        Self::read(|selection| lenient_json::select(body, selection))
    }

    /// As [`Request::parse`], for a body that is already parsed.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn from_value(body: &Value) -> Result<Self, BadRequest> {
        Self::read(|selection| lenient_json::select_value(body, selection))
    }

    fn read(body: impl Fn(Selection) -> Result<Value, UnreadableJson>) -> Result<Self, BadRequest> {
        // The state went through the JSON of another system, the context through that of a model. A caller is waiting,
        // so the link and the event are read even if the rest cannot be.
        let parsed = body(FULL_BODY).or_else(|error| with_fewer_fields(error, || body(WITHOUT_CONTEXT)));
        let parsed = parsed.or_else(|error| with_fewer_fields(error, || body(WITHOUT_STATE)));
        let Value::Object(mut fields) = parsed.map_err(BadRequest::Unreadable)? else {
            return Err(BadRequest::NotAnObject);
        };
        let text =
            |fields: &Map<String, Value>, name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text(&fields, "name").filter(|name| !name.is_empty() && name.chars().count() <= MAX_NAME);
        let event = text(&fields, "action").map_or(LinkEvent::Unknown, |name| LinkEvent::from_name(&name));
        // A withheld number is no caller: otherwise all callers who withhold theirs would be one person.
        let number = |name: &str| text(&fields, name).and_then(|text| trusted(&text, None).ok());
        let (caller, line) = (number("call_from"), number("call_forwarded_by"));
        Ok(Self {
            name: name.ok_or(BadRequest::Name)?,
            event,
            caller,
            line,
            state: object(fields.remove("state")),
            metadata: object(fields.remove("metadata")),
            context: fields.remove("context").unwrap_or_default(),
        })
    }

    /// The arguments of the model, by name. `names` are the names that the link declares; `single` is the name of an
    /// argument that comes without one.
    ///
    /// Accepts every documented or observed form: null, an object, an object inside `responses`, a string that contains
    /// either, and a plain string. A call without arguments may also come as an empty string or the string `null`.
    pub fn arguments(&self, names: &[String], single: Option<&str>) -> Map<String, Value> {
        unwrap_arguments(parsed(self.context.clone()), names, single.unwrap_or(RESPONSES))
    }
}

/// Parses the body again with fewer fields, if it is JSON at all.
fn with_fewer_fields(
    error: UnreadableJson,
    parse_again: impl FnOnce() -> Result<Value, UnreadableJson>,
) -> Result<Value, UnreadableJson> {
    match error {
        UnreadableJson::Large | UnreadableJson::Number { .. } | UnreadableJson::Deep => parse_again(),
        UnreadableJson::Empty | UnreadableJson::NotJson { .. } => Err(error),
    }
}

/// An object, or a string that contains one.
fn object(value: Option<Value>) -> Map<String, Value> {
    match value.map(parsed) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// `value`, or the object that it contains as a string.
fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) => match lenient_json::select_str(&text, Selection::All) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        },
        other => other,
    }
}

fn unwrap_arguments(value: Value, names: &[String], single: &str) -> Map<String, Value> {
    match value {
        Value::Object(mut fields) => {
            let declared = names.iter().any(|name| fields.contains_key(name));
            match fields.remove(RESPONSES) {
                // Either the link declares `responses`, or the older form wraps all arguments in it.
                Some(inner) if declared => {
                    fields.insert(RESPONSES.into(), inner);
                    fields
                }
                Some(inner) => match parsed(inner) {
                    Value::Object(fields) => fields,
                    bare => single_argument(single, bare),
                },
                None => fields,
            }
        }
        bare => single_argument(single, bare),
    }
}

/// Whether an unnamed value means that there are no arguments: a model without arguments writes one of these.
fn is_empty_argument(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => matches!(text.trim(), "" | "null" | "\"\"" | "''" | "[]"),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn single_argument(name: &str, value: Value) -> Map<String, Value> {
    let mut fields = Map::new();
    if !is_empty_argument(&value) {
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
    fn context_is_read_in_every_known_form() {
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
    fn whole_floats_are_read_as_integers() {
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
    fn single_argument_of_a_link_with_several_is_named_responses() {
        let context = json!({ "responses": "both" });
        assert_eq!(arguments(&context, &["a", "b"]), json!({ "responses": "both" }));
        assert_eq!(arguments(&context, &[]), json!({ "responses": "both" }));
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        let context = json!({ "responses": r#"{"x": "cut \ud83d"}"# });
        assert_eq!(arguments(&context, &["x"]), json!({ "x": "cut \u{fffd}" }));
    }

    #[test]
    fn link_may_declare_a_parameter_named_responses() {
        let context = json!({ "responses": "{\"x\": 1}" });
        assert_eq!(arguments(&context, &["responses", "y"]), context);
    }

    #[test]
    fn request_needs_only_a_name() {
        let request = Request::parse(br#"{"name":"a"}"#).expect("a request");
        assert_eq!(
            (request.event, request.caller, request.line),
            (LinkEvent::Unknown, None, None)
        );
        let odd = br#"{"name":"a","action":"resumed","call_from":"anonymous","call_forwarded_by":null,"state":[1],"metadata":"x"}"#;
        let request = Request::parse(odd).expect("a request");
        assert_eq!(
            (request.event, request.caller, request.line),
            (LinkEvent::Unknown, None, None)
        );
        assert!(request.state.is_empty() && request.metadata.is_empty());
        assert_eq!(Request::parse(b"[]"), Err(BadRequest::NotAnObject));
        assert!(matches!(
            Request::parse(b"name=a"),
            Err(BadRequest::Unreadable(UnreadableJson::NotJson { .. }))
        ));
        assert_eq!(Request::parse(b""), Err(BadRequest::Unreadable(UnreadableJson::Empty)));
        assert_eq!(Request::parse(b"{}"), Err(BadRequest::Name));
        assert_eq!(Request::parse(br#"{"name":7}"#), Err(BadRequest::Name));
    }

    #[test]
    fn unreadable_fields_count_as_missing() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let many = format!("[{}0]", "{},".repeat(300_000));
        for odd in ["1e999", &deep, &many] {
            for field in ["state", "metadata", "context"] {
                let body = format!("{{\"name\":\"a\",\"action\":\"qualified\",\"{field}\":{{\"x\":{odd}}}}}");
                let request = Request::parse(body.as_bytes()).expect("a request");
                assert_eq!((request.name.as_str(), request.event), ("a", LinkEvent::Qualified));
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
    fn parsed_body_equals_its_text() {
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
            assert_eq!(Request::from_value(&body), Request::parse(body.to_string().as_bytes()));
        }
        assert!(Request::from_value(&json!({ "name": "a", "context": deep })).is_ok());
    }

    proptest! {
        #[test]
        fn any_body_is_parsed_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9 ]{0,80}") {
            let _ = Request::parse(&body);
            let _ = Request::parse(text.as_bytes());
        }

        #[test]
        fn any_text_is_accepted_as_context(text in "\\PC{0,200}") {
            let read = arguments(&json!(text), &["a"]);
            prop_assert!(read.is_object());
        }
    }
}
