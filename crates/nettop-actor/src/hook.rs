//! Hooks: commands that the operator has prepared, which are run on what is selected, or when a rule raises an alert.

use std::path::Path;

use nettop_model::{request::hook::Target, snapshot::HookRow};
use serde::{Deserialize, Serialize};

use crate::runner;

/// How many there can be.
pub const MOST_HOOKS: usize = 32;
/// Words of a command, and bytes of all of them.
const MOST_ARGUMENTS: usize = 64;
const MOST_BYTES: usize = 4 << 10;
/// How long one may take, seconds: `nettopctl` waits half a minute for an answer.
pub const TIMEOUTS: std::ops::RangeInclusive<u64> = 1..=25;
/// How long it may take unless it says so.
pub const DEFAULT_TIMEOUT: u64 = 10;
/// How long it rests after an alert has run it, unless it says so, seconds.
pub const DEFAULT_EVERY: u64 = 60;

/// A hook, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The key that runs it, and what requests call it.
    pub key: char,
    /// What it is called.
    pub label: String,
    /// The program, by its absolute path, and its arguments. `{ip}` and so on, each an argument of its own, is what it is run on.
    pub argv: Vec<String>,
    /// How long it may take, seconds.
    pub timeout: u64,
    /// The rule whose alerts run it.
    pub on: Option<String>,
    /// How long it then rests, seconds.
    pub every: u64,
}

/// What is wrong with one, and of which key that is.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// `argv` and so on.
    pub key: &'static str,
    /// In words.
    pub what: String,
}

/// What an argument can stand for: its name, and the value.
type Placeholder = (&'static str, fn(&Target) -> Option<String>);

const PLACEHOLDERS: &[Placeholder] = &[
    ("{ip}", |target| Some(target.ip?.to_string())),
    ("{target}", |target| Some(target.target?.to_string())),
    ("{port}", |target| Some(target.port?.to_string())),
    ("{mac}", |target| Some(target.mac?.to_string())),
    ("{rule}", |target| target.rule.clone()),
    ("{text}", |target| target.text.clone()),
];

impl Hook {
    /// As everybody may know it: arguments may hold secrets.
    pub fn row(&self) -> HookRow {
        HookRow {
            key: self.key,
            label: self.label.clone(),
            on: self.on.clone(),
            every: self.every,
            needs: self.needs(),
        }
    }

    /// The placeholders that it has.
    fn needs(&self) -> Vec<String> {
        let is_used = |name: &str| self.argv.iter().any(|argument| argument == name);
        PLACEHOLDERS.iter().filter(|(name, _)| is_used(name)).map(|(name, _)| (*name).into()).collect()
    }

    /// Whether it can be run at all; `owner`: the user who runs it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, owner: u32) -> Result<(), Wrong> {
        let wrong = |key, what: String| Err(Wrong { key, what });
        if self.label.is_empty() || self.label.chars().count() > 40 {
            return wrong("label", "takes 1 to 40 characters".into());
        }
        if !TIMEOUTS.contains(&self.timeout) {
            return wrong("timeout", format!("takes {} to {} seconds", TIMEOUTS.start(), TIMEOUTS.end()));
        }
        let bytes: usize = self.argv.iter().map(String::len).sum();
        if self.argv.len() > MOST_ARGUMENTS || bytes > MOST_BYTES {
            return wrong("argv", format!("takes {MOST_ARGUMENTS} words of {MOST_BYTES} bytes at most"));
        }
        let Some((program, arguments)) = self.argv.split_first() else {
            return wrong("argv", "has no program: write [\"/path/to/program\", \"{ip}\"]".into());
        };
        runner::judge(Path::new(program), owner).map_err(|what| Wrong { key: "argv", what })?;
        for argument in arguments {
            if argument.contains('\0') {
                return wrong("argv", "a word cannot hold a zero byte".into());
            }
            let is_whole = PLACEHOLDERS.iter().any(|(name, _)| argument == name);
            let held = PLACEHOLDERS.iter().find(|(name, _)| argument.contains(name));
            if let (false, Some((name, _))) = (is_whole, held) {
                return wrong("argv", format!("{argument:?}: {name} has to be an argument of its own, \"{name}\""));
            }
        }
        Ok(())
    }

    /// Its arguments for what it is run on.
    ///
    /// # Errors
    /// It wants something that the row does not have.
    pub fn arguments(&self, target: &Target) -> Result<Vec<String>, String> {
        let filled = |argument: &String| {
            let Some((name, value)) = PLACEHOLDERS.iter().find(|(name, _)| argument == name) else {
                return Ok(argument.clone());
            };
            let value = value(target)
                .ok_or_else(|| format!("{} wants {name}, and there is none: select a row that has one", self.label))?;
            // A program would take it for an option.
            if value.starts_with('-') || value.contains('\0') {
                return Err(format!("{} is not run: what {name} stands for begins with -", self.label));
            }
            Ok(value)
        };
        self.argv.iter().skip(1).map(filled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(argv: &[&str]) -> Hook {
        let argv = argv.iter().map(ToString::to_string).collect();
        Hook { key: 'x', label: "tell".into(), argv, timeout: 10, on: None, every: 60 }
    }

    #[test]
    fn what_cannot_be_run_is_refused_at_the_start() {
        let sh = "/bin/sh";
        for (name, argv, part) in [
            ("fine", &[sh, "{ip}", "{port}", "a{b}c"][..], None),
            ("no program", &[], Some("has no program")),
            ("a name", &["sh"], Some("no absolute path")),
            ("not there", &["/nonexistent/x"], Some("/nonexistent/x")),
            ("part of a word", &[sh, "--ip={ip}"], Some("{ip} has to be an argument of its own")),
            ("a script", &[sh, "-c", "echo {ip}"], Some("{ip} has to be an argument of its own")),
            ("a zero byte", &[sh, "a\0b"], Some("zero byte")),
        ] {
            match (hook(argv).check(0), part) {
                (Ok(()), None) => {}
                (Err(wrong), Some(part)) => {
                    assert!(wrong.what.contains(part) && wrong.key == "argv", "{name}: {wrong:?}");
                }
                (checked, _) => panic!("{name}: {checked:?}"),
            }
        }
        assert_eq!(Hook { timeout: 0, ..hook(&[sh]) }.check(0).unwrap_err().key, "timeout");
        assert_eq!(Hook { label: String::new(), ..hook(&[sh]) }.check(0).unwrap_err().key, "label");
    }

    #[test]
    fn each_value_is_one_argument_whatever_it_holds() {
        let hook = hook(&["/bin/sh", "{ip}", "-p", "{port}", "{text}", "{other}"]);
        assert_eq!(hook.row().needs, ["{ip}", "{port}", "{text}"]);
        let target = Target {
            ip: "2001:db8::1".parse().ok(),
            port: Some(443),
            text: Some("$(id); `id` {ip}\n-rf".into()),
            ..Target::default()
        };
        let arguments = ["2001:db8::1", "-p", "443", "$(id); `id` {ip}\n-rf", "{other}"];
        assert_eq!(hook.arguments(&target).unwrap(), arguments);
        let error = hook.arguments(&Target { port: None, ..target.clone() }).unwrap_err();
        assert!(error.contains("tell wants {port}"), "{error}");
        let error = hook.arguments(&Target { text: Some("--output=/etc/passwd".into()), ..target }).unwrap_err();
        assert!(error.contains("begins with -"), "{error}");
    }
}
