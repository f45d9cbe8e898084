//! nettop: who is hitting this host, live and truthfully.

pub mod control;
pub mod snapshot;
