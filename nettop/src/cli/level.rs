//! The option --log-level.

use clap::ValueEnum;
use log::LevelFilter;

/// The lowest severity that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Errors only
    Error,
    /// Errors and warnings
    Warn,
    /// Errors, warnings and changes of state
    #[default]
    Info,
    /// Everything
    Debug,
}

impl Level {
    /// The filter for the log of this process.
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::Error,
            Self::Warn => LevelFilter::Warn,
            Self::Info => LevelFilter::Info,
            Self::Debug => LevelFilter::Debug,
        }
    }

    /// The level for the kernel program, as aya-log numbers them: 1 for errors only, 4 for everything.
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
