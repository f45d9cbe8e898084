//! The developer commands of nettop, each in a file of its own; `main` only lists them.
//!
//! It is a library too, so that any test can ask whether the committed eBPF object still comes from the committed
//! sources ([`ebpf::freshness`]).

pub mod bench;
pub mod ci;
pub mod data;
pub mod detect;
pub mod dist;
pub mod ebpf;
pub mod fuzz;
pub mod privilege;
pub mod process;
pub mod run;
pub mod shots;
pub mod test;
pub mod vm;
pub mod web_test;
pub mod workspace;
