//! Keys for the HMAC of segment routing headers.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use nl_core::{Connection, Protocol};
//! use nl_srv6::hmac::{HmacAlgorithm, HmacKeys, HmacSecret};
//!
//! # async fn example() -> nl_core::Result<()> {
//! let keys = HmacKeys::new(Connection::open(Protocol::Generic)?);
//! let secret = HmacSecret::new(b"supersecret0123".to_vec());
//! // ip sr hmac set 42 sha256
//! keys.key(42).set(HmacAlgorithm::Sha256, &secret).await?;
//! let mut list = keys.list().await?;
//! while let Some(key) = list.try_next().await? {
//!     println!("{key}");
//! }
//! keys.key(42).delete().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Reading and writing take `CAP_NET_ADMIN` in the initial user namespace: in a container with its own neither works. Whoever may
//! list keys sees their secrets, because the kernel returns them. Keys belong to the network namespace and end with it.
//!
//! # Secrets
//! [`HmacSecret`] is zeroed when it is dropped, prints nothing, and is not serialized. Requests and answers with secrets are zeroed too.
//!
//! # An old key is never lost because the new one was bad
//! The kernel deletes a key before it looks whether the algorithm of the new one exists. What it would refuse then is refused before it
//! is asked. It replaces a key in two steps, though: packets between them are dropped.
//!
//! Header: `include/uapi/linux/seg6_genl.h`, `include/uapi/linux/seg6_hmac.h`. Kernel: `net/ipv6/seg6.c`, with `CONFIG_IPV6_SEG6_HMAC`.
//! Linux 4.10. Equivalent: `ip sr hmac`.

mod codec;
#[cfg(feature = "hmac-compute")]
mod compute;
mod handle;
#[cfg(any(feature = "doctor", feature = "routes", feature = "sid"))]
mod known;
mod secret;

pub use codec::{HmacAlgorithm, HmacKey};
#[cfg(feature = "hmac-compute")]
pub use compute::{compute, verify};
pub use handle::{HmacKeyEntry, HmacKeys};
#[cfg(feature = "doctor")]
pub(crate) use known::known_keys;
#[cfg(any(feature = "routes", feature = "sid"))]
pub(crate) use known::require_key;
pub use secret::{HmacSecret, MAX_SECRET};
