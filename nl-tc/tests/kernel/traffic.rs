//! Shares of a link, in real packets.
//!
//! The queues are filled first, and nobody sends during the measurement. A class with packets at the end had packets all the time,
//! and a slow machine measures the same as a fast one.
#![expect(clippy::indexing_slicing, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use nl_tc::drr::{DrrClassConfig, DrrConfig};
use nl_tc::filter::{IPV4, U32, U32Key};
use nl_tc::hfsc::{HfscClassConfig, HfscConfig};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::leaf::PfifoConfig;
use nl_tc::qfq::{QfqClassConfig, QfqConfig};
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::oracle::traffic::Meter;
use nl_testkit::{Lab, Node, Result, eventually};

use crate::support::{DEV, QDISC, wired};

/// The packets of a class, and how many of them the busiest class must have sent: at 2 Mbit/s that takes a second, and the rest
/// would take ten seconds more.
const HELD: u32 = 3000;
const MEASURED: u64 = 200;
const PAYLOAD: usize = 1000;
const FRAME: u64 = 14 + 20 + 8 + PAYLOAD as u64;
const LINK: Rate = Rate::mbit(2);
const FAST: Rate = Rate::gbit(1);
const LATE: Duration = Duration::from_secs(60);

const TOP: TcHandle = QDISC.class(1);
/// In a bottleneck that does not divide the bandwidth itself.
const INNER: TcHandle = TcHandle::new(2, 0);

/// The output of `tc -s class show` for a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    packets: u64,
    dropped: u64,
    held: u64,
}

/// A sender and a receiver with a shaped link between them, and two classes, for packets to ports 1 and 2.
struct Link {
    node: Node,
    tc: Tc,
    peer: Ipv4Addr,
    /// So that no replies arrive.
    _receivers: Vec<UdpSocket>,
    meter: Meter,
    classes: [TcHandle; 2],
}

impl Link {
    async fn new(lab: &Lab, classes: [TcHandle; 2]) -> Result<Self> {
        let ([node, peer], tc) = wired(lab).await?;
        let address = peer.ipv4();
        let receivers = peer
            .open(move || [1, 2].map(|port| UdpSocket::bind((address, port)).unwrap()).into_iter().collect());
        let receivers = receivers.await;
        // Address resolution would also be shaped.
        let mac = peer.mac_of(DEV).await?.map(|byte| format!("{byte:02x}")).join(":");
        node.ip(&format!("neigh replace {address} lladdr {mac} dev {DEV} nud permanent")).await;
        let meter = peer.meter(DEV).await?;
        Ok(Self { node, tc, peer: address, _receivers: receivers, meter, classes })
    }

    /// HTB with one class at the rate of the link, for all packets.
    async fn bottleneck(&self) -> Result {
        let htb = HtbConfig::new().default_class(TOP.minor());
        self.tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(htb).await?;
        self.tc.class(DEV, TOP).add(htb_class(LINK)).await?;
        Ok(())
    }

    /// Queues for the packets of the classes, and filters by port on their qdisc.
    async fn direct(&self) -> Result {
        for (class, port) in self.classes.into_iter().zip(1..) {
            self.tc.qdisc(DEV, class).add(PfifoConfig::new().limit(HELD)).await?;
            let to_port = U32Key::at(20, port, 0xffff);
            let filter = self.tc.filter(DEV, class.qdisc()).priority(1).protocol(IPV4);
            filter.add(U32::new(class, [to_port])).await?;
        }
        Ok(())
    }

    /// Gives each class this many packets to send.
    async fn fill(&self, packets: u32) {
        let peer = self.peer;
        let send = move || {
            let mut socket = sender();
            for port in [1, 2].into_iter().cycle().take(2 * packets as usize) {
                // A socket can have a limited number of bytes in flight. Then another socket continues.
                while !sent(&socket, (peer, port)) {
                    socket = sender();
                }
            }
        };
        self.node.open(send).await;
    }

    /// The output of `tc` for the two classes, between two readings of the crate.
    async fn seen(&self) -> [Seen; 2] {
        let before = self.ours().await;
        let shown = shown(&self.node).await;
        let after = self.ours().await;
        let seen = self.classes.map(|class| shown[&class]);
        for ((before, seen), after) in before.iter().zip(&seen).zip(&after) {
            assert!((before.bytes..=after.bytes).contains(&seen.bytes), "{before:?} {seen:?} {after:?}");
        }
        seen
    }

