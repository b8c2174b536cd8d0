//! What is sent to the kernel over netlink: everything in a node with nlmon, or one program's by tracing it.

use std::{thread, time::Duration};

use tokio::time::timeout;

use super::{
    follow::follow,
    shape::{messages, u16_at},
    sys::Tap,
};
use crate::{Error, Node, Output, Result, wait::patient};

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
    /// A request is in it as soon as it was sent, as it was sent. The kernel does not distinguish requests from what it sends
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
    /// It follows the program and its threads from system call to system call and needs nothing of the kernel but the right to trace a
    /// child. The requests are in the order in which the calls that sent them returned: `send`, `sendto`, `sendmsg`, `sendmmsg`, `write`
    /// and `writev`, those of threads among each other. What `exec` puts in the program's place is followed; other programs that it starts
    /// are not, nor is what it sends through `io_uring`.
    ///
    /// # Errors
    ///
    /// When the program does not start, may not be traced, or has not ended after 30 seconds, when it is killed.
    pub async fn requests_of(&self, line: &str) -> Result<(Output, Vec<Sent>)> {
        let shown = line.to_owned();
        let work = self.run(move || async move {
            let deadline = patient(DEADLINE);
            // A thread of its own spawns and traces: it waits for whatever it spawned. Like all of the node's it is in the namespace.
            let work =
                tokio::task::spawn_blocking(move || thread::spawn(move || follow(&shown, deadline)).join());
            // Longer than the program's, for a program of its own that holds the pipes open.
            match timeout(deadline * 2, work).await {
                Ok(Ok(Ok(result))) => result,
                Ok(Ok(Err(_))) => Err("the thread that traces it panicked".into()),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => {
                    Err("it has ended, but something that it started still holds its output open".into())
                }
            }
        });
        let (output, sent) = work.await.map_err(|error| self.error(&format!("trace `{line}`"), error))?;
        let sent = sent.into_iter().map(|(protocol, message)| Sent { protocol, message }).collect();
        Ok((output, sent))
    }
}

/// On its way to a program; see include/uapi/linux/if_packet.h.
const PACKET_USER: u8 = 6;
/// For a program; see [`Node::requests_of`].
const DEADLINE: Duration = Duration::from_secs(30);
