use std::net::Ipv6Addr;

use nl_core::error::Ack;
use nl_core::{Connection, Pending};

use super::codec::{decode, get_request, set_request};
use crate::message::family;

/// The source address of outer headers in the connection's namespace. Cheap to clone.
///
/// ```no_run
/// # async fn example(conn: nl_core::Connection) -> Result<(), Box<dyn std::error::Error>> {
/// use nl_srv6::tunnel_source::TunnelSource;
///
/// TunnelSource::new(conn).set("2001:db8:1::a".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TunnelSource {
    conn: Connection,
}

impl TunnelSource {
    /// Over this connection, which must be one to [`Protocol::Generic`](nl_core::Protocol::Generic).
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self { conn }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Reads it; `None` if the kernel chooses.
    ///
    /// Equivalent: `ip sr tunsrc show`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](nl_core::Error::is_permission)).
    pub fn get(&self) -> Pending<Option<Ipv6Addr>> {
        let conn = self.conn.clone();
        Pending::new(async move {
            match family(&conn).await {
                Ok(family) => conn.answered(get_request(family), decode).await,
                Err(error) => Err(get_request(0).not_sent(error)),
            }
        })
    }

    /// Sets it.
    ///
    /// Equivalent: `ip sr tunsrc set`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](nl_core::Error::is_permission)); an address that no packet can come from.
    pub fn set(&self, source: Ipv6Addr) -> Pending<Ack> {
        self.change(Some(source))
    }

    /// Lets the kernel choose.
    ///
    /// Equivalent: `ip sr tunsrc set ::`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](nl_core::Error::is_permission)).
    pub fn clear(&self) -> Pending<Ack> {
        self.change(None)
    }

    fn change(&self, source: Option<Ipv6Addr>) -> Pending<Ack> {
        let conn = self.conn.clone();
        Pending::new(async move {
            match family(&conn).await {
                Ok(family) => conn.acknowledged(set_request(family, source)).await,
                Err(error) => Err(set_request(0, source).not_sent(error)),
            }
        })
    }
}
