//! One request, one answer.
//!
//! [`advance`] says either what is to be looked up next or what is answered. It is pure: whoever looks things up calls
//! it again with what was found, and the same request with the same findings has the same answer always. So a
//! request that Agent4 repeats is answered identically, unless a back end has changed its mind meanwhile.

mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::check::{Chain, host, is_tame};
use super::document::{Auth, Document, Fetch, Link, Method, On, Reply, Rule};
use super::schema;
use super::source::{element, field};
use super::template::{Kind, Scope};
use super::wire::{Action, Answer, Moment, OWN_STATE, Request};
use crate::number::by_value;
use crate::phone::PhoneNumber;

const DEFAULT_RETRIES: u64 = 2;
const DEFAULT_TIMEOUT_MS: u16 = 2_500;
/// Longest URL that is fetched.
const MAX_URL: usize = 4_096;
const SORRY: &str = "I am sorry, something went wrong on our side. Please try again later.";
const AGAIN: &str = "I am sorry, I did not get that. Let me ask you again.";

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The request.
    pub request: &'a Request,
    /// Our id of the call: the same in every answer.
    pub key: &'a str,
    /// Six digits that belong to the call and that nobody can guess.
    pub code: &'a str,
    /// Whether the state is the call's, and what the answer leaves in it will be there for the next request. Where it is
    /// not, nothing can be counted.
    pub state_kept: bool,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Look this up, and come again with what was found under its `path`.
    Fetch(Box<Lookup>),
    /// Answer this.
    Done(Box<Done>),
}

/// A request to a back end, written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Where it stands in the document: names it among all others.
    pub path: String,
    /// Its name.
    pub name: String,
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The host in it: secrets belong to a host.
    pub host: String,
    /// Headers, without secrets.
    pub headers: Vec<(String, String)>,
    /// Which secret goes with it.
    pub auth: Option<Auth>,
    /// The body, JSON.
    pub body: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// How a look-up went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 2xx, with JSON or nothing.
    Ok,
    /// Its `when` was false.
    Skipped,
    /// 404 or 410.
    NotFound,
    /// 429, or known to be.
    RateLimited,
    /// 5xx.
    ServerError,
    /// Nothing in time.
    TimedOut,
    /// Everything else.
    Failed,
}

/// What was found. Templates see it as `fetch.NAME`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Whether it worked.
    pub ok: bool,
    /// How it went.
    pub outcome: Outcome,
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// The body; null for none.
    pub json: Value,
    /// Seconds after which another try is worth it, if the server says.
    pub retry_after: Option<u32>,
}

impl Found {
    /// Something without an answer.
    pub const fn without_answer(outcome: Outcome) -> Self {
        Self {
            ok: false,
            outcome,
            status: 0,
            json: Value::Null,
            retry_after: None,
        }
    }

    /// What an HTTP answer says. `json` is none when the body is not JSON.
    pub fn answered(status: u16, json: Option<Value>, retry_after: Option<u32>) -> Self {
        let outcome = match (status, &json) {
            (200..=299, Some(_)) => Outcome::Ok,
            (404 | 410, _) => Outcome::NotFound,
            (429, _) => Outcome::RateLimited,
            (500..=599, _) => Outcome::ServerError,
            _ => Outcome::Failed,
        };
        Self {
            ok: outcome == Outcome::Ok,
            outcome,
            status,
            // What is whole is written so, as in all that models and back ends send.
            json: by_value(json.unwrap_or_default()),
            retry_after,
        }
    }
}

/// What was found so far, by the paths of the look-ups.
pub type Findings = BTreeMap<String, Found>;

/// An answer, and what else comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The answer.
    pub answer: Answer,
    /// What the next voice agent should know of the caller.
    pub remembered: Option<Remembered>,
    /// Which rule or reply answered.
    pub answered_by: String,
    /// What went wrong, when it is the fallback's answer.
    pub trouble: Option<Trouble>,
    /// Whether the chain is left with it: what the caller says next belongs to no link.
    pub leaves: bool,
}

/// Something that is kept in what voice agents share about the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remembered {
    /// What the caller is calling about, which goes before the rest; empty when the document does not say.
    pub description: String,
    /// What becomes the caller's memory.
    pub memory: String,
}

