//! One file that is followed.

use std::{
    cell::RefCell,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use super::split::{Line, Splitter};

/// What is read of a file at once.
const CHUNK: usize = 1 << 20;
/// Bytes before the offset that tell whether it is the file that was read.
const CONTEXT: usize = 256;
/// Of a file that has another name by now, it is waited so long for more, and at most.
const QUIET: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(60);
/// What is looked at of its beginning and its end to tell what it is.
const SAMPLE: usize = 32 << 10;

thread_local! {
    /// What is read lies here: one for all files of a thread.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CONTEXT + CHUNK]);
}

/// What reading has brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Something.
    pub any: bool,
    /// The file is written no more.
    pub over: bool,
    /// Whoever takes lines has enough.
    pub enough: bool,
}

/// A file that is followed.
#[derive(Debug)]
pub struct Followed {
    path: PathBuf,
    file: File,
    id: Id,
    offset: u64,
    /// What stands before the offset.
    context: Vec<u8>,
    splitter: Splitter,
    /// What ends here was there at the start.
    old_until: u64,
    /// Since when its name is of another file, or of none.
    renamed: Option<Instant>,
    /// When something came last.
    newest: Instant,
    /// Its size when that was looked at, and when: what lies before is older.
    mark: Option<(u64, Instant)>,
    /// When it was written last, as it says.
    written: Option<SystemTime>,
    lost: u64,
}

/// Device and inode.
pub type Id = (u64, u64);

/// Those of what is called so; `None`: there is nothing, or a link, or no file.
///
/// # Errors
/// Nobody may know.
pub fn id(path: &Path) -> io::Result<Option<Id>> {
    match fs::symlink_metadata(path) {
        Ok(facts) => Ok(facts.is_file().then(|| (facts.dev(), facts.ino()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file for reading, and no link, and waits for nobody at the other end of a pipe.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).custom_flags(flags as i32).open(path)
}

impl Followed {
    /// Follows what is open; `from_end`: from so many bytes before its end, else from its beginning. `None`: it is no regular file.
    pub fn new(file: File, path: &Path, from_end: Option<u64>, now: Instant) -> io::Result<Option<Self>> {
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Ok(None);
        }
        let size = facts.len();
        let offset = from_end.map_or(0, |bytes| size.saturating_sub(bytes));
        let mut followed = Self {
            path: path.into(),
            file,
            id: (facts.dev(), facts.ino()),
            offset,
            context: Vec::new(),
            splitter: Splitter::default(),
            old_until: if from_end.is_some() { size } else { 0 },
            renamed: None,
            newest: now,
            mark: None,
            written: facts.modified().ok(),
            lost: 0,
        };
        followed.settle()?;
        Ok(Some(followed))
    }

    /// Notes what stands before the offset, and whether that is in the middle of a line.
    fn settle(&mut self) -> io::Result<()> {
        let length = self.offset.min(CONTEXT as u64) as usize;
        self.context.resize(length, 0);
        self.file.read_exact_at(&mut self.context, self.offset - length as u64)?;
        // The line that it is in the middle of began before what is wanted, unless it is still being written.
        self.splitter.skips = self.context.last().is_some_and(|byte| *byte != b'\n');
        Ok(())
    }

    /// Its beginning and its end.
    pub fn sample(&self) -> Vec<u8> {
        let mut sample = vec![0; SAMPLE];
        let length = self.file.read_at(&mut sample, 0).unwrap_or(0);
        sample.truncate(length);
        let size = self.file.metadata().map_or(0, |facts| facts.len());
        if size > 2 * SAMPLE as u64 {
            let mut end = vec![0; SAMPLE];
            let length = self.file.read_at(&mut end, size - SAMPLE as u64).unwrap_or(0);
            // Two lines that are cut meet here: each is ended.
            sample.push(b'\n');
            sample.extend_from_slice(&end[..length]);
        }
        sample
    }

    /// Device and inode.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name is of this file by now, or of none; returns whether that is another one than it was.
    pub fn is_named(&mut self, id: Option<Id>, now: Instant) -> bool {
        let is_other = self.renamed.is_none() && id != Some(self.id);
        if is_other {
            self.renamed = Some(now);
            self.newest = now;
        }
        is_other
    }

    /// Reads what has come.
    pub fn read(&mut self, now: Instant, each: &mut dyn FnMut(Line<'_>) -> bool) -> Turn {
        let Ok(facts) = self.file.metadata() else { return Turn { over: true, ..Turn::default() } };
        let (size, written) = (facts.len(), facts.modified().ok());
        let mut turn = Turn::default();
        if size < self.offset {
            self.begin_anew(each);
        }
        // What has been written may be as long as what was there before.
        if size > self.offset || std::mem::replace(&mut self.written, written) != written {
            turn = BUFFER.with_borrow_mut(|buffer| self.read_chunk(buffer, each));
        }
        if turn.any {
            self.newest = now;
        }
        self.note(size, now);
        let waited = |since: Instant, long: Duration| now.duration_since(since) >= long;
        turn.over = self
            .renamed
            .is_some_and(|renamed| waited(renamed, LAST) || (self.offset >= size && waited(self.newest, QUIET)));
        if turn.over {
            self.lost += size.saturating_sub(self.offset);
            self.splitter.finish(each);
        }
        turn
    }

    fn read_chunk(&mut self, buffer: &mut [u8], each: &mut dyn FnMut(Line<'_>) -> bool) -> Turn {
        let before = self.context.len();
        let from = self.offset - before as u64;
        // With what stands before it, so that nobody can put another content there in between.
        let Ok(length) = self.file.read_at(&mut buffer[..before + CHUNK], from) else { return Turn::default() };
        if length < before || buffer[..before] != self.context {
            self.begin_anew(each);
            return Turn { any: true, ..Turn::default() };
        }
        let old = self.old_until.saturating_sub(self.offset);
        let (taken, enough) = self.splitter.lines(&buffer[before..length], old, each);
        if taken == 0 {
            return Turn { enough, ..Turn::default() };
        }
        self.offset += taken as u64;
        let end = before + taken;
        self.context.clear();
        self.context.extend_from_slice(&buffer[end.saturating_sub(CONTEXT)..end]);
        Turn { any: true, over: false, enough }
    }

    /// It was cut, and is written anew.
    fn begin_anew(&mut self, each: &mut dyn FnMut(Line<'_>) -> bool) {
        // What had come by the last look and was not read is gone.
        let known = self.mark.map_or(0, |(size, _)| size);
        self.lost += known.saturating_sub(self.offset);
        self.splitter.finish(each);
        (self.offset, self.old_until, self.mark) = (0, 0, None);
        self.context.clear();
    }

    /// Notes how old what has not been read is at most.
    fn note(&mut self, size: u64, now: Instant) {
        match self.mark {
            Some((until, _)) if self.offset < until => {}
            _ => self.mark = (size > self.offset).then_some((size, now)),
        }
    }

    /// How long the oldest byte has waited that has not been read.
    pub fn behind(&self, now: Instant) -> Duration {
        self.mark.map_or(Duration::ZERO, |(_, since)| now.duration_since(since))
    }

    /// Bytes that are gone and were not read, since the last time.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}
