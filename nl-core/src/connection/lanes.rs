use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::exchange::Exchange;
use crate::socket::{Socket, SocketSpec, Transport};

/// How many more sockets a connection opens for threads that would wait for each other.
const MORE: usize = 3;

/// The number of times one thread had to wait for another before more sockets are opened.
const CONTENTIONS: u32 = 128;

/// A socket and the requests in flight on it.
type Lane = (Socket, Exchange);

/// More sockets of a connection that many threads use at a time: one that they share would be the bottleneck.
///
/// A connection of one thread, or of threads that seldom meet, has none.
#[derive(Default)]
pub(super) struct Lanes([OnceLock<Option<Box<Lane>>>; MORE]);

impl Lanes {
    /// The socket and the requests in flight for the calling thread: `main`, unless threads keep meeting there.
    pub(super) fn choose<'a>(
        &'a self,
        main: (&'a Socket, &'a Exchange),
        spec: &SocketSpec,
    ) -> (&'a Socket, &'a Exchange) {
        if main.1.contentions() < CONTENTIONS || main.0.transport() != Transport::Connected {
            return main;
        }
        // One of the threads stays.
        let lane = (thread_number() % (MORE + 1)).checked_sub(1).and_then(|number| self.0.get(number));
        let opened = lane.and_then(|lane| {
            // Without a descriptor for it, the thread stays too.
            let open = || {
                let socket = spec.open(None).ok()?;
                let exchange = Exchange::new(spec.protocol, &socket);
                Some(Box::new((socket, exchange)))
            };
            lane.get_or_init(open).as_deref()
        });
        opened.map_or(main, |(socket, exchange)| (socket, exchange))
    }
}

fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    })
}
