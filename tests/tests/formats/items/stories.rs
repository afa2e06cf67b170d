//! Dispatches in every state and with every timeline line, driven event by event and committed as the engine does it.
//! Each story runs twice: with every field that a request may have, and with few.

use std::collections::BTreeMap;

use patchbay::clock::Timestamp;
use patchbay::dispatch::route::BypassedProvider;
use patchbay::dispatch::{
    CallLookup, Decision, DecisionContext, Dispatch, DispatchRequest, Ending, Event, Limit, NewDispatch, NotPlaced,
    Route, create, decide,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::store::{CommitResult, PostponeReason};
use patchbay::webhook::{Delivery, DeliveryStatus};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::{record_answer, record_items};
use crate::common::{PEOPLE, TICKET, get, pass, world};
use crate::shape::WrittenValues;
use crate::words::AVOID_REASONS;

/// A request with every field, and one with few.
pub(super) fn requests() -> [Value; 2] {
    let [anna, ben, carla, dora] = PEOPLE.map(|(id, name, phone)| json!({ "id": id, "name": name, "phone": phone }));
    let bare = |employee: &Value| json!({ "name": employee["name"], "phone": employee["phone"] });
    let few = json!({
        "ticket": { "text": TICKET },
        "employees": [bare(&anna), bare(&ben)],
        "policy": { "max_rounds": 1, "attempts": 1 },
    });
    let with = |mut employee: Value, more: Value| {
        employee
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        employee
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
            "on_voicemail": "hang_up",
            "repeat_content": "all",
            "texts": { "de-DE": { "options": "Eins: ja. Zwei: nein." } },
        },
        "priority": "urgent",
        "webhook": { "url": "https://requester.example.org/hook", "strategy": "OnStatus" },
    });
    [everything, few]
}

fn spec(request: &Value) -> NewDispatch {
    let request: DispatchRequest = serde_json::from_value(request.clone()).unwrap();
    request.check().unwrap()
}

/// A dispatch in its own world, and where its items and answers are recorded.
struct Story<'a> {
    world: World,
    dispatch: Dispatch,
    /// Number of events so far: the nonce of each decision.
    events: u64,
    items: &'a mut WrittenValues,
    answers: &'a mut WrittenValues,
}

