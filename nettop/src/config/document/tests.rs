//! Lists of tables, of a table that only these tests have.

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Things {
    things: Vec<Thing>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: Spanned<String>,
    #[serde(default)]
    on: bool,
}

fn read(text: &str, limited: bool) -> Result<Document<Things>, String> {
    let keys = ["things.name", "things.on"].map(String::from);
    Document::read("f".into(), text, limited, &Catalogue::with(keys.into_iter()))
}

#[test]
fn lists_of_tables_are_read_with_the_place_of_each_value() {
    let document = read("top = 5\n[[things]]\nname = \"a\"\n[[things]]\non = true\n  name = \"b\"\n", false);
    let document = document.expect("a document");
    let place = |thing: &Thing| document.place(&thing.name.span());
    let things = document.tables.things.iter().map(|one| format!("{} {} {}", one.name.as_ref(), one.on, place(one)));
    assert_eq!(things.collect::<Vec<_>>(), ["a false f:3:8", "b true f:6:10"]);
}

#[test]
fn what_is_wrong_in_a_list_of_tables_is_named_with_its_place() {
    for (text, expected) in [
        (
            "[[things]]\nname = \"a\"\n[[things]]\nnmae = \"b\"",
            "f:4:1: there is no key \"things.nmae\"; did you mean things.name?",
        ),
        (
            "[[things]]\nname = \"a\"\n[[things]]\nname = 3",
            "f:4:8: invalid type: integer `3`, expected a string in `things.name`",
        ),
        ("[[things]]\nname = \"a\"\non = 1", "f:3:6: invalid type: integer `1`, expected true or false in `things.on`"),
        ("\n[[things]]\non = true", "f:2:1: missing field `name` in `things`"),
        (
            "things = [{name = \"a\"}, {name = \"b\", no = true}]",
            "f:1:38: there is no key \"things.no\"; did you mean things.on?",
        ),
        ("[things]\nname = \"a\"", "f:1:1: invalid type: map, expected a list in `things`"),
        ("[[thing]]", "f:1:3: there is no key \"thing\"; did you mean things.on?"),
        ("things = 1", "f:1:10: invalid type: integer `1`, expected a list in `things`"),
    ] {
        assert_eq!(read(text, false).map(|document| document.tables.things.len()), Err(expected.into()), "{text}");
    }
}

#[test]
fn a_limited_file_has_only_tables_of_the_screen() {
    let document = read("theme = \"dark\"\ntop = 5\n[[things]]\nname = \"a\"\n", true).expect("a document");
    let left_out: Vec<_> = document.left_out.iter().map(|(key, place)| format!("{key} {place}")).collect();
    assert_eq!((left_out, document.options.len()), (vec!["things f:3:1".into(), "top f:2:7".to_string()], 1));
    assert!(document.tables.things.is_empty() && document.places.is_empty(), "{document:?}");
}

#[test]
fn the_place_of_a_character_is_that_in_the_file_unless_there_are_escapes() {
    for (written, expected) in
        [("\"aéc\"", "f:2:11"), ("'aéc'", "f:2:11"), ("\"\"\"\naéc\"\"\"", "f:3:3"), ("\"a\\u00e9c\"", "f:2:8")]
    {
        let document = read(&format!("[[things]]\nname = {written}"), false).expect("a document");
        assert_eq!(document.place_in(&document.tables.things[0].name, 2), expected, "{written}");
    }
}
