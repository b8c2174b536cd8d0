use crate::attr::{DecodeError, Fields};

/// A fixed header that follows the netlink header in a family's messages.
pub trait FixedHeader: Sized {
    /// Its length in bytes.
    const LEN: usize;
    /// Its name in the kernel's headers.
    const NAME: &'static str;

    /// Appends it to a message, padding zeroed.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it from the start of a payload and returns what follows.
    ///
    /// # Errors
    /// The payload is shorter than the header.
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError>;
}

fn split<'a, const N: usize>(
    what: &'static str,
    payload: &'a [u8],
) -> Result<(&'a [u8; N], &'a [u8]), DecodeError> {
    payload.split_first_chunk().ok_or(DecodeError::Short { what, needed: N, got: payload.len() })
}

/// `struct ifinfomsg` of link messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IfInfoMsg {
    /// Address family: 0, or [`AF_BRIDGE`](super::AF_BRIDGE) for the bridge's view of a port.
    pub family: u8,
    /// Hardware type (`ARPHRD_*`).
    pub link_type: u16,
    /// The interface.
    pub index: u32,
    /// `IFF_*` flags.
    pub flags: u32,
    /// The flags to change.
    pub change: u32,
}

impl FixedHeader for IfInfoMsg {
    const LEN: usize = 16;
    const NAME: &'static str = "ifinfomsg";

    fn write(&self, out: &mut Vec<u8>) {
        let [a, b] = self.link_type.to_ne_bytes();
        let words = [u32::from_ne_bytes([self.family, 0, a, b]), self.index, self.flags, self.change];
        out.extend_from_slice(words.map(u32::to_ne_bytes).as_flattened());
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (h, rest) = split::<16>(Self::NAME, payload)?;
        let header = Self {
            family: h[0],
            link_type: u16::from_ne_bytes([h[2], h[3]]),
            index: u32::from_ne_bytes([h[4], h[5], h[6], h[7]]),
            flags: u32::from_ne_bytes([h[8], h[9], h[10], h[11]]),
            change: u32::from_ne_bytes([h[12], h[13], h[14], h[15]]),
        };
        Ok((header, rest))
    }
}

/// `struct ndmsg` of neighbour and FDB messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NdMsg {
    /// Address family; [`AF_BRIDGE`](super::AF_BRIDGE) for the FDB.
    pub family: u8,
    /// The interface.
    pub index: u32,
    /// `NUD_*` bits.
    pub state: u16,
    /// `NTF_*` bits.
    pub flags: u8,
    /// Route type; 1 on VXLAN entries, 0 on a bridge's.
    pub kind: u8,
}

impl FixedHeader for NdMsg {
    const LEN: usize = 12;
    const NAME: &'static str = "ndmsg";

    fn write(&self, out: &mut Vec<u8>) {
        let ([a, b, c, d], [e, f]) = (self.index.to_ne_bytes(), self.state.to_ne_bytes());
        out.extend_from_slice(&[self.family, 0, 0, 0, a, b, c, d, e, f, self.flags, self.kind]);
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (h, rest) = split::<12>(Self::NAME, payload)?;
        let header = Self {
            family: h[0],
            index: u32::from_ne_bytes([h[4], h[5], h[6], h[7]]),
            state: u16::from_ne_bytes([h[8], h[9]]),
            flags: h[10],
            kind: h[11],
        };
        Ok((header, rest))
    }
}

/// `struct tcmsg` of traffic control messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcMsg {
    /// Address family; 0.
    pub family: u8,
    /// The interface.
    pub index: u32,
    /// The object's own name: major number in the upper half, minor in the lower.
    pub handle: u32,
    /// What it hangs on.
    pub parent: u32,
    /// Of a class read: the qdisc on it. Of a qdisc read: references held. Of a filter: priority and protocol.
    pub info: u32,
}

impl FixedHeader for TcMsg {
    const LEN: usize = 20;
    const NAME: &'static str = "tcmsg";

    fn write(&self, out: &mut Vec<u8>) {
        let family = u32::from_ne_bytes([self.family, 0, 0, 0]);
        let words = [family, self.index, self.handle, self.parent, self.info];
        out.extend_from_slice(words.map(u32::to_ne_bytes).as_flattened());
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut f = Fields::named(Self::NAME, payload);
        let [family, ..] = f.array::<4>()?;
        let header = Self { family, index: f.u32()?, handle: f.u32()?, parent: f.u32()?, info: f.u32()? };
        Ok((header, f.rest()))
    }
}

/// `struct genlmsghdr` of generic netlink messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenlHeader {
    /// The family's command.
    pub command: u8,
    /// The family's version.
    pub version: u8,
}

impl FixedHeader for GenlHeader {
    const LEN: usize = 4;
    const NAME: &'static str = "genlmsghdr";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.command, self.version, 0, 0]);
    }

    #[inline]
    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (h, rest) = split::<4>(Self::NAME, payload)?;
        Ok((Self { command: h[0], version: h[1] }, rest))
    }
}
