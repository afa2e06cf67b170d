//! `/v1/opt-outs/{address}`: who must not be contacted, over any channel.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::clock::Timestamp;
use patchbay::ledger::Interactions;
use patchbay::store::{Address, AddressHash};
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use serde_json::json;

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
    let stored = store.opt_out(&tenant, &address).await?;
    match *request.method() {
        Method::PUT => {
            // It counts from the first time on.
            if let Some(stored) = stored {
                return Ok(opted_out(stored.at));
            }
            let now = clock.now();
            store.put_opt_out(&tenant, &address, now).await?;
            tracing::info!(%tenant, "opt-out recorded");
            Ok(opted_out(now))
        }
        Method::DELETE => {
            store.remove_opt_out(&tenant, &address).await?;
            tracing::info!(%tenant, "opt-out removed");
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => stored.map(|stored| opted_out(stored.at)).ok_or_else(Problem::not_found),
    }
}

/// The address is not part of the answer: what is stored is its hash.
fn opted_out(at: Timestamp) -> Response<Body> {
    json_response(StatusCode::OK, &json!({ "opted_out": true, "at": at }))
}
