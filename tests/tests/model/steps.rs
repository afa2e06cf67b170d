//! The actions that are possible in the modeled world, and their effects.

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::GRACE_SECONDS;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{
    CallLookup, Decision, DecisionContext, Dispatch, Event, EventOutcome, NewDispatch, NotPlaced, State, create,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce};

use crate::rules::Rules;
use crate::world::{
    Budget, Call, CallEnd, Cause, FollowUp, Invocation, QueuedMessage, QueuedWork, Record, STORED_VERSION, Step,
    StoredDispatch, Webhook, World,
};

/// What the consumer of a message finds outside of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryVariant {
    Normal,
    /// The last lookup of a watch: it gives up on the call unless the call is over.
    LastLookup,
    /// The last lookup of a watch, which fails.
    LastLookupFails,
    /// Another dispatch has a lease on the employee.
    EmployeeBusy,
}

/// The result of a request to place a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlacementResult {
    Rings,
    Refused,
    NotAllowed,
    TryLater,
    OutOfMoney,
    /// The phone rings, but the response is lost.
    LostResponse,
    /// The phone does not ring, and the dialer does not know it.
    LostRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A message reaches its consumer. A `duplicate` stays in the queue.
    Deliver {
        message: QueuedMessage,
        duplicate: bool,
        variant: DeliveryVariant,
    },
    /// A webhook reaches its handler. A `duplicate` arrives once more.
    Receive {
        webhook: Webhook,
        duplicate: bool,
    },
    /// A webhook is lost.
    Lose(Webhook),
    /// The function at this index commits. If another function was faster, it decides again.
    Commit(usize),
    /// The function at this index asks the provider to place the call.
    Call(usize, PlacementResult),
    /// The function at this index sends what it should have sent before its commit.
    Send(usize),
    /// The function at this index crashes.
    Crash(usize),
    Press(AttemptId, char),
    End(AttemptId, CallEnd),
    Cancel,
    Resolve,
    Expire,
}

/// The protocol to check: the rules, and the world in which it starts.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) rules: Rules,
    pub(crate) template: Dispatch,
    start: World,
}

impl Protocol {
    pub(crate) fn new(rules: Rules, spec: NewDispatch, budget: Budget) -> Self {
        let key = DispatchKey {
            tenant: "model".parse().unwrap(),
            id: DispatchId::new(1),
        };
        let context = DecisionContext {
            now: NOW,
            nonce: Nonce::new(1),
        };
        let created = create(key, spec, String::new(), context);
        let mut template = created.next.unwrap();
        template.version = STORED_VERSION;
        let mut start = World {
            stored: StoredDispatch::new(&template),
            queue: created.messages.iter().filter_map(to_queued).collect(),
            webhooks: Vec::new(),
            invocations: Vec::new(),
            calls: Vec::new(),
            announced: Vec::new(),
            expired: false,
            budget,
            record: Record::default(),
        };
        start.stored.erase_times(NOW);
        for message in &mut start.queue {
            message.version = STORED_VERSION;
        }
        Self { rules, template, start }
    }

    pub(crate) fn start(&self) -> World {
        self.start.clone()
    }

    /// The dispatch as a function loads it.
    pub(crate) fn load(&self, stored: &StoredDispatch) -> Dispatch {
        Dispatch {
            progress: stored.progress.clone(),
            state: stored.state.clone(),
            ..self.template.clone()
        }
    }

    // The possible actions.

