use std::fmt;
use std::net::Ipv4Addr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::{Invalid, within};

use super::outcome::{Outcome, outcome};
use super::shared::{ACTIONS, Offload, check_class};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;
use crate::units::word;

// `TC_U32_*`, `include/uapi/linux/pkt_cls.h`
const TERMINAL: u8 = 1;
const OFFSET: u8 = 1 << 1;
const VAROFFSET: u8 = 1 << 2;
const EAT: u8 = 1 << 3;
/// `sizeof(struct tc_u32_sel)`
const SEL_LEN: usize = 16;
/// `sizeof(struct tc_u32_key)`
const KEY_LEN: usize = 16;
const KEYS_MAX: usize = 128;
/// The kernel chose the number of the table, rather than a user.
const OWN_TABLE: u32 = 0x8000_0000;
/// The bits of a bucket in the number of a table.
const BUCKET: u32 = 0x000f_f000;
/// The bits of a filter in a bucket.
const NODE: u32 = 0x0fff;
/// A device has a name of up to 15 bytes.
const NAME_MAX: usize = 15;

/// Sends the packets whose header matches all keys into a class, carries out actions for them, or has the filters of a
/// [table](super::U32Table) tried.
///
/// Linux 6.1 prints a warning without a cause when the first such filter is changed, by whomever: `detected field-spanning write`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct U32 {
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// The keys, up to 128 of them. At least one without a link.
    pub keys: Vec<U32Key>,
    /// The mark of a packet, and the bits of it that are compared (`match mark`).
    pub mark: Option<(u32, u32)>,
    /// The bucket that the filter is in, of [`U32Table::bucket`](super::U32Table::bucket). Unset: the table of the priority (`ht`).
    pub table: Option<u32>,
    /// The table whose filters are tried, of [`U32Table::number`](super::U32Table::number) (`link`).
    pub link: Option<u32>,
    /// Where the filters of the linked table begin to count (`offset`).
    pub offset: U32Offset,
    /// Which bits at which byte choose the bucket of the linked table (`hashkey mask … at …`).
    pub hash_key: Option<(u32, i16)>,
    /// The name of the device on which a packet came (`indev`).
    pub indev: Option<String>,
    /// Where the filter is carried out (`skip_hw`, `skip_sw`).
    pub offload: Offload,
    /// The actions, in order. The policer of the older form (`police` without `action`) is read as one (`action`).
    #[cfg(feature = "action")]
    pub actions: Vec<Action>,
}

/// Four bytes to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Key {
    /// The value, with the first byte in the highest bits.
    pub value: u32,
    /// The bits to compare.
    pub mask: u32,
    /// The offset from the network header in bytes, a multiple of 4.
    pub offset: i32,
    /// Whether the offset is from where the [`U32Offset`] of a link ended: the next header (`at nexthdr+`).
    pub nexthdr: bool,
}

/// Where the filters of a linked table begin to count: a fixed number of bytes, and one from the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct U32Offset {
    /// The fixed number of bytes (`plus`).
    pub plus: u16,
    /// The bits of the packet that are a number of bytes. 0 for none (`mask`).
    pub mask: u16,
    /// The byte where they are (`at`).
    pub at: i16,
    /// By how many bits they are shifted to the right (`shift`).
    pub shift: u8,
    /// Whether all later filters count from there too (`eat`).
    pub eat: bool,
}

impl U32Offset {
    /// Behind the header of IPv4, whose length is in it (`offset at 0 mask 0f00 shift 6`).
    pub const IPV4: Self = Self { plus: 0, mask: 0x0f00, at: 0, shift: 6, eat: false };
}

impl U32 {
    /// Every packet (`match u32 0 0`).
    #[must_use]
    pub fn all(classid: TcHandle) -> Self {
        Self::new(classid, [U32Key::default()])
    }

    /// IPv4 packets to this address. The protocol of the filter should be [`IPV4`](super::IPV4) (`match ip dst`).
    #[must_use]
    pub fn to(address: Ipv4Addr, classid: TcHandle) -> Self {
        Self::new(classid, [U32Key::at(16, address.to_bits(), u32::MAX)])
    }

