//! The state that travels with a call: the names that the chain declares, names of others, and patchbay's own entry
//! with the call id and the retries of each link.

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::providers::agent4::Request;

/// Name of patchbay's own entry in the state.
pub const OWN_STATE: &str = "patchbay";
/// Maximum size in bytes of the state that we send. A state of a request that is larger than half of it is dropped,
/// except for declared names.
const MAX_STATE: usize = 16 * 1024;

/// The call id, if a state of ours came back.
pub fn call_id(state: &Map<String, Value>) -> Option<&str> {
    let id = state.get(OWN_STATE)?.get("call")?.as_str()?;
    is_call_id(id).then_some(id)
}

/// How often a link has asked the caller again.
pub fn retries(state: &Map<String, Value>, link: &str) -> u64 {
    let count = all_retries(state).and_then(|retries| retries.get(link));
    count.and_then(Value::as_u64).unwrap_or(0)
}

/// Values of the declared names: from the request, else the initial values.
pub(super) fn declared(document: &Document, request: &Request) -> Map<String, Value> {
    let declared = document.state.iter();
    declared
        .map(|(name, initial)| (name.clone(), request.state.get(name).unwrap_or(initial).clone()))
        .collect()
}

/// The complete state after an answer. `retries` is the new count of the link, if the answer changes it.
pub(super) fn updated(
    document: &Document,
    request: &Request,
    key: &str,
    retries: Option<u64>,
    changes: Map<String, Value>,
) -> Result<Map<String, Value>, &'static str> {
    let mut state = request.state.clone();
    state.remove(OWN_STATE);
    if size(&state) > MAX_STATE / 2 {
        state.clear();
    }
    state.extend(declared(document, request));
    state.extend(changes);
    let mut counts = Map::new();
    for link in &document.links {
        let count = match retries {
            Some(count) if link.name == request.name => count,
            _ => self::retries(&request.state, &link.name),
        };
        if count > 0 {
            counts.insert(link.name.clone(), count.into());
        }
    }
    state.insert(OWN_STATE.into(), own_entry(key, &Value::Object(counts)));
    if size(&state) > MAX_STATE {
        return Err("is larger than 16 KB");
    }
    Ok(state)
}

fn size(state: &Map<String, Value>) -> usize {
    serde_json::to_string(state).map_or(usize::MAX, |text| text.len())
}

/// The state of the request with our entry: for an answer that does not come from the document.
pub(super) fn unchanged(request: &Request, key: &str) -> Map<String, Value> {
    let mut state = request.state.clone();
    let retries = all_retries(&state).cloned().unwrap_or_else(|| json!({}));
    state.insert(OWN_STATE.into(), own_entry(key, &retries));
    state
}

fn own_entry(call_id: &str, retries: &Value) -> Value {
    json!({ "call": call_id, "tries": retries })
}

/// The retries of all links, as they came with the request.
fn all_retries(state: &Map<String, Value>) -> Option<&Value> {
    state.get(OWN_STATE)?.get("tries")
}

/// Whether `text` has the form of a call id: a UUID in lower case.
pub fn is_call_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let has_form = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => is_digit(byte),
    };
    text.len() == 36 && text.bytes().enumerate().all(has_form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_call_id_is_ignored() {
        let call = |id: &str| {
            let state = Map::from_iter([(OWN_STATE.to_owned(), json!({ "call": id }))]);
            super::call_id(&state).map(str::to_owned)
        };
        let id = "0b2f6c1e-0000-4000-8000-000000000001";
        assert_eq!(call(id).as_deref(), Some(id));
        for wrong in [
            "",
            "0B2F6C1E-0000-4000-8000-000000000001",
            "0b2f6c1e000040008000000000000001",
            "<b>",
        ] {
            assert_eq!(call(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn retries_are_read_from_whole_floats() {
        let body = br#"{"name":"a","state":{"patchbay":{"tries":{"a":2.0,"b":"2"}}}}"#;
        let state = Request::parse(body).expect("a request").state;
        assert_eq!(["a", "b", "c"].map(|link| retries(&state, link)), [2, 0, 0]);
    }
}