    pub(crate) fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let budget = &world.budget;
        if world.invocations.len() < MAX_INVOCATIONS {
            self.arrivals(world, actions);
        }
        if budget.losses > 0 {
            actions.extend(distinct(&world.webhooks).into_iter().map(Action::Lose));
        }
        for (index, invocation) in world.invocations.iter().enumerate() {
            match invocation.step {
                Step::Commit { .. } => actions.push(Action::Commit(index)),
                Step::Send(_) => actions.push(Action::Send(index)),
                Step::Call(_) => {
                    actions.push(Action::Call(index, PlacementResult::Rings));
                    if budget.faults > 0 {
                        use PlacementResult::{LostRequest, LostResponse, NotAllowed, OutOfMoney, Refused, TryLater};
                        let faults = [Refused, NotAllowed, TryLater, OutOfMoney, LostResponse, LostRequest];
                        actions.extend(faults.map(|result| Action::Call(index, result)));
                    }
                }
            }
            if budget.crashes > 0 {
                actions.push(Action::Crash(index));
            }
        }
        for call in world.calls.iter().filter(|call| call.end.is_none()) {
            self.employee_actions(call, budget, actions);
        }
        actions.extend((budget.expiries > 0).then_some(Action::Expire));
    }

    /// Everything that invokes a function.
    #[expect(clippy::unused_self, reason = "a rule of the protocol")]
    fn arrivals(&self, world: &World, actions: &mut Vec<Action>) {
        let budget = &world.budget;
        let duplicates = || [false, true].into_iter().take(1 + usize::from(budget.duplicates > 0));
        for message in distinct(&world.queue) {
            for variant in variants(message, world) {
                actions.extend(duplicates().map(|duplicate| Action::Deliver {
                    message,
                    duplicate,
                    variant,
                }));
            }
        }
        for webhook in distinct(&world.webhooks) {
            actions.extend(duplicates().map(|duplicate| Action::Receive { webhook, duplicate }));
        }
        actions.extend((budget.cancels > 0).then_some(Action::Cancel));
        actions.extend((budget.resolves > 0).then_some(Action::Resolve));
    }

    #[expect(clippy::unused_self, reason = "a rule of the protocol")]
    fn employee_actions(&self, call: &Call, budget: &Budget, actions: &mut Vec<Action>) {
        let may_press = call.key.is_none() || budget.odd_events > 0;
        if may_press {
            actions.extend(['1', '2'].map(|key| Action::Press(call.id, key)));
            if budget.odd_events > 0 {
                actions.push(Action::Press(call.id, '7'));
            }
        }
        actions.push(Action::End(call.id, CallEnd::Completed));
        if call.key.is_none() {
            actions.push(Action::End(call.id, CallEnd::RungOut));
        }
        if budget.odd_events > 0 {
            actions.push(Action::End(call.id, CallEnd::Unknown));
        }
    }

    // The effects of actions.

    pub(crate) fn next(&self, last: &World, action: &Action) -> Option<World> {
        let mut world = last.clone();
        match *action {
            Action::Deliver {
                message,
                duplicate,
                variant,
            } => {
                if duplicate {
                    world.budget.duplicates -= 1;
                } else {
                    remove(&mut world.queue, &message);
                }
                if variant == DeliveryVariant::EmployeeBusy || variant == DeliveryVariant::LastLookupFails {
                    world.budget.faults -= 1;
                }
                self.deliver(&mut world, message, variant)?;
            }
            Action::Receive { webhook, duplicate } => {
                if duplicate {
                    world.budget.duplicates -= 1;
                } else {
                    remove(&mut world.webhooks, &webhook);
                }
                self.decide(&mut world, Cause::Webhook(webhook), webhook_event(webhook), NOW);
            }
            Action::Lose(webhook) => {
                world.budget.losses -= 1;
                remove(&mut world.webhooks, &webhook);
            }
            Action::Commit(index) => self.commit(&mut world, index),
            Action::Call(index, result) => self.place_call(&mut world, index, result),
            Action::Send(index) => {
                if let Step::Send(messages) = world.invocations.remove(index).step {
                    world.queue.extend(messages);
                }
            }
            Action::Crash(index) => {
                world.budget.crashes -= 1;
                if let Cause::Message(message) = world.invocations.remove(index).cause {
                    world.queue.push(message);
                }
            }
            Action::Press(id, key) => {
                let call = world.calls.iter_mut().find(|call| call.id == id)?;
                if call.key.is_some() || key == '7' {
                    world.budget.odd_events -= 1;
                }
                call.key = Some(key);
                call.rejected |= key == '2';
                world.webhooks.push(Webhook::Key(id, key));
            }
            Action::End(id, end) => {
                let call = world.calls.iter_mut().find(|call| call.id == id)?;
                call.end = Some(end);
                if end == CallEnd::Unknown {
                    world.budget.odd_events -= 1;
                }
                world.webhooks.push(Webhook::Ended(id, end));
            }
            Action::Cancel => {
                world.budget.cancels -= 1;
                self.decide(&mut world, Cause::Requester, Event::Cancel, NOW);
            }
            Action::Resolve => {
                world.budget.resolves -= 1;
                self.decide(&mut world, Cause::Requester, Event::Resolve, NOW);
            }
            Action::Expire => {
                world.budget.expiries -= 1;
                world.expired = true;
            }
        }
        self.prune(&mut world);
        world.normalize();
        (world.stored.progress.attempts <= world.budget.attempts).then_some(world)
    }

    /// Loads, decides and sends. A decision that changes nothing needs no commit.
    pub(crate) fn decide(&self, world: &mut World, cause: Cause, event: Event, now: Timestamp) {
        let now = if world.expired { self.template.expires_at } else { now };
        let dispatch = self.load(&world.stored);
        let nonce = world.unused_nonce();
        let decision = (self.rules.decide)(&dispatch, &event, DecisionContext { now, nonce });
        let follow_up = follow_up(&decision);
        let mut messages: Vec<QueuedMessage> = decision.messages.iter().filter_map(to_queued).collect();
        let Some(next) = decision.next else {
            world.queue.append(&mut messages);
            announce(world, &event, follow_up);
            return;
        };
        if matches!(next.state, State::Accepted(_)) && !is_key_1(&event) {
            world.record.accepted_without_key = true;
        }
        if self.rules.sends_first {
            world.queue.append(&mut messages);
        }
        if !self.rules.announces_after_commit {
            announce(world, &event, follow_up);
        }
        let mut next = StoredDispatch::new(&next);
        next.erase_times(NOW);
        let step = Step::Commit {
            event,
            base: STORED_VERSION,
            next: Box::new(next),
            follow_up,
            unsent: messages,
        };
        world.invocations.push(Invocation { cause, step });
    }

    fn commit(&self, world: &mut World, index: usize) {
        let invocation = world.invocations.remove(index);
        let Step::Commit {
            event,
            base,
            next,
            follow_up,
            mut unsent,
        } = invocation.step
        else {
            return;
        };
        if base != STORED_VERSION && self.rules.commits_conditionally {
            let now = self.handling_time(invocation.cause);
            return self.decide(world, invocation.cause, event, now);
        }
        if matches!(event, Event::Overdue { .. }) {
            world.announced.clear();
        }
        world.stored = *next;
        world.advance();
        announce(world, &event, follow_up);
        for message in &mut unsent {
            message.version = STORED_VERSION;
        }
        let cause = invocation.cause;
        match (&event, follow_up) {
            (Event::Claim { attempt, .. }, FollowUp::Dial) => world.invocations.push(Invocation {
                cause,
                step: Step::Call(*attempt),
            }),
            _ if !unsent.is_empty() => world.invocations.push(Invocation {
                cause,
                step: Step::Send(unsent),
            }),
            _ => {}
        }
    }

    fn place_call(&self, world: &mut World, index: usize, result: PlacementResult) {
        let invocation = world.invocations.remove(index);
        let Step::Call(attempt) = invocation.step else { return };
        if result != PlacementResult::Rings {
            world.budget.faults -= 1;
        }
        if matches!(result, PlacementResult::Rings | PlacementResult::LostResponse) {
            world.record.dialed_twice |= world.call(attempt).is_some();
            world.calls.push(Call {
                id: attempt,
                end: None,
                key: None,
                rejected: false,
            });
        }
        let event = match result {
            PlacementResult::Rings => Event::Placed {
                attempt,
                call_id: String::new(),
            },
            PlacementResult::Refused => not_placed(attempt, NotPlaced::Refused),
            PlacementResult::NotAllowed => not_placed(attempt, NotPlaced::NotAllowed),
            PlacementResult::TryLater => not_placed(attempt, NotPlaced::TryLater),
            PlacementResult::OutOfMoney => not_placed(attempt, NotPlaced::OutOfMoney),
            PlacementResult::LostResponse | PlacementResult::LostRequest => Event::Unclear { attempt },
        };
        self.decide(world, invocation.cause, event, NOW);
    }
}

