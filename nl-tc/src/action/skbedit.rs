use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::Invalid;

use super::common::Common;
use crate::TcHandle;
use crate::setters::setters;
use crate::units::word;

/// Changes the metadata of a packet: mark, priority, queue, type (`action skbedit`). Needs the module `act_skbedit`.
///
/// ```
/// use nl_tc::action::{Action, Skbedit};
///
/// // action skbedit mark 7/0xff
/// let action = Action::from(Skbedit::new().mark(7).mask(0xff));
/// assert_eq!(action.to_string(), "action skbedit mark 0x7/0xff");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Skbedit {
    /// The mark (`mark`).
    pub mark: Option<u32>,
    /// The bits of the mark that are changed. Unset: all (`mark VALUE/MASK`).
    pub mask: Option<u32>,
    /// The priority, which can be a class (`priority`).
    pub priority: Option<TcHandle>,
    /// The queue of the device, or the first of several (`queue_mapping`).
    pub queue: Option<u16>,
    /// The last of several queues, of which the hash of a packet chooses one. Linux 6.1 and newer (`queue_mapping FIRST LAST`).
    pub last_queue: Option<u16>,
    /// The packet type: 0 host, 1 broadcast, 2 multicast, 3 other host (`ptype`).
    pub packet_type: Option<u16>,
    /// Whether the priority is that of the DS field (`inheritdsfield`).
    pub inherit_ds_field: bool,
}

impl Skbedit {
    /// Changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the mark (`mark`).
        mark: u32 => Some;
        /// Sets the bits of the mark that are changed (`mark VALUE/MASK`).
        mask: u32 => Some;
        /// Sets the priority, which can be a class (`priority`).
        priority: TcHandle => Some;
        /// Sets the queue of the device, or the first of several (`queue_mapping`).
        queue: u16 => Some;
        /// Sets the last of several queues. Linux 6.1 and newer (`queue_mapping FIRST LAST`).
        last_queue: u16 => Some;
        /// Sets the packet type: 0 host, 1 broadcast, 2 multicast, 3 other host (`ptype`).
        packet_type: u16 => Some;
        /// Sets whether the priority is that of the DS field (`inheritdsfield`).
        inherit_ds_field: bool;
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let (mut common, mut c, mut parms) = (Common::default(), Self::new(), false);
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_SKBEDIT_PARMS => {
                    common.read(&mut attr.fields())?;
                    parms = true;
                }
                TCA_SKBEDIT_PRIORITY => c.priority = Some(TcHandle::from_bits(attr.u32()?)),
                TCA_SKBEDIT_QUEUE_MAPPING => c.queue = Some(attr.u16()?),
                TCA_SKBEDIT_MARK => c.mark = Some(attr.u32()?),
                TCA_SKBEDIT_PTYPE => c.packet_type = Some(attr.u16()?),
                TCA_SKBEDIT_MASK => c.mask = Some(attr.u32()?),
                TCA_SKBEDIT_QUEUE_MAPPING_MAX => c.last_queue = Some(attr.u16()?),
                TCA_SKBEDIT_FLAGS => match attr.u64()? {
                    0 => {}
                    INHERIT_DS_FIELD => c.inherit_ds_field = true,
                    // With the last queue.
                    HASH => {}
                    both if both == INHERIT_DS_FIELD | HASH => c.inherit_ds_field = true,
                    _ => return Ok(None),
                },
                TCA_SKBEDIT_TM => common.read_times(attr)?,
                TCA_SKBEDIT_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(parms.then_some((common, c)))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        common.write(w, TCA_SKBEDIT_PARMS, &[]);
        w.opt(TCA_SKBEDIT_QUEUE_MAPPING, self.queue, AttrWriter::u16);
        w.opt(TCA_SKBEDIT_PRIORITY, self.priority.map(TcHandle::bits), AttrWriter::u32);
        w.opt(TCA_SKBEDIT_MARK, self.mark, AttrWriter::u32);
        w.opt(TCA_SKBEDIT_MASK, self.mask, AttrWriter::u32);
        w.opt(TCA_SKBEDIT_PTYPE, self.packet_type, AttrWriter::u16);
        w.opt(TCA_SKBEDIT_QUEUE_MAPPING_MAX, self.last_queue, AttrWriter::u16);
        let hash = if self.last_queue.is_some() { HASH } else { 0 };
        let flags = hash | if self.inherit_ds_field { INHERIT_DS_FIELD } else { 0 };
        w.opt(TCA_SKBEDIT_FLAGS, Some(flags).filter(|flags| *flags != 0), AttrWriter::u64);
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let none = *self == Self { mask: self.mask, last_queue: self.last_queue, ..Self::new() };
        Invalid::when(none, "skbedit changes nothing; a mark, a priority, a queue or a type is needed")?;
        Invalid::when(self.mask.is_some() && self.mark.is_none(), "a mask without a mark")?;
        match (self.queue, self.last_queue) {
            (None, Some(last)) => Err(format!("last queue {last} without a first").into()),
            (Some(first), Some(last)) if last < first => {
                Err(format!("last queue {last}; the first, {first}, is the minimum").into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(f, "queue_mapping", self.queue)?;
        if let Some(last) = self.last_queue {
            write!(f, " {last}")?;
        }
        word(f, "priority", self.priority)?;
        if let Some(mark) = self.mark {
            write!(f, " mark {mark:#x}")?;
            if let Some(mask) = self.mask {
                write!(f, "/{mask:#x}")?;
            }
        }
        let kind = self.packet_type.map(|kind| match kind {
            0 => "host".to_owned(),
            1 => "broadcast".to_owned(),
            2 => "multicast".to_owned(),
            3 => "otherhost".to_owned(),
            other => other.to_string(),
        });
        word(f, "ptype", kind)?;
        f.write_str(if self.inherit_ds_field { " inheritdsfield" } else { "" })
    }
}

const INHERIT_DS_FIELD: u64 = 0x20;
const HASH: u64 = 0x40;

// `include/uapi/linux/tc_act/tc_skbedit.h`
attr_names! { pub(super) NAMES {
    TCA_SKBEDIT_TM = 1,
    TCA_SKBEDIT_PARMS = 2,
    TCA_SKBEDIT_PRIORITY = 3,
    TCA_SKBEDIT_QUEUE_MAPPING = 4,
    TCA_SKBEDIT_MARK = 5,
    TCA_SKBEDIT_PAD = 6,
    TCA_SKBEDIT_PTYPE = 7,
    TCA_SKBEDIT_MASK = 8,
    TCA_SKBEDIT_FLAGS = 9,
    TCA_SKBEDIT_QUEUE_MAPPING_MAX = 10,
} }
