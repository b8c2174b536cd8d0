use std::fmt;

use nl_core::Dev;
use nl_core::attr::{Attr, AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, within};
use nl_core::error::AttrName;

use super::common::{Common, CtinfoStats, Times};
use super::config::ActionConfig;
use super::connmark::Connmark;
use super::ctinfo::Ctinfo;
use super::gact::Gact;
use super::mirred::Mirred;
use super::police::Police;
use super::skbedit::Skbedit;
use super::verdict::Verdict;
use crate::setters::setters;
use crate::stats::{Stats, StatsAttrs};
use crate::units::word;

/// `TCA_ACT_MAX_PRIO`, `include/uapi/linux/pkt_cls.h`
const ACTIONS_MAX: usize = 32;
/// `TC_COOKIE_MAX_SIZE`, `include/net/act_api.h`
const COOKIE_MAX: usize = 16;

/// An action of a filter, or one that filters share by its index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Action {
    /// The number among the actions of the kind. With 0 the kernel chooses one. A filter with the index of an existing action shares
    /// it, and the rest is ignored (`index`).
    ///
    /// An action that is read has an index. Written to another filter, it is shared with that;
    /// [`detached`](Self::detached) makes it an action of its own.
    pub index: u32,
    /// What happens to a packet afterwards. For [`Police`](super::Police): to one that exceeds.
    pub verdict: Verdict,
    /// The kind and its options.
    pub config: ActionConfig,
    /// Bytes for the user, 1 to 16 of them (`cookie`).
    pub cookie: Option<Vec<u8>>,
    /// Whether the counters are one for all processors, which saves memory (`no_percpu`).
    pub no_percpu: bool,
    /// Whether the hardware must not carry it out (`skip_hw`).
    pub skip_hw: bool,
    /// Whether only the hardware must carry it out (`skip_sw`).
    pub skip_sw: bool,
    /// Which counters of the hardware are wanted: the sum of [`HW_STATS_IMMEDIATE`](Self::HW_STATS_IMMEDIATE) and
    /// [`HW_STATS_DELAYED`](Self::HW_STATS_DELAYED), or 0 for none. Unset: any, as with both (`hw_stats`).
    pub hw_stats: Option<u32>,
    /// The number of references to it. Read only.
    pub references: u32,
    /// The number of filters that use it. Read only.
    pub bindings: u32,
    /// When it was used. Read only.
    pub times: Option<Times>,
    /// The counters. Read only.
    pub stats: Stats,
    /// The counters of [`Ctinfo`](super::Ctinfo). Read only.
    pub ctinfo: Option<CtinfoStats>,
}

impl Action {
    /// Counters that are asked of the hardware when they are read (`hw_stats immediate`).
    pub const HW_STATS_IMMEDIATE: u32 = 1;
    /// Counters that the driver asks for now and then (`hw_stats delayed`).
    pub const HW_STATS_DELAYED: u32 = 2;

    /// An action with the verdict that `tc` has for the kind.
    #[must_use]
    pub fn new(config: impl Into<ActionConfig>) -> Self {
        let config = config.into();
        Self {
            index: 0,
            verdict: config.default_verdict(),
            config,
            cookie: None,
            no_percpu: false,
            skip_hw: false,
            skip_sw: false,
            hw_stats: None,
            references: 0,
            bindings: 0,
            times: None,
            stats: Stats::default(),
            ctinfo: None,
        }
    }

    /// An existing action by its kind and index, to read or to delete it. To share one, give a filter the whole action with its
    /// [index](Self::index): the kernel takes the existing one, or makes it.
    #[must_use]
    pub fn at(kind: &str, index: u32) -> Self {
        Self::new(ActionConfig::Other { kind: kind.to_owned(), options: None }).index(index)
    }

    /// Drops packets (`action drop`).
    #[must_use]
    pub fn drop() -> Self {
        Self::new(Gact::new()).verdict(Verdict::Drop)
    }

    /// Lets packets pass (`action pass`).
    #[must_use]
    pub fn pass() -> Self {
        Self::new(Gact::new())
    }

