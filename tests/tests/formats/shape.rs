//! The shape of a JSON value: its paths, each with the forms of the values there. Two items of one kind may differ in
//! every timestamp and id, and still have the same shape.

use std::collections::{BTreeMap, BTreeSet};

use patchbay::clock::Timestamp;
use patchbay::ids::InteractionId;
use serde_json::Value;

use crate::fixtures::{are_accepted, list, names, write};

/// Pairs of a path and the form of a value there.
pub(crate) type Shape = BTreeSet<(String, String)>;

/// Objects whose names are map keys, such as indices and languages, and not fields.
pub(crate) const MAPS: [&str; 13] = [
    "inboxes",
    "values",
    "variables",
    "rejected",
    "busy",
    "postponed",
    "interrupted",
    "refused",
    "texts",
    "avoided",
    "limited",
    // Of a chat page: by language.
    "title",
    "initial_message",
];
/// Values that belong to others, and may be any JSON: kind and path.
const FREE: [(&str, &str); 9] = [
    ("agent", "doc"),
    ("bot", "doc"),
    ("skill", "doc"),
    ("conversation", "doc.steps[].action.request"),
    ("conversation", "doc.hand_over.plan.call.dispatch.request"),
    ("conversation", "doc.hand_over.plan.then.call.dispatch.request"),
    ("chain", "doc"),
    ("kept-call", "doc.before"),
    ("kept-call", "doc.after"),
];
/// Fields whose strings are names that we define. They are compared exactly.
const WORDS: [&str; 12] = [
    "state",
    "do",
    "fact",
    "holder",
    "status",
    "is",
    "event",
    "reason",
    "strategy",
    "ending",
    "provider",
    "next_status",
];
/// Attributes that are composed of several parts.
const KEYS: [&str; 7] = ["pk", "sk", "day_pk", "day_sk", "due_pk", "due_sk", "holder"];

/// Shape of a value of a kind.
pub(crate) fn shape_of(kind: &str, value: &Value) -> Shape {
    let mut shape = Shape::new();
    walk(kind, "", value, &mut shape);
    shape
}

fn walk(kind: &str, path: &str, value: &Value, shape: &mut Shape) {
    let mut add = |form: &str| {
        shape.insert((path.to_owned(), form.to_owned()));
    };
    match value {
        Value::Null => add("null"),
        Value::Bool(_) => add("bool"),
        // A released lease.
        Value::Number(number) if path == "lease_until" && number.as_i64() == Some(0) => add("zero"),
        Value::Number(_) => add("number"),
        Value::String(text) => add(&form(path, text)),
        Value::Array(items) => {
            add("list");
            for item in items {
                walk(kind, &format!("{path}[]"), item, shape);
            }
        }
        Value::Object(fields) => {
            add("object");
            if FREE.contains(&(kind, path)) {
                return;
            }
            let is_map = MAPS.contains(&last(path));
            for (name, inner) in fields {
                let name = if is_map { "*" } else { field(name) };
                let path = if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}.{name}")
                };
                walk(kind, &path, inner, shape);
            }
        }
    }
}

