//! API tokens: their format, and the scopes that they grant.
//!
//! Only the SHA-256 of a token is stored. A token has 256 random bits, so it cannot be guessed and a plain hash is
//! enough; and a lookup by hash leaks nothing through its timing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::problem::Problem;
use crate::access::{Scope, TokenRecord};
use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::secret::{Secret, hex, sha256_hex};

/// Prefix of every token, so that secret scanners can find leaked ones.
const PREFIX: &str = "pb_";
/// Random bytes in a token.
const RANDOM_BYTES: usize = 32;

/// A token as a client sends it.
#[derive(Clone, Debug)]
pub struct Token(Secret);

impl Token {
    /// Parses the value of an `Authorization` header.
    ///
    /// # Errors
    /// 401 if the value is not `Bearer` and a text in the format of a token. So nothing else ever causes a lookup in
    /// DynamoDB.
    pub fn parse(header: &str) -> Result<Self, Problem> {
        let (scheme, token) = header.trim().split_once(' ').ok_or_else(Problem::unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::unauthorized());
        }
        Self::parse_bare(token.trim_start())
    }

    /// Parses a token without `Bearer`, as in a query.
    ///
    /// # Errors
    /// 401 if it does not have the format of a token.
    pub fn parse_bare(token: &str) -> Result<Self, Problem> {
        let digits = token.strip_prefix(PREFIX).unwrap_or_default();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 2 * RANDOM_BYTES || !digits.bytes().all(is_digit) {
            return Err(Problem::unauthorized());
        }
        Ok(Self(Secret::new(token)))
    }

    /// The token in the headers of a request.
    ///
    /// # Errors
    /// 401 if there is no `Authorization` header, if there are several, or if it has no token.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::unauthorized());
        };
        Self::parse(value.to_str().map_err(|_| Problem::unauthorized())?)
    }

    /// The token of a request that may have it in the query instead, as `api_token`.
    ///
    /// # Errors
    /// 401 if there is no token, if one is invalid, or if there are two different ones: the client may act for either.
    pub fn from_headers_or_query(headers: &HeaderMap, api_tokens: &[&str]) -> Result<Self, Problem> {
        let query = match api_tokens {
            [] => return Self::from_headers(headers),
            [token] => Self::parse_bare(token)?,
            _ => return Err(Problem::unauthorized()),
        };
        if headers.contains_key(AUTHORIZATION) && Self::from_headers(headers)?.hash() != query.hash() {
            return Err(Problem::unauthorized());
        }
        Ok(query)
    }

    /// The hash under which the token is stored.
    pub fn hash(&self) -> String {
        token_hash(self.0.expose())
    }
}

/// Lets a route accept HTTP Basic (RFC 7617): credentials whose password is a token are replaced by this token, as if it
/// had been sent with `Bearer`. The user name has no effect. Everything else stays as it is, and is refused later.
pub fn accept_basic(headers: &mut HeaderMap) {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return;
    };
    if let Some(bearer) = bearer_of_basic(value) {
        headers.insert(AUTHORIZATION, bearer);
    }
}

fn bearer_of_basic(value: &HeaderValue) -> Option<HeaderValue> {
    let (scheme, credentials) = value.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (_, password) = credentials.split_once(':')?;
    let token = Token::parse_bare(password).ok()?;
    HeaderValue::from_str(&format!("Bearer {}", token.0.expose())).ok()
}

/// The hash under which a token is stored: its SHA-256 in hexadecimal.
pub fn token_hash(token: &str) -> String {
    sha256_hex(token.as_bytes())
}

/// Creates a token and its hash. The token is shown once; only the hash is stored.
///
/// # Errors
/// The operating system cannot provide randomness.
pub fn new_token() -> Result<(Secret, String), getrandom::Error> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut random)?;
    let token = format!("{PREFIX}{}", hex(&random));
    let hash = token_hash(&token);
    Ok((Secret::new(token), hash))
}

