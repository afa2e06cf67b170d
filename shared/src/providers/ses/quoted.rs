//! Separates what a customer wrote from the mail that they answer (CONTRACT.md 6).
//!
//! Our own mail names the words that opt out. If the quote of it stayed, every reply would be an opt-out.

/// What mail programs write between the date or name and the quote.
const WROTE: [&str; 17] = [
    "wrote",
    "schrieb",
    "a écrit",
    "escribió",
    "ha scritto",
    "schreef",
    "skrev",
    "escreveu",
    "napisał",
    "napsal",
    "kirjoitti",
    "έγραψε",
    "написал",
    "пишет",
    "yazdı",
    "írta",
    "a scris",
];
/// How a line begins that continues up to one of these words.
const OPENERS: [&str; 12] = [
    "On ",
    "Am ",
    "Le ",
    "El ",
    "Il ",
    "Op ",
    "Den ",
    "Em ",
    "W dniu ",
    "Dne ",
    "Στις ",
    "Pe ",
];
/// Labels of the sender in the block above a quote.
const FROM: [&str; 14] = [
    "From:",
    "Von:",
    "De:",
    "Da:",
    "Van:",
    "Från:",
    "Fra:",
    "Od:",
    "Lähettäjä:",
    "Από:",
    "От:",
    "Kimden:",
    "Feladó:",
    "Gesendet von:",
];
/// Most lines of such an introduction.
const MAX_INTRODUCTION: usize = 3;
/// Longest line of an introduction, in bytes.
const MAX_LINE: usize = 300;
/// Least length of a line that only separates.
const MIN_RULE: usize = 10;

/// The text without quotes, their introductions, and the signature; empty if nothing else is in it.
///
/// A heuristic, because no standard marks a quote. It may keep part of one in a language that it does not know, so show
/// people the whole text where it matters.
pub fn without_quotes(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        if ends_text(rest) {
            break;
        }
        let introduction = introduction(rest);
        if introduction > 0 {
            at += introduction;
            let next = lines.get(at..).unwrap_or_default().iter().find(|line| !line.is_empty());
            // Without marks, everything below is the quote.
            if !next.is_some_and(|line| is_quoted(line)) {
                break;
            }
            continue;
        }
        // Of several empty lines, one stays.
        let is_gap = line.is_empty() && kept.last().is_none_or(|last| last.is_empty());
        if !is_gap && !is_quoted(line) {
            kept.push(line);
        }
        at += 1;
    }
    kept.join("\n").trim().to_owned()
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// Whether only a signature or a quote follows.
fn ends_text(rest: &[&str]) -> bool {
    let [line, after @ ..] = rest else { return false };
    // The trailing space of a signature's line was removed.
    if *line == "--" || is_titled_rule(line) {
        return true;
    }
    let line = line.trim_start_matches(['*', ' ']);
    let is_rule = line.len() >= MIN_RULE && line.bytes().all(|byte| byte == b'_');
    let has_labels = || {
        let labels = after.iter().take(MAX_INTRODUCTION).filter(|line| line.contains(':'));
        labels.count() >= 2
    };
    is_rule || (FROM.iter().any(|label| line.starts_with(label)) && has_labels())
}

/// Such as `-----Original Message-----`, in any language.
fn is_titled_rule(line: &str) -> bool {
    let line = line.trim();
    let title = line.trim_matches('-');
    let has_dashes = line.starts_with("---") && line.ends_with("---");
    has_dashes && line.len() <= MAX_LINE && title.chars().any(char::is_alphabetic)
}

