use super::*;
use crate::dispatch::decide::{Context, create, decide};
use crate::dispatch::event::{Event, NotPlaced};
use crate::dispatch::state::{NewDispatch, State, WaitReason};
use crate::dispatch::timeline::{Fact, Reason};
use crate::dispatch::{Decision, DispatchRequest, Ending, Phase, Sighting};
use crate::ids::{DispatchId, DispatchKey, Nonce};

const ONE: ProviderName = ProviderName::known("one");
const OTHER: ProviderName = ProviderName::known("other");
const THIRD: ProviderName = ProviderName::known("third");

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_402_800_000 + seconds * 1_000)
}

fn well(provider: ProviderName) -> Standing {
    Standing {
        provider,
        health: Health::default(),
        free_at: at(0),
        urgent_free_at: at(0),
    }
}

fn down(provider: ProviderName, seconds: i64) -> Standing {
    let fail = |health: Health, by| health.failed(at(seconds + by));
    Standing {
        health: [0, 0, 0].into_iter().fold(Health::default(), fail),
        ..well(provider)
    }
}

/// A dispatch to Anna and Ben, whose first call is planned.
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
    let brief: NewDispatch = request.check().expect("a sound one");
    let key = DispatchKey {
        tenant: "main".parse().expect("a tenant"),
        id: DispatchId::new(1),
    };
    let decision = create(key, brief, String::new(), context(0, 1));
    decision.next.expect("a dispatch")
}

fn context(seconds: i64, fresh: u64) -> Context {
    Context {
        now: at(seconds),
        fresh: Nonce::new(fresh),
    }
}

/// What comes of `event` at so many seconds.
fn after(dispatch: &Dispatch, event: &Event, seconds: i64) -> (Dispatch, Decision) {
    let decision = decide(dispatch, event, context(seconds, dispatch.version + 100));
    let next = decision.next.clone().unwrap_or_else(|| dispatch.clone());
    (next, decision)
}

/// The planned call is claimed over the provider that is chosen of these.
fn claimed(dispatch: &Dispatch, standings: &[Standing], seconds: i64) -> (Dispatch, Route) {
    let choice = dispatch.choose(standings, at(seconds)).expect("a provider");
    let event = Event::Claim {
        attempt: dispatch.attempt().expect("an attempt").id,
        route: choice.route.clone(),
    };
    (after(dispatch, &event, seconds).0, choice.route)
}

fn not_placed(dispatch: &Dispatch, why: NotPlaced, seconds: i64) -> Dispatch {
    let attempt = dispatch.attempt().expect("an attempt").id;
    after(dispatch, &Event::NotPlaced { attempt, why }, seconds).0
}

/// Whose call it is now, and the how manieth.
fn whose(dispatch: &Dispatch) -> Option<(u8, u8)> {
    dispatch.attempt().map(|attempt| (attempt.id.employee, attempt.number))
}

#[test]
fn the_first_of_the_list_is_taken_while_nothing_speaks_against_it() {
    let dispatch = planned(&serde_json::json!({}));
    let choice = dispatch.choose(&[well(ONE), well(OTHER)], at(0)).expect("one");
    let expected = Route {
        elsewhere: true,
        ..Route::only(ONE)
    };
    assert_eq!((choice.route, choice.probes), (expected, false));
    let alone = dispatch.choose(&[well(ONE)], at(0)).expect("one");
    assert_eq!(alone.route, Route::only(ONE));
    assert_eq!(dispatch.choose(&[], at(0)), None);
}

