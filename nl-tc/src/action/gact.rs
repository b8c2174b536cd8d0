use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::attr_names;
use nl_core::check::{Invalid, within};

use super::common::Common;
use super::verdict::Verdict;
use crate::units::word;

/// A verdict alone: drops, passes, sends on to another chain (`action drop`, `action pass`, `action gact`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Gact {
    /// Another verdict for some of the packets (`random`).
    pub random: Option<GactRandom>,
}

/// Another verdict for some of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GactRandom {
    /// Whether they are chosen at random instead of at regular intervals (`netrand`, and otherwise `determ`).
    pub by_chance: bool,
    /// The verdict for them.
    pub verdict: Verdict,
    /// One packet of this many, 1 to 65535.
    pub one_in: u16,
}

impl Gact {
    /// The same verdict for all packets.
    #[must_use]
    pub const fn new() -> Self {
        Self { random: None }
    }

    /// Sets another verdict for some of the packets (`random`).
    #[must_use]
    pub const fn random(mut self, random: GactRandom) -> Self {
        self.random = Some(random);
        self
    }

    pub(super) fn decode(options: Attrs<'_>) -> Result<Option<(Common, Self)>, DecodeError> {
        let (mut common, mut gact, mut parms) = (Common::default(), Self::new(), false);
        for attr in options {
            let attr = attr?;
            match attr.kind() {
                TCA_GACT_PARMS => {
                    common.read(&mut attr.fields())?;
                    parms = true;
                }
                TCA_GACT_PROB => {
                    let mut f = attr.fields();
                    let (which, one_in, verdict) = (f.u16()?, f.u16()?, Verdict::from_wire(f.i32()?));
                    gact.random = match which {
                        0 => None,
                        NETRAND | DETERM => Some(GactRandom { by_chance: which == NETRAND, verdict, one_in }),
                        _ => return Ok(None),
                    };
                }
                TCA_GACT_TM => common.read_times(attr)?,
                TCA_GACT_PAD => {}
                _ => return Ok(None),
            }
        }
        Ok(parms.then_some((common, gact)))
    }

    pub(super) fn encode(&self, common: &Common, w: &mut AttrWriter<'_>) {
        common.write(w, TCA_GACT_PARMS, &[]);
        if let Some(GactRandom { by_chance, verdict, one_in }) = self.random {
            let [a, b] = (if by_chance { NETRAND } else { DETERM }).to_ne_bytes();
            let [c, d] = one_in.to_ne_bytes();
            w.bytes(TCA_GACT_PROB, [[a, b, c, d], verdict.wire().to_ne_bytes()].as_flattened());
        }
    }

    pub(super) fn check(&self) -> Result<(), Invalid> {
        let Some(random) = self.random else { return Ok(()) };
        within("random one in", random.one_in, 1, u16::MAX)?;
        if let Verdict::GotoChain(_) = random.verdict {
            // The kernel: "goto chain not allowed on fallback".
            return Err("random goto chain; a chain can only be the verdict of all packets".into());
        }
        random.verdict.check()
    }

    pub(super) fn write_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(GactRandom { by_chance, verdict, one_in }) = self.random else { return Ok(()) };
        word(f, "random", Some(if by_chance { "netrand" } else { "determ" }))?;
        write!(f, " {verdict} {one_in}")
    }
}

const NETRAND: u16 = 1;
const DETERM: u16 = 2;

// `include/uapi/linux/tc_act/tc_gact.h`
attr_names! { pub(super) NAMES {
    TCA_GACT_TM = 1,
    TCA_GACT_PARMS = 2,
    TCA_GACT_PROB = 3,
    TCA_GACT_PAD = 4,
} }
