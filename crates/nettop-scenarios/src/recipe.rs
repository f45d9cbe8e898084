//! Recipes: what scenarios are made of, as files say it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use toml::{Table, Value};

use crate::{endpoints::PortsText, play::Form, variants::variants};

/// Bytes of a file at most: a recipe, and no recording.
pub const LARGEST: usize = 4096;

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, which no other one has. Its random numbers come of it, too.
    pub name: String,
    /// Kinds of alerts, one of which is to be raised; none: it is ordinary traffic, which raises no alarm.
    #[serde(default)]
    pub expect: Vec<String>,
    /// Where it goes, any of these: address, address and port, or prefix. None: it is not looked at.
    #[serde(default)]
    pub target: Vec<String>,
    /// Who sends it, where an alert is to say that.
    pub source: Option<String>,
    /// Seconds from its first packet to its alert, at most.
    #[serde(default = "within")]
    pub within: f64,
    /// Alerts at most, those that are mere information apart.
    pub most: Option<usize>,
    /// Ordinary traffic beside it: the name of a mix.
    #[serde(default = "small")]
    pub background: String,
    /// Seconds of ordinary traffic before.
    #[serde(default = "before")]
    pub before: f64,
    /// Seconds that it lasts.
    #[serde(default = "seconds")]
    pub seconds: f64,
    /// Seconds of ordinary traffic behind.
    #[serde(default = "after")]
    pub after: f64,
    /// Whether its addresses are of IPv6, those of the background excepted.
    #[serde(default)]
    pub ipv6: bool,
    /// TCP ports that the host listens on.
    #[serde(default = "tcp_open")]
    pub tcp_open: Vec<u16>,
    /// UDP ports that it answers on.
    #[serde(default)]
    pub udp_open: Vec<u16>,
    /// How many connections each of its listening sockets keeps that are asked for and not confirmed; then there are cookies.
    #[serde(default = "backlog")]
    pub backlog: u32,
    /// Forms in which it is played: `both`, `in`, `host`. Usually all of them.
    #[serde(default)]
    pub forms: Vec<String>,
    /// Of the addresses that are sent to, the share that exist and answer.
    #[serde(default = "one")]
    pub alive: f64,
    /// What is sent.
    #[serde(default)]
    pub flow: Vec<Flow>,
}

/// Packets of one kind, or conversations of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Packets without a conversation: `syn`, `ack`, `rst`, `syn-ack`, `data`, `null`, `fin`, `fin-ack`, `xmas`, `udp`, `icmp`, `fragment`,
    /// `gre`, `esp`, `arp`, `unreachable`, `too-big`, `expired`, `any` (each of another protocol), or a protocol's number.
    pub send: Option<String>,
    /// Conversations: `tcp`, `udp`, `quic`.
    pub talk: Option<String>,
    /// Packets per second, or new conversations, of all senders together.
    pub rate: f64,
    /// Who sends: `random`, `forged`, a prefix, addresses.
    #[serde(default = "random", deserialize_with = "one_or_many")]
    pub from: Vec<String>,
    /// How many senders.
    pub sources: Option<u32>,
    /// Their ports.
    pub source_port: Option<PortsText>,
    /// Whom they send to: a prefix, addresses. Usually the host.
    #[serde(default, deserialize_with = "one_or_many")]
    pub to: Vec<String>,
    /// Of a prefix, how many addresses.
    pub targets: Option<u32>,
    /// Ports there.
    #[serde(default = "https")]
    pub port: PortsText,
    /// Bytes behind the headers of a packet, from and to.
    #[serde(default)]
    pub payload: Size,
    /// Whether it is ordinary traffic all along, from the beginning to the end.
    #[serde(default)]
    pub always: bool,
    /// Seconds from the start of what the scenario is about.
    #[serde(default)]
    pub start: f64,
    /// For how many seconds, if not as long as the scenario.
    pub seconds: Option<f64>,
    /// It comes in bursts of so many seconds.
    pub on: Option<f64>,
    /// Seconds from the beginning of one burst to that of the next.
    pub every: Option<f64>,
    /// Seconds in which the rate grows from none.
    #[serde(default)]
    pub ramp: f64,
    /// Of `send`: packets that go back for each one. Without it the host answers as Linux answers strangers. A TCP stream
    /// that begins later than the scenario does so with a handshake.
    pub back: Option<f64>,
    /// The payload of each of these.
    #[serde(default)]
    pub back_payload: Size,
    /// The host is the one that asks, or that opened the connection of a stream.
    #[serde(default)]
    pub ours_asks: bool,
    /// Bytes of each request.
    #[serde(default = "request")]
    pub request: u32,
    /// Bytes of each response.
    #[serde(default = "response")]
    pub response: u32,
    /// Requests and responses of one conversation.
    #[serde(default = "one_round")]
    pub rounds: u32,
    /// Seconds between them.
    #[serde(default)]
    pub pause: f64,
    /// How a TCP connection ends: `fin`, `rst`, `refused` (it never begins), `open` (it goes on).
    #[serde(default = "fin")]
    pub end: String,
    /// Of `send`: the host sends it, to those who are said to send.
    #[serde(default)]
    pub out: bool,
    /// Of `talk`: the share of the host's segments with data that are sent again, a round trip later.
    #[serde(default)]
    pub lost: f64,
    /// Hosts of the same network: their own MAC addresses, and no time under way.
    #[serde(default)]
    pub lan: bool,
}

