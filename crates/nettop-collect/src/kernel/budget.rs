//! How much the kernel's maps may take, and how many sources may be remembered: from the memory of the host, and from what control
//! groups leave of theirs, for who exceeds that is killed.

use anyhow::{Result, bail};
use nettop_process::memory::{self, Limit, mebibytes};

use super::capacity::{self, Capacity, CpuList};

/// The largest budget taken unless asked for: more than this a monitor should not cost.
const MOST_MAPS: u64 = 256 << 20;
/// What nettop takes beside maps and accounts. With the smallest maps the start peaks at 22 MiB, of which the kernel has 7, verifier and
/// maps (Linux 6.18); afterwards what has a fixed size, such as prefixes, destinations and samples, takes more when a flood fills it.
const NEEDED: u64 = 32 << 20;
/// What a remembered source takes, with its share of tables that grow. Measured: 200 bytes.
const PER_SOURCE: u64 = 256;
/// What the logs take of user space at once: records twice, since they are sorted, and entries of four times their size.
const READ_OF_LOGS: u64 = 6;
/// Sources remembered where memory is not scarce ...
pub const MOST_SOURCES: usize = 131_072;
/// ... and where it is scarcest.
const LEAST_SOURCES: usize = 1024;

/// What may be taken, unless the user says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes for the kernel's maps at most ...
    pub maps: u64,
    /// ... and how many they take.
    pub taken: u64,
    /// Blocks that there can be.
    pub blocks: u32,
    /// Sources remembered.
    pub sources: usize,
    /// The limit that makes one of them smaller than usual.
    pub scarce: Option<Limit>,
    /// What the maps asked for take with everything else, bytes, and the limit that this may exceed.
    pub excess: Option<(u64, Limit)>,
}

impl Budget {
    /// At this moment, for a monitor that samples so many events per second. `asked` are bytes for the maps that the user wants,
    /// which are used in any case.
    ///
    /// # Errors
    /// A control group leaves too little for any maps.
    pub fn now(asked: Option<u64>, event_rate: u32) -> Result<Self> {
        let fixed = NEEDED + u64::from(capacity::ring(event_rate));
        Self::of(memory::of_host(), &memory::limits(), asked, &CpuList::current()?, fixed)
    }

    /// The same without maps, as for a capture.
    pub fn without_maps() -> Self {
        let scarce = memory::tightest();
        let sources = scarce.as_ref().map_or(MOST_SOURCES, |limit| sources(limit.left().saturating_sub(NEEDED)));
        Self { maps: 0, taken: 0, blocks: 0, sources, scarce: scarce.filter(|_| sources < MOST_SOURCES), excess: None }
    }

    fn of(host: u64, limits: &[Limit], asked: Option<u64>, cpus: &CpuList, fixed: u64) -> Result<Self> {
        let fixed = fixed + Capacity::plan(0, cpus).bytes(cpus);
        let least = |limits: &mut dyn Iterator<Item = &Limit>| limits.min_by_key(|limit| limit.left()).cloned();
        let (tightest, deadliest) = (least(&mut limits.iter()), least(&mut limits.iter().filter(|limit| limit.kills)));
        let rest = tightest.as_ref().map(|limit| limit.left().saturating_sub(fixed));
        let usual = (host / 128).min(MOST_MAPS);
        if let (None, Some(limit)) = (asked, &deadliest)
            && limit.left() < fixed
        {
            bail!(
                "too little memory: nettop needs {}, and its control group allows {limit}; raise that limit by {}, or give \
                 --map-memory 1, with which nettop starts at the risk of being killed",
                mebibytes(fixed),
                mebibytes(fixed - limit.left() + (1 << 20)),
            );
        }
        // The rest is for what is read from them at once, and for the accounts, which a flood fills.
        let maps = asked.unwrap_or_else(|| rest.map_or(usual, |rest| usual.min(rest / 8)));
        let capacity = Capacity::plan(maps, cpus);
        // Beside the least, which is counted already.
        let taken = capacity.bytes(cpus) - Capacity::plan(0, cpus).bytes(cpus);
        let read = READ_OF_LOGS * capacity.log_bytes(cpus);
        let sources = rest.map_or(MOST_SOURCES, |rest| sources(rest.saturating_sub(taken + read)));
        let is_smaller = sources < MOST_SOURCES || capacity != Capacity::plan(usual, cpus);
        Ok(Self {
            maps,
            taken: capacity.bytes(cpus),
            blocks: capacity.block_room(),
            sources,
            scarce: tightest.filter(|_| asked.is_none() && is_smaller || sources < MOST_SOURCES),
            excess: deadliest
                .filter(|limit| asked.is_some() && limit.left() < fixed + taken)
                .map(|limit| (fixed + taken, limit)),
        })
    }
}

