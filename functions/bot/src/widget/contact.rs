//! The visitor as a customer of the platform.
//!
//! A platform refuses a second customer with the same e-mail address, and may have no way to find the first one. So we
//! remember which customer has an address.

use patchbay::chat::{ChatError, CreatedContact, NewContact};
use patchbay::conversation::PlatformId;
use patchbay::ids::Tenant;
use patchbay::store::VisitorContact;

use super::form::CheckedForm;
use super::start::NotCreated;
use crate::Deps;

/// A customer of the platform.
pub(super) struct Customer {
    pub(super) id: PlatformId,
    /// What identifies them in the inbox, if it is known.
    pub(super) source: Option<String>,
    /// Whether they were created earlier.
    pub(super) is_remembered: bool,
}

/// The customer with the visitor's address, created if we remember none.
pub(super) async fn find_or_create(
    deps: &Deps,
    tenant: &Tenant,
    form: &CheckedForm<'_>,
) -> Result<Customer, NotCreated> {
    let store = &deps.conversations.store;
    let inbox = &form.topic.inbox;
    let remembered = store.visitor_contact(tenant, form.email).await.map_err(|error| {
        NotCreated::Platform(ChatError::Failed {
            retry_after: None,
            detail: error.to_string(),
        })
    })?;
    if let Some(VisitorContact {
        id,
        inbox: known,
        source,
    }) = remembered
    {
        // What identifies a customer in one inbox says nothing in another, unless it is the address.
        let is_address = |source: &str| source.to_lowercase() == form.email.to_lowercase();
        let is_valid = |source: &String| known == *inbox || is_address(source);
        return Ok(Customer {
            id,
            source: source.filter(is_valid),
            is_remembered: true,
        });
    }
    let created = create(deps, form).await.map_err(no_customer)?;
    let contact = VisitorContact {
        id: created.id,
        inbox: inbox.clone(),
        source: created.source,
    };
    let now = deps.conversations.clock.now();
    if let Err(error) = store.put_visitor_contact(tenant, form.email, &contact, now).await {
        tracing::error!(%tenant, contact = %contact.id, %error, "a customer is not remembered: the platform will refuse their next conversation");
    }
    Ok(Customer {
        id: contact.id,
        source: contact.source,
        is_remembered: false,
    })
}

/// Forgets the customer with the visitor's address.
pub(super) async fn forget(deps: &Deps, tenant: &Tenant, form: &CheckedForm<'_>) {
    let forgetting = deps.conversations.store.delete_visitor_contact(tenant, form.email);
    if let Err(error) = forgetting.await {
        tracing::error!(%tenant, %error, "a customer whom the platform does not know is still remembered");
    }
}

async fn create(deps: &Deps, form: &CheckedForm<'_>) -> Result<CreatedContact, ChatError> {
    let new = NewContact {
        inbox: &form.topic.inbox,
        name: form.name,
        email: form.email,
        phone: form.phone.as_deref(),
    };
    match deps.client.create_contact(new).await {
        // Two customers may share a phone, but not on the platform.
        Err(ChatError::Refused { .. }) if new.phone.is_some() => {
            deps.client.create_contact(NewContact { phone: None, ..new }).await
        }
        result => result,
    }
}

/// Without a customer there is certainly no conversation, so another try is harmless.
fn no_customer(error: ChatError) -> NotCreated {
    match error {
        ChatError::Refused { .. } => NotCreated::Details(error),
        ChatError::Unclear { detail } => NotCreated::Platform(ChatError::Failed {
            retry_after: None,
            detail,
        }),
        ChatError::Failed { .. } => NotCreated::Platform(error),
    }
}
