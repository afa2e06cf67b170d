//! The URL of a tenant's own chat page, and the tokens with which its visitors take part in their conversations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use super::callbacks::CallbackUrls;
use super::reference::{BadReference, Purpose};
use crate::clock::Timestamp;
use crate::conversation::{ConversationKey, PlatformId};
use crate::ids::{InteractionKey, Tenant};

/// How long a visitor's token is valid, in seconds.
pub const VISITOR_SECONDS: u32 = 86_400;

/// What a visitor's token permits: taking part in one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The tenant.
    #[serde(rename = "t")]
    pub tenant: Tenant,
    /// The platform's id of the conversation.
    #[serde(rename = "c")]
    pub conversation: PlatformId,
    /// Its inbox, which decides the bot.
    #[serde(rename = "i")]
    pub inbox: PlatformId,
    /// When the token expires.
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}

impl Visitor {
    /// The key of the conversation.
    pub fn key(&self) -> ConversationKey {
        ConversationKey {
            tenant: self.tenant.clone(),
            id: self.conversation.clone(),
        }
    }
}

/// What the link in an agent's message permits: taking part in the chat of one interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatInvitation {
    /// The interaction.
    pub interaction: InteractionKey,
    /// When the link expires.
    pub expires_at: Timestamp,
}

impl CallbackUrls {
    /// The link with which a customer opens the chat page. What it permits is behind the `#`, so no server and no log gets
    /// it with the request for the page, and to fetch the link changes nothing.
    pub fn chat_link(&self, invitation: &ChatInvitation) -> String {
        let ChatInvitation {
            interaction: InteractionKey { tenant, id },
            expires_at,
        } = invitation;
        let text = format!("{tenant}.{id}.{}", expires_at.seconds());
        let token = self.references.sign(Purpose::ChatLink, &text, "");
        format!("{}#{token}", self.widget_url(tenant))
    }

    /// What a request with the token of a link is permitted.
    ///
    /// # Errors
    /// The token is missing, was not signed with one of our keys, or has expired.
    pub fn chat_invitation(&self, headers: &HeaderMap, now: Timestamp) -> Result<ChatInvitation, BadReference> {
        let text = self.references.check(Purpose::ChatLink, bearer(headers)?, "")?;
        let parts: Vec<&str> = text.split('.').collect();
        let [tenant, id, expires] = parts.as_slice() else {
            return Err(BadReference);
        };
        let seconds: u32 = expires.parse().map_err(|_| BadReference)?;
        let invitation = ChatInvitation {
            interaction: InteractionKey {
                tenant: tenant.parse().map_err(|_| BadReference)?,
                id: id.parse().map_err(|_| BadReference)?,
            },
            expires_at: Timestamp::from_millis(i64::from(seconds) * 1_000),
        };
        if invitation.expires_at <= now {
            return Err(BadReference);
        }
        Ok(invitation)
    }

    /// The URL of a tenant's chat page. It is valid as long as the key that signed it.
    pub fn widget_url(&self, tenant: &Tenant) -> String {
        let reference = self.references.sign(Purpose::Widget, &tenant.to_string(), "");
        format!("{}/chat/{reference}", self.base)
    }

    /// Verifies the reference in a [`Self::widget_url`], and returns its tenant.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys.
    pub fn check_widget(&self, reference: &str) -> Result<Tenant, BadReference> {
        let tenant = self.references.check(Purpose::Widget, reference, "")?;
        tenant.parse().map_err(|_| BadReference)
    }

    /// The token of a visitor.
    pub fn visitor_token(&self, visitor: &Visitor) -> String {
        // Serialization cannot fail: the fields are texts.
        let json = serde_json::to_vec(visitor).unwrap_or_default();
        self.references
            .sign(Purpose::Visitor, &URL_SAFE_NO_PAD.encode(json), "")
    }

    /// The visitor whose token a request has.
    ///
    /// # Errors
    /// The token is missing, was not signed with one of our keys, or has expired.
    pub fn visitor(&self, headers: &HeaderMap, now: Timestamp) -> Result<Visitor, BadReference> {
        let text = self.references.check(Purpose::Visitor, bearer(headers)?, "")?;
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadReference)?;
        let visitor: Visitor = serde_json::from_slice(&json).map_err(|_| BadReference)?;
        if visitor.expires_at <= now {
            Err(BadReference)
        } else {
            Ok(visitor)
        }
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, BadReference> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token.map(|(_, token)| token.trim()).ok_or(BadReference)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::secret::Secret;
    use crate::web::reference::ReferenceSigner;