/// Sources for which there is room in so many bytes.
fn sources(bytes: u64) -> usize {
    ((bytes / PER_SOURCE) as usize).clamp(LEAST_SOURCES, MOST_SOURCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const HOST: u64 = 24 << 30;
    const FIXED: u64 = 35 * MIB;

    fn limit(mebibytes: u64, used: u64, kills: bool) -> Limit {
        Limit { file: "/group/memory.max".into(), bytes: mebibytes * MIB, used: used * MIB, kills }
    }

    fn two() -> CpuList {
        CpuList::first_online(2, 2)
    }

    fn of(host: u64, limits: &[Limit], asked: Option<u64>) -> Result<Budget> {
        Budget::of(host, limits, asked, &two(), FIXED)
    }

    #[test]
    fn without_limits_the_host_decides() {
        for (host, maps) in [(1 << 30, 8 * MIB), (24 << 30, 192 * MIB), (1 << 40, 256 * MIB)] {
            let budget = of(host, &[], None).unwrap();
            assert_eq!((budget.maps, budget.sources, budget.scarce), (maps, MOST_SOURCES, None));
        }
        // Nor does a limit that is far away.
        assert_eq!(of(HOST, &[limit(8192, 100, true)], None).unwrap(), of(HOST, &[], None).unwrap());
    }

    #[test]
    fn everything_fits_into_the_tightest_limit_or_is_refused() {
        for mebibytes in 1..200 {
            for used in [0, 5, 20] {
                for others in [vec![], vec![limit(1000, 0, true)], vec![limit(900, 0, false)]] {
                    let mut limits = others;
                    limits.push(limit(mebibytes, used, true));
                    match of(HOST, &limits, None) {
                        Ok(budget) => {
                            let logs = Capacity::plan(budget.maps, &two()).log_bytes(&two());
                            let taken = budget.taken + READ_OF_LOGS * logs + budget.sources as u64 * PER_SOURCE;
                            // The least of both is taken in any case.
                            let left = limits.last().unwrap().left() + MIB;
                            assert!(FIXED + taken <= left, "{mebibytes} MiB, {used} used: {budget:?}");
                        }
                        Err(error) => {
                            assert!(mebibytes - used.min(mebibytes) < 36, "{mebibytes} MiB, {used} used: {error}");
                            let error = error.to_string();
                            for part in ["memory.max", "--map-memory", "raise that limit"] {
                                assert!(error.contains(part), "{error}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn more_memory_never_means_smaller_tables() {
        let sizes =
            |mebibytes| of(HOST, &[limit(mebibytes, 5, true)], None).map(|budget| (budget.maps, budget.sources));
        for mebibytes in 41..300 {
            let (less, more) = (sizes(mebibytes).unwrap(), sizes(mebibytes + 1).unwrap());
            assert!(less.0 <= more.0, "{mebibytes}: {less:?}, {more:?}");
        }
        assert_eq!(sizes(300).unwrap().1, MOST_SOURCES);
    }

    #[test]
    fn what_only_slows_down_makes_tables_smaller_and_refuses_nothing() {
        let budget = of(HOST, &[limit(20, 0, false)], None).unwrap();
        assert_eq!((budget.maps, budget.sources), (0, LEAST_SOURCES));
        assert!(budget.scarce.is_some());
    }

    #[test]
    fn what_is_asked_for_wins_and_is_warned_about() {
        for (mebibytes, asked, warned) in [(24, 1, true), (48, 1, false), (48, 64, true), (500, 64, false)] {
            let budget = of(HOST, &[limit(mebibytes, 0, true)], Some(asked * MIB)).unwrap();
            assert_eq!((budget.maps, budget.excess.is_some()), (asked * MIB, warned), "{mebibytes} {asked}");
        }
        assert_eq!(of(HOST, &[], Some(1 << 36)).unwrap().excess, None);
    }
}
