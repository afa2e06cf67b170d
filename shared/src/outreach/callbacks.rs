//! Callback URLs of messages: those to which providers report how far a message got, those to which they post what
//! customers write, and the opt-out button of an e-mail. Also the URLs of recordings.
//!
//! The URL of a status ends in `{tenant}.{interaction id}.{attempt}.{tag}`, that of an incoming message in
//! `{tenant}.{tag}`. Both are valid for one provider only: Routee signs nothing, so its URLs must not pass as Twilio's.

use std::str::FromStr;

use http::Method;
use lambda_http::Request;

use crate::clock::Timestamp;
use crate::ids::{InteractionKey, Nonce, Tenant};
use crate::providers::ses::EmailAddress;
use crate::providers::twilio::signature::SignatureVerifier;
use crate::store::AddressHash;
use crate::voice::Provider;
use crate::web::body;
use crate::web::callbacks::CallbackUrls;
use crate::web::problem::Problem;
use crate::web::reference::{BadReference, Purpose};

/// Last segment but one of the URLs to which a provider posts what customers write.
const INCOMING: &str = "messages";
/// Makes Twilio retry an incoming message up to three times after any failure, within its total of 15 s. It is a URL
/// fragment, which Twilio neither sends nor signs (twilio/CONTRACT.md 6).
const RETRY_FRAGMENT: &str = "#rc=3&rp=all";

/// What a provider posts about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptCallback {
    /// How far its message got.
    MessageStatus,
    /// How far its call got.
    CallStatus,
    /// The keys that the customer pressed in its call.
    Keys,
}

impl AttemptCallback {
    /// The last segment but one of the URL.
    const fn segment(self) -> &'static str {
        match self {
            Self::MessageStatus => "message-status",
            Self::CallStatus => "announcement-status",
            Self::Keys => "announcement-keys",
        }
    }
}

/// An attempt of an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageReference {
    /// The interaction.
    pub interaction: InteractionKey,
    /// The attempt that sent the message.
    pub attempt: Nonce,
}

/// The attempt behind an opt-out button, and whose button it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutReference {
    /// The e-mail with the button.
    pub message: MessageReference,
    /// The customer's address. Its hash identifies it on the list of opt-outs, long after the interaction is gone.
    pub address: AddressHash,
}

/// The recording behind a URL of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingReference {
    /// The interaction.
    pub interaction: InteractionKey,
    /// The attempt that made the call.
    pub attempt: Nonce,
    /// When the URL stops to work.
    pub expires_at: Timestamp,
}

/// A verified webhook of a message provider: what its URL says, and its body.
#[derive(Debug)]
pub struct MessageCallback<'a, T> {
    /// The provider that sent it.
    pub provider: Provider,
    /// What the URL says: the message whose status it has, or the tenant that a customer wrote to.
    pub about: T,
    /// The raw body.
    pub body: &'a [u8],
}

impl CallbackUrls {
    /// The URL to which a provider posts the statuses of the message that an attempt sent.
    pub fn message_status_url(&self, provider: Provider, interaction: &InteractionKey, attempt: Nonce) -> String {
        self.attempt_url(provider, AttemptCallback::MessageStatus, interaction, attempt)
    }

    /// The URL to which a provider posts the keys that a customer presses in the call of an attempt.
    pub fn announcement_keys_url(&self, provider: Provider, interaction: &InteractionKey, attempt: Nonce) -> String {
        self.attempt_url(provider, AttemptCallback::Keys, interaction, attempt)
    }

    /// The URL to which a provider posts the statuses of the call of an attempt.
    pub fn announcement_status_url(&self, provider: Provider, interaction: &InteractionKey, attempt: Nonce) -> String {
        self.attempt_url(provider, AttemptCallback::CallStatus, interaction, attempt)
    }

    fn attempt_url(
        &self,
        provider: Provider,
        kind: AttemptCallback,
        interaction: &InteractionKey,
        attempt: Nonce,
    ) -> String {
        let kind = kind.segment();
        let text = attempt_text(interaction, attempt);
        let reference = self.references.sign(Purpose::Message, &text, provider.as_str());
        format!("{}/{}/{kind}/{reference}", self.base, provider.as_str())
    }

