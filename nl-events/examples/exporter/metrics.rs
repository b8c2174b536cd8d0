//! What is counted, read at each scrape.

use std::collections::{BTreeMap, HashMap};

use nl_bridge::fdb::Fdb;
use nl_bridge::vlan::Vlans;
use nl_bridge::vni::Vnis;
use nl_core::error::Errno;
use nl_core::link::Links;
use nl_core::nexthop::Nexthops;
use nl_core::{Connection, Protocol, Result};
use nl_macsec::Macsec;
use nl_macsec::secy::Secy;
use nl_mptcp::mib::Mib;
use nl_srv6::sid::Sids;
use nl_tc::Tc;
use nl_tc::stats::Stats;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;

/// All metrics of the connection's namespace as OpenMetrics text.
pub(crate) async fn scrape(conn: &Connection) -> Result<String> {
    let mut metrics = Metrics::default();
    let names = devices(conn, &mut metrics).await?;
    traffic_control(conn, &names, &mut metrics).await?;
    bridges(conn, &names, &mut metrics).await?;
    macsec(conn, &names, &mut metrics).await?;
    nexthops(conn, &mut metrics).await?;
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
    counters: BTreeMap<String, Family<Labels, Counter>>,
    gauges: BTreeMap<String, Family<Labels, Gauge>>,
}

impl Metrics {
    fn count(&mut self, name: &str, help: &str, labels: &Labels, value: impl Into<u64>) {
        let registry = &mut self.registry;
        let family = self.counters.entry(name.to_owned()).or_insert_with(|| {
            let family = Family::<Labels, Counter>::default();
            registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).inc_by(value.into());
    }

    /// Several counters with the same labels: the name, the help and the value of each.
    fn counts<const N: usize>(&mut self, labels: &Labels, counters: [(&str, &str, impl Into<u64>); N]) {
        for (name, help, value) in counters {
            self.count(name, help, labels, value);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &Labels, value: impl Into<u64>) {
        self.signed(name, help, labels, i64::try_from(value.into()).unwrap_or(i64::MAX));
    }

    fn signed(&mut self, name: &str, help: &str, labels: &Labels, value: i64) {
        let registry = &mut self.registry;
        let family = self.gauges.entry(name.to_owned()).or_insert_with(|| {
            let family = Family::<Labels, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).set(value);
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
        metrics.gauge("nl_link_up", "Whether the device is administratively up", &labels, link.is_up());
        let Some(stats) = &link.stats else { continue };
        metrics.counts(
            &labels,
            [
                ("nl_link_rx_bytes", "Bytes received", stats.rx_bytes),
                ("nl_link_rx_packets", "Packets received", stats.rx_packets),
                ("nl_link_rx_errors", "Packets with errors when received", stats.rx_errors),
                ("nl_link_rx_dropped", "Packets dropped when received", stats.rx_dropped),
                ("nl_link_tx_bytes", "Bytes sent", stats.tx_bytes),
                ("nl_link_tx_packets", "Packets sent", stats.tx_packets),
                ("nl_link_tx_errors", "Packets with errors when sent", stats.tx_errors),
                ("nl_link_tx_dropped", "Packets dropped when sent", stats.tx_dropped),
                ("nl_link_multicast", "Multicast packets received", stats.multicast),
                ("nl_link_collisions", "Collisions", stats.collisions),
                ("nl_link_rx_nohandler", "Packets received that nothing took", stats.rx_nohandler),
            ],
        );
    }
    Ok(names)
}

async fn traffic_control(conn: &Connection, names: &Names, metrics: &mut Metrics) -> Result<()> {
    let tc = Tc::new(conn.clone());
    for qdisc in tc.qdiscs().list().await?.collect_all().await? {
        let labels = with(dev(names, qdisc.index), "parent", qdisc.parent);
        let labels = with(with(labels, "handle", qdisc.handle), "kind", qdisc.config.kind());
        queue(metrics, "qdisc", &labels, &qdisc.stats);
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
            queue(metrics, "class", &with(labels, "kind", class.config.kind()), &class.stats);
        }
    }
    Ok(())
}

/// The metrics of a qdisc or a class.
fn queue(metrics: &mut Metrics, of: &str, labels: &Labels, stats: &Stats) {
    let name = |what: &str| format!("nl_{of}_{what}");
    metrics.count(&name("bytes"), "Bytes sent", labels, stats.bytes);
    metrics.count(&name("packets"), "Packets sent", labels, stats.packets);
    metrics.count(&name("drops"), "Packets dropped", labels, stats.drops);
    metrics.count(&name("overlimits"), "How often a limit was exceeded", labels, stats.overlimits);
    metrics.count(&name("requeues"), "Packets requeued", labels, stats.requeues);
    metrics.gauge(&name("backlog_bytes"), "Bytes in the queue", labels, stats.backlog);
    metrics.gauge(&name("queue_packets"), "Packets in the queue", labels, stats.queue_len);
    if let Some(measured) = stats.measured {
        let help = "What the kernel's estimator measured";
        metrics.gauge(&name("packets_per_second"), help, labels, measured.packets);
    }
    // Each kind has its own. They are gauges, because some of them fall.
    if let Ok(special) = serde_json::to_value(&stats.xstats) {
        numbers(&special, &mut Vec::new(), &mut |path, value| {
            let labels = with(labels.clone(), "name", path);
            metrics.signed(&name("special"), "What only this kind counts or measures", &labels, value);
        });
    }
}

/// The numbers in a value, each with its path: `FqCodel.ecn_mark`.
fn numbers(value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(String, i64)) {
    let mut inside = |name: String, value: &Value| {
        path.push(name);
        numbers(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inside(name.clone(), value)),
        // Bytes of a kind that nobody knows are no counters.
        Value::Array(values) if values.iter().all(Value::is_object) => {
            values.iter().enumerate().for_each(|(number, value)| inside(number.to_string(), value));
        }
        Value::Number(number) => {
            let large = number.as_u64().map(|_| i64::MAX);
            if let Some(value) = number.as_i64().or(large) {
                found(path.join("."), value);
            }
        }
        _ => {}
    }
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
            metrics.counts(
                &labels,
                [
                    ("nl_vlan_rx_bytes", "Bytes received in the VLAN", vlan.rx_bytes),
                    ("nl_vlan_rx_packets", "Packets received in the VLAN", vlan.rx_packets),
                    ("nl_vlan_tx_bytes", "Bytes sent in the VLAN", vlan.tx_bytes),
                    ("nl_vlan_tx_packets", "Packets sent in the VLAN", vlan.tx_packets),
                ],
            );
        }
    }
    let vnis = async { Vnis::new(conn.clone()).entries().stats().list().await?.collect_all().await };
    for entry in supported(vnis.await)? {
        let Some(stats) = entry.stats else { continue };
        let labels = with(dev(names, entry.index), "vni", entry.vnis);
        metrics.counts(
            &labels,
            [
                ("nl_vni_rx_bytes", "Bytes received in the VNI", stats.rx_bytes),
                ("nl_vni_rx_packets", "Packets received in the VNI", stats.rx_packets),
                ("nl_vni_rx_dropped", "Packets of the VNI dropped when received", stats.rx_drops),
                ("nl_vni_rx_errors", "Packets of the VNI with errors when received", stats.rx_errors),
                ("nl_vni_tx_bytes", "Bytes sent in the VNI", stats.tx_bytes),
                ("nl_vni_tx_packets", "Packets sent in the VNI", stats.tx_packets),
                ("nl_vni_tx_dropped", "Packets of the VNI dropped when sent", stats.tx_drops),
                ("nl_vni_tx_errors", "Packets of the VNI with errors when sent", stats.tx_errors),
            ],
        );
    }
    Ok(())
}

