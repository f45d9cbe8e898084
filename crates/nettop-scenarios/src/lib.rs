//! Attacks and ordinary traffic, made from recipes in memory, and what detection finds in them. A recipe (`tests/detect/`) becomes
//! packets, packets become frames, and these go through the parser, the counters and the engine that see real ones. A clock of its
//! own moves in steps of 100 ms.

pub mod capture;
pub mod endpoints;
pub mod later;
pub mod matrix;
pub mod packet;
pub mod play;
pub mod recipe;
pub mod render;
pub mod span;
pub mod stranger;
pub mod stream;
pub mod talk;
pub mod this_host;
pub mod variants;
pub mod verdict;
pub mod world;
