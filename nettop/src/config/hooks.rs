//! Commands that the operator has prepared, as the files have them: `[[hooks]]`.

use nettop_actor::hook::{DEFAULT_EVERY, DEFAULT_TIMEOUT, Hook, MOST_HOOKS, TIMEOUTS, Wrong};
use nettop_engine::detect::{OwnRule, RULES};
use nettop_tui::{action::layer, bindings::Bindings, key::plain};
use toml::{Spanned, Value};

use super::{document::Document, quote::quoted, tables};

/// How long a hook may rest, seconds.
const EVERY: std::ops::RangeInclusive<u64> = 1..=86_400;

/// A hook, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredHook {
    /// It.
    pub hook: Hook,
    place: String,
}

/// What hooks must not contradict.
pub struct Around<'a> {
    /// The keys that are taken.
    pub keys: &'a Bindings,
    /// Rules beside the usual ones.
    pub rules: &'a [OwnRule],
    /// The user who runs them.
    pub owner: u32,
}

/// The hooks of the last of `files` that has any: like every key, they override those of the files before.
///
/// # Errors
/// What is wrong with one, with the place.
pub fn read(files: &[Document], around: &Around<'_>) -> Result<Vec<ConfiguredHook>, String> {
    let Some((file, written)) = files.iter().rev().find_map(|file| Some((file, file.tables.hooks.as_ref()?))) else {
        return Ok(Vec::new());
    };
    let mut hooks: Vec<ConfiguredHook> = Vec::new();
    for (table, number) in written.iter().zip(1..) {
        let fail = |Wrong { key, what }: Wrong| explain(file, table, number, key, &what);
        let hook = read_one(table.get_ref()).map_err(fail)?;
        hook.check(around.owner).map_err(fail)?;
        judge(&hook, &hooks, around).map_err(fail)?;
        hooks.push(ConfiguredHook { hook, place: file.place(&table.span()) });
    }
    Ok(hooks)
}

fn judge(hook: &Hook, earlier: &[ConfiguredHook], around: &Around<'_>) -> Result<(), Wrong> {
    let wrong = |key, what| Err(Wrong { key, what });
    if earlier.len() >= MOST_HOOKS {
        return wrong("key", format!("there can be {MOST_HOOKS} hooks"));
    }
    if earlier.iter().any(|other| other.hook.key == hook.key) {
        return wrong("key", format!("another hook has {} already", hook.key));
    }
    if let Some((action, _)) = around.keys.find(plain(hook.key), layer::SCREEN | layer::HOOKS) {
        return wrong(
            "key",
            format!("{} is taken already, by {}; take another, or give that one another", hook.key, action.id),
        );
    }
    if let Some(on) = &hook.on {
        let names = RULES.iter().map(|rule| rule.kind).chain(around.rules.iter().map(|rule| rule.name.as_str()));
        let names: Vec<_> = names.collect();
        if !names.contains(&on.as_str()) {
            return wrong("on", format!("there is no rule {on:?}; there are {}", names.join(", ")));
        }
    }
    Ok(())
}

fn read_one(table: &tables::Hook) -> Result<Hook, Wrong> {
    let wrong = |key, what: &str| Wrong { key, what: what.into() };
    let value = |value: &Option<Spanned<Value>>| value.as_ref().map(Spanned::get_ref).cloned();
    let text = |key, found: Option<Value>, missing: &str| match found {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(key, "takes a text in quotation marks")),
        None => Err(wrong(key, missing)),
    };
    let seconds = |key, found: Option<Value>, usual, range: std::ops::RangeInclusive<u64>| match found {
        None => Ok(usual),
        Some(Value::Integer(number)) if u64::try_from(number).is_ok_and(|number| range.contains(&number)) => {
            Ok(number as u64)
        }
        Some(_) => Err(Wrong {
            key,
            what: format!("takes a whole number of seconds, from {} to {}", range.start(), range.end()),
        }),
    };
    let key = text("key", value(&table.key), "is missing: write the key that runs it, such as \"w\"")?;
    let mut letters = key.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return Err(wrong("key", "takes one character"));
    };
    if !letter.is_ascii_graphic() {
        return Err(wrong("key", "takes a letter, a digit or a sign of ASCII"));
    }
    let argv = match value(&table.argv) {
        Some(Value::Array(words)) => {
            let words = words.into_iter().map(|word| text("argv", Some(word), ""));
            words.collect::<Result<_, _>>().map_err(|_| wrong("argv", "takes a list of texts in quotation marks"))?
        }
        Some(_) => return Err(wrong("argv", "takes a list of texts, such as [\"/usr/bin/whois\", \"{ip}\"]")),
        None => return Err(wrong("argv", "is missing: write [\"/usr/bin/whois\", \"{ip}\"]")),
    };
    let on = value(&table.on).map(|on| text("on", Some(on), "")).transpose()?;
    Ok(Hook {
        key: letter,
        label: text("label", value(&table.label), "is missing: write what it does, such as \"whois\"")?,
        argv,
        timeout: seconds("timeout", value(&table.timeout), DEFAULT_TIMEOUT, TIMEOUTS)?,
        on,
        every: seconds("every", value(&table.every), DEFAULT_EVERY, EVERY)?,
    })
}

