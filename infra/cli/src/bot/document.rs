//! Commands for bot documents on this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use console::style;
use patchbay::bot::Document;
use patchbay::bot::sample::{ExchangeResult, Sample, run};
use patchbay::ids::DocumentName;
use serde_json::json;

use super::timeline::{message, note, problem};
use crate::documents::{parse_or_report, read, report_issues, write_example};
use crate::output::{Output, counted};

/// What the name of a document's sample ends with, in place of the document's extension.
const SAMPLE: &str = "sample.yaml";

/// A bot that is shipped with patchbay.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Example {
    /// Answer common questions, and hand over when somebody is there
    #[default]
    OpeningHours,
    /// Look up the status of an order
    OrderStatus,
    /// Ask for a number and have the customer called back
    CallBack,
    /// Let a language model answer
    Assistant,
}

impl Example {
    /// The document and its sample.
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::OpeningHours => (
                include_str!("../../../../functions/responder/examples/opening-hours.yaml"),
                include_str!("../../../../functions/responder/examples/opening-hours.sample.yaml"),
            ),
            Self::OrderStatus => (
                include_str!("../../../../functions/responder/examples/order-status.yaml"),
                include_str!("../../../../functions/responder/examples/order-status.sample.yaml"),
            ),
            Self::CallBack => (
                include_str!("../../../../functions/responder/examples/call-back.yaml"),
                include_str!("../../../../functions/responder/examples/call-back.sample.yaml"),
            ),
            Self::Assistant => (
                include_str!("../../../../functions/responder/examples/assistant.yaml"),
                include_str!("../../../../functions/responder/examples/assistant.sample.yaml"),
            ),
        }
    }
}

pub(super) fn new(name: &DocumentName, example: Example, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let file = PathBuf::from(format!("{name}.yaml"));
    write_new(&file, example, output)?;
    Ok(ExitCode::SUCCESS)
}

fn write_new(file: &Path, example: Example, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (text, sample_text) = example.parts();
    let sample = file.with_extension(SAMPLE);
    write_example(&[(file, text), (&sample, sample_text)])?;
    let (shown, sample) = (file.display(), sample.display());
    if output.is_json() {
        return Ok(output.json(&json!({ "file": shown.to_string(), "sample": sample.to_string() }))?);
    }
    output.line(format!(
        "{shown}: written; read the comments at its top, then talk to it: patchbay bot chat {shown}"
    ))?;
    Ok(output.line(format!(
        "{sample}: exchanges with it; to run them: patchbay bot test {shown}"
    ))?)
}

