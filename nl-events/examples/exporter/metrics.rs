//! What is counted, read anew for each scrape.

use std::collections::{BTreeMap, HashMap};

use nl_bridge::fdb::Fdb;
use nl_bridge::vlan::Vlans;
use nl_bridge::vni::Vnis;
use nl_core::error::Errno;
use nl_core::link::Links;
use nl_core::{Connection, Protocol, Result};
use nl_macsec::Macsec;
use nl_mptcp::mib::Mib;
use nl_srv6::sid::Sids;
use nl_tc::Tc;
use nl_tc::stats::Stats;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// All metrics of the connection's namespace as OpenMetrics text.
pub(crate) async fn scrape(conn: &Connection) -> Result<String> {
    let mut metrics = Metrics::default();
    let names = devices(conn, &mut metrics).await?;
    traffic_control(conn, &names, &mut metrics).await?;
    bridges(conn, &names, &mut metrics).await?;
    macsec(conn, &names, &mut metrics).await?;
    segments(conn, &mut metrics).await?;
    multipath_tcp(&mut metrics);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &metrics.registry);
    Ok(text)
}

type Labels = Vec<(&'static str, String)>;
type Names = HashMap<u32, String>;

/// The metrics so far, each with its values by label.
#[derive(Default)]
struct Metrics {
    registry: Registry,
    counters: BTreeMap<&'static str, Family<Labels, Counter>>,
    gauges: BTreeMap<&'static str, Family<Labels, Gauge>>,
}

impl Metrics {
    fn count(&mut self, name: &'static str, help: &'static str, labels: &Labels, value: u64) {
        let registry = &mut self.registry;
        let family = self.counters.entry(name).or_insert_with(|| {
            let family = Family::<Labels, Counter>::default();
            registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).inc_by(value);
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, labels: &Labels, value: u64) {
        let registry = &mut self.registry;
        let family = self.gauges.entry(name).or_insert_with(|| {
            let family = Family::<Labels, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// `dev="swp1"`, or the number of a device that is new since the list.
fn dev(names: &Names, index: u32) -> Labels {
    vec![("dev", names.get(&index).cloned().unwrap_or_else(|| format!("#{index}")))]
}

fn with(mut labels: Labels, label: &'static str, value: impl ToString) -> Labels {
    labels.push((label, value.to_string()));
    labels
}

/// A kernel without the feature, or without its module, counts nothing.
fn supported<T>(listed: Result<Vec<T>>) -> Result<Vec<T>> {
    match listed {
        Err(error) if error.is_unsupported() || error.errno() == Some(Errno::EOPNOTSUPP) => Ok(Vec::new()),
        listed => listed,
    }
}

async fn devices(conn: &Connection, metrics: &mut Metrics) -> Result<Names> {
    let links = Links::new(conn.clone()).devices().with_stats().list().await?.collect_all().await?;
    let names = links.iter().map(|link| (link.index, link.name.to_string())).collect::<Names>();
    for link in &links {
        let labels = dev(&names, link.index);
        metrics.gauge(
            "nl_link_up",
            "Whether the device is administratively up",
            &labels,
            link.is_up().into(),
        );
        let Some(stats) = &link.stats else { continue };
        for (name, help, value) in [
            ("nl_link_rx_bytes", "Bytes received", stats.rx_bytes),
            ("nl_link_rx_packets", "Packets received", stats.rx_packets),
            ("nl_link_rx_errors", "Packets with errors when received", stats.rx_errors),
            ("nl_link_rx_dropped", "Packets dropped when received", stats.rx_dropped),
            ("nl_link_tx_bytes", "Bytes sent", stats.tx_bytes),
            ("nl_link_tx_packets", "Packets sent", stats.tx_packets),
            ("nl_link_tx_errors", "Packets with errors when sent", stats.tx_errors),
            ("nl_link_tx_dropped", "Packets dropped when sent", stats.tx_dropped),
        ] {
            metrics.count(name, help, &labels, value);
        }
    }
    Ok(names)
}

async fn traffic_control(conn: &Connection, names: &Names, metrics: &mut Metrics) -> Result<()> {
    let tc = Tc::new(conn.clone());
    for qdisc in tc.qdiscs().list().await?.collect_all().await? {
        let labels = with(dev(names, qdisc.index), "parent", qdisc.parent);
        let labels = with(with(labels, "handle", qdisc.handle), "kind", qdisc.config.kind());
        queue(metrics, &QDISC, &labels, &qdisc.stats);
    }
    for index in names.keys() {
        let classes = match tc.classes(*index).list().await {
            Ok(classes) => classes.collect_all().await?,
            // It is gone since the list.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        for class in classes {
            let labels = with(dev(names, class.index), "class", class.handle);
            queue(metrics, &CLASS, &with(labels, "kind", class.config.kind()), &class.stats);
        }
    }
    Ok(())
}

/// The names of the metrics of a queue.
struct Queue {
    bytes: &'static str,
    packets: &'static str,
    drops: &'static str,
    overlimits: &'static str,
    backlog: &'static str,
    length: &'static str,
}

const QDISC: Queue = Queue {
    bytes: "nl_qdisc_bytes",
    packets: "nl_qdisc_packets",
    drops: "nl_qdisc_drops",
    overlimits: "nl_qdisc_overlimits",
    backlog: "nl_qdisc_backlog_bytes",
    length: "nl_qdisc_queue_packets",
};
const CLASS: Queue = Queue {
    bytes: "nl_class_bytes",
    packets: "nl_class_packets",
    drops: "nl_class_drops",
    overlimits: "nl_class_overlimits",
    backlog: "nl_class_backlog_bytes",
    length: "nl_class_queue_packets",
};

fn queue(metrics: &mut Metrics, names: &Queue, labels: &Labels, stats: &Stats) {
    metrics.count(names.bytes, "Bytes sent", labels, stats.bytes);
    metrics.count(names.packets, "Packets sent", labels, stats.packets);
    metrics.count(names.drops, "Packets dropped", labels, stats.drops.into());
    metrics.count(names.overlimits, "How often a limit was exceeded", labels, stats.overlimits.into());
    metrics.gauge(names.backlog, "Bytes in the queue", labels, stats.backlog.into());
    metrics.gauge(names.length, "Packets in the queue", labels, stats.queue_len.into());
}

async fn bridges(conn: &Connection, names: &Names, metrics: &mut Metrics) -> Result<()> {
    let mut sizes = BTreeMap::new();
    for entry in Fdb::new(conn.clone()).entries().list().await?.collect_all().await? {
        let table = entry.master.unwrap_or(entry.index);
        *sizes.entry((table, entry.index, entry.is_static())).or_insert(0_u64) += 1;
    }
    for ((table, index, is_static), size) in sizes {
        let labels = with(dev(names, table), "port", dev(names, index).swap_remove(0).1);
        let labels = with(labels, "static", is_static);
        metrics.gauge("nl_fdb_entries", "Entries of a forwarding database by port", &labels, size);
    }
    let vlans = async { Vlans::new(conn.clone()).devices().stats().await?.collect_all().await };
    for device in supported(vlans.await)? {
        for vlan in device.vlans {
            let labels = with(dev(names, device.index), "vlan", vlan.vlan);
            metrics.count("nl_vlan_rx_bytes", "Bytes received in the VLAN", &labels, vlan.rx_bytes);
            metrics.count("nl_vlan_rx_packets", "Packets received in the VLAN", &labels, vlan.rx_packets);
            metrics.count("nl_vlan_tx_bytes", "Bytes sent in the VLAN", &labels, vlan.tx_bytes);
            metrics.count("nl_vlan_tx_packets", "Packets sent in the VLAN", &labels, vlan.tx_packets);
        }
    }
    let vnis = async { Vnis::new(conn.clone()).entries().stats().list().await?.collect_all().await };
    for entry in supported(vnis.await)? {
        let Some(stats) = entry.stats else { continue };
        let labels = with(dev(names, entry.index), "vni", entry.vnis);
        metrics.count("nl_vni_rx_bytes", "Bytes received in the VNI", &labels, stats.rx_bytes);
        metrics.count("nl_vni_rx_packets", "Packets received in the VNI", &labels, stats.rx_packets);
        metrics.count("nl_vni_tx_bytes", "Bytes sent in the VNI", &labels, stats.tx_bytes);
        metrics.count("nl_vni_tx_packets", "Packets sent in the VNI", &labels, stats.tx_packets);
    }
    Ok(())
}

async fn macsec(conn: &Connection, names: &Names, metrics: &mut Metrics) -> Result<()> {
    let devices = Macsec::new(conn.sibling(Protocol::Generic)?).secys().list().await;
    for device in supported(devices)? {
        let labels = dev(names, device.index);
        for (name, help, value) in [
            ("nl_macsec_tx_encrypted_packets", "Packets encrypted", device.tx_stats.packets_encrypted),
            ("nl_macsec_tx_protected_packets", "Packets protected", device.tx_stats.packets_protected),
            ("nl_macsec_rx_bad_tag_packets", "Packets with a bad tag", device.stats.in_packets_bad_tag),
            ("nl_macsec_rx_no_sci_packets", "Packets of no channel", device.stats.in_packets_no_sci),
            (
                "nl_macsec_rx_overrun_packets",
                "Packets dropped in an overrun",
                device.stats.in_packets_overrun,
            ),
        ] {
            metrics.count(name, help, &labels, value);
        }
    }
    Ok(())
}

/// Local SIDs that count.
async fn segments(conn: &Connection, metrics: &mut Metrics) -> Result<()> {
    let sids = async { Sids::new(conn.clone()).entries().list().await?.collect_all().await };
    for sid in supported(sids.await)? {
        let Some(counters) = sid.local.counters else { continue };
        let labels = vec![("sid", sid.route.prefix.to_string())];
        metrics.count("nl_srv6_sid_bytes", "Bytes that the SID processed", &labels, counters.bytes);
        metrics.count("nl_srv6_sid_packets", "Packets that the SID processed", &labels, counters.packets);
        metrics.count("nl_srv6_sid_errors", "Packets that the SID dropped", &labels, counters.errors);
    }
    Ok(())
}

/// The counters of the calling thread's namespace, by the kernel's names.
fn multipath_tcp(metrics: &mut Metrics) {
    // A kernel without MPTCP, or a machine without /proc, has none.
    let Ok(counters) = Mib::read() else { return };
    for (name, value) in counters.iter() {
        let labels = vec![("counter", name.to_owned())];
        match name {
            // The only one that also falls.
            "MPCurrEstab" => metrics.gauge("nl_mptcp_established", "Connections", &Labels::new(), value),
            _ => metrics.count("nl_mptcp", "Counters of Multipath TCP", &labels, value),
        }
    }
}
