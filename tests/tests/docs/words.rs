//! Checks the prose: phrases that no page, comment, message or name may contain, and what to write instead.
//!
//! A listed phrase has no good use in this field. Phrases that are only sometimes wrong are left to reviewers.

use std::sync::LazyLock;

use super::{Finding, Tree, has_extension, is_page};

/// A phrase, and what to write instead. Spaces separate words. `a|b` is either word, and `colour*` is every word that
/// starts with `colour`. Case does not matter. `_`, a line break, and a capital letter after a small one (`PutOff`)
/// separate the words of a text.
const PHRASES: &[(&str, &str)] = &[
    // Turns of phrase that have to be decoded.
    ("work|works|worked|working off", "consume, process, drain"),
    ("is|are|was|were told", "is notified, receives, learns"),
    ("can|cannot|could|must be had", "is unavailable; is available from"),
    ("is|are|was to be had", "is available"),
    ("it is had", "it is computed, comes from"),
    ("what came of", "the outcome of"),
    ("what comes of", "the outcome of"),
    ("what became of", "the outcome of, the status of"),
    ("comes of", "results from"),
    ("came of", "resulted from"),
    ("put|puts|putting off", "postpone"),
    ("put|puts|putting down", "record, store"),
    ("lean|leans|leaned on", "depend on"),
    ("stand|stands|stood in for", "replace, take over from, simulate"),
    ("stand|stands|stood still", "stall, stop"),
    ("give|gives|gave way", "yield"),
    ("make|makes|made good", "repair, recover"),
    ("hold|holds|held good", "apply, be valid"),
    ("hear|hears|heard of it", "be notified"),
    ("nobody can tell", "it is unknown"),
    ("no one can tell", "it is unknown"),
    ("nobody knows what", "it is unknown what"),
    ("is|are there twice", "is a duplicate"),
    ("what can be said about", "options for"),
    ("as it stands", "as it is, unchanged"),
    ("as things stand", "now"),
    ("who asks", "the caller, the client, the requester"),
    ("of its|their own accord", "automatically, unprompted"),
    ("for want of", "without, because … is missing"),
    ("there is no such thing", "does not exist"),
    ("so long is it", "how long it is"),
    ("how manieth", "the ordinal, counted from 1"),
    ("manieth", "ordinal, counted from 1"),
    ("how it|they stand|stands", "its status, their status"),
    ("come|comes|came to nothing", "fail"),
    ("wanted no more", "is no longer wanted"),
    ("in its|their stead", "instead"),
    ("what there is", "what exists; name it"),
    ("in force", "active, valid, configured"),
    ("at hand", "available"),
    ("and the like", "and similar; name them"),
    ("or the like", "or similar; name them"),
    ("ask|asks|asked after", "query, look up"),
    ("for ever", "forever, without limit"),
    // Words that no one writes today.
    ("anew", "again"),
    ("afresh", "again"),
    ("amiss", "wrong"),
    ("amongst", "among"),
    ("astray", "lost"),
    ("beside", "next to; besides; in addition to"),
    ("befall*", "affect, happen to"),
    ("befell", "affected, happened to"),
    ("behoves", "should"),
    ("betimes", "early"),
    ("fares|fared", "what happens to"),
    ("forthwith", "immediately"),
    ("heed", "follow, obey; fix"),
    ("heeds", "follows, obeys"),
    ("heeded", "followed, obeyed"),
    ("heeding", "following"),
    ("hence", "so, therefore"),
    ("henceforth", "from then on"),
    ("hereby", "leave it out"),
    ("hitherto", "so far"),
    ("lest", "so that … not"),
    ("likewise", "also, the same"),
    ("mend|mends|mended|mending", "fix, repair"),
    ("naught", "nothing, zero"),
    ("nought", "nothing, zero"),
    ("shall", "must, will"),
    ("thence", "from there"),
    ("thereby", "so"),
    ("therein", "in it"),
    ("thereof", "of it"),
    ("thereupon", "then"),
    ("thrice", "three times"),
    ("twofold", "two, double"),
    ("unasked", "unsolicited, without a request"),
    ("upon", "on, when"),
    ("whence", "from where"),
    ("whereby", "by which"),
    ("wherein", "in which"),
    ("whereupon", "then"),
    ("whilst", "while"),
    ("whither", "where"),
    ("whoever", "anyone who; name the role: caller, requester, operator"),
    ("whomever", "anyone whom; name the role"),
    ("whosoever", "anyone who; name the role"),
    ("whatsoever", "any"),
    // British spellings. "cancelled" and "cancellation" are allowed: they are statuses of the API.
    ("acknowledgement*", "acknowledgment"),
    ("analyse|analysed|analysing", "analyze"),
    ("artefact*", "artifact"),
    ("authoris*", "authoriz…"),
    ("behaviour*", "behavior"),
    ("cancelling", "canceling"),
    ("catalogue*", "catalog"),
    ("centre|centres|centred", "center"),
    ("cheque*", "check"),
    ("colour*", "color"),
    ("customis*", "customiz…"),
    ("defence*", "defense"),
    ("dialled|dialling|dialler|diallers", "dialed, dialing, dialer"),
    ("endeavour*", "try"),
    ("enquir*", "inquire, ask"),
    ("favour*", "favor"),
    ("finalis*", "finaliz…"),
    ("flavour*", "flavor"),
    ("fulfil|fulfils|fulfilment", "fulfill"),
    ("grey", "gray"),
    ("harbour*", "harbor"),
    ("honour*", "honor"),
    ("humour*", "humor"),
    ("initialis*", "initializ…"),
    ("judgement*", "judgment"),
    ("labelled|labelling", "labeled, labeling"),
    ("labour*", "labor"),
    ("learnt", "learned"),
    ("licence*", "license"),
    ("minimis*", "minimiz…"),
    ("modelled|modelling", "modeled, modeling"),
    ("neighbour*", "neighbor"),
    ("normalis*", "normaliz…"),
    ("offence*", "offense"),
    ("optimis*", "optimiz…"),
    ("organis*", "organiz…"),
    ("prioritis*", "prioritiz…"),
    ("programme*", "program"),
    ("realis*", "realiz…"),
    ("recognis*", "recogniz…"),
    ("rigour", "rigor"),
    ("rumour*", "rumor"),
    ("sceptic*", "skeptic"),
    ("serialis*", "serializ…"),
    ("signalled|signalling", "signaled, signaling"),
    ("spelt", "spelled"),
    ("summaris*", "summariz…"),
    ("synchronis*", "synchroniz…"),
    ("towards", "toward"),
    ("travelled|travelling", "traveled, traveling"),
    ("unrecognis*", "unrecogniz…"),
    ("utilis*", "use"),
];

