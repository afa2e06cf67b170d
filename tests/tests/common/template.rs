//! `infra/template.yaml` as data: the list of functions and routes with which every other such list is compared.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, Tag};
use serde_json::{Map, Value, json};

pub(crate) const TEXT: &str = include_str!("../../../infra/template.yaml");

/// Anchored values, by anchor number.
type Anchors = BTreeMap<usize, Value>;

/// The whole template. Every scalar is a string, and every tag has its long form: `!Ref Table` is `{"Ref": "Table"}`.
pub(crate) fn document() -> Value {
    let mut events = Parser::new_from_str(TEXT).map(|event| event.unwrap().0);
    let mut anchors = Anchors::new();
    while let Some(event) = events.next() {
        if matches!(event, Event::MappingStart(..)) {
            return node(event, &mut events, &mut anchors);
        }
    }
    panic!("no document");
}

fn node<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>, anchors: &mut Anchors) -> Value {
    let (value, anchor, tag) = match event {
        Event::Alias(anchor) => return anchors[&anchor].clone(),
        Event::Scalar(text, _, anchor, tag) => (Value::from(text.into_owned()), anchor, tag),
        Event::SequenceStart(anchor, tag) => {
            let mut all = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => break,
                    item => all.push(node(item, events, anchors)),
                }
            }
            (Value::from(all), anchor, tag)
        }
        Event::MappingStart(anchor, tag) => {
            let mut all = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => break,
                    Event::Scalar(name, ..) => {
                        let value = events.next().unwrap();
                        let value = node(value, events, anchors);
                        assert!(all.insert(name.to_string(), value).is_none(), "duplicate key {name}");
                    }
                    other => panic!("{other:?} is not a key"),
                }
            }
            (Value::from(all), anchor, tag)
        }
        other => panic!("{other:?}"),
    };
    let value = match tag.as_deref().map(Tag::to_string) {
        None => value,
        Some(tag) => match tag.trim_start_matches('!') {
            name @ ("Ref" | "Condition") => json!({ name: value }),
            name => json!({ format!("Fn::{name}"): value }),
        },
    };
    if anchor > 0 {
        anchors.insert(anchor, value.clone());
    }
    value
}

/// Resources by logical id.
pub(crate) fn resources() -> Map<String, Value> {
    document()["Resources"].as_object().unwrap().clone()
}

/// Logical ids and resources of a type.
pub(crate) fn of_type(kind: &str) -> Vec<(String, Value)> {
    let resources = resources().into_iter();
    resources.filter(|(_, resource)| resource["Type"] == kind).collect()
}

/// A deployed function.
pub(crate) struct Function {
    /// Logical id.
    pub(crate) id: String,
    /// Name of its folder in `functions/`.
    pub(crate) name: String,
    pub(crate) properties: Value,
}

pub(crate) fn functions() -> Vec<Function> {
    let functions = of_type("AWS::Serverless::Function").into_iter();
    let functions = functions.map(|(id, resource)| {
        let properties = resource["Properties"].clone();
        let folder = properties["CodeUri"].as_str().unwrap();
        let name = folder.strip_prefix("../functions/").unwrap().to_owned();
        Function { id, name, properties }
    });
    functions.collect()
}

/// Folders of all functions.
pub(crate) fn names() -> BTreeSet<String> {
    functions().into_iter().map(|function| function.name).collect()
}

/// Every route, such as `POST /v1/dispatches`, with the folder of its function.
pub(crate) fn routes() -> BTreeMap<String, String> {
    let mut routes = BTreeMap::new();
    for function in functions() {
        let events = function.properties["Events"].as_object().cloned().unwrap_or_default();
        for event in events.values().filter(|event| event["Type"] == "HttpApi") {
            let route = &event["Properties"];
            assert_eq!(route["ApiId"], json!({ "Ref": "HttpApi" }), "{route}");
            let [method, path] = ["Method", "Path"].map(|name| route[name].as_str().unwrap());
            let before = routes.insert(format!("{method} {path}"), function.name.clone());
            assert!(before.is_none(), "duplicate route {method} {path}");
        }
    }
    routes
}

/// Path of a route with a sample value for every parameter.
pub(crate) fn sample(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{caller}" => "+12025550143",
        "{platform}" => "twilio",
        segment if segment.starts_with('{') => "x",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Statements of a function's role, including conditional ones.
pub(crate) fn statements(function: &Function) -> Vec<Value> {
    let role = &resources()[&format!("{}Role", function.id)]["Properties"];
    assert_eq!(role["ManagedPolicyArns"], Value::Null, "{role}");
    let mut all = Vec::new();
    for policy in role["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            let statement = match &statement["Fn::If"] {
                Value::Null => statement,
                chosen => {
                    assert_eq!(chosen[2], json!({ "Ref": "AWS::NoValue" }), "{statement}");
                    &chosen[1]
                }
            };
            assert_eq!(statement["Effect"], "Allow", "{statement}");
            all.push(statement.clone());
        }
    }
    all
}

/// A list of the items of `value`, which may be a list or a single item.
pub(crate) fn several(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// Asserts that the list `what` has exactly what the template has. The message names the differences.
pub(crate) fn agrees(what: &str, listed: &BTreeSet<String>, in_template: &BTreeSet<String>) {
    let missing: Vec<_> = in_template.difference(listed).collect();
    let unknown: Vec<_> = listed.difference(in_template).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{what} differs from infra/template.yaml: missing {missing:?}, unknown {unknown:?}"
    );
}

/// One line for each route with its function.
pub(crate) fn lines(routes: &BTreeMap<String, String>) -> BTreeSet<String> {
    let lines = routes.iter().map(|(route, function)| format!("{route} -> {function}"));
    lines.collect()
}
