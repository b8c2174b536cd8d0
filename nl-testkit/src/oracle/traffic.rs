//! Looking into frames without copying: IPv4, IPv6 with its extension headers, UDP, VXLAN, TCP options, SRv6.
//!
//! Each parser returns `None` for what is too short or something else, so they fit the predicates of
//! [`Capture::expect`](crate::Capture::expect):
//!
//! ```no_run
//! # async fn example(capture: &mut nl_testkit::Capture) {
//! use nl_testkit::oracle::traffic;
//! use std::time::Duration;
//!
//! let second = Duration::from_secs(1);
//! let outer = capture.expect(|frame| traffic::vni(frame) == Some(100), second).await;
//! let inner = traffic::vxlan(&outer).and_then(|vxlan| nl_testkit::EthFrame::parse(vxlan.inner));
//! # }
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    panic::Location,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{Counters, EthFrame, Node, Result};

/// An IPv4 or IPv6 packet, with IPv6 extension headers skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ip<'a> {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes next.
    pub destination: IpAddr,
    /// The protocol of the payload: 17 is UDP, 6 TCP, 4 and 41 another IP packet.
    pub protocol: u8,
    /// What it carries; for all but the first fragment not the beginning of it.
    pub payload: &'a [u8],
    /// The segment routing header, if there is one.
    pub srh: Option<Srh<'a>>,
    /// The offset of this fragment in the whole packet.
    pub fragment: u16,
}

/// A segment routing header (RFC 8754).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Srh<'a> {
    /// The index of the segment the packet is on its way to.
    pub segments_left: u8,
    /// The flags.
    pub flags: u8,
    /// The tag.
    pub tag: u16,
    /// The TLVs behind the segments.
    pub tlvs: &'a [u8],
    list: &'a [u8],
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Udp<'a> {
    /// The port it comes from.
    pub source: u16,
    /// The port it goes to.
    pub destination: u16,
    /// What it carries.
    pub payload: &'a [u8],
}

/// A VXLAN header (RFC 7348) and the frame behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VxlanHeader<'a> {
    /// The network identifier.
    pub vni: u32,
    /// The bytes of the inner frame, for [`EthFrame::parse`].
    pub inner: &'a [u8],
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tcp<'a> {
    /// The port it comes from.
    pub source: u16,
    /// The port it goes to.
    pub destination: u16,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub flags: u8,
    /// What it carries.
    pub payload: &'a [u8],
    options: &'a [u8],
}

/// The packet in a frame.
#[must_use]
pub fn ip(frame: &EthFrame) -> Option<Ip<'_>> {
    match frame.ethertype {
        0x0800 => Ip::v4(&frame.payload),
        0x86dd => Ip::v6(&frame.payload),
        _ => None,
    }
}

/// The UDP datagram in a frame.
#[must_use]
pub fn udp(frame: &EthFrame) -> Option<Udp<'_>> {
    ip(frame).and_then(|ip| ip.udp())
}

/// The TCP segment in a frame.
#[must_use]
pub fn tcp(frame: &EthFrame) -> Option<Tcp<'_>> {
    ip(frame).and_then(|ip| ip.tcp())
}

/// The VXLAN header in a frame, whatever UDP port it is on.
#[must_use]
pub fn vxlan(frame: &EthFrame) -> Option<VxlanHeader<'_>> {
    VxlanHeader::parse(udp(frame)?.payload)
}

/// The VXLAN network identifier of a frame.
#[must_use]
pub fn vni(frame: &EthFrame) -> Option<u32> {
    vxlan(frame).map(|header| header.vni)
}

/// The segment routing header of a frame.
#[must_use]
pub fn srh(frame: &EthFrame) -> Option<Srh<'_>> {
    ip(frame)?.srh
}

/// The subtypes of the MPTCP options of a frame: 0 is `MP_CAPABLE`, 1 `MP_JOIN`, 2 `DSS`, 3 `ADD_ADDR`, 4 `REMOVE_ADDR`,
/// 5 `MP_PRIO`.
pub fn mptcp(frame: &EthFrame) -> impl Iterator<Item = u8> {
    tcp(frame)
        .into_iter()
        .flat_map(|tcp| tcp.mptcp())
        .map(|option| option.first().map_or(0, |byte| byte >> 4))
}

impl<'a> Ip<'a> {
    /// Takes an IPv4 packet apart.
    #[must_use]
    pub fn v4(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        let head = usize::from(header[0] & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 4 != 4 || head < 20 {
            return None;
        }
        let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
        Some(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3).into(),
            destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
            protocol: header[9],
            payload: bytes.get(head..total)?,
            srh: None,
            fragment: (u16::from_be_bytes([header[6], header[7]]) & 0x1fff) * 8,
        })
    }

    /// Takes an IPv6 packet apart.
    #[must_use]
    pub fn v6(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<40>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let mut payload = rest.get(..usize::from(u16::from_be_bytes([header[4], header[5]])))?;
        let mut protocol = header[6];
        let (mut srh, mut fragment) = (None, 0);
        while fragment == 0
            && let 0 | 43 | 44 | 60 | 135 = protocol
        {
            let [next, length, kind, ..] = *payload.first_chunk::<8>()?;
            let length = match protocol {
                44 => {
                    fragment = u16::from_be_bytes([kind, *payload.get(3)?]) & 0xfff8;
                    8
                }
                _ => (usize::from(length) + 1) * 8,
            };
            if (protocol, kind) == (43, 4) {
                srh = Some(Srh::parse(payload.get(..length)?)?);
            }
            payload = payload.get(length..)?;
            protocol = next;
        }
        let [source, destination] = [8, 24].map(|at| {
            let address = header.get(at..).and_then(|rest| rest.first_chunk::<16>());
            IpAddr::from(address.map_or(Ipv6Addr::UNSPECIFIED, |bytes| Ipv6Addr::from(*bytes)))
        });
        Some(Self { source, destination, protocol, payload, srh, fragment })
    }

    /// The UDP datagram in it.
    #[must_use]
    pub fn udp(&self) -> Option<Udp<'a>> {
        (self.protocol == 17 && self.fragment == 0).then(|| Udp::parse(self.payload)).flatten()
    }

    /// The TCP segment in it.
    #[must_use]
    pub fn tcp(&self) -> Option<Tcp<'a>> {
        (self.protocol == 6 && self.fragment == 0).then(|| Tcp::parse(self.payload)).flatten()
    }

    /// The packet in it, when it is a tunnel's.
    #[must_use]
    pub fn inner(&self) -> Option<Self> {
        match self.protocol {
            4 => Self::v4(self.payload),
            41 => Self::v6(self.payload),
            _ => None,
        }
    }
}

