//! Options of `sockets`.

use clap::Args;
use nettop_model::query::{self, Query};
use nettop_views::{
    filter,
    view::{CONNECTIONS, VIEWS},
};

/// Options of `sockets`.
#[derive(Clone, Debug, Args)]
pub struct SocketsArgs {
    /// Which rows.
    #[command(flatten)]
    pub wanted: Wanted<CONNECTIONS>,
    /// Print connections and processes as JSON
    #[arg(long)]
    pub json: bool,
    /// Numbers only: no names of ports
    #[arg(long, short)]
    pub numeric: bool,
}

/// Which rows of the list that is the view of this place.
#[derive(Clone, Debug, Args)]
pub struct Wanted<const VIEW: usize> {
    /// Only those that pass this filter of the view: "process:nginx state:established rtt>50"
    #[arg(long, value_name = "FILTER", value_parser = parse_filter::<VIEW>)]
    pub filter: Option<Query>,
    /// So many at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub limit: usize,
}

fn parse_filter<const VIEW: usize>(text: &str) -> Result<Query, String> {
    match filter::parse(VIEWS[VIEW], text) {
        Ok(Some(query)) => Ok(query),
        Ok(None) => Err("it is empty: leave the option out".into()),
        Err(query::Error { at, what }) => Err(format!("at character {}: {what}", at + 1)),
    }
}
