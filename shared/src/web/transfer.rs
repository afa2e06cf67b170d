//! Callback URLs of a transfer: the one that an operator pastes into Twilio, and those that a live call is sent to.
//!
//! Nothing is stored for a live call: the signed URL carries what the next step needs to know. So the caller is
//! transferred back to the agent even while DynamoDB is unavailable, and an outcome finds the purchase that it belongs
//! to even if the context has changed since. Only Twilio sees these URLs, and it has all of this data anyway; we never
//! log them.
//!
//! A URL has space for the outcome of most payment processors, but not for a token of 4 KiB: [`CallbackUrls::carry`]
//! returns what it had to drop.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Request, RequestExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::callbacks::CallbackUrls;
use super::reference::{BadReference, Purpose};
use crate::clock::Timestamp;
use crate::context::{ContextKey, PaymentOutcome};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;

/// Longest URL that Twilio accepts, in characters (twilio/CONTRACT.md 1.1).
const MAX_URL: usize = 4_000;

/// Makes Twilio retry up to three times after any failure, within its total of 15 s. It is a URL fragment, which Twilio
/// neither sends nor signs (twilio/CONTRACT.md 6). By default Twilio retries only if it cannot connect; then a crashed
/// function would lose the caller or the result of a payment.
const RETRY_FRAGMENT: &str = "#rc=3&rp=all";

/// A live call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCall {
    /// The tenant whose number was called.
    #[serde(rename = "t")]
    pub tenant: Tenant,
    /// The caller's number.
    #[serde(rename = "c")]
    pub caller: PhoneNumber,
    /// The purchase that the payment belongs to; `None` if there is nothing to pay.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Nonce>,
    /// Twilio's id of the call.
    #[serde(rename = "i")]
    pub call: String,
    /// When the caller reached our number.
    #[serde(rename = "s")]
    pub start_time: Timestamp,
    /// The number to which the caller is transferred back; `None` ends the call instead.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<PhoneNumber>,
    /// Name of the persona whose voice speaks.
    #[serde(rename = "v")]
    pub persona: String,
    /// An outcome that could not be stored yet: the next step tries again.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<Box<PaymentOutcome>>,
}

impl TransferCall {
    /// The key of the caller's context.
    pub fn key(&self) -> ContextKey {
        ContextKey {
            tenant: self.tenant.clone(),
            caller: self.caller.clone(),
        }
    }
}

impl CallbackUrls {
    /// The voice webhook of a tenant's number at Twilio. It is valid as long as the key that signed it.
    pub fn transfer_url(&self, tenant: &Tenant) -> String {
        let reference = self.references.sign(Purpose::Transfer, &tenant.to_string(), "");
        format!("{}/twilio/transfer/{reference}{RETRY_FRAGMENT}", self.base)
    }

    /// The URL to which Twilio posts the result of a payment.
    pub fn payment_url(&self, call: &TransferCall) -> String {
        format!(
            "{}/twilio/payment/{}{RETRY_FRAGMENT}",
            self.base,
            self.signed(Purpose::Payment, call)
        )
    }

    /// The URL that Twilio requests after the caller was transferred back.
    pub fn hand_back_url(&self, call: &TransferCall) -> String {
        format!(
            "{}/twilio/handback/{}{RETRY_FRAGMENT}",
            self.base,
            self.signed(Purpose::HandBack, call)
        )
    }

    /// Puts an outcome that could not be stored into `call`, so that its next URL carries it. Drops texts until the URL
    /// is short enough, the longest first. Returns the names of the dropped fields.
    pub fn carry(&self, call: &mut TransferCall, outcome: PaymentOutcome) -> Vec<&'static str> {
        let mut dropped = Vec::new();
        call.unsaved = Some(Box::new(outcome));
        while !self.fits(call) {
            let Some(field) = call.unsaved.as_mut().and_then(|outcome| drop_longest_text(outcome)) else {
                break;
            };
            dropped.push(field);
        }
        dropped
    }

    fn fits(&self, call: &TransferCall) -> bool {
        let url = self.hand_back_url(call);
        let sent = url.split_once('#').map_or(url.as_str(), |(sent, _)| sent);
        let reference = sent.rsplit('/').next().unwrap_or_default();
        url.len() <= MAX_URL && reference.len() <= Purpose::HandBack.max_len()
    }

    /// Verifies a reference of [`CallbackUrls::transfer_url`] and returns the tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys.
    pub fn check_transfer(&self, reference: &str) -> Result<Tenant, BadReference> {
        let text = self.references.check(Purpose::Transfer, reference, "")?;
        text.parse().map_err(|_| BadReference)
    }

    /// Verifies a reference of [`CallbackUrls::payment_url`] and returns the call.
    ///
    /// # Errors
    /// As [`CallbackUrls::check_transfer`].
    pub fn check_payment(&self, reference: &str) -> Result<TransferCall, BadReference> {
        let call: TransferCall = decode(self.references.check(Purpose::Payment, reference, "")?)?;
        if call.purchase.is_none() {
            return Err(BadReference);
        }
        Ok(call)
    }

    /// Verifies a reference of [`CallbackUrls::hand_back_url`] and returns the call.
    ///
    /// # Errors
    /// As [`CallbackUrls::check_transfer`].
    pub fn check_hand_back(&self, reference: &str) -> Result<TransferCall, BadReference> {
        decode(self.references.check(Purpose::HandBack, reference, "")?)
    }

    /// The URL that Twilio was given for this request.
    pub fn twilio_url_of(&self, request: &Request) -> String {
        let raw_path = match request.raw_http_path() {
            "" => request.uri().path(),
            raw => raw,
        };
        self.twilio_url(raw_path, request.uri().query())
    }

    /// The URL that Twilio was given for a request with this raw path and query. It is never built from the `Host`
    /// header, which a client controls. The path before `/twilio/` (a stage, or the base path of a custom domain) is
    /// replaced by our base URL, which has it too.
    pub fn twilio_url(&self, raw_path: &str, raw_query: Option<&str>) -> String {
        let path = raw_path.rfind("/twilio/").and_then(|at| raw_path.get(at..));
        let (base, path) = (&self.base, path.unwrap_or(raw_path));
        match raw_query {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        }
    }

    fn signed(&self, purpose: Purpose, call: &TransferCall) -> String {
        // Serialization cannot fail: the fields are texts and numbers.
        let json = serde_json::to_vec(call).unwrap_or_default();
        self.references.sign(purpose, &URL_SAFE_NO_PAD.encode(json), "")
    }
}

