//! Packets that the kernel drops, in all network namespaces, by its reason.

use std::time::Duration;

use nettop_model::clock::Moment;
use serde::{Deserialize, Serialize};

use crate::{
    collector::{Collector, Reading},
    kernel::drops::{Dropped, Drops},
};

/// How often they are read.
const PACE: Duration = Duration::from_secs(1);

/// What was dropped since the program began, as it was read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DropReading {
    /// When.
    pub at: Moment,
    /// Everything that the program has seen: what follows, together.
    pub seen: u64,
    /// By the kernel's name of the reason; none that had no packet.
    pub reasons: Vec<(String, u64)>,
    /// For reasons of subsystems, which are not told apart.
    pub other: u64,
    /// What the program has not seen, since it was dropped in the middle of its count of another packet; `None`: not known.
    pub missed: Option<u64>,
    /// Why nothing is counted, in words; `None`: it is.
    pub refused: Option<String>,
}

/// Reads them.
pub struct DropWatch(Result<Drops, String>);

impl DropWatch {
    /// From the map of the program that counts; or why there is none.
    pub const fn new(drops: Result<Drops, String>) -> Self {
        Self(drops)
    }
}

impl Collector for DropWatch {
    fn name(&self) -> &'static str {
        "drops"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn collect(&mut self) -> Reading {
        let at = Moment::now();
        Reading::Drops(Box::new(match &self.0 {
            Ok(drops) => {
                let Dropped { seen, reasons, other } = drops.read();
                DropReading { at, seen, reasons, other, missed: drops.missed().ok(), refused: None }
            }
            Err(why) => DropReading { at, refused: Some(why.clone()), ..DropReading::default() },
        }))
    }
}
