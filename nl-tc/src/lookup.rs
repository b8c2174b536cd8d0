//! What the handles look up before a request.

use nl_core::error::{Errno, ErrorKind, KernelError};
use nl_core::{Connection, Dev, Error, Protocol, Result};

/// The index of a device.
pub(crate) async fn index(conn: &Connection, dev: &Dev) -> Result<u32> {
    on_route(conn)?;
    match conn.known_index(dev)? {
        Some(index) => Ok(index),
        None => conn.link_index(dev).await,
    }
}

pub(crate) fn on_route(conn: &Connection) -> Result<()> {
    conn.require(Protocol::Route, "qdiscs, classes and filters")
}

/// The error for an object that does not exist, where the kernel reports success and no object.
pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::Kernel(KernelError::new(Errno::ENOENT)))
}
