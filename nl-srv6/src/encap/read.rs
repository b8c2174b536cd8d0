use std::net::Ipv6Addr;

use nl_core::attr::RawAttrs;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::codec::{Seg6, Seg6Mode};
use crate::srh::Srh;

/// From the word of `ip route`, or the number.
impl<'de> Deserialize<'de> for Seg6Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = [Self::Inline, Self::Encap, Self::L2Encap, Self::EncapRed, Self::L2EncapRed];
        if let Some(mode) = known.into_iter().find(|mode| mode.to_string() == word) {
            return Ok(mode);
        }
        match word.parse::<i32>() {
            Ok(number) => Ok(Self::from(number)),
            Err(_) => Err(D::Error::custom(format!(
                "mode \"{word}\"; inline, encap, l2encap, encap.red and l2encap.red are possible"
            ))),
        }
    }
}

/// From the fields. In place of `srh` there can be `segments`, and `hmac` with the number of a key.
impl<'de> Deserialize<'de> for Seg6 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Read {
            mode: Seg6Mode,
            srh: Option<Srh>,
            segments: Option<Vec<Ipv6Addr>>,
            hmac: Option<u32>,
            overwritten: Option<Ipv6Addr>,
            source: Option<Ipv6Addr>,
            #[serde(default)]
            unknown: RawAttrs,
        }

        let read = Read::deserialize(deserializer)?;
        let mut srh = match (read.srh, read.segments) {
            (Some(srh), None) => srh,
            (None, Some(segments)) => Srh::new(segments),
            _ => return Err(D::Error::custom("a path has either srh or segments")),
        };
        if let Some(key) = read.hmac {
            srh = srh.hmac(key);
        }
        let mut seg6 = Self::new(read.mode, []);
        (seg6.srh, seg6.overwritten, seg6.source) = (srh, read.overwritten, read.source);
        seg6.unknown = read.unknown;
        Ok(seg6)
    }
}