/// What went wrong while a request was answered. It quotes nothing that a caller said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Trouble {
    /// Where in the document.
    pub path: String,
    /// What.
    pub why: String,
}

impl Trouble {
    fn new(path: impl Into<String>, why: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self {
            path: path.into(),
            why: why.to_string(),
        }
    }
}

/// Why there is no answer yet.
enum Stop {
    Fetch(Box<Lookup>),
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What is to be done next for a request, after what was found so far.
pub fn advance(chain: &Chain, call: &Call<'_>, found: &Findings) -> Step {
    let run = Run::new(chain, call, found);
    match run.answer() {
        Ok(done) => Step::Done(Box::new(done)),
        Err(Stop::Fetch(lookup)) => Step::Fetch(lookup),
        Err(Stop::Trouble(trouble)) => Step::Done(Box::new(run.fall_back(trouble))),
    }
}

/// The answer when there is no more time, or the document could not be had: the chain's fallback, else our own.
pub fn fallback(chain: Option<&Chain>, call: &Call<'_>, why: &str) -> Done {
    let trouble = Trouble::new("", why);
    match chain {
        Some(chain) => Run::new(chain, call, &Findings::new()).fall_back(trouble),
        None => sorry(call, trouble),
    }
}

/// An apology that needs nothing. It leaves the chain: at `initial` a text alone would be taken for a prompt.
fn sorry(call: &Call<'_>, trouble: Trouble) -> Done {
    let mut state = call.request.state.clone();
    let tries = state.get(OWN_STATE).and_then(|own| own.get("tries")).cloned();
    state.insert(
        OWN_STATE.into(),
        own_state(call.key, &tries.unwrap_or_else(|| json!({}))),
    );
    Done {
        answer: Answer {
            key: call.key.into(),
            content: Some(SORRY.into()),
            actions: vec![Action::EndTask],
            state,
            ..Answer::default()
        },
        remembered: None,
        answered_by: "fallback".into(),
        trouble: Some(trouble),
        leaves: true,
    }
}

fn own_state(key: &str, tries: &Value) -> Value {
    json!({ "call": key, "tries": tries })
}

struct Run<'a> {
    chain: &'a Chain,
    document: &'a Document,
    call: &'a Call<'a>,
    found: &'a Findings,
    /// What every template may see.
    scope: Scope,
    /// How often this link has asked again, if this answer does or resets it.
    tries: std::cell::Cell<Option<u64>>,
}

impl<'a> Run<'a> {
    fn new(chain: &'a Chain, call: &'a Call<'a>, found: &'a Findings) -> Self {
        let document = chain.document();
        let request = call.request;
        let mut scope = Scope::default();
        let number = |number: &Option<PhoneNumber>| number.as_ref().map(|number| number.as_str().to_owned());
        scope.set(
            "caller",
            json!({ "number": number(&request.caller), "line": number(&request.line) }),
        );
        scope.set("link", &request.name);
        scope.set("key", call.key);
        scope.set("code", call.code);
        scope.set("state_kept", call.state_kept);
        scope.set("state", Value::Object(declared_state(document, request)));
        let metadata: Map<String, Value> = document
            .metadata
            .iter()
            .map(|(name, default)| {
                let sent = request.metadata.get(name).filter(|value| value.is_string()).cloned();
                (name.clone(), sent.unwrap_or_else(|| Value::String(default.clone())))
            })
            .collect();
        scope.set("metadata", Value::Object(metadata));
        Self {
            chain,
            document,
            call,
            found,
            scope,
            tries: std::cell::Cell::new(None),
        }
    }

    fn answer(&self) -> Result<Done, Stop> {
        let request = self.call.request;
        let Some((index, link)) = self.chain.link(&request.name) else {
            return Err(Trouble::new("links", "there is no link of the name that was asked for").into());
        };
        let path = element("links", index);
        match request.moment {
            Moment::Initial => {
                let mut done = self.rules(&link.initial, &field(&path, "initial"), &self.scope)?;
                let moves = done.answer.actions.iter().any(Action::moves);
                if !moves {
                    done.answer.qualified_parameters.clone_from(&link.qualified_parameters);
                    done.answer
                        .disqualified_parameters
                        .clone_from(&link.disqualified_parameters);
                    done.answer.interrupt_parameters.clone_from(&link.interrupt_parameters);
                }
                Ok(done)
            }
            Moment::Qualified => self.qualified(link, &path),
            Moment::Disqualified => {
                let scope = self.with_context(link.disqualified_parameters.as_ref());
                self.rules(&link.disqualified, &field(&path, "disqualified"), &scope)
            }
            Moment::Interrupt if !link.interrupt.is_empty() => {
                let scope = self.with_context(link.interrupt_parameters.as_ref());
                self.rules(&link.interrupt, &field(&path, "interrupt"), &scope)
            }
            Moment::Interrupt | Moment::Unknown => {
                let nothing = Reply::default();
                Ok(self.reply(nothing.reply(), &path, &self.scope)?)
            }
        }
    }

