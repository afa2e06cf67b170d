//! Where Twilio's documentation says two things, or nothing, and what a network does to requests.

use patchbay_simulators::twilio::AtPay;

use crate::{CALLBACK, CARD, get, pays, purchase, world_with};

#[tokio::test(start_paused = true)]
async fn a_failed_payment_is_noticed_whether_or_not_its_action_is_requested() {
    let world = world_with(&purchase()).await;
    world.twilio.change(|twilio| twilio.action_after_failure = false);
    let record = pays(&world, [AtPay::Declined]).await;
    assert!(record.heard("Sorry, the payment did not work."), "{record:#?}");
    assert_eq!(record.dialled[0].number, CALLBACK);
    let context = get(&world).await;
    assert_eq!(
        (&context["status"], &context["debug"]),
        (&"payment-failed".into(), &"Pay ended with unknown".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_twilio_keeps_to_itself_is_told_by_the_status_callback() {
    for (status_callback, status) in [(false, "in-progress"), (true, "caller-hung-up")] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| {
            twilio.action_after_hang_up = false;
            twilio.status_callback = status_callback;
        });
        pays(&world, [AtPay::HangsUp]).await;
        assert_eq!(get(&world).await["status"], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_callback_changes_no_outcome() {
    for (at_pay, status) in [
        (CARD, "payment-success"),
        (AtPay::Declined, "payment-failed"),
        (AtPay::Star, "payment-cancelled"),
        (AtPay::HangsUp, "caller-hung-up"),
    ] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.status_callback = true);
        pays(&world, [at_pay]).await;
        assert_eq!(get(&world).await["status"], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_in_the_signature_a_shared_key_and_another_mask_make_no_difference() {
    for shared_key in [false, true] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| {
            twilio.port_is_signed = true;
            twilio.shared_key = shared_key;
            twilio.mask_has_dashes = false;
        });
        // The auth token signs nothing then.
        if shared_key {
            world.twilio.set_token("another");
        }
        pays(&world, [CARD]).await;
        assert_eq!(get(&world).await["processor"]["last_four"], "4242");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_twice_or_again_later_change_nothing() {
    for at_pay in [CARD, AtPay::Declined, AtPay::Star, AtPay::HangsUp] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.sends_twice = true);
        let record = pays(&world, [at_pay]).await;
        let context = get(&world).await;
        assert!(context["status"].as_str().unwrap() != "in-progress");
        for repeated in world.twilio.repeat(&record).await {
            assert_eq!(repeated.status, 200, "{repeated:?}");
            // Nobody is asked to pay once it is over.
            assert!(!repeated.body.contains("<Pay"), "{repeated:?}");
        }
        assert_eq!(get(&world).await, context);
    }
}
