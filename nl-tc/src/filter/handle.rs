use nl_core::check::Invalid;
use nl_core::dump::Dump;
use nl_core::error::Ack;
use nl_core::{Connection, Dev, Error, Pending, Result};

use super::codec::{BLOCK, Filter, flush_request, list_request, list_request_of};
use super::config::FilterConfig;
use super::whole;
use crate::lookup::{exists, index, on_device, on_route};
use crate::{TcHandle, TcVerb, module};

/// A filter to be added, changed, deleted or read. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct FilterEntry {
    conn: Connection,
    /// `None` for a block.
    dev: Option<Dev>,
    filter: Filter,
}

impl FilterEntry {
    pub(crate) fn new(conn: Connection, dev: Dev, parent: TcHandle) -> Self {
        Self { conn, dev: Some(dev), filter: Filter::new(0, parent, FilterConfig::unset()) }
    }

    pub(crate) fn in_block(conn: Connection, block: u32) -> Self {
        Self { conn, dev: None, filter: Filter::in_block(block, FilterConfig::unset()) }
    }

    /// Sets the order in which filters are tried, 1 first. Unset: the kernel chooses one for a new filter (`prio`).
    pub fn priority(mut self, priority: u16) -> Self {
        self.filter.priority = priority;
        self
    }

    /// Sets the protocol, such as [`IPV4`](super::IPV4). Unset: [all](super::ALL), and for a deletion any protocol (`protocol`).
    pub fn protocol(mut self, protocol: u16) -> Self {
        self.filter.protocol = protocol;
        self
    }

    /// Sets the handle among the filters of the same priority, whose meaning depends on the kind (`handle`).
    pub fn handle(mut self, handle: u32) -> Self {
        self.filter.handle = handle;
        self
    }

    /// Sets the chain. Unset: 0, which is the one that packets enter (`chain`).
    pub fn chain(mut self, chain: u32) -> Self {
        self.filter.chain = Some(chain);
        self
    }

    /// Adds the filter. Fails if it exists.
    ///
    /// Equivalent: `tc filter add`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the qdisc or the class does not exist.
    /// - [`Unsupported`](nl_core::error::ErrorKind::Unsupported): the kernel does not have the kind.
    /// - Bad input, before the kernel is asked.
    #[expect(clippy::should_implement_trait, reason = "the word of `tc`")]
    pub fn add(self, config: impl Into<FilterConfig>) -> Pending<Ack> {
        self.write(TcVerb::Add, config.into())
    }

    /// Changes an existing filter, by its [priority](Self::priority) and [handle](Self::handle). The whole configuration is replaced.
    /// `u32` and `flower` are changed at once: each packet meets the old filter or the new one.
    ///
    /// The kernel does not change what a `u32` filter compares, and does not say so: it changes the class and the actions, and `tc`
    /// reports success. Such a change is refused here, for which the filter is read first. A [batch](crate::Tc::batch) does not read it.
    ///
    /// Equivalent: `tc filter change`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the filter does not exist.
    /// - Bad input, before the kernel is asked, such as other keys for a `u32` filter.
    pub fn change(self, config: impl Into<FilterConfig>) -> Pending<Ack> {
        self.write(TcVerb::Change, config.into())
    }

    /// Adds the filter, or [changes](Self::change) the one with this priority and handle.
    ///
    /// Equivalent: `tc filter replace`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// As [`add`](Self::add) without `EEXIST`.
    pub fn replace(self, config: impl Into<FilterConfig>) -> Pending<Ack> {
        self.write(TcVerb::Replace, config.into())
    }

    /// Reads the filter with its [priority](Self::priority), [protocol](Self::protocol) and [handle](Self::handle), all of which are
    /// needed.
    ///
    /// Equivalent: `tc filter get`. Needs no privilege.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the filter, the qdisc or the class does not exist.
    pub fn get(mut self) -> Pending<Filter> {
        Pending::new(async move {
            let outcome = async {
                self.find_index().await?;
                self.conn.answered(self.filter.get_request(), Filter::decode).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| self.explain(error.during(|| format!("get {}", self.filter))))
        })
    }

    /// Deletes the filter. Without a [handle](Self::handle), deletes all filters of the priority, which is needed.
    ///
    /// Equivalent: `tc filter delete`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// - `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)): the filter, the qdisc or the class does not exist.
    /// - No priority, which would delete all filters.
    pub fn delete(self) -> Pending<Ack> {
        Pending::new(self.send(TcVerb::Delete))
    }

    fn write(mut self, verb: TcVerb, config: FilterConfig) -> Pending<Ack> {
        self.filter.config = config;
        Pending::new(self.send(verb))
    }

    async fn find_index(&mut self) -> Result<()> {
        match &self.dev {
            Some(dev) => self.filter.index = index(&self.conn, dev).await?,
            None => on_route(&self.conn)?,
        }
        Ok(())
    }

    fn explain(&self, error: Error) -> Error {
        match &self.dev {
            Some(dev) => error.naming(self.filter.index, dev),
            None => error,
        }
    }

    /// Refuses a change of what an existing `u32` filter compares.
    async fn check_keys(&self, verb: TcVerb) -> Result<std::result::Result<(), Invalid>> {
        let desired = match &self.filter.config {
            FilterConfig::U32(u32) if matches!(verb, TcVerb::Change | TcVerb::Replace) => u32,
            _ => return Ok(Ok(())),
        };
        if self.filter.handle == 0 || self.filter.priority == 0 {
            return Ok(Ok(()));
        }
        match self.conn.answered(self.filter.get_request(), Filter::decode).await {
            Ok(Filter { config: FilterConfig::U32(current), .. }) if !desired.compares_as(&current) => Ok(
                Err("other keys than those of the existing u32 filter, which the kernel does not change: \
                        add another filter and delete this one"
                    .into()),
            ),
            // Where there is none, the kernel says so itself.
            Err(error) if error.kernel().is_none() => Err(error),
            _ => Ok(Ok(())),
        }
    }