    async fn ours(&self) -> [Seen; 2] {
        let mut seen = [Seen::default(); 2];
        for (seen, class) in seen.iter_mut().zip(self.classes) {
            let stats = self.tc.class(DEV, class).get().await.unwrap().stats;
            *seen = Seen {
                bytes: stats.bytes,
                packets: stats.packets,
                dropped: stats.drops.into(),
                held: stats.queue_len.into(),
            };
        }
        seen
    }

    /// The share of the first class while both classes have packets. `gone` returns what a class has sent.
    async fn share(&self, gone: impl Fn(&Seen) -> u64) -> f64 {
        let begin = self.seen().await;
        let much = async || {
            let now = self.ours().await;
            let most = begin.iter().zip(&now).map(|(begin, now)| gone(now) - gone(begin)).max();
            (most >= Some(MEASURED * FRAME)).then_some(())
        };
        eventually(LATE, much, "packets to go through the classes").await;
        let end = self.seen().await;
        assert!(begin.iter().chain(&end).all(|class| class.held > 0), "{begin:?} {end:?}");
        let [first, second] = [0, 1].map(|n| gone(&end[n]) - gone(&begin[n]));
        let share = first as f64 / (first + second) as f64;
        println!("share: {share:.4} ({first} of {} bytes)", first + second);
        share
    }

    /// After the link becomes fast: all packets went through the classes and arrived, and both sides counted them.
    async fn drained(&self) -> BTreeMap<TcHandle, Seen> {
        let empty = async || {
            let now = self.ours().await;
            now.iter().all(|class| class.held == 0).then_some(now)
        };
        let ours = eventually(LATE, empty, "the classes to be empty").await;
        let whole = Seen { bytes: u64::from(HELD) * FRAME, packets: HELD.into(), ..Seen::default() };
        assert_eq!(ours, [whole; 2]);
        let shown = shown(&self.node).await;
        assert_eq!(self.classes.map(|class| shown[&class]), ours);
        let packets = 2 * u64::from(HELD);
        self.meter.expect(|moved| moved.rx_packets == packets, LATE).await;
        shown
    }
}

fn sender() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn sent(socket: &UdpSocket, to: (Ipv4Addr, u16)) -> bool {
    match socket.send_to(&[0; PAYLOAD], to) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        result => result.unwrap() == PAYLOAD,
    }
}

/// The text is the same in every release. Only newer releases print classes as JSON.
async fn shown(node: &Node) -> BTreeMap<TcHandle, Seen> {
    let text = node.tc("-s class show dev eth0").await;
    let mut all = BTreeMap::new();
    let mut class = TcHandle::NONE;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.trim_end_matches([',', 'p']).parse().unwrap();
        match words[..] {
            ["class", _, handle, ..] => class = handle.parse().unwrap(),
            ["Sent", bytes, "bytes", packets, "pkt", "(dropped", dropped, ..] => {
                let [bytes, packets, dropped] = [bytes, packets, dropped].map(number);
                all.insert(class, Seen { bytes, packets, dropped, held: 0 });
            }
            ["backlog", _, packets, ..] => all.get_mut(&class).unwrap().held = number(packets),
            _ => {}
        }
    }
    all
}

/// Late timers cost every class the same fraction of its rate.
fn htb_class(rate: Rate) -> HtbClassConfig {
    let burst = Duration::from_millis(40);
    HtbClassConfig::new(rate).burst(burst).cburst(burst)
}

fn bytes(seen: &Seen) -> u64 {
    seen.bytes
}

fn assert_share(share: f64, configured: f64) {
    assert!((share / configured - 1.0).abs() <= 0.1, "a share of {share:.3}, configured was {configured}");
    let (other, configured) = (1.0 - share, 1.0 - configured);
    assert!((other / configured - 1.0).abs() <= 0.1, "a share of {other:.3}, configured was {configured}");
}

