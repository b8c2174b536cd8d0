//! What is sent to the kernel over netlink: everything in a node with nlmon, or one program's by tracing it.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use libc::c_long;
use tokio::time::timeout;

use super::{
    shape::{messages, u16_at},
    sys::{self, Stop, Tap, Traced},
};
use crate::{Error, Node, Output, Result};

/// One request that was sent to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The netlink protocol: 0 is rtnetlink, 16 generic netlink.
    pub protocol: u16,
    /// The message with its header.
    pub message: Vec<u8>,
}

impl Sent {
    /// The type of the message.
    #[must_use]
    pub fn kind(&self) -> u16 {
        u16_at(&self.message, 4).unwrap_or_default()
    }

    /// The flags in the header of the message.
    #[must_use]
    pub fn flags(&self) -> u16 {
        u16_at(&self.message, 6).unwrap_or_default()
    }
}

/// Writes down the requests that are sent in a node, by whatever program or task; made by [`Node::record`].
///
/// It holds a socket of the node: drop it before the test's body ends.
#[derive(Debug)]
pub struct Recording {
    place: String,
    tap: Tap,
}

impl Recording {
    /// The requests sent since the recording began, or since the last call, in order.
    ///
    /// A request is in it as soon as it was sent, as it was sent. The kernel does not tell requests from what it sends
    /// itself, so they are known by `NLM_F_REQUEST`; a kernel asking a neighbour daemon (`app_solicit`) sets it too.
    ///
    /// # Errors
    ///
    /// When more than 128 datagrams were sent since the last call, one of more than about 64 KiB was, or what passed is
    /// no netlink.
    pub fn take(&mut self) -> Result<Vec<Sent>> {
        let failed = |what: String| Error::from(format!("recording of {}: {what}", self.place));
        let mut sent = Vec::new();
        while let Some(packet) = self.tap.packet() {
            if packet.direction == PACKET_USER {
                continue;
            }
            if packet.size != packet.bytes.len() {
                return Err(failed(format!("a datagram of {} bytes is too long", packet.size)));
            }
            let found = messages(&packet.bytes).map_err(|error| failed(error.to_string()))?;
            sent.extend(found.into_iter().map(|m| Sent { protocol: packet.protocol, message: m.to_vec() }));
        }
        match self.tap.drops() {
            Ok(0) => Ok(sent),
            Ok(drops) => Err(failed(format!("{drops} datagrams were lost; take() more often"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Node {
    /// Starts writing down every request sent in the node, with an nlmon device.
    ///
    /// Needs `link = "nlmon"`. [`requests_of`](Self::requests_of) does without, for a single program.
    ///
    /// # Errors
    ///
    /// When the kernel has no nlmon.
    pub async fn record(&self) -> Result<Recording> {
        let links = self.links().await?;
        let mut names = (0..16).map(|number| format!("nlmon{number}"));
        let name = names.find(|name| !links.contains(name)).ok_or("16 recordings of one node")?;
        self.add_link(&name, "nlmon").await?;
        self.up(&name).await?;
        let index = self.index_of(&name).await?;
        let opened = self.open(move || Tap::open(index)).await;
        let tap = opened.map_err(|error| self.error("record netlink", error))?;
        let place = format!("node \"{}\"", self.name());
        Ok(Recording { place, tap })
    }

    /// Runs a command line split at white space, and returns the netlink requests it sent and how it ended.
    ///
    /// It follows the program from system call to system call and needs nothing of the kernel but the right to trace a
    /// child. Programs that the program starts are not followed.
    ///
    /// # Errors
    ///
    /// When the program does not start, may not be traced, or has not ended after 30 seconds.
    pub async fn requests_of(&self, line: &str) -> Result<(Output, Vec<Sent>)> {
        let shown = line.to_owned();
        let work = self.run(move || async move {
            // This thread spawns and traces; it is in the node's namespace, as all of the node's are.
            let work = tokio::task::spawn_blocking(move || follow(&shown));
            match timeout(DEADLINE, work).await {
                Ok(Ok(result)) => result,
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(format!("it has not ended after {DEADLINE:?}").into()),
            }
        });
        work.await.map_err(|error| self.error(&format!("trace `{line}`"), error))
    }
}

fn follow(line: &str) -> Result<(Output, Vec<Sent>)> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().ok_or("a command needs a program")?);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::stop_at_start(&mut command);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let followed = trace(child.id());
    if followed.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: Option<thread::JoinHandle<Vec<u8>>>| {
        let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let (status, sent) = followed?;
    Ok((Output { command: line.to_owned(), status, stdout, stderr }, sent))
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is still shown.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

fn trace(pid: u32) -> Result<(ExitStatus, Vec<Sent>)> {
    let program = Traced::new(pid)?;
    let mut sent = Vec::new();
    let mut sending: Option<(String, Result<Vec<u8>>)> = None;
    let mut protocols = HashMap::new();
    let mut signal = 0;
    loop {
        match program.proceed(signal)? {
            Stop::Ended(status) => return Ok((status, sent)),
            Stop::Signal(number) => {
                signal = number;
                continue;
            }
            Stop::Enters(number, arguments) => {
                sending = None;
                if [SENDMSG, SENDTO, SENDMMSG].contains(&c_long::try_from(number).unwrap_or(-1)) {
                    let target = fs::read_link(format!("/proc/{pid}/fd/{}", arguments[0]))?;
                    let target = target.to_string_lossy().into_owned();
                    if protocols.get(&target) != Some(&None) {
                        sending = Some((target, datagram(&program, number, arguments)));
                    }
                }
            }
            Stop::Leaves(result) => {
                // It may be what bound the socket, so that the kernel lists it only now.
                if let (Some((target, datagram)), 0..) = (sending.take(), result)
                    && let Some(protocol) = protocol_of(pid, target, &mut protocols)?
                {
                    let datagram = datagram?;
                    let found = messages(&datagram)?;
                    sent.extend(found.into_iter().map(|m| Sent { protocol, message: m.to_vec() }));
                }
            }
        }
        signal = 0;
    }
}

/// The netlink protocol of the socket that a system call has sent to; `None` when it is another kind of socket.
fn protocol_of(
    pid: u32,
    target: String,
    known: &mut HashMap<String, Option<u16>>,
) -> io::Result<Option<u16>> {
    if let Some(protocol) = known.get(&target) {
        return Ok(*protocol);
    }
    let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
    let mut protocol = None;
    if let Some(inode) = inode {
        // The kernel walks a hash table for this file, and skips sockets while others come and go.
        for _ in 0..READINGS {
            let table = fs::read_to_string(format!("/proc/{pid}/net/netlink"))?;
            protocol = table
                .lines()
                .find(|line| line.split_whitespace().last() == Some(inode))
                .and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
            if protocol.is_some() {
                break;
            }
        }
    }
    known.insert(target, protocol);
    Ok(protocol)
}

/// What a system call is about to send.
fn datagram(program: &Traced, number: u64, arguments: [u64; 6]) -> Result<Vec<u8>> {
    let [_, address, length, ..] = arguments;
    match c_long::try_from(number).unwrap_or(-1) {
        SENDTO => Ok(program.read(address, usize::try_from(length)?)?),
        SENDMSG => {
            // struct msghdr: name, length of it, vector, its length.
            let header = words(&program.read(address, 4 * WORD)?);
            let [_, _, vector, count] = header.as_slice() else { return Err("no message header".into()) };
            let mut bytes = Vec::new();
            for part in words(&program.read(*vector, usize::try_from(*count)? * 2 * WORD)?).chunks(2) {
                let [address, length] = part else { return Err("half a vector".into()) };
                bytes.extend(program.read(*address, usize::try_from(*length)?)?);
            }
            Ok(bytes)
        }
        _ => Err("it sends with sendmmsg, which is not followed".into()),
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| chunk.first_chunk().map_or(0, |chunk| usize::from_ne_bytes(*chunk));
    bytes.chunks_exact(WORD).map(|chunk| u64::try_from(word(chunk)).unwrap_or(0)).collect()
}

const SENDMSG: c_long = libc::SYS_sendmsg;
const SENDTO: c_long = libc::SYS_sendto;
const SENDMMSG: c_long = libc::SYS_sendmmsg;
const WORD: usize = size_of::<usize>();
/// On its way to a program; see include/uapi/linux/if_packet.h.
const PACKET_USER: u8 = 6;
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a socket is looked for before it is taken to be none of netlink.
const READINGS: usize = 100;