    /// The URL to which a provider posts the messages that customers write to a tenant. An operator enters it at the
    /// provider; it is valid as long as the key that signed it.
    pub fn incoming_message_url(&self, provider: Provider, tenant: &Tenant) -> String {
        let text = tenant.to_string();
        let reference = self.references.sign(Purpose::IncomingMessage, &text, provider.as_str());
        let fragment = match provider {
            Provider::Routee => "",
            Provider::Twilio => RETRY_FRAGMENT,
        };
        format!("{}/{}/{INCOMING}/{reference}{fragment}", self.base, provider.as_str())
    }

    /// The URL to which Amazon `EventBridge` posts what SES reports about a tenant's e-mails.
    pub fn email_events_url(&self, tenant: &Tenant) -> String {
        let reference = self.references.sign(Purpose::EmailEvents, &tenant.to_string(), "");
        format!("{}/ses/events/{reference}", self.base)
    }

    /// The URL of the opt-out button of the e-mail that an attempt sends to `address`. It ends the interaction, too.
    pub fn opt_out_url(&self, interaction: &InteractionKey, attempt: Nonce, address: &EmailAddress) -> String {
        let text = format!("{}.{}", attempt_text(interaction, attempt), AddressHash::from(address));
        let reference = self.references.sign(Purpose::OptOut, &text, "");
        format!("{}/ses/one-click/{reference}", self.base)
    }

    /// The URL under which a person listens to the recording of the call of an attempt, until `expires_at`.
    pub fn recording_url(&self, interaction: &InteractionKey, attempt: Nonce, expires_at: Timestamp) -> String {
        let text = format!("{}.{}", attempt_text(interaction, attempt), expires_at.seconds());
        let reference = self.references.sign(Purpose::Recording, &text, "");
        format!("{}/recordings/{reference}", self.base)
    }

    /// Verifies a request about an attempt: the reference at the end of its path, and the signature if the provider signs
    /// its requests.
    ///
    /// # Errors
    /// 405 for a method other than POST, 404 for a reference that was not signed with one of our keys for this
    /// provider, 403 for a missing or invalid provider signature, 413 if the body is too large.
    pub fn verify_attempt<'a>(
        &self,
        request: &'a Request,
        signatures: &SignatureVerifier,
        kind: AttemptCallback,
    ) -> Result<MessageCallback<'a, MessageReference>, Problem> {
        let check = |provider, reference: &str| self.check_attempt(provider, reference);
        self.verify_message_callback(request, signatures, kind.segment(), check)
    }

    /// Verifies a message that a customer wrote.
    ///
    /// # Errors
    /// As [`Self::verify_attempt`].
    pub fn verify_incoming_message<'a>(
        &self,
        request: &'a Request,
        signatures: &SignatureVerifier,
    ) -> Result<MessageCallback<'a, Tenant>, Problem> {
        let check = |provider, reference: &str| self.check_incoming_message(provider, reference);
        self.verify_message_callback(request, signatures, INCOMING, check)
    }

    fn verify_message_callback<'a, T>(
        &self,
        request: &'a Request,
        signatures: &SignatureVerifier,
        kind: &str,
        check: impl Fn(Provider, &str) -> Result<T, BadReference>,
    ) -> Result<MessageCallback<'a, T>, Problem> {
        if request.method() != Method::POST {
            return Err(Problem::method_not_allowed("POST"));
        }
        let path = body::path_segments(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // A decoded slash may have inserted other segments between provider and reference.
        let [.., provider, segment, reference] = path.as_slice() else {
            return Err(Problem::bad_reference());
        };
        let provider = Provider::from_name(provider).filter(|_| *segment == kind);
        let provider = provider.ok_or_else(Problem::bad_reference)?;
        let about = check(provider, reference).map_err(|_| Problem::bad_reference())?;
        let body = match provider {
            Provider::Routee => body::bytes(request)?,
            Provider::Twilio => self.signed_body(request, signatures)?,
        };
        Ok(MessageCallback { provider, about, body })
    }

    /// Verifies the reference of a URL about an attempt.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys, or was made for another provider.
    pub fn check_attempt(&self, provider: Provider, reference: &str) -> Result<MessageReference, BadReference> {
        let text = self.references.check(Purpose::Message, reference, provider.as_str())?;
        let mut parts = text.split('.');
        let message = parse_attempt(&mut parts).ok_or(BadReference)?;
        end_of(parts, message)
    }

    /// Verifies a reference of [`Self::incoming_message_url`] and returns its tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys, or was made for another provider.
    pub fn check_incoming_message(&self, provider: Provider, reference: &str) -> Result<Tenant, BadReference> {
        let text = self
            .references
            .check(Purpose::IncomingMessage, reference, provider.as_str())?;
        text.parse().map_err(|_| BadReference)
    }

    /// Verifies a reference of [`Self::email_events_url`] and returns its tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys.
    pub fn check_email_events(&self, reference: &str) -> Result<Tenant, BadReference> {
        let text = self.references.check(Purpose::EmailEvents, reference, "")?;
        text.parse().map_err(|_| BadReference)
    }

    /// Verifies a reference of [`Self::opt_out_url`].
    ///
    /// # Errors
    /// The reference was not signed with one of our keys.
    pub fn check_opt_out(&self, reference: &str) -> Result<OptOutReference, BadReference> {
        let text = self.references.check(Purpose::OptOut, reference, "")?;
        let mut parts = text.split('.');
        let message = parse_attempt(&mut parts).ok_or(BadReference)?;
        let address = next(&mut parts).ok_or(BadReference)?;
        end_of(parts, OptOutReference { message, address })
    }

    /// Verifies a reference of [`Self::recording_url`]. It may have expired.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys.
    pub fn check_recording(&self, reference: &str) -> Result<RecordingReference, BadReference> {
        let text = self.references.check(Purpose::Recording, reference, "")?;
        let mut parts = text.split('.');
        let message = parse_attempt(&mut parts).ok_or(BadReference)?;
        let seconds: u32 = next(&mut parts).ok_or(BadReference)?;
        let recording = RecordingReference {
            interaction: message.interaction,
            attempt: message.attempt,
            expires_at: Timestamp::from_millis(i64::from(seconds) * 1_000),
        };
        end_of(parts, recording)
    }
}

