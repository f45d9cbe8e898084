//! What stands before a message: when, and which program with which number.

use crate::time;

/// The head of a line, and its message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head<'a> {
    /// When, Unix nanoseconds.
    pub at_ns: Option<u64>,
    /// The name of the program, without its folder.
    pub program: &'a str,
    /// Its number.
    pub pid: Option<u32>,
    /// The message.
    pub message: &'a str,
}

/// Words that may stand between the time and the program: the host, and a facility.
const MOST_WORDS: usize = 3;

/// Reads a line of syslog: the older form, with a time of ISO 8601, of RFC 5424, or without a time. `None`: it has no program.
pub fn head(line: &str, now_ns: u64, zone_s: i64) -> Option<Head<'_>> {
    let line = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((priority, rest)) if priority.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => line,
    };
    if let Some(rest) = line.strip_prefix("1 ") {
        return rfc5424(rest);
    }
    let (at_ns, rest) = timed(line, now_ns, zone_s);
    let mut rest = rest;
    for _ in 0..MOST_WORDS {
        rest = rest.trim_start_matches(' ');
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if let Some((program, pid)) = tag(word) {
            return Some(Head { at_ns, program: base(program), pid, message: after.trim_start_matches(' ') });
        }
        rest = after;
    }
    None
}

fn rfc5424(rest: &str) -> Option<Head<'_>> {
    let mut words = rest.splitn(6, ' ');
    let at_ns = time::iso(words.next()?);
    let (_host, program, pid, _id, rest) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let message = match rest.strip_prefix("- ") {
        Some(message) => message,
        None => rest.find("] ").map(|end| &rest[end + 2..])?,
    };
    let message = message.trim_start_matches('\u{feff}');
    Some(Head { at_ns, program: base(program), pid: pid.parse().ok(), message })
}

/// The time at the beginning, and what follows.
fn timed(line: &str, now_ns: u64, zone_s: i64) -> (Option<u64>, &str) {
    if let Some((first, rest)) = line.split_once(' ') {
        if first.contains('T')
            && let Some(at_ns) = time::iso(first)
        {
            return (Some(at_ns), rest);
        }
        if first.len() == 3 {
            let rest = rest.trim_start_matches(' ');
            if let Some((day, rest)) = rest.split_once(' ')
                && let Some((clock, rest)) = rest.trim_start_matches(' ').split_once(' ')
                && let Some(at_ns) = time::bsd(first, day, clock, now_ns, zone_s)
            {
                return (Some(at_ns), rest);
            }
        }
    }
    (None, line)
}

/// `sshd[123]:`, `sshd:`, `[sshd]:`, `[sshd]`, `sshd(pam_unix)[123]:`.
fn tag(word: &str) -> Option<(&str, Option<u32>)> {
    if let Some(inner) = word.trim_end_matches(':').strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return (!inner.is_empty() && !inner.contains(['[', ' '])).then_some((inner, None));
    }
    let bare = word.strip_suffix(':')?;
    let (program, pid) = match bare.strip_suffix(']').and_then(|bare| bare.split_once('[')) {
        Some((program, pid)) => (program, Some(pid.parse().ok()?)),
        None => (bare, None),
    };
    let program = program.split_once('(').map_or(program, |(program, _)| program);
    (!program.is_empty()).then_some((program, pid))
}

fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_form_are_read() {
        const NOW: u64 = 1_233_918_900_000_000_000;
        const AT: Option<u64> = Some(1_233_918_854_000_000_000);
        for (line, expected) in [
            ("Feb  6 11:14:14 host sshd[7]: text here", Some((AT, "sshd", Some(7), "text here"))),
            ("<38>Feb  6 11:14:14 host sshd-session[7]: text", Some((AT, "sshd-session", Some(7), "text"))),
            ("2009-02-06T11:14:14.000000+00:00 host sshd[7]: text", Some((AT, "sshd", Some(7), "text"))),
            ("<38>1 2009-02-06T11:14:14Z host sshd 7 - - text", Some((AT, "sshd", Some(7), "text"))),
            ("<38>1 2009-02-06T11:14:14Z host sshd 7 - [a b=\"c\"] text", Some((AT, "sshd", Some(7), "text"))),
            ("host sshd[7]: text", Some((None, "sshd", Some(7), "text"))),
            ("Feb  6 11:14:14 sshd[7]: text", Some((AT, "sshd", Some(7), "text"))),
            ("Feb  6 11:14:14 [sshd]: text", Some((AT, "sshd", None, "text"))),
            ("Feb  6 11:14:14 [sshd] text", Some((AT, "sshd", None, "text"))),
            ("Feb  6 11:14:14 host auth.info sshd(pam_unix)[7]: text", Some((AT, "sshd", Some(7), "text"))),
            ("Feb  6 11:14:14 host /usr/sbin/sshd: text", Some((AT, "sshd", None, "text"))),
            ("no program in here at all", None),
            ("", None),
            ("sshd[x]: text", None),
        ] {
            let found = head(line, NOW, 0).map(|head| (head.at_ns, head.program, head.pid, head.message));
            assert_eq!(found, expected, "{line}");
        }
    }
}
