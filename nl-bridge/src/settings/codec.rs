use std::fmt::{self, Write};

use bitflags::bitflags;
use nl_core::addr::Name;
use nl_core::attr::{Attr, AttrWriter, DecodeError};
use nl_core::check::{Invalid, check_index};
use nl_core::error::AttrName;
use nl_core::link::{Link, LinkFlags, LinkKind, LinkVerb, RTM_DELLINK, RTM_NEWLINK};
use nl_core::message::{AF_BRIDGE, IfInfoMsg, MessageRef};
use nl_core::{Request, attr_enum, attr_names};

use super::BridgePort;

// `include/uapi/linux/rtnetlink.h`
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;

const BRPORT: &[AttrName] = <BridgePort as LinkKind>::NAMES;

/// A port of a bridge, as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Port {
    /// The interface index.
    pub index: u32,
    /// The name.
    pub name: Name,
    /// The bridge.
    pub master: u32,
    /// The flags of the device.
    pub flags: LinkFlags,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// What the bridge keeps for it.
    pub options: BridgePort,
}

impl Port {
    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK` message of family `AF_BRIDGE`; `None` if it is about the bridge itself, or says what a
    /// driver keeps, or only which VLANs there are.
    ///
    /// # Errors
    /// The message is of another type or family, or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        if !matches!(message.kind(), RTM_NEWLINK | RTM_DELLINK) {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        if header.family != AF_BRIDGE {
            return Err(DecodeError::Kind(message.kind()));
        }
        let mut port =
            Self { index: header.index, flags: LinkFlags::from_bits_retain(header.flags), ..Self::default() };
        let (mut master, mut options, mut of_driver) = (None, None, false);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFLA_IFNAME => port.name = name(attr),
                IFLA_MTU => port.mtu = attr.u32()?,
                IFLA_MASTER => master = Some(attr.u32()?),
                IFLA_PROTINFO => options = Some(BridgePort::decode(attr.attrs())?),
                IFLA_AF_SPEC => {
                    let flags = attr.attrs().find(IFLA_BRIDGE_FLAGS)?.map(|flags| flags.u16()).transpose()?;
                    of_driver = flags.is_some_and(|flags| flags & PortTarget::SELF.bits() != 0);
                }
                _ => {}
            }
        }
        // With a master too, and with a few of the options (`ndo_dflt_bridge_getlink`).
        if of_driver {
            return Ok(None);
        }
        // Of the bridge itself the kernel says that it is its own master; of a port that is gone it says no settings.
        let Some(master) = master.filter(|master| *master != port.index) else { return Ok(None) };
        let options = match options {
            None if message.kind() == RTM_DELLINK => BridgePort::default(),
            None => return Ok(None),
            Some(options) => options,
        };
        Ok(Some(Self { master, options, ..port }))
    }

    /// The port that a device is; `None` if it is none.
    ///
    /// # Errors
    /// What the bridge keeps for it is malformed.
    pub fn of_link(link: &Link) -> Result<Option<Self>, DecodeError> {
        let (Some(options), Some(master)) = (link.port::<BridgePort>(), link.master) else { return Ok(None) };
        Ok(Some(Self {
            index: link.index,
            name: link.name.clone(),
            master,
            flags: link.flags,
            mtu: link.mtu,
            options: options?,
        }))
    }
}

/// A change of a bridge's port, as the kernel reports it to the group of devices, `RTNLGRP_LINK` (`bridge monitor link`).
///
/// ```
/// use nl_bridge::settings::PortEvent;
/// use nl_core::link::RTNLGRP_LINK;
///
/// # fn example(conn: nl_core::Connection) -> nl_core::Result<()> {
/// let events = conn.monitor().group(RTNLGRP_LINK).open(PortEvent::decode)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PortEvent {
    /// This device is no longer a port, and may still exist. The kernel does not say its settings.
    Deleted(Box<Port>),
    /// This device is a port, with these settings.
    New(Box<Port>),
}

impl PortEvent {
    /// Reads a message; `None` for one of another type or family, or about a bridge itself.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        match Port::decode(message) {
            Err(DecodeError::Kind(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(None) => Ok(None),
            Ok(Some(port)) if message.kind() == RTM_DELLINK => Ok(Some(Self::Deleted(Box::new(port)))),
            Ok(Some(port)) => Ok(Some(Self::New(Box::new(port)))),
        }
    }
}

bitflags! {
    /// Whose settings of a port change (`BRIDGE_FLAGS_*` in `include/uapi/linux/if_bridge.h`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PortTarget: u16 {
        /// Those of the bridge; also if nothing is said.
        const MASTER = 0x1;
        /// Those that the port's own driver keeps.
        const SELF = 0x2;
    }
}

attr_enum! {
    /// How a card forwards between its virtual functions (`BRIDGE_MODE_*`).
    pub enum HwMode: u16 {
        /// Itself.
        Veb = 0 "veb",
        /// By the switch it is connected to.
        Vepa = 1 "vepa",
    }
}

