//! A screen over a monitor that runs elsewhere: [`follow`] reads the snapshots that it publishes, [`relay`] carries requests to it.

pub mod follow;
pub mod looks;
pub mod pulses;
pub mod relay;
