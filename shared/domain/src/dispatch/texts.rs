//! The sentences that are spoken around a ticket, in every language that voice providers speak.

use super::employee::Language;

/// The language tag used on the wire, such as `en-US`.
pub const fn tag(language: Language) -> &'static str {
    match language {
        Language::EnUs => "en-US",
        Language::DeDe => "de-DE",
        Language::FrFr => "fr-FR",
        Language::ItIt => "it-IT",
        Language::PtBr => "pt-BR",
        Language::EsEs => "es-ES",
        Language::EsLa => "es-LA",
        Language::EnGb => "en-GB",
        Language::ElGr => "el-GR",
        Language::BgBg => "bg-BG",
        Language::PlPl => "pl-PL",
        Language::HuHu => "hu-HU",
        Language::SvSe => "sv-SE",
        Language::RuRu => "ru-RU",
    }
}

/// Every sentence that is spoken around a ticket, in one language.
///
/// The sentences use formal address where the language has it, do not depend on gender, and never end a clause with a
/// digit and a full stop: a German or Hungarian voice would read `1.` as "the first".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentences {
    /// The options: what each key does.
    pub options: &'static str,
    /// Confirms the acceptance.
    pub accepted: &'static str,
    /// Confirms the rejection.
    pub rejected: &'static str,
    /// `{name}` has already accepted the ticket.
    pub taken_by: &'static str,
    /// Another employee, whose name cannot be spoken, has already accepted the ticket.
    pub taken: &'static str,
    /// Nobody needs to accept the ticket any more.
    pub closed: &'static str,
    /// The answer could not be stored; asks for the key again.
    pub one_moment: &'static str,
    /// Goodbye.
    pub goodbye: &'static str,
    /// The ticket's text was cut.
    pub more: &'static str,
    /// The ticket's text has nothing that can be spoken.
    pub no_text: &'static str,
    /// Spoken for `&`.
    pub and: &'static str,
    /// Spoken for `<` between two operands.
    pub less_than: &'static str,
    /// Spoken for `>` between two operands.
    pub more_than: &'static str,
}

/// The sentences of `language`.
pub const fn sentences(language: Language) -> &'static Sentences {
    match language {
        Language::EnUs | Language::EnGb => &ENGLISH,
        Language::DeDe => &GERMAN,
        Language::FrFr => &FRENCH,
        Language::ItIt => &ITALIAN,
        Language::PtBr => &BRAZILIAN,
        Language::EsEs => &SPANISH,
        Language::EsLa => &LATIN_AMERICAN,
        Language::ElGr => &GREEK,
        Language::BgBg => &BULGARIAN,
        Language::PlPl => &POLISH,
        Language::HuHu => &HUNGARIAN,
        Language::SvSe => &SWEDISH,
        Language::RuRu => &RUSSIAN,
    }
}

const ENGLISH: Sentences = Sentences {
    options: "Press 1 to accept this ticket, or press 2 to reject it.",
    accepted: "You have accepted. Thank you.",
    rejected: "You have rejected. Thank you.",
    taken_by: "{name} has already accepted this ticket.",
    taken: "Somebody else has already accepted this ticket.",
    closed: "This ticket is closed. There is nothing left for you to do.",
    one_moment: "One moment, please. Your answer could not be saved. Please press the key again.",
    goodbye: "Goodbye.",
    more: "There is more in the ticket.",
    no_text: "You have a new ticket. It contains no text that can be read aloud.",
    and: "and",
    less_than: "less than",
    more_than: "more than",
};

const GERMAN: Sentences = Sentences {
    options: "Drücken Sie die 1, um dieses Ticket anzunehmen, oder die 2, um es abzulehnen.",
    accepted: "Sie haben angenommen. Vielen Dank.",
    rejected: "Sie haben abgelehnt. Vielen Dank.",
    taken_by: "{name} hat dieses Ticket bereits angenommen.",
    taken: "Jemand anderes hat dieses Ticket bereits angenommen.",
    closed: "Dieses Ticket ist geschlossen. Sie brauchen nichts mehr zu tun.",
    one_moment: "Einen Moment, bitte. Ihre Antwort konnte nicht gespeichert werden. Bitte drücken Sie die Taste noch einmal.",
    goodbye: "Auf Wiederhören.",
    more: "Weiteres steht im Ticket.",
    no_text: "Sie haben ein neues Ticket. Es enthält keinen Text, der vorgelesen werden kann.",
    and: "und",
    less_than: "kleiner als",
    more_than: "größer als",
};

