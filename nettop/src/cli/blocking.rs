//! Options of blocking.

use clap::{Args, ValueEnum};
use nettop_engine::blocks::Blocking;
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
}

/// How blocks are made unless a request says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BlockWith {
    /// Command lines are told.
    #[default]
    Print,
    /// The kernel program drops.
    Xdp,
    /// A table of its own of nftables.
    Nft,
    /// ufw.
    Ufw,
    /// firewalld.
    Firewalld,
    /// iptables and ip6tables.
    Iptables,
    /// Not at all.
    None,
}

impl BlockWith {
    fn with(self) -> Option<With> {
        Some(match self {
            Self::Print => With::Print,
            Self::Xdp => With::Xdp,
            Self::Nft => With::Nft,
            Self::Ufw => With::Ufw,
            Self::Firewalld => With::Firewalld,
            Self::Iptables => With::Iptables,
            Self::None => return None,
        })
    }
}

impl BlockingArgs {
    /// For the engine.
    pub fn blocking(&self) -> Blocking {
        Blocking {
            with: self.block_with.with(),
            allow: self.allow.clone(),
            trusted_proxies: self.trusted_proxy.clone(),
            restore: self.block_restore,
            ..Blocking::default()
        }
    }
}
