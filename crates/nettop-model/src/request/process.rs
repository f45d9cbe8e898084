//! `process`: the command line of one process. It may hold secrets: no list has it, and it is told only to who may change things.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Fields;

/// Tells the command line of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Process {
    /// Its number
    pub pid: u32,
}

impl Fields for Process {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        vec![Self { pid: 1 }, Self { pid: u32::MAX }]
    }
}
