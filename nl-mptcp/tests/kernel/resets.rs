//! Why a subflow was reset (`MP_TCPRST`), compared with `ip mptcp monitor`.
//!
//! Kernels read the reason on subflows that are established to the last packet of the handshake. Where a peer refuses a subflow the
//! reason is on the wire, and they do not report it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use nl_core::error::Errno;
use nl_core::{Connection, Protocol};
use nl_mptcp::diag::SockDiag;
use nl_mptcp::event::{MptcpEvent, ResetReason, SubflowEvent};
use nl_testkit::{EthFrame, Lab, Node, Result};

use crate::events::{Monitored, ours, theirs};
use crate::support::{Net, Pair, SOON, counted, listen, next};

const IPV4: u16 = 0x0800;

/// The close event of the subflow to `remote`, which equals the line of iproute2.
async fn reported(
    log: &mut nl_core::monitor::Monitor<MptcpEvent>,
    monitored: Monitored,
    remote: SocketAddr,
) -> Result<SubflowEvent> {
    let mut count = 0;
    let (event, closed) = loop {
        let event = next(log, "the end of a subflow", |event| Some(event.clone())).await;
        count += 1;
        if let MptcpEvent::SubflowClosed(closed) = &event
            && closed.remote == remote
        {
            break (event.clone(), closed.clone());
        }
    };
    let lines = monitored.until(count).await?;
    let line = lines.last().unwrap();
    assert_eq!(ours(&event), theirs(line).unwrap(), "{event}\n{line}");
    assert_eq!(line.contains("reset_reason="), closed.reset.is_some(), "{line}");
    Ok(closed)
}

/// A machine that listens for Multipath TCP, and has never heard of the connection.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn unknown_token_at_the_peer_is_econnrefused(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let stranger = lab.node("stranger").await?;
    net.client.add_veth("eth3", &stranger, "eth3").await?;
    for (node, address) in [(&net.client, "10.0.3.1/24"), (&stranger, "10.0.3.2/24")] {
        node.ip(&format!("address add {address} dev eth3")).await;
        node.up("eth3").await?;
    }
    net.client.wait_carrier("eth3").await?;
    let far: SocketAddr = "10.0.3.2:5001".parse()?;
    let _listener = listen(&stranger, far).await?;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let monitored = Monitored::start(&net.client).await?;
    let mut log = pair.client.mptcp.events().await?;
    let mut packets = net.client.capture("eth3").await?;

    let connection = pair.client.connection();
    let error =
        connection.subflow("10.0.3.1:0".parse()?, far).id(7).create_established(SOON).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ECONNREFUSED), "{error}");
    packets.expect(|frame| is_reset(frame, 1), SOON).await;
    let closed = reported(&mut log, monitored, far).await?;
    assert_eq!((closed.error, closed.reset), (Some(Errno::ECONNREFUSED), None));
    counted(&stranger, "MPJoinNoTokenFound", 1).await;
    Ok(())
}

/// The kernel's path manager at the peer is at its subflow limit, and resets the subflow at the third packet of the handshake.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn peer_at_its_subflow_limit_resets_subflow(lab: Lab) -> Result {
    let net = Net::new(&lab).await?;
    net.client.sysctl("net.mptcp.pm_type", "1").await?;
    net.server.ip("mptcp limits set subflows 0").await;
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let monitored = Monitored::start(&net.client).await?;
    let mut log = pair.client.mptcp.events().await?;
    let mut packets = net.client.capture("eth2").await?;
    let far: SocketAddr = "10.0.2.2:5001".parse()?;
    pair.client.connection().subflow("10.0.2.1:0".parse()?, far).id(7).create().await?;
    packets.expect(|frame| is_reset(frame, 3), SOON).await;
    let closed = reported(&mut log, monitored, far).await?;
    assert_eq!(closed.reset, None);
    pair.exchange()
}

/// No kernel sends all the reasons, but each reports those it receives. The test therefore sends the resets as packets.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", tool = "ip"))]
async fn every_reset_reason_is_reported(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    let pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let far = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 5001);
    for (reason, transient) in
        [(0, true), (1, false), (2, true), (3, false), (4, true), (5, false), (6, true), (15, false)]
    {
        let mut packets = net.server.capture("eth2").await?;
        let monitored = Monitored::start(&net.client).await?;
        let mut log = pair.client.mptcp.events().await?;
        let connection = pair.client.connection();
        let made =
            connection.subflow("10.0.2.1:0".parse()?, far.into()).id(7).create_established(SOON).await?;
        let SocketAddr::V4(near) = made.local else { panic!("{made:?}") };
        let third = packets.expect(|frame| is_third(frame, near, far), SOON).await;
        // RFC 8684, 3.6: option 30 of four bytes, subtype 8, flags, reason.
        let option = [30, 4, 8 << 4 | u8::from(transient), reason];
        send(&net.server, &third, [far, near], RST, &option, &[]).await?;

        let closed = reported(&mut log, monitored, far.into()).await?;
        let Some(reported) = closed.reset else { panic!("reset {reason} was reported as {closed:?}") };
        assert_eq!(
            (reported.reason, reported.flags),
            (ResetReason::from(u32::from(reason)), u32::from(transient))
        );
        assert_eq!((closed.local, reported.is_transient()), (made.local, transient));
        assert_eq!(closed.error, Some(Errno::ECONNRESET));
    }
    Ok(())
}

