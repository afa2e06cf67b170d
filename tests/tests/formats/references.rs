//! References in URLs that others keep, and in the tags of e-mails: those in a portal for years, those of a call as long
//! as the call lasts.
//!
//! The strings are compared exactly: if one changes, the URLs that were handed out before stop working.

use std::collections::BTreeMap;

use patchbay::clock::Timestamp;
use patchbay::context::{PaymentOutcome, PaymentStatus, Processor};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, DocumentName, InteractionId, InteractionKey, Nonce, Tenant};
use patchbay::outreach::callbacks::{MessageReference, OptOutReference};
use patchbay::outreach::email_tags;
use patchbay::providers::ses::{EmailAddress, TagValue, Tags};
use patchbay::secret::{Secret, hex};
use patchbay::store::AddressHash;
use patchbay::voice::Provider;
use patchbay::voice::callbacks::AttemptReference;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::{BadReference, Purpose, ReferenceSigner};
use patchbay::web::transfer::TransferCall;
use serde_json::Value;

use crate::common::phone;
use crate::fixtures::{assert_all_seen, assert_fixture, json};
use crate::kinds;

/// Key that signs only the fixtures.
const KEY: &str = "the key of the fixtures";

fn references() -> ReferenceSigner {
    ReferenceSigner::new(Secret::new(KEY), None)
}

fn callbacks() -> CallbackUrls {
    CallbackUrls::new("https://hooks.example.org", references())
}

fn tenant() -> Tenant {
    "acme".parse().unwrap()
}

fn chain() -> DocumentName {
    "orders".parse().unwrap()
}

fn reference(claimed_version: Option<u64>) -> AttemptReference {
    AttemptReference {
        dispatch: DispatchKey {
            tenant: tenant(),
            id: DispatchId::new(0x2a),
        },
        attempt: AttemptId {
            ordinal: 7,
            employee: 2,
            nonce: Nonce::new(0x9f8a),
        },
        claimed_version,
    }
}

/// The attempt that sent a message.
fn message() -> MessageReference {
    MessageReference {
        interaction: InteractionKey {
            tenant: tenant(),
            id: InteractionId::new(0x2a),
        },
        attempt: Nonce::new(0x9f8a),
    }
}

fn email() -> EmailAddress {
    EmailAddress::parse("ana@example.net").unwrap()
}

/// A call with every optional field of its URL, or with none.
fn transfer(is_full: bool) -> TransferCall {
    let some = |text: &str| is_full.then(|| text.to_owned());
    let outcome = || PaymentOutcome {
        status: PaymentStatus::PaymentSuccess,
        call: "CA00000000000000000000000000000001".into(),
        start_time: Timestamp::from_millis(1_800_000_000_000),
        end_time: Some(Timestamp::from_millis(1_800_000_042_500)),
        processor: Processor {
            connector: some("Default"),
            confirmation_code: some("ch_000001"),
            token: some("tok_000001"),
            last_four: some("4242"),
            card_type: some("visa"),
            error: some("none"),
        },
        debug: "Pay ended with success".into(),
    };
    TransferCall {
        tenant: tenant(),
        caller: phone("+12025550143"),
        purchase: is_full.then(|| Nonce::new(0x0123_4567_89ab_cdef)),
        call: "CA00000000000000000000000000000001".into(),
        start_time: Timestamp::from_millis(1_800_000_000_000),
        callback: is_full.then(|| phone("+12025550177")),
        persona: "Joanna".into(),
        unsaved: is_full.then(|| Box::new(outcome())),
    }
}

/// Every reference and URL that we hand out, by the name of its fixture.
fn written() -> Vec<(String, Value)> {
    let urls = callbacks();
    let AttemptReference { dispatch, attempt, .. } = reference(None);
    let mut all = BTreeMap::new();
    let mut add = |name: String, url: String| all.insert(name, Value::from(url));
    for purpose in Purpose::ALL {
        let name = kinds::purpose(&purpose);
        add(format!("{name}: plain"), references().sign(purpose, "acme", ""));
        add(
            format!("{name}: with a name"),
            references().sign(purpose, "acme", "orders"),
        );
    }
    add("keys".into(), urls.keys_url(Provider::Routee, &dispatch, attempt, 0));
    add(
        "keys, asked again".into(),
        urls.keys_url(Provider::Routee, &dispatch, attempt, 2),
    );
    add(
        "statuses".into(),
        urls.status_url(Provider::Routee, &dispatch, attempt, None),
    );
    add(
        "statuses, reported".into(),
        urls.status_url(Provider::Routee, &dispatch, attempt, Some(19)),
    );
    add(
        "keys, of Twilio's".into(),
        urls.keys_url(Provider::Twilio, &dispatch, attempt, 0),
    );
    add(
        "statuses, of Twilio's".into(),
        urls.status_url(Provider::Twilio, &dispatch, attempt, Some(19)),
    );
    let MessageReference { interaction, attempt } = message();
    for (provider, suffix) in [(Provider::Routee, ""), (Provider::Twilio, ", of Twilio's")] {
        let status = urls.message_status_url(provider, &interaction, attempt);
        add(format!("message status{suffix}"), status);
        add(
            format!("incoming messages{suffix}"),
            urls.incoming_message_url(provider, &tenant()),
        );
    }
    add("e-mail events".into(), urls.email_events_url(&tenant()));
    let tags = email_tags::write(&interaction, attempt).unwrap();
    add("tag of an e-mail".into(), tags.interaction.as_str().to_owned());
    add(
        "opt-out button".into(),
        urls.opt_out_url(&interaction, attempt, &email()),
    );
    add("chain".into(), urls.chain_url(&tenant(), &chain()));
    add("transfer".into(), urls.transfer_url(&tenant()));
    add("payment".into(), urls.payment_url(&transfer(true)));
    add("hand-back".into(), urls.hand_back_url(&transfer(true)));
    add("hand-back, minimal".into(), urls.hand_back_url(&transfer(false)));
    add("derived".into(), hex(&urls.derive("what it is for", "text")));
    all.into_iter().collect()
}

