//! What the handles share: a netlink connection, and what was learned about its kernel.

use std::fmt;
use std::sync::{Arc, OnceLock};

use nl_core::attr::DecodeError;
use nl_core::connection::Named;
use nl_core::dump::Dump;
use nl_core::error::{Ack, Errno, ErrorKind, KernelError};
use nl_core::genl::Family;
use nl_core::message::MessageRef;
use nl_core::{Connection, Dev, Error, Protocol, Request, Result};

use crate::FAMILY;

/// A netlink connection over which requests go to the family [`FAMILY`]. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Channel {
    conn: Connection,
    learned: Arc<Learned>,
}

#[derive(Default)]
struct Learned {
    /// Multipath TCP is not a module, so the number of the family does not change.
    family: OnceLock<Arc<Family>>,
    /// Resolves the names of interfaces.
    route: OnceLock<Connection>,
    reports_addresses: OnceLock<bool>,
}

impl Channel {
    pub(crate) fn new(conn: Connection) -> Self {
        Self { conn, learned: Arc::default() }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.conn
    }

    pub(crate) async fn family(&self) -> Result<&Arc<Family>> {
        if let Some(family) = self.learned.family.get() {
            return Ok(family);
        }
        self.conn.require(Protocol::Generic, "Multipath TCP requests")?;
        let family = self.conn.family(FAMILY).await?;
        Ok(self.learned.family.get_or_init(|| family))
    }

    /// Whether the kernel reports the addresses of a connection, once that is known.
    pub(crate) fn reports_addresses(&self) -> &OnceLock<bool> {
        &self.learned.reports_addresses
    }

    /// Sends the request that `encode` makes for the number of the family.
    pub(crate) async fn acknowledged(&self, encode: impl FnOnce(u16) -> Request + Send) -> Result<Ack> {
        match self.family().await {
            Ok(family) => self.conn.acknowledged(encode(family.id)).await,
            Err(error) => Err(encode(0).not_sent(error)),
        }
    }

    /// [`acknowledged`](Self::acknowledged) for a request that names a device: `encode` also takes its index.
    pub(crate) async fn acknowledged_on(
        &self,
        dev: Option<Dev>,
        encode: impl FnOnce(u16, Option<u32>) -> Request + Send,
    ) -> Result<Ack> {
        let Some(mut dev) = dev else {
            return self.acknowledged(|family| encode(family, None)).await;
        };
        let (named, resolved) = match self.resolve(&mut dev).await {
            Ok(named) => (named, Ok(())),
            Err((error, named)) => (named, Err(error)),
        };
        let index = dev.index();
        let outcome = match resolved {
            Ok(()) => self.acknowledged(|family| encode(family, index)).await,
            Err(error) => Err(encode(0, index).not_sent(error)),
        };
        outcome.map_err(|error| named.explain(error))
    }

    /// Sends the request and decodes the answer.
    pub(crate) async fn answered<T: Send>(
        &self,
        encode: impl FnOnce(u16) -> Request + Send,
        decode: fn(MessageRef<'_>) -> Result<T, DecodeError>,
    ) -> Result<T> {
        match self.family().await {
            Ok(family) => self.conn.answered(encode(family.id), decode).await,
            Err(error) => Err(encode(0).not_sent(error)),
        }
    }

    /// Lists what the request asks for.
    pub(crate) async fn dump<T: 'static>(
        &self,
        encode: impl FnOnce(u16) -> Request + Send,
        decode: fn(MessageRef<'_>) -> Result<T, DecodeError>,
    ) -> Result<Dump<T>> {
        match self.family().await {
            Ok(family) => Ok(self.conn.dump(encode(family.id), move |message| decode(message).map(Some))),
            Err(error) => Err(encode(0).not_sent(error)),
        }
    }

    async fn resolve(&self, dev: &mut Dev) -> Result<Named, (Error, Named)> {
        // An index needs no request, and so no socket for one.
        let route = match self.learned.route.get() {
            _ if dev.index().is_some() => &self.conn,
            Some(route) => route,
            None => match self.conn.sibling(Protocol::Route) {
                Ok(route) => self.learned.route.get_or_init(|| route),
                Err(error) => return Err((error, Named::default())),
            },
        };
        route.resolve(vec![dev]).await
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.conn, f)
    }
}

/// The kernel reports `EINVAL` and "address not found" for something that does not exist.
pub(crate) fn or_not_found(error: Error) -> Error {
    let Some(kernel) = error.kernel() else { return error };
    let text = kernel.ext_ack.message.as_deref().unwrap_or_default();
    if kernel.errno != Errno::EINVAL || !text.contains("not found") {
        return error;
    }
    let operation = error.operation().unwrap_or("mptcp request").to_owned();
    not_found().during(|| operation)
}

/// `No such device or address`: how the kernel refuses what does not exist.
pub(crate) fn not_found() -> Error {
    ErrorKind::Kernel(KernelError::new(Errno::ENXIO)).into()
}
