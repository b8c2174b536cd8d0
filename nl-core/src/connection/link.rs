use std::collections::HashMap;

use super::Connection;
use crate::addr::Dev;
use crate::attr::DecodeError;
use crate::dump::Dump;
use crate::error::{Error, Result};
use crate::link::{IFLA_IFNAME, Link, list_request, request};
use crate::message::{IfInfoMsg, MessageRef};
use crate::pending::Pending;
use crate::protocol::Protocol;

/// Reads the index of a link, and whether it has the name it was looked up by. Another name is an alternative name, for which
/// there is no cheap check.
fn index_of(dev: &Dev) -> impl FnOnce(MessageRef<'_>) -> Result<(u32, bool), DecodeError> + Send {
    move |message| {
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        let name = attrs.find(IFLA_IFNAME)?.ok_or(DecodeError::Missing(IFLA_IFNAME))?;
        Ok((header.index, matches!(dev, Dev::Name(own) if name.str().is_ok_and(|name| *name == **own))))
    }
}

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
        let dump = self.dump(list_request(None, None, false), |message| Link::decode(message).map(Some));
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
        Pending::new(async move { Ok(conn.find_link(&Dev::Index(index)).await?.name.as_str().to_owned()) })
    }

    /// The names of every device of the namespace by index, for printing many entries. The list is read again if it changed
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Dump::collect_all`], and a connection of another protocol.
    pub fn link_names(&self) -> Pending<HashMap<u32, String>> {
        let links = self.links().collect_all();
        Pending::new(async move {
            Ok(links.await?.into_iter().map(|link| (link.index, link.name.as_str().to_owned())).collect())
        })
    }

    pub(crate) async fn find_link(&self, dev: &Dev) -> Result<Link> {
        self.require(Protocol::Route, "links")?;
        dev.check()?;
        let link = self.answered(request(dev, false).unacknowledged(), Link::decode).await?;
        if matches!(dev, Dev::Name(name) if **name == *link.name) {
            self.names().remember(self.socket(), &link.name, link.index);
        }
        Ok(link)
    }

    async fn find_index(&self, dev: &Dev) -> Result<u32> {
        match self.known_index(dev)? {
            Some(index) => Ok(index),
            None => {
                let (index, is_own_name) =
                    self.answered(request(dev, false).unacknowledged(), index_of(dev)).await?;
                if let (Dev::Name(name), true) = (dev, is_own_name) {
                    self.names().remember(self.socket(), name, index);
                }
                Ok(index)
            }
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

/// How the devices of a request were named, for errors about it.
#[derive(Debug, Default)]
pub struct Named(Vec<(u32, Dev)>);

impl Named {
    /// Calls the devices in an error as they were named.
    #[must_use]
    pub fn explain(&self, error: Error) -> Error {
        self.0.iter().fold(error, |error, (index, dev)| error.naming(*index, dev))
    }
}

impl Connection {
    /// Puts indexes in place of names, and returns the names for errors.
    ///
    /// # Errors
    /// The first device that is not there. It and those behind it got stand-ins for indexes, which the returned names explain too,
    /// so that the request can be described. It must not be sent.
    pub async fn resolve(&self, devs: Vec<&mut Dev>) -> Result<Named, (Error, Named)> {
        let (mut named, mut failed) = (Named::default(), None);
        // Counts down from an index that no device has.
        let mut stand_in = u32::MAX;
        for dev in devs {
            let found = match &failed {
                None => self.find_index(dev).await,
                Some(_) => dev.index().ok_or_else(|| Error::usage("not looked up")),
            };
            let index = found.unwrap_or_else(|error| {
                failed.get_or_insert(error);
                stand_in -= 1;
                stand_in + 1
            });
            named.0.push((index, std::mem::replace(dev, Dev::Index(index))));
        }
        match failed {
            None => Ok(named),
            Some(error) => Err((error, named)),
        }
    }
}
