//! Two hosts, a wire that anybody can read, and a key file: what is sent is encrypted, and the next key loses nothing.

use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nl_core::{Connection, Protocol};
use nl_macsec::device::MacsecDevice;
use nl_macsec::rotate::RotateEntry;
use nl_macsec::stats::RxScStats;
use nl_macsec::{CipherSuite, KeyId, Macsec, Sci, SecretKey};
use nl_testkit::{Capture, EthFrame, Lab, Node, Result};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::story::{Story, has};

const DEV: &str = "macsec0";
const SECRET: &[u8] = b"meet me at the usual place";
/// `ETH_P_MACSEC`
const MACSEC: u16 = 0x88e5;
const COUNT: usize = 100;
const PORT: u16 = 4790;

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    lab.quiet();
    let [alice, bob] = lab.wire("alice", "bob").await?;
    let mut wire = bob.capture("eth0").await?;

    story.step("Two hosts on a wire, without encryption. Somebody listens:");
    let plain = Pair::open(&alice, &bob, [alice.ipv4().to_string(), bob.ipv4().to_string()], story.deadline);
    let arrived = plain.await?.pass(1);
    let seen = Seen::on(&mut wire, story.deadline, |seen| seen.in_clear > 0).await?;
    story.show(&seen);
    story.prove("without MACsec the wire shows the text", arrived == 1 && seen.in_clear == 1);

    story.step(
        "Both have a key file, and encrypt with its first key (ip link add … type macsec, ip macsec add):",
    );
    let file = KeyFile::write()?;
    let [first, second] = file.read()?;
    let ends = [End::new(&alice, "192.0.2.1").await?, End::new(&bob, "192.0.2.2").await?];
    let [near, far] = &ends;
    for (end, other) in [(near, far), (far, near)] {
        let (id, key) = &first;
        end.macsec.rx_sc(DEV, other.sci).add().await?;
        end.macsec.rx_sa(DEV, other.sci, 0).key(key).key_id(*id).active(true).add().await?;
        end.macsec.tx_sa(DEV, 0).key(key).key_id(*id).next_pn(1).active(true).add().await?;
    }
    drop(first);
    for line in near.macsec.secy(DEV).get().await?.to_string().lines() {
        story.show(line);
    }
    let addresses = ["192.0.2.1", "192.0.2.2"].map(String::from);
    let pair = Arc::new(Pair::open(&alice, &bob, addresses, story.deadline).await?);
    let mut wire = bob.capture("eth0").await?;
    let arrived = pair.pass(COUNT);
    let seen = Seen::on(&mut wire, story.deadline, |seen| seen.encrypted >= COUNT).await?;
    story.show(format!("{arrived} datagrams arrived; {seen}"));
    story.prove_with_iproute2(
        "everything arrives, and the wire shows frames of MACsec and no text",
        arrived == COUNT && seen.encrypted >= COUNT && seen.others == 0 && seen.in_clear == 0,
        encodes_with(&ends, 0).await,
    );

    story.step("The next key of the file, while they talk (install at both ends, then switch, then retire):");
    let stop = Arc::new(AtomicBool::new(false));
    let talk = {
        let (pair, stop) = (Arc::clone(&pair), Arc::clone(&stop));
        std::thread::spawn(move || pair.pass_until(&stop))
    };
    let rotated = rotate(&ends, &second, story.deadline).await;
    stop.store(true, Ordering::SeqCst);
    let talked = tokio::task::spawn_blocking(move || talk.join()).await?;
    let (sent, arrived) = talked.map_err(|_| "the talk ended early")??;
    let spoilt = rotated?;
    let arrived = arrived + pair.receive(sent.saturating_sub(arrived + spoilt.unwrap_or(0)));
    story.show(format!("{arrived} of {sent} datagrams arrived"));
    if spoilt == Some(1) {
        story.show("one was tagged with the next association while the kernel encrypted it with the last");
    }
    story.prove_with_iproute2(
        "a rotation under traffic loses nothing but what the kernel spoils, and counts",
        spoilt.is_some_and(|spoilt| sent > 0 && arrived + spoilt == sent),
        encodes_with(&ends, 1).await,
    );

    story.step("Somebody sends a frame again, and one with a bit changed:");
    let before = far.received_from(near).await?;
    let mut wire = bob.capture("eth0").await?;
    let arrived = pair.pass(1);
    let frame = wire.next(story.deadline).await?.ok_or("nothing is on the wire")?;
    // Behind the window of replay protection.
    let more = pair.pass(COUNT);
    alice.send_frame("eth0", &frame.to_bytes()).await?;
    let mut forged = frame;
    if let Some(number) = forged.payload.get_mut(2..6) {
        // A packet number that is new.
        number.copy_from_slice(&1_000_000_u32.to_be_bytes());
    }
    alice.send_frame("eth0", &forged.to_bytes()).await?;
    let counts = |now: &RxScStats| {
        (now.packets_late - before.packets_late, now.packets_not_valid - before.packets_not_valid)
    };
    let counted =
        until(story.deadline, async || Ok(counts(&far.received_from(near).await?) == (1, 1))).await?;
    let now = far.received_from(near).await?;
    story.show(format!(
        "of bob: {} ok, {} late, {} not valid",
        now.packets_ok, now.packets_late, now.packets_not_valid
    ));
    let shown = if has("ip") { Some(bob.ip("-s macsec show").await.contains("InPktsLate")) } else { None };
    story.prove_with_iproute2(
        "both are dropped, each in its counter",
        counted && arrived == 1 && more == COUNT,
        shown,
    );
    Ok(())
}

