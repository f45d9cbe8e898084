//! What is to outlive the process: small files in a folder of nettop's own (`--state`).
//!
//! [`StateDir`] is the folder; [`StateWriter`] writes into it by a thread of its own, so that nobody waits for a disk.

mod dir;
mod folder;
mod writer;

pub use self::{dir::StateDir, writer::StateWriter};
