//! The reply of a bot document: deserialized in a rule, checked and rendered.

use std::collections::BTreeMap;

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::check::{self, Scratch};
use super::document::{CallKind, FaqEntry, HandOverReply, QuickReply, Reply, Say, Text};
use super::language::Languages;
use super::scope;
use crate::conversation::Offer;
use crate::flow::source::{element, field};
use crate::flow::template::Kind;
use crate::flow::{self, Checker, Renderer, ReplySite, RuleError};

/// Maximum length of the title of a quick reply, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// A rendered reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RenderedReply {
    /// Texts to post, in order.
    pub posts: Vec<String>,
    /// Quick replies.
    pub offers: Vec<Offer>,
    /// Name of the form that begins.
    pub form: Option<String>,
    /// New values of variables.
    pub changes: Map<String, Value>,
    /// The hand-over, if there is one.
    pub hand_over: Option<RenderedHandOver>,
    /// The call, if there is one.
    pub call: Option<CallKind>,
    /// Whether the conversation is finished.
    pub finish: bool,
    /// Whether this is not an answer.
    pub pass: bool,
}

/// The texts of a hand-over, where the reply has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedHandOver {
    /// Why, for people.
    pub reason: Option<String>,
    /// The message to the customer.
    pub text: Option<String>,
}

/// The fields that a reply and an entry of the FAQ have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// The name of the field `say`.
    pub(super) say_name: &'static str,
    pub(super) say: Option<&'a Say>,
    pub(super) quick_replies: &'a [QuickReply],
    pub(super) form: Option<&'a str>,
    pub(super) set: &'a BTreeMap<String, Value>,
    pub(super) hand_over: Option<&'a HandOverReply>,
    pub(super) call_me: Option<CallKind>,
    pub(super) finish: bool,
    pub(super) pass: bool,
}

impl Reply {
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            say_name: "say",
            say: self.say.as_ref(),
            quick_replies: &self.quick_replies,
            form: self.form.as_deref(),
            set: &self.set,
            hand_over: self.hand_over.as_ref().filter(|hand_over| hand_over.is_wanted()),
            call_me: self.call_me,
            finish: self.finish,
            pass: self.pass,
        }
    }
}

impl FaqEntry {
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            say_name: "answer",
            say: self.answer.as_ref(),
            quick_replies: &self.quick_replies,
            form: self.form.as_deref(),
            set: &self.set,
            hand_over: self.hand_over.as_ref().filter(|hand_over| hand_over.is_wanted()),
            call_me: self.call_me,
            finish: self.finish,
            pass: false,
        }
    }
}

impl flow::Reply for Reply {
    type Rendered = RenderedReply;
    type Scratch<'a> = Scratch<'a>;
    const FIELDS: &'static [&'static str] = &[
        "say",
        "quick_replies",
        "form",
        "set",
        "hand_over",
        "call_me",
        "finish",
        "pass",
    ];
    const MAX_TIMEOUT_MS: u16 = 15_000;

    fn unmatched() -> Option<Self> {
        Some(Self {
            pass: true,
            ..Self::default()
        })
    }

    fn read_field<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error> {
        match field {
            "say" => self.say = access.next_value()?,
            "quick_replies" => self.quick_replies = access.next_value()?,
            "form" => self.form = access.next_value()?,
            "set" => self.set = access.next_value()?,
            "hand_over" => self.hand_over = access.next_value()?,
            "call_me" => self.call_me = access.next_value()?,
            "finish" => self.finish = access.next_value()?,
            _ => self.pass = access.next_value()?,
        }
        Ok(())
    }

    fn check<'a>(&'a self, site: ReplySite<'_>, checker: &mut Checker<'a, Self>) {
        check::parts(self.parts(), site.path, site.names, checker);
    }

    fn render(&self, renderer: &Renderer<'_>) -> Result<RenderedReply, RuleError> {
        self.parts().render(renderer)
    }
}

