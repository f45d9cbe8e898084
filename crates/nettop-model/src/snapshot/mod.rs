//! The [`Snapshot`]: all that a view may know. The engine publishes one per tick; it never changes afterwards.
//!
//! It is grouped: one struct and one file for each group. The classic's JSON, which is flat, is an exporter over it: [`flat`](crate::flat).

mod accounting;
mod alerts;
mod all_sources;
mod blocks;
mod connections;
mod cut;
mod drops;
mod egress;
mod events;
mod exports;
mod flows;
mod groups;
mod history;
mod host;
mod interfaces;
pub(crate) mod json;
mod lists;
mod logs;
mod meta;
mod monitor;
pub(crate) mod names;
mod neighbours;
mod places;
mod prefixes;
mod remote;
mod replay;
mod rest;
mod rows;
mod runtime;
mod sandbox;
mod sources;
mod traffic;
mod values;

pub use self::{
    accounting::{Accounting, Amount},
    alerts::{Alert, Bursts, Origin, Severity, Share, Target, TopSource, Vector},
    all_sources::{AllSources, Counted, SourceRows},
    blocks::{Automatic, BlockRow, Blocks, HookRow, With},
    connections::{
        CallsAccounting, CensusFacts, Connection, ConnectionSum, ConnectionSums, Connections, ProcessRow, Processes,
        Transferred, Way,
    },
    drops::{DropReason, Drops},
    egress::{Egress, EgressAccounting, RemoteRow, Sent},
    events::{EventRow, Sampled},
    exports::{Export, ExportRow},
    flows::{Flow, FlowAccounting, Flows, Nat},
    groups::{Group, SCHEMA, Selected, Snapshot},
    history::{History, RatePoint, Subject},
    host::{Host, HostCounter, HostCpu, HostDirection, HostInterface, HostMemory},
    interfaces::{AttachMode, InterfaceRow, InterfaceState},
    lists::{DestinationList, MacList, Places, PortList, PrefixLists, SourceList},
    logs::{Lately, Lines, LogAccounting, LogFile, LogLine, LogLines, Most, Reason, Seen, VisitRow, Visitor, Visits},
    meta::Meta,
    monitor::{Degraded, MapRow, Monitor, Sampling, SelfStats, Tick},
    names::Name,
    neighbours::{MessageAccounting, NeighbourRow, Neighbours},
    places::{CountryRow, GeoView, NetworkRow, Place, Sums},
    prefixes::{Prefix, PrefixRest, PrefixRow},
    remote::{Lost, Remote},
    replay::{LinkRow, Replay},
    rest::Others,
    rows::{DestinationRow, PortRow},
    runtime::{FilterView, Mode, Runtime},
    sandbox::SandboxLayer,
    sources::{Detail, MacRow, SourceRow},
    traffic::{InterfaceTraffic, Traffic},
    values::{Mac, TcpFlags},
};
/// What the packets to a destination are told apart by.
pub use nettop_common::TrafficClass;

/// Of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How many rows each list of a snapshot has at most, unless asked for another limit.
pub const DEFAULT_LIMIT: usize = 1000;
/// How many sources the screen may be asked to show.
pub const TOP_RANGE: std::ops::RangeInclusive<i64> = 1..=500;
