//! The whole bundle under faults: the deployed handlers, the embedded DynamoDB, the queues, Routee and the phones, on
//! virtual time. Everything that happens by chance follows from a seed; a failing seed is printed, and
//! `PATCHBAY_SEED=n cargo test --workspace --test simulation` plays it again (`n..m` plays all from n to m).

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "common/seeds.rs"]
mod seeds;

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use patchbay::clock::Timestamp;
use patchbay::http::Response;
use patchbay::ids::{DispatchId, DispatchKey};
use patchbay::phone::PhoneNumber;
use patchbay::providers::routee::dialplan::{self, Position};
use patchbay::voice;
use patchbay_simulators::audit::{Audit, Breach, audit};
use patchbay_simulators::aws::sqs::Disorder;
use patchbay_simulators::aws::{Fault, Rates, Rule, Service};
use patchbay_simulators::exchange::Provider;
use patchbay_simulators::phones::{Behaviour, Phones, Script};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::routee::{Faults, Switches};
use patchbay_simulators::twilio;
use patchbay_simulators::twilio::outbound::CallFaults;
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};

use seeds::Simulation;

/// People who have a phone.
const PEOPLE: usize = 5;
/// So long things go wrong; after that they must come to an end.
const STORMY: Duration = Duration::from_hours(2);
/// By how much the clocks of functions differ.
const SKEW: Duration = Duration::from_secs(30);
/// A request to the API is repeated for so long.
const PATIENCE: Duration = Duration::from_hours(3);
/// By then everything has come to an end.
const LIMIT: Duration = Duration::from_hours(240);

