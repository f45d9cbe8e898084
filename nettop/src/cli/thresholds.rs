//! An option for each rule that has a threshold, called like it, and whether what is usual changes thresholds.

use clap::{
    Arg, ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser, parser::ValueSource, value_parser,
};
use nettop_engine::detect::{RULES, Rule, Thresholds};

/// The option that says whether what is usual counts.
const LEARN: &str = "learn";
const ON: &str = "on";
const OFF: &str = "off";

/// The rules with a threshold: what they count, and the usual one.
fn adjustable() -> impl Iterator<Item = (&'static Rule, &'static str, u64)> {
    RULES.iter().filter_map(|rule| rule.threshold.map(|(counted, usual)| (rule, counted, usual)))
}

/// The thresholds of all rules, as options.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThresholdArgs(pub Thresholds);

impl Args for ThresholdArgs {
    fn augment_args(command: Command) -> Command {
        let learn = Arg::new(LEARN)
            .long(LEARN)
            .value_name("WHETHER")
            .value_parser(PossibleValuesParser::new([ON, OFF]))
            .default_value(ON)
            .help("Learn what traffic is usual, and raise the thresholds of floods to three times that where none is given; or have fixed ones only");
        adjustable().fold(command.arg(learn), |command, (rule, counted, usual)| {
            let learned = if rule.learns() { ", or three times what is usual; given, it is fixed" } else { "" };
            let option = Arg::new(rule.kind)
                .long(rule.kind)
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value(usual.to_string())
                .help(format!("Alert {} from so many {counted} on{learned}; 0 for never", rule.kind));
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

    /// What files and variables say stands among the arguments, too: only clap's own defaults are not given by anybody. A threshold
    /// that is given is fixed, whatever is usual.
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let is_given = |id: &str| matches.value_source(id).is_some_and(|source| source != ValueSource::DefaultValue);
        for (rule, ..) in adjustable().filter(|(rule, ..)| is_given(rule.kind)) {
            if let Some(threshold) = matches.get_one::<u64>(rule.kind) {
                self.0 = self.0.with(rule.kind, *threshold);
            }
        }
        if let Some(learn) = matches.get_one::<String>(LEARN).filter(|_| is_given(LEARN)) {
            self.0 = self.0.learning(learn == ON);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn thresholds(arguments: &[&str]) -> Thresholds {
        Cli::parse_from(["nettop"].iter().chain(arguments)).run.common.thresholds.0
    }

    #[test]
    fn a_threshold_is_fixed_only_where_somebody_gives_it() {
        assert_eq!(thresholds(&[]), Thresholds::default());
        assert!(adjustable().filter(|(rule, ..)| rule.learns()).count() > 5);
        for (rule, _, usual) in adjustable() {
            // Also where it is what it is by default.
            for given in [usual, 0, usual * 2] {
                let option = format!("--{}={given}", rule.kind);
                let expected = Thresholds::default().with(rule.kind, given);
                assert_eq!(thresholds(&[&option]), expected, "{option}");
                assert_eq!(expected.given().collect::<Vec<_>>(), [(rule.kind, given)]);
            }
        }
    }

    #[test]
    fn learning_can_be_turned_off_for_all_of_them() {
        for (arguments, learns) in [
            (&[][..], true),
            (&["--learn", "on"], true),
            (&["--learn=off"], false),
            (&["--learn=off", "--udp-flood=5"], false),
        ] {
            let thresholds = thresholds(arguments);
            assert_eq!(thresholds.is_learning(), learns, "{arguments:?}");
            let udp = RULES.iter().position(|rule| rule.kind == "udp-flood").expect("a rule");
            assert_eq!(thresholds.learns(udp), learns, "{arguments:?}");
        }
        let udp = RULES.iter().position(|rule| rule.kind == "udp-flood").expect("a rule");
        assert!(!thresholds(&["--learn=on", "--udp-flood=5"]).learns(udp), "a threshold that is given is fixed");
        let wrong = Cli::try_parse_from(["nettop", "--learn", "perhaps"]).expect_err("it is neither on nor off");
        assert!(wrong.to_string().contains("on, off"), "{wrong}");
    }
}
