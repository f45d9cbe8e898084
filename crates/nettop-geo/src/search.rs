//! Where databases are looked for that nobody has named.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use crate::file::Trust;

/// The names of a CSV in a folder.
const NAMES: [&str; 2] = ["nettop-geo.csv", "location.csv"];
/// What the names of MaxMind databases begin with: those of geoipupdate, and those of DB-IP.
const PUBLISHERS: [&str; 2] = ["GeoLite2-", "dbip-"];
/// Parts of their names, those of the kind with the most say first.
const KINDS: [&str; 3] = ["city", "country", "asn"];

/// Where a CSV is looked for, in this order: the updated one, the system's folders, and then the current folder and the home
/// folder.
pub fn tables() -> Vec<(PathBuf, Trust)> {
    let system = ["/usr/share/nettop", "/usr/local/share/nettop", "/etc/nettop"].map(PathBuf::from);
    let own = [env::current_dir().ok(), env::home_dir()].into_iter().flatten();
    let within = |folder: PathBuf, trust| NAMES.map(|name| (folder.join(name), trust));
    std::iter::once((PathBuf::from("/var/lib/nettop/location.csv"), Trust::Anyone))
        .chain(system.into_iter().flat_map(|folder| within(folder, Trust::Anyone)))
        .chain(own.flat_map(|folder| within(folder, Trust::Owner)))
        .collect()
}

/// The MaxMind databases that are now where geoipupdate and the packages of distributions put them; see [`within`].
pub fn databases() -> Vec<(PathBuf, Trust)> {
    let system = ["/usr/share/GeoIP", "/usr/local/share/GeoIP", "/var/lib/GeoIP"].map(PathBuf::from);
    let own = env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local/share/GeoIP"));
    let folders = system.map(|folder| (folder, Trust::Anyone)).into_iter();
    within(&folders.chain(own.map(|folder| (folder, Trust::Owner))).collect::<Vec<_>>())
}

/// The databases in these folders, those with the most say first: of cities, of countries, of networks, others; those of a kind
/// in the order of the folders, then of their names. Of files of a folder whose names differ in digits alone, which are dates,
/// only the newest.
fn within(folders: &[(PathBuf, Trust)]) -> Vec<(PathBuf, Trust)> {
    let mut newest = BTreeMap::<(usize, usize, String), String>::new();
    for (at, (folder, _)) in folders.iter().enumerate() {
        for name in names(folder) {
            if let Some(kind) = kind(&name) {
                let undated = name.replace(|character: char| character.is_ascii_digit(), "");
                let before = newest.entry((kind, at, undated)).or_default();
                *before = name.max(std::mem::take(before));
            }
        }
    }
    newest.into_iter().map(|((_, at, _), name)| (folders[at].0.join(name), folders[at].1)).collect()
}

/// The names of what is in a folder; none where it cannot be read.
fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// Of which of [`KINDS`] the database of this name is, or their number; `None`: the name is not that of a database.
fn kind(name: &str) -> Option<usize> {
    let is_one = name.ends_with(".mmdb") && PUBLISHERS.iter().any(|publisher| name.starts_with(publisher));
    let lower = name.to_lowercase();
    is_one.then(|| KINDS.iter().position(|kind| lower.contains(kind)).unwrap_or(KINDS.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in two folders with these files, each with the number of its folder.
    fn found(files: [&[&str]; 2]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let folders = ["0", "1"].map(|name| (root.path().join(name), Trust::Owner));
        for ((folder, _), names) in folders.iter().zip(files) {
            fs::create_dir(folder).unwrap();
            names.iter().for_each(|name| fs::write(folder.join(name), "").unwrap());
        }
        let found = within(&folders).into_iter();
        found.map(|(path, _)| path.strip_prefix(root.path()).unwrap().display().to_string()).collect()
    }

    #[test]
    fn cities_come_before_countries_and_networks_in_the_order_of_the_folders() {
        for (files, expected) in [
            ([&[][..], &[][..]], &[][..]),
            (
                [&["GeoLite2-Country.mmdb"], &["GeoLite2-City.mmdb"]],
                &["1/GeoLite2-City.mmdb", "0/GeoLite2-Country.mmdb"],
            ),
            (
                [&["GeoLite2-ASN.mmdb", "GeoLite2-City.mmdb"], &["dbip-city-lite.mmdb", "GeoLite2-City.mmdb"]],
                &["0/GeoLite2-City.mmdb", "1/GeoLite2-City.mmdb", "1/dbip-city-lite.mmdb", "0/GeoLite2-ASN.mmdb"],
            ),
            (
                [&["dbip-asn-lite-2024-09.mmdb", "dbip-asn-lite-2024-10.mmdb"], &["dbip-asn-lite-2024-11.mmdb"]],
                &["0/dbip-asn-lite-2024-10.mmdb", "1/dbip-asn-lite-2024-11.mmdb"],
            ),
            (
                [&["dbip-full-2024-10.mmdb"], &["GeoLite2-ASN.mmdb"]],
                &["1/GeoLite2-ASN.mmdb", "0/dbip-full-2024-10.mmdb"],
            ),
            (
                [&["GeoLite2-City.mmdb.part", "City.mmdb", "GeoIP.dat"], &["my-GeoLite2-City.mmdb", "dbip-city.csv"]],
                &[],
            ),
        ] {
            assert_eq!(found(files), expected, "{files:?}");
        }
        assert!(within(&[("/nonexistent".into(), Trust::Anyone)]).is_empty());
    }
}
