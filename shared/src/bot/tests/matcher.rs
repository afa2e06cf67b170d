//! The matcher, with a small labeled set: questions as customers write them, and what they ask for.

use crate::bot::document::{Faq, FaqEntry};
use crate::bot::matcher::{Index, Match};
use crate::bot::words::words;

/// The threshold that a document has if it sets none.
const THRESHOLD: f64 = 0.75;

/// Name and questions of the entries.
const ENTRIES: &[(&str, &[&str])] = &[
    (
        "hours",
        &[
            "What are your opening hours?",
            "When are you open?",
            "Are you open on Saturday?",
            "Wann haben Sie geöffnet?",
            "Wie sind die Öffnungszeiten?",
        ],
    ),
    (
        "order",
        &[
            "Where is my order?",
            "What is the status of my order?",
            "When does my parcel arrive?",
            "Wo ist meine Bestellung?",
            "Wann kommt mein Paket an?",
        ],
    ),
    (
        "returns",
        &[
            "How can I return an item?",
            "Can I send something back?",
            "Wie kann ich etwas zurückgeben?",
            "Wie funktioniert die Rücksendung?",
        ],
    ),
    (
        "refund",
        &[
            "When do I get my money back?",
            "How long does a refund take?",
            "Wann bekomme ich mein Geld zurück?",
        ],
    ),
    (
        "shipping",
        &[
            "How much is shipping?",
            "What does delivery cost?",
            "Do you deliver to Canada?",
            "Was kostet der Versand?",
            "Liefern Sie nach Österreich?",
        ],
    ),
    (
        "payment",
        &[
            "Which payment methods do you accept?",
            "Can I pay with PayPal?",
            "Can I pay by invoice?",
            "Welche Zahlungsarten gibt es?",
            "Kann ich auf Rechnung bezahlen?",
        ],
    ),
    (
        "password",
        &[
            "I forgot my password.",
            "How can I reset my password?",
            "I cannot log in to my account.",
            "Ich habe mein Passwort vergessen.",
        ],
    ),
    (
        "address",
        &[
            "How can I change my delivery address?",
            "I have moved.",
            "Wie ändere ich meine Lieferadresse?",
        ],
    ),
    (
        "cancel",
        &[
            "How can I cancel my order?",
            "Cancel my subscription",
            "Wie kann ich meine Bestellung stornieren?",
        ],
    ),
    (
        "warranty",
        &[
            "How long is the warranty?",
            "My device is broken.",
            "Wie lange ist die Garantie?",
            "Mein Gerät ist kaputt.",
        ],
    ),
    (
        "location",
        &[
            "Where are you?",
            "What is your address?",
            "Where can I park?",
            "Wo finde ich Sie?",
            "Gibt es Parkplätze?",
        ],
    ),
    (
        "job",
        &[
            "Are you hiring?",
            "How can I apply for a job?",
            "Haben Sie offene Stellen?",
        ],
    ),
    (
        "voucher",
        &[
            "How do I redeem a gift voucher?",
            "My discount code does not work.",
            "Wie löse ich einen Gutschein ein?",
        ],
    ),
    (
        "newsletter",
        &["How do I unsubscribe from the newsletter?", "Newsletter abbestellen"],
    ),
    (
        "invoice",
        &[
            "I need an invoice.",
            "Where do I find my invoice?",
            "Wo finde ich meine Rechnung?",
        ],
    ),
];

