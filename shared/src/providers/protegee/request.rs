//! Reading requests: out of the envelope, field by field, each with the path by which an error names it.

use serde_json::{Map, Value};

use super::Platform;
use crate::context::Draft;
use crate::field::FieldError;
use crate::foreign::{self, Keep};
use crate::number::whole;

/// Vapi's name of the function that sets a context.
pub(super) const SET_FUNCTION: &str = "SendContextToProtegee";
/// Vapi's name of the function that gets one.
pub(super) const GET_FUNCTION: &str = "GetContextFromProtegee";
/// Most tool calls of ours in one request: each costs a request to the table, and an agent means one.
const MAX_TOOL_CALLS: usize = 8;

/// Fields that a whole number can be the text of. A phone number is none: it has a `+`, or zeros in front.
const MAY_BE_NUMBERS: [&str; 7] = [
    "customer_id",
    "description",
    "full_name",
    "memory",
    "order_id",
    "price",
    "vendor",
];

/// Every field of the payload, as [`Fields::draft`] reads it, and behind them the two that an envelope has in a place of its
/// own.
pub(super) const FLAT_FIELDS: [(&str, Keep); 14] = [
    ("description", Keep::Plain),
    ("price", Keep::Plain),
    ("vendor", Keep::Plain),
    ("callback", Keep::Plain),
    ("customer_id", Keep::Plain),
    ("order_id", Keep::Plain),
    ("email", Keep::Plain),
    ("full_name", Keep::Plain),
    ("memory", Keep::Plain),
    ("persona", Keep::Plain),
    ("transaction_type", Keep::Plain),
    ("ttl", Keep::Plain),
    ("caller", Keep::Plain),
    ("call_id", Keep::Plain),
];
/// What is read of a tool's arguments.
pub(super) const ARGUMENTS: Keep = Keep::Only(FLAT_FIELDS.split_at(12).0);

/// Names of Vapi's lists of tool calls, and where they stand.
const TOOL_CALLS: [(&str, &str); 3] = [
    ("toolCalls", "message.toolCalls"),
    ("toolCallList", "message.toolCallList"),
    ("toolWithToolCallList", "message.toolWithToolCallList"),
];

/// A request that is not in its platform's envelope.
pub type Unreadable = Vec<FieldError>;

/// One thing that a request asks for.
#[derive(Clone)]
pub struct Ask<T> {
    /// What an answer to a tool call must repeat (Vapi).
    pub tool_call: Option<String>,
    /// What is asked for, or the fields that are of a wrong type, by their names in the payload.
    pub what: Result<T, Vec<FieldError>>,
    paths: Paths,
}

impl<T> Ask<T> {
    /// What `check` makes of it.
    ///
    /// # Errors
    /// What is wrong, with the paths that the envelope gives it.
    pub fn checked<U>(self, check: impl FnOnce(T) -> Result<U, Vec<FieldError>>) -> Result<U, Vec<FieldError>> {
        self.what.and_then(check).map_err(|errors| located(&self.paths, errors))
    }

    /// `errors`, which name fields as the payload does, with the paths that the envelope gives them.
    pub fn located(&self, errors: Vec<FieldError>) -> Vec<FieldError> {
        located(&self.paths, errors)
    }
}

fn located(paths: &Paths, errors: Vec<FieldError>) -> Vec<FieldError> {
    let located = |error: FieldError| FieldError::new(paths.of(&error.field), error.detail);
    errors.into_iter().map(located).collect()
}

/// Whose context is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The caller's number, as it was sent.
    pub caller: Option<String>,
    /// Whether the platform vouches for that number: the caller is on the line.
    pub vouched: bool,
    /// The call that is asked from, as the platform names it.
    pub call_id: Option<String>,
}

/// Where the envelope has the fields.
#[derive(Clone)]
struct Paths {
    caller: String,
    call_id: String,
    /// What every other field's path begins with.
    rest: String,
}

impl Paths {
    fn of(&self, field: &str) -> String {
        match field {
            "caller" => self.caller.clone(),
            "call_id" => self.call_id.clone(),
            // About all of them.
            "" => self.rest.trim_end_matches('.').to_owned(),
            _ => format!("{}{field}", self.rest),
        }
    }