pub(super) fn check(file: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(bot) = parse_or_report::<Document>(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let Document { rules, faq, forms, .. } = bot.document();
    let (rules, questions) = (rules.len(), faq.entries.len());
    let forms: Vec<&String> = forms.keys().collect();
    if output.is_json() {
        output.json(&json!({ "issues": [], "rules": rules, "questions": questions, "forms": forms }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let parts = [
        counted(rules, "rule", "rules"),
        counted(questions, "question", "questions"),
        counted(forms.len(), "form", "forms"),
    ];
    output.line(format!("{}: valid; {}", file.display(), parts.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the exchanges of a sample. Fails if an expectation is not met.
pub(super) fn test(file: &Path, sample: Option<&Path>, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let Some(bot) = parse_or_report::<Document>(file, &read(file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let sample_file = match sample {
        Some(sample) => sample.to_owned(),
        None => file.with_extension(SAMPLE),
    };
    let sample = match Sample::read(&read(&sample_file)?) {
        Ok(sample) => sample,
        Err(issues) => {
            report_issues(&sample_file, &issues, output)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    if sample.exchanges.is_empty() {
        bail!("{} has no exchanges", sample_file.display());
    }
    report(&run(&bot, &sample), output)
}

fn report(results: &[ExchangeResult], output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let failures = results.iter().map(|result| result.failures.len()).sum();
    if output.is_json() {
        output.json(&json!({ "exchanges": results, "failures": failures }))?;
    } else {
        for line in results.iter().flat_map(lines) {
            output.line(line)?;
        }
        let exchanges = counted(results.len(), "exchange", "exchanges");
        output.line(match failures {
            0 => style(format!("{exchanges}, all as expected")).green().to_string(),
            count => format!("{exchanges}, {}", counted(count, "difference", "differences")),
        })?;
    }
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// An exchange as a terminal shows it.
fn lines(result: &ExchangeResult) -> Vec<String> {
    let mut lines: Vec<String> = result.said.iter().flat_map(|text| message("customer", text)).collect();
    lines.extend(result.posts.iter().flat_map(|text| message("bot", text)));
    lines.extend(result.fetches.iter().map(|fetch| {
        let outcome = json!(fetch.outcome);
        note(&format!(
            "lookup {}: {}: {}",
            fetch.name,
            fetch.url,
            outcome.as_str().unwrap_or_default()
        ))
    }));
    lines.extend(
        result
            .error
            .iter()
            .map(|error| problem(&format!("the bot failed: {error}"))),
    );
    lines.extend(result.failures.iter().map(|failure| problem(failure)));
    lines
}

#[cfg(test)]
mod tests {
    use patchbay::bot::Bot;
    use serde_json::Value;

    use super::*;
    use crate::documents::testing::TempFile;
    use crate::output::Format;

    fn run_with(format: Format, act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> (ExitCode, String) {
        console::set_colors_enabled(false);
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, format)).expect("it works");
        (code, String::from_utf8(buffer).expect("text"))
    }

    fn json_of(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> (ExitCode, Value) {
        let (code, text) = run_with(Format::Json, act);
        (code, serde_json::from_str(&text).expect("one document"))
    }

    #[test]
    fn every_example_is_valid_and_does_what_its_sample_expects() {
        for example in Example::value_variants() {
            let (text, sample) = example.parts();
            let bot = Bot::read(text).unwrap_or_else(|issues| panic!("{example:?}: {issues:?}"));
            let sample = Sample::read(sample).unwrap_or_else(|issues| panic!("{example:?}: {issues:?}"));
            for result in run(&bot, &sample) {
                assert_eq!(result.failures, Vec::<String>::new(), "{example:?}: {result:?}");
            }
        }
    }

    #[test]
    fn a_written_example_passes_check_and_test() {
        let (file, sample) = (
            TempFile::new("new-bot.yaml", None),
            TempFile::new("new-bot.sample.yaml", None),
        );
        let (_, report) = json_of(|output| {
            write_new(&file.0, Example::OpeningHours, output)?;
            Ok(ExitCode::SUCCESS)
        });
        let names = [&file, &sample].map(|file| file.0.display().to_string());
        assert_eq!(report, json!({ "file": names[0], "sample": names[1] }));
        let (code, report) = json_of(|output| check(&file.0, output));
        assert_eq!(
            (code, &report["issues"], &report["questions"]),
            (ExitCode::SUCCESS, &json!([]), &json!(4))
        );
        let (code, report) = json_of(|output| test(&file.0, None, output));
        assert_eq!((code, &report["failures"]), (ExitCode::SUCCESS, &json!(0)));
        let again = write_new(
            &file.0,
            Example::Assistant,
            &mut Output::new(&mut Vec::new(), Format::Text),
        );
        assert!(again.expect_err("it exists").to_string().contains("already exists"));
    }

    #[test]
    fn a_difference_from_the_sample_is_shown_and_fails() {
        let file = TempFile::new(
            "differs.yaml",
            Some("faq: {entries: [{name: a, questions: [When?], answer: At nine.}]}"),
        );
        let sample = TempFile::new(
            "differs.sample.yaml",
            Some("exchanges:\n  - {say: When?, expect: {contains: [at ten]}}\n"),
        );
        let (code, shown) = run_with(Format::Text, |output| test(&file.0, None, output));
        assert_eq!(code, ExitCode::FAILURE);
        assert!(shown.starts_with("customer  When?\n"), "{shown}");
        assert!(shown.contains("\n✗ "), "{shown}");
        assert!(shown.ends_with("1 exchange, 1 difference\n"), "{shown}");
        let (code, report) = json_of(|output| test(&file.0, Some(&sample.0), output));
        assert_eq!((code, &report["failures"]), (ExitCode::FAILURE, &json!(1)));
    }

    #[test]
    fn every_error_of_a_document_or_a_sample_has_its_line() {
        let file = TempFile::new("wrong-bot.yaml", Some("language: en\nnonsense: 1\n"));
        let (code, report) = json_of(|output| check(&file.0, output));
        assert_eq!(
            (code, &report["issues"][0]["line"]),
            (ExitCode::FAILURE, &json!(2)),
            "{report}"
        );
        let file = TempFile::new("right-bot.yaml", Some("{}"));
        let sample = TempFile::new("wrong.sample.yaml", Some("exchanges:\n  - {say: Hi, expct: {}}\n"));
        let (code, report) = json_of(|output| test(&file.0, Some(&sample.0), output));
        assert_eq!(
            (code, &report["issues"][0]["line"]),
            (ExitCode::FAILURE, &json!(2)),
            "{report}"
        );
    }
}