struct Run {
    /// Whether messages are lost. Not in every run: the sentinel, which makes that good, would also make good what is to
    /// be found out.
    loses_messages: bool,
    /// Over whom people are phoned.
    providers: Vec<Provider>,
    world: World,
    rng: Rng,
    keys: Vec<DispatchKey>,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut phones = Phones::new();
        for person in 0..PEOPLE {
            let mut script = Script::always(Behaviour::random(&mut rng));
            for _ in 0..rng.below(4) {
                script = script.then(Behaviour::random(&mut rng));
            }
            phones.set(PhoneNumber::parse(&number(person)).unwrap(), script);
        }
        let switches = Switches::random(&mut rng);
        let twilio_switches = twilio::Switches::random(&mut rng);
        let (one, other) = (Provider::Routee, Provider::Twilio);
        let providers = rng.pick(vec![one], &[vec![other], vec![one, other], vec![other, one]]);
        let loses_messages = rng.below(4) == 0;
        let world = World::start(Options {
            seed,
            switches,
            twilio_switches,
            providers: providers.clone(),
            phones,
            skew: SKEW,
            // The slower the provider, the further away is the slot of a call.
            call_interval: rng.pick(1_000, &[5_000, 20_000]),
            voice: voice_settings(&mut rng),
            sentinel: loses_messages.then_some(Duration::from_mins(1)),
            ..Options::default()
        })
        .await
        .unwrap();
        let run = Self {
            providers,
            loses_messages,
            world,
            rng,
            keys: Vec::new(),
        };
        run.go_wrong();
        run
    }

    /// Turns every fault on, each a little.
    fn go_wrong(&self) {
        let mut rng = self.rng.clone();
        let faults = Faults::random(&mut rng, 0.05);
        self.world.routee.change_faults(|current| *current = faults);
        let faults = CallFaults::random(&mut rng, 0.05);
        self.world.twilio.change_faults(|current| *current = faults);
        let rates = Rates {
            throttled: 3,
            internal_error: 3,
            refused: 3,
            reset: 3,
            lost_request: 3,
            lost_answer: 3,
            conflict: 6,
            in_progress: 3,
        };
        self.world.aws.faults().set_rates(Service::DynamoDb, rates);
        self.world.aws.faults().set_rates(Service::Sqs, rates);
        self.world.aws.faults().set_crash_rate(40, 8);
        let late_by = Duration::from_secs(20);
        self.world.aws.sqs().set_disorder(Disorder {
            // Every message that is delivered twice makes two of each that follows, for hours.
            duplicate: 10,
            undelete: 2,
            reorder: 100,
            late: 50,
            late_by,
            early: 20,
            lost: if self.loses_messages { 15 } else { 0 },
        });
    }

    /// Of two providers, in one run of two, one is down for hours: it cannot be reached, answers with errors, or not at all.
    fn lose_a_provider(&mut self) {
        if self.providers.len() < 2 || self.rng.flip() {
            return;
        }
        let host = self.rng.pick("routee.net", &["api.twilio.com"]);
        let fault = self
            .rng
            .pick(Fault::LostRequest, &[Fault::Refused, Fault::InternalError]);
        let begins = self.rng.between(Duration::ZERO, Duration::from_mins(10));
        let from = later(self.world.clock.now(), begins);
        let outage = from..later(from, STORMY);
        let rule = Rule::new(fault).service(Service::Http).function("dialer").target(host);
        self.world.aws.faults().plan(rule.during(outage));
    }

    /// In one run of three something is down for up to two hours.
    fn go_down(&mut self) {
        if self.rng.below(3) > 0 {
            return;
        }
        let faults = self.world.aws.faults();
        let begins = self.rng.between(Duration::ZERO, Duration::from_mins(20));
        let lasts = self.rng.between(Duration::from_mins(1), STORMY);
        let from = later(self.world.clock.now(), begins);
        let outage = from..later(from, lasts);
        let fault = self.rng.pick(
            Fault::InternalError,
            &[Fault::Throttled, Fault::Refused, Fault::LostRequest],
        );
        match self.rng.below(4) {
            0 => faults.plan(Rule::new(fault).service(Service::DynamoDb).during(outage)),
            1 => faults.plan(Rule::new(fault).service(Service::Sqs).during(outage)),
            2 => faults.plan(
                Rule::new(fault)
                    .service(Service::Http)
                    .function("dialer")
                    .during(outage),
            ),
            _ => faults.die_during("dialer", outage),
        }
    }

    /// Now and then a message comes long before its moment, with a word that says that it is due: who redrives by hand
    /// can do that.
    async fn hasten(&mut self) {
        let end = later(self.world.clock.now(), STORMY);
        while self.world.clock.now() < end {
            let pause = self.rng.between(Duration::from_secs(10), Duration::from_mins(20));
            self.world.clock.sleep(pause).await;
            let Some(queue) = self.world.aws.sqs().queue("dialing") else {
                return;
            };
            let waiting: Vec<_> = queue
                .messages()
                .into_iter()
                .filter(|message| !message.in_flight)
                .collect();
            let index = usize::try_from(self.rng.below(waiting.len().max(1) as u64)).unwrap();
            let Some(message) = waiting.get(index) else { continue };
            let Some(body) = queue.lose(&message.id) else { continue };
            let mut body: Value = serde_json::from_str(&body).unwrap();
            body["due_at"] = json!(self.world.clock.now());
            queue.put(body.to_string(), Duration::ZERO);
        }
    }

    fn calm(&self) {
        self.world.routee.change_faults(|current| *current = Faults::default());
        self.world
            .twilio
            .change_faults(|current| *current = CallFaults::default());
        self.world.aws.faults().calm();
        self.world.aws.sqs().set_disorder(Disorder::default());
    }

    /// Sends a request until it is answered by somebody other than a dying function.
    async fn send(&self, method: &str, path: &str, key: &str, body: &Value) -> Response {
        let end = later(self.world.clock.now(), PATIENCE);
        while self.world.clock.now() < end {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("{PUBLIC_URL}{path}"))
                .header("authorization", format!("Bearer {TOKEN}"))
                .header("idempotency-key", key)
                .header("content-type", "application/json")
                .body(Bytes::from(body.to_string()))
                .unwrap();
            let response = self.world.send(request).await.unwrap();
            if !response.status().is_server_error() {
                return response;
            }
            self.world.clock.sleep(Duration::from_secs(5)).await;
        }
        panic!("{method} {path} was never answered");
    }

    async fn create(&mut self, ticket: usize) {
        let body = brief(&mut self.rng, ticket);
        let key = format!("ticket-{ticket}");
        let response = self.send("POST", "/v1/dispatches", &key, &body).await;
        assert!(response.status().is_success(), "{response:?}");
        let tenant = "main".parse().unwrap();
        let id = DispatchId::for_idempotency_key(&tenant, &key);
        self.keys.push(DispatchKey { tenant, id });
    }

    async fn change(&self, key: &DispatchKey, verb: &str) {
        self.send("POST", &format!("/v1/dispatches/{}/{verb}", key.id), "", &json!({}))
            .await;
    }

    /// Nothing is under way any more, and nothing is still to come: a ticket whose message was lost is quiet, too, until
    /// the sentinel finds it.
    async fn come_to_rest(&self) {
        let end = later(self.world.clock.now(), LIMIT);
        loop {
            assert!(self.world.settle(LIMIT).await, "it never came to rest");
            let mut over = true;
            for key in &self.keys {
                over &= self.world.store.load(key).await.unwrap().unwrap().state.is_over();
            }
            if over || !self.loses_messages || self.world.clock.now() > end {
                return;
            }
            self.world.clock.sleep(Duration::from_mins(10)).await;
        }
    }

    /// Lives through everything, and looks at what is left.
    async fn live(mut self) -> Audit {
        let tickets = 1 + usize::try_from(self.rng.below(4)).unwrap();
        let most = self.rng.pick(Duration::from_secs(90), &[Duration::from_secs(3)]);
        for ticket in 0..tickets {
            self.create(ticket).await;
            let pause = self.rng.between(Duration::ZERO, most);
            self.world.clock.sleep(pause).await;
        }
        self.go_down();
        self.lose_a_provider();
        for key in self.keys.clone() {
            let pause = self.rng.between(Duration::ZERO, Duration::from_mins(30));
            match self.rng.below(8) {
                0 => {
                    self.world.clock.sleep(pause).await;
                    self.change(&key, "cancel").await;
                }
                1 => {
                    self.world.clock.sleep(pause).await;
                    self.change(&key, "resolve").await;
                }
                _ => {}
            }
        }
        self.hasten().await;
        self.calm();
        // A ticket that is opened again and again until somebody resolves it has no end of its own.
        for key in &self.keys {
            let dispatch = self.world.store.load(key).await.unwrap().unwrap();
            if dispatch.brief.policy.resolve_within.is_some() {
                self.change(key, "resolve").await;
            }
        }
        self.come_to_rest().await;
        let mut audit = audit(&self.world, &self.keys).await.unwrap();
        if self.loses_messages {
            // The sentinel finds tickets whose message is lost. A webhook whose message is lost can be had sent again.
            audit.breaches.retain(|breach| !matches!(breach, Breach::Untold(..)));
        }
        audit
    }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.plus_millis(i64::try_from(by.as_millis()).unwrap())
}

