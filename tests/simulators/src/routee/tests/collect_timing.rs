//! When COLLECT events are sent, in particular the one after the call.

use super::*;
use crate::phones::When;

fn quiet_plan() -> Value {
    call(&[collect(), say(TICKET, false), pause(10)])
}

/// The last webhooks of the call, in order of arrival: `status` and `keys`.
fn order_of_end(world: &World) -> Vec<&'static str> {
    let end = world
        .received()
        .into_iter()
        .filter(|received| received.tones().is_some() || received.status().is_some_and(|status| status == "Completed"));
    end.map(|received| if received.tones().is_some() { "keys" } else { "status" })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_event_after_the_call_is_sent_or_not() {
    for (end_event, expected) in [(true, ["1"].as_slice()), (false, &[])] {
        let switches = Switches {
            end_event,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::Pause(1))).await;
        world.play(quiet_plan()).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_after_the_call_is_sent_after_or_before_the_final_status() {
    for (end_event_order, expected) in [
        (EndEventOrder::AfterStatus, ["status", "keys"]),
        (EndEventOrder::BeforeStatus, ["keys", "status"]),
    ] {
        let world = World::new(
            Switches {
                end_event_order,
                ..Switches::default()
            },
            Behavior::silent(5),
        )
        .await;
        let call = world.play(quiet_plan()).await;
        assert_eq!(order_of_end(&world), expected);
        assert!(
            world
                .received()
                .iter()
                .filter(|r| r.tones().is_some())
                .all(|r| Some(r.at) >= call.ended_at)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_keys_has_an_end_event_or_not() {
    for (end_event_without_keys, expected) in [(true, [""].as_slice()), (false, &[])] {
        let switches = Switches {
            end_event_without_keys,
            ..Switches::default()
        };
        let world = World::new(switches.clone(), Behavior::silent(5)).await;
        world.play(quiet_plan()).await;
        assert_eq!(world.tones(), expected);

        let world = World::new(switches, Behavior::presses("1", When::Pause(1))).await;
        world.play(quiet_plan()).await;
        assert_eq!(world.tones(), ["1"], "keys are always reported");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_plan_without_collect_suppresses_the_end_event_or_not() {
    for (end_event_after_replacement, count) in [(true, 2), (false, 1)] {
        let switches = Switches {
            end_event_after_replacement,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(|_| Reply::plan(&plan(&[say("Thanks.", false)])));
        world.play(published()).await;
        assert_eq!(world.tones().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_hang_up_suppresses_the_end_event_or_not() {
    for (end_event_after_hang_up, expected) in [(true, [""].as_slice()), (false, &[])] {
        let switches = Switches {
            end_event_after_hang_up,
            ..Switches::default()
        };
        let world = World::new(switches.clone(), Behavior::hangs_up_after(4)).await;
        let call = world.play(quiet_plan()).await;
        assert_eq!(call.ended_by, Some(EndedBy::Employee));
        assert_eq!(world.tones(), expected);

        let world = World::new(switches, Behavior::silent(4)).await;
        world.play(quiet_plan()).await;
        assert_eq!(world.tones(), [""], "a call that runs to its end always has it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_event_without_a_200_response_is_retried_or_not() {
    for (end_event_is_retried, count) in [(true, 2), (false, 1)] {
        let switches = Switches {
            end_event_is_retried,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::silent(5)).await;
        let mut refusals = 1;
        world.answer_keys(move |_| {
            refusals -= 1;
            if refusals == 0 {
                Reply::with(500, "")
            } else {
                Reply::ok()
            }
        });
        world.play(quiet_plan()).await;
        world.pass(3600).await;
        assert_eq!(world.tones().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_verb_waits_for_the_reply_or_does_not() {
    for (plan_waits_for_reply, waited) in [(true, 2.0), (false, 0.0)] {
        let switches = Switches {
            plan_waits_for_reply,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(|_| Reply::ok().late(Duration::from_secs(2)));
        let call = world
            .play(call(&[
                collect(),
                say(TICKET, false),
                say(OPTIONS, true),
                say("Wait.", false),
            ]))
            .await;
        let wait = call.heard.last().expect("heard").0;
        assert!(
            (since_answer(&call, wait) - 3.5 - waited).abs() < 0.05,
            "{}",
            since_answer(&call, wait)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_after_the_end_of_the_call_has_no_effect() {
    let switches = Switches {
        plan_waits_for_reply: false,
        ..Switches::default()
    };
    let world = World::new(switches, Behavior::presses("1", When::OptionsSay(1))).await;
    world.answer_keys(|_| Reply::plan(&plan(&[say("Thanks.", false)])).late(Duration::from_secs(2)));
    let call = world
        .play(call(&[collect(), say(TICKET, false), say(OPTIONS, true)]))
        .await;
    assert_eq!(call.texts(), [TICKET, OPTIONS]);
    assert!(talk_time(&call) < 4.0);
}

#[tokio::test(start_paused = true)]
async fn silence_causes_no_event_during_the_call() {
    let world = World::new(
        Switches {
            end_event: false,
            ..Switches::default()
        },
        Behavior::silent(5),
    )
    .await;
    world.play(published()).await;
    assert_eq!(world.tones(), [] as [&str; 0]);
}
