//! What callers hear.

use patchbay::context::{Brief, Price, Purchase, TransactionType};
use patchbay::dispatch::employee::Language;
use patchbay::providers::twilio::twiml::{Dial, Pay, Prompt, Say, Twiml, Verb};
use patchbay::speech;
use patchbay::web::transfer::TransferCall;

use crate::Deps;

/// Most characters of a name, of a description, and of the description that a processor shows.
const NAME: usize = 80;
const DESCRIPTION: usize = 600;
const STATEMENT: usize = 150;
/// Seconds from key to key: people read their cards off.
const KEY_TIMEOUT: u32 = 10;
/// Seconds that the next agent's number rings.
const RING_TIMEOUT: u32 = 30;

/// Who speaks.
#[derive(Clone, Copy, Debug)]
struct Voice {
    voice: &'static str,
    language: &'static str,
}

/// The personas and their voices at Twilio. The first one is published, and speaks for every name that is not here.
const PERSONAS: [(&str, Voice); 4] = [
    ("english-jessica", voice("Polly.Joanna-Neural", "en-US")),
    ("english-matthew", voice("Polly.Matthew-Neural", "en-US")),
    ("british-amy", voice("Polly.Amy-Neural", "en-GB")),
    ("british-brian", voice("Polly.Brian-Neural", "en-GB")),
];

const fn voice(voice: &'static str, language: &'static str) -> Voice {
    Voice { voice, language }
}

impl Voice {
    fn of(persona: &str) -> Self {
        let [(_, first), ..] = PERSONAS;
        let named = PERSONAS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(persona));
        named.map_or(first, |(_, voice)| voice)
    }

    fn say(self, text: impl Into<String>) -> Say {
        Say {
            voice: self.voice,
            language: self.language,
            text: text.into(),
        }
    }
}

/// The persona that is carried along: one that has a voice, so that no text of an agent ends up in a URL.
pub(crate) fn known_persona(persona: &str) -> &'static str {
    let [(first, _), ..] = PERSONAS;
    let named = PERSONAS
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(persona));
    named.map_or(first, |(name, _)| name)
}

/// Some words, and the end of the call.
fn farewell(voice: Voice, text: &str) -> Twiml {
    Twiml(vec![Verb::Say(voice.say(text)), Verb::Hangup])
}

/// The reference is none of ours: the number's webhook is wrong, or its key is no longer in use.
pub(crate) fn not_set_up() -> Twiml {
    farewell(Voice::of(""), "Sorry, this number is not set up correctly. Goodbye.")
}

/// The caller shows no number.
pub(crate) fn no_number() -> Twiml {
    let text = "Sorry, we could not see the number that you are calling from, so we cannot tell what this call is \
        about. Please call again with your number shown. Goodbye.";
    farewell(Voice::of(""), text)
}

/// Nothing is known of the caller, or not any more.
pub(crate) fn no_context() -> Twiml {
    let text = "Sorry, there is no payment waiting for the number that you are calling from. Goodbye.";
    farewell(Voice::of(""), text)
}

/// The table cannot be had, and nothing is known of the caller.
pub(crate) fn trouble() -> Twiml {
    let text = "Sorry, we cannot take your payment at the moment. You have not been charged. Please try again later. \
        Goodbye.";
    farewell(Voice::of(""), text)
}

/// The table cannot be had while the payment was to begin.
pub(crate) const NO_PAYMENT_NOW: &str = "Sorry, we cannot take your payment at the moment. You have not been charged.";
/// There is a payment for this context.
pub(crate) const PAID_BEFORE: &str = "This has been paid already. Thank you.";

/// There is nothing to pay: the caller only goes on to the next agent.
pub(crate) const NOTHING_TO_PAY: &str = "Hello. There is nothing to pay.";

/// The caller, or somebody with the same number, is paying in another call.
pub(crate) const UNDER_WAY: &str = "A payment was begun in another call. If that was interrupted, please call \
    again in half an hour. You have not been charged in this call.";

