//! Answers one request of Agent4.
//!
//! [`advance`] returns either the next request to a back end or the answer. It is pure: the caller sends the request
//! and calls again with the results. The same request with the same results always has the same answer. So a request
//! that Agent4 repeats gets an identical answer, unless a back end answers differently.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Chain;
use super::document::{Document, Link, Reply, Rule};
use super::reply::{CallerMemory, RenderedReply};
use super::state;
use crate::flow::source::{element, field};
use crate::flow::template::Scope;
use crate::flow::{EvalError, Evaluated, Evaluator, FetchRequest, FetchResults, RuleError, schema};
use crate::phone::PhoneNumber;
use crate::providers::agent4::{Action, Answer, LinkEvent, RESPONSES, Request};

const DEFAULT_RETRIES: u64 = 2;
const APOLOGY_CONTENT: &str = "I am sorry, something went wrong on our side. Please try again later.";
const RETRY_CONTENT: &str = "I am sorry, I did not get that. Let me ask you again.";

/// A request and what belongs to its call.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// The parsed request.
    pub request: &'a Request,
    /// The call id: the same in every answer of a call.
    pub key: &'a str,
    /// Six digits that belong to the call and cannot be guessed.
    pub code: &'a str,
    /// Whether `request.state` is the state of this call, and the state of the answer will be available for the next
    /// request. If not, nothing can be counted.
    pub state_kept: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this request and call again with its result under its `path`.
    Fetch(Box<FetchRequest>),
    /// Send this answer.
    Answer(Box<ChainAnswer>),
}

/// An answer and its side effects.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainAnswer {
    /// The answer to send.
    pub answer: Answer,
    /// The note for the context of the caller.
    pub remembered: Option<CallerMemory>,
    /// Path of the rule or reply that answered.
    pub answered_by: String,
    /// The error, if the fallback answered.
    pub error: Option<RuleError>,
    /// Whether the answer ends the chain: what the caller says next belongs to no link.
    pub ends_chain: bool,
}

/// Returns what to do next for a request, with the results so far.
pub fn advance(chain: &Chain, context: &RequestContext<'_>, fetched: &FetchResults) -> Step {
    let evaluator = Evaluator {
        templates: chain.templates(),
        fetched,
    };
    let turn = select_turn(chain.document(), context);
    match answer(&evaluator, chain.document(), context, &turn) {
        Ok(answer) => Step::Answer(Box::new(answer)),
        Err(EvalError::FetchNeeded(fetch)) => Step::Fetch(fetch),
        Err(EvalError::Failed(error)) => Step::Answer(Box::new(fallback_answer(chain, context, turn.retries, error))),
    }
}

/// The answer when the time is up or the document could not be loaded: the fallback of the chain, else the built-in
/// one.
pub fn fallback(chain: Option<&Chain>, context: &RequestContext<'_>, reason: &str) -> ChainAnswer {
    let error = RuleError::new("", reason);
    match chain {
        Some(chain) => fallback_answer(chain, context, None, error),
        None => apology(context, error),
    }
}

/// The part of a chain that answers a request.
struct Turn<'a> {
    source: ReplySource<'a>,
    path: String,
    /// Arguments from the model, where templates may use them.
    arguments: Option<Map<String, Value>>,
    /// New number of retries of this link, if the answer changes it.
    retries: Option<u64>,
}

enum ReplySource<'a> {
    /// Rules. At `initial` also the link, whose parameter schemas are sent with the prompt.
    Rules(&'a [Rule], Option<&'a Link>),
    /// A reply without rules.
    Reply(Cow<'a, Reply>),
    /// The fallback, and the reason.
    Error(String),
}

impl<'a> Turn<'a> {
    const fn new(source: ReplySource<'a>, path: String) -> Self {
        Self {
            source,
            path,
            arguments: None,
            retries: None,
        }
    }
}

