//! What dispatches come to, told event by event and committed as the engine does it: every state, and every line of a
//! timeline. Each story twice: of a dispatch that has everything a request may say, and of one that has only what it must.

use std::collections::BTreeMap;

use patchbay::clock::Timestamp;
use patchbay::dispatch::delivery::{Delivery, Outcome};
use patchbay::dispatch::route::Instead;
use patchbay::dispatch::{
    Context, Decision, Detour, Dispatch, DispatchRequest, Ending, Event, Limit, NewDispatch, NotPlaced, Route,
    Sighting, create, decide,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::store::{Committed, Postponed};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::{look, note_answer};
use crate::common::{PEOPLE, TICKET, get, pass, world};
use crate::shape::Seen;

/// A request with every field, and one with none that may be left out.
pub(super) fn requests() -> [Value; 2] {
    let [anna, ben, carla, dora] = PEOPLE.map(|(id, name, phone)| json!({ "id": id, "name": name, "phone": phone }));
    let bare = |person: &Value| json!({ "name": person["name"], "phone": person["phone"] });
    let few = json!({
        "ticket": { "text": TICKET },
        "employees": [bare(&anna), bare(&ben)],
        "policy": { "max_rounds": 1, "attempts": 1 },
    });
    let with = |mut person: Value, more: Value| {
        person
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        person
    };
    let everything = json!({
        "ticket": { "reference": "INC-4711", "text": TICKET },
        "employees": [
            with(anna, json!({
                "language": "de-DE",
                "voice": "female",
                "on_duty": [{ "from": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z" }],
                "quiet_hours": { "from": "22:00", "until": "02:30", "utc_offset": "+00:30" },
            })),
            with(ben, json!({ "language": "en-GB" })),
            with(carla, json!({ "opted_out": true, "verified": false })),
            with(dora, json!({ "on_duty": [{ "from": "2026-11-30T00:00:00Z", "until": "2026-12-01T00:00:00Z" }] })),
        ],
        "policy": {
            "attempts": 2,
            "retry_delay": 30,
            "ring_timeout": null,
            "max_duration": null,
            "max_rounds": 2,
            "expires_after": 86400,
            "resolve_within": 3600,
            "max_calls": 40,
            "providers": ["routee", "twilio"],
            "machine": "hang_up",
            "repeat": "all",
            "texts": { "de-DE": { "options": "Eins: ja. Zwei: nein." } },
        },
        "priority": "urgent",
        "webhook": { "url": "https://requester.example.org/hook", "strategy": "OnStatus" },
    });
    [everything, few]
}

fn brief(request: &Value) -> NewDispatch {
    let request: DispatchRequest = serde_json::from_value(request.clone()).unwrap();
    request.check().unwrap()
}

/// A dispatch in a world of its own, and what was seen of it.
struct Story<'a> {
    world: World,
    dispatch: Dispatch,
    told: u64,
    items: &'a mut Seen,
    answers: &'a mut Seen,
}

impl<'a> Story<'a> {
    async fn begin(brief: NewDispatch, items: &'a mut Seen, answers: &'a mut Seen) -> Self {
        let world = world([]).await;
        let key = DispatchKey {
            tenant: "main".parse().unwrap(),
            id: DispatchId::new(0x2a),
        };
        let context = Context {
            now: world.clock.now(),
            fresh: Nonce::new(1),
        };
        let decision = create(key, brief, "0".repeat(64), context);
        let mut story = Self {
            dispatch: decision.next.clone().unwrap(),
            world,
            told: 1,
            items,
            answers,
        };
        story.commit(decision).await;
        story
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    async fn commit(&mut self, decision: Decision) {
        let key = self.dispatch.key.clone();
        let committed = self.world.store.commit(&key, &decision, None, self.now()).await;
        assert_eq!(committed.unwrap(), Committed::Yes);
        if let Some(next) = decision.next {
            self.dispatch = next;
        }
        look(&self.world, self.items).await;
        let shown = get(&self.world, &format!("/v1/dispatches/{}", key.id)).await.json;
        note_answer(self.answers, shown);
    }

    /// A second later something happens.
    async fn tell(&mut self, event: Event) {
        pass(&self.world, 1).await;
        self.told += 1;
        let context = Context {
            now: self.now(),
            fresh: Nonce::new(self.told),
        };
        let decision = decide(&self.dispatch, &event, context);
        self.commit(decision).await;
    }

    fn attempt(&self) -> AttemptId {
        self.dispatch.attempt().unwrap().id
    }

    /// Somebody is phoned.
    async fn call(&mut self) -> AttemptId {
        let attempt = self.attempt();
        let route = Route::only(ProviderName::known("routee"));
        self.tell(Event::Claim { attempt, route }).await;
        let call_id = "5f9138288b71de3617a87cd8".to_owned();
        self.tell(Event::Placed { attempt, call_id }).await;
        attempt
    }

    async fn press(&mut self, keys: &str) {
        let attempt = self.call().await;
        let keys = keys.to_owned();
        self.tell(Event::Key { attempt, keys }).await;
    }

    async fn ends(&mut self, ending: Ending, call_id: Option<&str>) {
        let attempt = self.attempt();
        let call_id = call_id.map(str::to_owned);
        self.tell(Event::CallEnded {
            attempt,
            ending,
            call_id,
        })
        .await;
    }

    /// Waits out a pause, if there is one.
    async fn resume(&mut self) {
        let patchbay::dispatch::State::Waiting(wait) = &self.dispatch.state else {
            return;
        };
        let (id, until) = (wait.id, wait.until);
        pass(&self.world, until.since(self.now()).as_secs() + 1).await;
        self.tell(Event::Resume { wait: id }).await;
    }

    /// As long as somebody is to be phoned, this happens; pauses are waited out, `pauses` of them.
    async fn until_over(&mut self, mut pauses: u8, what: impl AsyncFn(&mut Self)) {
        for _ in 0..40 {
            if self.dispatch.attempt().is_some() {
                what(self).await;
            } else if pauses > 0 {
                pauses -= 1;
                self.resume().await;
            } else {
                return;
            }
        }
        panic!("it goes on and on: {:?}", self.dispatch.state);
    }
}

/// Every story.
pub(super) async fn tell_all(items: &mut Seen, answers: &mut Seen) {
    for request in requests() {
        let brief = brief(&request);
        accepted(Story::begin(brief.clone(), items, answers).await).await;
        withdrawn(Story::begin(brief.clone(), items, answers).await, Event::Cancel).await;
        withdrawn(Story::begin(brief.clone(), items, answers).await, Event::Resolve).await;
        unanswered(Story::begin(brief.clone(), items, answers).await).await;
        rejected(Story::begin(brief.clone(), items, answers).await).await;
        unclear(Story::begin(brief.clone(), items, answers).await).await;
        for why in [
            NotPlaced::Refused,
            NotPlaced::NotAllowed,
            NotPlaced::TryLater,
            NotPlaced::OutOfMoney,
        ] {
            not_placed(Story::begin(brief.clone(), items, answers).await, &why).await;
        }
        elsewhere(Story::begin(brief.clone(), items, answers).await).await;
        limited(Story::begin(brief.clone(), items, answers).await).await;
        most_calls(brief.clone(), items, answers).await;
        busy(Story::begin(brief.clone(), items, answers).await).await;
        let mut short = brief;
        short.policy.expires_after = 100;
        short.policy.max_rounds = None;
        short.policy.attempts = 2;
        short.policy.retry_delay = 3_600;
        expired(Story::begin(short, items, answers).await).await;
    }
}

async fn accepted(mut story: Story<'_>) {
    story.press("7").await;
    let attempt = story.attempt();
    story
        .tell(Event::Key {
            attempt,
            keys: "1".into(),
        })
        .await;
    if let Some(within) = story.dispatch.brief.policy.resolve_within {
        pass(&story.world, within.into()).await;
        story.tell(Event::Overdue { attempt }).await;
        story.press("1").await;
    }
    story.tell(Event::Resolve).await;
}

async fn withdrawn(mut story: Story<'_>, event: Event) {
    story.call().await;
    story.tell(event).await;
}

/// Every way in which nobody answers, one after the other.
async fn unanswered(mut story: Story<'_>) {
    let endings = [
        Ending::Completed,
        Ending::NoAnswer,
        Ending::Busy,
        Ending::Failed,
        Ending::Unknown,
        Ending::OutOfMoney,
    ];
    for (turn, ending) in endings.into_iter().enumerate() {
        if story.dispatch.attempt().is_none() {
            story.resume().await;
        }
        if story.dispatch.attempt().is_none() {
            break;
        }
        let attempt = story.call().await;
        let call_id = (turn % 2 == 0).then_some("5f9138288b71de3617a87cd8");
        story.ends(ending, call_id).await;
        let sighting = Sighting::Over {
            ending,
            keys: String::new(),
            machine: false,
        };
        story
            .tell(Event::Watched {
                attempt,
                sighting,
                looks: 1,
            })
            .await;
    }
    webhooks(&mut story).await;
}

async fn rejected(mut story: Story<'_>) {
    story.until_over(1, async |story| story.press("2").await).await;
}

async fn unclear(mut story: Story<'_>) {
    let attempt = story.attempt();
    let route = Route::only(ProviderName::known("routee"));
    story.tell(Event::Claim { attempt, route }).await;
    story.tell(Event::Unclear { attempt }).await;
    // Nobody knows the name of the call that has ended.
    story.ends(Ending::Completed, None).await;
    postponed(&mut story).await;
    for looks in 1..=3 {
        let sighting = Sighting::Nothing;
        story
            .tell(Event::Watched {
                attempt,
                sighting,
                looks,
            })
            .await;
    }
}

/// The sentinel has it looked at later.
async fn postponed(story: &mut Story<'_>) {
    let (table, key) = (story.world.store.clone(), story.dispatch.key.clone());
    for why in [Postponed::Held, Postponed::SentAgain] {
        let unmoved = table.unmoved(&key).await.unwrap().unwrap();
        let at = story.now().plus_seconds(60);
        assert!(table.postpone(&unmoved, why, at).await.unwrap());
        look(&story.world, story.items).await;
    }
}

async fn not_placed(mut story: Story<'_>, why: &NotPlaced) {
    let fails = async |story: &mut Story<'_>| {
        let attempt = story.attempt();
        let route = Route::only(ProviderName::known("routee"));
        story.tell(Event::Claim { attempt, route }).await;
        let why = why.clone();
        story.tell(Event::NotPlaced { attempt, why }).await;
    };
    for _ in 0..20 {
        if story.dispatch.attempt().is_none() {
            story.resume().await;
        }
        if story.dispatch.attempt().is_none() {
            break;
        }
        fails(&mut story).await;
    }
}

/// Every reason for which a call goes over another provider than it would have.
async fn elsewhere(mut story: Story<'_>) {
    let reasons = [
        NotPlaced::TryLater,
        NotPlaced::TryLater,
        NotPlaced::NotAllowed,
        NotPlaced::OutOfMoney,
    ];
    let detours = [
        Detour::Queue,
        Detour::PutOff,
        Detour::Failed,
        Detour::Down,
        Detour::Unknown,
        Detour::NotAllowed,
        Detour::OutOfMoney,
    ];
    for (turn, why) in detours.into_iter().enumerate() {
        let Some(attempt) = story.dispatch.attempt().map(|attempt| attempt.id) else {
            break;
        };
        let instead_of = Some(Instead {
            provider: ProviderName::known("routee"),
            why,
        });
        let route = Route {
            provider: ProviderName::known("twilio"),
            instead_of,
            elsewhere: true,
        };
        story.tell(Event::Claim { attempt, route }).await;
        if let Some(why) = reasons.get(turn).cloned() {
            story.tell(Event::NotPlaced { attempt, why }).await;
        } else {
            story.tell(Event::Machine { attempt }).await;
            story.ends(Ending::NoAnswer, None).await;
        }
    }
}

/// Everybody has been called as often as allowed.
async fn limited(mut story: Story<'_>) {
    for limit in [Limit::Hourly, Limit::Daily, Limit::Hourly] {
        let Some(attempt) = story.dispatch.attempt().map(|attempt| attempt.id) else {
            break;
        };
        let until = story.now().plus_seconds(20);
        story.tell(Event::OverLimit { attempt, limit, until }).await;
    }
}

/// No more calls may be placed than one.
async fn most_calls(mut brief: NewDispatch, items: &mut Seen, answers: &mut Seen) {
    brief.policy.max_calls = Some(1);
    let mut story = Story::begin(brief, items, answers).await;
    story.call().await;
    story.ends(Ending::NoAnswer, None).await;
}

/// Everybody is on the phone for another dispatch.
async fn busy(mut story: Story<'_>) {
    for _ in 0..6 {
        if story.dispatch.attempt().is_some() {
            let attempt = story.attempt();
            let until = story.now().plus_seconds(20);
            story.tell(Event::EmployeeBusy { attempt, until }).await;
        } else {
            story.resume().await;
        }
    }
}

/// The second call to somebody who did not pick up would come after the end.
async fn expired(mut story: Story<'_>) {
    story.call().await;
    story.ends(Ending::NoAnswer, None).await;
    story.resume().await;
}

/// How webhooks stand, in every way, as the notifier notes it.
async fn webhooks(story: &mut Story<'_>) {
    let now = story.now();
    let next_at = now.plus_seconds(10);
    let outcomes = BTreeMap::from([
        ("a", (Outcome::Delivered, "204 No Content", 0)),
        ("b", (Outcome::Retrying { next_at }, "500 Internal Server Error", 3)),
        ("c", (Outcome::GivenUp, "no answer", 20)),
        ("d", (Outcome::Overtaken, "", 0)),
    ]);
    for (index, (outcome, answer, failures)) in outcomes.into_values().enumerate() {
        let entry = format!("000001-{:013}-{}-{index:02}", now.millis(), Nonce::new(7));
        let delivery = Delivery {
            resent: u32::try_from(index).unwrap(),
            failures,
            posts: u32::from(failures) + 1,
            at: now,
            answer: answer.to_owned(),
            outcome,
        };
        let key = &story.dispatch.key;
        story.world.store.put_delivery(key, &entry, &delivery).await.unwrap();
    }
    look(&story.world, story.items).await;
    let path = format!("/v1/dispatches/{}", story.dispatch.key.id);
    let shown = get(&story.world, &path).await.json;
    note_answer(story.answers, shown);
}
