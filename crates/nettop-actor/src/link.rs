//! The monitor's end of an actor: jobs go out, answers come back, and nobody waits for either.

use std::{
    io::{BufReader, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::{Context as _, Result};

use crate::{
    job::{Asked, Done, Job, MOST_ANSWER},
    serve::read_line,
};

/// How many jobs wait, at most.
pub const MOST_WAITING: usize = 32;

/// Where jobs are handed over.
#[derive(Debug)]
pub struct Link {
    jobs: SyncSender<Asked>,
    done: Receiver<Done>,
    is_lost: Arc<AtomicBool>,
    next: u64,
}

impl Link {
    pub(crate) fn start(socket: UnixStream) -> Result<Self> {
        let (jobs, asked) = sync_channel(MOST_WAITING);
        // Of each job there is one, and one is being done.
        let (answers, done) = sync_channel(MOST_WAITING + 2);
        let is_lost = Arc::<AtomicBool>::default();
        let lost = Arc::clone(&is_lost);
        let work = move || {
            for job in asked {
                let answer = match lost.load(Ordering::Relaxed) {
                    false => ask(&socket, &job),
                    true => Err(anyhow::anyhow!("it has ended")),
                };
                let done = answer.unwrap_or_else(|error| {
                    lost.store(true, Ordering::Relaxed);
                    Done::not_run(
                        job.id,
                        format!("the process that runs it is lost: {error:#}; start the monitor again"),
                    )
                });
                if answers.send(done).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("nettop-actor".into()).spawn(work).context("starting the thread of an actor")?;
        Ok(Self { jobs, done, is_lost, next: 1 })
    }

    /// Hands over a job, and returns its number.
    ///
    /// # Errors
    /// As many wait as may.
    pub fn send(&mut self, job: Job) -> Result<u64, String> {
        let id = self.next;
        self.jobs.try_send(Asked { id, job }).map_err(|_| {
            format!(
                "{MOST_WAITING} commands are waiting already for a firewall or a hook; try again when they are done"
            )
        })?;
        self.next += 1;
        Ok(id)
    }

    /// What was done since the last time.
    pub fn done(&self) -> impl Iterator<Item = Done> + '_ {
        self.done.try_iter()
    }

    /// Whether the process is gone.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }
}

fn ask(mut socket: &UnixStream, job: &Asked) -> Result<Done> {
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    socket.write_all(&line).context("it takes no job")?;
    let answer = read_line(&mut BufReader::new(socket), MOST_ANSWER)?.context("it has ended")?;
    serde_json::from_slice(&answer).context("it answers something else")
}
