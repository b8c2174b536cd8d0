//! Whether the kernel knows what an older one accepts and ignores, found out before anything is changed.

use std::fmt;

use nl_core::attr::{AttrWriter, Attrs, DecodeError};
use nl_core::error::{AttrName, Errno, Since};
use nl_core::link::{Link, LinkConfig, LinkKind, LinkVerb};
use nl_core::{Connection, Dev, Error, Result};

use super::config::BridgeConfig;
use super::plan::Plan;
use super::snapshot::Snapshot;
use super::step::Step;
use super::view::port_of;
use crate::settings::Bridge;
use crate::vxlan::Vxlan;

/// `include/uapi/linux/if_link.h`
const IFLA_BRPORT_BACKUP_NHID: u16 = 44;
/// Where no device of a host is.
const INDEXES: (u32, u32) = (0x7ffe_fff0, 0x7ffe_fff1);
const NAMES: (&str, &str) = ("nlprobe0", "nlprobe1");
/// The largest VNI, and a UDP port that no other device has with it.
const VNI: u32 = 16_777_215;
const UDP_PORT: u16 = 65_535;

/// A [`backup_nhid`](crate::settings::BridgePort) without a value: a kernel that knows it refuses the request, an older one ignores it.
#[derive(Clone, Debug)]
struct Probe;

impl LinkKind for Probe {
    const KIND: &'static str = Bridge::KIND;
    const NAMES: &'static [AttrName] = &[];

    fn encode(&self, w: &mut AttrWriter<'_>, _: LinkVerb) {
        w.bytes(IFLA_BRPORT_BACKUP_NHID, &[]);
    }

    fn decode(_: Attrs<'_>) -> std::result::Result<Self, DecodeError> {
        Ok(Self)
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bridge_slave backup_nhid")
    }
}

/// Fails, with the place in the description, if a plan has a step that this kernel would accept and ignore.
///
/// Where that cannot be found out, because the privilege is missing or a probe's device cannot be made, it does not fail: the step is
/// looked at again once it is done.
pub(super) async fn refuse_ignored(
    conn: &Connection,
    config: &BridgeConfig,
    plan: &Plan,
    current: &Snapshot,
) -> Result<()> {
    let backed_up = plan.steps().iter().find_map(|step| match step {
        Step::Backup { dev, backup: Some(_) } => Some(dev),
        _ => None,
    });
    let Some(dev) = backed_up else { return Ok(()) };
    let is_bridge =
        |index: u32| current.links.iter().any(|link| link.index == index && link.is_kind(Bridge::KIND));
    let ports = || current.links.iter().filter(|link| link.master.is_some_and(is_bridge));
    let has_one = |port: &Link| port_of(port).is_some_and(|options| options.backup_nhid.is_some());
    let is_known = match ports().next() {
        _ if ports().any(has_one) => Some(true),
        Some(port) => verdict(conn.acknowledged(request(port.index)).await.err()),
        None => on_a_port_of_its_own(conn).await?,
    };
    if is_known != Some(false) {
        return Ok(());
    }
    let number = config.ports.iter().position(|port| port.name == *dev).unwrap_or_default();
    let error = Error::unsupported("backup_nhid", Since::linux(6, 6));
    Err(error.during(|| format!("leaf {}: ports[{number}].peers", config.name)))
}

fn request(port: u32) -> nl_core::Request {
    LinkConfig::new(port).port(Probe).request(LinkVerb::Change)
}

/// What the answer to the probe says.
fn verdict(error: Option<Error>) -> Option<bool> {
    match error.map(|error| error.errno()) {
        None => Some(false),
        Some(Some(Errno::ERANGE | Errno::EINVAL)) => Some(true),
        Some(_) => None,
    }
}

/// Where there is no port yet: makes a bridge and a port that are down, asks, and deletes both, in one datagram, so that no process that
/// dies leaves them behind.
async fn on_a_port_of_its_own(conn: &Connection) -> Result<Option<bool>> {
    let mut bridge = LinkConfig::new(NAMES.0).kind(Bridge::new());
    bridge.index = Some(INDEXES.0);
    let Ok(vni) = crate::Vni::new(VNI) else { return Ok(None) };
    let mut port = LinkConfig::new(NAMES.1).kind(Vxlan::new(vni).port(UDP_PORT));
    (port.index, port.master) = (Some(INDEXES.1), Some(Dev::Index(INDEXES.0)));
    let requests = [
        bridge.request(LinkVerb::Add),
        port.request(LinkVerb::Add),
        request(INDEXES.1),
        LinkConfig::new(INDEXES.1).request(LinkVerb::Delete),
        LinkConfig::new(INDEXES.0).request(LinkVerb::Delete),
    ];
    let summary = conn.batch(requests).summarize(usize::MAX).await?;
    let (mut made, mut answer) = (true, None);
    for (position, error) in summary.failures {
        match position {
            0 | 1 => made = false,
            2 => answer = Some(error),
            _ => {}
        }
    }
    Ok(if made { verdict(answer) } else { None })
}