    fn urls() -> CallbackUrls {
        CallbackUrls::new(
            "https://hooks.example.org/",
            ReferenceSigner::new(Secret::new("k"), None),
        )
    }

    fn visitor(id: &str) -> Visitor {
        let id = || id.parse().expect("an id");
        Visitor {
            tenant: "a".repeat(32).parse().expect("a tenant"),
            conversation: id(),
            inbox: id(),
            expires_at: Timestamp::from_millis(1_800_000_000_000),
        }
    }

    fn headers(authorization: &str) -> HeaderMap {
        let value = HeaderValue::from_str(authorization).expect("a header");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    #[test]
    fn a_page_belongs_to_the_tenant_for_which_its_url_was_signed() {
        let tenant: Tenant = "acme".parse().expect("a tenant");
        let url = urls().widget_url(&tenant);
        let reference = url
            .strip_prefix("https://hooks.example.org/chat/")
            .expect("the form of the URL");
        assert_eq!(urls().check_widget(reference), Ok(tenant));
        assert_eq!(
            urls().check_widget(&reference.replace("acme", "other")),
            Err(BadReference)
        );
        assert_eq!(urls().check_transfer(reference), Err(BadReference));
    }

    #[test]
    fn a_token_is_valid_until_it_expires_however_long_the_ids_are() {
        // In JSON a quotation mark takes two characters.
        for visitor in [visitor("7"), visitor(&"\"".repeat(64))] {
            let token = urls().visitor_token(&visitor);
            let headers = headers(&format!("Bearer {token}"));
            let at = |millis| urls().visitor(&headers, visitor.expires_at.plus_millis(millis));
            assert_eq!(at(-1), Ok(visitor.clone()));
            assert_eq!(at(0), Err(BadReference));
        }
    }

    #[test]
    fn a_link_permits_the_chat_of_one_interaction_until_it_expires() {
        let invitation = ChatInvitation {
            interaction: InteractionKey {
                tenant: "acme".parse().expect("a tenant"),
                id: "0190a3c2-7b1e-7d4f-8a6b-2c3d4e5f6071".parse().expect("an id"),
            },
            expires_at: Timestamp::from_millis(1_800_000_000_000),
        };
        let link = urls().chat_link(&invitation);
        let (page, token) = link.split_once('#').expect("the token is behind the page");
        assert_eq!(page, urls().widget_url(&invitation.interaction.tenant));
        let at = |token: &str, millis| {
            let headers = headers(&format!("Bearer {token}"));
            urls().chat_invitation(&headers, invitation.expires_at.plus_millis(millis))
        };
        assert_eq!(at(token, -1), Ok(invitation.clone()));
        assert_eq!(at(token, 0), Err(BadReference));
        for forged in [token.replacen("acme", "other", 1), token.replacen(".18", ".19", 1)] {
            assert_ne!(forged, token);
            assert_eq!(at(&forged, -1), Err(BadReference));
        }
        let as_visitor = headers(&format!("Bearer {token}"));
        assert_eq!(
            urls().visitor(&as_visitor, Timestamp::from_millis(0)),
            Err(BadReference)
        );
    }

    #[test]
    fn any_other_authorization_is_refused() {
        let token = urls().visitor_token(&visitor("1201"));
        let now = Timestamp::from_millis(0);
        let forged = token.replacen(&token[3..4], if &token[3..4] == "A" { "B" } else { "A" }, 1);
        for other in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Basic {token}"),
            token.clone(),
            format!("Bearer {forged}"),
            format!("Bearer {token}0"),
        ] {
            assert_eq!(urls().visitor(&headers(&other), now), Err(BadReference), "{other}");
        }
        assert_eq!(urls().visitor(&HeaderMap::new(), now), Err(BadReference));
        assert!(urls().visitor(&headers(&format!("bearer {token}")), now).is_ok());
    }
}
