//! The settings of Twilio that its documentation leaves open, and duplicates from the network.

use patchbay_simulators::twilio::PaymentInput;

use crate::{CALLBACK, CARD, get, pays, purchase, world_with};

#[tokio::test(start_paused = true)]
async fn a_failed_payment_is_recorded_even_if_its_action_is_not_requested() {
    let world = world_with(&purchase()).await;
    world.twilio.change(|twilio| twilio.action_after_failure = false);
    let record = pays(&world, [PaymentInput::Declined]).await;
    assert!(record.heard("Sorry, the payment did not work."), "{record:#?}");
    assert_eq!(record.dials[0].number, CALLBACK);
    let context = get(&world).await;
    assert_eq!(
        (&context["status"], &context["debug"]),
        (&"payment-failed".into(), &"Pay ended with unknown".into())
    );
}

#[tokio::test(start_paused = true)]
async fn the_status_callback_reports_a_hang_up_without_an_action() {
    for (status_callback, status) in [(false, "in-progress"), (true, "caller-hung-up")] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| {
            twilio.action_after_hang_up = false;
            twilio.status_callback = status_callback;
        });
        pays(&world, [PaymentInput::HangsUp]).await;
        assert_eq!(get(&world).await["status"], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_callback_does_not_change_the_outcome() {
    for (at_pay, status) in [
        (CARD, "payment-success"),
        (PaymentInput::Declined, "payment-failed"),
        (PaymentInput::Star, "payment-cancelled"),
        (PaymentInput::HangsUp, "caller-hung-up"),
    ] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.status_callback = true);
        pays(&world, [at_pay]).await;
        assert_eq!(get(&world).await["status"], status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_port_a_shared_key_and_another_mask_are_accepted() {
    for shared_key in [false, true] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| {
            twilio.port_is_signed = true;
            twilio.shared_key = shared_key;
            twilio.mask_has_dashes = false;
        });
        // Then the auth token must not matter.
        if shared_key {
            world.twilio.set_token("another");
        }
        pays(&world, [CARD]).await;
        assert_eq!(get(&world).await["processor"]["last_four"], "4242");
    }
}

#[tokio::test(start_paused = true)]
async fn duplicate_and_late_requests_change_nothing() {
    for at_pay in [CARD, PaymentInput::Declined, PaymentInput::Star, PaymentInput::HangsUp] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.sends_twice = true);
        let record = pays(&world, [at_pay]).await;
        let context = get(&world).await;
        assert!(context["status"].as_str().unwrap() != "in-progress");
        for repeated in world.twilio.repeat(&record).await {
            assert_eq!(repeated.status, 200, "{repeated:?}");
            // No one is asked to pay after the end of the payment.
            assert!(!repeated.body.contains("<Pay"), "{repeated:?}");
        }
        assert_eq!(get(&world).await, context);
    }
}
