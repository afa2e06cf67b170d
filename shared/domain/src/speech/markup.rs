//! Removes markup: tags, comments and other text that no browser shows.
//!
//! A tag is an HTML or XML tag that nobody writes by chance: an HTML element, one with a quoted attribute, one that
//! closes, or one that is closed somewhere. `a < b`, `5<6`, `Anna <Smith>` and `<https://example.org>` are not tags. A
//! tag has no `<` inside, so no text is scanned twice.

use std::collections::BTreeSet;

use super::PAUSE;

/// Elements that start or end a line.
const BLOCKS: &str = "address article aside blockquote body br break caption center dd details dir div dl dt fieldset \
    figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol \
    option p pre section speak summary table title tr ul xmp";
/// Elements inside a word or a sentence.
const INLINE: &str = "a abbr acronym b bdi bdo big cite code data del dfn em emphasis font i ins kbd label mark nobr \
    phoneme prosody q s samp say-as small span strike strong time tt u var voice wbr";
/// Elements that separate two words.
const SEPARATING: &str = "\
    area audio base basefont button canvas col colgroup datalist embed frame frameset iframe image img input \
    link map math meta meter noframes noscript object optgroup output param picture progress rp rt ruby \
    script select slot source style sub sup svg tbody td template textarea tfoot th thead track video";
/// Elements whose content is not shown.
const HIDDEN: [&str; 2] = ["script", "style"];
/// Attributes that may have no value.
const WITHOUT_VALUE: &str = "\
    allowfullscreen async autofocus autoplay checked compact controls defer disabled hidden inert ismap loop \
    multiple muted nohref noshade novalidate nowrap open readonly required reversed selected";
/// Prefixes of the elements that Office writes, such as `<o:p>`.
const OFFICE: &str = "m o st1 v w x";

/// `text` without tags, and with a [`PAUSE`] where a line or a block ends.
pub(super) fn strip(text: &str) -> String {
    let mut stripper = Stripper {
        out: String::with_capacity(text.len()),
        closed: closed_names(text),
        missing_ends: Vec::new(),
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        stripper.out.push_str(before);
        rest = stripper.skip_markup(after).unwrap_or_else(|| {
            stripper.out.push('<');
            after
        });
    }
    stripper.out.push_str(rest);
    stripper.out
}

/// The names of all elements that have a closing tag, in lowercase.
fn closed_names(text: &str) -> BTreeSet<String> {
    let closings = text.split("</").skip(1);
    closings.map(|after| split_name(after).0.to_ascii_lowercase()).collect()
}

/// Splits `text` after the element name that it begins with.
fn split_name(text: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()))
}

fn is_one_of(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known.eq_ignore_ascii_case(name))
}

struct Stripper {
    out: String,
    closed: BTreeSet<String>,
    /// End markers that the rest of the text does not have, so that it is searched only once for each.
    missing_ends: Vec<&'static str>,
}

