//! What the messages of the family share.

use std::fmt::{self, Write};

use nl_core::Request;
use nl_core::attr::{Attr, Attrs, DecodeError, HEADER_LEN};
use nl_core::attr_names;
use nl_core::message::{GenlHeader, MessageRef};

use crate::association::An;
use crate::cipher::CipherSuite;
use crate::key::KeyId;
use crate::mode::Offload;
use crate::sci::Sci;

/// The generic netlink family (`MACSEC_GENL_NAME`).
pub const FAMILY: &str = "macsec";

// `include/uapi/linux/if_macsec.h`
const VERSION: u8 = 1;
pub(crate) const CMD_GET_TXSC: u8 = 0;
pub(crate) const CMD_ADD_RXSC: u8 = 1;
pub(crate) const CMD_DEL_RXSC: u8 = 2;
pub(crate) const CMD_UPD_RXSC: u8 = 3;
pub(crate) const CMD_ADD_TXSA: u8 = 4;
pub(crate) const CMD_DEL_TXSA: u8 = 5;
pub(crate) const CMD_UPD_TXSA: u8 = 6;
pub(crate) const CMD_ADD_RXSA: u8 = 7;
pub(crate) const CMD_DEL_RXSA: u8 = 8;
pub(crate) const CMD_UPD_RXSA: u8 = 9;
pub(crate) const CMD_UPD_OFFLOAD: u8 = 10;

/// A request of the family, which has the number `family` in the running kernel.
pub(crate) fn request(family: u16, command: u8) -> Request {
    Request::new(family, &NAMES, describe).with_header(&GenlHeader { command, version: VERSION })
}

/// A packet number, which is as wide as the cipher suite has them.
pub(crate) fn read_packet_number(attr: Attr<'_>) -> Result<u64, DecodeError> {
    match attr.value().len() {
        8 => attr.u64(),
        _ => attr.u32().map(u64::from),
    }
}

attr_names! { pub(crate) SA {
    MACSEC_SA_ATTR_AN = 1,
    MACSEC_SA_ATTR_ACTIVE = 2,
    MACSEC_SA_ATTR_PN = 3,
    MACSEC_SA_ATTR_KEY = 4,
    MACSEC_SA_ATTR_KEYID = 5,
    MACSEC_SA_ATTR_STATS = 6,
    MACSEC_SA_ATTR_SSCI = 8,
    MACSEC_SA_ATTR_SALT = 9,
} }

attr_names! { pub(crate) RXSC {
    MACSEC_RXSC_ATTR_SCI = 1,
    MACSEC_RXSC_ATTR_ACTIVE = 2,
    MACSEC_RXSC_ATTR_SA_LIST = 3,
    MACSEC_RXSC_ATTR_STATS = 4,
} }

attr_names! { pub(crate) NAMES: GenlHeader {
    MACSEC_ATTR_IFINDEX = 1,
    MACSEC_ATTR_RXSC_CONFIG = 2 in RXSC,
    MACSEC_ATTR_SA_CONFIG = 3 in SA,
    MACSEC_ATTR_SECY = 4,
    MACSEC_ATTR_TXSA_LIST = 5,
    MACSEC_ATTR_RXSC_LIST = 6,
    MACSEC_ATTR_TXSC_STATS = 7,
    MACSEC_ATTR_SECY_STATS = 8,
    MACSEC_ATTR_OFFLOAD = 9 { MACSEC_OFFLOAD_ATTR_TYPE = 1 },
} }

/// The words of `ip macsec` for a request, with `#5` for interface 5. Never the key or the salt.
fn describe(message: MessageRef<'_>) -> String {
    let mut text = String::new();
    // What cannot be read is left out; writing to a String cannot fail.
    let _ = write_words(&mut text, message);
    text
}

