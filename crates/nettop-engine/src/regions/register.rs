//! The regions that anything came from, with numbers, and what came from them.

use std::{
    hash::Hash,
    mem,
    net::{IpAddr, Ipv4Addr},
};

use foldhash::{HashMap, HashMapExt as _};
use nettop_common::PacketsBytes;
use nettop_geo::{CountryCode, Geo, Location};
use nettop_model::snapshot::{CountryRow, NetworkRow, Others};

use super::sums::SumsBy;
use crate::rates::TimeBuckets;

/// Regions and what came from each, with the sums over countries and networks.
#[derive(Default)]
pub struct Register {
    /// Numbers of regions, from 1.
    numbers: HashMap<(CountryCode, u32), u32>,
    regions: Vec<Region>,
    /// What came from each that the sums do not have yet: apart, since a flood comes from all of them.
    fresh: Vec<PacketsBytes>,
    countries: SumsBy<CountryCode>,
    networks: SumsBy<u32>,
}

/// The part of a network (by its AS number) that is in one country.
struct Region {
    country: CountryCode,
    asn: u32,
    /// Sources there, of those remembered.
    sources: u64,
    /// Everything ever sent from there that the sums have.
    tally: PacketsBytes,
}

impl Register {
    /// The number of a region that an address is in.
    pub fn number(&mut self, geo: &Geo, ip: IpAddr, region: &nettop_geo::Region) -> u32 {
        let (country, asn) = (region.country_code, region.asn);
        let Self { numbers, regions, fresh, countries, networks } = self;
        *numbers.entry((country, asn)).or_insert_with(|| {
            let location = if country.is_unknown() && asn == 0 { Location::default() } else { geo.look_up(ip) };
            // There, the name of an address is its kind, of which there are many.
            let name = if country == CountryCode::LOCAL { "Local" } else { location.country };
            countries.name(country, name);
            networks.name(asn, location.org);
            regions.push(Region { country, asn, sources: 0, tally: PacketsBytes::default() });
            fresh.push(PacketsBytes::default());
            regions.len() as u32
        })
    }

    /// The number of no region at all.
    pub fn nowhere(&mut self, geo: &Geo) -> u32 {
        let last = Ipv4Addr::UNSPECIFIED.into();
        self.number(geo, last, &nettop_geo::Region { country_code: CountryCode::default(), asn: 0, last })
    }

    /// Adds what came from a region.
    #[inline]
    pub fn add(&mut self, number: u32, tally: PacketsBytes) {
        if let Some(fresh) = (number as usize).checked_sub(1).and_then(|at| self.fresh.get_mut(at)) {
            fresh.add(tally);
        }
    }

    /// A source there is remembered.
    pub fn join(&mut self, number: u32) {
        if let Some(region) = self.region(number) {
            region.sources += 1;
        }
    }

    /// A source there is forgotten.
    pub fn leave(&mut self, number: u32) {
        if let Some(region) = self.region(number) {
            region.sources = region.sources.saturating_sub(1);
        }
    }

    fn region(&mut self, number: u32) -> Option<&mut Region> {
        self.regions.get_mut((number as usize).checked_sub(1)?)
    }

    /// Adds what came since the last time to the sums over countries and networks.
    pub fn enter_sums(&mut self, buckets: &TimeBuckets) {
        let Self { regions, fresh, countries, networks, .. } = self;
        for (region, fresh) in regions.iter_mut().zip(fresh).filter(|(_, fresh)| fresh.packets > 0) {
            let fresh = mem::take(fresh);
            region.tally.add(fresh);
            countries.add(region.country, fresh, buckets);
            networks.add(region.asn, fresh, buckets);
        }
    }

    /// Takes out what is to be entered anew, by the number of its region, once everything is in the sums; gives the other regions new
    /// numbers.
    pub fn take_out(&mut self, entered: impl Iterator<Item = (u32, PacketsBytes)>) {
        for (number, tally) in entered {
            if let Some(region) = self.region(number) {
                region.tally = region.tally.since(tally);
            }
        }
        let left = mem::take(&mut self.regions).into_iter().filter(|region| region.tally.packets > 0);
        (self.regions, self.fresh) =
            left.map(|region| (Region { sources: 0, tally: PacketsBytes::default(), ..region }, region.tally)).unzip();
        self.numbers =
            self.regions.iter().zip(1..).map(|(region, number)| ((region.country, region.asn), number)).collect();
        self.countries.forget_sums();
        self.networks.forget_sums();
    }

    /// Keeps the sums, but not when they came.
    pub fn forget_rates(&mut self) {
        self.countries.forget_rates();
        self.networks.forget_rates();
    }

    /// The `limit` (0: all) countries with the most packets, most first; and the others.
    pub fn country_rows(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64) -> (Vec<CountryRow>, Others) {
        let (rows, others) = self.countries.top(limit, buckets, elapsed, &self.sources(|region| region.country));
        let row = |(country_code, country, sums)| CountryRow { country_code, country, sums };
        (rows.into_iter().map(row).collect(), others)
    }

    /// The `limit` (0: all) networks with the most packets, most first; and the others.
    pub fn network_rows(&self, limit: usize, buckets: &TimeBuckets, elapsed: f64) -> (Vec<NetworkRow>, Others) {
        let (rows, others) = self.networks.top(limit, buckets, elapsed, &self.sources(|region| region.asn));
        (rows.into_iter().map(|(asn, org, sums)| NetworkRow { asn, org, sums }).collect(), others)
    }

    /// How many sources are in each place.
    fn sources<K: Eq + Hash>(&self, place: impl Fn(&Region) -> K) -> HashMap<K, u64> {
        let mut sources = HashMap::new();
        self.regions.iter().for_each(|region| *sources.entry(place(region)).or_default() += region.sources);
        sources
    }
}
