//! This process, as the kernel has it: how much memory it may use, how its allocator is set, what an error of the system means
//! for it, unguessable numbers, and words that a shell takes as they are.

pub mod cause;
pub mod heap;
pub mod memory;
pub mod random;
pub mod shell;
