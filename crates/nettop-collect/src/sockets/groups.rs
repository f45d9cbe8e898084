//! In which unit and container a process was that has ended before anybody could look: as other processes of its control group are.

use std::{collections::HashMap, path::Path};

use foldhash::fast::RandomState;

use super::{
    process::{self, Place},
    reading::Process,
};

/// Groups that are remembered; where there are more, they are learned anew.
const MOST: usize = 4_096;

/// What is known of groups, by the inode that the kernel tells.
#[derive(Default)]
pub struct Groups {
    known: HashMap<u64, Place, RandomState>,
}

impl Groups {
    /// A process of this group, as it was told: learns from one that `/proc` has, and completes one that it has not any more.
    pub fn meet(&mut self, proc: &Path, group: u64, process: &mut Process) {
        match process::unified_place(proc, process) {
            Some(place) if place != Place::default() => {
                if self.known.len() >= MOST {
                    self.known.clear();
                }
                self.known.insert(group, place);
            }
            Some(_) => {}
            None => {
                if let Some((unit, container)) = self.known.get(&group) {
                    (process.unit, process.container) = (unit.clone(), container.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn who_has_ended_was_where_others_of_its_group_are() {
        let proc = tempfile::tempdir().expect("a folder");
        let add = |pid: u32, cgroup: &str| {
            let folder = proc.path().join(pid.to_string());
            fs::create_dir(&folder).expect("a folder");
            fs::write(folder.join("stat"), format!("{pid} (nginx) S {} 500 0\n", "0 ".repeat(18).trim()))
                .expect("a file");
            fs::write(folder.join("cgroup"), cgroup).expect("a file");
        };
        add(7, "1:name=systemd:/other.service\n0::/system.slice/nginx.service\n");
        add(8, "1:name=systemd:/system.slice/old.service\n0::/\n");
        let mut groups = Groups::default();
        let mut met = |pid: u32, started: u64, group: u64| {
            let mut process = Process { pid, started, ..Process::default() };
            groups.meet(proc.path(), group, &mut process);
            process.unit
        };
        for (name, pid, started, group, expected) in [
            ("one that is gone, of a group that nobody knows", 9, 500, 40, None),
            ("one that is there has what it was told with", 7, 500, 40, None),
            ("one that is gone", 9, 500, 40, Some("nginx.service")),
            ("another that has its number now", 7, 400, 40, Some("nginx.service")),
            ("one that is gone, of another group", 9, 500, 41, None),
            ("one whose group is that of all processes", 8, 500, 1, None),
            ("one that is gone, of that", 9, 500, 1, None),
        ] {
            assert_eq!(met(pid, started, group).as_deref(), expected, "{name}");
        }
        for group in 100..100 + 2 * MOST as u64 {
            groups.meet(proc.path(), group, &mut Process { pid: 7, started: 500, ..Process::default() });
        }
        assert!(groups.known.len() <= MOST);
    }
}
