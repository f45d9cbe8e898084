//! Sources by country and by network.
//!
//! Where a source is gets looked up once, when it first sends; its account notes the number of its region. What it sends
//! is added there, and stays there when the source is forgotten. What has no account is added to its region too.

mod atlas;
mod register;
mod sums;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use nettop_common::{Address, PacketsBytes, SourceCounters};
use nettop_geo::{CountryCode, Geo};
use nettop_model::snapshot::{CountryRow, NetworkRow, Others, Place};

use self::{atlas::Atlas, register::Register};
use crate::{
    ledger::{Ledger, Note},
    rates::TimeBuckets,
};

/// Where look-ups take microseconds, so many in one reading are what it can wait for: what comes from beyond, until all is known that
/// a flood comes from, is counted as from nowhere.
const SLOW_LOOK_UPS: u32 = 10_000;
/// So many look-ups in one reading divide the /16 that its addresses are in: a flood from all of IPv4 takes a million, while its log
/// fills. Until they are done, addresses are looked up one by one.
const DIVIDING_LOOK_UPS: u32 = 100_000;

/// Sources by country and by network.
#[derive(Default)]
pub struct Regions {
    /// The databases in force; `None`: geography is off.
    geo: Option<Arc<Geo>>,
    register: Register,
    /// For sources without account.
    atlas: Atlas,
    /// The newest range of IPv6 that such a source was in, and its region.
    newest: Option<(RangeInclusive<u128>, u32)>,
    /// How many of them this reading may still look up ...
    look_ups: u32,
    /// ... to divide what they are in.
    dividing: u32,
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

    /// Before what a reading has is entered.
    pub fn next_reading(&mut self) {
        let is_quick = self.geo.as_ref().is_none_or(|geo| geo.is_quick());
        self.look_ups = if is_quick { u32::MAX } else { SLOW_LOOK_UPS };
        self.dividing = DIVIDING_LOOK_UPS;
    }

    /// Enters what a source has sent; `note` is where its account keeps the number of its region.
    pub fn enter(&mut self, source: &Address, note: &mut Note, tally: PacketsBytes, new: bool) {
        if note.number() == 0 {
            note.set_number(self.number_of(source));
        }
        if new {
            self.register.join(note.number());
        }
        self.register.add(note.number(), tally);
    }

    /// Enters what a source without account has sent. In order of address many of them cost little.
    pub fn enter_unadmitted(&mut self, source: &Address, tally: PacketsBytes) {
        let number = self.number_near(source);
        self.register.add(number, tally);
    }

    /// A source with this note is forgotten.
    pub fn leave(&mut self, note: Note) {
        self.register.leave(note.number());
    }

    /// Adds what came since the last time to the sums over countries and networks.
    pub fn enter_sums(&mut self, buckets: &TimeBuckets) {
        self.register.enter_sums(buckets);
    }

    /// Gives memory back that was taken for a flood.
    pub fn shrink(&mut self) {
        self.atlas.clear();
        self.newest = None;
    }

    /// Puts other databases in force, and places everything anew; but what forgotten sources had sent, and those without account, stays
    /// where the former databases placed it.
    pub fn replace(&mut self, geo: Arc<Geo>, sources: &mut Ledger<Address, SourceCounters>, buckets: &TimeBuckets) {
        self.geo = Some(geo);
        self.shrink();
        self.enter_sums(buckets);
        self.register.take_out(sources.iter().map(|(_, account)| (account.note.number(), account.tally())));
        for (address, account) in sources.iter_mut() {
            account.note.set_number(0);
            let tally = account.tally();
            self.enter(address, &mut account.note, tally, true);
        }
        self.enter_sums(buckets);
        // All of it came at once, but not in this second.
        self.register.forget_rates();
    }

    /// Starts anew.
    pub fn reset(&mut self) {
        self.register = Register::default();
        self.shrink();
    }

    /// The number of the region an address is in; 0 when geography is off.
    fn number_of(&mut self, address: &Address) -> u32 {
        let Self { geo: Some(geo), register, atlas, .. } = self else { return 0 };
        let known = if address.is_v4() { atlas.region(u64::from_be(address.0[1]) as u32) } else { None };
        known.unwrap_or_else(|| {
            let ip = address.to_ip();
            register.number(geo, ip, &geo.region(ip))
        })
    }

    /// The same for one of many addresses, of which most are near the one before.
    fn number_near(&mut self, address: &Address) -> u32 {
        let Self { geo: Some(geo), register, atlas, newest, look_ups, dividing } = self else { return 0 };
        let [high, low] = address.0.map(u64::from_be);
        if address.is_v4() {
            if let Some(number) = atlas.region(low as u32) {
                return number;
            }
            if *look_ups > 0 && *dividing > 0 && atlas.has_room() {
                let took = atlas.divide(low as u32, geo, |first, region| register.number(geo, first.into(), region));
                *look_ups = look_ups.saturating_sub(took);
                *dividing = dividing.saturating_sub(took);
                return atlas.region(low as u32).unwrap_or(0);
            }
        }
        let bits = u128::from(high) << 64 | u128::from(low);
        if let Some((range, number)) = newest
            && range.contains(&bits)
        {
            return *number;
        }
        if *look_ups == 0 {
            return register.nowhere(geo);
        }
        *look_ups -= 1;
        let ip = address.to_ip();
        let region = geo.region(ip);
        let number = register.number(geo, ip, &region);
        if let IpAddr::V6(last) = region.last {
            *newest = Some((bits..=last.to_bits(), number));
        }
        number
    }

    /// The databases in force.
    pub fn geo(&self) -> Option<&Arc<Geo>> {
        self.geo.as_ref()
    }

