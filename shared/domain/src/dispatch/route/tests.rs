use super::*;
use crate::dispatch::decide::{DecisionContext, create, decide};
use crate::dispatch::event::{Event, NotPlaced};
use crate::dispatch::state::{NewDispatch, State, WaitReason};
use crate::dispatch::timeline::{Fact, NoAnswerReason};
use crate::dispatch::{CallLookup, Decision, DispatchRequest, Ending, Phase};
use crate::ids::{DispatchId, DispatchKey, Nonce};

const ONE: ProviderName = ProviderName::known("one");
const OTHER: ProviderName = ProviderName::known("other");
const THIRD: ProviderName = ProviderName::known("third");

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_402_800_000 + seconds * 1_000)
}

fn healthy(provider: ProviderName) -> ProviderState {
    ProviderState {
        provider,
        health: Health::default(),
        free_at: at(0),
        urgent_free_at: at(0),
    }
}

fn down(provider: ProviderName, seconds: i64) -> ProviderState {
    let fail = |health: Health, by| health.with_failure(at(seconds + by));
    ProviderState {
        health: [0, 0, 0].into_iter().fold(Health::default(), fail),
        ..healthy(provider)
    }
}

/// A dispatch to Anna and Ben with its first call planned.
fn planned(policy: &serde_json::Value) -> Dispatch {
    let request = serde_json::json!({
        "ticket": { "text": "Pump four has stopped." },
        "employees": [
            { "name": "Anna", "phone": "+12025550101" },
            { "name": "Ben", "phone": "+12025550102" },
        ],
        "policy": policy,
    });
    let request: DispatchRequest = serde_json::from_value(request).expect("a request");
    let spec: NewDispatch = request.check().expect("a valid one");
    let key = DispatchKey {
        tenant: "main".parse().expect("a tenant"),
        id: DispatchId::new(1),
    };
    let decision = create(key, spec, String::new(), context(0, 1));
    decision.next.expect("a dispatch")
}

fn context(seconds: i64, nonce: u64) -> DecisionContext {
    DecisionContext {
        now: at(seconds),
        nonce: Nonce::new(nonce),
    }
}

/// Applies `event`, `seconds` after the start.
fn after(dispatch: &Dispatch, event: &Event, seconds: i64) -> (Dispatch, Decision) {
    let decision = decide(dispatch, event, context(seconds, dispatch.version + 100));
    let next = decision.next.clone().unwrap_or_else(|| dispatch.clone());
    (next, decision)
}

/// Claims the planned call over the provider that is chosen.
fn claimed(dispatch: &Dispatch, providers: &[ProviderState], seconds: i64) -> (Dispatch, Route) {
    let choice = dispatch.choose(providers, at(seconds)).expect("a provider");
    let event = Event::Claim {
        attempt: dispatch.attempt().expect("an attempt").id,
        route: choice.route.clone(),
    };
    (after(dispatch, &event, seconds).0, choice.route)
}

fn not_placed(dispatch: &Dispatch, reason: NotPlaced, seconds: i64) -> Dispatch {
    let attempt = dispatch.attempt().expect("an attempt").id;
    after(dispatch, &Event::NotPlaced { attempt, reason }, seconds).0
}

/// The current call: the employee's index, and the ordinal of the call in the turn.
fn current_call(dispatch: &Dispatch) -> Option<(u8, u8)> {
    dispatch.attempt().map(|attempt| (attempt.id.employee, attempt.number))
}

#[test]
fn preferred_provider_is_chosen_while_it_is_not_avoided() {
    let dispatch = planned(&serde_json::json!({}));
    let choice = dispatch.choose(&[healthy(ONE), healthy(OTHER)], at(0)).expect("one");
    let expected = Route {
        elsewhere: true,
        ..Route::only(ONE)
    };
    assert_eq!((choice.route, choice.probes), (expected, false));
    let alone = dispatch.choose(&[healthy(ONE)], at(0)).expect("one");
    assert_eq!(alone.route, Route::only(ONE));
    assert_eq!(dispatch.choose(&[], at(0)), None);
}

