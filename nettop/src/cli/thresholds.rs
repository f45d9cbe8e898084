//! An option for each rule that has a threshold, called like it.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use nettop_engine::detect::{RULES, Rule, Thresholds};

/// The rules with a threshold: what they count, and the usual one.
fn adjustable() -> impl Iterator<Item = (&'static Rule, &'static str, u64)> {
    RULES.iter().filter_map(|rule| rule.threshold.map(|(counted, usual)| (rule, counted, usual)))
}

/// The thresholds of all rules, as options.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThresholdArgs(pub Thresholds);

impl Args for ThresholdArgs {
    fn augment_args(command: Command) -> Command {
        adjustable().fold(command, |command, (rule, counted, usual)| {
            let option = Arg::new(rule.kind)
                .long(rule.kind)
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value(usual.to_string())
                .help(format!("Alert {} from so many {counted} on; 0 for never", rule.kind));
            command.arg(option)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ThresholdArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut thresholds = Self::default();
        thresholds.update_from_arg_matches(matches)?;
        Ok(thresholds)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for (rule, ..) in adjustable() {
            if let Some(threshold) = matches.get_one::<u64>(rule.kind) {
                self.0 = self.0.with(rule.kind, *threshold);
            }
        }
        Ok(())
    }
}
