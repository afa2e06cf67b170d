//! The value of an expression, as JSON has values. It is never written out and read again: what it is, it stays.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::{Map, Number, Value as Json};

use crate::number::whole;

/// Bytes that an expression's value may have as JSON: an answer of a back end is at most as long.
const MAX_VALUE: usize = 256 * 1024;

/// What an expression came to, until it is fetched from the engine.
struct Kept(Json);

/// Keeps what an expression has come to; [`take`] has it.
pub(super) fn keep(state: &mut State, value: &Value) -> Result<(), Error> {
    let mut room = Room(MAX_VALUE);
    let json = json(value, &mut room)?;
    state.consume_fuel(u64::try_from((MAX_VALUE - room.0).div_ceil(64)).unwrap_or(u64::MAX))?;
    state.get_or_insert_extension_with(|| Kept(Json::Null)).0 = json;
    Ok(())
}

/// What an expression has come to.
pub(super) fn take(state: &mut State) -> Option<Json> {
    state
        .get_extension_mut::<Kept>()
        .map(|kept| std::mem::take(&mut kept.0))
}

/// How many more bytes a value may have. It ends before the memory does: a list may name one long text many times.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes).ok_or(ErrorKind::WriteFailure)?;
        Ok(())
    }
}

fn json(value: &Value, room: &mut Room) -> Result<Json, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => {
            room.take("null".len())?;
            Json::Null
        }
        ValueKind::Bool => {
            room.take("true".len())?;
            Json::Bool(value.is_true())
        }
        ValueKind::Number => {
            let number = number(value);
            room.take(number.to_string().len())?;
            number
        }
        ValueKind::Seq | ValueKind::Iterable => {
            room.take("[]".len())?;
            let items = value.try_iter()?;
            let items = items.map(|item| {
                room.take(",".len())?;
                json(&item, room)
            });
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            room.take("{}".len())?;
            let mut fields = Map::new();
            for key in value.try_iter()? {
                let name = name(&key)?;
                room.take(written(&name) + ":,".len())?;
                fields.insert(name, json(&value.get_item(&key)?, room)?);
            }
            Json::Object(fields)
        }
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            room.take(written(text))?;
            Json::String(text.to_owned())
        }
        // There are no bytes, and nothing else that templates could get hold of.
        _ => return Err(ErrorKind::BadEscape.into()),
    })
}

/// Bytes of a text as JSON.
fn written(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=31 => "u0000".len(),
        _ => 0,
    });
    text.len() + escapes.sum::<usize>() + "\"\"".len()
}

/// A number by its value: `3.0`, and what a division makes of 6 and 2, is 3. One that JSON cannot write is null.
fn number(value: &Value) -> Json {
    let number = match serde_json::to_value(value) {
        Ok(Json::Number(number)) => Some(number),
        // Whole, with more than 64 bits: as near as a reader of JSON would have it.
        Err(_) => f64::try_from(value.clone()).ok().and_then(Number::from_f64),
        Ok(_) => None,
    };
    number.map_or(Json::Null, |number| Json::Number(whole(&number).unwrap_or(number)))
}

/// The name of a field: a text, or what is written like one.
fn name(key: &Value) -> Result<String, Error> {
    match (key.as_str(), key.kind()) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, ValueKind::Bool) => Ok(key.is_true().to_string()),
        (None, ValueKind::Number) => serde_json::to_string(key).map_err(|_| ErrorKind::BadEscape.into()),
        (None, _) => Err(ErrorKind::BadEscape.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Kind, Scope, Templates};

    #[test]
    fn a_value_comes_out_as_it_is_and_not_as_its_text_reads() {
        let mut templates = Templates::default();
        let odd = "\u{0}\"\u{fffd}3.0";
        let mut scope = Scope::default();
        scope.set("v", json!({ "f": 1.005, "h": 1e300, "n": u64::MAX, "t": odd }));
        for (source, value) in [
            ("v.f * v.f", json!(1.005 * 1.005)),
            ("0.1 + 0.2", json!(0.1 + 0.2)),
            ("[v.n, -v.n]", json!([u64::MAX, -18_446_744_073_709_551_615.0])),
            (
                "v.n * v.n",
                json!(18_446_744_073_709_551_615.0 * 18_446_744_073_709_551_615.0),
            ),
            ("2 ** 53 - 1.0", json!(9_007_199_254_740_991_u64)),
            ("v.h * v.h", json!(null)),
            ("v.t", json!(odd)),
            (
                "{1: v.t, 1.5: [], false: {}}",
                json!({ "1": odd, "1.5": [], "false": {} }),
            ),
        ] {
            templates.add(Kind::Expression, source).expect(source);
            let came = templates.eval(source, &scope).expect(source);
            assert_eq!((&came, came.to_string()), (&value, value.to_string()), "{source}");
        }
        templates.add(Kind::Expression, "{none: v.t}").expect("an object");
        assert!(templates.eval("{none: v.t}", &scope).is_err());
    }

    #[test]
    fn a_text_takes_the_room_that_its_json_takes() {
        for text in ["", "a\"b\\c\n\r\t\u{1}\u{1f}\u{8}\u{c}é\u{7f}", "\u{0}\u{0}"] {
            assert_eq!(super::written(text), json!(text).to_string().len(), "{text:?}");
        }
    }
}