async fn macsec(conn: &Connection, names: &Names, metrics: &mut Metrics) -> Result<()> {
    let devices = Macsec::new(conn.sibling(Protocol::Generic)?).secys().list().await;
    for device in supported(devices)? {
        let labels = dev(names, device.index);
        sent(&device, &labels, metrics);
        received(&device, &labels, metrics);
    }
    Ok(())
}

/// What a MACsec device sends, and each of its associations.
fn sent(device: &Secy, labels: &Labels, metrics: &mut Metrics) {
    let (stats, tx) = (&device.stats, &device.tx_stats);
    metrics.counts(
        labels,
        [
            ("nl_macsec_tx_untagged_packets", "Packets sent without a tag", stats.out_packets_untagged),
            (
                "nl_macsec_tx_too_long_packets",
                "Packets over the MTU of the device below",
                stats.out_packets_too_long,
            ),
            ("nl_macsec_tx_encrypted_packets", "Packets encrypted", tx.packets_encrypted),
            ("nl_macsec_tx_protected_packets", "Packets protected", tx.packets_protected),
            ("nl_macsec_tx_encrypted_bytes", "Bytes encrypted", tx.octets_encrypted),
            ("nl_macsec_tx_protected_bytes", "Bytes protected", tx.octets_protected),
        ],
    );
    for sa in &device.tx_sas {
        let labels = with(labels.clone(), "an", sa.an);
        metrics.gauge("nl_macsec_tx_sa_next_pn", "The next packet number", &labels, sa.next_pn);
        metrics.counts(
            &labels,
            [
                ("nl_macsec_tx_sa_encrypted_packets", "Packets encrypted", sa.stats.packets_encrypted),
                ("nl_macsec_tx_sa_protected_packets", "Packets protected", sa.stats.packets_protected),
            ],
        );
    }
}

