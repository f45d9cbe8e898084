//! What leaves the program other than through the screen and the control channel.

pub mod file;
pub mod jsonl;
pub mod session;
pub mod summary;
pub mod table;
pub mod target;
