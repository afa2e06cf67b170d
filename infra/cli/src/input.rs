//! What a command is told beside its arguments, which stay in a shell's history and are seen in the list of processes.

use std::io::BufRead;

use anyhow::{Context as _, ensure};
use patchbay::secret::Secret;

/// An argument that stands for what is read from stdin.
pub(crate) const STDIN: &str = "-";

/// A secret that was given as an argument, or its first line from `stdin` when that is `-`.
pub(crate) fn secret(given: &str, mut stdin: impl BufRead) -> anyhow::Result<Secret> {
    if given != STDIN {
        return Ok(Secret::new(given.trim()));
    }
    let mut line = String::new();
    stdin.read_line(&mut line).context("cannot read from stdin")?;
    let line = line.trim();
    ensure!(!line.is_empty(), "there is nothing on stdin");
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_from_stdin_when_it_is_a_dash() {
        let read = |given: &str, stdin: &str| secret(given, stdin.as_bytes()).map(|secret| secret.expose().to_owned());
        assert_eq!(read("-", "pb_123\r\nmore\n").expect("a secret"), "pb_123");
        assert_eq!(read(" pb_456 ", "pb_123").expect("a secret"), "pb_456");
        for nothing in ["", "\n", "  \n"] {
            let error = read("-", nothing).expect_err("nothing");
            assert_eq!(error.to_string(), "there is nothing on stdin");
        }
    }
}
