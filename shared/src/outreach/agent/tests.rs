use serde_json::json;

use super::*;
use crate::flow::CompiledDocument;

const EXAMPLE: &str = include_str!("../../../../functions/calls/examples/agent.yaml");
const SERVICE: &str = "MG00000000000000000000000000000000";

/// Position and path of everything that is wrong with a document.
fn issues(text: &str) -> Vec<(usize, String)> {
    let issues = CompiledDocument::<Document>::read(text).expect_err("it is wrong");
    let line = |issue: &Issue| issue.position.map_or(0, |position| position.line);
    issues.iter().map(|issue| (line(issue), issue.path.clone())).collect()
}

fn read(value: &Value) -> Result<Agent, Vec<Issue>> {
    let compiled = CompiledDocument::<Document>::from_value(value)?;
    Ok(compiled.prepared().clone())
}

/// An agent with one channel.
fn with(channel: Channel, sender: &Value) -> Result<Agent, Vec<Issue>> {
    read(&json!({ "name": "Leo", "channels": { channel.name(): sender } }))
}

#[test]
fn example_says_what_it_means() {
    let document = CompiledDocument::<Document>::read(EXAMPLE).expect("a valid document");
    let agent = document.prepared();
    assert_eq!((agent.name.as_str(), agent.language.as_deref()), ("Leo", Some("en-US")));
    let (first, prompt) = (agent.initial_message.as_deref(), agent.prompt.as_deref());
    assert!(first.expect("a message").contains("{{Order No}}"));
    assert!(prompt.expect("a prompt").starts_with("Tell {{firstName}}"));
    let senders = agent.senders.iter();
    let senders: Vec<_> = senders
        .map(|(channel, sender)| (*channel, sender.over, sender.from.as_str()))
        .collect();
    let ids = "6b1f0000-0000-4000-8000-000000000001 6b1f0000-0000-4000-8000-000000000002";
    assert_eq!(
        senders,
        [
            (Channel::Call, Over::Elemente, ids),
            (Channel::Sms, Over::Twilio, "+12025550100"),
            (Channel::Whatsapp, Over::Twilio, "+12025550100"),
            (Channel::Email, Over::Ses, "leo@example.org"),
            (Channel::Webchat, Over::Sangoma, "orders"),
        ]
    );
    let stored = serde_json::to_value(document.document()).expect("JSON");
    assert_eq!(Agent::from_stored(&stored).as_ref(), Ok(agent));
}

