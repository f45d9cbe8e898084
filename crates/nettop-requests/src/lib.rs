//! How a [`Request`] travels to the engine within the process, and its answer back.

use tokio::sync::{mpsc, oneshot};

use nettop_model::{answer::Reply, request::Request};

/// A request on its way to the engine, and where the answer goes.
#[derive(Debug)]
pub struct Envelope {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Dropped without one only when the engine ends.
    pub reply: oneshot::Sender<Reply>,
}

/// Where requests are sent.
pub type Requests = mpsc::Sender<Envelope>;

/// Sends a request and waits for the answer.
///
/// # Errors
/// What the engine says, or that it has ended.
pub async fn ask(requests: &Requests, request: Request) -> Reply {
    let (reply, answer) = oneshot::channel();
    let ended = || "the monitor is ending".to_string();
    requests.send(Envelope { request, reply }).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}
