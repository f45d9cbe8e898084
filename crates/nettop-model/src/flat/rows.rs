//! Rows whose keys stand on one level in the flat form, where the groups have a level of their own for them.

use std::net::IpAddr;

use litemap::LiteMap;
use nettop_geo::CountryCode;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::snapshot::{
    Accounting, Amount, CountryRow, Detail, Mac, Name, NetworkRow, Others, Place, Prefix, PrefixRest, PrefixRow, Sent,
    Snapshot, SourceRow, SourceRows, Sums, TcpFlags,
    json::{as_map, litemap_as_map},
};

/// The list of sources.
#[derive(Clone, Debug)]
pub(super) struct FlatSources(pub SourceRows);

impl Serialize for FlatSources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|row| FlatSource::from(row.into_owned())))
    }
}

/// One source: place and detail are on the level of its counts.
#[derive(Debug, Serialize)]
pub(super) struct FlatSource {
    ip: IpAddr,
    packets: u64,
    bytes: u64,
    first_ns: u64,
    since: Option<u64>,
    last_ns: u64,
    pps: f64,
    pps_10s: f64,
    pps_60s: f64,
    peak_pps: f64,
    low_pps: f64,
    share: f64,
    syn: u64,
    udp: u64,
    icmp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    #[serde(flatten)]
    place: Option<Place>,
    #[serde(flatten, serialize_with = "detail_or_mark")]
    detail: Option<FlatDetail>,
}

impl From<SourceRow> for FlatSource {
    fn from(row: SourceRow) -> Self {
        let SourceRow { ip, packets, bytes, first_ns, since, last_ns, pps, pps_10s, pps_60s, .. } = row;
        let SourceRow { peak_pps, low_pps, share, syn, udp, icmp, sent, place, detail, .. } = row;
        let detail = detail.as_deref().map(FlatDetail::from);
        Self {
            ip,
            packets,
            bytes,
            first_ns,
            since,
            last_ns,
            pps,
            pps_10s,
            pps_60s,
            peak_pps,
            low_pps,
            share,
            syn,
            udp,
            icmp,
            sent,
            place,
            detail,
        }
    }
}

/// What sampled packets tell of one source.
#[derive(Debug, Serialize)]
struct FlatDetail {
    #[serde(serialize_with = "litemap_as_map")]
    src_ports: LiteMap<u16, u64>,
    #[serde(serialize_with = "litemap_as_map")]
    dst_ports: LiteMap<u16, u64>,
    #[serde(serialize_with = "litemap_as_map")]
    protocols: LiteMap<Name, u64>,
    #[serde(serialize_with = "litemap_as_map")]
    macs: LiteMap<Mac, u64>,
    #[serde(serialize_with = "litemap_as_map")]
    tcp_flags: LiteMap<TcpFlags, u64>,
    detail_estimated: bool,
}

impl From<&Detail> for FlatDetail {
    fn from(detail: &Detail) -> Self {
        let Detail { src_ports, dst_ports, protocols, macs, tcp_flags, estimated } = detail.clone();
        Self { src_ports, dst_ports, protocols, macs, tcp_flags, detail_estimated: estimated }
    }
}

/// Where there is no detail, its maps are missing, and instead of whether they are estimates there is `null`.
fn detail_or_mark<S: Serializer>(detail: &Option<FlatDetail>, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(detail) = detail {
        return detail.serialize(serializer);
    }
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry("detail_estimated", &None::<bool>)?;
    map.end()
}

/// Defines a row whose sums are on the level of its keys.
macro_rules! summed {
    ($(#[doc = $doc:literal])+ $flat:ident, $row:ident { $($(#[$meta:meta])* $key:ident: $type:ty),+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Serialize)]
        pub(super) struct $flat {
            $($(#[$meta])* $key: $type,)+
            #[serde(flatten)]
            sums: Sums,
        }

        impl From<&$row> for $flat {
            fn from(row: &$row) -> Self {
                let $row { $($key,)+ sums } = row.clone();
                Self { $($key,)+ sums }
            }
        }
    };
}

summed! {
    /// One country.
    FlatCountry, CountryRow { country_code: CountryCode, country: String }
}
summed! {
    /// One network.
    FlatNetwork, NetworkRow { asn: u32, org: String }
}
summed! {
    /// One prefix.
    FlatPrefix, PrefixRow { prefix: Prefix, at_least: bool }
}

/// Where every packet went, with the older name of a sum beside its own.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct FlatAccounting {
    #[serde(flatten)]
    accounting: Accounting,
    passed: Amount,
}

impl From<Accounting> for FlatAccounting {
    fn from(accounting: Accounting) -> Self {
        Self { accounting, passed: accounting.unadmitted }
    }
}

/// Sums over the rows that a list leaves out; without bytes where they are not counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct FlatOthers {
    rows: u64,
    packets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl From<Others> for FlatOthers {
    fn from(Others { rows, packets, bytes }: Others) -> Self {
        Self { rows, packets, bytes }
    }
}

/// What the prefixes of one length leave out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct FlatPrefixRest {
    #[serde(flatten)]
    others: FlatOthers,
    evicted: Amount,
}

impl From<PrefixRest> for FlatPrefixRest {
    fn from(PrefixRest { others, evicted }: PrefixRest) -> Self {
        Self { others: others.into(), evicted }
    }
}

/// What all lists leave out; the first three are of the sources.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FlatRest {
    sources: u64,
    packets: u64,
    bytes: u64,
    pub countries: FlatOthers,
    pub networks: FlatOthers,
    #[serde(serialize_with = "as_map")]
    pub prefixes: Vec<(u8, FlatPrefixRest)>,
    pub macs: FlatOthers,
    pub dst_ips: FlatOthers,
    pub dst_ports: FlatOthers,
    pub src_ports: FlatOthers,
}

impl FlatRest {
    pub fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { sources, destinations, ports, macs, places, prefixes, .. } = snapshot;
        Self {
            sources: sources.rest.rows,
            packets: sources.rest.packets,
            bytes: sources.rest.bytes.unwrap_or_default(),
            countries: places.rest_countries.into(),
            networks: places.rest_networks.into(),
            prefixes: prefixes.rest.iter().map(|(length, rest)| (*length, (*rest).into())).collect(),
            macs: macs.rest.into(),
            dst_ips: destinations.rest.into(),
            dst_ports: ports.rest_to.into(),
            src_ports: ports.rest_from.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::Calendar, snapshot::Counted};

    #[test]
    fn detail_that_is_not_there_is_no_empty_list() {
        let counted = Counted {
            address: nettop_common::Address::default(),
            total: crate::totals::SourceTotal::default(),
            lacks: false,
            pps: 0.0,
            pps_10s: 0.0,
            pps_60s: 0.0,
            peak_pps: 0.0,
            low_pps: 0.0,
            sent: None,
        };
        let lists = ["src_ports", "dst_ports", "protocols", "macs", "tcp_flags"];
        for (detail, estimated) in [
            (None, serde_json::Value::Null),
            (Some(Detail::default()), false.into()),
            (Some(Detail { estimated: true, ..Detail::default() }), true.into()),
        ] {
            let row = SourceRow::new(&counted, 1, &Calendar::default(), None, detail.clone().map(Arc::new));
            let json = serde_json::to_value(FlatSource::from(row)).unwrap();
            assert_eq!(json["detail_estimated"], estimated);
            assert!(json.as_object().unwrap().contains_key("detail_estimated"), "the mark is always there");
            assert!(lists.iter().all(|list| json.get(list).is_some() == detail.is_some()), "{json}");
        }
    }
}
