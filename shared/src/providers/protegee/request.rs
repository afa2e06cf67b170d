//! Parses requests out of their envelope, field by field. Every error has the path of its field in the envelope.

use serde_json::{Map, Value};

use super::Platform;
use crate::context::ContextDraft;
use crate::field::FieldError;
use crate::json_number::as_integer;
use crate::lenient_json::{self, Selection};

/// Name of the function that sets a context, at Vapi.
pub(super) const SET_FUNCTION: &str = "SendContextToProtegee";
/// Name of the function that gets a context, at Vapi.
pub(super) const GET_FUNCTION: &str = "GetContextFromProtegee";
/// Maximum number of our tool calls in one request. Each costs a request to DynamoDB, and an agent means one.
const MAX_TOOL_CALLS: usize = 8;

/// Fields where a whole number is accepted as text. Phone numbers are not among them: a number has no `+` and no
/// leading zeros.
const NUMERIC_TEXT_FIELDS: [&str; 7] = [
    "customer_id",
    "description",
    "full_name",
    "memory",
    "order_id",
    "price",
    "vendor",
];

/// Every field of the payload, as [`Fields::draft`] reads it; the last two have their own place in an envelope.
pub(super) const FLAT_FIELDS: [(&str, Selection); 14] = [
    ("description", Selection::Scalar),
    ("price", Selection::Scalar),
    ("vendor", Selection::Scalar),
    ("callback", Selection::Scalar),
    ("customer_id", Selection::Scalar),
    ("order_id", Selection::Scalar),
    ("email", Selection::Scalar),
    ("full_name", Selection::Scalar),
    ("memory", Selection::Scalar),
    ("persona", Selection::Scalar),
    ("transaction_type", Selection::Scalar),
    ("ttl", Selection::Scalar),
    ("caller", Selection::Scalar),
    ("call_id", Selection::Scalar),
];
/// The arguments of a tool call that are read.
pub(super) const ARGUMENTS: Selection = Selection::Fields(FLAT_FIELDS.split_at(12).0);

/// Lists of tool calls in a message of Vapi: their names and paths.
const TOOL_CALLS: [(&str, &str); 3] = [
    ("toolCalls", "message.toolCalls"),
    ("toolCallList", "message.toolCallList"),
    ("toolWithToolCallList", "message.toolWithToolCallList"),
];

/// Why a request does not match the envelope of its platform.
pub type EnvelopeErrors = Vec<FieldError>;

/// One operation of a request.
#[derive(Clone)]
pub struct Operation<T> {
    /// Id of the tool call (Vapi), which its answer must repeat.
    pub tool_call: Option<String>,
    /// The parsed payload, or errors that name fields as the payload does.
    pub payload: Result<T, Vec<FieldError>>,
    paths: FieldPaths,
}

impl<T> Operation<T> {
    /// Validates the payload with `check`.
    ///
    /// # Errors
    /// The errors, with the paths of the envelope.
    pub fn validate<U>(self, check: impl FnOnce(T) -> Result<U, Vec<FieldError>>) -> Result<U, Vec<FieldError>> {
        self.payload
            .and_then(check)
            .map_err(|errors| locate(&self.paths, errors))
    }

    /// Replaces the field names of the payload in `errors` by paths in the envelope.
    pub fn with_paths(&self, errors: Vec<FieldError>) -> Vec<FieldError> {
        locate(&self.paths, errors)
    }
}

fn locate(paths: &FieldPaths, errors: Vec<FieldError>) -> Vec<FieldError> {
    let located = |error: FieldError| FieldError::new(paths.path(&error.field), error.detail);
    errors.into_iter().map(located).collect()
}

/// The caller whose context is requested.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContextQuery {
    /// Number of the caller, as sent.
    pub caller: Option<String>,
    /// Whether the platform guarantees the number: the caller is on the line.
    pub trusted: bool,
    /// Id of the current call at the platform.
    pub call_id: Option<String>,
}

/// Paths of the fields in the envelope.
#[derive(Clone)]
struct FieldPaths {
    caller: String,
    call_id: String,
    /// Prefix of the path of every other field.
    rest: String,
}

