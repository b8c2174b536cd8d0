//! A link that two share, its shares swapped while they send, and less of it.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use nl_core::{Connection, Protocol};
use nl_tc::filter::{IPV4, U32, U32Key};
use nl_tc::htb::{HtbClassConfig, HtbConfig};
use nl_tc::tree::{Plan, Tree};
use nl_tc::{Rate, Tc, TcHandle};
use nl_testkit::{Lab, Node, Result};
use tokio::task::AbortHandle;

use crate::bars::Bars;
use crate::story::{Story, has};

const DEV: &str = "eth0";
const QDISC: TcHandle = TcHandle::new(1, 0);
const LINK: TcHandle = QDISC.class(1);
/// Who sends: a name, a class, and the UDP port that its packets go to.
const WHO: [(&str, TcHandle, u16); 2] = [("web", QDISC.class(0x10), 1), ("backup", QDISC.class(0x20), 2)];
/// Each sends through so many sockets that it never runs dry on a busy machine.
const SOCKETS: usize = 8;
const PAYLOAD: usize = 1400;
/// Mbit/s of a full bar.
const SCALE: u32 = 16;
const FRAME: Duration = Duration::from_millis(30);
/// What a class may send at once.
const BURST: Duration = Duration::from_millis(30);

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    lab.quiet();
    let [host, peer] = lab.wire("host", "peer").await?;
    let address = peer.ipv4();
    let bind = move || WHO.map(|(_, _, port)| UdpSocket::bind((address, port)));
    // So that nothing comes back.
    let _receivers = peer.open(bind).await.into_iter().collect::<std::io::Result<Vec<_>>>()?;
    let tc = Tc::new(host.open(|| Connection::open(Protocol::Route)).await?);

    story.step("A link of 16 Mbit/s, three quarters of it for web (tc qdisc add, tc class add):");
    print(story, &tc.apply(DEV, &tree(Rate::mbit(16), Rate::mbit(12), Rate::mbit(4))).await?);
    for (_, class, port) in WHO {
        let to_port = U32Key::at(20, port.into(), 0xffff);
        tc.filter(DEV, QDISC).priority(1).protocol(IPV4).add(U32::new(class, [to_port])).await?;
    }
    let _flood = Flood::begin(&host, address).await;
    let seen = share_becomes(0.75, &host, &tc, story.deadline).await?;
    story.prove_with_iproute2("web has three quarters of the packets, as iproute2 counts them", true, seen);

    story.step("Shares swapped, while both send (tc class change):");
    let plan = tc.apply(DEV, &tree(Rate::mbit(16), Rate::mbit(4), Rate::mbit(12))).await?;
    print(story, &plan);
    let seen = share_becomes(0.25, &host, &tc, story.deadline).await?;
    story.prove_with_iproute2(
        "two changes, and web has one quarter, as iproute2 counts them",
        plan.steps().len() == 2,
        seen,
    );

    story.step("The link has 4 Mbit/s now:");
    let smaller = tree(Rate::mbit(4), Rate::mbit(1), Rate::mbit(3));
    print(story, &tc.apply(DEV, &smaller).await?);
    let shares = watch(&host, &tc, 200_000, story.deadline).await?;
    // A fifth: bursts, which are short beside what is measured.
    story.prove_with_iproute2(
        "the two together get no more than the link has, as iproute2 counts them",
        true,
        shares.map(|shares| shares.rate() <= 1.2 * 4e6),
    );

    let again = tc.apply(DEV, &smaller).await?;
    let gone = tc.apply(DEV, &Tree::new()).await?;
    let removed = if has("tc") { Some(host.tc("class show dev eth0").await.trim().is_empty()) } else { None };
    story.prove_with_iproute2(
        "applying the same again sends nothing; an empty tree removes all",
        again.is_empty() && gone.steps().len() == 1,
        removed,
    );
    Ok(())
}

fn tree(link: Rate, web: Rate, backup: Rate) -> Tree {
    // A machine that is late costs both the same part of their rates.
    let class = |rate| HtbClassConfig::new(rate).ceil(link).burst(BURST).cburst(BURST);
    let [(_, first, _), (_, second, _)] = WHO;
    Tree::new()
        .qdisc(TcHandle::ROOT, QDISC, HtbConfig::new())
        .class(QDISC, LINK, class(link))
        .class(LINK, first, class(web))
        .class(LINK, second, class(backup))
}

