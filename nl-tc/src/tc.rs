//! The handle.

use nl_core::Request;
use nl_core::batch::Batch;
use nl_core::error::decode_error;
use nl_core::{Connection, Dev, Error, Protocol, Result};

use crate::class::{ClassEntry, Classes};
use crate::filter::{FilterEntry, Filters};
use crate::qdisc::{QdiscEntry, Qdiscs};
use crate::{TcHandle, TcObject, TcVerb};

/// Traffic control of a namespace. Cheap to clone.
///
#[cfg_attr(feature = "htb", doc = "```no_run")]
#[cfg_attr(not(feature = "htb"), doc = "```ignore")]
/// use nl_core::{Connection, Protocol};
/// use nl_tc::htb::{HtbClassConfig, HtbConfig};
/// use nl_tc::{Rate, Tc, TcHandle};
///
/// # async fn example() -> nl_core::Result<()> {
/// let tc = Tc::new(Connection::open(Protocol::Route)?);
/// let qdisc = TcHandle::new(1, 0);
/// tc.qdisc("eth0", TcHandle::ROOT).handle(qdisc).add(HtbConfig::new().default_class(0x10)).await?;
/// tc.class("eth0", qdisc.class(0x10)).add(HtbClassConfig::new(Rate::mbit(10)).ceil(Rate::mbit(100))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tc {
    pub(crate) conn: Connection,
}

impl Tc {
    /// Over this connection, which must be one to [`Protocol::Route`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// One class, to be added, changed, deleted or read.
    pub fn class(&self, dev: impl Into<Dev>, handle: TcHandle) -> ClassEntry {
        ClassEntry::new(self.clone(), dev.into(), handle)
    }

    /// The classes of a device, or those that match, to be listed.
    pub fn classes(&self, dev: impl Into<Dev>) -> Classes {
        Classes::new(self.clone(), dev.into())
    }

    /// The qdisc in a place of a device, to be added, changed, deleted or read: on the device itself
    /// ([`TcHandle::ROOT`]), on a class, or where clsact is ([`TcHandle::CLSACT`]).
    pub fn qdisc(&self, dev: impl Into<Dev>, parent: TcHandle) -> QdiscEntry {
        QdiscEntry::new(self.clone(), dev.into(), parent)
    }

    /// All qdiscs, or those that match, to be listed.
    pub fn qdiscs(&self) -> Qdiscs {
        Qdiscs::new(self.clone())
    }

    /// A filter on a qdisc or class, to be added or deleted.
    pub fn filter(&self, dev: impl Into<Dev>, parent: TcHandle) -> FilterEntry {
        FilterEntry::new(self.clone(), dev.into(), parent)
    }

    /// The filters on a qdisc or class, to be listed.
    pub fn filters(&self, dev: impl Into<Dev>, parent: TcHandle) -> Filters {
        Filters::new(self.clone(), dev.into(), parent)
    }

    /// Thousands of changes in few system calls: a stream of one result per change, in order.
    ///
    #[cfg_attr(feature = "htb", doc = "```no_run")]
    #[cfg_attr(not(feature = "htb"), doc = "```ignore")]
    /// use nl_tc::class::Class;
    /// use nl_tc::htb::HtbClassConfig;
    /// use nl_tc::{Rate, Tc, TcHandle, TcVerb};
    ///
    /// # async fn example(tc: Tc, index: u32) -> nl_core::Result<()> {
    /// let class = move |minor| Class::new(index, TcHandle::new(1, minor), HtbClassConfig::new(Rate::mbit(1)));
    /// let summary = tc.batch((1..=4000).map(move |minor| (TcVerb::Add, class(minor)))).summarize(10).await?;
    /// println!("{} added, {} refused", summary.succeeded, summary.failed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// For each class that is made or deleted the kernel looks at all others of its qdisc. So it gets slower the more there are:
    /// 10,000 HTB classes took a kernel six seconds of its own, for whatever program, 2,000 a fifth of one. Changes do not.
    ///
    /// See [`nl_core::batch`]. Devices are given by index here, and what the verbs of a [`ClassEntry`] look up first is not looked
    /// up: that the qdisc is of the class's kind, and that the parent of an HTB class is there.
    pub fn batch<I, O>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I, O>>
    where
        I: IntoIterator<Item = (TcVerb, O)>,
        O: Into<TcObject>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, object)| object.into().request(verb)))
    }

    pub(crate) fn on_route(&self) -> Result<()> {
        match self.conn.protocol() {
            Protocol::Route => Ok(()),
            other => Err(Error::usage(format!("traffic control is on NETLINK_ROUTE, not {other}"))),
        }
    }

    pub(crate) async fn index(&self, dev: &Dev) -> Result<u32> {
        self.on_route()?;
        match self.conn.known_index(dev)? {
            Some(index) => Ok(index),
            None => self.conn.link_index(dev).await,
        }
    }
}

/// What the kernel says of an object that does not exist, where it answers nothing.
pub(crate) fn not_found() -> Error {
    const ENOENT: i32 = 2;
    let refusal = decode_error(0, &(-ENOENT).to_ne_bytes());
    refusal.err().unwrap_or_else(|| Error::usage("there is none"))
}
