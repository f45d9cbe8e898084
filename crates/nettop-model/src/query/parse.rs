//! From text to a [`Query`]. Errors know their place, so that it can be shown.

use ipnet::IpNet;
use nettop_geo::prefix;

use super::{NAMESPACES, NATS, Node, Quantity, Query, Relation, SCOPES, SEEN, Test, Word};

/// Parentheses and negations within each other; more is no filter.
const DEEPEST: usize = 32;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Before which character, from 0.
    pub at: usize,
    /// What, in a sentence.
    pub what: String,
}

type Result<T> = std::result::Result<T, Error>;

/// A field: its name, and what a value is.
type Field = (&'static str, fn(&str) -> std::result::Result<Test, String>);

/// Every field.
const FIELDS: &[Field] = &[
    ("ip", |value| net(value).map(Test::Net)),
    ("src", |value| net(value).map(Test::Source)),
    ("dst", |value| net(value).map(Test::Destination)),
    ("port", |value| ports(value).map(|(first, last)| Test::Ports(first, last))),
    ("lport", |value| ports(value).map(|(first, last)| Test::LocalPorts(first, last))),
    ("rport", |value| ports(value).map(|(first, last)| Test::RemotePorts(first, last))),
    ("sport", |value| ports(value).map(|(first, last)| Test::LocalPorts(first, last))),
    ("dport", |value| ports(value).map(|(first, last)| Test::RemotePorts(first, last))),
    ("proto", |value| Ok(Test::Protocol(value.to_uppercase()))),
    ("country", |value| match value.len() {
        2 => Ok(Test::Country(value.to_uppercase())),
        _ => Err(format!("{value:?} is not a code of two letters; a name is searched for without country:")),
    }),
    ("asn", |value| {
        let digits = value.trim_start_matches(['a', 'A', 's', 'S']);
        digits.parse().map(Test::Asn).map_err(|_| format!("{value:?} is not the number of an autonomous system"))
    }),
    ("mac", |value| Ok(Test::Mac(value.to_lowercase()))),
    ("state", |value| Ok(Test::Named(Word::State, value.to_lowercase()))),
    ("dir", |value| match value.to_lowercase() {
        way if ["in", "out", "?"].contains(&&*way) => Ok(Test::Named(Word::Direction, way)),
        _ => Err(format!("{value:?} is no direction: in, out or ?")),
    }),
    ("ns", |value| match value.to_lowercase() {
        name if NAMESPACES.contains(&&*name) || name.parse::<u32>().is_ok() => Ok(Test::Named(Word::Namespace, name)),
        _ => Err(format!("{value:?} is no network namespace: {}, or its inode", NAMESPACES.join(", "))),
    }),
    ("nat", |value| match value.to_lowercase() {
        nat if NATS.contains(&&*nat) => Ok(Test::Named(Word::Nat, nat)),
        _ => Err(format!("{value:?} is none of {}", NATS.join(", "))),
    }),
    ("scope", |value| match value.to_lowercase() {
        scope if SCOPES.contains(&&*scope) => Ok(Test::Named(Word::Scope, scope)),
        _ => Err(format!("{value:?} is none of {}", SCOPES.join(", "))),
    }),
    ("process", |value| Ok(Test::Named(Word::Process, value.to_lowercase()))),
    ("pid", |value| value.parse().map(Test::Pid).map_err(|_| format!("{value:?} is not the number of a process"))),
    ("owner", |value| value.parse().map(Test::Owner).map_err(|_| format!("{value:?} is not the number of a user"))),
    ("unit", |value| Ok(Test::Named(Word::Unit, value.to_lowercase()))),
    ("status", |value| Ok(Test::Named(Word::Status, value.to_lowercase()))),
    ("reason", |value| Ok(Test::Named(Word::Reason, value.to_lowercase()))),
    ("user", |value| Ok(Test::Named(Word::User, value.to_lowercase()))),
    ("path", |value| Ok(Test::Named(Word::Path, value.to_lowercase()))),
    ("seen", |value| match value.to_lowercase() {
        seen if SEEN.contains(&&*seen) => Ok(Test::Named(Word::Seen, seen)),
        _ => Err(format!("{value:?} is none of {}", SEEN.join(", "))),
    }),
];

/// What can be compared.
pub(super) const QUANTITIES: &[(&str, Quantity)] = &[
    ("pps", Quantity::Pps),
    ("packets", Quantity::Packets),
    ("pkts", Quantity::Packets),
    ("bytes", Quantity::Bytes),
    ("ips", Quantity::Ips),
    ("peak", Quantity::Peak),
    ("tx", Quantity::Tx),
    ("rx", Quantity::Rx),
    ("rtt", Quantity::Rtt),
    ("retrans", Quantity::Retransmits),
    ("req", Quantity::Requests),
    ("auth", Quantity::Failures),
];

/// The longer ones first.
const RELATIONS: &[(&str, Relation)] = &[
    (">=", Relation::MoreOrEqual),
    ("<=", Relation::LessOrEqual),
    (">", Relation::More),
    ("<", Relation::Less),
    ("=", Relation::Equal),
];

/// Factors of numbers, the longer ones first.
const FACTORS: &[(&str, f64)] = &[
    ("ki", 1024.0),
    ("mi", 1_048_576.0),
    ("gi", 1_073_741_824.0),
    ("ti", 1_099_511_627_776.0),
    ("k", 1e3),
    ("m", 1e6),
    ("g", 1e9),
    ("t", 1e12),
    ("", 1.0),
];

/// Reads a filter; none where there is only blank.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(text: &str) -> Result<Option<Query>> {
    let mut parser = Parser { characters: text.chars().collect(), at: 0, depth: 0 };
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Ok(None);
    }
    let root = parser.any()?;
    match parser.peek() {
        None => Ok(Some(Query { text: text.trim().into(), root })),
        Some(_) => Err(parser.error("a closing parenthesis without an opening one")),
    }
}

