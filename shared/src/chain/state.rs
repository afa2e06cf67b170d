//! What is ours in the state that travels with a call: its id, and how often each link has asked the caller again.

use serde_json::{Map, Value, json};

/// The name under which it stands.
pub const OWN_STATE: &str = "patchbay";

/// The part that is ours, of a call with this id.
pub fn own(call: &str, tries: &Value) -> Value {
    json!({ "call": call, "tries": tries })
}

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

/// The counts of all links, as they came.
pub(super) fn all_tries(state: &Map<String, Value>) -> Option<&Value> {
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
    use crate::providers::agent4::Request;

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
