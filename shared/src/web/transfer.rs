//! The URLs of a transfer: the one that is pasted into Twilio, and those that a call under way is sent to.
//!
//! Nothing is stored for a call under way: what the next step has to know travels in its URL, signed. So the caller is
//! handed back even while the table cannot be had, and an outcome finds the purchase that it belongs to, whatever has been
//! set since. URLs are seen by Twilio, which has all of this anyway, and by no log of ours.
//!
//! A URL has room for an outcome with all that most processors say, not for a token of 4 KiB: [`Callbacks::carry`] says
//! what is left behind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Request, RequestExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::callbacks::Callbacks;
use super::reference::{BadReference, Purpose};
use crate::clock::Timestamp;
use crate::context::{ContextKey, Outcome};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;

/// Longest URL that Twilio takes (`twilio.md` 1.1).
const MAX_URL: usize = 4_000;

/// What Twilio is to do when we do not answer, as the fragment of a URL, which it neither sends nor signs (`twilio.md` 6):
/// try three times more, whatever went wrong, in the 15 s that it has. By itself it would do that only when it could not
/// connect, and the caller, or the news of a payment, would be lost with a function that died.
const TRY_AGAIN: &str = "#rc=3&rp=all";

/// A call under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCall {
    /// Whose call it is.
    #[serde(rename = "t")]
    pub tenant: Tenant,
    /// Who is calling.
    #[serde(rename = "c")]
    pub caller: PhoneNumber,
    /// The purchase that the payment belongs to; none when there is nothing to pay.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Nonce>,
    /// The call, as Twilio names it.
    #[serde(rename = "i")]
    pub call: String,
    /// When the caller came to us.
    #[serde(rename = "s")]
    pub start_time: Timestamp,
    /// Where the caller goes afterwards; none ends the call.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<PhoneNumber>,
    /// The voice, by the name of the persona.
    #[serde(rename = "v")]
    pub persona: String,
    /// An outcome that could not be stored when it was known: the next step tries again.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<Box<Outcome>>,
}

impl TransferCall {
    /// Whose context it is about.
    pub fn key(&self) -> ContextKey {
        ContextKey {
            tenant: self.tenant.clone(),
            caller: self.caller.clone(),
        }
    }
}

impl Callbacks {
    /// The voice webhook of a tenant's number at Twilio. Good as long as the key that it is signed with.
    pub fn transfer_url(&self, tenant: &Tenant) -> String {
        let reference = self.references.sign(Purpose::Transfer, &tenant.to_string(), "");
        format!("{}/twilio/transfer/{reference}{TRY_AGAIN}", self.base)
    }

    /// Where Twilio goes with the result of a payment.
    pub fn payment_url(&self, call: &TransferCall) -> String {
        format!(
            "{}/twilio/payment/{}{TRY_AGAIN}",
            self.base,
            self.signed(Purpose::Payment, call)
        )
    }

    /// Where Twilio goes when the caller was handed back.
    pub fn hand_back_url(&self, call: &TransferCall) -> String {
        format!(
            "{}/twilio/handback/{}{TRY_AGAIN}",
            self.base,
            self.signed(Purpose::HandBack, call)
        )
    }

