//! Random simulation of payments: several calls of one caller at once, and agents that keep setting the context, while
//! functions crash and DynamoDB fails. No purchase is paid twice, no two calls of a caller are in `<Pay>` at once, and
//! no payment is invented or lost without a trace.
//!
//! To replay a seed: `PATCHBAY_SEED=n cargo test --workspace --test transfer chance`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use patchbay_simulators::aws::{Rates, Service};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::twilio::{CallRecord, Callee, CallerScript, Charge, PaymentInput};
use patchbay_simulators::world::{Options, TOKEN, World};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::common::{request, send};
use crate::seeds::{self, Simulation};
use crate::{CALLER, CARD, call, get, purchase, purchase_with, set};

/// The number of seeds from which the totals are meaningful.
const ENOUGH: u64 = 300;
/// Seconds within which all calls begin.
const BEGIN_WITHIN: u64 = 240;
/// What a caller hears after a successful payment.
const THANKS: &str = "Thank you, that worked.";
/// The descriptions of the purchases.
const PURCHASES: [&str; 2] = ["Two theater seats", "A program"];
/// A task chain that stores a note about the caller.
const CHAIN: &str = "
links:
  - name: a
    qualified_parameters: {properties: {text: {type: string}}}
    initial: [{content: 'Ask, then call qualified.'}]
    qualified: [{content: x, remember: {memory: 'Said {{ context.text }}'}}]
    disqualified: [{actions: [{name: end_call}]}]
";

fn script(rng: &mut Rng) -> CallerScript {
    let others = [
        PaymentInput::Declined,
        PaymentInput::Nothing,
        PaymentInput::WrongNumber,
        PaymentInput::Star,
        PaymentInput::HangsUp,
        PaymentInput::CardThenHangsUp("4242424242424242", u32::try_from(rng.below(90)).unwrap()),
    ];
    let pays: Vec<PaymentInput> = (0..=rng.below(2)).map(|_| rng.pick(CARD, &others)).collect();
    CallerScript {
        callee: rng.pick(
            Callee::Answers(20),
            &[Callee::Busy, Callee::NeverPicksUp, Callee::Fails],
        ),
        overtaken: rng.below(8) == 0,
        ..CallerScript::new(CALLER, pays)
    }
}

