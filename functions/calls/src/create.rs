//! `POST /api/v1/calls`: contacts a customer. The answer comes before anything is sent.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::access::Scope;
use patchbay::api::idempotency;
use patchbay::field::FieldError;
use patchbay::ids::{InteractionId, InteractionKey};
use patchbay::interaction::{self, Interaction, NewInteraction};
use patchbay::ledger::{DecisionOf, LedgerError};
use patchbay::lenient_json::{self, Selection};
use patchbay::outreach::plan::{self, Sources};
use patchbay::providers::elemente::{CreateRequest, IgnoredFields};
use patchbay::secret::sha256_hex;
use patchbay::store::StoredCustomer;
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;

use crate::documents::Documents;
use crate::feedback::feedback;
use crate::{Answer, Deps, bad_request, customers};

/// Attempts to give the interaction to a customer, in competition with other requests that name the same one.
const MAX_ATTEMPTS: u8 = 4;

pub(crate) async fn create(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let idempotency_key = idempotency::key(request)?;
    let body = body::json_bytes(request)?;
    let (wanted, ignored) = CreateRequest::parse(body).map_err(bad_request)?;
    let fingerprint = fingerprint(body)?;
    let id = if let Some(key) = idempotency_key {
        InteractionId::for_idempotency_key(&tenant, key)
    } else {
        let (random, now) = (&deps.interactions.random, deps.interactions.clock.now());
        InteractionId::random(random, now).map_err(LedgerError::from)?
    };
    let key = InteractionKey { tenant, id };
    if idempotency_key.is_some() {
        // Looked up before anything is sent: a repeated request must not enqueue messages.
        if let Some(existing) = deps.interactions.load(&key).await? {
            return replay(&existing, &fingerprint);
        }
    }
    let documents = Documents::load(deps, &key.tenant, &wanted.agent_id, &wanted.skill_id).await?;
    let creation = Creation {
        deps,
        key,
        wanted: &wanted,
        ignored: &ignored,
        documents: &documents,
        fingerprint: &fingerprint,
    };
    creation.run().await
}

/// Everything that an interaction is made from.
struct Creation<'a> {
    deps: &'a Deps,
    key: InteractionKey,
    wanted: &'a CreateRequest,
    ignored: &'a IgnoredFields,
    documents: &'a Documents,
    fingerprint: &'a str,
}

impl Creation<'_> {
    async fn run(self) -> Answer {
        let InteractionKey { tenant, id } = &self.key;
        for _ in 0..MAX_ATTEMPTS {
            let (customer, is_new) = customers::of_request(self.deps, tenant, self.wanted).await?;
            // Before anything is written: a request with an error changes nothing.
            let new = self.plan(&customer).map_err(Problem::invalid_fields)?;
            let (store, now) = (&self.deps.interactions.store, self.deps.interactions.clock.now());
            if is_new && !store.create_customer(tenant, &customer).await? {
                continue;
            }
            if store.link_interaction(tenant, customer.id, *id, now).await? {
                return self.commit(new).await;
            }
        }
        Err(Problem::unavailable(1))
    }

    fn plan(&self, customer: &StoredCustomer) -> Result<NewInteraction, Vec<FieldError>> {
        let Documents {
            agent_id,
            agent,
            skill_id,
            skill,
        } = self.documents;
        let sources = Sources {
            agent_id: agent_id.as_str(),
            agent,
            skill_id: skill_id.as_str(),
            skill,
            customer_id: &customer.id.to_string(),
            customer: &self.wanted.customer(customers::known(customer)),
        };
        let mut new = plan::plan(self.wanted, &sources, self.deps.interactions.clock.now())?;
        new.unused_fields.extend(self.ignored.paths.iter().cloned());
        Ok(new)
    }

    async fn commit(self, new: NewInteraction) -> Answer {
        let decision = self.decide(new)?;
        let (interaction, is_new) = self.deps.interactions.create(decision).await?;
        if !is_new {
            return replay(&interaction, self.fingerprint);
        }
        let InteractionKey { tenant, id } = &interaction.key;
        let channels = interaction.plan.legs.len();
        tracing::info!(%tenant, interaction = %id, channel = %self.wanted.channel, channels, "interaction created");
        Ok(json_response(StatusCode::OK, &feedback(&interaction)))
    }

    fn decide(&self, new: NewInteraction) -> Result<DecisionOf<Interaction>, Problem> {
        let context = self.deps.interactions.context().map_err(LedgerError::from)?;
        let decision = interaction::create(self.key.clone(), new, context);
        let mut decision = decision.map_err(|error| Problem::invalid_field("(body)", error.to_string()))?;
        if let Some(next) = &mut decision.next {
            self.fingerprint.clone_into(&mut next.fingerprint);
        }
        Ok(decision)
    }
}

/// Answers a request whose idempotency key was used before: with the interaction that it created, in its current state.
fn replay(existing: &Interaction, fingerprint: &str) -> Answer {
    if existing.fingerprint != fingerprint {
        return Err(Problem::idempotency_conflict(existing.key.id));
    }
    let current = json_response(StatusCode::OK, &feedback(existing));
    Ok(idempotency::marked_as_replayed(current))
}

/// The fingerprint of a body, independent of white space and of the order of its fields.
fn fingerprint(body: &[u8]) -> Result<String, Problem> {
    let plain = lenient_json::select(body, Selection::All).map_err(body::unreadable)?;
    Ok(sha256_hex(plain.to_string().as_bytes()))
}
