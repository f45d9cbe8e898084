//! How a [`Request`] travels to the engine within the process, and its answer back.

use std::net::IpAddr;

use tokio::sync::{mpsc, oneshot};

use nettop_model::{answer::Reply, request::Request};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// How it is called: a user, or an address and a port.
    pub name: String,
    /// Its process, where the kernel tells it.
    pub pid: Option<i32>,
    /// The address that it asks from, where it asks over TCP.
    pub from: Option<IpAddr>,
    /// Why this may not have done what it asks for: then the engine only writes down that it was asked.
    pub refused: Option<String>,
}

impl Caller {
    /// Whoever sits in front of the screen of this process.
    pub fn screen() -> Self {
        Self::named("the screen")
    }

    /// Something of this process, such as a rule.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), pid: None, from: None, refused: None }
    }
}

/// A request on its way to the engine, and where the answer goes.
#[derive(Debug)]
pub struct Envelope {
    /// What is asked.
    pub request: Request,
    /// Who asks.
    pub caller: Caller,
    /// Where the answer goes. Dropped without one only when the engine ends.
    pub reply: oneshot::Sender<Reply>,
}

/// Where requests are sent.
pub type Requests = mpsc::Sender<Envelope>;

/// Sends a request of the screen and waits for the answer.
///
/// # Errors
/// What the engine says, or that it has ended.
pub async fn ask(requests: &Requests, request: Request) -> Reply {
    ask_for(requests, Caller::screen(), request).await
}

/// The same for somebody else.
///
/// # Errors
/// What the engine says, or that it has ended.
pub async fn ask_for(requests: &Requests, caller: Caller, request: Request) -> Reply {
    let (reply, answer) = oneshot::channel();
    let ended = || "the monitor is ending".to_string();
    requests.send(Envelope { request, caller, reply }).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}
