//! `patchbay agent` and `patchbay skill`: check and deploy the documents with which customers are contacted.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::ids::DocumentName;
use patchbay::outreach::{agent, skill};
use serde_json::json;

use crate::api::ApiOptions;
use crate::documents::deployed::{Collection, check};
use crate::documents::{read, report_issues, write_example};
use crate::output::{Format, Output};

/// Options of both commands.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an example document; never overwrites a file
    New {
        /// Name of the document: NAME.yaml is written
        name: DocumentName,
    },
    /// Check a document on this machine: report every error with its line
    Check {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Check a document and write it to a deployment
    #[command(visible_alias = "put")]
    Push {
        /// The id by which requests name it: a-z, 0-9, - and _, such as a UUID
        name: DocumentName,
        /// YAML or JSON
        file: PathBuf,
        /// Write only if this is the current version
        #[arg(long)]
        expect: Option<i64>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// List the documents of a deployment
    List {
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Read a document from a deployment, as JSON; comments stay in your local copy
    #[command(visible_alias = "get")]
    Show {
        /// The id by which requests name it
        name: DocumentName,
        /// File to write (default: stdout)
        file: Option<PathBuf>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Delete a document from a deployment
    Delete {
        /// The id by which requests name it
        name: DocumentName,
        /// Delete only if this is the current version
        #[arg(long)]
        expect: Option<i64>,
        #[command(flatten)]
        api: ApiOptions,
    },
}

/// One of the two kinds of documents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    deployed: Collection,
    example: &'static str,
}

/// Agents.
pub(crate) const AGENT: Kind = Kind {
    deployed: Collection {
        kind: "agent",
        kinds: "agents",
        check: check::<agent::Document>,
        takes_effect: "in effect from the next request on",
        without: "requests that name it are refused",
    },
    example: include_str!("../../../functions/calls/examples/agent.yaml"),
};

/// Skills.
pub(crate) const SKILL: Kind = Kind {
    deployed: Collection {
        kind: "skill",
        kinds: "skills",
        check: check::<skill::Document>,
        takes_effect: "in effect from the next request on",
        without: "requests that name it are refused",
    },
    example: include_str!("../../../functions/calls/examples/skill.yaml"),
};

impl Kind {
    pub(crate) fn run(&self, options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
        let deployed = &self.deployed;
        match &options.command {
            Command::New { name } => self.write_new(&PathBuf::from(format!("{name}.yaml")), output),
            Command::Check { file } => self.check(file, output),
            Command::Push {
                name,
                file,
                expect,
                api,
            } => deployed.push(name, file, *expect, api, output),
            Command::List { api } => deployed.list(api, output),
            Command::Show { name, file, api } => deployed.show(name, file.as_deref(), api, output),
            Command::Delete { name, expect, api } => deployed.delete(name, *expect, api, output),
        }
    }

    fn write_new(&self, file: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
        write_example(&[(file, self.example)])?;
        let (shown, kind) = (file.display(), self.deployed.kind);
        if output.is_json() {
            output.json(&json!({ "file": shown.to_string() }))?;
        } else {
            output.line(format!(
                "{shown}: written; read the comments in it, then run: patchbay {kind} check {shown}"
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self, file: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
        if let Err(issues) = (self.deployed.check)(&read(file)?) {
            report_issues(file, &issues, output)?;
            return Ok(ExitCode::FAILURE);
        }
        if output.is_json() {
            output.json(&json!({ "issues": [] }))?;
        } else {
            output.line(format!("{}: valid", file.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::testing::api;
    use crate::documents::testing::TempFile;

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
    fn a_written_example_is_valid_and_never_overwrites_a_file() {
        for kind in [AGENT, SKILL] {
            let file = TempFile::new(&format!("new-{}.yaml", kind.deployed.kind), None);
            let (_, report) = json_of(|output| kind.write_new(&file.0, output));
            assert_eq!(report, json!({ "file": file.0.display().to_string() }));
            let (code, report) = json_of(|output| kind.check(&file.0, output));
            assert_eq!((code, report), (ExitCode::SUCCESS, json!({ "issues": [] })));
            let again = kind.write_new(&file.0, &mut Output::new(&mut Vec::new(), Format::Text));
            assert!(again.expect_err("it exists").to_string().contains("already exists"));
        }
    }

    #[test]
    fn every_error_of_a_document_has_its_line() {
        let file = TempFile::new("wrong-agent.yaml", Some("name: Leo\nnonsense: 1\nlanguage: 5\n"));
        let (code, report) = json_of(|output| AGENT.check(&file.0, output));
        assert_eq!(code, ExitCode::FAILURE);
        let issues = report["issues"].as_array().expect("a list");
        let lines: Vec<_> = issues.iter().map(|issue| (&issue["line"], &issue["path"])).collect();
        let expected = [
            (json!(1), json!("channels")),
            (json!(2), json!("nonsense")),
            (json!(3), json!("language")),
        ];
        assert_eq!(
            lines,
            expected.iter().map(|(line, path)| (line, path)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn push_writes_to_the_collection_of_the_kind() {
        for (kind, path) in [(AGENT, "/v1/agents/leo"), (SKILL, "/v1/skills/leo")] {
            let file = TempFile::new(&format!("pushed-{}.yaml", kind.deployed.kind), Some(kind.example));
            let (deployment, request) = api(&json!({ "version": 3 }));
            let name: DocumentName = "leo".parse().expect("a name");
            let (code, shown) = run_with(Format::Text, |output| {
                kind.deployed.push(&name, &file.0, None, &deployment, output)
            });
            assert_eq!(code, ExitCode::SUCCESS);
            assert_eq!(shown, "leo: version 3, in effect from the next request on\n");
            let request = request.join().expect("a request");
            assert!(request.starts_with(&format!("PUT {path} ")), "{request}");
        }
    }

    #[test]
    fn list_has_the_name_of_the_kind_as_its_heading() {
        let agent = json!({ "agent": "leo", "version": 3, "updated_at": "2026-11-23T20:15:00.000Z" });
        let (deployment, request) = api(&json!({ "agents": [agent], "next_cursor": null }));
        let (_, shown) = run_with(Format::Text, |output| AGENT.deployed.list(&deployment, output));
        assert_eq!(
            shown,
            "AGENT  VERSION  WRITTEN\n\
             leo    3        2026-11-23 20:15:00\n"
        );
        let request = request.join().expect("a request");
        assert!(request.starts_with("GET /v1/agents?limit=200 "), "{request}");
    }
}
