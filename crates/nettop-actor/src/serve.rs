//! The actor's own process: reads jobs from its standard input, does one at a time, and answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nettop_logs::tail::{Folders, glob};
use nettop_model::{net::Net, snapshot::With};
use nettop_sandbox::{Capability, Invoker, enter_actor, enter_opener};

use crate::{
    files,
    firewall::{self, Command, FIREWALLS, Firewall, Step},
    job::{Asked, Done, Element, End, Job, MOST_ANSWER, MOST_JOB, MOST_OUTPUT, MOST_SETUP, Role, Setup},
    journal,
    runner::{self, Ran},
};

/// How long a firewall tool may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// And at the end, when what does not end by itself is undone.
const LAST_PATIENCE: Duration = Duration::from_secs(3);
/// How much of what an actor has made that does not end by itself is kept in mind; no more is made.
const MOST_LASTING: usize = 1024;

/// Serves who is at the other end of standard input until it is gone.
///
/// # Errors
/// Standard input is no socket, or what comes first is no [`Setup`]; privileges cannot be given up.
pub fn serve() -> Result<()> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().context("taking standard input")?;
    ensure!(
        rustix::net::sockopt::socket_type(&input).is_ok(),
        "this command is started by nettop run; there is nothing to do with it by hand"
    );
    let asker = UnixStream::from(input);
    let mut lines = BufReader::new(asker.try_clone()?);
    let setup = read_line(&mut lines, MOST_SETUP)?.context("nobody has said what this actor is for")?;
    let Setup { as_invoker, role } = serde_json::from_slice(&setup).context("reading what this actor is for")?;
    let invoker = if as_invoker { Invoker::of_sudo()? } else { None };
    let needs_root = role.firewalls().any(|firewall| firewall.needs_root);
    // Only root itself can use some of them, with its files.
    let invoker = invoker.filter(|_| !needs_root);
    let keep: &[Capability] = match &role {
        Role::Hooks(_) => &[],
        Role::Firewall(_) if needs_root => &[Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW],
        Role::Firewall(_) => &[Capability::CAP_NET_ADMIN],
        Role::Journal | Role::Logs(_) => &[Capability::CAP_DAC_READ_SEARCH],
    };
    let role = match role {
        Role::Logs(globs) => {
            // While nothing hinders.
            let fence: Vec<_> = globs.iter().map(glob::folder).collect();
            let folders = Folders::open(globs);
            enter_opener(invoker.as_ref(), keep, &fence)?;
            return files::serve(&asker, lines, &folders);
        }
        role => role,
    };
    enter_actor(invoker.as_ref(), keep)?;
    if role == Role::Journal {
        journal::relay(asker);
        return Ok(());
    }
    let mut actor = Actor { role, asker: asker.into(), lasting: Vec::new() };
    let mut answers = UnixStream::from(actor.asker.try_clone()?);
    while let Some(line) = read_line(&mut lines, MOST_JOB)? {
        let done = match serde_json::from_slice::<Asked>(&line) {
            Ok(Asked { id, job }) => actor.act(id, &job),
            Err(error) => Done::not_run(0, format!("that is no job: {error}")),
        };
        let mut answer = serde_json::to_vec(&done)?;
        ensure!(answer.len() < MOST_ANSWER, "an answer of {} bytes", answer.len());
        answer.push(b'\n');
        if answers.write_all(&answer).is_err() {
            break;
        }
    }
    actor.undo();
    Ok(())
}

/// A line without its end; `None`: there is none any more.
///
/// # Errors
/// It is longer than `most` bytes, or does not end.
pub fn read_line(lines: &mut BufReader<impl std::io::Read>, most: usize) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = lines.by_ref().take(most as u64).read_until(b'\n', &mut line);
    match read {
        // The other end is gone, and has left something unread.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
        read => read.context("reading a line")?,
    };
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => bail!("a line of more than {most} bytes, or half a line"),
    }
}

impl Role {
    /// The tools that it may run.
    fn firewalls(&self) -> impl Iterator<Item = &'static Firewall> {
        let with: &[With] = match self {
            Self::Firewall(with) => with,
            Self::Hooks(_) | Self::Journal | Self::Logs(_) => &[],
        };
        FIREWALLS.iter().filter(|firewall| with.contains(&firewall.with))
    }

    fn firewall(&self, with: With) -> Result<&'static Firewall, String> {
        let found = self.firewalls().find(|firewall| firewall.with == with);
        found.ok_or_else(|| format!("this actor does not run {}", with.label()))
    }
}