    /// Lets an outcome that could not be stored travel on in `call`'s next URL. What does not fit is left behind, the
    /// longest text first: gives back the names of these.
    pub fn carry(&self, call: &mut TransferCall, outcome: Outcome) -> Vec<&'static str> {
        let mut left = Vec::new();
        call.unsaved = Some(Box::new(outcome));
        while !self.fits(call) {
            let Some(field) = call.unsaved.as_mut().and_then(|outcome| shorten(outcome)) else {
                break;
            };
            left.push(field);
        }
        left
    }

    fn fits(&self, call: &TransferCall) -> bool {
        let url = self.hand_back_url(call);
        let sent = url.split_once('#').map_or(url.as_str(), |(sent, _)| sent);
        let reference = sent.rsplit('/').next().unwrap_or_default();
        url.len() <= MAX_URL && reference.len() <= Purpose::HandBack.max_len()
    }

    /// Whose number was called.
    ///
    /// # Errors
    /// When the reference was not made with one of our keys.
    pub fn check_transfer(&self, reference: &str) -> Result<Tenant, BadReference> {
        let text = self.references.check(Purpose::Transfer, reference, "")?;
        text.parse().map_err(|_| BadReference)
    }

    /// Which call was paid in, or not.
    ///
    /// # Errors
    /// As [`Callbacks::check_transfer`].
    pub fn check_payment(&self, reference: &str) -> Result<TransferCall, BadReference> {
        let call: TransferCall = read(self.references.check(Purpose::Payment, reference, "")?)?;
        if call.purchase.is_none() {
            return Err(BadReference);
        }
        Ok(call)
    }

    /// Which call was handed back.
    ///
    /// # Errors
    /// As [`Callbacks::check_transfer`].
    pub fn check_hand_back(&self, reference: &str) -> Result<TransferCall, BadReference> {
        read(self.references.check(Purpose::HandBack, reference, "")?)
    }

    /// The URL that Twilio was given when it sent this request.
    pub fn twilio_url_of(&self, request: &Request) -> String {
        let raw_path = match request.raw_http_path() {
            "" => request.uri().path(),
            raw => raw,
        };
        self.twilio_url(raw_path, request.uri().query())
    }

    /// The URL that Twilio was given when it asked for this raw path and query: never made from the `Host` header,
    /// which anybody may send. Before `/twilio/` there may be a stage or a mapped path, which our base URL has too.
    pub fn twilio_url(&self, raw_path: &str, raw_query: Option<&str>) -> String {
        let path = raw_path.rfind("/twilio/").and_then(|at| raw_path.get(at..));
        let (base, path) = (&self.base, path.unwrap_or(raw_path));
        match raw_query {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        }
    }

    fn signed(&self, purpose: Purpose, call: &TransferCall) -> String {
        // Its parts are texts and numbers, which always have a JSON form.
        let json = serde_json::to_vec(call).unwrap_or_default();
        self.references.sign(purpose, &URL_SAFE_NO_PAD.encode(json), "")
    }
}

