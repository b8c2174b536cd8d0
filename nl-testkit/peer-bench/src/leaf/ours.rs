//! This project's `nl-bridge`.

use nl_bridge::leaf::{BridgeConfig, Leaf, LeafMac, MacChange, MacSummary, Macs, VxlanConfig};
use nl_core::{Connection, MacAddr, Protocol};

use super::{Address, BRIDGE, FIRST_VNI, VLANS, VXLAN};
use crate::measure::{Cost, Kib, PeakMemory, Stopwatch};
use crate::{Result, runtime};

pub(super) fn start(addresses: &[Address]) -> Result<Cost> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let macs = open()?;
        let watch = Stopwatch::start()?;
        let summary = macs.sync(wanted).await?;
        let cost = watch.stop()?;
        expect(summary, addresses.len())?;
        Ok(cost)
    })
}

pub(super) fn change(addresses: &[Address]) -> Result<Cost> {
    let changes: Vec<MacChange> = macs(addresses).into_iter().map(MacChange::Replace).collect();
    runtime()?.block_on(async {
        let macs = open()?;
        let watch = Stopwatch::start()?;
        let summary = macs.change(changes).await?;
        let cost = watch.stop()?;
        expect(summary, addresses.len())?;
        Ok(cost)
    })
}

pub(super) fn restart(addresses: &[Address]) -> Result<Cost> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let macs = open()?;
        let watch = Stopwatch::start()?;
        let summary = macs.sync(wanted).await?;
        let cost = watch.stop()?;
        expect(summary, 0)?;
        Ok(cost)
    })
}

pub(super) fn restart_peak(addresses: &[Address]) -> Result<Kib> {
    let wanted = macs(addresses);
    runtime()?.block_on(async {
        let peak = PeakMemory::start()?;
        let summary = open()?.sync(wanted).await?;
        expect(summary, 0)?;
        peak.stop()
    })
}

fn macs(addresses: &[Address]) -> Vec<LeafMac> {
    let each = addresses.iter();
    each.map(|address| LeafMac::new(MacAddr::new(address.mac), address.vni(), address.leaf.into())).collect()
}

fn open() -> Result<Macs> {
    let last = FIRST_VNI - 1 + u32::from(VLANS);
    let vxlan = VxlanConfig::new(VXLAN).map(1..=VLANS, FIRST_VNI..=last);
    let config = BridgeConfig::new(BRIDGE).vxlan(vxlan);
    Ok(Leaf::new(Connection::open(Protocol::Route)?).macs(&config)?)
}

fn expect(summary: MacSummary, written: usize) -> Result<()> {
    if (summary.written, summary.deleted) == (written, 0) {
        return Ok(());
    }
    Err(format!("{summary:?} where {written} were to be written").into())
}
