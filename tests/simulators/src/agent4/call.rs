//! Runs one call through a chain.

#![expect(clippy::indexing_slicing, reason = "indexing JSON yields null for missing fields")]

use bytes::Bytes;
use http::{StatusCode, header};
use patchbay::http::{Request, Response, SendError};
use patchbay::phone::PhoneNumber;
use serde_json::{Map, Value, json};

use super::{Agent4, ContextForm, EarlyContext, Move, NoActionRule, StateRule, Turn};

/// Links after which a call counts as an endless loop.
const MAX_STEPS: usize = 60;
/// The fields of a response.
const FIELDS: [&str; 8] = [
    "key",
    "content",
    "actions",
    "state",
    "additional_call_notifications",
    "qualified_parameters",
    "disqualified_parameters",
    "interrupt_parameters",
];

/// Fields that are strings.
const TEXTS: [&str; 2] = ["key", "content"];
/// Fields that are arrays.
const LISTS: [&str; 2] = ["actions", "additional_call_notifications"];
/// Actions, each with the string that its `context` must contain.
const ACTIONS: [(&str, Option<&str>); 9] = [
    ("next_task", None),
    ("switch_task", Some("name")),
    ("sms", Some("message")),
    ("transfer_call", Some("number")),
    ("end_call", None),
    ("end_task", None),
    ("say", Some("content")),
    ("email", Some("email")),
    ("set_trigger", Some("trigger")),
];

/// A request and its response.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpExchange {
    /// The body of the request.
    pub request: Value,
    /// The body of the response.
    pub answer: Value,
}

/// A text that was spoken, or a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// The name of the link.
    pub link: String,
    /// The spoken text or the prompt.
    pub text: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The caller hung up.
    HungUp,
    /// `end_call`.
    EndCall,
    /// `end_task`: the chain ends, the call continues.
    EndTask,
    /// `transfer_call`, to this number.
    Transferred(String),
    /// The chain moved on after its last link.
    LastLink,
    /// A response without an action that moves on.
    Nothing,
    /// The server did not respond, or its response was unusable.
    Broken(String),
    /// The chain is an endless loop.
    Endless,
}

/// The record of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// All requests, in order. A duplicate request is recorded once.
    pub exchanges: Vec<HttpExchange>,
    /// All prompts, in order.
    pub prompts: Vec<Utterance>,
    /// What the caller heard, in order.
    pub heard: Vec<Utterance>,
    /// Text messages to the caller.
    pub texts: Vec<String>,
    /// Addresses that receive a summary.
    pub emails: Vec<String>,
    /// Triggers that were set.
    pub triggers: Vec<String>,
    /// `additional_call_notifications` of all responses.
    pub notifications: Vec<Value>,
    /// The names of the links that were started, in order.
    pub links: Vec<String>,
    /// The final state.
    pub state: Map<String, Value>,
    /// How the call ended.
    pub ending: Ending,
    /// Violations of the contract, each with the link and the action of its request.
    pub violations: Vec<String>,
}

impl CallRecord {
    /// Whether the caller heard something that contains `text`.
    pub fn heard(&self, text: &str) -> bool {
        self.heard.iter().any(|heard| heard.text.contains(text))
    }
}

/// What follows a response.
enum Next {
    Link(usize),
    End(Ending),
    Stay,
}

struct ChainRun<'a> {
    agent: &'a Agent4,
    caller: &'a str,
    record: CallRecord,
    key: Option<String>,
    last: Value,
    /// Link and action of the last request.
    at: String,
}

