use std::fmt;
use std::time::Duration;

use super::message::*;
use crate::attr::{Attr, AttrWriter, Attrs, DecodeError};
use crate::check::{Invalid, within};

/// A tick of `clock_t`: the kernel reports times to user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);
/// The kernel takes 16 bits that count from 0, but not the largest.
const WEIGHT_MAX: u16 = u16::MAX;

/// One member of a group, and how many of all flows take it in proportion to the others (`struct nexthop_grp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupMember {
    /// The number of the nexthop.
    pub id: u32,
    /// The weight: 1 to 65535, and to 256 before Linux 6.12.
    pub weight: u16,
}

impl From<u32> for GroupMember {
    fn from(id: u32) -> Self {
        Self { id, weight: 1 }
    }
}

impl From<(u32, u16)> for GroupMember {
    fn from((id, weight): (u32, u16)) -> Self {
        Self { id, weight }
    }
}

/// `ID`, or `ID,WEIGHT`.
impl fmt::Display for GroupMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            1 => write!(f, "{}", self.id),
            weight => write!(f, "{},{weight}", self.id),
        }
    }
}

impl GroupMember {
    pub(super) fn decode_all(attr: Attr<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut members = Vec::new();
        let mut f = attr.fields();
        while !f.rest().is_empty() {
            let (id, low, high) = (f.u32()?, f.u8()?, f.u8()?);
            f.skip(2)?;
            members.push(Self { id, weight: u16::from_le_bytes([low, high]).saturating_add(1) });
        }
        Ok(members)
    }

    pub(super) fn encode_all(members: &[Self]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(members.len() * 8);
        for member in members {
            let [low, high] = member.weight.saturating_sub(1).to_le_bytes();
            bytes.extend_from_slice(&member.id.to_ne_bytes());
            bytes.extend_from_slice(&[low, high, 0, 0]);
        }
        bytes
    }

    pub(super) fn check_all(members: &[Self]) -> Result<(), Invalid> {
        for member in members {
            Invalid::when(member.id == 0, "nexthop id 0 in a group; the first one is 1")?;
            within("weight", member.weight, 1, WEIGHT_MAX)?;
        }
        let mut ids: Vec<_> = members.iter().map(|member| member.id).collect();
        ids.sort_unstable();
        let len = ids.len();
        ids.dedup();
        Invalid::when(ids.len() != len, "a nexthop id is twice in the group")
    }
}

/// How a group chooses among its members (`NEXTHOP_GRP_TYPE_*`). In kernel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupKind {
    /// By the hash of a flow; when members are added or deleted, many flows move (`mpath`).
    HashThreshold,
    /// By buckets, which keep their member as long as it exists (`resilient`). Linux 5.13.
    Resilient,
    /// A number that this crate has no name for.
    Other(u16),
}

impl From<u16> for GroupKind {
    fn from(number: u16) -> Self {
        match number {
            0 => Self::HashThreshold,
            1 => Self::Resilient,
            other => Self::Other(other),
        }
    }
}

impl From<GroupKind> for u16 {
    fn from(kind: GroupKind) -> Self {
        match kind {
            GroupKind::HashThreshold => 0,
            GroupKind::Resilient => 1,
            GroupKind::Other(number) => number,
        }
    }
}

