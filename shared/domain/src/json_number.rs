//! Normalizes JSON numbers by value: to a language model, and to the systems between it and us, `3` and `3.0` are the
//! same, so we treat them alike.

use serde_json::{Number, Value};

/// 2^53. Below it every float that is whole stands for exactly one integer; this one also stands for the next integer.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// `number` as an integer, if it is whole.
pub fn as_integer(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return Some(number.clone());
    }
    let fraction = number.as_f64()?;
    let is_whole = fraction.fract() == 0.0 && fraction.abs() < MAX_EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "it is as_integer, and small enough")]
    is_whole.then(|| Number::from(fraction as i64))
}

/// `value` with every whole number in it written as an integer.
pub fn normalize_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(as_integer(&number).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(normalize_numbers).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, normalize_numbers(value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_become_integers_and_nothing_else_changes() {
        let value = json!({ "a": [3.0, -2.0, 0.0, -0.0, 1e3, 9_007_199_254_740_991.0], "b": { "c": 3 }, "d": "3.0" });
        let expected = json!({ "a": [3, -2, 0, 0, 1_000, 9_007_199_254_740_991_u64], "b": { "c": 3 }, "d": "3.0" });
        assert_eq!(normalize_numbers(value), expected);
        for other in [
            json!(1.5),
            json!(1e300),
            json!(9_007_199_254_740_992.0),
            json!(-9_007_199_254_740_992.0),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(null),
            json!(true),
        ] {
            assert_eq!(normalize_numbers(other.clone()), other);
        }
    }
}
