//! Variants of the contract where Agent4's documentation is silent: each is one way in which Agent4 may differ from the
//! simulated one.

use clap::ValueEnum;
use patchbay_simulators::agent4::{ContextForm, EarlyContext, NoActionRule, StateRule, Switches};

/// A variant of the contract: a value of `--variant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ContractVariant {
    /// The `state` of an answer replaces the state instead of being merged into it
    ReplaceState,
    /// `context` is an object inside `responses`
    ContextInResponses,
    /// `context` is JSON in a string
    ContextString,
    /// `context` is JSON in a string, with JSON in a string as its `responses`
    ContextStringInResponses,
    /// `context` is JSON in a string, with the single argument as its `responses`
    ContextSingle,
    /// `context` is null in `initial` and `interrupt`
    EarlyContextNull,
    /// `context` is an empty object in `initial` and `interrupt`
    EarlyContextEmpty,
    /// `context` repeats the last one in `initial` and `interrupt`
    EarlyContextLast,
    /// `state` is left out while it is empty
    NoEmptyState,
    /// `call_forwarded_by` is null
    NoLine,
    /// `metadata` is sent even when it is empty
    Metadata,
    /// A request without a valid answer is repeated once
    Retry,
    /// Every request is sent twice and must get the same answer
    Duplicates,
    /// An answer without an action that ends the link ends the call instead of continuing with the next link
    EndAfterNothing,
}

impl ContractVariant {
    /// Name of the variant on the command line.
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
            Self::EndAfterNothing => switches.no_action = NoActionRule::End,
        }
    }
}

fn early(switches: &mut Switches, context: EarlyContext) {
    switches.context_at_initial = context;
    switches.context_at_interrupt = context;
}
