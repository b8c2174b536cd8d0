use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nl_core::Dev;
use nl_core::attr::{Attr, Attrs, DecodeError, RawAttrs};
use nl_core::attr_names;
use nl_core::check::{Invalid, check_index};
use nl_core::error::AttrName;
use nl_core::route::{Encap, EncapWriter};

use super::action::{BpfProgram, DecapTable, SidAction};
use super::flavors::{FLAVORS, FlavorOps, Flavors};
use crate::srh::Srh;

/// The type of the encapsulation (`LWTUNNEL_ENCAP_SEG6_LOCAL`).
pub const SEG6_LOCAL_KIND: u16 = 7;

/// What a local SID does: the encapsulation `seg6local` of a route or a nexthop.
///
/// ```
/// use nl_srv6::sid::{Flavors, Seg6Local, SidAction};
///
/// let local = Seg6Local::new(SidAction::EndDt46 { vrf_table: 100 }).counters();
/// assert_eq!(local.to_string(), "seg6local action End.DT46 vrftable 100 count");
/// let local = Seg6Local::new(SidAction::End).flavors(Flavors::next_csid(32, 16));
/// assert_eq!(local.to_string(), "seg6local action End flavors next-csid lblen 32 nflen 16");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Seg6Local {
    /// What is done (`SEG6_LOCAL_ACTION`), with what the action requires.
    pub action: SidAction,
    /// Flavours of `End` and `End.X` (`SEG6_LOCAL_FLAVORS`).
    #[cfg_attr(feature = "serde", serde(default))]
    pub flavors: Option<Flavors>,
    /// The output device of `End.X` (`SEG6_LOCAL_OIF`). Linux 6.17; older kernels take it and do nothing with it.
    #[cfg_attr(
        feature = "serde",
        serde(default, serialize_with = "text", deserialize_with = "super::read::optional_dev")
    )]
    pub oif: Option<Dev>,
    /// Counters, where they were asked for (`SEG6_LOCAL_COUNTERS`).
    #[cfg_attr(feature = "serde", serde(default))]
    pub counters: Option<SidCounters>,
    /// What stands in the slot of `End.B6` that the kernel overwrites: a segment that is never visited, because whoever made the SID
    /// reserved no slot. Only read.
    #[cfg_attr(feature = "serde", serde(default))]
    pub overwritten: Option<Ipv6Addr>,
    /// Attributes that this crate has no field for, or that do not belong to the action.
    #[cfg_attr(feature = "serde", serde(default))]
    pub unknown: RawAttrs,
}

/// Counters of a local SID. They start at 0 when it is made, also when it is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct SidCounters {
    /// Packets that were processed.
    pub packets: u64,
    /// Their bytes, with all headers they came with.
    pub bytes: u64,
    /// Packets that were dropped because they did not fit the action, or could not be sent on.
    pub errors: u64,
}

impl Seg6Local {
    /// A local SID that does this.
    #[must_use]
    pub const fn new(action: SidAction) -> Self {
        Self { action, flavors: None, oif: None, counters: None, overwritten: None, unknown: RawAttrs::new() }
    }

    /// With these flavours (`flavors`), for `End` and `End.X`.
    #[must_use]
    pub const fn flavors(mut self, flavors: Flavors) -> Self {
        self.flavors = Some(flavors);
        self
    }

    /// Through this device (`oif`), for `End.X`. Linux 6.17.
    #[must_use]
    pub fn oif(mut self, dev: impl Into<Dev>) -> Self {
        self.oif = Some(dev.into());
        self
    }

    /// With counters of packets, bytes and errors (`count`). Linux 5.14.
    #[must_use]
    pub fn counters(mut self) -> Self {
        self.counters = Some(SidCounters::default());
        self
    }

