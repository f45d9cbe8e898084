//! Numbers that nobody outside can guess.

use std::hash::{BuildHasher as _, RandomState};

/// Random words, no two calls alike. Each is SipHash under a key that the standard library takes from the kernel's random source
/// (getrandom(2)), which it reads once per thread.
pub fn words<const N: usize>() -> [u64; N] {
    let state = RandomState::new();
    std::array::from_fn(|at| state.hash_one(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_words_are_alike() {
        let mut all: Vec<u64> = (0..100).flat_map(|_| words::<10>()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1000);
    }
}
