//! Nothing: it lets cargo see the crate as a library where the program itself cannot be built.
#![no_std]