    /// Continues with the filters of another chain (`action goto chain`).
    #[must_use]
    pub fn goto_chain(chain: u32) -> Self {
        Self::new(Gact::new()).verdict(Verdict::GotoChain(chain))
    }

    setters! {
        /// Sets the number among the actions of the kind (`index`).
        index: u32;
        /// Sets what happens to a packet afterwards.
        verdict: Verdict;
        /// Sets whether the counters are one for all processors (`no_percpu`).
        no_percpu: bool;
        /// Sets whether the hardware must not carry it out (`skip_hw`).
        skip_hw: bool;
        /// Sets whether only the hardware must carry it out (`skip_sw`).
        skip_sw: bool;
        /// Sets which counters of the hardware are wanted (`hw_stats`).
        hw_stats: u32 => Some;
    }

    /// Sets bytes for the user, 1 to 16 of them (`cookie`).
    #[must_use]
    pub fn cookie(mut self, cookie: impl Into<Vec<u8>>) -> Self {
        self.cookie = Some(cookie.into());
        self
    }

    /// The same without an index and without what is read only: an action of its own, for another filter.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            index: 0,
            references: 0,
            bindings: 0,
            times: None,
            stats: Stats::default(),
            ctinfo: None,
            ..self.clone()
        }
    }

    /// Whether an action that reads as `current` already is this one. Allows for the kernel's rounding. An unset index and what is
    /// read only are not compared.
    #[must_use]
    pub fn is_met_by(&self, current: &Self) -> bool {
        // The kernel does not report what stands for any.
        let options = |action: &Self| {
            let stats = action.hw_stats.unwrap_or(HW_STATS_ALL);
            (action.verdict, action.no_percpu, action.skip_hw, action.skip_sw, stats)
        };
        (self.index == 0 || self.index == current.index)
            && options(self) == options(current)
            && self.cookie == current.cookie
            && self.config.is_met_by(&current.config)
    }

    /// [`is_met_by`](Self::is_met_by) for the actions of a filter.
    pub(crate) fn are_met_by(desired: &[Self], current: &[Self]) -> bool {
        desired.len() == current.len()
            && desired.iter().zip(current).all(|(desired, is)| desired.is_met_by(is))
    }

    /// The device that the action names, for which a handle puts the index in place of the name.
    pub(crate) fn dev_mut(&mut self) -> Option<&mut Dev> {
        self.config.dev_mut()
    }

    /// Reads one action: the attributes inside its number. False if there is more than this type holds, beside the options.
    fn decode(attrs: Attrs<'_>) -> Result<(Self, bool), DecodeError> {
        let (mut kind, mut options, mut whole) = ("", None, true);
        let mut action = Self::new(Gact::new());
        let mut index = None;
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                TCA_ACT_KIND => kind = attr.str()?,
                TCA_ACT_OPTIONS => options = Some(attr.value()),
                TCA_ACT_INDEX => index = Some(attr.u32()?),
                TCA_ACT_STATS => {
                    action.stats.decode(&StatsAttrs { modern: Some(attr), ..StatsAttrs::default() })?;
                }
                TCA_ACT_COOKIE => action.cookie = Some(attr.value().to_vec()),
                TCA_ACT_FLAGS => {
                    let flags = bits(attr)?;
                    whole &= flags & !(NO_PERCPU | SKIP_HW | SKIP_SW) == 0;
                    action.no_percpu = flags & NO_PERCPU != 0;
                    (action.skip_hw, action.skip_sw) = (flags & SKIP_HW != 0, flags & SKIP_SW != 0);
                }
                TCA_ACT_HW_STATS => {
                    let stats = bits(attr)?;
                    whole &= stats & !HW_STATS_ALL == 0;
                    action.hw_stats = Some(stats);
                }
                // What the hardware does is only reported.
                TCA_ACT_USED_HW_STATS | TCA_ACT_IN_HW_COUNT | TCA_ACT_PAD => {}
                _ => whole = false,
            }
        }
        action.read_options(kind, options)?;
        action.index = index.unwrap_or(action.index);
        Ok((action, whole && !kind.is_empty()))
    }

    /// Reads the options of an action alone, as a filter has those of its policer.
    pub(crate) fn decode_alone(kind: &str, options: &[u8]) -> Result<Self, DecodeError> {
        let mut action = Self::new(Gact::new());
        action.read_options(kind, Some(options))?;
        Ok(action)
    }

    fn read_options(&mut self, kind: &str, options: Option<&[u8]>) -> Result<(), DecodeError> {
        let (common, config) = ActionConfig::decode(kind, options)?;
        self.verdict = common.verdict.unwrap_or(config.default_verdict());
        self.config = config;
        self.index = common.index;
        (self.references, self.bindings) = (common.references, common.bindings);
        (self.times, self.ctinfo) = (common.times, common.ctinfo);
        Ok(())
    }

    /// Reads the actions of a filter. `None` if there is more of one than this type holds.
    pub(crate) fn decode_list(attrs: Attrs<'_>) -> Result<Option<Vec<Self>>, DecodeError> {
        let actions = Self::decode_numbered(attrs)?.into_iter();
        Ok(actions.map(|(action, whole)| whole.then_some(action)).collect())
    }

    /// Reads actions that filters share. One of which there is more than this type holds comes without options, so that it can be read
    /// and deleted, and is not written without the rest.
    pub(super) fn decode_shared(attrs: Attrs<'_>) -> Result<Vec<Self>, DecodeError> {
        let actions = Self::decode_numbered(attrs)?.into_iter();
        let shared = actions.map(|(action, whole)| match whole {
            true => action,
            false => {
                let kind = action.config.kind().to_owned();
                Self { config: ActionConfig::Other { kind, options: None }, ..action }
            }
        });
        Ok(shared.collect())
    }

    /// Reads a list of actions, in the order of their numbers.
    fn decode_numbered(attrs: Attrs<'_>) -> Result<Vec<(Self, bool)>, DecodeError> {
        let mut numbered = Vec::new();
        for attr in attrs {
            let attr = attr?;
            numbered.push((attr.kind(), Self::decode(attr.attrs())?));
        }
        numbered.sort_by_key(|(number, _)| *number);
        Ok(numbered.into_iter().map(|(_, action)| action).collect())
    }

    /// Writes a list of actions as an attribute of this type, unless it is empty.
    pub(crate) fn encode_list(actions: &[Self], w: &mut AttrWriter<'_>, kind: u16) {
        if actions.is_empty() {
            return;
        }
        let mut list = w.nested(kind);
        for (number, action) in (1..).zip(actions) {
            action.encode(&mut list.nested(number));
        }
    }

    fn encode(&self, w: &mut AttrWriter<'_>) {
        w.str(TCA_ACT_KIND, self.config.kind());
        let common = Common { index: self.index, verdict: Some(self.verdict), ..Common::default() };
        self.config.encode(&common, &mut w.nested(TCA_ACT_OPTIONS));
        w.opt(TCA_ACT_COOKIE, self.cookie.as_deref(), AttrWriter::bytes);
        let flags = [(self.no_percpu, NO_PERCPU), (self.skip_hw, SKIP_HW), (self.skip_sw, SKIP_SW)];
        let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
        if flags != 0 {
            write_bits(w, TCA_ACT_FLAGS, flags, flags);
        }
        if let Some(stats) = self.hw_stats {
            write_bits(w, TCA_ACT_HW_STATS, stats, stats);
        }
    }

    /// Refuses a list of actions that the kernel would refuse.
    pub(crate) fn check_list(actions: &[Self]) -> Result<(), Invalid> {
        within("number of actions", actions.len(), 0, ACTIONS_MAX)?;
        actions.iter().try_for_each(Self::check)
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        if let Some(cookie) = &self.cookie {
            within("bytes of a cookie", cookie.len(), 1, COOKIE_MAX)?;
        }
        Invalid::when(self.skip_hw && self.skip_sw, "skip_hw and skip_sw; one of them is possible")?;
        if let Some(bits) = self.hw_stats {
            within("hw_stats", bits, 0, HW_STATS_ALL)?;
        }
        if let ActionConfig::Other { kind, options: None } = &self.config {
            return Err(format!("action {kind} without options; it can be read and deleted").into());
        }
        self.verdict.check()?;
        match &self.config {
            // An existing action that a filter refers to.
            ActionConfig::Skbedit(config) if self.index != 0 && *config == Skbedit::new() => Ok(()),
            config => config.check(),
        }
    }
}

