//! Many callers at once and agents who keep setting what they know, while functions die and the table fails: nobody
//! pays twice for one purchase, no two calls of one caller are in `<Pay>` at once, and no payment is made up or lost
//! without a word.
//!
//! `PATCHBAY_SEED=n cargo test --workspace --test transfer chance` plays a seed again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use patchbay_simulators::aws::{Rates, Service};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::twilio::{AtPay, CallRecord, Callee, Charge, Script};
use patchbay_simulators::world::{Options, TOKEN, World};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{request, send};
use crate::seeds::{self, Simulation};
use crate::{CALLER, CARD, call, get, purchase, purchase_with, set};

/// From so many seeds on, their sums say something.
const ENOUGH: u64 = 300;
/// Calls begin within so many seconds of the first one.
const BEGIN_WITHIN: u64 = 240;
/// What whoever paid is told.
const THANKS: &str = "Thank you, that worked.";
/// What there is to pay.
const PURCHASES: [&str; 2] = ["Two theatre seats", "A programme"];
/// A chain that leaves a note about whoever calls.
const CHAIN: &str = "
links:
  - name: a
    qualified_parameters: {properties: {text: {type: string}}}
    initial: [{content: 'Ask, then call qualified.'}]
    qualified: [{content: x, remember: {memory: 'Said {{ context.text }}'}}]
    disqualified: [{actions: [{name: end_call}]}]
";

fn script(rng: &mut Rng) -> Script {
    let others = [
        AtPay::Declined,
        AtPay::Nothing,
        AtPay::WrongNumber,
        AtPay::Star,
        AtPay::HangsUp,
        AtPay::CardThenHangsUp("4242424242424242", u32::try_from(rng.below(90)).unwrap()),
    ];
    let pays: Vec<AtPay> = (0..=rng.below(2)).map(|_| rng.pick(CARD, &others)).collect();
    Script {
        callee: rng.pick(
            Callee::Answers(20),
            &[Callee::Busy, Callee::NeverPicksUp, Callee::Fails],
        ),
        overtaken: rng.below(8) == 0,
        ..Script::new(CALLER, pays)
    }
}

/// Gives back whether the table fails so often that even many tries may all fail.
fn go_wrong(world: &World, rng: &mut Rng) -> bool {
    world.twilio.change(|twilio| {
        twilio.action_after_failure = rng.flip();
        twilio.action_after_hang_up = rng.flip();
        twilio.status_callback = rng.flip();
        twilio.sends_twice = rng.flip();
    });
    let most = rng.pick(40, &[200]);
    let per_mille = u16::try_from(rng.below(most)).unwrap();
    let rates = Rates {
        throttled: per_mille,
        internal_error: per_mille,
        refused: per_mille,
        lost_request: per_mille,
        lost_answer: per_mille,
        conflict: per_mille,
        ..Rates::default()
    };
    world.aws.faults().set_rates(Service::DynamoDb, rates);
    world
        .aws
        .faults()
        .set_crash_rate(u16::try_from(rng.below(400)).unwrap(), 1);
    per_mille > 40
}

/// What an agent says beside the calls.
#[derive(Clone, Copy)]
enum Deed {
    /// The same purchase, as a tool that tries again says it.
    Again,
    /// The same, with its price written in another way and more about the caller.
    Otherwise,
    /// The other purchase.
    Other,
    /// Only what the next agent should know.
    Note,
    /// The same from a task chain.
    Remember,
}

impl Deed {
    fn any(rng: &mut Rng) -> Self {
        rng.pick(Self::Again, &[Self::Otherwise, Self::Other, Self::Note, Self::Remember])
    }

    /// Does it, as an agent: a failure is no reason to stop, and tried again once.
    async fn happen(self, world: &World, chain: &str) {
        let body = match self {
            Self::Again => purchase(),
            Self::Otherwise => json!({
                "caller": CALLER, "description": PURCHASES[0], "price": "42", "vendor": "acme-stage",
                "email": "c@example.org", "memory": "wants row G",
            }),
            Self::Other => purchase_with("description", PURCHASES[1]),
            Self::Note => json!({ "caller": CALLER, "memory": "wants row H" }),
            Self::Remember => {
                json!({ "name": "a", "action": "qualified", "call_from": CALLER, "context": { "text": "hello" } })
            }
        };
        let path = match self {
            Self::Remember => chain.to_owned(),
            _ => format!("/voice/api/v1/twilio/set-context?api_token={TOKEN}"),
        };
        for _ in 0..2 {
            let request = request("POST", &path).header("content-type", "application/json");
            let answer = world.send(request.body(body.to_string().into()).unwrap()).await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
        }
    }
}

