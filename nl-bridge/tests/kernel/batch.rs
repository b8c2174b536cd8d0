//! Thousands of changes at once.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use nl_bridge::fdb::{FdbEntry, FdbVerb};
use nl_core::error::Errno;
use nl_testkit::{Lab, Result};
use serde_json::json;

use crate::support::{mac, shown, still_bridge};

const COUNT: u32 = 5_000;

/// What each change must come to.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    Kernel(Errno),
    Usage,
}

#[nl_testkit::test(needs(link = "veth", tool = "bridge"), timeout = 60)]
async fn the_results_of_five_thousand_mixed_changes_come_in_order(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let node = bridge.node();
    let ports = [node.index_of("port1").await?, node.index_of("port2").await?];
    let before = shown(node, "br br0").await;
    let entry = |number: u32, port: usize| FdbEntry::new(mac(number), ports[port]).master();
    let mut changes = Vec::new();
    let mut expected = Vec::new();
    let mut table = BTreeMap::new();
    for number in 1..=COUNT {
        let port = usize::try_from(number % 2)?;
        let last = number.saturating_sub(1);
        let (verb, entry, outcome) = match number % 500 {
            // There already, on the other port.
            0 => (FdbVerb::Add, entry(last, port).static_(), Outcome::Kernel(Errno::EEXIST)),
            1 if number > 1 => (FdbVerb::Delete, entry(number + COUNT, port), Outcome::Kernel(Errno::ENOENT)),
            2 => (FdbVerb::Add, entry(number, port).static_().vlan(4095), Outcome::Usage),
            3 => (FdbVerb::Get, entry(number, port), Outcome::Usage),
            4 => {
                let entry = FdbEntry::new(mac(number), 0x7fff_0000).master().static_();
                (FdbVerb::Add, entry, Outcome::Kernel(Errno::ENODEV))
            }
            // Moves the one before to the other port.
            5 if table.contains_key(&last) => (FdbVerb::Replace, entry(last, port).static_(), Outcome::Done),
            6..=9 if table.contains_key(&last) => (FdbVerb::Delete, entry(last, 1 - port), Outcome::Done),
            kind if kind % 3 == 0 => (FdbVerb::Add, entry(number, port).dynamic(), Outcome::Done),
            kind if kind % 3 == 1 => {
                (FdbVerb::Replace, entry(number, port).static_().sticky(), Outcome::Done)
            }
            _ => (FdbVerb::Add, entry(number, port).static_(), Outcome::Done),
        };
        if outcome == Outcome::Done {
            if verb == FdbVerb::Delete {
                table.remove(&last);
            } else {
                let flags = if entry.to_string().contains("sticky") { json!(["sticky"]) } else { json!([]) };
                let state = if entry.is_static() { "static" } else { "" };
                let ifname = bridge.ports()[port].as_str();
                let shown = json!({
                    "mac": entry.mac.to_string(), "ifname": ifname, "master": "br0", "state": state, "flags": flags,
                });
                let [.., a, b, c] = entry.mac.octets();
                table.insert(u32::from_be_bytes([0, a, b, c]), shown);
            }
        }
        changes.push((verb, entry));
        expected.push(outcome);
    }
    let outcomes: Vec<_> = fdb
        .batch(changes)
        .map(|result| match result {
            Ok(_) => Outcome::Done,
            Err(error) if error.is_usage() => Outcome::Usage,
            Err(error) => Outcome::Kernel(error.errno().unwrap_or_else(|| panic!("{error}"))),
        })
        .collect()
        .await;
    for (position, (outcome, expected)) in outcomes.iter().zip(&expected).enumerate() {
        assert_eq!(outcome, expected, "change {position}");
    }
    assert_eq!(outcomes.len(), expected.len());
    let mut after = shown(node, "br br0").await;
    after.retain(|entry| !before.contains(entry));
    assert_eq!(after, crate::support::sorted(table.into_values().collect()));
    Ok(())
}

#[nl_testkit::test(needs(link = "veth"))]
async fn a_failure_in_a_batch_says_which_entry(lab: Lab) -> Result {
    let (bridge, fdb) = still_bridge(&lab).await?;
    let port = bridge.node().index_of("port1").await?;
    let entry = FdbEntry::new(mac(1), port).master().static_();
    let changes = [FdbVerb::Add, FdbVerb::Add, FdbVerb::Get].map(|verb| (verb, entry.clone()));
    let summary = fdb.batch(changes).summarize(10).await?;
    assert_eq!((summary.succeeded, summary.failed), (1, 2));
    let texts: Vec<_> = summary.failures.iter().map(|(at, error)| format!("{at} {error}")).collect();
    let about = "fdb 02:00:00:00:00:01 dev port1 master";
    assert_eq!(texts[0], format!("1 add {about} static: File exists (EEXIST)"));
    let get = format!("2 get {about}: a batch cannot read entries: use Fdb::entry().get()");
    assert_eq!(texts[1], get);
    Ok(())
}
