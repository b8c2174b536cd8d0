use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, within};

use crate::setters::setters;
use crate::units::{LinkLayer, word};

/// `sizeof(struct tc_sizespec)`, `include/uapi/linux/pkt_sched.h`
const BASE_LEN: usize = 24;
const DEFAULT_MTU: u32 = 2047;
const DEFAULT_SLOTS: u32 = 512;
/// The number of sizes that fits in one attribute.
const SLOTS_MAX: u32 = 32_748;
/// `STAB_SIZE_LOG_MAX`, `net/sched/sch_api.c`
const LOG_MAX: u32 = 30;

/// A size table: the length that a packet counts for, with the overhead and the cells of the line behind the device (`stab`).
///
/// It applies to every qdisc and class of the device, so it belongs to the root qdisc. The kernel refuses it on other qdiscs.
///
#[cfg_attr(feature = "htb", doc = "```")]
#[cfg_attr(not(feature = "htb"), doc = "```ignore")]
/// use nl_tc::htb::HtbConfig;
/// use nl_tc::qdisc::Qdisc;
/// use nl_tc::{LinkLayer, SizeTable, TcHandle};
///
/// // tc qdisc add … root stab linklayer atm overhead 10 htb
/// let adsl = SizeTable::new().link_layer(LinkLayer::Atm).overhead(10);
/// // 110 bytes are three cells of 48, and each of these is 53 bytes on the line.
/// assert_eq!(adsl.size(100), Some(3 * 53));
/// let qdisc = Qdisc::new(5, TcHandle::ROOT, HtbConfig::new()).stab(adsl);
/// assert_eq!(qdisc.to_string(), "qdisc dev #5 root stab overhead 10 linklayer atm htb");
/// ```
///
/// The kernel looks up the length of a packet in a table of sizes. This crate computes the table as `tc-stab(8)` describes
/// (`struct tc_sizespec`, `include/uapi/linux/pkt_sched.h`). A change or replacement of the qdisc without the table removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SizeTable {
    /// Bytes added to each packet before the lookup. Can be negative (`overhead`).
    pub overhead: i32,
    /// The minimum size of a packet in bytes (`mpu`).
    pub mpu: u32,
    /// The longest packet in the table, in bytes. Unset: 2047. A longer packet counts as several packets (`mtu`).
    pub mtu: Option<u32>,
    /// The number of sizes in the table, up to 32748. Unset: 512 (`tsize`).
    pub slots: Option<u32>,
    /// The framing of the link layer. The default, [`Unaware`](LinkLayer::Unaware), is the same as Ethernet (`linklayer`).
    pub link_layer: LinkLayer,
    /// The bytes of a table that this crate would compute differently.
    #[cfg_attr(feature = "serde", serde(skip))]
    foreign: Option<[u8; BASE_LEN]>,
}

/// The computed table.
struct Computed {
    cell_log: u32,
    size_log: u32,
    sizes: Vec<u16>,
}

impl SizeTable {
    /// A table that does not change the length of packets.
    #[must_use]
    pub const fn new() -> Self {
        Self { overhead: 0, mpu: 0, mtu: None, slots: None, link_layer: LinkLayer::Unaware, foreign: None }
    }

    setters! {
        /// Sets the bytes added to each packet, which can be negative (`overhead`).
        overhead: i32;
        /// Sets the minimum size of a packet in bytes (`mpu`).
        mpu: u32;
        /// Sets the longest packet in the table, in bytes (`mtu`).
        mtu: u32 => Some;
        /// Sets the number of sizes in the table, which should be at least one for each cell (`tsize`).
        slots: u32 => Some;
        /// Sets the framing of the link layer (`linklayer`).
        link_layer: LinkLayer;
    }

    /// The size of a packet of this length; `None` if the table is invalid.
    ///
    /// Like in the kernel, the length includes the Ethernet header and excludes its checksum.
    #[must_use]
    pub fn size(&self, packet: u32) -> Option<u32> {
        let table = self.computed().ok().filter(|_| self.foreign.is_none())?;
        // `__qdisc_calculate_pkt_len`, `net/sched/sch_api.c`
        let length = i64::from(packet) + i64::from(self.overhead);
        let size = match i64::try_from(table.sizes.len()).ok()? {
            0 => length,
            slots => {
                let slot = (length - 1).max(0) >> table.cell_log;
                let at = |slot: i64| Some(i64::from(*table.sizes.get(usize::try_from(slot).ok()?)?));
                let size = match slot < slots {
                    true => at(slot)?,
                    false => at(slots - 1)? * (slot / slots) + at(slot % slots)?,
                };
                size << table.size_log
            }
        };
        u32::try_from(size.max(1)).ok()
    }

    /// Whether a table that reads as `current` is this one. Unset options have the defaults of `tc`.
    #[must_use]
    pub fn is_met_by(&self, current: &Self) -> bool {
        match (self.computed(), current.computed()) {
            (Ok(desired), Ok(is)) => current.foreign.is_none() && self.base(&desired) == current.base(&is),
            _ => false,
        }
    }