/// Words that start like a British spelling but are not one.
const OTHER_WORDS: [&str; 9] = [
    "optimism",
    "optimistic",
    "optimistically",
    "programmed",
    "programmer",
    "programmers",
    "realism",
    "realistic",
    "realistically",
];

/// A doc comment that consists only of one of these says no more than the name below it.
const FILLERS: [&str; 22] = [
    "how.",
    "how many.",
    "how much.",
    "how often.",
    "how long.",
    "its name.",
    "its number.",
    "since when.",
    "the name.",
    "the number.",
    "the text.",
    "the value.",
    "to whom.",
    "until when.",
    "what.",
    "what it is.",
    "when.",
    "where.",
    "which.",
    "who.",
    "whose.",
    "why.",
];

/// Files that are not checked: texts of others, and examples of stored and sent formats. Names in formats change only
/// with a migration, and the code that writes them is checked.
const EXEMPT: [&str; 3] = ["Cargo.lock", "LICENSE", "tests/formats/"];

/// A file, a phrase as in [`PHRASES`], and the reason why the file needs it.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// This file. It contains all phrases, and is not checked.
const LIST: &str = "tests/tests/docs/words.rs";

/// Reports every phrase in a file, in order.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    if path == LIST || EXEMPT.iter().any(|prefix| path.starts_with(prefix)) || path.contains("/fixtures/") {
        return Vec::new();
    }
    let is_exception = |phrase: &str| {
        EXCEPTIONS
            .iter()
            .any(|(file, excepted, _)| *file == path && *excepted == phrase)
    };
    let mut findings: Vec<Finding> = phrases(path, text)
        .into_iter()
        .filter(|(_, phrase, ..)| !is_exception(phrase))
        .map(|(line, _, found, instead)| Finding::new(path, line, format!("\"{found}\": write {instead}")))
        .collect();
    if has_extension(path, "rs") {
        findings.extend(fillers(path, text));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// Reports exceptions whose phrase does not occur in the file.
pub(crate) fn unneeded_exceptions(tree: &Tree) -> Vec<Finding> {
    let unneeded = EXCEPTIONS.iter().filter(|(file, phrase, _)| {
        let text = tree.get(*file).map_or("", String::as_str);
        !phrases(file, text).iter().any(|(_, found, ..)| found == phrase)
    });
    unneeded
        .map(|(file, phrase, _)| Finding::new(file, 0, format!("needs no exception for \"{phrase}\"")))
        .collect()
}

/// A word of a text, in lowercase.
struct Word {
    text: String,
    line: usize,
    /// Whether only spaces, a line break or marks such as `_` separate it from the previous word.
    follows: bool,
}

/// For each phrase in a text: the line, the phrase of the list, the words as found, and what to write instead. A phrase
/// within a longer one is not reported.
fn phrases(path: &str, text: &str) -> Vec<(usize, &'static str, String, &'static str)> {
    static PARTS: LazyLock<Vec<Vec<Vec<&str>>>> = LazyLock::new(|| {
        let parts = |phrase: &'static str| phrase.split(' ').map(|part| part.split('|').collect()).collect();
        PHRASES.iter().map(|(phrase, _)| parts(phrase)).collect()
    });
    let words = words(path, text);
    let mut found = Vec::new();
    for index in 0..words.len() {
        let matches = PARTS.iter().zip(PHRASES).filter(|(parts, _)| {
            let candidates = words.get(index..index + parts.len()).unwrap_or_default();
            parts.len() == candidates.len()
                && parts
                    .iter()
                    .zip(candidates)
                    .all(|(part, word)| is_match(part, &word.text))
                && candidates[1..].iter().all(|word| word.follows)
        });
        if let Some((parts, (phrase, instead))) = matches.max_by_key(|(parts, _)| parts.len()) {
            found.push((index, parts.len(), *phrase, *instead));
        }
    }
    let mut end = 0;
    found.retain(|(index, length, ..)| {
        let is_inside = index + length <= end;
        end = end.max(index + length);
        !is_inside
    });
    let text = |index: usize, length: usize| -> String {
        let words: Vec<&str> = words[index..index + length]
            .iter()
            .map(|word| word.text.as_str())
            .collect();
        words.join(" ")
    };
    let found = found.into_iter();
    found
        .map(|(index, length, phrase, instead)| (words[index].line, phrase, text(index, length), instead))
        .collect()
}

fn is_match(part: &[&str], word: &str) -> bool {
    part.iter().any(|either| match either.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning) && !OTHER_WORDS.contains(&word),
        None => *either == word,
    })
}

