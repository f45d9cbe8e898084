//! The processes that read or open logs for a monitor that may not: started first of all, and only where something needs one.

use anyhow::{Context as _, Result};
use caps::{CapSet, has_cap};
use nettop_actor::{
    Started,
    job::{Role, Setup},
    start,
};
use nettop_logs::{LogSettings, Logs, tail::Stream};
use nettop_sandbox::{self as sandbox, Capability, later_uid};
use rustix::process::geteuid;

use crate::cli::RunArgs;

/// Those that were started.
#[derive(Debug)]
pub struct Readers {
    journal: Option<Started>,
    opener: Option<Started>,
}

impl Readers {
    /// Starts what the options ask for, and one that opens logs if some that somebody asked for are closed to whom the monitor becomes.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(args: &RunArgs, logs: &LogSettings) -> Result<Self> {
        let as_invoker = args.common.sandbox() != sandbox::Mode::Off;
        let start = |role| start(&Setup { as_invoker, role });
        let journal = args.logs.journal.then(|| start(Role::Journal));
        let may_read_all =
            geteuid().is_root() || has_cap(None, CapSet::Effective, Capability::CAP_DAC_READ_SEARCH).unwrap_or(false);
        let user = if as_invoker { later_uid() } else { geteuid().as_raw() };
        let closed = if may_read_all { logs.closed(user) } else { None };
        Ok(Self {
            journal: journal.transpose().context("--journal")?,
            opener: closed.map(|globs| start(Role::Logs(globs))).transpose().context("opening logs")?,
        })
    }

    /// Whether there is a journal to follow.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Puts them beside what follows logs. To be called before the sandbox is entered.
    ///
    /// # Errors
    /// Nothing can be set for their sockets.
    pub fn beside(self, mut logs: Logs) -> Result<Logs> {
        if let Some(journal) = self.journal {
            logs = logs.with_journal(Stream::new(journal.socket()).context("taking the journal")?);
        }
        if let Some(opener) = self.opener {
            logs = logs.with_opener(Box::new(opener.files()?));
        }
        Ok(logs)
    }
}
