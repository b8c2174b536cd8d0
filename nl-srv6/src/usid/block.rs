use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use nl_core::IpPrefix;
use nl_core::check::Invalid;

/// One micro-SID: the number of a node, or of a function of it. Never 0.
///
/// ```
/// use nl_srv6::usid::UsidBlock;
///
/// let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
/// assert_eq!(block.sid(0xb)?.to_string(), "b");
/// assert!(block.sid(0).is_err());
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MicroSid(u32);

impl MicroSid {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Hexadecimal, as in an address.
impl fmt::Display for MicroSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A locator block and the length of the micro-SIDs behind it.
///
/// ```
/// use nl_srv6::usid::UsidBlock;
///
/// let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
/// assert_eq!((block.capacity(), block.to_string().as_str()), (6, "fcbb::/32 usid 16"));
/// # Ok::<(), nl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UsidBlock {
    block: Ipv6Addr,
    block_bits: u8,
    sid_bits: u8,
}

impl UsidBlock {
    /// This block, followed by micro-SIDs of this length in bits.
    ///
    /// # Errors
    /// A prefix of IPv4, or with bits behind its length; a length of the block that is no multiple of 8 from 8 to 120; micro-SIDs that
    /// have not 8, 16, 24 or 32 bits, or do not fit behind the block.
    pub fn new(block: IpPrefix, sid_bits: u8) -> Result<Self, Invalid> {
        block.check_network("block")?;
        let IpAddr::V6(addr) = block.addr() else {
            return Err(format!("block {block}; an IPv6 prefix is needed").into());
        };
        let block_bits = block.len();
        if !(8..=120).contains(&block_bits) || !block_bits.is_multiple_of(8) {
            return Err(
                format!("a block of {block_bits} bits; multiples of 8 from 8 to 120 are possible").into()
            );
        }
        if !matches!(sid_bits, 8 | 16 | 24 | 32) {
            return Err(format!("micro-SIDs of {sid_bits} bits; 8, 16, 24 and 32 are possible").into());
        }
        if u16::from(block_bits) + u16::from(sid_bits) > 128 {
            let room = 128 - u16::from(block_bits);
            return Err(format!("micro-SIDs of {sid_bits} bits; behind the block are {room}").into());
        }
        Ok(Self { block: addr, block_bits, sid_bits })
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> IpPrefix {
        // The length was checked.
        IpPrefix::new(self.block.into(), self.block_bits).unwrap_or(IpPrefix::host(self.block.into()))
    }

    /// Bits of the block: `lblen` of the flavour next-csid.
    #[must_use]
    pub const fn block_bits(&self) -> u8 {
        self.block_bits
    }

    /// Bits of a micro-SID: `nflen` of the flavour next-csid.
    #[must_use]
    pub const fn sid_bits(&self) -> u8 {
        self.sid_bits
    }

    /// How many micro-SIDs a carrier holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        ((128 - self.block_bits) / self.sid_bits) as usize
    }

    /// The micro-SID of this number.
    ///
    /// # Errors
    /// 0, which ends a carrier; a number that has more bits.
    pub fn sid(&self, number: u32) -> Result<MicroSid, Invalid> {
        let largest = u32::MAX >> (32 - u32::from(self.sid_bits));
        match number {
            0 => Err("micro-SID 0, which is the end of a carrier".into()),
            _ if number > largest => {
                Err(format!("micro-SID {number:#x}; 0x1 to {largest:#x} are possible").into())
            }
            _ => Ok(MicroSid(number)),
        }
    }

    /// The prefix that a node has for a micro-SID of its own: block and micro-SID.
    ///
    /// # Errors
    /// The micro-SID is of a longer kind.
    pub fn locator(&self, sid: MicroSid) -> Result<IpPrefix, Invalid> {
        self.sid(sid.0)?;
        let addr = self.put(0, sid);
        IpPrefix::new(Ipv6Addr::from(u128::from(self.block) | addr).into(), self.block_bits + self.sid_bits)
    }

