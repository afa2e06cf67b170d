//! One request, one answer.
//!
//! [`advance`] says either what is to be looked up next or what is answered. It is pure: whoever looks things up calls
//! it again with what was found, and the same request with the same findings has the same answer always. So a
//! request that Agent4 repeats is answered identically, unless a back end has changed its mind meanwhile.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Chain;
use super::document::{Document, Link, Reply, Rule};
use super::reply::{Remembered, Written};
use super::state;
use crate::flow::source::{element, field};
use crate::flow::template::Scope;
use crate::flow::{Answered, Findings, Lookup, Run, Stop, Trouble, schema};
use crate::phone::PhoneNumber;
use crate::providers::agent4::{Action, Answer, Moment, RESPONSES, Request};

const DEFAULT_RETRIES: u64 = 2;
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

/// What is to be done next for a request, after what was found so far.
pub fn advance(chain: &Chain, call: &Call<'_>, found: &Findings) -> Step {
    let run = Run {
        templates: chain.templates(),
        found,
    };
    let turn = turn(chain.document(), call);
    match answer(&run, chain.document(), call, &turn) {
        Ok(done) => Step::Done(Box::new(done)),
        Err(Stop::Fetch(lookup)) => Step::Fetch(lookup),
        Err(Stop::Trouble(trouble)) => Step::Done(Box::new(fall_back(chain, call, turn.tries, trouble))),
    }
}

/// The answer when there is no more time, or the document could not be had: the chain's fallback, else our own.
pub fn fallback(chain: Option<&Chain>, call: &Call<'_>, why: &str) -> Done {
    let trouble = Trouble::new("", why);
    match chain {
        Some(chain) => fall_back(chain, call, None, trouble),
        None => sorry(call, trouble),
    }
}

/// Whose turn it is in a chain, and how often its link has asked by then.
struct Turn<'a> {
    says: Says<'a>,
    path: String,
    /// What the model returned, where templates may see it.
    context: Option<Map<String, Value>>,
    /// How often this link has asked again, if this answer does or resets it.
    tries: Option<u64>,
}

enum Says<'a> {
    /// Rules; at `initial` of this link, whose parameters go with the prompt.
    Rules(&'a [Rule], Option<&'a Link>),
    /// A reply that needs no rule.
    Reply(Cow<'a, Reply>),
    /// The fallback, and why.
    Trouble(String),
}

impl<'a> Turn<'a> {
    const fn of(says: Says<'a>, path: String) -> Self {
        Self {
            says,
            path,
            context: None,
            tries: None,
        }
    }
}

/// Whose turn it is when this request has come.
fn turn<'a>(document: &'a Document, call: &Call<'_>) -> Turn<'a> {
    let request = call.request;
    let Some((index, link)) = document.link(&request.name) else {
        let why = "there is no link of the name that was asked for";
        return Turn::of(Says::Trouble(why.into()), "links".into());
    };
    let path = element("links", index);
    let (rules, name, parameters) = match request.moment {
        Moment::Initial => {
            let says = Says::Rules(&link.initial, Some(link));
            return Turn::of(says, field(&path, "initial"));
        }
        Moment::Qualified => match &link.qualified_parameters {
            Some(parameters) => return qualified(link, parameters, call, &path),
            None => (&link.qualified, "qualified", None),
        },
        Moment::Disqualified => (
            &link.disqualified,
            "disqualified",
            link.disqualified_parameters.as_ref(),
        ),
        Moment::Interrupt if !link.interrupt.is_empty() => {
            (&link.interrupt, "interrupt", link.interrupt_parameters.as_ref())
        }
        Moment::Interrupt | Moment::Unknown => return Turn::of(Says::Reply(Cow::Owned(Reply::default())), path),
    };
    // Nobody is asked again here: what does not fit is null.
    let any = json!({ "properties": { RESPONSES: { "type": "string" } } });
    let parameters = parameters.unwrap_or(&any);
    Turn {
        context: Some(schema::fit_loosely(parameters, &arguments(parameters, request))),
        ..Turn::of(Says::Rules(rules, None), field(&path, name))
    }
}

/// Whose turn it is when the model says that it has what it was to find out.
fn qualified<'a>(link: &'a Link, parameters: &Value, call: &Call<'_>, path: &str) -> Turn<'a> {
    let tries = state::tries(&call.request.state, &link.name);
    let misfit = match schema::fit(parameters, &arguments(parameters, call.request)) {
        Ok(context) => {
            return Turn {
                context: Some(context),
                tries: (tries > 0).then_some(0),
                ..Turn::of(Says::Rules(&link.qualified, None), field(path, "qualified"))
            };
        }
        Err(misfit) => misfit,
    };
    let path = field(path, "invalid");
    let invalid = link.invalid.as_ref();
    let retries = invalid.and_then(|invalid| invalid.retries);
    // Where nothing is counted, nobody is asked again: it would go on for ever.
    if call.state_kept && tries < retries.map_or(DEFAULT_RETRIES, u64::from) {
        let retry = invalid.and_then(|invalid| invalid.retry.clone());
        let mut retry = retry.unwrap_or_else(|| Reply {
            content: Some(AGAIN.into()),
            ..Reply::default()
        });
        if !retry.moves() {
            let name = link.name.clone();
            retry.actions.push(Action::SwitchTask { name });
        }
        return Turn {
            tries: Some(tries + 1),
            ..Turn::of(Says::Reply(Cow::Owned(retry)), field(&path, "retry"))
        };
    }
    let (says, path) = if let Some(give_up) = invalid.and_then(|invalid| invalid.give_up.as_ref()) {
        (Says::Reply(Cow::Borrowed(give_up)), field(&path, "give_up"))
    } else {
        let why = format!("the model did not keep to the schema: {misfit}");
        (Says::Trouble(why), path)
    };
    Turn {
        tries: Some(0),
        ..Turn::of(says, path)
    }
}

