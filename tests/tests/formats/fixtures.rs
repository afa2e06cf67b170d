//! The files in `tests/formats/`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Path of a fixture.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(name)
}

/// Text of a fixture.
#[track_caller]
pub(crate) fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("tests/formats/{name}: {error}"))
}

/// A fixture that is JSON.
#[track_caller]
pub(crate) fn json(name: &str) -> Value {
    let text = text(name);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("tests/formats/{name}: {error}"))
}

/// Sorted names of the fixtures in a folder, without extension; empty if the folder does not exist.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let Ok(files) = fs::read_dir(path(folder)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A fixture that is a JSON list; empty if the file does not exist.
pub(crate) fn list(name: &str) -> Vec<Value> {
    if !path(name).exists() {
        return Vec::new();
    }
    match json(name) {
        Value::Array(list) => list,
        other => panic!("tests/formats/{name} is not a list: {other}"),
    }
}

/// Whether fixtures that are compared by shape are rewritten.
pub(crate) fn are_accepted() -> bool {
    env::var("PATCHBAY_ACCEPT_FORMATS").is_ok_and(|value| value == "1")
}

/// Replaces a fixture. Panics unless [`are_accepted`].
pub(crate) fn write(name: &str, list: &[Value]) {
    assert!(
        are_accepted(),
        "fixtures are written only with PATCHBAY_ACCEPT_FORMATS=1"
    );
    let path = path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut text = String::new();
    print(&Value::from(list.to_vec()), "\n", &mut text);
    text.push('\n');
    // Atomically: other tests may be reading the file.
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// Prints readable JSON: a value that fits is on one line. `end` is a line break with the indentation of the next line.
fn print(value: &Value, end: &str, text: &mut String) {
    const WIDTH: usize = 112;
    let whole = value.to_string();
    let (open, parts, close) = match value {
        _ if whole.len() <= WIDTH => return text.push_str(&whole),
        Value::Array(items) => (
            '[',
            items.iter().map(|item| (String::new(), item)).collect::<Vec<_>>(),
            ']',
        ),
        Value::Object(fields) => {
            let named = |(name, inner)| (format!("{}: ", Value::from(Clone::clone(name))), inner);
            ('{', fields.iter().map(named).collect(), '}')
        }
        _ => return text.push_str(&whole),
    };
    text.push(open);
    let deeper = format!("{end}  ");
    for (at, (name, inner)) in parts.into_iter().enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        text.push_str(&deeper);
        text.push_str(&name);
        print(inner, &deeper, text);
    }
    text.push_str(end);
    text.push(close);
}

/// Asserts that a fixture has exactly these names and values.
#[track_caller]
pub(crate) fn assert_fixture(name: &str, written: &[(String, Value)]) {
    let fixture = json(name);
    let expected = fixture.as_object().unwrap();
    let mut faults = Vec::new();
    for (case, value) in written {
        match expected.get(case) {
            None => faults.push(format!("`{case}` is missing; it is written as\n{value:#}")),
            Some(expected) if expected != value => {
                faults.push(format!(
                    "the fixture has `{case}` as\n{expected:#}\nbut it is written as\n{value:#}"
                ));
            }
            Some(_) => {}
        }
    }
    for case in expected.keys() {
        if !written.iter().any(|(known, _)| known == case) {
            faults.push(format!("`{case}` is not written any more"));
        }
    }
    assert!(faults.is_empty(), "tests/formats/{name}:\n{}", faults.join("\n"));
}

/// Asserts that `seen` has all of `names`, the variants of the type `of`.
#[track_caller]
pub(crate) fn assert_all_seen(type_name: &str, names: &[&str], seen: impl IntoIterator<Item = &'static str>) {
    let seen: Vec<&str> = seen.into_iter().collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !seen.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "no fixture has these variants of `{type_name}`: {missing:?}"
    );
}
