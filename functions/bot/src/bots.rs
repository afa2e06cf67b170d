//! `/v1/bots`: the API for bot documents.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::access::Scope;
use patchbay::api::documents::{DocumentApi, refused};
use patchbay::bot::sample::{self, Sample};
use patchbay::bot::{Bot, Document};
use patchbay::ledger::Conversations;
use patchbay::store::DocumentKind;
use patchbay::web::body::{self, json_response};
use serde_json::{Map, json};

use crate::{Answer, Deps};

/// `/v1/bots`.
pub(crate) async fn collection(deps: &Deps, request: &Request) -> Answer {
    api(deps).collection(request).await
}

/// `/v1/bots/{bot}`.
pub(crate) async fn one(deps: &Deps, request: &Request, bot: &str) -> Answer {
    api(deps).one(request, bot).await
}

/// `POST /v1/bots/{bot}/test`: runs the exchanges of a sample with the stored document. Nothing is sent anywhere.
pub(crate) async fn test(deps: &Deps, request: &Request, bot: &str) -> Answer {
    let api = api(deps);
    let tenant = api.tenant(request, Scope::BotsRead).await?;
    let sample: Sample = body::json(request)?;
    let stored = api.load(&api.key(tenant, bot)?).await?;
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    let bot = Bot::from_stored(&document).map_err(|issues| refused(&issues))?;
    let exchanges = sample::run(&bot, &sample);
    Ok(json_response(StatusCode::OK, &json!({ "exchanges": exchanges })))
}

const fn api(deps: &Deps) -> DocumentApi<'_, Document> {
    let Conversations { store, clock, .. } = &deps.conversations;
    DocumentApi {
        store,
        clock,
        kind: DocumentKind::Bot,
        details: &|_, _| Map::new(),
    }
}