/// Selects the part of the chain that answers a request.
fn select_turn<'a>(document: &'a Document, context: &RequestContext<'_>) -> Turn<'a> {
    let request = context.request;
    let Some((index, link)) = document.link(&request.name) else {
        let reason = "the document has no link of the requested name";
        return Turn::new(ReplySource::Error(reason.into()), "links".into());
    };
    let path = element("links", index);
    let (rules, name, parameters) = match request.event {
        LinkEvent::Initial => {
            let source = ReplySource::Rules(&link.initial, Some(link));
            return Turn::new(source, field(&path, "initial"));
        }
        LinkEvent::Qualified => match &link.qualified_parameters {
            Some(parameters) => return qualified(link, parameters, context, &path),
            None => (&link.qualified, "qualified", None),
        },
        LinkEvent::Disqualified => (
            &link.disqualified,
            "disqualified",
            link.disqualified_parameters.as_ref(),
        ),
        LinkEvent::Interrupt if !link.interrupt.is_empty() => {
            (&link.interrupt, "interrupt", link.interrupt_parameters.as_ref())
        }
        LinkEvent::Interrupt | LinkEvent::Unknown => {
            return Turn::new(ReplySource::Reply(Cow::Owned(Reply::default())), path);
        }
    };
    // There is no retry here: a value that violates the schema becomes null.
    let any = json!({ "properties": { RESPONSES: { "type": "string" } } });
    let parameters = parameters.unwrap_or(&any);
    Turn {
        arguments: Some(schema::coerce_or_null(parameters, &arguments(parameters, request))),
        ..Turn::new(ReplySource::Rules(rules, None), field(&path, name))
    }
}

/// Selects what answers `qualified`: the rules if the arguments match the schema, else a retry, `give_up` or the
/// fallback.
fn qualified<'a>(link: &'a Link, parameters: &Value, context: &RequestContext<'_>, path: &str) -> Turn<'a> {
    let retries = state::retries(&context.request.state, &link.name);
    let violation = match schema::coerce(parameters, &arguments(parameters, context.request)) {
        Ok(arguments) => {
            return Turn {
                arguments: Some(arguments),
                retries: (retries > 0).then_some(0),
                ..Turn::new(ReplySource::Rules(&link.qualified, None), field(path, "qualified"))
            };
        }
        Err(violation) => violation,
    };
    let path = field(path, "invalid");
    let invalid = link.invalid.as_ref();
    let max_retries = invalid.and_then(|invalid| invalid.retries);
    // If nothing can be counted there is no retry: it would repeat forever.
    if context.state_kept && retries < max_retries.map_or(DEFAULT_RETRIES, u64::from) {
        let retry = invalid.and_then(|invalid| invalid.retry.clone());
        let mut retry = retry.unwrap_or_else(|| Reply {
            content: Some(RETRY_CONTENT.into()),
            ..Reply::default()
        });
        if !retry.ends_link() {
            let name = link.name.clone();
            retry.actions.push(Action::SwitchTask { name });
        }
        return Turn {
            retries: Some(retries + 1),
            ..Turn::new(ReplySource::Reply(Cow::Owned(retry)), field(&path, "retry"))
        };
    }
    let (source, path) = if let Some(give_up) = invalid.and_then(|invalid| invalid.give_up.as_ref()) {
        (ReplySource::Reply(Cow::Borrowed(give_up)), field(&path, "give_up"))
    } else {
        let reason = format!("the arguments of the model violate the schema: {violation}");
        (ReplySource::Error(reason), path)
    };
    Turn {
        retries: Some(0),
        ..Turn::new(source, path)
    }
}

/// The arguments in the context of a request, by the names that the link declares.
fn arguments(parameters: &Value, request: &Request) -> Map<String, Value> {
    request.arguments(
        &schema::property_names(parameters),
        schema::sole_property(parameters).as_deref(),
    )
}

fn answer(
    evaluator: &Evaluator<'_>,
    document: &Document,
    context: &RequestContext<'_>,
    turn: &Turn<'_>,
) -> Result<ChainAnswer, EvalError> {
    let mut scope = scope(document, context);
    if let Some(arguments) = &turn.arguments {
        scope.set("context", arguments);
    }
    let path = turn.path.clone();
    let (evaluated, prompted) = match &turn.source {
        ReplySource::Rules(rules, prompted) => (evaluator.eval_rules(rules, path, scope)?, *prompted),
        ReplySource::Reply(reply) => (evaluator.eval_reply(reply.as_ref(), path, &scope)?, None),
        ReplySource::Error(reason) => return Err(RuleError::new(path, reason).into()),
    };
    let mut chain_answer = complete(document, context, turn.retries, evaluated)?;
    if let Some(link) = prompted.filter(|_| !chain_answer.answer.actions.iter().any(Action::ends_link)) {
        chain_answer
            .answer
            .qualified_parameters
            .clone_from(&link.qualified_parameters);
        chain_answer
            .answer
            .disqualified_parameters
            .clone_from(&link.disqualified_parameters);
        chain_answer
            .answer
            .interrupt_parameters
            .clone_from(&link.interrupt_parameters);
    }
    Ok(chain_answer)
}

