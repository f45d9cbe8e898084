//! The address of a control channel, as users write it.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use super::socket_dir;

/// The address of a control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

impl Endpoint {
    /// Where a client finds a monitor unless told.
    pub fn of_running() -> Self {
        Self::Unix(socket_dir::of_running(nettop_sandbox::later_uid()))
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// A path, or `host:port` or `tcp://host:port`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a control socket needs a path".into());
        }
        let (address, forced) = match text.strip_prefix("tcp://") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let host_and_port = address.replacen("localhost:", "127.0.0.1:", 1);
        match host_and_port.parse::<SocketAddr>() {
            Ok(address) => Ok(Self::Tcp(address)),
            Err(_) if forced => Err(format!("{address:?} is not host:port, with a number for the host")),
            Err(_) => Ok(Self::Unix(text.into())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_told_apart() {
        for (text, expected) in [
            ("/run/x.sock", "/run/x.sock"),
            ("x.sock", "x.sock"),
            ("127.0.0.1:9000", "tcp://127.0.0.1:9000"),
            ("tcp://localhost:9000", "tcp://127.0.0.1:9000"),
            ("tcp://[::1]:9000", "tcp://[::1]:9000"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), expected);
        }
        for text in ["", "tcp://x", "tcp://"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }
}
