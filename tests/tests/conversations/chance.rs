//! Random conversations: customers who write in bursts, people who take over, answer, give back and resolve, other bots,
//! every switch of the platform, and faults of the platform, the queue, the table and the functions. Afterwards the
//! platform's own record is audited.
//!
//! To replay a seed: `PATCHBAY_SEED=n cargo test --workspace --test conversations chance`.

use std::ops::Range;
use std::time::Duration;

use patchbay::chat::Platform;
use patchbay::conversation::{ChangeReason, Conversation, Entry, Fact, Holder};
use patchbay_simulators::aws::sqs::Disorder;
use patchbay_simulators::aws::{Fault, Rates, Rule, Service};
use patchbay_simulators::chat::audit::{Audit, Breach, Texts, audit};
use patchbay_simulators::chat::{Agent, Customer, Faults, Habit, Switches, ThirdParty};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::world::{ChatOptions, Options, World};

use crate::INBOX;
use crate::seeds::{self, Simulation};

const HAND_OVER: &str = "A colleague will be with you shortly.";
const JOINED: &str = "You are talking to a person now.";
const ENDED: &str = "You are talking to the bot again.";
const WAIT: &str = "All colleagues are busy.";
const BOT: &str = "
debounce_ms: 700
max_answers_per_minute: 60
rules:
  - say: 'You wrote: {{ message.text }}'
hand_over:
  words: [a person please]
  text: A colleague will be with you shortly.
  joined: You are talking to a person now.
  ended: You are talking to the bot again.
  wait_seconds: 600
  wait_text: All colleagues are busy.
  cancel_words: [never mind]
  give_back_words: [/bot]
";
/// How long faults happen.
const FAULTY: Duration = Duration::from_mins(20);
/// How long the world may take until it is idle.
const LIMIT: Duration = Duration::from_hours(72);

struct Simulator {
    world: World,
    rng: Rng,
    /// Whether the functions, the queue and the table fail, too.
    aws_fails: bool,
}

impl Simulator {
    async fn start(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x00c4_a715);
        let aws_fails = rng.flip();
        let options = Options {
            seed,
            sentinel: None,
            skew: if aws_fails {
                Duration::from_secs(30)
            } else {
                Duration::ZERO
            },
            chat: ChatOptions {
                platform: rng.pick(Platform::Sangoma, &[Platform::Chatwoot]),
                switches: Switches::random(&mut rng),
                secret: None,
            },
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        world.put_bot("shop", BOT).await.unwrap();
        Self { world, rng, aws_fails }
    }

