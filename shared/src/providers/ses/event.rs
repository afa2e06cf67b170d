//! Reads what SES reports about an e-mail (CONTRACT.md 3).
//!
//! Events come twice, late and in any order, and the first may come before the answer to the request. So each has a key
//! that is the same in every copy, and [`EmailStatus`] is the same in whatever order events are merged.

use serde_json::{Value, json};

use super::address::{EmailAddress, without_name};
use super::email::{ATTEMPT_TAG, INTERACTION_TAG, TagValue, Tags};
use super::message_id::MessageId;
use crate::clock::Timestamp;
use crate::lenient_json::{self, Selection, UnreadableJson};
use crate::providers::lenient::as_text;
use crate::secret::sha256_hex;

/// Most recipients of a message that are read, which is the most that SES allows. Our messages have one.
const MAX_RECIPIENTS: usize = 50;
/// Most events in one body. SNS delivers one.
const MAX_RECORDS: usize = 100;
/// Longest name of an event in logs, in characters.
const MAX_NAME_CHARS: usize = 64;

/// What SES published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedEvent {
    /// An event about an e-mail and one of its recipients.
    Email(Box<EmailEvent>),
    /// Anything else. It is acknowledged, and nothing is done.
    Irrelevant {
        /// The name of the event, shortened; empty if it has none.
        name: String,
    },
}

/// An event about an e-mail and one of its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailEvent {
    /// The same for every copy of the event, by whatever way it comes; 64 hexadecimal digits.
    pub key: String,
    /// The id that SES gave to the e-mail when it accepted it.
    pub message: MessageId,
    /// Our tags. `None` for an e-mail that was not sent by us, and for notifications that an identity publishes.
    pub tags: Option<Tags>,
    /// The recipient. `None` if it is not stated in a form that we can read.
    pub recipient: Option<EmailAddress>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// What happened.
    pub what: Occurrence,
}

/// What happened to an e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// SES will try to deliver it.
    Sent,
    /// SES keeps trying.
    Delayed {
        /// When SES will give up.
        until: Option<Timestamp>,
    },
    /// The server of the recipient accepted it. Nobody has read it yet.
    Delivered,
    /// It did not arrive, or an automatic reply looked like that.
    Bounced(Bounce),
    /// The recipient reported it as spam: an opt-out.
    Complained {
        /// SES did not even try, because the recipient complained before.
        suppressed: bool,
    },
    /// SES found a virus, and did not send it.
    Rejected,
    /// SES could not fill in a template.
    RenderingFailed,
    /// Images were loaded. Programs do that too: never an answer.
    Opened,
    /// A link was followed. Programs do that too: never an answer.
    Clicked,
    /// The recipient changed the preferences that SES keeps for a contact list. We have none.
    SubscriptionChanged,
}

/// How an e-mail failed to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    /// The address must not be mailed again. If not: the mailbox is full, the message was too large, or it is not known.
    pub permanent: bool,
    /// What SES says about the reason.
    pub cause: BounceCause,
    /// The enhanced status code of SMTP, such as `5.1.1`.
    pub status: Option<String>,
}

/// Why an e-mail did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BounceCause {
    /// There is no such mailbox.
    NoMailbox,
    /// The mailbox is full.
    MailboxFull,
    /// The message was too large, or its content or attachment was refused.
    Content,
    /// SES did not even try: the address is on a suppression list.
    Suppressed,
    /// SES did not even try: the recipient unsubscribed at SES.
    Unsubscribed,
    /// Anything else, and not known.
    Other,
}

/// What an e-mail has come to. Of two statuses the greater one counts ([`Ord::max`]), in whatever order events came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EmailStatus {
    /// SES tries to deliver it.
    Sent,
    /// SES keeps trying.
    Delayed,
    /// It bounced, but not for good. Below [`EmailStatus::Delivered`]: after a delivery this is likely an automatic
    /// reply.
    SoftBounced,
    /// The server of the recipient accepted it.
    Delivered,
    /// SES did not send it.
    Failed,
    /// It bounced for good, perhaps after a server on the way had accepted it.
    HardBounced,
    /// The recipient complained.
    Complained,
}

