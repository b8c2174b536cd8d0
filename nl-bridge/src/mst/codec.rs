use std::fmt;

use nl_core::attr::{Attrs, DecodeError};
use nl_core::check::{Invalid, check_index, within};
use nl_core::link::{RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::{Request, attr_names};

use crate::state::StpState;
use crate::vlan_db::check_state;

// `include/uapi/linux/rtnetlink.h`
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTEXT_FILTER_MST: u32 = 0x80;

/// The largest MSTI of the kernel.
const MSTI_MAX: u16 = 4095;

/// The state of one MSTI on a port.
///
/// ```
/// use nl_bridge::mst::{MstEntry, StpState};
///
/// let entry = MstEntry::new(5, 2).state(StpState::Blocking);
/// assert_eq!(entry.to_string(), "dev #5 msti 2 state blocking");
/// let request = entry.request();
/// ```
///
/// Kernel: `IFLA_BRIDGE_MST_ENTRY_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MstEntry {
    /// The port.
    pub index: u32,
    /// The MSTI; 0, the common tree, is only read.
    pub msti: u16,
    /// The state.
    pub state: StpState,
}

impl MstEntry {
    /// The MSTI `msti`, 1 to 4095, on the port `index`: forwarding.
    #[must_use]
    pub const fn new(index: u32, msti: u16) -> Self {
        Self { index, msti, state: StpState::Forwarding }
    }

    /// In this state (`state`).
    #[must_use]
    pub const fn state(mut self, state: StpState) -> Self {
        self.state = state;
        self
    }
}

impl MstEntry {
    /// Reads the states in a link message of family `AF_BRIDGE`, and pushes them: those of one port, in the list that
    /// [`list_request`] asks for.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>, entries: &mut Vec<Self>) -> Result<(), DecodeError> {
        let wrong = DecodeError::Kind(message.kind());
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK | RTM_SETLINK) {
            return Err(wrong);
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(wrong);
        }
        let Some(spec) = attrs.find(IFLA_AF_SPEC)? else { return Ok(()) };
        for mst in spec.attrs() {
            let mst = mst?;
            if mst.kind() != IFLA_BRIDGE_MST {
                continue;
            }
            for entry in mst.attrs() {
                let entry = entry?;
                if entry.kind() == IFLA_BRIDGE_MST_ENTRY {
                    entries.push(Self::read(header.index, entry.attrs())?);
                }
            }
        }
        Ok(())
    }

    fn read(index: u32, attrs: Attrs<'_>) -> Result<Self, DecodeError> {
        let (mut msti, mut state) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFLA_BRIDGE_MST_ENTRY_MSTI => msti = Some(attr.u16()?),
                IFLA_BRIDGE_MST_ENTRY_STATE => state = Some(attr.u8()?.into()),
                _ => {}
            }
        }
        let missing = |kind| move || DecodeError::Missing(kind);
        Ok(Self {
            index,
            msti: msti.ok_or_else(missing(IFLA_BRIDGE_MST_ENTRY_MSTI))?,
            state: state.ok_or_else(missing(IFLA_BRIDGE_MST_ENTRY_STATE))?,
        })
    }

    /// The request that sets the state.
    #[must_use]
    pub fn request(&self) -> Request {
        let header = IfInfoMsg { family: AF_BRIDGE, index: self.index, ..IfInfoMsg::default() };
        let mut request = Request::new(RTM_SETLINK, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        let mut spec = w.nested_unmarked(IFLA_AF_SPEC);
        let mut mst = spec.nested_unmarked(IFLA_BRIDGE_MST);
        // The kernel wants the mark here.
        let mut entry = mst.nested(IFLA_BRIDGE_MST_ENTRY);
        entry.u16(IFLA_BRIDGE_MST_ENTRY_MSTI, self.msti);
        entry.u8(IFLA_BRIDGE_MST_ENTRY_STATE, self.state.into());
        drop(entry);
        drop(mst);
        drop(spec);
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        if self.msti == 0 {
            return Err("msti 0; 1 to 4095 are possible: the common tree has the state of the port".into());
        }
        within("msti", self.msti, 1, MSTI_MAX)?;
        check_state(self.state)
    }
}

/// The request that lists the states of all ports. The kernel filters nothing.
#[must_use]
pub fn list_request() -> Request {
    let header = IfInfoMsg { family: AF_BRIDGE, ..IfInfoMsg::default() };
    let mut request = Request::new(RTM_GETLINK, &NAMES, |_| "list mst".into()).with_header(&header);
    request.attrs().u32(IFLA_EXT_MASK, RTEXT_FILTER_MST);
    request
}

/// The words of `bridge mst set`, with `#5` for interface 5. The only rendering.
impl fmt::Display for MstEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dev #{} msti {} state {}", self.index, self.msti, self.state)
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut entries = Vec::new();
    // A description of what can be read; the request is our own.
    let _ = MstEntry::decode(message, &mut entries);
    entries.first().map_or_else(|| "set mst".into(), |entry| format!("set mst {entry}"))
}

attr_names! { NAMES: IfInfoMsg {
    IFLA_AF_SPEC = 26 {
        IFLA_BRIDGE_MST = 6 {
            IFLA_BRIDGE_MST_ENTRY = 1 { IFLA_BRIDGE_MST_ENTRY_MSTI = 1, IFLA_BRIDGE_MST_ENTRY_STATE = 2 }
        }
    },
    IFLA_EXT_MASK = 29,
} }
