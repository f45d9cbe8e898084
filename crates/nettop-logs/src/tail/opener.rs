//! Opening what this process may not open: files that somebody has closed to all but root, after they were rotated. A process beside this one does it that
//! has kept the right to read them; it opens nothing but what the patterns name, below folders that it holds open, and follows no link.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use foldhash::HashMap;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use super::{
    MOST_FILES,
    file::{self, Id},
    glob::{self, Glob},
};

/// How long it is believed what files there are.
const FRESH: Duration = Duration::from_millis(900);

/// Who opens them. Patterns are called by their numbers.
pub trait Opener: Send {
    /// The files that a pattern names.
    ///
    /// # Errors
    /// The folder cannot be listed, or nobody answers.
    fn files(&mut self, glob: usize) -> io::Result<Vec<(PathBuf, Id)>>;

    /// Opens one of them.
    ///
    /// # Errors
    /// It is none of them, or it cannot be opened, or nobody answers.
    fn open(&mut self, glob: usize, path: &Path) -> io::Result<File>;
}

/// Who opens them, with the newest lists of files.
#[derive(Default)]
pub struct Helper {
    opener: Option<Box<dyn Opener>>,
    listed: HashMap<usize, (Instant, Vec<(PathBuf, Id)>)>,
}

impl Helper {
    /// With somebody who opens.
    pub fn new(opener: Box<dyn Opener>) -> Self {
        Self { opener: Some(opener), ..Self::default() }
    }

    /// The files of a pattern, where `error` says that this process may not know them; else that error.
    pub fn files(&mut self, glob: usize, error: io::Error, now: Instant) -> io::Result<&[(PathBuf, Id)]> {
        let opener = self.opener.as_mut().filter(|_| is_denied(&error)).ok_or(error)?;
        let is_fresh = |at: &Instant| now.duration_since(*at) < FRESH;
        if !self.listed.get(&glob).is_some_and(|(at, _)| is_fresh(at)) {
            self.listed.insert(glob, (now, opener.files(glob)?));
        }
        Ok(self.listed.get(&glob).map(|(_, files)| &**files).unwrap_or_default())
    }

    /// Device and inode of a file of a pattern.
    pub fn id(&mut self, glob: usize, path: &Path, now: Instant) -> io::Result<Option<Id>> {
        match file::id(path) {
            Err(error) => {
                let files = self.files(glob, error, now)?;
                Ok(files.iter().find(|(known, _)| known == path).map(|(_, id)| *id))
            }
            known => known,
        }
    }

    /// Opens a file of a pattern.
    pub fn open(&mut self, glob: usize, path: &Path) -> io::Result<File> {
        match (file::open(path), &mut self.opener) {
            (Err(error), Some(opener)) if is_denied(&error) => opener.open(glob, path),
            (opened, _) => opened,
        }
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The patterns of who opens, and the folders that everything they name is in.
pub struct Folders(Vec<(Glob, Option<OwnedFd>)>);

impl Folders {
    /// Opens the folders. One that is not there is none for good.
    pub fn open(globs: Vec<Glob>) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |glob: &Glob| openat(CWD, glob::folder(glob), flags, Mode::empty()).ok();
        Self(globs.into_iter().map(|glob| (open(&glob), glob)).map(|(folder, glob)| (glob, folder)).collect())
    }

    /// The files that a pattern names.
    ///
    /// # Errors
    /// There is no such pattern, or a folder cannot be listed.
    pub fn files(&self, glob: usize) -> io::Result<Vec<(PathBuf, Id)>> {
        let (glob, _) = self.0.get(glob).ok_or(io::ErrorKind::InvalidInput)?;
        let (paths, failure) = glob.files(MOST_FILES);
        let of = |path: PathBuf| Some((file::id(&path).ok()??, path));
        let files: Vec<_> = paths.into_iter().filter_map(of).map(|(id, path)| (path, id)).collect();
        match failure {
            Some((_, error)) if files.is_empty() => Err(error),
            _ => Ok(files),
        }
    }

    /// Opens a regular file that the pattern names, below its folder, without following a link.
    ///
    /// # Errors
    /// The pattern does not name it, or it cannot be opened.
    pub fn open_file(&self, glob: usize, path: &Path) -> io::Result<File> {
        let (glob, folder) = self.0.get(glob).ok_or(io::ErrorKind::InvalidInput)?;
        let name = path.strip_prefix(glob::folder(glob)).ok().filter(|_| glob.names(path));
        let name = name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no pattern names it"))?;
        let folder = folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let links = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(folder.as_fd(), name, flags, Mode::empty(), links)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn nothing_is_opened_but_regular_files_that_the_pattern_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("logs/site")).unwrap();
        fs::write(at("secret.log"), "secret").unwrap();
        for name in ["logs/site/access.log", "logs/site/access.log.1", "logs/site/error.txt"] {
            fs::write(at(name), name).unwrap();
        }
        symlink(at("secret.log"), at("logs/site/link.log")).unwrap();
        symlink(folder.path(), at("logs/up")).unwrap();
        rustix::fs::mkfifoat(CWD, at("logs/site/pipe.log"), Mode::RWXU).unwrap();
        let fixed = at("logs/site/error.txt");
        let folders = Folders::open(vec![
            Glob::new(&at("logs/*/*.log")),
            Glob::new(&fixed),
            Glob::new(Path::new("/nonexistent-folder/*.log")),
        ]);
        for (glob, name, is_opened) in [
            (0, "logs/site/access.log", true),
            (1, "logs/site/error.txt", true),
            (1, "logs/site/access.log", false),
            (0, "logs/site/error.txt", false),
            (0, "logs/site/access.log.1", false),
            (0, "logs/site/link.log", false),
            (0, "logs/up/secret.log", false),
            (0, "logs/site/pipe.log", false),
            (0, "logs/site/../../secret.log", false),
            (0, "logs/../secret.log", false),
            (0, "secret.log", false),
            (0, "logs/site/none.log", false),
            (2, "/nonexistent-folder/x.log", false),
            (9, "logs/site/access.log", false),
        ] {
            let opened = folders.open_file(glob, &at(name));
            assert_eq!(opened.is_ok(), is_opened, "{glob} {name}: {opened:?}");
        }
        let listed = |glob| -> Vec<_> { folders.files(glob).unwrap().into_iter().map(|(path, _)| path).collect() };
        assert_eq!((listed(0), listed(1)), (vec![at("logs/site/access.log"), at("logs/up/secret.log")], vec![fixed]));
        assert!(listed(2).is_empty() && folders.files(9).is_err());
    }
}
