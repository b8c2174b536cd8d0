use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use nl_core::Request;

use crate::endpoint::{Endpoint, EndpointFlags};
use crate::message::{
    AddressNest, CMD_ANNOUNCE, CMD_GET_ADDR, CMD_REMOVE, CMD_SET_FLAGS, CMD_SUBFLOW_CREATE,
    CMD_SUBFLOW_DESTROY, MPTCP_PM_ATTR_ADDR, MPTCP_PM_ATTR_ADDR_REMOTE, MPTCP_PM_ATTR_LOC_ID,
    MPTCP_PM_ATTR_TOKEN, request,
};
use crate::{AddressId, Token};

/// What is done with a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubflowVerb {
    /// Make it the backup flag it has, found by its addresses (`MPTCP_PM_CMD_SET_FLAGS`).
    Change,
    /// Open it (`MPTCP_PM_CMD_SUBFLOW_CREATE`).
    Create,
    /// Close it (`MPTCP_PM_CMD_SUBFLOW_DESTROY`).
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

/// A subflow, as it is to be opened, changed or closed.
///
/// ```
/// use nl_mptcp::connection::Subflow;
///
/// let subflow = Subflow::new("10.0.1.2:0".parse()?, "10.0.1.1:443".parse()?).id(7).backup();
/// assert_eq!(subflow.to_string(), "10.0.1.2 id 7 to 10.0.1.1:443 backup");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Both addresses are IPv4, or both IPv6. One that maps IPv4 into IPv6 counts as IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Subflow {
    /// The address and port on this side. With port 0 a new subflow gets a port that is free.
    pub local: SocketAddr,
    /// The address and port of the peer.
    pub remote: SocketAddr,
    /// The number of the local address, 1 to 255. A new subflow needs one.
    pub id: AddressId,
    /// Whether it carries data only when no other can.
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

    /// From the local address of this number, 1 to 255: one that is free, or the one the address has already.
    #[must_use]
    pub fn id(mut self, id: impl Into<AddressId>) -> Self {
        self.id = id.into();
        self
    }

    /// Carries data only when no other can. When creating, Linux 6.1 ignores this.
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

    /// The request that does this with a subflow of the connection `token`, where the [family](crate::FAMILY) has the number
    /// `family`. One that the kernel would refuse, or would take and quietly do something else, is
    /// [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self, family: u16, token: Token, verb: SubflowVerb) -> Request {
        let end = |end: SocketAddr| AddressNest {
            address: Some(end.ip()),
            port: Some(end.port()).filter(|port| *port != 0),
            ..AddressNest::default()
        };
        let (mut local, remote) = (end(self.local), end(self.remote));
        let flags = if self.backup { EndpointFlags::BACKUP } else { EndpointFlags::empty() }.bits();
        let command = match verb {
            SubflowVerb::Change => {
                local.flags = Some(flags);
                CMD_SET_FLAGS
            }
            SubflowVerb::Create => {
                local.id = Some(self.id);
                local.flags = Some(flags).filter(|flags| *flags != 0);
                local.index = self.index;
                CMD_SUBFLOW_CREATE
            }
            SubflowVerb::Destroy => CMD_SUBFLOW_DESTROY,
        };
        let mut request = with_token(family, token, command);
        local.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR);
        remote.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR_REMOTE);
        match self.refusal(verb) {
            None => request,
            Some(why) => request.invalid_if(Err((why).into())),
        }
    }

    /// Why the kernel would refuse this, or do something else than it says.
    fn refusal(&self, verb: SubflowVerb) -> Option<Cow<'static, str>> {
        let (local, remote) = (self.local.ip().to_canonical(), self.remote.ip().to_canonical());
        if local.is_ipv4() != remote.is_ipv4() {
            let why = "a subflow is IPv4 or IPv6 at both ends";
            return Some(format!("{why}, not {} to {}", self.local.ip(), self.remote.ip()).into());
        }
        if let Some(index) = self.index.filter(|index| *index == 0 || i32::try_from(*index).is_err()) {
            return Some(format!("interface index {index}; 1 to {} are possible", i32::MAX).into());
        }
        match verb {
            SubflowVerb::Create if self.remote.port() == 0 => {
                Some("remote port 0; the kernel would try just that, and say success".into())
            }
            SubflowVerb::Create if self.id.is_initial() => Some(
                "a new subflow needs the id of its local address, 1 to 255: the kernel would take 0".into(),
            ),
            SubflowVerb::Destroy if self.local.port() == 0 || self.remote.port() == 0 => {
                Some("a subflow is found by both addresses and both ports; port 0 is none".into())
            }
            _ => None,
        }
    }
}

/// The ends in one line; a local port 0 is left out.
impl fmt::Display for Subflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local {
            end if end.port() == 0 => write!(f, "{}", end.ip())?,
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

impl Endpoint {
    /// The request that announces this address to the peer of the connection `token`, where the [family](crate::FAMILY) has
    /// the number `family`: [`address`](Self#structfield.address), [`id`](Self#structfield.id) and
    /// [`port`](Self#structfield.port). [`signal`](Self::signal) need not be said.
    ///
    /// One that the kernel would refuse is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn announce_request(&self, family: u16, token: Token) -> Request {
        let mut request = with_token(family, token, CMD_ANNOUNCE);
        let nest = AddressNest {
            address: Some(self.address),
            id: Some(self.id),
            port: self.port,
            flags: Some((self.flags | EndpointFlags::SIGNAL).bits()),
            index: self.index,
        };
        nest.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR);
        if self.id.is_initial() {
            return request.invalid_if(Err(
                "an address is announced with an id, 1 to 255; 0 is the first subflow's".into(),
            ));
        }
        if let Some(index) = self.index.filter(|index| *index == 0 || i32::try_from(*index).is_err()) {
            return request.invalid_if(Err((format!(
                "interface index {index}; 1 to {} are possible",
                i32::MAX
            ))
            .into()));
        }
        match self.port {
            Some(0) => request.invalid_if(Err("port 0; leave the port out, or give 1 to 65535".into())),
            _ => request,
        }
    }
}

/// The request that withdraws the address `id` from the peer of the connection `token`, and closes its subflows. Id 0 is the
/// address of the first subflow.
#[must_use]
pub fn withdraw_request(family: u16, token: Token, id: AddressId) -> Request {
    let mut request = with_token(family, token, CMD_REMOVE);
    request.attrs().u8(MPTCP_PM_ATTR_LOC_ID, id.get());
    request
}

/// The request that reads the local address `id` of the connection `token`. [`Endpoint::decode`] reads the answer.
///
/// Linux 6.1 ignores the token, and answers with the namespace's endpoint of that id.
#[must_use]
pub fn get_request(family: u16, token: Token, id: AddressId) -> Request {
    let mut request = with_token(family, token, CMD_GET_ADDR);
    AddressNest { id: Some(id), ..AddressNest::default() }.write(&mut request.attrs(), MPTCP_PM_ATTR_ADDR);
    request
}

/// The request that lists the local addresses of the connection `token`, in a dump. [`Endpoint::decode`] reads each.
///
/// Linux 6.1 ignores the token, and lists the namespace's endpoints.
#[must_use]
pub fn list_request(family: u16, token: Token) -> Request {
    with_token(family, token, CMD_GET_ADDR)
}

fn with_token(family: u16, token: Token, command: u8) -> Request {
    let mut request = request(family, command);
    request.attrs().u32(MPTCP_PM_ATTR_TOKEN, token.get());
    request
}
