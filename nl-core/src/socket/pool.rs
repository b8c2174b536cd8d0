use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::{Socket, SocketSpec};
use crate::error::Result;
use crate::lock;

/// How many idle sockets a connection keeps.
const MAX_IDLE: usize = 4;
/// Enough for the answers of a datagram of a batch; a dump needs less.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// Sockets for dumps and batches: those that ended cleanly are used again.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    spec: SocketSpec,
    idle: Arc<Mutex<Vec<Numbered>>>,
}

/// A socket and the last sequence number that was used on it.
#[derive(Debug)]
struct Numbered {
    socket: Socket,
    seq: u32,
}

impl Pool {
    pub(crate) fn new(spec: SocketSpec) -> Self {
        Self { spec, idle: Arc::default() }
    }

    pub(crate) const fn spec(&self) -> &SocketSpec {
        &self.spec
    }

    /// A socket on which nothing is pending.
    pub(crate) fn take(&self) -> Result<Pooled> {
        let idle = lock(&self.idle).pop();
        let numbered = match idle {
            Some(numbered) => numbered,
            None => Numbered { socket: self.spec.open(Some(RECEIVE_BUFFER))?, seq: 0 },
        };
        Ok(Pooled { numbered, idle: Arc::clone(&self.idle) })
    }
}

/// A socket that is in use. Dropping it closes the socket, and that ends what the kernel still does for it.
#[derive(Debug)]
pub(crate) struct Pooled {
    numbered: Numbered,
    idle: Arc<Mutex<Vec<Numbered>>>,
}

impl Pooled {
    /// A sequence number that nothing earlier on this socket had.
    pub(crate) fn next_seq(&mut self) -> u32 {
        self.numbered.seq = self.numbered.seq.wrapping_add(1);
        self.numbered.seq
    }

    /// Keeps the socket for later. Only when everything that was sent on it has been answered and read.
    pub(crate) fn give_back(self) {
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE {
            idle.push(self.numbered);
        }
    }
}

impl Deref for Pooled {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.numbered.socket
    }
}
