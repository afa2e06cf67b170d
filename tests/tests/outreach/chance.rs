//! Random interactions over every channel: customers with habits, faults of providers, webhooks, the queue, the table and
//! the functions. Afterwards the providers' own records are audited, and what the requester received.
//!
//! To replay a seed: `PATCHBAY_SEED=n cargo test --workspace --test outreach chance`.

use std::ops::Range;
use std::time::Duration;

use patchbay::interaction::{Fact, Interaction};
use patchbay_simulators::aws::sqs::Disorder;
use patchbay_simulators::aws::{Fault, Rates, Rule, Service};
use patchbay_simulators::messages::{self, Habit, Mobiles};
use patchbay_simulators::phones::{Behavior, Phones, Script, When};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::ses::{self, Mailboxes};
use patchbay_simulators::world::{InteractionOptions, Options, World};
use serde_json::{Value, json};

use crate::common::phone;
use crate::seeds::{self, Simulation};
use crate::{contact, load, outcomes, put_agent, put_skill, state, webhooks};

/// How long faults happen.
const FAULTY: Duration = Duration::from_mins(30);
/// How long the world may take until it is idle: two skills that expire after a day each, and an open conversation.
const LIMIT: Duration = Duration::from_hours(120);
/// How long an opt-out may take until it is known to what is just being sent.
const GRACE: Duration = Duration::from_mins(2);

const CUSTOMERS: u64 = 4;

fn number(customer: u64) -> String {
    format!("+120255501{:02}", 60 + customer)
}

fn mail(customer: u64) -> String {
    format!("customer{customer}@example.net")
}

/// The interaction in a status URL, whose last part is tenant, interaction and attempt, and a signature.
fn interaction_of(url: &str) -> String {
    let reference = url.rsplit('/').next().unwrap_or_default();
    reference.split('.').take(2).collect::<Vec<_>>().join(".")
}

struct Simulator {
    world: World,
    rng: Rng,
    ids: Vec<String>,
}

/// What a seed showed.
#[derive(Debug, PartialEq, Eq)]
struct Audit {
    breaches: Vec<String>,
    sent: usize,
    webhooks: usize,
    ends: Vec<&'static str>,
}

impl Simulator {
    async fn start(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x07_0e_ac);
        let (mut mobiles, mut mailboxes, mut phones) = (Mobiles::new(), Mailboxes::new(), Phones::new());
        for customer in 0..CUSTOMERS {
            let owner = phone(&number(customer));
            mobiles.set(owner.clone(), Habit::random(&mut rng));
            mailboxes.set(&mail(customer), ses::Habit::random(&mut rng));
            let behavior = rng.pick(
                Behavior::NeverPicksUp,
                &[
                    Behavior::Busy,
                    Behavior::Fails,
                    Behavior::silent(5),
                    Behavior::voicemail(8),
                    Behavior::hangs_up_after(2),
                    Behavior::presses("1", When::OptionsSay(1)),
                    Behavior::presses("5", When::OptionsSay(1)),
                    Behavior::presses("9", When::OptionsSay(1)),
                ],
            );
            phones.set(owner, Script::always(behavior));
        }
        let options = Options {
            seed,
            sentinel: None,
            skew: Duration::from_secs(10),
            phones,
            interactions: InteractionOptions {
                mobiles,
                mailboxes,
                messages: messages::Switches::random(&mut rng),
                ses: ses::Switches::random(&mut rng),
                ..InteractionOptions::default()
            },
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        put_agent(&world, rng.pick("twilio", &["routee"])).await;
        let ids = Vec::new();
        Self { world, rng, ids }
    }

    fn skill(&mut self) -> Value {
        let then = self.rng.pick(
            json!(["sms", "email"]),
            &[json!([]), json!(["email"]), json!(["whatsapp", "sms", "call", "email"])],
        );
        let keys = json!([
            { "key": "1", "offer": "Press 1 to confirm." },
            { "key": "9", "offer": "Press 9 to get no more calls.", "action": "opt_out" },
        ]);
        let mut skill = json!({
            "then": then,
            "call": { "keys": self.rng.pick(keys, &[json!([])]), "attempts": 1 + self.rng.below(2), "retry_minutes": 5 },
            "expires_minutes": 600,
        });
        if self.rng.flip() {
            skill["answer_minutes"] = json!(20);
        }
        if self.rng.flip() {
            skill["whatsapp"] = json!({ "template": "HX00000000000000000000000000000001" });
        }
        let strategy = self.rng.pick("OnChange", &["OnCompletion", "OnStatus"]);
        skill["webhook"] = webhooks::webhook(strategy);
        skill
    }