impl EmailStatus {
    /// The status that an e-mail has at least after this; `None` if it says nothing about it.
    pub const fn after(what: &Occurrence) -> Option<Self> {
        Some(match what {
            Occurrence::Sent => Self::Sent,
            Occurrence::Delayed { .. } => Self::Delayed,
            Occurrence::Delivered => Self::Delivered,
            Occurrence::Bounced(Bounce { permanent: true, .. }) => Self::HardBounced,
            Occurrence::Bounced(_) => Self::SoftBounced,
            Occurrence::Complained { .. } => Self::Complained,
            Occurrence::Rejected | Occurrence::RenderingFailed => Self::Failed,
            Occurrence::Opened | Occurrence::Clicked | Occurrence::SubscriptionChanged => return None,
        })
    }
}

/// A list of texts.
const LIST: Selection = Selection::Fields(&[]);
const ADDRESSES: Selection = Selection::Fields(&[("emailAddress", Selection::Scalar), ("status", Selection::Scalar)]);
const TIMED: Selection = Selection::Fields(&[("timestamp", Selection::Scalar)]);
const EVENT: Selection = Selection::Fields(&[
    ("eventType", Selection::Scalar),
    ("notificationType", Selection::Scalar),
    (
        "mail",
        Selection::Fields(&[
            ("timestamp", Selection::Scalar),
            ("messageId", Selection::Scalar),
            ("destination", LIST),
            (
                "tags",
                Selection::Fields(&[(INTERACTION_TAG, LIST), (ATTEMPT_TAG, LIST)]),
            ),
        ]),
    ),
    (
        "bounce",
        Selection::Fields(&[
            ("bounceType", Selection::Scalar),
            ("bounceSubType", Selection::Scalar),
            ("bouncedRecipients", ADDRESSES),
            ("timestamp", Selection::Scalar),
            ("feedbackId", Selection::Scalar),
        ]),
    ),
    (
        "complaint",
        Selection::Fields(&[
            ("complainedRecipients", ADDRESSES),
            ("complaintFeedbackType", Selection::Scalar),
            ("complaintSubType", Selection::Scalar),
            ("timestamp", Selection::Scalar),
            ("feedbackId", Selection::Scalar),
        ]),
    ),
    (
        "delivery",
        Selection::Fields(&[("timestamp", Selection::Scalar), ("recipients", LIST)]),
    ),
    (
        "deliveryDelay",
        Selection::Fields(&[
            ("timestamp", Selection::Scalar),
            ("expirationTime", Selection::Scalar),
            ("delayedRecipients", ADDRESSES),
        ]),
    ),
    ("open", TIMED),
    ("click", TIMED),
    ("subscription", TIMED),
]);
/// What is around an event: an invocation by SNS, its message to a queue, or an event of `EventBridge`.
const ENVELOPE: Selection = Selection::Fields(&[
    (
        "Records",
        Selection::Fields(&[("Sns", Selection::Fields(&[("Message", Selection::Scalar)]))]),
    ),
    ("Message", Selection::Scalar),
    ("detail-type", Selection::Scalar),
    ("detail", EVENT),
]);

/// Reads the events in a body: an invocation by SNS, a message of SNS, an event of `EventBridge`, or a bare event. What
/// is missing or has an unknown form makes one event irrelevant, and never another one.
///
/// # Errors
/// When the body is not JSON, or has more of the fields that we read than SES ever sends.
pub fn read_events(body: &[u8]) -> Result<Vec<ReceivedEvent>, UnreadableJson> {
    let envelope = lenient_json::select(body, ENVELOPE)?;
    if let Some(records) = envelope.get("Records").and_then(Value::as_array) {
        let messages = records
            .iter()
            .take(MAX_RECORDS)
            .map(|record| record.pointer("/Sns/Message"));
        return Ok(messages.flat_map(|message| published(message)).collect());
    }
    if envelope.get("Message").is_some() {
        return Ok(published(envelope.get("Message")));
    }
    if let Some(detail) = envelope.get("detail") {
        let title = envelope.get("detail-type").and_then(Value::as_str).unwrap_or_default();
        return Ok(event(detail, title.strip_prefix("Email ").unwrap_or(title)));
    }
    Ok(event(&lenient_json::select(body, EVENT)?, ""))
}

