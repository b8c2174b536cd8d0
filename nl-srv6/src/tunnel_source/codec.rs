use std::net::{IpAddr, Ipv6Addr};

use nl_core::Request;
use nl_core::attr::DecodeError;
use nl_core::check::Invalid;
use nl_core::message::{GenlHeader, MessageRef};

use crate::message::{SEG6_ATTR_DST, request};

const CMD_SET_TUNSRC: u8 = 3;
const CMD_GET_TUNSRC: u8 = 4;

/// The request that reads the source address, where the family has the number `family`.
#[must_use]
pub fn get_request(family: u16) -> Request {
    request(family, CMD_GET_TUNSRC, describe)
}

/// The request that sets the source address, `None` for the kernel's choice. The kernel takes any address; one that no packet can come
/// from is [refused](Request::invalid_if) when it is sent.
#[must_use]
pub fn set_request(family: u16, source: Option<Ipv6Addr>) -> Request {
    let mut request = request(family, CMD_SET_TUNSRC, describe);
    request.attrs().ip(SEG6_ATTR_DST, IpAddr::V6(source.unwrap_or(Ipv6Addr::UNSPECIFIED)));
    request.invalid_if(source.map_or(Ok(()), check))
}

pub(super) fn decode(message: MessageRef<'_>) -> Result<Option<Ipv6Addr>, DecodeError> {
    let (_, attrs) = message.header::<GenlHeader>()?;
    let attr = attrs.find(SEG6_ATTR_DST)?.ok_or(DecodeError::Missing(SEG6_ATTR_DST))?;
    let source = Ipv6Addr::from(attr.array::<16>()?);
    Ok((!source.is_unspecified()).then_some(source))
}

fn check(source: Ipv6Addr) -> Result<(), Invalid> {
    if source.is_unspecified() {
        return Err("source address ::, which is for none: clear()".into());
    }
    match source.is_multicast() || source.is_loopback() {
        true => Err(format!("source address {source} cannot be the address of a node").into()),
        false => Ok(()),
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let Ok((header, _)) = message.header::<GenlHeader>() else { return "tunnel source".into() };
    match (header.command, decode(message)) {
        (CMD_SET_TUNSRC, Ok(Some(source))) => format!("set tunnel source {source}"),
        (CMD_SET_TUNSRC, _) => "clear tunnel source".into(),
        _ => "get tunnel source".into(),
    }
}
