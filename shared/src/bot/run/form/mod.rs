//! Forms: asks questions one after another, and acts on the answers.

mod ask;
mod read;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::command::PERSON;
use super::hand_over::HandOverRequest;
use super::turn::Turn;
use crate::bot::built_in;
use crate::bot::document::{CallKind, Done, Field, FieldKind, Form};
use crate::conversation::{FormProgress, HandOverReason, Offer, TurnAction};
use crate::flow::source::{element, field};
use crate::flow::{EvalError, RuleError};
use read::Reaction;

/// Name of the built-in form that asks for the number to call. No form of a document has such a name.
pub(super) const CALL_FORM: &str = "+call";
/// What the quick replies mean that leave a form and try once more.
const CANCEL: &str = "/cancel";
const TRY_AGAIN: &str = "/again";
/// Invalid answers in a row after which the bot offers a way out.
const MAX_INVALID: u16 = 3;
/// Maximum size of the values of a form, in bytes of JSON.
const MAX_VALUES: usize = 16 * 1024;

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

    /// Handles an answer to a form's question. False if the document no longer has the form or the question.
    pub(super) fn continue_form(&mut self) -> Result<bool, EvalError> {
        let Some(progress) = self.session.form.clone() else {
            return Ok(false);
        };
        let form = self.form(&progress.form).filter(|form| match &progress.field {
            Some(_) => asked(form, &progress).is_some(),
            None => form.confirm.is_some(),
        });
        let Some(form) = form else {
            self.session.form = None;
            return Ok(false);
        };
        self.answered_by = field("forms", &progress.form);
        let reaction = self.reaction(&form, &progress)?;
        self.react(&form, progress, reaction)?;
        Ok(true)
    }

    fn react(&mut self, form: &Form, mut progress: FormProgress, reaction: Reaction) -> Result<(), EvalError> {
        if !matches!(reaction, Reaction::Invalid) {
            progress.invalid = 0;
        }
        match reaction {
            Reaction::Store(value) => return self.store(form, progress, value),
            Reaction::Confirmed => return self.complete(form, &progress),
            Reaction::Invalid => self.complain(form, progress)?,
            Reaction::Digress(entry) => self.digress(progress, entry)?,
            Reaction::NotConfirmed => self.ask_what_is_wrong(form, progress)?,
            Reaction::Cancel => {
                self.leave_form();
                let text = self.document().texts.form_cancelled.as_ref();
                let text = self.phrase(text, "texts.form_cancelled", built_in::FORM_CANCELLED)?;
                self.posts.push(text);
            }
            Reaction::Person => {
                self.session.form = Some(progress);
                self.hand_over(HandOverRequest::new(HandOverReason::Word))?;
            }
            Reaction::AskAgain => {
                self.session.form = Some(progress);
                self.ask_again()?;
            }
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
        }
        Ok(())
    }

    fn leave_form(&mut self) {
        self.session.form = None;
        self.session.offers.clear();
    }

    /// Answers a question of the FAQ, and asks the form's question again. A question that leads to the same form is
    /// answered by going on with it.
    fn digress(&mut self, progress: FormProgress, entry: usize) -> Result<(), RuleError> {
        let name = progress.form.clone();
        let begins = self
            .document()
            .faq
            .entries
            .get(entry)
            .and_then(|entry| entry.form.as_ref());
        let begins_other = begins.is_some_and(|form| *form != name);
        let begins_same = begins.is_some() && !begins_other;
        self.session.form = Some(progress);
        if !begins_same {
            self.answer_from_faq(entry)?;
        }
        let keeps_form = self.session.form.as_ref().is_some_and(|progress| progress.form == name);
        if keeps_form && !begins_other && matches!(self.action, TurnAction::Continue | TurnAction::Call(_)) {
            self.ask_again()?;
        }
        Ok(())
    }

    /// Stores a value, and goes on with the next question.
    fn store(&mut self, form: &Form, mut progress: FormProgress, value: Value) -> Result<(), EvalError> {
        if let Some(name) = &progress.field {
            let mut values = progress.values.clone();
            values.insert(name.clone(), value);
            let size = serde_json::to_string(&values).map_or(usize::MAX, |text| text.len());
            if size > MAX_VALUES {
                return Ok(self.complain(form, progress)?);
            }
            progress.values = values;
            progress.field = None;
        }
        let is_complete = form
            .fields
            .iter()
            .all(|field| progress.values.contains_key(&field.name));
        if is_complete && form.confirm.is_none() {
            return self.complete(form, &progress);
        }
        self.session.form = Some(progress);
        Ok(self.ask_next(form)?)
    }

    /// All values are known: evaluates what the form does with them.
    fn complete(&mut self, form: &Form, progress: &FormProgress) -> Result<(), EvalError> {
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
        scope.set("form", values(form, progress));
        let evaluated = match &form.done {
            Done::Reply(reply) => self.evaluator.eval_reply(reply.as_ref(), path, &scope)?,
            Done::Rules(rules) => self.evaluator.eval_rules(rules, path, scope)?,
        };
        self.leave_form();
        let (mut reply, path) = (evaluated.reply, evaluated.path);
        if reply.pass {
            let text = self.document().texts.form_done.as_ref();
            let thanks = self.phrase(text, "texts.form_done", built_in::FORM_DONE)?;
            reply.posts.push(thanks);
        }
        Ok(self.apply(reply, path, HandOverReason::Rule)?)
    }

    /// The answer is not valid: says so and asks again, or offers a way out.
    fn complain(&mut self, form: &Form, mut progress: FormProgress) -> Result<(), RuleError> {
        progress.invalid = progress.invalid.saturating_add(1);
        if progress.invalid >= MAX_INVALID {
            self.session.form = Some(progress);
            return self.offer_way_out();
        }
        let own = asked(form, &progress).and_then(|(index, field)| Some((index, field.invalid.as_ref()?)));
        let text = if let Some((index, text)) = own {
            let path = field(&field_path(&progress.form, index), "invalid");
            self.form_text(text, &path, form, &progress)?
        } else {
            let text = self.document().texts.invalid.as_ref();
            self.phrase(text, "texts.invalid", built_in::INVALID)?
        };
        self.posts.push(text);
        self.session.form = Some(progress);
        self.ask_again()
    }

    /// After several invalid answers: a person, once more, or not at all.
    fn offer_way_out(&mut self) -> Result<(), RuleError> {
        let texts = &self.document().texts;
        let text = self.phrase(texts.stuck.as_ref(), "texts.stuck", built_in::STUCK)?;
        let offers = [
            (texts.person.as_ref(), "texts.person", built_in::PERSON, PERSON),
            (
                texts.try_again.as_ref(),
                "texts.try_again",
                built_in::TRY_AGAIN,
                TRY_AGAIN,
            ),
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
        Ok(())
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

/// The field that was asked, and its index. None when the customer is asked to confirm.
fn asked<'f>(form: &'f Form, progress: &FormProgress) -> Option<(usize, &'f Field)> {
    let name = progress.field.as_ref()?;
    form.fields.iter().enumerate().find(|(_, field)| field.name == *name)
}

/// The values of all fields; null where there is none yet.
fn values(form: &Form, progress: &FormProgress) -> Map<String, Value> {
    let fields = form.fields.iter();
    let value = |name: &String| progress.values.get(name).cloned().unwrap_or_default();
    fields.map(|field| (field.name.clone(), value(&field.name))).collect()
}

/// Forgets the answer before the present question. What follows is asked as far as it has no answer.
fn go_back(form: &Form, progress: &mut FormProgress) {
    let present = asked(form, progress).map_or(form.fields.len(), |(index, _)| index);
    if let Some(field) = form.fields.get(present.saturating_sub(1)) {
        progress.values.remove(&field.name);
    }
}

fn field_path(form: &str, index: usize) -> String {
    element(&field(&field("forms", form), "fields"), index)
}
