//! Reads the body of `SendEmail` (ses/CONTRACT.md 1, 7).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const KNOWN: [&str; 6] = [
    "FromEmailAddress",
    "Destination",
    "ReplyToAddresses",
    "ConfigurationSetName",
    "EmailTags",
    "Content",
];
const MOST_RECIPIENTS: usize = 50;
const MOST_HEADERS: usize = 15;
const MAX_HEADER: usize = 996;
const MAX_TAG: usize = 256;

/// A valid request.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) reply_to: Vec<String>,
    pub(super) configuration_set: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    /// What SES accepts, but no correct client sends.
    pub(super) remarks: Vec<String>,
}

/// Reads a request.
///
/// # Errors
/// The message of a `BadRequestException`.
pub(super) fn read(body: &[u8]) -> Result<Order, String> {
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| "The body is not a JSON object")?;
    let mut remarks: Vec<String> = body
        .keys()
        .filter(|name| !KNOWN.contains(&name.as_str()))
        .map(|name| format!("unknown field {name}"))
        .collect();
    let body = Value::Object(body);
    let from = text(&body, "/FromEmailAddress").ok_or("FromEmailAddress is missing")?;
    let to = addresses(&body, "/Destination/ToAddresses")?;
    let others = ["/Destination/CcAddresses", "/Destination/BccAddresses"];
    if others.iter().any(|pointer| body.pointer(pointer).is_some()) {
        remarks.push("more than one recipient".to_owned());
    }
    if to.is_empty() || to.len() > MOST_RECIPIENTS {
        return Err("The number of recipients must be from 1 to 50".to_owned());
    }
    let subject = text(&body, "/Content/Simple/Subject/Data").ok_or("The subject is missing")?;
    if subject.chars().any(char::is_control) || from.chars().any(char::is_control) {
        remarks.push("a control character in the subject or the sender".to_owned());
    }
    if text(&body, "/Content/Simple/Subject/Charset").is_none() {
        remarks.push("a subject without Charset".to_owned());
    }
    let order = Order {
        from,
        to,
        reply_to: addresses(&body, "/ReplyToAddresses")?,
        configuration_set: text(&body, "/ConfigurationSetName"),
        tags: tags(&body)?,
        subject,
        text: text(&body, "/Content/Simple/Body/Text/Data").ok_or("The text is missing")?,
        html: text(&body, "/Content/Simple/Body/Html/Data"),
        headers: headers(&body)?,
        remarks,
    };
    Ok(with_header_remarks(order))
}

fn text(body: &Value, pointer: &str) -> Option<String> {
    body.pointer(pointer)?.as_str().map(str::to_owned)
}

fn list<'a>(body: &'a Value, pointer: &str) -> &'a [Value] {
    let list = body.pointer(pointer).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Addresses without names. A bad one refuses the whole request.
fn addresses(body: &Value, pointer: &str) -> Result<Vec<String>, String> {
    let addresses = list(body, pointer).iter().map(Value::as_str);
    let addresses = addresses.map(|address| address.filter(|address| is_address(address)).map(str::to_owned));
    addresses
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "Illegal address".to_owned())
}

/// One `@`, a 7-bit local part, and nothing that would end the address.
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let ends = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '@');
    !local.is_empty()
        && local.is_ascii()
        && domain.is_ascii()
        && domain.contains('.')
        && !text.replacen('@', "", 1).contains(ends)
}

/// Names and values of a list.
fn pairs(body: &Value, pointer: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |entry: &Value| Some((text(entry, "/Name")?, text(entry, "/Value")?));
    let pairs = list(body, pointer).iter().map(pair).collect::<Option<Vec<_>>>();
    pairs.ok_or_else(|| format!("{pointer} needs Name and Value"))
}

fn tags(body: &Value) -> Result<BTreeMap<String, String>, String> {
    let is_word = |text: &String| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(is_part)
    };
    let tags = pairs(body, "/EmailTags")?;
    if !tags.iter().all(|(name, value)| is_word(name) && is_word(value)) {
        return Err("Invalid tag".to_owned());
    }
    Ok(tags.into_iter().collect())
}

fn headers(body: &Value) -> Result<Vec<(String, String)>, String> {
    let headers = pairs(body, "/Content/Simple/Headers")?;
    let is_printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let is_header = |(name, value): &(String, String)| {
        (1..=126).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
            && (1..MAX_HEADER).contains(&value.len())
            && name.len() + value.len() <= MAX_HEADER
            && is_printable(value)
    };
    if headers.len() > MOST_HEADERS || !headers.iter().all(is_header) {
        return Err("Invalid header".to_owned());
    }
    Ok(headers)
}

/// Headers that SES writes itself must not come a second time, and the two of the opt-out button belong together.
fn with_header_remarks(mut order: Order) -> Order {
    const OWN: [&str; 7] = ["from", "to", "subject", "reply-to", "message-id", "date", "return-path"];
    let mut names: Vec<String> = order
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    names.sort();
    let has = |name: &str| names.iter().any(|other| other == name);
    if names.windows(2).any(|pair| pair.first() == pair.last()) || OWN.iter().any(|name| has(name)) {
        order.remarks.push("a header twice".to_owned());
    }
    if has("list-unsubscribe") != has("list-unsubscribe-post") {
        order
            .remarks
            .push("half of the headers of the opt-out button".to_owned());
    }
    order
}
