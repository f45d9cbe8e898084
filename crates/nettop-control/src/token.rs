//! The word that a client has to know where anybody could connect: `tcp://` beyond loopback.

use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

use nettop_process::shell;
use subtle::ConstantTimeEq as _;

/// Shorter ones can be tried out.
const LEAST: usize = 16;
const MOST: u64 = 4096;

/// It.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .with_context(|| format!("opening the token {shown}"))?;
        if file.metadata().with_context(|| format!("looking at {shown}"))?.mode() & 0o077 != 0 {
            bail!("others could read the token {shown}; chmod 600 {}", shell::word(path));
        }
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).with_context(|| format!("reading the token {shown}"))?;
        let line = text.lines().next().unwrap_or_default().trim();
        if line.len() < LEAST {
            bail!("the token in {shown} has less than {LEAST} characters; head -c 24 /dev/urandom | base64 > {shown}");
        }
        Ok(Self(line.into()))
    }

    /// This text, which a process was told that had read it.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text of it, to be sent.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same text. How long that takes tells whether it has the same length, and nothing else.
    pub fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_token_is_private_long_and_compared_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Token::read(&path)
        };
        let error = |result: Result<Token>| result.map(|_| ()).unwrap_err().to_string();
        assert!(error(read("0123456789abcdef\n", 0o644)).contains("chmod 600"));
        assert!(error(read("0123456789abcde\n", 0o600)).contains("less than 16"));
        let token = read("0123456789abcdef\nmore\n", 0o600).unwrap();
        for (other, expected) in [
            ("0123456789abcdef", true),
            ("0123456789abcdeF", false),
            ("0123456789abcde", false),
            ("0123456789abcdefg", false),
            ("", false),
        ] {
            assert_eq!(token.is(other), expected, "{other}");
        }
    }
}
