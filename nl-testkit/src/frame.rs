//! Ethernet frames: building, sending and catching them.

use std::{fmt, io, os::fd::OwnedFd, panic::Location, time::Duration};

use tokio::{
    io::unix::AsyncFd,
    time::{Instant, timeout_at},
};

use crate::{Node, Result, sys};

/// An Ethernet frame, with at most one VLAN tag taken apart.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EthFrame {
    /// Where it comes from.
    pub source: [u8; 6],
    /// Where it goes.
    pub destination: [u8; 6],
    /// The VLAN identifier of the outer tag, if any; 0 is a priority tag.
    pub vlan: Option<u16>,
    /// What kind of tag the outer one is: [`EthFrame::CUSTOMER_TAG`], which it is without a tag too, or [`EthFrame::SERVICE_TAG`].
    pub tpid: u16,
    /// What the payload is.
    pub ethertype: u16,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl EthFrame {
    /// A frame without a VLAN tag. [`EthFrame::TEST`] is an ethertype no one else uses.
    #[must_use]
    pub fn new(source: [u8; 6], destination: [u8; 6], ethertype: u16, payload: &[u8]) -> Self {
        Self {
            source,
            destination,
            vlan: None,
            tpid: Self::CUSTOMER_TAG,
            ethertype,
            payload: payload.to_vec(),
        }
    }

    /// The same frame with an 802.1Q tag.
    #[must_use]
    pub fn vlan(mut self, id: u16) -> Self {
        self.vlan = Some(id);
        self
    }

    /// The same frame with an 802.1ad tag.
    #[must_use]
    pub fn service_vlan(mut self, id: u16) -> Self {
        self.tpid = Self::SERVICE_TAG;
        self.vlan(id)
    }

    /// The bytes on the wire, without padding and check sum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(18 + self.payload.len());
        bytes.extend(self.destination);
        bytes.extend(self.source);
        if let Some(id) = self.vlan {
            bytes.extend(self.tpid.to_be_bytes());
            bytes.extend(id.to_be_bytes());
        }
        bytes.extend(self.ethertype.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Takes a frame apart; `None` when it is too short to be one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut frame = Self::parse_inside(bytes)?;
        if matches!(frame.ethertype, Self::CUSTOMER_TAG | Self::SERVICE_TAG) {
            let (tag, rest) = frame.payload.split_first_chunk()?;
            let (kind, rest) = rest.split_first_chunk()?;
            let (vlan, ethertype) = (u16::from_be_bytes(*tag) & VLAN_ID, u16::from_be_bytes(*kind));
            let payload = rest.to_vec();
            (frame.vlan, frame.tpid) = (Some(vlan), frame.ethertype);
            (frame.ethertype, frame.payload) = (ethertype, payload);
        }
        Some(frame)
    }

    /// Takes a frame apart whose outer tag is not in it, and leaves a tag in it where it is.
    fn parse_inside(bytes: &[u8]) -> Option<Self> {
        let (destination, rest) = bytes.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        Some(Self::new(*source, *destination, u16::from_be_bytes(*kind), rest))
    }

    /// The ethertype of an 802.1Q tag.
    pub const CUSTOMER_TAG: u16 = 0x8100;

    /// The ethertype of an 802.1ad tag.
    pub const SERVICE_TAG: u16 = 0x88a8;

    /// The first "local experimental" ethertype, which no protocol uses.
    pub const TEST: u16 = 0x88b5;
}

impl fmt::Debug for EthFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = |mac: &[u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        write!(f, "{} > {}", mac(&self.source), mac(&self.destination))?;
        if let Some(id) = self.vlan {
            let word = if self.tpid == Self::SERVICE_TAG { "service vlan" } else { "vlan" };
            write!(f, " {word} {id}")?;
        }
        write!(f, " type {:#06x}, {} bytes", self.ethertype, self.payload.len())
    }
}

/// The frames that arrive at one interface from now on, made by [`Node::capture`].
///
/// The kernel holds them in the socket's buffer (about 200 KiB) until they are read and drops what does not fit.
#[derive(Debug)]
pub struct Capture {
    socket: AsyncFd<OwnedFd>,
    place: String,
}

impl Capture {
    /// The next frame, or `None` when none arrived in time. One that is there already is returned however short the time is.
    ///
    /// # Errors
    ///
    /// When the interface or the node is gone.
    pub async fn next(&mut self, time: Duration) -> Result<Option<EthFrame>> {
        self.next_before(Instant::now() + time).await
    }

