//! `subscribe`: the published snapshot and every further one, a line each.

use serde::{Deserialize, Serialize};

use super::{Fields, Form, read};

/// Asks for a line with the published snapshot, and for one with every further one. Only the server of the control channel
/// answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Maximum rows of each list.
    #[serde(default = "read::usual_limit", deserialize_with = "read::limit")]
    pub limit: usize,
    /// How each snapshot is written.
    #[serde(flatten)]
    pub form: Form,
}

impl Fields for Subscribe {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        vec![Self { limit: 5, form: Form::Flat }, Self { limit: 1000, form: Form::whole() }]
    }
}
