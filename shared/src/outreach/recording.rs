//! Recordings of calls: which of them may be passed on.

use url::{Host, Url};

use super::agent::Over;
use crate::ids::Nonce;
use crate::interaction::{CallDetails, Interaction};
use crate::target::Targets;

/// Longest URL of a recording, in bytes. A longer one is stored as its hash, which is no URL.
const MAX_URL_BYTES: usize = crate::interaction::limits::MAX_RECORDING_BYTES;

/// A recording that may be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The attempt that made the call.
    pub attempt: Nonce,
    /// Where the back end keeps it. Anyone who has this URL can listen to it: it is never shown and never logged.
    pub url: Url,
}

/// The recording of the last call that has one.
pub fn newest(interaction: &Interaction) -> Option<Recording> {
    all(interaction).last()
}

/// The recording of the call that an attempt made.
pub fn of(interaction: &Interaction, attempt: Nonce) -> Option<Recording> {
    all(interaction).find(|recording| recording.attempt == attempt)
}

/// Elemente's: their URLs need no credentials of ours. No other back end records.
fn all(interaction: &Interaction) -> impl Iterator<Item = Recording> {
    let past = interaction.past.iter().map(|past| (past.id, past.leg, &past.call));
    let current = interaction.attempt.iter();
    let current = current.map(|attempt| (attempt.id, attempt.leg, &attempt.call));
    past.chain(current).filter_map(|(attempt, leg, call)| {
        let leg = interaction.leg(leg)?;
        let url = (leg.back_end == Over::Elemente.name()).then(|| public_url(call))??;
        Some(Recording { attempt, url })
    })
}

/// The URL, if a browser may be sent there: what a back end answers can be anything.
fn public_url(call: &CallDetails) -> Option<Url> {
    let text = call.recording.as_deref().filter(|text| text.len() <= MAX_URL_BYTES)?;
    let url = Url::parse(text).ok()?;
    Targets::public_only().check_url(&url).ok()?;
    let is_public = match url.host()? {
        Host::Domain(name) => has_public_suffix(name),
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    (is_public && url.as_str().len() <= MAX_URL_BYTES).then_some(url)
}

/// Whether a name can be one of the public internet.
fn has_public_suffix(name: &str) -> bool {
    let suffix = name.trim_end_matches('.').rsplit_once('.').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| !["localhost", "local", "internal", "lan"].contains(&suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_passed_on(url: &str) -> bool {
        let call = CallDetails {
            seconds: 1,
            recording: Some(url.to_owned()),
        };
        public_url(&call).is_some()
    }

    #[test]
    fn only_an_https_url_of_a_public_host_without_credentials_is_passed_on() {
        let long = format!("https://media.example.org/{}", "a".repeat(MAX_URL_BYTES));
        let grows = format!("https://media.example.org/{}", "ä".repeat(MAX_URL_BYTES / 3));
        for url in [
            "https://media.example.org/r.wav",
            "https://media.example.org:8443/r.wav?signature=a%20b#t=1",
        ] {
            assert!(is_passed_on(url), "{url}");
        }
        for url in [
            "",
            "r.wav",
            "/r.wav",
            "//media.example.org/r.wav",
            "http://media.example.org/r.wav",
            "ftp://media.example.org/r.wav",
            "javascript:alert(1)",
            "data:audio/wav;base64,AAAA",
            "https://me:secret@media.example.org/r.wav",
            "https://me@media.example.org/r.wav",
            "https://localhost/r.wav",
            "https://media.localhost./r.wav",
            "https://media.internal/r.wav",
            "https://127.1/r.wav",
            "https://[::1]/r.wav",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.7/r.wav",
            "https://",
            &long,
            &grows,
        ] {
            assert!(!is_passed_on(url), "{url}");
        }
    }

    #[test]
    fn a_url_with_line_breaks_makes_no_second_header() {
        let call = CallDetails {
            seconds: 1,
            recording: Some("https://media.example.org/a\r\nset-cookie: b=1".to_owned()),
        };
        let url = public_url(&call).expect("a URL");
        assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }
}
