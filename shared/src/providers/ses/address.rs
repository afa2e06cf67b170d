//! One e-mail address, and the addresses to which customers reply (CONTRACT.md 1, 6 and 7).
//!
//! An address is parsed, never pasted: SES has no pattern for addresses, and a comma or a line break in one would add a
//! recipient or a header.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Host;

use super::header::breaks_lines;

/// Longest address, and longest local part, in bytes (RFC 5321).
const MAX_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;
/// Longest label of a domain, in bytes.
const MAX_LABEL_BYTES: usize = 63;
/// The characters that a local part may have next to letters and digits (RFC 5322, `atext`).
const LOCAL_SIGNS: &str = "!#$%&'*+-/=?^_`{|}~";
/// Begins the local part of an address to reply to. The reference of the conversation follows.
const REPLY_PREFIX: &str = "r+";

/// Why a text is not an address that we write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// The text is empty.
    #[error("the address is empty")]
    Empty,
    /// It has more bytes than an address may have.
    #[error("the address is too long")]
    TooLong,
    /// It has a line break or another control character.
    #[error("the address has a control character")]
    Control,
    /// It has no `@` or several, or is a list.
    #[error("the address must be exactly one address")]
    NotOne,
    /// SES accepts only 7-bit local parts.
    #[error("the part before the @ must be ASCII")]
    LocalNotAscii,
    /// Anything but the characters that need no quotes: also quotes, comments, spaces, and a dot at a wrong place.
    #[error("the part before the @ has a character that we do not support, or a dot at a wrong place")]
    Local,
    /// The domain is not a public host name, or has no punycode form.
    #[error("the part after the @ is not a domain")]
    Domain,
}

/// One address that can be mailed to: a 7-bit local part and a domain in punycode. `Display` and `Debug` show the
/// domain only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    text: String,
    /// Where the `@` is, in bytes.
    at: usize,
}

impl EmailAddress {
    /// Parses one address without a name, spaces, quotes or comments. A Unicode domain is converted to punycode.
    ///
    /// # Errors
    /// Why the text is not an address that we write to.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        if text.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        // Also before the conversion of the domain, whose cost grows with its length.
        if text.len() > MAX_BYTES {
            return Err(InvalidAddress::TooLong);
        }
        if text.chars().any(breaks_lines) {
            return Err(InvalidAddress::Control);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidAddress::NotOne)?;
        if domain.contains('@') || text.contains([',', ';']) {
            return Err(InvalidAddress::NotOne);
        }
        check_local(local)?;
        let domain = ascii_domain(domain).ok_or(InvalidAddress::Domain)?;
        let text = format!("{local}@{domain}");
        if text.len() > MAX_BYTES {
            return Err(InvalidAddress::TooLong);
        }
        Ok(Self { at: local.len(), text })
    }

    /// The address, as it is written into a request.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain in punycode and lower case.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// The address in lower case, to compare it with others. A mail server may tell `Ana@` from `ana@`, but hardly any
    /// does, and an opt-out must not be missed.
    pub fn folded(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

/// The address in `Ana <ana@example.net>`; any other text as it is. What has several angle brackets is no single address,
/// and does not parse.
pub(super) fn without_name(text: &str) -> &str {
    let text = text.trim();
    let bracketed = text.strip_suffix('>').and_then(|text| text.split_once('<'));
    bracketed.map_or(text, |(_, address)| address.trim())
}

fn check_local(local: &str) -> Result<(), InvalidAddress> {
    if !local.is_ascii() {
        return Err(InvalidAddress::LocalNotAscii);
    }
    if local.len() > MAX_LOCAL_BYTES {
        return Err(InvalidAddress::TooLong);
    }
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || LOCAL_SIGNS.contains(c))
    };
    if local.split('.').all(is_word) {
        Ok(())
    } else {
        Err(InvalidAddress::Local)
    }
}

