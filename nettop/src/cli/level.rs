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
}
