use std::fmt;
use std::net::Ipv4Addr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::{Invalid, within};

use super::flags::is_status;
use crate::TcHandle;
use crate::message::kind_names;

/// `TC_U32_TERMINAL`, `include/uapi/linux/pkt_cls.h`
const TERMINAL: u8 = 1;
/// `sizeof(struct tc_u32_sel)`
const SEL_LEN: usize = 16;
/// `sizeof(struct tc_u32_key)`
const KEY_LEN: usize = 16;
const KEYS_MAX: usize = 128;
/// The kernel chose the number of the table, rather than a user.
const OWN_TABLE: u32 = 0x8000_0000;
/// The bits of a bucket in the number of a table.
const BUCKET: u32 = 0x000f_f000;

/// Sends the packets whose header matches all keys into a class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct U32 {
    /// The class (`classid`, `flowid`).
    pub classid: TcHandle,
    /// The keys, 1 to 128 of them.
    pub keys: Vec<U32Key>,
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
}

impl U32 {
    /// Every packet (`match u32 0 0`).
    #[must_use]
    pub fn all(classid: TcHandle) -> Self {
        Self { classid, keys: vec![U32Key::default()] }
    }

    /// IPv4 packets to this address. The protocol of the filter should be [`IPV4`](super::IPV4) (`match ip dst`).
    #[must_use]
    pub fn to(address: Ipv4Addr, classid: TcHandle) -> Self {
        Self { classid, keys: vec![U32Key { value: address.to_bits(), mask: u32::MAX, offset: 16 }] }
    }

    /// Packets that match all of these keys.
    #[must_use]
    pub fn new(classid: TcHandle, keys: impl IntoIterator<Item = U32Key>) -> Self {
        Self { classid, keys: keys.into_iter().collect() }
    }

    /// `None` if there is no class or no selector, or if there is more than this type holds: an action, a policer, a mark, a table, an
    /// offset behind another header.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut classid, mut keys) = (None, None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_U32_CLASSID => classid = Some(TcHandle::from_bits(attr.u32()?)),
                // The first table of the priority, in which a filter is without being told. The kernel numbers its own tables from
                // 0x80000000 on.
                TCA_U32_HASH if attr.u32()? & (OWN_TABLE | BUCKET) == OWN_TABLE => {}
                TCA_U32_SEL => {
                    let mut sel = attr.fields();
                    let header = sel.array::<SEL_LEN>()?;
                    let list = sel.rest();
                    let count = list.len() / KEY_LEN;
                    if header != U32::selector(count) || count * KEY_LEN != list.len() {
                        return Ok(None);
                    }
                    let list = list.chunks_exact(KEY_LEN);
                    let list = list.map(|key| U32Key::decode(Fields::of_attr(TCA_U32_SEL, key)));
                    keys = list.collect::<Result<Option<Vec<_>>, _>>()?;
                    if keys.is_none() {
                        return Ok(None);
                    }
                }
                TCA_U32_FLAGS if is_status(attr.u32()?) => {}
                // Counters.
                TCA_U32_PCNT | TCA_U32_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(classid.zip(keys).map(|(classid, keys)| Self { classid, keys }))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut sel = Self::selector(self.keys.len()).to_vec();
        for key in &self.keys {
            let mask = key.mask.to_be_bytes();
            let words = [mask, (key.value & key.mask).to_be_bytes(), key.offset.to_ne_bytes(), [0; 4]];
            sel.extend_from_slice(words.as_flattened());
        }
        let mut options = w.nested(TCA_OPTIONS);
        options.u32(TCA_U32_CLASSID, self.classid.bits()).bytes(TCA_U32_SEL, &sel);
    }

    /// `struct tc_u32_sel`, without the keys.
    fn selector(keys: usize) -> [u8; SEL_LEN] {
        let mut sel = [0; SEL_LEN];
        if let Some([flags, _, count]) = sel.first_chunk_mut::<3>() {
            *flags = TERMINAL;
            *count = u8::try_from(keys).unwrap_or(0);
        }
        sel
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        within("number of keys", self.keys.len(), 1, KEYS_MAX)?;
        match self.keys.iter().find(|key| key.offset % 4 != 0) {
            Some(key) => Err(format!("key at byte {}; multiples of 4 are possible", key.offset).into()),
            None => Ok(()),
        }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for U32Key { value, mask, offset } in &self.keys {
            write!(f, " match u32 {value:#x} {mask:#x} at {offset}")?;
        }
        write!(f, " classid {}", self.classid)
    }
}

impl U32Key {
    /// `struct tc_u32_key`. `None` if the offset depends on the packet (`at nexthdr+0`).
    fn decode(mut f: Fields<'_>) -> Result<Option<Self>, DecodeError> {
        let mask = f.be32()?;
        let key = Self { mask, value: f.be32()?, offset: f.i32()? };
        Ok((f.u32()? == 0).then_some(key))
    }
}

// `include/uapi/linux/pkt_cls.h`
kind_names! {
    TCA_U32_CLASSID = 1,
    TCA_U32_HASH = 2,
    TCA_U32_SEL = 5,
    TCA_U32_PCNT = 9,
    TCA_U32_FLAGS = 11,
    TCA_U32_PAD = 12,
}
