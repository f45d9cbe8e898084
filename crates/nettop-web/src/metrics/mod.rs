//! `/metrics`: OpenMetrics of the newest snapshot, made once for each; a bounded number of series, whatever comes.

mod families;
#[cfg(test)]
mod packaged;
mod sticky;

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::PoisonError};

use hyper::{StatusCode, body::Bytes};
use nettop_model::{
    order,
    snapshot::{Alert, Snapshot, VERSION},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Registry,
};

use self::{
    families::{FAMILIES, Family, Scrape, Series, Value},
    sticky::Sticky,
};
use crate::{
    reply::{self, Reply},
    web::Web,
};

/// What the two metrics are that have no family.
const BUILD: &str = "Which nettop this is";
const DROPPED: &str = "Series that there is no room for";
/// Series of all families together; beside them there are two.
const MOST: usize = 1998;
/// Series of networks and of ports.
const NETWORKS: usize = 50;
const PORTS: usize = 20;
/// Flag bytes of TCP that have a series; the others are summed up.
const FLAGS: usize = 16;

/// The metrics, and what is kept between scrapes.
pub struct Metrics {
    kept: Kept,
    /// The newest answer, and which snapshot it is of.
    newest: Option<((u64, u64), Bytes)>,
}

/// What is kept between scrapes.
pub struct Kept {
    networks: Sticky<(String, String)>,
    ports: Sticky<u16>,
    sources: Option<Sticky<IpAddr>>,
    flags: Vec<String>,
    /// By rule, how many alerts were raised; and the number of the newest one, with the start of the count that it belongs to.
    alerts: BTreeMap<String, u64>,
    newest_alert: (u64, Option<u64>),
    /// The newest snapshot's tick, and when it came.
    heard: (u64, f64),
}

/// Every metric: its name, and what it is.
pub fn exported() -> impl Iterator<Item = (String, &'static str)> {
    let families = FAMILIES.iter().map(|family| {
        let total = if family.counts { "_total" } else { "" };
        (format!("nettop_{}{total}", family.name), family.help)
    });
    [("nettop_build_info".into(), BUILD), ("nettop_series_dropped".into(), DROPPED)].into_iter().chain(families)
}

impl Metrics {
    /// That list so many sources.
    pub fn new(sources: usize) -> Self {
        let kept = Kept {
            networks: Sticky::new(NETWORKS),
            ports: Sticky::new(PORTS),
            sources: (sources > 0).then(|| Sticky::new(sources)),
            flags: Vec::new(),
            alerts: BTreeMap::new(),
            newest_alert: (0, None),
            heard: (0, 0.0),
        };
        Self { kept, newest: None }
    }

