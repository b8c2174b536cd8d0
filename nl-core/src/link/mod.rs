//! Network devices: what [`Connection::link`](crate::Connection::link) and [`links`](crate::Connection::links) read.
//!
//! They ask the kernel over the connection, so the answer is right for its namespace. `/sys` and `/proc` show other
//! namespaces than one expects and are never read.

use crate::addr::{Dev, IFNAME_MAX, MacAddr, escaped};
use crate::attr::DecodeError;
use crate::attr_names;
use crate::error::Result;
use crate::message::{IfInfoMsg, MessageRef};
use crate::request::Request;

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_link.h`
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFF_UP: u32 = 1;

attr_names! { pub(crate) NAMES: IfInfoMsg {
    IFLA_ADDRESS = 1,
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_MASTER = 10,
    IFLA_LINKINFO = 18 { IFLA_INFO_KIND = 1, IFLA_INFO_SLAVE_KIND = 4 },
    IFLA_EXT_MASK = 29,
    IFLA_ALT_IFNAME = 53,
} }

fn describe(message: MessageRef<'_>) -> String {
    match message.header::<IfInfoMsg>() {
        Ok((header, _)) if header.index != 0 => format!("look up link #{}", header.index),
        Ok((_, attrs)) => {
            let name = [IFLA_IFNAME, IFLA_ALT_IFNAME].into_iter().find_map(|kind| attrs.find(kind).ok()?);
            match name {
                Some(name) => format!("look up link {}", escaped(name.str().unwrap_or("?"))),
                None => "list links".into(),
            }
        }
        Err(_) => "link request".into(),
    }
}

/// What this workspace needs to know of a network device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Link {
    /// The interface index.
    pub index: u32,
    /// The name. Bytes of it that are not UTF-8 stand as `\xNN`; such a device is found by its index.
    pub name: String,
    /// The kind of virtual device, such as `bridge` or `vxlan`; `None` for hardware and loopback.
    pub kind: Option<String>,
    /// The device this one is a port of.
    pub master: Option<u32>,
    /// The kind of that device, such as `bridge`.
    pub master_kind: Option<String>,
    /// The Ethernet address, on devices that have one.
    pub mac: Option<MacAddr>,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
}

impl Link {
    /// Reads an `RTM_NEWLINK` message.
    ///
    /// # Errors
    /// The message is of another type or malformed, or has no name.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if message.kind() != RTM_NEWLINK {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (header, attrs) = message.header::<IfInfoMsg>()?;
        let mut name = None;
        let mut link = Self {
            index: header.index,
            name: String::new(),
            kind: None,
            master: None,
            master_kind: None,
            mac: None,
            mtu: 0,
            up: header.flags & IFF_UP != 0,
        };
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                IFLA_IFNAME => name = Some(attr.text()),
                IFLA_MASTER => link.master = Some(attr.u32()?),
                // Devices without Ethernet have addresses of other lengths.
                IFLA_ADDRESS => link.mac = MacAddr::from_attr(attr).ok(),
                IFLA_MTU => link.mtu = attr.u32()?,
                IFLA_LINKINFO => {
                    for info in attr.attrs() {
                        let info = info?;
                        match info.kind() {
                            IFLA_INFO_KIND => link.kind = Some(info.str()?.into()),
                            IFLA_INFO_SLAVE_KIND => link.master_kind = Some(info.str()?.into()),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        link.name = name.ok_or(DecodeError::Missing(IFLA_IFNAME))?;
        Ok(link)
    }
}

/// Asks for one device or for all, without statistics, which cost the kernel most of the work.
pub(crate) fn request(dev: Option<&Dev>) -> Request {
    let index = if let Some(Dev::Index(index)) = dev { *index } else { 0 };
    let mut request =
        Request::new(RTM_GETLINK, &NAMES, describe).with_header(&IfInfoMsg { index, ..IfInfoMsg::default() });
    let mut attrs = request.attrs();
    attrs.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    match dev {
        // The kernel finds alternative names in either attribute; only one holds the long ones.
        Some(Dev::Name(name)) if name.len() > IFNAME_MAX => drop(attrs.str(IFLA_ALT_IFNAME, name)),
        Some(Dev::Name(name)) => drop(attrs.str(IFLA_IFNAME, name)),
        _ => {}
    }
    request
}
