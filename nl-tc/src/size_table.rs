use std::borrow::Cow;
use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;

use crate::units::{LinkLayer, Refusal};

// `include/uapi/linux/pkt_sched.h`
pub(crate) const TCA_STAB: u16 = 8;
const BASE_LEN: usize = 24;
const DEFAULT_MTU: u32 = 2047;
const DEFAULT_SLOTS: u32 = 512;
/// As many as the length of an attribute leaves room for.
const SLOTS_MAX: u32 = 32_748;
/// `STAB_SIZE_LOG_MAX`, `net/sched/sch_api.c`
const LOG_MAX: u32 = 30;

attr_names! { pub(crate) NAMES {
    TCA_STAB_BASE = 1,
    TCA_STAB_DATA = 2,
} }

/// What a packet counts for, other than its length: with the overhead of the line behind it, in cells, or at least so much
/// (`stab`).
///
/// It is for every qdisc and class of the device, and so on the qdisc at the root. The kernel refuses it on others.
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
/// The kernel has a table of sizes and looks a packet up by its length; what is in the table, is reckoned here as
/// `tc-stab(8)` says (`struct tc_sizespec`, `include/uapi/linux/pkt_sched.h`). It takes nothing but the right to make the
/// qdisc, `CAP_NET_ADMIN`. A change or replacement of the qdisc that does not say it again removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SizeTable {
    /// Bytes added to each packet before it is looked up, or taken off (`overhead`).
    pub overhead: i32,
    /// The least a packet counts for, in bytes (`mpu`).
    pub mpu: u32,
    /// The longest packet the table is made for, in bytes; without one 2047 (`mtu`). A longer one counts for as much as
    /// several together.
    pub mtu: Option<u32>,
    /// Sizes in the table, up to 32748; without one 512 (`tsize`).
    pub slots: Option<u32>,
    /// Cells or not (`linklayer`); [`Unaware`](LinkLayer::Unaware) when nothing is said, which counts like Ethernet.
    pub link_layer: LinkLayer,
    /// What was read and is not reckoned like this.
    #[cfg_attr(feature = "serde", serde(skip))]
    foreign: Option<[u8; BASE_LEN]>,
}

/// What the kernel is told of a table, and the sizes in it.
struct Reckoned {
    cell_log: u32,
    size_log: u32,
    sizes: Vec<u16>,
}

impl SizeTable {
    /// Without overhead, where a packet counts for its length.
    #[must_use]
    pub const fn new() -> Self {
        Self { overhead: 0, mpu: 0, mtu: None, slots: None, link_layer: LinkLayer::Unaware, foreign: None }
    }

    /// Adds so many bytes to each packet, or takes them off (`overhead`).
    #[must_use]
    pub const fn overhead(mut self, overhead: i32) -> Self {
        self.overhead = overhead;
        self
    }

    /// Lets no packet count for fewer bytes (`mpu`).
    #[must_use]
    pub const fn mpu(mut self, mpu: u32) -> Self {
        self.mpu = mpu;
        self
    }

    /// Makes the table for packets up to this many bytes (`mtu`).
    #[must_use]
    pub const fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Makes the table with so many sizes, of which there should be one for each cell at least (`tsize`).
    #[must_use]
    pub const fn slots(mut self, slots: u32) -> Self {
        self.slots = Some(slots);
        self
    }

    /// Counts in cells, or not (`linklayer`).
    #[must_use]
    pub const fn link_layer(mut self, link_layer: LinkLayer) -> Self {
        self.link_layer = link_layer;
        self
    }

    /// What a packet of so many bytes counts for; `None` where the table is refused.
    ///
    /// The bytes of a packet are those of the kernel: with the Ethernet header, without the checksum behind it.
    #[must_use]
    pub fn size(&self, packet: u32) -> Option<u32> {
        let table = self.reckoned().ok().filter(|_| self.foreign.is_none())?;
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
        let same = table.reckoned().is_ok_and(|reckoned| table.base(&reckoned) == bytes);
        table.foreign = (!same).then_some(bytes);
        Ok(table)
    }

