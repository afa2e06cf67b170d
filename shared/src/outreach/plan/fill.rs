//! Fills in the variables of texts, and collects those that nobody defined.

use std::collections::BTreeSet;

use crate::field::FieldError;
use crate::interaction::template::{UnknownVariables, Variables, render};

/// A text with variables, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Template<'a> {
    /// The text, with variables in double braces.
    pub(super) text: &'a str,
    /// The field of the request that has it, or the id of the document that has it.
    pub(super) field: &'static str,
    /// Begins an error about a text that the field only refers to; empty for a text of the request.
    pub(super) what: &'static str,
}

impl Template<'_> {
    pub(super) fn error(&self, detail: impl std::fmt::Display) -> FieldError {
        FieldError::new(self.field, format!("{}{detail}", self.what))
    }
}

/// Fills in variables.
pub(super) struct Filler {
    variables: Variables,
    is_strict: bool,
    unknown: BTreeSet<String>,
    /// For each text with unknown variables: what a strict skill says about it.
    refused: Vec<FieldError>,
}

impl Filler {
    pub(super) fn new(variables: Variables, is_strict: bool) -> Self {
        Self {
            variables,
            is_strict,
            unknown: BTreeSet::new(),
            refused: Vec::new(),
        }
    }

    /// The text with its variables; unknown ones are blank.
    ///
    /// # Errors
    /// It is too long.
    pub(super) fn fill(&mut self, template: Template<'_>, max_chars: usize) -> Result<String, FieldError> {
        let rendered = render(template.text, &self.variables, max_chars);
        let rendered = rendered.map_err(|error| template.error(error))?;
        if rendered.unknown.is_empty() {
            return Ok(rendered.text);
        }
        self.unknown.extend(rendered.unknown.iter().cloned());
        // The same text may be needed for several channels.
        let refusal = template.error(UnknownVariables(rendered.unknown));
        if self.is_strict && !self.refused.contains(&refusal) {
            self.refused.push(refusal);
        }
        Ok(rendered.text)
    }

    /// As [`Filler::fill`], for a text that must say something.
    ///
    /// # Errors
    /// It is too long, or says nothing.
    pub(super) fn fill_in(&mut self, template: Template<'_>, max_chars: usize) -> Result<String, FieldError> {
        let text = self.fill(template, max_chars)?;
        if text.trim().is_empty() {
            return Err(template.error("is blank when its variables are filled in"));
        }
        Ok(text)
    }

    /// The names of unknown variables.
    ///
    /// # Errors
    /// There are some, and the skill is strict.
    pub(super) fn finish(self) -> Result<Vec<String>, Vec<FieldError>> {
        if self.refused.is_empty() {
            return Ok(self.unknown.into_iter().collect());
        }
        Err(self.refused)
    }
}
