//! What a kernel listed, as kept in `golden/kernel.hex`, is read whole.

use nl_core::message::MessageRef;
use nl_testkit::oracle::Golden;

/// What the command was answered with.
fn listed(command: &str) -> Vec<u8> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kernel.hex");
    let golden = Golden::read(&std::fs::read_to_string(file).unwrap()).unwrap();
    golden.request(command).unwrap_or_else(|| panic!("`{command}` is not in {file}")).to_vec()
}

#[cfg(feature = "mdb")]
mod mdb {
    use nl_bridge::mdb::MdbTable;

    use super::*;

    fn table(command: &str) -> MdbTable {
        MdbTable::decode(MessageRef::parse(&listed(command)).unwrap()).unwrap()
    }

    #[test]
    fn the_multicast_database_of_a_bridge_is_read() {
        let table = table("bridge mdb show dev br0");
        let texts: Vec<_> = table.entries.iter().map(ToString::to_string).collect();
        let start = "dev #3 port #5 grp";
        assert_eq!(
            texts,
            [
                format!("{start} 01:02:03:04:05:06 permanent proto 4"),
                format!("{start} 239.1.1.2 src 192.0.2.2 permanent vid 10 filter_mode include proto 11"),
                format!("{start} 239.1.1.2 src 192.0.2.1 permanent vid 10 filter_mode include proto 11"),
                format!(
                    "{start} 239.1.1.2 permanent vid 10 filter_mode include source_list 192.0.2.2,192.0.2.1 proto 11"
                ),
                format!("{start} ff0e::1 src 2001:db8::1 temp filter_mode include proto 4"),
                format!("{start} 239.1.1.1 permanent vid 10 filter_mode exclude proto 4"),
            ]
        );
        let [router] = table.routers[..] else { panic!("{:?}", table.routers) };
        assert_eq!((router.port, router.kind, router.vlan), (5, Some(2), None));
    }

    #[test]
    fn the_multicast_database_of_a_vxlan_device_is_read() {
        let table = table("bridge mdb show dev vx0");
        let [entry] = &table.entries[..] else { panic!("{:?}", table.entries) };
        assert_eq!(
            entry.to_string(),
            "dev #4 port #4 grp 239.1.1.1 permanent filter_mode exclude proto 4 dst 192.0.2.1 dst_port 44 vni 5 src_vni 6 via #5"
        );
    }
}

#[cfg(all(feature = "settings", feature = "vxlan"))]
mod devices {
    use std::net::IpAddr;
    use std::time::Duration;

    use nl_bridge::settings::{Bridge, BridgePort, McastRouter, Port, StpState};
    use nl_bridge::vxlan::{Vxlan, VxlanDf, VxlanPorts};
    use nl_core::attr::Attrs;
    use nl_core::link::{Link, LinkKind};

    use super::*;

    fn link(command: &str) -> Link {
        Link::decode(MessageRef::parse(&listed(command)).unwrap()).unwrap()
    }

    #[test]
    fn a_bridge_that_the_kernel_lists_is_read_whole() {
        let link = link("ip -d link show dev br0");
        let bridge = Bridge::decode(Attrs::new(&link.kind_data)).unwrap();
        assert!(link.is_kind("bridge") && bridge.other.is_empty(), "{:?}", bridge.other);
        assert_eq!((bridge.mcast_igmp_version, bridge.mcast_mld_version), (Some(3), Some(2)));
        assert_eq!(bridge.forward_delay, Some(Duration::from_secs(15)));
        assert_eq!(bridge.ageing_time, Some(Duration::from_secs(300)));
        assert_eq!((bridge.priority, bridge.fdb_n_learned), (Some(0x8000), Some(0)));
        assert_eq!(bridge.bridge_id.unwrap().to_string(), "8000.02:00:00:00:00:03");
    }

    #[test]
    fn a_port_is_read_alike_from_both_of_its_messages() {
        let link = link("ip -d link show dev port1");
        let options = BridgePort::decode(Attrs::new(&link.port_data)).unwrap();
        assert!(link.is_port_of("bridge") && options.other.is_empty(), "{:?}", options.other);
        assert_eq!(
            (options.state, options.mcast_router),
            (Some(StpState::Forwarding), Some(McastRouter::Permanent))
        );
        let alone = listed("bridge -d link show");
        let mut port = Port::decode(MessageRef::parse(&alone).unwrap()).unwrap().unwrap();
        assert_eq!((port.index, port.name.as_str(), port.master), (5, "port1", 3));
        // It runs between the two messages.
        port.options.hold_timer = options.hold_timer;
        port.options.forward_delay_timer = options.forward_delay_timer;
        assert_eq!(port.options, options);
    }

    #[test]
    fn a_vxlan_device_that_the_kernel_lists_is_read_whole() {
        let device = link("ip -d link show dev vx1");
        let vxlan = Vxlan::decode(Attrs::new(&device.kind_data)).unwrap();
        assert!(vxlan.other.is_empty(), "{:?}", vxlan.other);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!((vxlan.id.unwrap().get(), vxlan.local), (100, Some(ip("192.0.2.1"))));
        assert_eq!(vxlan.dst.unwrap().remote, Some(ip("192.0.2.7")));
        assert_eq!((vxlan.ttl, vxlan.tos, vxlan.df), (Some(5), Some(16), Some(VxlanDf::Set)));
        assert_eq!((vxlan.port, vxlan.learning), (Some(4790), Some(false)));
        assert_eq!(vxlan.port_range, Some(VxlanPorts::from((1000, 2000))));
        assert_eq!(vxlan.ageing, Some(Duration::from_secs(77)));
        let metadata = link("ip -d link show dev vx0");
        let metadata = Vxlan::decode(Attrs::new(&metadata.kind_data)).unwrap();
        assert_eq!((metadata.collect_metadata, metadata.vnifilter), (Some(true), Some(true)));
    }
}
