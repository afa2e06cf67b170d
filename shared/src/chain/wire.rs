//! The wire between Agent4 and us: what it posts, and what it gets.
//!
//! Agent4's documentation and its own sample disagree about half of the request, so whatever either shows is read: see
//! the parser of each field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::context::caller::vouched;
use crate::foreign::{self, Keep, Unreadable};
use crate::phone::PhoneNumber;

/// The part of the state that is ours: under this name our own call id and the counts of retries travel.
pub const OWN_STATE: &str = "patchbay";
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
        // The state has gone through somebody else's JSON, the context through a model's.
        // Who and what it is about can be read even where the rest cannot: somebody is on the line.
        let read = foreign::envelope(body, KEPT);
        let read = read.or_else(|why| without(why, body, WITHOUT_CONTEXT));
        let read = read.or_else(|why| without(why, body, LEAST));
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

    /// Our call id, if an earlier answer's state has come back.
    pub fn call(&self) -> Option<&str> {
        let id = self.state.get(OWN_STATE)?.get("call")?.as_str()?;
        is_call_id(id).then_some(id)
    }

    /// How often the link has asked the caller again.
    pub fn tries(&self, link: &str) -> u64 {
        let tries = self.state.get(OWN_STATE).and_then(|own| own.get("tries"));
        tries
            .and_then(|tries| tries.get(link))
            .and_then(Value::as_u64)
            .unwrap_or(0)
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
fn without(why: Unreadable, body: &[u8], keep: Keep) -> Result<Value, Unreadable> {
    match why {
        Unreadable::Large | Unreadable::Number { .. } | Unreadable::Deep => foreign::envelope(body, keep),
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

/// Whether `text` has the form of a call id of ours: a UUID in lower case.
pub fn is_call_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let has_form = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => is_digit(byte),
    };
    text.len() == 36 && text.bytes().enumerate().all(has_form)
}

/// Something that Agent4 does in response. In a link document the texts are templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "name", content = "context", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Go to the next link.
    NextTask,
    /// Go to a named link.
    SwitchTask {
        /// The link.
        name: String,
    },
    /// Text the caller.
    Sms {
        /// The text.
        message: String,
    },
    /// Transfer the call.
    TransferCall {
        /// To where, E.164.
        number: String,
    },
    /// Hang up.
    EndCall,
    /// Speak.
    Say {
        /// What to say.
        content: String,
    },
    /// Mail a summary of the conversation.
    Email {
        /// To whom.
        email: String,
    },
    /// Set a trigger for later answers.
    SetTrigger {
        /// The condition.
        trigger: String,
    },
    /// Leave the chain without hanging up. Agent4's sample uses it, its documentation does not list it.
    EndTask,
}

impl Action {
    /// Whether the conversation of this link ends with it: then `content` is spoken, even at `initial`.
    pub const fn moves(&self) -> bool {
        matches!(
            self,
            Self::NextTask | Self::SwitchTask { .. } | Self::TransferCall { .. } | Self::EndCall | Self::EndTask
        )
    }
}

/// Something that Agent4 does after the call. What it sends there is not documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Mail this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Call this webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<NotificationWebhook>,
}

/// A webhook that Agent4 calls after the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NotificationWebhook {
    /// The whole URL, although Agent4 calls it so.
    pub host: String,
    /// Headers. Agent4 gets to see them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// An answer to Agent4.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// Our call id: the same through a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The prompt at `initial` (unless an action moves on), else what is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What is done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// The whole state: right whether Agent4 merges or replaces, which nobody says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub state: Map<String, Value>,
    /// What is done after the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_call_notifications: Vec<Notification>,
    /// What the model must return to end the link well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualified_parameters: Option<Value>,
    /// What it must return to end it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disqualified_parameters: Option<Value>,
    /// What it must return when the caller goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupt_parameters: Option<Value>,
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
        let body = br#"{"name":"a","state":{"n":1.0,"patchbay":{"tries":{"a":2.0}}}}"#;
        let request = Request::parse(body).expect("a request");
        assert_eq!((request.state.get("n"), request.tries("a")), (Some(&json!(1)), 2));
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
    fn only_a_call_id_of_ours_is_taken_from_the_state() {
        let call = |id: &str| {
            let body = json!({ "name": "a", "state": { "patchbay": { "call": id } } }).to_string();
            Request::parse(body.as_bytes())
                .expect("a request")
                .call()
                .map(str::to_owned)
        };
        let id = "0b2f6c1e-0000-4000-8000-000000000001";
        assert_eq!(call(id).as_deref(), Some(id));
        for wrong in [
            "",
            "0B2F6C1E-0000-4000-8000-000000000001",
            "0b2f6c1e000040008000000000000001",
            "<b>",
        ] {
            assert_eq!(call(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_action_has_the_published_form() {
        let written = |action: Action| serde_json::to_value(action).expect("JSON");
        assert_eq!(written(Action::NextTask), json!({ "name": "next_task" }));
        let switch = Action::SwitchTask { name: "b".into() };
        assert_eq!(
            written(switch),
            json!({ "name": "switch_task", "context": { "name": "b" } })
        );
        let transfer = Action::TransferCall {
            number: "+12025550100".into(),
        };
        let form = json!({ "name": "transfer_call", "context": { "number": "+12025550100" } });
        assert_eq!(written(transfer), form);
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
