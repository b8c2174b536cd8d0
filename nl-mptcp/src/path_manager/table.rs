use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::id::same;
use crate::{AddressId, Token};

/// What the path manager knows: the connections of the namespace with their subflows, and its interfaces with their addresses.
///
/// Addresses that map IPv4 into IPv6 are written as the IPv4 addresses they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub(super) connections: BTreeMap<Token, ConnectionState>,
    pub(super) interfaces: BTreeMap<u32, Interface>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionState {
    /// What it is called on this side.
    pub token: Token,
    /// The address and port of its first subflow on this side.
    pub local: SocketAddr,
    /// Those of the peer.
    pub remote: SocketAddr,
    /// Whether this side accepted it. `None` if that cannot be known: its first subflow was gone when it was found.
    pub server_side: Option<bool>,
    /// Whether it can take further subflows.
    pub established: bool,
    /// The peer takes no further subflows to the address and port of the first. Told by events only, so `false` for a connection
    /// that was there before.
    pub deny_join_initial: bool,
    /// The kernel's path manager runs it, so nothing can be done with it. Found out when it refuses a request.
    pub kernels: bool,
    /// What the peer announced, by its numbers. No kernel tells again what was announced before the path manager began, or while
    /// events were lost.
    pub remote_addresses: BTreeMap<AddressId, SocketAddr>,
    /// What was announced to the peer, or is about to be: address, and port if it has one of its own.
    pub announced: BTreeMap<AddressId, (IpAddr, Option<u16>)>,
    /// Its subflows, those that are being created included.
    pub subflows: Vec<SubflowState>,
}

/// A subflow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowState {
    /// The address and port on this side; port 0 while it is being created and the kernel has not told.
    pub local: SocketAddr,
    /// Those of the peer.
    pub remote: SocketAddr,
    /// The number of the local address.
    pub local_id: AddressId,
    /// The number of the remote address, once it is established.
    pub remote_id: AddressId,
    /// Whether this side made it a backup.
    pub backup: bool,
    /// Whether the peer made it a backup.
    pub backup_by_peer: bool,
    /// Whether this side created it, as it did the first subflow of a connection that it asked for.
    pub created_here: bool,
    /// The interface it is bound to.
    pub index: Option<u32>,
    pub(super) phase: SubflowPhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubflowPhase {
    /// To be created by the decision of this number.
    Planned(u64),
    /// The kernel tries.
    Trying,
    Established,
    /// To be destroyed by the decision of this number.
    Closing(u64),
}

impl Table {
    /// The connections, by token.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionState> {
        self.connections.values()
    }

    /// The connection of this token.
    #[must_use]
    pub fn connection(&self, token: Token) -> Option<&ConnectionState> {
        self.connections.get(&token)
    }

    /// The interfaces, by index.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    /// The interface of this index.
    #[must_use]
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get(&index)
    }

    /// The interface that has this address.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        let address = address.to_canonical();
        self.interfaces().find(|interface| interface.addresses.contains_key(&address))
    }

    /// Whether subflows can come from this address: it is there, valid beyond its link, and its interface can carry packets.
    #[must_use]
    pub fn is_usable(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.interfaces().any(|interface| {
            interface.up && interface.addresses.get(&address).is_some_and(|kind| kind.is_usable())
        })
    }

    /// Every address that subflows can come from, with its interface.
    pub fn usable_addresses(&self) -> impl Iterator<Item = (&Interface, IpAddr)> {
        self.interfaces().filter(|interface| interface.up).flat_map(|interface| {
            let usable = interface.addresses.iter().filter(|(_, kind)| kind.is_usable());
            usable.map(move |(address, _)| (interface, *address))
        })
    }

    /// A connection that something can be done with.
    pub(super) fn ours_mut(&mut self, token: Token) -> Result<&mut ConnectionState, &'static str> {
        match self.connections.get_mut(&token) {
            None => Err("there is no such connection"),
            Some(connection) if connection.kernels => Err("the kernel's path manager runs the connection"),
            Some(connection) => Ok(connection),
        }
    }
}

