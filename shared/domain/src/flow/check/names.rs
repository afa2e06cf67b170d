//! The names that templates may use at a place in a document.

use std::sync::Arc;

/// Fields of `fetch.NAME`. The first three tell whether the request succeeded.
pub(super) const FETCH_FIELDS: [&str; 5] = ["ok", "outcome", "status", "json", "retry_after"];
/// Roots that exist in every document. No named value may shadow them.
const RESERVED_ROOTS: [&str; 2] = ["fetch", "loop"];

/// What a root is.
#[derive(Clone, Debug)]
enum Root {
    /// An object with fields of these names, and the text that introduces their list in an error. Rules clone the
    /// names, so the list is shared.
    Fields(Arc<[String]>, &'static str),
    /// Not available here, and the reason.
    Unavailable(&'static str),
    /// A single value.
    Value,
}

/// The names that a template may use. The application declares the roots; rules add their requests and values.
#[derive(Clone, Debug, Default)]
pub struct Names {
    roots: Vec<(&'static str, Root)>,
    fetch: Vec<String>,
    values: Vec<String>,
}

impl Names {
    /// Adds a root that has fields. `hint` introduces their list in an error.
    #[must_use]
    pub fn fields<N: Into<String>>(
        self,
        root: &'static str,
        names: impl IntoIterator<Item = N>,
        hint: &'static str,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.with(root, Root::Fields(names, hint))
    }

    /// Marks a root as unavailable here, with the reason.
    #[must_use]
    pub fn unavailable(self, root: &'static str, reason: &'static str) -> Self {
        self.with(root, Root::Unavailable(reason))
    }

    /// Adds a root that is a single value.
    #[must_use]
    pub fn value(self, root: &'static str) -> Self {
        self.with(root, Root::Value)
    }

    fn with(mut self, root: &'static str, root_kind: Root) -> Self {
        match self.roots.iter_mut().find(|(known, _)| *known == root) {
            Some(known) => known.1 = root_kind,
            None => self.roots.push((root, root_kind)),
        }
        self
    }

    /// Adds a request. True if the name was free.
    pub(super) fn add_fetch(&mut self, name: &str) -> bool {
        let is_new = !self.fetch.iter().any(|known| known == name);
        self.fetch.push(name.to_owned());
        is_new
    }

    /// Adds a named value. True if the name was free.
    pub(super) fn add_value(&mut self, name: &str) -> bool {
        let is_new = !self.is_root(name) && !self.values.iter().any(|known| known == name);
        self.values.push(name.to_owned());
        is_new
    }

    fn is_root(&self, name: &str) -> bool {
        RESERVED_ROOTS.contains(&name) || self.roots.iter().any(|(root, _)| *root == name)
    }

    /// Checks that a variable is defined here.
    ///
    /// # Errors
    /// Why a variable such as `state.order` is not defined here.
    pub(super) fn check(&self, variable: &str) -> Result<(), String> {
        let mut parts = variable.split('.');
        let (root, name, inner) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if root == "fetch" {
            check_field(root, name, &self.fetch, "earlier requests are")?;
            return match inner {
                Some(inner) if !FETCH_FIELDS.contains(&inner) => Err(format!(
                    "`{variable}` is undefined; a request has: {}",
                    FETCH_FIELDS.join(", ")
                )),
                _ => Ok(()),
            };
        }
        match self.roots.iter().find(|(known, _)| *known == root) {
            Some((_, Root::Fields(known, hint))) => check_field(root, name, known, hint),
            Some((_, Root::Unavailable(reason))) => Err((*reason).to_owned()),
            Some((_, Root::Value)) => Ok(()),
            None if self.values.iter().any(|value| value == root) => Ok(()),
            None => Err(format!(
                "`{root}` is undefined; available: {}",
                self.root_names().join(", ")
            )),
        }
    }

    /// Names of all roots, those with fields first.
    fn root_names(&self) -> Vec<&str> {
        let roots = |is_value: bool| {
            let roots = self.roots.iter();
            let roots = roots.filter(move |(_, root_kind)| matches!(root_kind, Root::Value) == is_value);
            roots.map(|(root, _)| *root)
        };
        let values = self.values.iter().map(String::as_str);
        roots(false).chain(["fetch"]).chain(roots(true)).chain(values).collect()
    }
}

fn check_field(root: &str, name: Option<&str>, known: &[String], hint: &str) -> Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    Err(format!("`{root}.{name}` is undefined; {hint}: {known}"))
}
