//! What the handles look up before a request.

use nl_core::dump::Dump;
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

/// A list of what a device has. The kernel answers an index that no device has with an empty list, so an empty list of a device that
/// was given by its index has the device looked up. Others cost nothing more.
pub(crate) async fn on_device<T: Send>(
    conn: &Connection,
    dev: &Dev,
    index: u32,
    mut list: Dump<T>,
) -> Result<Dump<T>> {
    if matches!(dev, Dev::Index(_)) && !list.has_entries().await {
        exists(conn, index).await?;
    }
    Ok(list)
}

/// Refuses an index that no device has: `ENODEV`.
pub(crate) async fn exists(conn: &Connection, index: u32) -> Result<()> {
    conn.link_name(index).await.map(drop)
}

pub(crate) fn on_route(conn: &Connection) -> Result<()> {
    conn.require(Protocol::Route, "qdiscs, classes and filters")
}

/// The error for an object that does not exist, where the kernel reports success and no object.
pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::Kernel(KernelError::new(Errno::ENOENT)))
}
