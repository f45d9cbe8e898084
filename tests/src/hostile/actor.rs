//! What the processes beside a monitor are asked, and what they answer.

use std::{path::Path, sync::LazyLock};

use nettop_actor::{
    files,
    hook::Hook,
    job::{Asked, Done, Job, Setup},
};
use nettop_logs::tail::{Folders, glob::Glob};
use serde_json::Value;

/// What may be opened: of this package, these files and no others.
const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const PATTERNS: [&str; 2] = ["src/hostile/*.rs", "src/*/web.rs"];
static FOLDERS: LazyLock<Folders> =
    LazyLock::new(|| Folders::open(PATTERNS.map(|pattern| Glob::new(&Path::new(FOLDER).join(pattern))).into()));

/// Takes each line of `data` for a request, for an answer and for what an actor is told first. `@` at the beginning of a name stands for the folder.
pub fn hand_request(data: &[u8]) {
    let hook = Hook {
        key: 'x',
        label: "x".into(),
        argv: ["/bin/true", "{ip}", "-n", "{text}", "{rule}", "{port}"].map(String::from).into(),
        timeout: 1,
        on: None,
        every: 1,
    };
    let text = String::from_utf8_lossy(data);
    for line in text.lines().take(64) {
        if let Ok(asked) = serde_json::from_str::<Asked>(line) {
            let again = serde_json::to_vec(&asked).expect("JSON");
            assert_eq!(serde_json::from_slice::<Asked>(&again).expect("the same"), asked);
            if let Job::Hook { target, .. } = &asked.job
                && let Ok(arguments) = hook.arguments(target)
            {
                assert_eq!(arguments.len(), hook.argv.len() - 1, "each value is one argument");
                let is_option = |(at, argument): (usize, &String)| at != 1 && argument.starts_with('-');
                assert!(!arguments.iter().enumerate().any(is_option), "{arguments:?}");
            }
        }
        if let Ok(done) = serde_json::from_str::<Done>(line) {
            assert_eq!(done.error().is_none(), done.is_ok());
        }
        let _ = serde_json::from_str::<Setup>(line);
        opened(line);
    }
}

/// Nothing is opened but what the patterns name.
fn opened(line: &str) {
    let line = line.replace("\"@/", &format!("\"{FOLDER}/"));
    if files::try_out(&FOLDERS, line.as_bytes()) {
        let asked: Value = serde_json::from_str(&line).expect("it was read before");
        let name = asked["name"].as_str().and_then(|name| name.strip_prefix(FOLDER)).expect("a name in the folder");
        let parts: Vec<_> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let is_allowed = matches!(parts[..], ["src", "hostile", file] if file.ends_with(".rs"));
        assert!(is_allowed && !name.contains(".."), "{line}");
    }
}
