//! What is not known of logs.

use nettop_model::snapshot::Degraded;

use super::{BEHIND, LogState};

impl LogState {
    /// What is not as it should be.
    pub fn degraded(&self) -> Vec<Degraded> {
        let mut rows = Vec::new();
        let Some(told) = &self.told else { return rows };
        let mut push = |badge: &str, what: String, reason: String, remedy: &str| {
            rows.push(Degraded { badge: badge.into(), what, reason, remedy: remedy.into() });
        };
        if told.behind > BEHIND {
            push(
                "LOGS BEHIND",
                format!("the oldest line that has not been read has waited for {:.0} s", told.behind),
                "more is written to the logs than is read in the same time".into(),
                "none while it lasts: it waits in its file and is read; else leave out files with --no-access-log",
            );
        }
        let lost = self.accounting().lines.lost_bytes;
        if lost > 0 {
            push(
                "LOGS LOST",
                format!("{lost} bytes of logs were gone before they were read"),
                "their file was cut, or had another name for more than a minute, before it was read to its end".into(),
                "have logs rotated less often, or by renaming; a reset (r) counts anew",
            );
        }
        if !told.problems.is_empty() {
            let shown = told.problems.iter().take(4).cloned().collect::<Vec<_>>().join("; ");
            let more = told.problems.len().saturating_sub(4);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            push(
                "logs",
                "some logs cannot be followed".into(),
                format!("{shown}{more}"),
                "mend what is named, or leave them out; the others are followed all the same",
            );
        }
        rows
    }
}
