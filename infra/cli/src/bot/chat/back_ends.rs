//! What back ends answer to a document's lookups: given by a command, asked of the person at the terminal, or sent for
//! real.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use console::style;
use patchbay::clock::Clock;
use patchbay::fetch::{Fetcher, RateLimits, UsedSecrets};
use patchbay::flow::document::Method;
use patchbay::flow::{FetchOutcome, FetchRequest, FetchResult};
use patchbay::http::HttpClient;
use patchbay::ids::Tenant;
use patchbay::parameters::Parameters;
use patchbay::secret::Secret;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use tokio::time::Instant;

use super::Terminal;
use super::command::BackEndAnswer;
use super::simulation::BackEnds;
use crate::bot::timeline::plain;

/// Time limit of a lookup: that of a whole turn of the deployed bot.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The answers of back ends, as far as they are known here.
pub(super) struct Lookups {
    /// By name of the lookup: what a command gave; none if nothing is answered.
    given: BTreeMap<String, Option<BackEndAnswer>>,
    online: Option<Online>,
}

impl Lookups {
    pub(super) fn new(online: Option<Online>) -> Self {
        Self {
            given: BTreeMap::new(),
            online,
        }
    }

    /// Sets what a back end answers from now on; none if it answers nothing.
    pub(super) fn set(&mut self, fetch: String, response: Option<BackEndAnswer>) {
        self.given.insert(fetch, response);
    }
}

/// Sends lookups to their back ends.
pub(super) struct Online {
    fetcher: Fetcher,
    /// The owner of the secrets.
    tenant: Tenant,
}

impl Online {
    /// `secrets` is a JSON object with the secrets by `HOST/NAME`.
    pub(super) fn new(secrets: Option<&str>) -> anyhow::Result<Self> {
        let tenant: Tenant = "main".parse()?;
        let secrets: HashMap<String, String> = match secrets {
            // The error names the position but not the content, which is secret.
            Some(text) => serde_json::from_str(text)
                .map_err(|error| anyhow::anyhow!("line {}, column {}", error.line(), error.column()))
                .context("the file with the secrets is not a JSON object of texts")?,
            None => HashMap::new(),
        };
        let named = secrets.into_iter();
        let named = named.map(|(name, value)| (format!("{tenant}/{name}"), Secret::new(value)));
        let clock = Clock::system();
        Ok(Self {
            fetcher: Fetcher {
                http: HttpClient::new(Outbound::new(Targets::any(), TIMEOUT)?),
                targets: Targets::any(),
                secrets: Parameters::fixed(named.collect(), clock.clone()),
                clock,
                limits: RateLimits::default(),
            },
            tenant,
        })
    }

    async fn send(&self, fetch: &FetchRequest) -> FetchResult {
        let deadline = Instant::now() + TIMEOUT;
        let mut used = UsedSecrets::default();
        self.fetcher.fetch(&self.tenant, fetch, deadline, &mut used).await
    }
}

impl BackEnds for Terminal<'_, '_> {
    async fn answer(&mut self, fetch: &FetchRequest) -> anyhow::Result<FetchResult> {
        if let Some(given) = self.lookups.given.get(&fetch.name) {
            return Ok(result_of(given.as_ref()));
        }
        if let Some(online) = &self.lookups.online {
            return Ok(online.send(fetch).await);
        }
        if self.is_interactive {
            return self.ask(fetch);
        }
        Ok(result_of(None))
    }
}

impl Terminal<'_, '_> {
    /// Asks the person at the terminal what the back end answers.
    fn ask(&mut self, fetch: &FetchRequest) -> anyhow::Result<FetchResult> {
        let method = match fetch.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        };
        let request = format!("lookup {}: {method} {}", fetch.name, plain(&fetch.url));
        self.print(&style(request).bold().to_string())?;
        if let Some(body) = &fetch.body {
            self.print(&format!("  {}", plain(&body.to_string())))?;
        }
        loop {
            let line = self.read_line("[STATUS] JSON, or nothing for no answer> ")?;
            let Some(line) = line.filter(|line| !line.is_empty()) else {
                return Ok(result_of(None));
            };
            match BackEndAnswer::parse(&line) {
                Ok(answer) => return Ok(result_of(Some(&answer))),
                Err(error) => self.print(&style(error).red().to_string())?,
            }
        }
    }
}

fn result_of(answer: Option<&BackEndAnswer>) -> FetchResult {
    match answer {
        Some(answer) => FetchResult::from_response(answer.status, Some(answer.json.clone()), None),
        None => FetchResult::no_response(FetchOutcome::Failed),
    }
}
