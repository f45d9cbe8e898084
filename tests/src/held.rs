//! What a process holds in the kernel: programs, maps and links, each with the id by which it can be found as long as it is there.

use std::{collections::BTreeSet, fs, io};

use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};

/// Objects of the kernel, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Held {
    /// What the open descriptors of a process stand for.
    ///
    /// # Errors
    /// There is no such process, or we may not look into it. A descriptor that is closed meanwhile is no error.
    pub fn by(process: u32) -> io::Result<Self> {
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
            let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
            for line in text.lines() {
                let Some((key, value)) = line.split_once(':') else { continue };
                let Ok(id) = value.trim().parse() else { continue };
                // A link tells its program's id too, which is right here.
                match key {
                    "prog_id" => held.programs.insert(id),
                    "map_id" => held.maps.insert(id),
                    "link_id" => held.links.insert(id),
                    _ => false,
                };
            }
        }
        Ok(held)
    }

    /// Those of them that the kernel still has.
    pub fn left(&self) -> Self {
        let links = loaded_links().filter_map(Result::ok).map(|link| link.id());
        let programs = loaded_programs().filter_map(Result::ok).map(|program| program.id());
        let maps = loaded_maps().filter_map(Result::ok).map(|map| map.id());
        Self {
            programs: programs.filter(|id| self.programs.contains(id)).collect(),
            maps: maps.filter(|id| self.maps.contains(id)).collect(),
            links: links.filter(|id| self.links.contains(id)).collect(),
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.programs.len() + self.maps.len() + self.links.len()
    }
}
