//! Elemente's words for a status, and what each means in our states (CONTRACT.md 6).

use std::fmt;

use crate::interaction::{Channel, EndReason, State};

/// A word of Elemente's only status vocabulary: 19 words, some with the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words are documented by nothing but their list")]
pub enum Word {
    Failed,
    Voicemail,
    Ringing,
    Answer,
    Completed,
    Busy,
    Open,
    Close,
    Closed,
    Resolved,
    NoAnswer,
    Canceled,
    InProgress,
    Ongoing,
    Pending,
    Stalled,
    Expired,
    Processing,
    Queued,
}

/// One word: its spelling, and the state that it means to us.
struct Row {
    word: Word,
    text: &'static str,
    means: State,
    use_: Use,
}

/// When we answer with a word. Of the words with one meaning, each channel uses one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// For every channel.
    Always,
    /// For calls.
    Calls,
    /// For messages: every channel but calls.
    Messages,
    /// Never: it is only read.
    Never,
}

impl Use {
    const fn includes(self, channel: Channel) -> bool {
        match self {
            Self::Always => true,
            Self::Calls => matches!(channel, Channel::Call),
            Self::Messages => !matches!(channel, Channel::Call),
            Self::Never => false,
        }
    }
}

const fn row(word: Word, text: &'static str, means: State, use_: Use) -> Row {
    Row {
        word,
        text,
        means,
        use_,
    }
}

/// The one table of words, in the order of Elemente's list. The meanings are inferred: nothing but the list is
/// documented.
const TABLE: [Row; 19] = [
    row(Word::Failed, "failed", State::ended(EndReason::Failed), Use::Always),
    row(
        Word::Voicemail,
        "voicemail",
        State::ended(EndReason::Voicemail),
        Use::Always,
    ),
    row(Word::Ringing, "ringing", State::Sent, Use::Calls),
    row(Word::Answer, "answer", State::Open, Use::Calls),
    row(
        Word::Completed,
        "completed",
        State::ended(EndReason::Completed),
        Use::Always,
    ),
    row(Word::Busy, "busy", State::ended(EndReason::Busy), Use::Always),
    row(Word::Open, "open", State::Open, Use::Messages),
    row(Word::Close, "close", State::ended(EndReason::Closed), Use::Never),
    row(Word::Closed, "closed", State::ended(EndReason::Closed), Use::Always),
    row(
        Word::Resolved,
        "resolved",
        State::ended(EndReason::Resolved),
        Use::Always,
    ),
    row(
        Word::NoAnswer,
        "no-answer",
        State::ended(EndReason::NoAnswer),
        Use::Always,
    ),
    row(
        Word::Canceled,
        "canceled",
        State::ended(EndReason::Canceled),
        Use::Always,
    ),
    // The documented answer to a create has it, so it does not tell that anybody picked up.
    row(Word::InProgress, "in-progress", State::Sent, Use::Messages),
    row(Word::Ongoing, "ongoing", State::Open, Use::Never),
    row(Word::Pending, "pending", State::Scheduled, Use::Never),
    row(Word::Stalled, "stalled", State::Unknown, Use::Always),
    row(Word::Expired, "expired", State::ended(EndReason::Expired), Use::Always),
    row(Word::Processing, "processing", State::Sending, Use::Always),
    row(Word::Queued, "queued", State::Scheduled, Use::Always),
];

/// The state whose word we answer with, for an end that Elemente has no word for.
const fn nearest(state: State) -> State {
    let State::Ended { reason } = state else { return state };
    State::ended(match reason {
        EndReason::Refused => EndReason::Failed,
        EndReason::OptedOut => EndReason::Canceled,
        EndReason::OutsideHours => EndReason::Expired,
        // No word tells that something may have been sent; this one at least claims no failure, which would invite the
        // requester to send it again.
        EndReason::Unclear => return State::Unknown,
        other => other,
    })
}

