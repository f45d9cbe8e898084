//! What the subcommands do, but for those that show a screen ([`run`](mod@crate::run)).

pub mod ctl;
pub mod doctor;
pub mod features;
pub mod manual;
pub mod sockets;
mod stream;
pub mod update_db;
