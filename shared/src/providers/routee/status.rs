//! The states of a call (`routee.md` 5.2).

use crate::dispatch;

/// Longest name of an unknown state that is kept, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Where a call stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// Accepted, waiting.
    Queued,
    /// Being handed to a carrier.
    Initiated,
    /// Reached the recipient's side.
    Ringing,
    /// Answered, running.
    InProgress,
    /// Final: was answered; by whom, and whether a key was pressed, it does not say.
    Completed,
    /// Final: the line was busy.
    Busy,
    /// Final: not answered, or rejected on the phone.
    NoAnswer,
    /// Final: not sent, an internal error.
    Failed,
    /// Final: not started, the account has no money.
    Unsent,
    /// Final: cut off, the account has no money.
    Terminated,
    /// An error of the network. The sources disagree whether it is final.
    Unknown,
    /// A state that the contract does not know.
    Other(String),
}

impl CallStatus {
    const KNOWN: [Self; 11] = [
        Self::Queued,
        Self::Initiated,
        Self::Ringing,
        Self::InProgress,
        Self::Completed,
        Self::Busy,
        Self::NoAnswer,
        Self::Failed,
        Self::Unsent,
        Self::Terminated,
        Self::Unknown,
    ];

    /// The state of this name, whatever its case; spaces are ignored, as one page writes "No Answer".
    pub fn from_name(name: &str) -> Self {
        let compact: String = name
            .chars()
            .filter(|c| !c.is_whitespace())
            .take(MAX_NAME_CHARS)
            .collect();
        let known = Self::KNOWN
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(&compact));
        known.unwrap_or_else(|| Self::Other(compact.chars().filter(|c| !c.is_control()).collect()))
    }

    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Queued => "Queued",
            Self::Initiated => "Initiated",
            Self::Ringing => "Ringing",
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::Busy => "Busy",
            Self::NoAnswer => "NoAnswer",
            Self::Failed => "Failed",
            Self::Unsent => "Unsent",
            Self::Terminated => "Terminated",
            Self::Unknown => "Unknown",
            Self::Other(name) => name,
        }
    }

    /// The same in our own words.
    pub const fn meaning(&self) -> dispatch::CallStatus {
        use dispatch::CallStatus as Ours;
        match self {
            Self::Queued => Ours::Queued,
            Self::Initiated => Ours::Initiated,
            Self::Ringing => Ours::Ringing,
            Self::InProgress => Ours::InProgress,
            Self::Completed => Ours::Completed,
            Self::Busy => Ours::Busy,
            Self::NoAnswer => Ours::NoAnswer,
            Self::Failed => Ours::Failed,
            Self::Unsent | Self::Terminated => Ours::OutOfMoney,
            Self::Unknown => Ours::Unknown,
            Self::Other(_) => Ours::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Ending;

    #[test]
    fn every_state_is_known_by_its_name() {
        for status in CallStatus::KNOWN {
            assert_eq!(CallStatus::from_name(status.as_str()), status);
        }
        assert_eq!(CallStatus::from_name("No Answer"), CallStatus::NoAnswer);
        assert_eq!(CallStatus::from_name("inprogress"), CallStatus::InProgress);
        assert_eq!(CallStatus::from_name("Parked"), CallStatus::Other("Parked".to_owned()));
        assert_eq!(CallStatus::from_name(&"x".repeat(999)).as_str().len(), MAX_NAME_CHARS);
    }

    #[test]
    fn only_final_states_are_endings() {
        let endings: Vec<_> = CallStatus::KNOWN
            .iter()
            .map(|status| status.meaning().ending())
            .collect();
        let money = Some(Ending::OutOfMoney);
        assert_eq!(
            endings,
            [
                None,
                None,
                None,
                None,
                Some(Ending::Completed),
                Some(Ending::Busy),
                Some(Ending::NoAnswer),
                Some(Ending::Failed),
                money,
                money,
                Some(Ending::Unknown),
            ]
        );
        assert_eq!(CallStatus::from_name("Parked").meaning(), dispatch::CallStatus::Other);
    }
}
