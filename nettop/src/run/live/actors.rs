//! The processes that run firewall tools and hooks: started first of all, and only where something needs one.

use anyhow::{Context as _, Result};
use nettop_actor::{
    Started, firewall,
    job::{Role, Setup},
    start,
};
use nettop_engine::{Optional, actors};
use nettop_model::snapshot::{HookRow, With};
use nettop_sandbox as sandbox;

use crate::cli::RunArgs;

/// Those that were started.
#[derive(Debug, Default)]
pub struct Actors {
    firewall: Option<(Vec<With>, Started)>,
    hooks: Option<(Vec<HookRow>, Started)>,
}

impl Actors {
    /// Starts what the options ask for; blocks are made `with` that.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(args: &RunArgs, with: Option<With>) -> Result<Self> {
        let as_invoker = args.common.sandbox() != sandbox::Mode::Off;
        let start = |role| start(&Setup { as_invoker, role });
        let with = with.filter(|with| firewall::of(*with).is_some());
        let with = with.filter(|_| !args.is_without(Optional::Blocks));
        let firewall = with.map(|with| anyhow::Ok((vec![with], start(Role::Firewall(vec![with]))?)));
        let hooks = &args.common.hooks;
        let rows = hooks.iter().map(nettop_actor::hook::Hook::row).collect();
        let hooks = (!hooks.is_empty()).then(|| anyhow::Ok((rows, start(Role::Hooks(hooks.clone()))?)));
        Ok(Self {
            firewall: firewall.transpose().context("--block-with")?,
            hooks: hooks.transpose().context("[[hooks]]")?,
        })
    }

    /// Starts the threads that speak with them, for the engine.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn link(self) -> Result<actors::Actors> {
        let (firewalls, firewall) = self.firewall.unzip();
        let (rows, hooks) = self.hooks.unzip();
        Ok(actors::Actors::new(
            firewall.map(Started::link).transpose()?,
            firewalls.unwrap_or_default(),
            hooks.map(Started::link).transpose()?,
            rows.unwrap_or_default(),
        ))
    }
}