const FRENCH: Sentences = Sentences {
    options: "Appuyez sur 1 pour accepter ce ticket, ou sur 2 pour le refuser.",
    accepted: "Vous avez accepté. Merci.",
    rejected: "Vous avez refusé. Merci.",
    taken_by: "{name} a déjà accepté ce ticket.",
    taken: "Une autre personne a déjà accepté ce ticket.",
    closed: "Ce ticket est clos. Vous n'avez plus rien à faire.",
    one_moment: "Un instant, s'il vous plaît. Votre réponse n'a pas pu être enregistrée. Veuillez appuyer de nouveau sur la touche.",
    goodbye: "Au revoir.",
    more: "La suite se trouve dans le ticket.",
    no_text: "Vous avez un nouveau ticket. Il ne contient aucun texte qui puisse être lu à voix haute.",
    and: "et",
    less_than: "inférieur à",
    more_than: "supérieur à",
};

const ITALIAN: Sentences = Sentences {
    options: "Prema 1 per accettare il ticket, oppure 2 per rifiutarlo.",
    accepted: "Lei ha accettato il ticket. Grazie.",
    rejected: "Lei ha rifiutato il ticket. Grazie.",
    taken_by: "{name} ha già accettato questo ticket.",
    taken: "Un'altra persona ha già accettato questo ticket.",
    closed: "Questo ticket è chiuso. Non deve fare altro.",
    one_moment: "Un momento, per favore. Non è stato possibile salvare la Sua risposta. Prema di nuovo il tasto.",
    goodbye: "Arrivederci.",
    more: "Il resto si trova nel ticket.",
    no_text: "Lei ha un nuovo ticket. Non contiene testo che possa essere letto ad alta voce.",
    and: "e",
    less_than: "minore di",
    more_than: "maggiore di",
};

const BRAZILIAN: Sentences = Sentences {
    options: "Pressione 1 para aceitar este chamado ou 2 para recusá-lo.",
    accepted: "Você aceitou o chamado. Agradecemos.",
    rejected: "Você recusou o chamado. Agradecemos.",
    taken_by: "{name} já aceitou este chamado.",
    taken: "Outra pessoa já aceitou este chamado.",
    closed: "Este chamado está encerrado. Não é preciso fazer mais nada.",
    one_moment: "Um momento, por favor. Não foi possível salvar a sua resposta. Pressione a tecla novamente.",
    goodbye: "Até logo.",
    more: "O restante está no chamado.",
    no_text: "Você tem um novo chamado. Ele não contém texto que possa ser lido em voz alta.",
    and: "e",
    less_than: "menor que",
    more_than: "maior que",
};

const SPANISH: Sentences = Sentences {
    options: "Pulse 1 para aceptar esta incidencia o 2 para rechazarla.",
    accepted: "Ha aceptado la incidencia. Gracias.",
    rejected: "Ha rechazado la incidencia. Gracias.",
    taken_by: "{name} ya ha aceptado esta incidencia.",
    taken: "Otra persona ya ha aceptado esta incidencia.",
    closed: "Esta incidencia está cerrada. No tiene que hacer nada más.",
    one_moment: "Un momento, por favor. No se ha podido guardar su respuesta. Vuelva a pulsar la tecla.",
    goodbye: "Adiós.",
    more: "El resto está en la incidencia.",
    no_text: "Tiene una nueva incidencia. No contiene ningún texto que se pueda leer en voz alta.",
    and: "y",
    less_than: "menor que",
    more_than: "mayor que",
};

const LATIN_AMERICAN: Sentences = Sentences {
    options: "Presione 1 para aceptar este ticket o 2 para rechazarlo.",
    accepted: "Usted aceptó el ticket. Gracias.",
    rejected: "Usted rechazó el ticket. Gracias.",
    taken_by: "{name} ya aceptó este ticket.",
    taken: "Otra persona ya aceptó este ticket.",
    closed: "Este ticket está cerrado. Usted no necesita hacer nada más.",
    one_moment: "Un momento, por favor. No se pudo guardar su respuesta. Presione la tecla de nuevo.",
    goodbye: "Hasta luego.",
    more: "El resto está en el ticket.",
    no_text: "Usted tiene un nuevo ticket. No contiene texto que se pueda leer en voz alta.",
    and: "y",
    less_than: "menor que",
    more_than: "mayor que",
};

