//! Commands for link documents on this machine.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use patchbay::chain::{Document, sample};
use serde_json::json;

use crate::documents::{parse_or_report, read, write_example};
use crate::output::Output;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Example {
    /// Order status from `ShipStation`
    Shipstation,
    /// Ask callers for a PIN
    Pin,
    /// Send callers a code by text message and ask for it
    Sms,
}

impl Example {
    /// The file name, the document, and a sample request.
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

pub(super) fn check(file: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(chain) = parse_or_report::<Document>(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let links: Vec<&str> = chain.document().links.iter().map(|link| link.name.as_str()).collect();
    if output.is_json() {
        output.json(&json!({ "issues": [], "links": links }))?;
    } else {
        output.line(format!("{}: valid; links: {}", file.display(), links.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers a sample request. The output is JSON also for people.
pub(super) fn test(file: &Path, sample: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(chain) = parse_or_report::<Document>(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let sample = serde_json::from_str(&read(sample)?).context("the sample is not valid")?;
    let result = sample::run(&chain, &sample)?;
    output.json(&result)?;
    Ok(if result.error.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

pub(super) fn new(example: Example, file: Option<&Path>, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (name, text, request) = example.parts();
    let file = file.unwrap_or_else(|| Path::new(name));
    let sample = file.with_extension("sample.json");
    write_example(&[(file, text), (&sample, request)])?;
    let (shown, sample) = (file.display(), sample.display());
    if output.is_json() {
        output.json(&json!({ "file": shown.to_string(), "sample": sample.to_string() }))?;
    } else {
        output.line(format!(
            "{shown}: written; read the comments at its top, then run: patchbay link push {shown}"
        ))?;
        output.line(format!(
            "{sample}: sample request; to test it: patchbay link test {shown} {sample}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use patchbay::chain::Chain;
    use serde_json::Value;

    use super::*;
    use crate::documents::testing::TempFile;
    use crate::output::Format;

    #[test]
    fn every_example_is_valid_and_answers_its_sample() {
        for example in [Example::Shipstation, Example::Pin, Example::Sms] {
            let (file, text, request) = example.parts();
            let chain = Chain::read(text).expect(file);
            let request = serde_json::from_str(request).expect(file);
            let result = sample::run(&chain, &request).expect(file);
            assert_eq!(result.error, None, "{file}");
            assert!(!result.answer.actions.is_empty(), "{file}: {result:?}");
            assert!(super::super::deployed::name(file.trim_end_matches(".yaml")).is_ok());
        }
    }

    fn json(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> (ExitCode, Value) {
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, Format::Json)).expect("it works");
        (code, serde_json::from_slice(&buffer).expect("one document"))
    }

    #[test]
    fn json_output_has_every_issue_with_its_position() {
        let file = TempFile::new("unsound.yaml", Some("links:\n  - name: ask\n    nonsense: 1\n"));
        let (code, report) = json(|output| check(&file.0, output));
        assert_eq!(code, ExitCode::FAILURE);
        let issues = report["issues"].as_array().expect("a list");
        let issue = issues
            .iter()
            .find(|issue| issue["line"] == 3)
            .expect("an issue on line 3");
        assert_eq!(issue["file"], file.0.display().to_string());
        assert!(issue["column"].is_u64(), "{issue}");
        assert!(
            issue["path"].as_str().expect("a path").starts_with("links[0]"),
            "{issue}"
        );
        assert!(!issue["message"].as_str().expect("a message").is_empty());
        let sample = TempFile::new("no-sample.json", None);
        assert_eq!(
            json(|output| test(&file.0, &sample.0, output)),
            (ExitCode::FAILURE, report)
        );
    }

    #[test]
    fn json_output_of_a_valid_document_has_no_issues() {
        let (file, request) = (
            TempFile::new("example.yaml", None),
            TempFile::new("example.sample.json", None),
        );
        let (code, report) = json(|output| new(Example::Pin, Some(&file.0), output));
        assert_eq!(code, ExitCode::SUCCESS);
        let files = json!({ "file": file.0.display().to_string(), "sample": request.0.display().to_string() });
        assert_eq!(report, files);
        let (code, report) = json(|output| test(&file.0, &request.0, output));
        assert_eq!(
            (code, &report["answered_by"]),
            (ExitCode::SUCCESS, &serde_json::json!("links[0].qualified[0].rules[0]"))
        );
        let (code, report) = json(|output| check(&file.0, output));
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(report["issues"], json!([]));
        assert!(!report["links"].as_array().expect("a list").is_empty());
    }
}
