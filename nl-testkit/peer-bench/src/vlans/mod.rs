//! Row 26: the VLANs of a switch. Ports in every VLAN, listed with counters, and VLANs mapped to VNIs.

mod floor;
mod iproute2;
#[cfg(feature = "ours")]
mod ours;

use std::fs;
use std::process::{Command, Stdio};

use crate::Result;
use crate::iproute2::Scratch;
use crate::measure::Cost;
use crate::rows::{Contestant, Plan, cost_table, interleave};
use crate::table::Table;

const BRIDGE: &str = "br0";
/// The ports are `v0`, `v1`, …, with the indexes from this on.
const FIRST_PORT: u32 = 2000;
const VXLAN: &str = "vx0";
const IFINDEX_VXLAN: u32 = 1900;
/// All that there are.
const VLANS: u16 = 4094;
/// The number of VLANs that are mapped.
const MAPPED: u16 = 4000;

/// How many VLANs were seen, and the sums of their numbers and VNIs: equal tallies are equal tables.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    vlans: u64,
    numbers: u64,
    vnis: u64,
}

impl Tally {
    fn add(&mut self, vlan: u16, vni: Option<u32>) {
        self.vlans += 1;
        self.numbers += u64::from(vlan);
        self.vnis += u64::from(vni.unwrap_or(0));
    }

    /// Of that many ports in all VLANs.
    fn of_ports(ports: u32) -> Self {
        let vlans = u64::from(VLANS);
        Self { vlans: vlans * u64::from(ports), numbers: vlans * (vlans + 1) / 2 * u64::from(ports), vnis: 0 }
    }

    fn of(mappings: &[(u16, u32)]) -> Self {
        let mut tally = Self::default();
        for (vlan, vni) in mappings {
            tally.add(*vlan, Some(*vni));
        }
        tally
    }
}

/// The contestants get the indexes of the ports.
type Set = fn(&[u32]) -> Result<Cost>;
/// `None` of what was seen where nothing is decoded.
type List = fn() -> Result<(Cost, Option<Tally>)>;
type Map = fn(&[(u16, u32)]) -> Result<Cost>;

const SET: &[Contestant<Set>] = &[
    ("raw socket (floor)", floor::set),
    #[cfg(feature = "ours")]
    ("ours", ours::set),
    ("bridge -batch", iproute2::set),
];

const LIST: &[Contestant<List>] = &[
    ("raw socket, nothing decoded (floor)", floor::list),
    ("raw socket, decoded by hand", floor::list_decoded),
    #[cfg(feature = "ours")]
    ("ours, VlanDb", ours::list),
    #[cfg(feature = "ours")]
    ("ours, counters of Vlans", ours::list_counters),
    ("bridge -s vlan show", iproute2::list),
];

const MAP: &[Contestant<Map>] = &[
    ("raw socket, 64 per send, one ACK (floor)", floor::map),
    #[cfg(feature = "ours")]
    ("ours", ours::map),
    ("bridge -batch", iproute2::map),
];

/// Nothing where the kernel does not filter VLANs.
pub(crate) fn row(plan: Plan) -> Result<Vec<Table>> {
    if let Err(error) = Switch::filtering("") {
        eprintln!("row 26: not measured, {error}");
        return Ok(Vec::new());
    }
    let runs = plan.runs.min(3);
    let ports: Vec<u32> = (FIRST_PORT..).take(plan.ports as usize).collect();
    let whole = Tally::of_ports(plan.ports);
    let machine = machine()?;

    let costs = interleave(runs, SET, |name, set| {
        let _switch = Switch::with_ports(plan.ports)?;
        let cost = set(&ports)?;
        expect(name, floor::tally()?, whole)?;
        Ok(cost)
    })?;
    let set = cost_table(&format!("26. Put {} ports into {VLANS} VLANs{machine}", plan.ports), SET, &costs);

    let switch = Switch::with_ports(plan.ports)?;
    floor::set(&ports)?;
    let costs = interleave(runs, LIST, |name, list| {
        let (cost, seen) = list()?;
        if let Some(seen) = seen {
            expect(name, seen, whole)?;
        }
        Ok(cost)
    })?;
    drop(switch);
    let list =
        cost_table(&format!("26. List them with counters, {} in all{machine}", whole.vlans), LIST, &costs);

    // No two VNIs are in a row, so that each mapping is one of its own.
    let mappings: Vec<(u16, u32)> = (1..=MAPPED).map(|vlan| (vlan, 10_000 + 2 * u32::from(vlan))).collect();
    let costs = interleave(runs, MAP, |name, map| {
        let _switch = Switch::with_vxlan()?;
        let cost = map(&mappings)?;
        expect(name, floor::tally()?, Tally::of(&mappings))?;
        Ok(cost)
    })?;
    let map = cost_table(&format!("26. Map {MAPPED} VLANs to VNIs{machine}"), MAP, &costs);
    Ok(vec![set, list, map])
}

