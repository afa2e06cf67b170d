//! `patchbay man`: the manual, generated from the `--help` texts.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;

/// `clap_mangen` writes this in front of every section; a page needs it only once.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Options of `patchbay man`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write one page per command into this folder, instead of printing a single page
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(command: Command, options: &Options, output: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match &options.dir {
        Some(dir) => {
            let cannot_write = || format!("cannot write into {}", dir.display());
            fs::create_dir_all(dir).with_context(cannot_write)?;
            clap_mangen::generate_to(command, dir).with_context(cannot_write)?;
        }
        None => output.write_all(render_page(command)?.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One page for the whole program, with a section for every command at any depth.
fn render_page(command: Command) -> anyhow::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    let mut head = Vec::new();
    man.render_title(&mut head)?;
    man.render_name_section(&mut head)?;
    man.render_synopsis_section(&mut head)?;
    man.render_description_section(&mut head)?;
    let mut page = PREAMBLE.to_owned() + &String::from_utf8(head)?.replace(PREAMBLE, "");
    render_sections(&command, &mut page)?;
    Ok(page)
}

fn render_sections(command: &Command, page: &mut String) -> anyhow::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        let man = Man::new(command.clone());
        let mut section = Vec::new();
        man.render_description_section(&mut section)?;
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let section = String::from_utf8(section)?.replace(PREAMBLE, "");
        let section = format!(".SH \"{}\"\n{section}", name.to_uppercase());
        // The sections of a command's own page become subsections here.
        page.push_str(&section.replace("\n.SH ", "\n.SS "));
        render_sections(command, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::Arguments;

    fn printed(options: &Options) -> String {
        let mut buffer = Vec::new();
        run(Arguments::command(), options, &mut buffer).expect("a manual");
        String::from_utf8(buffer).expect("text")
    }

    #[test]
    fn manual_is_one_page_with_a_section_for_every_command() {
        let page = printed(&Options { dir: None });
        assert_eq!(
            (page.matches(".TH ").count(), page.matches(".ds Aq").count()),
            (1, 2),
            "{page}"
        );
        for section in [
            "PATCHBAY DOCTOR",
            "PATCHBAY DLQ REDRIVE",
            "PATCHBAY LINK PUSH",
            "PATCHBAY MAN",
        ] {
            assert!(
                page.contains(&format!("\n.SH \"{section}\"\n.SS DESCRIPTION\n")),
                "{section}: {page}"
            );
        }
        assert!(page.contains("Exit status: 0 when everything was moved, 2"), "{page}");
        assert!(!page.contains("PATCHBAY HELP"), "{page}");
    }

    #[test]
    fn dir_gets_one_page_per_command() {
        let dir = std::env::temp_dir().join(format!("patchbay-man-{}", std::process::id()));
        let options = Options {
            dir: Some(dir.join("man1")),
        };
        assert_eq!(printed(&options), "");
        for page in ["patchbay.1", "patchbay-doctor.1", "patchbay-dlq-redrive.1"] {
            let text = fs::read_to_string(dir.join("man1").join(page)).expect(page);
            assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
        }
        fs::remove_dir_all(dir).expect("the folder is removed");
    }
}