const GREEK: Sentences = Sentences {
    options: "Πατήστε 1 για να αποδεχτείτε το αίτημα ή 2 για να το απορρίψετε.",
    accepted: "Αποδεχτήκατε το αίτημα. Σας ευχαριστούμε.",
    rejected: "Απορρίψατε το αίτημα. Σας ευχαριστούμε.",
    taken_by: "Το αίτημα έχει ήδη γίνει αποδεκτό. Υπεύθυνο άτομο: {name}.",
    taken: "Κάποιος άλλος έχει ήδη αποδεχτεί το αίτημα.",
    closed: "Το αίτημα έχει κλείσει. Δεν χρειάζεται να κάνετε κάτι άλλο.",
    one_moment: "Μία στιγμή, παρακαλώ. Η απάντησή σας δεν αποθηκεύτηκε. Παρακαλώ πατήστε ξανά το πλήκτρο.",
    goodbye: "Γεια σας.",
    more: "Η συνέχεια βρίσκεται στο αίτημα.",
    no_text: "Έχετε ένα νέο αίτημα. Δεν περιέχει κείμενο που να μπορεί να διαβαστεί.",
    and: "και",
    less_than: "μικρότερο από",
    more_than: "μεγαλύτερο από",
};

const BULGARIAN: Sentences = Sentences {
    options: "Натиснете 1, за да приемете заявката, или 2, за да я откажете.",
    accepted: "Вие приехте заявката. Благодарим Ви.",
    rejected: "Вие отказахте заявката. Благодарим Ви.",
    taken_by: "Заявката вече е приета. С нея се занимава {name}.",
    taken: "Друг служител вече прие заявката.",
    closed: "Заявката е затворена. Не е нужно да правите нищо повече.",
    one_moment: "Един момент, моля. Отговорът Ви не можа да бъде записан. Моля, натиснете клавиша отново.",
    goodbye: "Довиждане.",
    more: "Останалото е в заявката.",
    no_text: "Имате нова заявка. Тя не съдържа текст, който може да бъде прочетен.",
    and: "и",
    less_than: "по-малко от",
    more_than: "повече от",
};

const POLISH: Sentences = Sentences {
    options: "Proszę nacisnąć 1, aby przyjąć zgłoszenie, lub 2, aby je odrzucić.",
    accepted: "Zgłoszenie zostało przyjęte. Dziękujemy.",
    rejected: "Zgłoszenie zostało odrzucone. Dziękujemy.",
    taken_by: "To zgłoszenie jest już przyjęte. Zajmuje się nim {name}.",
    taken: "To zgłoszenie przyjął już ktoś inny.",
    closed: "To zgłoszenie jest zamknięte. Nie trzeba już nic robić.",
    one_moment: "Chwileczkę. Nie udało się zapisać odpowiedzi. Proszę nacisnąć klawisz jeszcze raz.",
    goodbye: "Do usłyszenia.",
    more: "Dalsza część znajduje się w zgłoszeniu.",
    no_text: "Jest nowe zgłoszenie. Nie zawiera tekstu, który można odczytać.",
    and: "i",
    less_than: "mniej niż",
    more_than: "więcej niż",
};

const HUNGARIAN: Sentences = Sentences {
    options: "Nyomja meg az 1-es gombot a bejelentés elfogadásához, vagy a 2-es gombot az elutasításához.",
    accepted: "Ön elfogadta a bejelentést. Köszönjük.",
    rejected: "Ön elutasította a bejelentést. Köszönjük.",
    taken_by: "{name} már elfogadta ezt a bejelentést.",
    taken: "Valaki más már elfogadta ezt a bejelentést.",
    closed: "Ez a bejelentés le van zárva. Önnek nincs további teendője.",
    one_moment: "Egy pillanat türelmet kérünk. A válaszát nem sikerült menteni. Kérjük, nyomja meg újra a gombot.",
    goodbye: "Viszonthallásra.",
    more: "A folytatás a bejelentésben olvasható.",
    no_text: "Önnek új bejelentése érkezett. Nincs benne felolvasható szöveg.",
    and: "és",
    less_than: "kisebb mint",
    more_than: "nagyobb mint",
};

