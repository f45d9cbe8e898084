//! `top`: how many sources the screen shows.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fields, read};

/// Shows so many sources on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(try_from = "Spelled")]
pub struct Top {
    /// How many, 1 to 500
    #[arg(allow_negative_numbers = true)]
    #[serde(rename = "top")]
    pub count: i64,
}

/// A number, or, as the classic takes it too, a text that has one.
#[derive(Deserialize)]
struct Spelled {
    #[serde(default, deserialize_with = "read::given")]
    top: Option<Value>,
}

impl TryFrom<Spelled> for Top {
    type Error = String;

    fn try_from(Spelled { top }: Spelled) -> Result<Self, String> {
        let value = top.ok_or("top needs a number")?;
        let count = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let count = count.ok_or_else(|| format!("top must be a whole number, not {value}"))?;
        Ok(Self { count })
    }
}

impl Fields for Top {
    #[cfg(test)]
    fn samples() -> Vec<Self> {
        vec![Self { count: 7 }, Self { count: -1 }]
    }
}
