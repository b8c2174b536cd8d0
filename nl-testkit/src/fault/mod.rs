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
//! bytes, a message length of `u32::MAX` and the error number, which no [`Fault`] makes of a message: the code under test
//! must read it as the error, or use the conversation in memory. The end is an empty datagram, which the kernel never sends.

mod answer;
mod conversation;
mod peer;
#[expect(unsafe_code, reason = "pairs of SOCK_SEQPACKET sockets have no safe interface in std")]
mod sys;

pub use self::{
    answer::Answer,
    conversation::{Conversation, Delivery, Fault},
    peer::{Asked, Peer},
};
