use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::counters::{Counters, SubflowCounters};
use crate::id::same;
use crate::subflow::Subflow;
use crate::{AddressId, Token};

/// The connections of the namespace with their subflows, and its interfaces with their addresses.
/// IPv4-mapped IPv6 addresses are stored as IPv4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub(super) connections: BTreeMap<Token, ConnectionState>,
    pub(super) interfaces: BTreeMap<u32, Interface>,
    pub(super) binds_subflows: bool,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionState {
    /// Its token on this side.
    pub token: Token,
    /// The local address and port of its initial subflow.
    pub local: SocketAddr,
    /// The remote address and port.
    pub remote: SocketAddr,
    /// Whether this side accepted it. `None` if unknown: its initial subflow was closed before the connection was listed.
    pub server_side: Option<bool>,
    /// Whether it can have further subflows.
    pub established: bool,
    /// The peer accepts no further subflows to the address and port of the initial one. Only events report this, so it is `false` for a connection that existed before.
    pub deny_join_initial: bool,
    /// The kernel's path manager manages it, so decisions about it are refused. Learned when the kernel refuses a request.
    pub kernel_managed: bool,
    /// The addresses that the peer announced, by its ids. The kernel does not report those that were announced before the path manager started, or while events were lost.
    pub remote_addresses: BTreeMap<AddressId, SocketAddr>,
    /// The addresses announced to the peer, including those whose announcement is waiting: address, and its own port if it has one.
    pub announced: BTreeMap<AddressId, (IpAddr, Option<u16>)>,
    /// Its subflows, including those that are being created.
    pub subflows: Vec<SubflowState>,
    /// What it carried, if a policy [watches](super::Plan::watch) it, as last read.
    pub counters: Option<Counters>,
}

