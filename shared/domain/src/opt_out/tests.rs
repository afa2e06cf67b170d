use proptest::prelude::*;

use super::OptOutWord::{Help, Start, Stop};
use super::*;

/// Every list, with the word that its entries mean; `None` for words that mean nothing alone.
const LISTS: [(&[&str], Option<OptOutWord>); 6] = [
    (STOP, Some(Stop)),
    (STOP_ALONE, Some(Stop)),
    (START, Some(Start)),
    (HELP, Some(Help)),
    (POLITE, None),
    (AROUND_PHRASES, None),
];

#[test]
fn a_wish_to_stop_is_recognized() {
    for text in [
        "STOP",
        "stop",
        "Stop.",
        " sToP!!! ",
        "\"STOP\"",
        "‘Stop’",
        "(stop)",
        "🛑 STOP 🛑",
        "stop🙏🏽",
        "ＳＴＯＰ",
        "s\u{200b}top",
        "STOP STOP STOP",
        "Stop please",
        "please stop",
        "Please, please stop!",
        "Hi, please stop. Thanks",
        "ok stop now",
        "stop all",
        "STOPALL",
        "unsubscribe",
        "Unsubscribe me, please",
        "I'd like to unsubscribe",
        "opt-out",
        "Opt out pls",
        "OPTOUT",
        "END",
        "Quit.",
        "Cancel",
        "REVOKE",
        "could you please stop",
        "please stop texting me",
        "Stop messaging me!",
        "Can you stop texting me?",
        "could you please stop sending me messages",
        "Don't text me again",
        "don’t contact me anymore",
        "do not contact me any more",
        "I said stop texting me",
        "No more texts, please",
        "Remove me from your list",
        "take me off this list now",
        "leave me alone",
        // German
        "Stopp!",
        "Bitte stopp, danke",
        "ABMELDEN",
        "Keine SMS mehr bitte",
        "Bitte keine Nachrichten mehr!",
        "Hören Sie auf, mir zu schreiben",
        "Ho\u{308}ren Sie auf mir zu schreiben",
        "Bitte schreiben Sie mir nicht mehr.",
        "Ich möchte mich abmelden",
        // French
        "ARRÊT",
        "Arrêtez de m'écrire s'il vous plaît",
        "Arrêtez de m’envoyer des SMS svp",
        "Stop svp",
        "Arrêtez, s'il vous plaît",
        "Désabonnez-moi",
        "Ne me contactez plus, merci",
        // Italian
        "Basta messaggi, grazie",
        "Per favore non scrivetemi più",
        "Cancellami",
        // Spanish
        "BAJA",
        "Darme de baja",
        "¡No me escriban más!",
        "por favor, dejen de escribirme",
        "No más mensajes",
        // Portuguese
        "SAIR",
        "Pare de me mandar mensagens, por favor",
        "Não quero mais receber mensagens",
        "descadastrar",
        // Greek
        "ΣΤΟΠ",
        "Στοπ παρακαλώ",
        "ΔΙΑΓΡΑΦΗ",
        "Μη μου στέλνετε άλλα μηνύματα",
        "σταμάτα να μου στέλνεις μηνύματα",
        // Bulgarian
        "СТОП моля",
        "Спрете да ми пишете!",
        "Не ми пращайте повече съобщения",
        // Polish
        "Proszę stop",
        "Proszę przestań",
        "Nie piszcie do mnie więcej",
        "Wypisuję się",
        "Przestańcie do mnie pisać",
        // Hungarian
        "ÁLLJ",
        "Leiratkozás",
        "Kérem, ne írjon többet",
        "Ne küldjenek több üzenetet!",
        // Swedish
        "Sluta",
        "Snälla sluta skicka sms",
        "Inga fler meddelanden, tack",
        // Russian
        "Стоп",
        "Отписаться",
        "Пожалуйста, не пишите мне больше",
        "Отпишите меня, пожалуи\u{306}ста",
        "Удалите мой номер",
    ] {
        assert_eq!(read(text), Some(Stop), "{text}");
    }
}