impl FieldPaths {
    fn path(&self, field: &str) -> String {
        match field {
            "caller" => self.caller.clone(),
            "call_id" => self.call_id.clone(),
            // An error about all fields.
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

/// Parses a request that sets contexts.
///
/// # Errors
/// When it does not match the envelope of the platform.
pub fn read_set(platform: Platform, body: &Value) -> Result<Vec<Operation<ContextDraft>>, EnvelopeErrors> {
    match platform {
        Platform::Twilio | Platform::Bland => {
            let fields = Fields(object(body, "(body)")?);
            let mut draft = fields.draft();
            if let Ok(draft) = &mut draft {
                draft.caller = fields.text("caller")?;
                draft.call_id = fields.text("call_id")?;
            }
            Ok(vec![operation(None, draft, FieldPaths::flat())])
        }
        Platform::Retell => {
            let body = Fields(object(body, "(body)")?);
            let (call, args) = (body.object("call")?, body.object("args")?);
            let (query, paths) = retell_call(&call)?;
            Ok(vec![operation(None, with_call(args.draft(), &query), paths)])
        }
        Platform::Vapi => {
            let message = Message::read(body, SET_FUNCTION)?;
            let operations = message.calls.into_iter().map(|call| {
                let draft = call.draft();
                let paths = FieldPaths {
                    caller: "message.customer.number".into(),
                    call_id: "message.call.id".into(),
                    rest: format!("{}.", call.arguments_path),
                };
                operation(call.id, with_call(draft, &message.query), paths)
            });
            Ok(operations.collect())
        }
    }
}

/// Parses a request that gets contexts.
///
/// # Errors
/// When it does not match the envelope of the platform.
pub fn read_get(platform: Platform, body: &Value) -> Result<Vec<Operation<ContextQuery>>, EnvelopeErrors> {
    match platform {
        Platform::Twilio | Platform::Bland => {
            let fields = Fields(object(body, "(body)")?);
            let query = ContextQuery {
                caller: fields.text("caller")?,
                trusted: false,
                call_id: fields.text("call_id")?,
            };
            Ok(vec![operation(None, Ok(query), FieldPaths::flat())])
        }
        Platform::Retell => {
            let fields = Fields(object(body, "(body)")?);
            // Published flat, as in Retell's inbound webhook. A custom function wraps it in `call`.
            let (query, paths) = match fields.0.get("call") {
                Some(Value::Object(_)) => retell_call(&fields.object("call")?)?,
                _ => retell_flat(&fields)?,
            };
            Ok(vec![operation(None, Ok(query), paths)])
        }
        Platform::Vapi => {
            let message = Message::read(body, GET_FUNCTION)?;
            let mut operations = Vec::new();
            for call in message.calls {
                // An answer refers to a tool call by its id.
                let id = call
                    .id
                    .ok_or_else(|| single_error(format!("{}.id", call.path), "is missing"))?;
                let paths = FieldPaths {
                    caller: "message.customer.number".into(),
                    call_id: "message.call.id".into(),
                    rest: String::new(),
                };
                operations.push(operation(Some(id), Ok(message.query.clone()), paths));
            }
            Ok(operations)
        }
    }
}

fn operation<T>(tool_call: Option<String>, payload: Result<T, Vec<FieldError>>, paths: FieldPaths) -> Operation<T> {
    Operation {
        tool_call,
        payload,
        paths,
    }
}

fn single_error(field: impl Into<String>, detail: &str) -> Vec<FieldError> {
    vec![FieldError::new(field, detail)]
}

/// The draft with the caller and the call from the platform. Those among the arguments are ignored: a language model
/// derived them from a conversation, and a caller who names another number must not get access to the context of that
/// caller.
fn with_call(
    draft: Result<ContextDraft, Vec<FieldError>>,
    query: &ContextQuery,
) -> Result<ContextDraft, Vec<FieldError>> {
    draft.map(|draft| ContextDraft {
        caller: query.caller.clone(),
        trusted: query.trusted,
        call_id: query.call_id.clone(),
        ..draft
    })
}

/// The customer of a call: the caller of an inbound call, the callee of an outbound one.
fn retell_call(call: &Fields<'_>) -> Result<(ContextQuery, FieldPaths), EnvelopeErrors> {
    let under = |errors| with_prefix("call.", errors);
    let direction = call.text("direction").map_err(under)?;
    let side = if direction.as_deref() == Some("outbound") {
        "to_number"
    } else {
        "from_number"
    };
    let query = ContextQuery {
        caller: call.text(side).map_err(under)?,
        trusted: true,
        call_id: call.text("call_id").map_err(under)?,
    };
    let paths = FieldPaths {
        caller: format!("call.{side}"),
        call_id: "call.call_id".into(),
        rest: "args.".into(),
    };
    Ok((query, paths))
}

fn retell_flat(fields: &Fields<'_>) -> Result<(ContextQuery, FieldPaths), EnvelopeErrors> {
    let query = ContextQuery {
        caller: fields.text("from_number")?,
        trusted: true,
        call_id: fields.text("call_id")?,
    };
    let paths = FieldPaths {
        caller: "from_number".into(),
        ..FieldPaths::flat()
    };
    Ok((query, paths))
}

/// A message of Vapi, reduced to the fields that patchbay needs.
struct Message<'a> {
    query: ContextQuery,
    calls: Vec<ToolCall<'a>>,
}

/// A call of one of our functions.
struct ToolCall<'a> {
    id: Option<String>,
    arguments: &'a Value,
    /// Path of the arguments.
    arguments_path: String,
    /// Path of the tool call.
    path: String,
}

impl<'a> Message<'a> {
    /// The message with the calls of `function`. Calls of other functions are ignored.
    fn read(body: &'a Value, function: &str) -> Result<Self, EnvelopeErrors> {
        let body = Fields(object(body, "(body)")?);
        let message = body.object("message")?;
        let text_at = |pointer: &str, field: &str| match body.at(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(single_error(field, "expected a string")),
        };
        let caller = match text_at("/message/customer/number", "message.customer.number")? {
            None => text_at("/message/call/customer/number", "message.call.customer.number")?,
            caller => caller,
        };
        let query = ContextQuery {
            caller,
            trusted: true,
            call_id: text_at("/message/call/id", "message.call.id")?,
        };
        let (name, calls) = Self::calls(&message, function)?;
        if calls.len() > MAX_TOOL_CALLS {
            return Err(single_error(
                name,
                &format!("has more than {MAX_TOOL_CALLS} calls of the function {function}"),
            ));
        }
        Ok(Self { query, calls })
    }

