//! Sources by country and by network, summed over the ledger at every tick.
//!
//! Where a source is gets looked up once, when it is first surveyed; its account notes the number of its region. So a tick
//! costs an addition per source, whatever the databases cost.

use std::{hash::Hash, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::{Address, SourceCounters, Tally};
use nettop_geo::{CountryCode, Geo};

use crate::{
    ledger::Ledger,
    rates::{Rates, Slots},
    snapshot::{CountryRow, NetworkRow, Place},
};

/// Sources by country and by network.
#[derive(Default)]
pub struct Regions {
    /// The databases in force; `None`: geography is off.
    geo: Option<Arc<Geo>>,
    /// Numbers of regions, from 1.
    numbers: HashMap<(CountryCode, u32), u32>,
    regions: Vec<Region>,
    countries: Places<CountryCode>,
    networks: Places<u32>,
    /// The databases have changed since the last survey.
    restated: bool,
}

/// The part of a network (by its AS number) that is in one country.
struct Region {
    country: CountryCode,
    asn: u32,
    sources: u64,
    tally: Tally,
    /// Of `tally`: of sources that the ledger has forgotten.
    evicted: Tally,
}

impl Regions {
    /// With these databases, or off.
    pub fn new(geo: Option<Arc<Geo>>) -> Self {
        Self { geo, ..Self::default() }
    }

    /// Whether these databases are in force already.
    pub fn has(&self, geo: &Arc<Geo>) -> bool {
        self.geo.as_ref().is_some_and(|current| Arc::ptr_eq(current, geo))
    }

    /// Puts other databases in force. The notes in the ledger are void from now on. What forgotten sources had sent stays
    /// where the former databases placed it.
    pub fn replace(&mut self, geo: Arc<Geo>) {
        self.geo = Some(geo);
        self.regions.retain(|region| region.evicted.packets > 0);
        self.numbers =
            self.regions.iter().zip(1..).map(|(region, number)| ((region.country, region.asn), number)).collect();
        self.countries.ledger = Ledger::new();
        self.networks.ledger = Ledger::new();
        self.restated = true;
    }

    /// Sums over all sources; looks up those that are new. Returns the sum of everything.
    pub fn survey(&mut self, sources: &mut Ledger<Address, SourceCounters>, slots: &Slots) -> Tally {
        for region in &mut self.regions {
            region.sources = 0;
            region.tally = region.evicted;
        }
        let mut all = Tally::default();
        for (address, account) in sources.iter_mut() {
            let tally = account.total.tally();
            all.add(tally);
            if account.note == 0 {
                account.note = self.number_of(address);
            }
            if let Some(region) = self.region(account.note) {
                region.sources += 1;
                region.tally.add(tally);
            }
        }
        let Self { regions, countries, networks, .. } = self;
        countries.enter(regions.iter().map(|region| (region.country, region)), slots);
        networks.enter(regions.iter().map(|region| (region.asn, region)), slots);
        if std::mem::take(&mut self.restated) {
            // All of it came at once, but not in this tick.
            self.countries.ledger.forget_rates();
            self.networks.ledger.forget_rates();
        }
        all
    }

    /// Keeps what a source with this note had sent, which the ledger is about to forget.
    pub fn keep(&mut self, note: u32, tally: Tally) {
        if let Some(region) = self.region(note) {
            region.evicted.add(tally);
        }
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        self.regions.iter_mut().for_each(|region| region.evicted = Tally::default());
        self.countries.ledger = Ledger::new();
        self.networks.ledger = Ledger::new();
    }

    fn region(&mut self, number: u32) -> Option<&mut Region> {
        self.regions.get_mut((number as usize).checked_sub(1)?)
    }

    /// The number of the region an address is in; 0 when geography is off.
    fn number_of(&mut self, address: &Address) -> u32 {
        let Some(geo) = &self.geo else { return 0 };
        let location = geo.look_up(address.to_ip());
        let (country, asn) = (location.country_code, location.asn);
        *self.numbers.entry((country, asn)).or_insert_with(|| {
            self.countries.names.insert(country, location.country.into());
            self.networks.names.insert(asn, location.org.into());
            self.regions.push(Region { country, asn, sources: 0, tally: Tally::default(), evicted: Tally::default() });
            self.regions.len() as u32
        })
    }

    /// Where an address is.
    pub fn place(&self, address: &Address) -> Option<Place> {
        Some(Place::from(self.geo.as_ref()?.look_up(address.to_ip())))
    }

    /// The `limit` (0: all) countries with the most packets, most first.
    pub fn country_rows(&self, limit: usize, slots: &Slots, elapsed: f64) -> Vec<CountryRow> {
        self.countries.rows(limit, slots, elapsed, |country_code, name, ips, tally, rates| CountryRow {
            country_code,
            country: name.into(),
            ips,
            packets: tally.packets,
            bytes: tally.bytes,
            pps: rates.current,
            pps_60s: rates.minute,
        })
    }

    /// The `limit` (0: all) networks with the most packets, most first.
    pub fn network_rows(&self, limit: usize, slots: &Slots, elapsed: f64) -> Vec<NetworkRow> {
        self.networks.rows(limit, slots, elapsed, |asn, name, ips, tally, rates| NetworkRow {
            asn,
            org: name.into(),
            ips,
            packets: tally.packets,
            bytes: tally.bytes,
            pps: rates.current,
            pps_60s: rates.minute,
        })
    }
}

/// Sums by one kind of place.
struct Places<K> {
    ledger: Ledger<K, Tally>,
    /// How many sources the ledger of sources knows there.
    sources: HashMap<K, u64>,
    names: HashMap<K, Box<str>>,
}

impl<K: Copy + Eq + Hash + Ord> Places<K> {
    /// Enters the sums over regions, several of which may lie in the same place.
    fn enter<'a>(&mut self, regions: impl Iterator<Item = (K, &'a Region)>, slots: &Slots) {
        self.sources.clear();
        let mut sums: HashMap<K, Tally> = HashMap::new();
        for (key, region) in regions {
            sums.entry(key).or_default().add(region.tally);
            *self.sources.entry(key).or_default() += region.sources;
        }
        self.ledger.enter(&sums.into_iter().collect::<Vec<_>>(), slots);
    }

    fn rows<R>(
        &self,
        limit: usize,
        slots: &Slots,
        elapsed: f64,
        row: impl Fn(K, &str, u64, Tally, Rates) -> R,
    ) -> Vec<R> {
        let (keys, ..) = self.ledger.top(limit);
        let accounts = keys.into_iter().filter_map(|key| Some((key, self.ledger.get(&key)?)));
        accounts
            .map(|(key, account)| {
                let name = self.names.get(&key).map_or("", |name| name);
                let sources = self.sources.get(&key).copied().unwrap_or(0);
                row(key, name, sources, account.total, account.history.rates(slots, elapsed))
            })
            .collect()
    }
}

