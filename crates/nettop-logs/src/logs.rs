//! Everything that is followed, read line by line.

use std::{
    io,
    time::{Duration, Instant},
};

use foldhash::{HashMap, HashMapExt as _};
use nettop_model::clock::Moment;

use crate::{
    auth::{Auth, Said},
    format::{Access, Auto, Miss, Parsed},
    reading::{Entry, FileFacts, Lines, LogReading, MOST_ENTRIES, What},
    spec::{LogSettings, LogSource, Reads},
    tail::{Line, Tail},
};

/// Files whose lines are counted apart; those that ended before the others are added up in one.
const MOST_FACTS: usize = 2048;
/// How far ahead of the clock a line may be.
const AHEAD_NS: u64 = 2_000_000_000;

/// Follows logs.
pub struct Logs {
    sources: Vec<LogSource>,
    backfill: u64,
    tail: Tail,
    reader: Reader,
}

/// What is known of the files' lines.
struct Reader {
    access: Access,
    /// How the lines of a file are read, by its number.
    how: HashMap<u32, How>,
    facts: Vec<FileFacts>,
    zone_s: i64,
}

/// How the lines of a file are read.
enum How {
    Access(Auto),
    Auth(Auth),
}

impl Logs {
    /// Follows what is asked for, from where it ends now.
    pub fn new(settings: LogSettings) -> Self {
        let LogSettings { sources, trusted, backfill, query, patterns } = settings;
        let tail = Tail::new(sources.iter().map(|source| source.glob.clone()).collect());
        let access = Access { trusted, query, patterns };
        let reader = Reader { access, how: HashMap::new(), facts: Vec::new(), zone_s: zone_s() };
        let mut logs = Self { sources, backfill, tail, reader };
        logs.look(Instant::now());
        logs
    }

    fn look(&mut self, now: Instant) {
        let Self { sources, backfill, tail, reader } = self;
        tail.look(now, *backfill, &mut |found| reader.begin(&sources[found.glob].reads, &found));
    }

    /// Reads what has come, at most as many lines as a reading has room for.
    pub fn read(&mut self, now: Instant) -> LogReading {
        self.look(now);
        let at = Moment::now();
        let Self { sources, tail, reader, .. } = self;
        // It changes twice a year.
        reader.zone_s = zone_s();
        let mut entries = Vec::new();
        // New files cannot be asked for while lines are taken: they are begun afterwards.
        let mut begun = Vec::new();
        tail.read(
            now,
            &mut |found| begun.push((found.number, found.glob, found.path.to_path_buf(), found.sample)),
            &mut |number, line| {
                reader.take(number, line, &at, &mut entries);
                entries.len() < MOST_ENTRIES
            },
        );
        for (number, glob, path, sample) in begun {
            let found = crate::tail::Found { number, glob, path: &path, sample };
            reader.begin(&sources[glob].reads, &found);
        }
        for (number, lost) in tail.take_lost() {
            if let Some(facts) = reader.facts.get_mut(number as usize) {
                facts.lines.lost_bytes += lost;
            }
        }
        LogReading {
            at,
            entries,
            files: reader.facts.clone(),
            problems: self.problems(),
            behind: self.tail.behind(now).as_secs_f64(),
        }
    }

    /// What cannot be read, in words.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self
            .tail
            .problems()
            .map(|(path, kind, error)| {
                let remedy = match kind {
                    io::ErrorKind::PermissionDenied => {
                        "; let nettop's user read it (as a member of group adm, for one), or name others"
                    }
                    _ => "",
                };
                format!("{}: {error}{remedy}", path.display())
            })
            .collect();
        let silent = self.tail.silent().filter(|at| self.sources[*at].asked);
        problems
            .extend(silent.map(|at| format!("{}: there is no such file yet", self.sources[at].glob.path().display())));
        if self.tail.left_out() > 0 {
            problems.push(format!("{} files more than there is room for are not followed", self.tail.left_out()));
        }
        problems
    }

    /// How long after a reading that took so long the next one is due: at most half of a CPU, and where nothing came a fiftieth.
    pub fn rest(took: Duration, any: bool) -> Duration {
        const PACE: Duration = Duration::from_millis(250);
        let wanted = if any { took } else { took * 49 };
        PACE.saturating_sub(took).max(wanted)
    }
}

