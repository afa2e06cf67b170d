//! Documents on this machine.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use patchbay::chain::{Chain, Issue, sample};
use serde::Serialize;
use serde_json::json;

use crate::input::STDIN;
use crate::output::Output;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Example {
    /// Order status from `ShipStation`
    Shipstation,
    /// Let in who knows a PIN
    Pin,
    /// Let in who can read a text message
    Sms,
}

impl Example {
    /// The file's name, the document, and a request that it answers.
    const fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Shipstation => (
                "shipstation.yaml",
                include_str!("../../../../functions/chain-link/examples/shipstation.yaml"),
                include_str!("../../../../functions/chain-link/examples/shipstation.sample.json"),
            ),
            Self::Pin => (
                "pin.yaml",
                include_str!("../../../../functions/chain-link/examples/pin.yaml"),
                include_str!("../../../../functions/chain-link/examples/pin.sample.json"),
            ),
            Self::Sms => (
                "sms.yaml",
                include_str!("../../../../functions/chain-link/examples/sms.yaml"),
                include_str!("../../../../functions/chain-link/examples/sms.sample.json"),
            ),
        }
    }
}

/// An issue as programs get it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    /// Where in the document, such as `links[0].name`; empty for the whole of it.
    path: &'a str,
    message: &'a str,
}

impl<'a> Told<'a> {
    fn of(file: &Path, issue: &'a Issue) -> Self {
        Self {
            file: file.display().to_string(),
            line: issue.place.map(|place| place.line),
            column: issue.place.map(|place| place.column),
            path: &issue.path,
            message: &issue.detail,
        }
    }
}

/// `FILE:LINE:COLUMN: PATH: DETAIL`, the form that editors find their way by.
fn line(file: &Path, issue: &Issue) -> String {
    let separator = if issue.place.is_some() { ":" } else { ": " };
    format!("{}{separator}{issue}", file.display())
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new(STDIN) {
        return std::io::read_to_string(std::io::stdin()).context("cannot read from stdin");
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The chain that is in the text of a file; none when it is not sound, which is then said.
pub(super) fn sound(file: &Path, text: &str, output: &mut Output<'_>) -> anyhow::Result<Option<Chain>> {
    let issues = match Chain::read(text) {
        Ok(chain) => return Ok(Some(chain)),
        Err(issues) => issues,
    };
    if output.is_json() {
        let issues: Vec<_> = issues.iter().map(|issue| Told::of(file, issue)).collect();
        output.json(&json!({ "issues": issues }))?;
        return Ok(None);
    }
    for issue in &issues {
        eprintln!("{}", line(file, issue));
    }
    eprintln!("{}: {} to mend", file.display(), issues.len());
    Ok(None)
}

pub(super) fn check(file: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(chain) = sound(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let links: Vec<&str> = chain.document().links.iter().map(|link| link.name.as_str()).collect();
    if output.is_json() {
        output.json(&json!({ "issues": [], "links": links }))?;
    } else {
        output.line(format!("{}: sound; links: {}", file.display(), links.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What would be answered is JSON for people, too.
pub(super) fn test(file: &Path, sample: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(chain) = sound(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let sample = serde_json::from_str(&read(sample)?).context("the sample is not what it must be")?;
    let tried = sample::run(&chain, &sample)?;
    output.json(&tried)?;
    Ok(if tried.trouble.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

pub(super) fn new(example: Example, file: Option<&Path>, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (name, text, request) = example.parts();
    let file = file.unwrap_or_else(|| Path::new(name));
    let sample = file.with_extension("sample.json");
    for there in [file, &sample] {
        ensure!(!there.exists(), "{} is there already", there.display());
    }
    for (file, text) in [(file, text), (&sample, request)] {
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let (shown, sample) = (file.display(), sample.display());
    if output.is_json() {
        output.json(&json!({ "file": shown.to_string(), "sample": sample.to_string() }))?;
    } else {
        output.line(format!(
            "{shown}: written; read its first lines, then: patchbay link push {shown}"
        ))?;
        output.line(format!(
            "{sample}: a request for it; try: patchbay link test {shown} {sample}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use patchbay::chain::Place;
    use serde_json::Value;

    use super::*;
    use crate::output::Format;

    #[test]
    fn an_issue_is_told_as_editors_want_it() {
        let mut issue = Issue::new("links[0].name", "is wrong");
        let file = Path::new("a.yaml");
        assert_eq!(line(file, &issue), "a.yaml: links[0].name: is wrong");
        issue.place = Some(Place { line: 3, column: 5 });
        assert_eq!(line(file, &issue), "a.yaml:3:5: links[0].name: is wrong");
    }

    #[test]
    fn every_example_can_be_pushed_as_it_is() {
        for example in [Example::Shipstation, Example::Pin, Example::Sms] {
            let (file, text, request) = example.parts();
            let chain = Chain::read(text).expect(file);
            let request = serde_json::from_str(request).expect(file);
            let tried = sample::run(&chain, &request).expect(file);
            assert_eq!(tried.trouble, None, "{file}");
            assert!(!tried.answer.actions.is_empty(), "{file}: {tried:?}");
            assert!(super::super::deployed::name(file.trim_end_matches(".yaml")).is_ok());
        }
    }

    /// A file of this test's own, gone when it is over.
    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: Option<&str>) -> Self {
            let path = std::env::temp_dir().join(format!("patchbay-{}-{name}", std::process::id()));
            if let Some(text) = text {
                fs::write(&path, text).expect("written");
            }
            Self(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn json(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> (ExitCode, Value) {
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, Format::Json)).expect("it works");
        (code, serde_json::from_slice(&buffer).expect("one document"))
    }

    #[test]
    fn programs_are_told_every_issue_with_its_place() {
        let file = File::new("unsound.yaml", Some("links:\n  - name: ask\n    nonsense: 1\n"));
        let (code, told) = json(|output| check(&file.0, output));
        assert_eq!(code, ExitCode::FAILURE);
        let issues = told["issues"].as_array().expect("a list");
        let issue = issues
            .iter()
            .find(|issue| issue["line"] == 3)
            .expect("of the third line");
        assert_eq!(issue["file"], file.0.display().to_string());
        assert!(issue["column"].is_u64(), "{issue}");
        assert!(
            issue["path"].as_str().expect("a path").starts_with("links[0]"),
            "{issue}"
        );
        assert!(!issue["message"].as_str().expect("a message").is_empty());
        let sample = File::new("no-sample.json", None);
        assert_eq!(
            json(|output| test(&file.0, &sample.0, output)),
            (ExitCode::FAILURE, told)
        );
    }

    #[test]
    fn programs_are_told_that_nothing_is_wrong() {
        let (file, request) = (File::new("example.yaml", None), File::new("example.sample.json", None));
        let (code, told) = json(|output| new(Example::Pin, Some(&file.0), output));
        assert_eq!(code, ExitCode::SUCCESS);
        let files = json!({ "file": file.0.display().to_string(), "sample": request.0.display().to_string() });
        assert_eq!(told, files);
        let (code, told) = json(|output| test(&file.0, &request.0, output));
        assert_eq!(
            (code, &told["answered_by"]),
            (ExitCode::SUCCESS, &serde_json::json!("links[0].qualified[0].rules[0]"))
        );
        let (code, told) = json(|output| check(&file.0, output));
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(told["issues"], json!([]));
        assert!(!told["links"].as_array().expect("a list").is_empty());
    }
}
