//! Execution and validation of documents.

use super::*;

/// Plays a call to a phone with this behavior.
async fn played(behavior: Behavior, twiml: &str) -> (World, OutboundCall) {
    let world = World::new(Switches::default(), behavior);
    let call = world.play(&call(twiml)).await;
    (world, call)
}

fn presses(keys: &str, after_seconds: u64) -> Behavior {
    let when = When::AfterAnswer(Duration::from_secs(after_seconds));
    Behavior::silent(5).and(when, Action::Press(keys.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_key_interrupts_the_speech_in_a_gather_and_is_collected() {
    let (world, call) = played(presses("1", 1), &twiml()).await;
    assert_eq!(world.digits(), ["1"]);
    assert_eq!(call.texts(), [TICKET, "Thank you."]);
    assert!(talk_time(&call) < 2.1, "{}", talk_time(&call));
    let received = world.received_at(KEYS_URL);
    assert_eq!(received[0].field("CallStatus"), Some("in-progress"));
    assert_eq!(received[0].field("CallSid"), Some(call.sid.as_str()));
    assert_eq!(received[0].field("msg"), Some("Gather End"));
}

#[tokio::test(start_paused = true)]
async fn an_action_receives_additional_fields_or_only_digits() {
    for (gather_sends_more_fields, said) in [(true, Some("#")), (false, None)] {
        let world = World::new(
            switches(|calls| calls.gather_sends_more_fields = gather_sends_more_fields),
            presses("7#", 1),
        );
        let twiml = format!("<Response>{}</Response>", gather(&say(TICKET), "timeout=\"5\""));
        world.play(&call(&twiml)).await;
        assert_eq!(world.digits(), ["7"], "the finishing key is not included");
        assert_eq!(world.received_at(KEYS_URL)[0].field("FinishedOnKey"), said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_outside_of_a_gather_is_ignored() {
    let twiml = format!(
        "<Response>{}{}</Response>",
        say(TICKET),
        gather(&say(OPTIONS), "numDigits=\"1\" timeout=\"5\"")
    );
    let (world, call) = played(presses("1", 1), &twiml).await;
    assert_eq!(call.keys.len(), 1);
    assert_eq!(world.digits(), Vec::<String>::new());
    assert_eq!(call.texts(), [TICKET, OPTIONS]);
    let seconds = talk_time(&call);
    assert!((seconds - 10.0).abs() < 0.01, "it does not interrupt either: {seconds}");
}

#[tokio::test(start_paused = true)]
async fn keys_after_the_last_expected_one_are_ignored() {
    let (world, call) = played(presses("12", 1), &twiml()).await;
    assert_eq!((world.digits(), call.keys.len()), (vec!["1".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn several_digits_are_submitted_together_after_the_time_out() {
    let twiml = format!("<Response>{}</Response>", gather("", "timeout=\"3\" finishOnKey=\"\""));
    let (world, call) = played(presses("1#2", 1), &twiml).await;
    assert_eq!(world.digits(), ["1#2"], "no key finishes the input");
    let submitted_at = since_answer(&call, call.submitted_digits[0].0);
    assert!(
        (submitted_at - 4.8).abs() < 0.01,
        "3 s after the last one: {submitted_at}"
    );
}

#[tokio::test(start_paused = true)]
async fn silence_or_the_finishing_key_alone_falls_through() {
    let twiml = format!(
        "<Response>{}{}</Response>",
        gather(&say(TICKET), "timeout=\"5\""),
        say(OPTIONS)
    );
    for behavior in [Behavior::silent(5), presses("#", 1)] {
        let (world, call) = played(behavior, &twiml).await;
        assert_eq!((world.digits(), call.texts()), (vec![], vec![TICKET, OPTIONS]));
    }
    let twiml = format!(
        "<Response>{}</Response>",
        gather("", "timeout=\"5\" actionOnEmptyResult=\"true\"")
    );
    let (world, _) = played(Behavior::silent(5), &twiml).await;
    assert_eq!(world.digits(), [""], "unless actionOnEmptyResult is set");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_submitted_even_if_the_employee_hangs_up_immediately() {
    for when in [When::TicketSay, When::OptionsSay(1), When::Pause(1)] {
        let (world, call) = played(Behavior::presses_and_hangs_up("1", when), &twiml()).await;
        assert_eq!(
            (call.status(), call.ended_by),
            (Status::Completed, Some(EndedBy::Employee))
        );
        assert_eq!(call.keys.last().map(|(at, _)| *at), call.ended_at);
        assert_eq!(world.digits(), ["1"], "{when:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_in_the_middle_of_digits_submits_them_or_not() {
    let twiml = format!("<Response>{}</Response>", gather("", "timeout=\"5\""));
    for (hang_up_submits, digits) in [(false, vec![]), (true, vec!["12"])] {
        let switches = switches(|calls| calls.hang_up_submits = hang_up_submits);
        let world = World::new(
            switches,
            Behavior::presses_and_hangs_up("12", When::AfterAnswer(Duration::from_secs(1))),
        );
        world.play(&call(&twiml)).await;
        assert_eq!(world.digits(), digits);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_pressed_when_the_script_says() {
    for (when, seconds) in [
        (When::TicketSay, 1.0),
        (When::Pause(1), 4.0),
        (When::OptionsSay(1), 7.5),
        (When::OptionsSay(2), 20.5),
        (When::JustBeforeEnd, 31.5),
    ] {
        let (world, call) = played(Behavior::presses("1", when), &twiml()).await;
        let pressed = since_answer(&call, call.keys[0].0);
        assert!((pressed - seconds).abs() < 0.01, "{when:?}: {pressed}");
        assert_eq!(world.digits(), ["1"], "{when:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_is_requested_at_the_answer_and_can_redirect() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    let mut visits = 0;
    world.answer(move |received| {
        visits += usize::from(received.url == VOICE_URL);
        let verbs = match visits {
            0 => String::new(),
            1 => format!("{}<Redirect>{VOICE_URL}</Redirect>{}", say(TICKET), say("Unheard.")),
            _ => format!("{}<Hangup/>{}", say(OPTIONS), say("Unheard.")),
        };
        Some(Reply::document(&verbs))
    });
    let call = world.play(&with(&call(""), &[("Url", VOICE_URL)])).await;
    assert_eq!(call.texts(), [TICKET, OPTIONS]);
    let requests = world.received_at(VOICE_URL);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].field("CallStatus"), Some("in-progress"));
    assert_eq!(requests[0].field("AnsweredBy"), None);
    assert!(requests[0].at >= call.answered_at.expect("answered"));
    assert_eq!((call.failures, call.ended_by), (vec![], Some(EndedBy::Plan)));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_document_ends_the_call_with_an_application_error() {
    let broken = |change: fn(&mut Reply)| {
        let mut reply = Reply::document(&say(TICKET));
        change(&mut reply);
        reply
    };
    for reply in [
        Reply::status(500),
        Reply::status(204),
        Reply::document(&say(TICKET)).late(16),
        Reply::document("<Shout/>"),
        Reply::document("<Redirect>/relative</Redirect>"),
        broken(|reply| reply.content_type = "application/json"),
        broken(|reply| reply.body.insert(0, '\n')),
        broken(|reply| reply.body = "<?xml version=\"1.0\"?><Answer/>".to_owned()),
        broken(|reply| reply.body.push_str(&" ".repeat(70_000))),
    ] {
        let world = World::new(Switches::default(), Behavior::silent(5));
        let answer = reply.clone();
        world.answer(move |_| Some(answer.clone()));
        let call = world.play(&with(&call(""), &[("Url", VOICE_URL)])).await;
        assert_eq!(call.texts(), ["An application error has occurred."], "{reply:?}");
        assert_eq!(call.ended_by, Some(EndedBy::InvalidReply), "{reply:?}");
        assert!(!call.failures.is_empty(), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_document_times_out_after_15_seconds() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    world.answer(|received| Some(Reply::document("").late(if received.url == VOICE_URL { 60 } else { 0 })));
    let call = world.play(&with(&call(""), &[("Url", VOICE_URL)])).await;
    assert!((talk_time(&call) - 15.0).abs() < 0.01, "{}", talk_time(&call));
}

#[tokio::test(start_paused = true)]
async fn the_fallback_is_requested_once_with_the_error() {
    let fallback = "https://hooks.example.org/twilio/fallback";
    for (fallback_works, heard) in [(true, OPTIONS), (false, "An application error has occurred.")] {
        let world = World::new(Switches::default(), Behavior::silent(5));
        world.answer(move |received| {
            let works = received.url == STATUS_URL || (fallback_works && received.url == fallback);
            Some(if works {
                Reply::document(&say(OPTIONS))
            } else {
                Reply::status(500)
            })
        });
        let call = world
            .play(&with(&call(""), &[("Url", VOICE_URL), ("FallbackUrl", fallback)]))
            .await;
        let asked = world.received_at(fallback);
        assert_eq!((asked.len(), call.texts()), (1, vec![heard]));
        assert_eq!(asked[0].field("ErrorCode"), Some("11200"));
        assert_eq!(asked[0].field("ErrorUrl"), Some(VOICE_URL));
    }
}

#[tokio::test(start_paused = true)]
async fn inline_documents_are_validated_and_need_absolute_actions() {
    for twiml in [
        "<Response><Gather action=\"/keys\"/></Response>",
        "<Response><Gather numDigits=\"1\"/></Response>",
        "<Response><Say></Say></Response>",
        "<Response><Say>Unclosed</Response>",
        "Hello",
    ] {
        let (_, call) = played(Behavior::silent(5), twiml).await;
        assert_eq!(call.ended_by, Some(EndedBy::InvalidReply), "{twiml}");
        assert!(!call.failures.is_empty(), "{twiml}");
    }
    let (_, call) = played(
        Behavior::silent(5),
        "<?xml version=\"1.0\"?><Response><Say>Fine.</Say></Response>",
    )
    .await;
    assert_eq!((call.texts(), call.ended_by), (vec!["Fine."], Some(EndedBy::Plan)));
}

#[tokio::test(start_paused = true)]
async fn endless_redirects_end_the_call() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    world.answer(|_| Some(Reply::document(&format!("<Redirect>{VOICE_URL}</Redirect>"))));
    let call = world.play(&with(&call(""), &[("Url", VOICE_URL)])).await;
    assert_eq!(call.failures, ["the call is an endless loop"]);
}
