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
    /// Not said: the kernel guesses from a rate table, and there is none (`TC_LINKLAYER_UNAWARE`).
    Unaware,
    /// Another number.
    Other(u8),
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