#[nl_testkit::test(needs(qdisc = "htb", tool = "tc"), timeout = 120)]
async fn htb_classes_share_the_link_by_rate(lab: Lab) -> Result {
    let classes = [QDISC.class(0x10), QDISC.class(0x20)];
    let link = Link::new(&lab, classes).await?;
    let rates = [Rate::kbit(500), Rate::kbit(1500)];
    link.tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HtbConfig::new()).await?;
    link.tc.class(DEV, TOP).add(htb_class(LINK)).await?;
    for (class, rate) in classes.into_iter().zip(rates) {
        link.tc.class(DEV, class).parent(TOP).add(htb_class(rate).ceil(LINK)).await?;
    }
    link.direct().await?;
    link.fill(HELD).await;
    assert_share(link.share(bytes).await, 0.25);

    for class in [TOP, classes[0], classes[1]] {
        link.tc.class(DEV, class).change(htb_class(FAST)).await?;
    }
    let shown = link.drained().await;
    assert_eq!(shown[&TOP].packets, 2 * u64::from(HELD), "what the classes sent, their parent sent");
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "drr", tool = "tc"), timeout = 120)]
async fn drr_classes_share_the_link_by_quantum(lab: Lab) -> Result {
    let classes = [INNER.class(1), INNER.class(2)];
    let link = Link::new(&lab, classes).await?;
    link.bottleneck().await?;
    link.tc.qdisc(DEV, TOP).handle(INNER).add(DrrConfig::new()).await?;
    for (class, quantum) in classes.into_iter().zip([1500_u32, 3000]) {
        link.tc.class(DEV, class).add(DrrClassConfig::new().quantum(quantum)).await?;
    }
    link.direct().await?;
    link.fill(HELD).await;
    assert_share(link.share(bytes).await, 1.0 / 3.0);

    link.tc.class(DEV, TOP).change(htb_class(FAST)).await?;
    link.drained().await;
    Ok(())
}

#[nl_testkit::test(needs(qdisc = "htb", qdisc = "qfq", tool = "tc"), timeout = 120)]
async fn qfq_classes_share_the_link_by_weight(lab: Lab) -> Result {
    let classes = [INNER.class(1), INNER.class(2)];
    let link = Link::new(&lab, classes).await?;
    link.bottleneck().await?;
    link.tc.qdisc(DEV, TOP).handle(INNER).add(QfqConfig::new()).await?;
    for (class, weight) in classes.into_iter().zip([1, 4]) {
        link.tc.class(DEV, class).add(QfqClassConfig::new(weight)).await?;
    }
    link.direct().await?;
    link.fill(HELD).await;
    // QFQ counts the packets it queues, not those it sends.
    let taken = link.ours().await;
    assert_eq!(taken.map(|class| class.packets), [u64::from(HELD); 2]);
    assert_share(link.share(|class| class.bytes - class.held * FRAME).await, 0.2);

    link.tc.class(DEV, TOP).change(htb_class(FAST)).await?;
    link.drained().await;
    Ok(())
}

/// The link-sharing curve alone would give the class a hundredth of the link. The guarantee makes that a quarter.
#[nl_testkit::test(needs(qdisc = "hfsc", tool = "tc"), timeout = 120)]
async fn hfsc_guarantee_holds_against_a_flood(lab: Lab) -> Result {
    let classes = [QDISC.class(0x10), QDISC.class(0x20)];
    let link = Link::new(&lab, classes).await?;
    let curves = HfscClassConfig::new;
    let whole = |rate: Rate| curves().link_share(rate).upper_limit(rate);
    link.tc.qdisc(DEV, TcHandle::ROOT).handle(QDISC).add(HfscConfig::new()).await?;
    link.tc.class(DEV, TOP).add(whole(LINK)).await?;
    let small = curves().link_share(Rate::kbit(20));
    link.tc.class(DEV, classes[0]).parent(TOP).add(small.clone()).await?;
    link.tc.class(DEV, classes[1]).parent(TOP).add(curves().link_share(Rate::kbit(1980))).await?;
    link.direct().await?;
    link.fill(HELD).await;
    let unprotected = link.share(bytes).await;
    assert!(unprotected < 0.05, "a share of {unprotected:.3} without a guarantee");

    link.tc.class(DEV, classes[0]).change(small.real_time(Rate::kbit(500))).await?;
    assert_share(link.share(bytes).await, 0.25);

    link.tc.class(DEV, TOP).change(whole(FAST)).await?;
    link.drained().await;
    Ok(())
}
