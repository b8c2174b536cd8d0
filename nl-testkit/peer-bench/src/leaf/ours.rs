//! This project's `nl-bridge`.

use nl_bridge::leaf::{BridgeConfig, Leaf, LeafMac, MacChange, MacSummary, Macs, VniDevice, VxlanConfig};
use nl_core::{Connection, MacAddr, Protocol};

use super::{Address, BRIDGE, FIRST_VNI, Layout, VLANS, VXLAN};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, runtime};

pub(super) fn start(layout: Layout, addresses: &[Address]) -> Result<Cost> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let macs = open(layout)?;
        let watch = Stopwatch::start()?;
        let summary = macs.sync(wanted).await?;
        let cost = watch.stop()?;
        expect(summary, addresses.len())?;
        Ok(cost)
    })
}

pub(super) fn change(layout: Layout, addresses: &[Address]) -> Result<Cost> {
    let changes: Vec<MacChange> = macs(addresses).into_iter().map(MacChange::Replace).collect();
    runtime()?.block_on(async {
        let macs = open(layout)?;
        // That of an agent at work, which has looked its devices up and changed an address before.
        macs.list().await?;
        macs.change(changes.first().copied()).await?;
        let watch = Stopwatch::start()?;
        let summary = macs.change(changes).await?;
        let cost = watch.stop()?;
        expect(summary, addresses.len())?;
        Ok(cost)
    })
}

pub(super) fn restart(layout: Layout, addresses: &[Address]) -> Result<Cost> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let macs = open(layout)?;
        let watch = Stopwatch::start()?;
        let summary = macs.sync(wanted).await?;
        let cost = watch.stop()?;
        expect(summary, 0)?;
        Ok(cost)
    })
}

pub(super) fn restart_peak(layout: Layout, addresses: &[Address]) -> Result<Kib> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let peak = PeakMemory::start()?;
        let summary = open(layout)?.sync(wanted).await?;
        expect(summary, 0)?;
        peak.stop()
    })
}

fn macs(addresses: &[Address]) -> Vec<LeafMac> {
    let each = addresses.iter();
    each.map(|address| LeafMac::new(MacAddr::new(address.mac), address.vni(), address.leaf.into())).collect()
}

fn open(layout: Layout) -> Result<Macs> {
    let leaf = Leaf::new(Connection::open(Protocol::Route)?);
    match layout {
        Layout::Shared => {
            let last = FIRST_VNI - 1 + u32::from(VLANS);
            let vxlan = VxlanConfig::new(VXLAN).map(1..=VLANS, FIRST_VNI..=last);
            Ok(leaf.macs(&BridgeConfig::new(BRIDGE).vxlan(vxlan))?)
        }
        Layout::Separate => {
            let devices =
                (1..=VLANS).zip(FIRST_VNI..).map(|(number, vni)| VniDevice::new(format!("vx{number}"), vni));
            Ok(leaf.macs_on(devices)?)
        }
    }
}

fn expect(summary: MacSummary, written: usize) -> Result<()> {
    if (summary.written, summary.deleted) == (written, 0) {
        return Ok(());
    }
    Err(format!("{summary:?} where {written} were to be written").into())
}