#[test]
fn every_error_is_reported_at_once_with_its_line() {
    let text = "\
name: ''
langage: en
language: english language
prompt:
  initial_message: 5
  prompt: ' '
channels:
  sms: {over: pigeon, from: '+12025550100'}
  email: {over: ses, from: leo@example.org, to: ana@example.org}
  fax: {over: twilio}
  whatsapp: {over: twilio, from: Leo}
  call: {over: elemente, agent_id: a b, skill_id: 7}
";
    let expected = [
        (1, "name"),
        (2, "langage"),
        (3, "language"),
        (5, "prompt.initial_message"),
        (6, "prompt.prompt"),
        (8, "channels.sms.over"),
        (9, "channels.email.to"),
        (10, "channels.fax"),
        (11, "channels.whatsapp.from"),
        (12, "channels.call.agent_id"),
        (12, "channels.call.skill_id"),
    ];
    assert_eq!(issues(text), expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn a_wrong_value_is_not_reported_as_missing_too() {
    let twice = issues("name: 5\nchannels: {sms: 5}\n");
    assert_eq!(twice, [(1, "name".to_owned()), (2, "channels.sms".to_owned())]);
    for (text, expected) in [
        ("{}", vec!["name", "channels"]),
        ("name:\nchannels: {}", vec!["name", "channels"]),
        ("[]", vec![""]),
        ("just a text", vec![""]),
    ] {
        let paths: Vec<String> = issues(text).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, expected, "{text}");
    }
}

#[test]
fn each_channel_goes_over_its_back_ends_only() {
    let sender = |over: Over| match over {
        Over::Elemente => json!({ "over": over.name(), "agent_id": "1", "skill_id": "2" }),
        Over::Ses => json!({ "over": over.name(), "from": "leo@example.org" }),
        Over::Sangoma | Over::Chatwoot => json!({ "over": over.name(), "from": "support" }),
        Over::Twilio | Over::Routee => json!({ "over": over.name(), "from": "+12025550100" }),
    };
    let valid = Channel::ALL.map(|channel| {
        let over = Over::ALL
            .into_iter()
            .filter(|over| with(channel, &sender(*over)).is_ok());
        (channel.name(), over.map(Over::name).collect::<Vec<_>>().join(" "))
    });
    let expected = [
        ("call", "twilio routee elemente"),
        ("sms", "twilio routee elemente"),
        ("whatsapp", "twilio elemente"),
        ("email", "ses elemente"),
        ("webchat", "elemente sangoma chatwoot"),
    ];
    assert_eq!(valid, expected.map(|(channel, over)| (channel, over.to_owned())));
}

#[test]
fn sender_is_one_that_the_back_end_has() {
    for (channel, over, from, expected) in [
        (Channel::Sms, "twilio", " +12025550100 ", Some("+12025550100")),
        (Channel::Sms, "twilio", SERVICE, Some(SERVICE)),
        (Channel::Sms, "twilio", "Leo", None),
        (Channel::Sms, "routee", "Leo", Some("Leo")),
        (Channel::Sms, "routee", SERVICE, None),
        (Channel::Sms, "routee", "12025550100", None),
        (Channel::Sms, "routee", "Leo the Agent", None),
        (Channel::Whatsapp, "twilio", "+12025550100", Some("+12025550100")),
        (Channel::Whatsapp, "twilio", SERVICE, None),
        (Channel::Email, "ses", "leo@EXAMPLE.org", Some("leo@example.org")),
        (Channel::Email, "ses", "leo@example.org\r\nBcc: ana@example.org", None),
        (Channel::Email, "ses", "+12025550100", None),
        (Channel::Email, "ses", "", None),
        (Channel::Webchat, "sangoma", "orders", Some("orders")),
        (Channel::Webchat, "chatwoot", "orders", Some("orders")),
        (Channel::Webchat, "sangoma", "Our orders", None),
        (Channel::Webchat, "sangoma", "", None),
        (Channel::Webchat, "twilio", "orders", None),
        (Channel::Sms, "sangoma", "orders", None),
    ] {
        let agent = with(channel, &json!({ "over": over, "from": from }));
        let found = agent.map(|agent| agent.senders.get(&channel).map(|sender| sender.from.clone()));
        assert_eq!(found.ok().flatten().as_deref(), expected, "{channel} {over} {from}");
    }
}

#[test]
fn ids_of_elemente_are_taken_apart_again() {
    for (agent_id, skill_id) in [("1", "2"), ("6b1f", "Appointment reminder")] {
        let sender = json!({ "over": "elemente", "agent_id": agent_id, "skill_id": skill_id });
        let agent = with(Channel::Webchat, &sender).expect("an agent");
        let from = &agent.senders.get(&Channel::Webchat).expect("a sender").from;
        assert_eq!(elemente_ids(from), Some((agent_id, skill_id)));
    }
    for sender in [
        json!({ "over": "elemente", "agent_id": "a b", "skill_id": "2" }),
        json!({ "over": "elemente", "agent_id": "1" }),
        json!({ "over": "elemente", "skill_id": "2" }),
        json!({ "over": "elemente", "agent_id": " ", "skill_id": "2" }),
        json!({ "over": "elemente", "agent_id": "1", "skill_id": "x\ny" }),
        json!({ "over": "elemente", "agent_id": "1", "skill_id": "2", "from": "+12025550100" }),
        json!({ "over": "elemente", "agent_id": "1".repeat(MAX_ID_CHARS + 1), "skill_id": "2" }),
    ] {
        assert!(with(Channel::Call, &sender).is_err(), "{sender}");
    }
}

#[test]
fn texts_are_limited() {
    let agent = |initial: usize, prompt: usize, name: usize| {
        let text = |chars| "\u{e9}".repeat(chars);
        let sender = json!({ "over": "routee", "from": "Leo" });
        let prompt = json!({ "initial_message": text(initial), "prompt": text(prompt) });
        read(&json!({ "name": text(name), "prompt": prompt, "channels": { "sms": sender } }))
    };
    assert!(agent(MAX_INITIAL_MESSAGE_CHARS, MAX_PROMPT_CHARS, MAX_NAME_CHARS).is_ok());
    let errors = agent(MAX_INITIAL_MESSAGE_CHARS + 1, MAX_PROMPT_CHARS + 1, MAX_NAME_CHARS + 1);
    assert_eq!(errors.expect_err("too long").len(), 3);
}

/// Replaces each value of an example by others: the check reports them, and never fails otherwise.
#[test]
fn any_value_in_any_place_is_read_or_reported() {
    let example = CompiledDocument::<Document>::read(EXAMPLE).expect("a valid document");
    let example = serde_json::to_value(example.document()).expect("JSON");
    let replaced = super::super::document::testing::replacements(&example);
    assert!(replaced.len() > 100, "{}", replaced.len());
    let mut wrong = 0;
    for (pointer, document) in &replaced {
        if let Err(issues) = read(document) {
            wrong += 1;
            let is_named = issues.iter().all(|issue| !issue.detail.is_empty());
            assert!(is_named && issues.len() < 10, "{pointer}: {issues:?}");
        }
    }
    assert!(wrong > 80, "{wrong}");
}

/// To regenerate it: `PATCHBAY_RENEW=1 cargo test --workspace --lib schema`.
#[cfg(feature = "schema")]
#[test]
fn published_schema_matches_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/outreach/agent-document.schema.json");
    super::super::document::testing::check_schema::<Fields>(path);
}