/// Where Agent4 finds the chain.
async fn chain(world: &World) -> String {
    let answer = crate::common::with_token("PUT", "/v1/links/a").header("content-type", "application/yaml");
    let answer = send(world, answer.body(CHAIN.into()).unwrap()).await;
    answer.text("/endpoint").to_owned()
}

/// What is left of a run.
struct Played {
    world: World,
    calls: Vec<CallRecord>,
    stormy: bool,
}

/// Several calls of one caller, and several sets before, during and after them.
async fn play(seed: u64) -> Played {
    let mut rng = Rng::new(seed);
    let options = Options {
        seed,
        // No dispatch, nothing to look for.
        sentinel: None,
        ..Options::default()
    };
    let world = Arc::new(World::start(options).await.unwrap());
    let chain = chain(&world).await;
    set(&world, &purchase()).await;
    let stormy = go_wrong(&world, &mut rng);
    let mut calls = JoinSet::new();
    for _ in 0..2 + rng.below(3) {
        let (script, world) = (script(&mut rng), Arc::clone(&world));
        let begins = Duration::from_secs(rng.below(BEGIN_WITHIN));
        calls.spawn(async move {
            world.clock.sleep(begins).await;
            call(&world, script).await
        });
    }
    let mut deeds = JoinSet::new();
    for _ in 0..rng.below(6) {
        let (deed, world, chain) = (Deed::any(&mut rng), Arc::clone(&world), chain.clone());
        let after = Duration::from_secs(rng.below(BEGIN_WITHIN));
        deeds.spawn(async move {
            world.clock.sleep(after).await;
            deed.happen(&world, &chain).await;
        });
    }
    let calls = calls.join_all().await;
    deeds.join_all().await;
    world.aws.faults().calm();
    let world = Arc::into_inner(world).unwrap();
    Played { world, calls, stormy }
}

impl Played {
    fn charges(&self, purchase: &str) -> Vec<Charge> {
        let mut charges = self.world.twilio.charges();
        charges.retain(|charge| charge.description.ends_with(purchase));
        charges
    }

    /// Whether the result of this charge has never been stored, as far as our answers to Twilio tell.
    fn is_unheard(&self, charge: &Charge) -> bool {
        let mut calls = self.calls.iter().filter(|call| call.sid == charge.call);
        calls.any(|call| {
            let mut results = call.requests.iter().filter(|request| request.url.contains("/payment/"));
            results.any(|result| result.status != 200 || result.body.contains("<Redirect"))
        })
    }

    /// What must not be.
    async fn breaches(&self) -> Vec<String> {
        let mut breaches = self.at_once();
        for purchase in PURCHASES {
            breaches.extend(self.breaches_of(purchase).await);
        }
        let charges = self.world.twilio.charges();
        for call in self.calls.iter().filter(|call| call.heard(THANKS)) {
            if !charges.iter().any(|charge| charge.call == call.sid) {
                breaches.push(format!("{} was told of a success, and has not paid", call.sid));
            }
        }
        breaches
    }

    /// Calls in `<Pay>` at the same time.
    fn at_once(&self) -> Vec<String> {
        let mut spans: Vec<_> = (self.calls.iter())
            .flat_map(|call| call.paying.iter().map(move |span| (*span, &call.sid)))
            .collect();
        spans.sort_unstable();
        let at_once = spans.windows(2).filter(|pair| pair[1].0.0 < pair[0].0.1);
        let told = at_once.map(|pair| format!("{} and {} in <Pay> at once", pair[0].1, pair[1].1));
        told.collect()
    }

