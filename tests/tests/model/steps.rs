//! What may happen next in the modelled world, and what the world is then.

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::GRACE_SECONDS;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{
    Context, Decision, Dispatch, Event, NewDispatch, NotPlaced, Sighting, State, Verdict, create,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce};

use crate::rules::Rules;
use crate::world::{Budget, Call, Cause, End, Errand, Hook, Kept, Letter, Record, Run, STORED, Step, Then, World};

/// How a message fares with what its consumer needs from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Plainly,
    /// A watch that has looked so often that it gives the call up.
    GivingUp,
    /// A watch that cannot ask the provider, for the last time.
    Blindly,
    /// Another dispatch has the employee on the phone.
    Busy,
}

/// What the provider makes of a request to place a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Rings,
    Refused,
    NotAllowed,
    TryLater,
    OutOfMoney,
    /// It rings, but the dialer never learns so.
    RingsUnheard,
    /// It does not ring, and the dialer cannot know.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A message reaches its consumer; as a `copy`, it stays in the queue.
    Deliver {
        letter: Letter,
        copy: bool,
        how: How,
    },
    /// A webhook reaches its handler.
    Receive {
        hook: Hook,
        copy: bool,
    },
    /// A webhook is lost.
    Lose(Hook),
    /// The function at this place commits (or finds that somebody was faster, and decides again).
    Commit(usize),
    /// The function at this place asks the provider to place the call.
    Call(usize, Answer),
    /// The function at this place sends what it should have sent before.
    Send(usize),
    /// The function at this place is gone.
    Crash(usize),
    Press(AttemptId, char),
    End(AttemptId, End),
    Cancel,
    Resolve,
    Expire,
}

/// The world's laws.
#[derive(Clone, Debug)]
pub(crate) struct Laws {
    pub(crate) rules: Rules,
    pub(crate) template: Dispatch,
    start: World,
}

impl Laws {
    pub(crate) fn new(rules: Rules, brief: NewDispatch, budget: Budget) -> Self {
        let key = DispatchKey {
            tenant: "model".parse().unwrap(),
            id: DispatchId::new(1),
        };
        let context = Context {
            now: NOW,
            fresh: Nonce::new(1),
        };
        let created = create(key, brief, String::new(), context);
        let mut template = created.next.unwrap();
        template.version = STORED;
        let mut start = World {
            kept: Kept::of(&template),
            mail: created.messages.iter().filter_map(letter).collect(),
            hooks: Vec::new(),
            runs: Vec::new(),
            calls: Vec::new(),
            told: Vec::new(),
            expired: false,
            left: budget,
            record: Record::default(),
        };
        start.kept.strike(NOW);
        for letter in &mut start.mail {
            letter.version = STORED;
        }
        Self { rules, template, start }
    }

    pub(crate) fn start(&self) -> World {
        self.start.clone()
    }

    /// The dispatch as a function loads it.
    pub(crate) fn load(&self, kept: &Kept) -> Dispatch {
        Dispatch {
            progress: kept.progress.clone(),
            state: kept.state.clone(),
            ..self.template.clone()
        }
    }

    // What may happen.