/// Messages with the entry that they ask for.
const RELATED: &[(&str, &str)] = &[
    ("hours", "opening hours"),
    ("hours", "waht are your oepning hours"),
    ("hours", "When do you open?"),
    ("hours", "are you open on saturdays?"),
    ("hours", "Hi! Could you please tell me your opening hours?"),
    ("hours", "offnungszeiten"),
    ("hours", "ÖFFNUNGSZEITEN???"),
    ("hours", "wann habt ihr geöfnet"),
    ("order", "where's my order"),
    ("order", "wheres my oder"),
    ("order", "what's the staus of my order please"),
    ("order", "when will my parcel arrive"),
    ("order", "wo ist meine bestelung"),
    ("order", "wann kommt das paket an"),
    ("returns", "how do i return an item"),
    ("returns", "can i send it back"),
    ("returns", "wie kann ich das zurückgeben?"),
    ("refund", "when will I get my money back?"),
    ("refund", "how long does the refnud take"),
    ("refund", "wann bekomm ich mein geld zurück"),
    ("shipping", "how much is the shipping"),
    ("shipping", "do you deliver to canada"),
    ("shipping", "was kostet versand"),
    ("payment", "can i pay with paypal"),
    ("payment", "what payment methods do you accept?"),
    ("password", "forgot pasword"),
    ("password", "i forgot my password and cant log in"),
    ("password", "reset password"),
    ("address", "I need to change my delivery adress"),
    ("cancel", "cancel order"),
    ("cancel", "please cancel my subscripton"),
    ("cancel", "ich möchte meine bestellung stornieren"),
    ("warranty", "how long is the waranty?"),
    ("warranty", "my device broke"),
    ("location", "where can i park my car"),
    ("location", "what is your address"),
    ("job", "are you hiring at the moment"),
    ("voucher", "how can i redeem a gift voucher?"),
    ("voucher", "my discount code doesn't work"),
    ("newsletter", "unsubscribe newsletter"),
    ("invoice", "where can I find my invoice"),
    ("invoice", "i need an invoice for my order"),
];

/// Messages that are not similar enough for an answer, but for a suggestion.
const SUGGESTED: &[(&str, &str)] = &[
    ("payment", "kann ich auf rechnung zahlen"),
    (
        "hours",
        "what time do you close in the evening, are you still open at eight",
    ),
    ("refund", "the money you owe me has not come back yet"),
];

/// Messages that ask for nothing in the FAQ.
const UNRELATED: &[&str] = &[
    "do you have this sweater in blue",
    "my neighbor's cat is on the roof",
    "what's the weather like in boston",
    "tell me a joke",
    "who won the game last night",
    "is the red lamp in stock",
    "the quality of the last delivery was terrible and nobody cares",
    "I would like to talk about a partnership with your company",
    "do you like pizza",
    "can you write a poem about the sea",
    "how tall is the eiffel tower",
    "the screen flickers when I turn the brightness up",
    "your driver was very rude to my mother",
    "ist der tisch aus eiche",
    "habt ihr das hemd auch in grün",
    "wie wird morgen das wetter",
    "my dog ate the remote control",
    "does the lamp work with a dimmer",
    "can I order a sample of the fabric first",
    "what is the difference between model A and model B",
    "ok",
    "hm",
    "what",
    "???",
    "12345",
    "asdf jkl",
    "is it open source",
    "I paid twice, somebody stole my money",
    "please change the color of my sofa",
    "open the door",
];

fn index() -> Index {
    let entries = ENTRIES.iter().map(|(name, questions)| FaqEntry {
        name: (*name).to_owned(),
        questions: questions.iter().map(|question| (*question).to_owned()).collect(),
        ..FaqEntry::default()
    });
    Index::new(&Faq {
        entries: entries.collect(),
        ..Faq::default()
    })
}

fn best(index: &Index, text: &str) -> Option<(&'static str, f64)> {
    let best: Match = index.matches(&words(text)).first().copied()?;
    Some((ENTRIES[best.entry].0, best.score))
}

#[test]
fn labeled_questions_are_found_and_unrelated_ones_are_not() {
    let index = index();
    let mut wrong = Vec::new();
    for (name, text) in RELATED {
        let found = best(&index, text);
        if found.is_none_or(|(found, score)| found != *name || score < THRESHOLD) {
            wrong.push(format!("{text}: {found:?}, not {name}"));
        }
    }
    for (name, text) in SUGGESTED {
        let found = best(&index, text);
        if found.is_none_or(|(found, score)| found != *name || !(THRESHOLD / 2.0..THRESHOLD).contains(&score)) {
            wrong.push(format!("{text}: {found:?}, not a suggestion of {name}"));
        }
    }
    for text in UNRELATED {
        let found = best(&index, text);
        if found.is_some_and(|(_, score)| score >= THRESHOLD) {
            wrong.push(format!("{text}: {found:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