/// Removes the longest text of an outcome and records that in `debug`. Returns the name of the field; `None` if there
/// is no text left.
fn drop_longest_text(outcome: &mut PaymentOutcome) -> Option<&'static str> {
    let processor = &mut outcome.processor;
    let fields = [
        ("confirmation_code", &mut processor.confirmation_code),
        ("token", &mut processor.token),
        ("connector", &mut processor.connector),
        ("card_type", &mut processor.card_type),
        ("error", &mut processor.error),
    ];
    let present = fields.into_iter().filter(|(_, text)| text.is_some());
    let (field, text) = present.max_by_key(|(_, text)| text.as_ref().map_or(0, String::len))?;
    *text = None;
    outcome.debug.push_str("; lost: ");
    outcome.debug.push_str(field);
    Some(field)
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, BadReference> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadReference)?;
    serde_json::from_slice(&json).map_err(|_| BadReference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{PaymentStatus, Processor};
    use crate::secret::Secret;
    use crate::web::reference::ReferenceSigner;

    fn callbacks() -> CallbackUrls {
        CallbackUrls::new(
            "https://hooks.example.org/",
            ReferenceSigner::new(Secret::new("a key that is good enough for one test"), None),
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

    fn last_segment(url: &str) -> &str {
        let sent = url.split_once('#').map_or(url, |(sent, _)| sent);
        sent.rsplit('/').next().unwrap_or_default()
    }

    #[test]
    fn reference_round_trips_at_its_own_step_only() {
        let (callbacks, mut call) = (callbacks(), call());
        let tenant = callbacks.transfer_url(&call.tenant);
        assert!(
            tenant.starts_with("https://hooks.example.org/twilio/transfer/acme."),
            "{tenant}"
        );
        assert_eq!(callbacks.check_transfer(last_segment(&tenant)), Ok(call.tenant.clone()));
        assert_eq!(callbacks.check_payment(last_segment(&tenant)), Err(BadReference));
        let payment = callbacks.payment_url(&call);
        assert_eq!(callbacks.check_payment(last_segment(&payment)), Ok(call.clone()));
        assert_eq!(callbacks.check_hand_back(last_segment(&payment)), Err(BadReference));
        assert_eq!(callbacks.check_transfer(last_segment(&payment)), Err(BadReference));
        let outcome = outcome(&"x".repeat(200), &"ä".repeat(200));
        assert_eq!(callbacks.carry(&mut call, outcome.clone()), Vec::<&str>::new());
        assert_eq!(call.unsaved.as_deref(), Some(&outcome));
        let back = callbacks.hand_back_url(&call);
        assert_eq!(callbacks.check_hand_back(last_segment(&back)), Ok(call.clone()));
        // A call without purchase has no payment.
        call.purchase = None;
        assert_eq!(
            callbacks.check_payment(last_segment(&callbacks.payment_url(&call))),
            Err(BadReference)
        );
    }

    fn outcome(code: &str, token: &str) -> PaymentOutcome {
        let call = call();
        PaymentOutcome {
            status: PaymentStatus::PaymentSuccess,
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
    fn texts_that_do_not_fit_into_a_url_are_dropped_and_recorded() {
        let callbacks = callbacks();
        for (code, token, dropped) in [
            (10, 1_900, vec![]),
            (10, 4_096, vec!["token"]),
            (4_096, 10, vec!["confirmation_code"]),
            (4_096, 4_095, vec!["confirmation_code", "token"]),
        ] {
            let mut call = call();
            let outcome = outcome(&"x".repeat(code), &"y".repeat(token));
            assert_eq!(callbacks.carry(&mut call, outcome), dropped, "{code} {token}");
            let url = callbacks.hand_back_url(&call);
            assert!(url.len() <= MAX_URL, "{}", url.len());
            let read = callbacks.check_hand_back(last_segment(&url)).expect("a reference");
            let unsaved = read.unsaved.expect("an outcome");
            assert_eq!(unsaved.status, PaymentStatus::PaymentSuccess);
            for field in dropped {
                assert!(unsaved.debug.contains(&format!("lost: {field}")), "{}", unsaved.debug);
            }
        }
    }

    #[test]
    fn changed_reference_is_rejected() {
        let callbacks = callbacks();
        let url = callbacks.payment_url(&call());
        let reference = last_segment(&url);
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
    fn url_is_the_one_that_twilio_was_given() {
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
            let callbacks = CallbackUrls::new(base, ReferenceSigner::new(Secret::new("k"), None));
            assert_eq!(callbacks.twilio_url(path, query), expected);
        }
    }
}
