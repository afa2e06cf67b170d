//! What nobody knows of Agent4: each doubt is one way in which it may differ from the Agent4 that is simulated.

use clap::ValueEnum;
use patchbay_simulators::agent4::{AfterNothing, ContextForm, EarlyContext, StateRule, Switches};

/// A doubt about the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Doubt {
    /// The `state` of an answer replaces the state, and is not merged into it
    ReplaceState,
    /// `context` is an object inside `responses`
    ContextInResponses,
    /// `context` is JSON in a string
    ContextString,
    /// `context` is JSON in a string, with JSON in a string as its `responses`
    ContextStringInResponses,
    /// `context` is JSON in a string, with the one argument as its `responses`
    ContextSingle,
    /// `context` is null in `initial` and `interrupt`
    EarlyContextNull,
    /// `context` is an empty object in `initial` and `interrupt`
    EarlyContextEmpty,
    /// `context` is the last one in `initial` and `interrupt`
    EarlyContextLast,
    /// There is no `state` while it is empty
    NoEmptyState,
    /// `call_forwarded_by` is null
    NoLine,
    /// `metadata` is sent even when it is empty
    Metadata,
    /// A request without a good answer is sent again, once
    Retry,
    /// Every request is sent twice, and must be answered alike
    Duplicates,
    /// An answer that does not move on ends the call, instead of going to the next link
    EndAfterNothing,
}

impl Doubt {
    /// Its name, as the option has it.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) fn apply(self, switches: &mut Switches) {
        match self {
            Self::ReplaceState => switches.state = StateRule::Replace,
            Self::ContextInResponses => switches.context = ContextForm::InResponses,
            Self::ContextString => switches.context = ContextForm::Text,
            Self::ContextStringInResponses => switches.context = ContextForm::TextInResponses,
            Self::ContextSingle => switches.context = ContextForm::Single,
            Self::EarlyContextNull => early(switches, EarlyContext::Null),
            Self::EarlyContextEmpty => early(switches, EarlyContext::Empty),
            Self::EarlyContextLast => early(switches, EarlyContext::Last),
            Self::NoEmptyState => switches.empty_state = false,
            Self::NoLine => switches.forwarded_by = false,
            Self::Metadata => switches.metadata = true,
            Self::Retry => switches.retries = 1,
            Self::Duplicates => switches.duplicates = true,
            Self::EndAfterNothing => switches.after_nothing = AfterNothing::End,
        }
    }
}

fn early(switches: &mut Switches, context: EarlyContext) {
    switches.context_at_initial = context;
    switches.context_at_interrupt = context;
}