    /// Packets that match all of these keys.
    #[must_use]
    pub fn new(classid: TcHandle, keys: impl IntoIterator<Item = U32Key>) -> Self {
        Self {
            classid,
            keys: keys.into_iter().collect(),
            mark: None,
            table: None,
            link: None,
            offset: U32Offset::default(),
            hash_key: None,
            indev: None,
            offload: Offload::Both,
            #[cfg(feature = "action")]
            actions: Vec::new(),
        }
    }

    /// Packets that match all of these keys: the filters of a table are tried for them (`link`).
    ///
    /// ```
    /// use nl_tc::filter::{U32, U32Key, U32Offset, U32Table};
    ///
    /// // u32 match ip protocol 6 0xff link 2: offset at 0 mask 0f00 shift 6
    /// let tcp = U32Key::at(8, 6 << 16, 0xff << 16);
    /// let filter = U32::linking(U32Table::number(2), [tcp]).offset(U32Offset::IPV4);
    /// ```
    #[must_use]
    pub fn linking(table: u32, keys: impl IntoIterator<Item = U32Key>) -> Self {
        Self { link: Some(table), ..Self::new(TcHandle::NONE, keys) }
    }

    /// Sets the mark of a packet, and the bits of it that are compared (`match mark`).
    #[must_use]
    pub fn mark(mut self, value: u32, mask: u32) -> Self {
        self.mark = Some((value, mask));
        self
    }

    /// Sets the bucket that the filter is in (`ht`).
    #[must_use]
    pub fn table(mut self, bucket: u32) -> Self {
        self.table = Some(bucket);
        self
    }

    /// Sets where the filters of the linked table begin to count (`offset`).
    #[must_use]
    pub fn offset(mut self, offset: U32Offset) -> Self {
        self.offset = offset;
        self
    }

    /// Sets which bits at which byte, a multiple of 4, choose the bucket of the linked table (`hashkey mask … at …`).
    #[must_use]
    pub fn hash_key(mut self, mask: u32, at: i16) -> Self {
        self.hash_key = Some((mask, at));
        self
    }

    /// Sets the name of the device on which a packet came (`indev`).
    #[must_use]
    pub fn indev(mut self, name: impl Into<String>) -> Self {
        self.indev = Some(name.into());
        self
    }

