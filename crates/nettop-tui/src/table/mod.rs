//! A table as the screen shows it: how the user arranged it, and which columns its width has room for.

pub mod arrange;
pub mod fit;
