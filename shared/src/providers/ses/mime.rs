//! The text of a mail that came in, out of the MIME object that SES stores in S3 (CONTRACT.md 6).
//!
//! This is no complete MIME parser. It reads the texts that a person wrote, and skips attachments. Whatever a mail
//! contains, it reads a bounded part of it, to a bounded depth, and never fails.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::inbound::{Automatic, automatic};
use super::quoted::without_quotes;
use crate::speech;

/// The bytes of a mail that are read. A caller need not fetch more, except for one byte that tells whether there are
/// more: texts come before attachments.
pub const MAX_RAW_BYTES: usize = 1_000_000;
/// Longest text that is returned, in bytes.
const MAX_TEXT_BYTES: usize = 100_000;
/// Depth of nested parts that are read. A reply with pictures and a signature has 4.
const MAX_DEPTH: usize = 8;
/// Most parts that are read.
const MAX_PARTS: usize = 200;
/// Most headers of a part that are read, and the longest value, in bytes.
const MAX_HEADERS: usize = 500;
const MAX_HEADER_BYTES: usize = 10_000;

/// Base64 with or without its padding, and cut off anywhere.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a person wrote in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailText {
    /// All of it, for people; empty if there is no text.
    pub whole: String,
    /// Without the mail that it answers, to look for words that opt out. Empty if nothing is left.
    pub new: String,
    /// Why no person may have written it, according to all headers. Tells nothing about our own addresses.
    pub automatic: Option<Automatic>,
    /// Something was left out: the mail or its text is too long.
    pub is_cut: bool,
}

/// Reads a mail, or the first [`MAX_RAW_BYTES`] of it.
pub fn read_mail(raw: &[u8]) -> MailText {
    let read = raw.get(..MAX_RAW_BYTES).unwrap_or(raw);
    let mail = Part::parse(read);
    let mut budget = MAX_PARTS;
    let text = text_of(&mail, MAX_DEPTH, &mut budget).unwrap_or_default();
    let (whole, is_whole_cut) = cut(&text.whole);
    let (new, _) = cut(&without_quotes(&text.unquoted));
    let headers = mail.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    MailText {
        whole,
        new,
        automatic: automatic(headers),
        is_cut: is_whole_cut || raw.len() > MAX_RAW_BYTES,
    }
}

/// Trims a text and cuts it off at [`MAX_TEXT_BYTES`].
fn cut(text: &str) -> (String, bool) {
    let text = text.trim();
    let (kept, rest) = text.split_at(text.floor_char_boundary(MAX_TEXT_BYTES));
    (kept.to_owned(), !rest.is_empty())
}

/// A text as it is, and without the quotes that only HTML marks.
#[derive(Default)]
struct Text {
    whole: String,
    unquoted: String,
}

impl Text {
    fn append(&mut self, other: &Self) {
        for (text, more) in [(&mut self.whole, &other.whole), (&mut self.unquoted, &other.unquoted)] {
            if !text.is_empty() && !more.is_empty() {
                text.push('\n');
            }
            text.push_str(more);
        }
    }
}

/// A mail, or a part of one.
struct Part<'a> {
    /// Names and unfolded values.
    headers: Vec<(String, String)>,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    fn parse(raw: &'a [u8]) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut rest = raw;
        while let Some((line, after)) = split_line(rest) {
            rest = after;
            if line.is_empty() {
                break;
            }
            let line = String::from_utf8_lossy(line);
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut()
                    && value.len() + line.len() <= MAX_HEADER_BYTES
                {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':')
                && headers.len() < MAX_HEADERS
                && line.len() <= MAX_HEADER_BYTES
            {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        Self { headers, body: rest }
    }

    fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The first word of a header, in lower case: a media type, an encoding.
    fn word(&self, name: &str) -> String {
        let value = self.header(name);
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        parameters(self.header("content-type")).find_map(|(known, value)| (known == name).then_some(value))
    }

    /// The body without its transfer encoding, as text.
    fn decoded(&self) -> String {
        let charset = self.parameter("charset");
        let text = match self.word("content-transfer-encoding").as_str() {
            "base64" => decode_charset(&decode_base64(self.body), charset.as_deref()),
            "quoted-printable" => decode_charset(&decode_quoted_printable(self.body), charset.as_deref()),
            _ => decode_charset(self.body, charset.as_deref()),
        };
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        text.chars()
            .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
            .collect()
    }
}

/// A line without its end, and what follows; `None` at the end.
fn split_line(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    if raw.is_empty() {
        return None;
    }
    let end = raw.iter().position(|&byte| byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (raw.get(..end)?, raw.get(end + 1..)?),
        None => (raw, [].as_slice()),
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

/// The parameters of a header such as `text/plain; charset="utf-8"`, names in lower case.
fn parameters(header: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(';').unwrap_or((after, "")),
        };
        rest = next;
        let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    })
}

