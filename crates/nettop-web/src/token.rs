//! The token of the dashboard: whoever sends it may look.

use std::{
    fs::File,
    io::{self, Read as _},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

/// Bytes from the kernel's random source: 32 characters.
const BYTES: usize = 24;

/// It.
#[derive(Clone)]
pub struct WebToken(String);

impl WebToken {
    /// This text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// A new one, which nobody can guess.
    ///
    /// # Errors
    /// The kernel's random source cannot be read.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As a word of `Sec-WebSocket-Protocol`, where only some characters may stand.
    pub(crate) fn as_protocol(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&self.0)
    }

    /// Whether `other` is the same text. How long that takes tells whether it has the same length, and nothing else.
    pub(crate) fn is(&self, other: &str) -> bool {
        equal(&self.0, other)
    }
}

/// Whether both are the same text, in a time that does not tell where they differ.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_differ_and_are_compared_whole() {
        let (one, other) = (WebToken::random().unwrap(), WebToken::random().unwrap());
        assert!(one.text().len() == 32 && one.text() != other.text());
        for (text, expected) in [(one.text(), true), (other.text(), false), ("", false), (&one.text()[..31], false)] {
            assert_eq!(one.is(text), expected, "{text}");
        }
        assert!(one.as_protocol().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
}
