//! Forms: asks questions one after another, and reads the answers.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::command::PERSON;
use super::hand_over::HandOverRequest;
use super::turn::Turn;
use crate::bot::built_in;
use crate::bot::document::{CallKind, Done, Field, FieldKind, Form, Text};
use crate::bot::form::value::{Reading, chosen, yes_or_no};
use crate::bot::hours::local_time;
use crate::bot::reply::{render_offers, render_text};
use crate::conversation::{FormProgress, HandOverReason, Offer, TurnAction};
use crate::flow::source::{element, field};
use crate::flow::{EvalError, Renderer, RuleError};

/// Name of the built-in form that asks for the number to call. No form of a document has such a name.
pub(super) const CALL_FORM: &str = "+call";
/// What the quick replies mean that leave a form and try once more.
const CANCEL: &str = "/cancel";
const TRY_AGAIN: &str = "/again";
/// Invalid answers in a row after which the bot offers a way out.
const MAX_INVALID: u16 = 3;
/// Maximum size of the values of a form, in bytes of JSON.
const MAX_VALUES: usize = 16 * 1024;

/// What an answer does to a form.
enum Reaction {
    Cancel,
    Back,
    AskAgain,
    Store(Value),
    Confirmed,
    /// Something is wrong, but it is not yet known what.
    NotConfirmed,
    Correct(String),
    Digress(usize),
    Person,
    Invalid,
}

