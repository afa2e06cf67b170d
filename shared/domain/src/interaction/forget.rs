//! What remains of an interaction when its customer is forgotten: that there was one, when, by whom and how it ended, and
//! the provider's ids, by which a bill can be checked. Nothing tells who the customer was or what was said.

use super::plan::{Content, Customer, Leg, Plan};
use super::state::{CallDetails, Interaction, PastAttempt};
use crate::timestamp::Timestamp;

/// The next version of an interaction, without anything about its customer; `None` while it has not ended: something
/// may still be sent.
pub fn forget(interaction: &Interaction, now: Timestamp) -> Option<Interaction> {
    if !interaction.state.is_terminal() || interaction.attempt.is_some() {
        return None;
    }
    let past = interaction.past.iter().map(without_recording);
    let legs = interaction.plan.legs.iter().map(without_customer);
    let mut next = interaction.clone();
    next.version = interaction.version.saturating_add(1);
    next.updated_at = now;
    next.parties.customer = Customer::default();
    next.plan = Plan {
        legs: legs.collect(),
        time_zone: None,
        hours_bypass: None,
        ..next.plan
    };
    next.past = past.collect();
    next.thread.clear();
    // Some providers write the customer's number into the ids of messages.
    next.seen.clear();
    next.note.clear();
    next.transcript = None;
    // Its URL may name the customer; and there is nothing more to tell.
    next.webhook = None;
    Some(next)
}

fn without_recording(past: &PastAttempt) -> PastAttempt {
    PastAttempt {
        call: CallDetails {
            recording: None,
            ..past.call
        },
        ..past.clone()
    }
}

