//! A kernel of as many sockets as the code under test opens.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::runtime::Handle;

use super::{
    answer::{HEADER, NLMSG_ERROR, number},
    conversation::{Conversation, Delivery, Fault},
    peer::Peer,
};
use crate::record::lock;

/// A kernel that answers every request on every socket that the code under test opens as a script says, with one [`Fault`] at most.
///
/// ```
/// use nl_testkit::fault::{Answer, Conversation, Played};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let kernel = Played::new(|request| Conversation::of([Answer::ack(request)]));
/// let sockets = kernel.clone();
/// // For nl-core: `Connection::builder(protocol).sockets_from(source)`.
/// let source = move || sockets.socket();
/// let _socket = source()?;
/// assert_eq!(kernel.open_sockets(), 1);
/// # Ok(())
/// # }
/// ```
///
/// A request that wants no acknowledgement (without `NLM_F_ACK`), as most requests of a batch, gets none: what the script says is sent
/// without it. Cheap to clone; all clones are one kernel. It lives on the runtime it was made in.
#[derive(Clone)]
pub struct Played {
    shared: Arc<Shared>,
}

type Script = Box<dyn Fn(&[u8]) -> Conversation + Send + Sync>;

struct Shared {
    script: Script,
    fault: Option<(usize, Fault)>,
    /// The requests, and what was sent for each.
    exchanges: Mutex<Vec<(Vec<u8>, Conversation)>>,
    open: AtomicUsize,
    runtime: Handle,
}

impl Played {
    /// A kernel without faults.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Panics
    ///
    /// When there is no runtime.
    pub fn new(script: impl Fn(&[u8]) -> Conversation + Send + Sync + 'static) -> Self {
        Self::over(Box::new(script), None)
    }

    /// A kernel whose answer to the request with this number, counted from 0 over all sockets, has a fault. It has none where the fault has
    /// no place in that answer.
    ///
    /// # Panics
    ///
    /// When there is no runtime.
    pub fn with_fault(
        script: impl Fn(&[u8]) -> Conversation + Send + Sync + 'static,
        exchange: usize,
        fault: Fault,
    ) -> Self {
        Self::over(Box::new(script), Some((exchange, fault)))
    }

    fn over(script: Script, fault: Option<(usize, Fault)>) -> Self {
        let shared = Shared {
            script,
            fault,
            exchanges: Mutex::default(),
            open: AtomicUsize::new(0),
            runtime: Handle::current(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A new socket of this kernel, for the code under test.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        let _here = self.shared.runtime.enter();
        let (socket, peer) = Peer::pair()?;
        let kernel = self.clone();
        self.shared.open.fetch_add(1, Ordering::SeqCst);
        self.shared.runtime.spawn(async move {
            // It ends with an error when the code under test closes its end first, which it may.
            drop(peer.serve(|request| kernel.answer(request)).await);
            kernel.shared.open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(socket)
    }

    /// How many sockets are open. One that was closed is counted until the runtime had a turn.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Whether one of its answers has a fault, so that a test can wait for an answer for less time where there may be none.
    #[must_use]
    pub fn has_fault(&self) -> bool {
        self.shared.fault.is_some()
    }

    /// The requests so far, in the order they came, with what was sent for each.
    #[must_use]
    pub fn exchanges(&self) -> Vec<(Vec<u8>, Conversation)> {
        lock(&self.shared.exchanges).clone()
    }

    fn answer(&self, request: &[u8]) -> Conversation {
        let honest = (self.shared.script)(request);
        let wants_ack = flags(request) & NLM_F_ACK != 0;
        let wanted = |delivery: &&Delivery| wants_ack || !is_acknowledgement(delivery);
        let honest: Conversation = honest.deliveries().iter().filter(wanted).cloned().collect();
        let mut exchanges = lock(&self.shared.exchanges);
        let answer = match self.shared.fault {
            Some((exchange, fault)) if exchange == exchanges.len() => honest.with(fault).unwrap_or(honest),
            _ => honest,
        };
        exchanges.push((request.to_vec(), answer.clone()));
        answer
    }
}

impl fmt::Debug for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Played")
            .field("fault", &self.shared.fault)
            .field("open", &self.shared.open)
            .finish_non_exhaustive()
    }
}

fn is_acknowledgement(delivery: &Delivery) -> bool {
    let Delivery::Datagram(bytes) = delivery else { return false };
    kind(bytes) == NLMSG_ERROR && number(bytes, HEADER) == 0
}

pub(super) fn kind(message: &[u8]) -> u16 {
    short(message, 4)
}

fn flags(message: &[u8]) -> u16 {
    short(message, 6)
}

fn short(message: &[u8], at: usize) -> u16 {
    message.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

const NLM_F_ACK: u16 = 4;