impl Parts<'_> {
    /// Renders the reply.
    ///
    /// # Errors
    /// When a template has no value for this customer, or nothing is said although the reply has texts.
    pub(super) fn render(&self, renderer: &Renderer<'_>) -> Result<RenderedReply, RuleError> {
        let changes = self.set.iter().map(|(name, value)| {
            let value = renderer.render_data(value);
            let path = || field(&renderer.field_path("set"), name);
            Ok((name.clone(), value.map_err(|error| RuleError::new(path(), &error))?))
        });
        Ok(RenderedReply {
            posts: self.render_posts(renderer)?,
            offers: render_offers(self.quick_replies, &renderer.field_path("quick_replies"), renderer)?,
            form: self.form.map(str::to_owned),
            changes: changes.collect::<Result<_, RuleError>>()?,
            hand_over: self
                .hand_over
                .map(|hand_over| render_hand_over(hand_over, renderer))
                .transpose()?,
            call: self.call_me,
            finish: self.finish,
            pass: self.pass,
        })
    }

    fn render_posts(&self, renderer: &Renderer<'_>) -> Result<Vec<String>, RuleError> {
        let Some(say) = self.say else { return Ok(Vec::new()) };
        let path = renderer.field_path(self.say_name);
        let mut posts = Vec::new();
        for (index, text) in say.texts().iter().enumerate() {
            let path = if matches!(say, Say::One(_)) {
                path.clone()
            } else {
                element(&path, index)
            };
            let post = render_text(text, &path, renderer)?;
            if !post.is_empty() {
                posts.push(post);
            }
        }
        if posts.is_empty() {
            return Err(RuleError::new(path, "has no text for this message"));
        }
        Ok(posts)
    }
}

/// Renders a text in the language of the customer, without white space around it.
///
/// # Errors
/// When a template has no value for this customer.
pub(super) fn render_text(text: &Text, path: &str, renderer: &Renderer<'_>) -> Result<String, RuleError> {
    let source = languages(renderer).pick(text);
    let text = renderer.render(Kind::Message, source);
    let text = text.map_err(|error| RuleError::new(path, &error))?;
    Ok(text.trim().to_owned())
}

/// Renders quick replies.
///
/// # Errors
/// As [`render_text`].
pub(super) fn render_offers(
    quick_replies: &[QuickReply],
    path: &str,
    renderer: &Renderer<'_>,
) -> Result<Vec<Offer>, RuleError> {
    let offers = quick_replies.iter().enumerate().map(|(index, quick_reply)| {
        let path = element(path, index);
        let title = match quick_reply {
            QuickReply::Title(title) => renderer
                .render(Kind::Line, title)
                .map_err(|error| RuleError::new(&path, &error))?,
            QuickReply::Choice(choice) => {
                let title = languages(renderer).pick(&choice.title);
                let title = renderer.render(Kind::Line, title);
                title.map_err(|error| RuleError::new(field(&path, "title"), &error))?
            }
        };
        if title.is_empty() {
            return Err(RuleError::new(&path, "has no title for this message"));
        }
        let title: String = title.chars().take(MAX_TITLE_CHARS).collect();
        let text = quick_reply.text().map_or_else(|| title.clone(), str::to_owned);
        Ok(Offer { title, text })
    });
    offers.collect()
}

/// The languages of the customer whose variables the templates see.
fn languages<'a>(renderer: &Renderer<'a>) -> Languages<'a> {
    let scope = renderer.scope();
    Languages {
        wanted: scope.text(scope::LANGUAGE),
        default: scope.text(scope::DEFAULT_LANGUAGE).unwrap_or_default(),
    }
}

fn render_hand_over(hand_over: &HandOverReply, renderer: &Renderer<'_>) -> Result<RenderedHandOver, RuleError> {
    let Some(details) = hand_over.details() else {
        return Ok(RenderedHandOver::default());
    };
    let reason = details.reason.as_ref();
    let reason = reason.map(|source| renderer.render_field("hand_over.reason", Kind::Message, source));
    let text = details.text.as_ref();
    let text = text.map(|text| render_text(text, &renderer.field_path("hand_over.text"), renderer));
    Ok(RenderedHandOver {
        reason: reason.transpose()?,
        text: text.transpose()?,
    })
}
