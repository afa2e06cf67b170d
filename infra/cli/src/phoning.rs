//! Over which of the simulated providers employees are phoned.

use clap::ValueEnum;
use patchbay::voice::Provider;

/// Who phones employees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phoning {
    /// Routee
    #[default]
    Routee,
    /// Twilio
    Twilio,
    /// Routee, and Twilio where Routee fails
    Both,
}

impl Phoning {
    /// The providers, the preferred first.
    pub(crate) const fn providers(self) -> &'static [Provider] {
        match self {
            Self::Routee => &[Provider::Routee],
            Self::Twilio => &[Provider::Twilio],
            Self::Both => &[Provider::Routee, Provider::Twilio],
        }
    }
}