    /// Writes `TCA_STAB`.
    pub(crate) fn encode(&self, w: &mut AttrWriter<'_>) {
        // What cannot be reckoned is refused and not sent.
        let Ok(table) = self.reckoned() else { return };
        let mut stab = w.nested(TCA_STAB);
        stab.bytes(TCA_STAB_BASE, &self.base(&table));
        if !table.sizes.is_empty() {
            let bytes: Vec<u8> = table.sizes.iter().flat_map(|size| size.to_ne_bytes()).collect();
            stab.bytes(TCA_STAB_DATA, &bytes);
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        match self.foreign {
            Some(_) => {
                Some("a size table that was not reckoned here, whose sizes the kernel does not tell".into())
            }
            None => self.reckoned().err(),
        }
    }

    /// `struct tc_sizespec`.
    fn base(&self, table: &Reckoned) -> [u8; BASE_LEN] {
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

    /// The table, as `tc-stab(8)` says it is made.
    fn reckoned(&self) -> Result<Reckoned, Cow<'static, str>> {
        if !matches!(self.link_layer, LinkLayer::Unaware | LinkLayer::Ethernet | LinkLayer::Atm) {
            return Err(format!("{:?}; ethernet and ATM are possible", self.link_layer).into());
        }
        let (mtu, slots) = (self.mtu.unwrap_or(DEFAULT_MTU), self.slots.unwrap_or(DEFAULT_SLOTS));
        if mtu == 0 {
            return Err("mtu 0; 1 is the least".into());
        }
        if !(1..=SLOTS_MAX).contains(&slots) {
            return Err(format!("{slots} slots; 1 to {SLOTS_MAX} are possible").into());
        }
        let atm = self.link_layer == LinkLayer::Atm;
        if !atm && self.mpu == 0 {
            // Every size would be the length.
            return Ok(Reckoned { cell_log: 0, size_log: 0, sizes: Vec::new() });
        }
        let log_of = |what: &str, fits: &dyn Fn(u32) -> bool| {
            (0..=LOG_MAX).find(|log| fits(*log)).ok_or_else(|| -> Cow<'static, str> {
                format!(
                    "mtu {mtu} in {slots} slots with mpu {}: a {what} of more than 2^{LOG_MAX} bytes",
                    self.mpu
                )
                .into()
            })
        };
        let cell_log = log_of("slot", &|log| u64::from(mtu) >> log < u64::from(slots))?;
        let size = |slot: u32| {
            let length = ((u64::from(slot) + 1) << cell_log).max(self.mpu.into());
            if atm { length.div_ceil(48) * 53 } else { length }
        };
        let size_log = log_of("unit", &|log| size(slots - 1) >> log <= u16::MAX.into())?;
        let sizes = (0..slots).map(|slot| u16::try_from(size(slot) >> size_log).unwrap_or(u16::MAX));
        Ok(Reckoned { cell_log, size_log, sizes: sizes.collect() })
    }
}

impl Default for SizeTable {
    fn default() -> Self {
        Self::new()
    }
}

/// In the words of `tc`, with `stab` in front.
impl fmt::Display for SizeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stab")?;
        if self.overhead != 0 {
            write!(f, " overhead {}", self.overhead)?;
        }
        for (name, value) in [("mpu", Some(self.mpu)), ("mtu", self.mtu), ("tsize", self.slots)] {
            if let Some(value @ 1..) = value {
                write!(f, " {name} {value}")?;
            }
        }
        match self.link_layer {
            LinkLayer::Unaware => Ok(()),
            LinkLayer::Ethernet => f.write_str(" linklayer ethernet"),
            LinkLayer::Atm => f.write_str(" linklayer atm"),
            LinkLayer::Other(number) => write!(f, " linklayer {number}"),
        }
    }
}
