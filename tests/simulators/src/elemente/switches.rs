//! One switch for each question that Elemente's documentation leaves open. The defaults are what is documented, else
//! what is most likely.

use crate::rng::{Rng, question};

question! {
    /// The status of a successful create (elemente 2).
    CreatedStatus {
        /// 200, as documented.
        Ok,
        /// 201.
        Created,
    }
}

question! {
    /// What an interaction has in texts that are not known yet (elemente 4.2).
    UnknownTexts {
        /// Empty texts.
        Empty,
        /// Null.
        Null,
        /// The fields are missing.
        Absent,
    }
}

question! {
    /// The JSON type of `duration` (elemente 4.3).
    DurationForm {
        /// A string, as documented.
        Text,
        /// A number.
        Number,
    }
}

question! {
    /// The form of ids (elemente 3.2).
    IdForm {
        /// UUIDs, as documented.
        Uuid,
        /// Digits in a string, as in other examples.
        Digits,
        /// A number.
        Number,
    }
}

question! {
    /// The answer to a list (elemente 5.1).
    ListForm {
        /// An array of all.
        Array,
        /// One object, as documented: the newest one. An empty object if there is none.
        One,
    }
}

question! {
    /// The notation of `dateRange` that is read (elemente 5.2). The others are ignored.
    DateRangeForm {
        /// JSON text.
        Json,
        /// `dateRange[from]=` and `dateRange[to]=`.
        Brackets,
        /// `from=` and `to=`.
        Exploded,
    }
}

question! {
    /// What becomes of a variable that nobody defined (elemente 7).
    UnknownVariable {
        /// It is left blank.
        Blank,
        /// It stays as it is, with its braces.
        Kept,
        /// The request is refused with 400.
        Refused,
    }
}

question! {
    /// Which source of the customer's data precedes (elemente 3.4).
    Precedence {
        /// `customerOverride`.
        Override,
        /// `customerName`, `customerPhone` and `customerEmail`.
        Given,
    }
}

question! {
    /// The word for an interaction that was just created (elemente 6).
    FreshWord {
        /// `in-progress`, as in the documented answer.
        InProgress,
        /// `queued`.
        Queued,
        /// `pending`.
        Pending,
        /// `processing`.
        Processing,
    }
}

question! {
    /// The body of an error (elemente 2).
    ErrorBody {
        /// `statusCode`, `message` and `error`.
        Object,
        /// The same, with an array of messages.
        List,
        /// Empty.
        Empty,
        /// A page of a gateway.
        Html,
    }
}

/// The behavior of this server where its documentation is silent or contradicts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the API"
)]
pub struct Switches {
    /// The status of a successful create.
    pub created_status: CreatedStatus,
    /// What an interaction has in texts that are not known yet.
    pub unknown_texts: UnknownTexts,
    /// The JSON type of `duration`.
    pub duration: DurationForm,
    /// The form of ids.
    pub ids: IdForm,
    /// The answer to a list.
    pub list: ListForm,
    /// The notation of `dateRange` that is read.
    pub date_range: DateRangeForm,
    /// What becomes of a variable that nobody defined.
    pub unknown_variable: UnknownVariable,
    /// Which source of the customer's data precedes.
    pub precedence: Precedence,
    /// The word for an interaction that was just created.
    pub fresh_word: FreshWord,
    /// The body of an error.
    pub error_body: ErrorBody,
    /// Whether a create without `customerOverride` is accepted if there is a `customerPhone` or `customerEmail` (3.1).
    pub override_is_optional: bool,
    /// Whether an update without a note is accepted (5.3).
    pub note_is_optional: bool,
    /// Whether unknown fields are refused (3.5).
    pub unknown_fields_are_refused: bool,
    /// Whether a customer with the same number or address is reused (3.4).
    pub customers_are_reused: bool,
    /// Whether the e-mail addresses of an answer are the phone numbers, as in the documented one (4.1).
    pub emails_are_numbers: bool,
    /// Whether an answer has fields that no documentation mentions.
    pub unknown_answer_fields: bool,
}

impl Switches {
    /// A random answer to every question. A client has to be configured for [`Switches::date_range`].
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            created_status: CreatedStatus::random(rng),
            unknown_texts: UnknownTexts::random(rng),
            duration: DurationForm::random(rng),
            ids: IdForm::random(rng),
            list: ListForm::random(rng),
            date_range: DateRangeForm::random(rng),
            unknown_variable: UnknownVariable::random(rng),
            precedence: Precedence::random(rng),
            fresh_word: FreshWord::random(rng),
            error_body: ErrorBody::random(rng),
            override_is_optional: rng.flip(),
            note_is_optional: rng.flip(),
            unknown_fields_are_refused: rng.flip(),
            customers_are_reused: rng.flip(),
            emails_are_numbers: rng.flip(),
            unknown_answer_fields: rng.flip(),
        }
    }
}
