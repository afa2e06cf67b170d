//! Tracking: lookup and search of calls.

use super::*;
use crate::phones::When;

#[tokio::test(start_paused = true)]
async fn the_legs_of_a_conversation_are_paged_and_have_a_status_object() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    let call = world.play(published()).await;
    let (status, page) = world
        .get(&format!("/voice/tracking/conversation/{}", call.tracking_id))
        .await;
    assert_eq!(status, 200);
    let duration = page["content"][0]["duration"].as_u64().expect("a number");
    assert!(
        ((talk_time(&call) - 0.5)..(talk_time(&call) + 1.5))
            .contains(&f64::from(u32::try_from(duration).expect("small")))
    );
    let leg = json!({
        "messageId": call.message_id,
        "conversationTrackingId": call.tracking_id,
        "from": "302100000000",
        "to": NUMBER,
        "country": "US",
        "status": { "status": "Completed", "date": page["content"][0]["status"]["date"] },
        "originatingService": "Voice",
        "direction": "Outbound",
        "duration": duration,
        "price": page["content"][0]["price"],
        "chargeInterval": 1,
        "collectedTones": "1",
        "answeredBy": "HUMAN",
        "recordings": [],
    });
    let expected = json!({
        "content": [leg], "first": true, "last": true, "number": 0, "numberOfElements": 1, "size": 20,
        "totalElements": 1, "totalPages": 1,
    });
    assert_eq!(page, expected);
    assert_eq!(
        world.get(&format!("/voice/tracking/{}", call.message_id)).await,
        (200, leg)
    );
}

#[tokio::test(start_paused = true)]
async fn the_conversation_itself_has_no_status() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let id = world.order(published()).await;
    let (status, body) = world.get(&format!("/voice/conversation/{id}")).await;
    assert_eq!(
        (status, &body["trackingId"], &body["recordings"]),
        (200, &json!(id), &json!([]))
    );
    assert!(body.get("status").is_none());
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_are_not_found() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    for path in [
        "/voice/conversation/x",
        "/voice/tracking/conversation/x",
        "/voice/tracking/x",
    ] {
        let (status, body) = world.get(path).await;
        assert_eq!((status, &body["code"]), (404, &json!("404013000")), "{path}");
    }
    assert_eq!(world.routee.unexpected(), [], "the endpoints exist");
}

