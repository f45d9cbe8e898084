//! nettop_geo: where an address is, offline.
//!
//! Embedded data give the country and the network of every public address ([`bundle`]). A `location.csv` and MaxMind
//! databases of the user's add to them and have more say; special ranges such as `10.0.0.0/8` are known by themselves.
//! [`Watcher`] opens all of them and reloads what changes on disk; [`Geo`] is what is in force at one instant.

mod bits;
pub mod bundle;
mod country;
mod csv;
mod file;
mod flatten;
mod geo;
mod health;
mod lines;
mod location;
mod mmdb;
mod places;
pub mod prefix;
mod region;
mod search;
mod sections;
mod segments;
mod sources;
pub mod special;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod texts;
mod watcher;

pub use country::CountryCode;
pub use geo::{Database, Geo, Provides};
pub use location::Location;
pub use region::Region;
pub use text::is_unseen;
pub use watcher::Watcher;
