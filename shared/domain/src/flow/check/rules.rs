//! Checks rules and their requests.

use super::names::{FETCH_FIELDS, Names};
use super::{Checker, ReplySite};
use crate::flow::addresses;
use crate::flow::document::{Auth, Fetch, Method, Rule};
use crate::flow::reply::Reply;
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, is_literal};

/// Maximum nesting depth of rules.
const MAX_DEPTH: usize = 6;
/// Maximum number of requests of one rule.
const MAX_FETCHES: usize = 4;
const MIN_TIMEOUT_MS: u16 = 100;
/// Headers that patchbay or the HTTP client sets.
const RESERVED_HEADERS: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
];

impl<'a, R: Reply> Checker<'a, R> {
    /// Checks the rules at `path`. Their templates may use `names`. One of the rules must always match, unless the
    /// application has a reply for when none does, and each must be reachable.
    pub fn rules(&mut self, rules: &'a [Rule<R>], path: &str, names: &Names) {
        self.nested_rules(rules, path, names, 0);
    }

    fn nested_rules(&mut self, rules: &'a [Rule<R>], path: &str, names: &Names, depth: usize) {
        if rules.is_empty() {
            self.report(path, "must have at least one rule");
        }
        if depth > MAX_DEPTH {
            self.report(path, format!("rules may be nested at most {MAX_DEPTH} levels deep"));
            return;
        }
        for (index, rule) in rules.iter().enumerate() {
            let path = element(path, index);
            let is_last = index + 1 == rules.len();
            if is_last && rule.when.is_some() && R::unmatched().is_none() {
                self.report(
                    field(&path, "when"),
                    "the last rule must always match: add one without `when`",
                );
            }
            if !is_last && rule.when.is_none() {
                self.report(&path, "always matches, so the rules after it are never reached");
            }
            self.rule(rule, &path, names, depth);
        }
    }

    fn rule(&mut self, rule: &'a Rule<R>, path: &str, names: &Names, depth: usize) {
        self.rules += 1;
        if let Some(when) = &rule.when {
            self.template(Kind::Expression, when, &field(path, "when"), names);
        }
        let mut names = names.clone();
        let fetches = field(path, "fetch");
        if rule.fetch.len() > MAX_FETCHES {
            self.report(&fetches, format!("a rule has at most {MAX_FETCHES} requests"));
        }
        let used_before = std::mem::take(&mut self.used);
        for (index, fetch) in rule.fetch.iter().enumerate() {
            self.fetch(fetch, &element(&fetches, index), &mut names);
        }
        let values = field(path, "let");
        for (index, value) in rule.values.iter().enumerate() {
            let path = element(&values, index);
            self.template(Kind::Expression, &value.value, &field(&path, "value"), &names);
            self.name(&field(&path, "name"), &value.name);
            if !names.add_value(&value.name) {
                self.report(field(&path, "name"), "is already the name of something else");
            }
        }
        if rule.rules.is_empty() {
            let site = ReplySite {
                path,
                names: &names,
                in_rule: true,
            };
            rule.reply.check(site, self);
        } else {
            if rule.reply != R::default() {
                self.report(path, "a rule has either `rules` or an answer, not both");
            }
            self.nested_rules(&rule.rules, &field(path, "rules"), &names, depth + 1);
        }
        for (index, fetch) in rule.fetch.iter().enumerate() {
            self.check_failure_handling(fetch, &element(&fetches, index));
        }
        self.used.extend(used_before);
    }

    fn fetch(&mut self, fetch: &'a Fetch<R>, path: &str, names: &mut Names) {
        if let Some(when) = &fetch.when {
            self.template(Kind::Expression, when, &field(path, "when"), names);
        }
        self.url(&fetch.url, &field(path, "url"), names);
        for (name, value) in &fetch.headers {
            let path = field(&field(path, "headers"), name);
            if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                self.report(&path, "is set by patchbay; put secrets into `auth`");
            }
            self.header(name, value, &path, names);
        }
        if let Some(auth) = &fetch.auth {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let secret = auth.secret();
            if secret.is_empty() || secret.len() > 64 || !secret.bytes().all(allowed) {
                self.report(
                    field(path, "auth"),
                    "the name of a secret has 1 to 64 characters of a-z, 0-9 and -",
                );
            }
            if let Auth::Header { name, .. } = auth {
                self.header(name, "", &field(path, "auth.header.name"), names);
            }
        }
        if let Some(json) = &fetch.json {
            if fetch.method == Method::Get {
                self.report(field(path, "json"), "a GET request has no body");
            }
            self.data(json, &field(path, "json"), names);
        }
        let allowed = MIN_TIMEOUT_MS..=R::MAX_TIMEOUT_MS;
        if fetch.timeout_ms.is_some_and(|millis| !allowed.contains(&millis)) {
            let range = format!("must be from {MIN_TIMEOUT_MS} to {}", R::MAX_TIMEOUT_MS);
            self.report(field(path, "timeout_ms"), range);
        }
        self.name(&field(path, "name"), &fetch.name);
        if !names.add_fetch(&fetch.name) {
            self.report(field(path, "name"), "is already the name of an earlier request");
        }
        for (name, reply) in [
            ("not_found", &fetch.on.not_found),
            ("rate_limited", &fetch.on.rate_limited),
            ("server_error", &fetch.on.server_error),
            ("timed_out", &fetch.on.timed_out),
            ("failed", &fetch.on.failed),
        ] {
            if let Some(reply) = reply {
                self.reply(reply, &field(&field(path, "on"), name), names);
            }
        }
    }

    /// Checks that the document handles a failure of the request: with `on.failed`, or by reading its result.
    fn check_failure_handling(&mut self, fetch: &Fetch<R>, path: &str) {
        let whole = format!("fetch.{}", fetch.name);
        // `fetch.NAME` as a whole is passed to a filter, and filters treat missing fields as null. Of the fields only
        // `ok`, `outcome` and `status` count.
        let is_handled = self.used.contains(&whole)
            || FETCH_FIELDS
                .iter()
                .take(3)
                .any(|name| self.used.contains(&format!("{whole}.{name}")));
        if fetch.on.failed.is_none() && !is_handled {
            let reason = "does not handle a failure: add `on.failed`, or test `fetch.NAME.ok` in a rule";
            self.report(path, reason);
        }
    }

    /// Checks the name of a header, and the template of its value.
    pub fn header(&mut self, name: &str, value: &'a str, path: &str, names: &Names) {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
            self.report(path, "is not a valid header name");
        }
        if is_literal(value) && value.chars().any(char::is_control) {
            self.report(path, "must be a single line");
        }
        self.template(Kind::Line, value, path, names);
    }

    /// Checks a template of a URL.
    pub fn url(&mut self, url: &'a str, path: &str, names: &Names) {
        if let Err(reason) = addresses::check(url) {
            self.report(path, reason);
        }
        self.template(Kind::Url, url, path, names);
    }
}
