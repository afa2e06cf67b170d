//! What a visitor sees of a conversation's timeline.

use patchbay::clock::Timestamp;
use patchbay::conversation::{Entry, Fact, Holder, PlatformId};
use patchbay::store::TimelinePage;
use serde::{Serialize, Serializer};

/// Most entries in one response.
pub(super) const MAX_ENTRIES: i32 = 100;
/// How long an entry is returned again, in milliseconds. A reader may see one entry of a commit before another, so a
/// later read has to go back a little; the page knows by the ids what it has.
const OVERLAP_MILLIS: i64 = 5_000;
/// Limits of the time between two polls, in seconds.
const MIN_POLL_SECONDS: i64 = 1;
const MAX_POLL_SECONDS: i64 = 15;
/// The time between two polls as a part of the time since the last entry.
const POLL_PART: i64 = 10;
/// Length of the number of a commit in an entry's id.
const VERSION_LEN: usize = 10;

/// Up to where a page has read: the id of an entry, or empty at the beginning.
#[derive(Debug)]
pub(super) struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// Reads a cursor. None if it is not one of ours.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        let is_id = text.split_once('-').is_some_and(|(version, index)| {
            let digits = version.bytes().chain(index.bytes()).all(is_digit);
            digits && version.len() == VERSION_LEN && (1..=10).contains(&index.len())
        });
        (text.is_empty() || is_id).then_some(Self(text))
    }

    /// After which name to read: before the first entry of the cursor's commit.
    pub(super) fn read_after(&self) -> Option<&str> {
        Some(commit_of(self.0)).filter(|commit| !commit.is_empty())
    }
}

/// What was said since a cursor.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    entries: Vec<ViewEntry<'a>>,
    /// Where the next read begins.
    cursor: &'a str,
    /// Seconds until the next read.
    poll_after: u16,
    /// What an agent wrote first, for a customer who came by its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_message: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ViewEntry<'a> {
    id: &'a str,
    at: Timestamp,
    #[serde(flatten)]
    what: What<'a>,
}

/// An entry that a visitor sees.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum What<'a> {
    Said {
        from: From,
        /// The person's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        /// The platform's id of a message of the visitor.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a PlatformId>,
        text: &'a str,
    },
    Changed {
        state: State,
        /// The name of the person who is in the chat now.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum From {
    Visitor,
    Bot,
    Person,
}

/// Who answers the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Bot,
    /// Nobody yet: a person is to join.
    Waiting,
    Human,
    /// Nobody: the visitor has what they wanted.
    Finished,
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Bot => "bot",
            Self::Waiting => "waiting",
            Self::Human => "human",
            Self::Finished => "finished",
        })
    }
}

impl State {
    const fn of(holder: Holder) -> Self {
        match holder {
            Holder::Bot => Self::Bot,
            Holder::HandingOff | Holder::Waiting => Self::Waiting,
            Holder::Human => Self::Human,
        }
    }
}

impl<'a> View<'a> {
    /// The view of `page`, which was read for `cursor`.
    pub(super) fn new(page: &'a TimelinePage<Entry>, cursor: &Cursor<'a>, now: Timestamp, started_ago: i64) -> Self {
        let last = page.entries.last();
        let is_new = |entry: &Entry| entry.id.as_str() > cursor.0 || now < entry.at.plus_millis(OVERLAP_MILLIS);
        let quiet = last.map_or(started_ago, |entry| now.seconds() - entry.at.seconds());
        let poll = (quiet / POLL_PART).clamp(MIN_POLL_SECONDS, MAX_POLL_SECONDS);
        let view = |entry: &'a Entry| {
            Some(ViewEntry {
                id: &entry.id,
                at: entry.at,
                what: what(&entry.fact)?,
            })
        };
        let mut entries: Vec<ViewEntry<'_>> = page
            .entries
            .iter()
            .filter(|entry| is_new(entry))
            .filter_map(view)
            .collect();
        // Who joins with a message is announced before it.
        entries.sort_by_key(|entry| (commit_of(entry.id), matches!(entry.what, What::Said { .. })));
        Self {
            entries,
            cursor: last.map_or(cursor.0, |entry| &entry.id),
            poll_after: match page.next_cursor {
                // There is more to read.
                Some(_) => 0,
                None => u16::try_from(poll).unwrap_or_default(),
            },
            initial_message: None,
        }
    }

    pub(super) fn with_initial_message(self, initial_message: Option<&'a str>) -> Self {
        Self {
            initial_message,
            ..self
        }
    }

    pub(super) const fn cursor(&self) -> &str {
        self.cursor
    }

    pub(super) const fn poll_after(&self) -> u16 {
        self.poll_after
    }

    /// Whether there is nothing to show.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The part of an entry's id that all entries of a commit share.
