//! Documents without rules, as people write them: every error is reported at once, with its line.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, MapAccess};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::field::expected;
use crate::flow::source::{element, field};
use crate::flow::template::Templates;
use crate::flow::{self, Checker, CompiledDocument, Issue, Renderer, ReplySite, RuleError};

/// Most errors in the form of one document that are looked for.
const MAX_FORM_ISSUES: usize = 50;

/// The fields of a document of one kind, as written. All of them have defaults, so that a missing or a wrong one does
/// not hide what is wrong with the others; [`Fields::check`] tells which must be there.
pub trait Fields: fmt::Debug + Default + DeserializeOwned {
    /// What the document means.
    type Checked: Clone + fmt::Debug + Send + Sync;

    /// Reports what is wrong with the fields, and tells what they mean. The result counts only if nothing is wrong.
    ///
    /// A rule that was added after the first release must not refuse a document that `is_stored`: that would stop what is
    /// planned with it.
    fn check(&self, is_stored: bool, issues: &mut Vec<Issue>) -> Self::Checked;
}

/// A document with the fields `F`, as it was written.
pub struct Written<F> {
    value: Value,
    fields: PhantomData<fn() -> F>,
}

impl<F> fmt::Debug for Written<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl<F> Serialize for Written<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, F> Deserialize<'de> for Written<F> {
    /// Reads anything: the check reports every error of the form, reading would report only the first.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let fields = PhantomData;
        Ok(Self { value, fields })
    }
}

impl<F: Fields> flow::Document for Written<F> {
    type Reply = NoReply;
    type Prepared = F::Checked;

    fn scratch(&self) {}

    fn check<'a>(&'a self, checker: &mut Checker<'a, NoReply>) {
        let (fields, mut issues) = read::<F>(&self.value, checker.is_stored());
        let mut further = Vec::new();
        fields.check(checker.is_stored(), &mut further);
        further.retain(|issue| !issues.iter().any(|wrong| concerns(&wrong.path, &issue.path)));
        issues.append(&mut further);
        for issue in issues {
            checker.report(issue.path, issue.detail);
        }
    }

    fn prepare(&self, _: &Templates, is_stored: bool, issues: &mut Vec<Issue>) -> F::Checked {
        read::<F>(&self.value, is_stored).0.check(is_stored, issues)
    }
}

/// What a stored document means.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn from_stored<F: Fields>(value: &Value) -> Result<F::Checked, Vec<Issue>> {
    let compiled = CompiledDocument::<Written<F>>::from_stored(value)?;
    Ok(compiled.prepared().clone())
}

/// The fields that have the right form, and what is wrong with the form of the others.
///
/// What is wrong is taken out until the rest can be read. A list is taken out as a whole, because its other elements
/// would move. A field that nobody knows is wrong only in a new document: a later version may have stored it.
fn read<F: Fields>(value: &Value, is_stored: bool) -> (F, Vec<Issue>) {
    // Otherwise a list would be read as the values of the fields, in their order.
    if !value.is_object() {
        return (F::default(), vec![Issue::new("", "must be an object")]);
    }
    let mut value = value.clone();
    let mut issues = Vec::new();
    while issues.len() < MAX_FORM_ISSUES {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(fields) => return (fields, issues),
            Err(error) => error,
        };
        let path = error.path().clone();
        let message = error.into_inner().to_string();
        if !(is_stored && message.starts_with("unknown field")) {
            issues.push(Issue::new(text_of(&path), describe(&message)));
        }
        if !take_out(&mut value, &path) {
            break;
        }
    }
    (F::default(), issues)
}

/// The path as issues have it.
fn text_of(path: &Path) -> String {
    path.iter().fold(String::new(), |text, segment| match segment {
        Segment::Seq { index } => element(&text, *index),
        Segment::Map { key } => field(&text, key),
        Segment::Enum { .. } | Segment::Unknown => text,
    })
}

/// Removes the field at `path`, or the one with the list that it is in. Whether there was one.
fn take_out(value: &mut Value, path: &Path) -> bool {
    let segments: Vec<&Segment> = path.iter().collect();
    let Some(last) = segments
        .iter()
        .rposition(|segment| matches!(segment, Segment::Map { .. }))
    else {
        return false;
    };
    let mut parent = value;
    for segment in segments.get(..last).unwrap_or_default() {
        let child = match segment {
            Segment::Seq { index } => parent.get_mut(*index),
            Segment::Map { key } => parent.get_mut(key),
            Segment::Enum { .. } | Segment::Unknown => Some(parent),
        };
        let Some(child) = child else { return false };
        parent = child;
    }
    match (parent, segments.get(last)) {
        (Value::Object(fields), Some(Segment::Map { key })) => fields.remove(key).is_some(),
        _ => false,
    }
}

/// Whether the value at one path is the other one, or part of it.
fn concerns(a: &str, b: &str) -> bool {
    let is_within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
    };
    is_within(a, b) || is_within(b, a)
}

/// The message of serde, without the names of Rust types.
fn describe(message: &str) -> String {
    if message.starts_with("invalid ") {
        return expected(message);
    }
    message.to_owned()
}

/// The reply of a document without rules: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoReply {}

