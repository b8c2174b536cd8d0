//! Network devices: from name to index and back, asked of the kernel over the connection, so always right for its
//! namespace. `/sys` and `/proc` show other namespaces than one expects and are never read.

use crate::addr::{Dev, MacAddr};
use crate::attr::DecodeError;
use crate::connection::{Connection, Protocol};
use crate::dump::Dump;
use crate::error::{AttrName, Error, Result, Schema};
use crate::message::{IfInfoMsg, MessageRef, Request};

// `include/uapi/linux/rtnetlink.h`, `include/uapi/linux/if_link.h`
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFF_UP: u32 = 1;

static LINK: Schema = Schema {
    header_len: 16,
    attrs: &[AttrName::new(IFLA_IFNAME, "IFLA_IFNAME"), AttrName::new(IFLA_EXT_MASK, "IFLA_EXT_MASK")],
    describe: |message| match message.header::<IfInfoMsg>() {
        Ok((header, _)) if header.index != 0 => format!("look up link #{}", header.index),
        Ok((_, attrs)) => match attrs.find(IFLA_IFNAME) {
            Ok(Some(name)) => format!("look up link {}", name.str().unwrap_or("?")),
            _ => "list links".into(),
        },
        Err(_) => "link request".into(),
    },
};

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

impl Connection {
    /// A device by name or index.
    ///
    /// Equivalent: `ip link show dev DEV`. Needs no privilege.
    ///
    /// # Errors
    /// No such device (`ENODEV`), a name or index that cannot exist, a connection of another protocol.
    pub async fn link(&self, dev: impl Into<Dev>) -> Result<Link> {
        let dev = dev.into();
        self.on_route()?;
        dev.check()?;
        let index = if let Dev::Index(index) = dev { index } else { 0 };
        let mut request = link_request(index);
        if let Dev::Name(name) = &dev {
            request.attrs().str(IFLA_IFNAME, name);
        }
        self.get(request, Link::decode).await
    }

    /// Every device of the namespace.
    ///
    /// Equivalent: `ip link show`. Needs no privilege.
    pub fn links(&self) -> Dump<Link> {
        let dump = self.dump(link_request(0), |message| Link::decode(message).map(Some));
        match self.on_route() {
            Ok(()) => dump,
            Err(error) => dump.failed(error),
        }
    }

    /// The index of a device; of one given by index, that index without asking.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn link_index(&self, dev: impl Into<Dev>) -> Result<u32> {
        match dev.into() {
            Dev::Index(index) => Dev::Index(index).check().map(|()| index),
            name => Ok(self.link(name).await?.index),
        }
    }

    /// The name of a device.
    ///
    /// # Errors
    /// As [`link`](Self::link).
    pub async fn link_name(&self, index: u32) -> Result<String> {
        Ok(self.link(index).await?.name)
    }

    /// The names of every device of the namespace by index, for printing many entries. The list is read again if it changed
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Dump::collect_all`], and a connection of another protocol.
    pub async fn link_names(&self) -> Result<std::collections::HashMap<u32, String>> {
        let links = self.links().collect_all().await?;
        Ok(links.into_iter().map(|link| (link.index, link.name)).collect())
    }

    fn on_route(&self) -> Result<()> {
        match self.protocol() {
            Protocol::Route => Ok(()),
            other => Err(Error::usage(format!("links are found on NETLINK_ROUTE, not {other}"))),
        }
    }
}

fn link_request(index: u32) -> Request {
    let mut request =
        Request::new(RTM_GETLINK, &LINK).with_header(&IfInfoMsg { index, ..IfInfoMsg::default() });
    request.attrs().u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request
}