    fn flat() -> Self {
        Self {
            caller: "caller".into(),
            call_id: "call_id".into(),
            rest: String::new(),
        }
    }
}

/// What a request to set a context asks for.
///
/// # Errors
/// When it is not in the platform's envelope.
pub fn read_set(platform: Platform, body: &Value) -> Result<Vec<Ask<Draft>>, Unreadable> {
    match platform {
        Platform::Twilio | Platform::Bland => {
            let fields = Fields(object(body, "(body)")?);
            let mut draft = fields.draft();
            if let Ok(draft) = &mut draft {
                draft.caller = fields.text("caller")?;
                draft.call_id = fields.text("call_id")?;
            }
            Ok(vec![ask(None, draft, Paths::flat())])
        }
        Platform::Retell => {
            let body = Fields(object(body, "(body)")?);
            let (call, args) = (body.object("call")?, body.object("args")?);
            let (query, paths) = retell_call(&call)?;
            Ok(vec![ask(None, with_call(args.draft(), &query), paths)])
        }
        Platform::Vapi => {
            let message = Message::read(body, SET_FUNCTION)?;
            let asks = message.calls.into_iter().map(|call| {
                let draft = call.draft();
                let paths = Paths {
                    caller: "message.customer.number".into(),
                    call_id: "message.call.id".into(),
                    rest: format!("{}.", call.arguments_path),
                };
                ask(call.id, with_call(draft, &message.query), paths)
            });
            Ok(asks.collect())
        }
    }
}

/// What a request to get a context asks for.
///
/// # Errors
/// When it is not in the platform's envelope.
pub fn read_get(platform: Platform, body: &Value) -> Result<Vec<Ask<Query>>, Unreadable> {
    match platform {
        Platform::Twilio | Platform::Bland => {
            let fields = Fields(object(body, "(body)")?);
            let query = Query {
                caller: fields.text("caller")?,
                vouched: false,
                call_id: fields.text("call_id")?,
            };
            Ok(vec![ask(None, Ok(query), Paths::flat())])
        }
        Platform::Retell => {
            let fields = Fields(object(body, "(body)")?);
            // Published flat, as Retell's inbound webhook is; a custom function brings a `call` around it.
            let (query, paths) = match fields.0.get("call") {
                Some(Value::Object(_)) => retell_call(&fields.object("call")?)?,
                _ => retell_flat(&fields)?,
            };
            Ok(vec![ask(None, Ok(query), paths)])
        }
        Platform::Vapi => {
            let message = Message::read(body, GET_FUNCTION)?;
            let mut asks = Vec::new();
            for call in message.calls {
                // An answer can only be given to a call by its id.
                let id = call.id.ok_or_else(|| one(format!("{}.id", call.path), "is missing"))?;
                let paths = Paths {
                    caller: "message.customer.number".into(),
                    call_id: "message.call.id".into(),
                    rest: String::new(),
                };
                asks.push(ask(Some(id), Ok(message.query.clone()), paths));
            }
            Ok(asks)
        }
    }
}

fn ask<T>(tool_call: Option<String>, what: Result<T, Vec<FieldError>>, paths: Paths) -> Ask<T> {
    Ask { tool_call, what, paths }
}

fn one(field: impl Into<String>, detail: &str) -> Vec<FieldError> {
    vec![FieldError::new(field, detail)]
}

/// The draft, with the caller and the call that the platform itself vouches for. Never those among the fields: these
/// are what a language model made of a conversation, and a caller who names another's number must not get at what is
/// kept of the other.
fn with_call(draft: Result<Draft, Vec<FieldError>>, query: &Query) -> Result<Draft, Vec<FieldError>> {
    draft.map(|draft| Draft {
        caller: query.caller.clone(),
        vouched: query.vouched,
        call_id: query.call_id.clone(),
        ..draft
    })
}