/// The name of a field, without the id of a purchase in it.
fn field(name: &str) -> &str {
    match name.split_once('#') {
        Some(("o", _)) => "o#*",
        Some(("f", _)) => "f#*",
        _ => name,
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// Form of a string.
fn form(path: &str, text: &str) -> String {
    if KEYS.contains(&path) {
        return key_form(text);
    }
    if WORDS.contains(&last(path)) {
        return format!("`{text}`");
    }
    part_form(text).unwrap_or_else(|| "text".to_owned())
}

/// Form of a key, in which constant parts stay as they are.
fn key_form(text: &str) -> String {
    let parts = text.split_inclusive(['#', '/']).map(|part| {
        let (part, end) = match part.strip_suffix(['#', '/']) {
            Some(inner) => (inner, &part[inner.len()..]),
            None => (part, ""),
        };
        let is_uuid = part.parse::<InteractionId>().is_ok();
        let whole = if is_uuid {
            Some("{uuid}".to_owned())
        } else {
            part_form(part)
        };
        let words = || {
            part.split('-')
                .map(|word| part_form(word).unwrap_or_else(|| word.to_owned()))
        };
        format!(
            "{}{end}",
            whole.unwrap_or_else(|| words().collect::<Vec<_>>().join("-"))
        )
    });
    parts.collect()
}

/// Form of a string that is a value of ours, such as a timestamp or an id; none for any other.
fn part_form(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let is_hex = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_number = text
        .strip_prefix('+')
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let form = if Timestamp::parse(text).is_some() {
        "{timestamp}"
    } else if text.parse::<patchbay::ids::DispatchId>().is_ok() {
        "{dispatch}"
    } else if text.parse::<patchbay::ids::AttemptId>().is_ok() {
        "{attempt}"
    } else if is_number {
        "{number}"
    } else if is_hex && matches!(text.len(), 8 | 16 | 32 | 64) {
        return Some(format!("{{{} hex}}", text.len()));
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("{{{} digits}}", text.len()));
    } else {
        return None;
    };
    Some(form.to_owned())
}

/// Values that were written, by kind.
#[derive(Debug, Default)]
pub(crate) struct WrittenValues(BTreeMap<String, Vec<Value>>);

impl WrittenValues {
    pub(crate) fn add(&mut self, kind: impl Into<String>, value: Value) {
        let seen = self.0.entry(kind.into()).or_default();
        if !seen.contains(&value) {
            seen.push(value);
        }
    }

    /// A few values of a kind that together have every path and form that was seen. Short values are preferred.
    fn examples(&self, kind: &str) -> Vec<Value> {
        let mut left: Vec<(&Value, Shape)> = self.0[kind]
            .iter()
            .map(|value| (value, shape_of(kind, value)))
            .collect();
        let mut examples = Vec::new();
        // Bytes per path and form that only this example adds; of equal ones the first is taken.
        let cost = |(value, shape): &(&Value, Shape)| value.to_string().len() * 1_000 / shape.len();
        loop {
            left.retain(|(_, shape)| !shape.is_empty());
            let best = left.iter().enumerate().min_by_key(|(_, candidate)| cost(candidate));
            let Some(best) = best.map(|(at, _)| at) else {
                return examples;
            };
            let (example, gained) = left.remove(best);
            examples.push(example.clone());
            for (_, shape) in &mut left {
                shape.retain(|pair| !gained.contains(pair));
            }
        }
    }

    /// Differences between what was seen and the fixtures of a folder, which has one file per kind. With
    /// [`are_accepted`], it rewrites the fixtures instead.
    #[track_caller]
    pub(crate) fn faults(&self, folder: &str, kinds: &[String]) -> Vec<String> {
        let unseen: Vec<&String> = kinds.iter().filter(|kind| !self.0.contains_key(*kind)).collect();
        assert!(
            unseen.is_empty(),
            "no value of these kinds was written in this test: {unseen:?}"
        );
        let mut faults = Vec::new();
        for kind in self.0.keys().cloned().chain(names(folder)).collect::<BTreeSet<_>>() {
            let file = format!("{folder}/{kind}.json");
            let fixtures = list(&file);
            let before: Shape = fixtures.iter().flat_map(|value| shape_of(&kind, value)).collect();
            let Some(seen) = self.0.get(&kind) else {
                faults.push(format!("{file}: no item of this kind is written any more"));
                continue;
            };
            let now: Shape = seen.iter().flat_map(|value| shape_of(&kind, value)).collect();
            if now == before {
                continue;
            }
            if are_accepted() {
                self.accept(folder, &kind, fixtures);
                continue;
            }
            let line = |what: &str, (path, form): &(String, String)| format!("{file}: {path}: {form} {what}");
            faults.extend(
                now.difference(&before)
                    .map(|pair| line("is written, but is in no fixture", pair)),
            );
            faults.extend(
                before
                    .difference(&now)
                    .map(|pair| line("is not written any more", pair)),
            );
        }
        faults
    }

    /// Rewrites the fixtures of a kind. Items that are written differently now are moved to `earlier/`: they must stay
    /// readable. Answers are never read back, so replaced ones are dropped.
    fn accept(&self, folder: &str, kind: &str, before: Vec<Value>) {
        write(&format!("{folder}/{kind}.json"), &self.examples(kind));
        let file = format!("earlier/{kind}.json");
        let replaced = self.replaced(kind, before);
        if folder == "items" && !replaced.is_empty() {
            let earlier: Vec<Value> = list(&file).into_iter().chain(replaced).collect();
            write(&file, &earlier);
        }
    }

    /// Earlier values whose shape nothing has today: they lack a field, or have an additional one.
    fn replaced(&self, kind: &str, mut before: Vec<Value>) -> Vec<Value> {
        let now: BTreeSet<Shape> = self.0[kind].iter().map(|value| shape_of(kind, value)).collect();
        before.retain(|value| !now.contains(&shape_of(kind, value)));
        before
    }
}

/// Asserts that no format has changed.
#[track_caller]
pub(crate) fn assert_unchanged(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "a format has changed. If this version reads what earlier versions wrote, and the previous version reads what this \
         one writes while both are deployed, rewrite the fixtures with PATCHBAY_ACCEPT_FORMATS=1:\n{}",
        faults.join("\n")
    );
}

#[test]
fn an_item_that_is_written_differently_now_is_kept_as_an_earlier_one() {
    let with = |fields: &[&str]| Value::Object(fields.iter().map(|name| ((*name).to_owned(), 1.into())).collect());
    let mut now = WrittenValues::default();
    now.add("kind", with(&["a", "b", "new"]));
    now.add("kind", with(&["a", "new"]));
    let lacks_one = with(&["a", "b"]);
    let has_one_too_many = with(&["a", "b", "new", "old"]);
    let before = vec![lacks_one.clone(), with(&["a", "new"]), has_one_too_many.clone()];
    assert_eq!(now.replaced("kind", before), [lacks_one, has_one_too_many]);
}

#[test]
fn the_shape_depends_on_forms_and_not_on_timestamps_and_ids() {
    let item = |sk: &str, at: Value| serde_json::json!({ "sk": sk, "at": at });
    let entry = |nonce: &str| {
        item(
            &format!("E#000001-1795402800000-{nonce}-00"),
            "2026-11-23T03:00:00.000Z".into(),
        )
    };
    let [one, other] = ["0000000000000001", "ffffffffffffffff"].map(|nonce| shape_of("entry-created", &entry(nonce)));
    assert_eq!(one, other);
    for changed in [
        item(
            "F#000001-1795402800000-0000000000000001-00",
            "2026-11-23T03:00:00.000Z".into(),
        ),
        item(
            "E#000001-1795402800000-0000000000000001",
            "2026-11-23T03:00:00.000Z".into(),
        ),
        item(
            "E#000001-1795402800000-0000000000000001-00",
            1_795_402_800_000_i64.into(),
        ),
        item("E#000001-1795402800000-0000000000000001-00", "23 November 2026".into()),
    ] {
        assert_ne!(shape_of("entry-created", &changed), one);
    }
}