/// A host with a MACsec device.
struct End {
    node: Node,
    macsec: Macsec,
    sci: Sci,
}

impl End {
    async fn new(node: &Node, address: &str) -> Result<Self> {
        let macsec = Macsec::new(node.open(|| Connection::open(Protocol::Generic)).await?);
        let options = MacsecDevice::new().cipher(CipherSuite::GcmAes256).encrypt(true).replay(64);
        let link = macsec.device(DEV).on("eth0").up().add(options).await?;
        let made = link.kind::<MacsecDevice>().ok_or("another kind of device")??;
        node.add_address(DEV, address.parse()?, 24).await?;
        Ok(Self { node: node.clone(), macsec, sci: made.sci.ok_or("a device without an SCI")? })
    }

    fn rotate(&self, to: &(KeyId, SecretKey)) -> RotateEntry {
        self.macsec.rotate(DEV).key_id(to.0).key(&to.1)
    }

    async fn received_from(&self, other: &Self) -> Result<RxScStats> {
        let channel = self.macsec.rx_sc(DEV, other.sci).get().await?;
        Ok(channel.stats)
    }
}

/// Both ends in step. How many frames the kernel spoilt, one at most: at the moment of the switch it may tag a frame with the next
/// association that it encrypts with the last. `None` if the last frame of the last key did not come through before it was removed.
async fn rotate(ends: &[End; 2], to: &(KeyId, SecretKey), deadline: Duration) -> Result<Option<usize>> {
    for end in ends {
        end.rotate(to).install().await?;
    }
    for end in ends {
        end.rotate(to).switch().await?;
    }
    let [near, far] = ends;
    // What was sent with the last key has arrived, and something of the next one.
    let mut spoilt = 0;
    let through = until(deadline, async || {
        let sent = near.macsec.tx_sa(DEV, 0).get().await?.next_pn;
        let received = far.macsec.rx_sc(DEV, near.sci).get().await?.sas;
        let next = |an: u8| received.iter().find(|sa| sa.an.get() == an).map_or(0, |sa| sa.next_pn);
        spoilt = received.iter().find(|sa| sa.an.get() == 1).map_or(0, |sa| sa.stats.packets_not_valid);
        Ok(spoilt <= 1 && next(0) + u64::from(spoilt) == sent && next(1) > 1)
    });
    let through = through.await?;
    for end in ends {
        end.rotate(to).retire().await?;
    }
    Ok(if through { Some(usize::try_from(spoilt)?) } else { None })
}