/// The end customer of a call: whoever called us, or whom we called.
fn retell_call(call: &Fields<'_>) -> Result<(Query, Paths), Unreadable> {
    let under = |errors| prefixed("call.", errors);
    let direction = call.text("direction").map_err(under)?;
    let side = if direction.as_deref() == Some("outbound") {
        "to_number"
    } else {
        "from_number"
    };
    let query = Query {
        caller: call.text(side).map_err(under)?,
        vouched: true,
        call_id: call.text("call_id").map_err(under)?,
    };
    let paths = Paths {
        caller: format!("call.{side}"),
        call_id: "call.call_id".into(),
        rest: "args.".into(),
    };
    Ok((query, paths))
}

fn retell_flat(fields: &Fields<'_>) -> Result<(Query, Paths), Unreadable> {
    let query = Query {
        caller: fields.text("from_number")?,
        vouched: true,
        call_id: fields.text("call_id")?,
    };
    let paths = Paths {
        caller: "from_number".into(),
        ..Paths::flat()
    };
    Ok((query, paths))
}

/// Vapi's message, reduced to what is ours in it.
struct Message<'a> {
    query: Query,
    calls: Vec<ToolCall<'a>>,
}

/// A call of one of our functions.
struct ToolCall<'a> {
    id: Option<String>,
    arguments: &'a Value,
    /// Where these stand.
    arguments_path: String,
    /// Where it stands.
    path: String,
}

impl<'a> Message<'a> {
    /// The message with the calls of `function`; those of other functions are somebody else's.
    fn read(body: &'a Value, function: &str) -> Result<Self, Unreadable> {
        let body = Fields(object(body, "(body)")?);
        let message = body.object("message")?;
        let text_at = |pointer: &str, field: &str| match body.at(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(one(field, "expected a string")),
        };
        let caller = match text_at("/message/customer/number", "message.customer.number")? {
            None => text_at("/message/call/customer/number", "message.call.customer.number")?,
            caller => caller,
        };
        let query = Query {
            caller,
            vouched: true,
            call_id: text_at("/message/call/id", "message.call.id")?,
        };
        let (name, calls) = Self::calls(&message, function)?;
        if calls.len() > MAX_TOOL_CALLS {
            return Err(one(
                name,
                &format!("has more than {MAX_TOOL_CALLS} calls of the function {function}"),
            ));
        }
        Ok(Self { query, calls })
    }

    /// The calls of `function`, and the list that has them. Vapi sends the same calls under up to three names, and not
    /// every one of the lists is filled.
    fn calls(message: &Fields<'a>, function: &str) -> Result<(&'static str, Vec<ToolCall<'a>>), Unreadable> {
        let mut first = None;
        for (name, path) in TOOL_CALLS {
            let list = match message.0.get(name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(list)) => list,
                Some(_) => return Err(one(path, "expected a list")),
            };
            let calls = list.iter().enumerate();
            let calls = calls.filter_map(|(index, call)| ToolCall::read(call, function, format!("{path}[{index}]")));
            let calls: Vec<ToolCall<'_>> = calls.collect();
            if !calls.is_empty() {
                return Ok((path, calls));
            }
            first = first.or(Some(path));
        }
        Err(match first {
            Some(path) => one(path, &format!("has no call of the function {function}")),
            None => one("message.toolCalls", "is missing"),
        })
    }
}