/// In words that `tc` knows.
fn print(story: &mut Story, plan: &Plan) {
    for line in plan.to_string().lines() {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word.starts_with('#') { DEV } else { word }).collect();
        story.show(words.join(" "));
    }
}

/// Senders that have always something to send; they end with it.
struct Flood(Vec<AbortHandle>);

impl Flood {
    async fn begin(host: &Node, to: Ipv4Addr) -> Self {
        let begin = move || async move {
            let ports = WHO.iter().flat_map(|(_, _, port)| [*port; SOCKETS]);
            ports.map(|port| tokio::spawn(send(to, port)).abort_handle()).collect()
        };
        Self(host.run(begin).await)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        for sender in &self.0 {
            sender.abort();
        }
    }
}

/// As fast as packets leave the queue: those in it fill the socket.
async fn send(to: Ipv4Addr, port: u16) -> std::io::Result<()> {
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    loop {
        socket.send_to(&[0; PAYLOAD], (to, port)).await?;
    }
}

/// What went through the two classes, and in which time at most.
struct Shares {
    bytes: [f64; 2],
    time: Duration,
}

impl Shares {
    fn share(&self) -> f64 {
        let [first, second] = self.bytes;
        first / (first + second)
    }

    /// In bits per second, at least.
    fn rate(&self) -> f64 {
        self.bytes.iter().sum::<f64>() * 8.0 / self.time.as_secs_f64()
    }
}

/// Whether the first class gets this share of 700,000 bytes, the next ones if not of the first: on a busy machine a sender may have
/// nothing to send for a while, and the other one borrows.
async fn share_becomes(share: f64, host: &Node, tc: &Tc, deadline: Duration) -> Result<Option<bool>> {
    let began = Instant::now();
    loop {
        let shares = watch(host, tc, 700_000, deadline).await?;
        let seen = shares.map(|shares| about(&shares, share));
        if seen != Some(false) || began.elapsed() > deadline {
            return Ok(seen);
        }
    }
}

/// Shows what goes through the classes until it is so many bytes. The bars are what we read, the answer is what iproute2
/// reads; `None` if it is missing.
async fn watch(host: &Node, tc: &Tc, bytes: u64, deadline: Duration) -> Result<Option<Shares>> {
    let shown = Instant::now();
    let before = by_iproute2(host).await?;
    let (first, began) = (by_us(tc).await?, Instant::now());
    let mut bars = Bars::new(WHO.map(|(name, _, _)| name), SCALE);
    loop {
        tokio::time::sleep(FRAME).await;
        let now = by_us(tc).await?;
        let time = began.elapsed();
        let mut all = 0;
        let mut rates = [0.0; 2];
        for ((rate, now), first) in rates.iter_mut().zip(now).zip(first) {
            all += now - first;
            *rate = (now - first) as f64 * 8e-6 / time.as_secs_f64();
        }
        let enough = all >= bytes || time > deadline;
        bars.draw(rates, enough);
        if enough {
            break;
        }
    }
    let after = by_iproute2(host).await?;
    let time = shown.elapsed();
    let shares = before.zip(after).map(|(before, after)| {
        let bytes =
            [0, 1].map(|n| after.get(n).zip(before.get(n)).map_or(0, |(a, b)| a.saturating_sub(*b)) as f64);
        Shares { bytes, time }
    });
    Ok(shares)
}

fn about(shares: &Shares, share: f64) -> bool {
    (shares.share() / share - 1.0).abs() <= 0.1
}

async fn by_us(tc: &Tc) -> Result<[u64; 2]> {
    let [(_, first, _), (_, second, _)] = WHO;
    let class = async |handle| tc.class(DEV, handle).get().await;
    Ok([class(first).await?.stats.bytes, class(second).await?.stats.bytes])
}

/// `class htb 1:10 …`, and in the next line `Sent 1442 bytes …`; `None` if iproute2 is missing.
async fn by_iproute2(host: &Node) -> Result<Option<[u64; 2]>> {
    if !has("tc") {
        return Ok(None);
    }
    let text = host.tc("-s class show dev eth0").await;
    let bytes = |handle: TcHandle| {
        let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("class htb {handle} ")));
        lines.nth(1)?.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let [(_, first, _), (_, second, _)] = WHO;
    let both = bytes(first).zip(bytes(second)).map(|(a, b)| [a, b]);
    both.map(Some).ok_or_else(|| format!("tc shows: {text}").into())
}
