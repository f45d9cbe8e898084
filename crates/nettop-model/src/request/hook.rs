//! `hook`: runs a command that the operator has prepared.

use std::net::IpAddr;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Fields;
use crate::snapshot::Mac;

/// Runs a hook, and answers when it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Hook {
    /// Its key
    #[arg(value_name = "KEY")]
    pub key: char,
    /// What it is run on.
    #[command(flatten)]
    #[serde(flatten)]
    pub target: Target,
}

/// What a hook is run on: typed values, each of which becomes an argument of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Target {
    /// An address, for hooks that want {ip}
    #[arg(long, value_name = "ADDR")]
    pub ip: Option<IpAddr>,
    /// The address that is attacked, for {target}
    #[arg(long, value_name = "ADDR")]
    pub target: Option<IpAddr>,
    /// A port, for {port}
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// A MAC address, for {mac}
    #[arg(long, value_name = "MAC")]
    pub mac: Option<Mac>,
    /// What an alert is called, for {rule}
    #[arg(long, value_name = "NAME")]
    pub rule: Option<String>,
    /// Words, for {text}
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

impl Fields for Hook {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        let whole = Target {
            ip: "2001:db8::1".parse().ok(),
            target: "192.0.2.1".parse().ok(),
            port: Some(443),
            mac: "02:00:00:00:00:01".parse().ok(),
            rule: Some("syn-flood".into()),
            text: Some("$(id)".into()),
        };
        [Target::default(), whole].map(|target| Self { key: 'x', target }).into()
    }
}
