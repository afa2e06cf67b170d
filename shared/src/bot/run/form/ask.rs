//! Asks the questions of a form.

use super::{CALL_FORM, asked, field_path, values};
use crate::bot::built_in;
use crate::bot::document::{FieldKind, Form, Text};
use crate::bot::reply::{render_offers, render_text};
use crate::bot::run::turn::Turn;
use crate::conversation::{FormProgress, Offer};
use crate::flow::source::field;
use crate::flow::template::Scope;
use crate::flow::{Renderer, RuleError};

impl Turn<'_> {
    /// Asks the first question without an answer, else whether everything is right.
    pub(super) fn ask_next(&mut self, form: &Form) -> Result<(), RuleError> {
        if let Some(progress) = &mut self.session.form {
            let next = form
                .fields
                .iter()
                .find(|field| !progress.values.contains_key(&field.name));
            progress.field = next.map(|field| field.name.clone());
            progress.invalid = 0;
        }
        self.ask_again()
    }

    /// Asks the present question of the form that is being filled in, if there is one.
    pub(in crate::bot::run) fn ask_again(&mut self) -> Result<(), RuleError> {
        let Some(progress) = self.session.form.clone() else {
            return Ok(());
        };
        let Some(form) = self.form(&progress.form) else {
            return Ok(());
        };
        let (text, offers) = self.question(&form, &progress)?;
        self.session.offers.clear();
        self.say(vec![text], offers);
        Ok(())
    }

    /// The present question and its quick replies.
    fn question(&self, form: &Form, progress: &FormProgress) -> Result<(String, Vec<Offer>), RuleError> {
        let Some((index, item)) = asked(form, progress) else {
            let path = field(&field("forms", &progress.form), "confirm");
            let Some(text) = &form.confirm else {
                return Err(RuleError::new(path, "does not exist"));
            };
            return Ok((self.form_text(text, &path, form, progress)?, self.yes_and_no()?));
        };
        let text = if progress.form == CALL_FORM {
            let text = self.document().texts.ask_phone.as_ref();
            self.phrase(text, "texts.ask_phone", built_in::ASK_PHONE)?
        } else {
            let path = field(&field_path(&progress.form, index), "ask");
            self.form_text(&item.ask, &path, form, progress)?
        };
        let offers = match item.kind {
            FieldKind::Choice => self.choices(form, progress, index)?,
            FieldKind::YesNo => self.yes_and_no()?,
            _ => Vec::new(),
        };
        Ok((text, offers))
    }

    /// Asks which value is wrong.
    pub(super) fn ask_what_is_wrong(&mut self, form: &Form, progress: FormProgress) -> Result<(), RuleError> {
        let titles = self.field_titles(form, &progress)?.into_iter();
        let offers = titles.map(|(text, title)| Offer { title, text }).collect();
        let text = self.document().texts.which_field.as_ref();
        let text = self.phrase(text, "texts.which_field", built_in::WHICH_FIELD)?;
        self.say(vec![text], offers);
        self.session.form = Some(progress);
        Ok(())
    }

    /// Name and title of every field, for the customer who corrects one.
    pub(super) fn field_titles(
        &self,
        form: &Form,
        progress: &FormProgress,
    ) -> Result<Vec<(String, String)>, RuleError> {
        let fields = form.fields.iter().enumerate();
        let titles = fields.map(|(index, item)| {
            let path = field(&field_path(&progress.form, index), "title");
            let title = item.title.as_ref();
            let title = title
                .map(|title| self.form_text(title, &path, form, progress))
                .transpose()?;
            Ok((item.name.clone(), title.unwrap_or_else(|| item.name.replace('_', " "))))
        });
        titles.collect()
    }

    /// The choices of a field.
    pub(super) fn choices(&self, form: &Form, progress: &FormProgress, index: usize) -> Result<Vec<Offer>, RuleError> {
        let path = field(&field_path(&progress.form, index), "choices");
        let scope = self.form_scope(form, progress);
        let choices = form.fields.get(index).map_or(&[][..], |field| &field.choices);
        render_offers(choices, &path, &Renderer::new(self.bot.templates(), &scope, &path))
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

    /// A text of a form.
    pub(super) fn form_text(
        &self,
        text: &Text,
        path: &str,
        form: &Form,
        progress: &FormProgress,
    ) -> Result<String, RuleError> {
        let scope = self.form_scope(form, progress);
        let text = render_text(text, path, &Renderer::new(self.bot.templates(), &scope, path))?;
        if text.is_empty() {
            return Err(RuleError::new(path, "has no text for this customer"));
        }
        Ok(text)
    }

    /// The variables of texts of a form: they see the values so far.
    fn form_scope(&self, form: &Form, progress: &FormProgress) -> Scope {
        let mut scope = self.scope.clone();
        scope.set("form", values(form, progress));
        scope
    }
}