/// How many functions run at once. All other messages and webhooks wait. Two are enough for every interleaving of every
/// pair of functions.
const MAX_INVOCATIONS: usize = 2;
/// The only time: all work may be due at once, and nothing takes time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_767_603_600_000);

fn distinct<T: Copy + PartialEq>(sorted: &[T]) -> Vec<T> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    distinct
}

fn remove<T: PartialEq>(items: &mut Vec<T>, item: &T) {
    if let Some(index) = items.iter().position(|other| other == item) {
        items.remove(index);
    }
}

/// The variants of a delivery that have different effects.
fn variants(message: QueuedMessage, world: &World) -> Vec<DeliveryVariant> {
    let mut variants = vec![DeliveryVariant::Normal];
    match message.work {
        QueuedWork::Watch { attempt, .. } => {
            let over = world.call(attempt).is_some_and(|call| call.end.is_some());
            variants.extend((!over).then_some(DeliveryVariant::LastLookup));
            variants.extend((world.budget.faults > 0).then_some(DeliveryVariant::LastLookupFails));
        }
        QueuedWork::Dial(_) => variants.extend((world.budget.faults > 0).then_some(DeliveryVariant::EmployeeBusy)),
        _ => {}
    }
    variants
}

fn webhook_event(webhook: Webhook) -> Event {
    match webhook {
        Webhook::Key(attempt, key) => Event::Key {
            attempt,
            keys: key.into(),
        },
        Webhook::Ended(attempt, end) => Event::CallEnded {
            attempt,
            ending: end.ending(),
            call_id: None,
        },
    }
}