    fn enable_faults(&mut self) {
        if self.rng.below(4) > 0 {
            let faults = messages::Faults::random(&mut self.rng, 0.08);
            self.world.messages.change_faults(|current| *current = faults);
            let faults = ses::Faults::random(&mut self.rng, 0.08);
            self.world.ses.change_faults(|current| *current = faults);
        }
        if self.rng.flip() {
            let lost = self.rng.pick(Fault::LostAnswer, &[Fault::Refused]);
            let lost = Rule::new(lost).service(Service::Http).function("notifier");
            self.world.aws.faults().plan(lost.times(8));
        }
        if self.rng.flip() {
            return;
        }
        let rates = Rates {
            throttled: 4,
            internal_error: 4,
            refused: 4,
            reset: 4,
            lost_request: 4,
            lost_answer: 4,
            conflict: 8,
            in_progress: 4,
        };
        let faults = self.world.aws.faults();
        faults.set_rates(Service::DynamoDb, rates);
        faults.set_rates(Service::Sqs, rates);
        faults.set_crash_rate(40, 8);
        self.world.aws.sqs().set_disorder(Disorder {
            duplicate: 20,
            undelete: 5,
            reorder: 100,
            late: 50,
            late_by: Duration::from_secs(20),
            early: 20,
            lost: 0,
        });
    }

    async fn run(mut self) -> Audit {
        let skill = self.skill();
        put_skill(&self.world, skill).await;
        // Created while nothing fails: a create that fails is the requester's to repeat.
        for _ in 0..=self.rng.below(4) {
            let customer = self.rng.below(CUSTOMERS);
            let channel = self.rng.pick("sms", &["call", "whatsapp", "email"]);
            let id = contact(&self.world, channel, &number(customer), &mail(customer)).await;
            self.ids.push(id);
            self.enable_faults();
            let pause = self.rng.between(Duration::ZERO, Duration::from_mins(15));
            self.world.clock.sleep(pause).await;
            self.disable_faults();
        }
        self.enable_faults();
        self.world.clock.sleep(FAULTY).await;
        self.disable_faults();
        assert!(self.world.settle(LIMIT).await, "the world never became idle");
        self.audit().await
    }

    fn disable_faults(&self) {
        self.world
            .messages
            .change_faults(|current| *current = messages::Faults::default());
        self.world
            .ses
            .change_faults(|current| *current = ses::Faults::default());
        self.world.aws.faults().clear();
        self.world.aws.sqs().set_disorder(Disorder::default());
    }

    async fn audit(&self) -> Audit {
        let (texts, mails) = (self.world.messages.audit(), self.world.ses.audit());
        let mut breaches = Vec::new();
        breaches.extend(texts.sent_twice().into_iter().map(|url| format!("sent twice: {url}")));
        breaches.extend(
            mails
                .sent_twice()
                .into_iter()
                .map(|attempt| format!("mailed twice: {attempt}")),
        );
        for message in texts.sent_again(GRACE, interaction_of) {
            breaches.push(format!(
                "a text that had been sent was sent again: {} at {}",
                message.to, message.at
            ));
        }
        for message in texts.after_opt_out(GRACE) {
            breaches.push(format!("a text after an opt-out: {} at {}", message.to, message.at));
        }
        let lost = texts.without_attempt().len() + mails.without_attempt().len();
        if lost > 0 {
            breaches.push(format!("{lost} messages belong to no attempt"));
        }
        breaches.extend(webhooks::breaches(&self.world, &self.ids).await);
        let mut ends = Vec::new();
        for id in &self.ids {
            let interaction = load(&self.world, id).await;
            if !interaction.state.is_terminal() {
                breaches.push(format!("{id} is idle, and has not ended: {:?}", interaction.state));
            }
            let timeline = self.world.store.timeline_of::<Interaction>(&interaction.key, None, 500);
            let timeline = timeline.await.unwrap().entries;
            // The next try had begun when a provider told that it had sent what it seemed to refuse.
            let deceived = timeline
                .iter()
                .filter(|entry| matches!(entry.fact, Fact::SentAfterAll { .. }));
            let deceived = deceived.count();
            for past in &interaction.past {
                let leg = interaction.leg(past.leg).unwrap();
                let calls = usize::from(leg.attempts) + deceived;
                if interaction.attempts_over(past.leg) > calls {
                    breaches.push(format!(
                        "{id} has more than {calls} attempts over {}: {:?}",
                        leg.channel,
                        outcomes(&interaction)
                    ));
                }
            }
            ends.push(state(&interaction));
        }
        Audit {
            breaches,
            sent: texts.messages.len() + mails.emails.len(),
            webhooks: self.world.notifications().len(),
            ends,
        }
    }
}

fn play(seed: u64) -> Audit {
    seeds::on_virtual_time(async { Simulator::start(seed).await.run().await })
}

fn play_all(seeds: Range<u64>) {
    let results = seeds::play_all(seeds, play);
    let audits = seeds::assert_kept(results, |audit: &Audit| audit.breaches.clone());
    if audits.len() >= 80 {
        let sent: usize = audits.iter().map(|audit| audit.sent).sum();
        assert!(sent > 80, "{sent} messages prove little");
        let webhooks: usize = audits.iter().map(|audit| audit.webhooks).sum();
        assert!(webhooks > 400, "{webhooks} webhooks prove little");
        for end in ["completed", "opted_out", "failed", "no_answer"] {
            assert!(
                audits.iter().any(|audit| audit.ends.contains(&end)),
                "nothing ended as {end}"
            );
        }
    }
}

#[test]
fn no_fault_breaks_an_interaction() {
    play_all(Simulation::Interaction.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Interaction.soak_seeds());
}

#[test]
fn a_seed_always_has_the_same_result() {
    for seed in 0..4 {
        assert_eq!(play(seed), play(seed), "PATCHBAY_SEED={seed}");
    }
}
