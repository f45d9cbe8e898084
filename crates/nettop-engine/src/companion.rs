//! Processes that a monitor has started beside itself, before its sandbox. If one dies, that is a badge, and counting goes on.

use std::{fmt, sync::Arc};

use nettop_model::snapshot::Degraded;

/// One of them.
#[derive(Clone)]
pub struct Companion(Arc<dyn Fn() -> Option<Degraded> + Send + Sync>);

impl Companion {
    /// Of which this tells what is wrong, without waiting.
    pub fn new(degraded: impl Fn() -> Option<Degraded> + Send + Sync + 'static) -> Self {
        Self(Arc::new(degraded))
    }

    /// What is wrong with it.
    pub fn degraded(&self) -> Option<Degraded> {
        (self.0)()
    }
}

impl fmt::Debug for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Companion")
    }
}
