use std::fmt;

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::message::{GenlHeader, MessageRef};

use crate::message::{
    CMD_GET_LIMITS, CMD_SET_LIMITS, MPTCP_PM_ATTR_RCV_ADD_ADDRS, MPTCP_PM_ATTR_SUBFLOWS, request,
};

/// How much the kernel's path manager does for one connection.
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
    /// How many announced addresses of the peer are taken up (`add_addr_accepted`).
    pub add_addr_accepted: u32,
    /// How many subflows a connection has besides its first (`subflows`).
    pub subflows: u32,
}

/// Those of a new namespace.
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
        request(family, CMD_GET_LIMITS)
    }

    /// The request that sets those limits that are given. Without any the kernel says success and does nothing, so that is
    /// [refused](Request::invalid_if) when it is sent.
    #[must_use]
    pub fn set_request(family: u16, add_addr_accepted: Option<u32>, subflows: Option<u32>) -> Request {
        let mut request = request(family, CMD_SET_LIMITS);
        if let Some(limit) = add_addr_accepted {
            request.attrs().u32(MPTCP_PM_ATTR_RCV_ADD_ADDRS, limit);
        }
        if let Some(limit) = subflows {
            request.attrs().u32(MPTCP_PM_ATTR_SUBFLOWS, limit);
        }
        match (add_addr_accepted, subflows) {
            (None, None) => {
                request.invalid_if(Err("no limit is given: add_addr_accepted(), subflows() or both".into()))
            }
            _ => request,
        }
    }
}

/// A line as `ip mptcp limits show` prints it.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add_addr_accepted {} subflows {}", self.add_addr_accepted, self.subflows)
    }
}
