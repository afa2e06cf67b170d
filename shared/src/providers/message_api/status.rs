//! How far a message has got, whatever the order in which its statuses arrive.

use std::collections::BTreeMap;

/// The status of a message.
///
/// Ordered by progress. Callbacks arrive in any order, late and more than once, so a message has the **greatest**
/// status that was ever reported. Proof of delivery outweighs a failure. The order among failures is arbitrary, but
/// fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageStatus {
    /// A status that is not in the contract. It says nothing.
    Unknown,
    /// The provider has it.
    Queued,
    /// The provider passed it on. A blocked `WhatsApp` sender gets no further status (twilio/CONTRACT.md 5.3).
    Sent,
    /// Final: it was not passed on.
    Failed(Failure),
    /// Final: it was passed on, but did not arrive.
    Undelivered(Failure),
    /// Final: it arrived. Over `WhatsApp` [`MessageStatus::Read`] may follow.
    Delivered,
    /// Final: the customer opened it.
    Read,
}

impl MessageStatus {
    /// Whether the provider is done with the message: only [`MessageStatus::Read`] may follow, after a delivery.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Unknown | Self::Queued | Self::Sent => false,
            Self::Failed(_) | Self::Undelivered(_) | Self::Delivered | Self::Read => true,
        }
    }

    /// Why the message did not arrive.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Undelivered(failure) => Some(failure),
            _ => None,
        }
    }
}

/// Why a message was refused or did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failure {
    /// The provider's own code or word, if it gave one.
    pub code: Option<String>,
    /// What it means for other messages.
    pub reason: FailureReason,
}

/// What a failure means for other messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum FailureReason {
    /// The customer opted out at the provider. We must record it too.
    #[error("the recipient opted out")]
    OptedOut,
    /// The number is invalid, or cannot receive messages over this channel: no message to it will arrive.
    #[error("the number receives no such messages")]
    BadRecipient,
    /// The recipient, their carrier or the platform blocks this message. The next one may be blocked, too.
    #[error("the message is blocked")]
    Blocked,
    /// The phone was off or out of reach. A later message may arrive.
    #[error("the phone is not reachable")]
    Unreachable,
    /// The message was not delivered within its validity.
    #[error("the message expired")]
    Expired,
    /// `WhatsApp`: the customer's last message is older than 24 hours, so only a template may be sent.
    #[error("only a template may be sent now")]
    WindowClosed,
    /// The content: empty, too long, an invalid or paused template, or refused by the platform.
    #[error("the content is refused")]
    Content,
    /// The sender: it is not ours, cannot send over this channel, or not to this recipient.
    #[error("the sender is refused")]
    BadSender,
    /// The account may not do this until an operator changes it: country not enabled, trial account, missing
    /// registration.
    #[error("the account lacks a permission")]
    NotAllowed,
    /// The account is suspended, or has no money. Affects every message.
    #[error("the account has no money or is suspended")]
    OutOfMoney,
    /// The provider or the platform was too busy and dropped the message. A new one may be sent later.
    #[error("too many messages")]
    Overloaded,
    /// The provider cannot send such a message. Nothing was sent.
    #[error("the provider cannot send such a message")]
    Unsupported,
    /// Anything else.
    #[error("other reason")]
    Other,
}

/// A status callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The provider's id of the message. The URL of the callback identifies the message, too.
    pub message_id: Option<String>,
    /// The reported status of the part.
    pub status: MessageStatus,
    /// The provider's word for it, for the timeline.
    pub name: String,
    /// Identifies the part that the report is about; the same for every report of a message with one part.
    pub part: String,
    /// How many parts the message has, each of which gets reports of its own.
    pub parts: u32,
}

