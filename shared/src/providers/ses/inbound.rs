//! Reads the mail that customers send to us, as SES hands it to a function (CONTRACT.md 6).
//!
//! The event has headers and verdicts, but no body: that is in S3, under a key that ends in the id of the message.

use serde_json::Value;

use super::address::{EmailAddress, ReplyDomain, without_name};
use super::header::Subject;
use super::message_id::MessageId;
use crate::clock::Timestamp;
use crate::lenient_json::{self, Selection, UnreadableJson};

/// Most records and recipients that are read.
const MAX_RECORDS: usize = 100;
const MAX_RECIPIENTS: usize = 50;
/// The domain in the `Message-ID` of everything that SES sends, with or without a region in front.
const SES_DOMAIN: &str = "amazonses.com";

/// A mail that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundEmail {
    /// The id that SES gave to it. The same in every event about it, and the end of its key in S3.
    pub message: MessageId,
    /// The references in the addresses that it was delivered to. Unverified: anyone can write one.
    pub references: Vec<String>,
    /// Whom it claims to be from. Forged, unless [`Verdicts::proves_sender`].
    pub from: Option<EmailAddress>,
    /// Its subject.
    pub subject: Option<Subject>,
    /// When SES received it.
    pub at: Option<Timestamp>,
    /// Why no person may have written it. Such a mail must not be answered, or two programs would write to each other.
    pub automatic: Option<Automatic>,
    /// SES left headers out. Then only the headers in S3 tell whether the mail is automatic.
    pub headers_truncated: bool,
    /// If somebody sent it through SES: the id that SES gave to it then. If that is one of ours, our own mail came back.
    pub sent_as: Option<MessageId>,
    /// What SES thinks of it.
    pub verdicts: Verdicts,
}

/// Why no person may have written a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Automatic {
    /// It says so (`Auto-Submitted`), such as an out-of-office reply.
    AutoSubmitted,
    /// It is mass mail or an automatic reply (`Precedence`).
    Bulk,
    /// It must not be answered (an empty `Return-Path`), such as a report that a mail could not be delivered.
    NoReturnPath,
    /// It is from our own domain for replies.
    Own,
}

/// A verdict of SES.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Passed.
    Pass,
    /// Failed.
    Fail,
    /// Neither: for example, the domain has no policy.
    Gray,
    /// SES could not check.
    ProcessingFailed,
    /// Not stated, or a new word.
    #[default]
    Unknown,
}

/// The verdicts of SES. Without a rule that checks for spam and viruses there are none of these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Spam.
    pub spam: Verdict,
    /// Viruses.
    pub virus: Verdict,
    /// Whether the server may send for the domain of the `Return-Path`.
    pub spf: Verdict,
    /// Whether a signature is valid.
    pub dkim: Verdict,
    /// Whether the domain in `From` is the one that SPF or DKIM prove.
    pub dmarc: Verdict,
}

impl Verdicts {
    /// Whether the domain in `From` is proven. If not, a reply proves only that somebody had the reference.
    pub fn proves_sender(&self) -> bool {
        self.dmarc == Verdict::Pass
    }

    /// Whether SES found spam or a virus.
    pub fn is_harmful(&self) -> bool {
        self.spam == Verdict::Fail || self.virus == Verdict::Fail
    }
}

const STATUS: Selection = Selection::Fields(&[("status", Selection::Scalar)]);
/// A list of texts.
const LIST: Selection = Selection::Fields(&[]);
const MAIL: Selection = Selection::Fields(&[
    ("messageId", Selection::Scalar),
    ("source", Selection::Scalar),
    ("timestamp", Selection::Scalar),
    ("headersTruncated", Selection::Scalar),
    (
        "headers",
        Selection::Fields(&[("name", Selection::Scalar), ("value", Selection::Scalar)]),
    ),
    (
        "commonHeaders",
        Selection::Fields(&[
            ("from", LIST),
            ("subject", Selection::Scalar),
            ("messageId", Selection::Scalar),
            ("returnPath", Selection::Scalar),
        ]),
    ),
]);
const RECEIPT: Selection = Selection::Fields(&[
    ("recipients", LIST),
    ("spamVerdict", STATUS),
    ("virusVerdict", STATUS),
    ("spfVerdict", STATUS),
    ("dkimVerdict", STATUS),
    ("dmarcVerdict", STATUS),
]);
const EVENT: Selection = Selection::Fields(&[(
    "Records",
    Selection::Fields(&[("ses", Selection::Fields(&[("mail", MAIL), ("receipt", RECEIPT)]))]),
)]);

/// Reads an invocation by a receipt rule. A record without the id of its message is left out.
///
/// # Errors
/// When the body is not JSON, or has more of the fields that we read than SES ever sends.
pub fn read_inbound(body: &[u8], domain: &ReplyDomain) -> Result<Vec<InboundEmail>, UnreadableJson> {
    let body = lenient_json::select(body, EVENT)?;
    let records = body.get("Records").and_then(Value::as_array);
    let records = records.map(Vec::as_slice).unwrap_or_default();
    let emails = records.iter().take(MAX_RECORDS);
    Ok(emails
        .filter_map(|record| inbound(record.get("ses")?, domain))
        .collect())
}