    fn qualified(&self, link: &Link, path: &str) -> Result<Done, Stop> {
        let request = self.call.request;
        let rules = field(path, "qualified");
        let Some(parameters) = &link.qualified_parameters else {
            return self.rules(&link.qualified, &rules, &self.with_context(None));
        };
        let arguments = schema::arguments(parameters, request);
        let misfit = match schema::fit(parameters, &arguments) {
            Ok(context) => {
                if request.tries(&link.name) > 0 {
                    self.tries.set(Some(0));
                }
                let mut scope = self.scope.clone();
                scope.set("context", Value::Object(context));
                return self.rules(&link.qualified, &rules, &scope);
            }
            Err(misfit) => misfit,
        };
        let invalid = link.invalid.clone().unwrap_or_default();
        let tries = request.tries(&link.name);
        let path = field(path, "invalid");
        // Where nothing is counted, nobody is asked again: it would go on for ever.
        if self.call.state_kept && tries < invalid.retries.map_or(DEFAULT_RETRIES, u64::from) {
            self.tries.set(Some(tries + 1));
            let retry = invalid.retry.unwrap_or_else(|| Reply {
                content: Some(AGAIN.into()),
                ..Reply::default()
            });
            let mut done = self.reply(retry.reply(), &field(&path, "retry"), &self.scope)?;
            if !retry.reply().moves() {
                let name = link.name.clone();
                done.answer.actions.push(Action::SwitchTask { name });
            }
            return Ok(done);
        }
        self.tries.set(Some(0));
        match &invalid.give_up {
            Some(give_up) => Ok(self.reply(give_up.reply(), &field(&path, "give_up"), &self.scope)?),
            None => Err(Trouble::new(path, &format!("the model did not keep to the schema: {misfit}")).into()),
        }
    }

    /// The scope with what the model returned, where nobody is asked again.
    fn with_context(&self, parameters: Option<&Value>) -> Scope {
        let request = self.call.request;
        let context = if let Some(parameters) = parameters {
            schema::fit_loosely(parameters, &schema::arguments(parameters, request))
        } else {
            let any = json!({ "properties": { "responses": { "type": "string" } } });
            schema::fit_loosely(&any, &schema::arguments(&any, request))
        };
        let mut scope = self.scope.clone();
        scope.set("context", Value::Object(context));
        scope
    }

    fn rules(&self, rules: &[Rule], path: &str, scope: &Scope) -> Result<Done, Stop> {
        for (index, rule) in rules.iter().enumerate() {
            let taken = match &rule.when {
                None => true,
                Some(when) => self
                    .chain
                    .templates()
                    .holds(when, scope)
                    .map_err(|error| Trouble::new(field(&element(path, index), "when"), &error))?,
            };
            if taken {
                return self.rule(rule, &element(path, index), scope);
            }
        }
        Err(Trouble::new(path, "no rule is true").into())
    }

    fn rule(&self, rule: &Rule, path: &str, scope: &Scope) -> Result<Done, Stop> {
        let mut scope = scope.clone();
        let fetches = field(path, "fetch");
        for (index, fetch) in rule.fetch.iter().enumerate() {
            let path = element(&fetches, index);
            let found = self.fetch(fetch, &path, &scope)?;
            let outcome = found.outcome;
            scope.set_inside("fetch", &fetch.name, found);
            if let Some((name, reply)) = reply_to(&fetch.on, outcome) {
                return Ok(self.reply(reply.reply(), &field(&field(&path, "on"), name), &scope)?);
            }
        }
        for (index, value) in rule.values.iter().enumerate() {
            let computed = self
                .chain
                .templates()
                .eval(&value.value, &scope)
                .map_err(|error| Trouble::new(field(&element(&field(path, "let"), index), "value"), &error))?;
            scope.set(&value.name, computed);
        }
        if rule.rules.is_empty() {
            return Ok(self.reply(rule.reply(), path, &scope)?);
        }
        self.rules(&rule.rules, &field(path, "rules"), &scope)
    }

