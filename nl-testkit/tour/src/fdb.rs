//! A bridge with two hosts and a VXLAN port: entries come, move and go, and a watch reports each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nl_bridge::fdb::{Fdb, FdbEntry, FdbVerb};
use nl_core::{Connection, MacAddr, Protocol};
use nl_events::fdb::{FdbChange, FdbWatch};
use nl_testkit::{EthFrame, Lab, Node, Result, Vxlan};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;

use crate::story::{Story, has};

const BULK: u16 = 10_000;

pub(crate) async fn chapter(lab: &Lab, story: &mut Story) -> Result {
    let bridge = lab.bridge("br0", 2).await?;
    let switch = bridge.node();
    switch.add_vxlan("vx0", Vxlan::vni(100)).await?;
    switch.set_master("vx0", "br0").await?;
    switch.up("vx0").await?;
    story.step(
        "Built a bridge br0 with the ports port1 (host1), port2 (host2) and vx0 (VXLAN 100). Watching:",
    );

    let conn = switch.open(|| Connection::open(Protocol::Route)).await?;
    let fdb = Fdb::new(conn.clone());
    let names = Arc::new(conn.link_names().await?);
    let watch = FdbWatch::open(&conn).await?;
    let mut seen = follow(switch, watch, Arc::clone(&names), story.deadline).await;
    let synced = seen.wait(|change| matches!(change, FdbChange::Synced)).await;
    story.prove("the watch begins with what is there", synced);

    story.step("A control plane adds, replaces and deletes an address (bridge fdb add/replace/del):");
    let mac: MacAddr = "02:00:5e:00:00:01".parse()?;
    fdb.entry(mac, "port1").master().static_().add().await?;
    let added = seen.wait(|change| matches!(change, FdbChange::Added(entry) if entry.mac == mac)).await;
    let iproute2 = shows(switch, mac, "port1").await;
    story.prove_with_iproute2(
        "an entry that we add is reported by the watch and shown by iproute2",
        added,
        iproute2,
    );

    let refused = fdb.entry(mac, "port1").master().static_().add().await;
    if let Err(error) = &refused {
        story.show(format!("{:>7}  {error}", "refused"));
    }
    story.prove(
        "adding it again is refused, and the error says what and why",
        refused.is_err_and(|e| e.is_exists()),
    );

    fdb.entry(mac, "port2").master().static_().replace().await?;
    let moved = seen.wait(|change| matches!(change, FdbChange::Moved { to, .. } if to.mac == mac)).await;
    story.prove("replacing it on another port is reported as a move", moved);

    fdb.entry(mac, "port2").master().delete().await?;
    let deleted = seen.wait(|change| matches!(change, FdbChange::Deleted(entry) if entry.mac == mac)).await;
    let gone = shows(switch, mac, "port2").await.map(|shown| !shown);
    story.prove_with_iproute2(
        "its deletion is reported by the watch, and iproute2 no longer shows it",
        deleted,
        gone,
    );

    story.step("The bridge learns from real frames: one address speaks on host1, then on host2:");
    let roaming = [0x02, 0, 0x5e, 0, 0, 0x02];
    let frame = EthFrame::new(roaming, [0xff; 6], EthFrame::TEST, b"I am here").to_bytes();
    let roaming = MacAddr::new(roaming);
    let [host1, host2] = bridge.hosts() else { return Err("two hosts were asked for".into()) };
    host1.send_frame("eth0", &frame).await?;
    let learned = seen
        .wait(
            |change| matches!(change, FdbChange::Added(entry) if entry.mac == roaming && entry.is_dynamic()),
        )
        .await;
    host2.send_frame("eth0", &frame).await?;
    let moved = seen.wait(|change| matches!(change, FdbChange::Moved { to, .. } if to.mac == roaming)).await;
    story.prove("an address is learned from a frame, and moves with its frames", learned && moved);

    story.step(
        "EVPN: remote endpoints on the VXLAN port (bridge fdb append 00:00:00:00:00:00 dev vx0 dst …):",
    );
    for remote in ["192.0.2.7", "192.0.2.8"] {
        fdb.entry(MacAddr::ZERO, "vx0").dst(remote.parse()?).append().await?;
    }
    let both = seen
        .wait(|change| matches!(change, FdbChange::Added(entry) if entry.dst == "192.0.2.8".parse().ok()))
        .await;
    story.prove("a VXLAN port floods to every remote that is appended", both);

    story.step(&format!("{BULK} entries in a batch, and gone again with one request:"));
    let port = conn.link_index("port1").await?;
    seen.quiet = true;
    let began = Instant::now();
    let entries = (0..BULK).map(move |number| {
        let [high, low] = number.to_be_bytes();
        (FdbVerb::Add, FdbEntry::new(MacAddr::new([0x02, 0x10, 0, 0, high, low]), port).master().static_())
    });
    let summary = fdb.batch(entries).summarize(1).await?;
    let took = began.elapsed();
    story.show(format!(
        "{} added, {} refused, {:.1} µs each",
        summary.succeeded,
        summary.failed,
        took.as_secs_f64() * 1e6 / f64::from(BULK)
    ));
    let all = summary.into_result().is_ok_and(|added| added == u64::from(BULK));
    let mut told = 0;
    let every = seen
        .wait(|change| {
            told += u16::from(matches!(change, FdbChange::Added(entry) if entry.mac.octets()[1] == 0x10));
            told == BULK
        })
        .await;
    story.show(format!("{told} reported by the watch"));
    story.prove("a batch of 10,000 is carried out, and each entry is reported", all && every);

    fdb.entries().bridge("br0").static_().flush().await?;
    let mut gone = 0;
    let every = seen
        .wait(|change| {
            gone += u16::from(matches!(change, FdbChange::Deleted(entry) if entry.mac.octets()[1] == 0x10));
            gone == BULK
        })
        .await;
    story.show(format!("{gone} reported as deleted"));
    let spared = shows_local(switch).await;
    story.prove_with_iproute2(
        "one flush deletes them all and spares the bridge's own addresses",
        every,
        spared,
    );

    story.step("The table at the end (bridge fdb show br br0):");
    let mut entries = fdb.entries().bridge("br0").list().await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        if entry.is_bridge() || entry.is_tunnel() {
            story.show(in_words(&entry, &names));
        }
    }
    Ok(())
}