/// The number of lines that introduce a quote at the beginning of `rest`; 0 if none do.
fn introduction(rest: &[&str]) -> usize {
    let Some(first) = rest.first() else { return 0 };
    let has_opener = OPENERS.iter().any(|opener| first.trim_start().starts_with(opener));
    let longest = if has_opener { MAX_INTRODUCTION } else { 1 };
    let mut joined = String::new();
    for (index, line) in rest.iter().take(longest).enumerate() {
        if line.is_empty() || line.len() > MAX_LINE {
            return 0;
        }
        joined.push(' ');
        joined.push_str(line);
        if line.ends_with(':') {
            let names_source = joined.contains(|c: char| c == '@' || c.is_ascii_digit());
            let wrote = WROTE.iter().any(|word| joined.contains(word));
            let is_marked = rest.get(index + 1).is_some_and(|line| is_quoted(line));
            return if names_source && (wrote || is_marked) {
                index + 1
            } else {
                0
            };
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quote_of_our_mail_is_removed() {
        for text in [
            "Thanks!\n\nOn Thu, Nov 26, 2026 at 10:00 AM Acme <care@example.org> wrote:\n> To opt out, reply STOP.\n>\n> Acme\n",
            "Thanks!\n\nOn Thu, Nov 26, 2026 at 10:00 AM Acme Customer Care\n<care@example.org> wrote:\n\n> reply STOP\n",
            "Thanks!\r\n\r\nAm 26.11.2026 um 10:00 schrieb Acme:\r\n> STOP\r\n",
            "Thanks!\n\nLe jeu. 26 nov. 2026 à 10:00, Acme <care@example.org> a écrit :\n\n> STOP\n",
            "Thanks!\n\nOn 26 Nov 2026, Acme wrote:\n\nTo opt out, reply STOP.\n",
            "Thanks!\n\n2026年11月26日 10:00 Acme <care@example.org>:\n> STOP\n",
            "Thanks!\n\n-----Original Message-----\nFrom: Acme\nreply STOP\n",
            "Thanks!\n\n----- Ursprüngliche Nachricht -----\nSTOP\n",
            "Thanks!\n\n________________________________\nFrom: Acme <care@example.org>\nSTOP\n",
            "Thanks!\n\nFrom: Acme <care@example.org>\nSent: Thursday\nTo: Ana\nSubject: Parcel\n\nreply STOP\n",
            "Thanks!\n\n*Von:* Acme\n*Gesendet:* Donnerstag\n*An:* Ana\n\nSTOP\n",
            "Thanks!\n-- \nAna\nSTOP the spam foundation\n",
            "> To opt out, reply STOP.\n\nThanks!\n",
            "Thanks!",
        ] {
            assert_eq!(without_quotes(text), "Thanks!", "{text}");
        }
    }

    #[test]
    fn answers_between_quotes_are_kept() {
        let text = "On 26 Nov 2026, Acme wrote:\n> When?\nTomorrow.\n>> older\n> Where?\n\n\nAt home.\n";
        assert_eq!(without_quotes(text), "Tomorrow.\n\nAt home.");
    }

    #[test]
    fn what_only_looks_like_a_quote_is_kept() {
        for text in [
            "Order: 5\nName: Ana\nE-mail: ana@example.net",
            "From: Berlin to Rome, please.",
            "My address:\nHigh Street 5",
            "On Monday I come.\n\nTell me what you wrote: I lost it.",
            "I prefer:\n- A\n- B",
            "a --- b",
            "---",
            "STOP",
        ] {
            assert_eq!(without_quotes(text), text);
        }
    }

    #[test]
    fn nothing_but_a_quote_is_empty() {
        for text in ["", "\n\n", "> STOP", "On 26 Nov 2026, Acme wrote:\n> STOP\n", "--\nAna"] {
            assert_eq!(without_quotes(text), "", "{text}");
        }
    }

    #[test]
    fn customer_text_above_an_introduction_of_two_lines_is_kept() {
        let text = "Please stop this\nOn Thu, 26 Nov 2026 Acme\nwrote:\n> hello\n";
        assert_eq!(without_quotes(text), "Please stop this");
    }

    #[test]
    fn megabyte_of_lines_is_read_at_once() {
        let text = "On 1\n".repeat(200_000);
        assert!(without_quotes(&text).starts_with("On 1\nOn 1"));
        assert_eq!(without_quotes(&">".repeat(1_000_000)), "");
    }

    proptest! {
        #[test]
        fn every_kept_line_is_one_of_the_text(text in "(On 1|wrote:|> a|b|--|From: a|c: d|\n){0,30}", any in any::<String>()) {
            for text in [text, any] {
                let kept = without_quotes(&text);
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                prop_assert!(kept.lines().all(|line| line.is_empty() || lines.contains(&line.trim())), "{:?} {:?}", text, kept);
            }
        }
    }
}
