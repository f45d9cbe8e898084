//! Databases of places.

use std::net::IpAddr;

use nettop_geo::Watcher;

use super::{expect_visible, memory};

/// How many addresses that stand in a file are looked up in it.
const LOOKED_UP: usize = 32;
/// Looked up in every file.
const EDGES: [&str; 8] =
    ["0.0.0.0", "255.255.255.255", "192.0.2.1", "10.0.0.1", "::", "ffff::", "2001:db8::1", "::ffff:192.0.2.1"];

/// Looks addresses up in `data`, a `location.csv`.
pub fn location_csv(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
    look_up(data, words.filter_map(|word| word.parse().ok()).take(LOOKED_UP));
}

/// Looks addresses up in `data`, a MaxMind database.
pub fn mmdb(data: &[u8]) {
    let (words, _) = data.as_chunks::<16>();
    look_up(data, words.iter().map(|word| IpAddr::from(*word)).take(LOOKED_UP));
}

fn look_up(data: &[u8], addresses: impl Iterator<Item = IpAddr>) {
    let (_file, path) = memory::file(data);
    let watcher = match Watcher::open(&[path]) {
        Ok(watcher) => watcher,
        Err(error) => return expect_visible("the error", &format!("{error:#}")),
    };
    let geo = watcher.current();
    for database in geo.databases() {
        database.problems.iter().for_each(|problem| expect_visible("a problem", problem));
        assert!(database.problems.len() as u64 <= database.bad_rows);
    }
    for address in EDGES.iter().map(|text| text.parse().expect("an address")).chain(addresses) {
        let place = geo.look_up(address);
        [place.country, place.city, place.org].iter().for_each(|name| expect_visible("a name", name));
        assert_eq!(place.country_code.to_string().len(), 2);
    }
    watcher.problems().iter().for_each(|problem| expect_visible("a problem", problem));
}
