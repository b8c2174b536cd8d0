use std::fmt;

use super::{RTM_DELNSID, RTM_GETNSID, RTM_NEWNSID};
use crate::attr::DecodeError;
use crate::attr_names;
use crate::check::within;
use crate::message::{FixedHeader, MessageRef};
use crate::request::Request;

/// The largest id: the kernel's number is a signed one.
const MAX: u32 = i32::MAX.unsigned_abs();
/// `NETNSA_NSID_NOT_ASSIGNED`
const NOT_ASSIGNED: i32 = -1;

/// A namespace that has an id in the namespace of the connection or of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Nsid {
    /// The id, from 0 on.
    pub id: u32,
}

impl Nsid {
    /// A namespace with this id.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Decodes an `RTM_NEWNSID` or `RTM_DELNSID` message.
    ///
    /// # Errors
    /// The message is of another type, says that there is no id, or is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Self, DecodeError> {
        let why = "the namespace has no id";
        let missing = DecodeError::Value { kind: NETNSA_NSID, why };
        decode_id(message)?.map(Self::new).ok_or(missing)
    }

    /// The request that reads this id, to find out whether a namespace has it.
    #[cfg(feature = "watch")]
    pub(super) fn get_request(self) -> Request {
        let mut request = new_request(RTM_GETNSID);
        request.attrs().u32(NETNSA_NSID, self.id);
        request
    }
}

/// A line as `ip netns list-id` prints it.
impl fmt::Display for Nsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nsid {}", self.id)
    }
}

/// What the kernel reports about the ids of namespaces, in the group [`RTNLGRP_NSID`](super::RTNLGRP_NSID).
///
/// Equivalent: `ip monitor nsid`. Needs no privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NsidEvent {
    /// The namespace with this id was deleted (`RTM_DELNSID`). The id may be assigned again.
    Deleted(Nsid),
    /// A namespace has got this id (`RTM_NEWNSID`).
    New(Nsid),
}

impl NsidEvent {
    /// Decodes a message of [`RTNLGRP_NSID`](super::RTNLGRP_NSID); `None` if it is not about an id.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn decode(message: MessageRef<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(match message.kind() {
            RTM_NEWNSID => Some(Self::New(Nsid::decode(message)?)),
            RTM_DELNSID => Some(Self::Deleted(Nsid::decode(message)?)),
            _ => None,
        })
    }

    /// The namespace it is about.
    #[must_use]
    pub const fn nsid(&self) -> Nsid {
        match self {
            Self::Deleted(nsid) | Self::New(nsid) => *nsid,
        }
    }
}

/// A line as `ip monitor nsid` prints it.
impl fmt::Display for NsidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(nsid) => write!(f, "Deleted {nsid}"),
            Self::New(nsid) => fmt::Display::fmt(nsid, f),
        }
    }
}

/// The id in a message; `None` if it says that there is none.
pub(super) fn decode_id(message: MessageRef<'_>) -> Result<Option<u32>, DecodeError> {
    if !matches!(message.kind(), RTM_NEWNSID | RTM_DELNSID) {
        return Err(DecodeError::Kind(message.kind()));
    }
    let (_, attrs) = message.header::<RtGenMsg>()?;
    let attr = attrs.find(NETNSA_NSID)?.ok_or(DecodeError::Missing(NETNSA_NSID))?;
    match attr.i32()? {
        NOT_ASSIGNED => Ok(None),
        id => u32::try_from(id).map(Some).map_err(|_| attr.invalid("a negative id")),
    }
}

/// The request that lists the ids.
pub(super) fn list_request() -> Request {
    new_request(RTM_GETNSID)
}

/// The request for the id of the namespace that this descriptor of the sending process stands for.
pub(super) fn of_request(fd: u32) -> Request {
    let mut request = new_request(RTM_GETNSID);
    request.attrs().u32(NETNSA_FD, fd);
    request
}