/// The status of a message with these reports, all of which must belong to it: that of its worst part. It is final when
/// every part has a final status. The order of the reports does not matter, nor do duplicates.
///
/// A part whose reports are all lost keeps the message at [`MessageStatus::Queued`]: look the message up then.
pub fn overall<'a>(reports: impl IntoIterator<Item = &'a StatusReport>) -> MessageStatus {
    let mut total = 0;
    // A part that is reported at all was accepted.
    let mut parts: BTreeMap<&str, &MessageStatus> = BTreeMap::new();
    for report in reports {
        total = total.max(report.parts);
        let best = parts.entry(&report.part).or_insert(&MessageStatus::Queued);
        *best = (*best).max(&report.status);
    }
    let Some(worst) = parts.values().min() else {
        return MessageStatus::Unknown;
    };
    let all_parts_are_known = u32::try_from(parts.len()).is_ok_and(|known| known >= total);
    if all_parts_are_known {
        (*worst).clone()
    } else {
        MessageStatus::Queued
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered, Unknown};
    use super::*;

    fn failure(code: &str) -> Failure {
        Failure {
            code: Some(code.to_owned()),
            reason: FailureReason::Unreachable,
        }
    }

    fn report(part: u32, parts: u32, status: MessageStatus) -> StatusReport {
        StatusReport {
            message_id: None,
            status,
            name: String::new(),
            part: part.to_string(),
            parts,
        }
    }

    fn all() -> [MessageStatus; 7] {
        let (failed, undelivered) = (Failed(failure("1")), Undelivered(failure("2")));
        [Unknown, Queued, Sent, failed, undelivered, Delivered, Read]
    }

    #[test]
    fn statuses_are_ordered_by_progress() {
        let all = all();
        assert!(all.is_sorted());
        let is_final: Vec<bool> = all.iter().map(MessageStatus::is_final).collect();
        assert_eq!(is_final, [false, false, false, true, true, true, true]);
        let codes = all.iter().filter_map(|status| status.failure()?.code.as_deref());
        assert_eq!(codes.collect::<Vec<_>>(), ["1", "2"]);
        // A code is worth more than none.
        let reason = FailureReason::Other;
        assert!(Failed(Failure { code: None, reason }) < Failed(failure("1")));
    }

    #[test]
    fn message_of_one_part_has_its_greatest_status() {
        let status = |statuses: &[MessageStatus]| {
            let reports: Vec<_> = statuses.iter().map(|status| report(1, 1, status.clone())).collect();
            overall(&reports)
        };
        assert_eq!(status(&[]), Unknown);
        assert_eq!(status(&[Unknown]), Queued);
        assert_eq!(status(&[Sent, Queued]), Sent);
        assert_eq!(status(&[Read, Delivered, Sent, Unknown]), Read);
        assert_eq!(status(&[Undelivered(failure("2")), Delivered]), Delivered);
        assert_eq!(status(&[Undelivered(failure("2")), Sent]), Undelivered(failure("2")));
    }

    #[test]
    fn message_of_three_parts_is_as_bad_as_its_worst_part() {
        let undelivered = || Undelivered(failure("Expired"));
        let mut reports = vec![report(1, 3, Delivered), report(2, 3, undelivered()), report(1, 3, Sent)];
        // The third part is missing.
        assert_eq!(overall(&reports), Queued);
        reports.push(report(3, 3, Sent));
        assert_eq!(overall(&reports), Sent);
        reports.push(report(3, 3, Delivered));
        assert_eq!(overall(&reports), undelivered());
        reports.push(report(2, 3, Delivered));
        assert_eq!(overall(&reports), Delivered);
    }

    #[test]
    fn parts_may_be_counted_from_zero_and_their_number_may_be_absurd() {
        assert_eq!(overall(&[report(0, 2, Delivered), report(1, 2, Delivered)]), Delivered);
        assert_eq!(overall(&[report(1, u32::MAX, Delivered)]), Queued);
        assert_eq!(overall(&[report(1, 0, Delivered)]), Delivered);
    }

    fn any_report() -> impl Strategy<Value = StatusReport> {
        (1_u32..4, prop::sample::select(all().to_vec())).prop_map(|(part, status)| report(part, 3, status))
    }

    proptest! {
        #[test]
        fn order_and_duplicates_do_not_matter(
            mut reports in prop::collection::vec(any_report(), 0..12), extra in any_report(), at: prop::sample::Index,
        ) {
            let before = overall(&reports);
            let mut reversed: Vec<_> = reports.iter().rev().cloned().collect();
            prop_assert_eq!(overall(&reversed), before.clone());
            if !reports.is_empty() {
                reversed.push(reports[at.index(reports.len())].clone());
                prop_assert_eq!(overall(&reversed), before.clone());
            }
            // A further report never takes anything back.
            reports.push(extra);
            prop_assert!(overall(&reports) >= before);
        }
    }
}
