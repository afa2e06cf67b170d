//! Validates documents: what the contract allows.

use roxmltree::{Document, Node};

use super::RequestRecord;

/// Maximum size of a document (twilio/CONTRACT.md 2.1).
const MAX_BODY: usize = 64 * 1024;
/// Maximum length of the text of one `<Say>` (twilio/CONTRACT.md 3).
const MAX_SAY: usize = 3_000;
/// Time-out of a request for a document.
const MAX_SECONDS: u64 = 15;

/// Verbs and nouns, with their attributes and allowed children (twilio/CONTRACT.md 3, 3.1, 4.1).
const ELEMENTS: [(&str, &[&str], &[&str]); 12] = [
    (
        "Response",
        &[],
        &[
            "Say", "Play", "Pause", "Gather", "Dial", "Redirect", "Hangup", "Pay", "Reject",
        ],
    ),
    ("Say", &["language", "voice", "loop"], &[]),
    ("Play", &["loop", "digits"], &[]),
    ("Pause", &["length"], &[]),
    (
        "Gather",
        &[
            "input",
            "action",
            "method",
            "timeout",
            "numDigits",
            "finishOnKey",
            "actionOnEmptyResult",
        ],
        &["Say", "Play", "Pause"],
    ),
    (
        "Dial",
        &[
            "action",
            "method",
            "timeout",
            "timeLimit",
            "callerId",
            "answerOnBridge",
            "hangupOnStar",
        ],
        &["Number"],
    ),
    (
        "Number",
        &["url", "method", "sendDigits", "statusCallback", "statusCallbackEvent"],
        &[],
    ),
    ("Redirect", &["method"], &[]),
    ("Hangup", &[], &[]),
    ("Reject", &["reason"], &[]),
    (
        "Pay",
        &[
            "input",
            "action",
            "statusCallback",
            "paymentMethod",
            "timeout",
            "maxAttempts",
            "securityCode",
            "postalCode",
            "minPostalCodeLength",
            "paymentConnector",
            "tokenType",
            "chargeAmount",
            "currency",
            "language",
            "description",
            "validCardTypes",
        ],
        &["Prompt", "Parameter"],
    ),
    (
        "Prompt",
        &["for", "attempt", "cardType", "errorType", "requireMatchingInputs"],
        &["Say", "Play", "Pause"],
    ),
];

const STEPS: [&str; 7] = [
    "payment-card-number",
    "expiration-date",
    "security-code",
    "postal-code",
    "payment-processing",
    "bank-account-number",
    "bank-routing-number",
];

/// All violations of the contract in a response.
pub(super) fn faults(answer: &RequestRecord) -> Vec<String> {
    let mut faults = Vec::new();
    if answer.status != 200 {
        faults.push(format!("response with status {}", answer.status));
        return faults;
    }
    if answer.took.as_secs() >= MAX_SECONDS {
        faults.push(format!("response after {} s", answer.took.as_secs()));
    }
    if !["text/xml", "application/xml"].contains(&answer.content_type.split(';').next().unwrap_or_default()) {
        faults.push(format!("content type {:?}", answer.content_type));
    }
    if answer.body.len() > MAX_BODY {
        faults.push("more than 64 kB".to_owned());
    }
    if !answer.body.starts_with("<?xml") {
        faults.push("does not begin with <?xml".to_owned());
    }
    match Document::parse(&answer.body) {
        Ok(document) if document.root_element().tag_name().name() != "Response" => {
            faults.push("the root is not <Response>".to_owned());
        }
        Ok(document) => check(document.root_element(), plain_origin(&answer.url), &mut faults),
        Err(error) => faults.push(format!("invalid XML: {error}")),
    }
    faults
}

/// The origin of a document that was fetched without TLS, which is an API on this machine. Twilio itself would not
/// request it. URLs in the document may point back to this origin, and to no other one without TLS.
fn plain_origin(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("http://").filter(|(before, _)| before.is_empty())?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    url.get(.."http://".len() + authority.len())
}

/// Whether a document of this origin may continue at `url`.
fn is_allowed_target(url: &str, plain_origin: Option<&str>) -> bool {
    let rest = plain_origin.and_then(|origin| url.strip_prefix(origin));
    url.starts_with("https://") || rest.is_some_and(|rest| rest.starts_with('/'))
}