/// What a person wrote in a part; `None` if it is an attachment.
fn text_of(part: &Part<'_>, depth: usize, budget: &mut usize) -> Option<Text> {
    *budget = budget.checked_sub(1)?;
    if part.word("content-disposition") == "attachment" {
        return None;
    }
    let media = part.word("content-type");
    match media.as_str() {
        "" | "text" | "text/plain" => {
            let text = part.decoded();
            Some(Text {
                unquoted: text.clone(),
                whole: text,
            })
        }
        "text/html" => {
            let html = part.decoded();
            Some(Text {
                unquoted: plain(&without_html_quotes(&html)),
                whole: plain(&html),
            })
        }
        _ if media.starts_with("multipart/") => {
            let depth = depth.checked_sub(1)?;
            text_of_parts(part, media == "multipart/alternative", depth, budget)
        }
        _ => None,
    }
}

/// The texts of all parts, or of the first of several alternatives: they begin with the plainest.
fn text_of_parts(part: &Part<'_>, is_alternative: bool, depth: usize, budget: &mut usize) -> Option<Text> {
    let boundary = part.parameter("boundary").filter(|boundary| !boundary.is_empty())?;
    let mut all = Text::default();
    for raw in split_parts(part.body, &boundary) {
        let Some(text) = text_of(&Part::parse(raw), depth, budget) else {
            continue;
        };
        all.append(&text);
        if is_alternative && !all.whole.trim().is_empty() {
            break;
        }
    }
    Some(all)
}

/// The parts between the lines of a boundary. The last one need not be closed.
fn split_parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start = None;
    let mut rest = body;
    while let Some((line, after)) = split_line(rest) {
        if let Some(end) = line.strip_prefix(delimiter.as_bytes())
            && matches!(end.trim_ascii(), b"" | b"--")
        {
            parts.extend(start.and_then(|from| body.get(from..body.len() - rest.len())));
            if !end.trim_ascii().is_empty() || parts.len() >= MAX_PARTS {
                return parts;
            }
            start = Some(body.len() - after.len());
        }
        rest = after;
    }
    parts.extend(start.and_then(|from| body.get(from..)));
    parts
}

fn decode_base64(body: &[u8]) -> Vec<u8> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut digits: Vec<u8> = body.iter().copied().filter(is_digit).collect();
    // A single digit holds no byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    BASE64.decode(digits).unwrap_or_default()
}

fn decode_quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        match after {
            [b'\n', next @ ..] | [b'\r', b'\n', next @ ..] => rest = next,
            [high, low, next @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = next;
                }
                // Not an escape: a mail that only claims to be encoded.
                _ => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
    out
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Text in UTF-8 is often labeled as another charset, and hardly any other text is valid UTF-8 by chance.
fn decode_charset(bytes: &[u8], charset: Option<&str>) -> String {
    let stated = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    let is_vague = stated.is_none_or(|stated| stated == WINDOWS_1252);
    let encoding = if is_vague && std::str::from_utf8(bytes).is_ok() {
        UTF_8
    } else {
        stated.unwrap_or(WINDOWS_1252)
    };
    encoding.decode(bytes).0.into_owned()
}

/// HTML as text, with a line for each block.
fn plain(html: &str) -> String {
    let text = speech::plain(&html.replace(['\n', '\r', '\t'], " "));
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Attributes of the element where the quote begins, in the HTML of mail programs that do not use `blockquote`.
const QUOTE_MARKS: [&str; 3] = ["divrplyfwdmsg", "appendonsend", "yahoo_quoted"];
const OPEN: &str = "<blockquote";
const CLOSE: &str = "</blockquote";

/// HTML without the elements in which mail programs quote.
fn without_html_quotes(html: &str) -> String {
    // Same length in bytes, so positions are valid in both.
    let lower = html.to_ascii_lowercase();
    let marks = QUOTE_MARKS.iter().filter_map(|mark| lower.find(mark));
    // The mark is an attribute: the element begins before it.
    let end = marks.min().map_or(html.len(), |mark| {
        lower.get(..mark).and_then(|before| before.rfind('<')).unwrap_or(mark)
    });
    let mut out = String::with_capacity(end);
    let mut depth = 0_usize;
    let mut at = 0;
    // Each step goes from one `<` to the next, so the time is linear in the length of the text.
    while at < end {
        let rest = lower.get(at..end).unwrap_or_default();
        let (before, tag) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        let tag_at = at + before.len();
        let (opens, closes) = (tag.starts_with(OPEN), tag.starts_with(CLOSE));
        if depth == 0 {
            out.push_str(html.get(at..tag_at).unwrap_or_default());
        }
        if opens || closes {
            depth = if opens { depth + 1 } else { depth.saturating_sub(1) };
            at = tag_at + tag.find('>').map_or(tag.len(), |close| close + 1);
            // A mark where the quote was: what introduces it is removed, and what follows it is kept.
            out.push_str(if depth == 0 { "<br>&gt;<br>" } else { "" });
        } else {
            if depth == 0 && !tag.is_empty() {
                out.push('<');
            }
            at = tag_at + 1;
        }
    }
    out
}

#[cfg(test)]
mod tests;
