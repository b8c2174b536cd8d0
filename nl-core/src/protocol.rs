use std::fmt;

/// A netlink protocol: the part of the kernel that a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `NETLINK_ROUTE`: links, addresses, routes, neighbours, FDB, traffic control.
    Route,
    /// `NETLINK_SOCK_DIAG`: sockets.
    SockDiag,
    /// `NETLINK_GENERIC`: families with names, resolved with [`Connection::family`](crate::Connection::family).
    Generic,
}

impl Protocol {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Route => libc::NETLINK_ROUTE,
            Self::SockDiag => libc::NETLINK_SOCK_DIAG,
            Self::Generic => libc::NETLINK_GENERIC,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Route => "NETLINK_ROUTE",
            Self::SockDiag => "NETLINK_SOCK_DIAG",
            Self::Generic => "NETLINK_GENERIC",
        })
    }
}