/// A subflow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowState {
    /// The local address and port; port 0 until the kernel has reported the port of a new subflow.
    pub local: SocketAddr,
    /// The remote address and port.
    pub remote: SocketAddr,
    /// The id of the local address.
    pub local_id: AddressId,
    /// The id of the remote address, once it is established.
    pub remote_id: AddressId,
    /// Whether this side made it a backup.
    pub backup: bool,
    /// Whether the peer made it a backup.
    pub backup_by_peer: bool,
    /// Whether this side created it; true for the initial subflow of a client.
    pub created_here: bool,
    /// The interface it is bound to.
    pub index: Option<u32>,
    /// What it carried, if a policy [watches](super::Plan::watch) its connection, as last read.
    pub counters: Option<SubflowCounters>,
    /// Whether it is a backup in the kernel: not yet, or no more, while a decision about that waits or runs.
    pub(super) is_backup: bool,
    pub(super) phase: SubflowPhase,
    /// A decision of the policy creates it.
    pub(super) decided: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubflowPhase {
    /// The decision of this number creates it.
    Planned(u64),
    /// The kernel is connecting.
    Trying,
    Established,
    /// The decision of this number destroys it.
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

    pub(super) fn tokens(&self) -> Vec<Token> {
        self.connections.keys().copied().collect()
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

    /// The interface that has this address: one that is up, if several have it.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        let address = address.to_canonical();
        let having = || self.interfaces().filter(|interface| interface.addresses.contains_key(&address));
        having().find(|interface| interface.up).or_else(|| having().next())
    }

    /// Whether the kernel binds new subflows to interfaces ([`Subflow::index`](crate::subflow::Subflow::index())). Linux 6.7; older
    /// kernels refuse it here, and their routes decide by which interface a subflow leaves: they need an `ip rule` for each source
    /// address.
    #[must_use]
    pub fn binds_subflows(&self) -> bool {
        self.binds_subflows
    }

    /// The interface that a new subflow from this address is to be bound to: the one that has it. `None` where the kernel does not
    /// [bind](Self::binds_subflows) subflows, and for an address of the loopback interface, which is reached by others.
    #[must_use]
    pub fn binding(&self, address: IpAddr) -> Option<u32> {
        let interface = self.interface_of(address).filter(|interface| interface.name != "lo")?;
        self.binds_subflows.then_some(interface.index)
    }

    /// A decision in words, with the names of interfaces where its own [`Display`](std::fmt::Display) has their numbers.
    #[must_use]
    pub fn describe(&self, decision: &impl std::fmt::Display) -> String {
        let text = decision.to_string();
        let name = |word: &str| {
            let index = word.strip_prefix('#').and_then(|digits| digits.parse().ok())?;
            Some(self.interface(index)?.name.clone())
        };
        let words = text.split(' ').map(|word| name(word).unwrap_or_else(|| word.to_owned()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether subflows can be created from this address: it exists, its scope is not the link, and its interface is up.
    #[must_use]
    pub fn is_usable(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.interfaces().any(|interface| {
            interface.up && interface.addresses.get(&address).is_some_and(|kind| kind.is_usable())
        })
    }

    /// Every address that subflows can be created from, with its interface.
    pub fn usable_addresses(&self) -> impl Iterator<Item = (&Interface, IpAddr)> {
        self.interfaces().filter(|interface| interface.up).flat_map(|interface| {
            let usable = interface.addresses.iter().filter(|(_, kind)| kind.is_usable());
            usable.map(move |(address, _)| (interface, *address))
        })
    }

    /// A connection that decisions can change.
    pub(super) fn ours_mut(&mut self, token: Token) -> Result<&mut ConnectionState, &'static str> {
        match self.connections.get_mut(&token) {
            None => Err("the connection does not exist"),
            Some(connection) if connection.kernel_managed => {
                Err("the kernel's path manager manages the connection")
            }
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
            kernel_managed: false,
            remote_addresses: BTreeMap::new(),
            announced: BTreeMap::new(),
            subflows: Vec::new(),
            counters: None,
        }
    }

    /// The subflow between these addresses and ports.
    #[must_use]
    pub fn subflow(&self, local: SocketAddr, remote: SocketAddr) -> Option<&SubflowState> {
        let ends = (canonical(local), canonical(remote));
        self.subflows.iter().find(|subflow| subflow.ends() == ends)
    }

    /// Whether a subflow exists, or is being created, from this address to that address and port. One that a decision closes does
    /// not count.
    #[must_use]
    pub fn has_subflow(&self, local: IpAddr, remote: SocketAddr) -> bool {
        let remote = canonical(remote);
        let open = |s: &SubflowState| !s.is_closing() && same(s.local.ip(), local) && s.remote == remote;
        self.subflows.iter().any(open)
    }

    /// The peer's addresses and ports that subflows can be created to: the initial subflow's unless the peer forbids it, and those it announced.
    pub fn targets(&self) -> impl Iterator<Item = SocketAddr> {
        let first = (!self.deny_join_initial).then_some(self.remote);
        first.into_iter().chain(self.remote_addresses.values().copied())
    }

    /// The id of a local address: of its announcement, or of a subflow.
    #[must_use]
    pub fn id_of(&self, address: IpAddr) -> Option<AddressId> {
        let address = address.to_canonical();
        let announced =
            self.announced.iter().find(|(_, (other, _))| same(*other, address)).map(|(id, _)| *id);
        let of_subflow = || {
            let from_it =
                |s: &&SubflowState| s.local.ip() == address && !s.local_id.is_initial() && !s.is_closing();
            self.subflows.iter().find(from_it).map(|s| s.local_id)
        };
        announced.or_else(of_subflow)
    }

    pub(super) fn is_announced(&self, address: IpAddr) -> bool {
        self.announced.values().any(|(other, _)| same(*other, address))
    }

    /// The subflows that are established, and that no decision closes.
    pub(super) fn open(&self) -> impl Iterator<Item = &SubflowState> {
        self.subflows.iter().filter(|s| s.is_established() && !s.is_closing())
    }

    /// Whether the peer can create subflows to this port: the kernel accepts them on that of the initial subflow, and on announced ports.
    pub(super) fn lets_in_at(&self, port: u16) -> bool {
        port == self.local.port() || self.announced.values().any(|(_, announced)| *announced == Some(port))
    }

    /// The lowest free id.
    pub(super) fn free_id(&self) -> Option<AddressId> {
        (1..=u8::MAX).map(AddressId::new).find(|id| !self.uses(*id))
    }

    /// Whether an address that was announced has this id, or a subflow.
    pub(super) fn uses(&self, id: AddressId) -> bool {
        self.announced.contains_key(&id) || self.subflows.iter().any(|subflow| subflow.local_id == id)
    }

    pub(super) fn subflow_mut(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<&mut SubflowState> {
        let ends = (canonical(local), canonical(remote));
        self.subflows.iter_mut().find(|subflow| subflow.ends() == ends)
    }

    /// The position of the subflow with these ends, or of one being created that matches them: by a decision that is executed or
    /// `running`, not by one that waits.
    pub(super) fn position(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
        id: AddressId,
        running: impl Fn(u64) -> bool,
    ) -> Option<usize> {
        let (local, remote) = (canonical(local), canonical(remote));
        let exact = self.subflows.iter().position(|subflow| subflow.ends() == (local, remote));
        let open = |phase: &dyn Fn(SubflowPhase) -> bool| {
            self.subflows.iter().position(|s| {
                let ends = s.local.port() == 0 && s.local.ip() == local.ip() && s.remote == remote;
                ends && s.local_id == id && phase(s.phase)
            })
        };
        // The event may arrive before the kernel's answer to the decision.
        let planned = |phase: SubflowPhase| matches!(phase, SubflowPhase::Planned(number) if running(number));
        exact.or_else(|| open(&|phase| phase == SubflowPhase::Trying)).or_else(|| open(&planned))
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
            counters: None,
            is_backup: false,
            phase,
            decided: false,
        }
    }

    /// It is a backup, or none, in the kernel too.
    pub(super) fn set_backup(&mut self, backup: bool) {
        (self.backup, self.is_backup) = (backup, backup);
    }

    /// The subflow that was to be created.
    pub(super) fn creation(&self) -> Subflow {
        let mut subflow = Subflow::new(self.local, self.remote).id(self.local_id);
        (subflow.backup, subflow.index) = (self.backup, self.index);
        subflow
    }

    /// Whether it is established. If not, it is being created.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, SubflowPhase::Established | SubflowPhase::Closing(_))
    }

    /// Whether a decision destroys it.
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

/// The scope and flags of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressKind {
    /// Its scope (`RT_SCOPE_*`): 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
}

impl AddressKind {
    /// Whether connections can use it: its scope is wider than the link, and duplicate address detection has not failed and is not running.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        self.scope < RT_SCOPE_LINK && self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0
    }
}

/// The address without an IPv4-mapped form, flow label and scope.
pub(super) fn canonical(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip().to_canonical(), end.port())
}

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_addr.h`
const RT_SCOPE_LINK: u8 = 253;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
