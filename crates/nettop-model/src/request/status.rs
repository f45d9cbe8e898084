//! `status`: the settings and a snapshot.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Fields, Form, read};
use crate::{
    answer::{self, Answer, Reply},
    snapshot::DEFAULT_LIMIT,
};

/// Asks for the runtime state and a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Status {
    /// Rows of each list at most; 0 for all
    #[arg(long, default_value_t = DEFAULT_LIMIT, hide_default_value = true)]
    #[serde(default = "read::usual_limit", deserialize_with = "read::limit")]
    pub limit: usize,
}

impl Fields for Status {
    #[inline]
    fn read_answer(&self, line: &[u8]) -> Reply {
        let snapshot = answer::snapshot(line)?.into();
        Ok(Answer::Snapshot { snapshot, form: Form::Flat, runtime: true })
    }

    #[cfg(test)]
    fn samples() -> Vec<Self> {
        vec![Self { limit: 3 }]
    }
}
