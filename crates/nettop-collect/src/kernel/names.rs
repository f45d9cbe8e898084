//! Names of interfaces as people read and write them. To the kernel they are bytes, in any encoding, commas included.
//!
//! A name that is not UTF-8 is shown with `\xNN` for each byte that is none, and can be written so; `\,` is a comma that
//! separates nothing, `\\` a backslash.

use std::io;

/// A name as it is shown.
pub fn shown(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        shown.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// A name in a list: what stands in it may be taken back as it is.
pub fn listed(name: &str) -> String {
    name.replace(',', "\\,")
}

/// The names that a text may stand for, most likely first: it itself, and what it is without its escapes.
pub fn bytes(text: &str) -> Vec<Vec<u8>> {
    let mut all = vec![text.as_bytes().to_vec()];
    let plain = without_escapes(text.as_bytes());
    if plain != all[0] {
        all.push(plain);
    }
    all
}

fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return plain,
            [b'\\', escaped @ (b',' | b'\\'), rest @ ..] => {
                plain.push(*escaped);
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default() as u8;
                plain.push(digit(high) << 4 | digit(low));
                rest
            }
            [other, rest @ ..] => {
                plain.push(*other);
                rest
            }
        };
    }
}

/// The names in a text: the whole text, where there `is` an interface of that name; else what commas separate.
///
/// # Errors
/// Those of `is`.
pub fn split(text: &str, is: impl Fn(&str) -> io::Result<bool>) -> io::Result<Vec<String>> {
    if !text.contains(',') || is(text)? {
        return Ok(vec![text.into()]);
    }
    let mut names = vec![String::new()];
    let mut is_escaped = false;
    for character in text.chars() {
        match (character, names.last_mut()) {
            (',', _) if !is_escaped => names.push(String::new()),
            (_, Some(name)) => name.push(character),
            (_, None) => {}
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    Ok(names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_finds_the_name_again() {
        for (name, text) in [
            (&b"eth0"[..], "eth0"),
            ("siège".as_bytes(), "siège"),
            (b"si\xe8ge", r"si\xe8ge"),
            (b"\xe3\x81", r"\xe3\x81"),
            (b"\xff\xfe0", r"\xff\xfe0"),
            (b"a,b", "a,b"),
            (b"a\\b", r"a\b"),
            (b"\\", r"\"),
            (b"\\xe8", r"\xe8"),
            (b"", ""),
        ] {
            assert_eq!(shown(name), text);
            assert!(bytes(text).iter().any(|bytes| bytes == name), "{text}");
            assert!(bytes(&listed(text)).iter().any(|bytes| bytes == name), "{text} in a list");
        }
        assert_eq!(bytes("eth0"), [b"eth0"]);
        assert_eq!(bytes(r"a\,b\\c\x41\xg1\"), [br"a\,b\\c\x41\xg1\".to_vec(), br"a,b\cA\xg1\".to_vec()]);
    }

    #[test]
    fn commas_separate_what_is_no_name_by_itself() {
        for (text, there, expected) in [
            ("eth0", &[][..], &["eth0"][..]),
            ("eth0,eth1", &[], &["eth0", "eth1"]),
            ("eth0, eth1 ,", &[], &["eth0", "eth1"]),
            ("a,b", &["a,b"], &["a,b"]),
            ("a,b,c", &["a,b"], &["a", "b", "c"]),
            (r"a\,b,c", &["a,b"], &[r"a\,b", "c"]),
            (r"a\\,c", &[], &[r"a\\", "c"]),
            (r"si\xe8ge,c", &[], &[r"si\xe8ge", "c"]),
            (",", &[","], &[","]),
            (",", &[], &[]),
            ("", &[], &[""]),
            // What is no list is taken as it is.
            ("eth0 ", &[], &["eth0 "]),
        ] {
            let names = split(text, |name| Ok(there.contains(&name))).expect("nothing fails");
            assert_eq!(names, expected, "{text:?}");
        }
    }
}
