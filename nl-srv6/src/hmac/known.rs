//! Which keys are there, for what would use one: the kernel takes a header by a key that it does not have, and drops every packet.

use std::collections::BTreeSet;

use nl_core::{Connection, Protocol};
#[cfg(any(feature = "routes", feature = "sid"))]
use nl_core::{Error, Result};

use super::handle::HmacKeys;
#[cfg(any(feature = "routes", feature = "sid"))]
use crate::srh::Srh;

/// With more keys the kernel may have left one out of its list.
const FEW_KEYS: usize = 30;

/// The numbers of the keys, where they may be read and are few.
pub(crate) async fn known_keys(conn: &Connection) -> Option<BTreeSet<u32>> {
    let list = HmacKeys::new(conn.sibling(Protocol::Generic).ok()?).list().await.ok()?;
    let keys: BTreeSet<_> = list.collect_all().await.ok()?.iter().map(|key| key.id).collect();
    (keys.len() <= FEW_KEYS).then_some(keys)
}

/// Refuses a header by a key that is not there. Where keys are not known, nothing is refused.
#[cfg(any(feature = "routes", feature = "sid"))]
pub(crate) async fn require_key(conn: &Connection, srh: &Srh) -> Result<()> {
    let Some(key) = srh.hmac_tlv().map(|hmac| hmac.key) else { return Ok(()) };
    match known_keys(conn).await {
        Some(keys) if !keys.contains(&key) => Err(Error::usage(format!(
            "there is no HMAC key {key}, so the kernel would drop every packet: set the key before, or use unchecked()"
        ))),
        _ => Ok(()),
    }
}
