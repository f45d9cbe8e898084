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
    tail::{Line, Opener, Stream, Tail},
};

/// Files whose lines are counted apart; those that ended before the others are added up in one.
const MOST_FACTS: usize = 2048;
/// How far ahead of the clock a line may be.
const AHEAD_NS: u64 = 2_000_000_000;
/// Turns in one reading, each of a mebibyte of each file: lines that say nothing would make it last for ever.
const MOST_TURNS: usize = 32;
/// What the journal is called among files.
const JOURNAL: &str = "journal";
/// Whose messages are read from there.
const OF_JOURNAL: &str = "sshd";

/// Follows logs.
pub struct Logs {
    sources: Vec<LogSource>,
    backfill: u64,
    tail: Tail,
    /// The journal, and its number among the files.
    journal: Option<(u32, Stream)>,
    reader: Reader,
}

/// What is known of the files' lines.
struct Reader {
    access: Access,
    /// How the lines of a file are read, by its number.
    how: HashMap<u32, How>,
    facts: Vec<FileFacts>,
    zone_s: i64,
    /// Whether the journal is read: what it tells stands in the usual files of logins, too.
    has_journal: bool,
}

/// How the lines of a file are read.
enum How {
    Access(Auto),
    /// Whether somebody asked for that file.
    Auth(Auth, bool),
    Journal(Auth),
}

impl Logs {
    /// Follows what is asked for, from where it ends now.
    pub fn new(settings: LogSettings) -> Self {
        let LogSettings { sources, trusted, backfill, query, patterns } = settings;
        let tail = Tail::new(sources.iter().map(|source| source.glob.clone()).collect());
        let access = Access { trusted, query, patterns };
        let reader = Reader { access, how: HashMap::new(), facts: Vec::new(), zone_s: zone_s(), has_journal: false };
        let mut logs = Self { sources, backfill, tail, journal: None, reader };
        logs.look(Instant::now());
        logs
    }

    /// With the journal, as `journalctl -f -o json` writes it.
    #[must_use]
    pub fn with_journal(mut self, journal: Stream) -> Self {
        let number = self.tail.take_number();
        self.reader.add(number, How::Journal(Auth::default()), JOURNAL.into());
        self.journal = Some((number, journal));
        self
    }

    /// With somebody who opens what this process may not. The patterns have the numbers that [`LogSettings::closed`] tells.
    #[must_use]
    pub fn with_opener(mut self, opener: Box<dyn Opener>) -> Self {
        self.tail.set_opener(opener);
        self
    }

    fn look(&mut self, now: Instant) {
        let Self { sources, backfill, tail, reader, .. } = self;
        tail.look(now, *backfill, &mut |found| reader.begin(&sources[found.glob], &found));
    }

    /// Reads what has come, at most as many lines as a reading has room for.
    pub fn read(&mut self, now: Instant) -> LogReading {
        self.look(now);
        let at = Moment::now();
        let Self { sources, tail, journal, reader, .. } = self;
        // It changes twice a year.
        reader.zone_s = zone_s();
        let mut entries = Vec::new();
        if let Some((number, journal)) = journal {
            journal.read(now, &mut |line| {
                reader.take(*number, line, &at, &mut entries);
                entries.len() < MOST_ENTRIES
            });
            reader.has_journal = journal.is_sure();
        }
        // By turns, so that no file waits for another one; until all is read, or the reading is full.
        for _ in 0..MOST_TURNS {
            // New files cannot be asked for while lines are taken: they are begun afterwards.
            let mut begun = Vec::new();
            let any = tail.read(
                now,
                &mut |found| begun.push((found.number, found.glob, found.path.to_path_buf(), found.sample)),
                &mut |number, line| {
                    reader.take(number, line, &at, &mut entries);
                    entries.len() < MOST_ENTRIES
                },
            );
            for (number, glob, path, sample) in begun {
                let found = crate::tail::Found { number, glob, path: &path, sample };
                reader.begin(&sources[glob], &found);
            }
            if !any || entries.len() >= MOST_ENTRIES {
                break;
            }
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
            behind: self.behind(now).as_secs_f64(),
        }
    }

    fn behind(&self, now: Instant) -> Duration {
        let journal = self.journal.as_ref().map_or(Duration::ZERO, |(_, journal)| journal.behind(now));
        self.tail.behind(now).max(journal)
    }

    /// What cannot be read, in words.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self
            .tail
            .problems()
            .map(|(path, kind, error)| {
                let remedy = match kind {
                    io::ErrorKind::PermissionDenied => {
                        "; let nettop's user read it (as a member of group adm, for one), or start it as root and name it with --access-log or --auth-log"
                    }
                    _ => "",
                };
                format!("{}: {error}{remedy}", path.display())
            })
            .collect();
        let journal = self.journal.as_ref().and_then(|(_, journal)| journal.trouble());
        problems.extend(journal.map(|why| format!("the journal: {why}")));
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
    fn begin(&mut self, source: &LogSource, found: &crate::tail::Found<'_>) {
        let how = match &source.reads {
            Reads::Access(choice) => {
                let mut auto = Auto::new(choice);
                auto.learn(&self.access, &found.sample);
                How::Access(auto)
            }
            Reads::Auth => How::Auth(Auth::default(), source.asked),
        };
        self.add(found.number, how, found.path.display().to_string());
    }

    fn add(&mut self, number: u32, how: How, path: String) {
        self.how.insert(number, how);
        let at = number as usize;
        if at >= self.facts.len() {
            self.facts.resize_with((at + 1).min(MOST_FACTS), FileFacts::default);
        }
        let last = self.facts.len() - 1;
        let facts = &mut self.facts[at.min(last)];
        facts.path = if at < MOST_FACTS - 1 { path } else { "further files".into() };
    }

    /// A line has come.
    fn take(&mut self, number: u32, line: Line<'_>, now: &Moment, entries: &mut Vec<Entry>) {
        let Self { access, how, facts, zone_s, has_journal } = self;
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
            How::Auth(..) | How::Journal(_) => match how.said(&text, now.unix_ns, *zone_s) {
                // The journal has told it, unless it is from before.
                Said::Event { event, .. }
                    if *has_journal && !old && how.is_usual() && &*event.service == OF_JOURNAL =>
                {
                    note(lines, false);
                }
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
        if facts.format.is_empty() {
            facts.format = how.name().into();
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

impl How {
    /// What a line of a log of logins says.
    fn said(&mut self, text: &str, now_ns: u64, zone_s: i64) -> Said {
        match self {
            Self::Access(_) => Said::Other,
            Self::Auth(auth, _) => auth.read(text, now_ns, zone_s),
            Self::Journal(auth) => auth.read_journal(text, now_ns),
        }
    }

    /// Whether it is a log of logins for which nobody has asked.
    fn is_usual(&self) -> bool {
        matches!(self, Self::Auth(_, false))
    }

    /// What the format is called; empty: it is not known yet.
    fn name(&self) -> &str {
        match self {
            Self::Access(auto) => auto.name(),
            Self::Auth(..) => "auth",
            Self::Journal(_) => JOURNAL,
        }
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
