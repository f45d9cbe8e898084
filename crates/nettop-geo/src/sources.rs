//! The files that may hold databases, and which of them are in force.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Result, bail};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::file::{Layer, Loaded, Opened, Stamp, Trust};

/// All files, those with the most say first.
#[derive(Debug)]
pub struct DatabaseFiles(Vec<DatabaseFile>);

/// One file.
#[derive(Debug)]
struct DatabaseFile {
    path: PathBuf,
    trust: Trust,
    named: bool,
    loaded: Option<Loaded>,
    /// Its state when it was looked at last.
    seen: Option<Stamp>,
    /// The state in which it was tried last.
    tried: Option<Stamp>,
    problem: Option<String>,
}

impl DatabaseFiles {
    pub fn new(named: &[PathBuf], search: Vec<(PathBuf, Trust)>) -> Self {
        let named = named.iter().map(|path| (path.clone(), Trust::Anyone, true));
        let found = search.into_iter().map(|(path, trust)| (path, trust, false));
        let source = |(path, trust, named)| DatabaseFile {
            path,
            trust,
            named,
            loaded: None,
            seen: None,
            tried: None,
            problem: None,
        };
        Self(named.chain(found).map(source).collect())
    }

    /// Opens what is there. What takes long is only looked at; the first [`poll`](Self::poll) reads it.
    ///
    /// # Errors
    /// A named file cannot be used.
    pub fn open(&mut self) -> Result<()> {
        let mut has_csv = false;
        for source in &mut self.0 {
            if has_csv && !source.joins_a_csv() {
                continue;
            }
            let comes = source.open();
            if let Some(problem) = source.problem.as_ref().filter(|_| source.named) {
                bail!("{problem}");
            }
            has_csv |= source.has_csv() || comes;
        }
        Ok(())
    }

    /// Loads what changed since the last call; whether anything in force did.
    pub fn poll(&mut self, stop: &AtomicBool) -> bool {
        let (mut changed, mut has_csv) = (false, false);
        for source in &mut self.0 {
            changed |= if has_csv && !source.joins_a_csv() { source.forget() } else { source.poll(stop) };
            has_csv |= source.has_csv();
        }
        changed
    }

    /// What is in force, with the most say first.
    pub fn loaded(&self) -> impl Iterator<Item = &Loaded> {
        self.0.iter().filter_map(|source| source.loaded.as_ref())
    }

    /// The folders of whose files some are read again when they change: those of the files that were named, or are there; and
    /// of the rest those that belong to nettop or its packager.
    pub fn folders(&self) -> Vec<PathBuf> {
        let read_again = self.0.iter().filter(|source| match source.trust {
            Trust::Anyone => true,
            // A home has more in it than places.
            Trust::Owner => source.seen.is_some(),
        });
        let paths = read_again.flat_map(|source| [Some(source.path.clone()), source.path.canonicalize().ok()]);
        let folder = |path: PathBuf| match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
            Some(folder) => folder.to_path_buf(),
            None => path,
        };
        paths.flatten().map(folder).collect()
    }

    /// What could not be loaded.
    pub fn problems(&self) -> Vec<String> {
        self.0.iter().filter_map(|source| source.problem.clone()).collect()
    }
}

impl DatabaseFile {
    /// Whether it is used beside a CSV that has more say: of the CSVs that are found, only the first is.
    fn joins_a_csv(&self) -> bool {
        self.named || self.path.extension().is_some_and(|extension| extension == "mmdb")
    }

    fn has_csv(&self) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| matches!(*loaded.layer, Layer::Csv(_)))
    }

    /// Opens it for the first time; whether it is still to be read.
    fn open(&mut self) -> bool {
        self.seen = Stamp::of(&self.path).ok();
        match Opened::open(&self.path, self.trust) {
            Ok(opened) if opened.is_long() => match opened.probe() {
                Ok(()) => return true,
                Err(error) => self.problem = Some(self.tell(&error)),
            },
            // The same again, and all that is to be said of it.
            _ => {
                self.poll(&AtomicBool::new(false));
            }
        }
        false
    }

    /// Not in force, whatever it is.
    fn forget(&mut self) -> bool {
        self.seen = None;
        self.tried = None;
        self.problem = None;
        self.loaded.take().is_some()
    }

    /// Loads it if it is in another state than before, and has been since the last call: a file that is being written
    /// is left alone.
    fn poll(&mut self, stop: &AtomicBool) -> bool {
        let now = match Stamp::of(&self.path) {
            Ok(now) => now,
            Err(error) if !self.named && is_not_there(error.kind()) => {
                // Gone at two looks: not on its way from one file to the next.
                let stays_away = self.seen.take().is_none();
                return stays_away && self.forget();
            }
            Err(error) => {
                self.seen = None;
                self.tried = None;
                self.problem = Some(self.tell(&error.into()));
                return false;
            }
        };
        let is_quiet = self.seen.replace(now) == Some(now);
        if self.loaded.as_ref().is_some_and(|loaded| loaded.stamp == now) {
            self.problem = None;
            return false;
        }
        if !is_quiet || self.tried == Some(now) {
            return false;
        }
        self.tried = Some(now);
        match Opened::open(&self.path, self.trust).and_then(|opened| opened.load(&self.path, stop)) {
            Ok(loaded) => {
                self.loaded = Some(loaded);
                self.problem = None;
                true
            }
            Err(error) => {
                self.problem = Some(self.tell(&error));
                false
            }
        }
    }

    fn tell(&self, error: &anyhow::Error) -> String {
        tell(&self.path, error, self.loaded.is_some())
    }
}