/// The tenant of the token stored as `record`, if the token has the `needed` scope.
///
/// # Errors
/// 401 for an unknown, expired or revoked token, without saying which of these it is. 403 for a token without the
/// scope.
pub fn authorize(record: Option<&TokenRecord>, needed: Scope, now: Timestamp) -> Result<Tenant, Problem> {
    let record = record
        .filter(|record| !record.revoked && record.expires_at.is_none_or(|expires_at| now < expires_at))
        .ok_or_else(Problem::unauthorized)?;
    if !record.scopes.contains(&needed) {
        return Err(Problem::forbidden(needed.name()));
    }
    Ok(record.tenant.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::problem::Kind;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn record() -> TokenRecord {
        TokenRecord {
            tenant: "acme".parse().expect("tenant"),
            scopes: [Scope::DispatchesRead].into(),
            expires_at: None,
            revoked: false,
        }
    }

    #[test]
    fn new_token_round_trips_with_its_hash() {
        let (token, hash) = new_token().expect("randomness");
        for header in [
            format!("Bearer {}", token.expose()),
            format!("bearer  {} ", token.expose()),
        ] {
            assert_eq!(Token::parse(&header).expect("a token").hash(), hash, "{header}");
        }
        assert_ne!(new_token().expect("randomness").1, hash);
        assert!(!format!("{:?}", Token::parse(&format!("Bearer {}", token.expose()))).contains(token.expose()));
    }

    #[test]
    fn malformed_token_is_rejected_before_any_lookup() {
        let good = "0".repeat(64);
        assert!(Token::parse(&format!("Bearer pb_{good}")).is_ok());
        for header in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("pb_{good}"),
            format!("Basic pb_{good}"),
            format!("Bearer {good}"),
            format!("Bearer pb_{good}0"),
            format!("Bearer pb_{}", &good[1..]),
            format!("Bearer pb_{}", "A".repeat(64)),
            format!("Bearer pb_{good} pb_{good}"),
        ] {
            assert_eq!(
                Token::parse(&header).map(|_| ()),
                Err(Problem::unauthorized()),
                "{header}"
            );
        }
    }

    #[test]
    fn request_must_have_exactly_one_authorization_header() {
        let value: http::HeaderValue = format!("Bearer pb_{}", "0".repeat(64)).parse().expect("a header");
        let mut headers = HeaderMap::new();
        assert!(Token::from_headers(&headers).is_err());
        headers.append(AUTHORIZATION, value.clone());
        assert!(Token::from_headers(&headers).is_ok());
        headers.append(AUTHORIZATION, value);
        assert!(Token::from_headers(&headers).is_err());
    }

    #[test]
    fn token_may_be_in_query_and_header_only_if_both_are_equal() {
        let (one, other) = (format!("pb_{}", "0".repeat(64)), format!("pb_{}", "1".repeat(64)));
        let header = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header"));
            }
            headers
        };
        let (bearer, basic) = (format!("Bearer {one}"), format!("Basic {one}"));
        for (headers, query, accepted) in [
            (header(&[]), vec![one.as_str()], true),
            (header(&[&bearer]), vec![], true),
            (header(&[&bearer]), vec![&one], true),
            (header(&[&bearer]), vec![&other], false),
            (header(&[&bearer]), vec![""], false),
            (header(&[&basic]), vec![&one], false),
            (header(&[&bearer, &bearer]), vec![&one], false),
            (header(&[]), vec![&one, &one], false),
            (header(&[]), vec![&bearer], false),
            (header(&[]), vec!["test_ABCDEFGHIJKLMNOPQRSTUVWX"], false),
            (header(&[]), vec![], false),
        ] {
            let token = Token::from_headers_or_query(&headers, &query).map(|token| token.hash());
            let expected = if accepted {
                Ok(token_hash(&one))
            } else {
                Err(Problem::unauthorized())
            };
            assert_eq!(token, expected, "{headers:?} {query:?}");
        }
    }

    /// The token that a route accepts which also accepts HTTP Basic.
    fn accepted(values: &[&str]) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header"));
        }
        accept_basic(&mut headers);
        Token::from_headers(&headers).map(|token| token.hash())
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn password_of_http_basic_is_the_token() {
        let token = format!("pb_{}", "0".repeat(64));
        let expected = Ok(token_hash(&token));
        let lower = basic(&format!("me:{token}")).replace("Basic", "bAsIc ");
        for header in [
            basic(&format!("acct-demo:{token}")),
            basic(&format!(":{token}")),
            lower,
            format!("Bearer {token}"),
        ] {
            assert_eq!(accepted(&[&header]), expected, "{header}");
        }
    }

    #[test]
    fn http_basic_without_a_token_as_its_password_is_refused() {
        let token = format!("pb_{}", "0".repeat(64));
        let good = basic(&format!("user:{token}"));
        for headers in [
            vec![basic(&token)],
            vec![basic(&format!("{token}:"))],
            vec![basic(&format!("user:{token}\n"))],
            vec![basic(&format!("user:more:{token}"))],
            vec![basic("user:pass-demo")],
            vec![format!("Basic {token}")],
            vec!["Basic".to_owned()],
            vec!["Basic ====".to_owned()],
            vec![format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe]))],
            vec![good.clone(), good.clone()],
            vec![good.replace("Basic", "Digest")],
        ] {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            assert_eq!(accepted(&headers), Err(Problem::unauthorized()), "{headers:?}");
        }
    }

    #[test]
    fn token_grants_its_scopes_only() {
        let record = record();
        assert_eq!(
            authorize(Some(&record), Scope::DispatchesRead, NOW),
            Ok(record.tenant.clone())
        );
        for needed in Scope::ALL.into_iter().filter(|scope| *scope != Scope::DispatchesRead) {
            let refused = authorize(Some(&record), needed, NOW).expect_err("not in the token");
            assert_eq!(refused.kind, Kind::Forbidden);
            assert!(refused.detail.contains(needed.name()), "{}", refused.detail);
        }
    }

    #[test]
    fn unknown_expired_and_revoked_tokens_get_the_same_response() {
        let expired = TokenRecord {
            expires_at: Some(NOW),
            ..record()
        };
        let revoked = TokenRecord {
            revoked: true,
            ..record()
        };
        for refused in [None, Some(&expired), Some(&revoked)] {
            assert_eq!(
                authorize(refused, Scope::DispatchesRead, NOW),
                Err(Problem::unauthorized()),
                "{refused:?}"
            );
        }
        let almost_expired = TokenRecord {
            expires_at: Some(NOW.plus_millis(1)),
            ..record()
        };
        assert!(authorize(Some(&almost_expired), Scope::DispatchesRead, NOW).is_ok());
    }

    #[test]
    fn scope_has_the_same_name_in_dynamodb_and_in_code() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("a text"), scope.name());
            assert_eq!(Scope::named(scope.name()), Some(scope));
        }
        assert_eq!(Scope::named("dispatches"), None);
    }
}
