//! One call through a chain.

#![expect(clippy::indexing_slicing, reason = "of JSON: what is not there is null")]

use bytes::Bytes;
use http::{StatusCode, header};
use patchbay::http::{Request, Response, SendError};
use patchbay::phone::PhoneNumber;
use serde_json::{Map, Value, json};

use super::{AfterNothing, Agent4, ContextForm, EarlyContext, Move, StateRule, Turn};

/// More steps than an honest chain takes.
const MAX_STEPS: usize = 60;
/// Fields that an answer may have.
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

/// Fields with a text.
const TEXTS: [&str; 2] = ["key", "content"];
/// Fields with a list.
const LISTS: [&str; 2] = ["actions", "additional_call_notifications"];
/// Actions, and what their `context` must have.
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

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// What was sent.
    pub request: Value,
    /// What came back; null when nothing did.
    pub answer: Value,
}

/// Something that the caller heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// In which link.
    pub link: String,
    /// What.
    pub text: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The caller hung up.
    HungUp,
    /// `end_call`.
    EndCall,
    /// `end_task`: the chain is left, the call goes on.
    EndTask,
    /// `transfer_call`, to this number.
    Transferred(String),
    /// No link comes after the last one.
    LastLink,
    /// An answer that did not move on.
    Nothing,
    /// The server did not answer, or not with something that can be used.
    Broken(String),
    /// The chain went in circles.
    Endless,
}

/// What happened in a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// Every request, in order; a repeated one once.
    pub exchanges: Vec<Exchange>,
    /// Prompts, by link.
    pub prompts: Vec<Heard>,
    /// What was spoken.
    pub heard: Vec<Heard>,
    /// Text messages to the caller.
    pub texts: Vec<String>,
    /// Addresses that get a summary.
    pub emails: Vec<String>,
    /// Triggers that were set.
    pub triggers: Vec<String>,
    /// What is done after the call.
    pub notifications: Vec<Value>,
    /// Links, in the order in which they began.
    pub links: Vec<String>,
    /// The state at the end.
    pub state: Map<String, Value>,
    /// The end.
    pub ending: Ending,
    /// What the server did that the contract does not allow, and in its answer to what.
    pub violations: Vec<String>,
}

impl CallRecord {
    /// Whether the caller heard something with this text in it.
    pub fn heard(&self, text: &str) -> bool {
        self.heard.iter().any(|heard| heard.text.contains(text))
    }
}

/// Where an answer leads.
enum Onward {
    Link(usize),
    End(Ending),
    Stay,
}

struct Run<'a> {
    agent: &'a Agent4,
    caller: &'a str,
    record: CallRecord,
    key: Option<String>,
    last: Value,
    /// The request that was sent last: link and action.
    at: String,
}

pub(super) async fn run(agent: &Agent4, caller: &str, mut person: impl FnMut(&Turn<'_>) -> Move) -> CallRecord {
    let mut run = Run {
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
            Onward::Link(next) => link = next,
            Onward::End(ending) => {
                run.record.ending = ending;
                return run.record;
            }
            Onward::Stay => {
                run.record.ending = Ending::Nothing;
                return run.record;
            }
        }
    }
    run.record
}