/// All words of a file: of comments, names and strings. It skips names that serde reads and writes, since they cannot
/// change, and code between backticks, which is checked where it is defined.
fn words(path: &str, text: &str) -> Vec<Word> {
    let marks: &[&str] = match path {
        path if has_extension(path, "rs") => &["///", "//!", "//"],
        path if is_page(path) => &[">"],
        _ => &["#"],
    };
    let mut words: Vec<Word> = Vec::new();
    let mut was_comment = false;
    // Whether the previous line ended within a clause.
    let mut continues = false;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        let mark = marks.iter().find(|mark| trimmed.starts_with(**mark));
        let line = mark.map_or(trimmed, |mark| &trimmed[mark.len()..]);
        let mut line = without_wire_names(line);
        if is_page(path) || mark.is_some() {
            line = without_code(&line);
        }
        // A comment and the code below it do not form a phrase.
        let mut follows = continues && mark.is_some() == was_comment;
        was_comment = mark.is_some() || line.contains(" // ");
        let mut word = String::new();
        let mut before = ' ';
        let mut end = |word: &mut String, follows: &mut bool| {
            if !word.is_empty() {
                let text = std::mem::take(word).to_lowercase();
                let text = text.trim_end_matches(['\'', '’']).to_owned();
                words.push(Word {
                    text,
                    line: number,
                    follows: *follows,
                });
                *follows = true;
            }
        };
        for c in line.chars() {
            if c.is_alphabetic() || c == '\'' || c == '’' {
                if c.is_uppercase() && before.is_lowercase() {
                    end(&mut word, &mut follows);
                }
                // An apostrophe at the start is a quotation mark.
                if c.is_alphabetic() || !word.is_empty() {
                    word.push(c);
                }
            } else {
                end(&mut word, &mut follows);
                follows &= c.is_whitespace() || "_*\\".contains(c);
            }
            before = c;
        }
        end(&mut word, &mut follows);
        continues = follows && !line.trim().is_empty();
    }
    words
}

/// A line without the names in `rename = "…"` and `alias = "…"`.
fn without_wire_names(line: &str) -> String {
    let mut line = line.to_owned();
    for attribute in ["rename = \"", "alias = \""] {
        while let Some(start) = line.find(attribute) {
            let inside = start + attribute.len();
            let length = line[inside..]
                .find('"')
                .map_or(line.len() - inside, |length| length + 1);
            line.replace_range(start..inside + length, "");
        }
    }
    line
}