fn attempt_text(interaction: &InteractionKey, attempt: Nonce) -> String {
    format!("{}.{}.{attempt}", interaction.tenant, interaction.id)
}

fn parse_attempt<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<MessageReference> {
    let interaction = InteractionKey {
        tenant: next(parts)?,
        id: next(parts)?,
    };
    let attempt = next(parts)?;
    Some(MessageReference { interaction, attempt })
}

fn next<'a, T: FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    parts.next()?.parse().ok()
}

fn end_of<'a, T>(mut rest: impl Iterator<Item = &'a str>, parsed: T) -> Result<T, BadReference> {
    if rest.next().is_some() {
        Err(BadReference)
    } else {
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::InteractionId;
    use crate::providers::ses::OptOutUrl;
    use crate::secret::Secret;
    use crate::web::reference::ReferenceSigner;

    fn urls(key: &str) -> CallbackUrls {
        CallbackUrls::new(
            "https://hooks.example.org",
            ReferenceSigner::new(Secret::new(key), None),
        )
    }

    fn key(tenant: &str, id: u128) -> InteractionKey {
        InteractionKey {
            tenant: tenant.parse().expect("a tenant"),
            id: InteractionId::new(id),
        }
    }

    fn last(url: &str) -> &str {
        let url = url.split('#').next().unwrap_or_default();
        url.rsplit('/').next().unwrap_or_default()
    }

    fn ana() -> EmailAddress {
        EmailAddress::parse("Ana@example.net").expect("an address")
    }

    #[test]
    fn urls_have_the_published_forms() {
        let (urls, acme) = (urls("k"), key("acme", 0x2a));
        // The tags are the beginnings of `printf "$domain$text\n$provider" | openssl dgst -sha256 -hmac k`.
        assert_eq!(
            urls.message_status_url(Provider::Twilio, &acme, Nonce::new(0x9f8a)),
            "https://hooks.example.org/twilio/message-status/\
             acme.00000000-0000-8000-8000-00000000002a.0000000000009f8a.bf07cd3a5aabc5164875813622d5828f"
        );
        assert_eq!(
            urls.incoming_message_url(Provider::Twilio, &acme.tenant),
            "https://hooks.example.org/twilio/messages/acme.a3dd11c026f05780dfa143e20386751d#rc=3&rp=all"
        );
        assert_eq!(
            urls.incoming_message_url(Provider::Routee, &acme.tenant),
            "https://hooks.example.org/routee/messages/acme.75c3cce36a28791890bff8a6a9d9f712"
        );
        assert_eq!(
            urls.email_events_url(&acme.tenant),
            "https://hooks.example.org/ses/events/acme.18570509829c6075a82903fe92c73537"
        );
    }

    #[test]
    fn reference_is_valid_for_its_provider_only() {
        let (urls, acme) = (urls("k"), key("acme", 1));
        let status = urls.message_status_url(Provider::Routee, &acme, Nonce::new(7));
        let expected = MessageReference {
            interaction: acme.clone(),
            attempt: Nonce::new(7),
        };
        assert_eq!(urls.check_attempt(Provider::Routee, last(&status)), Ok(expected));
        assert_eq!(urls.check_attempt(Provider::Twilio, last(&status)), Err(BadReference));
        let incoming = urls.incoming_message_url(Provider::Routee, &acme.tenant);
        assert_eq!(
            urls.check_incoming_message(Provider::Routee, last(&incoming)),
            Ok(acme.tenant.clone())
        );
        assert_eq!(
            urls.check_incoming_message(Provider::Twilio, last(&incoming)),
            Err(BadReference)
        );
        assert_eq!(urls.check_email_events(last(&incoming)), Err(BadReference));
    }

    #[test]
    fn opt_out_button_names_no_address_and_fits_into_a_header() {
        let (urls, longest) = (urls("k"), key(&"a".repeat(32), u128::MAX));
        let url = urls.opt_out_url(&longest, Nonce::new(u64::MAX), &ana());
        assert!(!url.contains("ana") && !url.contains("example.net"), "{url}");
        assert!(OptOutUrl::parse(&url).is_ok(), "{url}");
        assert_eq!(last(&url).len(), Purpose::OptOut.max_len());
        let found = urls.check_opt_out(last(&url)).expect("a reference");
        assert_eq!(found.message.interaction, longest);
        assert_eq!(found.message.attempt, Nonce::new(u64::MAX));
        // The list does not tell Ana@ from ana@.
        let lower = EmailAddress::parse("ana@example.net").expect("an address");
        assert_eq!(found.address, AddressHash::from(&lower));
    }

    #[test]
    fn url_of_a_recording_has_its_expiry_and_is_valid_for_nothing_else() {
        let (urls, longest) = (urls("k"), key(&"a".repeat(32), u128::MAX));
        let expires_at = Timestamp::from_millis(1_795_464_000_000);
        let url = urls.recording_url(&longest, Nonce::new(u64::MAX), expires_at);
        assert!(url.starts_with("https://hooks.example.org/recordings/"), "{url}");
        assert!(last(&url).len() <= Purpose::Recording.max_len());
        let found = urls.check_recording(last(&url)).expect("a reference");
        assert_eq!(
            (found.interaction, found.attempt, found.expires_at),
            (longest, Nonce::new(u64::MAX), expires_at)
        );
        let later = url.replacen(".1795464000.", ".1895464000.", 1);
        assert_ne!(later, url);
        assert_eq!(urls.check_recording(last(&later)), Err(BadReference));
        assert_eq!(urls.check_opt_out(last(&url)), Err(BadReference));
        let status = urls.message_status_url(Provider::Routee, &key("acme", 1), Nonce::new(7));
        assert_eq!(urls.check_recording(last(&status)), Err(BadReference));
    }

    #[test]
    fn longest_reference_to_a_message_is_accepted() {
        let (urls, longest) = (urls("k"), key(&"a".repeat(32), u128::MAX));
        let url = urls.message_status_url(Provider::Twilio, &longest, Nonce::new(u64::MAX));
        assert_eq!(last(&url).len(), Purpose::Message.max_len());
        assert!(urls.check_attempt(Provider::Twilio, last(&url)).is_ok());
    }

    proptest! {
        #[test]
        fn any_changed_character_is_rejected(at: prop::sample::Index, with: char) {
            let urls = urls("k");
            let url = urls.opt_out_url(&key("acme", 7), Nonce::new(42), &ana());
            let mut chars: Vec<char> = last(&url).chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != with);
            chars[at] = with;
            let changed: String = chars.into_iter().collect();
            prop_assert_eq!(urls.check_opt_out(&changed), Err(BadReference));
        }

        #[test]
        fn arbitrary_text_is_rejected_without_a_panic(text in "\\PC{0,200}", dotted in "[a-f0-9.\\-]{0,180}") {
            let urls = urls("k");
            for text in [&text, &dotted] {
                prop_assert_eq!(urls.check_opt_out(text), Err(BadReference));
                prop_assert_eq!(urls.check_recording(text), Err(BadReference));
                prop_assert_eq!(urls.check_email_events(text), Err(BadReference));
                prop_assert_eq!(urls.check_attempt(Provider::Routee, text), Err(BadReference));
                prop_assert_eq!(urls.check_incoming_message(Provider::Twilio, text), Err(BadReference));
            }
        }
    }
}
