//! Verifies AWS Signature Version 4, without the code that signs.

use std::fmt::Write as _;
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::chat::signature::hmac;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The name for which requests to SES are signed.
const SERVICE: &str = "ses";
/// How far the time of a signature may be from ours.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Paths are encoded once more, segment by segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The keys and the region for which requests must be signed.
pub(super) struct Keys<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
    pub(super) region: &'a str,
}

/// What is wrong with the signature of a request.
///
/// # Errors
/// What is wrong.
pub(super) fn verify(request: &Request, keys: &Keys<'_>, now: Timestamp) -> Result<(), &'static str> {
    let header = |name: &str| {
        let values = request.headers().get_all(name).iter();
        let values: Option<Vec<&str>> = values.map(|value| value.to_str().ok()).collect();
        values
            .filter(|values| !values.is_empty())
            .map(|values| values.join(","))
    };
    let authorization = header("authorization").ok_or("there is no signature")?;
    let fields = authorization.strip_prefix(ALGORITHM).ok_or("another algorithm")?;
    let field = |name: &str| {
        let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let credential = field("Credential").ok_or("there is no credential")?;
    let signed = field("SignedHeaders").ok_or("there are no signed headers")?;
    let signature = field("Signature").ok_or("there is no signature")?;

    let date = header("x-amz-date").ok_or("there is no date")?;
    let day = date.get(..8).ok_or("the date is invalid")?;
    let at = parse_date(&date).ok_or("the date is invalid")?;
    if at.since(now).max(now.since(at)) > TOLERANCE {
        return Err("the signature has expired");
    }
    let scope = format!("{day}/{}/{SERVICE}/aws4_request", keys.region);
    if credential != format!("{}/{scope}", keys.id) {
        return Err("the credential is not that of this account, service and region");
    }
    if !["host", "x-amz-date"]
        .iter()
        .all(|name| signed.split(';').any(|header| header == *name))
    {
        return Err("host and date must be signed");
    }
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = match (name, header(name)) {
            (_, Some(value)) => value,
            ("host", None) => request.uri().authority().map(ToString::to_string).unwrap_or_default(),
            _ => return Err("a signed header is missing"),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(headers, "{name}:{}", value.trim());
    }
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{}",
        request.method(),
        canonical_path(request.uri().path()),
        request.uri().query().unwrap_or_default(),
        hex(&Sha256::digest(request.body())),
    );
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day, keys.region, SERVICE, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    if hex(&hmac(&key, to_sign.as_bytes())) == signature {
        Ok(())
    } else {
        Err("the signature does not match")
    }
}

fn canonical_path(path: &str) -> String {
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string())
        .collect();
    segments.join("/")
}

/// `YYYYMMDDThhmmssZ`.
fn parse_date(date: &str) -> Option<Timestamp> {
    let part = |range| date.get(range);
    Timestamp::parse(&format!(
        "{}-{}-{}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..11)?,
        part(11..13)?,
        part(13..16)?
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_paths_are_encoded_once_more() {
        assert_eq!(parse_date("20261118T101112Z"), Timestamp::parse("2026-11-18T10:11:12Z"));
        for wrong in ["", "20261118", "20261118T101112", "2026-11-18T10:11:12Z", "2026111ü"] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
        assert_eq!(canonical_path("/a/b%40c"), "/a/b%2540c");
    }
}