/// A change of a port's settings, as `bridge link set` makes it.
///
/// ```
/// use nl_bridge::settings::{BridgePort, PortChange};
///
/// let change = PortChange::new(5, BridgePort::new().learning(false));
/// assert_eq!(change.request().describe(), "set port #5 learning off");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortChange {
    /// The port.
    pub index: u32,
    /// What changes.
    pub options: BridgePort,
    /// Whose settings.
    pub target: PortTarget,
    /// How the card is to forward; only for its own driver.
    pub hw_mode: Option<HwMode>,
}

impl PortChange {
    /// A change of what the bridge keeps.
    #[must_use]
    pub fn new(index: u32, options: BridgePort) -> Self {
        Self { index, options, target: PortTarget::empty(), hw_mode: None }
    }

    /// Whether the bridge is asked to change something.
    pub(super) fn is_for_bridge(&self) -> bool {
        self.target.is_empty() || self.target.contains(PortTarget::MASTER)
    }

    /// The request. One that the kernel would refuse, or ignore, is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn request(&self) -> Request {
        let header = IfInfoMsg { family: AF_BRIDGE, index: self.index, ..IfInfoMsg::default() };
        let mut request = Request::new(RTM_SETLINK, &NAMES, describe).with_header(&header);
        let mut w = request.attrs();
        // Unmarked, the kernel would take the first byte for a state.
        self.options.encode(&mut w.nested(IFLA_PROTINFO), LinkVerb::Change);
        if !self.target.is_empty() || self.hw_mode.is_some() {
            let mut spec = w.nested_unmarked(IFLA_AF_SPEC);
            if !self.target.is_empty() {
                spec.u16(IFLA_BRIDGE_FLAGS, self.target.bits());
            }
            spec.opt(IFLA_BRIDGE_MODE, self.hw_mode.map(u16::from), AttrWriter::u16);
        }
        request.invalid_if(self.check())
    }

    fn check(&self) -> Result<(), Invalid> {
        check_index(self.index)?;
        Invalid::when(self.options.is_empty() && self.hw_mode.is_none(), "nothing is set: say what changes")?;
        let is_self = self.target.contains(PortTarget::SELF);
        Invalid::when(
            self.hw_mode.is_some() && !is_self,
            "hwmode is for the port's own driver: add self_()",
        )?;
        Invalid::when(
            self.options.learning_sync.is_some() && (!is_self || self.is_for_bridge()),
            "learning_sync is for the port's own driver, and a bridge ignores it: self_() alone is needed",
        )?;
        self.options.check_any()
    }
}

/// A line as `bridge link show` has it, with `#5` for interface 5.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}: {} mtu {} master #{}", self.index, self.name, self.mtu, self.master)?;
        let options = self.options.to_string();
        f.write_str(options.strip_prefix(BridgePort::KIND).unwrap_or(&options))
    }
}

/// The request that lists all ports.
pub(super) fn list_request() -> Request {
    Request::new(RTM_GETLINK, &NAMES, describe)
        .with_header(&IfInfoMsg { family: AF_BRIDGE, ..IfInfoMsg::default() })
}

fn name(attr: Attr<'_>) -> Name {
    attr.text().as_str().into()
}

/// What is asked for, with `#5` for interface 5.
fn describe(message: MessageRef<'_>) -> String {
    if message.kind() == RTM_GETLINK {
        return "list ports".to_owned();
    }
    let mut text = "set port".to_owned();
    // What cannot be read is left out; writing to a String cannot fail.
    let Ok((header, attrs)) = message.header::<IfInfoMsg>() else { return text };
    let _ = write!(text, " #{}", header.index);
    if let Ok(Some(options)) = attrs.find(IFLA_PROTINFO)
        && let Ok(options) = BridgePort::decode(options.attrs())
    {
        let options = options.to_string();
        text.push_str(options.strip_prefix(BridgePort::KIND).unwrap_or(&options));
    }
    if let Ok(Some(spec)) = attrs.find(IFLA_AF_SPEC) {
        for attr in spec.attrs().flatten() {
            match (attr.kind(), attr.u16()) {
                (IFLA_BRIDGE_MODE, Ok(mode)) => drop(write!(text, " hwmode {}", HwMode::from(mode))),
                (IFLA_BRIDGE_FLAGS, Ok(flags)) => {
                    let target = PortTarget::from_bits_retain(flags);
                    text.push_str(if target.contains(PortTarget::MASTER) { " master" } else { "" });
                    text.push_str(if target.contains(PortTarget::SELF) { " self" } else { "" });
                }
                _ => {}
            }
        }
    }
    text
}

attr_names! { pub(super) NAMES: IfInfoMsg {
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_MASTER = 10,
    IFLA_PROTINFO = 12 in BRPORT,
    IFLA_AF_SPEC = 26 { IFLA_BRIDGE_FLAGS = 0, IFLA_BRIDGE_MODE = 1 },
} }