/// The greeting, and the payment that the context asks for.
pub(crate) fn pay(deps: &Deps, call: &TransferCall, brief: &Brief, purchase: &Purchase) -> Twiml {
    let voice = Voice::of(&call.persona);
    let action = deps.callbacks.payment_url(call);
    // Cleaned before they are cut: no reference and no tag is cut in the middle.
    let cut = |text: &str, limit| -> String { speech::spoken(text, Language::EnUs).chars().take(limit).collect() };
    let what = cut(&purchase.description, DESCRIPTION);
    let (vendor, price) = (cut(&purchase.vendor, NAME), purchase.price);
    let purpose = match purchase.transaction_type {
        TransactionType::Once => format!("You are about to pay {} to {vendor} for: {what}.", dollars(price)),
        TransactionType::Authorize => {
            format!("We are going to register your card for {vendor}, for: {what}. You are not charged now.")
        }
        TransactionType::Subscription => {
            format!(
                "We are going to register your card for your subscription at {vendor}: {what}. You are not charged now."
            )
        }
    };
    let greeting = match cut(&brief.full_name, NAME) {
        name if !name.contains(char::is_alphanumeric) => "Hello.".to_owned(),
        name => format!("Hello {name}."),
    };
    let explanation = "You can stop at any time with the star key.";
    let parameters = match purchase.customer_id.trim() {
        "" => vec![],
        id => vec![("customer_id", id.to_owned())],
    };
    let pay = Pay {
        action: action.clone(),
        connector: deps.pay.connector.clone(),
        charge: match purchase.transaction_type {
            TransactionType::Once => Some(price.to_charge()),
            TransactionType::Authorize | TransactionType::Subscription => None,
        },
        description: cut(&format!("{vendor}: {what}"), STATEMENT),
        max_attempts: deps.pay.max_attempts,
        timeout: KEY_TIMEOUT,
        language: voice.language,
        prompts: prompts(voice),
        parameters,
    };
    Twiml(vec![
        Verb::Say(voice.say(format!("{greeting} {purpose} {explanation}"))),
        Verb::Pay(Box::new(pay)),
        // Whether Twilio requests the action of a payment that failed, or goes on here, its documentation says both.
        Verb::Redirect(action),
    ])
}

fn dollars(price: Price) -> String {
    format!("${}", price.to_charge())
}

/// What is said at each step, in the persona's own voice.
fn prompts(voice: Voice) -> Vec<Prompt> {
    let steps = [
        ("payment-card-number", "Please enter the number of your card."),
        (
            "expiration-date",
            "Please enter the month and the year in which your card expires, with two digits each.",
        ),
        ("security-code", "Please enter the security code of your card."),
        (
            "postal-code",
            "Please enter the postal code of your billing address, then press pound.",
        ),
    ];
    let mut prompts: Vec<Prompt> = Vec::with_capacity(2 * steps.len() + 1);
    for (step, text) in steps {
        for (attempts, text) in [("1", text.to_owned()), ("2 3", format!("That did not work. {text}"))] {
            let say = voice.say(text);
            prompts.push(Prompt { step, attempts, say });
        }
    }
    prompts.push(Prompt {
        step: "payment-processing",
        attempts: "1 2 3",
        say: voice.say("One moment, please."),
    });
    prompts
}

/// Straight to the next step, with what could not be stored.
pub(crate) fn at_once(deps: &Deps, call: &TransferCall) -> Twiml {
    Twiml(vec![Verb::Redirect(deps.callbacks.hand_back_url(call))])
}

/// Some words, and back to the next agent; goodbye when there is none.
pub(crate) fn back(deps: &Deps, call: &TransferCall, text: &str) -> Twiml {
    let voice = Voice::of(&call.persona);
    let Some(callback) = &call.callback else {
        return farewell(voice, &format!("{text} Goodbye."));
    };
    let action = deps.callbacks.hand_back_url(call);
    Twiml(vec![
        Verb::Say(voice.say(format!("{text} You are now being connected."))),
        Verb::Dial(Dial {
            number: callback.as_str().to_owned(),
            action,
            timeout: RING_TIMEOUT,
        }),
    ])
}

/// The next agent could not be reached.
pub(crate) fn not_reached(call: &TransferCall) -> Twiml {
    let text = "Sorry, we could not connect you. Please call again. Goodbye.";
    farewell(Voice::of(&call.persona), text)
}

/// The end, without words.
pub(crate) fn hang_up() -> Twiml {
    Twiml(vec![Verb::Hangup])
}
