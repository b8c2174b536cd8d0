use nl_core::dump::Dump;
use nl_core::route::{Route, RouteFilter, RouteProtocol};
use nl_core::{Connection, Dev, Pending, Protocol, Result};

use super::entry::Sid;

/// Local SIDs to be listed: those of all tables, or those that match.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct SidEntries {
    conn: Connection,
    dev: Option<Dev>,
    filter: RouteFilter,
}

impl SidEntries {
    pub(super) fn new(conn: Connection) -> Self {
        let mut filter = RouteFilter::default();
        filter.is_ipv4 = Some(false);
        Self { conn, dev: None, filter }
    }

    /// In this table, from 1 on (`table`). Filtered by the kernel.
    pub fn table(mut self, table: u32) -> Self {
        self.filter.table = Some(table);
        self
    }

    /// Made by this protocol (`proto`). Filtered by the kernel.
    pub fn protocol(mut self, protocol: RouteProtocol) -> Self {
        self.filter.protocol = Some(protocol);
        self
    }

    /// On this device (`dev`). Filtered by the kernel.
    pub fn dev(mut self, dev: impl Into<Dev>) -> Self {
        self.dev = Some(dev.into());
        self
    }

    /// Lists them with their counters: a stream in constant memory. Routes that are no local SIDs are left out.
    ///
    /// Equivalent: `ip -6 -s route show table all`. Needs no privilege.
    ///
    /// The kernel does not notice when a table changes while it is listed: SIDs may then be missed or shown twice.
    ///
    /// # Errors
    /// No such device; in the stream, `ENOENT` ([`is_not_found`](nl_core::Error::is_not_found)) for a table that does not exist.
    pub fn list(self) -> Pending<Dump<Sid>> {
        Pending::new(async move {
            let filter = self.resolved().await.map_err(|error| error.during(|| "list local SIDs".into()))?;
            Ok(self.conn.dump(filter.list_request(), move |message| {
                if !Route::is_route(message) {
                    return Ok(None);
                }
                Ok(Sid::decode(message)?.filter(|sid| filter.matches(&sid.route)))
            }))
        })
    }

    async fn resolved(&self) -> Result<RouteFilter> {
        self.conn.require(Protocol::Route, "local SIDs")?;
        let mut filter = self.filter.clone();
        if let Some(dev) = &self.dev {
            filter.oif = Some(self.conn.link_index(dev).await?);
        }
        Ok(filter)
    }
}