fn commit_of(id: &str) -> &str {
    id.split_once('-').map_or(id, |(version, _)| version)
}

/// What a visitor sees of a fact; none if it is no concern of theirs.
fn what(fact: &Fact) -> Option<What<'_>> {
    let said = |from, name, message, text| {
        Some(What::Said {
            from,
            name,
            message,
            text,
        })
    };
    match fact {
        Fact::CustomerWrote { message, text, .. } => said(From::Visitor, None, Some(message), text),
        Fact::PersonWrote { by, text, .. } => said(From::Person, by.as_deref(), None, text),
        // A text that may not have reached the platform must still reach the visitor.
        Fact::Done { text: Some(text), .. } | Fact::Unclear { text: Some(text), .. } => {
            said(From::Bot, None, None, text)
        }
        Fact::Done { step, .. } if step == "finish" => Some(What::Changed {
            state: State::Finished,
            name: None,
        }),
        Fact::HolderChanged(change) => {
            let (from, state) = (State::of(change.from), State::of(change.to));
            let name = change.by.as_deref().filter(|_| state == State::Human);
            (from != state).then_some(What::Changed { state, name })
        }
        Fact::Done { .. }
        | Fact::Unclear { .. }
        | Fact::Answered { .. }
        | Fact::TurnDropped { .. }
        | Fact::NotDone { .. }
        | Fact::Dropped { .. }
        | Fact::WaitedTooLong => None,
    }
}

