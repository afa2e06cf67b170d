//! The filters and tests of templates: those of the engine that only read values, and our own.

use minijinja::{Environment, filters, tests};

use super::{custom, guards};

/// Name of the filter that compares phone numbers.
pub(super) const SAME_NUMBER: &str = "same_number";

/// All filters.
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

/// All tests.
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

/// Adds all filters, tests and guards to an environment.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("at", custom::at);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("day", custom::day);
    environment.add_filter("default", custom::default);
    environment.add_filter("digits", custom::digits);
    environment.add_filter("first", custom::first);
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", custom::join);
    environment.add_filter("last", custom::last);
    environment.add_filter("length", custom::length);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("or_null", custom::or_null);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("round", filters::round);
    environment.add_filter(SAME_NUMBER, custom::same_number);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("spell", custom::spell);
    environment.add_filter("string", custom::string);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_filter(guards::FACTOR, guards::factor);
    environment.add_filter(guards::PART, guards::part);
    environment.add_filter(guards::TERM, guards::term);
    environment.add_filter(guards::SPOKEN, guards::spoken_value);
    environment.add_filter(guards::WRITTEN, guards::written_value);

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
    fn every_listed_name_is_registered() {
        let mut environment = Environment::empty();
        add(&mut environment);
        for name in FILTERS {
            // The filter exists, even if it refuses this value.
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