/// A host name with at least two labels, in punycode and lower case.
fn ascii_domain(domain: &str) -> Option<String> {
    // The URL parser would decode percent signs, and accept more characters than a host name has.
    let is_host = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !domain.chars().all(is_host) {
        return None;
    }
    // An IP address is no domain.
    let Ok(Host::Domain(domain)) = Host::parse(domain) else {
        return None;
    };
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_domain = domain.contains('.') && domain.split('.').all(is_label);
    is_domain.then_some(domain)
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// The domain whose mail SES receives for us. Customers reply to `r+<reference>@<domain>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyDomain(String);

impl ReplyDomain {
    /// Longest reference, in bytes: a local part has 64.
    pub const MAX_REFERENCE_BYTES: usize = MAX_LOCAL_BYTES - REPLY_PREFIX.len();

    /// Parses a domain.
    ///
    /// # Errors
    /// The text is not a domain.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        if text.len() > MAX_BYTES {
            return Err(InvalidAddress::TooLong);
        }
        ascii_domain(text).map(Self).ok_or(InvalidAddress::Domain)
    }

    /// The address to which a customer replies. `reference` identifies the conversation, proves that we made it, and
    /// consists of lower-case letters, digits, `-`, `_` and single dots: mail servers on the way may change the case.
    ///
    /// # Errors
    /// The reference has another character, or is longer than [`ReplyDomain::MAX_REFERENCE_BYTES`].
    pub fn address(&self, reference: &str) -> Result<EmailAddress, InvalidAddress> {
        if reference.is_empty() || !reference.bytes().all(is_reference_byte) {
            return Err(InvalidAddress::Local);
        }
        EmailAddress::parse(&format!("{REPLY_PREFIX}{reference}@{}", self.0))
    }

    /// The reference in an address that a mail was delivered to, in lower case; `None` if it is no address to reply to.
    /// Anyone can write one: the caller checks its signature.
    pub fn reference(&self, recipient: &str) -> Option<String> {
        let recipient = EmailAddress::parse(recipient.trim()).ok()?;
        if !self.has(&recipient) {
            return None;
        }
        let local = recipient.local().to_ascii_lowercase();
        let reference = local.strip_prefix(REPLY_PREFIX)?;
        let is_reference = !reference.is_empty() && reference.bytes().all(is_reference_byte);
        is_reference.then(|| reference.to_owned())
    }

    /// Whether the address is in this domain.
    pub fn has(&self, address: &EmailAddress) -> bool {
        address.domain() == self.0
    }
}

