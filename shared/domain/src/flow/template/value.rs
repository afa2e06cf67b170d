//! Converts the value of an expression to JSON directly, without a detour through text, so that it keeps its type.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::{Map, Number, Value as Json};

use crate::json_number::as_integer;

/// Maximum size of the value of an expression as JSON, in bytes. A response of a back end has the same limit.
const MAX_VALUE: usize = 256 * 1024;

/// The value of an expression, until it is taken from the engine.
struct ExpressionValue(Json);

/// Stores the value of an expression for [`take`].
pub(super) fn store(state: &mut State, value: &Value) -> Result<(), Error> {
    let mut budget = ByteBudget(MAX_VALUE);
    let json = json(value, &mut budget)?;
    state.consume_fuel(u64::try_from((MAX_VALUE - budget.0).div_ceil(64)).unwrap_or(u64::MAX))?;
    state.get_or_insert_extension_with(|| ExpressionValue(Json::Null)).0 = json;
    Ok(())
}

/// Takes the stored value of an expression.
pub(super) fn take(state: &mut State) -> Option<Json> {
    state
        .get_extension_mut::<ExpressionValue>()
        .map(|value| std::mem::take(&mut value.0))
}

/// Remaining bytes of a value. A list may refer to one long string many times, so the limit applies before the memory
/// is allocated.
struct ByteBudget(usize);

impl ByteBudget {
    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes).ok_or(ErrorKind::WriteFailure)?;
        Ok(())
    }
}

fn json(value: &Value, budget: &mut ByteBudget) -> Result<Json, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined | ValueKind::None => {
            budget.spend("null".len())?;
            Json::Null
        }
        ValueKind::Bool => {
            budget.spend("true".len())?;
            Json::Bool(value.is_true())
        }
        ValueKind::Number => {
            let number = number(value);
            budget.spend(number.to_string().len())?;
            number
        }
        ValueKind::Seq | ValueKind::Iterable => {
            budget.spend("[]".len())?;
            let items = value.try_iter()?;
            let items = items.map(|item| {
                budget.spend(",".len())?;
                json(&item, budget)
            });
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            budget.spend("{}".len())?;
            let mut fields = Map::new();
            for key in value.try_iter()? {
                let name = name(&key)?;
                budget.spend(json_length(&name) + ":,".len())?;
                fields.insert(name, json(&value.get_item(&key)?, budget)?);
            }
            Json::Object(fields)
        }
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.spend(json_length(text))?;
            Json::String(text.to_owned())
        }
        // Templates cannot produce bytes or any other kind.
        _ => return Err(ErrorKind::BadEscape.into()),
    })
}

/// Length of a string as JSON, in bytes.
fn json_length(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=31 => "u0000".len(),
        _ => 0,
    });
    text.len() + escapes.sum::<usize>() + "\"\"".len()
}

/// A number by its value: `3.0` and the quotient of 6 and 2 become 3. A number that JSON cannot represent becomes null.
fn number(value: &Value) -> Json {
    let number = match serde_json::to_value(value) {
        Ok(Json::Number(number)) => Some(number),
        // An integer of more than 64 bits: the nearest float, as a JSON parser reads it.
        Err(_) => f64::try_from(value.clone()).ok().and_then(Number::from_f64),
        Ok(_) => None,
    };
    number.map_or(Json::Null, |number| Json::Number(as_integer(&number).unwrap_or(number)))
}

/// The name of an object field: a string, or the text of a boolean or number.
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
    fn value_keeps_its_type() {
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
            let actual = templates.eval(source, &scope).expect(source);
            assert_eq!((&actual, actual.to_string()), (&value, value.to_string()), "{source}");
        }
        templates.add(Kind::Expression, "{none: v.t}").expect("an object");
        assert!(templates.eval("{none: v.t}", &scope).is_err());
    }

    #[test]
    fn json_length_matches_the_serialized_string() {
        for text in ["", "a\"b\\c\n\r\t\u{1}\u{1f}\u{8}\u{c}é\u{7f}", "\u{0}\u{0}"] {
            assert_eq!(super::json_length(text), json!(text).to_string().len(), "{text:?}");
        }
    }
}
