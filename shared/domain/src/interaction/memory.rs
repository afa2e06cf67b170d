//! What the shared context of a caller remembers of an interaction, for the next agent that talks to the customer: a
//! voice agent that is phoned back by somebody who got a text message has to know about it.

use super::announcement::Announcement;
use super::decide::builder::cut;
use super::state::{Interaction, Sender, ThreadMessage};
use super::status::Channel;
use crate::context::MemoryEntry;

/// Messages of the customer that are remembered, the newest.
const MAX_ANSWERS: usize = 3;
/// Characters of each message.
const MAX_TEXT_CHARS: usize = 400;
/// Characters of the end of a transcript. The result of a call is at its end.
const MAX_TRANSCRIPT_CHARS: usize = 1_500;

/// What is remembered, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered<'a> {
    /// The customer's phone number, as it was given.
    pub phone: &'a str,
    /// The entry for the context of this number.
    pub entry: MemoryEntry,
}

/// What is remembered of an interaction; none if the skill does not want it, if nothing has reached the customer, if they
/// have no phone, or if they were forgotten.
pub fn remembered(interaction: &Interaction) -> Option<Remembered<'_>> {
    let phone = interaction.parties.customer.phone.as_str();
    if !interaction.plan.remember || phone.is_empty() || interaction.thread.is_empty() {
        return None;
    }
    let text = lines(interaction).join("\n");
    Some(Remembered {
        phone,
        entry: MemoryEntry::new("Interaction", &interaction.key.id, &text),
    })
}

fn lines(interaction: &Interaction) -> Vec<String> {
    let mut lines = vec![beginning(interaction)];
    let messages = || interaction.thread.iter();
    let said = messages().rfind(|message| message.by == Sender::Agent);
    lines.extend(said.map(|message| format!("The agent: {}", quoted(&message.text, MAX_TEXT_CHARS))));
    let answers: Vec<&ThreadMessage> = messages().filter(|message| message.by == Sender::Customer).collect();
    let newest = answers.iter().skip(answers.len().saturating_sub(MAX_ANSWERS));
    lines.extend(newest.map(|message| answer(interaction, message)));
    if let Some(transcript) = &interaction.transcript {
        let excess = transcript.text.chars().count().saturating_sub(MAX_TRANSCRIPT_CHARS);
        let end: String = transcript.text.chars().skip(excess).collect();
        lines.push(format!("Said in the call: {}", quoted(&end, MAX_TRANSCRIPT_CHARS)));
    }
    lines.push(match interaction.state.end_reason() {
        Some(reason) => format!("It has ended: {}.", reason.name().replace('_', " ")),
        None => "It has not ended.".to_owned(),
    });
    lines
}

/// Who contacted the customer about what, when, and over which channels.
fn beginning(interaction: &Interaction) -> String {
    let mut channels: Vec<&str> = Vec::new();
    for message in &interaction.thread {
        if !channels.contains(&message.channel.name()) {
            channels.push(message.channel.name());
        }
    }
    let first = interaction.thread.iter().map(|message| message.at).min();
    let at = first.unwrap_or(interaction.created_at).to_the_second();
    let parties = &interaction.parties;
    format!(
        "the agent {} contacted the customer about {} at {at} UTC by {}.",
        parties.agent.name,
        parties.skill,
        channels.join(", ")
    )
}

fn answer(interaction: &Interaction, message: &ThreadMessage) -> String {
    let (channel, at) = (message.channel, message.at.to_the_second());
    if channel != Channel::Call {
        return format!(
            "The customer by {channel} at {at} UTC: {}",
            quoted(&message.text, MAX_TEXT_CHARS)
        );
    }
    let mut announcements = interaction
        .plan
        .legs
        .iter()
        .filter_map(|leg| Announcement::of(&leg.content));
    let option = announcements.find_map(|announcement| announcement.pressed(&message.text));
    let meaning = option.map_or_else(String::new, |option| {
        format!(", which means: {}", quoted(&option.offer, MAX_TEXT_CHARS))
    });
    let key = cut(&message.text, 1);
    format!("The customer pressed {key} in the call at {at} UTC{meaning}")
}

