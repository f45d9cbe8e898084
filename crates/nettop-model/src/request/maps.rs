//! `maps`: what the kernel's maps hold.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Fields, read};
use crate::snapshot::DEFAULT_LIMIT;

/// Asks for the contents of the kernel's maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Maps {
    /// Rows of each map at most; 0 for all
    #[arg(long, default_value_t = DEFAULT_LIMIT, hide_default_value = true)]
    #[serde(default = "read::usual_limit", deserialize_with = "read::limit")]
    pub limit: usize,
}

impl Fields for Maps {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        vec![Self { limit: 1 }]
    }
}
