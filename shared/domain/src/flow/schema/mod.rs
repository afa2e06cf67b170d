//! JSON Schema, the part that rule documents need: what somebody else must return, such as a language model.
//!
//! A full validator weighs 3.7 MB in a function that has 5.7 (`jsonschema` 0.60, measured), and the keywords that it
//! would add (`$ref`, `oneOf`, `dependentSchemas`, formats) say nothing to a language model. So this is a closed list, and a
//! keyword outside it is refused when the document is uploaded, not ignored when somebody waits for an answer:
//!
//! - for all: `type` (one or several), `enum`, `const`, and the annotations `title`, `description`, `default`,
//!   `examples`, `format`;
//! - texts: `pattern`, `minLength`, `maxLength`; numbers: `minimum`, `maximum`;
//! - objects: `properties`, `required`, `additionalProperties` (true or false); lists: `items`, `minItems`, `maxItems`.
//!
//! Empty is missing: a model that has nothing to say writes an empty text as often as null. So a blank text is not what a
//! `required` property asks for, unless it says `minLength: 0`; and where the property may be left out and the text does
//! not fit, it is left out.

mod check;
mod fit;
mod pattern;
#[cfg(test)]
mod tests;

pub use check::check;
pub use fit::{Misfit, fit, fit_loosely, names, single};

/// Whether rules can refer to something by this name.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 64 && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
