//! Describes a world such that equivalent worlds have one description.

use std::collections::BTreeMap;

use patchbay_domain::conversation::limits::ECHO_SECONDS;
use patchbay_domain::conversation::{Conversation, Holder};
use patchbay_domain::timestamp::Timestamp;

use super::World;
use super::queue::{Item, Queued};

/// Ages beyond this make no difference: every limit that looks back is shorter, except the one for echoes.
const OLD_MILLIS: i64 = -61_000;
/// Times beyond this make no difference: until then, everything else has happened.
const FAR_MILLIS: i64 = 130_000;

impl World {
    /// Describes the world such that equivalent worlds are equal: ids that the conversation does not know are stale,
    /// times are ages, and versions are distances.
    pub(super) fn print(&self) -> String {
        let json = serde_json::to_string(&essence(&self.conversation, self.now)).expect("JSON");
        let mut names = Names {
            now: self.now,
            ids: BTreeMap::new(),
        };
        names.learn(&json);
        let mut queue: Vec<String> = self
            .queue
            .iter()
            .map(|queued| names.normalize(&self.describe(queued)))
            .collect();
        queue.sort();
        let runs = self.runs.iter().map(|run| names.normalize(&format!("{run:?}")));
        let mut runs: Vec<String> = runs.collect();
        runs.sort();
        let account = self.audit.account(&self.conversation);
        format!("{}\n{queue:?}\n{runs:?}\n{account}", names.normalize(&json))
    }

    fn describe(&self, queued: &Queued) -> String {
        let Queued { item, due_at, deadline } = queued;
        match item {
            Item::Event(event) => format!("{event:?} {due_at} {deadline:?}"),
            Item::Work(message) => {
                let ahead = message.version.saturating_sub(self.conversation.version);
                format!("{:?} {due_at} {ahead}", message.work)
            }
        }
    }
}

/// The conversation without what makes no difference for any rule.
fn essence(conversation: &Conversation, now: Timestamp) -> Conversation {
    let mut known = Conversation {
        version: 0,
        created_at: now,
        updated_at: now,
        transcript: Vec::new(),
        ..conversation.clone()
    };
    let is_timed = match known.holder {
        Holder::Bot => known.holder_since > conversation.created_at,
        Holder::Waiting => true,
        Holder::HandingOff | Holder::Human => false,
    };
    if !is_timed {
        known.holder_since = now;
    }
    if let Some(hand_over) = &mut known.hand_over {
        hand_over.at = now;
    }
    if let Some(turn) = &mut known.turn {
        turn.first_at = now;
    }
    for sent in &mut known.sent {
        let is_over = sent.id.is_none() && now > sent.at.plus_seconds(ECHO_SECONDS);
        sent.at = if is_over { now.plus_millis(OLD_MILLIS) } else { now };
    }
    known.seen.sort();
    known.sent.sort_by(|one, other| one.text.cmp(&other.text));
    known
}

/// Names of ids, by the order in which the conversation mentions them.
struct Names {
    now: Timestamp,
    ids: BTreeMap<String, usize>,
}

impl Names {
    /// Learns the ids in a text.
    fn learn(&mut self, text: &str) {
        for start in 0..text.len() {
            if let Some(id) = id_at(text, start) {
                let count = self.ids.len();
                self.ids.entry(id.to_owned()).or_insert(count);
            }
        }
    }

    /// The text, with a name for every id and an age for every time.
    fn normalize(&self, text: &str) -> String {
        let mut normal = String::with_capacity(text.len());
        let mut start = 0;
        while let Some(first) = text[start..].chars().next() {
            if let Some(time) = text.get(start..start + 24).and_then(time) {
                let age = time.millis() - self.now.millis();
                normal.push_str(&age.clamp(OLD_MILLIS, FAR_MILLIS).to_string());
                start += 24;
            } else if let Some(id) = id_at(text, start) {
                let name = self.ids.get(id).map_or_else(|| "stale".to_owned(), usize::to_string);
                normal.push_str(&name);
                start += 16;
            } else {
                normal.push(first);
                start += first.len_utf8();
            }
        }
        normal
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.ends_with('Z').then(|| Timestamp::parse(text)).flatten()
}

/// The id that begins at this place of a text.
fn id_at(text: &str, start: usize) -> Option<&str> {
    let id = text.get(start..start + 16)?;
    id.bytes().all(|b| b.is_ascii_hexdigit()).then_some(id)
}
