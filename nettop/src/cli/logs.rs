//! Options of logs: which are followed, and how they are read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
use nettop_logs::{
    LogSettings, LogSource, Reads,
    format::{Choice, Format, compile},
};
use nettop_model::net::Net;

use crate::config::ConfiguredLogs;

/// Where servers and systems usually write them: what of it is there and can be read is followed without being asked for.
const USUAL_ACCESS: [&str; 6] = [
    "/var/log/nginx/*access*.log",
    "/var/log/apache2/*access*.log",
    "/var/log/httpd/*access_log",
    "/var/log/lighttpd/access.log",
    "/var/log/caddy/*.log",
    "/var/log/traefik/access.log",
];
const USUAL_AUTH: [&str; 4] = ["/var/log/auth.log", "/var/log/secure", "/var/log/mail.log", "/var/log/maillog"];

/// Which logs are followed.
#[derive(Clone, Debug, Default, Args)]
pub struct LogArgs {
    /// Follow these access logs, too: a path, in which * ? and [] are patterns, and after = the format where it is not to be told from the lines: the name
    /// of one, json:client=PATH,…, or what nginx has after log_format or Apache after LogFormat; may be repeated [default: the usual ones of nginx, Apache,
    /// Caddy and others, where they can be read]
    #[arg(long, value_name = "GLOB[=FORMAT]")]
    pub access_log: Vec<String>,
    /// Follow only the logs that other options name, and of those that are usual none
    #[arg(long)]
    pub no_access_log: bool,
    /// Read so much at the end of each log at the start, KiB: it is shown and counted, and raises no alert
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(0..=1 << 20))]
    pub access_log_backfill: u64,
    /// Keep the queries of requests, which may hold what is private; rules look at them all the same
    #[arg(long)]
    pub access_log_query: bool,
    /// Know the formats that this nginx.conf names by log_format
    #[arg(long, value_name = "FILE")]
    pub access_log_format_from: Option<PathBuf>,
    /// Follow these logs of whoever logs in, too: syslog's files with what sshd, sudo, dovecot and postfix say, or entries of the journal as JSON; may be
    /// repeated [default: /var/log/auth.log and the like, where they can be read]
    #[arg(long, value_name = "GLOB")]
    pub auth_log: Vec<PathBuf>,
    /// Follow the journal of systemd for logins at sshd, by a process of its own that runs journalctl and is started only then: whose an entry is says the
    /// kernel there, where in a file anybody may have written it
    #[arg(long)]
    pub journal: bool,
    /// What files say beside options.
    #[arg(skip)]
    pub configured: ConfiguredLogs,
}

impl LogArgs {
    /// What is to be followed.
    ///
    /// # Errors
    /// A format that is none; it is named with its option.
    pub fn settings(&self, trusted: &[Net]) -> Result<LogSettings> {
        let named = match &self.access_log_format_from {
            None => Vec::new(),
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("reading {} (--access-log-format-from)", path.display()))?;
                compile::named(&text).with_context(|| format!("{} (--access-log-format-from)", path.display()))?
            }
        };
        let mut sources = Vec::new();
        for text in &self.access_log {
            let (glob, format) =
                text.split_once('=').map_or((text.as_str(), None), |(glob, format)| (glob, Some(format)));
            let choice = match format {
                None | Some("auto") => Choice::Auto(named.clone()),
                Some(format) => {
                    Choice::One(Format::parse(format, &named).with_context(|| format!("--access-log {text}"))?)
                }
            };
            sources.push(LogSource::new(Path::new(glob), Reads::Access(choice)));
        }
        sources.extend(self.configured.sources.iter().cloned());
        sources.extend(self.auth_log.iter().map(|path| LogSource::new(path, Reads::Auth)));
        if !self.no_access_log {
            let usual = |path: &&str, reads| LogSource { asked: false, ..LogSource::new(Path::new(path), reads) };
            sources.extend(USUAL_ACCESS.iter().map(|path| usual(path, Reads::Access(Choice::Auto(named.clone())))));
            sources.extend(USUAL_AUTH.iter().map(|path| usual(path, Reads::Auth)));
        }
        Ok(LogSettings {
            sources,
            trusted: trusted.to_vec(),
            backfill: self.access_log_backfill << 10,
            query: self.access_log_query,
            patterns: self.configured.patterns.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_none_is_named_with_its_option() {
        let args = |access_log: &[&str]| LogArgs {
            access_log: access_log.iter().map(ToString::to_string).collect(),
            no_access_log: true,
            ..LogArgs::default()
        };
        for (log, expected) in [
            ("/x/*.log", None),
            ("/x/*.log=combined", None),
            ("/x/a.log=$remote_addr $status=$request_uri", None),
            ("/x/a.log=combimed", Some("--access-log /x/a.log=combimed: \"combimed\" is no format")),
        ] {
            let found = args(&[log]).settings(&[]);
            match expected {
                None => assert_eq!(found.unwrap().sources.len(), 1, "{log}"),
                Some(expected) => {
                    let error = format!("{:#}", found.unwrap_err());
                    assert!(error.starts_with(expected), "{error}");
                }
            }
        }
        assert!(LogArgs::default().settings(&[]).unwrap().sources.iter().all(|source| !source.asked));
    }
}