pub(super) async fn run(agent: &Agent4, caller: &str, mut person: impl FnMut(&Turn<'_>) -> Move) -> CallRecord {
    let mut run = ChainRun {
        agent,
        caller,
        key: None,
        last: Value::Null,
        at: String::new(),
        record: CallRecord {
            exchanges: Vec::new(),
            prompts: Vec::new(),
            heard: Vec::new(),
            texts: Vec::new(),
            emails: Vec::new(),
            triggers: Vec::new(),
            notifications: Vec::new(),
            links: Vec::new(),
            state: Map::new(),
            ending: Ending::Endless,
            violations: Vec::new(),
        },
    };
    let mut link = 0;
    for _ in 0..MAX_STEPS {
        match run.link(link, &mut person).await {
            Next::Link(next) => link = next,
            Next::End(ending) => {
                run.record.ending = ending;
                return run.record;
            }
            Next::Stay => {
                run.record.ending = Ending::Nothing;
                return run.record;
            }
        }
    }
    run.record
}

impl ChainRun<'_> {
    /// Runs one link.
    async fn link(&mut self, index: usize, person: &mut impl FnMut(&Turn<'_>) -> Move) -> Next {
        let Some(link) = self.agent.links.get(index).cloned() else {
            return Next::End(Ending::LastLink);
        };
        self.record.links.push(link.name.clone());
        let answer = match self.post(index, "initial", &Value::Null).await {
            Ok(answer) => answer,
            Err(why) => return Next::End(Ending::Broken(why)),
        };
        let next = self.execute(index, &answer);
        let content = answer["content"].as_str().unwrap_or_default();
        if !matches!(next, Next::Stay) {
            self.say(&link.name, content);
            return next;
        }
        if content.is_empty() {
            self.violation("the response to `initial` has neither a prompt nor an action that moves on");
        }
        let prompt = content.to_owned();
        self.record.prompts.push(super::Utterance {
            link: link.name.clone(),
            text: prompt.clone(),
        });
        let turn = Turn {
            link: &link.name,
            prompt: &prompt,
            parameters: &answer["qualified_parameters"],
            texts: &self.record.texts.clone(),
        };
        let (action, arguments) = match person(&turn) {
            Move::Qualified(arguments) => ("qualified", arguments),
            Move::Disqualified(arguments) => ("disqualified", arguments),
            Move::HangUp => {
                // The caller has hung up: the response is recorded, but not spoken.
                let arguments = example_arguments(&answer["interrupt_parameters"]);
                if let Ok(answer) = self.post(index, "interrupt", &arguments).await {
                    self.apply(&answer);
                }
                return Next::End(Ending::HungUp);
            }
        };
        let answer = match self.post(index, action, &arguments).await {
            Ok(answer) => answer,
            Err(why) => return Next::End(Ending::Broken(why)),
        };
        self.say(&link.name, answer["content"].as_str().unwrap_or_default());
        match (self.execute(index, &answer), self.agent.switches.no_action) {
            (Next::Stay, NoActionRule::Next) => Next::Link(index + 1),
            (next, _) => next,
        }
    }

    fn say(&mut self, link: &str, text: &str) {
        if !text.is_empty() {
            self.record.heard.push(Utterance {
                link: link.to_owned(),
                text: text.to_owned(),
            });
        }
    }

    fn violation(&mut self, what: impl AsRef<str>) {
        let violation = format!("{}: {}", self.at, what.as_ref());
        self.record.violations.push(violation);
    }

    /// Executes the actions of a response and returns what follows.
    fn execute(&mut self, index: usize, answer: &Value) -> Next {
        self.apply(answer);
        let mut next = Next::Stay;
        for action in answer["actions"].as_array().cloned().unwrap_or_default() {
            self.check_action(&action);
            let context = &action["context"];
            let text = |name: &str| context[name].as_str().unwrap_or_default().to_owned();
            let moved = match action["name"].as_str().unwrap_or_default() {
                "next_task" => Some(Next::Link(index + 1)),
                "switch_task" => {
                    let name = text("name");
                    if let Some(index) = self.agent.links.iter().position(|link| link.name == name) {
                        Some(Next::Link(index))
                    } else {
                        self.violation(format!("`switch_task` to an unknown link: {name}"));
                        Some(Next::End(Ending::Broken("no such link".into())))
                    }
                }
                "sms" => {
                    self.record.texts.push(text("message"));
                    None
                }
                "transfer_call" => Some(Next::End(Ending::Transferred(text("number")))),
                "end_call" => Some(Next::End(Ending::EndCall)),
                "end_task" => Some(Next::End(Ending::EndTask)),
                "say" => {
                    let name = self.record.links.last().cloned().unwrap_or_default();
                    self.say(&name, &text("content"));
                    None
                }
                "email" => {
                    self.record.emails.push(text("email"));
                    None
                }
                "set_trigger" => {
                    self.record.triggers.push(text("trigger"));
                    None
                }
                _ => None,
            };
            if let (Some(moved), true) = (moved, matches!(next, Next::Stay)) {
                next = moved;
            }
        }
        next
    }

    fn check_action(&mut self, action: &Value) {
        let name = action["name"].as_str().unwrap_or_default();
        let Some((_, field)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
            self.violation(format!("unknown action: {name}"));
            return;
        };
        let Some(field) = field else { return };
        let text = action["context"][*field].as_str().unwrap_or_default();
        if text.is_empty() {
            self.violation(format!("the action `{name}` has no string `{field}` in its context"));
        } else if name == "transfer_call" && PhoneNumber::from_e164(text).is_err() {
            self.violation("`transfer_call` to an invalid phone number");
        }
    }

    fn check_shape(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let name = name.as_str();
            let (fits, kind) = if TEXTS.contains(&name) {
                (value.is_string(), "a string")
            } else if LISTS.contains(&name) {
                (value.is_array(), "an array")
            } else if FIELDS.contains(&name) {
                (value.is_object(), "an object")
            } else {
                self.violation(format!("unknown field: {name}"));
                continue;
            };
            if !fits {
                self.violation(format!("`{name}` is not {kind}"));
            }
        }
    }

    /// Applies the state and the notifications of a response, and checks it against the contract.
    fn apply(&mut self, answer: &Value) {
        let Some(fields) = answer.as_object() else {
            // The published sample responds to an interrupt with null.
            if !answer.is_null() {
                self.violation("the response is not an object");
            }
            return;
        };
        self.check_shape(fields);
        if let Some(key) = answer["key"].as_str() {
            if self.key.as_ref().is_some_and(|known| known != key) {
                self.violation("`key` changed during the call");
            }
            self.key = Some(key.to_owned());
        }
        if let Some(state) = answer["state"].as_object() {
            match self.agent.switches.state {
                StateRule::Merge | StateRule::Never | StateRule::AtInitial => self.record.state.extend(state.clone()),
                StateRule::Replace => self.record.state.clone_from(state),
            }
        }
        let notifications = answer["additional_call_notifications"].as_array();
        self.record
            .notifications
            .extend(notifications.cloned().unwrap_or_default());
    }

    async fn post(&mut self, index: usize, action: &str, arguments: &Value) -> Result<Value, String> {
        let request = self.request(index, action, arguments);
        self.at = format!("{} {action}", request["name"].as_str().unwrap_or_default());
        let url = self
            .agent
            .links
            .get(index)
            .map_or_else(String::new, |link| link.endpoint.clone());
        let answer = self.exchange(&url, &request).await?;
        if self.agent.switches.duplicates {
            let again = self.exchange(&url, &request).await?;
            if again != answer {
                self.violation(format!(
                    "the response to a duplicate `{action}` differs: {answer} / {again}"
                ));
            }
        }
        if action != "initial" {
            for name in FIELDS.iter().filter(|name| name.ends_with("_parameters")) {
                if !answer[*name].is_null() {
                    self.violation(format!("`{name}` in the response to `{action}`"));
                }
            }
        }
        self.record.exchanges.push(HttpExchange {
            request,
            answer: answer.clone(),
        });
        Ok(answer)
    }

    fn request(&mut self, index: usize, action: &str, arguments: &Value) -> Value {
        let switches = self.agent.switches;
        let name = self.agent.links.get(index).map_or("", |link| link.name.as_str());
        let mut request = json!({ "name": name, "action": action, "call_from": self.caller });
        request["call_forwarded_by"] = if switches.forwarded_by {
            json!(self.agent.line)
        } else {
            Value::Null
        };
        let early = match action {
            "initial" => Some(switches.context_at_initial),
            "interrupt" => Some(switches.context_at_interrupt),
            _ => None,
        };
        match early {
            None => {
                self.last = format_context(switches.context, arguments);
                request["context"] = self.last.clone();
            }
            Some(EarlyContext::Given) if arguments.is_object() => {
                request["context"] = format_context(switches.context, arguments);
            }
            Some(EarlyContext::Missing | EarlyContext::Given) => {}
            Some(EarlyContext::Null) => request["context"] = Value::Null,
            Some(EarlyContext::Empty) => request["context"] = json!({}),
            Some(EarlyContext::Last) => request["context"] = self.last.clone(),
        }
        let state = match switches.state {
            StateRule::Never => Map::new(),
            StateRule::AtInitial if action != "initial" => Map::new(),
            _ => self.record.state.clone(),
        };
        if switches.empty_state || !state.is_empty() {
            request["state"] = Value::Object(state);
        }
        if switches.metadata {
            request["metadata"] = Value::Object(self.agent.metadata.clone());
        }
        request
    }

    async fn exchange(&self, url: &str, request: &Value) -> Result<Value, String> {
        let mut tries = 0;
        loop {
            let post: Request = http::Request::post(url)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Bytes::from(request.to_string()))
                .map_err(|error| error.to_string())?;
            let sent = tokio::time::timeout(self.agent.switches.time_out, self.agent.http.send(post)).await;
            match parse_response(sent.map_err(|_| "no response in time".to_owned())) {
                Ok(answer) => return Ok(answer),
                Err(why) if tries >= self.agent.switches.retries => return Err(why),
                Err(_) => tries += 1,
            }
        }
    }
}