// Formal address is unusual in Swedish, so these sentences avoid any form of address.
const SWEDISH: Sentences = Sentences {
    options: "Tryck 1 för att acceptera ärendet eller 2 för att avvisa det.",
    accepted: "Ärendet är accepterat. Tack.",
    rejected: "Ärendet är avvisat. Tack.",
    taken_by: "{name} har redan accepterat ärendet.",
    taken: "Någon annan har redan accepterat ärendet.",
    closed: "Ärendet är stängt. Inget mer behöver göras.",
    one_moment: "Ett ögonblick. Svaret kunde inte sparas. Tryck på knappen en gång till.",
    goodbye: "Hej då.",
    more: "Resten finns i ärendet.",
    no_text: "Det finns ett nytt ärende. Det innehåller ingen text som kan läsas upp.",
    and: "och",
    less_than: "mindre än",
    more_than: "större än",
};

const RUSSIAN: Sentences = Sentences {
    options: "Нажмите 1, чтобы принять заявку, или 2, чтобы отклонить её.",
    accepted: "Вы приняли заявку. Спасибо.",
    rejected: "Вы отклонили заявку. Спасибо.",
    taken_by: "Эта заявка уже принята. Ею занимается {name}.",
    taken: "Эту заявку уже принял другой сотрудник.",
    closed: "Эта заявка закрыта. Вам больше ничего не нужно делать.",
    one_moment: "Одну минуту, пожалуйста. Ваш ответ не удалось сохранить. Пожалуйста, нажмите клавишу ещё раз.",
    goodbye: "До свидания.",
    more: "Продолжение в тексте заявки.",
    no_text: "У вас новая заявка. В ней нет текста, который можно прочитать вслух.",
    and: "и",
    less_than: "меньше",
    more_than: "больше",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &Sentences) -> [&'static str; 10] {
        [
            texts.options,
            texts.accepted,
            texts.rejected,
            texts.taken_by,
            texts.taken,
            texts.closed,
            texts.one_moment,
            texts.goodbye,
            texts.more,
            texts.no_text,
        ]
    }

    #[test]
    fn every_language_has_every_sentence() {
        for language in Language::ALL {
            let texts = sentences(language);
            for sentence in all(texts) {
                assert!(
                    (4..=300).contains(&sentence.chars().count()),
                    "{}: {sentence:?}",
                    tag(language)
                );
                assert_eq!(sentence.trim(), sentence);
                assert!(sentence.ends_with('.'), "{}: {sentence}", tag(language));
                assert!(!sentence.contains(['<', '>', '&']), "{}: {sentence}", tag(language));
            }
            for word in [texts.and, texts.less_than, texts.more_than] {
                assert!(word.starts_with(char::is_alphabetic), "{}: {word:?}", tag(language));
            }
        }
    }

    #[test]
    fn options_name_both_keys_as_digits_that_are_not_read_as_ordinals() {
        for language in Language::ALL {
            let options = sentences(language).options;
            let (one, two) = (options.find('1'), options.find('2'));
            assert!(one.is_some() && one < two, "{}: {options}", tag(language));
            assert!(
                !options.contains("1.") && !options.contains("2."),
                "{}: {options}",
                tag(language)
            );
        }
    }

    #[test]
    fn only_taken_by_has_a_placeholder_for_a_name() {
        for language in Language::ALL {
            let texts = sentences(language);
            assert_eq!(texts.taken_by.matches("{name}").count(), 1, "{}", tag(language));
            assert_eq!(
                all(texts).iter().filter(|sentence| sentence.contains('{')).count(),
                1,
                "{}",
                tag(language)
            );
        }
    }

    #[test]
    fn no_two_languages_share_their_options() {
        for (i, language) in Language::ALL.iter().enumerate() {
            for other in Language::ALL.iter().skip(i + 1) {
                if (*language, *other) == (Language::EnUs, Language::EnGb) {
                    continue;
                }
                let same = sentences(*language).options == sentences(*other).options;
                assert!(!same, "{} and {}", tag(*language), tag(*other));
            }
        }
    }

    #[test]
    fn tag_equals_the_serialized_name() {
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).expect("json"), tag(language));
        }
    }
}