fn inbound(ses: &Value, domain: &ReplyDomain) -> Option<InboundEmail> {
    let mail = ses.get("mail")?;
    let text = |pointer: &str| mail.pointer(pointer).and_then(Value::as_str);
    let from = from(mail);
    let headers = mail.get("headers").and_then(Value::as_array);
    let headers = headers.map(Vec::as_slice).unwrap_or_default();
    let headers = || headers.iter().filter_map(header);
    let source = text("/source");
    let is_own = [
        source.and_then(|source| EmailAddress::parse(without_name(source)).ok()),
        from.clone(),
    ]
    .iter()
    .flatten()
    .any(|address| domain.has(address));
    let has_no_return_path = [source, text("/commonHeaders/returnPath")]
        .into_iter()
        .flatten()
        .any(is_empty_path);
    let message_id = text("/commonHeaders/messageId").or_else(|| {
        let mut headers = headers();
        headers
            .find(|(name, _)| name.eq_ignore_ascii_case("Message-ID"))
            .map(|(_, value)| value)
    });
    Some(InboundEmail {
        message: MessageId::from_json(mail.get("messageId"))?,
        references: references(ses, domain),
        subject: text("/commonHeaders/subject").and_then(Subject::new),
        at: text("/timestamp").and_then(Timestamp::parse),
        automatic: if is_own {
            Some(Automatic::Own)
        } else {
            automatic(headers()).or(has_no_return_path.then_some(Automatic::NoReturnPath))
        },
        headers_truncated: mail.get("headersTruncated") == Some(&Value::Bool(true)),
        sent_as: message_id.and_then(sent_as),
        verdicts: verdicts(ses),
        from,
    })
}

/// The envelope tells where a mail was delivered; `To` may name anyone.
fn references(ses: &Value, domain: &ReplyDomain) -> Vec<String> {
    let recipients = ses.pointer("/receipt/recipients").and_then(Value::as_array);
    let recipients = recipients.map(Vec::as_slice).unwrap_or_default();
    let mut references: Vec<String> = Vec::new();
    for recipient in recipients.iter().take(MAX_RECIPIENTS) {
        let reference = recipient.as_str().and_then(|recipient| domain.reference(recipient));
        references.extend(reference.filter(|reference| !references.contains(reference)));
    }
    references
}

/// The only address in `From`. Of several, none is the author.
fn from(mail: &Value) -> Option<EmailAddress> {
    match mail.pointer("/commonHeaders/from")?.as_array()?.as_slice() {
        [Value::String(only)] => EmailAddress::parse(without_name(only)).ok(),
        _ => None,
    }
}

fn header(header: &Value) -> Option<(&str, &str)> {
    Some((header.get("name")?.as_str()?, header.get("value")?.as_str()?))
}

/// Why no person may have written a mail with these headers, as far as they tell.
pub(super) fn automatic<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Automatic> {
    let mut found = None;
    for (name, value) in headers {
        let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '(');
        let word = value.trim().split(ends).next().unwrap_or_default().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "auto-submitted" if !word.is_empty() && word != "no" => return Some(Automatic::AutoSubmitted),
            "precedence" if matches!(word.as_str(), "bulk" | "junk" | "auto_reply") => found = Some(Automatic::Bulk),
            "return-path" if is_empty_path(value) => found = found.or(Some(Automatic::NoReturnPath)),
            _ => {}
        }
    }
    found
}

fn is_empty_path(path: &str) -> bool {
    matches!(path.trim(), "" | "<>")
}

/// The id that SES gave to a mail when it was sent.
fn sent_as(message_id: &str) -> Option<MessageId> {
    let (id, host) = without_name(message_id).split_once('@')?;
    let host = host.to_ascii_lowercase();
    let rest = host.strip_suffix(SES_DOMAIN)?;
    (rest.is_empty() || rest.ends_with('.'))
        .then(|| id.parse().ok())
        .flatten()
}

fn verdicts(ses: &Value) -> Verdicts {
    let verdict = |name: &str| {
        let status = ses
            .pointer("/receipt")
            .and_then(|of| of.get(name)?.get("status")?.as_str());
        match status.unwrap_or_default().to_ascii_uppercase().as_str() {
            "PASS" => Verdict::Pass,
            "FAIL" => Verdict::Fail,
            "GRAY" => Verdict::Gray,
            "PROCESSING_FAILED" => Verdict::ProcessingFailed,
            _ => Verdict::Unknown,
        }
    };
    Verdicts {
        spam: verdict("spamVerdict"),
        virus: verdict("virusVerdict"),
        spf: verdict("spfVerdict"),
        dkim: verdict("dkimVerdict"),
        dmarc: verdict("dmarcVerdict"),
    }
}

#[cfg(test)]
mod tests;
