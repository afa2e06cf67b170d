//! Built-in texts and words, in English and German.

/// A built-in text: in English and in German.
pub(super) type BuiltIn = [&'static str; 2];

pub(super) const HAND_OVER: BuiltIn = [
    "One moment, please: a member of our team will take over.",
    "Einen Moment bitte: Jemand aus unserem Team übernimmt.",
];
pub(super) const WAITED: BuiltIn = [
    "I am sorry, nobody is free yet. Your message is not lost: we will answer as soon as we can.",
    "Es tut mir leid, noch ist niemand frei. Ihre Nachricht geht nicht verloren: Wir antworten so bald wie möglich.",
];
pub(super) const UNKNOWN: BuiltIn = [
    "I am sorry, I did not understand that. Could you say it in other words?",
    "Entschuldigung, das habe ich nicht verstanden. Können Sie es anders sagen?",
];
pub(super) const FALLBACK: BuiltIn = [
    "I am sorry, something went wrong on our side. Please try again in a moment.",
    "Es tut mir leid, bei uns ist etwas schiefgegangen. Bitte versuchen Sie es gleich noch einmal.",
];
pub(super) const ATTACHMENTS: BuiltIn = [
    "I can only read text. Please write in words what I can do for you.",
    "Ich kann nur Text lesen. Bitte schreiben Sie mir, was ich für Sie tun kann.",
];
pub(super) const STOPPED: BuiltIn = [
    "All right, I will not answer any more. Write \"restart\" if you need me again.",
    "In Ordnung, ich antworte nicht mehr. Schreiben Sie \"Neustart\", wenn Sie mich wieder brauchen.",
];
pub(super) const RESTARTED: BuiltIn = [
    "All right, let us start again.",
    "In Ordnung, fangen wir noch einmal an.",
];
pub(super) const HELLO: BuiltIn = ["Hello! How can I help you?", "Guten Tag! Was kann ich für Sie tun?"];
pub(super) const YES: BuiltIn = ["Yes", "Ja"];
pub(super) const NO: BuiltIn = ["No", "Nein"];
pub(super) const INVALID: BuiltIn = [
    "I am sorry, that is not an answer that I can use.",
    "Entschuldigung, mit dieser Antwort kann ich nichts anfangen.",
];
pub(super) const WHICH_FIELD: BuiltIn = ["What is not right?", "Was stimmt nicht?"];
pub(super) const FORM_CANCELLED: BuiltIn = [
    "All right, I have dropped that. What else can I do for you?",
    "In Ordnung, das lassen wir. Was kann ich sonst für Sie tun?",
];
pub(super) const FORM_DONE: BuiltIn = ["Thank you, I have everything.", "Danke, ich habe alles."];
pub(super) const STUCK: BuiltIn = [
    "We do not seem to get on here. How do you want to go on?",
    "So kommen wir nicht weiter. Wie möchten Sie fortfahren?",
];
pub(super) const PERSON: BuiltIn = ["Talk to a person", "Mit einem Menschen sprechen"];
pub(super) const TRY_AGAIN: BuiltIn = ["Try again", "Noch einmal versuchen"];
pub(super) const CANCEL: BuiltIn = ["Cancel", "Abbrechen"];
pub(super) const ASK_PHONE: BuiltIn = [
    "At which number can we call you? Please write it with the country code, such as +1 202 555 0123.",
    "Unter welcher Nummer können wir Sie anrufen? Bitte mit Ländervorwahl, zum Beispiel +1 202 555 0123.",
];
pub(super) const CALLING_YOU: BuiltIn = ["We will call you in a moment.", "Wir rufen Sie gleich an."];
pub(super) const DID_YOU_MEAN: BuiltIn = ["Did you mean one of these?", "Meinen Sie eine dieser Fragen?"];
pub(super) const CALLING_TEAM: BuiltIn = [
    "I am phoning our team so that somebody answers you here.",
    "Ich rufe unser Team an, damit Ihnen hier jemand antwortet.",
];

/// Reasons of a hand-over, as people read them in a summary.
pub(super) mod reason {
    use super::BuiltIn;
    use crate::conversation::HandOverReason;

    /// The reason in words.
    pub(in crate::bot) const fn in_words(reason: HandOverReason) -> BuiltIn {
        match reason {
            HandOverReason::Word => ["Asked for a person.", "Möchte mit einem Menschen sprechen."],
            HandOverReason::Topic => ["A topic for people.", "Ein Thema für Menschen."],
            HandOverReason::Rule => ["A case for people.", "Ein Fall für Menschen."],
            HandOverReason::Misses => ["The bot did not understand.", "Der Bot hat nicht verstanden."],
            HandOverReason::Error => ["The bot failed.", "Der Bot hatte einen Fehler."],
            HandOverReason::RateCap => [
                "Too many messages in a short time.",
                "Zu viele Nachrichten in kurzer Zeit.",
            ],
            HandOverReason::Requested => ["Requested by the team.", "Vom Team angefordert."],
        }
    }

    /// The reason of a call without a hand-over.
    pub(in crate::bot) const CALL: BuiltIn = ["Asked for a call.", "Möchte angerufen werden."];
}

/// Words that every bot knows, in English and German.
pub(super) mod word {
    pub(in crate::bot) const STOP: &[&str] = &["stop", "stopp"];
    pub(in crate::bot) const RESTART: &[&str] = &["restart", "start over", "neustart", "neu starten", "von vorne"];
    pub(in crate::bot) const HAND_OVER: &[&str] = &[
        "human",
        "agent",
        "operator",
        "representative",
        "real person",
        "a person",
        "speak to someone",
        "talk to someone",
        "mensch",
        "menschen",
        "mitarbeiter",
        "mitarbeiterin",
        "echte person",
        "jemandem sprechen",
    ];
    pub(in crate::bot) const CANCEL_WAIT: &[&str] = &["cancel", "never mind", "nevermind", "abbrechen", "schon gut"];
    pub(in crate::bot) const GIVE_BACK: &[&str] = &["/bot"];
    pub(in crate::bot) const YES: &[&str] = &[
        "yes",
        "y",
        "yeah",
        "yep",
        "yup",
        "sure",
        "ok",
        "okay",
        "correct",
        "right",
        "that is right",
        "thats right",
        "ja",
        "j",
        "jo",
        "jawohl",
        "klar",
        "genau",
        "richtig",
        "stimmt",
        "passt",
        "ja bitte",
        "yes please",
    ];
    pub(in crate::bot) const NO: &[&str] = &[
        "no",
        "n",
        "nope",
        "nah",
        "not that",
        "no not that",
        "wrong",
        "not right",
        "nein",
        "ne",
        "nee",
        "falsch",
        "stimmt nicht",
        "nein danke",
        "no thanks",
        "no thank you",
    ];
    pub(in crate::bot) const BACK: &[&str] = &["back", "go back", "previous", "zuruck", "zurueck"];
    pub(in crate::bot) const CANCEL: &[&str] = &["cancel", "quit", "exit", "abort", "abbrechen", "abbruch", "beenden"];
    pub(in crate::bot) const REPEAT: &[&str] = &[
        "repeat",
        "again",
        "what",
        "wiederholen",
        "noch einmal",
        "nochmal",
        "wie bitte",
    ];
    pub(in crate::bot) const SKIP: &[&str] = &[
        "skip",
        "none",
        "next",
        "uberspringen",
        "ueberspringen",
        "keine",
        "weiter",
    ];
    pub(in crate::bot) const TODAY: &[&str] = &["today", "heute"];
    pub(in crate::bot) const TOMORROW: &[&str] = &["tomorrow", "morgen"];
}
