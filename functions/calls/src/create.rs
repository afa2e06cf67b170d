//! `POST /api/v1/calls`: contacts a customer. The answer comes before anything is sent.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::access::Scope;
use patchbay::api::idempotency;
use patchbay::field::FieldError;
use patchbay::ids::{InteractionId, InteractionKey};
use patchbay::interaction::{self, Interaction, NewInteraction, Plan};
use patchbay::ledger::{DecisionOf, LedgerError};
use patchbay::lenient_json::{self, Selection};
use patchbay::outreach::extensions::{self, Extensions};
use patchbay::outreach::plan::{self, Sources};
use patchbay::providers::elemente::{BadRequest, CreateRequest};
use patchbay::secret::sha256_hex;
use patchbay::store::StoredCustomer;
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use patchbay::webhook::Webhook;
use serde::Serialize;

use crate::documents::Documents;
use crate::{Answer, Deps, bad_request, customers};

/// Attempts to give the interaction to a customer, in competition with other requests that name the same one.
const MAX_ATTEMPTS: u8 = 4;

pub(crate) async fn create(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let idempotency_key = idempotency::key(request)?;
    let body = body::json_bytes(request)?;
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
            return replay(deps, &existing, &fingerprint);
        }
    }
    // Not before: what was in time when it was asked for first may be late in a repeat.
    let wanted = Wanted::parse(deps, body)?;
    let documents = Documents::load(deps, &key.tenant, &wanted.request).await?;
    let creation = Creation {
        deps,
        key,
        wanted: &wanted,
        documents: &documents,
        fingerprint: &fingerprint,
    };
    creation.run().await
}

/// `POST /v1/interactions/preview`: what the same body would plan. Writes and sends nothing.
pub(crate) async fn preview(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let wanted = Wanted::parse(deps, body::json_bytes(request)?)?;
    let mut documents = Documents::load(deps, &tenant, &wanted.request).await?;
    // The requester wants to know what would be blank.
    documents.skill.strict = true;
    let (customer, _) = customers::of_request(deps, &tenant, &wanted.request).await?;
    let new = plan(deps, &wanted, &documents, &customer).map_err(Problem::invalid_fields)?;
    Ok(json_response(StatusCode::OK, &Preview::new(new)))
}

/// A request to contact a customer.
struct Wanted {
    /// What Elemente documents.
    request: CreateRequest,
    /// What has no effect.
    ignored: Vec<String>,
    /// The fields of our own.
    extensions: Extensions,
}

impl Wanted {
    /// Names every wrong field, whosever it is.
    fn parse(deps: &Deps, body: &[u8]) -> Result<Self, Problem> {
        let now = deps.interactions.clock.now();
        let extensions = Extensions::parse(body, &deps.targets, now);
        let errors = match (CreateRequest::parse_with(body, &extensions::NAMES), extensions) {
            (Ok((request, ignored)), Ok(extensions)) => {
                return Ok(Self {
                    request,
                    ignored: ignored.paths,
                    extensions,
                });
            }
            (Err(BadRequest::Fields(errors)), Err(more)) => errors.into_iter().chain(more).collect(),
            (Err(error), _) => return Err(bad_request(error)),
            (Ok(_), Err(errors)) => errors,
        };
        Err(Problem::invalid_fields(errors))
    }
}

/// What a request would plan.
#[derive(Serialize)]
struct Preview {
    plan: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook>,
    unused_fields: Vec<String>,
}

impl Preview {
    fn new(new: NewInteraction) -> Self {
        Self {
            plan: new.plan,
            webhook: new.webhook,
            unused_fields: new.unused_fields,
        }
    }
}

fn plan(
    deps: &Deps,
    wanted: &Wanted,
    documents: &Documents,
    customer: &StoredCustomer,
) -> Result<NewInteraction, Vec<FieldError>> {
    let sources = Sources {
        agent_id: documents.agent_id.as_str(),
        agent: &documents.agent,
        skill_id: documents.skill_id.as_str(),
        skill: &documents.skill,
        customer_id: &customer.id.to_string(),
        customer: &wanted.request.customer(customers::known(customer)),
        extensions: &wanted.extensions,
    };
    let mut new = plan::plan(&wanted.request, &sources, deps.interactions.clock.now())?;
    new.unused_fields.extend(wanted.ignored.iter().cloned());
    Ok(new)
}

/// Everything that an interaction is made from.
struct Creation<'a> {
    deps: &'a Deps,
    key: InteractionKey,
    wanted: &'a Wanted,
    documents: &'a Documents,
    fingerprint: &'a str,
}

impl Creation<'_> {
    async fn run(self) -> Answer {
        let InteractionKey { tenant, id } = &self.key;
        for _ in 0..MAX_ATTEMPTS {
            let (customer, is_new) = customers::of_request(self.deps, tenant, &self.wanted.request).await?;
            // Before anything is written: a request with an error changes nothing.
            let new = plan(self.deps, self.wanted, self.documents, &customer).map_err(Problem::invalid_fields)?;
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

    async fn commit(self, new: NewInteraction) -> Answer {
        let decision = self.decide(new)?;
        let (interaction, is_new) = self.deps.interactions.create(decision).await?;
        if !is_new {
            return replay(self.deps, &interaction, self.fingerprint);
        }
        let InteractionKey { tenant, id } = &interaction.key;
        let channels = interaction.plan.legs.len();
        tracing::info!(%tenant, interaction = %id, channel = %self.wanted.request.channel, channels, "interaction created");
        Ok(json_response(StatusCode::OK, &self.deps.feedback(&interaction)))
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
fn replay(deps: &Deps, existing: &Interaction, fingerprint: &str) -> Answer {
    if existing.fingerprint != fingerprint {
        return Err(Problem::idempotency_conflict(existing.key.id));
    }
    let current = json_response(StatusCode::OK, &deps.feedback(existing));
    Ok(idempotency::marked_as_replayed(current))
}

/// The fingerprint of a body, independent of white space and of the order of its fields.
fn fingerprint(body: &[u8]) -> Result<String, Problem> {
    let plain = lenient_json::select(body, Selection::All).map_err(body::unreadable)?;
    Ok(sha256_hex(plain.to_string().as_bytes()))
}