/// The events in a message of SNS, which is JSON in a string. What the topic itself announces is not JSON.
fn published(message: Option<&Value>) -> Vec<ReceivedEvent> {
    let message = message.and_then(Value::as_str).unwrap_or_default();
    match lenient_json::select_str(message, EVENT) {
        Ok(body) => event(&body, ""),
        Err(_) => vec![irrelevant("unreadable")],
    }
}

/// The events of all recipients. `title` names the event if the event does not.
fn event(body: &Value, title: &str) -> Vec<ReceivedEvent> {
    let stated = ["eventType", "notificationType"]
        .iter()
        .find_map(|name| body.get(name).and_then(Value::as_str));
    let name = stated.unwrap_or(title);
    let message = MessageId::from_json(body.pointer("/mail/messageId"));
    let (Some(kind), Some(message)) = (Kind::parse(name), message) else {
        return vec![irrelevant(name)];
    };
    let details = body.get(kind.object()).unwrap_or(&Value::Null);
    if kind == Kind::Complaint && is(details, "complaintFeedbackType", "not-spam") {
        return vec![irrelevant("not-spam")];
    }
    let tags = tags(body.pointer("/mail/tags"));
    let mail_time = body.pointer("/mail/timestamp").and_then(Value::as_str);
    let time = details.get("timestamp").and_then(Value::as_str).or(mail_time);
    let feedback = details
        .get("feedbackId")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let one = |recipient: &str, status: Option<&str>| {
        let address = recipient.to_ascii_lowercase();
        let parts = json!([message.as_str(), kind.object(), address, feedback.or(time)]);
        ReceivedEvent::Email(Box::new(EmailEvent {
            key: sha256_hex(parts.to_string().as_bytes()),
            message: message.clone(),
            tags: tags.clone(),
            recipient: EmailAddress::parse(recipient).ok(),
            at: time.and_then(Timestamp::parse),
            what: kind.occurrence(details, status),
        }))
    };
    let recipients = recipients(kind, details, body);
    if recipients.is_empty() {
        return vec![one("", None)];
    }
    recipients
        .into_iter()
        .map(|(address, status)| one(address, status))
        .collect()
}

/// The recipients that an event is about, each with its status code.
fn recipients<'a>(kind: Kind, details: &'a Value, body: &'a Value) -> Vec<(&'a str, Option<&'a str>)> {
    let list = kind.recipients().and_then(|name| details.get(name)?.as_array());
    let stated = list.filter(|list| !list.is_empty());
    let list = stated.or_else(|| body.pointer("/mail/destination")?.as_array());
    let recipient = |entry: &'a Value| {
        let address = entry.as_str().or_else(|| entry.get("emailAddress")?.as_str())?;
        Some((without_name(address), entry.get("status").and_then(Value::as_str)))
    };
    let list = list.map(Vec::as_slice).unwrap_or_default();
    list.iter().take(MAX_RECIPIENTS).filter_map(recipient).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Send,
    Delivery,
    DeliveryDelay,
    Bounce,
    Complaint,
    Reject,
    RenderingFailure,
    Open,
    Click,
    Subscription,
}

