//! Something else plays the kernel: scripted answers, and everything a kernel can do to them.
//!
//! # In memory
//!
//! [`Answer`] builds the messages a kernel sends. A [`Conversation`] is a list of [`Delivery`]s: datagrams, receive
//! errors such as `ENOBUFS`, and the end of the connection. [`Conversation::faults`] lists every conversation that has one
//! [`Fault`] in it, for a test that goes through them all:
//!
//! ```
//! use nl_testkit::fault::{Answer, Conversation};
//!
//! let answers = Conversation::of([
//!     Answer::new(28, b"an entry").multi().seq(7),
//!     Answer::done(0).seq(7),
//! ]);
//! for (fault, conversation) in answers.faults() {
//!     // Feed `conversation` to the code under test: it may fail, but may not panic, hang, or report a success that
//!     // `fault` makes impossible.
//!     assert_ne!(conversation, answers, "{fault:?}");
//! }
//! ```
//!
//! # Over a socket
//!
//! A [`Peer`] is one end of a pair of local sockets that keep datagrams apart; the other end goes to the code under test
//! in place of a netlink socket. Sending to a netlink address works on it, and so does `MSG_TRUNC`; its sender has port 0,
//! as the kernel has. A pair of local sockets cannot make `recv` fail, so [`Delivery::Error`] travels as a datagram of eight
//! bytes, a message length of `u32::MAX` and the error number, which no [`Fault`] makes of a message; the end is an empty
//! datagram, which the kernel never sends. [`Delivery::received`] distinguishes them:
//!
//! ```
//! use std::os::unix::net::UnixDatagram;
//!
//! use nl_testkit::fault::{Answer, Conversation, Delivery, Fault, Peer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> nl_testkit::Result {
//! let (socket, kernel) = Peer::pair()?;
//! let events = Conversation::of([Answer::new(28, b"one"), Answer::new(28, b"two")]);
//! // The first event is lost; then the connection ends.
//! let kernel = kernel.play(&events.with(Fault::Overrun { delivery: 0 }).ok_or("no event")?).await?;
//! drop(kernel);
//!
//! let (socket, mut buffer) = (UnixDatagram::from(socket), [0; 4096]);
//! let mut receive = || socket.recv(&mut buffer).map(|size| Delivery::received(&buffer[..size]));
//! assert_eq!(receive()?, Delivery::OVERRUN);
//! assert_eq!(receive()?, Delivery::Datagram(Answer::new(28, b"two").to_bytes()));
//! assert_eq!(receive()?, Delivery::End);
//! # Ok(())
//! # }
//! ```
//!
//! nl-core does so on every socket that is not netlink. Whatever is built on it is played through
//! `ConnectionBuilder::sockets_from` and `MonitorBuilder::sockets_from`: requests, dumps, batches, monitors and watches. A
//! netlink socket is never read this way.
//!
//! [`Played`] is a kernel of as many sockets as a connection opens, and [`every_fault`] runs an operation of several requests with every
//! fault of every answer; [`every_await`] drops it wherever it waits. [`each_with_every_fault`] and [`each_at_every_await`] do so for a
//! table of operations, and are all that a test of a crate needs.
//!
//! # With rtnetlink and its relatives
//!
//! With the feature `fault-socket`, `PeerSocket` is the program's end as a socket for netlink-proto, on which rtnetlink and genetlink are
//! built: `rtnetlink::from_socket(PeerSocket::over(program)?)`. Programs in other languages get one end of [`connected`] or [`pair`] as a
//! descriptor, and read errors and the end as above.

#[cfg(feature = "fault-socket")]
mod adapter;
mod answer;
mod conversation;
mod every;
mod operations;
mod peer;
mod played;
#[expect(unsafe_code, reason = "pairs of SOCK_SEQPACKET sockets have no safe interface in std")]
mod sys;

#[cfg(feature = "fault-socket")]
pub use self::adapter::PeerSocket;
pub use self::{
    answer::Answer,
    conversation::{Conversation, Delivery, Fault},
    every::{Faults, InWords, every_await, every_fault, in_words},
    operations::{Operation, each_at_every_await, each_with_every_fault},
    peer::{Asked, Peer, connected, pair},
    played::Played,
};
