use std::fmt;

use super::mac::MacAddr;

/// The longest hardware address (`MAX_ADDR_LEN`).
pub const HW_ADDR_MAX: usize = 32;

/// The hardware address of a device: 6 bytes on Ethernet, 4 or 16 on an IP tunnel, 20 on InfiniBand.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HwAddr {
    bytes: [u8; HW_ADDR_MAX],
    len: u8,
}

impl HwAddr {
    /// An address of up to 32 bytes; `None` for a longer one.
    #[must_use]
    pub fn new(address: &[u8]) -> Option<Self> {
        let mut bytes = [0; HW_ADDR_MAX];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        Some(Self { bytes, len: u8::try_from(address.len()).ok()? })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The address, if it is one of Ethernet.
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        <[u8; 6]>::try_from(self.bytes()).ok().map(MacAddr::new)
    }
}

impl From<MacAddr> for HwAddr {
    fn from(mac: MacAddr) -> Self {
        Self::new(&mac.octets()).unwrap_or(Self { bytes: [0; HW_ADDR_MAX], len: 0 })
    }
}

impl fmt::Display for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.bytes().iter().enumerate() {
            let sep = if i == 0 { "" } else { ":" };
            write!(f, "{sep}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HwAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for HwAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
