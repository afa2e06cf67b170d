//! References in URLs that providers hold: those of a portal for years, those of a call for as long as it lasts.
//!
//! The strings are exact. One that changes here is one that a provider gave to nobody of ours any more.

use std::collections::BTreeMap;

use patchbay::clock::Timestamp;
use patchbay::context::{Outcome, Processor, Status};
use patchbay::ids::{AttemptId, ChainName, DispatchId, DispatchKey, Nonce, Tenant};
use patchbay::secret::{Secret, hex};
use patchbay::voice::Provider;
use patchbay::voice::callbacks::Reference;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::{BadReference, Purpose, References};
use patchbay::web::transfer::TransferCall;
use serde_json::Value;

use crate::common::phone;
use crate::fixtures::{all_seen, hold, json};
use crate::kinds;

/// Signs the fixtures, and nothing else.
const KEY: &str = "the key of the fixtures";

fn references() -> References {
    References::new(Secret::new(KEY), None)
}

fn callbacks() -> Callbacks {
    Callbacks::new("https://hooks.example.org", references())
}

fn tenant() -> Tenant {
    "acme".parse().unwrap()
}

fn chain() -> ChainName {
    "orders".parse().unwrap()
}

fn reference(told_from: Option<u64>) -> Reference {
    Reference {
        dispatch: DispatchKey {
            tenant: tenant(),
            id: DispatchId::new(0x2a),
        },
        attempt: AttemptId {
            ordinal: 7,
            employee: 2,
            nonce: Nonce::new(0x9f8a),
        },
        told_from,
    }
}

/// A call with all that its URL may say, or with nothing that it need not.
fn transfer(is_full: bool) -> TransferCall {
    let some = |text: &str| is_full.then(|| text.to_owned());
    let outcome = || Outcome {
        status: Status::PaymentSuccess,
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

/// Every reference and URL that we hand out.
fn written() -> Vec<(String, Value)> {
    let urls = callbacks();
    let Reference { dispatch, attempt, .. } = reference(None);
    let mut all = BTreeMap::new();
    let mut add = |name: String, url: String| all.insert(name, Value::from(url));
    for purpose in Purpose::ALL {
        let name = kinds::purpose(&purpose);
        add(format!("{name}: plain"), references().sign(purpose, "acme", ""));
        add(
            format!("{name}: beside a name"),
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
        "statuses, told".into(),
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
    add("chain".into(), urls.chain_url(&tenant(), &chain()));
    add("transfer".into(), urls.transfer_url(&tenant()));
    add("payment".into(), urls.payment_url(&transfer(true)));
    add("hand-back".into(), urls.hand_back_url(&transfer(true)));
    add("hand-back of little".into(), urls.hand_back_url(&transfer(false)));
    add("derived".into(), hex(&urls.derive("what it is for", "text")));
    all.into_iter().collect()
}

/// The reference in the URL that a fixture is.
fn kept(fixture: &Value, name: &str) -> String {
    let url = fixture[name].as_str().unwrap_or_else(|| panic!("no fixture `{name}`"));
    let path = url.split(['?', '#']).next().unwrap();
    let mut segments = path.rsplit('/');
    let last = segments.next().unwrap();
    // The name of a chain stands behind its reference.
    if name == "chain" {
        segments.next().unwrap()
    } else {
        last
    }
    .to_owned()
}

#[test]
fn every_reference_is_made_as_its_fixture_says() {
    hold("references.json", &written());
    all_seen("Purpose", kinds::PURPOSES, Purpose::ALL.iter().map(kinds::purpose));
}

#[test]
fn references_that_were_handed_out_are_taken_back() {
    let fixture = json("references.json");
    let kept = |name: &str| kept(&fixture, name);
    let rotated = References::new(Secret::new("a newer key"), Some(Secret::new(KEY)));
    for keys in [references(), rotated] {
        for purpose in Purpose::ALL {
            let name = kinds::purpose(&purpose);
            let plain = kept(&format!("{name}: plain"));
            assert_eq!(keys.check(purpose, &plain, ""), Ok("acme"), "{name}");
            let beside = kept(&format!("{name}: beside a name"));
            assert_eq!(keys.check(purpose, &beside, "orders"), Ok("acme"), "{name}");
        }
        let urls = Callbacks::new("https://other.example.org", keys);
        for (provider, name, told_from) in [
            (Provider::Routee, "keys", None),
            (Provider::Routee, "keys, asked again", None),
            (Provider::Routee, "statuses", None),
            (Provider::Routee, "statuses, told", Some(19)),
            (Provider::Twilio, "keys, of Twilio's", None),
            (Provider::Twilio, "statuses, of Twilio's", Some(19)),
        ] {
            let kept = kept(name);
            assert_eq!(urls.check(provider, &kept), Ok(reference(told_from)), "{name}");
            for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
                assert_eq!(
                    urls.check(other, &kept),
                    Err(BadReference),
                    "{name} opens what is {}'s",
                    other.as_str()
                );
            }
        }
        assert_eq!(urls.check_chain(&kept("chain"), &chain()), Ok(tenant()));
        assert_eq!(urls.check_transfer(&kept("transfer")), Ok(tenant()));
        assert_eq!(urls.check_payment(&kept("payment")), Ok(transfer(true)));
        assert_eq!(urls.check_hand_back(&kept("hand-back")), Ok(transfer(true)));
        assert_eq!(urls.check_hand_back(&kept("hand-back of little")), Ok(transfer(false)));
    }
}
