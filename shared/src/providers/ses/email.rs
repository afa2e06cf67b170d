//! An e-mail to one customer, and the request that sends it (CONTRACT.md 1, 5 and 7).
//!
//! One recipient in each request: SES rejects the whole message if one of several addresses is bad.

use serde_json::{Value, json};
use url::Url;

use super::address::EmailAddress;
use super::header::{DisplayName, Subject, breaks_lines};

/// Longest header that SES lets us add, in characters: its value alone, and with its name. We add far fewer than the 15
/// that it allows.
const MAX_HEADER_VALUE: usize = 995;
const MAX_HEADER: usize = 996;
/// Longest tag value, in characters.
const MAX_TAG: usize = 256;
/// Longest name of a configuration set, in characters.
const MAX_CONFIGURATION_SET: usize = 64;
/// Longest text, in bytes. Our own limit: SES accepts 40 MB, nobody reads them.
const MAX_TEXT_BYTES: usize = 100_000;

const UNSUBSCRIBE: &str = "List-Unsubscribe";
const UNSUBSCRIBE_POST: &str = "List-Unsubscribe-Post";
/// The names of our tags. They come back in events.
pub(super) const INTERACTION_TAG: &str = "interaction";
pub(super) const ATTEMPT_TAG: &str = "attempt";

/// Why a text cannot be this part of an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPart {
    /// Nothing but white space.
    #[error("the text of the e-mail is empty")]
    EmptyText,
    /// More bytes than we send.
    #[error("the text of the e-mail is too long")]
    LongText,
    /// Not an https URL, or one that a header cannot hold.
    #[error("not an https URL that fits into a header")]
    OptOutUrl,
    /// Not 1 to 256 characters of `A-Za-z0-9_-`.
    #[error("a tag has 1 to 256 letters, digits, underscores and hyphens")]
    Tag,
    /// Not 1 to 64 characters of `A-Za-z0-9_-`.
    #[error("a configuration set's name has 1 to 64 letters, digits, underscores and hyphens")]
    ConfigurationSet,
}

/// Who an e-mail is from. SES must have verified the address or its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The name that mail programs show.
    pub name: Option<DisplayName>,
    /// The address.
    pub address: EmailAddress,
}

impl Sender {
    fn header_value(&self) -> String {
        let address = self.address.as_str();
        match &self.name {
            Some(name) => format!("{} <{address}>", name.encoded()),
            None => address.to_owned(),
        }
    }
}

/// The text of an e-mail: not empty, lines end in `\n`, no other control characters than tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyText(String);

impl BodyText {
    /// Converts line ends to `\n` and drops other control characters.
    ///
    /// # Errors
    /// Nothing is left, or the text has more than 100,000 bytes.
    pub fn new(text: &str) -> Result<Self, InvalidPart> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidPart::LongText);
        }
        let lines = text.replace("\r\n", "\n");
        let lines = lines.replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
        let kept: String = lines
            .chars()
            .filter(|&c| matches!(c, '\n' | '\t') || !breaks_lines(c))
            .collect();
        if kept.trim().is_empty() {
            return Err(InvalidPart::EmptyText);
        }
        Ok(Self(kept))
    }

    /// The cleaned text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The same text for mail programs that prefer HTML. It is always made from a text, so nothing in it is markup of a
/// customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Escapes `text`. Empty lines separate paragraphs.
    pub fn from_text(text: &BodyText) -> Self {
        // `dir="auto"`: each paragraph runs in the direction of its own script.
        let mut html = String::from("<!doctype html><html><body>");
        let mut is_open = false;
        for line in text.as_str().lines() {
            if line.trim().is_empty() {
                html.push_str(if is_open { "</p>" } else { "" });
                is_open = false;
                continue;
            }
            html.push_str(if is_open { "<br>" } else { "<p dir=\"auto\">" });
            is_open = true;
            escape(line, &mut html);
        }
        html.push_str(if is_open { "</p>" } else { "" });
        html.push_str("</body></html>");
        Self(html)
    }

    /// The HTML document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

/// The URL to which a mail program posts when the customer clicks its opt-out button (RFC 8058). Its path identifies the
/// customer, is signed, and must stay valid as long as people keep their mails.
#[derive(Clone, PartialEq, Eq)]
pub struct OptOutUrl(String);