fn parse_response(sent: Result<Result<Response, SendError>, String>) -> Result<Value, String> {
    let response = sent?.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("status {}", response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|_| "the response is not JSON".to_owned())
}

/// The model's arguments for declared parameters: a string for each.
fn example_arguments(parameters: &Value) -> Value {
    let properties = parameters["properties"].as_object();
    properties.map_or(Value::Null, |properties| {
        properties
            .keys()
            .map(|name| (name.clone(), json!(format!("some {name}"))))
            .collect()
    })
}

/// The model's arguments in the form in which they are sent.
fn format_context(form: ContextForm, arguments: &Value) -> Value {
    match form {
        ContextForm::Object => arguments.clone(),
        ContextForm::InResponses => json!({ "responses": arguments }),
        ContextForm::Text => json!(arguments.to_string()),
        ContextForm::TextInResponses => json!(json!({ "responses": arguments.to_string() }).to_string()),
        ContextForm::Single => {
            let single = arguments.as_object().filter(|fields| fields.len() == 1);
            match single.and_then(|fields| fields.values().next()) {
                Some(only) => json!(json!({ "responses": only }).to_string()),
                // The older form supports one argument. Several are sent as an object inside it.
                None => json!(json!({ "responses": arguments }).to_string()),
            }
        }
    }
}
