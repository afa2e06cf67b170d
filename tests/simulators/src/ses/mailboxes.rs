//! The customers' mailboxes, and what their owners do with mail.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rng::Rng;

/// The habits of each mailbox. Mail to an address without habits is unexpected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes(BTreeMap<String, Habit>);

impl Mailboxes {
    /// No mailboxes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mailbox, or replaces its habit.
    #[must_use]
    pub fn with(mut self, address: &str, habit: Habit) -> Self {
        self.set(address, habit);
        self
    }

    /// Adds a mailbox, or replaces its habit.
    pub fn set(&mut self, address: &str, habit: Habit) {
        self.0.insert(address.to_ascii_lowercase(), habit);
    }

    /// What happens to mail to an address; `None` if it has no habit.
    pub fn habit(&self, address: &str) -> Option<&Habit> {
        self.0.get(&address.to_ascii_lowercase())
    }
}

/// What happens to mail to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habit {
    /// Whether it arrives.
    pub fate: Fate,
    /// SES keeps trying for this long before that happens, and says so.
    pub delayed_by: Option<Duration>,
    /// A program follows the links as soon as the mail is there. It fetches them, and posts nothing.
    pub is_scanned: bool,
    /// How long after its arrival the owner uses the opt-out button of their mail program.
    pub opts_out_after: Option<Duration>,
    /// How long after its arrival the owner complains, and the `complaintFeedbackType`.
    pub complains: Option<(Duration, &'static str)>,
    /// How long after its arrival a second bounce comes, which looks as if it had not arrived.
    pub bounces_after: Option<Duration>,
    /// What the owner answers.
    pub replies: Vec<Reply>,
}

/// Whether mail arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives this long after it was sent.
    Arrives(Duration),
    /// It bounces for good, with this `bounceSubType`.
    BouncesPermanently(&'static str),
    /// SES gives up, with this `bounceSubType`.
    BouncesTransiently(&'static str),
    /// SES finds a virus.
    Rejected,
    /// After `Send` there is no further event.
    Vanishes,
}

/// What the owner of a mailbox answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How long after the arrival of the mail.
    pub after: Duration,
    /// The text, above the quoted mail.
    pub text: String,
    /// Whether it means that nothing may be sent any more. Tests must say so: the simulator does not read texts.
    pub opts_out: bool,
    /// Whether a program wrote it: an out-of-office reply.
    pub is_automatic: bool,
}

impl Reply {
    /// This text of a person, after this many seconds.
    pub fn new(text: &str, after_seconds: u64) -> Self {
        Self {
            after: Duration::from_secs(after_seconds),
            text: text.to_owned(),
            opts_out: false,
            is_automatic: false,
        }
    }

    /// The word `STOP`, after this many seconds.
    pub fn stop(after_seconds: u64) -> Self {
        Self {
            opts_out: true,
            ..Self::new("STOP", after_seconds)
        }
    }

    /// An out-of-office reply, after this many seconds.
    pub fn out_of_office(after_seconds: u64) -> Self {
        Self {
            is_automatic: true,
            ..Self::new("I am away until Monday.", after_seconds)
        }
    }
}

impl Habit {
    /// Only the fate of the mail; its owner does nothing.
    pub const fn only(fate: Fate) -> Self {
        Self {
            fate,
            delayed_by: None,
            is_scanned: false,
            opts_out_after: None,
            complains: None,
            bounces_after: None,
            replies: Vec::new(),
        }
    }

    /// Mail arrives after 3 s.
    pub const fn arrives() -> Self {
        Self::only(Fate::Arrives(Duration::from_secs(3)))
    }

    /// There is no such mailbox.
    pub const fn bounces() -> Self {
        Self::only(Fate::BouncesPermanently("NoEmail"))
    }

    /// The mailbox is full.
    pub const fn is_full() -> Self {
        Self::only(Fate::BouncesTransiently("MailboxFull"))
    }

    /// Mail arrives, and its owner reports it as spam this many seconds later.
    pub const fn complains(after_seconds: u64) -> Self {
        let mut habit = Self::arrives();
        habit.complains = Some((Duration::from_secs(after_seconds), "abuse"));
        habit
    }

    /// Mail arrives, and its owner uses the opt-out button this many seconds later.
    pub const fn opts_out(after_seconds: u64) -> Self {
        let mut habit = Self::arrives();
        habit.opts_out_after = Some(Duration::from_secs(after_seconds));
        habit
    }

    /// Mail arrives, and its owner answers with this text this many seconds later.
    pub fn replies(text: &str, after_seconds: u64) -> Self {
        Self::arrives().and(Reply::new(text, after_seconds))
    }

    /// SES keeps trying for this many seconds first.
    #[must_use]
    pub const fn delayed(mut self, seconds: u64) -> Self {
        self.delayed_by = Some(Duration::from_secs(seconds));
        self
    }

    /// A program follows the links.
    #[must_use]
    pub const fn scanned(mut self) -> Self {
        self.is_scanned = true;
        self
    }

    /// Adds a reply.
    #[must_use]
    pub fn and(mut self, reply: Reply) -> Self {
        self.replies.push(reply);
        self
    }

    /// A random habit for seeded simulations.
    pub fn random(rng: &mut Rng) -> Self {
        let after = rng.between(Duration::ZERO, Duration::from_mins(10));
        let permanent = rng.pick("NoEmail", &["General", "Suppressed"]);
        let transient = rng.pick("General", &["MailboxFull", "MessageTooLarge", "ContentRejected"]);
        let habit = match rng.below(12) {
            0 => Self::only(Fate::BouncesPermanently(permanent)),
            1 => Self::only(Fate::BouncesTransiently(transient)),
            2 => Self::only(Fate::Rejected),
            3 => Self::only(Fate::Vanishes),
            4 => Self {
                complains: Some((after, rng.pick("abuse", &["not-spam", "other"]))),
                ..Self::arrives()
            },
            5 => Self {
                opts_out_after: Some(after),
                ..Self::arrives()
            },
            6 => Self {
                bounces_after: Some(after),
                ..Self::arrives().and(Reply::out_of_office(after.as_secs()))
            },
            7 => Self::arrives().and(Reply::stop(after.as_secs())),
            8 => Self::replies("Thank you", after.as_secs()),
            _ => Self::only(Fate::Arrives(after)),
        };
        let habit = if rng.flip() { habit.scanned() } else { habit };
        if rng.below(4) == 0 { habit.delayed(600) } else { habit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_any_case() {
        let mailboxes = Mailboxes::new().with("Ana@example.net", Habit::bounces());
        assert_eq!(mailboxes.habit("ana@EXAMPLE.net"), Some(&Habit::bounces()));
        assert_eq!(mailboxes.habit("bob@example.net"), None);
    }

    #[test]
    fn random_habits_are_reproducible_and_cover_every_fate() {
        let draw = |seed| Habit::random(&mut Rng::new(seed));
        assert_eq!(draw(5), draw(5));
        let all: Vec<Habit> = (0..300).map(draw).collect();
        for fate in [
            Fate::BouncesPermanently("NoEmail"),
            Fate::BouncesTransiently("MailboxFull"),
            Fate::Rejected,
            Fate::Vanishes,
        ] {
            assert!(all.iter().any(|habit| habit.fate == fate), "{fate:?}");
        }
        assert!(all.iter().any(|habit| habit.opts_out_after.is_some()));
        assert!(
            all.iter()
                .any(|habit| habit.complains.is_some_and(|(_, kind)| kind == "not-spam"))
        );
        assert!(all.iter().any(|habit| habit.is_scanned && habit.delayed_by.is_some()));
    }
}
