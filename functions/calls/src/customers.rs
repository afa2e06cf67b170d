//! Customers: finding the one whom a request names, and forgetting one.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::clock::Timestamp;
use patchbay::context::ContextKey;
use patchbay::ids::{InteractionKey, Tenant};
use patchbay::interaction::{self, EndReason, Event, Interaction};
use patchbay::ledger::{Interactions, LedgerError};
use patchbay::message::WRITER_LIFETIME_SECONDS;
use patchbay::phone::PhoneNumber;
use patchbay::providers::elemente::{CreateRequest, Customer};
use patchbay::store::{CustomerId, CustomerInteraction, Store, StoredCustomer};
use patchbay::web::problem::Problem;

use crate::{Answer, Deps};

/// Most interactions that one request forgets.
const MAX_FORGOTTEN: i32 = 100;
/// Seconds after which a request forgets no further interaction, so that it ends in time.
const FORGETTING_SECONDS: u32 = 5;
/// Seconds after which a request to forget a customer is to be repeated.
const RETRY_SECONDS: u16 = 5;

/// The customer whom a request names: found by phone number, then by e-mail address. The flag is true for one who is not
/// stored yet.
///
/// `customer*` tells who they are. The override tells it only where those say nothing, and never changes what is stored.
pub(crate) async fn of_request(
    deps: &Deps,
    tenant: &Tenant,
    request: &CreateRequest,
) -> Result<(StoredCustomer, bool), Problem> {
    let Interactions {
        store, clock, random, ..
    } = &deps.interactions;
    let given = request.given_customer.clone().merge(request.customer_override.clone());
    let found = store.find_customer(tenant, given.phone.as_deref(), given.email.as_deref());
    if let Some(found) = found.await? {
        return Ok((found, false));
    }
    let now = clock.now();
    let id = CustomerId::random(random, now).map_err(LedgerError::from)?;
    let new = StoredCustomer {
        id,
        created_at: now,
        first_name: given.first_name,
        last_name: given.last_name,
        name: given.name,
        phone: given.phone,
        email: given.email,
        language: given.language,
    };
    Ok((new, true))
}

/// What is known about a stored customer. Custom fields are about one interaction, and are not stored.
pub(crate) fn known(stored: &StoredCustomer) -> Customer {
    let StoredCustomer {
        first_name,
        last_name,
        name,
        phone,
        email,
        language,
        ..
    } = stored.clone();
    Customer {
        first_name,
        last_name,
        name,
        phone,
        email,
        language,
        ..Customer::default()
    }
}

/// `DELETE /v1/customers/{id}`: forgets a customer. Nothing is sent to them any more, and of their interactions remains
/// what says nothing about them. Opt-outs stay: they are hashes, and protect the customer.
///
/// Every step may be repeated, so a request that could not do everything is answered with 503, and repeated.
pub(crate) async fn forget(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let id: CustomerId = id.parse().map_err(|_| Problem::not_found())?;
    let Interactions { store, clock, .. } = &deps.interactions;
    let deadline = clock.now().plus_seconds(FORGETTING_SECONDS);
    let customer = store.customer(&tenant, id).await?;
    let interactions = store.interactions_of(&tenant, id, MAX_FORGOTTEN + 1).await?;
    if customer.is_none() && interactions.is_empty() {
        return Err(Problem::not_found());
    }
    // The customer first: from then on no interaction is added.
    if let Some(customer) = &customer
        && !store.delete_customer(&tenant, customer).await?
    {
        return Err(Problem::unavailable(RETRY_SECONDS));
    }
    let limit = usize::try_from(MAX_FORGOTTEN).unwrap_or_default();
    let mut is_complete = interactions.len() <= limit;
    for link in interactions.iter().take(limit) {
        if clock.now() >= deadline {
            is_complete = false;
            break;
        }
        if forget_interaction(deps, &tenant, link).await? {
            store.unlink_interaction(&tenant, id, link.id).await?;
        } else {
            is_complete = false;
        }
    }
    if !is_complete {
        tracing::info!(%tenant, customer = %id, "a customer is not forgotten completely yet");
        return Err(Problem::unavailable(RETRY_SECONDS));
    }
    tracing::info!(%tenant, customer = %id, interactions = interactions.len(), "customer forgotten");
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Ends an interaction and removes everything about its customer. Returns false if that has to be tried again.
async fn forget_interaction(deps: &Deps, tenant: &Tenant, link: &CustomerInteraction) -> Result<bool, Problem> {
    let Interactions { store, clock, .. } = &deps.interactions;
    let key = InteractionKey {
        tenant: tenant.clone(),
        id: link.id,
    };
    let Some(interaction) = deps.interactions.load(&key).await? else {
        // The request that links it may still be about to create it.
        return Ok(clock.now() >= link.linked_at.plus_seconds(WRITER_LIFETIME_SECONDS));
    };
    let end = |_: &Interaction| Event::Requested {
        request: interaction::Request::End(EndReason::Canceled),
    };
    let ended = deps.interactions.apply_to(interaction, end).await?.subject;
    for leg in ended.plan.legs.iter().filter(|leg| !leg.to.is_empty()) {
        store.forget_threads(tenant, leg.channel, &leg.to).await?;
    }
    // What voice agents share about the caller has what was remembered of the interaction.
    let caller = PhoneNumber::parse(&ended.parties.customer.phone).ok();
    let context = caller.map(|caller| ContextKey {
        tenant: tenant.clone(),
        caller,
    });
    erase(store, context.as_ref(), clock.now()).await?;
    if !store.forget_interaction(&ended, clock.now()).await? {
        return Ok(false);
    }
    // The messenger may have written to it in between. From now on it sees that the customer is forgotten.
    erase(store, context.as_ref(), clock.now()).await?;
    Ok(true)
}

async fn erase(store: &Store, context: Option<&ContextKey>, now: Timestamp) -> Result<(), Problem> {
    if let Some(context) = context {
        store.delete_context(context, now).await?;
    }
    Ok(())
}
