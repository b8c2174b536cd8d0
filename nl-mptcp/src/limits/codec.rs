use std::fmt;

use nl_core::Request;
use nl_core::attr::{AttrWriter, DecodeError};
use nl_core::check::Invalid;
use nl_core::message::{GenlHeader, MessageRef};

use crate::message::{
    CMD_GET_LIMITS, CMD_SET_LIMITS, MPTCP_PM_ATTR_RCV_ADD_ADDRS, MPTCP_PM_ATTR_SUBFLOWS, request,
};

/// Limits of the kernel's path manager for each connection.
///
/// ```
/// use nl_mptcp::limits::Limits;
///
/// let limits = Limits::default();
/// assert_eq!(limits.to_string(), "add_addr_accepted 0 subflows 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Limits {
    /// The number of announced addresses that are accepted from the peer (`add_addr_accepted`).
    pub add_addr_accepted: u32,
    /// The number of subflows besides the initial one (`subflows`).
    pub subflows: u32,
}

/// The limits of a new namespace.
impl Default for Limits {
    fn default() -> Self {
        Self { add_addr_accepted: 0, subflows: 2 }
    }
}

impl Limits {
    /// Reads the answer to `MPTCP_PM_CMD_GET_LIMITS`.
    ///
    /// # Errors
    /// The message answers another command, is malformed, or lacks a limit.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let (header, attrs) = message.header::<GenlHeader>()?;
        if header.command != CMD_GET_LIMITS {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (mut add_addr_accepted, mut subflows) = (None, None);
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                MPTCP_PM_ATTR_RCV_ADD_ADDRS => add_addr_accepted = Some(attr.u32()?),
                MPTCP_PM_ATTR_SUBFLOWS => subflows = Some(attr.u32()?),
                _ => {}
            }
        }
        Ok(Self {
            add_addr_accepted: add_addr_accepted.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_RCV_ADD_ADDRS))?,
            subflows: subflows.ok_or(DecodeError::Missing(MPTCP_PM_ATTR_SUBFLOWS))?,
        })
    }

    /// The request that reads the limits, where the [family](crate::FAMILY) has the number `family`.
    #[must_use]
    pub fn get_request(family: u16) -> Request {
        request(family, CMD_GET_LIMITS, describe)
    }

    /// The request that sets the limits that are given. Without any the kernel reports success and does nothing, so that request
    /// is [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn set_request(family: u16, add_addr_accepted: Option<u32>, subflows: Option<u32>) -> Request {
        let mut request = request(family, CMD_SET_LIMITS, describe);
        let mut w = request.attrs();
        w.opt(MPTCP_PM_ATTR_RCV_ADD_ADDRS, add_addr_accepted, AttrWriter::u32);
        w.opt(MPTCP_PM_ATTR_SUBFLOWS, subflows, AttrWriter::u32);
        let unset = add_addr_accepted.or(subflows).is_none();
        request.invalid_if(Invalid::when(unset, "no limit is given: add_addr_accepted(), subflows() or both"))
    }
}

/// A line as `ip mptcp limits show` prints it.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add_addr_accepted {} subflows {}", self.add_addr_accepted, self.subflows)
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut text = String::from("get mptcp limits");
    let Ok((header, attrs)) = message.header::<GenlHeader>() else { return text };
    if header.command == CMD_SET_LIMITS {
        text.replace_range(..3, "set");
    }
    let limits = [(MPTCP_PM_ATTR_RCV_ADD_ADDRS, "add_addr_accepted"), (MPTCP_PM_ATTR_SUBFLOWS, "subflows")];
    for (kind, word) in limits {
        if let Ok(Some(Ok(limit))) = attrs.find(kind).map(|attr| attr.map(|attr| attr.u32())) {
            text.push_str(&format!(" {word} {limit}"));
        }
    }
    text
}
