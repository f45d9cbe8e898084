//! What is wrong with a database although it could be opened: found out when it is read, and while it is used.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{Provides, text};

/// What reading a number of records has shown.
#[derive(Debug, Default)]
pub struct Survey {
    /// What they tell.
    pub provides: Provides,
    /// How many were read.
    pub records: u64,
    /// Of those, how many could not be read.
    pub failed: u64,
    /// Why the first of these could not.
    pub first: Option<String>,
}

impl Survey {
    /// A record could not be read.
    pub fn fail(&mut self, why: &impl ToString) {
        self.failed += 1;
        self.first.get_or_insert_with(|| text::clean(&why.to_string()).into_owned());
    }
}

/// Look-ups that failed.
#[derive(Debug, Default)]
pub struct Failures {
    count: AtomicU64,
    first: OnceLock<String>,
}

impl Failures {
    /// Another one; why is asked of the first only.
    pub fn note(&self, why: impl FnOnce() -> String) {
        self.count.fetch_add(1, Relaxed);
        self.first.get_or_init(|| text::clean(&why()).into_owned());
    }
}

/// What is wrong with the database of this name and type, and what to do.
pub fn problem(name: &str, kind: &str, survey: &Survey, failures: &Failures) -> Option<String> {
    let Survey { provides, records, failed, first } = survey;
    let since = failures.count.load(Relaxed);
    if *failed > 0 || since > 0 {
        let mut counted = Vec::new();
        if *failed > 0 {
            counted.push(format!("{failed} of the first {records} records cannot be read"));
        }
        if since > 0 {
            counted.push(format!("{since} look-ups have failed"));
        }
        let first = first.as_ref().or_else(|| failures.first.get()).map_or("", String::as_str);
        return Some(format!(
            "{name} is damaged: {} ({first}); fetch it anew, it is then read again. What it does not tell is taken from the \
             embedded places",
            counted.join(", ")
        ));
    }
    let why = match records {
        _ if *provides != Provides::default() => return None,
        0 => "no record was found in it",
        _ => "its records have neither country nor city nor network",
    };
    Some(format!(
        "{name} provides nothing: {why}, its type is {}; name a database of countries, cities or networks with --location-db",
        text::quote(kind)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_counted_and_bounded() {
        let survey = |country, records, failed| Survey {
            provides: Provides { country, ..Provides::default() },
            records,
            failed,
            first: (failed > 0).then(|| "at byte 7".into()),
        };
        let failures = |count: u64| {
            let failures = Failures::default();
            (0..count).for_each(|n| failures.note(|| format!("look-up {n}\x1b")));
            failures
        };
        for (survey, failures, expected) in [
            (survey(true, 10, 0), failures(0), None),
            (survey(true, 10, 1), failures(0), Some("damaged: 1 of the first 10 records cannot be read (at byte 7)")),
            (survey(true, 10, 0), failures(1000), Some("damaged: 1000 look-ups have failed (look-up 0)")),
            (
                survey(false, 10, 9),
                failures(2),
                Some("9 of the first 10 records cannot be read, 2 look-ups have failed (at byte 7)"),
            ),
            (survey(false, 0, 0), failures(0), Some("provides nothing: no record")),
            (survey(false, 3, 0), failures(0), Some("neither country nor city nor network, its type is \"Type\"")),
        ] {
            let problem = problem("x.mmdb", "Type", &survey, &failures);
            match expected {
                None => assert_eq!(problem, None),
                Some(expected) => {
                    let problem = problem.expect(expected);
                    assert!(problem.starts_with("x.mmdb ") && problem.contains(expected), "{problem}");
                    assert!(problem.len() < 400 && !problem.contains('\x1b'), "{problem}");
                }
            }
        }
    }
}