    pub(crate) fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        if world.runs.len() < MOST_RUNS {
            self.arrivals(world, actions);
        }
        if left.losses > 0 {
            actions.extend(distinct(&world.hooks).into_iter().map(Action::Lose));
        }
        for (place, run) in world.runs.iter().enumerate() {
            match run.step {
                Step::Commit { .. } => actions.push(Action::Commit(place)),
                Step::Send(_) => actions.push(Action::Send(place)),
                Step::Call(_) => {
                    actions.push(Action::Call(place, Answer::Rings));
                    if left.hiccups > 0 {
                        use Answer::{Lost, NotAllowed, OutOfMoney, Refused, RingsUnheard, TryLater};
                        let hiccups = [Refused, NotAllowed, TryLater, OutOfMoney, RingsUnheard, Lost];
                        actions.extend(hiccups.map(|answer| Action::Call(place, answer)));
                    }
                }
            }
            if left.crashes > 0 {
                actions.push(Action::Crash(place));
            }
        }
        for call in world.calls.iter().filter(|call| call.end.is_none()) {
            self.acts_of_people(call, left, actions);
        }
        actions.extend((left.expiries > 0).then_some(Action::Expire));
    }

    /// What makes a function run.
    #[expect(clippy::unused_self, reason = "reads as one of the laws")]
    fn arrivals(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        let copies = || [false, true].into_iter().take(1 + usize::from(left.copies > 0));
        for letter in distinct(&world.mail) {
            for how in ways(letter, world) {
                actions.extend(copies().map(|copy| Action::Deliver { letter, copy, how }));
            }
        }
        for hook in distinct(&world.hooks) {
            actions.extend(copies().map(|copy| Action::Receive { hook, copy }));
        }
        actions.extend((left.cancels > 0).then_some(Action::Cancel));
        actions.extend((left.resolves > 0).then_some(Action::Resolve));
    }

    #[expect(clippy::unused_self, reason = "reads as one of the laws")]
    fn acts_of_people(&self, call: &Call, left: &Budget, actions: &mut Vec<Action>) {
        let may_press = call.key.is_none() || left.whims > 0;
        if may_press {
            actions.extend(['1', '2'].map(|key| Action::Press(call.id, key)));
            if left.whims > 0 {
                actions.push(Action::Press(call.id, '7'));
            }
        }
        actions.push(Action::End(call.id, End::Completed));
        if call.key.is_none() {
            actions.push(Action::End(call.id, End::RungOut));
        }
        if left.whims > 0 {
            actions.push(Action::End(call.id, End::Unknown));
        }
    }

    // What the world is then.

    pub(crate) fn next(&self, last: &World, action: &Action) -> Option<World> {
        let mut world = last.clone();
        match *action {
            Action::Deliver { letter, copy, how } => {
                if copy {
                    world.left.copies -= 1;
                } else {
                    remove(&mut world.mail, &letter);
                }
                if how == How::Busy || how == How::Blindly {
                    world.left.hiccups -= 1;
                }
                self.deliver(&mut world, letter, how)?;
            }
            Action::Receive { hook, copy } => {
                if copy {
                    world.left.copies -= 1;
                } else {
                    remove(&mut world.hooks, &hook);
                }
                self.decide(&mut world, Cause::Hook(hook), reported(hook), NOW);
            }
            Action::Lose(hook) => {
                world.left.losses -= 1;
                remove(&mut world.hooks, &hook);
            }
            Action::Commit(place) => self.commit(&mut world, place),
            Action::Call(place, answer) => self.call(&mut world, place, answer),
            Action::Send(place) => {
                if let Step::Send(letters) = world.runs.remove(place).step {
                    world.mail.extend(letters);
                }
            }
            Action::Crash(place) => {
                world.left.crashes -= 1;
                if let Cause::Letter(letter) = world.runs.remove(place).cause {
                    world.mail.push(letter);
                }
            }
            Action::Press(id, key) => {
                let call = world.calls.iter_mut().find(|call| call.id == id)?;
                if call.key.is_some() || key == '7' {
                    world.left.whims -= 1;
                }
                call.key = Some(key);
                call.said_no |= key == '2';
                world.hooks.push(Hook::Key(id, key));
            }
            Action::End(id, end) => {
                let call = world.calls.iter_mut().find(|call| call.id == id)?;
                call.end = Some(end);
                if end == End::Unknown {
                    world.left.whims -= 1;
                }
                world.hooks.push(Hook::Ended(id, end));
            }
            Action::Cancel => {
                world.left.cancels -= 1;
                self.decide(&mut world, Cause::Requester, Event::Cancel, NOW);
            }
            Action::Resolve => {
                world.left.resolves -= 1;
                self.decide(&mut world, Cause::Requester, Event::Resolve, NOW);
            }
            Action::Expire => {
                world.left.expiries -= 1;
                world.expired = true;
            }
        }
        self.drop_what_is_past(&mut world);
        world.tidy();
        (world.kept.progress.attempts <= world.left.attempts).then_some(world)
    }

    /// Loads, decides and sends; a decision that changes nothing is done with that.
    pub(crate) fn decide(&self, world: &mut World, cause: Cause, event: Event, now: Timestamp) {
        let now = if world.expired { self.template.expires_at } else { now };
        let dispatch = self.load(&world.kept);
        let fresh = world.fresh();
        let decision = (self.rules.decide)(&dispatch, &event, Context { now, fresh });
        let then = then(&decision);
        let mut letters: Vec<Letter> = decision.messages.iter().filter_map(letter).collect();
        let Some(next) = decision.next else {
            world.mail.append(&mut letters);
            tell(world, &event, then);
            return;
        };
        if matches!(next.state, State::Accepted(_)) && !is_a_1(&event) {
            world.record.accepted_without_key = true;
        }
        if self.rules.sends_first {
            world.mail.append(&mut letters);
        }
        if !self.rules.tells_after_commit {
            tell(world, &event, then);
        }
        let mut next = Kept::of(&next);
        next.strike(NOW);
        let step = Step::Commit {
            event,
            base: STORED,
            next: Box::new(next),
            then,
            unsent: letters,
        };
        world.runs.push(Run { cause, step });
    }

    fn commit(&self, world: &mut World, place: usize) {
        let run = world.runs.remove(place);
        let Step::Commit {
            event,
            base,
            next,
            then,
            mut unsent,
        } = run.step
        else {
            return;
        };
        if base != STORED && self.rules.commits_on_condition {
            let now = self.moment_of(run.cause);
            return self.decide(world, run.cause, event, now);
        }
        if matches!(event, Event::Overdue { .. }) {
            world.told.clear();
        }
        world.kept = *next;
        world.advance();
        tell(world, &event, then);
        for letter in &mut unsent {
            letter.version = STORED;
        }
        let cause = run.cause;
        match (&event, then) {
            (Event::Claim { attempt, .. }, Then::Dial) => world.runs.push(Run {
                cause,
                step: Step::Call(*attempt),
            }),
            _ if !unsent.is_empty() => world.runs.push(Run {
                cause,
                step: Step::Send(unsent),
            }),
            _ => {}
        }
    }

    fn call(&self, world: &mut World, place: usize, answer: Answer) {
        let run = world.runs.remove(place);
        let Step::Call(attempt) = run.step else { return };
        if answer != Answer::Rings {
            world.left.hiccups -= 1;
        }
        if matches!(answer, Answer::Rings | Answer::RingsUnheard) {
            world.record.dialled_twice |= world.call(attempt).is_some();
            world.calls.push(Call {
                id: attempt,
                end: None,
                key: None,
                said_no: false,
            });
        }
        let event = match answer {
            Answer::Rings => Event::Placed {
                attempt,
                call_id: String::new(),
            },
            Answer::Refused => not_placed(attempt, NotPlaced::Refused),
            Answer::NotAllowed => not_placed(attempt, NotPlaced::NotAllowed),
            Answer::TryLater => not_placed(attempt, NotPlaced::TryLater),
            Answer::OutOfMoney => not_placed(attempt, NotPlaced::OutOfMoney),
            Answer::RingsUnheard | Answer::Lost => Event::Unclear { attempt },
        };
        self.decide(world, run.cause, event, NOW);
    }
}