    /// The calls of `function`, and the path of the list that has them. Vapi sends the same calls in up to three lists,
    /// and may leave some of them empty (CONTRACT.md 8.3).
    fn calls(message: &Fields<'a>, function: &str) -> Result<(&'static str, Vec<ToolCall<'a>>), EnvelopeErrors> {
        let mut first = None;
        for (name, path) in TOOL_CALLS {
            let list = match message.0.get(name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(list)) => list,
                Some(_) => return Err(single_error(path, "expected a list")),
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
            Some(path) => single_error(path, &format!("has no call of the function {function}")),
            None => single_error("message.toolCalls", "is missing"),
        })
    }
}

impl<'a> ToolCall<'a> {
    /// Parses a call of `function`. The call stands alone or next to the configuration of its tool (`toolCall`); name
    /// and arguments are wrapped in `function` or not; the arguments are called `arguments` or, without `function`,
    /// `parameters`.
    fn read(call: &'a Value, function: &str, path: String) -> Option<Self> {
        let (tool, call, path) = match call.get("toolCall") {
            Some(inner) => (Some(call), inner, format!("{path}.toolCall")),
            None => (None, call, path),
        };
        let inner = call.get("function").filter(|inner| inner.is_object());
        // The `parameters` of the tool configuration are a schema, not arguments.
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
        let is_non_empty = |value: &Value| match value {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        let found = values()
            .find(|(value, _)| is_non_empty(value))
            .or_else(|| values().next());
        let (arguments, place) = found.unwrap_or((&Value::Null, "arguments"));
        Some(Self {
            id: call.get("id").and_then(Value::as_str).map(str::to_owned),
            arguments,
            arguments_path: format!("{path}.{place}"),
            path,
        })
    }

    /// Parses the arguments: an object, as published, or its JSON text, as language models return it.
    fn draft(&self) -> Result<ContextDraft, Vec<FieldError>> {
        let parsed;
        let arguments = match self.arguments {
            Value::String(text) => {
                parsed = lenient_json::select_str(text, ARGUMENTS).unwrap_or_default();
                &parsed
            }
            arguments => arguments,
        };
        match arguments {
            Value::Object(fields) => Fields(fields).draft(),
            // Relative to the arguments; see [`FieldPaths::path`].
            _ => Err(single_error("", "expected an object")),
        }
    }
}

fn object<'a>(value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, EnvelopeErrors> {
    value
        .as_object()
        .ok_or_else(|| single_error(path, "expected an object"))
}

fn with_prefix(prefix: &str, errors: Vec<FieldError>) -> Vec<FieldError> {
    let prefixed = |error: FieldError| FieldError::new(format!("{prefix}{}", error.field), error.detail);
    errors.into_iter().map(prefixed).collect()
}

/// An object of which only known fields are read.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn at(&self, pointer: &str) -> Option<&Value> {
        let mut names = pointer.split('/').skip(1);
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    fn object(&self, name: &str) -> Result<Fields<'a>, EnvelopeErrors> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(single_error(name, "is missing")),
            Some(value) => object(value, name).map(Fields),
        }
    }

    /// A string. None when it is absent or null. A language model may write the string "4711" as a number.
    fn text(&self, name: &str) -> Result<Option<String>, Vec<FieldError>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if NUMERIC_TEXT_FIELDS.contains(&name) => match as_integer(number) {
                Some(number) => Ok(Some(number.to_string())),
                // 10.10 is not exact as a binary fraction, and money must not be rounded.
                None if name == "price" => Err(single_error(
                    name,
                    "expected a decimal string such as \"10.50\", not a number with a fraction",
                )),
                None => Err(single_error(name, "expected a string")),
            },
            Some(_) => Err(single_error(name, "expected a string")),
        }
    }

    /// A number of seconds. A language model may write it as a string.
    fn seconds(&self, name: &str) -> Result<Option<u64>, Vec<FieldError>> {
        let invalid = || single_error(name, "expected a whole number of seconds");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(value) => {
                let number = match value {
                    Value::Number(number) => Some(number.clone()),
                    Value::String(text) => serde_json::from_str(text.trim()).ok(),
                    _ => None,
                };
                let seconds = number.and_then(|number| as_integer(&number)?.as_u64());
                seconds.map(Some).ok_or_else(invalid)
            }
        }
    }

    /// All fields except the caller and the call, or an error for every field of a wrong type.
    fn draft(&self) -> Result<ContextDraft, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut text = |name: &str| {
            self.text(name).unwrap_or_else(|error| {
                errors.extend(error);
                None
            })
        };
        let mut draft = ContextDraft {
            caller: None,
            trusted: false,
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