impl<'a> Turn<'a> {
    /// The form of this name: of the document, or built in.
    pub(super) fn form(&self, name: &str) -> Option<Cow<'a, Form>> {
        if name == CALL_FORM {
            return Some(Cow::Owned(call_form()));
        }
        self.document().forms.get(name).map(Cow::Borrowed)
    }

    /// Begins a form: asks its first question.
    pub(super) fn begin_form(&mut self, name: &str) -> Result<(), RuleError> {
        let Some(form) = self.form(name) else {
            return Err(RuleError::new(field("forms", name), "does not exist"));
        };
        self.session.form = Some(FormProgress {
            form: name.to_owned(),
            ..FormProgress::default()
        });
        self.ask_next(&form)
    }

    /// Handles an answer to a form's question. False if the document no longer has the form.
    pub(super) fn continue_form(&mut self) -> Result<bool, EvalError> {
        let Some(progress) = self.session.form.clone() else {
            return Ok(false);
        };
        let form = self.form(&progress.form);
        let asked = |form: &Form| match &progress.field {
            Some(name) => form.fields.iter().any(|field| field.name == *name),
            None => form.confirm.is_some(),
        };
        let Some(form) = form.filter(|form| asked(form)) else {
            self.session.form = None;
            return Ok(false);
        };
        self.answered_by = field("forms", &progress.form);
        let reaction = self.reaction(&form, &progress)?;
        self.react(&form, progress, reaction)?;
        Ok(true)
    }

    fn reaction(&self, form: &Form, progress: &FormProgress) -> Result<Reaction, RuleError> {
        let phrases = &self.prepared().phrases;
        let (text, words) = (self.message.text.as_str(), &self.message.words);
        match text {
            CANCEL => return Ok(Reaction::Cancel),
            TRY_AGAIN => return Ok(Reaction::AskAgain),
            _ => {}
        }
        for (commands, reaction) in [
            (&phrases.cancel, Reaction::Cancel),
            (&phrases.back, Reaction::Back),
            (&phrases.repeat, Reaction::AskAgain),
        ] {
            if commands.are_all_of(words) {
                return Ok(reaction);
            }
        }
        let understood = match &progress.field {
            None => self.confirmation(form, progress)?,
            Some(name) => match form.fields.iter().enumerate().find(|(_, field)| field.name == *name) {
                Some((index, asked)) => self.field_value(progress, index, asked)?.map(Reaction::Store),
                None => None,
            },
        };
        let matches = self.prepared().index.matches(words);
        let digression = self.answering(&matches).map(|found| Reaction::Digress(found.entry));
        Ok(match understood {
            // Any text is an answer to such a question, but not if it asks one of the FAQ's.
            Some(Reaction::Store(value)) if self.is_free_text(form, progress) && is_question(text) => {
                digression.unwrap_or(Reaction::Store(value))
            }
            Some(reaction) => reaction,
            None if phrases.hand_over.occur_in(words) => Reaction::Person,
            None => digression.unwrap_or(Reaction::Invalid),
        })
    }

    /// What the answer to "is that right?" means.
    fn confirmation(&self, form: &Form, progress: &FormProgress) -> Result<Option<Reaction>, RuleError> {
        let titles = self.field_titles(form, progress)?;
        let by_name = titles.iter().position(|(name, _)| self.message.text == *name);
        let by_title = || chosen(&self.message.text, titles.iter().map(|(_, title)| title.as_str()).enumerate());
        let answer = yes_or_no(&self.message.text, &self.prepared().phrases);
        let named = by_name.or_else(by_title).and_then(|index| titles.get(index));
        Ok(match (answer, named) {
            (Some(true), _) => Some(Reaction::Confirmed),
            (_, Some((name, _))) => Some(Reaction::Correct(name.clone())),
            (Some(false), None) => Some(Reaction::NotConfirmed),
            (None, None) => None,
        })
    }

    /// Name and title of every field, for the customer who corrects one.
    fn field_titles(&self, form: &Form, progress: &FormProgress) -> Result<Vec<(String, String)>, RuleError> {
        let fields = form.fields.iter().enumerate();
        let titles = fields.map(|(index, item)| {
            let path = field(&field_path(&progress.form, index), "title");
            let title = item.title.as_ref();
            let title = title.map(|title| self.form_text(title, &path, form, progress)).transpose()?;
            Ok((item.name.clone(), title.unwrap_or_else(|| item.name.replace('_', " "))))
        });
        titles.collect()
    }

    /// The value that the answer gives to a field; none if it is not valid.
    fn field_value(&self, progress: &FormProgress, index: usize, asked: &Field) -> Result<Option<Value>, RuleError> {
        let prepared = self.prepared();
        if asked.required == Some(false) && prepared.phrases.skip.are_all_of(&self.message.words) {
            return Ok(Some(Value::Null));
        }
        let last = self.message.parts.last().filter(|_| self.message.parts.len() > 1);
        let texts = [Some(self.message.text.as_str()), last.map(String::as_str)];
        if asked.kind == FieldKind::Choice {
            let offers = self.choices(progress, index, asked)?;
            let value = texts.into_iter().flatten().find_map(|text| {
                let titles = offers.iter().map(|offer| offer.title.as_str()).enumerate();
                let by_value = offers.iter().position(|offer| offer.text == text);
                offers.get(by_value.or_else(|| chosen(text, titles))?)
            });
            return Ok(value.map(|offer| json!(offer.text)));
        }
        let reading = Reading {
            phrases: &prepared.phrases,
            country: prepared.country.as_ref(),
            language: self.languages.tag(),
            today: local_time(&prepared.zone, self.context.now).date(),
        };
        Ok(texts.into_iter().flatten().find_map(|text| reading.value(asked, text)))
    }

    fn choices(&self, progress: &FormProgress, index: usize, asked: &Field) -> Result<Vec<Offer>, RuleError> {
        let path = field(&field_path(&progress.form, index), "choices");
        render_offers(&asked.choices, &path, &Renderer::new(self.bot.templates(), &self.scope, &path))
    }

    fn is_free_text(&self, form: &Form, progress: &FormProgress) -> bool {
        let is_asked = |field: &&Field| Some(&field.name) == progress.field.as_ref();
        let asked = form.fields.iter().find(is_asked);
        asked.is_some_and(|field| field.kind == FieldKind::Text && field.pattern.is_none())
    }

    fn react(&mut self, form: &Form, mut progress: FormProgress, reaction: Reaction) -> Result<(), EvalError> {
        if !matches!(reaction, Reaction::Invalid | Reaction::AskAgain) {
            progress.invalid = 0;
        }
        match reaction {
            Reaction::Cancel => {
                self.leave_form();
                let text = self.document().texts.form_cancelled.as_ref();
                let text = self.phrase(text, "texts.form_cancelled", built_in::FORM_CANCELLED)?;
                self.posts.push(text);
            }
            Reaction::Person => {
                self.leave_form();
                self.hand_over(HandOverRequest::new(HandOverReason::Word))?;
            }
            Reaction::Confirmed => return self.complete(form, progress),
            Reaction::NotConfirmed => {
                let offers = self.field_titles(form, &progress)?.into_iter();
                let offers = offers.map(|(text, title)| Offer { title, text }).collect();
                let text = self.document().texts.which_field.as_ref();
                let text = self.phrase(text, "texts.which_field", built_in::WHICH_FIELD)?;
                self.say(vec![text], offers);
                self.session.form = Some(progress);
            }
            Reaction::Digress(entry) => {
                self.session.form = Some(progress);
                self.answer_from_faq(entry)?;
                let goes_on = self.action == TurnAction::Continue;
                let is_same = self.session.form.as_ref().is_some_and(|now| now.form == self.form_name());
                if goes_on && is_same {
                    self.ask_again()?;
                }
            }
            Reaction::AskAgain => {
                progress.invalid = 0;
                self.session.form = Some(progress);
                self.ask_again()?;
            }
            Reaction::Invalid => self.complain(form, progress)?,
            Reaction::Back => {
                go_back(form, &mut progress);
                self.session.form = Some(progress);
                self.ask_next(form)?;
            }
            Reaction::Correct(name) => {
                progress.values.remove(&name);
                self.session.form = Some(progress);
                self.ask_next(form)?;
            }
            Reaction::Store(value) => return self.store(form, progress, value),
        }
        Ok(())
    }

    /// Name of the form that the turn began with.
    fn form_name(&self) -> &str {
        let progress = self.context.conversation.session.form.as_ref();
        progress.map_or("", |progress| progress.form.as_str())
    }

    fn leave_form(&mut self) {
        self.session.form = None;
        self.session.offers.clear();
    }

    /// Stores a value, and goes on with the next question.
    fn store(&mut self, form: &Form, mut progress: FormProgress, value: Value) -> Result<(), EvalError> {
        if let Some(name) = progress.field.take() {
            let before = progress.values.insert(name.clone(), value);
            let size = serde_json::to_string(&progress.values).map_or(usize::MAX, |text| text.len());
            if size > MAX_VALUES {
                match before {
                    Some(before) => progress.values.insert(name.clone(), before),
                    None => progress.values.remove(&name),
                };
                progress.field = Some(name);
                return Ok(self.complain(form, progress)?);
            }
        }
        let is_complete = form.fields.iter().all(|field| progress.values.contains_key(&field.name));
        if is_complete && form.confirm.is_none() {
            return self.complete(form, progress);
        }
        self.session.form = Some(progress);
        Ok(self.ask_next(form)?)
    }

    /// All values are known: evaluates what the form does with them.
    fn complete(&mut self, form: &Form, progress: FormProgress) -> Result<(), EvalError> {
        if progress.form == CALL_FORM {
            self.leave_form();
            let number = progress.values.get("phone").and_then(Value::as_str);
            if let Some(plan) = self.call_plan(CallKind::Queue, number)? {
                self.announce_call(CallKind::Queue)?;
                self.action = TurnAction::Call(plan);
            }
            return Ok(());
        }
        let path = field(&field("forms", &progress.form), "done");
        let mut scope = self.scope.clone();
        scope.set("form", values(form, &progress));
        let evaluated = match &form.done {
            Done::Reply(reply) => self.evaluator.eval_reply(reply.as_ref(), path, &scope)?,
            Done::Rules(rules) => self.evaluator.eval_rules(rules, path, scope)?,
        };
        self.leave_form();
        let (mut reply, path) = (evaluated.reply, evaluated.path);
        if reply.pass {
            let text = self.document().texts.form_done.as_ref();
            reply.posts.push(self.phrase(text, "texts.form_done", built_in::FORM_DONE)?);
        }
        Ok(self.apply(reply, path, HandOverReason::Rule)?)
    }

    /// The answer is not valid: says so and asks again, or offers a way out.
    fn complain(&mut self, form: &Form, mut progress: FormProgress) -> Result<(), RuleError> {
        progress.invalid = progress.invalid.saturating_add(1);
        let texts = &self.document().texts;
        if progress.invalid >= MAX_INVALID {
            let text = self.phrase(texts.stuck.as_ref(), "texts.stuck", built_in::STUCK)?;
            let offers = [
                (texts.person.as_ref(), "texts.person", built_in::PERSON, PERSON),
                (texts.try_again.as_ref(), "texts.try_again", built_in::TRY_AGAIN, TRY_AGAIN),
                (texts.cancel.as_ref(), "texts.cancel", built_in::CANCEL, CANCEL),
            ];
            let offers = offers.into_iter().map(|(title, path, built_in, text)| {
                Ok(Offer {
                    title: self.phrase(title, path, built_in)?,
                    text: text.to_owned(),
                })
            });
            let offers = offers.collect::<Result<_, RuleError>>()?;
            self.say(vec![text], offers);
            self.session.form = Some(progress);
            return Ok(());
        }
        let asked = form.fields.iter().enumerate();
        let asked = asked.into_iter().find(|(_, field)| Some(&field.name) == progress.field.as_ref());
        let own = asked.and_then(|(index, asked)| Some((index, asked.invalid.as_ref()?)));
        let text = match own {
            Some((index, text)) => {
                let path = field(&field_path(&progress.form, index), "invalid");
                self.form_text(text, &path, form, &progress)?
            }
            None => self.phrase(texts.invalid.as_ref(), "texts.invalid", built_in::INVALID)?,
        };
        self.posts.push(text);
        self.session.form = Some(progress);
        self.ask_again()
    }

    /// Asks the first question without an answer, else whether everything is right.
    fn ask_next(&mut self, form: &Form) -> Result<(), RuleError> {
        if let Some(progress) = &mut self.session.form {
            let next = form.fields.iter().find(|field| !progress.values.contains_key(&field.name));
            progress.field = next.map(|field| field.name.clone());
            progress.invalid = 0;
        }
        self.ask_again()
    }

    /// Asks the present question.
    pub(super) fn ask_again(&mut self) -> Result<(), RuleError> {
        let Some(progress) = self.session.form.clone() else {
            return Ok(());
        };
        let Some(form) = self.form(&progress.form) else {
            return Ok(());
        };
        let asked = form.fields.iter().enumerate();
        let asked = asked.into_iter().find(|(_, field)| Some(&field.name) == progress.field.as_ref());
        let (text, offers) = match asked {
            Some((index, asked)) => {
                let text = if progress.form == CALL_FORM {
                    let text = self.document().texts.ask_phone.as_ref();
                    self.phrase(text, "texts.ask_phone", built_in::ASK_PHONE)?
                } else {
                    let path = field(&field_path(&progress.form, index), "ask");
                    self.form_text(&asked.ask, &path, &form, &progress)?
                };
                let offers = match asked.kind {
                    FieldKind::Choice => self.choices(&progress, index, asked)?,
                    FieldKind::YesNo => self.yes_and_no()?,
                    _ => Vec::new(),
                };
                (text, offers)
            }
            None => {
                let path = field(&field("forms", &progress.form), "confirm");
                let text = form.confirm.as_ref();
                let text = text.map(|text| self.form_text(text, &path, &form, &progress)).transpose()?;
                (text.unwrap_or_default(), self.yes_and_no()?)
            }
        };
        self.session.offers.clear();
        self.say(vec![text], offers);
        Ok(())
    }

    fn yes_and_no(&self) -> Result<Vec<Offer>, RuleError> {
        let texts = &self.document().texts;
        let offers = [
            (texts.yes.as_ref(), "texts.yes", built_in::YES, "yes"),
            (texts.no.as_ref(), "texts.no", built_in::NO, "no"),
        ];
        let offers = offers.into_iter().map(|(title, path, built_in, text)| {
            Ok(Offer {
                title: self.phrase(title, path, built_in)?,
                text: text.to_owned(),
            })
        });
        offers.collect()
    }

    /// A text of a form. Its templates see the values so far.
    fn form_text(&self, text: &Text, path: &str, form: &Form, progress: &FormProgress) -> Result<String, RuleError> {
        let mut scope = self.scope.clone();
        scope.set("form", values(form, progress));
        let text = render_text(text, path, &Renderer::new(self.bot.templates(), &scope, path))?;
        if text.is_empty() {
            return Err(RuleError::new(path, "has no text for this customer"));
        }
        Ok(text)
    }
}