impl ConnectionState {
    pub(super) fn new(token: Token, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            token,
            local: canonical(local),
            remote: canonical(remote),
            server_side: None,
            established: false,
            deny_join_initial: false,
            kernels: false,
            remote_addresses: BTreeMap::new(),
            announced: BTreeMap::new(),
            subflows: Vec::new(),
        }
    }

    /// The subflow between these addresses and ports.
    #[must_use]
    pub fn subflow(&self, local: SocketAddr, remote: SocketAddr) -> Option<&SubflowState> {
        let ends = (canonical(local), canonical(remote));
        self.subflows.iter().find(|subflow| subflow.ends() == ends)
    }

    /// Whether there is a subflow, or one being created, from this address to that address and port.
    #[must_use]
    pub fn has_subflow(&self, local: IpAddr, remote: SocketAddr) -> bool {
        let remote = canonical(remote);
        self.subflows.iter().any(|subflow| same(subflow.local.ip(), local) && subflow.remote == remote)
    }

    /// The peer's addresses and ports that subflows can be created to: the first subflow's unless the peer forbids it, and those
    /// it announced.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        let first = (!self.deny_join_initial).then_some(self.remote);
        first.into_iter().chain(self.remote_addresses.values().copied())
    }

    /// The number of a local address that has one: announced, or a subflow's.
    #[must_use]
    pub fn id_of(&self, address: IpAddr) -> Option<AddressId> {
        let address = address.to_canonical();
        let announced =
            self.announced.iter().find(|(_, (other, _))| same(*other, address)).map(|(id, _)| *id);
        let of_subflow = || {
            let from_it = |s: &&SubflowState| s.local.ip() == address && !s.local_id.is_initial();
            self.subflows.iter().find(from_it).map(|s| s.local_id)
        };
        announced.or_else(of_subflow)
    }

    /// Whether the peer can create subflows to this port: the kernel lets them in at the first subflow's, and at those announced.
    pub(super) fn lets_in_at(&self, port: u16) -> bool {
        port == self.local.port() || self.announced.values().any(|(_, announced)| *announced == Some(port))
    }

    /// The lowest number that no local address has.
    pub(super) fn free_id(&self) -> Option<AddressId> {
        let taken = |id: &AddressId| {
            self.announced.contains_key(id) || self.subflows.iter().any(|subflow| subflow.local_id == *id)
        };
        (1..=u8::MAX).map(AddressId::new).find(|id| !taken(id))
    }

    pub(super) fn subflow_mut(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<&mut SubflowState> {
        let ends = (canonical(local), canonical(remote));
        self.subflows.iter_mut().find(|subflow| subflow.ends() == ends)
    }

    /// Where a subflow of these ends is, or one that is being created and may turn out to be it.
    pub(super) fn position(&self, local: SocketAddr, remote: SocketAddr, id: AddressId) -> Option<usize> {
        let (local, remote) = (canonical(local), canonical(remote));
        let exact = self.subflows.iter().position(|subflow| subflow.ends() == (local, remote));
        let open = |phase: fn(SubflowPhase) -> bool| {
            self.subflows.iter().position(|s| {
                let ends = s.local.port() == 0 && s.local.ip() == local.ip() && s.remote == remote;
                ends && s.local_id == id && phase(s.phase)
            })
        };
        // The kernel's answer to a decision may come after the event.
        let planned = |phase| matches!(phase, SubflowPhase::Planned(_));
        exact.or_else(|| open(|phase| phase == SubflowPhase::Trying)).or_else(|| open(planned))
    }
}

impl SubflowState {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr, phase: SubflowPhase) -> Self {
        Self {
            local: canonical(local),
            remote: canonical(remote),
            local_id: AddressId::INITIAL,
            remote_id: AddressId::INITIAL,
            backup: false,
            backup_by_peer: false,
            created_here: false,
            index: None,
            phase,
        }
    }

    /// Whether it can carry data. If not, it is being created.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, SubflowPhase::Established | SubflowPhase::Closing(_))
    }

    /// Whether it is about to be destroyed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, SubflowPhase::Closing(_))
    }

    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.local, self.remote)
    }
}

/// An interface of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up and has a carrier (`IFF_UP` and `IFF_RUNNING`).
    pub up: bool,
    /// Its addresses.
    pub addresses: BTreeMap<IpAddr, AddressKind>,
}

/// What an address of an interface is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressKind {
    /// How far it is valid (`RT_SCOPE_*`): 0 everywhere, 253 on its link, 254 on this machine.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
}

impl AddressKind {
    /// Whether connections can come from it: valid beyond its link, and not still being probed for duplicates.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        self.scope < RT_SCOPE_LINK && self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0
    }
}

/// An IPv4 address as one, however it is written, and nothing but address and port.
pub(super) fn canonical(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip().to_canonical(), end.port())
}

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_addr.h`
const RT_SCOPE_LINK: u8 = 253;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
