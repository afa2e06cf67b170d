//! The layout of the code, and which part may depend on which: the domain on nothing, the shared crate on the domain,
//! functions on both, and no function on another.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that no file of the domain may contain: it receives a provider's name as data, and knows no provider.
const PROVIDERS: [&str; 9] = [
    "routee", "twilio", "protegee", "vapi", "retell", "agent4", "elemente", "sangoma", "chatwoot",
];
/// Crates that the domain must not have, even as indirect dependencies.
const OUTSIDE: [&str; 8] = [
    "tokio", "http", "hyper", "reqwest", "aws", "lambda", "rustls", "tracing",
];

/// The modules of the shared crate, lowest first, and for each the modules of this list that its files may import.
const MODULES: [(&str, &[&str]); 20] = [
    ("http", &["web"]),
    ("web", &["http"]),
    ("providers", &["http", "web"]),
    ("voice", &["http", "web", "providers"]),
    ("messaging", &["http", "web", "providers", "voice"]),
    ("chat", &["http", "web", "providers"]),
    ("chain", &["providers"]),
    ("bot", &["web"]),
    ("queue", &[]),
    ("outbox", &["queue"]),
    // A connection says to which platform, and an opt-out may be about an e-mail address.
    ("store", &["chat", "providers"]),
    ("fetch", &["http", "web", "store"]),
    ("bot_source", &["bot", "store", "fetch"]),
    ("caller_note", &["store"]),
    ("engine", &["queue", "store"]),
    ("ledger", &["queue", "store", "engine"]),
    ("tokens", &["web", "store"]),
    ("webhooks", &["queue", "store"]),
    (
        "outreach",
        &["web", "providers", "voice", "messaging", "bot", "store", "ledger"],
    ),
    (
        "api",
        &["web", "queue", "store", "engine", "ledger", "tokens", "webhooks"],
    ),
];

/// The modules of the domain that `flow` (rules as data) may import: types that all of the domain uses, and no logic of
/// one feature.
const FLOW_IMPORTS: [&str; 9] = [
    "field",
    "flow",
    "json_number",
    "lenient_json",
    "percent",
    "phone",
    "speech",
    "target",
    "timestamp",
];

/// The providers that phone employees and contact customers, and the chat platforms, and where each may be named in
/// addition to [`PROVIDER_MODULES`]: in the configuration of functions, where their webhooks arrive, and where the
/// documents of agents name them. Twilio also transfers callers, and signs its requests with secrets of its own.
const NAMED_PROVIDERS: [(&str, &[&str]); 4] = [
    ("sangoma", CHAT_PLACES),
    ("chatwoot", CHAT_PLACES),
    (
        "routee",
        &[
            "shared/src/config",
            "shared/src/outreach",
            "functions/messenger/src/load",
            "functions/messenger/src/back_ends",
            "functions/message-event/src/lib",
        ],
    ),
    (
        "twilio",
        &[
            "shared/src/config",
            "shared/src/web",
            "shared/src/aws",
            "shared/src/store/context",
            "functions/transfer/src",
            "shared/src/outreach",
            "functions/messenger/src/load",
            "functions/messenger/src/clearance",
            "functions/messenger/src/back_ends",
            "functions/message-event/src/lib",
        ],
    ),
];
const CHAT_PLACES: &[&str] = &[
    "shared/src/config",
    "shared/src/outreach",
    "functions/messenger/src/back_ends",
    "shared/src/store/connection",
    "functions/bot/src/lib",
];
/// Where any provider may be named.
const PROVIDER_MODULES: [&str; 4] = [
    "shared/src/voice",
    "shared/src/messaging",
    "shared/src/chat",
    "shared/src/providers",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of a module: `NAME.rs`, and all below `NAME/`.
fn files(module: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Some(module.with_extension("rs"))
        .into_iter()
        .filter(|file| file.is_file())
        .collect();
    let Ok(inside) = fs::read_dir(module) else { return found };
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

/// The modules of the crate that a source text refers to.
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
fn the_domain_depends_on_no_io_crate() {
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
        assert!(!OUTSIDE.contains(&name), "the domain depends on {line}");
    }
}

#[test]
fn no_module_depends_on_one_above_it() {
    let shared = root().join("shared/src");
    let names: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
    for (module, allowed) in MODULES {
        let all = files(&shared.join(module));
        assert!(!all.is_empty(), "{module} is empty");
        for file in all {
            let text = fs::read_to_string(&file).unwrap();
            for other in imported(&text) {
                let is_allowed = other == module || !names.contains(&other) || allowed.contains(&other);
                assert!(is_allowed, "{} imports {other}", file.display());
            }
        }
    }
}

#[test]
fn only_provider_modules_name_providers() {
    let shared = root().join("shared/src");
    let functions = files(&root().join("functions"));
    let is_test = |file: &Path| file.to_string_lossy().contains("/tests/") || file.ends_with("tests.rs");
    let all: Vec<PathBuf> = files(&shared).into_iter().chain(functions).collect();
    let mut checked = 0;
    for (provider, places) in NAMED_PROVIDERS {
        let places = PROVIDER_MODULES.iter().chain(places);
        let allowed: Vec<PathBuf> = places.flat_map(|place| files(&root().join(place))).collect();
        for file in all.iter().filter(|file| !allowed.contains(file) && !is_test(file)) {
            checked += 1;
            let text = fs::read_to_string(file).unwrap().to_lowercase();
            assert!(!text.contains(provider), "{} names {provider}", file.display());
        }
    }
    assert!(checked > 120, "{checked}");
}

#[test]
fn flow_imports_no_feature_and_chain_imports_one_provider() {
    let flow = files(&root().join("shared/domain/src/flow"));
    assert!(flow.len() > 15, "{flow:?}");
    for file in flow {
        let text = fs::read_to_string(&file).unwrap();
        for used in imported(&text) {
            assert!(FLOW_IMPORTS.contains(&used), "{} imports {used}", file.display());
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
fn no_function_depends_on_another() {
    let functions = fs::read_dir(root().join("functions")).unwrap();
    let functions: Vec<PathBuf> = functions.map(|entry| entry.unwrap().path()).collect();
    let name_of = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(functions.len() >= 10);
    for function in &functions {
        let manifest = fs::read_to_string(function.join("Cargo.toml")).unwrap();
        for other in functions.iter().filter(|other| *other != function) {
            let other = name_of(other);
            let depends = manifest.lines().any(|line| {
                line.strip_prefix(&other)
                    .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!depends, "{} depends on {other}", name_of(function));
        }
    }
}