#[tokio::test(start_paused = true)]
async fn tracking_shows_the_current_status_of_a_live_call() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    let id = world.order(published()).await;
    for state in [
        Status::Queued,
        Status::Initiated,
        Status::Ringing,
        Status::InProgress,
        Status::Completed,
    ] {
        world.until(state).await;
        let (_, page) = world.get(&format!("/voice/tracking/conversation/{id}")).await;
        assert_eq!(page["content"][0]["status"]["status"], state.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn tracking_shows_the_final_status_immediately_or_later() {
    for (lag, shown) in [(0, "Completed"), (30, "InProgress")] {
        let tracking_lag = Duration::from_secs(lag);
        let world = World::new(
            Switches {
                tracking_lag,
                ..Switches::default()
            },
            Behavior::silent(5),
        )
        .await;
        let call = world.play(published()).await;
        let path = format!("/voice/tracking/conversation/{}", call.tracking_id);
        assert_eq!(world.get(&path).await.1["content"][0]["status"]["status"], shown);
        world.pass(30).await;
        assert_eq!(world.get(&path).await.1["content"][0]["status"]["status"], "Completed");
    }
}

#[tokio::test(start_paused = true)]
async fn tracking_finds_a_call_immediately_or_later() {
    for (after, found) in [(0, 1), (5, 0)] {
        let tracking_appears_after = Duration::from_secs(after);
        let world = World::new(
            Switches {
                tracking_appears_after,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        let id = world.order(published()).await;
        let path = format!("/voice/tracking/conversation/{id}");
        assert_eq!(
            world.get(&path).await.1["content"].as_array().map(Vec::len),
            Some(found)
        );
        assert_eq!(
            world.send("POST", "/voice/tracking", json!([])).await.1["totalElements"],
            found
        );
        assert_eq!(
            world.get(&format!("/voice/conversation/{id}")).await.0 == 200,
            found == 1
        );
        world.pass(5).await;
        assert_eq!(world.get(&path).await.1["content"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn tracking_shows_the_answering_party_or_unknown_or_nothing() {
    for (answered_by, behavior, expected) in [
        (AnsweredBy::Truth, Behavior::silent(5), json!("HUMAN")),
        (AnsweredBy::Truth, Behavior::voicemail(5), json!("MACHINE")),
        (AnsweredBy::Truth, Behavior::Busy, json!("UNKNOWN")),
        (AnsweredBy::AlwaysUnknown, Behavior::silent(5), json!("UNKNOWN")),
        (AnsweredBy::Absent, Behavior::silent(5), Value::Null),
    ] {
        let world = World::new(
            Switches {
                answered_by,
                ..Switches::default()
            },
            behavior,
        )
        .await;
        let call = world.play(published()).await;
        let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
        assert_eq!(leg["answeredBy"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn tracking_includes_keys_or_not() {
    for (tones_are_tracked, expected) in [(true, json!("1")), (false, Value::Null)] {
        let switches = Switches {
            tones_are_tracked,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::Pause(2))).await;
        let call = world.play(published()).await;
        let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
        assert_eq!(leg["collectedTones"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_accepts_an_object_or_an_array_as_configured() {
    let filter = json!({ "fieldName": "recipient", "searchOperator": "is", "searchTerm": NUMBER });
    for (filter_shape, object, array) in [
        (FilterShape::Either, 200, 200),
        (FilterShape::Object, 200, 400),
        (FilterShape::Array, 400, 200),
    ] {
        let world = World::new(
            Switches {
                filter_shape,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        world.order(published()).await;
        for (body, expected) in [(filter.clone(), object), (json!([filter]), array)] {
            let (status, page) = world.send("POST", "/voice/tracking", body).await;
            assert_eq!(status, expected);
            if expected == 200 {
                assert_eq!(page["totalElements"], 1);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_returns_matches_of_all_conditions_newest_first_in_pages() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.play(published()).await.tracking_id);
    }
    let found = async |query: &str, filters: Value| -> Vec<String> {
        let (status, page) = world.send("POST", &format!("/voice/tracking{query}"), filters).await;
        assert_eq!(status, 200, "{page}");
        let legs = page["content"].as_array().expect("a page").clone();
        legs.iter()
            .map(|leg| leg["conversationTrackingId"].as_str().expect("an id").to_owned())
            .collect()
    };
    let filter = |field: &str, operator: &str, term: &str| -> Value {
        json!([{ "fieldName": field, "searchOperator": operator, "searchTerm": term }])
    };
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(found("", Value::Null).await, newest_first);
    assert_eq!(found("?sort=createdAt,asc", Value::Null).await, ids);
    assert_eq!(found("?page=1&size=2", Value::Null).await, newest_first[2..]);
    assert_eq!(found(&format!("?trackingId={}", ids[1]), Value::Null).await, ids[1..2]);
    let created = world.routee.calls()[1].created_at;
    assert_eq!(found(&format!("?from={created}"), Value::Null).await, newest_first[..2]);
    assert_eq!(found(&format!("?to={created}"), Value::Null).await, newest_first[1..]);
    for (operator, term, count) in [
        ("is", NUMBER, 3),
        ("is", "+12025550124", 0),
        ("is_not", NUMBER, 0),
        ("contains", "5550", 3),
        ("starts_with", "+1202", 3),
        ("ends_with", "0124", 0),
    ] {
        assert_eq!(
            found("", filter("recipient", operator, term)).await.len(),
            count,
            "{operator} {term}"
        );
    }
    assert_eq!(found("", filter("status.status", "is", "Busy")).await.len(), 3);
    let both = json!([
        filter("recipient", "is", NUMBER)[0],
        filter("status.status", "is", "Completed")[0]
    ]);
    assert_eq!(found("", both).await.len(), 0);

    assert_eq!(
        world
            .send("POST", "/voice/tracking", filter("phone", "is", NUMBER))
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .send("POST", "/voice/tracking", filter("recipient", "equals", NUMBER))
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .send("POST", "/voice/tracking?from=yesterday", Value::Null)
            .await
            .0,
        400
    );
}

#[tokio::test(start_paused = true)]
async fn the_balance_is_zero_when_the_account_has_no_money() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    assert_eq!(world.get("/accounts/me/balance").await.1["balance"], 100.0);
    world
        .routee
        .change_faults(|faults| faults.out_of_money = Some(OutOfMoney::Refused));
    assert_eq!(world.get("/accounts/me/balance").await.1["balance"], 0.0);
}
