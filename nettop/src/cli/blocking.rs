//! Options of blocking.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum, builder::PossibleValue};
use nettop_engine::{
    blocks::{Blocking, automatic},
    detect::OwnRule,
};
use nettop_model::{net::Net, snapshot::With};

/// How blocks are wanted.
#[derive(Clone, Debug, Default, Args)]
pub struct BlockingArgs {
    /// How blocks are made unless a request says otherwise: print tells command lines and does nothing, xdp drops in the kernel program, none
    /// forbids all of it; nft, ufw, firewalld and iptables are run by a process of its own, which is started only then
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub block_with: BlockWith,
    /// Never block these addresses and prefixes, separated by commas or repeated
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub allow: Vec<Net>,
    /// Proxies and load balancers in front of this host, separated by commas or repeated: what comes from there is of many clients, so they are
    /// never blocked
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<Net>,
    /// Block again at the start what was blocked at the end and is not over, as the folder of --state has it; for services
    #[arg(long)]
    pub block_restore: bool,
    /// Renew a block in its last minute while it drops a packet per second or more, for as long as it was made, until it is a day old
    #[arg(long)]
    pub block_extend: bool,
    /// Block for 10 minutes whom the alerts of these rules are about, separated by commas: single sources, with proof of a TCP handshake, never in
    /// a flood from forged addresses, 60 a minute at most; unless --auto-block-enforce is given, only say who would be
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub auto_block: Vec<String>,
    /// Let --auto-block do it
    #[arg(long, requires = "auto_block")]
    pub auto_block_enforce: bool,
    /// Append to this file who blocked, unblocked or allowed what, why, what was refused, and what each block had dropped at its end; a line of
    /// JSON each, brought to the disk at once [default: audit.jsonl in the folder of --state, if there is one]
    #[arg(long, value_name = "FILE", conflicts_with = "pcap")]
    pub audit: Option<PathBuf>,
}

/// How blocks are made unless a request says otherwise; `None`: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockWith(pub Option<With>);

impl BlockWith {
    const ALL: [Self; With::ALL.len() + 1] = {
        let mut all = [Self(None); With::ALL.len() + 1];
        let mut at = 0;
        while at < With::ALL.len() {
            all[at] = Self(Some(With::ALL[at]));
            at += 1;
        }
        all
    };
}

impl Default for BlockWith {
    fn default() -> Self {
        Self(Some(With::default()))
    }
}

impl ValueEnum for BlockWith {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self.0 {
            Some(with) => with.to_possible_value(),
            None => Some(PossibleValue::new("none").help("Not at all")),
        }
    }
}

impl BlockingArgs {
    /// For the engine; `rules` are those of one's own.
    ///
    /// # Errors
    /// A rule that is to block cannot.
    pub fn blocking(&self, rules: &[OwnRule]) -> Result<Blocking> {
        automatic::check(&self.auto_block, rules).map_err(anyhow::Error::msg)?;
        if self.auto_block_enforce && self.block_with.0.is_none() {
            bail!("--auto-block-enforce and --block-with none: the latter forbids every block; leave one of them out");
        }
        Ok(Blocking {
            with: self.block_with.0,
            allow: self.allow.clone(),
            trusted_proxies: self.trusted_proxy.clone(),
            restore: self.block_restore,
            extend: self.block_extend,
            automatic: automatic::Wanted { rules: self.auto_block.clone(), enforced: self.auto_block_enforce },
            ..Blocking::default()
        })
    }
}