#[cfg(test)]
mod tests {
    use patchbay::conversation::{ChangeReason, HandOverReason, HolderChange};
    use serde_json::{Value, json};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + 1_000 * seconds)
    }

    fn entry(id: &str, seconds: i64, fact: Fact) -> Entry {
        Entry {
            id: id.to_owned(),
            at: at(seconds),
            fact,
        }
    }

    fn changed(from: Holder, to: Holder, by: Option<&str>) -> Fact {
        Fact::HolderChanged(HolderChange {
            from,
            to,
            reason: ChangeReason::HandOver(HandOverReason::Word),
            by: by.map(str::to_owned),
        })
    }

    fn posted(text: &str) -> Fact {
        Fact::Done {
            step: "post".to_owned(),
            id: None,
            text: Some(text.to_owned()),
        }
    }

    fn timeline() -> TimelinePage<Entry> {
        let wrote = Fact::CustomerWrote {
            message: "m1".parse().expect("an id"),
            holder: Holder::Bot,
            text: "Hello".to_owned(),
            unread: 0,
        };
        let person = Fact::PersonWrote {
            message: "m3".parse().expect("an id"),
            by: Some("Dana".to_owned()),
            text: "Hi".to_owned(),
        };
        let unclear = Fact::Unclear {
            step: "post".to_owned(),
            reason: "time-out".to_owned(),
            text: Some("One moment".to_owned()),
        };
        let deliver = Fact::Done {
            step: "deliver".to_owned(),
            id: None,
            text: None,
        };
        let entries = vec![
            entry("0000000001-000", 0, wrote),
            entry("0000000004-000", 1, unclear),
            entry("0000000004-001", 1, changed(Holder::Bot, Holder::HandingOff, None)),
            entry("0000000006-000", 2, deliver),
            entry("0000000006-001", 2, changed(Holder::HandingOff, Holder::Waiting, None)),
            entry("0000000007-000", 60, person),
            entry(
                "0000000007-001",
                60,
                changed(Holder::Waiting, Holder::Human, Some("Dana")),
            ),
            entry("0000000008-000", 61, changed(Holder::Human, Holder::Bot, Some("Dana"))),
            entry("0000000009-000", 62, posted("I am back")),
        ];
        TimelinePage {
            entries,
            next_cursor: None,
        }
    }

    fn view(page: &TimelinePage<Entry>, cursor: &str, seconds: i64) -> Value {
        let cursor = Cursor::parse(cursor).expect("a cursor");
        serde_json::to_value(View::new(page, &cursor, at(seconds), 0)).expect("JSON")
    }

    #[test]
    fn a_visitor_reads_what_was_said_and_who_answers() {
        let view = view(&timeline(), "", 1_000);
        let entries = view["entries"].as_array().expect("entries");
        let shown: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let mut entry = entry.clone();
                entry["at"].take();
                json!([
                    entry["id"].take(),
                    entry["state"],
                    entry["from"],
                    entry["name"],
                    entry["text"]
                ])
            })
            .collect();
        assert_eq!(
            json!(shown),
            json!([
                ["0000000001-000", null, "visitor", null, "Hello"],
                ["0000000004-001", "waiting", null, null, null],
                ["0000000004-000", null, "bot", null, "One moment"],
                ["0000000007-001", "human", null, "Dana", null],
                ["0000000007-000", null, "person", "Dana", "Hi"],
                ["0000000008-000", "bot", null, null, null],
                ["0000000009-000", null, "bot", null, "I am back"],
            ])
        );
        assert_eq!(entries[0]["message"], "m1");
        assert_eq!(view["cursor"], "0000000009-000");
    }

    #[test]
    fn a_finished_conversation_says_so() {
        let finish = Fact::Done {
            step: "finish".to_owned(),
            id: None,
            text: None,
        };
        let finished = What::Changed {
            state: State::Finished,
            name: None,
        };
        assert_eq!(what(&finish), Some(finished));
    }

    #[test]
    fn only_new_entries_are_returned_and_those_that_were_just_committed() {
        let page = timeline();
        let ids = |cursor: &str, seconds| -> Vec<String> {
            let view = view(&page, cursor, seconds);
            let entries = view["entries"].as_array().expect("entries");
            entries
                .iter()
                .filter_map(|entry| entry["id"].as_str().map(str::to_owned))
                .collect()
        };
        assert_eq!(ids("0000000008-000", 100), ["0000000009-000"]);
        assert_eq!(ids("0000000009-000", 100), Vec::<String>::new());
        assert_eq!(ids("0000000009-000", 66), ["0000000009-000"]);
        assert_eq!(ids("0000000009-000", 65), ["0000000008-000", "0000000009-000"]);
    }

    #[test]
    fn polls_slow_down_while_nothing_happens() {
        let mut page = timeline();
        for (seconds, expected) in [(62, 1), (92, 3), (162, 10), (10_000, 15)] {
            assert_eq!(view(&page, "", seconds)["poll_after"], expected, "{seconds}");
        }
        page.next_cursor = Some("0000000009-000".to_owned());
        assert_eq!(view(&page, "", 10_000)["poll_after"], 0);
        let empty = TimelinePage {
            entries: Vec::new(),
            next_cursor: None,
        };
        let cursor = Cursor::parse("").expect("a cursor");
        assert_eq!(View::new(&empty, &cursor, at(0), 3).poll_after(), 1);
        assert_eq!(View::new(&empty, &cursor, at(0), 3_600).poll_after(), 15);
    }

    #[test]
    fn only_an_entry_of_a_conversation_is_a_cursor() {
        for (text, read_after) in [("", None), ("0000000012-003", Some("0000000012"))] {
            assert_eq!(Cursor::parse(text).expect(text).read_after(), read_after);
        }
        for text in [
            "-",
            "12-003",
            "0000000012",
            "0000000012-",
            "0000000012-x",
            "0000000012-003-1",
            "E#0000000012-003",
        ] {
            assert!(Cursor::parse(text).is_none(), "{text}");
        }
    }
}
