use std::fmt;
use std::net::SocketAddr;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::check::{Invalid, check_index};
use nl_core::message::{GenlHeader, MessageRef};

use crate::endpoint::{Endpoint, EndpointFlags};
use crate::message::{
    CMD_SET_FLAGS, CMD_SUBFLOW_CREATE, CMD_SUBFLOW_DESTROY, MPTCP_PM_ADDR_ATTR_FLAGS, MPTCP_PM_ATTR_ADDR,
    MPTCP_PM_ATTR_ADDR_REMOTE, MPTCP_PM_ATTR_TOKEN, request,
};
use crate::{AddressId, Token};

/// A subflow to be created, changed or destroyed.
///
/// ```
/// use nl_mptcp::subflow::Subflow;
///
/// let subflow = Subflow::new("10.0.1.2:0".parse()?, "10.0.1.1:443".parse()?).id(7).backup();
/// assert_eq!(subflow.to_string(), "10.0.1.2 id 7 to 10.0.1.1:443 backup");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
/// Both addresses are IPv4, or both IPv6. An IPv4-mapped IPv6 address counts as IPv4.
///
/// The scope of an IPv6 address (`fe80::1%3`) is an interface: a new subflow leaves through it, as with [`index`](Self::index()).
/// The scopes and the index are one interface, or the subflow is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Subflow {
    /// The local address and port. With port 0 a new subflow gets a free port.
    pub local: SocketAddr,
    /// The remote address and port.
    pub remote: SocketAddr,
    /// The id of the local address, 1 to 255. A new subflow needs one.
    pub id: AddressId,
    /// Whether it is a backup: it carries data only when no regular subflow can.
    pub backup: bool,
    /// The interface a new subflow is bound to.
    pub index: Option<u32>,
}

impl Subflow {
    /// From `local` to `remote`.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, id: AddressId::INITIAL, backup: false, index: None }
    }

    /// The id of the local address, 1 to 255: a free one, or the existing id of the address.
    #[must_use]
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.id = id.into();
        self
    }

    /// A backup: it carries data only when no regular subflow can. Linux 6.1 ignores this for a new subflow.
    #[must_use]
    pub fn backup(mut self) -> Self {
        self.backup = true;
        self
    }

    /// Leaves through the interface of this index. Linux 6.1 ignores this.
    #[must_use]
    pub fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    /// The interface of its index or, without one, that of the scope of an address.
    pub(crate) fn interface(&self) -> Option<u32> {
        self.interfaces().next()
    }

    fn interfaces(&self) -> impl Iterator<Item = u32> {
        [self.index, scope(self.local), scope(self.remote)].into_iter().flatten()
    }

    /// Refuses scopes and an index that are not one interface.
    pub(crate) fn check_interface(&self) -> Result<(), Invalid> {
        self.interfaces().try_for_each(check_index)?;
        if self.interfaces().all(|other| Some(other) == self.interface()) {
            return Ok(());
        }
        let dev = self.index.map_or_else(String::new, |index| format!(" dev #{index}"));
        let ends = format!("{} to {}{dev}", Host(self.local), Host(self.remote));
        Err(format!("the scope of an address is an interface, and {ends} are different ones").into())
    }

    /// Reads a request about a subflow, for errors.
    fn decode(message: MessageRef<'_>) -> Result<(u8, Self, Token), DecodeError> {
        let (header, attrs) = message.header::<GenlHeader>()?;
        let nest = |kind| {
            let nest = attrs.find(kind)?.ok_or(DecodeError::Missing(kind))?;
            Endpoint::decode_nest(nest.attrs()).map(|(endpoint, _)| endpoint)
        };
        let (local, remote) = (nest(MPTCP_PM_ATTR_ADDR)?, nest(MPTCP_PM_ATTR_ADDR_REMOTE)?);
        let end = |end: &Endpoint| SocketAddr::new(end.address, end.port.unwrap_or(0));
        let subflow = Self {
            local: end(&local),
            remote: end(&remote),
            id: local.id,
            backup: local.flags.contains(EndpointFlags::BACKUP),
            index: local.index,
        };
        let token = attrs.find(MPTCP_PM_ATTR_TOKEN)?.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_TOKEN))?;
        Ok((header.command, subflow, Token::new(token.u32()?)))
    }

    /// The request that does this with a subflow of the connection `token`, where the [family](crate::FAMILY) has the number
    /// `family`. One that the kernel would refuse, or accept and do something else, is [refused](Request::invalid_if) when it is
    /// sent.
    #[must_use]
    pub fn request(&self, family: u16, token: Token, verb: SubflowVerb) -> Request {
        let end = |end: SocketAddr| Endpoint {
            port: Some(end.port()).filter(|port| *port != 0),
            ..Endpoint::new(end.ip())
        };
        let (mut local, remote) = (end(self.local), end(self.remote));
        let flags = if self.backup { EndpointFlags::BACKUP } else { EndpointFlags::empty() };
        let command = match verb {
            SubflowVerb::Change => CMD_SET_FLAGS,
            SubflowVerb::Create => {
                (local.id, local.flags, local.index) = (self.id, flags, self.interface());
                CMD_SUBFLOW_CREATE
            }
            SubflowVerb::Destroy => CMD_SUBFLOW_DESTROY,
        };
        let mut request = request(family, command, describe);
        let mut w = request.attrs();
        w.u32(MPTCP_PM_ATTR_TOKEN, token.get());
        let mut nest = w.nested(MPTCP_PM_ATTR_ADDR);
        local.encode(true, &mut nest);
        if verb == SubflowVerb::Change {
            nest.u32(MPTCP_PM_ADDR_ATTR_FLAGS, flags.bits());
        }
        drop(nest);
        remote.encode(true, &mut w.nested(MPTCP_PM_ATTR_ADDR_REMOTE));
        request.invalid_if(self.check(verb))
    }

    /// Refuses what the kernel would refuse, or accept and do something else.
    fn check(&self, verb: SubflowVerb) -> Result<(), Invalid> {
        let (local, remote) = (self.local.ip(), self.remote.ip());
        if local.to_canonical().is_ipv4() != remote.to_canonical().is_ipv4() {
            let why = format!("a subflow is IPv4 or IPv6 at both ends, not {local} to {remote}");
            return Err(why.into());
        }
        self.check_interface()?;
        let (no_local, no_remote) = (self.local.port() == 0, self.remote.port() == 0);
        match verb {
            SubflowVerb::Change => Ok(()),
            SubflowVerb::Create => {
                Invalid::when(
                    no_remote,
                    "remote port 0: the kernel would connect to it, and report success",
                )?;
                let why =
                    "a new subflow needs the id of its local address, 1 to 255: the kernel would accept 0";
                Invalid::when(self.id.is_initial(), why)
            }
            SubflowVerb::Destroy => {
                let why = "a subflow is selected by both addresses and both ports: port 0 matches none";
                Invalid::when(no_local || no_remote, why)
            }
        }
    }
}