/// What is wrong with a hook, with its place, its number in the file, and its label, if it has one.
fn explain(file: &Document, table: &Spanned<tables::Hook>, number: usize, key: &str, what: &str) -> String {
    let tables::Hook { key: letter, label, argv, timeout, on, every } = table.get_ref();
    let value = match key {
        "key" => letter,
        "label" => label,
        "argv" => argv,
        "timeout" => timeout,
        "on" => on,
        _ => every,
    };
    let place = file.place(&value.as_ref().map_or(table.span(), Spanned::span));
    let called = label.as_ref().and_then(|label| label.get_ref().as_str());
    let called = called.map_or(String::new(), |label| format!(" ({label:?})"));
    format!("{place}: hook {number}{called}: {key}: {what}")
}

/// The hooks in force, as lines of a file.
pub fn effective(hooks: &[ConfiguredHook]) -> Vec<String> {
    let lines = hooks.iter().flat_map(|ConfiguredHook { hook, place }| {
        let Hook { key, label, argv, timeout, on, every } = hook;
        let words: Vec<_> = argv.iter().map(|word| quoted(word)).collect();
        [
            String::new(),
            format!("[[hooks]]  # {place}"),
            format!("key = {}", quoted(&key.to_string())),
            format!("label = {}", quoted(label)),
            format!("argv = [{}]", words.join(", ")),
            format!("timeout = {timeout}"),
            on.as_ref().map_or("# on: not set".into(), |on| format!("on = {}", quoted(on))),
            format!("every = {every}"),
        ]
    });
    lines.collect()
}

/// An example with what each key means, as comments of the sample.
pub fn sample() -> Vec<String> {
    let example = ["\"w\"", "\"whois\"", "[\"/usr/bin/whois\", \"{ip}\"]", "10", "\"syn-flood\"", "60"];
    let keys = tables::OF_HOOKS.iter().zip(example).map(|((key, about, usual), example)| {
        let usual = if usual.is_empty() { String::new() } else { format!(" [default: {usual}]") };
        format!("{key} = {example}  # {about}{usual}")
    });
    let about = "Commands to run on the selected row, or at an alert, any number up to 32; docs/blocking.md has more. One of them:";
    [about.to_string(), "[[hooks]]".into()].into_iter().chain(keys).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::catalogue::Catalogue, *};

    fn hooks(text: &str) -> Result<Vec<ConfiguredHook>, String> {
        let file = Document::read(PathBuf::from("c.toml"), text, false, &Catalogue::new())?;
        read(&[file], &Around { keys: &Bindings::default(), rules: &[], owner: 0 })
    }

    #[test]
    fn a_hook_is_read_whole() {
        let found =
            hooks("[[hooks]]\nkey = \"w\"\nlabel = \"tell\"\nargv = [\"/bin/sh\", \"{ip}\"]\non = \"syn-flood\"\n")
                .unwrap();
        let hook = Hook {
            key: 'w',
            label: "tell".into(),
            argv: vec!["/bin/sh".into(), "{ip}".into()],
            timeout: 10,
            on: Some("syn-flood".into()),
            every: 60,
        };
        assert_eq!(found.iter().map(|found| &found.hook).collect::<Vec<_>>(), [&hook]);
        let again = effective(&found).join("\n").replace("# c.toml", "# ");
        assert_eq!(hooks(&again).unwrap()[0].hook, hook);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let fine = "label = \"tell\"\nargv = [\"/bin/sh\"]\n";
        for (text, part) in [
            (format!("[[hooks]]\n{fine}"), "c.toml:1:1: hook 1 (\"tell\"): key: is missing"),
            (format!("[[hooks]]\nkey = \"wx\"\n{fine}"), "c.toml:2:7: hook 1 (\"tell\"): key: takes one character"),
            (format!("[[hooks]]\nkey = \"q\"\n{fine}"), "key: q is taken already, by"),
            (format!("[[hooks]]\nkey = \"X\"\n{fine}"), "key: X is taken already, by mute"),
            (
                format!("[[hooks]]\nkey = \"w\"\n{fine}\n[[hooks]]\nkey = \"w\"\n{fine}"),
                "hook 2 (\"tell\"): key: another hook has w",
            ),
            ("[[hooks]]\nkey = \"w\"\nargv = [\"/bin/sh\"]\n".into(), "label: is missing"),
            ("[[hooks]]\nkey = \"w\"\nlabel = \"tell\"\n".into(), "argv: is missing"),
            ("[[hooks]]\nkey = \"w\"\nlabel = \"tell\"\nargv = \"id\"\n".into(), "argv: takes a list"),
            (
                "[[hooks]]\nkey = \"w\"\nlabel = \"tell\"\nargv = [\"/bin/sh\", \"-c\", \"echo {ip}\"]\n".into(),
                "an argument of its own",
            ),
            (format!("[[hooks]]\nkey = \"w\"\ntimeout = 0\n{fine}"), "timeout: takes a whole number of seconds"),
            (
                format!("[[hooks]]\nkey = \"w\"\non = \"no-rule\"\n{fine}"),
                "on: there is no rule \"no-rule\"; there are",
            ),
            (format!("[[hooks]]\nkey = \"w\"\nshell = \"id\"\n{fine}"), "shell"),
        ] {
            let error = hooks(&text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
