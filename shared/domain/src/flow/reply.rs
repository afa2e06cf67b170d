//! The traits that an application implements to use rules in its documents.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::{DeserializeOwned, MapAccess};

use super::check::{Checker, ReplySite};
use super::run::{Renderer, RuleError};
use super::source::Issue;
use super::template::Templates;

/// The answer of an application, as written in a document: next to the common fields of a rule, or standalone where a
/// request failed.
///
/// A standalone reply is read by its `Deserialize`, which must refuse unknown fields. In a rule it is read by
/// [`Reply::read_field`].
pub trait Reply: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// The reply with all templates rendered.
    type Rendered;
    /// Scratch data of the application while one document is checked.
    type Scratch<'a>;
    /// Names of the fields. None of them is a common field of rules ([`Rule::COMMON_FIELDS`]).
    ///
    /// [`Rule::COMMON_FIELDS`]: super::document::Rule::COMMON_FIELDS
    const FIELDS: &'static [&'static str];
    /// The longest time-out of a request, in milliseconds: what the application has time for.
    const MAX_TIMEOUT_MS: u16 = 3_500;

    /// The reply of a list of rules in which none matches. None if one of them must always match.
    fn unmatched() -> Option<Self> {
        None
    }

    /// Reads the value of one of [`Reply::FIELDS`].
    ///
    /// # Errors
    /// Fails when the value has the wrong type.
    fn read_field<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error>;

    /// Checks the reply and every template in it.
    fn check<'a>(&'a self, site: ReplySite<'_>, checker: &mut Checker<'a, Self>);

    /// Renders the reply. The path of an error begins with the path of the renderer.
    ///
    /// # Errors
    /// When a template has no value for this request, or one that cannot be rendered.
    fn render(&self, renderer: &Renderer<'_>) -> Result<Self::Rendered, RuleError>;
}

/// A document of an application, with its rules.
pub trait Document: Debug + Serialize + DeserializeOwned {
    /// The reply of its rules.
    type Reply: Reply;
    /// What the application computes once for each document, such as an index.
    type Prepared: Clone + Debug + Send + Sync;

    /// Scratch data for checking this document, in its initial state.
    fn scratch(&self) -> <Self::Reply as Reply>::Scratch<'_>;

    /// Checks the document; its rules with [`Checker::rules`].
    fn check<'a>(&'a self, checker: &mut Checker<'a, Self::Reply>);

    /// Prepares a document without issues. Reports what only its compiled templates reveal, unless it is a stored
    /// document (see [`Checker::is_stored`]).
    fn prepare(&self, templates: &Templates, is_stored: bool, issues: &mut Vec<Issue>) -> Self::Prepared;
}