#[test]
fn policy_orders_providers_and_providers_without_an_account_are_ignored() {
    let names = |policy| planned(&policy).providers(&[ONE, OTHER]);
    assert_eq!(names(serde_json::json!({})), [ONE, OTHER]);
    assert_eq!(
        names(serde_json::json!({ "providers": ["other", "one"] })),
        [OTHER, ONE]
    );
    assert_eq!(names(serde_json::json!({ "providers": ["third", "other"] })), [OTHER]);
    assert_eq!(names(serde_json::json!({ "providers": ["third"] })), [ONE, OTHER]);
}

#[test]
fn provider_that_is_down_is_avoided_until_a_probe_is_due() {
    let dispatch = planned(&serde_json::json!({}));
    let choose = |providers: &[ProviderState], seconds| dispatch.choose(providers, at(seconds)).expect("one");
    let choice = choose(&[down(ONE, 0), healthy(OTHER)], 59);
    assert_eq!(choice.route.provider, OTHER);
    let instead = BypassedProvider {
        provider: ONE,
        reason: AvoidReason::Down,
    };
    assert_eq!(choice.route.instead_of, Some(instead));
    assert!(!choice.route.elsewhere, "a provider that is down is no alternative");
    let probe = choose(&[down(ONE, 0), healthy(OTHER)], 60);
    assert_eq!((probe.route.provider, probe.probes), (ONE, true));
    assert!(probe.route.elsewhere);
    // With both down the preferred one is still used.
    let both = choose(&[down(ONE, 0), down(OTHER, 0)], 10);
    assert_eq!((both.route, both.probes), (Route::only(ONE), false));
}

#[test]
fn call_fails_over_when_it_would_wait_much_longer_for_the_preferred_provider() {
    let dispatch = planned(&serde_json::json!({}));
    let waiting = |provider, seconds| ProviderState {
        free_at: at(seconds),
        ..healthy(provider)
    };
    let chosen = |providers: &[ProviderState]| dispatch.choose(providers, at(100)).expect("one").route;
    assert_eq!(chosen(&[waiting(ONE, 110), healthy(OTHER)]).provider, ONE);
    let route = chosen(&[waiting(ONE, 111), healthy(OTHER)]);
    assert_eq!(route.provider, OTHER);
    assert_eq!(route.instead_of.map(|instead| instead.reason), Some(AvoidReason::Queue));
    assert!(route.elsewhere);
    assert_eq!(chosen(&[waiting(ONE, 120), waiting(OTHER, 115)]).provider, ONE);
    // A provider that is down is no faster alternative.
    assert_eq!(chosen(&[waiting(ONE, 200), down(OTHER, 99)]).provider, ONE);
}

#[test]
fn postponed_call_fails_over_after_two_deferrals_or_ten_seconds_with_the_same_number() {
    let both = [healthy(ONE), healthy(OTHER)];
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
    let dispatch = not_placed(&dispatch, NotPlaced::TryLater, 0);
    let due = dispatch.attempt().map(|attempt| attempt.due_at);
    assert_eq!((current_call(&dispatch), due), (Some((0, 1)), Some(at(2))));
    let (second, route) = claimed(&dispatch, &both, 2);
    assert_eq!(route.provider, ONE);
    let moved = not_placed(&second, NotPlaced::TryLater, 2);
    let due = moved.attempt().map(|attempt| attempt.due_at);
    assert_eq!((current_call(&moved), due), (Some((0, 1)), Some(at(2))));
    let (_, route) = claimed(&moved, &both, 2);
    assert_eq!(route.provider, OTHER);
    assert_eq!(
        route.instead_of.map(|instead| instead.reason),
        Some(AvoidReason::Postponed)
    );
    // One deferral, and then no pacing slot for ten seconds.
    assert_eq!(claimed(&dispatch, &both, 9).1.provider, ONE);
    assert_eq!(claimed(&dispatch, &both, 10).1.provider, OTHER);
    // A minute later the first provider is used again.
    assert_eq!(claimed(&moved, &both, 62).1.provider, ONE);
}

