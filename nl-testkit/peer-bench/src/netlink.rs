//! Netlink by hand: one blocking socket, bytes written and read in place, no copy and no allocation per message.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::{Result, sys};

// include/uapi/linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_TYPE_MASK: u16 = 0x3fff;

const RECV_BUFFER: usize = 64 * 1024;

/// Messages per send. Only the last asks for an acknowledgement: the kernel handles them in order and reports a
/// failure of any of them unasked.
const PER_SEND: usize = 64;

const ENOMEM: i32 = 12;
/// How often in a row the kernel may have no memory for anything of a datagram.
const PATIENCE: u32 = 100;

pub(crate) struct Socket {
    socket: File,
    sequence: u32,
    request: Request,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self::over(sys::route_socket()?))
    }

    /// To the generic netlink families.
    pub(crate) fn open_generic() -> Result<Self> {
        Ok(Self::over(sys::generic_socket()?))
    }

    fn over(socket: File) -> Self {
        Self { socket, sequence: 0, request: Request::default(), buffer: vec![0; RECV_BUFFER] }
    }

    /// Closes the socket and opens another one. The buffers stay.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        self.socket = sys::route_socket()?;
        Ok(())
    }

    /// Exchanges the socket for another one. The buffers stay.
    pub(crate) fn swap(&mut self, other: &mut File) {
        std::mem::swap(&mut self.socket, other);
    }

    /// Sends one request and receives its acknowledgement.
    pub(crate) fn change(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Request)) -> Result<()> {
        self.send(kind, NLM_F_REQUEST | NLM_F_ACK | flags, write)?;
        self.wait_for_ack()
    }

    /// Sends one request and receives its one answer.
    pub(crate) fn get<T>(
        &mut self,
        kind: u16,
        write: impl FnOnce(&mut Request),
        read: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        self.send(kind, NLM_F_REQUEST, write)?;
        let length = self.socket.read(&mut self.buffer)?;
        let message = messages(self.buffer.get(..length).unwrap_or_default()).next().ok_or("no answer")?;
        if message.kind == NLMSG_ERROR {
            message.result()?;
        }
        if message.sequence != self.sequence {
            return Err("an answer to another request".into());
        }
        read(message.body)
    }

    /// Joins a multicast group, with the largest receive buffer that the system allows.
    pub(crate) fn listen(&mut self, group: u32) -> Result<()> {
        sys::raise_receive_buffer(&self.socket)?;
        Ok(sys::listen(&self.socket, group)?)
    }

    /// Receives one datagram and shows each of its messages.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(u16, &[u8]) -> Result<()>) -> Result<()> {
        let length = self.socket.read(&mut self.buffer)?;
        for message in messages(self.buffer.get(..length).unwrap_or_default()) {
            each(message.kind, message.body)?;
        }
        Ok(())
    }

    /// The index of a device, without a request: `SIOCGIFINDEX` on this socket.
    pub(crate) fn index_of(&self, name: &str) -> Result<u32> {
        Ok(sys::index_of(&self.socket, name)?)
    }

    /// How many bytes the receive buffer holds, as the kernel accounts them.
    pub(crate) fn receive_buffer(&self) -> Result<usize> {
        Ok(sys::receive_buffer(&self.socket)?)
    }

    /// Sends one request for a table, whose end `write` writes, and shows each answer of `answer`'s type.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        write: impl FnOnce(&mut Request),
        answer: u16,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.send(kind, NLM_F_REQUEST | NLM_F_DUMP, write)?;
        loop {
            let length = self.socket.read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
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
        for chunk in items.chunks(PER_SEND) {
            self.request.bytes.clear();
            for (number, item) in (1..).zip(chunk) {
                let ack = if number == chunk.len() { NLM_F_ACK } else { 0 };
                self.append(kind, NLM_F_REQUEST | ack | flags, |request| write(request, item));
            }
            self.socket.write_all(&self.request.bytes)?;
            self.wait_for_ack()?;
        }
        Ok(())
    }

    /// As [`fenced`](Self::fenced), but what the kernel has no memory for is sent again a millisecond later.
    pub(crate) fn fenced_patiently<T>(
        &mut self,
        kind: u16,
        flags: u16,
        items: &[T],
        write: impl Fn(&mut Request, &T),
    ) -> Result<()> {
        for chunk in items.chunks(PER_SEND) {
            let mut left: Vec<&T> = chunk.iter().collect();
            let mut rounds = 0;
            loop {
                self.request.bytes.clear();
                let first = self.sequence + 1;
                for (number, item) in (1..).zip(left.iter().copied()) {
                    let ack = if number == left.len() { NLM_F_ACK } else { 0 };
                    self.append(kind, NLM_F_REQUEST | ack | flags, |request| write(request, item));
                }
                self.socket.write_all(&self.request.bytes)?;
                let refused = self.wait_for_those_without_memory()?;
                if refused.is_empty() {
                    break;
                }
                let place =
                    |sequence: &u32| usize::try_from(sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let again: Vec<&T> =
                    refused.iter().filter_map(|sequence| left.get(place(sequence)).copied()).collect();
                rounds = if again.len() < left.len() { 0 } else { rounds + 1 };
                if rounds > PATIENCE {
                    return Err(
                        format!("{} requests for which the kernel never has memory", again.len()).into()
                    );
                }
                left = again;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Until the answer to the newest request; the numbers of those that were refused for want of memory.
    fn wait_for_those_without_memory(&mut self) -> Result<Vec<u32>> {
        let mut refused = Vec::new();
        loop {
            let length = self.socket.read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                match message.errno() {
                    ENOMEM => refused.push(message.sequence),
                    _ => message.result()?,
                }
                if message.sequence == self.sequence {
                    return Ok(refused);
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Request)) -> Result<()> {
        self.request.bytes.clear();
        self.append(kind, flags, write);
        Ok(self.socket.write_all(&self.request.bytes)?)
    }

    fn append(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Request)) {
        self.sequence += 1;
        self.request.begin(kind, flags, self.sequence);
        write(&mut self.request);
        self.request.end();
    }

    /// Until the answer to the newest request; an error of any earlier one is an error.
    fn wait_for_ack(&mut self) -> Result<()> {
        loop {
            let length = self.socket.read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                message.result()?;
                if message.sequence == self.sequence {
                    return Ok(());
                }
            }
        }
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

    /// An attribute made of attributes.
    pub(crate) fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(NLA_F_NESTED | kind).to_ne_bytes());
        write(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
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
    /// Of an NLMSG_ERROR or NLMSG_DONE; 0 for a success.
    fn errno(&self) -> i32 {
        self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code)).wrapping_neg()
    }

    /// The errno of an NLMSG_ERROR or NLMSG_DONE.
    fn result(&self) -> Result<()> {
        let errno = self.errno();
        if errno == 0 {
            return Ok(());
        }
        let error = std::io::Error::from_raw_os_error(errno);
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
