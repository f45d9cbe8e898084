//! The manual pages and completions that `nettop` prints are what troff and the shells take.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use nettop_tests::{
    program::{self, Ended, run, run_with},
    skip,
};

const PROGRAMS: [&str; 2] = ["nettop", "nettopctl"];

fn printed(arguments: &[&str]) -> String {
    let ended = run_with("nettop", arguments);
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    ended.stdout
}

/// What a program that reads standard input says to `input`; `None` where it is not installed.
fn filter(command: &mut Command, input: &str) -> Option<Ended> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    // Whoever does not read to the end has failed, which its status tells.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("waiting for a child");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some(Ended { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

#[test]
fn manual_pages_name_every_command_and_option() {
    for program in PROGRAMS {
        let page = printed(&["man", "--program", program]).replace("\\-", "-");
        assert!(page.is_ascii());
        let mut commands = vec![vec![]];
        while let Some(command) = commands.pop() {
            let help = run(Command::new(program::path(program)).args(&command).arg("--help")).stdout;
            let words =
                help.lines().map(|line| line.split_whitespace().find(|word| word.starts_with("--")).unwrap_or(""));
            for option in words.filter(|word| !word.is_empty()) {
                assert!(page.contains(option), "{program} {command:?} has {option}");
            }
            let listed = help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
            for name in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
                let name = name.split_whitespace().next().expect("a name").to_string();
                let whole = [&[program.to_string()], &command[..], std::slice::from_ref(&name)].concat().join(" ");
                if name != "help" && !whole.starts_with("nettop ctl ") {
                    assert!(page.contains(&format!(".SS \"{whole}\"")), "{whole}");
                    commands.push([&command[..], &[name]].concat());
                }
            }
        }
    }
}

#[test]
fn troff_reads_manual_pages_without_a_warning() {
    for program in PROGRAMS {
        let page = printed(&["man", "--program", program]);
        match filter(Command::new("groff").args(["-man", "-ww", "-Tutf8"]), &page) {
            None => return skip::report("there is no `groff`; on Debian: apt-get install groff-base"),
            Some(ended) => {
                assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
                assert!(ended.stdout.lines().count() > 50, "{ended:?}");
            }
        }
    }
}

#[test]
fn shells_read_the_completions() {
    for program in PROGRAMS {
        let script = |shell: &str| printed(&["completions", shell, "--program", program]);
        let bash = format!("{}\ncomplete -p {program}\n", script("bash"));
        for (shell, script, expected) in [
            ("bash", bash, program),
            ("zsh", format!("compdef() {{ echo $2 }}\n{}", script("zsh")), program),
            ("fish", format!("{}\ncomplete --do-complete '{program} '\n", script("fish")), "p"),
        ] {
            match filter(&mut Command::new(shell), &script) {
                None => skip::report(&format!("there is no `{shell}`")),
                Some(ended) => assert!(
                    ended.status.success() && ended.stderr.is_empty() && ended.stdout.contains(expected),
                    "{shell}: {ended:?}"
                ),
            }
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let script = printed(&["completions", "bash"]);
    for (words, expected) in [
        ("nettop up", "update-db"),
        ("nettop doctor --j", "--json"),
        ("nettop update-db --kind ci", "city"),
        ("nettop completions f", "fish"),
    ] {
        let all: Vec<_> = words.split(' ').collect();
        let [.., before, current] = all[..] else { panic!("two words") };
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={}; _nettop nettop '{current}' '{before}'; echo \"${{COMPREPLY[@]}}\"\n",
            all.len() - 1
        );
        let Some(ended) = filter(&mut Command::new("bash"), &ask) else {
            return skip::report("there is no `bash`");
        };
        assert_eq!(ended.stdout.trim(), expected, "{words}: {ended:?}");
    }
}