/// The reference in the URL of a fixture.
fn reference_of(fixture: &Value, name: &str) -> String {
    let url = fixture[name].as_str().unwrap_or_else(|| panic!("no fixture `{name}`"));
    let path = url.split(['?', '#']).next().unwrap();
    let mut segments = path.rsplit('/');
    let last = segments.next().unwrap();
    // The URL of a chain has the name of the chain after the reference.
    if name == "chain" {
        segments.next().unwrap()
    } else {
        last
    }
    .to_owned()
}

#[test]
fn every_reference_is_written_as_in_its_fixture() {
    assert_fixture("references.json", &written());
    assert_all_seen("Purpose", kinds::PURPOSES, Purpose::ALL.iter().map(kinds::purpose));
}

#[test]
fn references_that_were_handed_out_are_accepted() {
    let fixture = json("references.json");
    let reference_of = |name: &str| reference_of(&fixture, name);
    let rotated = ReferenceSigner::new(Secret::new("a newer key"), Some(Secret::new(KEY)));
    for keys in [references(), rotated] {
        for purpose in Purpose::ALL {
            let name = kinds::purpose(&purpose);
            let plain = reference_of(&format!("{name}: plain"));
            assert_eq!(keys.check(purpose, &plain, ""), Ok("acme"), "{name}");
            let named = reference_of(&format!("{name}: with a name"));
            assert_eq!(keys.check(purpose, &named, "orders"), Ok("acme"), "{name}");
        }
        let urls = CallbackUrls::new("https://other.example.org", keys);
        for (provider, name, claimed_version) in [
            (Provider::Routee, "keys", None),
            (Provider::Routee, "keys, asked again", None),
            (Provider::Routee, "statuses", None),
            (Provider::Routee, "statuses, reported", Some(19)),
            (Provider::Twilio, "keys, of Twilio's", None),
            (Provider::Twilio, "statuses, of Twilio's", Some(19)),
        ] {
            let written = reference_of(name);
            assert_eq!(urls.check(provider, &written), Ok(reference(claimed_version)), "{name}");
            for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
                assert_eq!(
                    urls.check(other, &written),
                    Err(BadReference),
                    "the reference `{name}` is accepted for {}",
                    other.as_str()
                );
            }
        }
        for (provider, suffix) in [(Provider::Routee, ""), (Provider::Twilio, ", of Twilio's")] {
            let status = reference_of(&format!("message status{suffix}"));
            assert_eq!(urls.check_attempt(provider, &status), Ok(message()));
            let incoming = reference_of(&format!("incoming messages{suffix}"));
            assert_eq!(urls.check_incoming_message(provider, &incoming), Ok(tenant()));
        }
        let tags = Tags {
            interaction: TagValue::parse(&reference_of("tag of an e-mail")).unwrap(),
            attempt: 1,
        };
        let MessageReference { interaction, attempt } = message();
        assert_eq!(email_tags::read(&tags), Some((interaction, attempt)));
        assert_eq!(urls.check_email_events(&reference_of("e-mail events")), Ok(tenant()));
        let opt_out = OptOutReference {
            message: message(),
            address: AddressHash::from(&email()),
        };
        assert_eq!(urls.check_opt_out(&reference_of("opt-out button")), Ok(opt_out));
        assert_eq!(urls.check_chain(&reference_of("chain"), &chain()), Ok(tenant()));
        assert_eq!(urls.check_transfer(&reference_of("transfer")), Ok(tenant()));
        assert_eq!(urls.check_payment(&reference_of("payment")), Ok(transfer(true)));
        assert_eq!(urls.check_hand_back(&reference_of("hand-back")), Ok(transfer(true)));
        assert_eq!(
            urls.check_hand_back(&reference_of("hand-back, minimal")),
            Ok(transfer(false))
        );
    }
}