impl<'a> Story<'a> {
    async fn start(spec: NewDispatch, items: &'a mut WrittenValues, answers: &'a mut WrittenValues) -> Self {
        let world = world([]).await;
        let key = DispatchKey {
            tenant: "main".parse().unwrap(),
            id: DispatchId::new(0x2a),
        };
        let context = DecisionContext {
            now: world.clock.now(),
            nonce: Nonce::new(1),
        };
        let decision = create(key, spec, "0".repeat(64), context);
        let mut story = Self {
            dispatch: decision.next.clone().unwrap(),
            world,
            events: 1,
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
        assert_eq!(committed.unwrap(), CommitResult::Committed);
        if let Some(next) = decision.next {
            self.dispatch = next;
        }
        record_items(&self.world, self.items).await;
        let shown = get(&self.world, &format!("/v1/dispatches/{}", key.id)).await.json;
        record_answer(self.answers, shown);
    }

    /// Lets a second pass, and applies an event.
    async fn apply(&mut self, event: Event) {
        pass(&self.world, 1).await;
        self.events += 1;
        let context = DecisionContext {
            now: self.now(),
            nonce: Nonce::new(self.events),
        };
        let decision = decide(&self.dispatch, &event, context);
        self.commit(decision).await;
    }

    fn attempt(&self) -> AttemptId {
        self.dispatch.attempt().unwrap().id
    }

    /// Claims and places the call of the current attempt.
    async fn call(&mut self) -> AttemptId {
        let attempt = self.attempt();
        let route = Route::only(ProviderName::known("routee"));
        self.apply(Event::Claim { attempt, route }).await;
        let call_id = "5f9138288b71de3617a87cd8".to_owned();
        self.apply(Event::Placed { attempt, call_id }).await;
        attempt
    }

    async fn press(&mut self, keys: &str) {
        let attempt = self.call().await;
        let keys = keys.to_owned();
        self.apply(Event::Key { attempt, keys }).await;
    }

    async fn ends(&mut self, ending: Ending, call_id: Option<&str>) {
        let attempt = self.attempt();
        let call_id = call_id.map(str::to_owned);
        self.apply(Event::CallEnded {
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
        self.apply(Event::Resume { wait: id }).await;
    }

    /// Runs `step` for every attempt, and waits out up to `pauses` pauses.
    async fn until_over(&mut self, mut pauses: u8, step: impl AsyncFn(&mut Self)) {
        for _ in 0..40 {
            if self.dispatch.attempt().is_some() {
                step(self).await;
            } else if pauses > 0 {
                pauses -= 1;
                self.resume().await;
            } else {
                return;
            }
        }
        panic!("the dispatch does not end: {:?}", self.dispatch.state);
    }
}

/// Runs every story.
pub(super) async fn run(items: &mut WrittenValues, answers: &mut WrittenValues) {
    for request in requests() {
        let spec = spec(&request);
        accepted(Story::start(spec.clone(), items, answers).await).await;
        withdrawn(Story::start(spec.clone(), items, answers).await, Event::Cancel).await;
        withdrawn(Story::start(spec.clone(), items, answers).await, Event::Resolve).await;
        unanswered(Story::start(spec.clone(), items, answers).await).await;
        rejected(Story::start(spec.clone(), items, answers).await).await;
        unclear(Story::start(spec.clone(), items, answers).await).await;
        for reason in [
            NotPlaced::Refused,
            NotPlaced::NotAllowed,
            NotPlaced::TryLater,
            NotPlaced::OutOfMoney,
        ] {
            not_placed(Story::start(spec.clone(), items, answers).await, &reason).await;
        }
        elsewhere(Story::start(spec.clone(), items, answers).await).await;
        limited(Story::start(spec.clone(), items, answers).await).await;
        most_calls(spec.clone(), items, answers).await;
        busy(Story::start(spec.clone(), items, answers).await).await;
        let mut short = spec;
        short.policy.expires_after = 100;
        short.policy.max_rounds = None;
        short.policy.attempts = 2;
        short.policy.retry_delay = 3_600;
        expired(Story::start(short, items, answers).await).await;
    }
}

async fn accepted(mut story: Story<'_>) {
    story.press("7").await;
    let attempt = story.attempt();
    story
        .apply(Event::Key {
            attempt,
            keys: "1".into(),
        })
        .await;
    if let Some(within) = story.dispatch.spec.policy.resolve_within {
        pass(&story.world, within.into()).await;
        story.apply(Event::Overdue { attempt }).await;
        story.press("1").await;
    }
    story.apply(Event::Resolve).await;
}

async fn withdrawn(mut story: Story<'_>, event: Event) {
    story.call().await;
    story.apply(event).await;
}

/// Every ending of a call without an answer, one after another.
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
        let lookup = CallLookup::Over {
            ending,
            keys: String::new(),
            machine: false,
        };
        story
            .apply(Event::Watched {
                attempt,
                lookup,
                lookups: 1,
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
    story.apply(Event::Claim { attempt, route }).await;
    story.apply(Event::Unclear { attempt }).await;
    // The id of the call that has ended is unknown.
    story.ends(Ending::Completed, None).await;
    postponed(&mut story).await;
    for lookups in 1..=3 {
        let lookup = CallLookup::Unknown;
        story
            .apply(Event::Watched {
                attempt,
                lookup,
                lookups,
            })
            .await;
    }
}

/// The sentinel postpones its check.
async fn postponed(story: &mut Story<'_>) {
    let (table, key) = (story.world.store.clone(), story.dispatch.key.clone());
    for reason in [PostponeReason::WaitingForSlot, PostponeReason::Resent] {
        let due = table.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
        let at = story.now().plus_seconds(60);
        assert!(table.postpone(&due, reason, at).await.unwrap());
        record_items(&story.world, story.items).await;
    }
}

async fn not_placed(mut story: Story<'_>, reason: &NotPlaced) {
    let fails = async |story: &mut Story<'_>| {
        let attempt = story.attempt();
        let route = Route::only(ProviderName::known("routee"));
        story.apply(Event::Claim { attempt, route }).await;
        let reason = reason.clone();
        story.apply(Event::NotPlaced { attempt, reason }).await;
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

/// Every reason for which a call bypasses the preferred provider.
async fn elsewhere(mut story: Story<'_>) {
    let failures = [
        NotPlaced::TryLater,
        NotPlaced::TryLater,
        NotPlaced::NotAllowed,
        NotPlaced::OutOfMoney,
    ];
    for (turn, reason) in AVOID_REASONS.into_iter().enumerate() {
        let Some(attempt) = story.dispatch.attempt().map(|attempt| attempt.id) else {
            break;
        };
        let instead_of = Some(BypassedProvider {
            provider: ProviderName::known("routee"),
            reason,
        });
        let route = Route {
            provider: ProviderName::known("twilio"),
            instead_of,
            elsewhere: true,
        };
        story.apply(Event::Claim { attempt, route }).await;
        if let Some(reason) = failures.get(turn).cloned() {
            story.apply(Event::NotPlaced { attempt, reason }).await;
        } else {
            story.apply(Event::Machine { attempt }).await;
            story.ends(Ending::NoAnswer, None).await;
        }
    }
}

/// Every number has reached a call limit.
async fn limited(mut story: Story<'_>) {
    for limit in [Limit::Hourly, Limit::Daily, Limit::Hourly] {
        let Some(attempt) = story.dispatch.attempt().map(|attempt| attempt.id) else {
            break;
        };
        let until = story.now().plus_seconds(20);
        story.apply(Event::OverLimit { attempt, limit, until }).await;
    }
}

/// Only one call may be placed.
async fn most_calls(mut spec: NewDispatch, items: &mut WrittenValues, answers: &mut WrittenValues) {
    spec.policy.max_calls = Some(1);
    let mut story = Story::start(spec, items, answers).await;
    story.call().await;
    story.ends(Ending::NoAnswer, None).await;
}

/// Every employee is on the phone for another dispatch.
async fn busy(mut story: Story<'_>) {
    for _ in 0..6 {
        if story.dispatch.attempt().is_some() {
            let attempt = story.attempt();
            let until = story.now().plus_seconds(20);
            story.apply(Event::EmployeeBusy { attempt, until }).await;
        } else {
            story.resume().await;
        }
    }
}

/// The second call to an employee who did not pick up would be due after the dispatch expires.
async fn expired(mut story: Story<'_>) {
    story.call().await;
    story.ends(Ending::NoAnswer, None).await;
    story.resume().await;
}

/// Every delivery status of a webhook, as the notifier records it.
async fn webhooks(story: &mut Story<'_>) {
    let now = story.now();
    let next_at = now.plus_seconds(10);
    let outcomes = BTreeMap::from([
        ("a", (DeliveryStatus::Delivered, "204 No Content", 0)),
        (
            "b",
            (DeliveryStatus::Retrying { next_at }, "500 Internal Server Error", 3),
        ),
        ("c", (DeliveryStatus::Failed, "no answer", 20)),
        ("d", (DeliveryStatus::Superseded, "", 0)),
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
        let key = story.dispatch.key.clone().into();
        story.world.store.put_delivery(&key, &entry, &delivery).await.unwrap();
    }
    record_items(&story.world, story.items).await;
    let path = format!("/v1/dispatches/{}", story.dispatch.key.id);
    let shown = get(&story.world, &path).await.json;
    record_answer(story.answers, shown);
}
