use std::fmt;
use std::net::Ipv6Addr;

use nl_core::check::Invalid;

use super::block::{MicroSid, UsidBlock};

/// What one node does on the way of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Hop {
    /// The micro-SID by which the node is addressed.
    pub sid: MicroSid,
    /// The destination with which the packet arrives.
    pub arrives_with: Ipv6Addr,
    /// What the node does.
    pub kind: HopKind,
}

/// What a node does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum HopKind {
    /// It is the last: it must decapsulate.
    Last,
    /// It takes the next carrier out of the routing header, as a plain `End` does, and sends the packet there.
    NextCarrier(Ipv6Addr),
    /// It moves the micro-SIDs one up, and sends the packet there. The routing header is not looked at.
    Shift(Ipv6Addr),
}

impl UsidBlock {
    /// What each node does with a packet to these carriers.
    ///
    /// ```
    /// use nl_srv6::usid::UsidBlock;
    ///
    /// let block = UsidBlock::new("fcbb::/32".parse()?, 16)?;
    /// let hops = block.expand(&["fcbb:0:b:c::".parse()?])?;
    /// assert_eq!(hops[0].to_string(), "b: fcbb:0:b:c:: goes on to fcbb:0:c::");
    /// assert_eq!(hops[1].to_string(), "c: fcbb:0:c:: is decapsulated");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`unpack`](Self::unpack), and a carrier without micro-SIDs.
    pub fn expand(&self, carriers: &[Ipv6Addr]) -> Result<Vec<Hop>, Invalid> {
        expand(self, carriers)
    }
}

fn expand(block: &UsidBlock, carriers: &[Ipv6Addr]) -> Result<Vec<Hop>, Invalid> {
    let mut hops = Vec::new();
    for (at, carrier) in carriers.iter().enumerate() {
        let sids = block.unpack(*carrier)?;
        if sids.is_empty() {
            return Err(format!("carrier {carrier} has no micro-SIDs").into());
        }
        let mut destination = *carrier;
        for sid in sids {
            let kind = match (block.shifted(destination), carriers.get(at + 1)) {
                (Some(next), _) => HopKind::Shift(next),
                (None, Some(next)) => HopKind::NextCarrier(*next),
                (None, None) => HopKind::Last,
            };
            hops.push(Hop { sid, arrives_with: destination, kind });
            if let HopKind::Shift(next) = kind {
                destination = next;
            }
        }
    }
    Ok(hops)
}

/// A line: micro-SID, arriving destination, and where it goes.
impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ", self.sid, self.arrives_with)?;
        match self.kind {
            HopKind::Last => f.write_str("is decapsulated"),
            HopKind::NextCarrier(next) => write!(f, "goes on to {next}, out of the routing header"),
            HopKind::Shift(next) => write!(f, "goes on to {next}"),
        }
    }
}