    /// `None` if there is no selector, or if there is more than this type holds.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut u32, mut selector) = (Self::new(TcHandle::NONE, []), None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_U32_CLASSID => u32.classid = TcHandle::from_bits(attr.u32()?),
                TCA_U32_HASH => match attr.u32()? {
                    // The first table of the priority, the default of a filter. The kernel numbers its own tables
                    // from 0x80000000 on.
                    own if own & (OWN_TABLE | BUCKET) == OWN_TABLE => {}
                    bucket => u32.table = Some(bucket),
                },
                TCA_U32_LINK => u32.link = Some(attr.u32()?),
                TCA_U32_SEL => {
                    let mut sel = attr.fields();
                    let header = sel.array::<SEL_LEN>()?;
                    let list = sel.rest();
                    if list.len() % KEY_LEN != 0 || u32.decode_selector(header).is_err() {
                        return Ok(None);
                    }
                    let list = list.chunks_exact(KEY_LEN);
                    let list = list.map(|key| U32Key::decode(Fields::of_attr(TCA_U32_SEL, key)));
                    match list.collect::<Result<Option<Vec<_>>, _>>()? {
                        Some(keys) => u32.keys = keys,
                        None => return Ok(None),
                    }
                    selector = Some(header);
                }
                TCA_U32_ACT => {
                    if !u32.read_actions(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_U32_POLICE => {
                    if !u32.read_policer(&attr)? {
                        return Ok(None);
                    }
                }
                TCA_U32_INDEV => u32.indev = Some(attr.str()?.to_owned()),
                TCA_U32_MARK => {
                    let mut f = attr.fields();
                    u32.mark = Some((f.u32()?, f.u32()?));
                }
                TCA_U32_FLAGS => match Offload::from_flags(attr.u32()?) {
                    Some(offload) => u32.offload = offload,
                    None => return Ok(None),
                },
                // Counters.
                TCA_U32_PCNT | TCA_U32_PAD => {}
                _ => return Ok(None),
            }
        }
        // The flags of the selector say again what the rest says.
        let whole = selector.is_some_and(|selector| selector == u32.selector());
        Ok(Some(u32).filter(|u32| whole && (u32.is_terminal() || u32.link.is_some())))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut sel = self.selector().to_vec();
        for key in &self.keys {
            let behind = if key.nexthdr { NEXTHDR } else { [0; 4] };
            let mask = key.mask.to_be_bytes();
            let words = [mask, (key.value & key.mask).to_be_bytes(), key.offset.to_ne_bytes(), behind];
            sel.extend_from_slice(words.as_flattened());
        }
        let mut options = w.nested(TCA_OPTIONS);
        self.write_class(&mut options, TCA_U32_CLASSID);
        options.opt(TCA_U32_HASH, self.table, AttrWriter::u32);
        options.opt(TCA_U32_LINK, self.link, AttrWriter::u32);
        options.bytes(TCA_U32_SEL, &sel);
        options.opt(TCA_U32_INDEV, self.indev.as_deref(), AttrWriter::str);
        if let Some((value, mask)) = self.mark {
            // `struct tc_u32_mark`, whose last field is a counter.
            options.bytes(TCA_U32_MARK, [value, mask, 0].map(u32::to_ne_bytes).as_flattened());
        }
        self.write_actions(&mut options, TCA_U32_ACT);
        options.opt(TCA_U32_FLAGS, self.offload.flags(), AttrWriter::u32);
    }

    /// `struct tc_u32_sel`, without the keys.
    fn selector(&self) -> [u8; SEL_LEN] {
        let U32Offset { plus, mask, at, shift, eat } = self.offset;
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.is_terminal(), TERMINAL)
            | flag(plus != 0, OFFSET)
            | flag(mask != 0, VAROFFSET)
            | flag(eat, EAT);
        let (hash_mask, hash_at) = self.hash_key.unwrap_or_default();
        // `check` refuses more keys.
        let count = u8::try_from(self.keys.len()).unwrap_or(0);
        let halves = [mask.to_be_bytes(), plus.to_ne_bytes(), at.to_ne_bytes(), hash_at.to_ne_bytes()];
        let mut sel = [0; SEL_LEN];
        let bytes = [flags, shift, count, 0].into_iter().chain(halves.into_iter().flatten());
        for (field, byte) in sel.iter_mut().zip(bytes.chain(hash_mask.to_be_bytes())) {
            *field = byte;
        }
        sel
    }

    /// Reads where the filters of a linked table begin and how their bucket is found.
    fn decode_selector(&mut self, header: [u8; SEL_LEN]) -> Result<(), DecodeError> {
        let mut f = Fields::of_attr(TCA_U32_SEL, &header);
        let [flags, shift, ..] = f.array::<4>()?;
        let (mask, plus) = (f.be16()?, f.u16()?);
        let (at, hash_at) = (i16::from_ne_bytes(f.array()?), i16::from_ne_bytes(f.array()?));
        let hash_mask = f.be32()?;
        self.offset = U32Offset { plus, mask, at, shift, eat: flags & EAT != 0 };
        self.hash_key = Some((hash_mask, hash_at)).filter(|key| *key != (0, 0));
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        check_class(self.classid, self.has_actions() || self.link.is_some())?;
        self.check_actions()?;
        within("number of keys", self.keys.len(), usize::from(self.link.is_none()), KEYS_MAX)?;
        if let Some(key) = self.keys.iter().find(|key| key.offset % 4 != 0) {
            return Err(format!("key at byte {}; multiples of 4 are possible", key.offset).into());
        }
        if let Some(table) = self.table.filter(|table| table & NODE != 0) {
            return Err(
                format!("table {table:#x}; a table and a bucket, without a filter, are possible").into()
            );
        }
        if let Some(link) = self.link.filter(|link| link & (BUCKET | NODE) != 0 || *link == 0) {
            return Err(format!("link {link:#x}; a table without a bucket is possible").into());
        }
        let linkless =
            self.link.is_none() && (self.offset != U32Offset::default() || self.hash_key.is_some());
        Invalid::when(linkless, "an offset or a hash key without a link")?;
        let name = self.indev.as_ref().map_or(1, String::len);
        within("length of the name of a device", name, 1, NAME_MAX)
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(table) = self.table {
            write!(f, " ht {:x}:{:x}:", table >> 20, (table & BUCKET) >> 12)?;
        }
        for U32Key { value, mask, offset, nexthdr } in &self.keys {
            let from = if *nexthdr { "nexthdr+" } else { "" };
            write!(f, " match u32 {value:#x} {mask:#x} at {from}{offset}")?;
        }
        if let Some((value, mask)) = self.mark {
            write!(f, " match mark {value:#x} {mask:#x}")?;
        }
        if let Some(link) = self.link {
            write!(f, " link {:x}:", link >> 20)?;
        }
        let U32Offset { plus, mask, at, shift, eat } = self.offset;
        if self.offset != U32Offset::default() {
            f.write_str(" offset")?;
            word(f, "plus", Some(plus).filter(|plus| *plus != 0))?;
            if mask != 0 {
                write!(f, " mask {mask:04x} at {at}")?;
            }
            word(f, "shift", Some(shift).filter(|shift| *shift != 0))?;
            f.write_str(if eat { " eat" } else { "" })?;
        }
        if let Some((mask, at)) = self.hash_key {
            write!(f, " hashkey mask {mask:#010x} at {at}")?;
        }
        word(f, "indev", self.indev.as_deref())?;
        f.write_str(self.offload.word())?;
        self.write_outcome(f)
    }

    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        let place = |u32: &Self| (u32.mark, u32.table, u32.link, u32.hash_key, u32.offload);
        self.has_outcome_of(current)
            && place(self) == place(current)
            && (self.offset, &self.keys, &self.indev) == (current.offset, &current.keys, &current.indev)
    }

    /// Whether a filter that is read as `current` compares the same, which a change does not set: the kernel ignores the keys, the mark
    /// and the hash key of a change (`u32_change`, `net/sched/cls_u32.c`).
    pub(crate) fn compares_as(&self, current: &Self) -> bool {
        let key = |key: &U32Key| (key.value & key.mask, key.mask, key.offset, key.nexthdr);
        self.keys.iter().map(key).eq(current.keys.iter().map(key))
            && (self.mark, self.offset, self.hash_key) == (current.mark, current.offset, current.hash_key)
    }

    /// Whether the search for a class ends here.
    fn is_terminal(&self) -> bool {
        !self.is_without_outcome()
    }
}

