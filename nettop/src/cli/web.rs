//! Options of `web`, and of the dashboard that a monitor starts.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use nettop_control::endpoint::Endpoint;
use nettop_web::{DEFAULT_ADDRESS, WebArgs, args::address};

use super::{FileArgs, Sandbox};

/// Whether a monitor starts a dashboard, and where.
#[derive(Clone, Debug, Default, Args)]
pub struct DashboardArgs {
    /// Show it all in a browser, too, at this address or port of loopback, in a process of its own
    /// [default if given without an address: 127.0.0.1:9595; port 0: any]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_ADDRESS, value_parser = address)]
    pub web: Option<SocketAddr>,
    /// How.
    #[command(flatten)]
    pub web_options: WebArgs,
}

/// Options of `web`.
#[derive(Clone, Debug, Args)]
pub struct WebCommandArgs {
    /// Socket of the monitor: a path, or tcp://host:port [default: as nettopctl finds it]
    pub socket: Option<Endpoint>,
    /// The same, for configuration files
    #[arg(long, value_name = "SOCKET")]
    pub control_socket: Option<Endpoint>,
    /// A file whose first line is the token that the monitor wants over tcp://
    #[arg(long, value_name = "FILE")]
    pub control_token: Option<PathBuf>,
    /// The address or port of loopback where it listens; port 0: any [default: 127.0.0.1:9595, or the socket that systemd hands over]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_ADDRESS, value_parser = address)]
    pub web: Option<SocketAddr>,
    /// How.
    #[command(flatten)]
    pub web_options: WebArgs,
    /// Refuse to run unless the whole sandbox holds (strict), or use what of it this kernel offers (best-effort)
    #[arg(long, value_enum, default_value_t = Sandbox::BestEffort, value_name = "MODE")]
    pub sandbox: Sandbox,
    /// Which configuration files are read.
    #[command(flatten)]
    pub files: FileArgs,
}
