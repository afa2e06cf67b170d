//! Routee's call statuses (CONTRACT.md 5.2).

use crate::dispatch;

/// Longest name of an unknown status that we keep, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A call status as Routee reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// Accepted, waiting to be dialed.
    Queued,
    /// Being handed over to a carrier.
    Initiated,
    /// Reached the recipient's network.
    Ringing,
    /// Answered, in progress.
    InProgress,
    /// Final: the call was answered. It does not say by whom, or whether a key was pressed.
    Completed,
    /// Final: the line was busy.
    Busy,
    /// Final: not answered, or declined on the phone.
    NoAnswer,
    /// Final: not placed, internal error at Routee.
    Failed,
    /// Final: not started, insufficient balance.
    Unsent,
    /// Final: cut off, insufficient balance.
    Terminated,
    /// Network error. Routee's documentation disagrees on whether it is final.
    Unknown,
    /// A status that is not in the contract.
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

    /// The status with this name. Case and spaces are ignored: one page of the documentation writes "No Answer".
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

    /// The name on the wire.
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

    /// The provider-neutral status.
    pub const fn to_call_status(&self) -> dispatch::CallStatus {
        use dispatch::CallStatus as Neutral;
        match self {
            Self::Queued => Neutral::Queued,
            Self::Initiated => Neutral::Initiated,
            Self::Ringing => Neutral::Ringing,
            Self::InProgress => Neutral::InProgress,
            Self::Completed => Neutral::Completed,
            Self::Busy => Neutral::Busy,
            Self::NoAnswer => Neutral::NoAnswer,
            Self::Failed => Neutral::Failed,
            Self::Unsent | Self::Terminated => Neutral::OutOfMoney,
            Self::Unknown => Neutral::Unknown,
            Self::Other(_) => Neutral::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Ending;

    #[test]
    fn every_status_is_found_by_its_name() {
        for status in CallStatus::KNOWN {
            assert_eq!(CallStatus::from_name(status.as_str()), status);
        }
        assert_eq!(CallStatus::from_name("No Answer"), CallStatus::NoAnswer);
        assert_eq!(CallStatus::from_name("inprogress"), CallStatus::InProgress);
        assert_eq!(CallStatus::from_name("Parked"), CallStatus::Other("Parked".to_owned()));
        assert_eq!(CallStatus::from_name(&"x".repeat(999)).as_str().len(), MAX_NAME_CHARS);
    }

    #[test]
    fn only_final_statuses_are_endings() {
        let endings: Vec<_> = CallStatus::KNOWN
            .iter()
            .map(|status| status.to_call_status().ending())
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
        assert_eq!(
            CallStatus::from_name("Parked").to_call_status(),
            dispatch::CallStatus::Other
        );
    }
}
