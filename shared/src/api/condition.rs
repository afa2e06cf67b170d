//! Conditional requests (RFC 9110, section 13): whether the current version is the one that the client expects.

use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use crate::store::Precondition;
use crate::web::problem::Problem;

/// The entity tag of a version. It is strong: a document has a single representation.
pub(super) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The condition of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// No condition.
    None,
    /// `If-Match`: the version is one of these, by strong comparison.
    Match(ETags),
    /// `If-None-Match`: the version is none of these, by weak comparison.
    NoneMatch(ETags),
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ETags {
    /// `*`: any version.
    Any,
    /// A list of entity tags.
    List(Vec<ETag>),
}

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ETag {
    is_weak: bool,
    /// The text between the quotes.
    text: Vec<u8>,
}

impl ETag {
    /// Weak comparison with a version.
    fn matches_weakly(&self, version: i64) -> bool {
        self.text == version.to_string().as_bytes()
    }

    /// The version for a strong comparison. None if the tag is weak or not one of ours.
    fn version(&self) -> Option<i64> {
        let version = std::str::from_utf8(&self.text).ok()?.parse().ok()?;
        (!self.is_weak && self.matches_weakly(version)).then_some(version)
    }
}

impl Condition {
    /// The condition in the headers.
    ///
    /// # Errors
    /// The header that is not a list of entity tags.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        match (
            etags(headers, &IF_MATCH, "If-Match")?,
            etags(headers, &IF_NONE_MATCH, "If-None-Match")?,
        ) {
            (None, None) => Ok(Self::None),
            (Some(etags), None) => Ok(Self::Match(etags)),
            (None, Some(etags)) => Ok(Self::NoneMatch(etags)),
            (Some(_), Some(_)) => Err(Problem::invalid_field(
                "If-Match",
                "cannot be combined with If-None-Match",
            )),
        }
    }

    /// Whether the condition is met by the current version, which is none if the document does not exist.
    pub(super) fn is_met(&self, current: Option<i64>) -> bool {
        let matches_strongly = |etags: &ETags, current: i64| match etags {
            ETags::Any => true,
            ETags::List(etags) => etags.iter().any(|etag| etag.version() == Some(current)),
        };
        let matches_weakly = |etags: &ETags, current: i64| match etags {
            ETags::Any => true,
            ETags::List(etags) => etags.iter().any(|etag| etag.matches_weakly(current)),
        };
        match self {
            Self::None => true,
            Self::Match(etags) => current.is_some_and(|current| matches_strongly(etags, current)),
            Self::NoneMatch(etags) => !current.is_some_and(|current| matches_weakly(etags, current)),
        }
    }

    /// The precondition that DynamoDB can check as part of a write. None if a read is needed.
    pub(super) fn as_precondition(&self) -> Option<Precondition> {
        match self {
            Self::None => Some(Precondition::Any),
            Self::Match(ETags::Any) => Some(Precondition::Exists),
            Self::NoneMatch(ETags::Any) => Some(Precondition::Absent),
            Self::Match(ETags::List(etags)) => match etags.as_slice() {
                [only] => only.version().map(Precondition::Version),
                _ => None,
            },
            Self::NoneMatch(ETags::List(_)) => None,
        }
    }

    /// Whether an earlier attempt of the same request may have written this version: the client then repeats it because
    /// the answer was lost.
    pub(super) fn may_have_written(&self, current: i64) -> bool {
        match self {
            Self::Match(ETags::List(etags)) => etags.iter().filter_map(ETag::version).any(|version| version < current),
            Self::NoneMatch(ETags::Any) => true,
            Self::None | Self::Match(ETags::Any) | Self::NoneMatch(ETags::List(_)) => false,
        }
    }
}

/// The entity tags of a header, which may occur several times.
fn etags(headers: &HeaderMap, header: &HeaderName, name: &str) -> Result<Option<ETags>, Problem> {
    let values: Vec<&[u8]> = headers.get_all(header).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return Ok(None);
    }
    let etags = parse(&values.join(&b","[..]));
    etags.map(Some).ok_or_else(|| {
        let reason = "must be * or a comma-separated list of quoted entity tags, as in the ETag header";
        Problem::invalid_field(name, reason)
    })
}

fn parse(text: &[u8]) -> Option<ETags> {
    let mut rest = text.trim_ascii();
    if rest == b"*" {
        return Some(ETags::Any);
    }
    let mut etags = Vec::new();
    while !rest.is_empty() {
        // A list may have empty elements.
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
            continue;
        }
        let (is_weak, opaque) = rest.strip_prefix(b"W/").map_or((false, rest), |opaque| (true, opaque));
        let inside = opaque.strip_prefix(b"\"")?;
        let end = inside.iter().position(|byte| *byte == b'"')?;
        let (text, after) = inside.split_at_checked(end)?;
        if text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return None;
        }
        etags.push(ETag {
            is_weak,
            text: text.to_vec(),
        });
        rest = after.strip_prefix(b"\"")?.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b",")) {
            return None;
        }
    }
    (!etags.is_empty()).then_some(ETags::List(etags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(name: &'static str, values: &[&str]) -> Result<Condition, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a value"));
        }
        Condition::from_headers(&headers)
    }

    #[test]
    fn if_match_compares_strongly_and_if_none_match_weakly() {
        for (value, matches, none_matches) in [
            ("\"5\"", true, false),
            ("W/\"5\"", false, false),
            ("\"4\", \"5\"", true, false),
            ("\"4\",W/\"5\"", false, false),
            (", \"a,b\" ,, \"5\",", true, false),
            ("\"4\"", false, true),
            ("\"05\"", false, true),
            ("\"+5\"", false, true),
            ("\"\"", false, true),
            ("\"caf\u{e9}\"", false, true),
            ("*", true, false),
        ] {
            let (one, other) = (condition("if-match", &[value]), condition("if-none-match", &[value]));
            assert_eq!(one.expect(value).is_met(Some(5)), matches, "If-Match: {value}");
            assert_eq!(
                other.expect(value).is_met(Some(5)),
                none_matches,
                "If-None-Match: {value}"
            );
        }
        assert!(!condition("if-match", &["*"]).expect("a list").is_met(None));
        assert!(condition("if-none-match", &["*"]).expect("a list").is_met(None));
        assert!(
            condition("if-match", &["\"4\"", "\"5\""])
                .expect("two lines")
                .is_met(Some(5))
        );
    }

    #[test]
    fn malformed_entity_tags_are_refused() {
        for value in [
            "",
            "5",
            "soon",
            "\"5",
            "5\"",
            "w/\"5\"",
            "W/5",
            "\"4\" \"5\"",
            "*, \"5\"",
            "\"a b\"",
            ",",
        ] {
            assert!(condition("if-match", &[value]).is_err(), "{value}");
            assert!(condition("if-none-match", &[value]).is_err(), "{value}");
        }
    }

    #[test]
    fn simple_conditions_become_preconditions() {
        let as_precondition = |name, value| condition(name, &[value]).expect(value).as_precondition();
        assert_eq!(Condition::None.as_precondition(), Some(Precondition::Any));
        assert_eq!(as_precondition("if-match", "*"), Some(Precondition::Exists));
        assert_eq!(as_precondition("if-none-match", "*"), Some(Precondition::Absent));
        assert_eq!(as_precondition("if-match", "\"5\""), Some(Precondition::Version(5)));
        for value in ["W/\"5\"", "\"a\"", "\"4\", \"5\""] {
            assert_eq!(as_precondition("if-match", value), None, "{value}");
            assert_eq!(as_precondition("if-none-match", value), None, "{value}");
        }
    }
}
