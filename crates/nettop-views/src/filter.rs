//! Filters as somebody types them in a view: a word that no row of it can answer would only hide all rows, so it is an error.

use nettop_model::query::{self, Error, Query, TEXT};

use crate::{table::Listing, view::VIEWS};

/// Other names of words.
const ALIASES: [(&str, &str); 3] = [("lport:", "sport:"), ("rport:", "dport:"), ("packets", "pkts")];

/// Reads the filter of a view; none where there is only blank.
///
/// # Errors
/// What is wrong with it, and where; also a word that nothing in this view answers to, with the views that have it.
pub fn parse(listing: &dyn Listing, text: &str) -> Result<Option<Query>, Error> {
    let Some(query) = query::parse(text)? else { return Ok(None) };
    let has = |view: &dyn Listing, word: &str| word == TEXT || view.words().contains(&word);
    let words = query.words();
    let Some(word) = words.iter().find(|word| !has(listing, word)) else { return Ok(Some(query)) };
    let others: Vec<_> = VIEWS.iter().filter(|view| has(**view, word)).map(|view| view.name()).collect();
    let others =
        if others.is_empty() { "no view has it".into() } else { format!("it is a word of {}", others.join(", ")) };
    Err(Error { at: place(text, word), what: format!("nothing in {} has {word} – {others}", listing.name()) })
}

/// Before which character a word stands.
fn place(text: &str, word: &str) -> usize {
    let lower = text.to_ascii_lowercase();
    let alias = ALIASES.iter().filter(|(name, _)| *name == word).map(|(_, alias)| *alias);
    let bytes = std::iter::once(word).chain(alias).find_map(|name| lower.find(name)).unwrap_or_default();
    lower[..bytes].chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::named;

    #[test]
    fn a_word_that_a_view_does_not_have_names_those_that_do() {
        for (view, text, expected) in [
            ("sources", "user:root", Some((0, "nothing in Sources has user: – it is a word of Offenders, Log"))),
            ("sources", "pps>5 REQ>60", Some((6, "nothing in Sources has req – it is a word of Offenders"))),
            ("log", "path:/ seen:no", Some((7, "nothing in Log has seen: – it is a word of Offenders"))),
            (
                "offenders",
                "ää !sport:22",
                Some((4, "nothing in Offenders has lport: – it is a word of Connections, Flows")),
            ),
            ("ports", "pkts>5", None),
            (
                "macs",
                "10.0.0.0/8",
                Some((
                    0,
                    "nothing in MACs has ip: – it is a word of Sources, Destinations, Prefixes, Alerts, Connections, Flows, Neighbours, Blocks, Offenders, Log",
                )),
            ),
            ("offenders", "status:4xx reason:ssh user:root path:/wp req>60 auth>3 seen:no", None),
            ("log", "status:404 user:root path:/wp", None),
            ("self", "any text", None),
            ("self", "", None),
        ] {
            let listing = VIEWS[named(view).expect("a view")];
            let wrong = parse(listing, text).err().map(|error| (error.at, error.what));
            assert_eq!(wrong, expected.map(|(at, what)| (at, what.to_string())), "{view}: {text}");
        }
        // What cannot be read at all is told first.
        assert!(parse(VIEWS[0], "user:root (").is_err_and(|error| error.what.contains("missing")));
    }
}
