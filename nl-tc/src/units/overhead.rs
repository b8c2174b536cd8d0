/// What the link below adds to a packet, so that its time on the wire can be reckoned (`linklayer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum LinkLayer {
    /// Nothing but the [overhead](Overhead::bytes).
    #[default]
    Ethernet,
    /// ATM, ADSL: cells of 53 bytes, of which 48 carry data.
    Atm,
    /// Not said (`TC_LINKLAYER_UNAWARE`). Of a rate the kernel then guesses from a rate table, and there is none.
    Unaware,
    /// Another number.
    Other(u8),
}

impl LinkLayer {
    pub(crate) const fn from_wire(byte: u8) -> Self {
        match byte & 0xf {
            0 => Self::Unaware,
            1 => Self::Ethernet,
            2 => Self::Atm,
            other => Self::Other(other),
        }
    }

    pub(crate) const fn wire(self) -> u8 {
        match self {
            Self::Unaware => 0,
            Self::Ethernet => 1,
            Self::Atm => 2,
            Self::Other(byte) => byte,
        }
    }
}

/// How a packet's length on the wire is reckoned: so many bytes more, at least so many in all, in cells or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Overhead {
    /// Added to every packet (`overhead`).
    pub bytes: u16,
    /// The least a packet counts as (`mpu`).
    pub mpu: u16,
    /// Cells or not (`linklayer`).
    pub link_layer: LinkLayer,
}