impl flow::Reply for NoReply {
    type Rendered = ();
    type Scratch<'a> = ();
    const FIELDS: &'static [&'static str] = &[];

    fn read_field<'de, A: MapAccess<'de>>(&mut self, field: &str, _: &mut A) -> Result<(), A::Error> {
        Err(A::Error::unknown_field(field, Self::FIELDS))
    }

    fn check<'a>(&'a self, _: ReplySite<'_>, _: &mut Checker<'a, Self>) {}

    fn render(&self, _: &Renderer<'_>) -> Result<(), RuleError> {
        Ok(())
    }
}

/// Reports a text that is blank, or longer than it may be.
pub(super) fn check_text(text: &str, max_chars: usize, path: &str, issues: &mut Vec<Issue>) {
    if text.trim().is_empty() {
        issues.push(Issue::new(path, "must not be blank"));
    } else if text.chars().count() > max_chars {
        issues.push(Issue::new(path, format!("must have at most {max_chars} characters")));
    }
}

/// Checks a text on one line that must be there.
pub(super) fn required_line(text: Option<&str>, max_chars: usize, path: &str, issues: &mut Vec<Issue>) -> String {
    let Some(text) = text else {
        issues.push(Issue::new(path, "is missing"));
        return String::new();
    };
    check_text(text, max_chars, path, issues);
    if text.chars().any(char::is_control) {
        issues.push(Issue::new(path, "must have no control characters"));
    }
    text.trim().to_owned()
}

/// What the tests of both kinds of documents have in common.
#[cfg(test)]
pub(super) mod testing {
    use serde_json::json;

    use super::*;

    /// The document with each of its values, at each place, replaced by values of every type.
    pub(in crate::outreach) fn replacements(document: &Value) -> Vec<(String, Value)> {
        let mut pointers = Vec::new();
        collect_pointers(document, String::new(), &mut pointers);
        let others = [
            json!(null),
            json!(true),
            json!(-7),
            json!(1e300),
            json!(""),
            json!("\u{0}{{\u{202e}x"),
            json!([]),
            json!([[5]]),
            json!({}),
            json!({ "a.b[0]": null }),
        ];
        let mut replaced = Vec::new();
        for pointer in pointers {
            for other in &others {
                let mut changed = document.clone();
                if let Some(place) = changed.pointer_mut(&pointer) {
                    place.clone_from(other);
                    replaced.push((pointer.clone(), changed));
                }
            }
        }
        replaced
    }

    fn collect_pointers(value: &Value, pointer: String, pointers: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    collect_pointers(value, format!("{pointer}/{name}"), pointers);
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    collect_pointers(value, format!("{pointer}/{index}"), pointers);
                }
            }
            _ => {}
        }
        pointers.push(pointer);
    }

    /// Compares the schema of `F` with the published one, or writes that.
    #[cfg(feature = "schema")]
    pub(in crate::outreach) fn check_schema<F: schemars::JsonSchema>(path: &str) {
        let generated = format!("{:#}\n", schemars::schema_for!(F).to_value());
        if std::env::var_os("PATCHBAY_RENEW").is_some() {
            std::fs::write(path, &generated).expect("the schema is written");
        }
        let published = std::fs::read_to_string(path).expect("the schema");
        assert_eq!(published, generated, "see the comment above this test");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document with a rule that is newer than some stored ones.
    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        name: Option<String>,
        #[serde(default)]
        rooms: Vec<Room>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Room {
        seats: u32,
    }

    impl Fields for Shop {
        type Checked = (String, Vec<u32>);

        fn check(&self, is_stored: bool, issues: &mut Vec<Issue>) -> Self::Checked {
            let name = self.name.clone().unwrap_or_default();
            if name.len() > 5 && !is_stored {
                issues.push(Issue::new("name", "must be short"));
            }
            (name, self.rooms.iter().map(|room| room.seats).collect())
        }
    }

    fn stored(document: &Value) -> Result<(String, Vec<u32>), Vec<Issue>> {
        from_stored::<Shop>(document)
    }

    #[test]
    fn a_newer_rule_and_a_field_of_a_later_version_do_not_refuse_what_is_stored() {
        let document = serde_json::json!({ "name": "Corner shop", "awning": true, "rooms": [] });
        assert_eq!(stored(&document), Ok(("Corner shop".to_owned(), Vec::new())));
        let paths = |result: Result<CompiledDocument<Written<Shop>>, Vec<Issue>>| -> Vec<String> {
            let issues = result.err().unwrap_or_default();
            issues.into_iter().map(|issue| issue.path).collect()
        };
        assert_eq!(paths(CompiledDocument::from_value(&document)), ["awning", "name"]);
        // What is malformed cannot be used, no matter who stored it.
        let malformed = serde_json::json!({ "name": 5 });
        assert_eq!(stored(&malformed).map_err(|issues| issues.len()), Err(1));
    }

    #[test]
    fn only_the_same_value_or_a_part_of_it_is_concerned() {
        for (a, b, expected) in [
            ("name", "name", true),
            ("channels.sms", "channels", true),
            ("then", "then[1]", true),
            ("", "name", true),
            ("name", "names", false),
            ("channels.sms", "channels.email", false),
        ] {
            assert_eq!((concerns(a, b), concerns(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
