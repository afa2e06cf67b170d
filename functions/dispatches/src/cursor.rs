//! Cursors into a timeline, as the API returns and accepts them.

use patchbay::web::problem::Problem;

/// Checks the form of a cursor: the id of a timeline entry, 1 to 100 letters, digits and hyphens.
pub(crate) fn parse<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(Problem::invalid_field(
            parameter,
            "must be a cursor from a previous response",
        ));
    }
    Ok(text)
}
