//! The newest lines of all logs.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use nettop_collect::logs::{Entry, FileFacts, Login, Marks, What};
use nettop_model::snapshot::{LogLine, LogLines, Name};

use super::{
    rings::Followed,
    visits::{SERVICES, Visit, VisitTable},
};

/// Lines that are kept.
const MOST: usize = 2000;

/// The newest lines.
#[derive(Debug, Default)]
pub struct Newest {
    lines: VecDeque<Arc<LogLine>>,
    number: u64,
    followed: Followed,
}

impl Newest {
    /// Enters what came, whose visits were entered before; of more than there is room for, the last, and what somebody looks at.
    pub fn enter(&mut self, entries: Vec<Entry>, files: &[FileFacts], visits: &VisitTable) {
        let skipped = entries.len().saturating_sub(MOST);
        for (at, entry) in entries.into_iter().enumerate() {
            self.number += 1;
            let client = entry.client;
            if at < skipped && !client.is_some_and(|ip| self.followed.wants(&ip)) {
                continue;
            }
            let file = files.get(entry.file as usize).map(|file| file.path.clone()).unwrap_or_default();
            let line = Arc::new(line(self.number, entry, file));
            if let Some(ip) = client {
                self.followed.push(ip, &line, visits.get(&ip).is_some_and(Visit::is_suspicious));
            }
            if at >= skipped {
                if self.lines.len() >= MOST {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
        }
    }

    /// Somebody looks at an address: its newest lines, the newest first.
    pub fn of(&mut self, ip: IpAddr) -> Vec<Arc<LogLine>> {
        self.followed.want(ip, self.lines.iter().rev());
        self.followed.lines(&ip)
    }

    /// The newest first, at most `limit` (0: all).
    pub fn group(&self, limit: usize) -> LogLines {
        let most = if limit == 0 { usize::MAX } else { limit };
        let rows: Vec<_> = self.lines.iter().rev().take(most).map(Arc::clone).collect();
        LogLines { left_out: (self.lines.len() - rows.len()) as u64, rows }
    }
}

fn line(number: u64, entry: Entry, file: String) -> LogLine {
    let Entry { at_ns, client: ip, peer, what, .. } = entry;
    let base = LogLine { number, at_ns, ip, peer, file, ..LogLine::default() };
    match what {
        What::Request(request) => LogLine {
            service: Name::Borrowed(SERVICES[0]),
            status: request.status,
            what: Name::Owned(request.method.into()),
            text: request.target.into(),
            bytes: request.bytes,
            who: request.agent.into(),
            notable: request.marks != Marks::default(),
            ..base
        },
        What::Auth(event) => LogLine {
            service: Name::Owned(event.service.into()),
            what: Name::Borrowed(label(event.login)),
            text: event.text.into(),
            who: event.user.into(),
            notable: event.login == Login::Failed,
            ..base
        },
    }
}

const fn label(login: Login) -> &'static str {
    match login {
        Login::Failed => "failed",
        Login::Weak => "weak",
        Login::Accepted => "accepted",
        Login::Other => "other",
    }
}