/// A line in which the word `code` replaces everything between backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    if parts.len() < 3 || line.contains("```") {
        return line.to_owned();
    }
    // Every second part is code, unless its closing backtick is missing.
    let part = |(index, part): (usize, &&str)| match index % 2 {
        1 if index + 1 < parts.len() => " code ".to_owned(),
        _ => (*part).to_owned(),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Reports doc comments that say nothing.
fn fillers(path: &str, text: &str) -> Vec<Finding> {
    let doc = |line: &str| Some(line.trim().strip_prefix("///")?.trim().to_lowercase());
    let docs: Vec<Option<String>> = text.lines().map(doc).collect();
    let alone = |index: usize| {
        let is_doc = |index: usize| docs.get(index).is_some_and(Option::is_some);
        !is_doc(index + 1) && (index == 0 || !is_doc(index - 1))
    };
    let fillers = docs.iter().enumerate().filter_map(|(index, doc)| {
        let doc = doc.as_deref().filter(|doc| FILLERS.contains(doc) && alone(index))?;
        let message = format!("\"{doc}\" as a whole doc comment: write what the name does not say, or nothing");
        Some(Finding::new(path, index + 1, message))
    });
    fillers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = check(path, text);
        findings
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    #[test]
    fn a_phrase_is_found_in_every_kind_of_prose() {
        let expected = ["1: \"anew\": write again"];
        for (path, text) in [
            ("a.md", "Start `it` **Anew**."),
            ("a.md", "Start `it anew"),
            ("a.rs", "/// Starts anew."),
            ("a.rs", "fn starts_anew() {}"),
            ("a.rs", "struct StartsAnew;"),
            ("a.rs", "let message = \"started anew\";"),
            ("a.py", "'''anew'''"),
            ("a.yaml", "Description: anew"),
            ("a.json", "{\"anew\": 1}"),
        ] {
            assert_eq!(found(path, text), expected, "{text}");
        }
    }

    #[test]
    fn a_phrase_of_several_words_is_found_across_lines_and_in_names() {
        for text in [
            "/// Fails for\n/// want of a key.",
            "fn f() {} // for\n// want of",
            "fn for_want_of_a_key() {}",
        ] {
            assert_eq!(found("a.rs", text).len(), 1, "{text}");
        }
        assert_eq!(found("a.rs", "enum A { PutOff }"), ["1: \"put off\": write postpone"]);
        assert_eq!(found("a.md", "it puts\noff")[0], "1: \"puts off\": write postpone");
        assert_eq!(found("a.rs", "let a = \"it is put \\\n    off\";").len(), 1);
    }

    #[test]
    fn british_spellings_are_found_with_their_endings() {
        assert_eq!(found("a.rs", "enum Behaviour {}"), ["1: \"behaviour\": write behavior"]);
        assert_eq!(
            found("a.rs", "// two behaviours"),
            ["1: \"behaviours\": write behavior"]
        );
        assert_eq!(
            found("a.md", "it is dialled")[0],
            "1: \"dialled\": write dialed, dialing, dialer"
        );
    }

    #[test]
    fn text_that_only_resembles_a_phrase_is_accepted() {
        for (path, text) in [
            (
                "a.md",
                "Put it in, off it goes. The programmer cancelled; a realistic cancellation, honest.",
            ),
            ("a.md", "It is put.\n\nOff it goes."),
            ("a.rs", "/// It is put\nfn off() {}"),
            ("a.rs", "#[serde(rename = \"put_off\", alias = \"dialling\")]"),
            ("a.md", "a stand-in for AWS"),
            ("a.md", "`dialling` is now `dialing`"),
            ("a.rs", "/// Older items have `put_off`."),
            ("Cargo.lock", "anew"),
            ("tests/formats/items/a.json", "dialling"),
            ("shared/src/providers/routee/fixtures/a.json", "behaviour"),
            (LIST, "anew"),
        ] {
            assert_eq!(found(path, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_doc_comment_that_says_nothing_is_found() {
        let expected = ["2: \"since when.\" as a whole doc comment: write what the name does not say, or nothing"];
        assert_eq!(
            found("a.rs", "struct A {\n    /// Since when.\n    at: u64,\n}"),
            expected
        );
        assert_eq!(found("a.rs", "/// When.\n/// Seconds."), [""; 0]);
        assert_eq!(found("a.rs", "/// When the call ended."), [""; 0]);
        assert_eq!(found("a.rs", "// When."), [""; 0]);
    }

    #[test]
    fn every_phrase_has_a_replacement_and_every_exception_a_reason() {
        for (phrase, instead) in PHRASES {
            assert!(!phrase.is_empty() && !instead.is_empty(), "{phrase}");
            assert_eq!(*phrase, phrase.to_lowercase());
        }
        for (file, phrase, reason) in EXCEPTIONS {
            assert!(PHRASES.iter().any(|(known, _)| known == phrase), "{file}: {phrase}");
            assert!(reason.len() > 10, "{file}: {phrase}");
        }
    }
}