impl<'a> ToolCall<'a> {
    /// A call of `function`: itself or beside the tool's configuration (`toolCall`); with an object around name and
    /// arguments (`function`) or without; and with `arguments` or, as in the form without, `parameters`.
    fn read(call: &'a Value, function: &str, path: String) -> Option<Self> {
        let (tool, call, path) = match call.get("toolCall") {
            Some(inner) => (Some(call), inner, format!("{path}.toolCall")),
            None => (None, call, path),
        };
        let inner = call.get("function").filter(|inner| inner.is_object());
        // The configuration's own `parameters` are a schema, and no arguments.
        let name = [inner, Some(call), tool].into_iter().flatten();
        let mut name = name.filter_map(|holder| holder.get("name").and_then(Value::as_str));
        if name.next() != Some(function) {
            return None;
        }
        let places = [
            (inner, "function.arguments"),
            (inner, "function.parameters"),
            (Some(call), "arguments"),
            (Some(call), "parameters"),
        ];
        let values = places.map(|(holder, place)| {
            let (_, field) = place.rsplit_once('.').unwrap_or_default();
            let field = if field.is_empty() { place } else { field };
            holder.and_then(|holder| holder.get(field)).map(|value| (value, place))
        });
        let values = || values.into_iter().flatten();
        let is_filled = |value: &Value| match value {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        let found = values().find(|(value, _)| is_filled(value)).or_else(|| values().next());
        let (arguments, place) = found.unwrap_or((&Value::Null, "arguments"));
        Some(Self {
            id: call.get("id").and_then(Value::as_str).map(str::to_owned),
            arguments,
            arguments_path: format!("{path}.{place}"),
            path,
        })
    }

    /// What the arguments say: an object, as published, or the JSON text of one, as language models give it.
    fn draft(&self) -> Result<Draft, Vec<FieldError>> {
        let parsed;
        let arguments = match self.arguments {
            Value::String(text) => {
                parsed = foreign::inner(text, ARGUMENTS).unwrap_or_default();
                &parsed
            }
            arguments => arguments,
        };
        match arguments {
            Value::Object(fields) => Fields(fields).draft(),
            // Relative to the arguments; see `Paths::of`.
            _ => Err(one("", "expected an object")),
        }
    }
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, Unreadable> {
    value.as_object().ok_or_else(|| one(path, "expected an object"))
}

fn prefixed(prefix: &str, errors: Vec<FieldError>) -> Vec<FieldError> {
    let with_prefix = |error: FieldError| FieldError::new(format!("{prefix}{}", error.field), error.detail);
    errors.into_iter().map(with_prefix).collect()
}

/// An object of which some fields are known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn at(&self, pointer: &str) -> Option<&Value> {
        let mut names = pointer.split('/').skip(1);
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    fn object(&self, name: &str) -> Result<Fields<'a>, Unreadable> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(one(name, "is missing")),
            Some(value) => object(value, name).map(Fields),
        }
    }

    /// A text; none when it is absent or null. A language model that reads "4711" writes a number.
    fn text(&self, name: &str) -> Result<Option<String>, Vec<FieldError>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if MAY_BE_NUMBERS.contains(&name) => match whole(number) {
                Some(number) => Ok(Some(number.to_string())),
                // 10.10 as a binary fraction is another number; nobody's money is rounded here.
                None if name == "price" => Err(one(
                    name,
                    "expected a decimal string such as \"10.50\", not a number with a fraction",
                )),
                None => Err(one(name, "expected a string")),
            },
            Some(_) => Err(one(name, "expected a string")),
        }
    }

    /// A number of seconds, which a language model may have written as a text.
    fn seconds(&self, name: &str) -> Result<Option<u64>, Vec<FieldError>> {
        let wrong = || one(name, "expected a whole number of seconds");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(value) => {
                let number = match value {
                    Value::Number(number) => Some(number.clone()),
                    Value::String(text) => serde_json::from_str(text.trim()).ok(),
                    _ => None,
                };
                let seconds = number.and_then(|number| whole(&number)?.as_u64());
                seconds.map(Some).ok_or_else(wrong)
            }
        }
    }

    /// Everything but the caller and the call, or every field of a wrong type.
    fn draft(&self) -> Result<Draft, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut text = |name: &str| {
            self.text(name).unwrap_or_else(|error| {
                errors.extend(error);
                None
            })
        };
        let mut draft = Draft {
            caller: None,
            vouched: false,
            description: text("description"),
            price: text("price"),
            vendor: text("vendor"),
            callback: text("callback"),
            customer_id: text("customer_id"),
            order_id: text("order_id"),
            email: text("email"),
            full_name: text("full_name"),
            memory: text("memory"),
            persona: text("persona"),
            transaction_type: text("transaction_type"),
            call_id: None,
            ttl: None,
        };
        match self.seconds("ttl") {
            Ok(ttl) => draft.ttl = ttl,
            Err(error) => errors.extend(error),
        }
        if errors.is_empty() { Ok(draft) } else { Err(errors) }
    }
}