/// A mix of ordinary traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// What scenarios call it.
    pub name: String,
    /// What it consists of.
    #[serde(default)]
    pub flow: Vec<Flow>,
}

/// Bytes: so many, or any number from the first to the second.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Always the same.
    Exact(u16),
    /// From and to.
    Between(u16, u16),
}

impl Default for Size {
    fn default() -> Self {
        Self::Exact(0)
    }
}

/// All that the files say.
#[derive(Clone, Debug, Default)]
pub struct Recipes {
    /// Every variant by itself.
    pub scenarios: Vec<Scenario>,
    /// Ordinary traffic.
    pub mixes: Vec<Mix>,
}

impl Scenario {
    /// Whether it is played in this form.
    pub fn has(&self, form: Form) -> bool {
        self.forms.is_empty() || self.forms.iter().any(|asked| asked == form.label())
    }
}

impl Recipes {
    /// Reads every file of a folder, in order of name.
    ///
    /// # Errors
    /// One cannot be read, or says what has no meaning; or two scenarios have the same name.
    pub fn read(folder: &Path) -> Result<Self> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let mut recipes = Self::default();
        for path in paths {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(text.len() <= LARGEST, "{} has {} bytes, and may have {LARGEST}", path.display(), text.len());
            recipes.add(&text).with_context(|| path.display().to_string())?;
        }
        let mut names: Vec<_> = recipes.scenarios.iter().map(|scenario| &scenario.name).collect();
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two scenarios are called {}", twice[0]);
        }
        Ok(recipes)
    }

    /// Reads one file's text.
    ///
    /// # Errors
    /// It says what has no meaning.
    pub fn add(&mut self, text: &str) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Recipe {
            #[serde(default)]
            scenario: Vec<Table>,
            #[serde(default)]
            mix: Vec<Mix>,
        }
        let recipe: Recipe = toml::from_str(text)?;
        self.mixes.extend(recipe.mix);
        for table in recipe.scenario {
            for variant in variants(table)? {
                let name = variant.get("name").and_then(Value::as_str).unwrap_or_default().to_string();
                self.scenarios.push(variant.try_into().with_context(|| format!("scenario {name}"))?);
            }
        }
        Ok(())
    }

    /// The mix of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn mix(&self, name: &str) -> Result<&Mix> {
        self.mixes.iter().find(|mix| mix.name == name).with_context(|| format!("there is no background {name}"))
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    })
}

fn within() -> f64 {
    2.0
}

fn small() -> String {
    "small".into()
}

fn before() -> f64 {
    14.0
}

fn seconds() -> f64 {
    6.0
}

fn after() -> f64 {
    8.0
}

fn tcp_open() -> Vec<u16> {
    vec![22, 80, 443]
}

fn backlog() -> u32 {
    4096
}

fn one() -> f64 {
    1.0
}

fn random() -> Vec<String> {
    vec!["random".into()]
}

fn https() -> PortsText {
    PortsText::One(443)
}

fn request() -> u32 {
    400
}

fn response() -> u32 {
    8000
}

fn one_round() -> u32 {
    1
}

fn fin() -> String {
    "fin".into()
}