    /// Whether the kernel does the same for both, whatever they have counted.
    ///
    /// The program of an `End.BPF` that is written is known by a descriptor, and by its number when it is read; only the names are
    /// compared.
    #[must_use]
    pub fn is_same_behavior(&self, other: &Self) -> bool {
        let flavors = match (&self.flavors, &other.flavors) {
            (Some(ours), Some(theirs)) => ours.is_same(theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        flavors
            && self.is_same_action(other)
            && self.oif == other.oif
            && self.overwritten == other.overwritten
            && self.counters.is_some() == other.counters.is_some()
    }

    /// Whether the action and what it requires are the same.
    pub(super) fn is_same_action(&self, other: &Self) -> bool {
        let segments = |srh: &Srh| (srh.segments.clone(), srh.hmac_tlv().map(|hmac| hmac.key), srh.tag);
        match (&self.action, &other.action) {
            (SidAction::EndBpf { program: ours }, SidAction::EndBpf { program: theirs }) => {
                ours.name == theirs.name
            }
            (SidAction::EndB6 { srh: ours }, SidAction::EndB6 { srh: theirs })
            | (SidAction::EndB6Encaps { srh: ours }, SidAction::EndB6Encaps { srh: theirs }) => {
                segments(ours) == segments(theirs)
            }
            (ours, theirs) => ours == theirs,
        }
    }
}

impl From<SidAction> for Seg6Local {
    fn from(action: SidAction) -> Self {
        Self::new(action)
    }
}

impl Encap for Seg6Local {
    const KIND: u16 = SEG6_LOCAL_KIND;
    const NAMES: &'static [AttrName] = NAMES;

    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut read = Read::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                SEG6_LOCAL_ACTION => read.action = Some(attr.u32()?),
                SEG6_LOCAL_SRH => read.srh = Some(attr),
                SEG6_LOCAL_TABLE => read.table = Some(attr),
                SEG6_LOCAL_NH4 => read.nh4 = Some(attr),
                SEG6_LOCAL_NH6 => read.nh6 = Some(attr),
                SEG6_LOCAL_OIF => read.oif = Some(attr),
                SEG6_LOCAL_BPF => read.bpf = Some(attr),
                SEG6_LOCAL_VRFTABLE => read.vrf_table = Some(attr),
                SEG6_LOCAL_COUNTERS => read.counters = Some(SidCounters::decode(attr.attrs())?),
                SEG6_LOCAL_FLAVORS => read.flavors = Some(Flavors::decode(attr.attrs())?),
                _ => read.unknown.push(attr),
            }
        }
        read.into_local()
    }

    fn encode(&self, w: &mut EncapWriter<'_>) {
        w.u32(SEG6_LOCAL_ACTION, self.action.number());
        match &self.action {
            SidAction::End | SidAction::Other(_) => {}
            SidAction::EndX { nh6 } | SidAction::EndDx6 { nh6 } => {
                w.ip(SEG6_LOCAL_NH6, IpAddr::V6(*nh6));
            }
            SidAction::EndDx4 { nh4 } => {
                w.ip(SEG6_LOCAL_NH4, IpAddr::V4(*nh4));
            }
            SidAction::EndT { table } | SidAction::EndDt6 { table: DecapTable::Table(table) } => {
                w.u32(SEG6_LOCAL_TABLE, *table);
            }
            SidAction::EndDt4 { vrf_table: table }
            | SidAction::EndDt46 { vrf_table: table }
            | SidAction::EndDt6 { table: DecapTable::Vrf(table) } => {
                w.u32(SEG6_LOCAL_VRFTABLE, *table);
            }
            SidAction::EndDx2 { oif } => {
                w.dev(SEG6_LOCAL_OIF, oif);
            }
            SidAction::EndB6 { srh } => {
                srh.with_slot(self.overwritten).write(&mut w.nested_unmarked(SEG6_LOCAL_SRH));
            }
            SidAction::EndB6Encaps { srh } => {
                srh.write(&mut w.nested_unmarked(SEG6_LOCAL_SRH));
            }
            SidAction::EndBpf { program } => {
                let mut nest = w.nested(SEG6_LOCAL_BPF);
                nest.u32(SEG6_LOCAL_BPF_PROG, program.prog).str(SEG6_LOCAL_BPF_PROG_NAME, &program.name);
            }
        }
        if let Some(dev) = &self.oif {
            w.dev(SEG6_LOCAL_OIF, dev);
        }
        if let Some(flavors) = &self.flavors {
            flavors.encode(&mut w.nested(SEG6_LOCAL_FLAVORS));
        }
        if self.counters.is_some() {
            // The kernel wants all three and starts at 0 whatever they are.
            let mut nest = w.nested(SEG6_LOCAL_COUNTERS);
            nest.u64(SEG6_LOCAL_CNT_PACKETS, 0).u64(SEG6_LOCAL_CNT_BYTES, 0).u64(SEG6_LOCAL_CNT_ERRORS, 0);
        }
        self.unknown.write(w);
    }

    fn check(&self) -> Result<(), Invalid> {
        self.action.check()?;
        if let Some(flavors) = &self.flavors {
            flavors.check(self.action.name(), self.action.flavors())?;
        }
        let Some(dev) = &self.oif else { return Ok(()) };
        if !matches!(self.action, SidAction::EndX { .. }) {
            let action = self.action.name();
            return Err(format!("an output device beside {action}; End.X has one").into());
        }
        match dev {
            Dev::Index(index) => check_index(*index),
            _ => Ok(()),
        }
    }

    fn is_ipv6_only(&self) -> bool {
        true
    }
}

