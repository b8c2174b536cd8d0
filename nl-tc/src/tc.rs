use nl_core::batch::Batch;
use nl_core::{Connection, Dev, Request};

#[cfg(feature = "action")]
use crate::action::{Action, ActionEntry, Actions};
use crate::class::{ClassEntry, Classes};
use crate::filter::{FilterEntry, Filters};
use crate::qdisc::{QdiscEntry, Qdiscs};
use crate::{TcHandle, TcObject, TcVerb};

/// Traffic control of a network namespace. Cheap to clone.
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
    conn: Connection,
}

impl Tc {
    /// Traffic control over this connection, whose protocol must be [`Protocol::Route`](nl_core::Protocol::Route).
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// An action that filters share, to be added, replaced, deleted or read.
    #[cfg(feature = "action")]
    pub fn action(&self, action: impl Into<Action>) -> ActionEntry {
        ActionEntry::new(self.conn.clone(), action.into())
    }

    /// The actions of a kind, such as `mirred`, to be listed or deleted.
    #[cfg(feature = "action")]
    pub fn actions(&self, kind: impl Into<String>) -> Actions {
        Actions::new(self.conn.clone(), kind.into())
    }

    /// One class to be added, changed, deleted or read.
    pub fn class(&self, dev: impl Into<Dev>, handle: TcHandle) -> ClassEntry {
        ClassEntry::new(self.conn.clone(), dev.into(), handle)
    }

    /// The classes of a device to be listed.
    pub fn classes(&self, dev: impl Into<Dev>) -> Classes {
        Classes::new(self.conn.clone(), dev.into())
    }

    /// One qdisc to be added, changed, deleted or read. The parent is the device itself ([`TcHandle::ROOT`]), a class, or
    /// [`TcHandle::CLSACT`].
    pub fn qdisc(&self, dev: impl Into<Dev>, parent: TcHandle) -> QdiscEntry {
        QdiscEntry::new(self.conn.clone(), dev.into(), parent)
    }

    /// The qdiscs to be listed.
    pub fn qdiscs(&self) -> Qdiscs {
        Qdiscs::new(self.conn.clone())
    }

    /// A filter of a qdisc or class to be added, changed, deleted or read.
    pub fn filter(&self, dev: impl Into<Dev>, parent: TcHandle) -> FilterEntry {
        FilterEntry::new(self.conn.clone(), dev.into(), parent)
    }

    /// The filters of a qdisc or class to be listed or deleted.
    pub fn filters(&self, dev: impl Into<Dev>, parent: TcHandle) -> Filters {
        Filters::new(self.conn.clone(), dev.into(), parent)
    }

    /// A filter of a block that devices share, to be added, changed, deleted or read.
    pub fn block_filter(&self, block: u32) -> FilterEntry {
        FilterEntry::in_block(self.conn.clone(), block)
    }

    /// The filters of a block that devices share, to be listed or deleted.
    pub fn block_filters(&self, block: u32) -> Filters {
        Filters::in_block(self.conn.clone(), block)
    }

    /// Makes thousands of changes in few system calls. Returns a stream with one result per change, in order.
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
    /// For each class that is added or deleted, the kernel visits all other classes of the qdisc. So the time grows with the
    /// square of their number: 2,000 HTB classes took a kernel 0.2 s, 10,000 took 6 s, with any program. Changes are not affected.
    ///
    /// See [`nl_core::batch`]. Devices are given by index. A batch does not check what a [`ClassEntry`] checks by further requests:
    /// the kind of the qdisc, and the parent of an HTB class.
    pub fn batch<I, O>(&self, changes: I) -> Batch<impl Iterator<Item = Request> + use<I, O>>
    where
        I: IntoIterator<Item = (TcVerb, O)>,
        O: Into<TcObject>,
    {
        self.conn.batch(changes.into_iter().map(|(verb, object)| object.into().request(verb)))
    }
}