impl Word {
    /// The words, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.word)
    }

    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        self.row().map_or("", |row| row.text)
    }

    /// The word with exactly this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.text == text).map(|row| row.word)
    }

    /// The word that we answer with.
    pub fn of(state: State, channel: Channel) -> Self {
        let state = nearest(state);
        let row = TABLE
            .iter()
            .find(|row| row.means == state && row.use_.includes(channel));
        // A test checks that every state has a row.
        row.map_or(Self::Stalled, |row| row.word)
    }

    /// What the word means: in an answer of Elemente, and as the status that a request wants to set.
    pub fn state(self) -> State {
        self.row().map_or(State::Unknown, |row| row.means)
    }

    /// Whether a filter for this word selects an interaction: it has the meaning of the word that we answer with.
    /// So `close` finds what `closed` finds, and `failed` also what a provider refused.
    pub fn selects(self, state: State, channel: Channel) -> bool {
        Self::of(state, channel).state() == self.state()
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.word == self)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The list of the documentation.
    const DOCUMENTED: &str = "failed, voicemail, ringing, answer, completed, busy, open, close, closed, resolved, \
                              no-answer, canceled, in-progress, ongoing, pending, stalled, expired, processing, queued";

    fn states() -> Vec<State> {
        let open = [
            State::Scheduled,
            State::Sending,
            State::Sent,
            State::Open,
            State::Unknown,
        ];
        open.into_iter().chain(EndReason::ALL.map(State::ended)).collect()
    }

    #[test]
    fn words_are_the_documented_ones() {
        let words: Vec<&str> = Word::all().map(Word::as_str).collect();
        assert_eq!(words, DOCUMENTED.split(", ").collect::<Vec<_>>());
        for word in Word::all() {
            assert_eq!(Word::parse(word.as_str()), Some(word));
        }
        for other in ["", "Failed", "no_answer", "cancelled", "sent", " busy"] {
            assert_eq!(Word::parse(other), None, "{other}");
        }
    }

    #[test]
    fn every_state_has_one_word_on_every_channel() {
        for channel in Channel::ALL {
            for state in states() {
                let matching = TABLE
                    .iter()
                    .filter(|row| row.means == nearest(state) && row.use_.includes(channel));
                assert_eq!(matching.count(), 1, "{state:?} {channel}");
            }
        }
    }

    #[test]
    fn word_of_a_state_means_this_state_or_the_nearest_one() {
        let mut replaced = BTreeSet::new();
        for channel in Channel::ALL {
            for state in states() {
                let word = Word::of(state, channel);
                if word.state() != state {
                    replaced.insert((state.end_reason(), word.as_str()));
                }
            }
        }
        let expected = [
            (Some(EndReason::OptedOut), "canceled"),
            (Some(EndReason::Refused), "failed"),
            (Some(EndReason::OutsideHours), "expired"),
            (Some(EndReason::Unclear), "stalled"),
        ];
        assert_eq!(replaced, BTreeSet::from(expected));
    }

    #[test]
    fn calls_and_messages_have_their_own_words() {
        for (state, call, message) in [
            (State::Scheduled, "queued", "queued"),
            (State::Sending, "processing", "processing"),
            (State::Sent, "ringing", "in-progress"),
            (State::Open, "answer", "open"),
            (State::Unknown, "stalled", "stalled"),
            (State::ended(EndReason::Completed), "completed", "completed"),
            (State::ended(EndReason::NoAnswer), "no-answer", "no-answer"),
        ] {
            assert_eq!(Word::of(state, Channel::Call).as_str(), call);
            for channel in [Channel::Sms, Channel::Whatsapp, Channel::Email, Channel::Webchat] {
                assert_eq!(Word::of(state, channel).as_str(), message, "{channel}");
            }
        }
    }

    #[test]
    fn only_words_of_an_end_are_terminal() {
        let live: Vec<&str> = Word::all()
            .filter(|word| !word.state().is_terminal())
            .map(Word::as_str)
            .collect();
        let expected = [
            "ringing",
            "answer",
            "open",
            "in-progress",
            "ongoing",
            "pending",
            "stalled",
            "processing",
            "queued",
        ];
        assert_eq!(live, expected);
    }

    #[test]
    fn filter_selects_by_meaning() {
        let open = State::Open;
        assert!(Word::Ongoing.selects(open, Channel::Call) && Word::Ongoing.selects(open, Channel::Sms));
        assert!(Word::Close.selects(State::ended(EndReason::Closed), Channel::Webchat));
        assert!(Word::Failed.selects(State::ended(EndReason::Refused), Channel::Sms));
        assert!(Word::Stalled.selects(State::ended(EndReason::Unclear), Channel::Sms));
        assert!(!Word::Failed.selects(State::ended(EndReason::Busy), Channel::Call));
        assert!(!Word::Queued.selects(State::Sending, Channel::Call));
    }

    #[test]
    fn filter_for_the_answered_word_always_finds_the_interaction() {
        for channel in Channel::ALL {
            for state in states() {
                let selecting: Vec<Word> = Word::all().filter(|word| word.selects(state, channel)).collect();
                assert!(selecting.contains(&Word::of(state, channel)), "{state:?} {channel}");
            }
        }
    }
}