/// Changes as they arrive, printed.
struct Seen {
    changes: UnboundedReceiver<FdbChange>,
    names: Arc<HashMap<u32, String>>,
    began: Instant,
    /// Do not print single changes.
    quiet: bool,
    /// How long an event may take to arrive.
    deadline: Duration,
    watching: AbortHandle,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Polls the watch on the switch's own thread.
async fn follow(
    switch: &Node,
    mut watch: FdbWatch,
    names: Arc<HashMap<u32, String>>,
    deadline: Duration,
) -> Seen {
    let (tell, changes) = unbounded_channel();
    let follow = async move {
        while let Some(Ok(change)) = watch.next().await {
            if tell.send(change).is_err() {
                break;
            }
        }
    };
    let watching = switch.run(move || async move { tokio::spawn(follow).abort_handle() }).await;
    Seen { changes, names, began: Instant::now(), quiet: false, deadline, watching }
}

impl Seen {
    /// Prints what arrives until the change that is waited for, and says whether it came in time.
    async fn wait(&mut self, mut wanted: impl FnMut(&FdbChange) -> bool) -> bool {
        let deadline = self.deadline;
        let arrived = async {
            while let Some(change) = self.changes.recv().await {
                if !self.quiet {
                    self.print(&change);
                }
                if wanted(&change) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(deadline, arrived).await.unwrap_or(false)
    }

    fn print(&self, change: &FdbChange) {
        let at = format!("{:>6.1} ms", self.began.elapsed().as_secs_f64() * 1e3);
        let words = |entry: &FdbEntry| in_words(entry, &self.names);
        match change {
            FdbChange::Added(entry) => println!("   {at}  added    {}", words(entry)),
            FdbChange::Deleted(entry) => println!("   {at}  deleted  {}", words(entry)),
            FdbChange::Moved { from, to } => {
                println!("   {at}  moved    {} (was {})", words(to), place(from, &self.names))
            }
            FdbChange::Updated { after, .. } => println!("   {at}  updated  {}", words(after)),
            FdbChange::Synced => println!("   {at}  synced   the table is the kernel's"),
            other => println!("   {at}  {other:?}"),
        }
    }
}

/// Who, where and what.
fn in_words(entry: &FdbEntry, names: &HashMap<u32, String>) -> String {
    let what = match entry {
        entry if entry.is_tunnel() => "remote",
        entry if entry.is_permanent() => "local",
        entry if entry.is_static() => "static",
        _ => "learned",
    };
    format!("{} {what:<8} {}", entry.mac, place(entry, names))
}

fn place(entry: &FdbEntry, names: &HashMap<u32, String>) -> String {
    let device = names.get(&entry.index).cloned().unwrap_or_else(|| format!("#{}", entry.index));
    match (entry.dst, entry.vlan) {
        (Some(dst), _) => format!("on {device} at {dst}"),
        (None, Some(vlan)) => format!("on {device} in VLAN {vlan}"),
        (None, None) => format!("on {device}"),
    }
}

/// Whether iproute2 lists the address on the port; `None` if iproute2 is missing.
async fn shows(switch: &Node, mac: MacAddr, port: &str) -> Option<bool> {
    let is_it = |entry: &Value| entry["mac"] == mac.to_string() && entry["ifname"] == port;
    Some(by_iproute2(switch).await?.iter().any(is_it))
}

/// Whether iproute2 still lists addresses of the bridge's own; `None` if iproute2 is missing.
async fn shows_local(switch: &Node) -> Option<bool> {
    let is_local = |entry: &Value| entry["master"] == "br0" && entry["state"] == "permanent";
    Some(by_iproute2(switch).await?.iter().any(is_local))
}

async fn by_iproute2(switch: &Node) -> Option<Vec<Value>> {
    if !has("bridge") {
        return None;
    }
    let shown = switch.json("bridge -j fdb show br br0").await;
    Some(shown.as_array().cloned().unwrap_or_default())
}