/// At most so many characters of a text in quotation marks, on one line.
fn quoted(text: &str, chars: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    format!("\"{}\"", cut(&words.join(" "), chars))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{InteractionId, InteractionKey, Nonce};
    use crate::interaction::{
        Agent, Clearance, Content, Customer, DecisionContext, EndReason, Event, KeyAction, KeyOption, Leg,
        NewInteraction, Parties, Plan, Reply, Request, SendResult, Work, create, decide,
    };
    use crate::timestamp::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_795_464_900_000);

    struct Told {
        interaction: Interaction,
        /// How often each decision asked to remember.
        asked: Vec<usize>,
    }

    impl Told {
        fn of(channel: Channel, content: Content, remember: bool, phone: &str) -> Self {
            let leg = Leg {
                channel,
                back_end: "carrier".to_owned(),
                from: "+12025550100".to_owned(),
                to: "+12025550143".to_owned(),
                content,
                attempts: 1,
                retry_seconds: 60,
                outcome_seconds: 600,
                answer_seconds: Some(3_600),
                is_polled: false,
            };
            let new = NewInteraction {
                parties: Parties {
                    agent: Agent {
                        id: "leo".to_owned(),
                        name: "Leo".to_owned(),
                        phone: String::new(),
                        email: String::new(),
                    },
                    skill: "delivery".to_owned(),
                    customer: Customer {
                        id: "c1".to_owned(),
                        phone: phone.to_owned(),
                        ..Customer::default()
                    },
                },
                plan: Plan {
                    legs: vec![leg],
                    not_before: NOW,
                    latest_at: NOW.plus_seconds(3_600),
                    remember,
                    time_zone: None,
                    hours_bypass: None,
                },
                note: String::new(),
                webhook: None,
                blank_variables: Vec::new(),
                unused_fields: Vec::new(),
            };
            let key = InteractionKey {
                tenant: "main".parse().expect("a tenant"),
                id: InteractionId::new(7),
            };
            let begins = DecisionContext {
                now: NOW,
                nonce: Nonce::new(1),
            };
            let created = create(key, new, begins).expect("a decision");
            Self {
                interaction: created.next.expect("an interaction"),
                asked: Vec::new(),
            }
        }

        fn then(&mut self, event: &Event) {
            let context = DecisionContext {
                now: NOW,
                nonce: Nonce::new(self.interaction.version + 10),
            };
            let decision = decide(&self.interaction, event, context);
            let asks = decision
                .messages
                .iter()
                .filter(|message| message.work == Work::Remember);
            self.asked.push(asks.count());
            self.interaction = decision.next.unwrap_or_else(|| self.interaction.clone());
        }

        fn sent(&mut self) {
            let attempt = self.interaction.attempt.as_ref().expect("an attempt").id;
            let clearance = Clearance::Granted;
            self.then(&Event::SendBegins { attempt, clearance });
            let result = SendResult::Sent {
                provider_id: "SM1".to_owned(),
                progress: None,
            };
            self.then(&Event::SendEnds { attempt, result });
        }

        fn answered(&mut self, id: &str, text: &str) {
            let reply = Reply {
                id: id.to_owned(),
                channel: self.interaction.channel().expect("a channel"),
                attempt: None,
                text: text.to_owned(),
                at: NOW,
                is_opt_out: false,
            };
            self.then(&Event::Replied { reply });
        }

        fn ended(&mut self) {
            let request = Request::End(EndReason::Resolved);
            self.then(&Event::Requested { request });
        }

        fn memory(&self) -> Option<String> {
            remembered(&self.interaction).map(|found| found.entry.added_to(""))
        }
    }

    fn text() -> Content {
        Content::Text {
            text: "Your order\n\nis on its way.".to_owned(),
        }
    }

    #[test]
    fn a_conversation_is_remembered_at_each_answer_and_at_its_end() {
        let mut told = Told::of(Channel::Sms, text(), true, "+12025550143");
        told.sent();
        told.answered("SM2", "Yes");
        told.answered("SM2", "Yes");
        told.answered("SM3", "Tomorrow\nplease");
        told.ended();
        told.ended();
        assert_eq!(told.asked, [0, 0, 1, 0, 1, 1, 0]);
        let id = told.interaction.key.id;
        let expected = format!(
            "Interaction {id}: the agent Leo contacted the customer about delivery at 2026-11-23 20:15:00 UTC by sms.\n\
             The agent: \"Your order is on its way.\"\n\
             The customer by sms at 2026-11-23 20:15:00 UTC: \"Yes\"\n\
             The customer by sms at 2026-11-23 20:15:00 UTC: \"Tomorrow please\"\n\
             It has ended: resolved."
        );
        assert_eq!(told.memory().as_deref(), Some(expected.as_str()));
    }

    #[test]
    fn a_key_is_remembered_with_its_meaning() {
        let key = KeyOption {
            key: '1',
            offer: "Press 1 to confirm.".to_owned(),
            reply: None,
            action: KeyAction::Answer,
        };
        let content = Content::Announcement {
            text: "Your order".to_owned(),
            keys: vec![key],
            language: "en-US".to_owned(),
        };
        let mut told = Told::of(Channel::Call, content, true, "+12025550143");
        told.sent();
        told.answered("k1", "1");
        let memory = told.memory().expect("a memory");
        let line =
            "The customer pressed 1 in the call at 2026-11-23 20:15:00 UTC, which means: \"Press 1 to confirm.\"";
        assert!(memory.contains(line), "{memory}");
    }

    #[test]
    fn nothing_is_remembered_unless_the_skill_wants_it_and_something_reached_a_phone() {
        for (remember, phone, is_sent) in [
            (false, "+12025550143", true),
            (true, "", true),
            (true, "+12025550143", false),
        ] {
            let mut told = Told::of(Channel::Sms, text(), remember, phone);
            if is_sent {
                told.sent();
                told.answered("SM2", "Yes");
            }
            told.ended();
            assert_eq!(told.memory(), None, "{remember} {phone} {is_sent}");
            assert_eq!(told.asked.iter().sum::<usize>(), 0);
        }
    }

    #[test]
    fn a_memory_has_the_newest_answers_and_is_bounded() {
        let mut told = Told::of(Channel::Sms, text(), true, "+12025550143");
        told.sent();
        for number in 0..20 {
            told.answered(&format!("SM{number}"), &format!("{number} {}", "ä".repeat(1_000)));
        }
        let memory = told.memory().expect("a memory");
        assert!(memory.contains("\"19 ä") && memory.contains("\"17 ä") && !memory.contains("\"16 ä"));
        assert!(memory.len() < 4_000, "{}", memory.len());
    }

    #[test]
    fn a_forgotten_customer_is_not_remembered() {
        let mut told = Told::of(Channel::Sms, text(), true, "+12025550143");
        told.sent();
        told.answered("SM2", "Yes");
        told.ended();
        let forgotten = crate::interaction::forget::forget(&told.interaction, NOW).expect("it has ended");
        assert_eq!(remembered(&forgotten), None);
    }
}
