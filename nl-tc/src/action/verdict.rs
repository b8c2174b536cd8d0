use std::fmt;

use nl_core::check::{Invalid, within};

/// What happens to a packet after an action, or after a filter (`TC_ACT_*`, `include/uapi/linux/pkt_cls.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Verdict {
    /// The next filter is tried (`continue`, `TC_ACT_UNSPEC`).
    Continue,
    /// The packet is dropped (`drop`, `TC_ACT_SHOT`).
    Drop,
    /// The filters of this chain are tried (`goto chain`).
    GotoChain(u32),
    /// This many of the following actions are skipped (`jump`).
    Jump(u32),
    /// Another number.
    Other(i32),
    /// The packet passes, into the class of the filter (`pass`, `ok`, `TC_ACT_OK`).
    Pass,
    /// The next action is carried out (`pipe`).
    Pipe,
    /// The packet was queued elsewhere (`TC_ACT_QUEUED`).
    Queued,
    /// All filters are tried again (`reclassify`).
    Reclassify,
    /// The packet was redirected (`TC_ACT_REDIRECT`).
    Redirect,
    /// The action is carried out again (`TC_ACT_REPEAT`).
    Repeat,
    /// The packet went elsewhere: `mirred` with a redirection (`TC_ACT_STOLEN`).
    Stolen,
    /// The hardware hands the packet to the system (`trap`).
    Trap,
}

/// The number of a chain or of actions has 28 bits.
const NUMBER: u32 = (1 << 28) - 1;
const JUMP: u32 = 1 << 28;
const GOTO_CHAIN: u32 = 2 << 28;

impl Verdict {
    pub(super) fn from_wire(number: i32) -> Self {
        let bits = u32::from_ne_bytes(number.to_ne_bytes());
        match number {
            -1 => Self::Continue,
            0 => Self::Pass,
            1 => Self::Reclassify,
            2 => Self::Drop,
            3 => Self::Pipe,
            4 => Self::Stolen,
            5 => Self::Queued,
            6 => Self::Repeat,
            7 => Self::Redirect,
            8 => Self::Trap,
            _ => match bits & !NUMBER {
                JUMP => Self::Jump(bits & NUMBER),
                GOTO_CHAIN => Self::GotoChain(bits & NUMBER),
                _ => Self::Other(number),
            },
        }
    }

    pub(super) fn wire(self) -> u32 {
        match self {
            Self::Continue => u32::MAX,
            Self::Pass => 0,
            Self::Reclassify => 1,
            Self::Drop => 2,
            Self::Pipe => 3,
            Self::Stolen => 4,
            Self::Queued => 5,
            Self::Repeat => 6,
            Self::Redirect => 7,
            Self::Trap => 8,
            // `check` refuses more.
            Self::Jump(count) => JUMP | count & NUMBER,
            Self::GotoChain(chain) => GOTO_CHAIN | chain & NUMBER,
            Self::Other(number) => u32::from_ne_bytes(number.to_ne_bytes()),
        }
    }

    pub(super) fn check(self) -> Result<(), Invalid> {
        match self {
            Self::Jump(count) => within("jump", count, 0, NUMBER),
            Self::GotoChain(chain) => within("chain", chain, 0, NUMBER),
            _ => Ok(()),
        }
    }
}

/// The words of `tc`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continue => "continue",
            Self::Drop => "drop",
            Self::GotoChain(chain) => return write!(f, "goto chain {chain}"),
            Self::Jump(count) => return write!(f, "jump {count}"),
            Self::Other(number) => return write!(f, "{number}"),
            Self::Pass => "pass",
            Self::Pipe => "pipe",
            Self::Queued => "queued",
            Self::Reclassify => "reclassify",
            Self::Redirect => "redirect",
            Self::Repeat => "repeat",
            Self::Stolen => "stolen",
            Self::Trap => "trap",
        })
    }
}