    /// As OpenMetrics.
    fn write(&mut self, snapshot: &Snapshot, now: f64) -> Result<String, fmt::Error> {
        let (mut dropped, mut left) = (0, MOST);
        let mut made = Vec::new();
        for family in FAMILIES {
            let mut series = (family.series)(&mut Scrape { snapshot, kept: &mut self.kept, now });
            let room = family.most.min(left);
            dropped += series.len().saturating_sub(room);
            series.truncate(room);
            left -= series.len();
            made.push((family, series));
        }
        let mut registry = Registry::with_prefix("nettop");
        registry.register_collector(Box::new(Made { made, dropped }));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Kept {
    /// Flag bytes keep their series; what has none is summed up.
    fn flags(&mut self, found: &[(String, u64)]) -> Vec<Series> {
        let mut ranked: Vec<_> = found.iter().collect();
        order::sort_by_key(&mut ranked, |(_, packets)| std::cmp::Reverse(*packets));
        for (name, _) in ranked {
            if self.flags.len() < FLAGS && !self.flags.contains(name) {
                self.flags.push(name.clone());
            }
        }
        let packets = |name: &String| found.iter().find(|(one, _)| one == name).map_or(0, |(_, packets)| *packets);
        let others = found.iter().filter(|(name, _)| !self.flags.contains(name)).map(|(_, packets)| packets).sum();
        let series = self.flags.iter().map(|name| (vec![name.clone()], Value::Count(packets(name))));
        series.chain([(vec!["other".into()], Value::Count(others))]).collect()
    }

    /// Alerts are numbered in the order in which they are raised. Where counting has begun anew, in another process perhaps, all of them are
    /// new, whatever their numbers are.
    fn alerts(&mut self, started_ns: u64, found: &[Alert]) -> Vec<Series> {
        let (started_before, newest) = self.newest_alert;
        let before = newest.filter(|_| started_before == started_ns);
        for alert in found.iter().filter(|alert| before.is_none_or(|before| alert.id > before)) {
            *self.alerts.entry(alert.kind.to_string()).or_default() += 1;
        }
        self.newest_alert = (started_ns, found.iter().map(|alert| alert.id).max().max(before));
        self.alerts.iter().map(|(kind, raised)| (vec![kind.clone()], Value::Count(*raised))).collect()
    }

    fn sources(&mut self, snapshot: &Snapshot, now: f64) -> Vec<Series> {
        let Some(sources) = &mut self.sources else { return Vec::new() };
        let rows = &snapshot.sources.rows;
        let mut ranked: Vec<_> = rows.iter().map(|row| (row.ip, row.pps_60s)).collect();
        order::sort_by(&mut ranked, |one, other| other.1.total_cmp(&one.1));
        let (chosen, others) = sources.choose(now, &ranked);
        let place = |ip: IpAddr| {
            let place = rows.iter().find(|row| row.ip == ip).and_then(|row| row.place.clone());
            place
                .map_or([String::new(), String::new()], |place| [place.country_code.to_string(), place.asn.to_string()])
        };
        let series = chosen.into_iter().map(|(ip, rate)| {
            let [country, asn] = place(ip);
            (vec![ip.to_string(), country, asn], Value::Number(rate))
        });
        series.chain([(vec!["other".into(), String::new(), String::new()], Value::Number(others))]).collect()
    }

    /// Seconds since the newest snapshot came.
    fn age(&mut self, snapshot: &Snapshot, now: f64) -> f64 {
        let tick = snapshot.monitor.tick.count;
        if self.heard.0 != tick || self.heard.1 == 0.0 {
            self.heard = (tick, now);
        }
        now - self.heard.1
    }
}

/// What is written.
#[derive(Debug)]
struct Made {
    made: Vec<(&'static Family, Vec<Series>)>,
    dropped: usize,
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Collector for Made {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut build = encoder.encode_descriptor("build", BUILD, None, MetricType::Info)?;
        build.encode_info(&[("version", VERSION)])?;
        let mut dropped = encoder.encode_descriptor("series_dropped", DROPPED, None, MetricType::Gauge)?;
        dropped.encode_gauge(&(self.dropped as f64))?;
        for (family, series) in self.made.iter().filter(|(_, series)| !series.is_empty()) {
            let kind = if family.counts { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (values, value) in series {
                let labels: Vec<_> = family.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
                let mut one = metric.encode_family(&labels)?;
                match value {
                    Value::Count(count) => one.encode_counter(count, None::<&Exemplar<[(&str, &str); 0], u64>>)?,
                    Value::Number(number) => one.encode_gauge(number)?,
                }
            }
        }
        Ok(())
    }
}

impl Web {
    /// The metrics of the newest snapshot.
    pub(crate) fn openmetrics(&self) -> Reply {
        const MIME: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let (snapshot, now) = (self.snapshot(), self.started.elapsed().as_secs_f64());
        // Of one that is lost the age changes each second.
        let key = (snapshot.monitor.tick.count, now as u64);
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = metrics.newest.as_ref().filter(|(one, _)| *one == key) {
            return reply::bytes(StatusCode::OK, MIME, text.clone());
        }
        match metrics.write(&snapshot, now) {
            Ok(text) => {
                let text = Bytes::from(text);
                metrics.newest = Some((key, text.clone()));
                reply::bytes(StatusCode::OK, MIME, text)
            }
            Err(_) => reply::refused(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use nettop_geo::CountryCode;
    use nettop_model::snapshot::{
        Amount, CountryRow, Lines, LogAccounting, Meta, NetworkRow, Places, Sums, Traffic, Visits,
    };

    use super::*;

    fn value<'a>(text: &'a str, series: &str) -> Option<&'a str> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
    }

    fn snapshot() -> Snapshot {
        let amount = |packets| Amount { packets, bytes: packets * 60 };
        let mut traffic = Traffic::default();
        (traffic.accounting.seen, traffic.accounting.counted) = (amount(u64::MAX / 60), amount(150));
        traffic.accounting.holds = true;
        Snapshot { traffic, ..Snapshot::default() }
    }

    #[test]
    fn what_is_written_is_openmetrics_with_exact_counts() {
        let text = Metrics::new(0).write(&snapshot(), 1.0).unwrap();
        for (series, expected) in [
            ("nettop_build_info{version=\"4.0.0\"}", "1"),
            ("nettop_seen_packets_total", "307445734561825860"),
            ("nettop_packets_total{outcome=\"counted\"}", "150"),
            ("nettop_bytes_total{outcome=\"counted\"}", "9000"),
            ("nettop_packets_total{outcome=\"not_ip\"}", "0"),
            ("nettop_accounting_holds{account=\"received\"}", "1.0"),
            ("nettop_series_dropped", "0.0"),
        ] {
            assert_eq!(value(&text, series), Some(expected), "{series}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn names_from_anywhere_are_labels_and_nothing_else() {
        let sums = Sums { ips: 1, packets: 7, bytes: 420, pps: 1.0, pps_60s: 1.0 };
        let networks = vec![NetworkRow { asn: 64496, org: "a\"b\\c\nnettop_evil 1".into(), sums }];
        let countries = vec![CountryRow { country_code: CountryCode::LOCAL, country: String::new(), sums }];
        let text = Metrics::new(0)
            .write(&Snapshot { places: Places { networks, countries, ..Places::default() }, ..snapshot() }, 1.0);
        let text = text.unwrap();
        assert!(text.contains(r#"org="a\"b\\c\nnettop_evil 1""#), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("nettop_evil")));
    }

    #[test]
    fn series_are_bounded_whatever_comes() {
        let sums = Sums { ips: 1, packets: 7, bytes: 420, pps: 1.0, pps_60s: 1.0 };
        let mut metrics = Metrics::new(50);
        for round in 0..20_u32 {
            let networks =
                (0..1000).map(|at| NetworkRow { asn: round * 1000 + at, org: format!("org {at}"), sums }).collect();
            let countries = (0..1000_u32)
                .filter_map(|at| {
                    CountryCode::parse(
                        &String::from_utf8(vec![b'A' + (at / 26 % 26) as u8, b'A' + (at % 26) as u8]).ok()?,
                    )
                })
                .map(|country_code| CountryRow { country_code, country: String::new(), sums })
                .collect();
            let alerts = (0..200).map(|at| Alert {
                id: u64::from(round) * 200 + at,
                kind: format!("kind-{at}").into(),
                ..Alert::default()
            });
            let hostile = Snapshot {
                places: Places { networks, countries, ..Places::default() },
                alerts: alerts.collect(),
                ..snapshot()
            };
            let text = metrics.write(&hostile, f64::from(round)).unwrap();
            let series = text.lines().filter(|line| !line.starts_with('#')).count();
            assert!(series <= 2000, "{series}");
            assert!(value(&text, "nettop_series_dropped").unwrap().parse::<f64>().unwrap() > 0.0);
        }
    }

    #[test]
    fn lines_of_logs_are_told_by_what_became_of_them() {
        let lines = Lines {
            lines: 100,
            parsed: 70,
            other_format: 17,
            malformed: 9,
            overlong: 4,
            attributed: 61,
            no_address: 6,
            ambiguous: 3,
            lost_bytes: 12,
        };
        let accounting = LogAccounting { lines, visits: 60, evicted: 1, holds: true };
        let visits = Visits { accounting, behind: 2.5, suspicious: 8, ..Visits::default() };
        let text = Metrics::new(0).write(&Snapshot { visits: Some(visits.into()), ..snapshot() }, 1.0).unwrap();
        for (series, expected) in [
            ("nettop_log_lines_total{outcome=\"parsed\"}", "70"),
            ("nettop_log_lines_total{outcome=\"other_format\"}", "17"),
            ("nettop_log_lines_total{outcome=\"malformed\"}", "9"),
            ("nettop_log_lines_total{outcome=\"overlong\"}", "4"),
            ("nettop_log_parsed_lines_total{address=\"one\"}", "61"),
            ("nettop_log_parsed_lines_total{address=\"none\"}", "6"),
            ("nettop_log_parsed_lines_total{address=\"ambiguous\"}", "3"),
            ("nettop_log_lost_bytes_total", "12"),
            ("nettop_log_behind_seconds", "2.5"),
            ("nettop_log_suspicious_addresses", "8.0"),
            ("nettop_accounting_holds{account=\"logs\"}", "1.0"),
        ] {
            assert_eq!(value(&text, series), Some(expected), "{series}");
        }
        let without = Metrics::new(0).write(&snapshot(), 1.0).unwrap();
        assert!(!without.contains("nettop_log_"), "where no log is followed, nothing is said of logs");
    }

    #[test]
    fn alerts_are_counted_once() {
        let mut metrics = Metrics::new(0);
        let alert = |id| Alert { id, kind: "syn-flood".into(), ..Alert::default() };
        // When counting began, which alerts are listed, and how many there were in all.
        for (started_ns, ids, expected) in [
            (1, &[7_u64][..], 1),
            (1, &[7], 1),
            (1, &[9, 8, 7], 3),
            (1, &[], 3),
            (1, &[9], 3),
            (1, &[10], 4),
            (2, &[], 4),
            (2, &[1], 5),
            (2, &[2, 1], 6),
            (3, &[1], 7),
        ] {
            let alerts = ids.iter().map(|id| alert(*id)).collect();
            let meta = Meta { started_ns, ..Meta::default() };
            let text = metrics.write(&Snapshot { alerts, meta, ..snapshot() }, 1.0).unwrap();
            let raised = value(&text, "nettop_alerts_total{kind=\"syn-flood\"}");
            assert_eq!(raised, Some(expected.to_string().as_str()), "{ids:?}");
        }
    }
}