/// How Routee's dial plans are written: as the operator may set it.
fn voice_settings(rng: &mut Rng) -> voice::Settings {
    voice::Settings {
        routee: dialplan::Settings {
            collect: rng.pick(Position::First, &[Position::Last]),
            submit_on_hash: rng.flip(),
        },
    }
}

fn number(person: usize) -> String {
    format!("+120255501{:02}", person + 10)
}

fn brief(rng: &mut Rng, ticket: usize) -> Value {
    let first = usize::try_from(rng.below(5)).unwrap();
    let count = 1 + usize::try_from(rng.below(3)).unwrap();
    let employees: Vec<Value> = (0..count)
        .map(|step| (first + step) % PEOPLE)
        .map(|person| json!({ "name": format!("P{person}"), "phone": number(person) }))
        .collect();
    let resolve_within = rng.pick(Value::Null, &[Value::Null, json!(600)]);
    json!({
        "ticket": { "reference": format!("T-{ticket}"), "text": "Pump four has stopped. The tank overflows soon." },
        "employees": employees,
        "policy": {
            "attempts": rng.pick(1, &[2, 3]),
            "retry_delay": rng.pick(5, &[30]),
            "round_pause": rng.pick(0, &[60, 300]),
            "max_rounds": rng.pick(1, &[2, 3]),
            "repeats": rng.pick(0, &[1, 2]),
            "wrong_keys": rng.pick(0, &[2]),
            "expires_after": rng.pick(3_600, &[600, 7_200]),
            "resolve_within": resolve_within,
            "ask_again": rng.flip(),
            "repeat": rng.pick("options", &["all"]),
            "machine": rng.pick("ignore", &["hang_up"]),
            "max_calls": rng.pick(Value::Null, &[Value::Null, json!(4)]),
        },
        "priority": rng.pick("normal", &["urgent"]),
        "webhook": {
            "url": "https://requester.example.org/hook",
            "strategy": rng.pick("OnChange", &["OnCompletion", "OnStatus"]),
        },
    })
}

fn play(seed: u64) -> Audit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { Run::start(seed).await.live().await })
}

/// Plays the seeds and prints those that fail.
fn play_all(seeds: Range<u64>) {
    let failed: Vec<String> = seeds::play_all(seeds.clone(), play)
        .into_iter()
        .filter_map(|(seed, audit)| {
            let breaches = audit.map(|audit| audit.breaches.iter().map(ToString::to_string).collect::<Vec<_>>());
            match breaches {
                None => Some(format!("seed {seed} panicked")),
                Some(breaches) if breaches.is_empty() => None,
                Some(breaches) => Some(format!("seed {seed}: {}", breaches.join("; "))),
            }
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {seeds:?} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn whatever_goes_wrong_no_ticket_is_lost_or_accepted_twice_and_nobody_is_dialled_twice() {
    play_all(Simulation::Dispatch.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Dispatch.soak_seeds());
}

#[test]
fn a_seed_plays_the_same_every_time() {
    for seed in 0..20 {
        let (one, other) = (play(seed), play(seed));
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed}");
    }
}