impl Kind {
    /// By its name in an event, or in the title that `EventBridge` gives to it.
    fn parse(name: &str) -> Option<Self> {
        let letters = name.chars().filter(char::is_ascii_alphabetic).take(MAX_NAME_CHARS);
        let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
        Some(match name.as_str() {
            "send" | "sent" => Self::Send,
            "delivery" | "delivered" => Self::Delivery,
            "deliverydelay" | "deliverydelayed" => Self::DeliveryDelay,
            "bounce" | "bounced" => Self::Bounce,
            "complaint" | "complaintreceived" => Self::Complaint,
            "reject" | "rejected" => Self::Reject,
            "renderingfailure" | "renderingfailed" => Self::RenderingFailure,
            "open" | "opened" => Self::Open,
            "click" | "clicked" => Self::Click,
            "subscription" | "subscribed" => Self::Subscription,
            _ => return None,
        })
    }

    /// The field with the details. It also names the kind in keys.
    const fn object(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Delivery => "delivery",
            Self::DeliveryDelay => "deliveryDelay",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
            Self::Reject => "reject",
            Self::RenderingFailure => "failure",
            Self::Open => "open",
            Self::Click => "click",
            Self::Subscription => "subscription",
        }
    }

    /// The field of the details that has the recipients.
    const fn recipients(self) -> Option<&'static str> {
        match self {
            Self::Delivery => Some("recipients"),
            Self::DeliveryDelay => Some("delayedRecipients"),
            Self::Bounce => Some("bouncedRecipients"),
            Self::Complaint => Some("complainedRecipients"),
            _ => None,
        }
    }

    fn occurrence(self, details: &Value, status: Option<&str>) -> Occurrence {
        match self {
            Self::Send => Occurrence::Sent,
            Self::Delivery => Occurrence::Delivered,
            Self::DeliveryDelay => Occurrence::Delayed {
                until: details
                    .get("expirationTime")
                    .and_then(Value::as_str)
                    .and_then(Timestamp::parse),
            },
            Self::Bounce => Occurrence::Bounced(bounce(details, status)),
            Self::Complaint => Occurrence::Complained {
                suppressed: is(details, "complaintSubType", "OnAccountSuppressionList"),
            },
            Self::Reject => Occurrence::Rejected,
            Self::RenderingFailure => Occurrence::RenderingFailed,
            Self::Open => Occurrence::Opened,
            Self::Click => Occurrence::Clicked,
            Self::Subscription => Occurrence::SubscriptionChanged,
        }
    }
}

fn bounce(details: &Value, status: Option<&str>) -> Bounce {
    let sub_type = details.get("bounceSubType").and_then(Value::as_str).unwrap_or_default();
    let is_code = |code: &&str| code.len() <= 12 && code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Bounce {
        permanent: is(details, "bounceType", "Permanent"),
        cause: match sub_type.to_ascii_lowercase().as_str() {
            "noemail" => BounceCause::NoMailbox,
            "mailboxfull" => BounceCause::MailboxFull,
            "messagetoolarge" | "contentrejected" | "attachmentrejected" => BounceCause::Content,
            "suppressed" | "onaccountsuppressionlist" => BounceCause::Suppressed,
            "unsubscribedrecipient" => BounceCause::Unsubscribed,
            _ => BounceCause::Other,
        },
        status: status.filter(is_code).map(str::to_owned),
    }
}

/// Our tags, each a list with one value. Both are needed.
fn tags(tags: Option<&Value>) -> Option<Tags> {
    let value = |name: &str| {
        let value = tags?.get(name)?;
        as_text(value.as_array().map_or(Some(value), |list| list.first())?)
    };
    Some(Tags {
        interaction: TagValue::parse(&value(INTERACTION_TAG)?).ok()?,
        attempt: value(ATTEMPT_TAG)?.parse().ok()?,
    })
}

fn is(of: &Value, name: &str, word: &str) -> bool {
    let value = of.get(name).and_then(Value::as_str);
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
}

fn irrelevant(name: &str) -> ReceivedEvent {
    let name = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    ReceivedEvent::Irrelevant {
        name: name.take(MAX_NAME_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests;
