//! One switch for each question that Agent4's documentation leaves open.

use std::time::Duration;

/// How the state of a response changes the state of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateRule {
    /// It is merged into the existing state.
    #[default]
    Merge,
    /// It replaces the existing state.
    Replace,
    /// No request contains a state.
    Never,
    /// As `Merge`, but only `initial` requests contain the state.
    AtInitial,
}

/// The form of the model's arguments in `context`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContextForm {
    /// An object.
    #[default]
    Object,
    /// An object inside `responses`.
    InResponses,
    /// A string of JSON.
    Text,
    /// A string of JSON inside `responses` inside a string of JSON.
    TextInResponses,
    /// `responses` with the single argument, in a string of JSON: the older sample.
    Single,
}

impl ContextForm {
    /// All forms.
    pub const ALL: [Self; 5] = [
        Self::Object,
        Self::InResponses,
        Self::Text,
        Self::TextInResponses,
        Self::Single,
    ];
}

/// The value of `context` where it has no content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyContext {
    /// Missing.
    #[default]
    Missing,
    /// Null.
    Null,
    /// An empty object.
    Empty,
    /// The model's last arguments.
    Last,
    /// The model's arguments for the parameters that the link declares for `interrupt`. At `interrupt` only.
    Given,
}

/// What happens after a response without an action that moves on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoActionRule {
    /// The chain continues with the next link, if there is one.
    #[default]
    Next,
    /// The chain ends.
    End,
}

/// The behavior of this Agent4 where its documentation is silent.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the provider's API"
)]
pub struct Switches {
    /// How the state of a response changes the state of the call.
    pub state: StateRule,
    /// The form of the model's arguments in `context`.
    pub context: ContextForm,
    /// The value of `context` in `initial` requests.
    pub context_at_initial: EarlyContext,
    /// The value of `context` in `interrupt` requests.
    pub context_at_interrupt: EarlyContext,
    /// Whether an empty `state` is sent.
    pub empty_state: bool,
    /// Whether `metadata` is sent.
    pub metadata: bool,
    /// Whether `call_forwarded_by` contains the dialed number. Otherwise it is null.
    pub forwarded_by: bool,
    /// Time-out of a request.
    pub time_out: Duration,
    /// The number of retries of a request that fails: no response, a status other than 200, or a body that is not JSON.
    pub retries: u8,
    /// Whether every request is sent twice. The responses must be equal.
    pub duplicates: bool,
    /// What happens after a response without an action that moves on.
    pub no_action: NoActionRule,
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
            no_action: NoActionRule::default(),
        }
    }
}

impl Switches {
    /// All combinations that may make a difference to the server of a chain.
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
                    for (flag, no_action) in [(false, NoActionRule::Next), (true, NoActionRule::End)] {
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
                                no_action,
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
