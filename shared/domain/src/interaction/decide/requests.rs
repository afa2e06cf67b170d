//! What people and bots request through the API.

use super::builder::{Builder, cut, ignored};
use super::{Decision, IgnoreReason, Request};
use crate::interaction::limits::MAX_NOTE_CHARS;
use crate::interaction::plan::Agent;
use crate::interaction::report::AttemptOutcome;
use crate::interaction::status::EndReason;
use crate::interaction::timeline::Fact;

impl Builder<'_> {
    pub(super) fn requested(self, request: &Request) -> Decision {
        match request {
            Request::Note(note) => self.note(note),
            Request::Agent(agent) => self.give_to(agent),
            Request::End(reason) => self.end_as_requested(*reason),
        }
    }

    fn note(mut self, note: &str) -> Decision {
        let note = cut(note, MAX_NOTE_CHARS);
        if note == self.next.note {
            return ignored(IgnoreReason::Unchanged);
        }
        self.next.note.clone_from(&note);
        self.record(Fact::NoteChanged { note });
        self.commit()
    }

    fn give_to(mut self, agent: &Agent) -> Decision {
        if *agent == self.next.parties.agent {
            return ignored(IgnoreReason::Unchanged);
        }
        self.next.parties.agent = agent.clone();
        self.record(Fact::AgentChanged {
            agent: agent.id.clone(),
        });
        self.commit()
    }

    fn end_as_requested(mut self, reason: EndReason) -> Decision {
        if self.next.state.is_terminal() {
            return ignored(IgnoreReason::Ended);
        }
        self.take_attempt(&AttemptOutcome::Canceled);
        self.end(reason);
        self.commit()
    }
}
