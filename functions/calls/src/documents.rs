//! `/v1/agents` and `/v1/skills`: the API for their documents; and the documents that a request names.

use patchbay::api::documents::DocumentApi;
use patchbay::field::FieldError;
use patchbay::flow::Issue;
use patchbay::ids::{DocumentName, Tenant};
use patchbay::ledger::Interactions;
use patchbay::outreach::agent::{self, Agent};
use patchbay::outreach::skill::{self, Skill};
use patchbay::providers::elemente::CreateRequest;
use patchbay::store::{DocumentKey, DocumentKind};
use patchbay::web::problem::Problem;
use serde_json::{Map, Value};

use crate::Deps;

/// `/v1/agents`.
pub(crate) const fn agents(deps: &Deps) -> DocumentApi<'_, agent::Document> {
    api(deps, DocumentKind::Agent)
}

/// `/v1/skills`.
pub(crate) const fn skills(deps: &Deps) -> DocumentApi<'_, skill::Document> {
    api(deps, DocumentKind::Skill)
}

const fn api<D>(deps: &Deps, kind: DocumentKind) -> DocumentApi<'_, D> {
    let Interactions { store, clock, .. } = &deps.interactions;
    DocumentApi {
        store,
        clock,
        kind,
        details: &|_, _| Map::new(),
    }
}

/// The agent and the skill that a request names.
pub(crate) struct Documents {
    pub(crate) agent_id: DocumentName,
    pub(crate) agent: Agent,
    pub(crate) skill_id: DocumentName,
    pub(crate) skill: Skill,
}

impl Documents {
    /// Loads both. Two requests, concurrently.
    ///
    /// # Errors
    /// 422 that names each of them that does not exist or cannot be read; 503 when DynamoDB is unavailable.
    pub(crate) async fn load(deps: &Deps, tenant: &Tenant, request: &CreateRequest) -> Result<Self, Problem> {
        let agent = load_agent(deps, tenant, &request.agent_id);
        let (agent, skill) = tokio::join!(agent, load_skill(deps, tenant, &request.skill_id));
        match (agent?, skill?) {
            (Ok((agent_id, agent)), Ok((skill_id, skill))) => Ok(Self {
                agent_id,
                agent,
                skill_id,
                skill,
            }),
            (agent, skill) => Err(Problem::invalid_fields(
                agent.err().into_iter().chain(skill.err()).collect(),
            )),
        }
    }
}

/// A document under its name, or why there is none.
type Found<T> = Result<(DocumentName, T), FieldError>;

/// The agent with this id.
///
/// # Errors
/// 503 when DynamoDB is unavailable.
pub(crate) async fn load_agent(deps: &Deps, tenant: &Tenant, id: &str) -> Result<Found<Agent>, Problem> {
    load(deps, tenant, DocumentKind::Agent, id, Agent::from_stored).await
}

async fn load_skill(deps: &Deps, tenant: &Tenant, id: &str) -> Result<Found<Skill>, Problem> {
    load(deps, tenant, DocumentKind::Skill, id, Skill::from_stored).await
}

async fn load<T>(
    deps: &Deps,
    tenant: &Tenant,
    kind: DocumentKind,
    id: &str,
    read: impl Fn(&Value) -> Result<T, Vec<Issue>>,
) -> Result<Found<T>, Problem> {
    let field = match kind {
        DocumentKind::Skill => "skillId",
        _ => "agentId",
    };
    let unknown = || FieldError::new(field, format!("is not the id of a known {}", kind.name()));
    // A UUID may be written in capitals; the names of documents have none.
    let Ok(name) = id.trim().to_ascii_lowercase().parse::<DocumentName>() else {
        return Ok(Err(unknown()));
    };
    let key = DocumentKey {
        tenant: tenant.clone(),
        kind,
        name: name.clone(),
    };
    let Some(stored) = deps.interactions.store.document(&key).await? else {
        return Ok(Err(unknown()));
    };
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    Ok(match read(&document) {
        Ok(document) => Ok((name, document)),
        Err(issues) => {
            tracing::error!(%tenant, kind = kind.name(), document = %name, "a stored document is not valid");
            let first = issues.first().map_or("", |issue| issue.detail.as_str());
            let detail = format!("has a document that is not valid any more: {first}");
            Err(FieldError::new(field, detail))
        }
    })
}