impl Reader {
    /// A file has been found.
    fn begin(&mut self, reads: &Reads, found: &crate::tail::Found<'_>) {
        let how = match reads {
            Reads::Access(choice) => {
                let mut auto = Auto::new(choice);
                auto.learn(&self.access, &found.sample);
                How::Access(auto)
            }
            Reads::Auth => How::Auth(Auth::default()),
        };
        self.how.insert(found.number, how);
        let at = found.number as usize;
        if at >= self.facts.len() {
            self.facts.resize_with((at + 1).min(MOST_FACTS), FileFacts::default);
        }
        let last = self.facts.len() - 1;
        let facts = &mut self.facts[at.min(last)];
        facts.path = if at < MOST_FACTS - 1 { found.path.display().to_string() } else { "further files".into() };
    }

    /// A line has come.
    fn take(&mut self, number: u32, line: Line<'_>, now: &Moment, entries: &mut Vec<Entry>) {
        let Self { access, how, facts, zone_s } = self;
        let file = (number as usize).min(MOST_FACTS - 1) as u32;
        let (Some(facts), Some(how)) = (facts.get_mut(file as usize), how.get_mut(&number)) else { return };
        let lines = &mut facts.lines;
        lines.lines += 1;
        let Line::Whole(bytes, old) = line else {
            lines.overlong += 1;
            return;
        };
        let text = String::from_utf8_lossy(bytes);
        let entry = |at_ns: Option<u64>, client, peer, what| Entry {
            file,
            at_ns: at_ns.filter(|at_ns| *at_ns <= now.unix_ns + AHEAD_NS).unwrap_or(now.unix_ns).min(now.unix_ns),
            client,
            peer,
            old,
            what,
        };
        match how {
            How::Access(auto) => {
                match auto.read(access, &text) {
                    Ok(Parsed::Request { at_ns, client, peer, request }) => {
                        note(lines, client.is_some());
                        let peer = peer.filter(|peer| Some(*peer) != client);
                        entries.push(entry(at_ns, client, peer, What::Request(request)));
                    }
                    Ok(Parsed::Remark) => note(lines, false),
                    Err(Miss::Other) => lines.other_format += 1,
                    Err(Miss::Malformed) => lines.malformed += 1,
                }
                if facts.format != auto.name() {
                    facts.format = auto.name().into();
                }
            }
            How::Auth(auth) => match auth.read(&text, now.unix_ns, *zone_s) {
                Said::Event { at_ns, client, event } => {
                    note(lines, client.is_some());
                    entries.push(entry(at_ns, client, None, What::Auth(event)));
                }
                Said::Ambiguous { .. } => {
                    lines.parsed += 1;
                    lines.ambiguous += 1;
                }
                Said::Nothing => note(lines, false),
                Said::Other => lines.other_format += 1,
            },
        }
        if facts.format.is_empty() && matches!(how, How::Auth(_)) {
            facts.format = "auth".into();
        }
    }

    /// What became of all lines.
    #[cfg(test)]
    fn all(&self) -> Lines {
        let mut all = Lines::default();
        self.facts.iter().for_each(|facts| all.add(&facts.lines));
        all
    }
}

fn note(lines: &mut Lines, has_address: bool) {
    lines.parsed += 1;
    *if has_address { &mut lines.attributed } else { &mut lines.no_address } += 1;
}

/// How far the clock on the wall is ahead of UTC, seconds: times without a zone are of that.
fn zone_s() -> i64 {
    let now = (Moment::now().unix_ns / 1_000_000_000) as libc::time_t;
    // SAFETY: all zeros are a valid tm, which localtime_r fills; it gets two references that live long enough.
    unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&now, &mut local).is_null() { 0 } else { local.tm_gmtoff }
    }
}

#[cfg(test)]
mod tests;
