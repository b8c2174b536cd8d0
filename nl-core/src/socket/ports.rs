use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::lock;
use crate::protocol::Protocol;

/// A connection as the kernel names it in the events that it causes: by the ports of its sockets.
///
/// ```no_run
/// use nl_core::connection::Requester;
/// use nl_core::{Connection, Protocol};
///
/// # fn example(message: nl_core::message::MessageRef<'_>) -> nl_core::Result<()> {
/// let conn = Connection::open(Protocol::Route)?;
/// let own = Requester::from(&conn);
/// if own.has_port(message.port()) {
///     println!("by request {} of ours", message.seq());
/// }
/// # Ok(())
/// # }
/// ```
///
/// Events do not say in all families who caused them; where they do not, the port is 0. A port names a socket only together with the
/// protocol and the namespace, which [`MonitorBuilder::not_from`](crate::monitor::MonitorBuilder::not_from) compares too.
///
/// Ports of closed sockets stay known, because their events may still be on the way: of the last 4,096 sockets.
#[derive(Clone, Debug)]
pub struct Requester {
    ports: Ports,
    protocol: Protocol,
    /// A number of the namespace, where the kernel gives one.
    namespace: Option<u64>,
}

impl Requester {
    pub(crate) const fn new(ports: Ports, protocol: Protocol, namespace: Option<u64>) -> Self {
        Self { ports, protocol, namespace }
    }

    /// Whether one of the connection's sockets has this port, of those it has opened so far. The kernel's own, 0, is none of them.
    #[must_use]
    pub fn has_port(&self, port: u32) -> bool {
        self.ports.contains(port)
    }

    /// The ports, if they mean the same sockets on this protocol in this namespace.
    pub(crate) fn ports_in(self, protocol: Protocol, namespace: Option<u64>) -> Option<Ports> {
        (self.protocol == protocol && self.namespace == namespace).then_some(self.ports)
    }
}

/// The ports of the sockets that a connection has opened.
#[derive(Clone, Default)]
pub(crate) struct Ports(Arc<Mutex<VecDeque<u32>>>);

/// How many are known at most.
const MAX: usize = 4096;

impl Ports {
    pub(crate) fn contains(&self, port: u32) -> bool {
        port != 0 && lock(&self.0).contains(&port)
    }

    pub(crate) fn add(&self, port: u32) {
        let mut ports = lock(&self.0);
        if port == 0 || ports.contains(&port) {
            return;
        }
        if ports.len() >= MAX {
            ports.pop_front();
        }
        ports.push_back(port);
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&*lock(&self.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_known_until_many_others_are() {
        let ports = Ports::default();
        (1..=4096).for_each(|port| ports.add(port));
        ports.add(7);
        assert!(ports.contains(1) && ports.contains(4096));
        assert!(!ports.contains(0) && !ports.contains(4097));
        ports.clone().add(4097);
        assert!(!ports.contains(1) && ports.contains(4097));
    }

    #[test]
    fn port_of_another_protocol_or_namespace_is_another_socket() {
        let requester = Requester::new(Ports::default(), Protocol::Route, Some(1));
        requester.ports.add(7);
        assert!(requester.has_port(7));
        assert!(requester.clone().ports_in(Protocol::Route, Some(1)).is_some());
        assert!(requester.clone().ports_in(Protocol::Generic, Some(1)).is_none());
        assert!(requester.ports_in(Protocol::Route, Some(2)).is_none());
    }
}
