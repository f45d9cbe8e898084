//! Logs of whoever logs in: syslog's files, and the journal as JSON. A program is a row of `PROGRAMS`, and a message one of its table.

mod dovecot;
mod head;
mod journal;
mod message;
mod pids;
mod postfix;
mod sshd;
mod sudo;

use std::{net::IpAddr, sync::LazyLock};

use memchr::memmem;

use self::{
    head::{Head, head},
    message::{Message, Pattern, Reading, Readings},
    pids::{Pending, Pids},
};
use crate::{
    format::cut,
    reading::{AuthEvent, Login, MOST_TEXT},
};

/// The longest message that is looked at.
const MOST_MESSAGE: usize = 4096;
/// Bytes that are kept of a name.
const MOST_USER: usize = 64;
/// So often a message was repeated at most.
const MOST_TIMES: u32 = 10_000;

/// A program whose messages are read.
struct Program {
    /// What it is called here.
    service: &'static str,
    /// The names that it logs by.
    names: &'static [&'static str],
    messages: &'static [Message],
}

const PROGRAMS: &[Program] = &[
    Program { service: "sshd", names: &["sshd", "sshd-session", "sshd-auth", "sshd2"], messages: sshd::MESSAGES },
    Program { service: "sudo", names: &["sudo", "su"], messages: sudo::MESSAGES },
    Program {
        service: "dovecot",
        names: &[
            "dovecot",
            "imap-login",
            "pop3-login",
            "managesieve-login",
            "submission-login",
            "auth",
            "auth-worker",
            "dovecot-auth",
        ],
        messages: dovecot::MESSAGES,
    },
    Program { service: "postfix", names: &["smtpd", "smtps", "submission"], messages: postfix::MESSAGES },
];

/// The same, compiled.
static COMPILED: LazyLock<Vec<Vec<(Login, Pattern)>>> = LazyLock::new(|| {
    let compiled = |program: &Program| {
        program.messages.iter().map(|message| (message.login, Pattern::new(message.pattern))).collect()
    };
    PROGRAMS.iter().map(compiled).collect()
});

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Somebody logged in, or tried to.
    Event {
        /// When, Unix nanoseconds; `None`: it does not say.
        at_ns: Option<u64>,
        /// Who; `None`: it does not say, or by a name.
        client: Option<IpAddr>,
        /// How it went.
        event: AuthEvent,
    },
    /// It can be read with two addresses.
    Ambiguous {
        /// The program that says so.
        service: &'static str,
    },
    /// Of a program that is looked at, but nothing about logins.
    Nothing,
    /// Of another program, or no line of a log.
    Other,
}

/// Reads one file.
#[derive(Debug, Default)]
pub struct Auth {
    pids: Pids,
}

impl Auth {
    /// Reads a line; `zone_s` is how far the clock on the wall is ahead of UTC.
    pub fn read(&mut self, line: &str, now_ns: u64, zone_s: i64) -> Said {
        if line.starts_with('{') {
            return journal::entry(line).map_or(Said::Other, |entry| self.said(&entry.head(), now_ns));
        }
        match head(line, now_ns, zone_s) {
            Some(head) => self.said(&head, now_ns),
            None => Said::Other,
        }
    }

    /// Reads an entry that came from the journal itself: of who it says it is the kernel's word is taken, and no other.
    pub fn read_journal(&mut self, line: &str, now_ns: u64) -> Said {
        let entry = journal::entry(line).filter(journal::Entry::is_of_root);
        entry.map_or(Said::Other, |entry| self.said(&entry.head(), now_ns))
    }

