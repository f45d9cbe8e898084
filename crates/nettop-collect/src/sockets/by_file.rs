//! Owners of sockets that have no cookie, where the kernel tells owners by that: those that there are when nettop starts, by their files.

use std::{path::Path, time::Duration};

use super::{
    diag::Diag,
    owners::Owners,
    reading::{Census, SocketRow},
};

/// What was found in `/proc`, if there was anything to look for.
pub struct ByFile(Option<Owners>);

impl ByFile {
    /// Looks no longer than `patience`, and only where there are such sockets: to be called before the sandbox is entered.
    pub fn open(diag: Option<&mut Diag>, owners: &Owners, patience: Duration) -> Self {
        let is_wanted = owners.are_by_cookie() && diag.is_some_and(Diag::has_any_without_cookie);
        Self(is_wanted.then(|| {
            let mut owners = Owners::new(Path::new("/proc"));
            owners.look(patience);
            owners
        }))
    }

    /// Tells such sockets of a census their owners; `all`: it has all sockets there are.
    pub fn own(&mut self, census: &mut Census, all: bool) {
        let Some(owners) = &mut self.0 else { return };
        let Census { sockets, processes, .. } = census;
        let lacking = sockets.iter().enumerate().filter(|(_, row)| row.cookie == 0);
        let (places, mut rows): (Vec<usize>, Vec<SocketRow>) = lacking.map(|(place, row)| (place, row.clone())).unzip();
        let found = owners.of(&mut rows, all);
        for (place, row) in places.into_iter().zip(rows) {
            let Some(owner) = row.owner.and_then(|owner| found.get(owner as usize)) else { continue };
            let known = processes.iter().position(|one| (one.pid, one.started) == (owner.pid, owner.started));
            let at = known.unwrap_or_else(|| {
                processes.push(owner.clone());
                processes.len() - 1
            });
            sockets[place].owner = Some(at as u32);
        }
    }
}
