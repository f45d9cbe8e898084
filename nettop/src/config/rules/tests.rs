//! Rules in files: what is read of them, what is printed again, and what is wrong.

use super::{super::catalogue::Catalogue, *};

fn document(text: &str) -> Result<Document, String> {
    Document::read("f".into(), text, false, &Catalogue::new())
}

fn rules(text: &str) -> Result<Vec<ConfiguredRule>, String> {
    read(&[document(text)?])
}

const GOOD: &str = "[[rules]]\nname = \"db-flood\"\nwhen = \"dst:10.0.0.5 pps>50k\"\nfor = 3\nseverity = \"critical\"\n\
                    [[rules]]\nwhen = 'country:KP'\nname = \"a\"\n";

#[test]
fn rules_are_read_with_their_places_and_printed_as_they_are_read() {
    let read = rules(GOOD).expect("rules");
    let told = |configured: &ConfiguredRule| {
        let ConfiguredRule { rule: OwnRule { name, when, seconds, severity, .. }, place } = configured;
        format!("{name} {} {seconds} {} {place}", when.text, severity.label())
    };
    let all: Vec<_> = read.iter().map(told).collect();
    assert_eq!(all, ["db-flood dst:10.0.0.5 pps>50k 3 critical f:1:1", "a country:KP 1 warn f:6:1"]);
    let again = rules(&effective(&read).join("\n")).expect("what is printed is a file");
    let rule = |configured: &ConfiguredRule| configured.rule.clone();
    assert_eq!(again.iter().map(rule).collect::<Vec<_>>(), read.iter().map(rule).collect::<Vec<_>>());
}

#[test]
fn the_sample_is_a_rule() {
    let read = rules(&sample()[1..].join("\n")).expect("a rule");
    assert_eq!((read.len(), read[0].rule.seconds, &*read[0].rule.name), (1, 3, "db-flood"));
}

#[test]
fn the_last_file_with_rules_has_the_say() {
    let files = |texts: &[&str]| {
        let documents: Vec<_> = texts.iter().map(|text| document(text).expect("a document")).collect();
        read(&documents).expect("rules").len()
    };
    let one = "[[rules]]\nname = \"b\"\nwhen = \"pps>1\"\n";
    assert_eq!(files(&[]), 0);
    assert_eq!(files(&[GOOD]), 2);
    assert_eq!(files(&[GOOD, one]), 1);
    assert_eq!(files(&[GOOD, "top = 5"]), 2);
    assert_eq!(files(&[GOOD, "rules = []"]), 0);
}

#[test]
fn what_is_wrong_is_named_with_its_place_its_rule_and_what_to_write_instead() {
    let many: String = (0..65).map(|n| format!("[[rules]]\nname = \"r{n}\"\nwhen = \"pps>1\"\n")).collect();
    for (text, expected) in [
        ("[[rules]]\n", "f:1:1: rule 1: name: is missing: write what its alerts are called, such as \"db-flood\""),
        (
            "[[rules]]\nname = \"a\"\n",
            "f:1:1: rule 1 (\"a\"): when: is missing: write which rows it finds, such as \"dst:10.0.0.5 pps>50k\"",
        ),
        ("[[rules]]\nname = 5\nwhen = \"pps>1\"", "f:2:8: rule 1: name: takes a text in quotation marks"),
        ("[[rules]]\nname = \"a\"\nwhen = [\"pps>1\"]", "f:3:8: rule 1 (\"a\"): when: takes a text in quotation marks"),
        (
            "[[rules]]\nname = \"A b\"\nwhen = \"pps>1\"",
            "f:2:9: rule 1 (\"A b\"): name: \"A b\" is no name of a rule: write 1 to 32 of a to z, 0 to 9 and -",
        ),
        (
            "[[rules]]\nname = \"syn-flood\"\nwhen = \"pps>1\"",
            "f:2:9: rule 1 (\"syn-flood\"): name: \"syn-flood\" is a rule that nettop has: write another name, such as \"my-syn-flood\"",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\n[[rules]]\nname = \"a\"\nwhen = \"pps>2\"",
            "f:5:9: rule 2 (\"a\"): name: there is another rule \"a\"; give each its own name",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1 port:x\"",
            "f:3:20: rule 1 (\"a\"): when: \"x\" is not a port or range of ports",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"\"",
            "f:3:8: rule 1 (\"a\"): when: it is empty: write which rows the rule finds, such as \"pps>10k\"",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"dst:10.0.0.5 asn:1\"",
            "f:3:9: rule 1 (\"a\"): when: a rule with dst: is about destinations, of which nobody knows asn:; leave it out: \
             known are ip: dst: text pps packets bytes peak",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\nfor = 0",
            "f:4:7: rule 1 (\"a\"): for: 0 is not within 1 and 3600: write for how many seconds in a row",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\nfor = \"3\"",
            "f:4:8: rule 1 (\"a\"): for: takes a whole number of seconds, from 1 to 3600, such as 3",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\nseverity = \"loud\"",
            "f:4:13: rule 1 (\"a\"): severity: takes \"info\", \"warn\" or \"critical\"",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\nseverity = 3",
            "f:4:12: rule 1 (\"a\"): severity: takes \"info\", \"warn\" or \"critical\"",
        ),
        (
            "[[rules]]\nname = \"a\"\nwhen = \"pps>1\"\nwehn = 3",
            "f:4:1: there is no key \"rules.wehn\"; did you mean rules.when?",
        ),
        ("[rules]\nname = \"a\"", "f:1:1: invalid type: map, expected a list in `rules`"),
        ("[[rule]]\nname = \"a\"", "f:2:1: there is no key \"rule.name\"; did you mean rules.name?"),
        (&many, "f:194:9: rule 65 (\"r64\"): name: there are more than 64 rules; join some by \"or\""),
    ] {
        assert_eq!(rules(text).expect_err(text), expected, "{text}");
    }
}
