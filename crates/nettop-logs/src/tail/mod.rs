//! Files that are followed as they grow, are renamed, cut, replaced, and come into being.
//!
//! A file is known by its device and inode; its name is looked at once a second. What of it has been read is known by an offset, and by the
//! bytes that stand before that: where these are others, or it is shorter, it was cut and written anew, even if it is longer by now.

mod file;
pub mod glob;
mod opener;
mod split;
mod stream;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use self::{file::Followed, glob::Glob, opener::Helper};
pub use self::{
    file::Id,
    opener::{Folders, Opener},
    split::{Line, MOST_LINE},
    stream::{Stream, TROUBLE},
};

/// How often names are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is asked whether a name is of another file by now.
const ASK: Duration = Duration::from_secs(1);
/// Files that are followed.
pub const MOST_FILES: usize = 1024;

/// Files by a number that stays theirs.
#[derive(Default)]
pub struct Tail {
    files: Vec<(u32, usize, Followed)>,
    globs: Vec<Glob>,
    helper: Helper,
    next: u32,
    looked: Option<Instant>,
    asked: Option<Instant>,
    /// Whose turn is first.
    first: usize,
    problems: Vec<(PathBuf, io::ErrorKind, String)>,
    left_out: usize,
}

/// A file that has been found.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its number.
    pub number: u32,
    /// Which of the patterns names it.
    pub glob: usize,
    /// Where it is.
    pub path: &'a Path,
    /// Its beginning and its end, for whoever wants to know what it is.
    pub sample: Vec<u8>,
}

impl Tail {
    /// Of files that these name.
    pub fn new(globs: Vec<Glob>) -> Self {
        Self { globs, ..Self::default() }
    }

    /// With somebody who opens what this process may not.
    pub fn set_opener(&mut self, opener: Box<dyn Opener>) {
        self.helper = Helper::new(opener);
    }

    /// A number that is of no file.
    pub fn take_number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Looks which files there are, if it is time. At the first time each is followed from its end, less so many bytes; what comes later, from its
    /// beginning.
    pub fn look(&mut self, now: Instant, backfill: u64, each: &mut dyn FnMut(Found<'_>)) {
        let is_start = self.looked.is_none();
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        self.problems.clear();
        self.left_out = 0;
        for at in 0..self.globs.len() {
            let (mut paths, failure) = self.globs[at].files(2 * MOST_FILES);
            if let Some((folder, error)) = failure {
                match self.helper.files(at, error, now) {
                    Ok(files) => paths = files.iter().map(|(path, _)| path.clone()).collect(),
                    Err(error) => self.trouble(&folder, &error),
                }
            }
            for path in paths {
                self.open(at, &path, is_start.then_some(backfill), now, each);
            }
        }
    }

    fn open(&mut self, glob: usize, path: &Path, from_end: Option<u64>, now: Instant, each: &mut dyn FnMut(Found<'_>)) {
        let id = match self.helper.id(glob, path, now) {
            Ok(Some(id)) => id,
            // No regular file.
            Ok(None) => return,
            Err(error) => return self.trouble(path, &error),
        };
        if self.files.iter().any(|(_, _, file)| file.id() == id) {
            return;
        }
        if self.files.len() >= MOST_FILES {
            self.left_out += 1;
            return;
        }
        let opened = self.helper.open(glob, path).and_then(|file| Followed::new(file, path, from_end, now));
        match opened {
            Ok(Some(file)) if self.files.iter().any(|(_, _, other)| other.id() == file.id()) => {}
            Ok(Some(file)) => {
                let number = self.take_number();
                each(Found { number, glob, path, sample: file.sample() });
                self.files.push((number, glob, file));
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.trouble(path, &error),
        }
    }

    fn trouble(&mut self, path: &Path, error: &io::Error) {
        if !self.problems.iter().any(|(known, _, _)| known == path) {
            self.problems.push((path.into(), error.kind(), error.to_string()));
        }
    }

    /// Reads what has come, at most a mebibyte of each file, until `each` says that it is enough. Returns whether there was anything.
    pub fn read(
        &mut self,
        now: Instant,
        found: &mut dyn FnMut(Found<'_>),
        each: &mut dyn FnMut(u32, Line<'_>) -> bool,
    ) -> bool {
        let ask = self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK);
        if ask {
            self.asked = Some(now);
        }
        let count = self.files.len();
        let (mut any, mut replaced, mut over) = (false, Vec::new(), Vec::new());
        for step in 0..count {
            let at = (self.first + step) % count;
            let (number, glob, file) = &mut self.files[at];
            // Where nobody may know whose its name is, it is followed on; who looks for names says so.
            if ask
                && let Ok(id) = self.helper.id(*glob, file.path(), now)
                && file.is_named(id, now)
            {
                replaced.push((*glob, file.path().to_path_buf()));
            }
            let turn = file.read(now, &mut |line| each(*number, line));
            any |= turn.any;
            if turn.over {
                over.push(*number);
            }
            if turn.enough {
                self.first = at;
                break;
            }
        }
        if !self.files.is_empty() {
            self.first = (self.first + 1) % self.files.len();
        }
        // Those whose names are of others by now are followed from their beginning at once.
        for (glob, path) in replaced {
            self.open(glob, &path, None, now, found);
        }
        self.files.retain(|(number, _, _)| !over.contains(number));
        any
    }

    /// How long the oldest byte has waited that has not been read.
    pub fn behind(&self, now: Instant) -> Duration {
        self.files.iter().map(|(_, _, file)| file.behind(now)).max().unwrap_or_default()
    }

    /// Bytes of each file that are gone and were not read, since the last time.
    pub fn take_lost(&mut self) -> Vec<(u32, u64)> {
        let lost = self.files.iter_mut().map(|(number, _, file)| (*number, file.take_lost()));
        lost.filter(|(_, lost)| *lost > 0).collect()
    }

    /// Which of the patterns name nothing that is followed.
    pub fn silent(&self) -> impl Iterator<Item = usize> {
        (0..self.globs.len()).filter(|at| !self.files.iter().any(|(_, glob, _)| glob == at))
    }

    /// What cannot be read, and why.
    pub fn problems(&self) -> impl Iterator<Item = (&Path, io::ErrorKind, &str)> {
        self.problems.iter().map(|(path, kind, error)| (path.as_path(), *kind, error.as_str()))
    }

    /// Files for which there is no room.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Those that are followed.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

#[cfg(test)]
mod tests;
