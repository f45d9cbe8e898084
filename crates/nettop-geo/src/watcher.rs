//! Opens the databases and reloads what changes on disk.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{Geo, bundle::Bundle, file::Trust, search, sources::DatabaseFiles};

/// Between two looks at the files; a change is loaded at the second look that finds it.
const INTERVAL: Duration = Duration::from_millis(500);

/// Owns a thread that reloads what changes on disk, and ends it when dropped.
///
/// A big CSV is read by that thread: [`open`](Self::open) does not wait for it.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    /// What the thread is to do; `None` once it has been started.
    idle: Option<(DatabaseFiles, Duration)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread, to end it.
    wake: Condvar,
    /// For what takes long, without the lock.
    stop: AtomicBool,
}

/// Locked for moments only.
#[derive(Debug)]
struct State {
    current: Arc<Geo>,
    problems: Vec<String>,
}

impl Watcher {
    /// Opens the databases: the `named` ones, those first in the list having the most say; if none of them is a CSV, the first
    /// CSV in the usual places; if none is named at all, the MaxMind databases in theirs. What they do not know is taken from
    /// the embedded data.
    ///
    /// # Errors
    /// When one of the `named` files cannot be used at all. Files found in the usual places are [`problems`] then.
    ///
    /// [`problems`]: Self::problems
    pub fn open(named: &[PathBuf]) -> Result<Self> {
        let databases = if named.is_empty() { search::databases() } else { Vec::new() };
        Self::with(named, search::tables().into_iter().chain(databases).collect(), INTERVAL)
    }