#[test]
fn postponed_call_without_an_alternative_backs_off() {
    let (mut dispatch, mut now) = (planned(&serde_json::json!({})), 0);
    for pause in [2, 4, 8, 16, 32, 60, 60, 60] {
        dispatch = not_placed(&claimed(&dispatch, &[healthy(ONE)], now).0, NotPlaced::TryLater, now);
        let due = dispatch.attempt().map(|attempt| attempt.due_at);
        assert_eq!((current_call(&dispatch), due), (Some((0, 1)), Some(at(now + pause))));
        now += pause;
    }
    let dispatch = not_placed(&claimed(&dispatch, &[healthy(ONE)], now).0, NotPlaced::TryLater, now);
    assert_eq!(current_call(&dispatch), Some((1, 1)), "others get their turn meanwhile");
}

#[test]
fn two_providers_that_postpone_everything_are_not_tried_in_a_loop() {
    let both = [healthy(ONE), healthy(OTHER)];
    let (mut dispatch, mut now, mut asked) = (planned(&serde_json::json!({})), 0, 0);
    while current_call(&dispatch) == Some((0, 1)) {
        let due = dispatch.attempt().map_or(at(now), |attempt| attempt.due_at);
        now = (due.millis() - at(0).millis()) / 1_000;
        dispatch = not_placed(&claimed(&dispatch, &both, now).0, NotPlaced::TryLater, now);
        asked += 1;
        assert!(asked < 20, "{now}");
    }
    assert_eq!(current_call(&dispatch), Some((1, 1)));
    assert_eq!(asked, 9);
}

#[test]
fn call_without_money_or_permission_fails_over_at_once_and_returns_after_15_minutes() {
    let both = [healthy(ONE), healthy(OTHER)];
    for (reason, detour) in [
        (NotPlaced::OutOfMoney, AvoidReason::OutOfMoney),
        (NotPlaced::NotAllowed, AvoidReason::NotAllowed),
    ] {
        let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
        let dispatch = not_placed(&dispatch, reason.clone(), 1);
        assert_eq!(current_call(&dispatch), Some((0, 1)), "{reason:?}");
        let (elsewhere, route) = claimed(&dispatch, &both, 1);
        assert_eq!(route.provider, OTHER);
        assert_eq!(route.instead_of.map(|instead| instead.reason), Some(detour));
        assert_eq!(claimed(&dispatch, &both, 901).1.provider, ONE);
        let nowhere = not_placed(&elsewhere, reason.clone(), 2);
        match reason {
            NotPlaced::OutOfMoney => assert!(
                matches!(&nowhere.state, State::Waiting(wait) if wait.reason == WaitReason::OutOfMoney),
                "{:?}",
                nowhere.state
            ),
            // The next call to this employee would be refused as well.
            _ => assert_eq!(current_call(&nowhere), Some((1, 1))),
        }
    }
}

#[test]
fn refused_number_does_not_fail_over() {
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &[healthy(ONE), healthy(OTHER)], 0);
    assert_eq!(
        current_call(&not_placed(&dispatch, NotPlaced::Refused, 1)),
        Some((1, 1))
    );
}

