//! Data uses the selected subflows: 64 MiB over two links, with the first destroyed or a backup.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nl_testkit::{Lab, Node, Result, eventually};

use crate::support::{Net, Pair, SOON};

const MIB: usize = 1024 * 1024;

/// A transfer in which each end proceeds on demand.
struct Transfer {
    to_write: mpsc::Sender<usize>,
    to_read: mpsc::Sender<usize>,
    done: mpsc::Receiver<()>,
    writer: JoinHandle<std::io::Result<String>>,
    reader: JoinHandle<std::io::Result<(usize, String)>>,
}

/// A `sha256sum` of the data.
struct Digest(Child);

impl Digest {
    fn start() -> std::io::Result<Self> {
        let piped = |mut command: Command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        match piped(Command::new("sha256sum")) {
            // In the virtual machines it is part of busybox.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut busybox = Command::new("busybox");
                busybox.arg("sha256sum");
                piped(busybox).map(Self)
            }
            other => other.map(Self),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.stdin.as_mut().unwrap().write_all(bytes)
    }

    fn finish(self) -> std::io::Result<String> {
        let printed = self.0.wait_with_output()?;
        assert!(printed.status.success(), "sha256sum: {}", printed.status);
        Ok(String::from_utf8_lossy(&printed.stdout).split_whitespace().next().unwrap().to_owned())
    }
}

/// What stands at this place of the data; no two MiB are alike.
fn pattern(mib: usize) -> Vec<u8> {
    let mut word = u64::try_from(mib).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(MIB);
    while bytes.len() < MIB {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes
}

impl Transfer {
    fn start(mut near: TcpStream, mut far: TcpStream) -> Self {
        let (to_write, writes) = mpsc::channel();
        let (to_read, reads) = mpsc::channel();
        let (reported, done) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let (mut written, mut digest) = (0, Digest::start()?);
            for count in writes {
                for mib in written..written + count {
                    let bytes = pattern(mib);
                    digest.add(&bytes)?;
                    near.write_all(&bytes)?;
                }
                written += count;
            }
            near.shutdown(std::net::Shutdown::Write)?;
            digest.finish()
        });
        let reader = std::thread::spawn(move || {
            let (mut read, mut buffer, mut digest) = (0, vec![0; MIB], Digest::start()?);
            for count in reads {
                for _ in 0..count {
                    far.read_exact(&mut buffer)?;
                    digest.add(&buffer)?;
                    read += 1;
                }
                // The receiver may be dropped.
                let _ = reported.send(());
            }
            assert_eq!(far.read(&mut buffer)?, 0, "more than was sent");
            Ok((read, digest.finish()?))
        });
        Self { to_write, to_read, done, writer, reader }
    }

    /// Writes this many MiB.
    fn write(&self, mibs: usize) {
        self.to_write.send(mibs).unwrap();
    }

    /// Reads this many MiB, and waits for them.
    #[track_caller]
    fn read(&self, mibs: usize) -> impl Future<Output = ()> {
        self.to_read.send(mibs).unwrap();
        eventually(SOON * 10, async || self.done.try_recv().ok(), "the data to arrive")
    }

    /// Ends the transfer, and returns how many MiB arrived. Both ends must have the same `sha256sum`.
    fn finish(self) -> Result<usize> {
        drop((self.to_write, self.to_read));
        let sent = self.writer.join().unwrap()?;
        let (mibs, arrived) = self.reader.join().unwrap()?;
        assert_eq!(sent.len(), 64, "{sent}");
        assert_eq!(arrived, sent, "what arrived is not what was sent");
        Ok(mibs)
    }
}

/// What the client has sent on each wire, in MiB.
async fn sent(node: &Node) -> Result<[u64; 2]> {
    let mib = u64::try_from(MIB)?;
    Ok([node.counters("eth1").await?.tx_bytes / mib, node.counters("eth2").await?.tx_bytes / mib])
}

/// Buffers of at most 4 MiB, so that the sender is not far ahead of the reader, however busy the machine is.
async fn small_buffers(net: &Net) -> Result {
    for node in [&net.client, &net.server] {
        node.sysctl("net.ipv4.tcp_rmem", "4096 131072 4194304").await?;
        node.sysctl("net.ipv4.tcp_wmem", "4096 16384 4194304").await?;
    }
    Ok(())
}

fn second() -> [SocketAddr; 2] {
    ["10.0.2.1:0".parse().unwrap(), "10.0.2.2:5001".parse().unwrap()]
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"), timeout = 240)]
async fn destroying_initial_subflow_during_transfer_loses_no_data(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    small_buffers(&net).await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let (first, far) = (pair.client.established.local, pair.client.established.remote);
    let transfer = Transfer::start(pair.client.take(), pair.server.take());
    transfer.write(64);
    transfer.read(4).await;
    assert_eq!(sent(&net.client).await?[1], 0, "before there is a second subflow");

    let connection = pair.client.connection();
    connection.subflow(second()[0], second()[1]).id(7).create_established(SOON).await?;
    transfer.read(8).await;
    // The sender is still writing: the unread data fills its buffers.
    connection.subflow(first, far).destroy().await?;
    transfer.read(16).await;
    let before = sent(&net.client).await?;
    transfer.read(36).await;
    let after = sent(&net.client).await?;
    assert_eq!(transfer.finish()?, 64);
    assert!(after[1] >= before[1] + 20, "the second carried the rest: {before:?} {after:?}");
    assert!(after[0] <= before[0] + 1, "the first carried no more: {before:?} {after:?}");
    Ok(())
}

#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled"), timeout = 240)]
async fn backup_carries_no_data_while_a_regular_subflow_exists(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    small_buffers(&net).await?;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let (first, far) = (pair.client.established.local, pair.client.established.remote);
    let connection = pair.client.mptcp.mptcp_connection(pair.client.token());
    let made = connection.subflow(second()[0], second()[1]).id(7).create_established(SOON).await?;
    // Both sides set it: each sender follows the flag of its peer, and some kernels also their own.
    connection.subflow(first, far).backup().change().await?;
    let other = pair.server.mptcp.mptcp_connection(pair.server.token());
    other.subflow(far, first).backup().change().await?;
    let priority = |event: &nl_mptcp::event::MptcpEvent| {
        matches!(event, nl_mptcp::event::MptcpEvent::SubflowPriority(_)).then_some(())
    };
    pair.client.next("a priority", priority).await;
    pair.server.next("a priority", priority).await;

    let start = sent(&net.client).await?;
    let transfer = Transfer::start(pair.client.take(), pair.server.take());
    transfer.write(32);
    transfer.read(32).await;
    let middle = sent(&net.client).await?;
    assert!(middle[0] <= start[0] + 1 && middle[1] >= start[1] + 32, "{start:?} {middle:?}");
    // When the other is gone, it does. All has arrived: a kernel in which a backup inherits data that waits for a window
    // may wait for ever.
    pair.client
        .mptcp
        .mptcp_connection(pair.client.token())
        .subflow(made.local, made.remote)
        .destroy()
        .await?;
    transfer.write(32);
    transfer.read(32).await;
    let end = sent(&net.client).await?;
    assert_eq!(transfer.finish()?, 64);
    assert!(end[0] >= middle[0] + 20, "{start:?} {middle:?} {end:?}");
    Ok(())
}