    /// Where an address is.
    pub fn place(&self, address: &Address) -> Option<Place> {
        Some(Place::from(self.geo.as_ref()?.look_up(address.to_ip())))
    }

    /// The country of an address; `None`: geography is off.
    pub fn country(&self, ip: IpAddr) -> Option<CountryCode> {
        Some(self.geo.as_ref()?.look_up(ip).country_code)
    }

    /// The country and the network of an address, in words.
    pub fn names(&self, address: &Address) -> Vec<String> {
        let Some(Place { country, asn, org, .. }) = self.place(address) else { return Vec::new() };
        let network = if asn > 0 { format!("AS{asn} {org}").trim_end().to_string() } else { String::new() };
        [country, network].into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// The `limit` (0: all) countries with the most packets, most first; and the others.
    pub fn country_rows(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64) -> (Vec<CountryRow>, Others) {
        self.register.country_rows(limit, buckets, elapsed)
    }

    /// The `limit` (0: all) networks with the most packets, most first; and the others.
    pub fn network_rows(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64) -> (Vec<NetworkRow>, Others) {
        self.register.network_rows(limit, buckets, elapsed)
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::{Protocol, packet::Flags};

    use super::*;
    use crate::ledger::{Account, Watch};

    const GOOGLE: [u8; 4] = [8, 8, 8, 8];
    const CLOUDFLARE: [u8; 4] = [1, 1, 1, 1];
    const PRIVATE: [u8; 4] = [10, 0, 0, 1];

    fn address(octets: [u8; 4]) -> Address {
        Address::from_v4_word(u32::from_ne_bytes(octets))
    }

    fn counters(packets: u64) -> SourceCounters {
        let mut counters = SourceCounters::default();
        (0..packets).for_each(|_| counters.count(Protocol::Other, Flags::default(), false, 100, 1));
        counters
    }

    fn regions() -> Regions {
        Regions::new(Some(Arc::new(Geo::bundled().unwrap())))
    }

    /// Code, sources and packets of each country.
    fn countries(regions: &Regions, buckets: &TimeBuckets) -> Vec<(String, u64, u64)> {
        let rows = regions.country_rows(0, buckets, 1.0).0.into_iter();
        rows.map(|row| (row.country_code.to_string(), row.sums.ips, row.sums.packets)).collect()
    }

    fn row(code: &str, ips: u64, packets: u64) -> (String, u64, u64) {
        (code.into(), ips, packets)
    }

    /// Enters packets into a ledger of sources and the regions, as the aggregates do.
    fn enter(regions: &mut Regions, ledger: &mut Ledger<Address, SourceCounters>, entries: &[([u8; 4], u64)]) {
        let buckets = TimeBuckets::new(0);
        let entries: Vec<_> = entries.iter().map(|(octets, packets)| (address(*octets), counters(*packets))).collect();
        ledger.enter_watched(&entries, &buckets, &mut Watched(regions));
        regions.enter_sums(&buckets);
    }

    struct Watched<'a>(&'a mut Regions);

    impl Watch<Address, SourceCounters> for Watched<'_> {
        fn entered(
            &mut self,
            address: &Address,
            account: &mut Account<SourceCounters>,
            counted: &SourceCounters,
            new: bool,
        ) {
            self.0.enter(address, &mut account.note, counted.tally(), new);
        }

        fn evicted(&mut self, _: &Address, account: &Account<SourceCounters>) {
            self.0.leave(account.note);
        }
    }

    #[test]
    fn sources_are_summed_where_they_are_and_stay_when_they_are_forgotten() {
        let (mut regions, mut ledger, buckets) = (regions(), Ledger::new(9), TimeBuckets::new(0));
        enter(&mut regions, &mut ledger, &[(GOOGLE, 5), (PRIVATE, 3), (GOOGLE, 1)]);
        assert_eq!(countries(&regions, &buckets), [row("US", 1, 6), row("LO", 1, 3)]);
        assert_eq!(regions.network_rows(1, &buckets, 1.0).0[0].asn, 15169);

        ledger.evict(2, &buckets, &mut Watched(&mut regions));
        assert_eq!(countries(&regions, &buckets), [row("US", 0, 6), row("LO", 0, 3)]);

        regions.reset();
        assert_eq!(countries(&regions, &buckets), []);
    }

    #[test]
    fn other_databases_place_everything_anew_but_what_was_forgotten() {
        let (mut regions, mut ledger, buckets) = (Regions::new(None), Ledger::new(9), TimeBuckets::new(0));
        enter(&mut regions, &mut ledger, &[(GOOGLE, 2), (CLOUDFLARE, 1)]);
        assert_eq!(countries(&regions, &buckets), []);
        assert_eq!(regions.place(&address(GOOGLE)), None);

        let packets = |regions: &Regions| {
            let rows = regions.network_rows(0, &buckets, 1.0).0.into_iter();
            rows.map(|row| (row.asn, row.sums.ips, row.sums.packets)).collect::<Vec<_>>()
        };
        regions.replace(Arc::new(Geo::bundled().unwrap()), &mut ledger, &buckets);
        assert_eq!(packets(&regions), [(15169, 1, 2), (13335, 1, 1)]);
        assert_eq!(regions.network_rows(0, &buckets, 1.0).0[0].sums.pps, 0.0, "they did not come in this second");

        ledger.evict(2, &buckets, &mut Watched(&mut regions));
        enter(&mut regions, &mut ledger, &[(GOOGLE, 7)]);
        regions.replace(Arc::new(Geo::bundled().unwrap()), &mut ledger, &buckets);
        assert_eq!(packets(&regions), [(15169, 1, 9), (13335, 0, 1)]);
    }
}