impl OptOutUrl {
    /// Parses an https URL without credentials and fragment.
    ///
    /// # Errors
    /// It is another URL, or the header cannot hold it.
    pub fn parse(text: &str) -> Result<Self, InvalidPart> {
        // The URL parser would drop tabs and line breaks without an error.
        if text.len() > MAX_HEADER || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidPart::OptOutUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidPart::OptOutUrl)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let url_text = url.as_str();
        let is_plain = url_text
            .bytes()
            // Some readers split the header at commas, although it is one URI.
            .all(|byte| byte.is_ascii_graphic() && !b"<>,\"".contains(&byte));
        let value_len = "<>".len() + url_text.len();
        let fits = value_len <= MAX_HEADER_VALUE && UNSUBSCRIBE.len() + value_len <= MAX_HEADER;
        if url.scheme() != "https" || has_credentials || url.fragment().is_some() || !is_plain || !fits {
            return Err(InvalidPart::OptOutUrl);
        }
        Ok(Self(url.into()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Both headers. Without the second one a mail program shows no button.
    fn headers(&self) -> [(&'static str, String); 2] {
        [
            (UNSUBSCRIBE, format!("<{}>", self.0)),
            (UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click".to_owned()),
        ]
    }
}

/// Anyone with the URL can opt the customer out, so it is not printed.
impl std::fmt::Debug for OptOutUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[opt-out URL]")
    }
}

/// The value of a tag: 1 to 256 letters, digits, underscores and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagValue(String);

impl TagValue {
    /// Checks a value.
    ///
    /// # Errors
    /// It is empty or too long, or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidPart> {
        if is_word(text, MAX_TAG) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPart::Tag)
        }
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What we must know again when an event comes: it may be all that is left of a request whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The interaction that the e-mail belongs to.
    pub interaction: TagValue,
    /// The ordinal of the attempt, counted from 1.
    pub attempt: u32,
}

/// The name of the configuration set, through which SES publishes events. Without one there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationSet(String);

impl ConfigurationSet {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty or too long, or has another character than letters, digits, underscores and hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidPart> {
        if is_word(text, MAX_CONFIGURATION_SET) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPart::ConfigurationSet)
        }
    }
}

fn is_word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// How a subject that is not ASCII is written. Documentation and common use disagree (CONTRACT.md 1), so a deployment
/// can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectForm {
    /// As UTF-8, with its charset, as common use has it. SES encodes it.
    #[default]
    Utf8,
    /// As encoded words (RFC 2047), as the documentation demands.
    EncodedWords,
}

/// An e-mail to one customer. Every part was checked when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Who it is from.
    pub from: Sender,
    /// Who gets it.
    pub to: EmailAddress,
    /// Where replies go: an address of [`super::ReplyDomain`], which has the reference of the conversation.
    pub reply_to: EmailAddress,
    /// The subject.
    pub subject: Subject,
    /// What a program without HTML shows.
    pub text: BodyText,
    /// The same text as HTML.
    pub html: Option<Html>,
    /// Where a click on the opt-out button goes.
    pub opt_out: Option<OptOutUrl>,
    /// What events about it carry.
    pub tags: Tags,
    /// The configuration set that publishes these events.
    pub configuration_set: ConfigurationSet,
}

impl Email {
    /// The body of `SendEmail` (CONTRACT.md 1).
    pub(super) fn request(&self, subject: SubjectForm) -> Value {
        let subject = match subject {
            SubjectForm::Utf8 => self.subject.as_str().to_owned(),
            SubjectForm::EncodedWords => self.subject.encoded(),
        };
        let mut body = json!({ "Text": utf8(self.text.as_str()) });
        if let (Some(html), Some(body)) = (&self.html, body.as_object_mut()) {
            body.insert("Html".to_owned(), utf8(html.as_str()));
        }
        let mut simple = json!({ "Subject": utf8(&subject), "Body": body });
        let headers = self.headers();
        if let (false, Some(simple)) = (headers.is_empty(), simple.as_object_mut()) {
            simple.insert("Headers".to_owned(), headers.into());
        }
        json!({
            "FromEmailAddress": self.from.header_value(),
            "Destination": { "ToAddresses": [self.to.as_str()] },
            "ReplyToAddresses": [self.reply_to.as_str()],
            "ConfigurationSetName": self.configuration_set.0,
            "EmailTags": [
                { "Name": INTERACTION_TAG, "Value": self.tags.interaction.as_str() },
                { "Name": ATTEMPT_TAG, "Value": self.tags.attempt.to_string() },
            ],
            "Content": { "Simple": simple },
        })
    }

    fn headers(&self) -> Vec<Value> {
        let headers = self.opt_out.iter().flat_map(OptOutUrl::headers);
        headers
            .map(|(name, value)| json!({ "Name": name, "Value": value }))
            .collect()
    }
}

