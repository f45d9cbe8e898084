use std::{fs, io::Write as _, path::PathBuf};

use tempfile::TempDir;

use super::*;

/// A folder, what follows the files in it, and a clock that only moves when told to.
struct Bench {
    folder: TempDir,
    tail: Tail,
    now: Instant,
    lines: Vec<String>,
    found: usize,
}

impl Bench {
    fn new(pattern: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let glob = Glob::new(&folder.path().join(pattern));
        Self { folder, tail: Tail::new(vec![glob]), now: Instant::now(), lines: Vec::new(), found: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Some milliseconds later.
    fn after(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        let Self { tail, now, lines, found, .. } = self;
        tail.look(*now, 0, &mut |_| *found += 1);
        loop {
            let any = tail.read(*now, &mut |_| *found += 1, &mut |_, line| {
                lines.push(match line {
                    Line::Whole(bytes, _) => String::from_utf8_lossy(bytes).into_owned(),
                    Line::Overlong => "overlong".into(),
                });
                true
            });
            if !any {
                break;
            }
        }
        self
    }
}

fn numbered(word: &str, count: usize) -> String {
    (0..count).map(|at| format!("{word} {at:05}\n")).collect()
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let mut bench = Bench::new("access.log");
    bench.append("access.log", "before the start\n");
    bench.after(0);
    bench.append("access.log", &numbered("first", 400));
    bench.after(250);
    fs::rename(bench.path("access.log"), bench.path("access.log.1")).unwrap();
    bench.append("access.log.1", &numbered("late", 37));
    bench.append("access.log", &numbered("new", 563));
    bench.after(1250).after(250);
    assert_eq!(bench.lines.len(), 1000);
    assert!(!bench.lines.iter().any(|line| line.contains("before")));
    // What comes into the old one while it is still followed counts, too.
    bench.append("access.log.1", "straggler\n");
    bench.after(2000);
    assert_eq!(bench.lines.len(), 1001);
    bench.after(6000);
    assert_eq!(bench.tail.len(), 1, "the old one is let go");
}

#[test]
fn a_file_that_was_cut_is_read_anew_even_if_it_is_longer_by_now() {
    for (old, new) in [(50, 60), (50, 10), (1, 1), (300, 4000)] {
        let mut bench = Bench::new("access.log");
        bench.append("access.log", "");
        bench.after(0);
        bench.append("access.log", &numbered("old", old));
        bench.after(250);
        fs::write(bench.path("access.log"), numbered("new", new)).unwrap();
        bench.after(250);
        assert_eq!(bench.lines.len(), old + new, "{old} {new}");
    }
}

#[test]
fn half_a_line_waits_for_its_rest() {
    let mut bench = Bench::new("access.log");
    bench.append("access.log", "");
    bench.after(0);
    bench.append("access.log", "one li");
    bench.after(600);
    assert_eq!(bench.lines.len(), 0);
    bench.append("access.log", "ne\nand");
    bench.after(250);
    assert_eq!(bench.lines, ["one line"]);
    // A rest without an end is a line once nothing can come any more.
    fs::rename(bench.path("access.log"), bench.path("access.log.1")).unwrap();
    bench.after(1250).after(6000);
    assert_eq!(bench.lines, ["one line", "and"]);
}

#[test]
fn new_files_are_read_from_their_first_line() {
    let mut bench = Bench::new("*.log");
    bench.append("vhost0.log", "old\n");
    bench.after(0);
    for at in 0..200 {
        bench.append(&format!("vhost{at}.log"), &format!("first of {at}\n"));
        bench.append(&format!("vhost{at}.log.1"), "rotated\n");
    }
    bench.after(5000);
    let mut lines = bench.lines.clone();
    lines.sort_unstable();
    let mut expected: Vec<_> = (0..200).map(|at| format!("first of {at}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(bench.found, 200);
}

#[test]
fn lines_that_are_too_long_are_counted_once() {
    let mut bench = Bench::new("access.log");
    bench.append("access.log", "");
    bench.after(0);
    bench.append("access.log", &format!("before\n{}\nafter\n", "x".repeat(3 << 20)));
    bench.after(250);
    assert_eq!(bench.lines, ["before", "overlong", "after"]);
    bench.append("access.log", &format!("{}\n", "y".repeat(MOST_LINE)));
    bench.append("access.log", &format!("{}\n", "z".repeat(MOST_LINE + 1)));
    bench.after(250);
    assert_eq!(bench.lines.len(), 5);
    assert_eq!((bench.lines[3].len(), &*bench.lines[4]), (MOST_LINE, "overlong"));
}

#[test]
fn links_folders_and_pipes_are_no_logs() {
    let mut bench = Bench::new("*.log");
    fs::create_dir(bench.path("folder.log")).unwrap();
    fs::write(bench.path("secret"), "secret\n").unwrap();
    std::os::unix::fs::symlink(bench.path("secret"), bench.path("link.log")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.path("pipe.log"), rustix::fs::Mode::RWXU).unwrap();
    bench.append("real.log", "");
    bench.after(0);
    bench.append("real.log", "line\n");
    bench.after(250);
    assert_eq!((bench.found, &bench.lines[..]), (1, &["line".to_string()][..]));
}

#[test]
fn what_was_not_read_before_it_was_gone_is_lost_and_what_waits_is_behind() {
    let mut bench = Bench::new("access.log");
    bench.append("access.log", "");
    bench.after(0);
    bench.append("access.log", &numbered("x", 100));
    // Whoever takes lines has enough after ten.
    let mut taken = 0;
    bench.tail.read(bench.now, &mut |_| {}, &mut |_, _| {
        taken += 1;
        taken < 10
    });
    assert_eq!(taken, 10);
    let later = bench.now + Duration::from_secs(12);
    assert_eq!(bench.tail.behind(later), Duration::from_secs(12));
    fs::write(bench.path("access.log"), "").unwrap();
    bench.after(250);
    assert_eq!(bench.tail.take_lost(), [(0, 90 * 8)]);
    assert_eq!(bench.lines.len(), 0);
    assert_eq!(bench.tail.behind(bench.now), Duration::ZERO);
}
