//! The stored corpora of the fuzz targets, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::check::check;
#[cfg(any(feature = "mdb", feature = "vlan", all(feature = "settings", feature = "vxlan")))]
use crate::fuzz;

fn corpus(target: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), target)
}

#[test]
fn the_stored_corpora_break_nothing() {
    corpus("fdb_decode").replay(8, check);
    #[cfg(feature = "mdb")]
    corpus("mdb_decode").replay(5, fuzz::mdb::check);
    #[cfg(feature = "vlan")]
    corpus("vlan_decode").replay(6, fuzz::vlan::check);
    #[cfg(all(feature = "settings", feature = "vxlan"))]
    {
        corpus("settings_decode").replay(7, fuzz::settings::check);
        corpus("vxlan_decode").replay(6, fuzz::vxlan::check);
    }
}

/// The corpus begins with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpus() {
    use crate::golden::{ADD_STATIC, ADD_VXLAN, DUMP_STATIC, DUMP_VXLAN, FLUSH};
    let both = [DUMP_STATIC, DUMP_VXLAN].concat();
    let golden = [
        ("add_static", ADD_STATIC),
        ("add_vxlan", ADD_VXLAN),
        ("flush", FLUSH),
        ("dump_static", DUMP_STATIC),
        ("dump_vxlan", DUMP_VXLAN),
        ("two_in_a_datagram", &both),
        // The payloads alone.
        ("payload_static", &DUMP_STATIC[32..]),
        ("payload_vxlan", &DUMP_VXLAN[32..]),
    ];
    corpus("fdb_decode").holds_all(golden.map(|(name, hex)| (name, crate::unhex(hex))));
}

/// The same for VLANs of devices.
#[test]
#[cfg(all(target_endian = "little", feature = "vlan"))]
fn the_golden_bytes_of_vlans_are_in_the_corpus() {
    use crate::vlans::{ADD, ADD_RANGE, ADD_SELF, DELETE_RANGE};
    let golden =
        [("add", ADD), ("add_range", ADD_RANGE), ("add_self", ADD_SELF), ("delete_range", DELETE_RANGE)];
    corpus("vlan_decode").holds_all(golden.map(|(name, hex)| (name, crate::unhex(hex))));
    #[cfg(all(feature = "settings", feature = "vxlan"))]
    corpus("vlan_decode").holds("listed", &crate::unhex(crate::settings::LISTED));
}

/// What a golden file has for these commands.
#[cfg(all(target_endian = "little", any(feature = "mdb", all(feature = "settings", feature = "vxlan"))))]
fn kept<'a>(file: &str, named: &[(&'a str, &str)]) -> Vec<(&'a str, Vec<u8>)> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let golden = nl_testkit::oracle::Golden::read(&std::fs::read_to_string(path).unwrap()).unwrap();
    let message = |command: &str| {
        golden.request(command).unwrap_or_else(|| panic!("`{command}` is not in {file}")).to_vec()
    };
    named.iter().map(|(name, command)| (*name, message(command))).collect()
}

#[test]
#[cfg(all(target_endian = "little", feature = "mdb"))]
fn the_golden_bytes_of_multicast_databases_are_in_the_corpus() {
    let corpus = corpus("mdb_decode");
    let listed = [("list_bridge", "bridge mdb show dev br0"), ("list_vxlan", "bridge mdb show dev vx0")];
    corpus.holds_all(kept("kernel.hex", &listed));
    let sent = [
        ("add_source", "bridge mdb add dev br0 port port1 grp ff0e::1 src 2001:db8::1 permanent"),
        (
            "add_vxlan",
            "bridge mdb add dev vx0 port vx0 grp 239.1.1.1 permanent dst 192.0.2.1 dst_port 44 vni 5 src_vni 6 via port1",
        ),
        (
            "replace_sources",
            "bridge mdb replace dev br0 port port1 grp 239.1.1.1 permanent filter_mode include source_list \
             192.0.2.1,192.0.2.2 proto zebra vid 10",
        ),
    ];
    corpus.holds_all(kept("mdb.hex", &sent));
}

#[test]
#[cfg(all(target_endian = "little", feature = "settings", feature = "vxlan"))]
fn the_golden_bytes_of_devices_are_in_the_corpora() {
    let listed = [
        ("list_bridge", "ip -d link show dev br0"),
        ("list_port", "ip -d link show dev port1"),
        ("list_port_alone", "bridge -d link show"),
    ];
    corpus("settings_decode").holds_all(kept("kernel.hex", &listed));
    let sent = [
        ("set_bridge", "ip link set dev br0 type bridge mcast_query_interval 6000"),
        ("set_port", "bridge link set dev port1 learning off"),
        ("set_port_self", "bridge link set dev port1 hwmode vepa self learning off"),
        ("set_port_with_the_device", "ip link set dev port1 type bridge_slave backup_port port2"),
    ];
    corpus("settings_decode").holds_all(kept("settings.hex", &sent));
    let listed = [("list", "ip -d link show dev vx1"), ("list_metadata", "ip -d link show dev vx0")];
    corpus("vxlan_decode").holds_all(kept("kernel.hex", &listed));
    let sent = [
        (
            "add_v4",
            "ip link add vx1 type vxlan id 100 remote 192.0.2.7 local 192.0.2.1 dstport 4789 nolearning",
        ),
        (
            "add_v6",
            "ip link add vx1 type vxlan id 100 remote 2001:db8::7 local 2001:db8::1 dstport 4789 udp6zerocsumtx \
             udp6zerocsumrx",
        ),
        (
            "add_group",
            "ip link add vx1 type vxlan id 100 group 239.1.1.1 dev port2 ttl 5 tos 0x10 df set dstport 4789",
        ),
        ("add_metadata", "ip link add vx1 type vxlan external vnifilter dstport 4789"),
    ];
    corpus("vxlan_decode").holds_all(kept("settings.hex", &sent));
}
