//! The URLs under which a chat platform reaches us.

use super::Platform;
use crate::ids::Tenant;
use crate::web::callbacks::CallbackUrls;
use crate::web::reference::{BadReference, Purpose};

impl CallbackUrls {
    /// The URL to which a platform posts the events of a tenant's bot.
    pub fn bot_url(&self, platform: Platform, tenant: &Tenant) -> String {
        self.chat_url(Purpose::ChatBot, platform, tenant)
    }

    /// The URL to which a platform posts the events of a tenant's account.
    pub fn events_url(&self, platform: Platform, tenant: &Tenant) -> String {
        self.chat_url(Purpose::ChatEvents, platform, tenant)
    }

    /// Verifies the reference in a [`Self::bot_url`], and returns its tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys, or was made for another use.
    pub fn check_bot(&self, platform: Platform, reference: &str) -> Result<Tenant, BadReference> {
        self.check_chat(Purpose::ChatBot, platform, reference)
    }

    /// Verifies the reference in an [`Self::events_url`], and returns its tenant.
    ///
    /// # Errors
    /// As [`Self::check_bot`].
    pub fn check_events(&self, platform: Platform, reference: &str) -> Result<Tenant, BadReference> {
        self.check_chat(Purpose::ChatEvents, platform, reference)
    }

    fn chat_url(&self, purpose: Purpose, platform: Platform, tenant: &Tenant) -> String {
        let reference = self.references.sign(purpose, &tenant.to_string(), platform.name());
        let what = if purpose == Purpose::ChatBot { "bot" } else { "events" };
        format!("{}/{platform}/{what}/{reference}", self.base)
    }

    fn check_chat(&self, purpose: Purpose, platform: Platform, reference: &str) -> Result<Tenant, BadReference> {
        let tenant = self.references.check(purpose, reference, platform.name())?;
        tenant.parse().map_err(|_| BadReference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::web::reference::ReferenceSigner;

    #[test]
    fn a_url_is_valid_for_one_platform_and_one_use_only() {
        let urls = CallbackUrls::new(
            "https://hooks.example.org/",
            ReferenceSigner::new(Secret::new("k"), None),
        );
        let tenant: Tenant = "acme".parse().expect("a tenant");
        for platform in Platform::ALL {
            let (bot, events) = (urls.bot_url(platform, &tenant), urls.events_url(platform, &tenant));
            let reference = |url: &str, what: &str| {
                let prefix = format!("https://hooks.example.org/{platform}/{what}/");
                url.strip_prefix(&prefix).expect("the form of the URL").to_owned()
            };
            let (bot, events) = (reference(&bot, "bot"), reference(&events, "events"));
            assert_eq!(urls.check_bot(platform, &bot), Ok(tenant.clone()));
            assert_eq!(urls.check_events(platform, &events), Ok(tenant.clone()));
            assert_eq!(urls.check_bot(platform, &events), Err(BadReference));
            assert_eq!(urls.check_events(platform, &bot), Err(BadReference));
            for other in Platform::ALL.into_iter().filter(|other| *other != platform) {
                assert_eq!(urls.check_bot(other, &bot), Err(BadReference));
            }
        }
    }
}
