//! Places in a timeline, as the API gives them out and takes them back.

use patchbay::web::problem::Problem;

/// The name of an entry of a timeline, as a reader gives it back in the query.
pub(crate) fn entry<'a>(parameter: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(Problem::invalid_field(parameter, "is not one that we have given out"));
    }
    Ok(text)
}
