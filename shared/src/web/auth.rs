//! API tokens: what one looks like, and what it allows.
//!
//! Of a token only its SHA-256 is kept. A token has 256 random bits, so a plain hash is enough: there is nothing to
//! guess, and a look-up by hash leaks nothing through its timing.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::problem::Problem;
use crate::access::{Scope, TokenRecord};
use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::secret::{Secret, hex, sha256_hex};

/// What every token begins with, so that a scanner for leaked secrets can find one.
const PREFIX: &str = "pb_";
/// Random bytes in a token.
const RANDOM_BYTES: usize = 32;

/// A token as a caller shows it.
#[derive(Clone, Debug)]
pub struct Token(Secret);

impl Token {
    /// The token in the value of an `Authorization` header.
    ///
    /// # Errors
    /// 401 when the value is not `Bearer` and a text that has the form of a token; so nothing else ever reaches the
    /// table.
    pub fn parse(header: &str) -> Result<Self, Problem> {
        let (scheme, token) = header.trim().split_once(' ').ok_or_else(Problem::unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::unauthorized());
        }
        Self::plain(token.trim_start())
    }

    /// The token itself, as it stands in a query.
    ///
    /// # Errors
    /// 401 when it has not the form of a token.
    pub fn plain(token: &str) -> Result<Self, Problem> {
        let digits = token.strip_prefix(PREFIX).unwrap_or_default();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 2 * RANDOM_BYTES || !digits.bytes().all(is_digit) {
            return Err(Problem::unauthorized());
        }
        Ok(Self(Secret::new(token)))
    }

    /// The token of a request.
    ///
    /// # Errors
    /// 401 when there is no `Authorization` header, more than one, or none with a token.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::unauthorized());
        };
        Self::parse(value.to_str().map_err(|_| Problem::unauthorized())?)
    }

    /// The token of a request that may have it in the query instead, under `api_token`.
    ///
    /// # Errors
    /// 401 when there is none, when one is none, and when there are two different ones: whoever sends two does not know
    /// for whom he speaks.
    pub fn from_headers_or_query(headers: &HeaderMap, api_tokens: &[&str]) -> Result<Self, Problem> {
        let query = match api_tokens {
            [] => return Self::from_headers(headers),
            [token] => Self::plain(token)?,
            _ => return Err(Problem::unauthorized()),
        };
        if headers.contains_key(AUTHORIZATION) && Self::from_headers(headers)?.hash() != query.hash() {
            return Err(Problem::unauthorized());
        }
        Ok(query)
    }

    /// Under what it is kept.
    pub fn hash(&self) -> String {
        token_hash(self.0.expose())
    }
}

/// Under what a token is kept: its SHA-256.
pub fn token_hash(token: &str) -> String {
    sha256_hex(token.as_bytes())
}

/// A new token and its hash. The token is shown to a person once; only the hash is kept.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn new_token() -> Result<(Secret, String), getrandom::Error> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut random)?;
    let token = format!("{PREFIX}{}", hex(&random));
    let hash = token_hash(&token);
    Ok((Secret::new(token), hash))
}

/// Whose request it is, if the token that is kept as `record` allows what is `needed`.
///
/// # Errors
/// 401 for a token that is unknown, expired or withdrawn (and never which of these), 403 for one without the scope.
pub fn authorise(record: Option<&TokenRecord>, needed: Scope, now: Timestamp) -> Result<Tenant, Problem> {
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
    fn a_new_token_is_parsed_back_and_has_the_hash_it_came_with() {
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
    fn what_does_not_look_like_a_token_is_refused_before_any_look_up() {
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
    fn a_request_has_exactly_one_authorization() {
        let value: http::HeaderValue = format!("Bearer pb_{}", "0".repeat(64)).parse().expect("a header");
        let mut headers = HeaderMap::new();
        assert!(Token::from_headers(&headers).is_err());
        headers.append(AUTHORIZATION, value.clone());
        assert!(Token::from_headers(&headers).is_ok());
        headers.append(AUTHORIZATION, value);
        assert!(Token::from_headers(&headers).is_err());
    }

    #[test]
    fn a_token_may_stand_in_the_query_and_in_the_header_only_if_it_is_the_same() {
        let (one, other) = (format!("pb_{}", "0".repeat(64)), format!("pb_{}", "1".repeat(64)));
        let header = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().expect("a header"));
            }
            headers
        };
        let (bearer, basic) = (format!("Bearer {one}"), format!("Basic {one}"));
        for (headers, query, fine) in [
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
            let expected = if fine {
                Ok(token_hash(&one))
            } else {
                Err(Problem::unauthorized())
            };
            assert_eq!(token, expected, "{headers:?} {query:?}");
        }
    }

    #[test]
    fn a_token_allows_its_scopes_and_nothing_else() {
        let record = record();
        assert_eq!(
            authorise(Some(&record), Scope::DispatchesRead, NOW),
            Ok(record.tenant.clone())
        );
        for needed in Scope::ALL.into_iter().filter(|scope| *scope != Scope::DispatchesRead) {
            let refused = authorise(Some(&record), needed, NOW).expect_err("not in the token");
            assert_eq!(refused.kind, Kind::Forbidden);
            assert!(refused.detail.contains(needed.name()), "{}", refused.detail);
        }
    }

    #[test]
    fn an_unknown_an_expired_and_a_revoked_token_get_the_same_answer() {
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
                authorise(refused, Scope::DispatchesRead, NOW),
                Err(Problem::unauthorized()),
                "{refused:?}"
            );
        }
        let nearly = TokenRecord {
            expires_at: Some(NOW.plus_millis(1)),
            ..record()
        };
        assert!(authorise(Some(&nearly), Scope::DispatchesRead, NOW).is_ok());
    }

    #[test]
    fn a_scope_has_one_name_in_the_table_and_in_the_code() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).expect("a text"), scope.name());
            assert_eq!(Scope::named(scope.name()), Some(scope));
        }
        assert_eq!(Scope::named("dispatches"), None);
    }
}
