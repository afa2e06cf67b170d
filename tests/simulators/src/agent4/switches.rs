//! What nobody knows of Agent4, as switches.

use std::time::Duration;

/// What becomes of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateRule {
    /// An answer's state is laid over what is there.
    #[default]
    Merge,
    /// An answer's state takes the place of what is there.
    Replace,
    /// No request has one.
    Never,
    /// As `Merge`, and only what is posted at `initial` has it.
    AtInitial,
}

/// How what the model returned is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContextForm {
    /// An object.
    #[default]
    Object,
    /// An object inside `responses`.
    InResponses,
    /// A text of JSON.
    Text,
    /// A text of JSON, inside `responses` inside a text of JSON.
    TextInResponses,
    /// `responses` with the one argument, in a text of JSON: the older sample.
    Single,
}

impl ContextForm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Object,
        Self::InResponses,
        Self::Text,
        Self::TextInResponses,
        Self::Single,
    ];
}

/// What `context` is where it has no content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyContext {
    /// Missing.
    #[default]
    Missing,
    /// Null.
    Null,
    /// An object with nothing in it.
    Empty,
    /// What the model returned last.
    Last,
    /// What the model makes of the parameters that are declared for this moment: at `interrupt` only.
    Given,
}

/// What happens after an answer that does not move on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterNothing {
    /// The next link, or the end.
    #[default]
    Next,
    /// The end.
    End,
}

/// Which way it goes where nobody knows.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches")]
pub struct Switches {
    /// What becomes of the state.
    pub state: StateRule,
    /// How what the model returned is sent.
    pub context: ContextForm,
    /// `context` at `initial`.
    pub context_at_initial: EarlyContext,
    /// `context` at `interrupt`.
    pub context_at_interrupt: EarlyContext,
    /// Whether `state` is there when it is empty.
    pub empty_state: bool,
    /// Whether `metadata` is sent.
    pub metadata: bool,
    /// Whether `call_forwarded_by` is sent, or null.
    pub forwarded_by: bool,
    /// How long an answer may take.
    pub time_out: Duration,
    /// How often a request without an answer, or with a 5xx, is sent again.
    pub retries: u8,
    /// Whether every request is sent twice; the answers must be the same.
    pub duplicates: bool,
    /// What happens after an answer that does not move on.
    pub after_nothing: AfterNothing,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            state: StateRule::default(),
            context: ContextForm::default(),
            context_at_initial: EarlyContext::default(),
            context_at_interrupt: EarlyContext::default(),
            empty_state: true,
            metadata: false,
            forwarded_by: true,
            time_out: Duration::from_secs(5),
            retries: 0,
            duplicates: false,
            after_nothing: AfterNothing::default(),
        }
    }
}

impl Switches {
    /// Every combination that may matter to a chain's server.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for state in [
            StateRule::Merge,
            StateRule::Replace,
            StateRule::Never,
            StateRule::AtInitial,
        ] {
            for context in ContextForm::ALL {
                for early in [
                    EarlyContext::Missing,
                    EarlyContext::Null,
                    EarlyContext::Empty,
                    EarlyContext::Last,
                    EarlyContext::Given,
                ] {
                    for (flag, after_nothing) in [(false, AfterNothing::Next), (true, AfterNothing::End)] {
                        for duplicates in [false, true] {
                            all.push(Self {
                                state,
                                context,
                                context_at_initial: early,
                                context_at_interrupt: early,
                                empty_state: flag,
                                metadata: flag,
                                forwarded_by: flag,
                                duplicates,
                                retries: u8::from(flag),
                                after_nothing,
                                ..Self::default()
                            });
                        }
                    }
                }
            }
        }
        all
    }
}
