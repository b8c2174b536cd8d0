//! Netlink by hand: one blocking socket, bytes written and read in place, no copy and no allocation per message.

use std::fs::File;
use std::io::{Read as _, Write as _};

use crate::{Result, sys};

// include/uapi/linux/netlink.h
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
const NLA_TYPE_MASK: u16 = 0x3fff;

const RECV_BUFFER: usize = 64 * 1024;

/// Messages per send. Only the last asks for an acknowledgement: the kernel handles them in order and reports a
/// failure of any of them unasked.
const PER_SEND: usize = 64;

pub(crate) struct Socket {
    socket: File,
    sequence: u32,
}

impl Socket {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { socket: sys::route_socket()?, sequence: 0 })
    }

    /// Sends one request for a table, whose end `write` writes, and shows each answer of `answer`'s type.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        write: impl FnOnce(&mut Request),
        answer: u16,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut request = Request::default();
        request.begin(kind, NLM_F_REQUEST | NLM_F_DUMP, self.next_sequence());
        write(&mut request);
        request.end();
        self.socket.write_all(&request.bytes)?;

        let mut buffer = vec![0; RECV_BUFFER];
        loop {
            let length = self.socket.read(&mut buffer)?;
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => return message.result(),
                    kind if kind == answer => each(message.body)?,
                    _ => {}
                }
            }
        }
    }

    /// Sends a request for each item, one acknowledgement per 64.
    pub(crate) fn fenced<T>(
        &mut self,
        kind: u16,
        flags: u16,
        items: &[T],
        write: impl Fn(&mut Request, &T),
    ) -> Result<()> {
        let mut request = Request::default();
        let mut buffer = vec![0; RECV_BUFFER];
        for chunk in items.chunks(PER_SEND) {
            request.bytes.clear();
            for (number, item) in (1..).zip(chunk) {
                let ack = if number == chunk.len() { NLM_F_ACK } else { 0 };
                request.begin(kind, NLM_F_REQUEST | ack | flags, self.next_sequence());
                write(&mut request, item);
                request.end();
            }
            self.socket.write_all(&request.bytes)?;
            self.wait_for_ack(&mut buffer)?;
        }
        Ok(())
    }

    /// Until the answer to the newest request; an error of any earlier one is an error.
    fn wait_for_ack(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            let length = self.socket.read(buffer)?;
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                message.result()?;
                if message.sequence == self.sequence {
                    return Ok(());
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }
}

/// Messages in the making, in a buffer that is reused.
#[derive(Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    start: usize,
}

impl Request {
    fn begin(&mut self, kind: u16, flags: u16, sequence: u32) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
    }

    /// A family's header, or a part of it.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `value` is a few bytes: every attribute written here has a fixed size.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(&mut self) {
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(self.start..self.start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// The errno of an NLMSG_ERROR or NLMSG_DONE.
    fn result(&self) -> Result<()> {
        let code = self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        if code == 0 {
            return Ok(());
        }
        let error = std::io::Error::from_raw_os_error(-code);
        Err(format!("request {} of the floor: {error}", self.sequence).into())
    }
}

fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = datagram.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, _) = rest.get(2..)?.split_first_chunk::<4>()?;
        let length = u32::from_ne_bytes(*length) as usize;
        let body = datagram.get(16..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind: u16::from_ne_bytes(*kind), sequence: u32::from_ne_bytes(*sequence), body })
    })
}

/// Types and values, up to one that is malformed.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let ([l0, l1, k0, k1], _) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([*k0, *k1]) & NLA_TYPE_MASK, value))
    })
}
