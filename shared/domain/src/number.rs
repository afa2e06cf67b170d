//! Numbers in JSON by their value: to a language model, and to whoever writes JSON between it and us, `3` and `3.0` are
//! the same, so they are the same here.

use serde_json::{Number, Value};

/// Below this a binary fraction names one whole number and no other; this one also stands for the next.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// `number` as a whole number, if it is one.
pub fn whole(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return Some(number.clone());
    }
    let fraction = number.as_f64()?;
    let is_whole = fraction.fract() == 0.0 && fraction.abs() < MOST_EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
    is_whole.then(|| Number::from(fraction as i64))
}

/// `value` with every whole number in it written as one.
pub fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(by_value).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, by_value(value)));
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
    fn what_is_whole_is_written_so_and_nothing_else_changes() {
        let value = json!({ "a": [3.0, -2.0, 0.0, -0.0, 1e3, 9_007_199_254_740_991.0], "b": { "c": 3 }, "d": "3.0" });
        let expected = json!({ "a": [3, -2, 0, 0, 1_000, 9_007_199_254_740_991_u64], "b": { "c": 3 }, "d": "3.0" });
        assert_eq!(by_value(value), expected);
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
            assert_eq!(by_value(other.clone()), other);
        }
    }
}
