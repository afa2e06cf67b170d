//! Compares our phone number parser with a library that knows every country's numbers. `tests/e2e/phones_check.py`
//! writes the notations and runs this test.

use patchbay::phone::PhoneNumber;

/// Each line of the file is a tab-separated case: the calling code of the home country (or empty), the text, and the
/// number that the library parses from it (or `-`).
#[test]
#[ignore = "needs the spellings of tests/e2e/phones_check.py"]
fn parsed_number_equals_the_librarys_or_is_refused() {
    let path = std::env::var("PATCHBAY_NUMBERS").expect("PATCHBAY_NUMBERS names a file");
    let spellings = std::fs::read_to_string(path).expect("the spellings");
    let (mut parsed, mut all, mut wrong) = (0, 0, Vec::new());
    for line in spellings.lines() {
        let mut parts = line.split('\t');
        let (home, text, expected) = (parts.next(), parts.next(), parts.next());
        let (home, text) = (home.unwrap_or_default(), text.unwrap_or_default());
        let number = match home {
            "" => PhoneNumber::parse(text),
            code => PhoneNumber::parse_at_home(text, &code.parse().expect("a calling code")),
        };
        all += 1;
        let Ok(number) = number else { continue };
        parsed += 1;
        if Some(number.as_str()) != expected {
            wrong.push(line);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new(), "of {parsed} that were parsed");
    assert!(parsed > 5_000 && parsed * 4 > all, "{parsed} of {all} were parsed");
}
