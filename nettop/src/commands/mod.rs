//! What the subcommands do.

pub mod ctl;
mod stream;
