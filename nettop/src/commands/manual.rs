//! The manual pages and the completions of shells, made from the command line as it is defined.

use std::io;

use clap::{Args as _, Command, CommandFactory as _};
use clap_complete::generate;
use clap_mangen::Man;

use crate::cli::{Cli, Configured, CtlCli, Program, Shell};

/// What the definition of the command line does not say about `nettop`.
const NETTOP: &str = r#".SH "EXIT STATUS"
0 on success, 1 when something failed, 2 when the command line is wrong.
\fBnettop doctor\fR ends with 0 only when the live monitor would start with its default options.
.SH FILES
.TP
\fI/etc/nettop/config.toml\fR, \fI$XDG_CONFIG_HOME/nettop/config.toml\fR (else \fI~/.config/nettop/config.toml\fR)
Every option of \fBrun\fR and \fBdemo\fR by its long name, the keys, the columns and filters of the views, as TOML:
\fBnettop config \-\-sample\fR prints all of it, \fBnettop config\fR what is in force. nettopctl takes control\-socket and
control\-token from there. The second file has more say than the first. Neither is read if others than its owner could have
written it. Under sudo, the second is that of the user who called it, read with that user's rights, and only what concerns the
screen is taken from it.
.TP
\fI$XDG_RUNTIME_DIR/nettop.sock\fR, \fI/tmp/nettop.sock\fR
Where a monitor listens for nettopctl, unless told otherwise.
.TP
\fI/var/lib/nettop/location.csv\fR
What \fBnettop update\-db\fR makes.
.TP
\fI/var/lib/nettop/state\fR
What the system service keeps for its next start.
.TP
\fI/run/nettop/nettop.sock\fR
Where the system service listens. nettopctl looks there when $XDG_RUNTIME_DIR has no socket.
.SH ENVIRONMENT
.TP
\fBNETTOP_\fR...
Every option, for example \fBNETTOP_MAP_MEMORY=64\fR; it has more say than files, and less than the command line, where a
switch is turned off again by \fB\-\-quiet=false\fR. \fBNETTOP_CONFIG\fR names the only file to read; with
\fBNETTOP_NO_CONFIG=1\fR none is.
.TP
\fBSTATE_DIRECTORY\fR
Where the live monitor keeps what its next start is to find, unless \fB\-\-state\fR names a folder; systemd sets it. Of several
folders, separated by colons, the first one counts.
.TP
\fBNO_COLOR\fR
No colours, unless a theme is chosen.
.SH "SEE ALSO"
.BR nettopctl (1)
"#;

/// And about `nettopctl`.
const NETTOPCTL: &str = r#".SH "EXIT STATUS"
0 when the answer says that it worked, else 1; 2 when the command line is wrong.
.SH "SEE ALSO"
.BR nettop (1)
"#;

fn command(program: Program) -> (Command, &'static str) {
    match program {
        Program::Nettop => (Cli::command(), NETTOP),
        Program::Nettopctl => (CtlCli::command(), NETTOPCTL),
    }
}

/// The completions of a program for a shell.
pub fn completions(shell: Shell, program: Program) -> Vec<u8> {
    let (mut command, _) = command(program);
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    generate(shell, &mut command, name, &mut script);
    script
}

/// The manual page of a program: one page, with a part for each of its commands.
///
/// # Errors
/// None that memory does not make.
pub fn man(program: Program) -> io::Result<Vec<u8>> {
    let (mut command, more) = command(program);
    // Gives every command its whole name, "nettop run".
    command.build();
    let commands: Vec<_> = command.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    let page = Man::new(command.disable_help_subcommand(true));
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    roff.extend(b".SH COMMANDS\n");
    commands.into_iter().try_for_each(|command| part(command, &mut roff))?;
    roff.extend(more.as_bytes());
    Ok(ascii(&String::from_utf8_lossy(&roff)).into_bytes())
}

/// Any troff reads ASCII; it has names for the rest (groff_char(7)).
fn ascii(text: &str) -> String {
    text.chars().fold(String::new(), |mut ascii, c| {
        match c.is_ascii() {
            true => ascii.push(c),
            false => ascii.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
        ascii
    })
}

/// The part about a command, with what it has of its own: the options of `run` stand above, and nettopctl has a page.
fn part(command: Command, roff: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_string();
    let own = !["run", "ctl"].contains(&command.get_name());
    // It takes all of them, none for itself.
    let others =
        if command.get_name() == "config" { Configured::augment_args(Command::new("")) } else { Command::new("") };
    let command = command.mut_args(|arg| {
        let is_others = others.get_arguments().any(|other| other.get_id() == arg.get_id());
        let common = !own || is_others || arg.is_global_set() || arg.get_id() == "help";
        arg.hide(common)
    });
    roff.extend(format!(".SS \"{name}\"\n").as_bytes());
    let page = Man::new(command);
    let mut sections = Vec::new();
    page.render_synopsis_section(&mut sections)?;
    sections.extend(b".PP\n");
    page.render_description_section(&mut sections)?;
    if own {
        page.render_options_section(&mut sections)?;
    }
    // Without their headings: they stand below that of the command.
    let text = String::from_utf8_lossy(&sections);
    text.lines().filter(|line| !line.starts_with(".SH ")).for_each(|line| roff.extend(format!("{line}\n").as_bytes()));
    Ok(())
}