fn check(node: Node<'_, '_>, plain_origin: Option<&str>, faults: &mut Vec<String>) {
    let name = node.tag_name().name();
    let known = ELEMENTS.into_iter().find(|(known, ..)| *known == name);
    let (attributes, children): (&[&str], &[&str]) = match known {
        Some((_, attributes, children)) => (attributes, children),
        None if name == "Parameter" => (&["name", "value"], &[]),
        None => {
            faults.push(format!("unknown verb <{name}>"));
            return;
        }
    };
    for attribute in node.attributes() {
        if !attributes.contains(&attribute.name()) {
            faults.push(format!("unknown attribute {} of <{name}>", attribute.name()));
        }
        if let Some(fault) = value_fault(name, attribute.name(), attribute.value(), plain_origin) {
            faults.push(fault);
        }
    }
    let text = text_of(node);
    match name {
        "Say" if text.is_empty() => faults.push("an empty <Say>".to_owned()),
        "Say" if text.chars().count() > MAX_SAY => faults.push("a <Say> longer than 3000 characters".to_owned()),
        "Redirect" if !is_allowed_target(&text, plain_origin) => {
            faults.push(format!("an invalid redirect to {text:?}"));
        }
        "Number" if !is_e164(&text) => faults.push(format!("an invalid number {text:?}")),
        _ => {}
    }
    for child in node.children().filter(Node::is_element) {
        let inner = child.tag_name().name();
        if !children.contains(&inner) {
            faults.push(format!("<{inner}> is not allowed in <{name}>"));
        }
        check(child, plain_origin, faults);
    }
}

fn value_fault(verb: &str, name: &str, value: &str, plain_origin: Option<&str>) -> Option<String> {
    let number = value.parse::<u32>().ok();
    let is_valid = match (verb, name) {
        ("Pay", "maxAttempts") => ["1", "2", "3"].contains(&value),
        ("Pay", "tokenType") => ["one-time", "reusable", "payment-method"].contains(&value),
        ("Pay", "paymentMethod") => ["credit-card", "ach-debit"].contains(&value),
        ("Pay", "language") => ["en-US", "en-GB", "en-us"].contains(&value),
        ("Pay", "chargeAmount") => value
            .parse::<f64>()
            .is_ok_and(|amount| (0.0..=1_000_000.0).contains(&amount)),
        ("Prompt", "for") => STEPS.contains(&value),
        ("Prompt", "attempt") => value.split(' ').all(|one| ["1", "2", "3"].contains(&one)),
        (_, "method") => ["GET", "POST"].contains(&value),
        (_, "timeout" | "length" | "numDigits") => number.is_some_and(|number| number > 0),
        ("Dial" | "Gather" | "Pay", "action") => is_allowed_target(value, plain_origin),
        _ => true,
    };
    (!is_valid).then(|| format!("invalid attribute: <{verb} {name}={value:?}>"))
}

/// The trimmed text of an element.
pub(super) fn text_of(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().trim().to_owned()
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn faults_of(verbs: &str) -> Vec<String> {
        faults(&RequestRecord {
            url: String::new(),
            form: vec![],
            status: 200,
            content_type: "text/xml".into(),
            body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>"),
            took: Duration::ZERO,
        })
    }

    #[test]
    fn violations_of_the_contract_are_faults() {
        assert_eq!(faults_of("<Say>Hello</Say><Pause/><Hangup/>"), Vec::<String>::new());
        for verbs in [
            "<Shout>Hello</Shout>",
            "<Say volume=\"9\">Hello</Say>",
            "<Say></Say>",
            "<Pay action=\"http://a.example/\"/>",
            "<Pay method=\"POST\"/>",
            "<Pay maxAttempts=\"4\"/>",
            "<Gather><Dial/></Gather>",
            "<Dial><Number>12</Number></Dial>",
            "<Redirect>/relative</Redirect>",
            "<Pay><Prompt for=\"cvc\"/></Pay>",
            "<Say>",
        ] {
            assert!(!faults_of(verbs).is_empty(), "{verbs}");
        }
    }

    #[test]
    fn urls_need_tls_unless_they_point_back_to_the_local_origin() {
        let local = plain_origin("http://127.0.0.1:8080/twilio/transfer/x");
        assert_eq!(local, Some("http://127.0.0.1:8080"));
        assert_eq!(plain_origin("https://hooks.example.org/http://x"), None);
        for (url, from_tls, from_local) in [
            ("https://hooks.example.org/a", true, true),
            ("http://127.0.0.1:8080/a", false, true),
            ("http://127.0.0.1:80801/a", false, false),
            ("http://127.0.0.1:8080.example.org/a", false, false),
            ("/a", false, false),
        ] {
            assert_eq!(
                (is_allowed_target(url, None), is_allowed_target(url, local)),
                (from_tls, from_local),
                "{url}"
            );
        }
    }
}
