//! Parses documents into verbs (twilio/CONTRACT.md 3).

use std::collections::VecDeque;
use std::time::Duration;

use roxmltree::{Document, Node};

use super::super::RequestRecord;
use super::super::document::{faults, text_of};

/// The number of repetitions of `loop="0"`, which means forever.
const ENDLESS_LOOP: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Say {
        text: String,
        times: u32,
    },
    Play {
        url: String,
        times: u32,
    },
    Pause {
        seconds: u32,
    },
    Gather(Gather),
    Redirect(String),
    Hangup,
    /// A verb that the contract allows but calls to employees do not simulate.
    Other(String),
}

/// The parameters of a `<Gather>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    /// Played while keys are collected.
    pub(super) nested: Vec<Verb>,
    /// `None` means the URL of the current document.
    pub(super) action: Option<String>,
    pub(super) timeout: Duration,
    pub(super) digits: Option<usize>,
    pub(super) finish_on: Option<char>,
    pub(super) on_empty: bool,
}

impl Verb {
    /// Whether it keeps the call alive.
    pub(super) const fn takes_time(&self) -> bool {
        !matches!(self, Self::Hangup)
    }
}

/// The verbs of a document, or its faults.
pub(super) fn read(answer: &RequestRecord, is_inline: bool) -> Result<VecDeque<Verb>, Vec<String>> {
    let found = faults(answer);
    if !found.is_empty() {
        return Err(found);
    }
    let document = Document::parse(&answer.body).map_err(|error| vec![format!("invalid XML: {error}")])?;
    let verbs: VecDeque<Verb> = elements(document.root_element()).map(verb).collect();
    // Without an action, the current document is requested again. Inline TwiML has no URL.
    let without_action = |verb: &Verb| matches!(verb, Verb::Gather(gather) if gather.action.is_none());
    if is_inline && verbs.iter().any(without_action) {
        return Err(vec!["a <Gather> without action in inline TwiML".to_owned()]);
    }
    Ok(verbs)
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

fn verb(node: Node<'_, '_>) -> Verb {
    match node.tag_name().name() {
        "Say" => Verb::Say {
            text: text_of(node),
            times: times(node),
        },
        "Play" => Verb::Play {
            url: text_of(node),
            times: times(node),
        },
        "Pause" => Verb::Pause {
            seconds: number(node, "length").unwrap_or(1),
        },
        "Gather" => Verb::Gather(gather(node)),
        "Redirect" => Verb::Redirect(text_of(node)),
        "Hangup" => Verb::Hangup,
        other => Verb::Other(other.to_owned()),
    }
}

fn gather(node: Node<'_, '_>) -> Gather {
    Gather {
        nested: elements(node).map(verb).collect(),
        action: node.attribute("action").map(str::to_owned),
        timeout: Duration::from_secs(number(node, "timeout").unwrap_or(5).into()),
        digits: number(node, "numDigits").and_then(|digits| usize::try_from(digits).ok()),
        finish_on: node.attribute("finishOnKey").unwrap_or("#").chars().next(),
        on_empty: node.attribute("actionOnEmptyResult") == Some("true"),
    }
}

fn number(node: Node<'_, '_>, name: &str) -> Option<u32> {
    node.attribute(name)?.parse().ok()
}

fn times(node: Node<'_, '_>) -> u32 {
    match number(node, "loop") {
        Some(0) => ENDLESS_LOOP,
        times => times.unwrap_or(1),
    }
}

/// The inline document of a call, as if it had been fetched. If the URL of the call's status callbacks is without TLS,
/// which means an API on this machine, URLs in the document may point to its origin.
pub(super) fn inline(twiml: &str, status_url: Option<&str>) -> RequestRecord {
    let body = if twiml.starts_with("<?xml") {
        twiml.to_owned()
    } else {
        // Unlike a fetched document, it does not need an XML declaration.
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{twiml}")
    };
    RequestRecord {
        url: status_url
            .filter(|url| url.starts_with("http://"))
            .unwrap_or_default()
            .to_owned(),
        form: Vec::new(),
        status: 200,
        content_type: "text/xml".to_owned(),
        body,
        took: Duration::ZERO,
    }
}