struct Parser {
    characters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Node> {
        let mut nodes = vec![self.all()?];
        while self.take_word("or") {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self) -> Result<Node> {
        let mut nodes = vec![self.one()?];
        loop {
            let and = self.take_word("and");
            if !and && (matches!(self.peek(), None | Some(')')) || self.is_word("or")) {
                break;
            }
            nodes.push(self.one()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn one(&mut self) -> Result<Node> {
        self.skip_blanks();
        if self.depth >= DEEPEST {
            return Err(self.error("too many parentheses within each other"));
        }
        self.depth += 1;
        let node = if self.take('!') || self.take_word("not") {
            Node::Not(Box::new(self.one()?))
        } else if self.take('(') {
            let node = self.any()?;
            if !self.take(')') {
                return Err(self.error("a closing parenthesis is missing"));
            }
            node
        } else if self.take('"') {
            let start = self.at;
            while self.peek().is_some_and(|next| next != '"') {
                self.at += 1;
            }
            let text: String = self.characters[start..self.at].iter().collect();
            if !self.take('"') {
                return Err(self.error("a closing quotation mark is missing"));
            }
            self.skip_blanks();
            Node::Is(Test::Text(text.to_lowercase()))
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn term(&mut self) -> Result<Node> {
        let start = self.at;
        if self.is_word("or") || self.is_word("and") || matches!(self.peek(), None | Some(')')) {
            return Err(self.error("something to look for is missing"));
        }
        let word = self.word();
        self.skip_blanks();
        if let Some((_, relation)) = RELATIONS.iter().find(|(sign, _)| self.take_all(sign)) {
            return self.comparison(&word, *relation, start);
        }
        let Some((name, values)) = word.split_once(':').filter(|(name, _)| may_be_field(&word, name)) else {
            // Most likely not a text, but half a comparison.
            if let Some((name, _)) = QUANTITIES.iter().find(|(name, _)| word == *name) {
                return Err(self.error(&format!("{name} wants to be compared, as in {name}>1k")));
            }
            // A prefix is not looked for as text: `10.0.0.0/8` means what lies in it.
            let test =
                prefix::parse(&word).filter(|_| word.contains('/')).map_or(Test::Text(word.to_lowercase()), Test::Net);
            return Ok(Node::Is(test));
        };
        let Some((_, read)) = FIELDS.iter().find(|(field, _)| name.eq_ignore_ascii_case(field)) else {
            let names: Vec<_> = FIELDS.iter().map(|(name, _)| format!("{name}:")).collect();
            return Err(Error { at: start, what: format!("there is no {name}:, but {}", names.join(" ")) });
        };
        let mut at = start + name.chars().count() + 1;
        let mut tests = Vec::new();
        for value in values.split(',') {
            if value.is_empty() {
                return Err(Error { at, what: format!("{name}: needs a value") });
            }
            tests.push(Node::Is(read(value).map_err(|what| Error { at, what })?));
            at += value.chars().count() + 1;
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Node::Any(tests) })
    }

    fn comparison(&mut self, name: &str, relation: Relation, start: usize) -> Result<Node> {
        let Some((_, quantity)) = QUANTITIES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) else {
            let names: Vec<_> = QUANTITIES.iter().map(|(name, _)| *name).collect();
            return Err(Error { at: start, what: format!("{name:?} is no number; there are {}", names.join(", ")) });
        };
        self.skip_blanks();
        let at = self.at;
        let text = self.word();
        let number =
            number(&text).ok_or(Error { at, what: format!("{text:?} is not a number such as 1000, 1.5k, 1Mi") })?;
        self.skip_blanks();
        Ok(Node::Is(Test::Number(*quantity, relation, number)))
    }

    /// Up to a blank, a parenthesis or a relation.
    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|next| !next.is_whitespace() && !"()<>=".contains(next)) {
            self.at += 1;
        }
        self.characters[start..self.at].iter().collect()
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.at += 1;
            if character != '"' {
                self.skip_blanks();
            }
        }
        found
    }

    fn take_all(&mut self, sign: &str) -> bool {
        let found = sign.chars().enumerate().all(|(at, sign)| self.characters.get(self.at + at) == Some(&sign));
        if found {
            self.at += sign.chars().count();
        }
        found
    }

    /// Whether this very word comes next.
    fn is_word(&self, word: &str) -> bool {
        let rest = &self.characters[self.at..];
        let mut letters = rest.iter().take(word.len());
        word.chars().all(|letter| letters.next().is_some_and(|next| next.eq_ignore_ascii_case(&letter)))
            && rest.get(word.len()).is_none_or(|next| next.is_whitespace() || "()".contains(*next))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += word.len();
            self.skip_blanks();
        }
        found
    }