/// A kernel that receives corrupt data resets the subflow, if another exists, with the reason; the other kernel reports it.
#[nl_testkit::test(needs(genl = "mptcp_pm", sysctl = "net.mptcp.enabled", sock_diag = "mptcp", tool = "ip"))]
async fn corrupt_data_resets_subflow_with_middlebox_reason(lab: Lab) -> Result {
    let net = Net::userspace(&lab).await?;
    for node in [&net.client, &net.server] {
        node.sysctl("net.mptcp.checksum_enabled", "1").await?;
    }
    let mut pair = Pair::connect(&net, "10.0.1.1", "10.0.1.2:5001").await?;
    let mut packets = net.server.capture("eth2").await?;
    let connection = pair.client.connection();
    let far = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 5001);
    let made = connection.subflow("10.0.2.1:0".parse()?, far.into()).id(7).create_established(SOON).await?;
    pair.server.subflow().await;
    let SocketAddr::V4(near) = made.local else { panic!("{made:?}") };
    let third = packets.expect(|frame| is_third(frame, near, far), SOON).await;
    let monitored = Monitored::start(&net.server).await?;
    let mut log = pair.server.mptcp.events().await?;

    let diag = net.client.open(|| Connection::open(Protocol::SockDiag)).await?;
    let awaited = SockDiag::new(diag).socket(pair.client.token()).await?.info.unwrap().rcv_nxt;
    // The mapping of RFC 8684, 3.3: data sequence number, place in the subflow, length, checksum.
    let data = b"xy";
    let mut mapping = [&awaited.to_be_bytes()[..], &1_u32.to_be_bytes(), &2_u16.to_be_bytes()].concat();
    let wrong = checksum(&[&mapping[..], &[0, 0], data].concat()) ^ 0x0101;
    mapping.extend(wrong.to_be_bytes());
    // Option 30 of twenty bytes, subtype 2, with a mapping and a number of eight bytes.
    let option = [&[30, 20, 2 << 4, 4 | 8][..], &mapping].concat();
    send(&net.server, &third, [far, near], PSH | ACK, &option, data).await?;

    let closed = reported(&mut log, monitored, near.into()).await?;
    let reset = closed.reset.unwrap();
    assert_eq!((reset.reason, reset.is_transient()), (ResetReason::Middlebox, false));
    counted(&net.client, "DataCsumErr", 1).await;
    counted(&net.server, "MPRstRx", 1).await;
    pair.exchange()
}

/// What of a TCP segment matters here.
struct Segment {
    ports: [u16; 2],
    seq: u32,
    ack: u32,
    syn: bool,
    rst: bool,
}

fn segment(frame: &EthFrame) -> Option<Segment> {
    let [first, .., protocol, _, _] = frame.payload.first_chunk::<12>()?;
    if frame.ethertype != IPV4 || *protocol != 6 {
        return None;
    }
    let tcp = frame.payload.get(usize::from(first & 15) * 4..)?.first_chunk::<20>()?;
    Some(Segment {
        ports: [u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]])],
        seq: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        ack: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        syn: tcp[13] & 2 != 0,
        rst: tcp[13] & 4 != 0,
    })
}

/// Whether it is a reset for this reason, without flags.
fn is_reset(frame: &EthFrame, reason: u8) -> bool {
    // Behind two headers of five words: option 30 of four bytes, subtype 8.
    segment(frame).is_some_and(|segment| segment.rst)
        && frame
            .payload
            .get(40..)
            .is_some_and(|options| options.windows(4).any(|o| o == [30, 4, 8 << 4, reason]))
}

/// Whether it completes the handshake of the client, which has the sequence numbers of both sides.
fn is_third(frame: &EthFrame, near: SocketAddrV4, far: SocketAddrV4) -> bool {
    segment(frame).is_some_and(|s| s.ports == [near.port(), far.port()] && !s.syn)
}

const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Sends a segment with an option against the direction of another, next in its sequence.
async fn send(
    node: &Node,
    to: &EthFrame,
    [from, at]: [SocketAddrV4; 2],
    flags: u8,
    option: &[u8],
    data: &[u8],
) -> Result {
    let against = segment(to).unwrap();
    let words = u8::try_from(5 + option.len() / 4)?;
    let mut tcp = [&from.port().to_be_bytes()[..], &at.port().to_be_bytes()].concat();
    tcp.extend([against.ack.to_be_bytes(), against.seq.to_be_bytes()].concat());
    // A window, no checksum yet, no urgent data.
    tcp.extend([&[words << 4, flags, 1, 0, 0, 0, 0, 0][..], option, data].concat());
    let ends = [from.ip().octets(), at.ip().octets()].concat();
    let length = u16::try_from(tcp.len())?;
    let sum = checksum(&[&ends[..], &[0, 6], &length.to_be_bytes(), &tcp].concat());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let [high, low] = (20 + length).to_be_bytes();
    let mut ip = [&[0x45, 0, high, low, 0, 0, 0, 0, 64, 6, 0, 0][..], &ends].concat();
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let frame = EthFrame::new(to.destination, to.source, IPV4, &[ip, tcp].concat());
    node.send_frame("eth2", &frame.to_bytes()).await
}

/// RFC 1071, of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}
