//! Limits of a policy: each field's lowest and highest value, and values beyond them.

use std::collections::BTreeMap;

use patchbay::dispatch::policy::TextOverrides;
use patchbay::dispatch::{Language, Policy};

type Setter = fn(&mut Policy, u32);

/// Field, setter, lowest and highest value.
const TABLE: [(&str, Setter, u32, u32); 14] = [
    ("attempts", |p, v| p.attempts = small(v), 1, 10),
    ("retry_delay", |p, v| p.retry_delay = v, 5, 3_600),
    ("ring_timeout", |p, v| p.ring_timeout = Some(v), 1, 60),
    ("max_duration", |p, v| p.max_duration = Some(v), 30, 600),
    ("greeting_pause", |p, v| p.greeting_pause = v, 0, 60),
    ("options_pause", |p, v| p.options_pause = v, 0, 60),
    ("repeat_after", |p, v| p.repeat_after = v, 1, 60),
    ("repeats", |p, v| p.repeats = small(v), 0, 5),
    ("closing_pause", |p, v| p.closing_pause = v, 1, 60),
    ("wrong_keys", |p, v| p.wrong_keys = small(v), 0, 5),
    ("round_pause", |p, v| p.round_pause = v, 0, 86_400),
    ("max_rounds", |p, v| p.max_rounds = Some(v), 1, 1_000),
    ("expires_after", |p, v| p.expires_after = v, 60, 604_800),
    ("resolve_within", |p, v| p.resolve_within = Some(v), 60, 604_800),
];

fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn wrong_fields(policy: &Policy) -> Vec<String> {
    policy.errors().into_iter().map(|error| error.field).collect()
}

#[test]
fn defaults_are_valid() {
    assert!(Policy::default().errors().is_empty());
}

#[test]
fn every_field_is_accepted_within_its_limits_and_reported_beyond() {
    for (field, set, low, high) in TABLE {
        let with = |value| {
            let mut policy = Policy::default();
            set(&mut policy, value);
            wrong_fields(&policy)
        };
        for allowed in [low, low + 1, high - 1, high] {
            assert!(with(allowed).is_empty(), "{field} = {allowed}");
        }
        for refused in low.checked_sub(1).into_iter().chain([high + 1]) {
            assert_eq!(with(refused), [format!("policy.{field}")], "{field} = {refused}");
        }
    }
}

#[test]
fn optional_limits_may_be_left_out() {
    let policy = Policy {
        ring_timeout: None,
        max_duration: None,
        max_rounds: None,
        resolve_within: None,
        ..Policy::default()
    };
    assert!(policy.errors().is_empty());
}

#[test]
fn all_invalid_fields_are_reported_at_once() {
    let mut policy = Policy::default();
    for (_, set, _, high) in TABLE {
        set(&mut policy, high + 1);
    }
    assert_eq!(wrong_fields(&policy).len(), TABLE.len());
}

#[test]
fn custom_texts_must_have_1_to_300_characters() {
    for (text, valid) in [
        ("", false),
        (" \n ", false),
        ("Press 1", true),
        (&"x".repeat(300), true),
        (&"ü".repeat(300), true),
        (&"x".repeat(301), false),
    ] {
        let texts = TextOverrides {
            options: Some(text.to_owned()),
        };
        let policy = Policy {
            texts: BTreeMap::from([(Language::DeDe, texts)]),
            ..Policy::default()
        };
        let expected: &[&str] = if valid { &[] } else { &["policy.texts.de-DE.options"] };
        assert_eq!(wrong_fields(&policy), expected, "{text:?}");
    }
}

#[test]
fn json_policy_gets_defaults_and_ignores_unknown_fields() {
    let policy: Policy = serde_json::from_str(r#"{"attempts": 2}"#).expect("a policy");
    assert_eq!(
        policy,
        Policy {
            attempts: 2,
            ..Policy::default()
        }
    );
    // A later version may have stored it. Requests with unknown fields are refused where they are parsed.
    let newer: Policy = serde_json::from_str(r#"{"added_later": 2}"#).expect("a policy");
    assert_eq!(newer, Policy::default());
}