/// A folder that is closed to us, as root's home is after sudo, has nothing for us either.
fn is_not_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

/// The file, why, and what to do.
fn tell(path: &Path, error: &anyhow::Error, is_loaded: bool) -> String {
    let remedy = if is_fenced_off(path, error) { FENCED_OFF } else { "" };
    let path = path.display();
    match is_loaded {
        true => format!("cannot reload {path}: {error:#}{remedy}; what was read from it before stays in force"),
        false => format!("cannot use the location database {path}: {error:#}{remedy}"),
    }
}

/// See [`DatabaseFiles::folders`].
const FENCED_OFF: &str = ", for it came after the start, in a folder that the sandbox does not open: start nettop anew";

/// Whether the user may read what cannot be opened: then it is Landlock that keeps it closed.
fn is_fenced_off(path: &Path, error: &anyhow::Error) -> bool {
    let is_refused = error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
    is_refused && accessat(CWD, path, Access::READ_OK, AtFlags::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{
        Location,
        testing::{self, Value},
    };

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn csv(city: &str) -> String {
        format!("cidr,city\n192.0.2.0/24,{city}\n")
    }

    /// The city of an address that every file of these tests knows.
    fn city(sources: &DatabaseFiles) -> String {
        let mut location = Location::default();
        for loaded in sources.loaded() {
            location.fill(loaded.layer.look_up("192.0.2.1".parse().unwrap()));
        }
        location.city.to_owned()
    }

    /// Replaces a file as careful programs do.
    fn replace(path: &Path, content: &str) {
        let beside = path.with_extension("new");
        fs::write(&beside, content).unwrap();
        fs::rename(beside, path).unwrap();
    }

    #[test]
    fn a_file_is_loaded_anew_once_it_is_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.csv");
        fs::write(&path, csv("first")).unwrap();
        let mut sources = DatabaseFiles::new(std::slice::from_ref(&path), Vec::new());
        sources.open().unwrap();
        assert_eq!(city(&sources), "first");
        assert!(!sources.poll(&NEVER), "nothing changed");

        replace(&path, &csv("second"));
        assert!(!sources.poll(&NEVER), "it may still be written");
        assert!(sources.poll(&NEVER));
        assert_eq!((city(&sources).as_str(), sources.problems().len()), ("second", 0));

        // Rewritten in place, in two steps.
        fs::write(&path, &csv("third")[..12]).unwrap();
        assert!(!sources.poll(&NEVER));
        fs::write(&path, csv("third")).unwrap();
        assert!(!sources.poll(&NEVER));
        assert!(sources.poll(&NEVER));
        assert_eq!(city(&sources), "third");
    }

    #[test]
    fn a_broken_replacement_leaves_the_old_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.csv");
        fs::write(&path, csv("good")).unwrap();
        let mut sources = DatabaseFiles::new(std::slice::from_ref(&path), Vec::new());
        sources.open().unwrap();

        replace(&path, "<html>404</html>\n");
        for _ in 0..3 {
            assert!(!sources.poll(&NEVER));
        }
        let [problem] = sources.problems().try_into().unwrap();
        assert!(problem.contains("cannot reload") && problem.contains("name the columns"), "{problem}");
        assert_eq!(city(&sources), "good");

        fs::remove_file(&path).unwrap();
        assert!(!sources.poll(&NEVER) && !sources.poll(&NEVER));
        assert!(sources.problems().concat().contains("No such file"), "{:?}", sources.problems());
        assert_eq!(city(&sources), "good");

        replace(&path, &csv("better"));
        assert!(!sources.poll(&NEVER) && sources.poll(&NEVER));
        assert_eq!((city(&sources).as_str(), sources.problems().len()), ("better", 0));
    }

    #[test]
    fn the_first_csv_that_is_found_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        let search = [&first, &second].map(|path| (path.clone(), Trust::Anyone)).to_vec();
        let mut sources = DatabaseFiles::new(&[], search);
        sources.open().unwrap();
        assert_eq!((city(&sources).as_str(), sources.problems().len()), ("", 0));

        for (path, expected) in [(&second, "second"), (&first, "first")] {
            replace(path, &csv(expected));
            assert!(!sources.poll(&NEVER) && sources.poll(&NEVER), "{expected}");
            assert_eq!((city(&sources).as_str(), sources.loaded().count()), (expected, 1));
        }
        fs::remove_file(&first).unwrap();
        while city(&sources) == "first" || sources.loaded().count() == 0 {
            sources.poll(&NEVER);
        }
        assert_eq!((city(&sources).as_str(), sources.problems().len()), ("second", 0));
    }

    #[test]
    fn only_folders_with_something_to_read_again_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let [named, target, home, system] = ["named", "target", "home", "system"].map(|name| folder.path().join(name));
        for made in [&named, &target, &home] {
            fs::create_dir(made).unwrap();
        }
        fs::write(target.join("my.csv"), csv("named")).unwrap();
        std::os::unix::fs::symlink(target.join("my.csv"), named.join("my.csv")).unwrap();
        let folders = || {
            let search = vec![(system.join("x"), Trust::Anyone), (home.join("x"), Trust::Owner)];
            let mut sources = DatabaseFiles::new(&[named.join("my.csv")], search);
            sources.open().unwrap();
            sources.poll(&NEVER);
            sources.folders()
        };
        assert_eq!(folders(), [&named, &target.canonicalize().unwrap(), &system].map(Clone::clone));
        assert_eq!(DatabaseFiles::new(&["my.csv".into()], Vec::new()).folders(), [Path::new(".")]);
    }

    #[test]
    fn a_named_csv_ends_the_search_and_a_broken_found_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [named, broken, found] = ["named", "broken", "found"].map(|name| folder.path().join(name));
        fs::write(&named, csv("named")).unwrap();
        fs::write(&broken, "").unwrap();
        fs::write(&found, csv("found")).unwrap();
        let search = || [&broken, &found].map(|path| (path.clone(), Trust::Anyone)).to_vec();

        let mut sources = DatabaseFiles::new(&[named], search());
        sources.open().unwrap();
        assert_eq!((city(&sources).as_str(), sources.loaded().count(), sources.problems().len()), ("named", 1, 0));

        let mut sources = DatabaseFiles::new(&[], search());
        sources.open().unwrap();
        assert_eq!((city(&sources).as_str(), sources.problems().len()), ("found", 1));
        assert!(sources.problems()[0].contains("it is empty"), "{:?}", sources.problems());
    }

    #[test]
    fn databases_that_are_found_are_used_beside_the_csv_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, mmdb] = ["a.csv", "b.csv", "GeoLite2-City.mmdb"].map(|name| folder.path().join(name));
        let place = Value::Map(vec![("city", Value::Text("from mmdb"))]);
        fs::write(&mmdb, testing::mmdb("GeoLite2-City", &[("192.0.2.0/24", place)])).unwrap();
        let search = || [&first, &second, &mmdb].map(|path| (path.clone(), Trust::Owner)).to_vec();
        let open = || {
            let mut sources = DatabaseFiles::new(&[], search());
            sources.open().unwrap();
            sources.poll(&NEVER);
            let kinds = sources.loaded().map(|loaded| loaded.database.kind.to_string()).collect::<Vec<_>>().join(" ");
            (kinds, city(&sources), sources.folders().contains(&folder.path().to_path_buf()))
        };
        assert_eq!(open(), ("mmdb".into(), "from mmdb".into(), true));
        fs::write(&first, csv("from csv")).unwrap();
        fs::write(&second, csv("from neither")).unwrap();
        assert_eq!(open(), ("csv mmdb".into(), "from csv".into(), true));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let empty = folder.path().join("empty.mmdb");
        fs::write(&empty, "").unwrap();
        for (path, expected) in [
            (folder.path(), "a folder"),
            (&pipe, "a pipe"),
            (Path::new("/dev/zero"), "a device"),
            (&folder.path().join("missing"), "No such file"),
            (&empty, "no MaxMind database: it is empty"),
        ] {
            let error = DatabaseFiles::new(&[path.to_owned()], Vec::new()).open().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn what_lies_in_the_current_folder_must_be_ours() {
        let folder = tempfile::tempdir().unwrap();
        let [own, link] = ["own", "link"].map(|name| folder.path().join(name));
        fs::write(&own, csv("own")).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        let open = |path: &Path| {
            let mut sources = DatabaseFiles::new(&[], vec![(path.to_owned(), Trust::Owner)]);
            sources.open().unwrap();
            (city(&sources), sources.problems().concat())
        };
        fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open(&own), ("own".into(), String::new()));
        assert_eq!(open(&link).0, "");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o666)).unwrap();
        let (city, problem) = open(&own);
        assert_eq!(city, "");
        assert!(problem.contains("--location-db"), "{problem}");
    }
}
