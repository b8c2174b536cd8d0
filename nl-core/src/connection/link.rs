use std::collections::HashMap;

use super::Connection;
use crate::addr::Dev;
use crate::dump::Dump;
use crate::error::Result;
use crate::link::{Link, request};
use crate::pending::Pending;
use crate::protocol::Protocol;

impl Connection {
    /// A device by name, alternative name or index.
    ///
    /// Equivalent: `ip link show dev DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device (`ENODEV`), a name or index that cannot exist, a connection of another protocol.
    pub fn link(&self, dev: impl Into<Dev>) -> Pending<Link> {
        let (conn, dev) = (self.clone(), dev.into());
        Pending::new(async move { conn.find_link(&dev).await })
    }

    /// Every device of the namespace.
    ///
    /// Equivalent: `ip link show`. Needs no privilege.
    pub fn links(&self) -> Dump<Link> {
        let dump = self.dump(request(None), |message| Link::decode(message).map(Some));
        match self.require(Protocol::Route, "links") {
            Ok(()) => dump,
            Err(error) => dump.failed(error),
        }
    }

    /// The index of a device. An index is returned without asking.
    ///
    /// A name is looked up once and then remembered; each further use costs one cheap system call, which checks that the
    /// device still has the name.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub fn link_index(&self, dev: impl Into<Dev>) -> Pending<u32> {
        let (conn, dev) = (self.clone(), dev.into());
        Pending::new(async move { conn.find_index(&dev).await })
    }

    /// The name of a device.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub fn link_name(&self, index: u32) -> Pending<String> {
        let conn = self.clone();
        Pending::new(async move { Ok(conn.find_link(&Dev::Index(index)).await?.name) })
    }

    /// The names of every device of the namespace by index, for printing many entries. The list is read again if it changed
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Dump::collect_all`], and a connection of another protocol.
    pub fn link_names(&self) -> Pending<HashMap<u32, String>> {
        let links = self.links().collect_all();
        Pending::new(
            async move { Ok(links.await?.into_iter().map(|link| (link.index, link.name)).collect()) },
        )
    }

    pub(crate) async fn find_link(&self, dev: &Dev) -> Result<Link> {
        self.require(Protocol::Route, "links")?;
        dev.check()?;
        let link = self.answer(request(Some(dev)), Link::decode).await?;
        // Another name than the device's own is an alternative name, for which there is no cheap check.
        if matches!(dev, Dev::Name(name) if *name == link.name) {
            self.names().remember(self.socket(), &link.name, link.index);
        }
        Ok(link)
    }

    async fn find_index(&self, dev: &Dev) -> Result<u32> {
        match self.known_index(dev)? {
            Some(index) => Ok(index),
            None => Ok(self.find_link(dev).await?.index),
        }
    }

    /// The index of a device, if no request is needed to know it.
    ///
    /// # Errors
    /// A name or index that cannot exist, a connection of another protocol.
    pub fn known_index(&self, dev: &Dev) -> Result<Option<u32>> {
        dev.check()?;
        match dev {
            Dev::Index(index) => Ok(Some(*index)),
            Dev::Name(name) => {
                self.require(Protocol::Route, "links")?;
                Ok(self.names().index(self.socket(), name))
            }
        }
    }
}