impl Run<'_> {
    /// One link from its beginning to its end.
    async fn link(&mut self, index: usize, person: &mut impl FnMut(&Turn<'_>) -> Move) -> Onward {
        let Some(link) = self.agent.links.get(index).cloned() else {
            return Onward::End(Ending::LastLink);
        };
        self.record.links.push(link.name.clone());
        let answer = match self.post(index, "initial", &Value::Null).await {
            Ok(answer) => answer,
            Err(why) => return Onward::End(Ending::Broken(why)),
        };
        let onward = self.act(index, &answer);
        let content = answer["content"].as_str().unwrap_or_default();
        if !matches!(onward, Onward::Stay) {
            self.say(&link.name, content);
            return onward;
        }
        if content.is_empty() {
            self.wrong("an answer to `initial` has neither a prompt nor a move");
        }
        let prompt = content.to_owned();
        self.record.prompts.push(super::Heard {
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
                // Nobody is there any more to hear what comes back.
                let given = given(&answer["interrupt_parameters"]);
                if let Ok(answer) = self.post(index, "interrupt", &given).await {
                    self.note(&answer);
                }
                return Onward::End(Ending::HungUp);
            }
        };
        let answer = match self.post(index, action, &arguments).await {
            Ok(answer) => answer,
            Err(why) => return Onward::End(Ending::Broken(why)),
        };
        self.say(&link.name, answer["content"].as_str().unwrap_or_default());
        match (self.act(index, &answer), self.agent.switches.after_nothing) {
            (Onward::Stay, AfterNothing::Next) => Onward::Link(index + 1),
            (onward, _) => onward,
        }
    }

    fn say(&mut self, link: &str, text: &str) {
        if !text.is_empty() {
            self.record.heard.push(Heard {
                link: link.to_owned(),
                text: text.to_owned(),
            });
        }
    }

    fn wrong(&mut self, what: impl AsRef<str>) {
        let violation = format!("{}: {}", self.at, what.as_ref());
        self.record.violations.push(violation);
    }

    /// Does what an answer says; tells where it leads.
    fn act(&mut self, index: usize, answer: &Value) -> Onward {
        self.note(answer);
        let mut onward = Onward::Stay;
        for action in answer["actions"].as_array().cloned().unwrap_or_default() {
            self.check_action(&action);
            let context = &action["context"];
            let text = |name: &str| context[name].as_str().unwrap_or_default().to_owned();
            let moved = match action["name"].as_str().unwrap_or_default() {
                "next_task" => Some(Onward::Link(index + 1)),
                "switch_task" => {
                    let name = text("name");
                    if let Some(index) = self.agent.links.iter().position(|link| link.name == name) {
                        Some(Onward::Link(index))
                    } else {
                        self.wrong(format!("`switch_task` to a link that is not there: {name}"));
                        Some(Onward::End(Ending::Broken("no such link".into())))
                    }
                }
                "sms" => {
                    self.record.texts.push(text("message"));
                    None
                }
                "transfer_call" => Some(Onward::End(Ending::Transferred(text("number")))),
                "end_call" => Some(Onward::End(Ending::EndCall)),
                "end_task" => Some(Onward::End(Ending::EndTask)),
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
            if let (Some(moved), true) = (moved, matches!(onward, Onward::Stay)) {
                onward = moved;
            }
        }
        onward
    }

    fn check_action(&mut self, action: &Value) {
        let name = action["name"].as_str().unwrap_or_default();
        let Some((_, field)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
            self.wrong(format!("an action that does not exist: {name}"));
            return;
        };
        let Some(field) = field else { return };
        let text = action["context"][*field].as_str().unwrap_or_default();
        if text.is_empty() {
            self.wrong(format!("the action `{name}` has no text `{field}` in its context"));
        } else if name == "transfer_call" && PhoneNumber::from_e164(text).is_err() {
            self.wrong("`transfer_call` to what is not a telephone number");
        }
    }

    fn check_shape(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let name = name.as_str();
            let (fits, kind) = if TEXTS.contains(&name) {
                (value.is_string(), "a text")
            } else if LISTS.contains(&name) {
                (value.is_array(), "a list")
            } else if FIELDS.contains(&name) {
                (value.is_object(), "an object")
            } else {
                self.wrong(format!("an answer with a field that does not exist: {name}"));
                continue;
            };
            if !fits {
                self.wrong(format!("`{name}` is not {kind}"));
            }
        }
    }

    /// Takes over the state and the notifications, and looks whether the answer keeps to the contract.
    fn note(&mut self, answer: &Value) {
        let Some(fields) = answer.as_object() else {
            // The sample answers null to an interrupt.
            if !answer.is_null() {
                self.wrong("an answer that is not an object");
            }
            return;
        };
        self.check_shape(fields);
        if let Some(key) = answer["key"].as_str() {
            if self.key.as_ref().is_some_and(|known| known != key) {
                self.wrong("`key` has changed within a call");
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
                self.wrong(format!(
                    "a repeated `{action}` was answered otherwise: {answer} / {again}"
                ));
            }
        }
        if action != "initial" {
            for name in FIELDS.iter().filter(|name| name.ends_with("_parameters")) {
                if !answer[*name].is_null() {
                    self.wrong(format!("`{name}` in the answer to `{action}`"));
                }
            }
        }
        self.record.exchanges.push(Exchange {
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
                self.last = in_form(switches.context, arguments);
                request["context"] = self.last.clone();
            }
            Some(EarlyContext::Given) if arguments.is_object() => {
                request["context"] = in_form(switches.context, arguments);
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
            match usable(sent.map_err(|_| "no answer in time".to_owned())) {
                Ok(answer) => return Ok(answer),
                Err(why) if tries >= self.agent.switches.retries => return Err(why),
                Err(_) => tries += 1,
            }
        }
    }
}

fn usable(sent: Result<Result<Response, SendError>, String>) -> Result<Value, String> {
    let response = sent?.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("status {}", response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|_| "an answer that is not JSON".to_owned())
}

/// What a model makes of parameters: a text for each.
fn given(parameters: &Value) -> Value {
    let properties = parameters["properties"].as_object();
    properties.map_or(Value::Null, |properties| {
        properties
            .keys()
            .map(|name| (name.clone(), json!(format!("some {name}"))))
            .collect()
    })
}

/// What the model returned, as it is sent.
fn in_form(form: ContextForm, arguments: &Value) -> Value {
    match form {
        ContextForm::Object => arguments.clone(),
        ContextForm::InResponses => json!({ "responses": arguments }),
        ContextForm::Text => json!(arguments.to_string()),
        ContextForm::TextInResponses => json!(json!({ "responses": arguments.to_string() }).to_string()),
        ContextForm::Single => {
            let single = arguments.as_object().filter(|fields| fields.len() == 1);
            match single.and_then(|fields| fields.values().next()) {
                Some(only) => json!(json!({ "responses": only }).to_string()),
                // The older form has room for one argument; several can only come as an object inside it.
                None => json!(json!({ "responses": arguments }).to_string()),
            }
        }
    }
}