    /// Packs a path into as few carriers as hold it: the segments of an encapsulation, in the order of travel.
    ///
    /// A single carrier needs no routing header with a reduced encapsulation.
    ///
    /// # Errors
    /// No micro-SID; one that is of a longer kind.
    pub fn pack(&self, path: &[MicroSid]) -> Result<Vec<Ipv6Addr>, Invalid> {
        Invalid::when(path.is_empty(), "no micro-SIDs; a path has at least one")?;
        path.iter().try_for_each(|sid| self.sid(sid.0).map(drop))?;
        let carrier = |sids: &[MicroSid]| {
            let packed = (0..).zip(sids).fold(0, |packed, (at, sid)| packed | self.put(at, *sid));
            Ipv6Addr::from(u128::from(self.block) | packed)
        };
        Ok(path.chunks(self.capacity()).map(carrier).collect())
    }

    /// The micro-SIDs of a carrier, in the order of travel. A bare block has none.
    ///
    /// # Errors
    /// An address outside the block; a gap, behind which the kernel would go on at an address that no node has; bits behind the last
    /// micro-SID that fits.
    pub fn unpack(&self, carrier: Ipv6Addr) -> Result<Vec<MicroSid>, Invalid> {
        if !self.holds(carrier) {
            return Err(format!("{carrier} is not in the block {}", self.block()).into());
        }
        let mut sids = Vec::new();
        let mut rest = self.argument(carrier);
        while rest != 0 && sids.len() < self.capacity() {
            // A micro-SID has up to 32 bits.
            let number = u32::try_from(rest >> (128 - u32::from(self.sid_bits))).unwrap_or(0);
            if number == 0 {
                return Err(format!("{carrier} has a gap behind {} micro-SIDs", sids.len()).into());
            }
            sids.push(MicroSid(number));
            rest = rest.checked_shl(u32::from(self.sid_bits)).unwrap_or(0);
        }
        match rest {
            0 => Ok(sids),
            _ => Err(format!("{carrier} has bits behind its {} micro-SIDs", sids.len()).into()),
        }
    }

    /// Unpacks the segments of a path.
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack).
    pub fn unpack_all(&self, carriers: &[Ipv6Addr]) -> Result<Vec<MicroSid>, Invalid> {
        let mut all = Vec::new();
        for carrier in carriers {
            all.extend(self.unpack(*carrier)?);
        }
        Ok(all)
    }

    /// Whether an address is in the block.
    #[must_use]
    pub fn holds(&self, addr: Ipv6Addr) -> bool {
        (u128::from(addr) ^ u128::from(self.block)).leading_zeros() >= u32::from(self.block_bits)
    }

    /// The address that a node with next-csid sends a packet on to: the micro-SIDs move one up. `None` where the current one is the last.
    #[must_use]
    pub fn shifted(&self, carrier: Ipv6Addr) -> Option<Ipv6Addr> {
        let argument = self.argument(carrier).checked_shl(u32::from(self.sid_bits)).unwrap_or(0);
        let next = argument.checked_shr(u32::from(self.block_bits)).unwrap_or(0);
        (argument != 0).then(|| Ipv6Addr::from(u128::from(self.block) | next))
    }

    /// What is behind the block, from the highest bit on.
    fn argument(&self, carrier: Ipv6Addr) -> u128 {
        u128::from(carrier).checked_shl(u32::from(self.block_bits)).unwrap_or(0)
    }

    /// A micro-SID at its place in a carrier.
    fn put(&self, at: u32, sid: MicroSid) -> u128 {
        let end = u32::from(self.block_bits) + (at + 1) * u32::from(self.sid_bits);
        u128::from(sid.0).checked_shl(128_u32.saturating_sub(end)).unwrap_or(0)
    }
}

/// The block, and the length of micro-SIDs.
impl fmt::Display for UsidBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} usid {}", self.block(), self.sid_bits)
    }
}
