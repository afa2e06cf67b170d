//! `/v1/opt-outs/{address}`: who must not be contacted, over any channel.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::ledger::Interactions;
use patchbay::store::{Address, AddressHash, OptOut, OptOutChange, OptOutRecord, OptOutSource};
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use serde::Serialize;

use crate::{Answer, Deps};

pub(crate) async fn one(deps: &Deps, request: &Request, address: &str) -> Answer {
    let scope = match *request.method() {
        Method::GET => Scope::CallsRead,
        Method::PUT | Method::DELETE => Scope::CallsWrite,
        _ => return Err(Problem::method_not_allowed("DELETE, GET, PUT")),
    };
    let tenant = deps.tenant(request, scope).await?;
    let address = Address::parse(address).map_err(|error| Problem::invalid_field("address", error.to_string()))?;
    let address = AddressHash::from(&address);
    let Interactions { store, clock, .. } = &deps.interactions;
    let (source, now) = (OptOutSource::Api, clock.now());
    match *request.method() {
        Method::PUT => {
            let change = OptOutChange::opt_out(source, now);
            store.change_opt_out(&tenant, &address, &change).await?;
            tracing::info!(%tenant, "opt-out recorded");
        }
        Method::DELETE => {
            let change = OptOutChange::end(source, now);
            store.change_opt_out(&tenant, &address, &change).await?;
            tracing::info!(%tenant, "opt-out removed");
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        _ => {}
    }
    let OptOutRecord { opt_out, changes, .. } = store.opt_out_record(&tenant, &address).await?;
    let opt_out = opt_out.ok_or_else(Problem::not_found)?;
    let view = View {
        opted_out: true,
        opt_out,
        changes,
    };
    Ok(json_response(StatusCode::OK, &view))
}

/// The answer. The address is not part of it: what is stored is its hash.
#[derive(Serialize)]
struct View {
    opted_out: bool,
    #[serde(flatten)]
    opt_out: OptOut,
    changes: Vec<OptOutChange>,
}
