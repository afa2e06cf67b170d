//! What templates may refer to, where they stand.

use serde_json::Value;

use crate::chain::document::Document;
use crate::chain::schema;
use crate::chain::wire::RESPONSES;

/// What `fetch.NAME` has.
pub(super) const OF_FETCH: [&str; 5] = ["ok", "outcome", "status", "json", "retry_after"];
const OF_CALLER: [&str; 2] = ["number", "line"];
/// Roots that are there always, and no list of names inside.
const PLAIN: [&str; 4] = ["link", "key", "code", "state_kept"];
/// Every root: no value of one's own may take its place.
const ROOTS: [&str; 10] = [
    "caller",
    "code",
    "context",
    "fetch",
    "key",
    "link",
    "metadata",
    "state",
    "state_kept",
    "loop",
];

/// The names that a template may use.
#[derive(Clone, Debug)]
pub(super) struct Names {
    state: Vec<String>,
    metadata: Vec<String>,
    context: Option<Vec<String>>,
    /// Why there is none.
    no_context: &'static str,
    fetch: Vec<String>,
    values: Vec<String>,
}

impl Names {
    pub(super) fn of(document: &Document) -> Self {
        Self {
            state: document.state.keys().cloned().collect(),
            metadata: document.metadata.keys().cloned().collect(),
            context: None,
            no_context: "`context` is only there when the model has returned something valid",
            fetch: Vec::new(),
            values: Vec::new(),
        }
    }

    /// The same, with what the model returned.
    pub(super) fn with_context(&self, parameters: Option<&Value>) -> Self {
        let names = parameters.map_or_else(|| vec![RESPONSES.to_owned()], schema::names);
        Self {
            context: Some(names),
            ..self.clone()
        }
    }

    /// The same, when the caller has gone and the link declares nothing for that moment.
    pub(super) fn at_interrupt(&self) -> Self {
        Self {
            no_context: "`context` need not be there: Agent4 is said to send none at `interrupt`; keep what is needed in \
                         `state`, or declare `interrupt_parameters` and reckon with null",
            ..self.clone()
        }
    }

    /// Adds a request; says whether the name was free.
    pub(super) fn add_fetch(&mut self, name: &str) -> bool {
        let is_new = !self.fetch.iter().any(|known| known == name);
        self.fetch.push(name.to_owned());
        is_new
    }

    /// Adds a value; says whether the name was free.
    pub(super) fn add_value(&mut self, name: &str) -> bool {
        let is_new = !ROOTS.contains(&name) && !self.values.iter().any(|known| known == name);
        self.values.push(name.to_owned());
        is_new
    }

    /// # Errors
    /// Why a variable such as `state.order` is not defined here.
    pub(super) fn know(&self, variable: &str) -> Result<(), String> {
        let mut parts = variable.split('.');
        let (root, name, inner) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let among = |known: &[String], hint: &str| match name {
            None => Ok(()),
            Some(name) if known.iter().any(|known| known == name) => Ok(()),
            Some(name) => {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                Err(format!("`{root}.{name}` is undefined; {hint}: {known}"))
            }
        };
        match root {
            "state" => among(&self.state, "the chain's `state` declares"),
            "metadata" => among(&self.metadata, "the chain's `metadata` declares"),
            "context" => match &self.context {
                Some(names) => among(names, "the link's parameters are"),
                None => Err(self.no_context.into()),
            },
            "caller" => among(&OF_CALLER.map(str::to_owned), "a caller has"),
            "fetch" => {
                among(&self.fetch, "requests made before this are")?;
                match inner {
                    Some(inner) if !OF_FETCH.contains(&inner) => Err(format!(
                        "`{variable}` is undefined; a request has: {}",
                        OF_FETCH.join(", ")
                    )),
                    _ => Ok(()),
                }
            }
            root if PLAIN.contains(&root) || self.values.iter().any(|value| value == root) => Ok(()),
            root => {
                let mut known = vec!["caller", "state", "metadata", "context", "fetch", "link", "key", "code"];
                known.extend(self.values.iter().map(String::as_str));
                Err(format!("`{root}` is undefined; there are: {}", known.join(", ")))
            }
        }
    }
}
