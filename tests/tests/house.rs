//! Where things stand in the house, and what may lean on what: the domain on nothing, what speaks to the outside on the
//! domain, functions on all of that, and no function on another.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What may stand in no file of the domain: it is given a provider's name, and knows none.
const PROVIDERS: [&str; 9] = [
    "routee", "twilio", "protegee", "vapi", "retell", "agent4", "elemente", "sangoma", "chatwoot",
];
/// What the domain needs nowhere, however deep in its dependencies.
const OUTSIDE: [&str; 8] = [
    "tokio", "http", "hyper", "reqwest", "aws", "lambda", "rustls", "tracing",
];

/// The shared crate's rooms above the domain, lowest first, and which of those that stand before it each may lean on: its
/// files import nothing else of these.
const ROOMS: [(&str, &[&str]); 13] = [
    ("http", &["web"]),
    ("web", &["http"]),
    ("providers", &["http", "web"]),
    ("voice", &["http", "web", "providers"]),
    ("chain", &["providers"]),
    ("queue", &[]),
    ("outbox", &["queue"]),
    ("store", &[]),
    ("fetch", &["http", "web", "store"]),
    ("engine", &["queue", "store"]),
    ("tokens", &["web", "store"]),
    ("webhooks", &["store", "engine"]),
    ("api", &["web", "store", "engine", "tokens"]),
];

/// What of the domain rules as data may import: words that all of it uses, and nothing that one job decides.
const UNDER_FLOW: [&str; 9] = [
    "field",
    "flow",
    "foreign",
    "number",
    "percent",
    "phone",
    "speech",
    "target",
    "timestamp",
];

/// Who phones employees, and where it may be named beside `voice` and `providers`: where variables of a function are. Twilio
/// also has a job of its own, with callers who are transferred, and secrets by which it is known.
const PHONES_EMPLOYEES: [(&str, &[&str]); 2] = [
    ("routee", &["shared/src/config"]),
    (
        "twilio",
        &[
            "shared/src/config",
            "shared/src/web",
            "shared/src/aws",
            "shared/src/store/context",
            "functions/transfer/src",
        ],
    ),
];
const NAMES_THEM: [&str; 2] = ["shared/src/voice", "shared/src/providers"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of Rust in a room: `NAME.rs`, and all below `NAME/`.
fn files(room: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Some(room.with_extension("rs"))
        .into_iter()
        .filter(|file| file.is_file())
        .collect();
    let Ok(inside) = fs::read_dir(room) else { return found };
    for entry in inside {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The rooms that a text imports something of.
fn imported(text: &str) -> BTreeSet<&str> {
    let name = |rest: &'_ str| -> usize {
        rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len())
    };
    let after = text.split("crate::").skip(1);
    after.filter_map(|rest| rest.get(..name(rest))).collect()
}

#[test]
fn the_domain_knows_no_provider() {
    let domain = root().join("shared/domain/src");
    let all = files(&domain);
    assert!(all.len() > 30, "{all:?}");
    for file in all {
        let text = fs::read_to_string(&file).unwrap().to_lowercase();
        for provider in PROVIDERS {
            assert!(!text.contains(provider), "{} names {provider}", file.display());
        }
    }
}

#[test]
fn nothing_from_outside_is_among_the_dependencies_of_the_domain() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "patchbay-domain",
            "--features",
            "flow",
        ])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.lines().count() > 5, "{tree}");
    for line in tree.lines() {
        let name = line.split([' ', '-']).next().unwrap_or_default();
        assert!(!OUTSIDE.contains(&name), "the domain leans on {line}");
    }
}

#[test]
fn no_room_leans_on_one_above_it() {
    let shared = root().join("shared/src");
    let names: Vec<&str> = ROOMS.iter().map(|(name, _)| *name).collect();
    for (room, below) in ROOMS {
        let all = files(&shared.join(room));
        assert!(!all.is_empty(), "{room} is empty");
        for file in all {
            let text = fs::read_to_string(&file).unwrap();
            for other in imported(&text) {
                let is_above = other != room && names.contains(&other) && !below.contains(&other);
                assert!(!is_above, "{} imports {other}", file.display());
            }
        }
    }
}

#[test]
fn whoever_phones_employees_knows_no_provider_by_name() {
    let shared = root().join("shared/src");
    let functions = files(&root().join("functions"));
    let is_test = |file: &Path| file.to_string_lossy().contains("/tests/") || file.ends_with("tests.rs");
    let all: Vec<PathBuf> = files(&shared).into_iter().chain(functions).collect();
    let mut looked_at = 0;
    for (provider, places) in PHONES_EMPLOYEES {
        let places = NAMES_THEM.iter().chain(places);
        let allowed: Vec<PathBuf> = places.flat_map(|place| files(&root().join(place))).collect();
        for file in all.iter().filter(|file| !allowed.contains(file) && !is_test(file)) {
            looked_at += 1;
            let text = fs::read_to_string(file).unwrap().to_lowercase();
            assert!(!text.contains(provider), "{} names {provider}", file.display());
        }
    }
    assert!(looked_at > 120, "{looked_at}");
}

#[test]
fn rules_as_data_know_no_job_and_a_chain_knows_one_provider() {
    let flow = files(&root().join("shared/domain/src/flow"));
    assert!(flow.len() > 15, "{flow:?}");
    for file in flow {
        let text = fs::read_to_string(&file).unwrap();
        for used in imported(&text) {
            assert!(UNDER_FLOW.contains(&used), "{} imports {used}", file.display());
        }
    }
    let mut seen = 0;
    for file in files(&root().join("shared/src/chain")) {
        let text = fs::read_to_string(&file).unwrap();
        for rest in text.split("crate::providers").skip(1) {
            seen += 1;
            assert!(rest.starts_with("::agent4"), "{} imports another", file.display());
        }
    }
    assert!(seen > 2, "a chain answers Agent4");
}

#[test]
fn no_function_leans_on_another() {
    let functions = fs::read_dir(root().join("functions")).unwrap();
    let functions: Vec<PathBuf> = functions.map(|entry| entry.unwrap().path()).collect();
    let name_of = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(functions.len() >= 10);
    for function in &functions {
        let manifest = fs::read_to_string(function.join("Cargo.toml")).unwrap();
        for other in functions.iter().filter(|other| *other != function) {
            let other = name_of(other);
            let leans = manifest.lines().any(|line| {
                line.strip_prefix(&other)
                    .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!leans, "{} leans on {other}", name_of(function));
        }
    }
}