/// The request that gives that namespace an id; without one the kernel chooses.
pub(super) fn assign_request(fd: u32, id: Option<u32>) -> Request {
    let mut request = new_request(RTM_NEWNSID);
    let number = id.map_or(NOT_ASSIGNED, |id| i32::try_from(id).unwrap_or(i32::MAX));
    request.attrs().i32(NETNSA_NSID, number).u32(NETNSA_FD, fd);
    request.invalid_if(id.map_or(Ok(()), |id| within("nsid", id, 0, MAX)))
}

fn new_request(kind: u16) -> Request {
    Request::new(kind, &NAMES, describe).with_header(&RtGenMsg)
}

fn describe(message: MessageRef<'_>) -> String {
    let found = |kind| {
        let (_, attrs) = message.header::<RtGenMsg>().ok()?;
        attrs.find(kind).ok().flatten()?.i32().ok()
    };
    match (message.kind(), found(NETNSA_NSID), found(NETNSA_FD)) {
        (RTM_NEWNSID, Some(id), _) if id != NOT_ASSIGNED => format!("assign nsid {id}"),
        (RTM_NEWNSID, ..) => "assign an nsid".into(),
        (_, Some(id), _) => format!("get nsid {id}"),
        (_, None, Some(_)) => "get the nsid of a network namespace".into(),
        _ => "list nsids".into(),
    }
}

/// `struct rtgenmsg`, padded.
struct RtGenMsg;

impl FixedHeader for RtGenMsg {
    const LEN: usize = 4;
    const NAME: &'static str = "rtgenmsg";

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0; 4]);
    }

    fn read(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = DecodeError::Short { what: Self::NAME, needed: Self::LEN, got: payload.len() };
        payload.get(Self::LEN..).map(|rest| (Self, rest)).ok_or(short)
    }
}

attr_names! { NAMES: RtGenMsg {
    NETNSA_NSID = 1,
    NETNSA_PID = 2,
    NETNSA_FD = 3,
    NETNSA_TARGET_NSID = 4,
    NETNSA_CURRENT_NSID = 5,
} }

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(id: i32) -> Vec<u8> {
        let mut payload = vec![0; 4];
        let mut attrs = crate::attr::AttrBuf::new();
        attrs.writer().i32(NETNSA_NSID, id);
        payload.extend(attrs.finish().unwrap());
        payload
    }

    fn event(kind: u16, id: i32) -> Result<Option<NsidEvent>, DecodeError> {
        NsidEvent::decode(MessageRef::from_parts(kind, 0, &payload(id)))
    }

    #[test]
    fn event_decodes_by_its_type_and_prints_as_ip_monitor() {
        assert_eq!(event(RTM_NEWNSID, 7), Ok(Some(NsidEvent::New(Nsid::new(7)))));
        let deleted = event(RTM_DELNSID, 0).unwrap().unwrap();
        assert_eq!(deleted.to_string(), "Deleted nsid 0");
        assert_eq!(event(RTM_GETNSID, 7), Ok(None));
    }

    #[test]
    fn id_that_is_not_assigned_is_none_and_no_event() {
        let bytes = payload(NOT_ASSIGNED);
        assert_eq!(decode_id(MessageRef::from_parts(RTM_NEWNSID, 0, &bytes)), Ok(None));
        assert!(event(RTM_NEWNSID, NOT_ASSIGNED).is_err());
        assert!(event(RTM_NEWNSID, -7).is_err());
    }

    #[test]
    fn id_over_the_limit_is_refused_with_the_limit() {
        let error = assign_request(3, Some(1 << 31)).encoded().unwrap_err().to_string();
        assert!(error.contains("2147483647"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(kind in 88_u16..91, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = NsidEvent::decode(MessageRef::from_parts(kind, 0, &bytes));
        }

        #[test]
        fn id_round_trips(id in 0..=MAX) {
            let mut request = assign_request(3, Some(id));
            let bytes = request.encoded().unwrap();
            let message = MessageRef::parse(bytes).unwrap();
            prop_assert_eq!(Nsid::decode(message), Ok(Nsid::new(id)));
        }
    }
}
