//! The `--provider` option: which simulated providers phone employees.

use clap::ValueEnum;
use patchbay::voice::Provider;

/// The simulated providers that phone employees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProviderChoice {
    /// Routee alone
    #[default]
    Routee,
    /// Twilio alone
    Twilio,
    /// Routee, with failover to Twilio
    Both,
}

impl ProviderChoice {
    /// The providers in order of preference.
    pub(crate) const fn providers(self) -> &'static [Provider] {
        match self {
            Self::Routee => &[Provider::Routee],
            Self::Twilio => &[Provider::Twilio],
            Self::Both => &[Provider::Routee, Provider::Twilio],
        }
    }
}
