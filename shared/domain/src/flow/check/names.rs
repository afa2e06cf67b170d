//! What templates may refer to, where they stand.

use std::sync::Arc;

/// What `fetch.NAME` has.
pub(super) const OF_FETCH: [&str; 5] = ["ok", "outcome", "status", "json", "retry_after"];
/// Roots that every document has: no value of one's own may take their place.
const OWN_ROOTS: [&str; 2] = ["fetch", "loop"];

/// What is known of a root.
#[derive(Clone, Debug)]
enum Inside {
    /// It has fields of these names; what is said before they are listed. Every rule has names of its own, and shares them.
    Fields(Arc<[String]>, &'static str),
    /// It is not there, and why.
    Missing(&'static str),
    /// It is one value.
    Plain,
}

/// The names that a template may use. The job says what there is, and where; rules add their requests and values.
#[derive(Clone, Debug, Default)]
pub struct Names {
    roots: Vec<(&'static str, Inside)>,
    fetch: Vec<String>,
    values: Vec<String>,
}

impl Names {
    /// The same, with a root that has fields. `hint` is said before they are listed.
    #[must_use]
    pub fn fields<N: Into<String>>(
        self,
        root: &'static str,
        names: impl IntoIterator<Item = N>,
        hint: &'static str,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.with(root, Inside::Fields(names, hint))
    }

    /// The same, where a root that is there elsewhere is not, and why.
    #[must_use]
    pub fn missing(self, root: &'static str, why: &'static str) -> Self {
        self.with(root, Inside::Missing(why))
    }

    /// The same, with a root that is one value.
    #[must_use]
    pub fn plain(self, root: &'static str) -> Self {
        self.with(root, Inside::Plain)
    }

    fn with(mut self, root: &'static str, inside: Inside) -> Self {
        match self.roots.iter_mut().find(|(known, _)| *known == root) {
            Some(place) => place.1 = inside,
            None => self.roots.push((root, inside)),
        }
        self
    }

    /// Adds a request; says whether the name was free.
    pub(super) fn add_fetch(&mut self, name: &str) -> bool {
        let is_new = !self.fetch.iter().any(|known| known == name);
        self.fetch.push(name.to_owned());
        is_new
    }

    /// Adds a value; says whether the name was free.
    pub(super) fn add_value(&mut self, name: &str) -> bool {
        let is_new = !self.is_root(name) && !self.values.iter().any(|known| known == name);
        self.values.push(name.to_owned());
        is_new
    }

    fn is_root(&self, name: &str) -> bool {
        OWN_ROOTS.contains(&name) || self.roots.iter().any(|(root, _)| *root == name)
    }

    /// # Errors
    /// Why a variable such as `state.order` is not defined here.
    pub(super) fn know(&self, variable: &str) -> Result<(), String> {
        let mut parts = variable.split('.');
        let (root, name, inner) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if root == "fetch" {
            among(root, name, &self.fetch, "requests made before this are")?;
            return match inner {
                Some(inner) if !OF_FETCH.contains(&inner) => Err(format!(
                    "`{variable}` is undefined; a request has: {}",
                    OF_FETCH.join(", ")
                )),
                _ => Ok(()),
            };
        }
        match self.roots.iter().find(|(known, _)| *known == root) {
            Some((_, Inside::Fields(known, hint))) => among(root, name, known, hint),
            Some((_, Inside::Missing(why))) => Err((*why).to_owned()),
            Some((_, Inside::Plain)) => Ok(()),
            None if self.values.iter().any(|value| value == root) => Ok(()),
            None => Err(format!("`{root}` is undefined; there are: {}", self.all().join(", "))),
        }
    }

    /// Every root: those with something inside first.
    fn all(&self) -> Vec<&str> {
        let of = |is_plain: bool| {
            let roots = self.roots.iter();
            let roots = roots.filter(move |(_, inside)| matches!(inside, Inside::Plain) == is_plain);
            roots.map(|(root, _)| *root)
        };
        let values = self.values.iter().map(String::as_str);
        of(false).chain(["fetch"]).chain(of(true)).chain(values).collect()
    }
}

fn among(root: &str, name: Option<&str>, known: &[String], hint: &str) -> Result<(), String> {
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
