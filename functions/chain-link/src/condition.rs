//! Conditional requests (RFC 9110, section 13): whether the version that is there is one that the caller means.

use lambda_http::http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use patchbay::store::Expected;
use patchbay::web::problem::Problem;

/// The entity tag of a version. It is a strong one: a document is kept and shown in one form.
pub(crate) fn tag(version: i64) -> String {
    format!("\"{version}\"")
}

/// What a request says about the version that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    None,
    /// `If-Match`: one of these, by strong comparison.
    Match(Tags),
    /// `If-None-Match`: none of these, by weak comparison.
    NoneMatch(Tags),
}

/// Entity tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: whatever there is.
    Any,
    /// A list.
    List(Vec<Tag>),
}

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    is_weak: bool,
    /// What is between the quotes.
    text: Vec<u8>,
}

impl Tag {
    /// Weak comparison.
    fn is_of(&self, version: i64) -> bool {
        self.text == version.to_string().as_bytes()
    }

    /// The version that it stands for in a strong comparison, if it is a tag of ours.
    fn version(&self) -> Option<i64> {
        let version = std::str::from_utf8(&self.text).ok()?.parse().ok()?;
        (!self.is_weak && self.is_of(version)).then_some(version)
    }
}

impl Condition {
    /// What the headers say.
    ///
    /// # Errors
    /// Which header is no list of entity tags.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match (
            tags(headers, &IF_MATCH, "If-Match")?,
            tags(headers, &IF_NONE_MATCH, "If-None-Match")?,
        ) {
            (None, None) => Ok(Self::None),
            (Some(tags), None) => Ok(Self::Match(tags)),
            (None, Some(tags)) => Ok(Self::NoneMatch(tags)),
            (Some(_), Some(_)) => Err(Problem::invalid_field(
                "If-Match",
                "cannot be there together with If-None-Match",
            )),
        }
    }

    /// Whether it holds when this version is there, or nothing.
    pub(crate) fn holds(&self, there: Option<i64>) -> bool {
        let strongly = |tags: &Tags, there: i64| match tags {
            Tags::Any => true,
            Tags::List(tags) => tags.iter().any(|tag| tag.version() == Some(there)),
        };
        let weakly = |tags: &Tags, there: i64| match tags {
            Tags::Any => true,
            Tags::List(tags) => tags.iter().any(|tag| tag.is_of(there)),
        };
        match self {
            Self::None => true,
            Self::Match(tags) => there.is_some_and(|there| strongly(tags, there)),
            Self::NoneMatch(tags) => !there.is_some_and(|there| weakly(tags, there)),
        }
    }

    /// The same as the table can check it while it writes; none for what it cannot, so that one has to look first.
    pub(crate) fn expected(&self) -> Option<Expected> {
        match self {
            Self::None => Some(Expected::Anything),
            Self::Match(Tags::Any) => Some(Expected::Something),
            Self::NoneMatch(Tags::Any) => Some(Expected::Nothing),
            Self::Match(Tags::List(tags)) => match tags.as_slice() {
                [only] => only.version().map(Expected::Version),
                _ => None,
            },
            Self::NoneMatch(Tags::List(_)) => None,
        }
    }

    /// Whether this version may be what the same request made of another one that it was for: then it has come again,
    /// because its answer was lost.
    pub(crate) fn may_have_led_to(&self, there: i64) -> bool {
        match self {
            Self::Match(Tags::List(tags)) => tags.iter().filter_map(Tag::version).any(|version| version < there),
            Self::NoneMatch(Tags::Any) => true,
            Self::None | Self::Match(Tags::Any) | Self::NoneMatch(Tags::List(_)) => false,
        }
    }
}

/// The entity tags in a header, which may be there several times.
fn tags(headers: &HeaderMap, header: &HeaderName, name: &str) -> Result<Option<Tags>, Problem> {
    let values: Vec<&[u8]> = headers.get_all(header).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return Ok(None);
    }
    let tags = parse(&values.join(&b","[..]));
    tags.map(Some).ok_or_else(|| {
        let why = "must be entity tags in quotes, as ETag has them, separated by commas; or *";
        Problem::invalid_field(name, why)
    })
}

fn parse(text: &[u8]) -> Option<Tags> {
    let mut rest = text.trim_ascii();
    if rest == b"*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    while !rest.is_empty() {
        // A list may have empty places.
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
        tags.push(Tag {
            is_weak,
            text: text.to_vec(),
        });
        rest = after.strip_prefix(b"\"")?.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b",")) {
            return None;
        }
    }
    (!tags.is_empty()).then_some(Tags::List(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, values: &[&str]) -> Result<Condition, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a value"));
        }
        Condition::of(&headers)
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
            let (one, other) = (of("if-match", &[value]), of("if-none-match", &[value]));
            assert_eq!(one.expect(value).holds(Some(5)), matches, "If-Match: {value}");
            assert_eq!(
                other.expect(value).holds(Some(5)),
                none_matches,
                "If-None-Match: {value}"
            );
        }
        assert!(!of("if-match", &["*"]).expect("a list").holds(None));
        assert!(of("if-none-match", &["*"]).expect("a list").holds(None));
        assert!(of("if-match", &["\"4\"", "\"5\""]).expect("two lines").holds(Some(5)));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
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
            assert!(of("if-match", &[value]).is_err(), "{value}");
            assert!(of("if-none-match", &[value]).is_err(), "{value}");
        }
    }

    #[test]
    fn the_table_checks_what_it_can() {
        let expected = |name, value| of(name, &[value]).expect(value).expected();
        assert_eq!(Condition::None.expected(), Some(Expected::Anything));
        assert_eq!(expected("if-match", "*"), Some(Expected::Something));
        assert_eq!(expected("if-none-match", "*"), Some(Expected::Nothing));
        assert_eq!(expected("if-match", "\"5\""), Some(Expected::Version(5)));
        for value in ["W/\"5\"", "\"a\"", "\"4\", \"5\""] {
            assert_eq!(expected("if-match", value), None, "{value}");
            assert_eq!(expected("if-none-match", value), None, "{value}");
        }
    }
}