outcome!(U32, offload);

/// All bits of the offset that a link left.
const NEXTHDR: [u8; 4] = [0xff; 4];

impl U32Key {
    /// The four bytes at this offset from the network header.
    #[must_use]
    pub const fn at(offset: i32, value: u32, mask: u32) -> Self {
        Self { value, mask, offset, nexthdr: false }
    }

    /// The four bytes at this offset from the next header, of a filter that a link leads to (`at nexthdr+`).
    #[must_use]
    pub const fn at_nexthdr(offset: i32, value: u32, mask: u32) -> Self {
        Self { value, mask, offset, nexthdr: true }
    }

    /// `struct tc_u32_key`. `None` if only some bits of the offset count.
    fn decode(mut f: Fields<'_>) -> Result<Option<Self>, DecodeError> {
        let mask = f.be32()?;
        let key = Self { mask, value: f.be32()?, offset: f.i32()?, nexthdr: false };
        Ok(match f.array()? {
            [0, 0, 0, 0] => Some(key),
            NEXTHDR => Some(Self { nexthdr: true, ..key }),
            _ => None,
        })
    }
}

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_U32_CLASSID = 1,
    TCA_U32_HASH = 2,
    TCA_U32_LINK = 3,
    TCA_U32_DIVISOR = 4,
    TCA_U32_SEL = 5,
    TCA_U32_POLICE = 6,
    TCA_U32_ACT = 7 in ACTIONS,
    TCA_U32_INDEV = 8,
    TCA_U32_PCNT = 9,
    TCA_U32_MARK = 10,
    TCA_U32_FLAGS = 11,
    TCA_U32_PAD = 12,
}
