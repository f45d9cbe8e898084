//! An end for what a test lets others do meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells those who work meanwhile that there is enough when it is dropped, also where a test fails: else its scope would wait for them.
#[derive(Debug)]
pub struct Enough<'a>(pub &'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
