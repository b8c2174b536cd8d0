//! Row 29: MAC addresses behind other leaves of an EVPN. Each has an entry in the VXLAN device and one in the bridge.

mod floor;
#[cfg(feature = "ours")]
mod ours;

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::Result;
use crate::entry::Mac;
use crate::iproute2::Scratch;
use crate::measure::{Cost, Kib, median};
use crate::netlink::Socket;
use crate::rows::{Contestant, Plan, cost_table, find, in_own_process, interleave, per_call_table};
use crate::table::Table;

const BRIDGE: &str = "br0";
const VXLAN: &str = "vx0";
const IFINDEX_VXLAN: u32 = 1900;
/// VLAN 1 has the first VNI.
const VLANS: u16 = 64;
const FIRST_VNI: u32 = 10_001;
/// How many addresses move at a time.
const CHANGES: u32 = 1_000;

/// One address, and the leaf that it is behind.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Address {
    mac: Mac,
    vlan: u16,
    leaf: Ipv4Addr,
}

impl Address {
    fn vni(self) -> u32 {
        FIRST_VNI - 1 + u32::from(self.vlan)
    }
}

/// How VNIs are spread over devices.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// One bridge that filters VLANs, with one VXLAN device for all of them.
    Shared,
    /// For each VNI a bridge that does not filter VLANs, and a VXLAN device.
    Separate,
}

impl Layout {
    /// The VXLAN device that has the entries of an address.
    fn device_of(self, address: Address) -> u32 {
        match self {
            Self::Shared => IFINDEX_VXLAN,
            Self::Separate => IFINDEX_VXLAN - 1 + u32::from(address.vlan),
        }
    }

    /// The device of which a list is, 0 for all.
    fn listed(self) -> u32 {
        match self {
            Self::Shared => IFINDEX_VXLAN,
            Self::Separate => 0,
        }
    }

    /// How the titles end.
    fn words(self) -> &'static str {
        match self {
            Self::Shared => "",
            Self::Separate => ", a VXLAN device for each VNI",
        }
    }

    /// Where the list of one bridge is slow, few.
    fn most_runs(self) -> usize {
        match self {
            Self::Shared => 3,
            Self::Separate => usize::MAX,
        }
    }

    /// That of the leaf that is there.
    fn of_leaf() -> Result<Self> {
        let has_shared = Socket::open()?.index_of(VXLAN).is_ok();
        Ok(if has_shared { Self::Shared } else { Self::Separate })
    }
}

/// Spread over all VNIs, behind three leaves.
fn addresses(count: u32) -> Vec<Address> {
    let each = (0..count).zip((1..=VLANS).cycle()).zip([2, 3, 4].into_iter().cycle());
    each.map(|((number, vlan), leaf)| {
        let [a, b, c, d] = number.to_be_bytes();
        Address { mac: [2, 1, a, b, c, d], vlan, leaf: Ipv4Addr::new(192, 0, 2, leaf) }
    })
    .collect()
}

/// How many entries both tables have, and sums of what is in them: equal tallies are equal tables.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    on_device: u64,
    in_bridge: u64,
    leaves: u64,
    vlans: u64,
}

impl Tally {
    fn of(addresses: &[Address]) -> Self {
        let mut tally = Self::default();
        for address in addresses {
            tally.on_device += 1;
            tally.in_bridge += 1;
            tally.leaves += u64::from(u32::from(address.leaf));
            tally.vlans += u64::from(address.vlan);
        }
        tally
    }
}

/// Writes all of these.
type Write = fn(Layout, &[Address]) -> Result<Cost>;
/// Reads what is there, where these are wanted and nothing differs.
type Restart = fn(Layout, &[Address]) -> Result<Cost>;
/// The peak of memory of that.
type Peak = fn(Layout, &[Address]) -> Result<Kib>;

const START: &[Contestant<Write>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::write),
    #[cfg(feature = "ours")]
    ("ours, Macs::sync", ours::start),
];

const CHANGE: &[Contestant<Write>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::write),
    #[cfg(feature = "ours")]
    ("ours, Macs::change", ours::change),
];

const RESTART: &[Contestant<Restart>] = &[
    ("raw socket, list compared with a hash table (floor)", floor::compare),
    ("raw socket, list thrown away", floor::list),
    #[cfg(feature = "ours")]
    ("ours, Macs::sync", ours::restart),
];

const PEAK: &[Contestant<Peak>] = &[
    ("raw socket, list compared with a hash table", floor::compare_peak),
    #[cfg(feature = "ours")]
    ("ours, Macs::sync", ours::restart_peak),
];

/// Both layouts; where the kernel does not filter VLANs the one that needs it is left out.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    match Leaf::fresh(Layout::Shared) {
        Ok(_) => tables.extend(tables_of(Layout::Shared, plan)?),
        Err(error) => eprintln!("row 29 on one VXLAN device: not measured, {error}"),
    }
    tables.extend(tables_of(Layout::Separate, plan)?);
    Ok(tables)
}

