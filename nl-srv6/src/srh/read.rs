use std::net::Ipv6Addr;

use serde::{Deserialize, Deserializer};

use super::codec::{Srh, SrhFlags};
use super::tlv::Tlv;

/// From the fields. Without `segments_left` it is one less than there are segments; what else is left out is 0 or empty, and the flag HMAC
/// is set where there is an HMAC.
impl<'de> Deserialize<'de> for Srh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Read {
            segments: Vec<Ipv6Addr>,
            segments_left: Option<u8>,
            #[serde(default)]
            next_header: u8,
            flags: Option<u8>,
            #[serde(default)]
            tag: u16,
            #[serde(default)]
            tlvs: Vec<Tlv>,
        }

        let read = Read::deserialize(deserializer)?;
        let mut srh = Self::new(read.segments).tag(read.tag);
        srh.segments_left = read.segments_left.unwrap_or(srh.segments_left);
        (srh.next_header, srh.tlvs) = (read.next_header, read.tlvs);
        srh.flags = match read.flags {
            Some(bits) => SrhFlags::from_bits_retain(bits),
            None if srh.hmac_tlv().is_some() => SrhFlags::HMAC,
            None => SrhFlags::empty(),
        };
        Ok(srh)
    }
}