/// What a MACsec device receives, each of its channels and each of their associations.
fn received(device: &Secy, labels: &Labels, metrics: &mut Metrics) {
    let stats = &device.stats;
    metrics.counts(
        labels,
        [
            ("nl_macsec_rx_untagged_packets", "Packets without a tag, delivered", stats.in_packets_untagged),
            ("nl_macsec_rx_no_tag_packets", "Packets without a tag, dropped", stats.in_packets_no_tag),
            ("nl_macsec_rx_bad_tag_packets", "Packets with a bad tag", stats.in_packets_bad_tag),
            (
                "nl_macsec_rx_unknown_sci_packets",
                "Packets of no channel, delivered",
                stats.in_packets_unknown_sci,
            ),
            ("nl_macsec_rx_no_sci_packets", "Packets of no channel, dropped", stats.in_packets_no_sci),
            ("nl_macsec_rx_overrun_packets", "Packets dropped in an overrun", stats.in_packets_overrun),
        ],
    );
    for channel in &device.rx_scs {
        let labels = with(labels.clone(), "sci", channel.sci);
        let stats = &channel.stats;
        metrics.counts(
            &labels,
            [
                ("nl_macsec_rx_sc_validated_bytes", "Bytes verified", stats.octets_validated),
                ("nl_macsec_rx_sc_decrypted_bytes", "Bytes decrypted", stats.octets_decrypted),
                (
                    "nl_macsec_rx_sc_unchecked_packets",
                    "Packets not verified, delivered",
                    stats.packets_unchecked,
                ),
                (
                    "nl_macsec_rx_sc_delayed_packets",
                    "Packets out of the window, delivered",
                    stats.packets_delayed,
                ),
                ("nl_macsec_rx_sc_ok_packets", "Packets verified and delivered", stats.packets_ok),
                ("nl_macsec_rx_sc_invalid_packets", "Packets that failed, delivered", stats.packets_invalid),
                ("nl_macsec_rx_sc_late_packets", "Packets dropped by replay protection", stats.packets_late),
                (
                    "nl_macsec_rx_sc_not_valid_packets",
                    "Packets that failed, dropped",
                    stats.packets_not_valid,
                ),
                (
                    "nl_macsec_rx_sc_not_using_sa_packets",
                    "Packets of no association, dropped",
                    stats.packets_not_using_sa,
                ),
                (
                    "nl_macsec_rx_sc_unused_sa_packets",
                    "Packets of no association, delivered",
                    stats.packets_unused_sa,
                ),
            ],
        );
        for sa in &channel.sas {
            let labels = with(labels.clone(), "an", sa.an);
            metrics.gauge(
                "nl_macsec_rx_sa_next_pn",
                "The lowest packet number accepted",
                &labels,
                sa.next_pn,
            );
            metrics.counts(
                &labels,
                [
                    ("nl_macsec_rx_sa_ok_packets", "Packets verified and delivered", sa.stats.packets_ok),
                    (
                        "nl_macsec_rx_sa_invalid_packets",
                        "Packets that failed, delivered",
                        sa.stats.packets_invalid,
                    ),
                    (
                        "nl_macsec_rx_sa_not_valid_packets",
                        "Packets that failed, dropped",
                        sa.stats.packets_not_valid,
                    ),
                    (
                        "nl_macsec_rx_sa_not_using_sa_packets",
                        "Packets dropped",
                        sa.stats.packets_not_using_sa,
                    ),
                    ("nl_macsec_rx_sa_unused_sa_packets", "Packets delivered", sa.stats.packets_unused_sa),
                ],
            );
        }
    }
}

/// How often each member of a nexthop group was selected. Linux 6.9.
async fn nexthops(conn: &Connection, metrics: &mut Metrics) -> Result<()> {
    let nexthops = async { Nexthops::new(conn.clone()).entries().stats().list().await?.collect_all().await };
    let groups = match supported(nexthops.await) {
        // Older kernels refuse the attribute that asks for them.
        Err(error) if error.errno() == Some(Errno::EINVAL) => Vec::new(),
        groups => groups?,
    };
    for group in groups {
        for member in &group.stats {
            let labels = vec![("group", group.id.to_string()), ("member", member.id.to_string())];
            metrics.count(
                "nl_nexthop_packets",
                "Packets for which the member was selected",
                &labels,
                member.packets,
            );
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
        metrics.counts(
            &labels,
            [
                ("nl_srv6_sid_bytes", "Bytes that the SID processed", counters.bytes),
                ("nl_srv6_sid_packets", "Packets that the SID processed", counters.packets),
                ("nl_srv6_sid_errors", "Packets that the SID dropped", counters.errors),
            ],
        );
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
