//! The list of functions, read from `infra/template.yaml`.

const TEXT: &str = include_str!("../../template.yaml");

/// The functions that contact customers, and their API. Either all are deployed, or none.
pub(crate) const CALLS_FUNCTIONS: [&str; 3] = ["calls", "messenger", "message-event"];

/// A function that the template deploys.
#[derive(Debug)]
pub(crate) struct Function {
    /// Name without the stack prefix; equals the name of its folder.
    pub(crate) name: &'static str,
    /// Time-out in seconds.
    pub(crate) timeout: u32,
    /// Its own `PATCHBAY_` variables, each with the template expression that sets it.
    pub(crate) variables: Vec<(&'static str, &'static str)>,
}

/// All functions, in template order.
pub(crate) fn functions() -> impl Iterator<Item = Function> {
    let blocks = TEXT.split("\n      CodeUri: ../functions/").skip(1);
    blocks.map(|rest| {
        let name = rest.lines().next().unwrap_or_default();
        // The block ends at the next resource.
        let lines = rest.lines().skip(1).take_while(|line| line.starts_with("    "));
        let mut function = Function {
            name,
            timeout: 0,
            variables: Vec::new(),
        };
        for (name, value) in lines.filter_map(|line| line.trim_start().split_once(": ")) {
            match name {
                "Timeout" => function.timeout = value.parse().unwrap_or_default(),
                name if name.starts_with("PATCHBAY_") => {
                    let value = value.split(" #").next().unwrap_or_default();
                    function.variables.push((name, value.trim_end()));
                }
                _ => {}
            }
        }
        function
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_read_with_its_timeout_and_variables() {
        let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions")).expect("a folder");
        let mut folders: Vec<String> = folders
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        let mut names: Vec<&str> = functions().map(|function| function.name).collect();
        folders.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, folders);
        assert!(functions().all(|function| (1..60).contains(&function.timeout)));
        let dialer = functions()
            .find(|function| function.name == "dialer")
            .expect("a dialer");
        assert_eq!(dialer.timeout, 30);
        let (_, from) = dialer
            .variables
            .iter()
            .find(|(name, _)| *name == "PATCHBAY_ROUTEE_FROM")
            .expect("a variable");
        assert_eq!(*from, "!Ref RouteeFrom");
    }
}