fn utf8(text: &str) -> Value {
    json!({ "Data": text, "Charset": "UTF-8" })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::providers::ses) fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).expect(text)
    }

    pub(in crate::providers::ses) fn email(subject: &str, text: &str) -> Email {
        let text = BodyText::new(text).expect("a text");
        Email {
            from: Sender {
                name: DisplayName::new("Acme"),
                address: address("care@example.org"),
            },
            to: address("ana@example.net"),
            reply_to: address("r+01made-up.9f3c@in.example.org"),
            subject: Subject::new(subject).expect("a subject"),
            html: Some(Html::from_text(&text)),
            text,
            opt_out: Some(OptOutUrl::parse("https://hooks.example.org/o/REF.TAG").expect("a URL")),
            tags: Tags {
                interaction: TagValue::parse("01MADEUP").expect("a tag"),
                attempt: 1,
            },
            configuration_set: ConfigurationSet::parse("patchbay").expect("a name"),
        }
    }

    #[test]
    fn request_has_every_part_at_its_place() {
        let expected = json!({
            "FromEmailAddress": "\"Acme\" <care@example.org>",
            "Destination": { "ToAddresses": ["ana@example.net"] },
            "ReplyToAddresses": ["r+01made-up.9f3c@in.example.org"],
            "ConfigurationSetName": "patchbay",
            "EmailTags": [{ "Name": "interaction", "Value": "01MADEUP" }, { "Name": "attempt", "Value": "1" }],
            "Content": { "Simple": {
                "Subject": { "Data": "Grüße", "Charset": "UTF-8" },
                "Body": {
                    "Text": { "Data": "Hi & bye\n", "Charset": "UTF-8" },
                    "Html": {
                        "Data": "<!doctype html><html><body><p dir=\"auto\">Hi &amp; bye</p></body></html>",
                        "Charset": "UTF-8",
                    },
                },
                "Headers": [
                    { "Name": "List-Unsubscribe", "Value": "<https://hooks.example.org/o/REF.TAG>" },
                    { "Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click" },
                ],
            } },
        });
        assert_eq!(email("Grüße", "Hi & bye\r\n").request(SubjectForm::Utf8), expected);
    }

    #[test]
    fn optional_parts_are_left_out() {
        let mut plain = email("Hi", "Hi");
        (plain.html, plain.opt_out, plain.from.name) = (None, None, None);
        let request = plain.request(SubjectForm::Utf8);
        assert_eq!(request["FromEmailAddress"], "care@example.org");
        let simple = &request["Content"]["Simple"];
        assert_eq!(simple["Body"], json!({ "Text": { "Data": "Hi", "Charset": "UTF-8" } }));
        assert_eq!(simple.get("Headers"), None);
    }

    #[test]
    fn subject_is_written_in_either_form() {
        let subject = |text: &str, form| email(text, "Hi").request(form)["Content"]["Simple"]["Subject"].clone();
        let utf8 = |text: &str| json!({ "Data": text, "Charset": "UTF-8" });
        assert_eq!(subject("Grüße", SubjectForm::Utf8), utf8("Grüße"));
        assert_eq!(
            subject("Grüße", SubjectForm::EncodedWords),
            utf8("=?UTF-8?B?R3LDvMOfZQ==?=")
        );
        assert_eq!(subject("Hi", SubjectForm::EncodedWords), utf8("Hi"));
        let injected = subject("Hi\r\nBcc: evil@example.net", SubjectForm::Utf8);
        assert_eq!(injected, utf8("Hi Bcc: evil@example.net"));
    }

    #[test]
    fn name_of_the_sender_cannot_become_an_address() {
        let mut forged = email("Hi", "Hi");
        forged.from.name = DisplayName::new("x\" <evil@example.net>, \"y\r\nBcc: evil@example.net");
        assert_eq!(
            forged.request(SubjectForm::Utf8)["FromEmailAddress"],
            r#""x\" <evil@example.net>, \"y Bcc: evil@example.net" <care@example.org>"#
        );
    }

    #[test]
    fn html_is_made_of_text_alone() {
        let html = |text: &str| Html::from_text(&BodyText::new(text).expect(text)).0;
        let body = |html: &str| format!("<!doctype html><html><body>{html}</body></html>");
        assert_eq!(
            html("Hi <b>\"you\"</b> & 'me'\nline\n\n \nnext\n"),
            body(
                "<p dir=\"auto\">Hi &lt;b&gt;&quot;you&quot;&lt;/b&gt; &amp; &#39;me&#39;<br>line</p><p dir=\"auto\">next</p>"
            )
        );
        assert_eq!(
            html("</p><script>"),
            body("<p dir=\"auto\">&lt;/p&gt;&lt;script&gt;</p>")
        );
    }

    #[test]
    fn text_has_plain_line_ends_and_no_control_characters() {
        let text = |text: &str| BodyText::new(text).map(|text| text.0);
        assert_eq!(
            text("a\r\nb\rc\u{2028}d\u{85}e\0\u{1b}\tf"),
            Ok("a\nb\nc\nd\ne\tf".to_owned())
        );
        for empty in ["", " \r\n", "\0\u{7f}"] {
            assert_eq!(text(empty), Err(InvalidPart::EmptyText), "{empty:?}");
        }
        assert!(text(&"a".repeat(100_000)).is_ok());
        assert_eq!(text(&"a".repeat(100_001)), Err(InvalidPart::LongText));
    }

    #[test]
    fn opt_out_url_is_one_https_url_that_fits_into_its_header() {
        let fitting = |len: usize| {
            format!(
                "https://a.example.org/{}",
                "o".repeat(len - "https://a.example.org/".len())
            )
        };
        let longest = MAX_HEADER - UNSUBSCRIBE.len() - 2;
        assert!(OptOutUrl::parse(&fitting(longest)).is_ok());
        for wrong in [
            "http://a.example.org/o",
            "mailto:out@example.org",
            "https://u:p@a.example.org/o",
            "https://a.example.org/o#x",
            "https://a.example.org/o>,<https://evil.example.net",
            "https://a.example.org/a,b",
            "https://a.example.org/o\r\nBcc: evil@example.net",
            "https://a.example.org/o\n",
            "https://a.example.org/ü",
            " https://a.example.org/o",
            "https://",
            "",
            &fitting(longest + 1),
        ] {
            assert_eq!(OptOutUrl::parse(wrong), Err(InvalidPart::OptOutUrl), "{wrong:.60}");
        }
    }

    #[test]
    fn headers_stay_within_the_limits_of_ses() {
        let longest = MAX_HEADER - UNSUBSCRIBE.len() - 2;
        let url = format!(
            "https://a.example.org/{}",
            "o".repeat(longest - "https://a.example.org/".len())
        );
        let mut full = email("Hi", "Hi");
        full.opt_out = Some(OptOutUrl::parse(&url).expect("a URL"));
        let headers = full.headers();
        assert!(headers.len() <= 15);
        for header in headers {
            let (name, value) = (
                header["Name"].as_str().expect("a name"),
                header["Value"].as_str().expect("a value"),
            );
            assert!(
                (1..=126).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
            );
            assert!((1..=MAX_HEADER_VALUE).contains(&value.len()) && name.len() + value.len() <= MAX_HEADER);
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value}");
        }
    }

    #[test]
    fn tags_and_names_have_the_characters_of_ses() {
        assert!(TagValue::parse(&"a".repeat(256)).is_ok() && ConfigurationSet::parse(&"a".repeat(64)).is_ok());
        assert!(ConfigurationSet::parse(&"a".repeat(65)).is_err());
        for wrong in ["", "a.b", "a b", "ü", "a\n", &"a".repeat(257)] {
            assert_eq!(TagValue::parse(wrong), Err(InvalidPart::Tag));
            assert_eq!(ConfigurationSet::parse(wrong), Err(InvalidPart::ConfigurationSet));
        }
    }

    proptest! {
        #[test]
        fn no_text_adds_markup_or_a_line_to_a_header(text in any::<String>()) {
            let Ok(body) = BodyText::new(&text) else { return Ok(()) };
            let html = Html::from_text(&body).0;
            let inner = html.replace("<p dir=\"auto\">", "").replace("<br>", "").replace("</p>", "");
            let inner = inner.strip_prefix("<!doctype html><html><body>").and_then(|of| of.strip_suffix("</body></html>"));
            prop_assert!(inner.is_some_and(|inner| !inner.contains(['<', '>', '"', '\''])), "{}", html);
            let Some(subject) = Subject::new(&text) else { return Ok(()) };
            let written = Email { subject, ..email("Hi", "Hi") }.request(SubjectForm::Utf8);
            let written = written.pointer("/Content/Simple/Subject/Data").and_then(Value::as_str);
            prop_assert!(written.is_some_and(|of| !of.chars().any(breaks_lines)));
        }
    }
}