fn expect(who: &str, seen: Tally, wanted: Tally) -> Result<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{who}: {seen:?} where {wanted:?} should be").into())
}

/// Says so where the processor is emulated: the kernel is then much slower, and not everything by the same factor.
fn machine() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(match model {
        Some((_, model)) if model.contains("QEMU") => format!(", emulated by {model}"),
        _ => String::new(),
    })
}

/// A bridge that filters VLANs; it and its ports are removed on drop.
#[derive(Debug)]
struct Switch {
    /// What is to be deleted.
    devices: Vec<String>,
}

impl Switch {
    /// With what else is to be made, in the words of `ip -batch`.
    fn filtering(more: &str) -> Result<Self> {
        let bridge = "type bridge vlan_filtering 1 vlan_default_pvid 0 vlan_stats_enabled 1 mcast_snooping 0";
        ip(&format!("link add {BRIDGE} index 1001 {bridge}\n{more}"))?;
        let switch = Self { devices: vec![BRIDGE.to_owned()] };
        // A kernel that cannot filter ignores the options.
        bridge_command(&format!("vlan add dev {BRIDGE} vid 1 self"))?;
        bridge_command(&format!("vlan del dev {BRIDGE} vid 1 self"))?;
        Ok(switch)
    }

    /// With so many ports, which are each other's peers and stay down.
    fn with_ports(ports: u32) -> Result<Self> {
        let mut lines = String::new();
        let mut devices = Vec::new();
        for number in (0..ports).step_by(2) {
            let (one, other) = (number, number + 1);
            let (first, second) = (FIRST_PORT + one, FIRST_PORT + other);
            lines += &format!("link add v{one} index {first} type veth peer name v{other} index {second}\n");
            lines += &format!("link set v{one} master {BRIDGE}\n");
            if other < ports {
                lines += &format!("link set v{other} master {BRIDGE}\n");
            }
            devices.push(format!("v{one}"));
        }
        let mut switch = Self::filtering(&lines)?;
        switch.devices.append(&mut devices);
        Ok(switch)
    }

    /// With a VXLAN device as a port in the VLANs that are mapped.
    fn with_vxlan() -> Result<Self> {
        let mut switch = Self::filtering(&format!(
            "link add {VXLAN} index {IFINDEX_VXLAN} type vxlan external dstport 4789\n\
             link set {VXLAN} master {BRIDGE}\n\
             link set {VXLAN} type bridge_slave vlan_tunnel on\n"
        ))?;
        switch.devices.push(VXLAN.to_owned());
        bridge_command(&format!("vlan add dev {VXLAN} vid 1-{MAPPED}"))?;
        Ok(switch)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let lines: String = self.devices.iter().map(|device| format!("link del {device}\n")).collect();
        // Whatever stays is gone with the namespace, and the next switch reports it.
        let _ = ip(&lines);
    }
}

/// Several commands in one process.
fn ip(lines: &str) -> Result<()> {
    let file = Scratch::new("ip", lines)?;
    done(Command::new("ip").arg("-batch").arg(file.path()))
}

fn bridge_command(line: &str) -> Result<()> {
    done(Command::new("bridge").args(line.split(' ')))
}

fn done(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
