//! Keys, and what goes with them: identifiers, short SCIs and salts.
//!
//! A [`SecretKey`] and a [`Salt`] are zeroed when they are dropped and are shown by nothing: neither by `Debug` nor by an
//! error, and they are not serialized. The kernel never returns them either. A [`KeyId`] is public: every user of the machine
//! can read it, so it must not be derived from the key.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use nl_core::attr::{Attr, DecodeError};
use nl_core::{Error, Result};
use zeroize::Zeroizing;

use crate::hex;

/// The longest key that MACsec uses.
const KEY_MAX: usize = 32;
const KEY_ID_LEN: usize = 16;
const SALT_LEN: usize = 12;

/// A secure association key (SAK): 16 or 32 bytes that nothing shows.
///
/// ```
/// use nl_macsec::SecretKey;
///
/// let key = SecretKey::new(&[7; 16])?;
/// assert_eq!(format!("{key:?}"), "SecretKey(16 bytes)");
/// assert_eq!(key, SecretKey::from_hex("07070707070707070707070707070707")?);
/// assert!(SecretKey::new(&[7; 15]).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
/// It is zeroed when it is dropped, is not `Clone`, has neither `Display` nor `Serialize`, and is compared in a time that does
/// not depend on its content. The bytes it is made from stay with the caller, who zeroes them.
pub struct SecretKey {
    // On the heap, so that moving it leaves no copy behind.
    bytes: Zeroizing<Box<[u8]>>,
}

impl SecretKey {
    /// A key of these bytes, which are copied.
    ///
    /// # Errors
    /// It has neither 16 nor 32 bytes. Whether the length is that of the device's cipher suite is checked where it is used.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        match bytes.len() {
            16 | KEY_MAX => Ok(Self { bytes: Zeroizing::new(bytes.into()) }),
            len => Err(Error::usage(format!("a key of {len} bytes; 16 or 32 are possible"))),
        }
    }

    /// A key from 32 or 64 hexadecimal digits. White space around them is ignored, so that a file may end with a newline.
    ///
    /// # Errors
    /// The text is of another length or has other characters. The error does not show it.
    pub fn from_hex(text: &str) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_MAX]);
        let len = hex::read(text.trim_ascii(), bytes.as_mut_slice());
        match len.and_then(|len| bytes.get(..len)) {
            Some(bytes) => Self::new(bytes),
            None => Err(Error::usage("invalid key: 32 or 64 hexadecimal digits are needed")),
        }
    }

    /// The length in bytes: 16 or 32.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, for what encrypts with them. Whoever copies them zeroes the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Another one of the same bytes. Not public, because each key should have one owner.
    pub(crate) fn duplicate(&self) -> Self {
        Self { bytes: self.bytes.clone() }
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.bytes, &other.bytes)
    }
}

impl Eq for SecretKey {}

/// Shows the length only.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({} bytes)", self.len())
    }
}

/// The salt of an association with extended packet numbers: 12 bytes that nothing shows.
pub struct Salt {
    bytes: Zeroizing<Box<[u8]>>,
}

impl Salt {
    /// A salt of these bytes, which are copied.
    #[must_use]
    pub fn new(bytes: &[u8; SALT_LEN]) -> Self {
        Self { bytes: Zeroizing::new(bytes.as_slice().into()) }
    }

    /// A salt from 24 hexadecimal digits. White space around them is ignored.
    ///
    /// # Errors
    /// The text is of another length or has other characters. The error does not show it.
    pub fn from_hex(text: &str) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; SALT_LEN]);
        match hex::read(text.trim_ascii(), bytes.as_mut_slice()) {
            Some(SALT_LEN) => Ok(Self::new(&bytes)),
            _ => Err(Error::usage("invalid salt: 24 hexadecimal digits are needed")),
        }
    }

    /// The bytes, for what encrypts with them. Whoever copies them zeroes the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self { bytes: self.bytes.clone() }
    }
}

impl PartialEq for Salt {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.bytes, &other.bytes)
    }
}

impl Eq for Salt {}

/// Shows nothing of it.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(12 bytes)")
    }
}

/// Compares in a time that depends on the lengths only.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
    a.len() == b.len() && black_box(differing) == 0
}

/// The identifier of a key: 16 bytes that every user of the machine can read. What iproute2 shows as `key`.
///
/// ```
/// use nl_macsec::KeyId;
///
/// // As iproute2 does: what is missing on the right is zero.
/// assert_eq!("01".parse::<KeyId>()?.to_string(), "01000000000000000000000000000000");
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_LEN]);

impl KeyId {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_ID_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; KEY_ID_LEN] {
        self.0
    }

    pub(crate) fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.array().map(Self)
    }
}

impl From<[u8; KEY_ID_LEN]> for KeyId {
    fn from(bytes: [u8; KEY_ID_LEN]) -> Self {
        Self(bytes)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; KEY_ID_LEN];
        match hex::read(text, &mut bytes) {
            Some(1..) => Ok(Self(bytes)),
            _ => Err(Error::usage(format!(
                "invalid key id \"{text}\": 2 to 32 hexadecimal digits, an even number of them"
            ))),
        }
    }
}

/// The hexadecimal digits.
#[cfg(feature = "serde")]
impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the hexadecimal digits.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

/// A short SCI: which secure channel it is among those that share a key with extended packet numbers.
///
/// Two channels that share a key must never have the same one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssci(u32);

impl Ssci {
    /// This number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn read(attr: Attr<'_>) -> Result<Self, DecodeError> {
        attr.be32().map(Self)
    }
}

impl From<u32> for Ssci {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// The 8 hexadecimal digits that iproute2 shows.
impl fmt::Display for Ssci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Ssci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digits that iproute2 shows.
#[cfg(feature = "serde")]
impl serde::Serialize for Ssci {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
