//! `hangup` and `reject` through the API.

use super::*;

async fn put(world: &World, id: &str, action: &str) -> (u16, Value) {
    world
        .send("PUT", &format!("/voice/conversation/{id}"), json!({ "action": action }))
        .await
}

#[tokio::test(start_paused = true)]
async fn hangup_ends_an_answered_call_with_the_configured_status() {
    for after_hangup in [Status::Completed, Status::NoAnswer, Status::Failed] {
        let world = World::new(
            Switches {
                after_hangup,
                ..Switches::default()
            },
            Behavior::silent(5),
        )
        .await;
        world.order(published()).await;
        let call = world.until(Status::InProgress).await;
        let (status, body) = put(&world, &call.message_id, "hangup").await;
        assert_eq!((status, &body["messageId"]), (200, &json!(call.message_id)));
        let call = world.until_over().await;
        assert_eq!((call.status(), call.ended_by), (after_hangup, Some(EndedBy::Api)));
        assert!(talk_time(&call) < 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn reject_ends_a_ringing_call_with_the_configured_status() {
    for after_reject in [Status::NoAnswer, Status::Busy] {
        for state in [Status::Initiated, Status::Ringing] {
            let world = World::new(
                Switches {
                    after_reject,
                    ..Switches::default()
                },
                Behavior::silent(20),
            )
            .await;
            world.order(published()).await;
            let call = world.until(state).await;
            assert_eq!(put(&world, &call.message_id, "reject").await.0, 200);
            let call = world.until_over().await;
            assert_eq!((call.status(), call.ended_by), (after_reject, Some(EndedBy::Api)));
            assert_eq!(call.answered_at, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_in_the_wrong_state_is_rejected_and_has_no_effect() {
    for (wrong_state, expected, code) in [
        (WrongState::Conflict, 409, "409013000"),
        (WrongState::BadRequest, 400, "400013000"),
    ] {
        let world = World::new(
            Switches {
                wrong_state,
                ..Switches::default()
            },
            Behavior::silent(5),
        )
        .await;
        world.order(published()).await;
        for (state, action) in [
            (Status::Queued, "reject"),
            (Status::Queued, "hangup"),
            (Status::Ringing, "hangup"),
            (Status::InProgress, "reject"),
            (Status::Completed, "hangup"),
            (Status::Completed, "reject"),
        ] {
            let call = world.until(state).await;
            let (status, body) = put(&world, &call.message_id, action).await;
            assert_eq!((status, &body["code"]), (expected, &json!(code)), "{state} {action}");
        }
        assert_eq!(world.until_over().await.ended_by, Some(EndedBy::Plan));
    }
}

#[tokio::test(start_paused = true)]
async fn other_ids_and_unknown_actions_are_rejected() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    let tracking_id = world.order(published()).await;
    let call = world.until(Status::InProgress).await;
    let (status, body) = put(&world, &tracking_id, "hangup").await;
    assert_eq!((status, &body["code"]), (404, &json!("404013000")));
    assert_eq!(put(&world, &call.message_id, "cancel").await.0, 400);
    assert_eq!(world.routee.calls()[0].status(), Status::InProgress);
}
