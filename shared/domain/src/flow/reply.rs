//! What a job has to say of itself, so that its documents can have rules.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::{DeserializeOwned, MapAccess};

use super::check::{At, Checker};
use super::run::{Pen, Trouble};

/// What a job answers, as it stands in a document: in a rule beside the rule's own fields, and by itself where something
/// went wrong.
///
/// By itself it is read by its own `Deserialize`, which must refuse unknown fields; in a rule by [`Reply::read`].
pub trait Reply: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// The same, written out: no template is left in it.
    type Written;
    /// What the job keeps in mind while one of its documents is checked.
    type Notes<'a>;
    /// Names of its fields. None of them is one of a rule's own ([`Rule::OWN`]).
    ///
    /// [`Rule::OWN`]: super::document::Rule::OWN
    const FIELDS: &'static [&'static str];

    /// Reads the value of one of [`Reply::FIELDS`].
    ///
    /// # Errors
    /// When the value has another form.
    fn read<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error>;

    /// Checks it, and every template in it.
    fn check<'a>(&'a self, at: At<'_>, checker: &mut Checker<'a, Self>);

    /// Writes it out. What is said of an error begins with the pen's place.
    ///
    /// # Errors
    /// When a template has no value here, or one that does not fit.
    fn write(&self, pen: &Pen<'_>) -> Result<Self::Written, Trouble>;
}

/// A whole document of a job's: rules, and whatever they stand in.
pub trait Document: Debug + Serialize + DeserializeOwned {
    /// What its rules answer.
    type Reply: Reply;

    /// What the job keeps in mind while this document is checked, as it is at first.
    fn notes(&self) -> <Self::Reply as Reply>::Notes<'_>;

    /// Checks all that is in it, its rules by [`Checker::rules`].
    fn check<'a>(&'a self, checker: &mut Checker<'a, Self::Reply>);
}