/// The word of `ip nexthop`, or the number.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HashThreshold => f.write_str("mpath"),
            Self::Resilient => f.write_str("resilient"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for GroupKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a resilient group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Resilient {
    /// How many buckets, from 1 on; 128 unless set, and never changed later (`NHA_RES_GROUP_BUCKETS`).
    pub buckets: Option<u16>,
    /// How long a bucket must be idle before another member gets it, in steps of 10 ms; 120 s unless set
    /// (`NHA_RES_GROUP_IDLE_TIMER`).
    pub idle_timer: Option<Duration>,
    /// After how long the group is balanced by force, in steps of 10 ms; never unless set (`NHA_RES_GROUP_UNBALANCED_TIMER`).
    pub unbalanced_timer: Option<Duration>,
    /// For how long it has been unbalanced; only read (`NHA_RES_GROUP_UNBALANCED_TIME`).
    pub unbalanced_time: Option<Duration>,
}

impl Resilient {
    pub(super) fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut resilient = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NHA_RES_GROUP_BUCKETS => resilient.buckets = Some(attr.u16()?),
                NHA_RES_GROUP_IDLE_TIMER => resilient.idle_timer = Some(time(attr.u32()?.into())),
                NHA_RES_GROUP_UNBALANCED_TIMER => resilient.unbalanced_timer = Some(time(attr.u32()?.into())),
                NHA_RES_GROUP_UNBALANCED_TIME => resilient.unbalanced_time = Some(time(attr.u64()?)),
                _ => {}
            }
        }
        Ok(resilient)
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        w.opt(NHA_RES_GROUP_BUCKETS, self.buckets, AttrWriter::u16);
        w.opt(NHA_RES_GROUP_IDLE_TIMER, self.idle_timer.and_then(ticks), AttrWriter::u32);
        w.opt(NHA_RES_GROUP_UNBALANCED_TIMER, self.unbalanced_timer.and_then(ticks), AttrWriter::u32);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        Invalid::when(self.buckets == Some(0), "0 buckets; 1 to 65535 are possible")?;
        for (name, timer) in [("idle_timer", self.idle_timer), ("unbalanced_timer", self.unbalanced_timer)] {
            if let Some(timer) = timer.filter(|timer| ticks(*timer).is_none()) {
                let max = TICK.saturating_mul(u32::MAX);
                return Err(format!("{name} {timer:?}; a multiple of 10ms up to {max:?} is possible").into());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Resilient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(buckets) = self.buckets {
            write!(f, " buckets {buckets}")?;
        }
        let times = [
            (" idle_timer", self.idle_timer),
            (" unbalanced_timer", self.unbalanced_timer),
            (" unbalanced_time", self.unbalanced_time),
        ];
        for (word, time) in times {
            if let Some(time) = time {
                write!(f, "{word} {}", time.as_secs_f64())?;
            }
        }
        Ok(())
    }
}

/// Packets that took one member of a group (`NHA_GROUP_STATS_ENTRY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemberStats {
    /// The number of the nexthop.
    pub id: u32,
    /// Packets, those of the hardware among them.
    pub packets: u64,
    /// Packets of the hardware, where they were asked for.
    pub hw_packets: Option<u64>,
}

impl MemberStats {
    pub(super) fn decode_all(attrs: Attrs<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut list = Vec::new();
        for entry in attrs {
            let entry = entry?;
            if entry.kind() != NHA_GROUP_STATS_ENTRY {
                continue;
            }
            let mut stats = Self::default();
            for attr in entry.attrs() {
                let attr = attr?;
                match attr.kind() {
                    NHA_GROUP_STATS_ENTRY_ID => stats.id = attr.u32()?,
                    NHA_GROUP_STATS_ENTRY_PACKETS => stats.packets = uint(attr)?,
                    NHA_GROUP_STATS_ENTRY_PACKETS_HW => stats.hw_packets = Some(uint(attr)?),
                    _ => {}
                }
            }
            list.push(stats);
        }
        Ok(list)
    }
}

/// A number of 32 or 64 bits, as the kernel finds room for it.
fn uint(attr: Attr<'_>) -> Result<u64, DecodeError> {
    if attr.value().len() == 4 { attr.u32().map(u64::from) } else { attr.u64() }
}

pub(super) fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(10))
}

/// A time in ticks, if it is a whole number of them that the kernel's field holds.
fn ticks(time: Duration) -> Option<u32> {
    let (time, tick) = (time.as_nanos(), TICK.as_nanos());
    if time % tick == 0 { u32::try_from(time / tick).ok() } else { None }
}
