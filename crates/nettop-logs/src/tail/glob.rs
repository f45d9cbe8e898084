//! Names with `*`, `?` and `[…]`, in any part of a path.
//!
//! By hand, and not by a crate: what walks folders follows links and reads without a bound, and what matches names only would bring regular expressions into
//! the program for thirty lines.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Endings of files that were rotated and are written no more.
const ROTATED: [&str; 5] = ["gz", "bz2", "xz", "zst", "old"];
/// Names of one folder that are looked at.
const MOST_NAMES: usize = 16_384;

/// A path, of which parts may be patterns; the default one names nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glob(PathBuf);

impl Glob {
    /// Of a path that a user wrote.
    pub fn new(path: &Path) -> Self {
        Self(std::path::absolute(path).unwrap_or_else(|_| path.into()))
    }

    /// As it was written.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The files that are called so, but for what was rotated and is written no more, at most `most`. What can be listed is; the first error is told.
    pub fn files(&self, most: usize) -> (Vec<PathBuf>, Option<(PathBuf, io::Error)>) {
        let (mut found, mut failure) = (vec![PathBuf::new()], None);
        for part in self.0.components() {
            let Component::Normal(name) = part else {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            };
            let name = name.to_string_lossy();
            if !is_pattern(&name) {
                found.iter_mut().for_each(|path| path.push(&*name));
                continue;
            }
            let mut next = Vec::new();
            for folder in &found {
                match names(folder, &name) {
                    Ok(names) => next.extend(names.into_iter().map(|name| folder.join(name))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => failure = failure.or(Some((folder.clone(), error))),
                }
            }
            next.truncate(MOST_NAMES);
            found = next;
        }
        found.retain(|path| !self.leaves_out(path));
        found.sort_unstable();
        found.truncate(most);
        (found, failure)
    }

    /// Whether a file may be called so: whether it is one that [`Self::files`] would tell if it were there.
    pub fn names(&self, path: &Path) -> bool {
        let is_one = |(pattern, part): (Component<'_>, Component<'_>)| match (pattern, part) {
            (Component::Normal(pattern), Component::Normal(name)) => {
                let (pattern, name) = (pattern.to_string_lossy(), name.to_string_lossy());
                if is_pattern(&pattern) { is_meant(&pattern, &name) } else { pattern == name }
            }
            (pattern, part) => pattern == part,
        };
        let (patterns, parts) = (self.0.components(), path.components());
        patterns.clone().count() == parts.clone().count() && patterns.zip(parts).all(is_one) && !self.leaves_out(path)
    }

    /// Whether it was rotated and is written no more. What is named without a pattern is meant, whatever it is called.
    fn leaves_out(&self, path: &Path) -> bool {
        is_pattern(&self.0.to_string_lossy()) && is_rotated(path)
    }
}

/// The folder that everything it names is in.
pub fn folder(glob: &Glob) -> PathBuf {
    let fixed = glob.0.components().take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy()));
    let fixed: PathBuf = fixed.collect();
    if fixed == glob.0 { fixed.parent().map(Path::to_path_buf).unwrap_or_default() } else { fixed }
}

fn is_pattern(name: &str) -> bool {
    name.bytes().any(|byte| b"*?[".contains(&byte))
}

/// Whether its name says that it was rotated and is written no more: `.gz` and the like, or a number at the end.
fn is_rotated(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    ROTATED.contains(&&*ending) || (!ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_digit()))
}

fn names(folder: &Path, pattern: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(MOST_NAMES) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_meant(pattern, &name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether a pattern is of this name: of one that is hidden only if it says so.
fn is_meant(pattern: &str, name: &str) -> bool {
    (!name.starts_with('.') || pattern.starts_with('.')) && matches(pattern.as_bytes(), name.as_bytes())
}

/// Whether a name is as a pattern has it. Of two `*` only the newest is tried again, so that no pattern takes longer than their product.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of, mut again) = (0, 0, None);
    while of < name.len() {
        let step = match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, of));
                at += 1;
                continue;
            }
            Some(b'?') => Some(at + 1),
            Some(b'[') => class(&pattern[at..], name[of]).map(|length| at + length),
            Some(byte) if *byte == name[of] => Some(at + 1),
            _ => None,
        };
        match (step, again) {
            (Some(next), _) => (at, of) = (next, of + 1),
            (None, Some((after, from))) => {
                (at, of) = (after, from + 1);
                again = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The length of a class such as `[a-z]` that has this byte.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|byte| *byte == b']')? + 2;
    let (is_not, inner) = match &pattern[1..end] {
        [b'!' | b'^', inner @ ..] => (true, inner),
        inner => (false, inner),
    };
    let mut has = inner.contains(&byte) && byte != b'-';
    for range in inner.windows(3).filter(|range| range[1] == b'-') {
        has |= (range[0]..=range[2]).contains(&byte);
    }
    (has != is_not).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.log", "access.log", true),
            ("*.log", "access.log.1", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?.log", "é.log", false),
            ("site[0-9].log", "site7.log", true),
            ("site[!0-9].log", "site7.log", false),
            ("[ab", "[ab", false),
            ("access.log", "access.log", true),
            ("*access*", "other_vhosts_access.log", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        let hostile = "a".repeat(5000);
        assert!(!matches("*a*a*a*a*a*a*a*b".as_bytes(), hostile.as_bytes()));
    }

    #[test]
    fn what_was_rotated_is_left_out_and_folders_may_be_patterns() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["a/access.log", "a/access.log.1", "a/access.log.2.gz", "b/access.log", "b/error.txt", ".c/access.log"]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (pattern, expected) in [
            ("*/access.log*", &["a/access.log", "b/access.log"][..]),
            ("a/*", &["a/access.log"]),
            ("a/access.log", &["a/access.log"]),
            ("none/*", &[]),
        ] {
            let glob = Glob::new(&folder.path().join(pattern));
            let (found, failure) = glob.files(100);
            let expected: Vec<_> = expected.iter().map(|name| folder.path().join(name)).collect();
            assert_eq!(found, expected, "{pattern}");
            assert!(found.iter().all(|path| glob.names(path)), "{pattern}");
            assert!(failure.is_none());
        }
        let names = |pattern: &str, name: &str| Glob::new(Path::new(pattern)).names(Path::new(name));
        for (pattern, name, expected) in [
            ("/a/*.log", "/a/x.log", true),
            ("/a/*.log", "/a/b/x.log", false),
            ("/a/*.log", "/a/.x.log", false),
            ("/a/*", "/a/x.log.1", false),
            ("/a/*", "/a/..", false),
            ("/a/*/x", "/a/../x", false),
            ("/a/x.1", "/a/x.1", true),
            ("/a/x", "/a/y", false),
            ("/a/x", "a/x", false),
        ] {
            assert_eq!(names(pattern, name), expected, "{pattern} {name}");
        }
        let glob = Glob::new(&folder.path().join("*/access.log"));
        assert_eq!(super::folder(&glob), folder.path());
        assert_eq!(super::folder(&Glob::new(&folder.path().join("a/access.log"))), folder.path().join("a"));
    }
}