/// The attributes before it is known which of them the action has.
#[derive(Default)]
struct Read<'a> {
    action: Option<u32>,
    srh: Option<Attr<'a>>,
    table: Option<Attr<'a>>,
    nh4: Option<Attr<'a>>,
    nh6: Option<Attr<'a>>,
    oif: Option<Attr<'a>>,
    bpf: Option<Attr<'a>>,
    vrf_table: Option<Attr<'a>>,
    counters: Option<SidCounters>,
    flavors: Option<Flavors>,
    unknown: RawAttrs,
}

impl Read<'_> {
    fn into_local(mut self) -> Result<Seg6Local, DecodeError> {
        let number = self.action.ok_or(DecodeError::Missing(SEG6_LOCAL_ACTION))?;
        let mut overwritten = None;
        let action = match number {
            1 => SidAction::End,
            2 => SidAction::EndX { nh6: ipv6(self.nh6.take())? },
            3 => SidAction::EndT { table: number_of(self.table.take(), SEG6_LOCAL_TABLE)? },
            4 => SidAction::EndDx2 { oif: Dev::Index(number_of(self.oif.take(), SEG6_LOCAL_OIF)?) },
            5 => SidAction::EndDx6 { nh6: ipv6(self.nh6.take())? },
            6 => {
                let nh4 = self.nh4.take().ok_or(DecodeError::Missing(SEG6_LOCAL_NH4))?;
                SidAction::EndDx4 { nh4: Ipv4Addr::from(nh4.array::<4>()?) }
            }
            7 => match self.vrf_table.take() {
                Some(attr) => SidAction::EndDt6 { table: DecapTable::Vrf(attr.u32()?) },
                None => SidAction::EndDt6 {
                    table: DecapTable::Table(number_of(self.table.take(), SEG6_LOCAL_TABLE)?),
                },
            },
            8 => SidAction::EndDt4 { vrf_table: number_of(self.vrf_table.take(), SEG6_LOCAL_VRFTABLE)? },
            9 => {
                let mut srh = list(self.srh.take())?;
                overwritten = srh.take_slot();
                SidAction::EndB6 { srh }
            }
            10 => SidAction::EndB6Encaps { srh: list(self.srh.take())? },
            15 => SidAction::EndBpf { program: BpfProgram::decode(self.bpf.take())? },
            16 => SidAction::EndDt46 { vrf_table: number_of(self.vrf_table.take(), SEG6_LOCAL_VRFTABLE)? },
            other => SidAction::Other(other),
        };
        let oif = match action {
            SidAction::EndX { .. } => self.oif.take().map(|attr| attr.u32()).transpose()?.map(Dev::Index),
            _ => None,
        };
        // What the action does not have.
        let unused = [self.srh, self.table, self.nh4, self.nh6, self.oif, self.bpf, self.vrf_table];
        for attr in unused.into_iter().flatten() {
            self.unknown.push(attr);
        }
        let Self { counters, flavors, unknown, .. } = self;
        Ok(Seg6Local { action, flavors, oif, counters, overwritten, unknown })
    }
}