    fn error(&self, what: &str) -> Error {
        Error { at: self.at, what: what.into() }
    }
}

/// Whether what stands before the first colon is meant as a field: not where it begins an address.
fn may_be_field(word: &str, name: &str) -> bool {
    let hexadecimal = name.len() <= 4 && name.chars().all(|c| c.is_ascii_hexdigit());
    !hexadecimal && prefix::parse(word).is_none()
}

fn net(text: &str) -> std::result::Result<IpNet, String> {
    prefix::parse(text).ok_or_else(|| format!("{text:?} is not an address or prefix"))
}

fn ports(text: &str) -> std::result::Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.parse().ok().zip(last.parse().ok()).filter(|(first, last)| first <= last);
    range.ok_or_else(|| format!("{text:?} is not a port or range of ports"))
}

fn number(text: &str) -> Option<f64> {
    let text = text.to_lowercase();
    // A unit of bytes adds nothing to the factor.
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, factor) = FACTORS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_know_their_place() {
        for (text, at, part) in [
            ("ip:10.0.0.300", 3, "not an address"),
            ("src:10.0.0.0/33", 4, "not an address"),
            ("dst:10.0.0.1,here", 13, "\"here\" is not an address"),
            ("port:80,x", 8, "\"x\" is not a port"),
            ("port:", 5, "needs a value"),
            ("tcp and", 7, "missing"),
            ("or tcp", 0, "missing"),
            ("(tcp", 4, "closing parenthesis is missing"),
            ("tcp)", 3, "without an opening one"),
            ("()", 1, "missing"),
            ("tcp and colour:red", 8, "no colour:"),
            ("size>5", 0, "\"size\" is no number"),
            ("pps", 3, "compared"),
            ("pps>", 4, "not a number"),
            ("pps>fast", 4, "\"fast\" is not a number"),
            ("pps>nan", 4, "not a number"),
            ("\"a", 2, "quotation"),
            ("asn:x", 4, "autonomous"),
            ("lport:x", 6, "\"x\" is not a port"),
            ("rport:90-80", 6, "not a port or range"),
            ("dir:up", 4, "no direction"),
            ("nat:up", 4, "none of source"),
            ("scope:here", 6, "none of local, private"),
            ("seen:perhaps", 5, "none of yes, no"),
            ("pid:nginx", 4, "not the number of a process"),
            ("owner:nobody", 6, "not the number of a user"),
            ("rtt", 3, "compared"),
            ("country:Germany", 8, "two letters"),
            ("ää !", 4, "missing"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.at == at && error.what.contains(part), "{text}: {error:?}");
        }
    }

    #[test]
    fn every_word_is_called_as_it_is_written() {
        let values = ["10.0.0.0/8", "80", "de", "64511", "02:42", "in", "local", "both", "yes"];
        // What rustnet calls them, too.
        for (name, read) in FIELDS.iter().filter(|(name, _)| !["sport", "dport"].contains(name)) {
            let test = values.iter().find_map(|value| read(value).ok()).expect("a value");
            assert_eq!(test.word(), format!("{name}:"));
        }
        for (name, quantity) in QUANTITIES.iter().filter(|(name, _)| *name != "pkts") {
            assert_eq!(Test::Number(*quantity, Relation::Less, 1.0).word(), *name);
        }
    }

    #[test]
    fn nothing_is_no_filter() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("  "), Ok(None));
    }

    #[test]
    fn addresses_are_no_fields() {
        for text in ["2001:db8::1", "fe80::", "dead:beef", "02:42:ac", "::1"] {
            assert_eq!(parse(text).unwrap().unwrap().root, Node::Is(Test::Text(text.into())), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        for text in ["(".repeat(500), "!".repeat(500)] {
            assert!(parse(&text).unwrap_err().what.contains("too many"));
        }
    }
}
