//! What scarce memory means for a start: smaller tables, and saying so.

use nettop_collect::kernel::Budget;
use nettop_engine::Settings;
use nettop_model::snapshot::Degraded;
use nettop_process::memory::mebibytes;

use crate::complain;

const BADGE: &str = "memory";

/// Has as many sources remembered as there is memory for, unless the user wants another number, and notes what is smaller than
/// usual, or larger than allowed.
pub fn settle(settings: &mut Settings, budget: &Budget, asked: Option<usize>) {
    settings.max_sources = asked.unwrap_or(budget.sources);
    let degraded = |what: &str, reason: String, remedy: &str| Degraded {
        badge: BADGE.into(),
        what: what.into(),
        reason,
        remedy: remedy.into(),
    };
    if let Some((needed, limit)) = &budget.excess {
        let needed = mebibytes(*needed);
        let reason = format!(
            "with this --map-memory nettop may need {needed}, and its control group allows {limit}: who exceeds it is killed"
        );
        // The screen is not there yet, and may never be.
        complain("nettop", &format!("warning: {reason}"));
        settings.found.push(degraded("the maps may be too large", reason, "a smaller --map-memory, or a higher limit"));
    } else if let Some(limit) = &budget.scarce {
        let reason = format!("the control group allows {limit}; {} sources are remembered", settings.max_sources);
        let remedy = "a higher limit, or --map-memory and --max-sources";
        settings.found.push(degraded("tables are smaller than usual", reason, remedy));
    }
}
