//! The stored corpora of the fuzz targets, replayed on stable.

use nl_testkit::corpus::Corpus;

use crate::fuzz;

fn corpus(target: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), target)
}

#[test]
fn the_stored_corpora_break_nothing() {
    corpus("mst_decode").replay(2, fuzz::mst::check);
    corpus("tunnel_decode").replay(4, fuzz::tunnel::check);
    corpus("vlan_db_decode").replay(8, fuzz::vlan_db::check);
    corpus("vni_decode").replay(4, fuzz::vni::check);
}

/// The corpora begin with the golden bytes; `BLESS=1 cargo test` writes them.
#[test]
#[cfg(target_endian = "little")]
fn the_golden_bytes_are_in_the_corpora() {
    use crate::golden::{
        DUMP_GLOBAL, DUMP_P0, DUMP_STATS, DUMP_VNIS, DUMP_VX0, MAP_RANGE, NEW_VNIS, SET_GLOBAL, SET_STATE,
        with_router_ports,
    };
    use nl_testkit::oracle::{Golden, unhex};

    let holds = |target, golden: &[(&str, &str)]| {
        corpus(target).holds_all(golden.iter().map(|(name, hex)| (*name, unhex(hex))));
    };
    let entries = [("dump_port", DUMP_P0), ("dump_vxlan", DUMP_VX0), ("dump_stats", DUMP_STATS)];
    holds("vlan_db_decode", &entries);
    holds(
        "vlan_db_decode",
        &[("dump_global", DUMP_GLOBAL), ("set_global", SET_GLOBAL), ("set_state", SET_STATE)],
    );
    corpus("vlan_db_decode").holds("dump_router_ports", &with_router_ports(&[(5, 2, 0), (6, 1, 25_412)]));
    holds("tunnel_decode", &[("dump_vxlan", DUMP_VX0), ("map_range", MAP_RANGE)]);
    holds("vni_decode", &[("dump", DUMP_VNIS), ("new", NEW_VNIS)]);
    // With what it says of its counters.
    holds("vlan_decode", &[("dump_stats", DUMP_STATS)]);

    let golden = Golden::read(&std::fs::read_to_string(crate::iproute2::FILE).unwrap()).unwrap();
    for (target, name, command) in [
        (
            "vlan_db_decode",
            "set_all",
            "vlan set vid 10 dev p1 state forwarding mcast_router 1 mcast_max_groups 0 neigh_suppress on",
        ),
        ("tunnel_decode", "add", "vlan add dev vx0 vid 20-29 tunnel_info id 10020-10029"),
        ("tunnel_decode", "delete", "vlan del dev vx0 vid 10 tunnel_info id 10010"),
        ("vni_decode", "add_remote", "vni add vni 301 remote 2001:db8::9 dev vf0"),
        ("vni_decode", "delete", "vni del vni 200-205 dev vf0"),
        ("mst_decode", "set", "mst set dev p1 msti 2 state blocking"),
        ("mst_decode", "set_largest", "mst set dev p1 msti 4095 state learning"),
    ] {
        corpus(target).holds(name, golden.request(&format!("bridge {command}")).unwrap());
    }
}