fn number_of(attr: Option<Attr<'_>>, kind: u16) -> Result<u32, DecodeError> {
    attr.ok_or(DecodeError::Missing(kind))?.u32()
}

fn ipv6(attr: Option<Attr<'_>>) -> Result<Ipv6Addr, DecodeError> {
    attr.ok_or(DecodeError::Missing(SEG6_LOCAL_NH6))?.array::<16>().map(Ipv6Addr::from)
}

fn list(attr: Option<Attr<'_>>) -> Result<Srh, DecodeError> {
    Srh::decode(attr.ok_or(DecodeError::Missing(SEG6_LOCAL_SRH))?.value())
}

impl BpfProgram {
    fn decode(attr: Option<Attr<'_>>) -> Result<Self, DecodeError> {
        let mut program = Self { prog: 0, name: String::new(), is_read: true };
        for attr in attr.ok_or(DecodeError::Missing(SEG6_LOCAL_BPF))?.attrs() {
            let attr = attr?;
            match attr.kind() {
                SEG6_LOCAL_BPF_PROG => program.prog = attr.u32()?,
                SEG6_LOCAL_BPF_PROG_NAME => program.name = attr.text(),
                _ => {}
            }
        }
        Ok(program)
    }
}

impl SidCounters {
    fn decode(attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let mut counters = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                SEG6_LOCAL_CNT_PACKETS => counters.packets = attr.u64()?,
                SEG6_LOCAL_CNT_BYTES => counters.bytes = attr.u64()?,
                SEG6_LOCAL_CNT_ERRORS => counters.errors = attr.u64()?,
                _ => {}
            }
        }
        Ok(counters)
    }
}

/// As `ip -s route` prints them.
impl fmt::Display for SidCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packets {} bytes {} errors {}", self.packets, self.bytes, self.errors)
    }
}

/// The words of `ip route` behind `encap`.
impl fmt::Display for Seg6Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seg6local action {}", self.action)?;
        if let Some(segment) = self.overwritten {
            write!(f, " (never visited: {segment})")?;
        }
        if let Some(dev) = &self.oif {
            write!(f, " oif {dev}")?;
        }
        if let Some(flavors) = self.flavors.filter(|flavors| flavors.ops != FlavorOps::empty()) {
            write!(f, " flavors {flavors}")?;
        }
        if self.counters.is_some() { f.write_str(" count") } else { Ok(()) }
    }
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(dev: &Option<Dev>, s: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&dev.as_ref().map(ToString::to_string), s)
}

// `include/uapi/linux/seg6_local.h`
attr_names! { NAMES {
    SEG6_LOCAL_ACTION = 1,
    SEG6_LOCAL_SRH = 2,
    SEG6_LOCAL_TABLE = 3,
    SEG6_LOCAL_NH4 = 4,
    SEG6_LOCAL_NH6 = 5,
    SEG6_LOCAL_IIF = 6,
    SEG6_LOCAL_OIF = 7,
    SEG6_LOCAL_BPF = 8 {
        SEG6_LOCAL_BPF_PROG = 1,
        SEG6_LOCAL_BPF_PROG_NAME = 2,
    },
    SEG6_LOCAL_VRFTABLE = 9,
    SEG6_LOCAL_COUNTERS = 10 {
        SEG6_LOCAL_CNT_PACKETS = 2,
        SEG6_LOCAL_CNT_BYTES = 3,
        SEG6_LOCAL_CNT_ERRORS = 4,
    },
    SEG6_LOCAL_FLAVORS = 11 in FLAVORS,
} }
