//! Bodies of the webhooks to requesters.

pub mod dispatch;
pub mod interaction;

use patchbay::store::NoticedEntry;
use serde_json::Value;

/// The body of the webhook about an entry; none if requesters are not notified of such entries.
pub fn payload(noticed: &NoticedEntry) -> Option<Value> {
    match noticed {
        NoticedEntry::Dispatch(dispatch, entry) => dispatch::payload(dispatch, entry),
        NoticedEntry::Interaction(interaction, entry) => interaction::payload(interaction, entry),
    }
}
