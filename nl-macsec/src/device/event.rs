use std::fmt;

use nl_core::attr::DecodeError;
use nl_core::link::{Link, LinkEvent};
use nl_core::message::MessageRef;

use super::codec::MacsecDevice;

/// A change of a MACsec device, as the kernel reports it to the group [`RTNLGRP_LINK`](nl_core::link::RTNLGRP_LINK).
///
/// The kernel reports changes of options only while the device is up. It never reports changes of channels, associations and keys: these
/// are [read](crate::secy).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MacsecEvent {
    /// The device is gone, or moved to another namespace: then its link has a [`new_netnsid`](Link::new_netnsid).
    Deleted(Box<MacsecLink>),
    /// The device is new, or something of it has changed.
    New(Box<MacsecLink>),
}

/// A MACsec device as one of the network, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MacsecLink {
    /// The device of the network.
    pub link: Link,
    /// Its options as MACsec.
    pub options: MacsecDevice,
}

impl MacsecEvent {
    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK` message; `None` for one that is not about a MACsec device.
    ///
    /// # Errors
    /// The message is of another type or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(match LinkEvent::decode(message)? {
            Some(LinkEvent::Deleted(link)) => MacsecLink::of(*link)?.map(Box::new).map(Self::Deleted),
            Some(LinkEvent::New(link)) => MacsecLink::of(*link)?.map(Box::new).map(Self::New),
            _ => None,
        })
    }

    /// The device, as it is or was.
    #[must_use]
    pub fn device(&self) -> &MacsecLink {
        match self {
            Self::Deleted(device) | Self::New(device) => device,
        }
    }
}

impl MacsecLink {
    pub(super) fn of(link: Link) -> Result<Option<Self>, DecodeError> {
        match link.kind() {
            Some(options) => Ok(Some(Self { options: options?, link })),
            None => Ok(None),
        }
    }
}

/// The words of `ip -d monitor link` about MACsec, with `#2` in place of the name of interface 2.
impl fmt::Display for MacsecEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(device) => write!(f, "Deleted {device}"),
            Self::New(device) => fmt::Display::fmt(device, f),
        }
    }
}

impl fmt::Display for MacsecLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.link.index, self.link.name)?;
        if let Some(parent) = self.link.link {
            write!(f, "@#{parent}")?;
        }
        write!(f, " {}", self.options)
    }
}
