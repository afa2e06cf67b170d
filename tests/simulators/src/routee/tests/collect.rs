//! What COLLECT events say and what their replies do.

use super::*;
use crate::phones::{Deed, When};

/// Two options with bargeIn, and time after each.
fn two_options() -> Value {
    call(&[
        collect(),
        say(TICKET, false),
        say(OPTIONS, true),
        pause(10),
        say(OPTIONS, true),
        pause(6),
    ])
}

#[tokio::test(start_paused = true)]
async fn the_first_key_in_a_barge_in_verb_interrupts_it_and_is_told_at_once() {
    let world = World::new(Switches::default(), Behaviour::presses("1", When::OptionsSay(1))).await;
    let call = world.play(two_options()).await;
    assert_eq!(world.tones()[0], "1");
    // 2 s ticket, half of 3 s of options, the exchange, then the rest of the plan.
    assert!(
        (talk_time(&call) - (2.0 + 1.5 + 0.02 + 10.0 + 3.0 + 6.0)).abs() < 0.05,
        "{}",
        talk_time(&call)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hash_submits_at_once_even_in_a_pause_and_is_not_told_itself() {
    let world = World::new(Switches::default(), Behaviour::presses("12#", When::Pause(1))).await;
    let call = world
        .play(call(&[collect_until_hash(), say(TICKET, false), pause(10)]))
        .await;
    let event = world
        .received()
        .into_iter()
        .find(|received| received.url == COLLECT_URL)
        .expect("an event");
    assert_eq!(event.tones().as_deref(), Some("1,2"));
    assert!(
        (since_answer(&call, event.at) - 7.8).abs() < 0.01,
        "{}",
        since_answer(&call, event.at)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hash_means_nothing_to_a_collect_that_does_not_wait_for_it() {
    let world = World::new(Switches::default(), Behaviour::presses("1#", When::Pause(1))).await;
    let call = world.play(call(&[collect(), say(TICKET, false), pause(10)])).await;
    assert_eq!(world.tones(), ["1"]);
    assert!(world.received().last().expect("one").at > call.ended_at.expect("ended"));
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_pause_waits_for_the_next_event_or_is_told_at_once() {
    for (quiet_keys, expected) in [
        (QuietKeys::Buffered, ["2,1"].as_slice()),
        (QuietKeys::AtOnce, &["2", "2,1"]),
    ] {
        let behaviour = Behaviour::presses("2", When::Pause(1)).and(When::OptionsSay(2), Deed::Press("1".to_owned()));
        let world = World::new(
            Switches {
                quiet_keys,
                end_event: false,
                ..Switches::default()
            },
            behaviour,
        )
        .await;
        world.play(two_options()).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_verb_without_barge_in_does_not_interrupt_it() {
    for (quiet_keys, expected) in [
        (QuietKeys::Buffered, ["1"].as_slice()),
        (QuietKeys::AtOnce, &["1", "1"]),
    ] {
        let switches = Switches {
            quiet_keys,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::presses("1", When::TicketSay)).await;
        let call = world.play(call(&[collect(), say(TICKET, false), pause(5)])).await;
        assert_eq!(world.tones(), expected);
        assert!((talk_time(&call) - 7.0).abs() < 0.01);
    }
}

#[tokio::test(start_paused = true)]
async fn several_keys_are_joined_by_commas_or_by_nothing() {
    for (tone_join, expected) in [(ToneJoin::Comma, "1,2,3"), (ToneJoin::Plain, "123")] {
        let world = World::new(
            Switches {
                tone_join,
                ..Switches::default()
            },
            Behaviour::presses("123#", When::Pause(1)),
        )
        .await;
        world.play(call(&[collect_until_hash(), pause(10)])).await;
        assert_eq!(world.tones()[0], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_no_hash_follows_are_in_the_end_event_or_lost() {
    for (unsubmitted_keys_are_kept, expected) in [(true, "1"), (false, "")] {
        let switches = Switches {
            unsubmitted_keys_are_kept,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::presses("1", When::Pause(1))).await;
        world.play(call(&[collect_until_hash(), pause(10)])).await;
        assert_eq!(world.tones(), [expected]);
        let call = world.routee.calls().pop().expect("a call");
        let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
        assert_eq!(leg["collectedTones"], "1", "tracking has them in any case");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_plan_hears_of_earlier_keys_again_or_not() {
    for (tones_after_replacement, expected) in [
        (TonesAfterReplacement::Cumulative, ["7", "7,1", "7,1"]),
        (TonesAfterReplacement::Reset, ["7", "1", "1"]),
    ] {
        let behaviour =
            Behaviour::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), Deed::Press("1".to_owned()));
        let world = World::new(
            Switches {
                tones_after_replacement,
                ..Switches::default()
            },
            behaviour,
        )
        .await;
        world.answer_keys(|tones| match tones {
            "7" => Reply::plan(&plan(&[collect(), say(OPTIONS, true), pause(10)])),
            _ => Reply::ok(),
        });
        world.play(two_options()).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_keys_as_are_asked_for_make_an_event_or_not() {
    for (max_digits_submits, expected) in [(true, ["1,2", "1,2,3"].as_slice()), (false, &["1,2,3"])] {
        let switches = Switches {
            max_digits_submits,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::presses("123", When::Pause(1))).await;
        let mut two = collect();
        two["maxDigits"] = json!(2);
        world.play(call(&[two, pause(10)])).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn with_submit_on_hash_no_number_of_keys_makes_an_event() {
    let switches = Switches {
        quiet_keys: QuietKeys::AtOnce,
        end_event: false,
        ..Switches::default()
    };
    let world = World::new(switches, Behaviour::presses("1", When::Pause(1))).await;
    let mut one = collect_until_hash();
    one["maxDigits"] = json!(1);
    world.play(call(&[one, pause(10)])).await;
    assert_eq!(world.tones(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_collect_at_the_end_listens_to_the_whole_call_or_to_nothing() {
    for (arms, expected) in [(Arms::FromAnswer, ["1", "1"].as_slice()), (Arms::FromPosition, &[""])] {
        let world = World::new(
            Switches {
                arms,
                ..Switches::default()
            },
            Behaviour::presses("1", When::OptionsSay(1)),
        )
        .await;
        let call = world.play(published()).await;
        assert_eq!(world.tones(), expected);
        assert!(talk_time(&call) < 31.0, "the key interrupts the SAY all the same");
        assert_eq!(call.keys.len(), 1, "and it was pressed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collect_at_the_beginning_is_right_under_both_readings() {
    for arms in [Arms::FromAnswer, Arms::FromPosition] {
        let world = World::new(
            Switches {
                arms,
                ..Switches::default()
            },
            Behaviour::presses("1", When::OptionsSay(1)),
        )
        .await;
        world.play(two_options()).await;
        assert_eq!(world.tones(), ["1", "1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_reply_lets_the_plan_go_on_or_drops_the_call() {
    let invalid = [
        Reply::ok(),
        Reply::with(200, "not JSON"),
        Reply::plan(&plan(&[])),
        Reply::plan(&plan(&[json!({ "type": "HANGUP" })])),
        Reply::plan(&plan(&[json!({
            "type": "SAY", "message": { "text": "Thanks.", "language": "en-US", "gender": "male" }, "bargeIn": "maybe",
        })])),
        Reply::with(500, plan(&[say("Thanks.", false)]).to_string()),
        Reply::with(204, ""),
        Reply::plan(&plan(&[say("Thanks.", false)])).late(Duration::from_millis(3100)),
    ];
    for reply in invalid {
        for (invalid_reply, ended_by, options) in [
            (InvalidReply::Continue, EndedBy::Plan, 2),
            (InvalidReply::Drop, EndedBy::InvalidReply, 1),
        ] {
            let switches = Switches {
                invalid_reply,
                ..Switches::default()
            };
            let world = World::new(switches, Behaviour::presses("1", When::OptionsSay(1))).await;
            let reply = reply.clone();
            world.answer_keys(move |_| reply.clone());
            let call = world.play(two_options()).await;
            assert_eq!(call.ended_by, Some(ended_by), "{call:?}");
            assert_eq!(call.texts().iter().filter(|text| **text == OPTIONS).count(), options);
            assert!(!call.texts().contains(&"Thanks."));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_in_a_reply_is_ignored_or_makes_it_invalid() {
    for (refuses_unknown_fields, replaced) in [(false, true), (true, false)] {
        let switches = Switches {
            refuses_unknown_fields,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(|_| {
            let mut thanks = say("Thanks.", false);
            thanks["timeout"] = json!(5);
            Reply::plan(&plan(&[thanks]))
        });
        assert_eq!(world.play(two_options()).await.texts().contains(&"Thanks."), replaced);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_time_replaces_the_plan_and_one_too_late_does_not() {
    for (after, replaced) in [(2900, true), (3100, false)] {
        let world = World::new(Switches::default(), Behaviour::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(move |_| Reply::plan(&plan(&[say("Thanks.", false)])).late(Duration::from_millis(after)));
        let call = world.play(two_options()).await;
        assert_eq!(call.texts().contains(&"Thanks."), replaced, "{after}");
        let outcomes: Vec<WebhookOutcome> = world
            .routee
            .webhooks()
            .into_iter()
            .filter(|webhook| webhook.kind == WebhookKind::Collect)
            .map(|webhook| webhook.outcome)
            .collect();
        assert_eq!(
            outcomes[0],
            if replaced {
                WebhookOutcome::Answered(200)
            } else {
                WebhookOutcome::TimedOut
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_json_or_a_form() {
    for (collect_as_form, content_type) in [(false, "application/json"), (true, "application/x-www-form-urlencoded")] {
        let switches = Switches {
            collect_as_form,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::silent(5)).await;
        world.answer(|_| Reply::ok());
        let call = world.play(two_options()).await;
        let event = world
            .received()
            .into_iter()
            .find(|received| received.url == COLLECT_URL)
            .expect("an event");
        assert_eq!(event.content_type, content_type);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(event.body.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(
            fields.contains(&("messageId".to_owned(), call.message_id)),
            collect_as_form
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_an_event_are_as_in_a_status_or_swapped() {
    for (collect_swaps_numbers, to) in [(false, NUMBER), (true, "302100000000")] {
        let switches = Switches {
            collect_swaps_numbers,
            ..Switches::default()
        };
        let world = World::new(switches, Behaviour::silent(5)).await;
        world.play(two_options()).await;
        let event = world
            .received()
            .into_iter()
            .find(|received| received.url == COLLECT_URL)
            .expect("an event");
        assert_eq!(event.json()["to"], to);
    }
}

#[tokio::test(start_paused = true)]
async fn a_collect_without_an_event_url_only_shows_in_tracking() {
    let world = World::new(Switches::default(), Behaviour::presses("1", When::OptionsSay(1))).await;
    let call = world
        .play(call(&[
            json!({ "type": "COLLECT" }),
            say(TICKET, false),
            say(OPTIONS, true),
            pause(2),
        ]))
        .await;
    assert_eq!(world.tones(), [] as [&str; 0]);
    let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
    assert_eq!(leg["collectedTones"], "1");
}