impl Stripper {
    /// The rest after the piece of markup whose `<` is in front of `after`; none if it is not markup.
    fn skip_markup<'a>(&mut self, after: &'a str) -> Option<&'a str> {
        if let Some(comment) = after.strip_prefix("!--") {
            return self.split_at_end(comment, "-->").map(|(_, rest)| rest);
        }
        if let Some(data) = after.strip_prefix("![CDATA[") {
            let (data, rest) = self.split_at_end(data, "]]>")?;
            self.out.push_str(data);
            return Some(rest);
        }
        let declaration = after.strip_prefix('!').filter(|rest| {
            let doctype = rest.get(.."doctype".len());
            rest.starts_with('[') || doctype.is_some_and(|word| word.eq_ignore_ascii_case("doctype"))
        });
        let instruction = after.strip_prefix("?xml").or_else(|| after.strip_prefix("?php"));
        if let Some(rest) = declaration.or(instruction) {
            let (_, end) = rest.split_at(rest.find(['<', '>'])?);
            return end.strip_prefix('>');
        }
        let tag = Tag::parse(after)?;
        if !tag.is_markup(&self.closed) {
            return None;
        }
        self.out.extend(tag.gap());
        let hidden = HIDDEN.into_iter().find(|name| name.eq_ignore_ascii_case(tag.name));
        match hidden.filter(|_| !tag.is_closing && !tag.self_closing) {
            // Without a closing tag only the tag itself is removed, or the rest of the text would be lost.
            Some(name) => Some(self.rest_from_closing_tag(tag.rest, name).unwrap_or(tag.rest)),
            None => Some(tag.rest),
        }
    }

    /// Splits `text` at the first `end`.
    fn split_at_end<'a>(&mut self, text: &'a str, end: &'static str) -> Option<(&'a str, &'a str)> {
        self.search_once(end, || text.split_once(end))
    }

    /// The rest of `text` from the tag on that closes `name`.
    fn rest_from_closing_tag<'a>(&mut self, text: &'a str, name: &'static str) -> Option<&'a str> {
        self.search_once(name, || {
            let mut closings = text.match_indices("</").map(|(at, _)| text.split_at(at).1);
            closings.find(|from| {
                from.get(2..2 + name.len())
                    .is_some_and(|there| there.eq_ignore_ascii_case(name))
            })
        })
    }

    fn search_once<T>(&mut self, end: &'static str, search: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.missing_ends.contains(&end) {
            return None;
        }
        let found = search();
        if found.is_none() {
            self.missing_ends.push(end);
        }
        found
    }
}

struct Tag<'a> {
    name: &'a str,
    is_closing: bool,
    /// Whether it has no content: `<br/>`.
    self_closing: bool,
    /// Whether it has an attribute with a quoted value.
    has_quotes: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// Parses the tag whose `<` is in front of `after`, if it has the form of one.
    fn parse(after: &'a str) -> Option<Self> {
        let closing = after.strip_prefix('/');
        let (name, mut rest) = split_name(closing.unwrap_or(after));
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let (mut self_closing, mut has_quotes) = (false, false);
        loop {
            rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix('>') {
                return Some(Self {
                    name,
                    is_closing: closing.is_some(),
                    self_closing,
                    has_quotes,
                    rest,
                });
            }
            self_closing = rest.starts_with('/');
            if let Some(after) = rest.strip_prefix('/') {
                rest = after;
                continue;
            }
            let ends = |c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/' | '<' | '"' | '\'');
            let (attribute, after) = rest.split_at(rest.find(ends).filter(|end| *end > 0)?);
            rest = match after.trim_start().strip_prefix('=') {
                None if is_one_of(WITHOUT_VALUE, attribute) => after,
                None => return None,
                Some(value) => {
                    let value = value.trim_start();
                    let quote = ['"', '\''].into_iter().find(|quote| value.starts_with(*quote));
                    has_quotes |= quote.is_some();
                    match quote {
                        Some(quote) => {
                            let inside = value.split_at(1).1;
                            let end = inside.find([quote, '<'])?;
                            inside.split_at(end).1.strip_prefix(quote)?
                        }
                        None => {
                            value
                                .split_at(value.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))?)
                                .1
                        }
                    }
                }
            };
        }
    }

    /// Whether it is markup, judged by its name or by a feature that only markup has.
    fn is_markup(&self, closed: &BTreeSet<String>) -> bool {
        let office = self.name.split_once(':').is_some_and(|(prefix, name)| {
            is_one_of(OFFICE, prefix) && name.starts_with(|c: char| c.is_ascii_alphabetic())
        });
        self.is_closing
            || self.self_closing
            || self.has_quotes
            || office
            || [BLOCKS, INLINE, SEPARATING]
                .into_iter()
                .any(|names| is_one_of(names, self.name))
            || closed.contains(&self.name.to_ascii_lowercase())
    }

    /// What separates the words around the tag.
    fn gap(&self) -> Option<char> {
        if is_one_of(BLOCKS, self.name) {
            Some(PAUSE)
        } else if is_one_of(INLINE, self.name) {
            None
        } else {
            Some(' ')
        }
    }
}
