//! Places in lists, as the API gives them out and takes them back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use patchbay::clock::Timestamp;
use patchbay::web::problem::Problem;
use serde::{Deserialize, Serialize};

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// The day, `YYYYMMDD`.
    pub day: String,
    /// The place in the day's list; none for its beginning.
    pub after: Option<String>,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let Self { day, after } = self;
        URL_SAFE_NO_PAD.encode(format!("{day}~{}", after.as_deref().unwrap_or_default()))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid_field("cursor", "is not one that a list has given out");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let plain = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (day, after) = plain.split_once('~').ok_or_else(wrong)?;
        // The place names a dispatch; anything else would not be a key of the index.
        let is_place = after.rsplit_once('#').is_some_and(|(created, id)| {
            Timestamp::parse(created).is_some() && id.parse::<patchbay::ids::DispatchId>().is_ok()
        });
        if start_of(day).is_none() || !(after.is_empty() || is_place) {
            return Err(wrong());
        }
        Ok(Self {
            day: day.to_owned(),
            after: Some(after.to_owned()).filter(|after| !after.is_empty()),
        })
    }
}

/// The first moment of a day, `YYYYMMDD`.
pub(crate) fn start_of(day: &str) -> Option<Timestamp> {
    let (year, month, date) = (day.get(0..4)?, day.get(4..6)?, day.get(6..)?);
    Timestamp::parse(&format!("{year}-{month}-{date}T00:00:00Z")).filter(|start| start.day() == day)
}

/// The name of an entry of a timeline, as a reader gives it back in the query.
pub(crate) fn entry<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(Problem::invalid_field(parameter, "is not one that we have given out"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_form() {
        let place = "2026-11-20T01:02:03.004Z#dsp_00000000000000000000000000000001";
        for after in [None, Some(place.to_owned())] {
            let cursor = Cursor {
                day: "20261120".into(),
                after,
            };
            assert_eq!(Cursor::decode(&cursor.encode()).expect("our own cursor"), cursor);
        }
    }

    #[test]
    fn a_cursor_of_somebody_elses_making_is_refused() {
        for text in [
            "",
            "?",
            "MjAyNjExMjA",
            &URL_SAFE_NO_PAD.encode("20261340~"),
            &URL_SAFE_NO_PAD.encode("20261120~x#y"),
        ] {
            assert!(Cursor::decode(text).is_err(), "{text}");
        }
    }
}
