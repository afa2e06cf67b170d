//! The files in `tests/formats/`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a fixture lies.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(name)
}

/// The text of a fixture.
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

/// The names of the fixtures in a folder, without their ends; none when there is no such folder.
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

/// The list that a fixture is; empty when there is none.
pub(crate) fn list(name: &str) -> Vec<Value> {
    if !path(name).exists() {
        return Vec::new();
    }
    match json(name) {
        Value::Array(list) => list,
        other => panic!("tests/formats/{name} is no list: {other}"),
    }
}

/// Whether fixtures that are compared in shape are to be written anew.
pub(crate) fn are_accepted() -> bool {
    env::var("PATCHBAY_ACCEPT_FORMATS").is_ok_and(|value| value == "1")
}

/// Writes a fixture, in place of what was there. Only where [`are_accepted`].
pub(crate) fn write(name: &str, list: &[Value]) {
    assert!(are_accepted(), "a fixture is never written unasked");
    let path = path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut text = String::new();
    print(&Value::from(list.to_vec()), "\n", &mut text);
    text.push('\n');
    // In one step: other tests may be reading it.
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// Prints JSON for people: what fits stands in one line. `end` ends a line and indents the next one.
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

/// Holds a list of named values against a fixture of the same names: exactly, and both ways.
#[track_caller]
pub(crate) fn hold(name: &str, written: &[(String, Value)]) {
    let fixture = json(name);
    let kept = fixture.as_object().unwrap();
    let mut faults = Vec::new();
    for (case, value) in written {
        match kept.get(case) {
            None => faults.push(format!("there is no `{case}`; it is written as\n{value:#}")),
            Some(kept) if kept != value => {
                faults.push(format!(
                    "`{case}` stands there as\n{kept:#}\nand is written as\n{value:#}"
                ));
            }
            Some(_) => {}
        }
    }
    for case in kept.keys() {
        if !written.iter().any(|(known, _)| known == case) {
            faults.push(format!("nothing is written for `{case}`"));
        }
    }
    assert!(faults.is_empty(), "tests/formats/{name}:\n{}", faults.join("\n"));
}

/// That all of `names` are among `seen`.
#[track_caller]
pub(crate) fn all_seen(of: &str, names: &[&str], seen: impl IntoIterator<Item = &'static str>) {
    let seen: Vec<&str> = seen.into_iter().collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no fixture has these of `{of}`: {missing:?}");
}
