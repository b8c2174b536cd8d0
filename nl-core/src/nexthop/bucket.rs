use std::fmt;
use std::time::Duration;

use super::codec::NAMES;
use super::group::time;
use super::message::*;
use crate::attr::{AttrWriter, DecodeError};
use crate::check::{Invalid, check_index};
use crate::message::MessageRef;
use crate::request::Request;

/// One bucket of a resilient group: the flows whose hash falls into it take its member. Linux 5.13.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NexthopBucket {
    /// The number of the group (`NHA_ID`).
    pub group: u32,
    /// The number of the bucket, from 0 on (`NHA_RES_BUCKET_INDEX`).
    pub index: u16,
    /// The number of the member (`NHA_RES_BUCKET_NH_ID`).
    pub nexthop: u32,
    /// Since a packet last took it (`NHA_RES_BUCKET_IDLE_TIME`).
    pub idle_time: Duration,
}

impl NexthopBucket {
    /// Reads an `RTM_NEWNEXTHOPBUCKET` message.
    ///
    /// # Errors
    /// The message is of another type or malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        if message.kind() != RTM_NEWNEXTHOPBUCKET {
            return Err(DecodeError::Kind(message.kind()));
        }
        let (_, attrs) = message.header::<NhMsg>()?;
        let mut bucket = Self::default();
        for attr in attrs {
            let attr = attr?;
            match attr.kind() {
                NHA_ID => bucket.group = attr.u32()?,
                NHA_RES_BUCKET => {
                    for attr in attr.attrs() {
                        let attr = attr?;
                        match attr.kind() {
                            NHA_RES_BUCKET_INDEX => bucket.index = attr.u16()?,
                            NHA_RES_BUCKET_IDLE_TIME => bucket.idle_time = time(attr.u64()?),
                            NHA_RES_BUCKET_NH_ID => bucket.nexthop = attr.u32()?,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(bucket)
    }

    /// What it is found by: the numbers of the group and the bucket.
    #[must_use]
    pub const fn key(&self) -> (u32, u16) {
        (self.group, self.index)
    }

    /// The same without what changes by itself: for how long it has been idle.
    #[must_use]
    pub fn without_ages(mut self) -> Self {
        self.idle_time = Duration::ZERO;
        self
    }
}

/// A line as `ip nexthop bucket` prints it.
impl fmt::Display for NexthopBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.idle_time.as_secs_f64();
        write!(f, "id {} index {} idle_time {idle} nhid {}", self.group, self.index, self.nexthop)
    }
}

/// Which buckets to list; all of it is filtered by the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketFilter {
    /// Of this group.
    pub group: Option<u32>,
    /// With this member.
    pub nexthop: Option<u32>,
    /// With a member through this device.
    pub oif: Option<u32>,
}

impl BucketFilter {
    /// The request that lists them.
    #[must_use]
    pub fn list_request(&self) -> Request {
        let mut request = Request::new(RTM_GETNEXTHOPBUCKET, &NAMES, describe).with_header(&NhMsg::default());
        let mut w = request.attrs();
        w.opt(NHA_ID, self.group, AttrWriter::u32);
        w.opt(NHA_OIF, self.oif, AttrWriter::u32);
        if let Some(id) = self.nexthop {
            w.nested(NHA_RES_BUCKET).u32(NHA_RES_BUCKET_NH_ID, id);
        }
        let zero = self.group == Some(0) || self.nexthop == Some(0);
        request
            .invalid_if(Invalid::when(zero, "nexthop id 0; the first one is 1"))
            .invalid_if(self.oif.map_or(Ok(()), check_index))
    }
}

fn describe(message: MessageRef<'_>) -> String {
    let mut text = String::from("list nexthop buckets");
    let attrs = message.header::<NhMsg>().map(|(_, attrs)| attrs);
    for attr in attrs.into_iter().flatten().flatten() {
        match (attr.kind(), attr.u32()) {
            (NHA_ID, Ok(id)) => text.push_str(&format!(" id {id}")),
            (NHA_OIF, Ok(index)) => text.push_str(&format!(" dev #{index}")),
            _ => {}
        }
    }
    text
}