fn write_words(text: &mut String, message: MessageRef<'_>) -> Result<(), Unreadable> {
    let (header, attrs) = message.header::<GenlHeader>()?;
    if header.command == CMD_GET_TXSC {
        text.push_str("list macsec devices");
        return Ok(());
    }
    text.push_str(match header.command {
        CMD_ADD_RXSC | CMD_ADD_TXSA | CMD_ADD_RXSA => "add macsec",
        CMD_DEL_RXSC | CMD_DEL_TXSA | CMD_DEL_RXSA => "delete macsec",
        CMD_UPD_OFFLOAD => "offload macsec",
        _ => "set macsec",
    });
    let index = attrs.find(MACSEC_ATTR_IFINDEX)?.map_or(Ok(0), |attr| attr.u32())?;
    write!(text, " #{index}")?;
    if let Some(offload) = attrs.find(MACSEC_ATTR_OFFLOAD)? {
        let mode = offload.attrs().find(MACSEC_OFFLOAD_ATTR_TYPE)?;
        return Ok(write!(text, " {}", Offload::from(mode.map_or(Ok(0), |mode| mode.u8())?))?);
    }
    match attrs.find(MACSEC_ATTR_RXSC_CONFIG)? {
        Some(channel) => {
            text.push_str(" rx");
            for attr in channel.attrs() {
                let attr = attr?;
                match attr.kind() {
                    MACSEC_RXSC_ATTR_SCI => write!(text, " sci {}", Sci::read_attr(attr)?)?,
                    MACSEC_RXSC_ATTR_ACTIVE => text.push_str(on_off(attr.u8()? != 0)),
                    _ => {}
                }
            }
        }
        None => text.push_str(" tx"),
    }
    match attrs.find(MACSEC_ATTR_SA_CONFIG)? {
        Some(association) => write_association(text, association.attrs()),
        None => Ok(()),
    }
}

fn write_association(text: &mut String, attrs: Attrs<'_>) -> Result<(), Unreadable> {
    let an = attrs.find(MACSEC_SA_ATTR_AN)?.map_or(Ok(0), |attr| attr.u8())?;
    write!(text, " sa {}", An::new(an))?;
    for attr in attrs {
        let attr = attr?;
        match attr.kind() {
            MACSEC_SA_ATTR_PN => write!(text, " pn {}", read_packet_number(attr)?)?,
            MACSEC_SA_ATTR_ACTIVE => text.push_str(on_off(attr.u8()? != 0)),
            MACSEC_SA_ATTR_SSCI => write!(text, " ssci {:08x}", attr.be32()?)?,
            MACSEC_SA_ATTR_KEYID => write!(text, " key {}", KeyId::read(attr)?)?,
            _ => {}
        }
    }
    Ok(())
}

const fn on_off(on: bool) -> &'static str {
    if on { " on" } else { " off" }
}

/// Writes a packet number as wide as the suite has them.
pub(crate) fn write_packet_number(w: &mut nl_core::attr::AttrWriter<'_>, suite: CipherSuite, number: u64) {
    match u32::try_from(number) {
        Ok(number) if !suite.is_xpn() => w.u32(MACSEC_SA_ATTR_PN, number),
        // One that is too large for the suite is refused by the check of the request.
        _ => w.u64(MACSEC_SA_ATTR_PN, number),
    };
}

/// What of a request could not be put into words.
struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

impl From<fmt::Error> for Unreadable {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}

/// Reads the entries of a nest, each in its place in the list, which gets room for as many as there are if all are as long as the first.
pub(crate) fn fill_list<T: Default>(
    list: &mut Vec<T>,
    nest: Attr<'_>,
    mut fill: impl FnMut(&mut T, Attrs<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for entry in nest.attrs() {
        let attrs = entry?.attrs();
        if list.is_empty() {
            list.reserve(nest.value().len() / (HEADER_LEN + attrs.as_bytes().len()));
        }
        list.push(T::default());
        list.last_mut().map_or(Ok(()), |entry| fill(entry, attrs))?;
    }
    Ok(())
}
