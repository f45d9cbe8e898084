//! Access and authentication logs: files are followed ([`tail`]), their lines are read by a format ([`mod@format`]) or by what is known of the programs
//! that log in ([`auth`]), and each becomes an [`Entry`]: what it says, of which address. Nothing is added up here.
//!
//! Everything that a line says is somebody's claim, and may be forged.

pub mod address;
pub mod auth;
pub mod format;
mod logs;
pub mod patterns;
mod reading;
mod spec;
pub mod tail;
mod time;

pub use self::{
    logs::Logs,
    patterns::Patterns,
    reading::{AuthEvent, Entry, FileFacts, Lines, LogReading, Login, MOST_ENTRIES, MOST_TEXT, Marks, Request, What},
    spec::{LogSettings, LogSource, Reads},
};
