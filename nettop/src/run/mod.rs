//! The wiring: what `nettop run`, `demo` and `attach` start, and how it ends.

pub mod attach;
mod audit;
pub mod files;
pub mod live;
mod sources;
pub mod state;
pub mod web;