    async fn send(mut self, verb: TcVerb) -> Result<Ack> {
        #[cfg(feature = "action")]
        let mut named = nl_core::connection::Named::default();
        let outcome = async {
            self.find_index().await?;
            #[cfg(feature = "action")]
            match crate::action::resolve(&self.conn, self.filter.config.actions_mut()).await {
                Ok(devs) => named = devs,
                Err((error, devs)) => {
                    named = devs;
                    return Err(error);
                }
            }
            let refused = self.check_keys(verb).await?;
            module::acknowledged(&self.conn, || self.filter.request(verb).invalid_if(refused.clone())).await
        };
        let outcome = outcome.await;
        outcome.map_err(|error| {
            let error = error.during(|| format!("{verb} {}", self.filter));
            #[cfg(feature = "action")]
            let error = named.explain(error);
            self.explain(error)
        })
    }
}

/// The filters of a qdisc, a class or a block. The verb comes last.
#[derive(Clone, Debug)]
#[must_use = "an entry does nothing without a verb"]
pub struct Filters {
    conn: Connection,
    /// `None` for a block.
    dev: Option<Dev>,
    parent: TcHandle,
    chain: Option<u32>,
}

impl Filters {
    pub(crate) fn new(conn: Connection, dev: Dev, parent: TcHandle) -> Self {
        Self { conn, dev: Some(dev), parent, chain: None }
    }

    pub(crate) fn in_block(conn: Connection, block: u32) -> Self {
        Self { conn, dev: None, parent: TcHandle::from_bits(block), chain: None }
    }

    /// Selects the filters of a chain. The kernel filters. Unset: a list has all chains, and [`flush`](Self::flush) empties chain 0
    /// (`chain`).
    pub fn chain(mut self, chain: u32) -> Self {
        self.chain = Some(chain);
        self
    }

    /// Lists the filters: a stream in constant memory.
    ///
    /// The kernel also lists what nobody added: a filter without a handle for each priority, and the hash tables of `u32`.
    ///
    /// In a list of more than one message of the kernel, which begins at some ten filters, it can leave out a `matchall` or `cgroup`
    /// filter, for `tc` too: the one at which a message is full. The entry without a handle for its priority is listed.
    /// [`read_all`](Self::read_all) has all of them.
    ///
    /// Equivalent: `tc filter show`. Needs no privilege.
    ///
    /// # Errors
    /// The device does not exist.
    pub fn list(self) -> Pending<Dump<Filter>> {
        let Self { conn, dev, parent, chain } = self;
        Pending::new(async move {
            let list = |at| {
                conn.dump(list_request_of(at, parent, chain), |message| Filter::decode(message).map(Some))
            };
            let Some(dev) = dev else {
                on_route(&conn).map_err(|error| list_request_of(BLOCK, parent, chain).not_sent(error))?;
                return Ok(list(BLOCK));
            };
            let mut at = 0;
            let outcome = async {
                at = index(&conn, &dev).await?;
                on_device(&conn, &dev, at, list(at)).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| list_request(at, parent).not_sent(error).naming(at, &dev))
        })
    }

    /// Reads all filters, also those that a [list](Self::list) of the kernel can leave out: the filters of such a priority are listed
    /// by themselves.
    ///
    /// ```no_run
    /// # async fn example(tc: nl_tc::Tc) -> nl_core::Result<()> {
    /// use nl_tc::TcHandle;
    ///
    /// let filters = tc.filters("eth0", TcHandle::CLSACT_INGRESS).read_all().await?;
    /// for filter in filters.iter().filter(|filter| filter.is_added()) {
    ///     println!("{filter}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Needs no privilege.
    ///
    /// # Errors
    /// - The device does not exist.
    /// - [`Interrupted`](nl_core::error::ErrorKind::Interrupted): the kernel leaves out a filter there too, or the filters changed.
    pub fn read_all(self) -> Pending<Vec<Filter>> {
        let Self { conn, dev, parent, chain } = self;
        Pending::new(async move {
            let Some(dev) = dev else {
                on_route(&conn).map_err(|error| list_request_of(BLOCK, parent, chain).not_sent(error))?;
                return whole::read_all(&conn, BLOCK, parent, chain).await;
            };
            let mut at = 0;
            let outcome = async {
                at = index(&conn, &dev).await?;
                let filters = whole::read_all(&conn, at, parent, chain).await?;
                if filters.is_empty() && matches!(dev, Dev::Index(_)) {
                    exists(&conn, at).await?;
                }
                Ok::<_, Error>(filters)
            };
            let outcome = outcome.await;
            outcome.map_err(|error| list_request(at, parent).not_sent(error).naming(at, &dev))
        })
    }

    /// Deletes all filters of the chain.
    ///
    /// Equivalent: `tc filter delete` without a priority. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENOENT` or `ENODEV` ([`is_not_found`](nl_core::Error::is_not_found)): the qdisc, the class or the device does not exist.
    pub fn flush(self) -> Pending<Ack> {
        let Self { conn, dev, parent, chain } = self;
        Pending::new(async move {
            let Some(dev) = dev else {
                on_route(&conn)?;
                return conn.acknowledged(flush_request(BLOCK, parent, chain)).await;
            };
            let mut at = 0;
            let outcome = async {
                at = index(&conn, &dev).await?;
                conn.acknowledged(flush_request(at, parent, chain)).await
            };
            let outcome = outcome.await;
            outcome.map_err(|error| flush_request(at, parent, chain).not_sent(error).naming(at, &dev))
        })
    }
}