#[test]
fn ordinary_sentences_are_no_opt_out() {
    for text in [
        "",
        " ",
        "🛑",
        "!?",
        "I can't stop laughing",
        "don't stop",
        "Please don't stop",
        "never stop",
        "non-stop",
        "bus stop",
        "I'm at the bus stop",
        "stop by at 5",
        "Can you stop by?",
        "can you stop",
        "I want to stop",
        "stop it, you are so funny",
        "stop 2",
        "one stop shop",
        "Stop sign",
        "Do you want me to stop texting you?",
        "Reply STOP to unsubscribe",
        "Text STOP to 12025550100 to opt out",
        "how do I unsubscribe my brother",
        "I never opted out",
        "stopped",
        "stopwatch",
        "nonstop",
        "cancel my appointment",
        "Please cancel",
        "cancel it",
        "Cancel please",
        "the end",
        "End of March",
        "quit smoking",
        "I quit my job",
        "don't quit",
        "Please end the contract",
        "remove me and my wife from table 4",
        "leave me alone time for reading",
        "no more questions",
        "no more messages from me today",
        "don't contact me before 9",
        "Don't text me, call me",
        "please",
        "thanks",
        "please thanks",
        "yes",
        "no",
        "ok",
        "1",
        "no stop",
        // German
        "Ich kann nicht stoppen",
        "An der Haltestelle Stopp drücken",
        "keine Nachrichten",
        "Termin abmelden",
        "Bitte abmelden",
        // French
        "arrêt de bus",
        "Je ne peux pas m'arrêter de rire",
        "plus de messages que hier",
        // Italian
        "basta così",
        "Basta",
        "non fermarti",
        // Spanish
        "no pares",
        "planta baja",
        "parar en Madrid",
        "alto",
        // Portuguese
        "vou sair agora",
        "sair de casa",
        "não pare",
        // Greek
        "μη σταματάς",
        "σταματάω εδώ",
        // Bulgarian, Russian
        "не спирай",
        "автобусна спирка",
        "не останавливайтесь",
        "не пишите слово стоп",
        // Polish, Hungarian, Swedish
        "przystanek",
        "nie przestawaj",
        "buszmegálló",
        "sluta inte",
        "jag kan inte sluta skratta",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn start_and_help_count_only_alone() {
    for (text, expected) in [
        ("START", Some(Start)),
        ("Unstop!", Some(Start)),
        ("opt-in", Some(Start)),
        ("СТАРТ", Some(Start)),
        ("Me inscrever", Some(Start)),
        ("HELP", Some(Help)),
        ("help?", Some(Help)),
        ("Info", Some(Help)),
        ("Hilfe!", Some(Help)),
        ("βοήθεια", Some(Help)),
        ("Segítség", Some(Help)),
        ("Hjälp", Some(Help)),
        ("ПОМОЩЬ", Some(Help)),
        ("please start", None),
        ("start again", None),
        ("start stop", None),
        ("stop start", None),
        ("yes", None),
        ("help me please", None),
        ("can you help", None),
        ("more info", None),
        ("stop help", None),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn every_entry_is_plain_and_means_what_its_list_says() {
    for (list, expected) in LISTS {
        for entry in list {
            assert_eq!(plain(entry).as_deref(), Some(*entry), "not as `plain` writes it");
            assert_eq!(read(entry), expected, "{entry}");
            assert_eq!(read(&format!("  {}!! 🙂", entry.to_uppercase())), expected, "{entry}");
        }
    }
}

#[test]
fn only_stop_has_polite_forms() {
    for word in STOP {
        assert_eq!(read(&format!("Please {word}, thank you")), Some(Stop), "{word}");
        assert_eq!(read(&format!("xq {word}")), None, "{word}");
        assert_eq!(read(&format!("{word} xq")), None, "{word}");
    }
    for word in [STOP_ALONE, START, HELP].concat() {
        assert_eq!(read(&format!("Please {word}, thank you")), None, "{word}");
    }
}

#[test]
fn long_messages_are_no_opt_out() {
    let many = |count: usize| format!("{}stop", "please ".repeat(count));
    assert_eq!(read(&many(10)), Some(Stop));
    assert_eq!(read(&format!("stop {}", "a ".repeat(50_000))), None);
    assert_eq!(read(&format!("stop{}", "🙏".repeat(50_000))), Some(Stop));
    assert_eq!(read(&"stop ".repeat(100)), None);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", odd: String) {
        let _ = (read(&text), read(&odd));
    }

    #[test]
    fn words_inside_other_text_never_count(at in 0_usize..400, before in "xq[a-z]{0,5}", after in "xq[a-z]{0,5}") {
        let all = [STOP, STOP_ALONE, START, HELP].concat();
        let word = all[at % all.len()];
        prop_assert_eq!(read(&format!("{before} {word} {after}")), None);
        prop_assert_eq!(read(&format!("{before}{word}{after}")), None);
    }
}
