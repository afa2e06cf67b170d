//! Secrets read from stdin: arguments stay in the shell's history and show in the process list.

use std::io::BufRead;

use anyhow::{Context as _, ensure};
use patchbay::secret::Secret;

/// The argument that means "read from stdin".
pub(crate) const STDIN: &str = "-";

/// The secret given as an argument, or the first line of `stdin` if the argument is `-`. Fails if that line is empty.
pub(crate) fn read_secret(given: &str, mut stdin: impl BufRead) -> anyhow::Result<Secret> {
    if given != STDIN {
        return Ok(Secret::new(given.trim()));
    }
    let mut line = String::new();
    stdin.read_line(&mut line).context("cannot read from stdin")?;
    let line = line.trim();
    ensure!(
        !line.is_empty(),
        "stdin is empty: expected the secret on its first line"
    );
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_reads_the_secret_from_stdin() {
        let read =
            |given: &str, stdin: &str| read_secret(given, stdin.as_bytes()).map(|secret| secret.expose().to_owned());
        assert_eq!(read("-", "pb_123\r\nmore\n").expect("a secret"), "pb_123");
        assert_eq!(read(" pb_456 ", "pb_123").expect("a secret"), "pb_456");
        for empty in ["", "\n", "  \n"] {
            let error = read("-", empty).expect_err("no secret");
            assert_eq!(
                error.to_string(),
                "stdin is empty: expected the secret on its first line"
            );
        }
    }
}
