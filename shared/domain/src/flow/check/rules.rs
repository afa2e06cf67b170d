//! Rules and their requests.

use super::names::{Names, OF_FETCH};
use super::{At, Checker};
use crate::flow::addresses;
use crate::flow::document::{Auth, Fetch, Method, Rule};
use crate::flow::reply::Reply;
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, is_literal};

/// How deep rules may lie inside rules.
const MAX_DEPTH: usize = 6;
/// Most requests of one rule.
const MAX_FETCHES: usize = 4;
const TIMEOUT_MS: std::ops::RangeInclusive<u16> = 100..=3_500;
/// Headers that are not the document's business.
const OWN_HEADERS: [&str; 8] = [
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
    /// Rules at `path`, whose templates may use `names`: that one of them is always taken, and each may be.
    pub fn rules(&mut self, rules: &'a [Rule<R>], path: &str, names: &Names) {
        self.rules_inside(rules, path, names, 0);
    }

    fn rules_inside(&mut self, rules: &'a [Rule<R>], path: &str, names: &Names, depth: usize) {
        if rules.is_empty() {
            self.wrong(path, "must have at least one rule");
        }
        if depth > MAX_DEPTH {
            self.wrong(path, format!("rules may lie in rules {MAX_DEPTH} deep"));
            return;
        }
        for (index, rule) in rules.iter().enumerate() {
            let path = element(path, index);
            let is_last = index + 1 == rules.len();
            if is_last && rule.when.is_some() {
                self.wrong(
                    field(&path, "when"),
                    "the last rule must always be true: add one without `when`",
                );
            }
            if !is_last && rule.when.is_none() {
                self.wrong(&path, "is always true, so the rules after it are never reached");
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
            self.wrong(&fetches, format!("a rule makes at most {MAX_FETCHES} requests"));
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
                self.wrong(field(&path, "name"), "is the name of something else already");
            }
        }
        if rule.rules.is_empty() {
            let at = At {
                path,
                names: &names,
                is_of_rule: true,
            };
            rule.reply.check(at, self);
        } else {
            if rule.reply != R::default() {
                self.wrong(path, "a rule has either `rules` or an answer of its own");
            }
            self.rules_inside(&rule.rules, &field(path, "rules"), &names, depth + 1);
        }
        for (index, fetch) in rule.fetch.iter().enumerate() {
            self.failure(fetch, &element(&fetches, index));
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
            if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                self.wrong(&path, "is set by patchbay; secrets go into `auth`");
            }
            self.header(name, value, &path, names);
        }
        if let Some(auth) = &fetch.auth {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let secret = auth.secret();
            if secret.is_empty() || secret.len() > 64 || !secret.bytes().all(allowed) {
                self.wrong(
                    field(path, "auth"),
                    "the name of a secret has 1 to 64 of a-z, 0-9 and -",
                );
            }
            if let Auth::Header { name, .. } = auth {
                self.header(name, "", &field(path, "auth.header.name"), names);
            }
        }
        if let Some(json) = &fetch.json {
            if fetch.method == Method::Get {
                self.wrong(field(path, "json"), "a GET has no body");
            }
            self.data(json, &field(path, "json"), names);
        }
        if fetch.timeout_ms.is_some_and(|millis| !TIMEOUT_MS.contains(&millis)) {
            self.wrong(field(path, "timeout_ms"), "must be from 100 to 3500");
        }
        self.name(&field(path, "name"), &fetch.name);
        if !names.add_fetch(&fetch.name) {
            self.wrong(field(path, "name"), "is the name of an earlier request too");
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

    /// That somebody has thought of what happens when a request does not work.
    fn failure(&mut self, fetch: &Fetch<R>, path: &str) {
        let whole = format!("fetch.{}", fetch.name);
        // The whole of it goes through a filter, and those take what is not there for null.
        let is_asked = self.used.contains(&whole)
            || OF_FETCH
                .iter()
                .take(3)
                .any(|name| self.used.contains(&format!("{whole}.{name}")));
        if fetch.on.failed.is_none() && !is_asked {
            let why =
                "says nothing of what happens when it fails: add `on.failed`, or ask for `fetch.NAME.ok` in a rule";
            self.wrong(path, why);
        }
    }

    /// A header: its name, and a template of its value.
    pub fn header(&mut self, name: &str, value: &'a str, path: &str, names: &Names) {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 100 || !name.bytes().all(is_token) {
            self.wrong(path, "is no name of a header");
        }
        if is_literal(value) && value.chars().any(char::is_control) {
            self.wrong(path, "must be one line");
        }
        self.template(Kind::Line, value, path, names);
    }

    /// A template of a URL.
    pub fn url(&mut self, url: &'a str, path: &str, names: &Names) {
        if let Err(why) = addresses::check(url) {
            self.wrong(path, why);
        }
        self.template(Kind::Url, url, path, names);
    }
}