fn without_customer(leg: &Leg) -> Leg {
    Leg {
        to: String::new(),
        content: Content::Text { text: String::new() },
        ..leg.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::{InteractionId, InteractionKey, Nonce};
    use crate::interaction::decide::{Event, Request, create, decide};
    use crate::interaction::report::Reply;
    use crate::interaction::{
        Agent, Channel, Clearance, DecisionContext, EndReason, KeyAction, KeyOption, NewInteraction, Parties, Report,
        SendResult, State,
    };
    use crate::webhook::{Strategy, Webhook};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn context(nonce: u64) -> DecisionContext {
        DecisionContext {
            now: NOW,
            nonce: Nonce::new(nonce),
        }
    }

    fn leg(channel: Channel, to: &str, content: Content) -> Leg {
        Leg {
            channel,
            back_end: "carrier".to_owned(),
            from: "+12025550100".to_owned(),
            to: to.to_owned(),
            content,
            attempts: 1,
            retry_seconds: 60,
            outcome_seconds: 600,
            answer_seconds: None,
            is_polled: false,
        }
    }

    fn legs() -> Vec<Leg> {
        let secret = || "secret".to_owned();
        let template = Content::Template {
            template: "HX1".to_owned(),
            variables: BTreeMap::from([("1".to_owned(), secret())]),
            text: secret(),
        };
        let email = Content::Email {
            subject: secret(),
            text: secret(),
        };
        let key = KeyOption {
            key: '1',
            offer: secret(),
            reply: Some(secret()),
            action: KeyAction::Answer,
        };
        let call = Content::Announcement {
            text: secret(),
            keys: vec![key],
            language: "en-US".to_owned(),
        };
        vec![
            leg(Channel::Sms, "+12025550143", Content::Text { text: secret() }),
            leg(Channel::Whatsapp, "+12025550143", template),
            leg(Channel::Email, "secret@example.org", email),
            leg(Channel::Call, "+12025550143", call),
        ]
    }

    fn created() -> Interaction {
        let key = InteractionKey {
            tenant: "main".parse().expect("a tenant"),
            id: InteractionId::new(7),
        };
        let agent = Agent {
            id: "leo".to_owned(),
            name: "Leo".to_owned(),
            phone: "+12025550100".to_owned(),
            email: String::new(),
        };
        let customer = Customer {
            id: "secret".to_owned(),
            name: "secret".to_owned(),
            phone: "+12025550143".to_owned(),
            email: "secret@example.org".to_owned(),
            language: "secret".to_owned(),
        };
        let new = NewInteraction {
            parties: Parties {
                agent,
                skill: "reminder".to_owned(),
                customer,
            },
            plan: Plan {
                legs: legs(),
                not_before: NOW,
                latest_at: NOW.plus_seconds(3_600),
                remember: false,
                time_zone: None,
                hours_bypass: None,
            },
            note: "secret".to_owned(),
            webhook: Some(Webhook {
                url: "https://hooks.example.org/secret".to_owned(),
                strategy: Strategy::OnChange,
            }),
            blank_variables: Vec::new(),
            unused_fields: Vec::new(),
        };
        let decision = create(key, new, context(1)).expect("a decision");
        decision.next.expect("an interaction")
    }

    fn after(interaction: &Interaction, event: &Event) -> Interaction {
        let decision = decide(interaction, event, context(interaction.version + 10));
        decision.next.expect("a change")
    }

    /// One with everything that can be known about a customer.
    fn ended() -> Interaction {
        let first = created();
        let attempt = first.attempt.as_ref().expect("an attempt").id;
        let begun = after(
            &first,
            &Event::SendBegins {
                attempt,
                clearance: Clearance::Granted,
            },
        );
        let result = SendResult::Sent {
            provider_id: "SM1".to_owned(),
            progress: None,
        };
        let sent = after(&begun, &Event::SendEnds { attempt, result });
        let report = Report {
            recording: Some("secret.wav".to_owned()),
            transcript: Some("secret".to_owned()),
            ..Report::default()
        };
        let reported = after(&sent, &Event::Reported { attempt, report });
        let reply = Reply {
            id: "secret".to_owned(),
            channel: Channel::Sms,
            attempt: Some(attempt),
            text: "secret".to_owned(),
            at: NOW,
            is_opt_out: false,
        };
        let replied = after(&reported, &Event::Replied { reply });
        let request = Request::End(EndReason::Resolved);
        after(&replied, &Event::Requested { request })
    }

    #[test]
    fn what_a_forgotten_customer_writes_is_not_kept() {
        let forgotten = forget(&ended(), NOW).expect("a change");
        let reply = Reply {
            id: "SM9".to_owned(),
            channel: Channel::Sms,
            attempt: None,
            text: "secret".to_owned(),
            at: NOW,
            is_opt_out: false,
        };
        let decision = decide(&forgotten, &Event::Replied { reply }, context(99));
        assert_eq!((decision.next, decision.entries.len()), (None, 0));
    }

    #[test]
    fn nothing_about_the_customer_remains() {
        let ended = ended();
        let before = serde_json::to_string(&ended).expect("JSON");
        assert!(before.matches("secret").count() > 12, "{before}");
        assert!(!ended.thread.is_empty() && !ended.seen.is_empty() && ended.transcript.is_some());
        let forgotten = forget(&ended, NOW.plus_seconds(60)).expect("it has ended");
        let after = serde_json::to_string(&forgotten).expect("JSON");
        for private in ["secret", "+12025550143"] {
            assert!(!after.contains(private), "{after}");
        }
    }

    #[test]
    fn how_it_went_remains() {
        let mut ended = ended();
        ended.fingerprint = "hash".to_owned();
        let forgotten = forget(&ended, NOW.plus_seconds(60)).expect("it has ended");
        assert_eq!(forgotten.version, ended.version + 1);
        assert_eq!(forgotten.state, State::ended(EndReason::Resolved));
        assert_eq!(
            (&forgotten.fingerprint, forgotten.created_at),
            (&ended.fingerprint, NOW)
        );
        let provider_ids = |interaction: &Interaction| {
            let past = interaction.past.iter();
            past.map(|past| past.provider_id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(provider_ids(&forgotten), [Some("SM1".to_owned())]);
        assert_eq!(forgotten.channel(), Some(Channel::Sms));
    }

    #[test]
    fn one_that_has_not_ended_is_not_forgotten() {
        assert_eq!(forget(&created(), NOW), None);
    }
}
