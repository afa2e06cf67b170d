//! The filters and tests that templates have: those of the engine that only look at values, and a few of our own.

use minijinja::{Environment, filters, tests};

use super::{guards, own};

/// The filter that compares telephone numbers.
pub(super) const SAME_NUMBER: &str = "same_number";

/// Every filter.
pub(super) const FILTERS: [&str; 31] = [
    "abs",
    "at",
    "bool",
    "capitalize",
    "day",
    "default",
    "digits",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "or_null",
    "reject",
    "rejectattr",
    "replace",
    "round",
    SAME_NUMBER,
    "select",
    "selectattr",
    "sort",
    "spell",
    "string",
    "trim",
    "upper",
];

/// Every test.
pub(super) const TESTS: [&str; 23] = [
    "defined",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "le",
    "lessthan",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
];

/// Gives an environment all of them.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("at", own::at);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("day", own::day);
    environment.add_filter("default", own::default);
    environment.add_filter("digits", own::digits);
    environment.add_filter("first", own::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", own::join);
    environment.add_filter("last", own::last);
    environment.add_filter("length", own::length);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("or_null", own::or_null);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("round", filters::round);
    environment.add_filter(SAME_NUMBER, own::same_number);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("spell", own::spell);
    environment.add_filter("string", own::string);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_filter(guards::FACTOR, guards::factor);
    environment.add_filter(guards::PART, guards::part);
    environment.add_filter(guards::TERM, guards::term);
    environment.add_filter(guards::SAID, guards::said);

    environment.add_test("defined", tests::is_defined);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("equalto", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("ge", tests::is_ge);
    environment.add_test("greaterthan", tests::is_gt);
    environment.add_test("gt", tests::is_gt);
    environment.add_test("in", tests::is_in);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("le", tests::is_le);
    environment.add_test("lessthan", tests::is_lt);
    environment.add_test("lt", tests::is_lt);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn lists_of_names_are_what_is_there() {
        let mut environment = Environment::empty();
        add(&mut environment);
        for name in FILTERS {
            // Found, even if it does not like what it gets.
            let source = format!("1 | {name}");
            let result = environment.compile_expression_owned(source).expect("a filter").eval(());
            let unknown = result.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownFilter);
            assert!(!unknown, "{name}");
        }
        for name in TESTS {
            let source = format!("1 is {name}");
            let result = environment.compile_expression_owned(source).expect("a test").eval(());
            let unknown = result.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownTest);
            assert!(!unknown, "{name}");
        }
    }
}