/// The words of `tc`, starting with `action`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "action {}", self.config.kind())?;
        let verdict = self.verdict;
        match &self.config {
            ActionConfig::Gact(_) => {
                write!(f, " {verdict}")?;
                self.config.write_options(f)?;
            }
            ActionConfig::Police(police) => {
                self.config.write_options(f)?;
                write!(f, " conform-exceed {verdict}")?;
                if police.conform != Verdict::Pass {
                    write!(f, "/{}", police.conform)?;
                }
            }
            _ => {
                self.config.write_options(f)?;
                if verdict != self.config.default_verdict() {
                    write!(f, " {verdict}")?;
                }
            }
        }
        word(f, "index", Some(self.index).filter(|index| *index != 0))?;
        if let Some(cookie) = &self.cookie {
            f.write_str(" cookie ")?;
            cookie.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        // Any has no word.
        word(f, "hw_stats", self.hw_stats.filter(|bits| *bits != HW_STATS_ALL).map(HwStats))?;
        for (word, set) in
            [("no_percpu", self.no_percpu), ("skip_hw", self.skip_hw), ("skip_sw", self.skip_sw)]
        {
            if set {
                write!(f, " {word}")?;
            }
        }
        Ok(())
    }
}

macro_rules! from {
    ($($kind:ident)+) => {$(
        impl From<$kind> for Action {
            fn from(config: $kind) -> Self {
                Self::new(config)
            }
        }
    )+};
}