/// The variables of every template.
fn scope(document: &Document, context: &RequestContext<'_>) -> Scope {
    let request = context.request;
    let mut scope = Scope::default();
    let number = |number: &Option<PhoneNumber>| number.as_ref().map(|number| number.as_str().to_owned());
    scope.set(
        "caller",
        json!({ "number": number(&request.caller), "line": number(&request.line) }),
    );
    scope.set("link", &request.name);
    scope.set("key", context.key);
    scope.set("code", context.code);
    scope.set("state_kept", context.state_kept);
    scope.set("state", state::declared(document, request));
    let metadata = document.metadata.iter().map(|(name, default)| {
        let sent = request.metadata.get(name).filter(|value| value.is_string()).cloned();
        (name.clone(), sent.unwrap_or_else(|| Value::String(default.clone())))
    });
    scope.set("metadata", metadata.collect::<Map<_, _>>());
    scope
}

/// Builds the answer from a reply.
fn complete(
    document: &Document,
    context: &RequestContext<'_>,
    retries: Option<u64>,
    evaluated: Evaluated<RenderedReply>,
) -> Result<ChainAnswer, RuleError> {
    let Evaluated { reply, path } = evaluated;
    let request = context.request;
    let is_last = || document.links.last().is_some_and(|link| link.name == request.name);
    let ends_chain = request.event == LinkEvent::Interrupt
        || reply.actions.iter().any(|action| match action {
            Action::EndCall | Action::EndTask | Action::TransferCall { .. } => true,
            Action::NextTask => is_last(),
            _ => false,
        });
    let state = state::updated(document, request, context.key, retries, reply.changes);
    Ok(ChainAnswer {
        answer: Answer {
            key: context.key.into(),
            content: reply.content,
            actions: reply.actions,
            state: state.map_err(|reason| RuleError::new(field(&path, "state"), reason))?,
            additional_call_notifications: reply.notifications,
            ..Answer::default()
        },
        remembered: reply.remembered,
        answered_by: path,
        error: None,
        ends_chain,
    })
}

/// The fallback of the chain, else an apology.
fn fallback_answer(chain: &Chain, context: &RequestContext<'_>, retries: Option<u64>, error: RuleError) -> ChainAnswer {
    let document = chain.document();
    let evaluator = Evaluator {
        templates: chain.templates(),
        fetched: &FetchResults::new(),
    };
    let rendered = document.fallback.as_ref().and_then(|fallback| {
        let evaluated = evaluator
            .eval_reply(fallback, "fallback".into(), &scope(document, context))
            .ok()?;
        complete(document, context, retries, evaluated).ok()
    });
    let Some(mut chain_answer) = rendered else {
        return apology(context, error);
    };
    // At `initial` Agent4 would take content for a prompt, unless an action ends the link.
    if !chain_answer.answer.actions.iter().any(Action::ends_link) {
        chain_answer.answer.actions.push(Action::EndTask);
        chain_answer.ends_chain = true;
    }
    chain_answer.error = Some(error);
    chain_answer
}

/// A fixed apology. It ends the chain: at `initial` Agent4 would take content alone for a prompt.
fn apology(context: &RequestContext<'_>, error: RuleError) -> ChainAnswer {
    ChainAnswer {
        answer: Answer {
            key: context.key.into(),
            content: Some(APOLOGY_CONTENT.into()),
            actions: vec![Action::EndTask],
            state: state::unchanged(context.request, context.key),
            ..Answer::default()
        },
        remembered: None,
        answered_by: "fallback".into(),
        error: Some(error),
        ends_chain: true,
    }
}
