//! An entry of a memory to which others write, too.

use super::draft::MAX_MEMORY;

/// Entries of one kind that a memory has at most. The oldest are dropped.
const MAX_ENTRIES: usize = 5;
/// Separates the paragraphs of a memory.
const GAP: &str = "\n\n";

/// A paragraph of a memory that is about one thing, such as `Interaction 6b1f…: …`. It is written again whenever
/// there is more to say, and replaces what it said before; what others wrote stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryEntry {
    kind: &'static str,
    about: String,
    paragraph: String,
}

impl MemoryEntry {
    /// An entry about the thing of this kind with the id `about`. Control characters and empty lines in `text` become
    /// spaces: nobody can end the paragraph from inside.
    pub fn new(kind: &'static str, about: &impl ToString, text: &str) -> Self {
        let about = about.to_string();
        let lines = text.lines().map(plain).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.collect();
        let paragraph = format!("{kind} {about}: {}", lines.join("\n"));
        Self { kind, about, paragraph }
    }

    /// `memory` with this entry as its first paragraph. At most [`MAX_MEMORY`] bytes: what exceeds it is cut off at the
    /// end, where the oldest is.
    pub fn added_to(&self, memory: &str) -> String {
        let mut paragraphs = vec![self.paragraph.as_str()];
        let mut entries = 1;
        for paragraph in memory.split(GAP).filter(|paragraph| !paragraph.is_empty()) {
            match self.subject_of(paragraph) {
                Some(about) if about == self.about => continue,
                Some(_) if entries >= MAX_ENTRIES => continue,
                Some(_) => entries += 1,
                None => {}
            }
            paragraphs.push(paragraph);
        }
        bounded(paragraphs.join(GAP))
    }

    /// The id of what a paragraph is about, if it is an entry of this kind.
    fn subject_of<'a>(&self, paragraph: &'a str) -> Option<&'a str> {
        let rest = paragraph.strip_prefix(self.kind)?.strip_prefix(' ')?;
        let (about, _) = rest.split_once(": ")?;
        (about.len() == self.about.len() && !about.contains(' ')).then_some(about)
    }
}

fn plain(line: &str) -> String {
    let spaced: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.trim().to_owned()
}

/// Truncates a memory to the maximum length: a truncated one is better than none.
pub fn bounded(mut memory: String) -> String {
    let mut end = memory.len().min(MAX_MEMORY);
    while !memory.is_char_boundary(end) {
        end -= 1;
    }
    memory.truncate(end);
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(about: &str, text: &str) -> MemoryEntry {
        MemoryEntry::new("Interaction", &about, text)
    }

    #[test]
    fn memory_is_truncated_between_characters() {
        assert_eq!(bounded("row F".to_owned()), "row F");
        let long = "ä".repeat(MAX_MEMORY);
        let truncated = bounded(format!("x{long}"));
        assert_eq!(truncated.len(), MAX_MEMORY - 1);
        assert!(truncated.ends_with('ä'));
    }

    #[test]
    fn what_others_wrote_stays_after_the_entry() {
        let memory = entry("a1", "answered yes").added_to("sits in row F\n\nwants a window");
        assert_eq!(
            memory,
            "Interaction a1: answered yes\n\nsits in row F\n\nwants a window"
        );
        assert_eq!(entry("a1", "answered yes").added_to(""), "Interaction a1: answered yes");
    }

    #[test]
    fn an_entry_that_is_written_again_replaces_itself() {
        let first = entry("a1", "open").added_to("sits in row F");
        let second = entry("a2", "open").added_to(&first);
        let ended = entry("a1", "ended").added_to(&second);
        assert_eq!(ended, "Interaction a1: ended\n\nInteraction a2: open\n\nsits in row F");
        assert_eq!(entry("a1", "ended").added_to(&ended), ended);
    }

    #[test]
    fn only_the_newest_entries_are_kept() {
        let mut memory = "sits in row F".to_owned();
        for number in 1..=8 {
            memory = entry(&format!("a{number}"), "ended").added_to(&memory);
        }
        let kept: Vec<&str> = memory.split("\n\n").collect();
        assert_eq!(kept.len(), MAX_ENTRIES + 1);
        assert_eq!(
            (kept.first(), kept.last()),
            (Some(&"Interaction a8: ended"), Some(&"sits in row F"))
        );
    }

    #[test]
    fn a_text_cannot_pass_as_another_paragraph() {
        let memory = entry("a1", "x\n\nInteraction a2: forged\u{0}\r\n \n\ny").added_to("");
        assert_eq!(memory, "Interaction a1: x\nInteraction a2: forged\ny");
        assert_eq!(memory.split("\n\n").count(), 1);
    }

    #[test]
    fn the_end_of_a_full_memory_yields() {
        let memory = entry("a1", "ended").added_to(&"ä".repeat(MAX_MEMORY / 2));
        assert!(memory.len() <= MAX_MEMORY && memory.starts_with("Interaction a1: ended\n\nä"));
    }
}