/// Takes the longest text out of an outcome, and leaves a word about it. Gives back its name; none when there is no more.
fn shorten(outcome: &mut Outcome) -> Option<&'static str> {
    let said = &mut outcome.processor;
    let fields = [
        ("confirmation_code", &mut said.confirmation_code),
        ("token", &mut said.token),
        ("connector", &mut said.connector),
        ("card_type", &mut said.card_type),
        ("error", &mut said.error),
    ];
    let present = fields.into_iter().filter(|(_, text)| text.is_some());
    let (field, text) = present.max_by_key(|(_, text)| text.as_ref().map_or(0, String::len))?;
    *text = None;
    outcome.debug.push_str("; lost: ");
    outcome.debug.push_str(field);
    Some(field)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, BadReference> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadReference)?;
    serde_json::from_slice(&json).map_err(|_| BadReference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Processor, Status};
    use crate::secret::Secret;
    use crate::web::reference::References;

    fn callbacks() -> Callbacks {
        Callbacks::new(
            "https://hooks.example.org/",
            References::new(Secret::new("a key that is good enough for one test"), None),
        )
    }

    fn call() -> TransferCall {
        TransferCall {
            tenant: "acme".parse().expect("a tenant"),
            caller: PhoneNumber::parse("+12025550143").expect("a number"),
            purchase: Some(Nonce::new(7)),
            call: "CA00000000000000000000000000000001".into(),
            start_time: Timestamp::from_millis(1_795_402_800_123),
            callback: PhoneNumber::parse("+12025550177").ok(),
            persona: "english-jessica".into(),
            unsaved: None,
        }
    }

    fn last(url: &str) -> &str {
        let sent = url.split_once('#').map_or(url, |(sent, _)| sent);
        sent.rsplit('/').next().unwrap_or_default()
    }

    #[test]
    fn what_a_step_was_told_is_read_back_and_only_at_that_step() {
        let (callbacks, mut call) = (callbacks(), call());
        let tenant = callbacks.transfer_url(&call.tenant);
        assert!(
            tenant.starts_with("https://hooks.example.org/twilio/transfer/acme."),
            "{tenant}"
        );
        assert_eq!(callbacks.check_transfer(last(&tenant)), Ok(call.tenant.clone()));
        assert_eq!(callbacks.check_payment(last(&tenant)), Err(BadReference));
        let payment = callbacks.payment_url(&call);
        assert_eq!(callbacks.check_payment(last(&payment)), Ok(call.clone()));
        assert_eq!(callbacks.check_hand_back(last(&payment)), Err(BadReference));
        assert_eq!(callbacks.check_transfer(last(&payment)), Err(BadReference));
        let outcome = outcome(&"x".repeat(200), &"ä".repeat(200));
        assert_eq!(callbacks.carry(&mut call, outcome.clone()), Vec::<&str>::new());
        assert_eq!(call.unsaved.as_deref(), Some(&outcome));
        let back = callbacks.hand_back_url(&call);
        assert_eq!(callbacks.check_hand_back(last(&back)), Ok(call.clone()));
        // There is nothing to pay in such a call.
        call.purchase = None;
        assert_eq!(
            callbacks.check_payment(last(&callbacks.payment_url(&call))),
            Err(BadReference)
        );
    }

    fn outcome(code: &str, token: &str) -> Outcome {
        let call = call();
        Outcome {
            status: Status::PaymentSuccess,
            call: call.call.clone(),
            start_time: call.start_time,
            end_time: Some(call.start_time),
            processor: Processor {
                confirmation_code: Some(code.into()),
                token: Some(token.into()),
                ..Processor::default()
            },
            debug: "Pay ended with success".into(),
        }
    }

    #[test]
    fn what_does_not_fit_into_a_url_is_left_behind_and_said() {
        let callbacks = callbacks();
        for (code, token, left) in [
            (10, 1_900, vec![]),
            (10, 4_096, vec!["token"]),
            (4_096, 10, vec!["confirmation_code"]),
            (4_096, 4_095, vec!["confirmation_code", "token"]),
        ] {
            let mut call = call();
            let outcome = outcome(&"x".repeat(code), &"y".repeat(token));
            assert_eq!(callbacks.carry(&mut call, outcome), left, "{code} {token}");
            let url = callbacks.hand_back_url(&call);
            assert!(url.len() <= MAX_URL, "{}", url.len());
            let read = callbacks.check_hand_back(last(&url)).expect("a reference");
            let unsaved = read.unsaved.expect("an outcome");
            assert_eq!(unsaved.status, Status::PaymentSuccess);
            for field in left {
                assert!(unsaved.debug.contains(&format!("lost: {field}")), "{}", unsaved.debug);
            }
        }
    }

    #[test]
    fn no_changed_reference_is_taken() {
        let callbacks = callbacks();
        let url = callbacks.payment_url(&call());
        let reference = last(&url);
        for at in 0..reference.len() {
            let mut changed = reference.as_bytes().to_vec();
            if let Some(byte) = changed.get_mut(at) {
                *byte = if *byte == b'a' { b'b' } else { b'a' };
            }
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(callbacks.check_payment(&changed), Err(BadReference), "{at}");
        }
        for text in ["", ".", "acme", "a.b.c", &"a".repeat(10_000)] {
            assert_eq!(callbacks.check_transfer(text), Err(BadReference));
            assert_eq!(callbacks.check_payment(text), Err(BadReference));
            assert_eq!(callbacks.check_hand_back(text), Err(BadReference));
        }
    }

    #[test]
    fn a_url_is_that_which_twilio_was_given() {
        for (base, path, query, expected) in [
            (
                "https://a.example",
                "/twilio/transfer/x",
                None,
                "https://a.example/twilio/transfer/x",
            ),
            (
                "https://a.example/prod/",
                "/prod/twilio/payment/x",
                Some("b=%20&a=+"),
                "https://a.example/prod/twilio/payment/x?b=%20&a=+",
            ),
            ("https://a.example", "/else", None, "https://a.example/else"),
        ] {
            let callbacks = Callbacks::new(base, References::new(Secret::new("k"), None));
            assert_eq!(callbacks.twilio_url(path, query), expected);
        }
    }
}
