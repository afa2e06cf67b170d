//! Mail that comes in: whose it is, and whether a person wrote it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn domain() -> ReplyDomain {
    ReplyDomain::parse("in.example.org").expect("a domain")
}

/// The fixture with some fields of its only record changed or added.
fn changed(changes: &[(&str, &str, Value)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers/ses/fixtures/inbound.json");
    let mut body: Value = serde_json::from_slice(&fs::read(path).expect("a fixture")).expect("JSON");
    for (parent, name, value) in changes {
        let parent = body.pointer_mut(&format!("/Records/0/ses{parent}")).expect(parent);
        parent[*name] = value.clone();
    }
    body
}

fn read_all(body: &Value) -> Vec<InboundEmail> {
    read_inbound(body.to_string().as_bytes(), &domain()).expect("JSON")
}

fn read(changes: &[(&str, &str, Value)]) -> InboundEmail {
    let mut emails = read_all(&changed(changes));
    assert_eq!(emails.len(), 1);
    emails.remove(0)
}

fn with_header(name: &str, value: &str) -> InboundEmail {
    read(&[(
        "/mail",
        "headers",
        json!([{ "name": "To", "value": "x" }, { "name": name, "value": value }]),
    )])
}

#[test]
fn reply_of_a_customer_is_read() {
    let verdicts = Verdicts {
        spam: Verdict::Pass,
        virus: Verdict::Pass,
        spf: Verdict::Pass,
        dkim: Verdict::Pass,
        dmarc: Verdict::Gray,
    };
    let expected = InboundEmail {
        message: "o3vrnil0e2ic28trm7dfhrc2v0clambda4nbp0g1".parse().expect("an id"),
        references: vec!["01madeup.9f3c".to_owned()],
        from: EmailAddress::parse("ana@example.net").ok(),
        subject: Subject::new("Re: Your parcel"),
        at: Timestamp::parse("2026-11-26T13:00:00Z"),
        automatic: None,
        headers_truncated: false,
        sent_as: None,
        verdicts,
    };
    assert_eq!(read(&[]), expected);
    assert!(!verdicts.proves_sender() && !verdicts.is_harmful());
}

#[test]
fn reference_is_taken_from_the_envelope_alone() {
    let to = |recipients: Value| read(&[("/receipt", "recipients", recipients)]).references;
    assert_eq!(to(json!(["care@example.org"])), Vec::<String>::new());
    assert_eq!(
        to(json!([
            "x",
            5,
            null,
            "R+B.1@IN.example.org",
            "r+a.1@in.example.org",
            "r+b.1@in.example.org"
        ])),
        ["b.1", "a.1"]
    );
    assert_eq!(to(json!("r+a.1@in.example.org")), Vec::<String>::new());
    let many: Vec<String> = (0..500).map(|n| format!("r+{n}@in.example.org")).collect();
    assert_eq!(to(json!(many)).len(), MAX_RECIPIENTS);
    // The header names another conversation.
    let forged = json!(["r+other.1@in.example.org"]);
    assert_eq!(
        read(&[
            ("/mail", "destination", forged.clone()),
            ("/mail/commonHeaders", "to", forged)
        ])
        .references,
        ["01madeup.9f3c"]
    );
}

#[test]
fn automatic_mail_is_recognized() {
    for (name, value, expected) in [
        ("Auto-Submitted", "auto-replied", Some(Automatic::AutoSubmitted)),
        (
            "auto-submitted",
            " Auto-Generated; owner=\"x\"",
            Some(Automatic::AutoSubmitted),
        ),
        ("Auto-Submitted", "no", None),
        ("Auto-Submitted", "No (a person)", None),
        ("Auto-Submitted", "no; x=y", None),
        ("Auto-Submitted", "", None),
        ("Precedence", "bulk", Some(Automatic::Bulk)),
        ("PRECEDENCE", "Auto_Reply", Some(Automatic::Bulk)),
        ("Precedence", "junk", Some(Automatic::Bulk)),
        ("Precedence", "first-class", None),
        ("Return-Path", "<>", Some(Automatic::NoReturnPath)),
        ("Return-Path", "<ana@example.net>", None),
        ("Subject", "Auto-Submitted: auto-replied", None),
    ] {
        assert_eq!(with_header(name, value).automatic, expected, "{name}: {value}");
    }
    for (parent, name, value) in [
        ("/mail", "source", "<>"),
        ("/mail", "source", ""),
        ("/mail/commonHeaders", "returnPath", "<>"),
        ("/mail/commonHeaders", "returnPath", ""),
    ] {
        let email = read(&[(parent, name, json!(value))]);
        assert_eq!(email.automatic, Some(Automatic::NoReturnPath), "{name} {value:?}");
    }
    // What is not stated says nothing.
    assert_eq!(
        read(&[("/mail", "source", json!(null)), ("/mail", "commonHeaders", json!({}))]).automatic,
        None
    );
}

#[test]
fn own_mail_that_comes_back_is_recognized() {
    let own = |parent, name, value| read(&[(parent, name, value)]).automatic;
    assert_eq!(
        own("/mail", "source", json!("r+x.1@in.example.org")),
        Some(Automatic::Own)
    );
    let from = json!(["Acme <R+x.1@IN.example.org>"]);
    assert_eq!(own("/mail/commonHeaders", "from", from), Some(Automatic::Own));
    for (id, expected) in [
        ("<0107-made-up@eu-central-1.amazonses.com>", Some("0107-made-up")),
        ("<0100-made-up@amazonses.com>", Some("0100-made-up")),
        ("0100-made-up@EMAIL.AmazonSES.com", Some("0100-made-up")),
        ("<0100-made-up@evilamazonses.com>", None),
        ("<0100-made-up@amazonses.com.example.net>", None),
        ("<a/b@amazonses.com>", None),
        ("", None),
    ] {
        let found = read(&[("/mail/commonHeaders", "messageId", json!(id))]).sent_as;
        assert_eq!(found.as_ref().map(MessageId::as_str), expected, "{id}");
    }
    let from_header = changed(&[
        ("/mail", "commonHeaders", json!({})),
        (
            "/mail",
            "headers",
            json!([{ "name": "message-id", "value": "<m@amazonses.com>" }]),
        ),
    ]);
    assert_eq!(
        read_all(&from_header)[0].sent_as.as_ref().map(MessageId::as_str),
        Some("m")
    );
}

#[test]
fn sender_is_one_address_and_proven_only_by_dmarc() {
    let from = |list: Value| read(&[("/mail/commonHeaders", "from", list)]).from;
    for no_author in [
        json!([]),
        json!(["a@example.net", "b@example.net"]),
        json!(["Ana <a@example.net>, Bo <b@example.net>"]),
        json!(["a@b.c, evil@d.e"]),
        json!([5]),
        json!("a@example.net"),
        json!(null),
    ] {
        assert_eq!(from(no_author.clone()), None, "{no_author}");
    }
    for (status, proves) in [
        (json!("PASS"), true),
        (json!("pass"), true),
        (json!("FAIL"), false),
        (json!("GRAY"), false),
        (json!("PROCESSING_FAILED"), false),
        (json!("NEW"), false),
        (json!(null), false),
    ] {
        let email = read(&[("/receipt/dmarcVerdict", "status", status.clone())]);
        assert_eq!(email.verdicts.proves_sender(), proves, "{status}");
    }
    for harmful in ["spamVerdict", "virusVerdict"] {
        assert!(
            read(&[("/receipt", harmful, json!({ "status": "FAIL" }))])
                .verdicts
                .is_harmful(),
            "{harmful}"
        );
    }
    assert_eq!(read(&[("", "receipt", json!(null))]).verdicts, Verdicts::default());
}

#[test]
fn hostile_event_is_read_as_far_as_it_goes() {
    let subject = json!("x\r\nBcc: evil@example.net");
    assert_eq!(
        read(&[("/mail/commonHeaders", "subject", subject)]).subject,
        Subject::new("x Bcc: evil@example.net")
    );
    assert!(read(&[("/mail", "headersTruncated", json!(true))]).headers_truncated);
    for id in [json!(null), json!("../../x"), json!(5), json!("")] {
        assert_eq!(read_all(&changed(&[("/mail", "messageId", id)])), []);
    }
    for body in [
        json!({}),
        json!({ "Records": 5 }),
        json!({ "Records": [{}, { "ses": [] }, null] }),
        json!(null),
    ] {
        assert_eq!(read_all(&body), [], "{body}");
    }
    assert!(read_inbound(b"", &domain()).is_err());
}

proptest! {
    #[test]
    fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), name in "\\PC{0,20}", value in any::<String>()) {
        let _ = read_inbound(&bytes, &domain());
        let email = with_header(&name, &value);
        prop_assert_eq!(email.references, ["01madeup.9f3c"]);
    }
}
