//! Words of commands that are proposed, to be pasted into a shell.

use std::{borrow::Cow, ffi::OsStr};

/// One word of a command, whatever the text holds. What no shell could be given (a zero byte, bytes that are not UTF-8) is
/// replaced.
pub fn word(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_string_lossy().replace('\0', "\u{fffd}");
    shlex::try_quote(&text).map_or_else(|_| text.clone(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_takes_it_for_one_word_that_is_the_same() {
        assert_eq!((word("/usr/bin/nettop"), word("eth0.5")), ("/usr/bin/nettop".into(), "eth0.5".into()));
        for text in ["/home/a b/nettop", "/it's/\"here\"", "$(id);`id`&|<>*?[a]{b,c}!~#\\", "", "a\nb", "é日本", "~"]
        {
            let told = Command::new("sh").args(["-c", &format!("printf %s {}", word(text))]).output().unwrap();
            assert_eq!(String::from_utf8(told.stdout).unwrap(), text);
        }
        assert_eq!(word("a\0b"), "'a\u{fffd}b'");
    }
}
