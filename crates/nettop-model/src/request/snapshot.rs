//! `snapshot`: everything counted so far.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Fields, Form, read};
use crate::{
    answer::{self, Answer, Reply},
    snapshot::DEFAULT_LIMIT,
};

/// Asks for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Snapshot {
    /// Rows of each list at most; 0 for all
    #[arg(long, default_value_t = DEFAULT_LIMIT, hide_default_value = true)]
    #[serde(default = "read::usual_limit", deserialize_with = "read::limit")]
    pub limit: usize,
    /// How the snapshot is written.
    #[command(flatten)]
    #[serde(flatten)]
    pub form: Form,
}

impl Fields for Snapshot {
    #[inline]
    fn read_answer(&self, line: &[u8]) -> Reply {
        let snapshot = answer::snapshot(line)?.into();
        Ok(Answer::Snapshot { snapshot, form: self.form.clone(), runtime: false })
    }

    #[cfg(test)]
    fn samples() -> Vec<Self> {
        let groups = vec![crate::snapshot::Group::Host];
        vec![Self { limit: 0, form: Form::Flat }, Self { limit: 2, form: Form::Grouped(groups) }]
    }
}
