use nl_core::dump::Dump;
use nl_core::error::{Ack, Since};
use nl_core::{Connection, Error, Pending, Request};

use super::codec::{HmacAlgorithm, HmacKey};
use super::secret::HmacSecret;
use crate::message::family;

/// `ENOTSUPP`, which the kernel means for itself.
const ENOTSUPP: i32 = 524;

/// The keys of the connection's namespace. Cheap to clone.
///
/// ```no_run
/// # async fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
///
/// let secret = HmacSecret::new(b"supersecret0123".to_vec());
/// HmacKeys::new(conn).key(42).set(HmacAlgorithm::Sha256, &secret).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HmacKeys {
    conn: Connection,
}

impl HmacKeys {
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

    /// The key of this number, from 1 on, to be set or deleted.
    pub fn key(&self, id: u32) -> HmacKeyEntry {
        HmacKeyEntry { conn: self.conn.clone(), id }
    }

    /// Lists the keys, in no order.
    ///
    /// A kernel loses keys of a long list: 6.1 ends it with `EMSGSIZE` where a second buffer is needed, later ones silently leave out one
    /// key for each further buffer. The keys that are listed exist. With more than about thirty keys, one that is not listed may exist
    /// too.
    ///
    /// Equivalent: `ip sr hmac show`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// In the stream, `EPERM` ([`is_permission`](Error::is_permission)), and the error number 524 without `CONFIG_IPV6_SEG6_HMAC`.
    pub fn list(&self) -> Pending<Dump<HmacKey>> {
        let conn = self.conn.clone();
        Pending::new(async move {
            match family(&conn).await {
                Ok(family) => {
                    Ok(conn.dump(HmacKey::list_request(family), |message| HmacKey::decode(message).map(Some)))
                }
                Err(error) => Err(HmacKey::list_request(0).not_sent(error)),
            }
        })
    }
}

/// One key. The verb comes last and returns a [`Pending`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before a verb"]
pub struct HmacKeyEntry {
    conn: Connection,
    id: u32,
}

impl HmacKeyEntry {
    /// Makes the key, or replaces the one with its number.
    ///
    /// Equivalent: `ip sr hmac set`. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `EPERM` ([`is_permission`](Error::is_permission)); a secret of 0 or over 64 bytes, or an unknown algorithm, before the kernel is
    /// asked; [`Unsupported`](nl_core::error::ErrorKind::Unsupported) if the kernel has no HMAC for segment routing.
    pub fn set(self, algorithm: HmacAlgorithm, secret: &HmacSecret) -> Pending<Ack> {
        let secret = secret.clone();
        self.send(move |family, id| HmacKey::set_request(family, id, algorithm, &secret))
    }

    /// Removes the key. Packets with it are dropped from then on.
    ///
    /// Equivalent: `ip sr hmac set ID sha256` with an empty secret. Needs `CAP_NET_ADMIN` in the initial user namespace.
    ///
    /// # Errors
    /// `ENOENT` ([`is_not_found`](Error::is_not_found)); `EPERM` ([`is_permission`](Error::is_permission)).
    pub fn delete(self) -> Pending<Ack> {
        self.send(HmacKey::delete_request)
    }

    fn send(self, encode: impl FnOnce(u16, u32) -> Request + Send + 'static) -> Pending<Ack> {
        Pending::new(async move {
            match family(&self.conn).await {
                Ok(family) => {
                    let outcome = self.conn.acknowledged(encode(family, self.id)).await;
                    outcome.map_err(or_without_hmac)
                }
                Err(error) => Err(encode(0, self.id).not_sent(error)),
            }
        })
    }
}

fn or_without_hmac(error: Error) -> Error {
    error.or_unsupported(
        |kernel| kernel.errno.get() == ENOTSUPP,
        "the HMAC of segment routing",
        Since::option("CONFIG_IPV6_SEG6_HMAC"),
    )
}
