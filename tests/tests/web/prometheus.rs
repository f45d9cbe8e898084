//! Prometheus and VictoriaMetrics themselves scrape a dashboard, and tell by PromQL what was counted.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use nettop_tests::{
    program, skip,
    web::{Answer, Dashboard},
};
use serde_json::Value;
use tempfile::TempDir;

use super::start;

/// What scrapes, and answers PromQL.
pub struct Engine {
    /// The program, and the package of Debian that has it.
    program: &'static str,
    /// Whether it reads alert rules by itself.
    has_rules: bool,
    /// Its arguments: configuration, data, and where it listens.
    arguments: fn(&Path, &Path, SocketAddr) -> Vec<String>,
}

/// Those that are tried.
pub const ENGINES: [Engine; 2] = [
    Engine {
        program: "prometheus",
        has_rules: true,
        arguments: |config, data, address| {
            vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", data.display()),
                format!("--web.listen-address={address}"),
            ]
        },
    },
    Engine {
        program: "victoria-metrics",
        has_rules: false,
        arguments: |config, data, address| {
            vec![
                format!("-promscrape.config={}", config.display()),
                format!("-storageDataPath={}", data.display()),
                format!("-httpListenAddr={address}"),
                // Otherwise the newest half minute is not told.
                "-search.latencyOffset=1s".into(),
                "-search.disableCache".into(),
            ]
        },
    },
];

/// A running one; killed when dropped.
pub struct Scraper {
    name: &'static str,
    child: Child,
    dashboard: Dashboard,
    _folder: TempDir,
}

impl Drop for Scraper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine {
    /// That scrapes this dashboard each second; `None`: it is not here.
    pub fn over(&self, dashboard: &Dashboard) -> Option<Scraper> {
        let name = self.program;
        if Command::new(name).arg("--version").output().is_err() {
            skip::report(&format!("there is no `{name}`; on Debian: apt-get install {name}"));
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        let (token, config) = (folder.path().join("token"), folder.path().join("prometheus.yml"));
        fs::write(&token, &dashboard.token).expect("the token");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/prometheus/nettop.rules.yml");
        let rules = if self.has_rules { format!("rule_files: [{}]\n", rules.display()) } else { String::new() };
        let every = if self.has_rules { ", evaluation_interval: 1s" } else { "" };
        let text = format!(
            "global: {{scrape_interval: 1s{every}}}\n{rules}scrape_configs:\n  - job_name: nettop\n    \
             authorization: {{credentials_file: {}}}\n    static_configs: [{{targets: ['{}']}}]\n",
            token.display(),
            dashboard.address
        );
        fs::write(&config, text).expect("the configuration");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let mut command = Command::new(name);
        command.args((self.arguments)(&config, &folder.path().join("data"), address));
        let child = program::spawn(command.stderr(Stdio::null()).stdout(Stdio::null()));
        Some(Scraper { name, child, dashboard: Dashboard { address, token: String::new() }, _folder: folder })
    }
}

impl Scraper {
    /// The answer to a query; `None`: nobody answers yet.
    fn ask(&self, query: &str) -> Option<(u16, Value)> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let Answer { status, body, .. } = self.dashboard.try_get(&format!("/api/v1/query?query={encoded}"))?;
        Some((status, serde_json::from_slice(&body).ok()?))
    }

    /// Waits until a query has a value of which this holds.
    #[track_caller]
    pub fn expect(&self, query: &str, holds: impl Fn(f64) -> bool) {
        let mut last = None;
        let found = program::wait_for(|| {
            last = self.ask(query);
            let value = last.as_ref()?.1["data"]["result"][0]["value"][1].as_str()?.parse().ok();
            value.filter(|value| holds(*value))
        });
        assert!(found.is_some(), "{}: {query}: {last:?}", self.name);
    }
}

#[test]
fn they_take_every_metric_and_the_accounts_balance_there_too() {
    for engine in &ENGINES {
        let (monitor, dashboard) = start("");
        let Some(scraper) = engine.over(&dashboard) else { continue };
        scraper.expect("up{job=\"nettop\"}", |up| up == 1.0);
        scraper.expect("scrape_samples_scraped", |samples| (20.0..2000.0).contains(&samples));
        scraper.expect("nettop_accounting_holds{account=\"received\"}", |holds| holds == 1.0);
        scraper.expect("rate(nettop_packets_total{outcome=\"counted\"}[10s])", |rate| rate > 0.0);
        scraper.expect("nettop_seen_packets_total - on(instance) sum by(instance) (nettop_packets_total)", |less| {
            less == 0.0
        });
        scraper.expect("sum(nettop_country_packets_total) > 0", |all| all > 0.0);
        // A second later than it, or two, it has what the monitor has.
        monitor.command(&serde_json::json!({"cmd": "pause"}));
        let counted = monitor.snapshot()["accounting"]["counted"]["packets"].as_f64().unwrap();
        scraper.expect("nettop_packets_total{outcome=\"counted\"}", |all| all == counted);
        if engine.has_rules {
            scraper.expect("count(ALERTS{alertname=\"NettopAccountingWrong\"}) or vector(0)", |firing| firing == 0.0);
        }
        for query in queries() {
            let (status, answer) = scraper.ask(&query).expect("an answer");
            assert_eq!((status, &answer["status"]), (200, &"success".into()), "{}: {query}: {answer}", scraper.name);
        }
    }
}

/// What the dashboard for Grafana asks.
fn queries() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/grafana/nettop.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(path).expect("the dashboard")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<_> =
        targets.map(|target| target["expr"].as_str().expect("a query").replace("$instance", ".*")).collect();
    assert!(queries.len() > 20);
    queries
}