    /// The embedded places alone, the same on every machine.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn embedded() -> Result<Self> {
        Self::with(&[], Vec::new(), INTERVAL)
    }

    /// As [`open`](Self::open), with the places to search and the time between two looks.
    pub(crate) fn with(named: &[PathBuf], search: Vec<(PathBuf, Trust)>, interval: Duration) -> Result<Self> {
        let bundle = Bundle::embedded()?;
        let mut sources = DatabaseFiles::new(named, search);
        sources.open()?;
        let state = State { current: Arc::new(Geo::new(bundle, sources.loaded())), problems: sources.problems() };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new(), stop: AtomicBool::new(false) });
        Ok(Self { shared, idle: Some((sources, interval)), thread: None })
    }

    /// Starts the thread: apart from [`open`](Self::open), because a thread keeps the privileges that its process gives up
    /// later.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(&mut self) -> Result<()> {
        let Some((sources, interval)) = self.idle.take() else { return Ok(()) };
        let (shared, bundle) = (Arc::clone(&self.shared), Bundle::embedded()?);
        let watch = move || shared.watch(bundle, sources, interval);
        self.thread =
            Some(thread::Builder::new().name("location".into()).spawn(watch).context("cannot start a thread")?);
        Ok(())
    }

    /// The databases in force: a new `Arc` after each reload.
    pub fn current(&self) -> Arc<Geo> {
        Arc::clone(&self.shared.state().current)
    }

    /// The folders that the thread has to be able to read in; none once it has been started.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.idle.as_ref().map_or_else(Vec::new, |(sources, _)| sources.folders())
    }

    /// What could not be loaded or reloaded, where what was read before stays in force; and what is wrong with what is in force: the
    /// file, why, and what to do.
    pub fn problems(&self) -> Vec<String> {
        let (mut problems, current) = {
            let state = self.shared.state();
            (state.problems.clone(), Arc::clone(&state.current))
        };
        problems.extend(current.problems());
        problems
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        {
            let _state = self.shared.state();
            self.shared.stop.store(true, Relaxed);
        }
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn watch(&self, bundle: &'static Bundle<'static>, mut sources: DatabaseFiles, interval: Duration) {
        while !self.stop.load(Relaxed) {
            let changed = sources.poll(&self.stop).then(|| Arc::new(Geo::new(bundle, sources.loaded())));
            let problems = sources.problems();
            let mut state = self.state();
            // The last user of what was in force before frees it, and that must not happen under the lock.
            let before = changed.map(|geo| std::mem::replace(&mut state.current, geo));
            state.problems = problems;
            drop(state);
            drop(before);
            let state = self.state();
            let wait = self.wake.wait_timeout_while(state, interval, |_| !self.stop.load(Relaxed));
            drop(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Instant};

    use super::*;
    use crate::{
        CountryCode,
        testing::{Value, mmdb},
    };

    /// Looks until something is so, for a time that no working machine needs.
    fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "still not so: {what}");
            thread::yield_now();
        }
    }

    fn started(mut watcher: Watcher) -> Watcher {
        watcher.start().unwrap();
        watcher
    }

    fn watch(named: &[&Path]) -> Watcher {
        let named: Vec<PathBuf> = named.iter().map(|path| path.to_path_buf()).collect();
        started(Watcher::with(&named, Vec::new(), Duration::from_millis(5)).unwrap())
    }

    #[test]
    fn files_and_the_embedded_data_complete_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let [csv, city] = ["location.csv", "a database"].map(|name| folder.path().join(name));
        fs::write(&csv, "cidr,country_code,country,city,asn,org\n10.0.0.0/8,,,Office,,\n8.8.8.0/24,,,,,My DNS\n")
            .unwrap();
        let place = |code, name| Value::Map(vec![("country_code", Value::Text(code)), ("city", Value::Text(name))]);
        let rows = [("8.8.8.8/32", place("US", "Mountain View")), ("8.8.4.4/32", place("FR", "Paris"))];
        fs::write(&city, mmdb("City", &rows)).unwrap();
        let watcher = watch(&[&csv, &city]);
        let geo = watcher.current();
        let kinds: Vec<_> = geo.databases().iter().map(|database| &*database.kind).collect();
        assert_eq!(kinds, ["csv", "mmdb", "bundled"]);
        for (ip, code, country, city, asn, org) in [
            ("10.1.2.3", b"LO", "Private", "Office", 0, ""),
            ("8.8.8.8", b"US", "United States", "Mountain View", 15169, "My DNS"),
            ("64:ff9b::808:808", b"US", "United States", "Mountain View", 15169, "My DNS"),
            ("8.8.4.4", b"FR", "France", "Paris", 15169, "Google LLC"),
        ] {
            let expected = crate::Location { country_code: CountryCode(*code), country, city, asn, org };
            assert_eq!(geo.look_up(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn a_replaced_file_comes_into_force_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("location.csv");
        fs::write(&path, "cidr,city\n192.0.2.0/24,old\n").unwrap();
        let watcher = watch(&[&path]);
        let city = |geo: &Geo| geo.look_up("192.0.2.1".parse().unwrap()).city.to_owned();
        let before = watcher.current();
        assert_eq!(city(&before), "old");

        fs::write(&path, "cidr,city\n192.0.2.0/24,new\n").unwrap();
        let after = wait_for("a new state", || {
            let now = watcher.current();
            (!Arc::ptr_eq(&now, &before)).then_some(now)
        });
        assert_eq!((city(&after).as_str(), city(&before).as_str()), ("new", "old"));

        fs::write(&path, "nonsense").unwrap();
        wait_for("a problem", || watcher.problems().first().cloned());
        assert!(Arc::ptr_eq(&watcher.current(), &after));
    }

    #[test]
    fn a_big_file_is_read_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("location.csv");
        let rows: String = (0..200_000).map(|row| format!("{},x\n", std::net::Ipv4Addr::from_bits(row << 4))).collect();
        fs::write(&path, format!("cidr,city\n{rows}")).unwrap();
        // Ended while it reads.
        drop(watch(&[&path]));
        let watcher = watch(&[&path]);
        let geo = wait_for("the file", || Some(watcher.current()).filter(|geo| geo.databases().len() == 2));
        assert_eq!(geo.databases()[0].rows, 200_000);
    }

    #[test]
    fn a_named_file_that_cannot_be_used_is_an_error() {
        assert!(Watcher::open(&["/no/such/file".into()]).unwrap_err().to_string().contains("/no/such/file"));
    }
}
