//! Prometheus itself scrapes a dashboard, and tells by PromQL what was counted.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use nettop_tests::{
    program, skip,
    web::{Answer, Dashboard},
};
use serde_json::Value;

use super::start;

/// A running Prometheus; killed when dropped.
struct Prometheus {
    child: Child,
    dashboard: Dashboard,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// That scrapes this dashboard each second; `None`: there is no Prometheus here.
    fn of(dashboard: &Dashboard) -> Option<Self> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            skip::report("there is no `prometheus`; on Debian: apt-get install prometheus");
            return None;
        }
        let folder = tempfile::TempDir::new().expect("a folder");
        let (token, config) = (folder.path().join("token"), folder.path().join("prometheus.yml"));
        fs::write(&token, &dashboard.token).expect("the token");
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/prometheus/nettop.rules.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  - job_name: nettop\n    \
             authorization: {{credentials_file: {}}}\n    static_configs: [{{targets: ['{}']}}]\n",
            rules.display(),
            token.display(),
            dashboard.address
        );
        fs::write(&config, text).expect("the configuration");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}")).stderr(Stdio::null()).stdout(Stdio::null());
        let child = program::spawn(&mut command);
        Some(Self { child, dashboard: Dashboard { address, token: String::new() }, _folder: folder })
    }

    /// The value of a query, once it has one.
    fn value(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let Answer { status, body, .. } = self.dashboard.try_get(&format!("/api/v1/query?query={encoded}"))?;
        let answer: Value = serde_json::from_slice(&body).ok().filter(|_| status == 200)?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    #[track_caller]
    fn expect(&self, query: &str, holds: impl Fn(f64) -> bool) {
        let mut last = None;
        let found = program::wait_for(|| {
            last = self.value(query);
            last.filter(|value| holds(*value))
        });
        assert!(found.is_some(), "{query}: {last:?}");
    }
}

#[test]
fn it_takes_every_metric_and_the_accounts_balance_there_too() {
    let (monitor, dashboard) = start("");
    let Some(prometheus) = Prometheus::of(&dashboard) else { return };
    prometheus.expect("up{job=\"nettop\"}", |up| up == 1.0);
    prometheus.expect("scrape_samples_scraped", |samples| (20.0..2000.0).contains(&samples));
    prometheus.expect("nettop_accounting_holds{account=\"received\"}", |holds| holds == 1.0);
    prometheus.expect("rate(nettop_packets_total{outcome=\"counted\"}[10s])", |rate| rate > 0.0);
    prometheus
        .expect("nettop_seen_packets_total - on(instance) sum by(instance) (nettop_packets_total)", |less| less == 0.0);
    prometheus.expect("sum(nettop_country_packets_total) > 0", |all| all > 0.0);
    // A second later than it, or two, Prometheus has what the monitor has.
    monitor.command(&serde_json::json!({"cmd": "pause"}));
    let counted = monitor.snapshot()["accounting"]["counted"]["packets"].as_f64().unwrap();
    prometheus.expect("nettop_packets_total{outcome=\"counted\"}", |all| all == counted);
    prometheus.expect("count(ALERTS{alertname=\"NettopAccountingWrong\"}) or vector(0)", |firing| firing == 0.0);
}