struct Actor {
    role: Role,
    asker: OwnedFd,
    /// What it has made that does not end by itself.
    lasting: Vec<(With, Net)>,
}

impl Actor {
    fn act(&mut self, id: u64, job: &Job) -> Done {
        let began = Instant::now();
        let (ran, elements) = self.run(job).unwrap_or_else(|why| (Ran::new(End::NotRun(why)), Vec::new()));
        Done {
            id,
            end: ran.end,
            output: String::from_utf8_lossy(&ran.output).into_owned(),
            cut: ran.cut,
            took_ms: began.elapsed().as_millis() as u64,
            elements,
        }
    }

    fn run(&mut self, job: &Job) -> Result<(Ran, Vec<Element>), String> {
        let ran = match job {
            Job::Block { with, net, seconds } => {
                let firewall = self.role.firewall(*with)?;
                let is_new = !firewall.ends_by_itself && !self.lasting.contains(&(*with, *net));
                if is_new && self.lasting.len() >= MOST_LASTING {
                    return Err(format!("there are {MOST_LASTING} rules already that do not end by themselves"));
                }
                if is_new {
                    // Before it is made: it may be killed in between.
                    self.lasting.push((*with, *net));
                }
                let ran = self.steps(&(firewall.block)(net, *seconds), PATIENCE);
                if is_new && ran.end != End::Exited(0) {
                    self.lasting.pop();
                }
                ran
            }
            Job::Unblock { with, net } => {
                let firewall = self.role.firewall(*with)?;
                let ran = self.steps(&(firewall.unblock)(net), PATIENCE);
                if ran.end == End::Exited(0) {
                    self.lasting.retain(|made| *made != (*with, *net));
                }
                ran
            }
            Job::List { with } => {
                let list = self.role.firewall(*with)?.list.as_ref();
                let list = list.ok_or_else(|| format!("{} tells nothing of its own", with.label()))?;
                let mut ran = self.command(&(list.command)(), PATIENCE, MOST_ANSWER);
                if ran.end != End::Exited(0) {
                    return Ok((ran, Vec::new()));
                }
                let elements = (list.read)(&String::from_utf8_lossy(&ran.output))?;
                ran.output.clear();
                return Ok((ran, elements));
            }
            Job::Hook { key, target } => {
                let Role::Hooks(hooks) = &self.role else { return Err("this actor runs no hooks".into()) };
                let hook = hooks.iter().find(|hook| hook.key == *key);
                let hook = hook.ok_or_else(|| format!("there is no hook {key}"))?;
                let arguments = hook.arguments(target)?;
                let program = PathBuf::from(hook.argv.first().ok_or("it has no program")?);
                // Again: it may be another one by now.
                runner::judge(&program, rustix::process::geteuid().as_raw())?;
                let most = Duration::from_secs(hook.timeout);
                runner::run(&program, &arguments, most, MOST_OUTPUT, self.asker.as_fd())
            }
        };
        Ok((ran, Vec::new()))
    }

    fn steps(&self, steps: &[Step], patience: Duration) -> Ran {
        let mut all = Ran::new(End::Exited(0));
        for step in steps {
            let ran = match step {
                Step::Run(command) => self.command(command, patience, MOST_OUTPUT),
                Step::Unless(check, command) => match self.command(check, patience, MOST_OUTPUT) {
                    fine @ Ran { end: End::Exited(0), .. } => fine,
                    _ => self.command(command, patience, MOST_OUTPUT),
                },
            };
            let kept = ran.output.len().min(MOST_OUTPUT - all.output.len());
            all.cut += ran.cut + (ran.output.len() - kept) as u64;
            all.output.extend_from_slice(&ran.output[..kept]);
            (all.end, all.is_orphan) = (ran.end, ran.is_orphan);
            if all.end != End::Exited(0) {
                break;
            }
        }
        all
    }

    fn command(&self, Command { program, arguments }: &Command, patience: Duration, keep: usize) -> Ran {
        match runner::tool(program) {
            Ok(path) => runner::run(&path, arguments, patience, keep, self.asker.as_fd()),
            Err(why) => Ran::new(End::NotRun(why)),
        }
    }

    /// Ends what does not end by itself.
    fn undo(&mut self) {
        // Nobody is at the other end any more; another one that nobody leaves.
        let Ok((asker, _other)) = UnixStream::pair() else { return };
        self.asker = asker.into();
        for (with, net) in std::mem::take(&mut self.lasting) {
            if let Some(firewall) = firewall::of(with) {
                self.steps(&(firewall.unblock)(&net), LAST_PATIENCE);
            }
        }
    }
}