#[test]
fn a_policy_names_providers_in_its_own_order_and_one_that_has_gone_leaves_the_others() {
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
fn a_provider_that_is_down_is_passed_over_until_a_call_is_due_that_finds_out() {
    let dispatch = planned(&serde_json::json!({}));
    let choose = |standings: &[Standing], seconds| dispatch.choose(standings, at(seconds)).expect("one");
    let choice = choose(&[down(ONE, 0), well(OTHER)], 59);
    assert_eq!(choice.route.provider, OTHER);
    let instead = Instead {
        provider: ONE,
        why: Detour::Down,
    };
    assert_eq!(choice.route.instead_of, Some(instead));
    assert!(!choice.route.elsewhere, "one that is down is nowhere to go");
    let probe = choose(&[down(ONE, 0), well(OTHER)], 60);
    assert_eq!((probe.route.provider, probe.probes), (ONE, true));
    assert!(probe.route.elsewhere);
    // With both down it is better than nothing.
    let both = choose(&[down(ONE, 0), down(OTHER, 0)], 10);
    assert_eq!((both.route, both.probes), (Route::only(ONE), false));
}

#[test]
fn a_call_goes_where_it_need_not_wait_if_the_wait_is_long() {
    let dispatch = planned(&serde_json::json!({}));
    let waiting = |provider, seconds| Standing {
        free_at: at(seconds),
        ..well(provider)
    };
    let chosen = |standings: &[Standing]| dispatch.choose(standings, at(100)).expect("one").route;
    assert_eq!(chosen(&[waiting(ONE, 110), well(OTHER)]).provider, ONE);
    let route = chosen(&[waiting(ONE, 111), well(OTHER)]);
    assert_eq!(route.provider, OTHER);
    assert_eq!(route.instead_of.map(|instead| instead.why), Some(Detour::Queue));
    assert!(route.elsewhere);
    assert_eq!(chosen(&[waiting(ONE, 120), waiting(OTHER, 115)]).provider, ONE);
    // Where nobody takes calls there is no queue either.
    assert_eq!(chosen(&[waiting(ONE, 200), down(OTHER, 99)]).provider, ONE);
}

#[test]
fn two_deferrals_or_ten_seconds_and_the_call_goes_elsewhere_as_the_same_call() {
    let both = [well(ONE), well(OTHER)];
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
    let dispatch = not_placed(&dispatch, NotPlaced::TryLater, 0);
    let due = dispatch.attempt().map(|attempt| attempt.due_at);
    assert_eq!((whose(&dispatch), due), (Some((0, 1)), Some(at(2))));
    let (second, route) = claimed(&dispatch, &both, 2);
    assert_eq!(route.provider, ONE);
    let moved = not_placed(&second, NotPlaced::TryLater, 2);
    let due = moved.attempt().map(|attempt| attempt.due_at);
    assert_eq!((whose(&moved), due), (Some((0, 1)), Some(at(2))));
    let (_, route) = claimed(&moved, &both, 2);
    assert_eq!(route.provider, OTHER);
    assert_eq!(route.instead_of.map(|instead| instead.why), Some(Detour::PutOff));
    // One deferral, and then no slot for ten seconds.
    assert_eq!(claimed(&dispatch, &both, 9).1.provider, ONE);
    assert_eq!(claimed(&dispatch, &both, 10).1.provider, OTHER);
    // A minute later it is asked again.
    assert_eq!(claimed(&moved, &both, 62).1.provider, ONE);
}

#[test]
fn with_nowhere_else_to_go_a_deferred_call_waits_as_ever() {
    let (mut dispatch, mut now) = (planned(&serde_json::json!({})), 0);
    for pause in [2, 4, 8, 16, 32, 60, 60, 60] {
        dispatch = not_placed(&claimed(&dispatch, &[well(ONE)], now).0, NotPlaced::TryLater, now);
        let due = dispatch.attempt().map(|attempt| attempt.due_at);
        assert_eq!((whose(&dispatch), due), (Some((0, 1)), Some(at(now + pause))));
        now += pause;
    }
    let dispatch = not_placed(&claimed(&dispatch, &[well(ONE)], now).0, NotPlaced::TryLater, now);
    assert_eq!(whose(&dispatch), Some((1, 1)), "others get their turn meanwhile");
}

#[test]
fn two_providers_that_put_off_everything_are_not_asked_in_circles() {
    let both = [well(ONE), well(OTHER)];
    let (mut dispatch, mut now, mut asked) = (planned(&serde_json::json!({})), 0, 0);
    while whose(&dispatch) == Some((0, 1)) {
        let due = dispatch.attempt().map_or(at(now), |attempt| attempt.due_at);
        now = (due.millis() - at(0).millis()) / 1_000;
        dispatch = not_placed(&claimed(&dispatch, &both, now).0, NotPlaced::TryLater, now);
        asked += 1;
        assert!(asked < 20, "{now}");
    }
    assert_eq!(whose(&dispatch), Some((1, 1)));
    assert_eq!(asked, 9);
}

#[test]
fn without_money_or_permission_it_goes_elsewhere_at_once_and_comes_back_a_quarter_of_an_hour_later() {
    let both = [well(ONE), well(OTHER)];
    for (why, detour) in [
        (NotPlaced::OutOfMoney, Detour::OutOfMoney),
        (NotPlaced::NotAllowed, Detour::NotAllowed),
    ] {
        let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
        let dispatch = not_placed(&dispatch, why.clone(), 1);
        assert_eq!(whose(&dispatch), Some((0, 1)), "{why:?}");
        let (elsewhere, route) = claimed(&dispatch, &both, 1);
        assert_eq!(route.provider, OTHER);
        assert_eq!(route.instead_of.map(|instead| instead.why), Some(detour));
        assert_eq!(claimed(&dispatch, &both, 901).1.provider, ONE);
        let nowhere = not_placed(&elsewhere, why.clone(), 2);
        match why {
            NotPlaced::OutOfMoney => assert!(
                matches!(&nowhere.state, State::Waiting(wait) if wait.reason == WaitReason::OutOfMoney),
                "{:?}",
                nowhere.state
            ),
            // The next call to this person would be refused as well.
            _ => assert_eq!(whose(&nowhere), Some((1, 1))),
        }
    }
}

#[test]
fn a_number_that_is_refused_is_tried_nowhere_else() {
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &[well(ONE), well(OTHER)], 0);
    assert_eq!(whose(&not_placed(&dispatch, NotPlaced::Refused, 1)), Some((1, 1)));
}

