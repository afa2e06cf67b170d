//! Message attributes, and the sizes and MD5 sums of messages.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The attributes of a message, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// A message attribute, as the SDK sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, optionally with a suffix that the sender chose.
    pub data_type: String,
    /// The value of a string or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of binary data, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl Attribute {
    fn value(&self) -> (u8, Vec<u8>) {
        match (&self.string_value, &self.binary_value) {
            (Some(text), _) => (1, text.as_bytes().to_vec()),
            (None, Some(base64)) => (2, STANDARD.decode(base64).unwrap_or_default()),
            (None, None) => (1, Vec::new()),
        }
    }

    /// The attribute as in Lambda's events.
    pub(super) fn in_event(&self) -> Value {
        let attribute = serde_json::json!({
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": self.data_type,
        });
        let attribute = with(attribute, "stringValue", self.string_value.as_deref());
        with(attribute, "binaryValue", self.binary_value.as_deref())
    }
}

/// Adds a member to a JSON object, unless it is `None`.
pub(super) fn with(mut object: Value, name: &str, member: Option<impl Into<Value>>) -> Value {
    if let (Some(members), Some(member)) = (object.as_object_mut(), member) {
        members.insert(name.to_owned(), member.into());
    }
    object
}

/// The size in bytes that counts against the limit of 1 MiB.
pub(super) fn size(body: &str, attributes: &Attributes) -> usize {
    let attribute =
        |(name, attribute): (&String, &Attribute)| name.len() + attribute.data_type.len() + attribute.value().1.len();
    body.len() + attributes.iter().map(attribute).sum::<usize>()
}

/// The MD5 of a body, in hex. The Rust SDK does not check the sums, but a function or a test may.
pub(super) fn md5_of_body(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

/// The MD5 in hex of the attributes in SQS's encoding: sorted by name, each part preceded by its length. `None` if
/// there are no attributes.
pub(super) fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut encoded = Vec::new();
    let mut part = |bytes: &[u8], kind: Option<u8>| {
        encoded.extend(kind);
        encoded.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        encoded.extend(bytes);
    };
    for (name, attribute) in attributes {
        let (kind, value) = attribute.value();
        part(name.as_bytes(), None);
        part(attribute.data_type.as_bytes(), None);
        part(&value, Some(kind));
    }
    Some(format!("{:x}", md5::compute(encoded)))
}
