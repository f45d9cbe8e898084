//! Options of the dashboard.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// Where the dashboard listens unless told.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9595";
/// Sources that `/metrics` may list.
const MOST_SOURCES: i64 = 50;

/// Options of the dashboard, beside its address.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct WebArgs {
    /// Take the first line of this file as the token of the dashboard [default: a new one, printed once with the address]
    #[arg(long, value_name = "FILE")]
    pub web_token: Option<PathBuf>,
    /// Answer also to this name, HOST or HOST:PORT, as a proxy in front of the dashboard is called; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = name)]
    pub web_name: Vec<String>,
    /// Serve all, only what programs read (api), or only /metrics (metrics)
    #[arg(long, value_enum, default_value_t, value_name = "PARTS")]
    pub web_parts: Parts,
    /// Let the dashboard change things, as nettopctl does; else it only shows them
    #[arg(long)]
    pub web_control: bool,
    /// Let the dashboard listen on an address that others reach, too; nothing is encrypted
    #[arg(long)]
    pub web_anywhere: bool,
    /// List so many of the busiest sources in /metrics, 0 to 50: each is a series of its own
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=MOST_SOURCES))]
    pub metrics_sources: i64,
}

/// What is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parts {
    /// Everything.
    #[default]
    All,
    /// What programs read.
    Api,
    /// `/metrics`.
    Metrics,
}

/// Where it listens, as users write it: an address and a port, or a port of loopback.
///
/// # Errors
/// It is neither.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| format!("{text:?} is no address with a port, as {DEFAULT_ADDRESS} is"))
}

fn name(text: &str) -> Result<String, String> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if text.is_empty() || text.len() > 255 || !text.bytes().all(is_host) {
        return Err(format!("{text:?} is no name of a host, as example.org or example.org:8443 are"));
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read() {
        for (text, expected) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("9000", Some("127.0.0.1:9000")),
            ("[::1]:7", Some("[::1]:7")),
            ("example.org:80", None),
            ("", None),
            ("70000", None),
        ] {
            assert_eq!(address(text).ok().map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(name("Example.ORG:8443").as_deref(), Ok("example.org:8443"));
        for text in ["", "a b", "http://x", "x\r\ny", "é"] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
