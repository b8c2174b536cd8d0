use std::fmt;

use nl_core::check::Invalid;
use zeroize::Zeroize;

/// The longest secret in bytes (`SEG6_HMAC_SECRET_LEN`).
pub const MAX_SECRET: usize = 64;

/// The secret of a key. It is zeroed when it is dropped and prints nothing.
///
/// ```
/// use nl_srv6::hmac::HmacSecret;
///
/// let secret = HmacSecret::new(b"supersecret0123".to_vec());
/// assert_eq!(format!("{secret:?}"), "HmacSecret(15 bytes)");
/// ```
#[derive(Clone)]
pub struct HmacSecret(Vec<u8>);

impl HmacSecret {
    /// These bytes: 1 to [`MAX_SECRET`].
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn check(&self) -> Result<u8, Invalid> {
        match u8::try_from(self.0.len()) {
            Ok(len @ 1..=64) => Ok(len),
            _ => {
                let len = self.0.len();
                Err(format!("a secret of {len} bytes; 1 to {MAX_SECRET} are possible").into())
            }
        }
    }
}

impl Drop for HmacSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Shows the length only.
impl fmt::Debug for HmacSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacSecret({} bytes)", self.0.len())
    }
}