    /// The next frame that fits, skipping others.
    ///
    /// # Panics
    ///
    /// When none arrived in time, listing what did.
    #[track_caller]
    pub fn expect<F>(&mut self, fits: F, time: Duration) -> impl Future<Output = EthFrame> + use<'_, F>
    where
        F: Fn(&EthFrame) -> bool,
    {
        let caller = Location::caller();
        async move {
            let end = Instant::now() + time;
            let mut others = Vec::new();
            loop {
                match self.next_before(end).await {
                    Ok(Some(frame)) if fits(&frame) => return frame,
                    Ok(Some(frame)) => others.push(frame),
                    Ok(None) => self.missed(time, "nothing more arrived", &others, caller),
                    Err(error) => self.missed(time, &error.to_string(), &others, caller),
                }
            }
        }
    }

    /// Whether a frame that fits arrives in the given time; for asserting that none does.
    ///
    /// # Errors
    ///
    /// When the interface or the node is gone.
    pub async fn sees<F>(&mut self, fits: F, time: Duration) -> Result<bool>
    where
        F: Fn(&EthFrame) -> bool,
    {
        let end = Instant::now() + time;
        while let Some(frame) = self.next_before(end).await? {
            if fits(&frame) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn next_before(&mut self, end: Instant) -> Result<Option<EthFrame>> {
        let mut buffer = vec![0; 65_600];
        loop {
            match sys::receive(self.socket.get_ref(), &mut buffer) {
                Ok((length, tag)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    // The kernel takes the outer tag out of the frame and passes it aside.
                    let frame = match tag {
                        None => EthFrame::parse(bytes),
                        Some((tpid, control)) => EthFrame::parse_inside(bytes).map(|frame| EthFrame {
                            vlan: Some(control & VLAN_ID),
                            tpid,
                            ..frame
                        }),
                    };
                    match frame {
                        Some(frame) => return Ok(Some(frame)),
                        None => continue,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("capture on {}: {error}", self.place).into()),
            }
            let Ok(ready) = timeout_at(end, self.socket.readable()).await else { return Ok(None) };
            ready.map_err(|error| format!("capture on {}: {error}", self.place))?.clear_ready();
        }
    }

    #[expect(clippy::panic, reason = "assertion helper")]
    fn missed(&self, time: Duration, why: &str, others: &[EthFrame], caller: &Location<'_>) -> ! {
        panic!(
            "no such frame on {} within {time:?}: {why}; {} others arrived: {others:?} (at {caller})",
            self.place,
            others.len(),
        )
    }
}

impl Node {
    /// Sends bytes as they are out of an interface.
    ///
    /// # Errors
    ///
    /// When there is no such interface, it is down, or the frame is too long for it.
    pub async fn send_frame(&self, name: &str, frame: &[u8]) -> Result {
        let index = self.index_of(name).await?;
        let bytes = frame.to_vec();
        let sent = self.open(move || sys::send(&sys::packet_socket(index, false)?, &bytes)).await;
        sent.map(drop).map_err(|error| self.error(&format!("send a frame out of \"{name}\""), error))
    }

    /// Starts catching what arrives at an interface; frames the node sends itself are left out.
    ///
    /// # Errors
    ///
    /// When there is no such interface.
    pub async fn capture(&self, name: &str) -> Result<Capture> {
        let index = self.index_of(name).await?;
        let opened = self.open(move || register(sys::packet_socket(index, true)?)).await;
        let socket = opened.map_err(|error| self.error(&format!("capture on \"{name}\""), error))?;
        Ok(Capture { socket, place: format!("\"{name}\" of node \"{}\"", self.name()) })
    }
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe, and an OwnedFd keeps its promise; it is also newer than 1.41"
)]
fn register(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(socket)
}

const VLAN_ID: u16 = 0x0fff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_frame_survives_a_round_trip() {
        let frame = EthFrame::new([2; 6], [4; 6], EthFrame::TEST, b"payload").vlan(100);
        assert_eq!(EthFrame::parse(&frame.to_bytes()), Some(frame));
    }

    #[test]
    fn of_two_tags_the_outer_one_is_taken_apart() {
        let inner = EthFrame::new([2; 6], [4; 6], EthFrame::TEST, b"payload").vlan(100).to_bytes();
        let (addresses, rest) = inner.split_at(12);
        let (kind, payload) = rest.split_at(2);
        assert_eq!(kind, [0x81, 0]);
        let frame = EthFrame::new([2; 6], [4; 6], EthFrame::CUSTOMER_TAG, payload).service_vlan(7);
        let bytes = [addresses, &[0x88, 0xa8, 0, 7], rest].concat();
        assert_eq!((frame.to_bytes(), EthFrame::parse(&bytes)), (bytes, Some(frame)));
    }

    #[test]
    fn a_cut_frame_is_none() {
        let bytes = EthFrame::new([2; 6], [4; 6], EthFrame::TEST, b"").vlan(100).to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(EthFrame::parse(&bytes[..length]), None, "cut to {length}");
        }
    }
}
