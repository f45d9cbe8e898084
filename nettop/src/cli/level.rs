//! How severe a record has to be to be logged.

use clap::ValueEnum;
use log::LevelFilter;

/// The least severe records that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// What failed.
    Error,
    /// What is amiss as well.
    Warn,
    /// What happens as well.
    #[default]
    Info,
    /// Everything.
    Debug,
}

impl Level {
    /// For the log of this process.
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::Error,
            Self::Warn => LevelFilter::Warn,
            Self::Info => LevelFilter::Info,
            Self::Debug => LevelFilter::Debug,
        }
    }

    /// For the kernel program, in the order of aya-log: 1 for errors to 4 for everything.
    pub fn of_kernel(self) -> u8 {
        self as u8 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_logs_have_the_same_levels() {
        for level in Level::value_variants() {
            assert_eq!(usize::from(level.of_kernel()), level.filter() as usize, "{level:?}");
        }
    }
}
