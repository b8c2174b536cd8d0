//! The system calls the rest of the crate is built on, and its only unsafe code.

#[cfg(feature = "tokio")]
mod netlink;
mod option;

use std::io;

use libc::c_int;

#[cfg(feature = "tokio")]
pub(crate) use netlink::{
    ProtoFd, Received, bind, device_name, enter_netns, is_netlink, receive, send, set_option, socket, watch,
    watch_for_proto,
};
pub(crate) use option::{mptcp_full_info, mptcp_option, option};

fn cvt(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