    /// Reads the value of `TCA_STAB`.
    pub(crate) fn decode(stab: Attrs<'_>) -> Result<Self, DecodeError> {
        let base = stab.into_iter().find_map(|attr| match attr {
            Ok(attr) if attr.kind() == TCA_STAB_BASE => Some(Ok(attr)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        let base = base.ok_or(DecodeError::Missing(TCA_STAB_BASE))??;
        let bytes: [u8; BASE_LEN] = base.fields().array()?;
        let mut f = base.fields();
        f.skip(4)?;
        let (overhead, link_layer, mpu, mtu, slots) = (f.i32()?, f.u32()?, f.u32()?, f.u32()?, f.u32()?);
        let set = |n: u32| (n != 0).then_some(n);
        let mut table = Self {
            overhead,
            mpu,
            mtu: set(mtu),
            slots: set(slots),
            link_layer: u8::try_from(link_layer).map_or(LinkLayer::Other(u8::MAX), LinkLayer::from_wire),
            foreign: None,
        };
        let same = table.computed().is_ok_and(|computed| table.base(&computed) == bytes);
        table.foreign = (!same).then_some(bytes);
        Ok(table)
    }

    /// Writes the table as an attribute of this type, `TCA_STAB`.
    pub(crate) fn encode(&self, w: &mut AttrWriter<'_>, kind: u16) {
        // `check` refuses a table that cannot be computed.
        let Ok(table) = self.computed() else { return };
        let mut stab = w.nested(kind);
        stab.bytes(TCA_STAB_BASE, &self.base(&table));
        if !table.sizes.is_empty() {
            let bytes: Vec<u8> = table.sizes.iter().flat_map(|size| size.to_ne_bytes()).collect();
            stab.bytes(TCA_STAB_DATA, &bytes);
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        match self.foreign {
            Some(_) => Err("a size table of another program, whose sizes the kernel does not report".into()),
            None => self.computed().map(drop),
        }
    }

    /// `struct tc_sizespec`.
    fn base(&self, table: &Computed) -> [u8; BASE_LEN] {
        let byte = |log: u32| u8::try_from(log).unwrap_or(u8::MAX);
        let (mtu, slots, align) = match table.sizes.is_empty() {
            true => (0, 0, 0),
            false => (self.mtu.unwrap_or(DEFAULT_MTU), self.slots.unwrap_or(DEFAULT_SLOTS), -1_i16),
        };
        let [low, high] = align.to_ne_bytes();
        let mut base = [0; BASE_LEN];
        let words = [
            [byte(table.cell_log), byte(table.size_log), low, high],
            self.overhead.to_ne_bytes(),
            u32::from(self.link_layer.wire()).to_ne_bytes(),
            self.mpu.to_ne_bytes(),
            mtu.to_ne_bytes(),
            slots.to_ne_bytes(),
        ];
        base.copy_from_slice(words.as_flattened());
        base
    }

    /// Computes the table as `tc-stab(8)` describes.
    fn computed(&self) -> Result<Computed, Invalid> {
        if !matches!(self.link_layer, LinkLayer::Unaware | LinkLayer::Ethernet | LinkLayer::Atm) {
            return Err(format!("{:?}; ethernet and ATM are possible", self.link_layer).into());
        }
        let (mtu, slots) = (self.mtu.unwrap_or(DEFAULT_MTU), self.slots.unwrap_or(DEFAULT_SLOTS));
        Invalid::when(mtu == 0, "mtu 0; 1 is the minimum")?;
        within("tsize", slots, 1, SLOTS_MAX)?;
        let atm = self.link_layer == LinkLayer::Atm;
        if !atm && self.mpu == 0 {
            // Every size would be the length of the packet.
            return Ok(Computed { cell_log: 0, size_log: 0, sizes: Vec::new() });
        }
        let log_of = |what: &str, fits: &dyn Fn(u32) -> bool| {
            (0..=LOG_MAX).find(|log| fits(*log)).ok_or_else(|| {
                let mpu = self.mpu;
                Invalid::new(format!(
                    "mtu {mtu} with tsize {slots} and mpu {mpu}; a {what} has at most 2^{LOG_MAX} bytes"
                ))
            })
        };
        let cell_log = log_of("slot", &|log| u64::from(mtu) >> log < u64::from(slots))?;
        let size = |slot: u32| {
            let length = ((u64::from(slot) + 1) << cell_log).max(self.mpu.into());
            if atm { length.div_ceil(48) * 53 } else { length }
        };
        let size_log = log_of("unit", &|log| size(slots - 1) >> log <= u16::MAX.into())?;
        let sizes = (0..slots).map(|slot| u16::try_from(size(slot) >> size_log).unwrap_or(u16::MAX));
        Ok(Computed { cell_log, size_log, sizes: sizes.collect() })
    }
}

impl Default for SizeTable {
    fn default() -> Self {
        Self::new()
    }
}

/// The words of `tc`, starting with `stab`.
impl fmt::Display for SizeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stab")?;
        word(f, "overhead", Some(self.overhead).filter(|bytes| *bytes != 0))?;
        for (name, value) in [("mpu", Some(self.mpu)), ("mtu", self.mtu), ("tsize", self.slots)] {
            word(f, name, value.filter(|value| *value != 0))?;
        }
        match self.link_layer {
            LinkLayer::Unaware => Ok(()),
            LinkLayer::Ethernet => f.write_str(" linklayer ethernet"),
            LinkLayer::Atm => f.write_str(" linklayer atm"),
            LinkLayer::Other(number) => write!(f, " linklayer {number}"),
        }
    }
}

attr_names! { pub(crate) NAMES {
    TCA_STAB_BASE = 1,
    TCA_STAB_DATA = 2,
} }
