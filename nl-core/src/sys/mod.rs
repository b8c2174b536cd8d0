//! The system calls the rest of the crate is built on, and its only unsafe code.

mod netlink;
mod option;
mod ready;

use std::io;

use libc::c_int;

pub(crate) use netlink::{
    MANY, Received, attach_filter, bind, connect, device_name, enter_netns, is_netlink, is_netns,
    netns_cookie, netns_of, next_size, port, receive, receive_connected, receive_many, receive_with_nsid,
    send, set_option, socket,
};
pub(crate) use option::{dropped, mptcp_full_info, mptcp_option, option};
pub(crate) use ready::Readiness;
#[cfg(feature = "tokio")]
pub(crate) use ready::register;
#[cfg(feature = "interop")]
pub(crate) use ready::tokio_socket;
#[cfg(feature = "blocking")]
pub(crate) use ready::{clear_event, event, poll, raise_event};

fn cvt(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
