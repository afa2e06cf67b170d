//! The state that travels with a call: what the chain declares, what is somebody else's, and what is ours: the id of the
//! call, and how often each link has asked the caller again.

use serde_json::{Map, Value, json};

use super::document::Document;
use crate::providers::agent4::Request;

/// The name under which what is ours stands.
pub const OWN_STATE: &str = "patchbay";
/// Most bytes of the state that we send; more of somebody else's is not carried on.
const MAX_STATE: usize = 16 * 1024;

/// Our id of the call, if a state of ours has come back.
pub fn call(state: &Map<String, Value>) -> Option<&str> {
    let id = state.get(OWN_STATE)?.get("call")?.as_str()?;
    is_call_id(id).then_some(id)
}

/// How often a link has asked the caller again.
pub fn tries(state: &Map<String, Value>, link: &str) -> u64 {
    let tries = all_tries(state).and_then(|tries| tries.get(link));
    tries.and_then(Value::as_u64).unwrap_or(0)
}

/// What the chain declares, as the request has it, else as it is at first.
pub(super) fn declared(document: &Document, request: &Request) -> Map<String, Value> {
    let declared = document.state.iter();
    declared
        .map(|(name, first)| (name.clone(), request.state.get(name).unwrap_or(first).clone()))
        .collect()
}

/// The whole state as it is after an answer; `tries` is how often the link has asked by then, if the answer changes that.
pub(super) fn after(
    document: &Document,
    request: &Request,
    key: &str,
    tries: Option<u64>,
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
        let count = match tries {
            Some(count) if link.name == request.name => count,
            _ => self::tries(&request.state, &link.name),
        };
        if count > 0 {
            counts.insert(link.name.clone(), count.into());
        }
    }
    state.insert(OWN_STATE.into(), own(key, &Value::Object(counts)));
    if size(&state) > MAX_STATE {
        return Err("would have more than 16 KB");
    }
    Ok(state)
}

fn size(state: &Map<String, Value>) -> usize {
    serde_json::to_string(state).map_or(usize::MAX, |text| text.len())
}

/// The state as it came, when nothing else is known.
pub(super) fn as_it_was(request: &Request, key: &str) -> Map<String, Value> {
    let mut state = request.state.clone();
    let tries = all_tries(&state).cloned().unwrap_or_else(|| json!({}));
    state.insert(OWN_STATE.into(), own(key, &tries));
    state
}

fn own(call: &str, tries: &Value) -> Value {
    json!({ "call": call, "tries": tries })
}

/// The counts of all links, as they came.
fn all_tries(state: &Map<String, Value>) -> Option<&Value> {
    state.get(OWN_STATE)?.get("tries")
}

/// Whether `text` has the form of a call id of ours: a UUID in lower case.
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
    fn only_a_call_id_of_ours_is_taken_from_the_state() {
        let call = |id: &str| {
            let state = Map::from_iter([(OWN_STATE.to_owned(), json!({ "call": id }))]);
            super::call(&state).map(str::to_owned)
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
    fn what_is_counted_is_whole_however_it_comes_back() {
        let body = br#"{"name":"a","state":{"patchbay":{"tries":{"a":2.0,"b":"2"}}}}"#;
        let state = Request::parse(body).expect("a request").state;
        assert_eq!(["a", "b", "c"].map(|link| tries(&state, link)), [2, 0, 0]);
    }
}
