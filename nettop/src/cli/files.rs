//! Which configuration files are read.

use std::path::PathBuf;

use clap::Args;

/// Which configuration files are read. A command reads them if it has these options.
#[derive(Clone, Debug, Default, Args)]
pub struct FileArgs {
    /// Read this configuration file instead of /etc/nettop/config.toml and $XDG_CONFIG_HOME/nettop/config.toml (else
    /// ~/.config/nettop/config.toml)
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long)]
    pub no_config: bool,
}