#[test]
fn unclear_call_does_not_fail_over_but_the_next_call_does() {
    let both = [healthy(ONE), healthy(OTHER)];
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
    let attempt = dispatch.attempt().expect("an attempt").id;
    let (unclear, decision) = after(&dispatch, &Event::Unclear { attempt }, 6);
    assert_eq!((&unclear, decision.messages.len()), (&dispatch, 0));
    let watched = |dispatch: &Dispatch, lookups, seconds| {
        let event = Event::Watched {
            attempt,
            lookup: CallLookup::Unknown,
            lookups,
        };
        after(dispatch, &event, seconds)
    };
    let (over, decision) = watched(&unclear, 3, 120);
    let has_reason = |decision: &Decision, reason| {
        let is_it =
            |entry: &crate::dispatch::Entry| matches!(entry.fact, Fact::NoAnswer { reason: r, .. } if r == reason);
        decision.entries.iter().any(is_it)
    };
    assert!(has_reason(&decision, NoAnswerReason::Unknown));
    let (_, route) = claimed(&over, &both, 150);
    assert_eq!(route.provider, OTHER);
    assert_eq!(
        route.instead_of.map(|instead| instead.reason),
        Some(AvoidReason::Unknown)
    );
}

#[test]
fn next_call_fails_over_after_a_failed_call_but_not_after_a_busy_line() {
    let both = [healthy(ONE), healthy(OTHER)];
    for (ending, next) in [(Ending::Failed, OTHER), (Ending::Busy, ONE), (Ending::NoAnswer, ONE)] {
        let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
        let attempt = dispatch.attempt().expect("an attempt").id;
        let event = Event::CallEnded {
            attempt,
            ending,
            call_id: None,
        };
        let (dispatch, _) = after(&dispatch, &event, 5);
        assert_eq!(current_call(&dispatch), Some((0, 2)));
        assert_eq!(claimed(&dispatch, &both, 35).1.provider, next, "{ending:?}");
    }
}

#[test]
fn when_all_providers_are_avoided_the_one_with_the_weakest_reason_is_chosen() {
    let mut dispatch = planned(&serde_json::json!({}));
    let mut avoid = |provider, reason| {
        let until = at(900);
        dispatch.progress.avoided.insert(provider, Avoidance { until, reason });
    };
    avoid(ONE, AvoidReason::OutOfMoney);
    avoid(OTHER, AvoidReason::Postponed);
    avoid(THIRD, AvoidReason::Unknown);
    let all = [healthy(ONE), healthy(OTHER), healthy(THIRD)];
    let choice = dispatch.choose(&all, at(10)).expect("one");
    assert_eq!(choice.route.provider, OTHER);
    assert!(!choice.route.elsewhere);
    // The call is no probe, because the provider is not down.
    assert!(!choice.probes);
}

#[test]
fn max_calls_counts_calls_that_a_provider_took_and_then_exhausts() {
    let one = [healthy(ONE)];
    let dispatch = planned(&serde_json::json!({ "max_calls": 2, "attempts": 3 }));
    let (dispatch, _) = claimed(&dispatch, &one, 0);
    assert_eq!(dispatch.progress.calls, 1);
    let dispatch = not_placed(&dispatch, NotPlaced::TryLater, 0);
    assert_eq!(dispatch.progress.calls, 0, "it was no call");
    let mut dispatch = dispatch;
    for (start, calls) in [(2, 1), (40, 2)] {
        dispatch = claimed(&dispatch, &one, start).0;
        assert_eq!(dispatch.progress.calls, calls);
        let attempt = dispatch.attempt().expect("an attempt").id;
        assert!(matches!(
            dispatch.attempt().map(|attempt| &attempt.phase),
            Some(Phase::Claimed { .. })
        ));
        let event = Event::CallEnded {
            attempt,
            ending: Ending::NoAnswer,
            call_id: None,
        };
        let (next, decision) = after(&dispatch, &event, start + 5);
        dispatch = next;
        let text = decision.entries.last().map(|entry| entry.fact.sentence(&dispatch));
        if calls == 2 {
            assert_eq!(text.as_deref(), Some("The policy allows no more calls: exhausted"));
        }
    }
    assert!(matches!(dispatch.state, State::Exhausted { .. }));
}
