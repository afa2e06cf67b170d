//! Deserializes a rule: the common fields, and next to them those of the application's reply.
//!
//! Handwritten, because serde cannot combine `deny_unknown_fields` with `flatten`, and a mistyped field must be
//! reported.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::document::Rule;
use super::reply::Reply;

impl<R> Rule<R> {
    /// Fields of every rule, independent of its reply.
    pub const COMMON_FIELDS: &'static [&'static str] = &["when", "fetch", "let", "rules"];
}

impl<'de, R: Reply> Deserialize<'de> for Rule<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RuleVisitor(PhantomData))
    }
}

struct RuleVisitor<R>(PhantomData<R>);

impl<'de, R: Reply> Visitor<'de> for RuleVisitor<R> {
    type Value = Rule<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct Rule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Rule<R>, A::Error> {
        let mut rule = Rule::<R>::default();
        while let Some(field) = access.next_key_seed(FieldName::<R>(PhantomData))? {
            match field {
                "when" => rule.when = access.next_value()?,
                "fetch" => rule.fetch = access.next_value()?,
                "let" => rule.values = access.next_value()?,
                "rules" => rule.rules = access.next_value()?,
                field => rule.reply.read_field(field, &mut access)?,
            }
        }
        Ok(rule)
    }
}

/// Deserializes the name of a known field.
struct FieldName<R>(PhantomData<R>);

impl<'de, R: Reply> DeserializeSeed<'de> for FieldName<R> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<R: Reply> Visitor<'_> for FieldName<R> {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<&'static str, E> {
        let mut known = Rule::<R>::COMMON_FIELDS.iter().chain(R::FIELDS);
        known.find(|known| **known == name).copied().ok_or_else(|| {
            let known = Rule::<R>::COMMON_FIELDS.iter().chain(R::FIELDS);
            let known: Vec<String> = known.map(|known| format!("`{known}`")).collect();
            // The wording of serde for a struct.
            E::custom(format_args!(
                "unknown field `{name}`, expected one of {}",
                known.join(", ")
            ))
        })
    }
}
