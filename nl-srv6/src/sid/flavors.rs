use std::fmt;

use bitflags::bitflags;
use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::Invalid;

/// The lengths that the kernel takes where none is given.
const BLOCK_BITS: u8 = 32;
const NODE_FUNCTION_BITS: u8 = 16;

bitflags! {
    /// Flavours of a local SID (`1 << SEG6_LOCAL_FLV_OP_*`); bits this crate does not know are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FlavorOps: u32 {
        /// The node before the last segment takes the header off (`psp`). Linux 6.3, for `End`.
        const PSP = 1 << 1;
        /// The last segment's node takes the header off (`usp`). No kernel does it.
        const USP = 1 << 2;
        /// The last segment's node takes the outer header off (`usd`). No kernel does it.
        const USD = 1 << 3;
        /// Micro-SIDs are shifted through the destination (`next-csid`, RFC 9800). Linux 6.1 for `End`, 6.6 for `End.X`.
        const NEXT_CSID = 1 << 4;
        const _ = !0;
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for FlavorOps {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.bits())
    }
}

/// The words of `ip route`, and the number of bits that have none.
impl fmt::Display for FlavorOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [(FlavorOps, &str); 4] = [
            (FlavorOps::PSP, "psp"),
            (FlavorOps::USP, "usp"),
            (FlavorOps::USD, "usd"),
            (FlavorOps::NEXT_CSID, "next-csid"),
        ];
        let (mut rest, mut sep) = (*self, "");
        for (flag, word) in WORDS {
            if self.contains(flag) {
                write!(f, "{sep}{word}")?;
                (rest, sep) = (rest - flag, ",");
            }
        }
        match rest.bits() {
            0 => Ok(()),
            bits => write!(f, "{sep}{bits:#x}"),
        }
    }
}

/// Flavours of a local SID with the lengths of micro-SIDs (`SEG6_LOCAL_FLAVORS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Flavors {
    /// Which.
    pub ops: FlavorOps,
    /// Bits of the locator block, for [`NEXT_CSID`](FlavorOps::NEXT_CSID): a multiple of 8 from 8 to 120; 32 unless set
    /// (`SEG6_LOCAL_FLV_LCBLOCK_BITS`).
    pub block_bits: Option<u8>,
    /// Bits of node and function, by which the rest is shifted, for [`NEXT_CSID`](FlavorOps::NEXT_CSID): a multiple of 8 from 8 to
    /// 120; 16 unless set (`SEG6_LOCAL_FLV_LCNODE_FN_BITS`).
    pub node_function_bits: Option<u8>,
}

impl Flavors {
    /// These flavours.
    #[must_use]
    pub const fn new(ops: FlavorOps) -> Self {
        Self { ops, block_bits: None, node_function_bits: None }
    }

    /// The node before the last segment takes the header off (`flavors psp`). Linux 6.3.
    #[must_use]
    pub const fn psp() -> Self {
        Self::new(FlavorOps::PSP)
    }

    /// Micro-SIDs: the length of the block and of each micro-SID, in bits (`flavors next-csid lblen B nflen N`). Linux 6.1 for `End`, 6.6
    /// for `End.X`.
    #[must_use]
    pub const fn next_csid(block_bits: u8, node_function_bits: u8) -> Self {
        Self {
            ops: FlavorOps::NEXT_CSID,
            block_bits: Some(block_bits),
            node_function_bits: Some(node_function_bits),
        }
    }

    /// Block and node-function lengths, also where the kernel's defaults apply; `None` without micro-SIDs.
    #[must_use]
    pub fn lengths(&self) -> Option<(u8, u8)> {
        self.ops.contains(FlavorOps::NEXT_CSID).then(|| {
            (self.block_bits.unwrap_or(BLOCK_BITS), self.node_function_bits.unwrap_or(NODE_FUNCTION_BITS))
        })
    }

    /// Whether the kernel does the same for both.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.ops, self.lengths()) == (other.ops, other.lengths())
    }

    pub(super) fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut flavors = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                SEG6_LOCAL_FLV_OPERATION => flavors.ops = FlavorOps::from_bits_retain(attr.u32()?),
                SEG6_LOCAL_FLV_LCBLOCK_BITS => flavors.block_bits = Some(attr.u8()?),
                SEG6_LOCAL_FLV_LCNODE_FN_BITS => flavors.node_function_bits = Some(attr.u8()?),
                _ => {}
            }
        }
        Ok(flavors)
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        w.u32(SEG6_LOCAL_FLV_OPERATION, self.ops.bits());
        w.opt(SEG6_LOCAL_FLV_LCBLOCK_BITS, self.block_bits, AttrWriter::u8);
        w.opt(SEG6_LOCAL_FLV_LCNODE_FN_BITS, self.node_function_bits, AttrWriter::u8);
    }

    /// Refuses what no kernel performs; `performed` is what the action has.
    pub(super) fn check(&self, action: &str, performed: FlavorOps) -> Result<(), Invalid> {
        const KNOWN: FlavorOps =
            FlavorOps::PSP.union(FlavorOps::USP).union(FlavorOps::USD).union(FlavorOps::NEXT_CSID);
        Invalid::when(self.ops.is_empty(), "no flavour is given")?;
        let refused = self.ops - performed;
        let none_has = self.ops & (FlavorOps::USP | FlavorOps::USD);
        if !none_has.is_empty() {
            return Err(format!("flavour {none_has}; no Linux performs it").into());
        }
        if !refused.is_empty() {
            let unknown = if (refused - KNOWN).is_empty() { "" } else { ", and no flavour of Linux has it" };
            return Err(format!(
                "flavour {refused} of {action}; {action} has {}{unknown}",
                Possible(performed)
            )
            .into());
        }
        Invalid::when(
            self.ops.contains(FlavorOps::PSP | FlavorOps::NEXT_CSID),
            "psp with next-csid; the kernel takes both and never performs psp",
        )?;
        let Some((block, node_function)) = self.lengths() else {
            return Invalid::when(
                self.block_bits.is_some() || self.node_function_bits.is_some(),
                "lengths of block and node function without next-csid, which the kernel ignores",
            );
        };
        for (what, bits) in [("block", block), ("node-function", node_function)] {
            if !(8..=120).contains(&bits) || !bits.is_multiple_of(8) {
                return Err(
                    format!("{what} of {bits} bits; multiples of 8 from 8 to 120 are possible").into()
                );
            }
        }
        let sum = u16::from(block) + u16::from(node_function);
        if sum > 128 {
            return Err(
                format!("block and node function of {sum} bits; together up to 128 are possible").into()
            );
        }
        Ok(())
    }
}

struct Possible(FlavorOps);

impl fmt::Display for Possible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none") } else { self.0.fmt(f) }
    }
}

/// The words of `ip route` behind `flavors`.
impl fmt::Display for Flavors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ops)?;
        if let Some(bits) = self.block_bits {
            write!(f, " lblen {bits}")?;
        }
        if let Some(bits) = self.node_function_bits {
            write!(f, " nflen {bits}")?;
        }
        Ok(())
    }
}

// `include/uapi/linux/seg6_local.h`
attr_names! { pub(super) FLAVORS {
    SEG6_LOCAL_FLV_OPERATION = 1,
    SEG6_LOCAL_FLV_LCBLOCK_BITS = 2,
    SEG6_LOCAL_FLV_LCNODE_FN_BITS = 3,
} }
