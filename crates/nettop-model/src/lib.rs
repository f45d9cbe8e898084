//! What crosses a boundary, between layers, threads or processes: the [`snapshot`] that every view reads, the
//! [`request`]s that change something and the [`answer`]s to them, the filters ([`filter`] of what is counted, [`query`] of what is
//! shown), clocks, and how numbers and foreign text are shown.

pub mod answer;
pub mod clock;
pub mod filter;
pub mod flat;
mod form;
pub mod format;
pub mod json;
pub mod kernel_maps;
pub mod net;
pub mod order;
pub mod pulse;
pub mod query;
pub mod radix;
pub mod request;
pub mod snapshot;
pub mod totals;
pub mod visible;