    async fn breaches_of(&self, purchase: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        let charges = self.charges(purchase);
        // Nobody can know of a charge of which no news has come.
        let known = charges.iter().filter(|charge| !self.is_unheard(charge)).count();
        if known > 1 {
            breaches.push(format!("paid {known} times for {purchase}"));
        }
        let context = self.seen(purchase).await;
        let is_paid = context["status"] == "payment-success";
        let code = context["processor"]["confirmation_code"].as_str();
        if is_paid && charges.is_empty() {
            breaches.push(format!("a payment for {purchase} that nobody made"));
        } else if is_paid && !charges.iter().any(|charge| code == Some(&charge.code)) {
            breaches.push(format!("{code:?} for {purchase}"));
        }
        breaches
    }

    /// What is known of a purchase when it is set once more.
    async fn seen(&self, purchase: &str) -> Value {
        set(&self.world, &purchase_with("description", purchase)).await;
        get(&self.world).await
    }

    /// How many purchases somebody paid, and nobody who looks at the context hears of it.
    async fn lost(&self) -> u64 {
        let mut lost = 0;
        for purchase in PURCHASES {
            let is_paid = !self.charges(purchase).is_empty();
            lost += u64::from(is_paid && self.seen(purchase).await["status"] != "payment-success");
        }
        lost
    }

    /// Calls that were over before they began, and those of them that were asked to pay all the same.
    fn overtaken(&self) -> (u64, u64) {
        let was_over = |call: &&CallRecord| {
            let first = call.requests.first();
            first.is_some_and(|request| request.form.iter().any(|(_, value)| value == "call-progress-events"))
        };
        let overtaken: Vec<_> = self.calls.iter().filter(was_over).collect();
        let asked = overtaken.iter().filter(|call| call.requests[1].body.contains("<Pay"));
        (overtaken.len() as u64, asked.count() as u64)
    }
}

/// What came of a seed.
struct Outcome {
    breaches: Vec<String>,
    paid: u64,
    lost: u64,
    refused: u64,
    overtaken: u64,
    asked: u64,
}

fn outcome(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let played = play(seed).await;
        let was_refused = |call: &&CallRecord| call.heard("begun in another call");
        let (overtaken, asked) = played.overtaken();
        Outcome {
            breaches: played.breaches().await,
            paid: played.world.twilio.charges().len() as u64,
            // In a storm its code in an ERROR line may be all that there is.
            lost: if played.stormy { 0 } else { played.lost().await },
            refused: played.calls.iter().filter(was_refused).count() as u64,
            overtaken,
            asked: if played.stormy { 0 } else { asked },
        }
    })
}

#[derive(Default)]
struct Sums {
    paid: u64,
    lost: u64,
    refused: u64,
    overtaken: u64,
    asked: u64,
}

fn play_all(seeds: Range<u64>) {
    let count = seeds.end - seeds.start;
    let (mut failed, mut sums) = (Vec::new(), Sums::default());
    for (seed, outcome) in seeds::play_all(seeds, outcome) {
        match outcome {
            None => failed.push(format!("PATCHBAY_SEED={seed} panicked")),
            Some(outcome) => {
                if !outcome.breaches.is_empty() {
                    failed.push(format!("PATCHBAY_SEED={seed}: {}", outcome.breaches.join("; ")));
                }
                sums.paid += outcome.paid;
                sums.lost += outcome.lost;
                sums.refused += outcome.refused;
                sums.overtaken += outcome.overtaken;
                sums.asked += outcome.asked;
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    let Sums {
        paid,
        lost,
        refused,
        overtaken,
        asked,
    } = sums;
    if count >= ENOUGH {
        // The test means something only when all of them have happened.
        assert!(
            paid * 6 > count && refused * 6 > count && overtaken * 6 > count,
            "{paid} {refused} {overtaken} of {count}"
        );
        // Of a function that dies at four tries in a row there is no news; without those tries it would be one in twenty.
        assert!(lost * 100 <= paid, "{lost} of {paid} lost");
        assert!(
            asked * 50 <= overtaken,
            "{asked} of {overtaken} that were over were asked to pay"
        );
    }
}

#[test]
fn nobody_pays_twice_and_no_payment_is_made_up() {
    play_all(Simulation::Transfer.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Transfer.soak_seeds());
}
