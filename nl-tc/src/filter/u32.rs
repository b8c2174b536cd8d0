use std::fmt;
use std::net::Ipv4Addr;

use nl_core::attr::{AttrWriter, Attrs, DecodeError, Fields};
use nl_core::check::{Invalid, within};

use super::shared::{ACTIONS, check_class, is_status};
use crate::TcHandle;
#[cfg(feature = "action")]
use crate::action::Action;
use crate::message::kind_names;
use crate::units::word;

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

/// Sends the packets whose header matches all keys into a class, or carries out actions for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct U32 {
    /// The class. [`NONE`](TcHandle::NONE) for none (`classid`, `flowid`).
    pub classid: TcHandle,
    /// The keys, 1 to 128 of them.
    pub keys: Vec<U32Key>,
    /// The mark of a packet, and the bits of it that are compared (`match mark`).
    pub mark: Option<(u32, u32)>,
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
        Self::new(classid, [U32Key { value: address.to_bits(), mask: u32::MAX, offset: 16 }])
    }

    /// Packets that match all of these keys.
    #[must_use]
    pub fn new(classid: TcHandle, keys: impl IntoIterator<Item = U32Key>) -> Self {
        Self {
            classid,
            keys: keys.into_iter().collect(),
            mark: None,
            #[cfg(feature = "action")]
            actions: Vec::new(),
        }
    }

    /// Sets the mark of a packet, and the bits of it that are compared (`match mark`).
    #[must_use]
    pub fn mark(mut self, value: u32, mask: u32) -> Self {
        self.mark = Some((value, mask));
        self
    }

    /// Adds an action. Then the class can be [`NONE`](TcHandle::NONE) (`action`).
    #[cfg(feature = "action")]
    #[must_use]
    pub fn action(mut self, action: impl Into<Action>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// `None` if there is no selector, or if there is more than this type holds: a table, an offset behind another header.
    pub(super) fn decode(options: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut u32, mut keys) = (Self::new(TcHandle::NONE, []), None);
        for attr in Attrs::new(options) {
            let attr = attr?;
            match attr.kind() {
                TCA_U32_CLASSID => u32.classid = TcHandle::from_bits(attr.u32()?),
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
                #[cfg(feature = "action")]
                TCA_U32_ACT => u32.actions = Action::decode_list(attr.attrs())?,
                #[cfg(feature = "action")]
                TCA_U32_POLICE => u32.actions = vec![Action::decode_alone("police", attr.value())?],
                #[cfg(not(feature = "action"))]
                TCA_U32_ACT | TCA_U32_POLICE => return Ok(None),
                TCA_U32_MARK => {
                    let mut f = attr.fields();
                    u32.mark = Some((f.u32()?, f.u32()?));
                }
                TCA_U32_FLAGS if is_status(attr.u32()?) => {}
                // Counters.
                TCA_U32_PCNT | TCA_U32_PAD => {}
                _ => return Ok(None),
            }
        }
        let Some(keys) = keys else { return Ok(None) };
        u32.keys = keys;
        Ok(Some(u32).filter(|u32| !u32.classid.is_none() || u32.has_actions()))
    }

    pub(super) fn encode(&self, w: &mut AttrWriter<'_>) {
        let mut sel = Self::selector(self.keys.len()).to_vec();
        for key in &self.keys {
            let mask = key.mask.to_be_bytes();
            let words = [mask, (key.value & key.mask).to_be_bytes(), key.offset.to_ne_bytes(), [0; 4]];
            sel.extend_from_slice(words.as_flattened());
        }
        let mut options = w.nested(TCA_OPTIONS);
        if !self.classid.is_none() {
            options.u32(TCA_U32_CLASSID, self.classid.bits());
        }
        options.bytes(TCA_U32_SEL, &sel);
        if let Some((value, mask)) = self.mark {
            // `struct tc_u32_mark`, whose last field is a counter.
            options.bytes(TCA_U32_MARK, [value, mask, 0].map(u32::to_ne_bytes).as_flattened());
        }
        #[cfg(feature = "action")]
        Action::encode_list(&self.actions, &mut options, TCA_U32_ACT);
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
        check_class(self.classid, self.has_actions())?;
        #[cfg(feature = "action")]
        Action::check_list(&self.actions)?;
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
        if let Some((value, mask)) = self.mark {
            write!(f, " match mark {value:#x} {mask:#x}")?;
        }
        word(f, "classid", Some(self.classid).filter(|class| !class.is_none()))?;
        #[cfg(feature = "action")]
        self.actions.iter().try_for_each(|action| write!(f, " {action}"))?;
        Ok(())
    }

    pub(super) fn is_met_by(&self, current: &Self) -> bool {
        #[cfg(feature = "action")]
        if !Action::are_met_by(&self.actions, &current.actions) {
            return false;
        }
        (self.classid, self.mark) == (current.classid, current.mark) && self.keys == current.keys
    }

    #[cfg(feature = "action")]
    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    #[cfg(not(feature = "action"))]
    const fn has_actions(&self) -> bool {
        false
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
    TCA_U32_POLICE = 6,
    TCA_U32_ACT = 7 in ACTIONS,
    TCA_U32_PCNT = 9,
    TCA_U32_MARK = 10,
    TCA_U32_FLAGS = 11,
    TCA_U32_PAD = 12,
}
