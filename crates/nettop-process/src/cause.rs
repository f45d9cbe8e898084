//! What an error and its causes say, in one line, each thing once; and what to do where a resource of this process or of the
//! host is used up, which can happen anywhere.

use std::io;

use anyhow::Error;

use crate::memory;

/// The message and those of its causes, separated by colons, and a remedy where a resource is used up.
///
/// Some libraries say in a message what its cause says too: what was said already is left out.
pub fn told(error: &Error) -> String {
    let mut text = chain(error);
    if let Some(remedy) = shortage(error) {
        text.push_str("; ");
        text.push_str(&remedy);
    }
    text
}

/// The message and those of its causes, without those that were said already.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    let mut newest = String::new();
    for cause in error.chain() {
        let message = cause.to_string();
        let message = message.trim();
        if message.is_empty() || says(&newest, message) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(message);
        newest = message.to_string();
    }
    text
}

/// Whether a message holds another one, not as a part of words.
fn says(whole: &str, part: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    whole.match_indices(part).any(|(at, _)| {
        let (before, after) = (whole[..at].chars().next_back(), whole[at + part.len()..].chars().next());
        !(is_word(before) && is_word(part.chars().next()) || is_word(after) && is_word(part.chars().next_back()))
    })
}

/// What is used up, and what to do, if an error means that something is.
fn shortage(error: &Error) -> Option<String> {
    let codes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).filter_map(io::Error::raw_os_error);
    codes.into_iter().find_map(remedy)
}

/// The same of an error number.
fn remedy(code: i32) -> Option<String> {
    let limit = |resource| memory::limit_of_process(resource).map_or(String::new(), |most| format!(" (now {most})"));
    Some(match code {
        libc::EMFILE => format!(
            "this process may not open more files{}: raise RLIMIT_NOFILE with `ulimit -n 1024`, or LimitNOFILE= of the service",
            limit(libc::RLIMIT_NOFILE)
        ),
        libc::ENFILE => "the whole host has no more open files to give: raise `sysctl fs.file-max`".into(),
        libc::ENOMEM => memory::remedy(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    /// An error as libraries make them: with a message of its own, and a source.
    #[derive(Debug)]
    struct Library(String, Option<Box<dyn std::error::Error + Send + Sync>>);

    impl std::fmt::Display for Library {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl std::error::Error for Library {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }

    fn of(messages: &[&str]) -> Error {
        let mut source: Option<Box<dyn std::error::Error + Send + Sync>> = None;
        for message in messages.iter().rev() {
            source = Some(Box::new(Library((*message).into(), source.take())));
        }
        Error::from_boxed(source.unwrap())
    }

    #[test]
    fn each_thing_is_said_once() {
        for (messages, line) in [
            (&["loading", "refused"][..], "loading: refused"),
            // A message that ends with its cause's.
            (
                &["map error: failed to create map `X`", "failed to create map `X`", "denied"][..],
                "map error: failed to create map `X`: denied",
            ),
            // One that holds it in the middle.
            (&["the call returned denied. Log: none", "denied"], "the call returned denied. Log: none"),
            // The same message, passed on.
            (&["denied", "denied", "denied"], "denied"),
            // An empty one, as of a wrapper.
            (&["loading", "", "denied"], "loading: denied"),
            // Parts of words are not what was said.
            (&["reading eth01", "eth0"], "reading eth01: eth0"),
            (&["unknown", "no"], "unknown: no"),
            (&["no such file: no", "no"], "no such file: no"),
        ] {
            assert_eq!(chain(&of(messages)), line);
        }
    }

    #[test]
    fn errors_of_aya_are_said_once() {
        use aya::{EbpfError, maps::MapError, programs::ProgramError};
        let refused = || io::Error::from_raw_os_error(libc::EINVAL);
        let create = || MapError::CreateError { name: "SOURCES".into(), io_error: refused() };
        for (error, part) in [
            (EbpfError::MapError(create()).into(), "failed to create map"),
            (EbpfError::ProgramError(ProgramError::MapError(create())).into(), "failed to create map"),
            (Error::from(EbpfError::MapError(MapError::IoError(refused()))), "Invalid argument"),
            (
                EbpfError::ProgramError(ProgramError::LoadError {
                    io_error: refused(),
                    verifier_log: aya_obj::VerifierLog::new("no reason given".into()),
                })
                .into(),
                "Invalid argument",
            ),
        ] {
            let line = told(&error.context("loading"));
            assert_eq!(line.matches(part).count(), 1, "{line}");
            assert_eq!(line.matches("Invalid argument").count(), 1, "{line}");
        }
    }

    #[test]
    fn what_is_used_up_is_named_with_a_remedy() {
        for (code, parts) in [
            (libc::EMFILE, ["RLIMIT_NOFILE", "ulimit -n"]),
            (libc::ENFILE, ["files", "fs.file-max"]),
            (libc::ENOMEM, ["memory", "--map-memory"]),
        ] {
            let error = Err::<(), _>(io::Error::from_raw_os_error(code)).context("opening x").unwrap_err();
            let line = told(&error);
            assert!(line.starts_with("opening x: ") && parts.iter().all(|part| line.contains(part)), "{line}");
        }
        for code in [libc::ENOENT, libc::EACCES, libc::ENOSPC, libc::EAGAIN] {
            assert!(!told(&io::Error::from_raw_os_error(code).into()).contains("; "));
        }
        assert_eq!(told(&anyhow!("nothing of the kind")), "nothing of the kind");
    }
}