/// What a request's context says, by the names that a link declares.
fn arguments(parameters: &Value, request: &Request) -> Map<String, Value> {
    request.arguments(&schema::names(parameters), schema::single(parameters).as_deref())
}

fn answer(run: &Run<'_>, document: &Document, call: &Call<'_>, turn: &Turn<'_>) -> Result<Done, Stop> {
    let mut scope = scope(document, call);
    if let Some(context) = &turn.context {
        scope.set("context", context);
    }
    let path = turn.path.clone();
    let (answered, asks) = match &turn.says {
        Says::Rules(rules, asks) => (run.rules(rules, path, scope)?, *asks),
        Says::Reply(reply) => (run.reply(reply.as_ref(), path, &scope)?, None),
        Says::Trouble(why) => return Err(Trouble::new(path, why).into()),
    };
    let mut done = done(document, call, turn.tries, answered)?;
    if let Some(link) = asks.filter(|_| !done.answer.actions.iter().any(Action::moves)) {
        done.answer.qualified_parameters.clone_from(&link.qualified_parameters);
        done.answer
            .disqualified_parameters
            .clone_from(&link.disqualified_parameters);
        done.answer.interrupt_parameters.clone_from(&link.interrupt_parameters);
    }
    Ok(done)
}

/// What every template may see.
fn scope(document: &Document, call: &Call<'_>) -> Scope {
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
    scope.set("state", state::declared(document, request));
    let metadata = document.metadata.iter().map(|(name, default)| {
        let sent = request.metadata.get(name).filter(|value| value.is_string()).cloned();
        (name.clone(), sent.unwrap_or_else(|| Value::String(default.clone())))
    });
    scope.set("metadata", metadata.collect::<Map<_, _>>());
    scope
}

/// The answer that comes of a reply.
fn done(
    document: &Document,
    call: &Call<'_>,
    tries: Option<u64>,
    answered: Answered<Written>,
) -> Result<Done, Trouble> {
    let Answered { reply, by } = answered;
    let request = call.request;
    let is_last = || document.links.last().is_some_and(|link| link.name == request.name);
    let leaves = request.moment == Moment::Interrupt
        || reply.actions.iter().any(|action| match action {
            Action::EndCall | Action::EndTask | Action::TransferCall { .. } => true,
            Action::NextTask => is_last(),
            _ => false,
        });
    let state = state::after(document, request, call.key, tries, reply.changes);
    Ok(Done {
        answer: Answer {
            key: call.key.into(),
            content: reply.content,
            actions: reply.actions,
            state: state.map_err(|why| Trouble::new(field(&by, "state"), why))?,
            additional_call_notifications: reply.notifications,
            ..Answer::default()
        },
        remembered: reply.remembered,
        answered_by: by,
        trouble: None,
        leaves,
    })
}

/// The chain's fallback, else an apology.
fn fall_back(chain: &Chain, call: &Call<'_>, tries: Option<u64>, trouble: Trouble) -> Done {
    let document = chain.document();
    let run = Run {
        templates: chain.templates(),
        found: &Findings::new(),
    };
    let written = document.fallback.as_ref().and_then(|fallback| {
        let answered = run.reply(fallback, "fallback".into(), &scope(document, call)).ok()?;
        done(document, call, tries, answered).ok()
    });
    let Some(mut done) = written else {
        return sorry(call, trouble);
    };
    // At `initial` a text without a move would be taken for a prompt.
    if !done.answer.actions.iter().any(Action::moves) {
        done.answer.actions.push(Action::EndTask);
        done.leaves = true;
    }
    done.trouble = Some(trouble);
    done
}

/// An apology that needs nothing. It leaves the chain: at `initial` a text alone would be taken for a prompt.
fn sorry(call: &Call<'_>, trouble: Trouble) -> Done {
    Done {
        answer: Answer {
            key: call.key.into(),
            content: Some(SORRY.into()),
            actions: vec![Action::EndTask],
            state: state::as_it_was(call.request, call.key),
            ..Answer::default()
        },
        remembered: None,
        answered_by: "fallback".into(),
        trouble: Some(trouble),
        leaves: true,
    }
}