impl<K: Copy + Eq + Hash + Ord> Default for Places<K> {
    fn default() -> Self {
        Self { ledger: Ledger::new(), sources: HashMap::new(), names: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::Packet;

    use super::*;

    const GOOGLE: [u8; 4] = [8, 8, 8, 8];
    const CLOUDFLARE: [u8; 4] = [1, 1, 1, 1];
    const PRIVATE: [u8; 4] = [10, 0, 0, 1];

    fn address(octets: [u8; 4]) -> Address {
        Address::from_v4_word(u32::from_ne_bytes(octets))
    }

    fn counters(packets: u64) -> SourceCounters {
        let mut counters = SourceCounters::default();
        (0..packets).for_each(|_| counters.count(&Packet::default(), 100, 1));
        counters
    }

    fn regions() -> Regions {
        Regions::new(Some(Arc::new(Geo::bundled().unwrap())))
    }

    /// Code, sources and packets of each country.
    fn countries(regions: &Regions, slots: &Slots) -> Vec<(String, u64, u64)> {
        let rows = regions.country_rows(0, slots, 1.0).into_iter();
        rows.map(|row| (row.country_code.to_string(), row.ips, row.packets)).collect()
    }

    fn row(code: &str, ips: u64, packets: u64) -> (String, u64, u64) {
        (code.into(), ips, packets)
    }

    #[test]
    fn sources_are_summed_where_they_are_and_stay_when_they_are_forgotten() {
        let (mut regions, mut ledger, slots) = (regions(), Ledger::new(), Slots::new(0));
        let entries = [(address(GOOGLE), counters(5)), (address(PRIVATE), counters(3))];
        ledger.enter(&entries, &slots);
        assert_eq!(regions.survey(&mut ledger, &slots).packets, 8);
        assert_eq!(countries(&regions, &slots), [row("US", 1, 5), row("LO", 1, 3)]);
        assert_eq!(regions.network_rows(1, &slots, 1.0)[0].asn, 15169);

        entries.iter().for_each(|(key, last)| ledger.removed(*key, last, &slots));
        for (_, account) in ledger.evict(0) {
            regions.keep(account.note, account.total.tally());
        }
        assert_eq!(regions.survey(&mut ledger, &slots).packets, 0);
        assert_eq!(countries(&regions, &slots), [row("US", 0, 5), row("LO", 0, 3)]);

        regions.reset();
        regions.survey(&mut ledger, &slots);
        assert_eq!(countries(&regions, &slots), []);
    }

    #[test]
    fn other_databases_place_everything_anew() {
        let (mut regions, mut ledger, slots) = (Regions::new(None), Ledger::new(), Slots::new(0));
        ledger.enter(&[(address(GOOGLE), counters(2)), (address(CLOUDFLARE), counters(1))], &slots);
        assert_eq!(regions.survey(&mut ledger, &slots).packets, 3);
        assert_eq!(countries(&regions, &slots), []);
        assert_eq!(regions.place(&address(GOOGLE)), None);

        ledger.forget_notes();
        regions.replace(Arc::new(Geo::bundled().unwrap()));
        regions.survey(&mut ledger, &slots);
        assert_eq!(regions.network_rows(0, &slots, 1.0).iter().map(|row| row.asn).collect::<Vec<_>>(), [15169, 13335]);
        assert_eq!(regions.network_rows(0, &slots, 1.0)[0].pps, 0.0, "they did not come in this tick");
    }
}
