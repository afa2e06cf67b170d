//! Who sends a message, and the ids that go with it.

use std::fmt;
use std::str::FromStr;

use crate::phone::PhoneNumber;

/// The channel of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// SMS, including messages with media.
    Sms,
    /// `WhatsApp` messages.
    WhatsApp,
}

/// Who sends a message. Which provider can send for whom: routee/CONTRACT.md 6.1, twilio/CONTRACT.md 5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A phone number of ours, by SMS.
    Number(PhoneNumber),
    /// A name, by SMS. Customers cannot answer it, so the text must tell them another way to opt out.
    Name(SenderName),
    /// A messaging service, which picks one of its numbers, by SMS.
    Service(ServiceId),
    /// A phone number of ours that is registered as a `WhatsApp` sender.
    WhatsApp(PhoneNumber),
}

impl Sender {
    /// The channel over which it sends.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Number(_) | Self::Name(_) | Self::Service(_) => Channel::Sms,
            Self::WhatsApp(_) => Channel::WhatsApp,
        }
    }

    /// Parses what an operator configured for `channel`: a number in E.164, or for SMS also the id of a messaging
    /// service or a name.
    ///
    /// # Errors
    /// The text is none of them.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, InvalidSender> {
        let text = text.trim();
        let number = PhoneNumber::from_e164(text).ok();
        match (channel, number) {
            (Channel::WhatsApp, number) => number.map(Self::WhatsApp).ok_or(InvalidSender),
            (Channel::Sms, Some(number)) => Ok(Self::Number(number)),
            (Channel::Sms, None) => text
                .parse()
                .map(Self::Service)
                .or_else(|_| text.parse().map(Self::Name)),
        }
    }
}

/// The text is no sender or no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a phone number with +, a messaging service id or a name of up to 11 letters and digits")]
pub struct InvalidSender;

/// A sender name: 1 to 11 ASCII letters and digits, not only digits (routee/CONTRACT.md 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderName(String);

impl SenderName {
    /// The name as the customer sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SenderName {
    type Err = InvalidSender;

    fn from_str(text: &str) -> Result<Self, InvalidSender> {
        let is_name = (1..=11).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then(|| Self(text.to_owned())).ok_or(InvalidSender)
    }
}

/// The id of a messaging service: `MG` and 32 hexadecimal digits (twilio/CONTRACT.md 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceId(String);

/// The id of a message template: `HX` and 32 hexadecimal digits (twilio/CONTRACT.md 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateId(String);

impl ServiceId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TemplateId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = InvalidSender;

    fn from_str(text: &str) -> Result<Self, InvalidSender> {
        is_sid(text, "MG").then(|| Self(text.to_owned())).ok_or(InvalidSender)
    }
}

impl FromStr for TemplateId {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        is_sid(text, "HX").then(|| Self(text.to_owned())).ok_or(InvalidTemplate)
    }
}

/// The text is no template id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a template id: HX and 32 hexadecimal digits")]
pub struct InvalidTemplate;

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sid(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "MG00000000000000000000000000000001";

    #[test]
    fn sms_sender_is_a_number_a_service_or_a_name() {
        let sender = |text: &str| Sender::parse(Channel::Sms, text);
        let number = PhoneNumber::from_e164("+12025550100").expect("a number");
        assert_eq!(sender(" +12025550100 "), Ok(Sender::Number(number)));
        assert_eq!(sender(SERVICE), Ok(Sender::Service(ServiceId(SERVICE.into()))));
        for name in ["Example", "A", "Example2026", "MG1"] {
            assert_eq!(sender(name), Ok(Sender::Name(SenderName(name.into()))), "{name}");
        }
        for text in [
            "",
            "12025550100",
            "+12",
            "123",
            "My Shop",
            "Twelve12char",
            "Käse",
            "whatsapp:+12025550100",
            &SERVICE[..33],
        ] {
            assert_eq!(sender(text), Err(InvalidSender), "{text}");
        }
    }

    #[test]
    fn whatsapp_sender_is_a_number() {
        let sender = Sender::parse(Channel::WhatsApp, "+12025550100").expect("a sender");
        assert_eq!(sender.channel(), Channel::WhatsApp);
        for text in ["", "Example", SERVICE] {
            assert_eq!(Sender::parse(Channel::WhatsApp, text), Err(InvalidSender), "{text}");
        }
    }

    #[test]
    fn ids_have_their_prefix_and_32_digits() {
        assert!("HX0000000000000000000000000000000a".parse::<TemplateId>().is_ok());
        for text in ["", "HX", SERVICE, "HX0000000000000000000000000000000g", "HX1"] {
            assert_eq!(text.parse::<TemplateId>(), Err(InvalidTemplate), "{text}");
        }
        assert_eq!(
            "HX0000000000000000000000000000000a".parse::<ServiceId>(),
            Err(InvalidSender)
        );
    }
}
