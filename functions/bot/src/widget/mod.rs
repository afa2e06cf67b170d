//! `/chat/{ref}`: a tenant's own chat page, and what it asks for.
//!
//! | request | purpose |
//! |---|---|
//! | `GET /chat/{ref}` | the page, with its settings and texts |
//! | `GET /chat/{ref}/widget.js`, `widget.css`, `icon.svg` | its assets |
//! | `POST /chat/{ref}/conversations` | starts a conversation; the response has the visitor's token |
//! | `POST /chat/{ref}/messages` | sends a message |
//! | `GET /chat/{ref}/messages?after=` | what was said since |
//!
//! What a visitor writes becomes a message of the customer on the platform, and what they read is the timeline of the
//! conversation. So the platform's own people see the same conversation, and the bot answers it like any other.

mod contact;
mod form;
mod link;
mod messages;
mod once;
mod page;
mod start;
mod texts;
mod view;

use lambda_http::Request;
use lambda_http::http::Method;
use lambda_http::http::header::{HeaderMap, IF_NONE_MATCH};
use patchbay::chat::ChatError;
use patchbay::conversation::widget::Widget;
use patchbay::ids::Tenant;
use patchbay::web::problem::{Kind, Problem};
use patchbay::web::widget::Visitor;

use crate::{Answer, Deps};

/// Seconds after which a page tries again what certainly had no effect, unless the platform stated a time.
const RETRY_SECONDS: u16 = 5;
/// Longest time that a page is asked to wait.
const MAX_RETRY_SECONDS: u16 = 120;

/// Handles a request for `part` of the page with this reference.
pub(crate) async fn handle(deps: &Deps, request: &Request, reference: &str, part: Option<&str>) -> Answer {
    let tenant = deps.callbacks.check_widget(reference);
    let tenant = tenant.map_err(|_| Problem::bad_reference())?;
    let method = request.method();
    match part {
        Some("conversations") if method == Method::POST => start::start(deps, request, &tenant).await,
        Some("conversations") => Err(Problem::method_not_allowed("POST")),
        Some("messages") if method == Method::POST => messages::send(deps, request, &tenant).await,
        Some("messages") if method == Method::GET => messages::read(deps, request, &tenant).await,
        Some("messages") => Err(Problem::method_not_allowed("GET, POST")),
        _ if method != Method::GET => Err(Problem::method_not_allowed("GET")),
        None => page::page(deps, request, &tenant, reference).await,
        Some(name) => page::asset(request, name),
    }
}

/// The settings of a tenant's page.
async fn settings(deps: &Deps, tenant: &Tenant) -> Result<Widget, Problem> {
    let connection = deps.conversations.store.connection(tenant).await?;
    let widget = connection.and_then(|connection| connection.widget);
    widget.ok_or_else(Problem::not_found)
}

/// The visitor whose token a request has, if the token belongs to this page.
fn visitor(deps: &Deps, request: &Request, tenant: &Tenant) -> Result<Visitor, Problem> {
    let now = deps.conversations.clock.now();
    let visitor = deps.callbacks.visitor(request.headers(), now).ok();
    let visitor = visitor.filter(|visitor| visitor.tenant == *tenant);
    visitor.ok_or_else(|| Problem {
        kind: Kind::Unauthorized,
        detail: "the visitor's token is invalid or has expired: start another conversation".to_owned(),
        errors: Vec::new(),
    })
}

/// Whether the client has the representation with this entity tag (RFC 9110, section 13.1.2).
fn has_etag(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// The problem of a request that certainly had no effect on the platform, and may be sent again.
fn try_again(error: &ChatError) -> Problem {
    let stated = match error {
        ChatError::Failed { retry_after, .. } => *retry_after,
        ChatError::Refused { .. } | ChatError::Unclear { .. } => None,
    };
    let seconds = stated.map_or(RETRY_SECONDS, |seconds| u16::try_from(seconds).unwrap_or(u16::MAX));
    Problem::unavailable(seconds.clamp(1, MAX_RETRY_SECONDS))
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    #[test]
    fn an_entity_tag_is_found_in_every_form_of_the_header() {
        for (header, expected) in [
            (r#""a""#, true),
            (r#"W/"a""#, true),
            (r#""b", "a""#, true),
            ("*", true),
            (r#""b""#, false),
            ("a", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(header))]);
            assert_eq!(has_etag(&headers, r#""a""#), expected, "{header}");
        }
        assert!(!has_etag(&HeaderMap::new(), r#""a""#));
    }

    #[test]
    fn a_page_waits_as_long_as_the_platform_states_within_limits() {
        let failed = |retry_after| ChatError::Failed {
            retry_after,
            detail: String::new(),
        };
        for (stated, expected) in [(None, 5), (Some(0), 1), (Some(30), 30), (Some(100_000), 120)] {
            let kind = try_again(&failed(stated)).kind;
            assert_eq!(kind, Kind::Unavailable { retry_after: expected }, "{stated:?}");
        }
    }
}
