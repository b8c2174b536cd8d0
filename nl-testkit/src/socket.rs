//! Netlink sockets as the kernel lists them, and a helper to make one overflow early.

use std::{fs, io, os::fd::AsFd};

use crate::{Node, sys};

/// One netlink socket of a namespace, from `/proc/net/netlink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetlinkSocket {
    /// Messages lost because the receive buffer was full.
    pub drops: u64,
    /// The first 32 multicast groups as a mask.
    pub groups: u32,
    /// The socket's inode, as in `/proc/self/fd`.
    pub inode: u64,
    /// The address of the socket; usually the process number for its first one, otherwise arbitrary.
    pub portid: u32,
    /// The netlink family: 0 is rtnetlink, 16 generic netlink.
    pub protocol: u32,
    /// Bytes waiting to be read.
    pub receive_queue: u64,
}

impl Node {
    /// The netlink sockets open in the namespace, without the kernel's own and the kit's.
    ///
    /// # Panics
    ///
    /// When `/proc` cannot be read or the lab has ended.
    pub async fn netlink_sockets(&self) -> Vec<NetlinkSocket> {
        let mut sockets = self.open(read_here).await.unwrap_or_else(|error| self.unreadable(&error));
        sockets.retain(|socket| socket.inode != self.own_socket());
        sockets
    }

    #[expect(clippy::panic, reason = "without /proc no kernel test can say anything")]
    fn unreadable(&self, error: &io::Error) -> ! {
        panic!("read /proc/thread-self/net/netlink in node \"{}\": {error}", self.name())
    }
}

/// Shrinks the receive buffer of a socket to the kernel's minimum, so that it overflows (`ENOBUFS`) early.
///
/// # Errors
///
/// When the descriptor is not a socket.
pub fn squeeze(socket: &impl AsFd) -> io::Result<()> {
    sys::set_receive_buffer(socket, 0)
}

/// The netlink sockets in the calling thread's namespace, without the kernel's own.
pub(crate) fn read_here() -> io::Result<Vec<NetlinkSocket>> {
    let text = fs::read_to_string("/proc/thread-self/net/netlink")?;
    let sockets = text.lines().skip(1).filter_map(parse).filter(|socket| socket.portid != 0);
    Ok(sockets.collect())
}

/// `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`
fn parse(line: &str) -> Option<NetlinkSocket> {
    let mut fields = line.split_whitespace().skip(1);
    let protocol = fields.next()?.parse().ok()?;
    let portid = fields.next()?.parse().ok()?;
    let groups = u32::from_str_radix(fields.next()?, 16).ok()?;
    let receive_queue = fields.next()?.parse().ok()?;
    let mut fields = fields.skip(3);
    let drops = fields.next()?.parse().ok()?;
    let inode = fields.next()?.parse().ok()?;
    Some(NetlinkSocket { drops, groups, inode, portid, protocol, receive_queue })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_net_netlink_is_understood() {
        let line = "000000005d1c7e5a 16  4026   00000011 2304     0        0     2        7        51234   ";
        let expected = NetlinkSocket {
            drops: 7,
            groups: 0x11,
            inode: 51234,
            portid: 4026,
            protocol: 16,
            receive_queue: 2304,
        };
        assert_eq!(parse(line), Some(expected));
    }
}