    fn fetch(&self, fetch: &Fetch, path: &str, scope: &Scope) -> Result<Found, Stop> {
        let templates = self.chain.templates();
        let at = |name: &str| field(path, name);
        if let Some(when) = &fetch.when
            && !templates
                .holds(when, scope)
                .map_err(|error| Trouble::new(at("when"), &error))?
        {
            return Ok(Found::without_answer(Outcome::Skipped));
        }
        if let Some(found) = self.found.get(path) {
            return Ok(found.clone());
        }
        let url = templates
            .render(Kind::Url, &fetch.url, scope)
            .map_err(|error| Trouble::new(at("url"), &error))?;
        if url.len() > MAX_URL || !is_tame(&url) {
            return Err(Trouble::new(at("url"), "a value does not fit into the URL").into());
        }
        let host = host(&fetch.url).ok_or_else(|| Trouble::new(at("url"), "has no host"))?;
        let mut headers = Vec::with_capacity(fetch.headers.len());
        for (name, value) in &fetch.headers {
            let value = templates.render(Kind::Line, value, scope);
            headers.push((
                name.clone(),
                value.map_err(|error| Trouble::new(field(&at("headers"), name), &error))?,
            ));
        }
        let body = match &fetch.json {
            None => None,
            Some(json) => Some(
                self.data(json, scope)
                    .map_err(|error| Trouble::new(at("json"), &error))?
                    .to_string(),
            ),
        };
        Err(Stop::Fetch(Box::new(Lookup {
            path: path.into(),
            name: fetch.name.clone(),
            method: fetch.method,
            url,
            host,
            headers,
            auth: fetch.auth.clone(),
            body,
            timeout: Duration::from_millis(fetch.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).into()),
        })))
    }

    /// Whether an answer with these actions leaves the chain.
    fn leaves(&self, actions: &[Action]) -> bool {
        let is_last = |name: &str| self.document.links.last().is_some_and(|link| link.name == name);
        let request = self.call.request;
        request.moment == Moment::Interrupt
            || actions.iter().any(|action| match action {
                Action::EndCall | Action::EndTask | Action::TransferCall { .. } => true,
                Action::NextTask => is_last(&request.name),
                _ => false,
            })
    }

    fn fall_back(&self, trouble: Trouble) -> Done {
        let written = match &self.document.fallback {
            Some(fallback) => self.reply(fallback.reply(), "fallback", &self.scope).ok(),
            None => None,
        };
        match written {
            Some(mut done) => {
                // At `initial` a text without a move would be taken for a prompt.
                if !done.answer.actions.iter().any(Action::moves) {
                    done.answer.actions.push(Action::EndTask);
                    done.leaves = true;
                }
                done.trouble = Some(trouble);
                done
            }
            None => sorry(self.call, trouble),
        }
    }
}

/// What the chain declares, as the request has it, else as it is at first.
fn declared_state(document: &Document, request: &Request) -> Map<String, Value> {
    let declared = document.state.iter();
    declared
        .map(|(name, first)| (name.clone(), request.state.get(name).unwrap_or(first).clone()))
        .collect()
}

/// The answer that the document has for an outcome, if it has one.
fn reply_to(on: &On, outcome: Outcome) -> Option<(&'static str, &Reply)> {
    let (name, own) = match outcome {
        Outcome::Ok | Outcome::Skipped => return None,
        Outcome::NotFound => ("not_found", &on.not_found),
        Outcome::RateLimited => ("rate_limited", &on.rate_limited),
        Outcome::ServerError => ("server_error", &on.server_error),
        Outcome::TimedOut => ("timed_out", &on.timed_out),
        Outcome::Failed => ("failed", &on.failed),
    };
    let own = own.as_ref().map(|reply| (name, reply));
    own.or_else(|| on.failed.as_ref().map(|reply| ("failed", reply)))
}