/// The ends in one line, without a local port 0; `#5` in place of the name of interface 5.
impl fmt::Display for Subflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            end if end.port() == 0 => write!(f, "{}", Host(end))?,
            end => write!(f, "{end}")?,
        }
        if !self.id.is_initial() {
            write!(f, " id {}", self.id)?;
        }
        write!(f, " to {}", self.remote)?;
        if self.backup {
            f.write_str(" backup")?;
        }
        match self.index {
            Some(index) => write!(f, " dev #{index}"),
            None => Ok(()),
        }
    }
}

/// An address without its port, and with its scope.
struct Host(SocketAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.ip())?;
        match scope(self.0) {
            Some(scope) => write!(f, "%{scope}"),
            None => Ok(()),
        }
    }
}

/// The interface that an address names; 0 names none.
fn scope(end: SocketAddr) -> Option<u32> {
    match end {
        SocketAddr::V4(_) => None,
        SocketAddr::V6(end) => Some(end.scope_id()).filter(|scope| *scope != 0),
    }
}

/// An operation on a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubflowVerb {
    /// Set or clear its backup flag; selected by its addresses (`MPTCP_PM_CMD_SET_FLAGS`).
    Change,
    /// Create it (`MPTCP_PM_CMD_SUBFLOW_CREATE`).
    Create,
    /// Destroy it (`MPTCP_PM_CMD_SUBFLOW_DESTROY`).
    Destroy,
}

impl fmt::Display for SubflowVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Change => "change",
            Self::Create => "create",
            Self::Destroy => "destroy",
        })
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let Ok((command, subflow, token)) = Subflow::decode(message) else {
        return "mptcp subflow request".into();
    };
    let verb = match command {
        CMD_SUBFLOW_CREATE => SubflowVerb::Create,
        CMD_SUBFLOW_DESTROY => SubflowVerb::Destroy,
        _ => SubflowVerb::Change,
    };
    format!("{verb} mptcp subflow {subflow} token {token}")
}
