//! Requests that must have their effect at most once, although pages repeat them until they get an answer.
//!
//! A request is recorded before the platform is called, and its result afterwards. Whatever happens in between, it is
//! never carried out a second time: a repeat learns the result, or that the result is unknown.

use patchbay::clock::Timestamp;
use patchbay::conversation::PlatformId;
use patchbay::store::{VisitorRequest, VisitorRequestBegin, VisitorRequestKey, VisitorRequestState};
use patchbay::web::problem::Problem;

use crate::Deps;

/// Seconds after which the function that began a request can no longer be running: API Gateway allows 30.
pub(super) const RUN_SECONDS: u32 = 35;
/// Seconds after which a page tries again while another function carries out its request.
const BUSY_SECONDS: u16 = 2;

/// What to do about a request.
#[derive(Debug)]
pub(super) enum Begin {
    /// Carry it out.
    Now(VisitorRequest),
    /// It was carried out before, begun at this time; the id that the platform told.
    Done(Option<PlatformId>, Timestamp),
}

/// Begins a request, at most `limit` of them in a minute.
///
/// # Errors
/// Another request used the id before; an earlier one is being carried out, or its result is unknown; or there are too
/// many.
pub(super) async fn begin(
    deps: &Deps,
    of: &VisitorRequestKey<'_>,
    fingerprint: String,
    limit: u32,
) -> Result<Begin, Problem> {
    let now = deps.conversations.clock.now();
    let request = VisitorRequest {
        fingerprint,
        at: now,
        state: VisitorRequestState::Begun,
    };
    match deps
        .conversations
        .store
        .begin_visitor_request(of, &request, limit)
        .await?
    {
        VisitorRequestBegin::Begun => Ok(Begin::Now(request)),
        VisitorRequestBegin::Earlier(earlier) => known(&earlier, &request.fingerprint, now),
        VisitorRequestBegin::OverLimit { retry_after } => {
            let tenant = of.tenant;
            tracing::warn!(%tenant, limit, "too many requests of visitors within a minute");
            Err(Problem::too_many_requests(retry_after))
        }
    }
}

/// What is known of a request that was begun before.
fn known(earlier: &VisitorRequest, fingerprint: &str, now: Timestamp) -> Result<Begin, Problem> {
    if earlier.fingerprint != fingerprint {
        return Err(Problem::idempotency_key_reused());
    }
    match &earlier.state {
        VisitorRequestState::Done { id } => Ok(Begin::Done(id.clone(), earlier.at)),
        VisitorRequestState::Begun if now < earlier.at.plus_seconds(RUN_SECONDS) => {
            Err(Problem::unavailable(BUSY_SECONDS))
        }
        // Another repeat is just about to begin it again.
        VisitorRequestState::Failed => Err(Problem::unavailable(BUSY_SECONDS)),
        VisitorRequestState::Begun | VisitorRequestState::Unclear => {
            Err(Problem::unclear("an earlier request with this id had no answer"))
        }
    }
}

/// Records the result of a request. If that fails, a repeat learns that the result is unknown.
pub(super) async fn end(deps: &Deps, of: &VisitorRequestKey<'_>, request: &VisitorRequest) {
    if let Err(error) = deps.conversations.store.put_visitor_request(of, request).await {
        let tenant = of.tenant;
        tracing::error!(%tenant, %error, "the result of a visitor's request is not recorded: a repeat will learn that it is unknown");
    }
}

#[cfg(test)]
mod tests {
    use patchbay::web::problem::Kind;

    use super::*;

    fn earlier(state: VisitorRequestState) -> VisitorRequest {
        VisitorRequest {
            fingerprint: "f".to_owned(),
            at: Timestamp::from_millis(0),
            state,
        }
    }

    #[test]
    fn a_repeat_is_never_carried_out_again() {
        let at = |seconds| Timestamp::from_millis(0).plus_seconds(seconds);
        let kind = |state, seconds| known(&earlier(state), "f", at(seconds)).map_err(|problem| problem.kind);
        let busy = Kind::Unavailable {
            retry_after: BUSY_SECONDS,
        };
        let id = || "7".parse().ok();
        assert!(matches!(
            kind(VisitorRequestState::Done { id: id() }, 1),
            Ok(Begin::Done(found, _)) if found == id()
        ));
        assert!(matches!(kind(VisitorRequestState::Begun, RUN_SECONDS - 1), Err(found) if found == busy));
        assert!(matches!(kind(VisitorRequestState::Failed, 1), Err(found) if found == busy));
        assert!(matches!(
            kind(VisitorRequestState::Begun, RUN_SECONDS),
            Err(Kind::Unclear)
        ));
        assert!(matches!(kind(VisitorRequestState::Unclear, 1), Err(Kind::Unclear)));
    }

    #[test]
    fn another_request_cannot_use_the_same_id() {
        for state in [VisitorRequestState::Begun, VisitorRequestState::Done { id: None }] {
            let result = known(&earlier(state), "other", Timestamp::from_millis(0));
            assert!(matches!(result, Err(problem) if problem.kind == Kind::IdempotencyKeyReused));
        }
    }
}