impl<'a> Srh<'a> {
    /// Takes a segment routing header apart.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<8>()?;
        let [_, _, kind, segments_left, last, flags, high, low] = *header;
        let (list, tlvs) = rest.split_at_checked((usize::from(last) + 1) * 16)?;
        let tag = u16::from_be_bytes([high, low]);
        (kind == 4 && segments_left <= last).then_some(Self { segments_left, flags, tag, tlvs, list })
    }

    /// The segments as they are in the header: the last one to be visited comes first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Ipv6Addr> + use<'a> {
        let address = |bytes: &[u8]| bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes));
        self.list.chunks_exact(16).filter_map(address)
    }
}

impl<'a> Udp<'a> {
    /// Takes a UDP datagram apart.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [s0, s1, d0, d1, l0, l1, _, _] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        Some(Self {
            source: u16::from_be_bytes([s0, s1]),
            destination: u16::from_be_bytes([d0, d1]),
            payload: bytes.get(8..length)?,
        })
    }
}

impl<'a> VxlanHeader<'a> {
    /// Takes the payload of a UDP datagram apart.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, inner) = bytes.split_first_chunk::<8>()?;
        let [flags, _, _, _, a, b, c, _] = *header;
        (flags & 0x08 != 0).then_some(Self { vni: u32::from_be_bytes([0, a, b, c]), inner })
    }
}

impl<'a> Tcp<'a> {
    /// Takes a TCP segment apart.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        let head = usize::from(header[12] >> 4) * 4;
        Some(Self {
            source: u16::from_be_bytes([header[0], header[1]]),
            destination: u16::from_be_bytes([header[2], header[3]]),
            flags: header[13],
            options: bytes.get(20..head)?,
            payload: bytes.get(head..)?,
        })
    }

    /// The options as numbers and values; it ends at one that is malformed.
    pub fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.options;
        std::iter::from_fn(move || {
            loop {
                match rest {
                    [1, after @ ..] => rest = after,
                    [kind @ (2..), length @ (2..), ..] => {
                        let (option, after) = rest.split_at_checked(usize::from(*length))?;
                        rest = after;
                        return Some((*kind, option.get(2..)?));
                    }
                    _ => return None,
                }
            }
        })
    }

    /// The values of its MPTCP options; the subtype is in the upper half of the first byte.
    pub fn mptcp(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.options().filter(|(kind, _)| *kind == 30).map(|(_, value)| value)
    }
}

/// The counters of an interface from a point in time on, made by [`Node::meter`].
#[derive(Clone, Debug)]
pub struct Meter {
    node: Node,
    name: String,
    before: Counters,
}

impl Node {
    /// Remembers the counters of an interface, to see later what went through it since.
    ///
    /// # Errors
    ///
    /// When there is no such interface.
    pub async fn meter(&self, name: &str) -> Result<Meter> {
        Ok(Meter { node: self.clone(), name: name.to_owned(), before: self.counters(name).await? })
    }
}

impl Meter {
    /// What went through the interface since the meter was made.
    ///
    /// # Errors
    ///
    /// When the interface is gone.
    pub async fn moved(&self) -> Result<Counters> {
        let now = self.node.counters(&self.name).await?;
        Ok(Counters {
            rx_bytes: now.rx_bytes.wrapping_sub(self.before.rx_bytes),
            rx_packets: now.rx_packets.wrapping_sub(self.before.rx_packets),
            tx_bytes: now.tx_bytes.wrapping_sub(self.before.tx_bytes),
            tx_packets: now.tx_packets.wrapping_sub(self.before.tx_packets),
        })
    }

    /// Waits until what went through fits, and returns it.
    ///
    /// # Panics
    ///
    /// When the time is up or the interface is gone, with the last counts.
    #[track_caller]
    pub fn expect<F>(&self, fits: F, time: Duration) -> impl Future<Output = Counters> + use<'_, F>
    where
        F: Fn(&Counters) -> bool,
    {
        let caller = Location::caller();
        async move {
            let end = Instant::now() + time;
            loop {
                let moved = self.moved().await;
                match moved {
                    Ok(moved) if fits(&moved) => return moved,
                    Ok(_) if Instant::now() < end => sleep(PAUSE).await,
                    _ => self.missed(time, &moved, caller),
                }
            }
        }
    }

    #[expect(clippy::panic, reason = "assertion helper")]
    fn missed(&self, time: Duration, moved: &Result<Counters>, caller: &Location<'_>) -> ! {
        let (name, node) = (&self.name, self.node.name());
        panic!(
            "the counters of \"{name}\" in node \"{node}\" did not fit in {time:?}: {moved:?} (at {caller})"
        )
    }
}

const PAUSE: Duration = Duration::from_millis(5);