#[test]
fn an_unclear_call_stays_where_it_is_and_the_next_one_goes_elsewhere() {
    let both = [well(ONE), well(OTHER)];
    let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
    let attempt = dispatch.attempt().expect("an attempt").id;
    let (unclear, decision) = after(&dispatch, &Event::Unclear { attempt }, 6);
    assert_eq!((&unclear, decision.messages.len()), (&dispatch, 0));
    let watched = |dispatch: &Dispatch, looks, seconds| {
        let event = Event::Watched {
            attempt,
            sighting: Sighting::Nothing,
            looks,
        };
        after(dispatch, &event, seconds)
    };
    let (over, decision) = watched(&unclear, 3, 120);
    let told = |decision: &Decision, reason| {
        let told =
            |entry: &crate::dispatch::Entry| matches!(entry.fact, Fact::NoAnswer { reason: r, .. } if r == reason);
        decision.entries.iter().any(told)
    };
    assert!(told(&decision, Reason::Unknown));
    let (_, route) = claimed(&over, &both, 150);
    assert_eq!(route.provider, OTHER);
    assert_eq!(route.instead_of.map(|instead| instead.why), Some(Detour::Unknown));
}

#[test]
fn after_a_call_that_failed_on_its_way_the_next_one_goes_elsewhere_and_after_a_busy_line_it_does_not() {
    let both = [well(ONE), well(OTHER)];
    for (ending, next) in [(Ending::Failed, OTHER), (Ending::Busy, ONE), (Ending::NoAnswer, ONE)] {
        let (dispatch, _) = claimed(&planned(&serde_json::json!({})), &both, 0);
        let attempt = dispatch.attempt().expect("an attempt").id;
        let event = Event::CallEnded {
            attempt,
            ending,
            call_id: None,
        };
        let (dispatch, _) = after(&dispatch, &event, 5);
        assert_eq!(whose(&dispatch), Some((0, 2)));
        assert_eq!(claimed(&dispatch, &both, 35).1.provider, next, "{ending:?}");
    }
}

#[test]
fn of_providers_that_are_all_passed_over_the_one_with_the_least_reason_is_taken() {
    let mut dispatch = planned(&serde_json::json!({}));
    let mut avoid = |provider, why| {
        let until = at(900);
        dispatch.progress.avoided.insert(provider, Avoided { until, why });
    };
    avoid(ONE, Detour::OutOfMoney);
    avoid(OTHER, Detour::PutOff);
    avoid(THIRD, Detour::Unknown);
    let all = [well(ONE), well(OTHER), well(THIRD)];
    let choice = dispatch.choose(&all, at(10)).expect("one");
    assert_eq!(choice.route.provider, OTHER);
    assert!(!choice.route.elsewhere);
    // Nobody finds out by this call, for nobody was to make it.
    assert!(!choice.probes);
}

#[test]
fn most_calls_are_counted_where_a_provider_took_them_and_then_it_is_over() {
    let one = [well(ONE)];
    let dispatch = planned(&serde_json::json!({ "max_calls": 2, "attempts": 3 }));
    let (dispatch, _) = claimed(&dispatch, &one, 0);
    assert_eq!(dispatch.progress.calls, 1);
    let dispatch = not_placed(&dispatch, NotPlaced::TryLater, 0);
    assert_eq!(dispatch.progress.calls, 0, "it was no call");
    let mut dispatch = dispatch;
    for (begins, calls) in [(2, 1), (40, 2)] {
        dispatch = claimed(&dispatch, &one, begins).0;
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
        let (next, decision) = after(&dispatch, &event, begins + 5);
        dispatch = next;
        let text = decision.entries.last().map(|entry| entry.fact.sentence(&dispatch));
        if calls == 2 {
            assert_eq!(text.as_deref(), Some("The policy allows no more calls: exhausted"));
        }
    }
    assert!(matches!(dispatch.state, State::Exhausted { .. }));
}