from!(ActionConfig Connmark Ctinfo Gact Mirred Police Skbedit);

/// The set bits of a `struct nla_bitfield32`.
fn bits(attr: Attr<'_>) -> Result<u32, DecodeError> {
    let mut f = attr.fields();
    Ok(f.u32()? & f.u32()?)
}

fn write_bits(w: &mut AttrWriter<'_>, kind: u16, value: u32, selector: u32) {
    w.bytes(kind, [value.to_ne_bytes(), selector.to_ne_bytes()].as_flattened());
}

/// The word for some counters of the hardware, or their bits.
struct HwStats(u32);

impl fmt::Display for HwStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("disabled"),
            Action::HW_STATS_IMMEDIATE => f.write_str("immediate"),
            Action::HW_STATS_DELAYED => f.write_str("delayed"),
            bits => write!(f, "{bits:#x}"),
        }
    }
}

const NO_PERCPU: u32 = 1;
const SKIP_HW: u32 = 2;
const SKIP_SW: u32 = 4;
/// `TCA_ACT_HW_STATS_ANY`, `include/uapi/linux/pkt_cls.h`
const HW_STATS_ALL: u32 = Action::HW_STATS_IMMEDIATE | Action::HW_STATS_DELAYED;

// `include/uapi/linux/pkt_cls.h`
attr_names! { pub(super) NAMES {
    TCA_ACT_KIND = 1,
    TCA_ACT_OPTIONS = 2,
    TCA_ACT_INDEX = 3,
    TCA_ACT_STATS = 4 in crate::stats::NAMES,
    TCA_ACT_PAD = 5,
    TCA_ACT_COOKIE = 6,
    TCA_ACT_FLAGS = 7,
    TCA_ACT_HW_STATS = 8,
    TCA_ACT_USED_HW_STATS = 9,
    TCA_ACT_IN_HW_COUNT = 10,
} }

/// The names in a list of actions, of which the first ones are named.
pub(crate) const LIST: &[AttrName] = &[
    AttrName::nest(1, "1", NAMES),
    AttrName::nest(2, "2", NAMES),
    AttrName::nest(3, "3", NAMES),
    AttrName::nest(4, "4", NAMES),
];