    fn enable_faults(&mut self) {
        if self.rng.below(4) > 0 {
            let faults = Faults::random(&mut self.rng, 0.05);
            self.world.chat.change_faults(|current| *current = faults);
        }
        if !self.aws_fails {
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
        if self.rng.below(3) == 0 {
            let from = self.world.clock.now().plus_seconds(30);
            let seconds = u32::try_from(self.rng.below(900)).unwrap();
            let service = self.rng.pick(Service::DynamoDb, &[Service::Sqs, Service::Http]);
            let fault = self.rng.pick(Fault::InternalError, &[Fault::Throttled, Fault::Refused]);
            let rule = Rule::new(fault).service(service).function("responder");
            faults.plan(rule.during(from..from.plus_seconds(seconds)));
        }
    }

    fn disable_faults(&self) {
        self.world.chat.change_faults(|current| *current = Faults::default());
        self.world.aws.faults().clear();
        self.world.aws.sqs().set_disorder(Disorder::default());
    }

    fn let_people_in(&mut self) {
        let rng = &mut self.rng;
        for (name, answer) in [("jane.doe", "Jane here"), ("ali.roe", "Ali here")] {
            let leaves = rng.pick(
                Habit::Stays,
                &[
                    Habit::GivesBack("/bot".to_owned()),
                    Habit::GivesBackPublicly("/bot".to_owned()),
                    Habit::Resolves,
                ],
            );
            let after = rng.between(Duration::from_secs(1), Duration::from_mins(15));
            self.world.chat.put_to_work(Agent::new(name, after, answer).who(leaves));
        }
        if rng.below(6) == 0 {
            self.world.chat.add_third_party(ThirdParty::other_bot());
        }
        for customer in 0..=rng.below(3) {
            let count = 2 + rng.below(6);
            let mut texts: Vec<String> = (0..count).map(|message| format!("c{customer}m{message}")).collect();
            if rng.flip() {
                let place = usize::try_from(rng.below(count)).unwrap();
                if let Some(text) = texts.get_mut(place) {
                    text.push_str(" a person please");
                }
                if rng.below(3) == 0 {
                    texts.push("never mind".to_owned());
                }
                texts.push(format!("c{customer}last"));
            }
            let customer = Customer::random(rng, INBOX, texts);
            self.world.chat.let_in(customer).unwrap();
        }
    }

    /// From time to time a person writes into a conversation that the bot has.
    async fn interfere(&mut self) {
        let end = self
            .world
            .clock
            .now()
            .plus_millis(i64::try_from(FAULTY.as_millis()).unwrap());
        while self.world.clock.now() < end {
            let pause = self.rng.between(Duration::from_secs(20), Duration::from_mins(8));
            self.world.clock.sleep(pause).await;
            let all = self.world.chat.conversations();
            let index = usize::try_from(self.rng.below(all.len().max(1) as u64)).unwrap();
            let Some(conversation) = all.get(index) else { continue };
            let (chat, id) = (&self.world.chat, conversation.id);
            match self.rng.below(5) {
                0 => drop(chat.agent_replies(id, "jane.doe", "May I step in?")),
                1 => drop(chat.agent_notes(id, "ali.roe", "nice customer")),
                2 => drop(chat.agent_notes(id, "ali.roe", "/bot")),
                3 => drop(chat.agent_takes(id, "jane.doe")),
                _ => {}
            }
        }
    }

    async fn run(mut self) -> Audit {
        self.let_people_in();
        self.enable_faults();
        self.interfere().await;
        self.disable_faults();
        assert!(self.world.settle(LIMIT).await, "the world never became idle");
        self.check_stored().await;
        let mut audit = audit(&self.world.chat, &self.texts());
        let unclear = self.unclear_posts().await;
        audit.breaches.retain(|breach| !self.is_explained(breach, &unclear));
        let given_back = self.given_back_early().await;
        audit.breaches.retain(|breach| match breach {
            Breach::Unanswered(id, message) => !given_back.contains(&(*id, message.to_string())),
            _ => true,
        });
        if !audit.breaches.is_empty() && std::env::var("PATCHBAY_SEED").is_ok() {
            self.print_story().await;
        }
        audit
    }

    /// The texts of posts of which we do not know whether they were posted, by conversation.
    async fn unclear_posts(&self) -> Vec<(u64, String)> {
        let mut unclear = Vec::new();
        for conversation in self.world.chat.conversations() {
            for entry in self.timeline(conversation.id).await {
                if let Fact::Unclear { text: Some(text), .. } = entry.fact {
                    unclear.push((conversation.id, text));
                }
            }
        }
        unclear
    }

    /// The messages that came before a person gave the conversation back while it was still being handed over: that
    /// person has seen them.
    async fn given_back_early(&self) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        for conversation in self.world.chat.conversations() {
            let mut earlier = Vec::new();
            for entry in self.timeline(conversation.id).await {
                match entry.fact {
                    Fact::CustomerWrote { message, .. } => earlier.push((conversation.id, message.to_string())),
                    Fact::HolderChanged(change)
                        if change.from == Holder::HandingOff && change.reason == ChangeReason::GivenBack =>
                    {
                        all.append(&mut earlier);
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// Whether the timeline says why: a function that died just before a post left it unclear whether it was made, and
    /// an unclear post is never repeated.
    fn is_explained(&self, breach: &Breach, unclear: &[(u64, String)]) -> bool {
        let has = |id: u64, part: &str| unclear.iter().any(|(of, text)| *of == id && text.contains(part));
        let is_about = |id: u64, message: u64| {
            let messages = self.world.chat.messages(id);
            let text = messages
                .into_iter()
                .find(|found| found.id == message)
                .map(|found| found.text);
            text.is_some_and(|text| has(id, &text))
        };
        match breach {
            Breach::Unanswered(id, message) | Breach::Silence(id, message) => is_about(*id, *message),
            Breach::NoHandOverMessage(id) => has(*id, HAND_OVER),
            // The customer ended the wait, and the message that says so is the unclear one.
            Breach::PostWhileWaiting(id, _) => has(*id, ENDED),
            _ => false,
        }
    }

    async fn timeline(&self, id: u64) -> Vec<Entry> {
        let key = crate::key(id);
        let page = self.world.store.timeline_of::<Conversation>(&key, None, 500);
        page.await.unwrap().entries
    }

    /// Prints what the platform and our timeline say about every conversation, for the replay of a failed seed.
    async fn print_story(&self) {
        for conversation in self.world.chat.conversations() {
            let id = conversation.id;
            println!("== conversation {id}");
            let ours = self.timeline(id).await.into_iter();
            let ours = ours.map(|entry| (entry.at, format!("    {:?}", entry.fact)));
            let theirs = self.world.chat.messages(id).into_iter();
            let theirs = theirs.map(|message| {
                let line = format!(
                    "{} {:?} private={} {:?}",
                    message.id, message.author, message.private, message.text
                );
                (message.at, line)
            });
            let changes = conversation
                .changes
                .iter()
                .map(|change| (change.at, format!("  {:?}", change.kind)));
            let mut lines: Vec<_> = ours.chain(theirs).chain(changes).collect();
            lines.sort_by_key(|(at, _)| *at);
            for (at, line) in lines {
                println!("{at} {line}");
            }
        }
    }

    /// Nothing is left to do in any conversation.
    async fn check_stored(&self) {
        for conversation in self.world.chat.conversations() {
            let stored = crate::stored_if_any(&self.world, conversation.id).await;
            let Some(stored) = stored else { continue };
            let rest = (&stored.pending, &stored.turn, &stored.steps);
            let is_done = stored.pending.is_empty() && stored.turn.is_none() && stored.steps.is_empty();
            assert!(
                is_done,
                "conversation {} is idle with work to do: {rest:?}",
                conversation.id
            );
        }
    }

    fn texts(&self) -> Texts {
        let texts = |text: &str| vec![text.to_owned()];
        Texts {
            hand_over: texts(HAND_OVER),
            notices: vec![JOINED.to_owned(), WAIT.to_owned()],
            ended: texts(ENDED),
            give_back: texts("/bot"),
            // A message that says that a person took over can wait in the queue as long as one that fails.
            grace: if self.aws_fails {
                Duration::from_mins(20)
            } else {
                Duration::from_secs(15)
            },
            ..Texts::default()
        }
    }
}

fn play(seed: u64) -> Audit {
    seeds::on_virtual_time(async { Simulator::start(seed).await.run().await })
}

fn play_all(seeds: Range<u64>) {
    let results = seeds::play_all(seeds, play);
    let audits = seeds::assert_kept(results, |audit| {
        audit.breaches.iter().map(ToString::to_string).collect()
    });
    if audits.len() >= 100 {
        let posts: usize = audits.iter().map(|audit| audit.posts).sum();
        let hand_overs: usize = audits.iter().map(|audit| audit.hand_overs.len()).sum();
        assert!(
            posts > 300 && hand_overs > 50,
            "{posts} posts and {hand_overs} hand-overs prove little"
        );
    }
}

#[test]
fn no_fault_breaks_a_conversation() {
    play_all(Simulation::Conversation.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Conversation.soak_seeds());
}

#[test]
fn a_seed_always_has_the_same_result() {
    for seed in 0..6 {
        let (one, other) = (play(seed), play(seed));
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed}");
    }
}