    fn said(&mut self, head: &Head<'_>, now_ns: u64) -> Said {
        let Head { at_ns, pid, .. } = *head;
        // Postfix has its own name before that of its part.
        let Some(at) = PROGRAMS.iter().position(|program| program.names.contains(&head.program)) else {
            return Said::Other;
        };
        let service = PROGRAMS[at].service;
        let (message, times) = repeated(head.message);
        let (message, is_before) = stripped(cut(message, MOST_MESSAGE));
        let found = COMPILED[at].iter().find_map(|(login, pattern)| match pattern.read(message) {
            Readings::None => None,
            other => Some((*login, other)),
        });
        let Some((login, readings)) = found else { return Said::Nothing };
        let reading = match readings {
            Readings::One(reading) => reading,
            Readings::Ambiguous | Readings::None => return Said::Ambiguous { service },
        };
        // Whoever goes before having logged in has at least tried.
        let login = if login == Login::Other && is_before { Login::Weak } else { login };
        let is_invalid = message.starts_with("Invalid user");
        // A process that begins has failed nobody yet: what is known of its number is of another one.
        if let Some(pid) = pid.filter(|_| message.starts_with("Connection from ")) {
            self.pids.forget(pid);
        }
        let Attributed { client, login, mut times, user } =
            self.attributed(login, reading, pid, times, at_ns.unwrap_or(now_ns));
        if let Some(pid) = pid.filter(|_| client.is_some()) {
            match is_invalid {
                true => self.pids.is_invalid(pid),
                // The same failure, told twice.
                false if message.starts_with("Failed ") && self.pids.take_invalid(pid) => {
                    times = times.saturating_sub(1);
                }
                false => {}
            }
        }
        let event = AuthEvent {
            service: service.into(),
            login,
            user: cut(&user, MOST_USER).into(),
            times,
            text: cut(message, MOST_TEXT).into(),
        };
        Said::Event { at_ns, client, event }
    }

    /// Whose it is, by the address in it or that of its process.
    fn attributed(&mut self, login: Login, reading: Reading, pid: Option<u32>, times: u32, at_ns: u64) -> Attributed {
        let Reading { address, user } = reading;
        let own = Attributed { client: address, login, times, user };
        let Some(pid) = pid else { return own };
        match (address, login) {
            (Some(_), Login::Accepted) => {
                self.pids.forget(pid);
                own
            }
            (Some(ip), _) => {
                let Pending { times: before, is_strong, user } = self.pids.address(pid, ip, at_ns);
                match (before, login) {
                    (0, _) => own,
                    (_, Login::Failed) => Attributed { times: times.saturating_add(before), ..own },
                    // What it said before its address was known.
                    _ => Attributed {
                        login: if is_strong { Login::Failed } else { Login::Weak },
                        times: before,
                        user: user.into(),
                        ..own
                    },
                }
            }
            (None, Login::Failed | Login::Weak) => {
                let pending = Pending { times, is_strong: login == Login::Failed, user: own.user.as_str().into() };
                Attributed { client: self.pids.failed(pid, pending, at_ns), ..own }
            }
            (None, _) => own,
        }
    }
}

/// Whose a message is, and how often.
struct Attributed {
    client: Option<IpAddr>,
    login: Login,
    times: u32,
    user: String,
}

/// The message that is repeated in `message repeated 3 times: [ … ]`, and how often.
fn repeated(message: &str) -> (&str, u32) {
    let parts = || {
        let rest = message.strip_prefix("message repeated ")?;
        let (times, rest) = rest.split_once(" times: [")?;
        Some((rest.strip_suffix(']')?.trim_ascii(), times.parse::<u32>().ok()?.clamp(1, MOST_TIMES)))
    };
    parts().unwrap_or((message, 1))
}

/// Without what systems put before and behind messages, and whether it is from before somebody has logged in.
fn stripped(message: &str) -> (&str, bool) {
    let mut text = message.trim_ascii();
    if let Some(rest) = text.strip_prefix("[ID ") {
        text = rest.split_once("] ").map_or(text, |(_, rest)| rest);
    }
    if let Some(rest) = text.strip_prefix("kernel:") {
        let rest = rest.trim_start();
        text = rest.split_once("] ").or(rest.split_once("]: ")).map_or(rest, |(_, rest)| rest);
        text = text.trim_start_matches([':', ' ']);
    }
    for prefix in ["error: ", "fatal: ", "info: ", "debug1: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    match text.strip_suffix("[preauth]") {
        Some(text) => (text.trim_ascii_end(), true),
        None => (text, false),
    }
}

/// Whether a file looks like one of syslog: whether some of its lines have a program.
pub fn looks_like_one(sample: &str) -> bool {
    sample.lines().take(64).any(|line| head(line, u64::MAX / 2, 0).is_some())
        || memmem::find(sample.as_bytes(), b"\"MESSAGE\"").is_some()
}

#[cfg(test)]
mod tests;
