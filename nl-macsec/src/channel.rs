//! What the handles share: a connection to generic netlink, and one to NETLINK_ROUTE beside it for devices.

use std::fmt;
use std::sync::{Arc, OnceLock};

use nl_core::error::{Ack, Errno, ErrorKind, KernelError};
use nl_core::link::Link;
use nl_core::{Connection, Dev, Error, Protocol, Request, Result};

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::device::MacsecDevice;
use crate::message::FAMILY;
use crate::verb::Verb;

/// A netlink connection over which requests go to the family [`FAMILY`]. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Channel {
    conn: Connection,
    /// For devices.
    route: Arc<OnceLock<Connection>>,
}

/// The device that a request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) index: u32,
    pub(crate) suite: CipherSuite,
}

impl Channel {
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, route: Arc::default() }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The connection for devices.
    pub(crate) fn route(&self) -> Result<&Connection> {
        if let Some(route) = self.route.get() {
            return Ok(route);
        }
        self.conn.require(Protocol::Generic, "MACsec requests")?;
        let route = self.conn.sibling(Protocol::Route)?;
        Ok(self.route.get_or_init(|| route))
    }

    /// The number of the family. The module can be loaded again under another one, so nothing keeps it.
    pub(crate) async fn family(&self) -> Result<u16> {
        self.conn.require(Protocol::Generic, "MACsec requests")?;
        Ok(self.conn.family(FAMILY).await?.id)
    }

    /// Reads a device, which must be one of MACsec.
    pub(crate) async fn device(&self, route: &Connection, dev: &Dev) -> Result<(Link, MacsecDevice)> {
        let link = route.link(dev).await?;
        let Some(options) = link.kind::<MacsecDevice>() else {
            let is = link.kind_name.as_deref().unwrap_or("plain device");
            return Err(Error::usage(format!("{dev} is a {is}, not a macsec device"))
                .during(|| format!("get link {dev}")));
        };
        let options = options.map_err(|error| Error::from(error).during(|| format!("get link {dev}")))?;
        Ok((link, options))
    }

    /// The index and the cipher suite of a device.
    async fn target(&self, dev: &Dev) -> Result<Target> {
        let (link, options) = self.device(self.route()?, dev).await?;
        Ok(Target { index: link.index, suite: options.cipher.unwrap_or_default() })
    }

    /// Sends the request that `encode` makes for the number of the family and the device.
    pub(crate) async fn acknowledged(
        &self,
        dev: &Dev,
        encode: impl Fn(u16, Target) -> Request + Send + Sync,
    ) -> Result<Ack> {
        // Stands in for a device that is not known yet, so that the request can be put into words.
        let unknown = Target { index: dev.index().unwrap_or(u32::MAX), suite: CipherSuite::default() };
        let not_sent = |error: Error| encode(0, unknown).not_sent(error).naming(unknown.index, dev);
        dev.check().map_err(not_sent)?;
        let family = self.family().await.map_err(not_sent)?;
        let target = self.target(dev).await.map_err(not_sent)?;
        let outcome = self.send(family, |family| encode(family, target)).await;
        outcome.map_err(|error| error.naming(target.index, dev))
    }

    async fn send(&self, family: u16, encode: impl Fn(u16) -> Request + Send + Sync) -> Result<Ack> {
        match self.conn.acknowledged(encode(family)).await {
            // The family has another number since its module was loaded again.
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                self.conn.forget_family(FAMILY);
                match self.family().await {
                    Ok(now) if now != family => self.conn.acknowledged(encode(now)).await,
                    _ => Err(error),
                }
            }
            outcome => outcome,
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.conn, f)
    }
}

/// What the kernel does not say when it refuses any change of MACsec for want of privilege.
pub(crate) const PRIVILEGE: &str = "MACsec is changed with CAP_NET_ADMIN in the initial user namespace; root in a user namespace of \
                                    its own is not enough";

/// What the kernel does not say when it refuses for the driver.
pub(crate) const NO_OFFLOAD: &str = "the driver to which MACsec is offloaded cannot do this";

/// What a refusal of the kernel means for an association, whichever way it is, where that does not depend on what else is there.
pub(crate) fn refusal(error: &Error, verb: Verb, an: An) -> Option<String> {
    match (verb, error.kernel()?.errno) {
        (_, Errno::EPERM) => Some(PRIVILEGE.into()),
        (Verb::Add, Errno::EBUSY) => {
            Some(format!("association {an} exists: delete it before, or add another one"))
        }
        (Verb::Delete, Errno::EBUSY) => {
            Some(format!("association {an} is active: update it with active(false) before, or use remove()"))
        }
        (_, Errno::EOPNOTSUPP) => Some(NO_OFFLOAD.into()),
        _ => None,
    }
}

/// How the kernel refuses what does not exist.
pub(crate) fn not_found() -> Error {
    ErrorKind::Kernel(KernelError::new(Errno::ENODEV)).into()
}