const fn not_placed(attempt: AttemptId, reason: NotPlaced) -> Event {
    Event::NotPlaced { attempt, reason }
}

fn to_queued(message: &Message) -> Option<QueuedMessage> {
    let work = match message.work {
        Work::Dial { attempt, .. } => QueuedWork::Dial(attempt),
        Work::Watch { attempt, .. } => QueuedWork::Watch {
            attempt,
            late: message.due_at == message.sent_at.plus_seconds(GRACE_SECONDS),
        },
        Work::Resume { wait } => QueuedWork::Resume(wait),
        Work::Remind { attempt } => QueuedWork::Remind(attempt),
        Work::HangUp { attempt, .. } => QueuedWork::HangUp(attempt),
        Work::Apply { .. } | Work::Count { .. } | Work::Notify { .. } => return None,
    };
    Some(QueuedMessage {
        work,
        version: message.version,
    })
}

const fn follow_up(decision: &Decision) -> FollowUp {
    match decision.outcome {
        EventOutcome::Dial => FollowUp::Dial,
        EventOutcome::Accepted => FollowUp::SayAccepted,
        EventOutcome::TakenBy(_) => FollowUp::SayTaken,
        _ => FollowUp::Nothing,
    }
}

/// Tells the result to the employee who pressed a key. After other events no employee waits for a response.
fn announce(world: &mut World, event: &Event, follow_up: FollowUp) {
    let Event::Key { attempt, .. } = event else { return };
    match follow_up {
        FollowUp::SayAccepted if !world.announced.contains(&attempt.employee) => {
            world.announced.push(attempt.employee);
            world.announced.sort_unstable();
        }
        FollowUp::SayTaken => world.record.taken_announced = true,
        _ => {}
    }
}

fn is_key_1(event: &Event) -> bool {
    match event {
        Event::Key { keys, .. }
        | Event::Watched {
            lookup: CallLookup::Over { keys, .. },
            ..
        } => keys.ends_with('1'),
        _ => false,
    }
}