/// Sets random faults. Returns whether DynamoDB fails so often that even many retries may all fail.
fn set_faults(world: &World, rng: &mut Rng) -> bool {
    world.twilio.change(|twilio| {
        twilio.action_after_failure = rng.flip();
        twilio.action_after_hang_up = rng.flip();
        twilio.status_callback = rng.flip();
        twilio.sends_twice = rng.flip();
    });
    let max = rng.pick(40, &[200]);
    let per_mille = u16::try_from(rng.below(max)).unwrap();
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

/// What an agent does during the calls.
#[derive(Clone, Copy)]
enum Action {
    /// Sets the same purchase again, as after a retry.
    SetAgain,
    /// Sets the same purchase, with its price in another format and more about the caller.
    SetReformatted,
    /// Sets the other purchase.
    SetOther,
    /// Sets a note for the next agent only.
    SetNote,
    /// Stores a note from a task chain.
    Remember,
}

impl Action {
    fn any(rng: &mut Rng) -> Self {
        rng.pick(
            Self::SetAgain,
            &[Self::SetReformatted, Self::SetOther, Self::SetNote, Self::Remember],
        )
    }

    /// Sends the request as an agent does: it retries once, and ignores a second failure.
    async fn perform(self, world: &World, chain: &str) {
        let body = match self {
            Self::SetAgain => purchase(),
            Self::SetReformatted => json!({
                "caller": CALLER, "description": PURCHASES[0], "price": "42", "vendor": "acme-stage",
                "email": "c@example.org", "memory": "wants row G",
            }),
            Self::SetOther => purchase_with("description", PURCHASES[1]),
            Self::SetNote => json!({ "caller": CALLER, "memory": "wants row H" }),
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

/// Stores the chain and returns the endpoint for Agent4.
async fn store_chain(world: &World) -> String {
    let answer = crate::common::with_token("PUT", "/v1/links/a").header("content-type", "application/yaml");
    let answer = send(world, answer.body(CHAIN.into()).unwrap()).await;
    answer.text("/endpoint").to_owned()
}

/// The result of a run.
struct RunResult {
    world: World,
    calls: Vec<CallRecord>,
    /// Whether DynamoDB failed so often that payments may be lost.
    is_stormy: bool,
}

/// Plays several calls of one caller, with actions of agents before, during and after them.
async fn play(seed: u64) -> RunResult {
    let mut rng = Rng::new(seed);
    let options = Options {
        seed,
        // There are no dispatches.
        sentinel: None,
        ..Options::default()
    };
    let world = Arc::new(World::start(options).await.unwrap());
    let chain = store_chain(&world).await;
    set(&world, &purchase()).await;
    let is_stormy = set_faults(&world, &mut rng);
    let mut calls = JoinSet::new();
    for _ in 0..2 + rng.below(3) {
        let (script, world) = (script(&mut rng), Arc::clone(&world));
        let begins = Duration::from_secs(rng.below(BEGIN_WITHIN));
        calls.spawn(async move {
            world.clock.sleep(begins).await;
            call(&world, script).await
        });
    }
    let mut actions = JoinSet::new();
    for _ in 0..rng.below(6) {
        let (action, world, chain) = (Action::any(&mut rng), Arc::clone(&world), chain.clone());
        let after = Duration::from_secs(rng.below(BEGIN_WITHIN));
        actions.spawn(async move {
            world.clock.sleep(after).await;
            action.perform(&world, &chain).await;
        });
    }
    let calls = calls.join_all().await;
    actions.join_all().await;
    world.aws.faults().clear();
    let world = Arc::into_inner(world).unwrap();
    RunResult {
        world,
        calls,
        is_stormy,
    }
}

impl RunResult {
    fn charges(&self, purchase: &str) -> Vec<Charge> {
        let mut charges = self.world.twilio.charges();
        charges.retain(|charge| charge.description.ends_with(purchase));
        charges
    }

    /// Whether our responses show that the result of this charge may not have been stored.
    fn may_be_unknown(&self, charge: &Charge) -> bool {
        let mut calls = self.calls.iter().filter(|call| call.sid == charge.call);
        calls.any(|call| {
            let mut results = call.requests.iter().filter(|request| request.url.contains("/payment/"));
            results.any(|result| result.status != 200 || result.body.contains("<Redirect"))
        })
    }

    /// All violated invariants.
    async fn breaches(&self) -> Vec<String> {
        let mut breaches = self.simultaneous_payments();
        for purchase in PURCHASES {
            breaches.extend(self.breaches_of(purchase).await);
        }
        let charges = self.world.twilio.charges();
        for call in self.calls.iter().filter(|call| call.heard(THANKS)) {
            if !charges.iter().any(|charge| charge.call == call.sid) {
                breaches.push(format!(
                    "{} heard that the payment worked, and was not charged",
                    call.sid
                ));
            }
        }
        breaches
    }

    /// Pairs of calls in `<Pay>` at the same time.
    fn simultaneous_payments(&self) -> Vec<String> {
        let mut spans: Vec<_> = (self.calls.iter())
            .flat_map(|call| call.paying.iter().map(move |span| (*span, &call.sid)))
            .collect();
        spans.sort_unstable();
        let overlaps = spans.windows(2).filter(|pair| pair[1].0.0 < pair[0].0.1);
        let breaches = overlaps.map(|pair| format!("{} and {} are in <Pay> at once", pair[0].1, pair[1].1));
        breaches.collect()
    }

    async fn breaches_of(&self, purchase: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        let charges = self.charges(purchase);
        // A charge whose result has not arrived is unknown, and cannot prevent another one.
        let known = charges.iter().filter(|charge| !self.may_be_unknown(charge)).count();
        if known > 1 {
            breaches.push(format!("paid {known} times for {purchase}"));
        }
        let context = self.context_of(purchase).await;
        let is_paid = context["status"] == "payment-success";
        let code = context["processor"]["confirmation_code"].as_str();
        if is_paid && charges.is_empty() {
            breaches.push(format!(
                "the context says that {purchase} is paid, but there is no charge"
            ));
        } else if is_paid && !charges.iter().any(|charge| code == Some(&charge.code)) {
            breaches.push(format!("no charge for {purchase} has the confirmation code {code:?}"));
        }
        breaches
    }

    /// The context after the purchase is set once more.
    async fn context_of(&self, purchase: &str) -> Value {
        set(&self.world, &purchase_with("description", purchase)).await;
        get(&self.world).await
    }

    /// The number of purchases that are paid although the context does not show it.
    async fn lost_payments(&self) -> u64 {
        let mut lost = 0;
        for purchase in PURCHASES {
            let is_paid = !self.charges(purchase).is_empty();
            lost += u64::from(is_paid && self.context_of(purchase).await["status"] != "payment-success");
        }
        lost
    }

    /// The number of calls whose end was reported before their start, and of those that were asked to pay nevertheless.
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

/// What a seed led to.
struct SeedOutcome {
    breaches: Vec<String>,
    paid: u64,
    lost: u64,
    refused: u64,
    overtaken: u64,
    asked: u64,
}

fn outcome(seed: u64) -> SeedOutcome {
    seeds::on_virtual_time(async {
        let result = play(seed).await;
        let was_refused = |call: &&CallRecord| call.heard("begun in another call");
        let (overtaken, asked) = result.overtaken();
        SeedOutcome {
            breaches: result.breaches().await,
            paid: result.world.twilio.charges().len() as u64,
            // In a storm, an ERROR line may be the only trace of a payment.
            lost: if result.is_stormy {
                0
            } else {
                result.lost_payments().await
            },
            refused: result.calls.iter().filter(was_refused).count() as u64,
            overtaken,
            asked: if result.is_stormy { 0 } else { asked },
        }
    })
}

#[derive(Default)]
struct Totals {
    paid: u64,
    lost: u64,
    refused: u64,
    overtaken: u64,
    asked: u64,
}

fn play_all(seeds: Range<u64>) {
    let count = seeds.end - seeds.start;
    let mut totals = Totals::default();
    let results = seeds::play_all(seeds, outcome);
    for outcome in seeds::assert_kept(results, |outcome| outcome.breaches.clone()) {
        totals.paid += outcome.paid;
        totals.lost += outcome.lost;
        totals.refused += outcome.refused;
        totals.overtaken += outcome.overtaken;
        totals.asked += outcome.asked;
    }
    let Totals {
        paid,
        lost,
        refused,
        overtaken,
        asked,
    } = totals;
    if count >= ENOUGH {
        // The test is meaningful only if all of these happen often enough.
        assert!(
            paid * 6 > count && refused * 6 > count && overtaken * 6 > count,
            "too few in {count} seeds: {paid} paid, {refused} refused, {overtaken} overtaken"
        );
        // A payment is lost only when a function crashes at four attempts in a row. Without the retries, one in twenty
        // would be lost.
        assert!(lost * 100 <= paid, "{lost} of {paid} payments lost");
        assert!(
            asked * 50 <= overtaken,
            "{asked} of {overtaken} calls were asked to pay after their end"
        );
    }
}

#[test]
fn no_purchase_is_paid_twice_and_no_payment_is_invented() {
    play_all(Simulation::Transfer.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Transfer.soak_seeds());
}
