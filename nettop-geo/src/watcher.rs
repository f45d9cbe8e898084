//! Opens the databases and reloads what changes on disk.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;

use crate::Geo;

/// Owns the databases in force.
#[derive(Debug)]
pub struct Watcher {
    current: Mutex<Arc<Geo>>,
}

impl Watcher {
    /// Opens the databases.
    ///
    /// # Errors
    /// When one of the `named` files cannot be used at all.
    pub fn open(named: &[PathBuf]) -> Result<Self> {
        anyhow::ensure!(named.is_empty(), "files of the user's own come with the next commit");
        Ok(Self { current: Mutex::new(Arc::new(Geo::bundled()?)) })
    }

    /// The databases in force: a new `Arc` after each reload.
    pub fn current(&self) -> Arc<Geo> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What could not be loaded or reloaded: the file, why, and what to do. What was read before stays in force.
    pub fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}
