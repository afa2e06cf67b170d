//! How a rule is read: its own fields, and those of the job's reply beside them.
//!
//! By hand, for serde either refuses unknown fields or has two structs in one object, and people who mistype a field must
//! be told so.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::document::Rule;
use super::reply::Reply;

impl<R> Rule<R> {
    /// The fields that every rule has, whatever it answers.
    pub const OWN: &'static [&'static str] = &["when", "fetch", "let", "rules"];
}

impl<'de, R: Reply> Deserialize<'de> for Rule<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<R>(PhantomData<R>);

impl<'de, R: Reply> Visitor<'de> for Fields<R> {
    type Value = Rule<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct Rule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Rule<R>, A::Error> {
        let mut rule = Rule::<R>::default();
        while let Some(field) = access.next_key_seed(Name::<R>(PhantomData))? {
            match field {
                "when" => rule.when = access.next_value()?,
                "fetch" => rule.fetch = access.next_value()?,
                "let" => rule.values = access.next_value()?,
                "rules" => rule.rules = access.next_value()?,
                field => rule.reply.read(field, &mut access)?,
            }
        }
        Ok(rule)
    }
}

/// A field's name, if there is such a field.
struct Name<R>(PhantomData<R>);

impl<'de, R: Reply> DeserializeSeed<'de> for Name<R> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<R: Reply> Visitor<'_> for Name<R> {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field identifier")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<&'static str, E> {
        let mut known = Rule::<R>::OWN.iter().chain(R::FIELDS);
        known.find(|known| **known == name).copied().ok_or_else(|| {
            let known = Rule::<R>::OWN.iter().chain(R::FIELDS);
            let known: Vec<String> = known.map(|known| format!("`{known}`")).collect();
            // As serde says it of a struct.
            E::custom(format_args!(
                "unknown field `{name}`, expected one of {}",
                known.join(", ")
            ))
        })
    }
}