/// Asks until it is so or the time is up.
async fn until(time: Duration, mut ask: impl AsyncFnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + time;
    while !ask().await? {
        if Instant::now() > end {
            return Ok(false);
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(true)
}

/// Whether iproute2 shows this number as the encoding association of both, and only that one; `None` if iproute2 is missing.
async fn encodes_with(ends: &[End; 2], an: u8) -> Option<bool> {
    if !has("ip") {
        return None;
    }
    let mut all = true;
    for end in ends {
        let shown = end.node.json("ip -j macsec show macsec0").await;
        let encoding = shown.pointer("/0/encoding_sa").is_some_and(|shown| *shown == an);
        let number = shown.pointer("/0/sa_list").and_then(Value::as_array).map_or(0, Vec::len);
        all &= encoding && number == 1;
    }
    Some(all)
}

/// Datagrams from alice to bob, one after another.
struct Pair {
    from: UdpSocket,
    to: UdpSocket,
}

impl Pair {
    async fn open(alice: &Node, bob: &Node, [own, other]: [String; 2], patience: Duration) -> Result<Self> {
        let to = bob.open(move || UdpSocket::bind((other.as_str(), PORT))).await?;
        let target = to.local_addr()?;
        let from = alice.open(move || UdpSocket::bind((own.as_str(), PORT))).await?;
        from.connect(target)?;
        to.set_read_timeout(Some(patience))?;
        Ok(Self { from, to })
    }

    /// Sends this many, each when the one before has arrived, and returns how many arrived.
    fn pass(&self, count: usize) -> usize {
        (0..count).take_while(|_| self.from.send(SECRET).is_ok() && self.receive(1) == 1).count()
    }

    /// How many of this many arrived.
    fn receive(&self, count: usize) -> usize {
        let mut buffer = [0; 64];
        let mut next = || self.to.recv(&mut buffer).is_ok_and(|length| length == SECRET.len());
        (0..count).take_while(|_| next()).count()
    }

    /// How many were sent and how many of them have arrived, until it is stopped. One that is lost or late does not hold up the talk.
    fn pass_until(&self, stop: &AtomicBool) -> std::io::Result<(usize, usize)> {
        let patience = self.to.read_timeout()?;
        self.to.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (mut sent, mut arrived) = (0, 0);
        while !stop.load(Ordering::SeqCst) {
            self.from.send(SECRET)?;
            sent += 1;
            arrived += self.receive(1);
        }
        self.to.set_read_timeout(patience)?;
        Ok((sent, arrived))
    }
}

/// What the listener on the wire has seen.
#[derive(Default)]
struct Seen {
    encrypted: usize,
    others: usize,
    in_clear: usize,
}

impl Seen {
    /// Waits until it is enough, and reads what has come by then.
    async fn on(wire: &mut Capture, deadline: Duration, enough: impl Fn(&Self) -> bool) -> Result<Self> {
        let mut seen = Self::default();
        loop {
            let wait = if enough(&seen) { Duration::ZERO } else { deadline };
            let Some(frame) = wire.next(wait).await? else { return Ok(seen) };
            let shows = |frame: &EthFrame| frame.payload.windows(SECRET.len()).any(|part| part == SECRET);
            seen.in_clear += usize::from(shows(&frame));
            let count = if frame.ethertype == MACSEC { &mut seen.encrypted } else { &mut seen.others };
            *count += 1;
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encrypted, others, in_clear } = self;
        write!(f, "on the wire: {encrypted} frames of type 0x88e5, {others} others, {in_clear} with the text")
    }
}

/// Identifiers and keys in hexadecimal digits, a line for each. Only its owner can read it, and it is removed on drop.
struct KeyFile(PathBuf);

impl KeyFile {
    fn write() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("nl-tour-{}.keys", std::process::id()));
        let mut open = std::fs::OpenOptions::new();
        let mut file = open.write(true).create_new(true).mode(0o600).open(&path)?;
        let own = Self(path);
        let mut random = [0; 64];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
        for (id, key) in ["01", "02"].iter().zip(random.chunks(32)) {
            let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(file, "{id} {digits}")?;
        }
        Ok(own)
    }

    fn read(&self) -> Result<[(KeyId, SecretKey); 2]> {
        let text = std::fs::read_to_string(&self.0)?;
        let key = |line: &str| -> Result<_> {
            let (id, key) = line.split_once(' ').ok_or("a line is not `KEYID KEY`")?;
            Ok((id.parse::<KeyId>()?, SecretKey::from_hex(key)?))
        };
        let mut lines = text.lines();
        let mut next = || key(lines.next().ok_or("the file has two lines")?);
        Ok([next()?, next()?])
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // Left behind at worst, for its owner only.
        let _ = std::fs::remove_file(&self.0);
    }
}
