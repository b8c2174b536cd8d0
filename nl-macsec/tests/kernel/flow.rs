//! Numbered datagrams both ways between two ends, and where those were lost that did not arrive.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nl_testkit::{Result, eventually};

use crate::support::{End, Pair};

/// Datagrams on their way at a time: fewer than a replay window, a receive buffer or a queue of the kernel holds.
const BURST: u32 = 32;
/// When nothing arrives for so long, the rest of a burst is lost.
const QUIET: Duration = Duration::from_secs(5);
/// For the frames that are still to be sent when the work is done.
const REST: Duration = Duration::from_secs(120);

/// Datagrams in both directions until the work is done and `at_least` were sent; none may be lost but those that the kernel tagged with
/// the next association while it encrypted them with the last, which the receiver counts as not valid. Returns how many were sent.
pub(crate) async fn under_traffic<F: Future<Output = Result>>(
    pair: &Pair,
    at_least: u32,
    work: F,
) -> Result<u32> {
    let before = drops(pair).await?;
    let flows = [Flow::start(&pair.near, &pair.far).await?, Flow::start(&pair.far, &pair.near).await?];
    let worked = work.await;
    if worked.is_ok() {
        let sent = async || {
            let sent: u32 = flows.iter().map(|flow| flow.sent.load(Ordering::SeqCst)).sum();
            (sent >= at_least || flows.iter().any(Flow::is_over)).then_some(())
        };
        eventually(REST, sent, "the rest of the datagrams to be sent").await;
    }
    let mut counts = Vec::new();
    for flow in flows {
        counts.push(flow.stop().await?);
    }
    worked?;
    let after = drops(pair).await?;
    let (mut sent, mut lost) = (0, Vec::new());
    for ((direction, count), receiver) in counts.iter().zip([&pair.far, &pair.near]) {
        sent += count.sent;
        let place = format!("{} MACsec not valid", receiver.node.name());
        let of = |places: &BTreeMap<String, u64>| places.get(&place).copied().unwrap_or(0);
        let spoilt = of(&after) - of(&before);
        if u64::from(count.arrived + count.late) + spoilt != u64::from(count.sent) {
            lost.push(format!("{direction}: {count:?}"));
        } else if spoilt > 0 {
            println!("{direction}: {spoilt} of {} sent while the kernel switched", count.sent);
        }
    }
    assert!(lost.is_empty(), "{}\n{}", lost.join("\n"), difference(&before, &after));
    Ok(sent)
}

/// One direction.
struct Flow {
    direction: String,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    sender: Option<JoinHandle<Count>>,
}

#[derive(Debug, Default)]
struct Count {
    sent: u32,
    arrived: u32,
    /// Arrived after they were given up.
    late: u32,
}

impl Flow {
    async fn start(from: &End, to: &End) -> Result<Self> {
        let direction = format!("{} to {}", from.node.name(), to.node.name());
        let (source, target) = (from.address, to.address);
        let sends = from.node.open(move || UdpSocket::bind((source, 0))).await?;
        let receives = to.node.open(move || UdpSocket::bind((target, 0))).await?;
        receives.set_read_timeout(Some(QUIET))?;
        sends.connect(receives.local_addr()?)?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let work = {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            move || pass(&sends, &receives, &stop, &sent)
        };
        Ok(Self { direction, stop, sent, sender: Some(std::thread::spawn(work)) })
    }

    /// Whether its thread has ended, for whatever reason.
    fn is_over(&self) -> bool {
        self.sender.as_ref().is_none_or(JoinHandle::is_finished)
    }

    async fn stop(mut self) -> Result<(String, Count)> {
        self.stop.store(true, Ordering::SeqCst);
        let sender = self.sender.take().ok_or("stopped twice")?;
        let count = tokio::task::spawn_blocking(move || sender.join().unwrap()).await?;
        Ok((std::mem::take(&mut self.direction), count))
    }
}

/// A test that fails elsewhere ends the thread too.
impl Drop for Flow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Paced by the receiver, so that no buffer overflows: the next burst follows when all of the last one has arrived.
fn pass(from: &UdpSocket, to: &UdpSocket, stop: &AtomicBool, sent: &AtomicU32) -> Count {
    let mut count = Count::default();
    let mut buffer = [0; 16];
    while !stop.load(Ordering::SeqCst) {
        let first = count.sent;
        for number in first..first + BURST {
            from.send(&number.to_be_bytes()).unwrap();
        }
        count.sent += BURST;
        sent.store(count.sent, Ordering::SeqCst);
        let mut seen = 0_u32;
        while seen != u32::MAX
            && let Ok(4) = to.recv(&mut buffer)
        {
            let number = u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
            match number.checked_sub(first) {
                Some(at) => seen |= 1 << at,
                None => count.late += 1,
            }
        }
        count.arrived += seen.count_ones();
    }
    count
}

/// What was dropped so far, by the place: UDP's buffers, the queues of the processors, devices, MACsec.
async fn drops(pair: &Pair) -> Result<BTreeMap<String, u64>> {
    let mut places = BTreeMap::new();
    // Of the whole machine: received, dropped, … in hexadecimal digits, a line for each processor.
    let backlog = std::fs::read_to_string("/proc/net/softnet_stat")?;
    let dropped = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    places.insert("backlog of the processors".into(), backlog.lines().filter_map(dropped).sum());
    for (end, other) in pair.ends() {
        let name = end.node.name();
        let snmp = end.node.open(|| std::fs::read_to_string("/proc/thread-self/net/snmp")).await?;
        // A line of names and one of numbers.
        let udp: Vec<_> = snmp.lines().filter_map(|line| line.strip_prefix("Udp: ")).collect();
        if let [names, numbers] = udp[..] {
            for (counter, number) in names.split(' ').zip(numbers.split(' ')) {
                if counter.contains("Errors") {
                    places.insert(format!("{name} UDP {counter}"), number.parse()?);
                }
            }
        }
        let links = end.node.json("ip -j -s link show").await;
        for link in links.as_array().ok_or("no links")? {
            for (direction, counter) in
                [("rx", "dropped"), ("rx", "errors"), ("tx", "dropped"), ("tx", "errors")]
            {
                let number = link["stats64"][direction][counter].as_u64().unwrap_or(0);
                let dev = link["ifname"].as_str().unwrap_or("?");
                places.insert(format!("{name} {dev} {direction} {counter}"), number);
            }
        }
        let secy = end.macsec.secy("macsec0").get().await?;
        let channel = secy.rx_sc(other.sci).ok_or("no channel")?.stats;
        for (counter, number) in [
            ("late", channel.packets_late),
            ("not valid", channel.packets_not_valid),
            ("not using an SA", channel.packets_not_using_sa),
            ("invalid", channel.packets_invalid),
            ("without a channel", secy.stats.in_packets_no_sci),
            ("without a tag", secy.stats.in_packets_no_tag),
            ("with a bad tag", secy.stats.in_packets_bad_tag),
            ("overrun", secy.stats.in_packets_overrun),
        ] {
            places.insert(format!("{name} MACsec {counter}"), number);
        }
    }
    Ok(places)
}

/// Which places have dropped something since.
fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let more = after.iter().filter_map(|(place, now)| {
        let more = now.saturating_sub(before.get(place).copied().unwrap_or(0));
        (more > 0).then(|| format!("dropped: {place} {more}"))
    });
    let more: Vec<_> = more.collect();
    if more.is_empty() { "nothing says where they were dropped".into() } else { more.join("\n") }
}
