//! `set`: another filter, or other interfaces.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Fields;

/// Parts of the filter, as text. Empty text clears a part; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(try_from = "Spelled")]
pub struct FilterChange {
    /// Destination addresses or prefixes, separated by commas
    #[arg(long)]
    pub dst: Option<String>,
    /// Source addresses or prefixes, separated by commas
    #[arg(long)]
    pub src: Option<String>,
    /// Destination ports and ranges: 80,443,8000-8100
    #[arg(long)]
    pub port: Option<String>,
    /// Interfaces, separated by commas
    #[arg(long)]
    pub iface: Option<String>,
    /// Protocols: tcp,udp,icmp,47
    #[arg(long)]
    pub proto: Option<String>,
}

/// The same as the classic takes it: numbers as well as text, and ports also as a list of numbers. Null is as if it was not
/// there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Spelled {
    dst: Value,
    src: Value,
    port: Value,
    ports: Value,
    iface: Value,
    proto: Value,
}

impl TryFrom<Spelled> for FilterChange {
    type Error = String;

    fn try_from(spelled: Spelled) -> Result<Self, String> {
        let ports = ports(spelled.ports)?;
        Ok(Self {
            dst: text("dst", spelled.dst)?,
            src: text("src", spelled.src)?,
            port: ports.or(text("port", spelled.port)?),
            proto: text("proto", spelled.proto)?,
            iface: text("iface", spelled.iface)?,
        })
    }
}

fn text(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(format!("{name} must be text, not {other}")),
    }
}

fn ports(value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Array(ports) => {
            let port = |port: &Value| port.as_u64().map(|port| port.to_string()).ok_or(format!("{port} is not a port"));
            let texts: Vec<_> = ports.iter().map(port).collect::<Result<_, _>>()?;
            Ok(Some(texts.join(",")))
        }
        other => Err(format!("ports must be a list of numbers, not {other}")),
    }
}

impl Fields for FilterChange {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        let some = |text: &str| Some(text.to_string());
        let all = ["10.0.0.0/8", "192.0.2.1", "80", "lo", "tcp"].map(some);
        let [dst, src, port, iface, proto] = all;
        vec![
            Self { dst: some("10.0.0.0/8"), iface: some(""), ..Self::default() },
            Self { dst, src, port, iface, proto },
        ]
    }
}
