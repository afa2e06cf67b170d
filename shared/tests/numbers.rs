//! Telephone numbers as a library reads them that knows every country's: `tests/e2e/phones_check.py` spells them, and plays this.

use patchbay::phone::PhoneNumber;

/// A line a number: the code of the country that it is read in (or none), how it is written, and what the library reads in
/// it (or `-`).
#[test]
#[ignore = "needs the spellings of tests/e2e/phones_check.py"]
fn a_number_is_what_the_library_reads_in_it_or_refused() {
    let path = std::env::var("PATCHBAY_NUMBERS").expect("PATCHBAY_NUMBERS names a file");
    let spellings = std::fs::read_to_string(path).expect("the spellings");
    let (mut read, mut all, mut wrong) = (0, 0, Vec::new());
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
        read += 1;
        if Some(number.as_str()) != expected {
            wrong.push(line);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new(), "of {read} that were read");
    assert!(read > 5_000 && read * 4 > all, "{read} of {all} were read");
}
