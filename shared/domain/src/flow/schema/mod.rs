//! The part of JSON Schema that rule documents need, for what another system must return, such as a language model.
//!
//! A full validator adds 3.7 MB to a function of 5.7 MB (`jsonschema` 0.60, measured), and the keywords that it would
//! add (`$ref`, `oneOf`, `dependentSchemas`, formats) mean nothing to a language model. So the list of keywords is
//! closed, and a keyword outside it is refused on upload, not ignored when a caller waits for an answer:
//!
//! - all values: `type` (one or several), `enum`, `const`, and the annotations `title`, `description`, `default`,
//!   `examples`, `format`;
//! - strings: `pattern`, `minLength`, `maxLength`; numbers: `minimum`, `maximum`;
//! - objects: `properties`, `required`, `additionalProperties` (true or false); arrays: `items`, `minItems`,
//!   `maxItems`.
//!
//! A blank string counts as missing, because a model that has no value writes an empty string as often as null. A blank
//! string does not satisfy `required`, unless the property has `minLength: 0` or allows it by `enum` or `const`. A
//! blank string in an optional property is dropped when it does not match the schema.

mod check;
mod coerce;
mod pattern;
#[cfg(test)]
mod tests;

pub use check::check;
pub use coerce::{SchemaViolation, coerce, coerce_or_null, property_names, sole_property};

/// Whether templates can refer to a value by this name.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 64 && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