fn tables_of(layout: Layout, plan: Plan) -> Result<Vec<Table>> {
    let (runs, words) = (plan.runs.min(layout.most_runs()), layout.words());
    let all = addresses(plan.macs);

    let costs = interleave(runs, START, |name, start| {
        let _leaf = Leaf::fresh(layout)?;
        let cost = start(layout, &all)?;
        expect(name, floor::tally(layout)?, Tally::of(&all))?;
        Ok(cost)
    })?;
    let title = format!("29. Write {} MAC addresses on {VLANS} VNIs into an empty leaf{words}", plan.macs);
    let start = cost_table(&title, START, &costs);

    let _leaf = Leaf::fresh(layout)?;
    floor::write(layout, &all)?;
    let mut moved = all.clone();
    let mut leaf = 10;
    let costs = interleave(runs, CHANGE, |name, change| {
        // Elsewhere than before, each time.
        leaf = if leaf == 10 { 11 } else { 10 };
        let changed = moved.iter_mut().take(CHANGES as usize);
        let changed: Vec<Address> = changed
            .map(|address| {
                address.leaf = Ipv4Addr::new(192, 0, 2, leaf);
                *address
            })
            .collect();
        let cost = change(layout, &changed)?;
        expect(name, floor::tally(layout)?, Tally::of(&moved))?;
        Ok(cost)
    })?;
    let title = format!("29. Move {CHANGES} of {} MAC addresses to another leaf{words}", plan.macs);
    let change = per_call_table(&title, CHANGE, &costs, CHANGES.min(plan.macs));

    let costs = interleave(runs, RESTART, |name, restart| {
        let cost = restart(layout, &moved)?;
        expect(name, floor::tally(layout)?, Tally::of(&moved))?;
        Ok(cost)
    })?;
    let title = format!("29. Take over {} MAC addresses that are there{words}", plan.macs);
    let restart = cost_table(&title, RESTART, &costs);

    // The processes know all as they are made.
    floor::write(layout, &all)?;
    let peaks = interleave(runs, PEAK, |name, _| {
        let [peak] = in_own_process(29, name, plan.macs)?;
        Ok(peak)
    })?;
    let title = format!(
        "29. Memory while {} MAC addresses are taken over{words}, above the list of the caller",
        plan.macs
    );
    let mut memory = Table::new(title, &["contestant", "bytes a MAC address"]);
    for ((name, _), peaks) in PEAK.iter().zip(peaks) {
        let bytes = median(peaks) * 1024.0 / f64::from(plan.macs);
        memory.row([(*name).to_owned(), format!("{bytes:.0}")]);
    }
    Ok(vec![start, change, restart, memory])
}

/// What a fresh process of the row does: its peak in KiB.
pub(crate) fn once(name: &str, macs: u32) -> Result<[f64; 1]> {
    let peak = find(PEAK, name)?(Layout::of_leaf()?, &addresses(macs))?;
    Ok([f64::from(u32::try_from(peak)?)])
}

fn expect(who: &str, seen: Tally, wanted: Tally) -> Result<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{who}: {seen:?} where {wanted:?} should be").into())
}

/// Bridges with their VXLAN devices; removed on drop.
#[derive(Debug)]
struct Leaf(Layout);

impl Leaf {
    fn fresh(layout: Layout) -> Result<Self> {
        let lines = match layout {
            Layout::Shared => format!(
                "link add {BRIDGE} index 1001 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0\n\
                 link add {VXLAN} index {IFINDEX_VXLAN} type vxlan external nolearning dstport 4789\n\
                 link set {VXLAN} master {BRIDGE}\n\
                 link set {VXLAN} type bridge_slave vlan_tunnel on learning off\n\
                 link set {BRIDGE} up\n\
                 link set {VXLAN} up\n"
            ),
            Layout::Separate => (1..=VLANS).zip(FIRST_VNI..).zip(IFINDEX_VXLAN..).map(Self::of_one).collect(),
        };
        let file = Scratch::new("ip", &lines)?;
        let leaf = Self(layout);
        done(Command::new("ip").arg("-batch").arg(file.path()))?;
        if layout == Layout::Shared {
            // A kernel that cannot filter refuses.
            bridge(&format!("vlan add dev {VXLAN} vid 1-{VLANS}"))?;
            let last = FIRST_VNI - 1 + u32::from(VLANS);
            bridge(&format!("vlan add dev {VXLAN} vid 1-{VLANS} tunnel_info id {FIRST_VNI}-{last}"))?;
        }
        Ok(leaf)
    }

    /// The lines for one VNI. With a default VLAN an entry added without one would be written twice.
    fn of_one(((number, vni), index): ((u16, u32), u32)) -> String {
        format!(
            "link add br{number} type bridge vlan_default_pvid 0 mcast_snooping 0\n\
             link add vx{number} index {index} type vxlan id {vni} nolearning dstport 4789\n\
             link set vx{number} master br{number}\n\
             link set vx{number} type bridge_slave learning off\n\
             link set br{number} up\n\
             link set vx{number} up\n"
        )
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        let devices: Vec<String> = match self.0 {
            Layout::Shared => [VXLAN, BRIDGE].map(str::to_owned).into(),
            Layout::Separate => {
                (1..=VLANS).flat_map(|number| [format!("vx{number}"), format!("br{number}")]).collect()
            }
        };
        let lines: String = devices.iter().map(|device| format!("link del {device}\n")).collect();
        // Whatever stays is gone with the namespace, and the next leaf reports it.
        let _ = Scratch::new("ip", &lines)
            .and_then(|file| done(Command::new("ip").args(["-force", "-batch"]).arg(file.path())));
    }
}

fn bridge(line: &str) -> Result<()> {
    done(Command::new("bridge").args(line.split(' ')))
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