/// The built-in form that asks for the number to call.
fn call_form() -> Form {
    Form {
        fields: vec![Field {
            name: "phone".to_owned(),
            kind: FieldKind::Phone,
            ..Field::default()
        }],
        ..Form::default()
    }
}

/// The values of all fields; null where there is none yet.
fn values(form: &Form, progress: &FormProgress) -> Map<String, Value> {
    let fields = form.fields.iter();
    let value = |name: &String| progress.values.get(name).cloned().unwrap_or_default();
    fields.map(|field| (field.name.clone(), value(&field.name))).collect()
}

/// Forgets the answer before the present question.
fn go_back(form: &Form, progress: &mut FormProgress) {
    let present = progress.field.as_ref();
    let index = present.and_then(|name| form.fields.iter().position(|field| field.name == *name));
    let before = index.unwrap_or(form.fields.len()).saturating_sub(1);
    if let Some(field) = form.fields.get(before) {
        progress.values.remove(&field.name);
    }
    // What follows is asked as far as it has no answer.
    progress.field = None;
}

/// Whether the customer asks a question.
fn is_question(text: &str) -> bool {
    text.trim_end().ends_with(['?', '？', ';']) && !text.trim_end().ends_with(";;")
}

fn field_path(form: &str, index: usize) -> String {
    element(&field(&field("forms", form), "fields"), index)
}
