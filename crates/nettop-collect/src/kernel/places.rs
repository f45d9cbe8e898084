//! Which interface is counted in which place of the program's, and which have been before.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nettop_common::interfaces::{OTHERS, PLACES};

use super::cpus::Cpus;

/// A place is given to another interface only so long after the one before has gone: what that was counted has been read by then.
const UNREAD: Duration = Duration::from_secs(5);
/// What came by interfaces without a place is called.
pub const OTHER: &str = "";

/// The places of all interfaces.
pub struct Places {
    cpus: Arc<Cpus>,
    list: Mutex<Vec<Place>>,
}

#[derive(Clone)]
struct Place {
    index: u32,
    name: Arc<str>,
    /// Since when nobody has it; `None`: somebody does.
    free: Option<Instant>,
}

/// A place that an interface has until this is dropped.
pub struct Held {
    places: Arc<Places>,
    /// `None`: all others were taken.
    at: Option<usize>,
}

impl Places {
    /// All of them free.
    pub fn new(cpus: Arc<Cpus>) -> Arc<Self> {
        Arc::new(Self { cpus, list: Mutex::default() })
    }

    /// Gives an interface a place, before its packets come.
    pub fn hold(self: &Arc<Self>, index: u32, name: &str) -> Held {
        let mut list = self.list();
        let at = choose(&list, index, Instant::now());
        if let Some(at) = at {
            let place = Place { index, name: name.into(), free: None };
            match list.get_mut(at) {
                Some(known) => *known = place,
                None => list.push(place),
            }
            self.cpus.set_interface(at, index);
        }
        Held { places: Arc::clone(self), at }
    }

    /// Each place that anything may have been counted in, and what the interface is called.
    pub fn names(&self) -> Vec<(usize, Arc<str>)> {
        let list = self.list();
        let named = list.iter().map(|place| Arc::clone(&place.name)).enumerate();
        named.chain([(OTHERS, OTHER.into())]).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Place>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The interface has another name now.
    pub fn rename(&self, name: &str) {
        if let Some(at) = self.at {
            self.places.list()[at].name = name.into();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.places.list()[at].free = Some(Instant::now());
        }
    }
}

/// The place for the interface with this index: its own of before, or one that nobody has had yet, or that has been free for longest.
fn choose(list: &[Place], index: u32, now: Instant) -> Option<usize> {
    let free = || list.iter().enumerate().filter_map(|(at, place)| Some((at, place, place.free?)));
    let before = free().find(|(_, place, _)| place.index == index).map(|(at, ..)| at);
    let unused = (list.len() < OTHERS).then_some(list.len());
    let read = || {
        let longest = free().min_by_key(|(.., since)| *since)?;
        (now.saturating_duration_since(longest.2) >= UNREAD).then_some(longest.0)
    };
    before.or(unused).or_else(read)
}

const _: () = assert!(OTHERS < PLACES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_gets_its_own_place_or_a_new_one_or_the_one_free_for_longest() {
        let now = Instant::now() + Duration::from_secs(100);
        let ago = |seconds| Some(now - Duration::from_secs(seconds));
        let place = |index, free| Place { index, name: "in0".into(), free };
        let full = |free: &[(usize, u64)]| {
            let mut list: Vec<_> = (0..OTHERS as u32).map(|at| place(100 + at, None)).collect();
            free.iter().for_each(|(at, seconds)| list[*at].free = ago(*seconds));
            list
        };
        for (name, list, index, expected) in [
            ("the first", vec![], 7, Some(0)),
            ("beside another", vec![place(2, None)], 7, Some(1)),
            ("beside one that has gone", vec![place(2, ago(50))], 7, Some(1)),
            ("its own", vec![place(3, None), place(7, ago(0))], 7, Some(1)),
            ("the one free for longest", full(&[(4, 20), (9, 30)]), 7, Some(9)),
            ("none that may hold what was not read", full(&[(4, 2)]), 7, None),
            ("none at all", full(&[]), 7, None),
            ("its own, however short", full(&[(4, 2), (9, 30)]), 104, Some(4)),
        ] {
            assert_eq!(choose(&list, index, now), expected, "{name}");
        }
    }
}