/// The most functions that run at once; whatever else has come waits. Every pair of functions meets in every order.
const MOST_RUNS: usize = 2;
/// The only moment. What is due may be due at once, and whatever took long took no time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_767_603_600_000);

fn distinct<T: Copy + PartialEq>(sorted: &[T]) -> Vec<T> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    distinct
}

fn remove<T: PartialEq>(items: &mut Vec<T>, item: &T) {
    if let Some(place) = items.iter().position(|other| other == item) {
        items.remove(place);
    }
}

/// The ways in which the consumer of a message may fare that differ.
fn ways(letter: Letter, world: &World) -> Vec<How> {
    let mut ways = vec![How::Plainly];
    match letter.errand {
        Errand::Watch { attempt, .. } => {
            let over = world.call(attempt).is_some_and(|call| call.end.is_some());
            ways.extend((!over).then_some(How::GivingUp));
            ways.extend((world.left.hiccups > 0).then_some(How::Blindly));
        }
        Errand::Dial(_) => ways.extend((world.left.hiccups > 0).then_some(How::Busy)),
        _ => {}
    }
    ways
}

fn reported(hook: Hook) -> Event {
    match hook {
        Hook::Key(attempt, key) => Event::Key {
            attempt,
            keys: key.into(),
        },
        Hook::Ended(attempt, end) => Event::CallEnded {
            attempt,
            ending: end.ending(),
            call_id: None,
        },
    }
}

const fn not_placed(attempt: AttemptId, why: NotPlaced) -> Event {
    Event::NotPlaced { attempt, why }
}

fn letter(message: &Message) -> Option<Letter> {
    let errand = match message.work {
        Work::Dial { attempt, .. } => Errand::Dial(attempt),
        Work::Watch { attempt, .. } => Errand::Watch {
            attempt,
            late: message.due_at == message.sent_at.plus_seconds(GRACE_SECONDS),
        },
        Work::Resume { wait } => Errand::Resume(wait),
        Work::Remind { attempt } => Errand::Remind(attempt),
        Work::HangUp { attempt, .. } => Errand::HangUp(attempt),
        Work::Apply { .. } | Work::Count { .. } | Work::Notify { .. } => return None,
    };
    Some(Letter {
        errand,
        version: message.version,
    })
}

const fn then(decision: &Decision) -> Then {
    match decision.verdict {
        Verdict::Dial => Then::Dial,
        Verdict::Accepted => Then::SayAccepted,
        Verdict::TakenBy(_) => Then::SayTaken,
        _ => Then::Nothing,
    }
}

/// Only who pressed a key is there to be told.
fn tell(world: &mut World, event: &Event, then: Then) {
    let Event::Key { attempt, .. } = event else { return };
    match then {
        Then::SayAccepted if !world.told.contains(&attempt.employee) => {
            world.told.push(attempt.employee);
            world.told.sort_unstable();
        }
        Then::SayTaken => world.record.taken = true,
        _ => {}
    }
}

fn is_a_1(event: &Event) -> bool {
    match event {
        Event::Key { keys, .. }
        | Event::Watched {
            sighting: Sighting::Over { keys, .. },
            ..
        } => keys.ends_with('1'),
        _ => false,
    }
}
