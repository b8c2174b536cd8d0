use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::{fmt, io};

use super::{Ports, Socket, Transport};
use crate::error::{Error, Result};
use crate::netns::Netns;
use crate::protocol::Protocol;
use crate::sys;

/// Makes a socket that stands for one to the kernel.
pub(crate) type Source = Arc<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>;

/// How sockets are opened: to which protocol, in which namespace.
#[derive(Clone)]
pub(crate) struct SocketSpec {
    pub(crate) protocol: Protocol,
    pub(crate) namespace: Namespace,
    /// Where sockets come from instead.
    pub(crate) source: Option<Source>,
    /// Where the ports of the sockets are noted.
    pub(crate) ports: Option<Ports>,
    /// With `NETLINK_GET_STRICT_CHK`. Only sockets for other crates do without it.
    pub(crate) strict: bool,
}

/// The namespace that sockets are opened in.
#[derive(Clone)]
pub(crate) enum Namespace {
    /// The calling thread's.
    Current,
    /// This one.
    Given(Netns),
    /// That of a socket which was opened before.
    Of(Arc<Socket>),
}

impl SocketSpec {
    pub(crate) const fn new(protocol: Protocol) -> Self {
        Self { protocol, namespace: Namespace::Current, source: None, ports: None, strict: true }
    }

    /// A socket for requests, with the options that every socket of this crate has, and a receive buffer of this many bytes or as
    /// many as the system allows; `None` leaves the system's default.
    pub(crate) fn open(&self, receive_buffer: Option<usize>) -> Result<Socket> {
        self.open_as(Transport::Connected, receive_buffer)
    }

    /// The same for multicast messages, which any process with the privilege can send.
    pub(crate) fn open_for_groups(&self, receive_buffer: usize) -> Result<Socket> {
        self.open_as(Transport::Netlink, Some(receive_buffer))
    }

    /// The same for those of all namespaces that have an id in the socket's.
    pub(crate) fn open_for_namespaces(&self, receive_buffer: usize) -> Result<Socket> {
        self.open_as(Transport::Namespaces, Some(receive_buffer))
    }

    fn open_as(&self, transport: Transport, receive_buffer: Option<usize>) -> Result<Socket> {
        let opened = match &self.source {
            Some(source) => source().and_then(|fd| {
                let transport = match Transport::of(fd.as_fd())? {
                    Transport::Netlink if transport == Transport::Namespaces => {
                        listen_to_namespaces(fd.as_fd())?;
                        transport
                    }
                    found => found,
                };
                Ok(Socket::new(fd, transport))
            }),
            None => self.open_kernel(transport, receive_buffer)?.map(|fd| Socket::new(fd, transport)),
        };
        let socket = opened.map_err(|error| self.failed(error.into()))?;
        if let Some(ports) = self.ports.as_ref().filter(|_| socket.transport() != Transport::Simulated) {
            ports.add(sys::port(socket.as_fd()).map_err(|error| self.failed(error.into()))?);
        }
        Ok(socket)
    }

    fn open_kernel(
        &self,
        transport: Transport,
        receive_buffer: Option<usize>,
    ) -> Result<io::Result<OwnedFd>> {
        let open = || {
            let fd = sys::socket(self.protocol.number())?;
            let strict = self.strict.then_some(libc::NETLINK_GET_STRICT_CHK);
            for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK].into_iter().chain(strict) {
                sys::set_option(fd.as_fd(), libc::SOL_NETLINK, option, 1)?;
            }
            if let Some(bytes) = receive_buffer {
                resize(fd.as_fd(), bytes)?;
            }
            match transport {
                Transport::Connected => sys::connect(fd.as_fd())?,
                // Without a port of its own a socket would not get multicast messages.
                Transport::Namespaces | Transport::Netlink | Transport::Simulated => sys::bind(fd.as_fd())?,
            }
            if transport == Transport::Namespaces {
                listen_to_namespaces(fd.as_fd())?;
            }
            Ok(fd)
        };
        match &self.namespace {
            Namespace::Current => Ok(open()),
            Namespace::Given(netns) => netns.run(open).map_err(|error| self.failed(error)),
            Namespace::Of(socket) => {
                // Mostly the thread is still in that namespace, and then nothing has to be entered.
                let here = open();
                match &here {
                    Ok(fd) if cookie(fd.as_fd()) != cookie(socket.as_fd()) => {
                        let netns = Netns::of_socket(socket).map_err(|error| self.failed(error))?;
                        netns.run(open).map_err(|error| self.failed(error))
                    }
                    _ => Ok(here),
                }
            }
        }
    }

    /// The namespace that the sockets are in.
    pub(crate) fn netns(&self) -> Result<Netns> {
        match &self.namespace {
            Namespace::Current => Netns::current(),
            Namespace::Given(netns) => Ok(netns.clone()),
            Namespace::Of(socket) => Netns::of_socket(socket),
        }
    }

    fn failed(&self, error: Error) -> Error {
        error.during(|| format!("open a {} socket", self.protocol))
    }
}

/// The kernel doubles the size and cuts what is then over 2 GiB.
pub(crate) fn check_receive_buffer(bytes: usize) -> Result<()> {
    const LIMIT: usize = 1 << 30;
    match bytes {
        0..=LIMIT => Ok(()),
        _ => Err(Error::usage(format!("a receive buffer of {bytes} bytes; the limit is 1 GiB"))),
    }
}

fn cookie(fd: BorrowedFd<'_>) -> Option<u64> {
    sys::netns_cookie(fd).ok()
}

fn listen_to_namespaces(fd: BorrowedFd<'_>) -> io::Result<()> {
    sys::set_option(fd, libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID, 1)
}

fn resize(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    // Beyond the system's limit takes CAP_NET_ADMIN in the initial user namespace.
    match sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes) {
        Ok(()) => Ok(()),
        Err(_) => sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes),
    }
}

impl fmt::Debug for SocketSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SocketSpec");
        debug.field("protocol", &self.protocol);
        if let Namespace::Given(netns) = &self.namespace {
            debug.field("netns", netns);
        }
        debug.finish_non_exhaustive()
    }
}