const fn is_reference_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_addresses_are_accepted_and_domains_are_in_lower_case() {
        for (text, expected) in [
            ("ana@example.net", "ana@example.net"),
            ("Ana.B+x_y-z@Example.NET", "Ana.B+x_y-z@example.net"),
            (
                "o'neil!#$%&*/=?^`{|}~@a-b.example.org",
                "o'neil!#$%&*/=?^`{|}~@a-b.example.org",
            ),
            ("ana@grüße.example.org", "ana@xn--gre-6ka8l.example.org"),
            ("ana@例え.example.org", "ana@xn--r8jz45g.example.org"),
            ("ana@例え。example。org", "ana@xn--r8jz45g.example.org"),
        ] {
            let address = EmailAddress::parse(text).expect(text);
            assert_eq!(address.as_str(), expected);
            assert_eq!(format!("{}@{}", address.local(), address.domain()), expected);
        }
    }

    #[test]
    fn nothing_but_one_plain_address_is_accepted() {
        use InvalidAddress as E;
        for (text, error) in [
            ("", E::Empty),
            ("a@b.c, evil@d.e", E::NotOne),
            ("a@b.c,evil@d.e", E::NotOne),
            ("a@b.c;evil@d.e", E::NotOne),
            ("a@b.c evil@d.e", E::NotOne),
            ("a@b@c.example.org", E::NotOne),
            ("ana", E::NotOne),
            ("ana＠example.org", E::NotOne),
            ("a@b.c\nBcc:", E::Control),
            ("a@b.c\r\nBcc: evil@d.e", E::Control),
            ("a@b.c\0", E::Control),
            ("a\u{85}@b.c", E::Control),
            ("a@b\u{2028}.c", E::Control),
            ("a@b.c\u{2029}", E::Control),
            ("a\u{7f}@b.c", E::Control),
            ("a\t@b.c", E::Control),
            ("Ana <ana@example.org>", E::Local),
            ("<ana@example.org>", E::Local),
            ("\"ana\"@example.org", E::Local),
            ("ana(x)@example.org", E::Local),
            ("ana @example.org", E::Local),
            (" ana@example.org", E::Local),
            (".ana@example.org", E::Local),
            ("ana.@example.org", E::Local),
            ("a..b@example.org", E::Local),
            ("@example.org", E::Local),
            ("a\\b@example.org", E::Local),
            ("group:ana@example.org", E::Local),
            ("jürgen@example.org", E::LocalNotAscii),
            ("an\u{200b}a@example.org", E::LocalNotAscii),
            ("ana@", E::Domain),
            ("ana@localhost", E::Domain),
            ("ana@example.org ", E::Domain),
            ("ana@example.org.", E::Domain),
            ("ana@.example.org", E::Domain),
            ("ana@example..org", E::Domain),
            ("ana@-a.example.org", E::Domain),
            ("ana@a_b.example.org", E::Domain),
            ("ana@example.org(x)", E::Domain),
            ("ana@example.org>", E::Domain),
            ("ana@exa%2emple.org", E::Domain),
            ("ana@192.0.2.1", E::Domain),
            ("ana@[192.0.2.1]", E::Domain),
            ("ana@0x7f.1", E::Domain),
            ("ana@b.c，evil.example.org", E::Domain),
            ("ana@a＠b.example.org", E::Domain),
        ] {
            assert_eq!(EmailAddress::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn lengths_of_smtp_are_the_limits() {
        let label = "d".repeat(60);
        let address =
            |local: usize, last: usize| format!("{}@{label}.{label}.{label}.{}", "a".repeat(local), "e".repeat(last));
        assert!(EmailAddress::parse(&address(64, 6)).is_ok());
        assert_eq!(EmailAddress::parse(&address(64, 7)), Err(InvalidAddress::TooLong));
        assert_eq!(EmailAddress::parse(&address(65, 2)), Err(InvalidAddress::TooLong));
        assert_eq!(
            EmailAddress::parse(&format!("a@{}.org", "d".repeat(64))),
            Err(InvalidAddress::Domain)
        );
        // Short in Unicode, too long in punycode.
        let unicode = format!("a@{0}.{0}.{0}.{0}.{0}.{0}.example.org", "ü".repeat(18));
        assert!(unicode.len() <= MAX_BYTES);
        let parsed = EmailAddress::parse(&unicode);
        assert!(parsed.is_ok_and(|address| address.as_str().len() <= MAX_BYTES));
        let huge = format!("a@{}", "b.".repeat(1_000_000));
        assert_eq!(EmailAddress::parse(&huge), Err(InvalidAddress::TooLong));
    }

    #[test]
    fn logs_show_no_person() {
        let address = EmailAddress::parse("ana@example.net").expect("an address");
        assert_eq!(format!("{address} {address:?}"), "…@example.net …@example.net");
        assert_eq!(serde_json::to_string(&address).expect("JSON"), "\"ana@example.net\"");
        assert!(serde_json::from_str::<EmailAddress>("\"a@b.c, evil@d.e\"").is_err());
    }

    #[test]
    fn name_in_front_of_an_address_is_removed() {
        for (text, expected) in [
            ("Ana <ana@example.net>", Some("ana@example.net")),
            (" <ana@example.net> ", Some("ana@example.net")),
            ("\"bo@example.net\" <ana@example.net>", Some("ana@example.net")),
            ("ana@example.net", Some("ana@example.net")),
            ("Ana <a@example.net>, Bo <b@example.net>", None),
            ("\"Ana <a@example.net>\" <b@example.net>", None),
            ("Ana <>", None),
        ] {
            let address = EmailAddress::parse(without_name(text)).ok();
            assert_eq!(address.as_ref().map(EmailAddress::as_str), expected, "{text}");
        }
    }

    #[test]
    fn reference_returns_from_the_address_to_which_it_was_given() {
        let domain = ReplyDomain::parse("In.example.org").expect("a domain");
        let address = domain.address("01made-up_x.9f3c").expect("an address");
        assert_eq!(address.as_str(), "r+01made-up_x.9f3c@in.example.org");
        assert_eq!(domain.reference(address.as_str()).as_deref(), Some("01made-up_x.9f3c"));
        // A server on the way changed the case.
        assert_eq!(
            domain.reference("R+01MADE-UP_X.9F3C@IN.EXAMPLE.ORG").as_deref(),
            Some("01made-up_x.9f3c")
        );
        for other in [
            "care@in.example.org",
            "r+@in.example.org",
            "r+x@example.org",
            "r+x@sub.in.example.org",
            "r+x@in.example.org, r+y@in.example.org",
            "r+x/y@in.example.org",
            "",
        ] {
            assert_eq!(domain.reference(other), None, "{other}");
        }
        assert!(domain.address(&"a".repeat(ReplyDomain::MAX_REFERENCE_BYTES)).is_ok());
        for wrong in ["", "A", "a@b", "a\nb", "a..b", "a.", "a b", &"a".repeat(63)] {
            assert!(domain.address(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_address_is_always_one_line_of_one_address(text in "\\PC{0,20}@\\PC{0,30}", any in any::<String>()) {
            for text in [text, any] {
                let Ok(address) = EmailAddress::parse(&text) else { continue };
                let text = address.as_str();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{}", text);
                prop_assert!(!text.contains([',', ';', '<', '>', '(', ')', '"', '\\', ':']), "{}", text);
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert_eq!(EmailAddress::parse(text), Ok(address.clone()));
            }
        }
    }
}
